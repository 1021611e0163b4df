"""Reads the events of a contact, and of all contacts that are merged with it, for the activity view."""

from __future__ import annotations

from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, tuple_

from server.kernel.columns import Instant
from server.kernel.sql import Conn, Statement
from server.schema import events, merged_set, short_links

PAGE = 50


class Activity(NamedTuple):
    """One event of a contact. `value`: ten-thousandths of the currency's unit."""

    id: int
    metric: str
    happened_at: datetime
    source: str
    data: dict[str, Any] | None
    value: int | None
    currency: str | None


_TARGETS = Statement(
    select(short_links.c.id, short_links.c.target).where(short_links.c.id.in_(bindparam("ids", expanding=True)))
)
_MEMBERS = Statement(merged_set(bindparam("contact")))
_columns = [events.c[name] for name in Activity._fields]
_newest_first = (
    select(*_columns)
    .where(events.c.contact_id == bindparam("contact"))
    .order_by(events.c.happened_at.desc(), events.c.id.desc())
    .limit(bindparam("n"))
)
_before = tuple_(events.c.happened_at, events.c.id) < tuple_(
    bindparam("before_at", type_=Instant), bindparam("before_id", type_=events.c.id.type)
)
_with_metric = events.c.metric == bindparam("metric")
_NEWEST = Statement(_newest_first, into=Activity, uses=("ix_events_contact",))
_NEXT = Statement(_newest_first.where(_before), into=Activity, uses=("ix_events_contact",))
# With a metric, the contact's other events are read, too: a second index would slow down every message.
_NEWEST_OF_METRIC = Statement(_newest_first.where(_with_metric), into=Activity)
_NEXT_OF_METRIC = Statement(_newest_first.where(_with_metric, _before), into=Activity)


def activity(
    conn: Conn, contact: int, metric: str | None = None, before: tuple[datetime, int] | None = None, limit: int = PAGE
) -> list[Activity]:
    """The newest events of the contact's merged set, newest first. `before`: time and id of the last event of the
    previous page."""
    # One query for each contact: for several at once the databases would sort all their events.
    pages = [_newest(conn, member.id, metric, before, limit) for member in conn.all(_MEMBERS, contact=contact)]
    found = islice(merge(*pages, key=lambda event: (event.happened_at, event.id), reverse=True), limit)
    return _with_targets(conn, list(found))


def _with_targets(conn: Conn, found: list[Activity]) -> list[Activity]:
    """The events with the address of each clicked link, as `url`."""
    links = {event.data["link"] for event in found if event.data and "link" in event.data}
    if not links:
        return found
    targets = {row.id: row.target for row in conn.all(_TARGETS, ids=sorted(links))}
    return [
        event._replace(data={**event.data, "url": targets[event.data["link"]]})
        if event.data and event.data.get("link") in targets
        else event
        for event in found
    ]


def _newest(
    conn: Conn, contact: int, metric: str | None, before: tuple[datetime, int] | None, limit: int
) -> list[Activity]:
    names: dict[str, Any] = {"contact": contact, "n": limit}
    if before is not None:
        names |= {"before_at": before[0], "before_id": before[1]}
    if metric is None:
        rows: list[Activity] = conn.all(_NEWEST if before is None else _NEXT, **names)
        return rows
    rows = conn.all(_NEWEST_OF_METRIC if before is None else _NEXT_OF_METRIC, metric=metric, **names)
    return rows
