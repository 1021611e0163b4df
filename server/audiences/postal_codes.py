"""The owner's table of postal codes and their positions, without which no filter can ask for a distance.

A file has a line for each code: country, code, latitude, longitude; separated by commas, semicolons or tabs. Lines of GeoNames
(`US.txt`, tab-separated) are recognised too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert  # compiles on SQLite too

from server.audiences.conditions import LivesNear
from server.audiences.filters import conditions
from server.audiences.places import normal_code
from server.audiences.segments import every, refresh_later
from server.audit.actions import record
from server.audit.rules import ActedBy
from server.contacts.property_rules import text_key
from server.errors import Conflict
from server.kernel.documents import publish_change
from server.kernel.sql import Conn, Statement, Tx
from server.schema import postal_codes

MAX_LINES = 5_000  # of one call
MAX_CODES = 1_000_000
UNITS = 100_000  # of a degree
_GEONAMES = 12  # columns
_NUMBER = re.compile(r"[+-]?\d{1,3}(?:\.\d{1,12})?", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}")


class Position(NamedTuple):
    country: str
    code: str
    latitude: int
    longitude: int


class BadLine(NamedTuple):
    """`line`: its number, from 1."""

    line: int
    message: str


_insert = upsert(postal_codes).values({name: bindparam(name) for name in Position._fields})
_UPSERT = Statement(
    _insert.on_conflict_do_update(
        index_elements=["country", "code"],
        set_={"latitude": _insert.excluded.latitude, "longitude": _insert.excluded.longitude},
    )
)
_BY_COUNTRY = Statement(
    select(postal_codes.c.country, func.count().label("codes"))
    .group_by(postal_codes.c.country)
    .order_by(postal_codes.c.country)
)
_DELETE_COUNTRY = Statement(delete(postal_codes).where(postal_codes.c.country == bindparam("of_country")))


def parse_line(text: str) -> Position | str:
    """The position of a line, or what is wrong with it."""
    columns = [column.strip().strip('"') for column in re.split(r"\t|;|,", text[:500])]
    if "\t" in text and len(columns) == _GEONAMES:
        columns = [columns[0], columns[1], columns[9], columns[10]]
    if len(columns) != 4:
        return "Write country, code, latitude and longitude, like: US,90210,34.0901,-118.4065"
    country, code, *numbers = columns
    if not _COUNTRY.fullmatch(country.upper()):
        return "The country has two letters, like US."
    code = normal_code(text_key(code))
    if not code or len(code) > 20:
        return "The postal code is missing or longer than 20 characters."
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        return "Latitude and longitude are degrees with a decimal point, like 34.0901."
    latitude, longitude = (float(number) for number in numbers)
    if abs(latitude) > 90 or abs(longitude) > 180:
        return "Latitude is between -90 and 90, longitude between -180 and 180."
    return Position(country.upper(), code, round(latitude * UNITS), round(longitude * UNITS))


def add(tx: Tx, lines: Sequence[str], by: ActedBy, address: str = "") -> tuple[int, list[BadLine]]:
    """Stores the positions of lines; a code that is known gets the new position. Returns how many lines are stored, and the
    others. Empty lines are left out. Raises `Conflict` `too_many`."""
    found: dict[tuple[str, str], Position] = {}
    bad: list[BadLine] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        position = parse_line(line)
        if isinstance(position, str):
            bad.append(BadLine(number, position))
        else:
            found[position.country, position.code] = position
    if sum(row.codes for row in tx.all(_BY_COUNTRY)) + len(found) > MAX_CODES:
        raise Conflict("too_many", f"The table can have at most {MAX_CODES:,} postal codes. Delete a country first.")
    tx.run_many(_UPSERT, [found[key]._asdict() for key in sorted(found)])
    if found:
        record(tx, by, "postal_codes_added", ", ".join(sorted({country for country, _ in found})), address)
        _find_again(tx)
    return len(found), bad


def remove_country(tx: Tx, country: str, by: ActedBy, address: str = "") -> None:
    """Deletes the codes of a country. Raises `Conflict` `in_use` while a segment asks for a distance there."""
    users = [
        each
        for each in every(tx)
        if any(isinstance(asked, LivesNear) and asked.country == country for asked in conditions(each.filter))
    ]
    if users:
        names = ", ".join(each.name for each in users[:5])
        raise Conflict("in_use", f"These segments ask for a distance there: {names}. Change or delete them first.")
    if tx.run(_DELETE_COUNTRY, of_country=country):
        record(tx, by, "postal_codes_deleted", country, address)
        publish_change(tx, "audiences")


def countries(conn: Conn) -> list[tuple[str, int]]:
    """The countries of the table, and how many codes each has."""
    return [(row.country, row.codes) for row in conn.all(_BY_COUNTRY)]


def _find_again(tx: Tx) -> None:
    near = [each.id for each in every(tx) if any(isinstance(asked, LivesNear) for asked in conditions(each.filter))]
    refresh_later(tx, near)
    publish_change(tx, "audiences")
