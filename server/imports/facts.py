"""Reads which contacts the rows of an import mean, and what these contacts are like. For slices of some hundred rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, func, select

from server.contacts import properties
from server.contacts.property_rules import Value
from server.contacts.rules import AddressKind
from server.imports.rules import CurrentConsent, Known
from server.imports.values import decimal_text
from server.kernel.columns import to_micros
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Statement, chunks
from server.schema import addresses, consents, contacts, list_members

_people: Any = bindparam("people", expanding=True)
_survivor = func.coalesce(contacts.c.merged_into, contacts.c.id)
_MATCHES = Statement(
    select(addresses.c.value, _survivor.label("survivor"))
    .select_from(addresses.join(contacts, contacts.c.id == addresses.c.contact_id))
    .where(addresses.c.kind == bindparam("kind"), addresses.c.value.in_(bindparam("values", expanding=True)))
    .order_by(addresses.c.active_at.desc(), addresses.c.id.desc()),
    uses=("uq_addresses_kind_value_contact_id", "pk_contacts"),
)
_CONTACTS = Statement(
    select(
        contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.country, contacts.c.verified
    ).where(contacts.c.id.in_(_people))
)  # fmt: skip
_member = contacts.alias("member")
_IDS = Statement(
    select(func.coalesce(_member.c.merged_into, _member.c.id).label("survivor"), addresses.c.kind, addresses.c.value)
    .select_from(addresses.join(_member, _member.c.id == addresses.c.contact_id))
    .where((_member.c.id.in_(_people)) | (_member.c.merged_into.in_(_people)))
)
_CONSENTS = Statement(
    select(consents.c.contact_id, consents.c.purpose, consents.c.status, consents.c.happened_at).where(
        consents.c.contact_id.in_(_people)
    )
)
_IN_LIST = Statement(
    select(list_members.c.contact_id).where(
        list_members.c.list_id == bindparam("list"), list_members.c.contact_id.in_(_people)
    )
)
KINDS = (AddressKind.CRM, AddressKind.EMAIL, AddressKind.PHONE)  # strongest first


def match(conn: Conn, people: Sequence[Mapping[str, Any]], identifier: str) -> list[int | None]:
    """The contact that each row means: that of the main identifier, or else that of another one if the contact has no other
    value of the main identifier. A contact with another CRM id is another person (AMB-33)."""
    found: dict[tuple[str, str], list[int]] = {}
    for kind in KINDS:
        wanted = sorted({person[kind.value] for person in people if kind.value in person})
        for some in chunks(wanted, ROWS_PER_STATEMENT):
            for row in conn.all(_MATCHES, kind=kind.value, values=list(some)):
                found.setdefault((kind.value, row.value), []).append(row.survivor)
    candidates = sorted({contact for contacts in found.values() for contact in contacts})
    ids: dict[int, dict[str, set[str]]] = {contact: {} for contact in candidates}
    for some_contacts in chunks(candidates, ROWS_PER_STATEMENT):
        for row in conn.all(_IDS, people=list(some_contacts)):
            ids[row.survivor].setdefault(row.kind, set()).add(row.value)
    return [_chosen(person, identifier, found, ids) for person in people]


def _chosen(
    person: Mapping[str, Any],
    identifier: str,
    found: Mapping[tuple[str, str], list[int]],
    ids: Mapping[int, Mapping[str, set[str]]],
) -> int | None:
    kinds = [identifier, *(kind.value for kind in KINDS if kind.value != identifier)]
    for kind in kinds:
        for contact in found.get((kind, person.get(kind, "")), ()):
            has = ids[contact]
            if "crm" in person and has.get("crm") and person["crm"] not in has["crm"]:
                continue
            if kind == identifier or identifier not in person or not has.get(identifier):
                return contact
    return None


def known(conn: Conn, contact_ids: Sequence[int], list_id: int | None) -> dict[int, Known]:
    """What these contacts are like now."""
    ids = sorted(set(contact_ids))
    values = properties.stored_values(conn, ids) if ids else {}
    statuses: dict[int, dict[str, CurrentConsent]] = {}
    crm: dict[int, str] = {}
    members: set[int] = set()
    rows: list[Any] = []
    for some in chunks(ids, ROWS_PER_STATEMENT):
        people = list(some)
        rows += conn.all(_CONTACTS, people=people)
        for row in conn.all(_CONSENTS, people=people):
            current = CurrentConsent(row.status, to_micros(row.happened_at))
            statuses.setdefault(row.contact_id, {})[row.purpose] = current
        crm |= {row.survivor: row.value for row in conn.all(_IDS, people=people) if row.kind == AddressKind.CRM}
        if list_id is not None:
            members |= {row.contact_id for row in conn.all(_IN_LIST, list=list_id, people=people)}
    return {
        row.id: Known(
            contact=row.id,
            name=row.name,
            email=row.email,
            phone=row.phone,
            crm=crm.get(row.id),
            country=row.country,
            vouched=row.verified,
            values={key: as_json(value) for key, value in values.get(row.id, {}).items()},
            consents=statuses.get(row.id, {}),
            in_list=row.id in members,
        )
        for row in rows
    }


# --- values as JSON -------------------------------------------------------------------------------


def as_json(value: Value | None) -> Any:
    """A property's value as a JSON value that compares equal to what the normaliser writes."""
    match value:
        case Decimal():
            return decimal_text(value)
        case datetime():
            return to_micros(value)
        case tuple():
            return list(value)
        case _:
            return value
