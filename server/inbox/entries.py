"""Reads of the timeline: entries, what stands after a bookmark, pages. How an entry stands on the wire.

An entry has two faces: an agent's (integer ids, every entry) and a visitor's (public sequence, no
ids). The shapes are those of `live/frames.py`; a test validates one against the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, text

from server.kernel.clock import rfc3339
from server.kernel.sql import Conn, Statement
from server.schema import threads, timeline

PAGE = 50  # messages on one page (INB-50)


RESUME = 200  # entries sent after a bookmark; further behind means `reset`


# Written out, not bound: neither database proves from a parameter that the partial index fits.
IS_MESSAGE = text("timeline.kind IN ('message', 'note')")


_OURS = ("public_ref", "sid")  # of an entry's data: what no agent is told


class Entry(NamedTuple):
    """One row of the timeline. A named tuple, as `queries.Ticket` is and for the same reason."""

    thread: int
    seq: int
    public_seq: int | None
    kind: str
    author_type: str
    author_id: int | None
    author_name: str
    body: str
    data: dict[str, Any]
    ref_seq: int | None
    dedupe: str | None
    at: datetime

    @property
    def key(self) -> str | None:
        """The client key it was written with: the last part of "web:<visitor>:<key>"."""
        return self.dedupe.split(":", 2)[2] if self.dedupe and self.dedupe.count(":") >= 2 else None

    def for_agents(self, *, media: bool = True) -> dict[str, Any]:
        """`media`: may files that a customer texted be shown (AMB-6)? Else only how many there are."""
        wire: dict[str, Any] = {
            "seq": self.seq,
            "kind": self.kind,
            "author": {"type": self.author_type, "id": self.author_id, "name": self.author_name},
            "text": self.body,
            "data": {k: v for k, v in self.data.items() if k not in _OURS} if self.data else {},
            "at": rfc3339(self.at),
        }
        if not media and "files" in self.data and (self.kind == "media" or self.author_type == "contact"):
            wire["data"]["media_hidden"] = len(wire["data"].pop("files"))
        if self.ref_seq is not None:
            wire["ref"] = self.ref_seq
        if (key := self.key) is not None:
            wire["key"] = key
        return wire

    def for_visitor(self) -> dict[str, Any]:
        """Only for public entries: no internal id, and references by public sequence."""
        data = self.data
        wire: dict[str, Any] = {
            "seq": self.public_seq,
            "kind": self.kind,
            "author": {"type": self.author_type, "name": self.author_name if self.author_type == "agent" else ""},
            "text": self.body,
            "data": {k: v for k, v in data.items() if k in ("origin", "files", "to", "by")} if data else {},
            "at": rfc3339(self.at),
        }
        if "public_ref" in data:
            wire["ref"] = data["public_ref"]
        if self.author_type == "visitor" and (key := self.key) is not None:
            wire["key"] = key
        return wire


_entry_columns = (
    timeline.c.thread_id,
    timeline.c.seq,
    timeline.c.public_seq,
    timeline.c.kind,
    timeline.c.author_type,
    timeline.c.author_id,
    timeline.c.author_name,
    timeline.c.body,
    timeline.c.data,
    timeline.c.ref_seq,
    timeline.c.dedupe,
    timeline.c.at,
)


_entries = select(*_entry_columns).where(timeline.c.thread_id == bindparam("thread"))


_SINCE = Statement(
    _entries.where(timeline.c.seq > bindparam("after")).order_by(timeline.c.seq).limit(bindparam("n")), into=Entry
)


_SINCE_PUBLIC = Statement(
    _entries.where(timeline.c.public_seq > bindparam("after")).order_by(timeline.c.public_seq).limit(bindparam("n")),
    into=Entry,
)


_BY_DEDUPE = Statement(
    select(*_entry_columns, timeline.c.body_hash).where(timeline.c.dedupe == bindparam("dedupe_key"))
)


# The 50th message from the end decides where a page begins; ticks in between do not count.
_PAGE_LOW = Statement(
    select(timeline.c.seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.seq < bindparam("before"))
    .where(IS_MESSAGE)
    .order_by(timeline.c.seq.desc())
    .limit(bindparam("n"))
)


# Two statements, not one with OR: SQLite reads the whole thread for that one.
_PAGE = Statement(
    _entries.where(
        timeline.c.seq >= bindparam("low"), timeline.c.seq < bindparam("before"), timeline.c.kind != "seen"
    ).order_by(timeline.c.seq),
    into=Entry,
)
_POINTING_BACK = Statement(
    _entries.where(
        timeline.c.ref_seq >= bindparam("low"),
        timeline.c.ref_seq < bindparam("before"),
        # The sum hides `seq` from the planner, which would take its index and read all that is newer.
        timeline.c.seq + 0 >= bindparam("before"),
        timeline.c.kind != "seen",
    ).order_by(timeline.c.seq),
    into=Entry,
)


_PUBLIC_LOW = Statement(
    select(timeline.c.public_seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.public_seq.is_not(None))
    .where(timeline.c.kind == "message")
    .order_by(timeline.c.public_seq.desc())
    .limit(bindparam("n"))
)


_AT = Statement(_entries.where(timeline.c.seq == bindparam("seq")))


def at(conn: Conn, thread_id: int, seq: int) -> Entry | None:
    row = conn.first(_AT, thread=thread_id, seq=seq)
    return None if row is None else Entry(*row)


_LAST_DELIVERY = Statement(
    _entries.where(timeline.c.ref_seq == bindparam("ref"), timeline.c.kind == "delivery")
    .order_by(timeline.c.seq.desc())
    .limit(1)
)


def last_delivery(conn: Conn, thread_id: int, ref: int) -> Entry | None:
    """What stands last about the delivery of the message at `ref`."""
    row = conn.first(_LAST_DELIVERY, thread=thread_id, ref=ref)
    return None if row is None else Entry(*row)


def since(conn: Conn, thread_id: int, public: bool, after: int, n: int) -> list[Entry]:
    """Up to `n` entries after a bookmark, in order: what every socket reads."""
    return conn.all(_SINCE_PUBLIC if public else _SINCE, thread=thread_id, after=after, n=n)


def by_dedupe(conn: Conn, dedupe: str) -> tuple[Entry, str] | None:
    """The entry written with this key, and the hash of its body as it was sent."""
    row = conn.first(_BY_DEDUPE, dedupe_key=dedupe)
    return None if row is None else (Entry(*row[:-1]), row[-1])


_LAST_SEQ = Statement(select(threads.c.last_seq).where(threads.c.id == bindparam("thread")))


@dataclass(frozen=True, slots=True)
class Page:
    entries: list[Entry]
    last_seq: int
    more: bool


def page(conn: Conn, thread_id: int, before: int | None, limit: int) -> Page:
    """The newest `limit` messages before `before`, what stands between them, and what points at them."""
    last_seq = conn.value(_LAST_SEQ, thread=thread_id) or 0
    upper = last_seq + 1 if before is None else before
    lows = conn.all(_PAGE_LOW, thread=thread_id, before=upper, n=limit + 1)
    more = len(lows) > limit
    low = lows[limit - 1].seq if more else 1
    rows = conn.all(_PAGE, thread=thread_id, low=low, before=upper)
    if before is not None:
        rows += conn.all(_POINTING_BACK, thread=thread_id, low=low, before=upper)
    return Page(rows, last_seq, more)


def public_start(conn: Conn, thread_id: int) -> int:
    """The public bookmark from which a visitor sees the newest page."""
    lows = conn.all(_PUBLIC_LOW, thread=thread_id, n=PAGE)
    return lows[-1].public_seq - 1 if len(lows) == PAGE else 0


_OLDER_LOW = Statement(
    select(timeline.c.public_seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.public_seq < bindparam("before"))
    .where(timeline.c.kind == "message")
    .order_by(timeline.c.public_seq.desc())
    .limit(bindparam("n"))
)
_OLDER = Statement(
    _entries.where(
        timeline.c.public_seq >= bindparam("low"),
        timeline.c.public_seq < bindparam("before"),
        timeline.c.kind != "seen",
    ).order_by(timeline.c.public_seq)
)


def public_page(conn: Conn, thread_id: int, before: int) -> Page:
    """What a visitor pages back to: the messages before a public sequence, and what took words out of them later."""
    lows = conn.all(_OLDER_LOW, thread=thread_id, before=before, n=PAGE + 1)
    more = len(lows) > PAGE
    low = lows[PAGE - 1].public_seq if more else 1
    found = [Entry(*row) for row in conn.all(_OLDER, thread=thread_id, low=low, before=before)]
    if found:
        back = conn.all(_POINTING_BACK, thread=thread_id, low=found[0].seq, before=found[-1].seq + 1)
        found += [e for e in (Entry(*row) for row in back) if e.kind == "redacted" and e.public_seq is not None]
    return Page(found, 0, more)


_PUBLIC_AT = Statement(
    select(func.max(timeline.c.public_seq).label("seq")).where(
        timeline.c.thread_id == bindparam("thread"),
        timeline.c.seq <= bindparam("seq"),
        timeline.c.public_seq.is_not(None),
    )
)


_SEQ_AT = Statement(
    select(timeline.c.seq).where(
        timeline.c.thread_id == bindparam("thread"), timeline.c.public_seq == bindparam("public_seq")
    )
)


def public_at(conn: Conn, thread_id: int, seq: int) -> int:
    """The last public sequence at or before `seq`."""
    return conn.value(_PUBLIC_AT, thread=thread_id, seq=seq) or 0


def seq_at(conn: Conn, thread_id: int, public_seq: int) -> int | None:
    """The sequence that stands behind a public one."""
    seq: int | None = conn.value(_SEQ_AT, thread=thread_id, public_seq=public_seq)
    return seq
