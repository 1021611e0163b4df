"""Whose memberships of a segment the clock changes, and when next: by the dates and events that its conditions ask for.

Nobody's next change is stored. A condition changes for a person at a date + an offset, so an index of the dates finds whoever
is due between two moments.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select

from server.audiences.conditions import ADDED, CREATED, DateIs, DidEvent
from server.audiences.event_sql import moment
from server.audiences.filters import Catalogue, FilterTree, date_offsets, expanded
from server.contacts.property_rules import FIXED
from server.kernel.columns import Instant
from server.kernel.sql import Conn
from server.schema import contacts, events, property_values


class _Source(NamedTuple):
    """Dates whose passing changes a condition: at each date + `offset`."""

    date: Any
    contact: Any
    tests: tuple[Any, ...]
    offset: timedelta


def _sources(tree: FilterTree, catalogue: Catalogue) -> Iterable[_Source]:
    for condition in set(expanded(tree, catalogue)):
        if isinstance(condition, DidEvent) and condition.days is not None:
            of_metric = (events.c.metric == condition.metric,)
            yield _Source(events.c.happened_at, events.c.contact_id, of_metric, timedelta(days=condition.days))
        elif isinstance(condition, DateIs):
            for offset in date_offsets(condition):
                yield from _dates(condition.property, offset)


def _dates(property_id: int, offset: timedelta) -> Iterable[_Source]:
    if property_id > 0:
        values = property_values
        yield _Source(values.c.at, values.c.contact_id, (values.c.property_id == property_id,), offset)
    if property_id in (CREATED, ADDED):
        yield _Source(contacts.c.created_at, contacts.c.id, (), offset)
    for fixed in FIXED:
        if property_id == fixed.id or (property_id == ADDED and fixed.key == "date_added"):
            yield _Source(contacts.c[fixed.key], contacts.c.id, (), offset)


def due(conn: Conn, tree: FilterTree, catalogue: Catalogue, after: datetime, until: datetime, limit: int) -> list[int]:
    """Contacts that the clock may have changed after one moment and up to another, at most `limit`; merged ones too."""
    found: set[int] = set()
    for source in _sources(tree, catalogue):
        statement = select(source.contact.label("contact")).where(
            *source.tests, source.date > moment(after - source.offset), source.date <= moment(until - source.offset)
        )
        found |= {row.contact for row in conn.all(statement.distinct().limit(limit))}
        if len(found) >= limit:
            break
    return sorted(found)[:limit]


def next_change(conn: Conn, tree: FilterTree, catalogue: Catalogue, after: datetime) -> datetime | None:
    """The next moment after this one when the clock may change somebody's membership."""
    moments: list[datetime] = []
    for source in _sources(tree, catalogue):
        first: Select[Any] = select(func.min(source.date, type_=Instant)).where(
            *source.tests, source.date > moment(after - source.offset)
        )
        date = conn.value(first)
        if date is not None:
            moments.append(date + source.offset)
    return min(moments, default=None)
