"""Visitors' presence: `visitors.seen_at` is refreshed while the visitor has a socket or a poll open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Text, bindparam, column, update, values

from server.accounts import rules as accounts
from server.kernel.columns import Instant
from server.kernel.sql import Statement, Tx
from server.schema import visitors

_TOUCH = Statement(
    update(visitors)
    .where(visitors.c.key.in_(bindparam("keys", expanding=True)))
    .values(seen_at=bindparam("now", type_=Instant))
)


def touch_visitors(tx: Tx, visitor_keys: list[str]) -> None:
    """Refreshes the presence of visitors who have a socket or a poll open."""
    tx.run(_TOUCH, keys=visitor_keys, now=tx.now)


_departures = (
    values(column("visitor_key", Text), column("left_at", Instant), column("touched", Instant), name="gone")
    .data(
        [
            (
                bindparam("visitor_key", type_=Text),
                bindparam("left", type_=Instant),
                bindparam("touched", type_=Instant),
            )
        ]
    )
    .cte()
)
# Only where `seen_at` is not newer than this process's last write: a newer one is by another process, to which the visitor
# is still connected.
_MARK_OFFLINE = Statement(
    update(visitors)
    .where(visitors.c.key == _departures.c.visitor_key, visitors.c.seen_at <= _departures.c.touched)
    .values(seen_at=_departures.c.left_at)
    .returning(visitors.c.key, visitors.c.thread_id)
)


def mark_visitors_offline(tx: Tx, departed: Mapping[str, tuple[datetime, datetime]]) -> dict[str, int]:
    """Marks visitors offline. `departed`: by visitor key, when the last frame arrived and the latest time at which this
    process can have refreshed `seen_at`. Returns the threads by visitor key, without visitors who are connected to another
    process."""
    latest = tx.now - accounts.ONLINE_FOR
    rows = [
        {"visitor_key": key, "left": min(last_frame_at, latest), "touched": touched}
        for key, (last_frame_at, touched) in sorted(departed.items())
    ]
    marked = tx.all_many(_MARK_OFFLINE, rows)
    return {row.key: row.thread_id for row in marked if row.thread_id is not None}
