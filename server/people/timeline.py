"""One timeline of a contact over every channel: events, notes and merges, newest first, in pages by key.

Each message is an event already. Who may open the inbox also sees what was written, notes and tickets; others see that
something happened (ROL-3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, literal, or_, select, tuple_

from server.kernel.columns import Instant, from_micros, to_micros
from server.kernel.sql import Conn, Statement
from server.people.rules import ALL_METRICS, INBOX_ONLY, METRICS, Group
from server.schema import contacts, events, merged_set, merges, threads, tickets, timeline
from server.web.paging import Key

# Of rows at the same moment the stream with the higher number comes first.
EVENTS, NOTES, MERGES, UNDOS = range(4)
MOST = 2**62  # more than any id


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the entry of a thread. `hidden`: its author is blocked (AMB-5)."""

    author_type: str
    author_name: str
    text: str
    files: int
    hidden: bool


@dataclass(slots=True)
class Item:
    """One row. `stream` and `id` name it; `kind` is an event's metric, or "note", "merged", "separated". `ticket`: the
    ticket of its thread."""

    stream: int
    id: int
    kind: str
    at: datetime
    source: str
    data: dict[str, Any] = field(default_factory=dict)
    value: int | None = None
    currency: str | None = None
    written: Written | None = None
    ticket: int | None = None

    @property
    def key(self) -> tuple[datetime, int, int]:
        return self.at, self.stream, self.id


def cursor_of(item: Item) -> Key:
    return to_micros(item.at), item.stream, item.id


_MEMBERS = Statement(merged_set(bindparam("contact")))
_EVENT_COLUMNS = [events.c[name] for name in "id metric happened_at source data value currency".split()]
_PLACE = Statement(
    select(events.c.happened_at, events.c.id).where(
        events.c.id == bindparam("event"), events.c.contact_id.in_(merged_set(bindparam("contact")))
    )
)


def place_of(conn: Conn, contact: int, event: int) -> Key | None:
    """The key of a page that begins with this event; None if it is no event of this contact."""
    row = conn.first(_PLACE, contact=contact, event=event)
    return None if row is None else (to_micros(row.happened_at), EVENTS, row.id + 1)


def page(
    conn: Conn, contact: int, group: Group | None, *, inbox: bool, after: Key | None, limit: int
) -> tuple[list[Item], Key | None]:
    """Up to `limit` rows after this key, and the key of the last row if there are more. `inbox`: the reader may open the
    inbox."""
    if group in INBOX_ONLY and not inbox:
        return [], None
    members = [row.id for row in conn.all(_MEMBERS, contact=contact)]
    streams: list[Iterable[Item]] = []
    if group not in (Group.NOTES, Group.MERGES):
        # One query for each contact: for several at once the databases would sort all their events.
        streams += [_events(conn, member, group, inbox, after, limit + 1) for member in members]
    if inbox and group in (None, Group.NOTES):
        streams.append(_notes(conn, members, after, limit + 1))
    if group in (None, Group.MERGES):
        streams += [_merges(conn, members, after, limit + 1, undone) for undone in (False, True)]
    items = list(islice(merge(*streams, key=lambda item: item.key, reverse=True), limit + 1))
    shown = items[:limit]
    if inbox:
        _add_written(conn, shown)
    else:
        for item in shown:
            item.data = {name: value for name, value in item.data.items() if name not in ("thread", "seq", "ticket")}
    return shown, cursor_of(shown[-1]) if len(items) > limit else None


def _behind(stream: int, at: ColumnElement[Any], row_id: ColumnElement[Any], after: Key) -> ColumnElement[bool]:
    """Rows of this stream that come after the key."""
    cursor_at, cursor_stream, cursor_id = after
    last = cursor_id if stream == cursor_stream else MOST if stream < cursor_stream else 0
    return tuple_(at, row_id) < tuple_(literal(from_micros(cursor_at), Instant), literal(last, BigInteger))


