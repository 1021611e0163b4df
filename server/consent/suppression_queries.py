"""Reads the list of suppressed addresses (SUP-1..6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, select, tuple_

from server.consent import rules
from server.kernel.columns import Instant
from server.kernel.sql import Conn, Statement
from server.schema import addresses, contacts, suppressions, users

KINDS = {"sms": "phone", "email": "email"}  # channel → `addresses.kind`
MOST_COUNTED = 10_000


class Listed(NamedTuple):
    """A suppressed address. `source`: "user:3", "import:7"; "": Threadline itself."""

    channel: str
    address: str
    reason: str
    detail: str
    at: datetime
    source: str


class Person(NamedTuple):
    id: int
    name: str


class Filter(NamedTuple):
    """`find`: a part of the address. "": any."""

    channel: str = ""
    reason: str = ""
    find: str = ""


_COLUMNS = [suppressions.c[name] for name in Listed._fields]
_PLACE = (suppressions.c.at, suppressions.c.channel, suppressions.c.address)


def _matching(wanted: Filter, *columns: Any) -> Select[Any]:
    rows = select(*columns).where(suppressions.c.reason != rules.Suppressed.ERASED.value)  # hashes tell nobody anything
    if wanted.channel:
        rows = rows.where(suppressions.c.channel == wanted.channel)
    if wanted.reason:
        rows = rows.where(suppressions.c.reason == wanted.reason)
    if wanted.find:
        rows = rows.where(suppressions.c.address.contains(wanted.find, autoescape=True))
    return rows


def page(
    conn: Conn,
    wanted: Filter,
    limit: int,
    *,
    after: tuple[datetime, str, str] | None = None,
    before: tuple[datetime, str, str] | None = None,
) -> list[Listed]:
    """Suppressed addresses, newest first; upwards from `before`."""
    rows = _matching(wanted, *_COLUMNS).limit(limit)
    place = after or before
    if place is not None:
        bound = tuple_(
            bindparam("at", place[0], type_=Instant),
            bindparam("place_channel", place[1]),
            bindparam("place_address", place[2]),
        )
        rows = rows.where(tuple_(*_PLACE) < bound if after else tuple_(*_PLACE) > bound)
    order = [column.asc() if before else column.desc() for column in _PLACE]
    return [Listed._make(row) for row in conn.all(rows.order_by(*order))]


def count(conn: Conn, wanted: Filter) -> int:
    """How many addresses match, counted up to `MOST_COUNTED`."""
    some = _matching(wanted, suppressions.c.address).limit(MOST_COUNTED).subquery()
    return int(conn.value(select(func.count().label("n")).select_from(some)))


_PEOPLE = Statement(
    select(addresses.c.kind, addresses.c.value, contacts.c.id, contacts.c.name)
    .join(contacts, contacts.c.id == addresses.c.contact_id)
    .where(
        addresses.c.kind.in_(bindparam("kinds", expanding=True)),
        addresses.c.value.in_(bindparam("values", expanding=True)),
    )
    .order_by(addresses.c.active_at, addresses.c.id),
)
_USERS = Statement(select(users.c.id, users.c.name).where(users.c.id.in_(bindparam("ids", expanding=True))))


def people_with(conn: Conn, rows: Sequence[Listed]) -> dict[tuple[str, str], Person]:
    """The contacts with these addresses, by (channel, address); of several, the one who was active last."""
    if not rows:
        return {}
    channel_of = {kind: channel for channel, kind in KINDS.items()}
    found = conn.all(_PEOPLE, kinds=sorted(channel_of), values=sorted({row.address for row in rows}))
    return {(channel_of[row.kind], row.value): Person(row.id, row.name) for row in found}


def names_of_users(conn: Conn, sources: Sequence[str]) -> dict[int, str]:
    ids = sorted({user for source in sources if (user := rules.user_of_source(source)) is not None})
    return {row.id: row.name for row in conn.all(_USERS, ids=ids)} if ids else {}
