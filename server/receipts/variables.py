"""The variables of campaign and flow texts: fields of the contact and properties (CAM-33)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from server.contacts import properties
from server.kernel.sql import CACHED_LIST_LENGTH, Conn, Statement, chunks
from server.schema import contacts

if TYPE_CHECKING:
    from server.templates.sandbox import Template

FIELDS = ("first_name", "last_name", "name", "email", "phone", "country", "language")
SAMPLE: Mapping[str, Any] = {
    "first_name": "Alex",
    "last_name": "Miller",
    "name": "Alex Miller",
    "email": "alex@example.com",
    "phone": "+12025550143",
    "country": "US",
    "language": "en",
}  # an invented person, for previews

_FIELDS_OF = Statement(
    select(
        contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.country, contacts.c.language
    ).where(contacts.c.id.in_(bindparam("contacts", expanding=True)))
)


def parse(conn: Conn, source: str) -> Template:
    """Checks a text. Raises `TemplateError` with the line, also for a variable that does not exist (T11)."""
    from server.templates import sandbox  # not at start

    return sandbox.parse(source, html=False, fields={*FIELDS, *(each.key for each in properties.definitions(conn))})


def values_of(conn: Conn, people: Sequence[int], source: str) -> dict[int, dict[str, Any]]:
    """The variables of these contacts. Reads properties only if the text may use one."""
    found: dict[int, dict[str, Any]] = {}
    for some in chunks(list(people), CACHED_LIST_LENGTH):
        for row in conn.all(_FIELDS_OF, contacts=list(some)):
            first, _, last = row.name.strip().partition(" ")
            found[row.id] = {
                "first_name": first,
                "last_name": last.strip(),
                "name": row.name,
                "email": row.email or "",
                "phone": row.phone or "",
                "country": row.country,
                "language": row.language,
            }
    used = {each.id: each.key for each in properties.definitions(conn) if each.key in source and each.key not in FIELDS}
    if used:
        for contact, values in properties.values_of(conn, list(found)).items():
            for property_id, value in values.items():
                if property_id in used:
                    found[contact][used[property_id]] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """A value as a template prints it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value:f}"
        case datetime():
            return f"{value:%Y-%m-%d}"
        case tuple():
            return ", ".join(value)
    return value