def _events(conn: Conn, contact: int, group: Group | None, inbox: bool, after: Key | None, limit: int) -> list[Item]:
    rows = select(*_EVENT_COLUMNS).where(events.c.contact_id == contact)
    if group is Group.OTHER:
        rows = rows.where(events.c.metric.not_in(ALL_METRICS))
    elif group is not None:
        rows = rows.where(events.c.metric.in_(METRICS[group]))
    elif not inbox:
        hidden = [metric for part in INBOX_ONLY for metric in METRICS.get(part, ())]
        rows = rows.where(events.c.metric.not_in(hidden))
    if after is not None:
        rows = rows.where(_behind(EVENTS, events.c.happened_at, events.c.id, after))
    rows = rows.order_by(events.c.happened_at.desc(), events.c.id.desc()).limit(limit)
    return [
        Item(EVENTS, row.id, row.metric, row.happened_at, row.source, dict(row.data or {}), row.value, row.currency)
        for row in conn.all(rows)
    ]


def _notes(conn: Conn, members: Sequence[int], after: Key | None, limit: int) -> list[Item]:
    of_contact = select(threads.c.id).where(threads.c.contact_id.in_(list(members)))
    rows = select(timeline.c.id, timeline.c.thread_id, timeline.c.seq, timeline.c.at, threads.c.channel)
    rows = rows.select_from(timeline.join(threads, threads.c.id == timeline.c.thread_id))
    rows = rows.where(timeline.c.thread_id.in_(of_contact), timeline.c.kind == "note")
    if after is not None:
        rows = rows.where(_behind(NOTES, timeline.c.at, timeline.c.id, after))
    rows = rows.order_by(timeline.c.at.desc(), timeline.c.id.desc()).limit(limit)
    return [
        Item(NOTES, row.id, "note", row.at, row.channel, {"thread": row.thread_id, "seq": row.seq})
        for row in conn.all(rows)
    ]


def _merges(conn: Conn, members: Sequence[int], after: Key | None, limit: int, undone: bool) -> list[Item]:
    """Merges of these contacts; with `undone`, when they were undone."""
    stream, at = (UNDOS, merges.c.undone_at) if undone else (MERGES, merges.c.at)
    ids = list(members)
    rows: Select[Any] = select(merges.c.id, at.label("at"), merges.c.by_name, merges.c.contact_id, contacts.c.name)
    rows = rows.select_from(merges.join(contacts, contacts.c.id == merges.c.contact_id))
    rows = rows.where(or_(merges.c.contact_id.in_(ids), merges.c.survivor_id.in_(ids)))
    if undone:
        rows = rows.where(merges.c.undone_at.is_not(None))
    if after is not None:
        rows = rows.where(_behind(stream, at, merges.c.id, after))
    rows = rows.order_by(at.desc(), merges.c.id.desc()).limit(limit)
    kind = "separated" if undone else "merged"
    return [
        Item(stream, row.id, kind, row.at, "agent", {"contact": row.contact_id, "name": row.name, "by": row.by_name})
        for row in conn.all(rows)
    ]


def _add_written(conn: Conn, items: Sequence[Item]) -> None:
    """Adds what was written, and the ticket of each thread."""
    places = {(item.data["thread"], item.data["seq"]) for item in items if {"thread", "seq"} <= item.data.keys()}
    threads_of_page = sorted({item.data["thread"] for item in items if "thread" in item.data})
    of_threads = select(tickets.c.id, tickets.c.thread_id).where(tickets.c.thread_id.in_(threads_of_page))
    ticket_of = {row.thread_id: row.id for row in (conn.all(of_threads) if threads_of_page else ())}
    entries: dict[tuple[int, int], Any] = {}
    if places:
        rows = select(
            timeline.c.thread_id,
            timeline.c.seq,
            timeline.c.kind,
            timeline.c.author_type,
            timeline.c.author_name,
            timeline.c.body,
            timeline.c.data,
        ).where(
            timeline.c.thread_id.in_(sorted({thread for thread, _ in places})),
            timeline.c.seq.in_(sorted({seq for _, seq in places})),
        )
        entries = {(row.thread_id, row.seq): row for row in conn.all(rows)}
    for item in items:
        thread = item.data.get("thread")
        item.ticket = ticket_of.get(thread) if thread is not None else item.data.get("ticket")
        entry = entries.get((item.data.get("thread"), item.data.get("seq")))  # type: ignore[arg-type]
        if entry is not None and entry.kind in ("message", "note", "mail"):
            hidden = "hidden" in entry.data
            item.written = Written(
                entry.author_type,
                "" if hidden else entry.author_name,
                "" if hidden else entry.body,
                0 if hidden else len(entry.data.get("files", ())),
                hidden,
            )
