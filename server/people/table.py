"""The table of contacts, in pages along indexes of `contacts`. A merged contact is in the row of the one that remains.

Contacts without a value of the sorted column come last, in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, tuple_

from server.consent import queries as consents
from server.contacts.rules import AddressKind
from server.kernel.columns import from_micros, to_micros
from server.kernel.sql import Conn
from server.people.rules import Search, Sort
from server.schema import addresses, contacts, events
from server.web.paging import Key


class Row(NamedTuple):
    """One contact of the table."""

    id: int
    name: str
    name_key: str
    email: str | None
    phone: str | None
    country: str
    language: str
    verified: bool
    blocked_at: datetime | None
    created_at: datetime
    date_added: datetime | None
    last_open: datetime | None
    last_click: datetime | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which contacts the table has. `hidden`: also those without any address. `as_of`: only contacts that existed then.
    `matching`: a SELECT of the ids of the contacts that a tree of conditions matches."""

    search: Search = field(default_factory=Search)
    hidden: bool = False
    as_of: datetime | None = None
    matching: Select[Any] | None = None


_COLUMNS: dict[Sort, ColumnElement[Any]] = {
    Sort.CREATED: contacts.c.created_at,
    Sort.NAME: contacts.c.name_key,
    Sort.EMAIL: contacts.c.email,
    Sort.ADDED: contacts.c.date_added,
    Sort.OPENED: contacts.c.last_open,
    Sort.CLICKED: contacts.c.last_click,
}
_FIELDS = {sort: str(column.key) for sort, column in _COLUMNS.items()}
_PHONES = (AddressKind.PHONE.value, AddressKind.PEER.value)
_merged = contacts.alias("merged")
_owner = contacts.alias("owner")
_survivor = func.coalesce(_owner.c.merged_into, _owner.c.id)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _like(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return column.like(pattern, escape="\\")


def _searched(search: Search) -> ColumnElement[bool]:
    ways: list[ColumnElement[bool]] = []
    if search.name:
        name = _escaped(search.name)
        ways += [_like(contacts.c.name_key, f"{name}%"), _like(contacts.c.name_key, f"% {name}%")]
    found: list[ColumnElement[bool]] = []
    if search.email:
        is_email = addresses.c.kind == AddressKind.EMAIL.value
        found.append(and_(is_email, _like(addresses.c.value, f"{_escaped(search.email)}%")))
    if search.digits:
        found.append(and_(addresses.c.kind.in_(_PHONES), _like(addresses.c.value, f"%{search.digits}%")))
    if found:
        owners = addresses.join(_owner, _owner.c.id == addresses.c.contact_id)
        ways.append(contacts.c.id.in_(select(_survivor).select_from(owners).where(or_(*found))))
    return or_(*ways)


_has_address = or_(
    exists().where(addresses.c.contact_id == contacts.c.id),
    # the address may be of a contact merged into this one
    exists().where(_merged.c.merged_into == contacts.c.id, addresses.c.contact_id == _merged.c.id),
)


def condition(filters: Filters) -> ColumnElement[bool]:
    """Which rows of `contacts` the table has."""
    parts: list[ColumnElement[bool]] = [contacts.c.merged_into.is_(None), contacts.c.hidden_at.is_(None)]
    if not filters.hidden:
        parts.append(_has_address)
    if filters.as_of is not None:
        parts.append(contacts.c.created_at <= filters.as_of)
    if not filters.search.empty:
        parts.append(_searched(filters.search))
    if filters.matching is not None:
        parts.append(contacts.c.id.in_(filters.matching))
    return and_(*parts)


def page(
    conn: Conn, filters: Filters, sort: Sort, descending: bool, after: Key | None, limit: int
) -> tuple[list[Row], Key | None]:
    """Up to `limit` rows after the row with this key, and the key of the last row if there are more."""
    column, where = _COLUMNS[sort], condition(filters)
    has_value = column != "" if sort is Sort.NAME else column.is_not(None)
    rows: list[Row] = []
    if after is None or after[0] is not None:
        filled = _ordered(column, descending).where(where, has_value)
        if after is not None:
            filled = filled.where(_behind(column, descending, after))
        rows = _read(conn, filled, limit + 1)
        after = None
    if len(rows) <= limit and sort is not Sort.CREATED:
        # In the order of their ids, which the index has for one value, too.
        empty = _ordered(contacts.c.id, descending).where(
            where, column == "" if sort is Sort.NAME else column.is_(None)
        )
        if after is not None:
            empty = empty.where(contacts.c.id < after[1] if descending else contacts.c.id > after[1])
        rows += _read(conn, empty, limit + 1 - len(rows))
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], key_of(rows[limit - 1], sort)


def _ordered(column: ColumnElement[Any], descending: bool) -> Select[Any]:
    rows = select(*(contacts.c[name] for name in Row._fields))
    order = (column, contacts.c.id) if column is not contacts.c.id else (column,)
    return rows.order_by(*(part.desc() if descending else part for part in order))


def _behind(column: ColumnElement[Any], descending: bool, after: Key) -> ColumnElement[bool]:
    value = from_micros(after[0]) if isinstance(after[0], int) else after[0]
    key = tuple_(column, contacts.c.id)
    cursor = tuple_(literal(value, column.type), literal(after[1], contacts.c.id.type))
    return key < cursor if descending else key > cursor


def _read(conn: Conn, rows: Select[Any], limit: int) -> list[Row]:
    return [Row(*row) for row in conn.all(rows.limit(limit))]


def key_of(row: Row, sort: Sort) -> Key:
    """The row's place: the value it is sorted by, None if it has none, and its id."""
    value = getattr(row, _FIELDS[sort]) or None
    return (to_micros(value) if isinstance(value, datetime) else value), row.id


def count(conn: Conn, filters: Filters) -> int:
    return int(conn.value(select(func.count()).select_from(contacts).where(condition(filters))))


# --- what a page shows beside the columns of `contacts` -------------------------------------------

_members = select(contacts.c.id.label("member"), func.coalesce(contacts.c.merged_into, contacts.c.id).label("root"))


def last_active(conn: Conn, people: Sequence[int]) -> dict[int, datetime]:
    """When each contact, or one merged with it, last had an event."""
    if not people:
        return {}
    newest = (
        select(events.c.happened_at)
        .where(events.c.contact_id == contacts.c.id)
        .order_by(events.c.happened_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = conn.all(
        _members.add_columns(newest.label("at")).where(
            or_(contacts.c.id.in_(list(people)), contacts.c.merged_into.in_(list(people)))
        )
    )
    result: dict[int, datetime] = {}
    for row in rows:
        if row.at is not None and (row.root not in result or result[row.root] < row.at):
            result[row.root] = row.at
    return result


def statuses(conn: Conn, people: Sequence[int]) -> dict[int, dict[str, str]]:
    """The consent status of each contact by purpose."""
    facts = consents.facts_of(conn, [(person, "") for person in people])
    return {person: dict(each.statuses) for person, each in zip(people, facts, strict=True)}
