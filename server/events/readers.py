"""Reads all events in order, for readers that handle each event once. A reader's bookmark is a row.

The bookmark moves in the transaction that handles the events, so each event is handled exactly once.

On PostgreSQL ids are given before COMMIT: a transaction can commit an event after a reader has seen events with larger ids. A
bookmark that is only an id would miss it. So readers follow (transaction id, id), and read only transactions below the
oldest one that still runs: no earlier event can appear after that. SQLite has one writer, so ids are in the order of commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, cast, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.kernel.columns import Instant
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import event_bookmarks, events


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event. `tx_id` and `id` are its place in the order."""

    tx_id: int
    id: int
    contact: int
    metric: str
    happened_at: datetime
    recorded_at: datetime
    source: str
    data: dict[str, Any] | None
    value: int | None
    currency: str | None
    cause: str | None


OFFSET = "*offset"  # the bookmark whose `tx_id` is added to PostgreSQL's transaction ids (`keep_order`)

_ADD_READER = Statement(
    insert(event_bookmarks)
    .values(reader=bindparam("reader"), tx_id=0, event_id=0, moved_at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=["reader"])
)
_LOCK_BOOKMARK = Statement(
    select(event_bookmarks.c.tx_id, event_bookmarks.c.event_id)
    .where(event_bookmarks.c.reader == bindparam("reader"))
    .with_for_update()
)
_MOVE = Statement(
    update(event_bookmarks)
    .where(event_bookmarks.c.reader == bindparam("of_reader"))
    .values(tx_id=bindparam("tx"), event_id=bindparam("event"), moved_at=bindparam("now", type_=Instant))
)
_OFFSET = Statement(select(event_bookmarks.c.tx_id).where(event_bookmarks.c.reader == OFFSET))
_columns = [
    events.c.tx_id,
    events.c.id,
    events.c.contact_id,
    events.c.metric,
    events.c.happened_at,
    events.c.recorded_at,
    events.c.source,
    events.c.data,
    events.c.value,
    events.c.currency,
    events.c.cause,
]
_NEXT_SQLITE = Statement(
    select(*_columns).where(events.c.id > bindparam("event")).order_by(events.c.id).limit(bindparam("n")),
    uses=("pk_events",),
)
# The oldest running transaction of this statement's snapshot: all before it have ended.
_oldest_running = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
_NEXT_POSTGRES = Statement(
    select(*_columns)
    .where(
        tuple_(events.c.tx_id, events.c.id)
        > tuple_(bindparam("tx", type_=BigInteger), bindparam("event", type_=BigInteger)),
        events.c.tx_id < bindparam("offset", type_=BigInteger) + _oldest_running,
    )
    .order_by(events.c.tx_id, events.c.id)
    .limit(bindparam("n")),
    uses=("ix_events_order",),
)


def offset(conn: Conn) -> int:
    """What is added to PostgreSQL's transaction ids: 0, unless the data came from another server."""
    return conn.value(_OFFSET) or 0


def read(tx: Tx, reader: str, limit: int) -> list[Event]:
    """Returns the next events of this reader, oldest first, and moves its bookmark behind them.

    A new reader begins with the oldest event. Other transactions of the same reader wait until this one ends.
    """
    bookmark = tx.first(_LOCK_BOOKMARK, reader=reader)
    if bookmark is None:
        tx.run(_ADD_READER, reader=reader, now=tx.now)
        bookmark = tx.one(_LOCK_BOOKMARK, reader=reader)
    rows = _next(tx, Place(bookmark.tx_id, bookmark.event_id), limit)
    if rows:
        tx.run(_MOVE, of_reader=reader, tx=rows[-1].tx_id, event=rows[-1].id, now=tx.now)
    return [Event(*row) for row in rows]


def _next(conn: Conn, after: Place, limit: int) -> list[Row]:
    if conn.postgres:
        return conn.all(_NEXT_POSTGRES, tx=after.tx_id, event=after.event_id, offset=offset(conn), n=limit)
    return conn.all(_NEXT_SQLITE, event=after.event_id, n=limit)


class Place(NamedTuple):
    """A place in the order of events, behind the event with this id."""

    tx_id: int
    event_id: int


_PLACE = Statement(
    select(event_bookmarks.c.tx_id, event_bookmarks.c.event_id).where(event_bookmarks.c.reader == bindparam("reader")),
    into=Place,
)
_END_SQLITE = Statement(select(func.coalesce(func.max(events.c.id), 0).label("event_id")))
_END_POSTGRES = Statement(
    select(events.c.tx_id, events.c.id)
    .where(events.c.tx_id < bindparam("offset", type_=BigInteger) + _oldest_running)
    .order_by(events.c.tx_id.desc(), events.c.id.desc())
    .limit(1),
    into=Place,
)


def place(conn: Conn, reader: str) -> Place | None:
    """Where the reader is; None: it has not begun."""
    found: Place | None = conn.first(_PLACE, reader=reader)
    return found


def end(conn: Conn) -> Place:
    """The place behind all events that a reader may read now."""
    if not conn.postgres:
        return Place(0, int(conn.value(_END_SQLITE)))
    found: Place | None = conn.first(_END_POSTGRES, offset=offset(conn))
    return found or Place(0, 0)


def waiting(conn: Conn, reader: str, limit: int) -> int:
    """How many events the reader has not handled yet, at most `limit`."""
    return len(_next(conn, place(conn, reader) or Place(0, 0), limit))


def move(tx: Tx, reader: str, to: Place) -> None:
    """Moves the reader's bookmark past events that it has handled in another way."""
    tx.run(_ADD_READER, reader=reader, now=tx.now)
    tx.run(_MOVE, of_reader=reader, tx=to.tx_id, event=to.event_id, now=tx.now)


_newest = func.greatest(
    select(func.coalesce(func.max(events.c.tx_id), 0)).scalar_subquery(),
    select(func.coalesce(func.max(event_bookmarks.c.tx_id), 0)).scalar_subquery(),
)
_next_transaction = cast(cast(func.pg_snapshot_xmax(func.pg_current_snapshot()), Text), BigInteger)
_NEWEST_AND_NEXT = Statement(select(_newest.label("newest"), _next_transaction.label("next")))


def keep_order(tx: Tx) -> None:
    """Keeps new events behind the old ones after a restore into another PostgreSQL server, whose transaction ids may be
    lower: adds the difference to the ids. Called when a worker starts."""
    if not tx.postgres:
        return
    tx.lock_names("event_order")
    newest, next_transaction = tx.one(_NEWEST_AND_NEXT)
    if newest < offset(tx) + next_transaction:
        return
    new_offset = int(newest) + 1
    default = f"({new_offset} + pg_current_xact_id()::text::bigint)"
    tx.run(text(f"ALTER TABLE events ALTER COLUMN tx_id SET DEFAULT {default}"))
    tx.run(_ADD_READER, reader=OFFSET, now=tx.now)
    tx.run(_MOVE, of_reader=OFFSET, tx=new_offset, event=0, now=tx.now)
