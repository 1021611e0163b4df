"""Reads the timeline (entries after a bookmark, pages) and encodes entries for the wire.

An entry has two encodings: one for agents (integer ids, every entry) and one for visitors (public sequence, no ids).
`frames.py` defines both; a test validates them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, text

from server.kernel.clock import rfc3339
from server.kernel.sql import Conn, Statement
from server.schema import contacts, threads, timeline

PAGE = 50  # messages on one page (INB-50)


MAX_RESUMED_ENTRIES = 200  # entries sent after a bookmark; further behind means `reset`


MAX_PAGE_ENTRIES = 1_000  # entries on one page of a visitor, even if few of them are messages


# Literals, not parameters: with a parameter neither database uses the partial index.
IS_MESSAGE = text("timeline.kind IN ('message', 'note')")


_INTERNAL_DATA = ("public_ref", "sid")  # fields of `data` that agents do not receive


CUSTOMERS = ("visitor", "contact")  # authors whose entries agents do not see while the contact is blocked


class Entry(NamedTuple):
    """One row of the timeline. A named tuple for speed, like `tickets.Ticket`."""

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
        """The client key of the entry: the last part of "web:<visitor>:<key>"."""
        return self.dedupe.split(":", 2)[2] if self.dedupe and self.dedupe.count(":") >= 2 else None

    @property
    def hidden(self) -> bool:
        """Whether agents see nothing of it, because its author is blocked (AMB-5)."""
        return "hidden" in self.data

    def for_agents(self, *, media: bool = True) -> dict[str, Any]:
        """`media` False: files that a customer texted are replaced by their number (AMB-6)."""
        if self.hidden:
            nobody = {"type": self.author_type, "id": None, "name": ""}
            return {
                "seq": self.seq,
                "kind": self.kind,
                "author": nobody,
                "text": "",
                "data": {"hidden": True},
                "at": rfc3339(self.at),
            }
        wire: dict[str, Any] = {
            "seq": self.seq,
            "kind": self.kind,
            "author": {"type": self.author_type, "id": self.author_id, "name": self.author_name},
            "text": self.body,
            "data": {k: v for k, v in self.data.items() if k not in _INTERNAL_DATA} if self.data else {},
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
        """For public entries only: no internal ids; `ref` is a public sequence."""
        data = self.data
        wire: dict[str, Any] = {
            "seq": self.public_seq,
            "kind": self.kind,
            "author": {"type": self.author_type, "name": self.author_name if self.author_type == "agent" else ""},
            "text": self.body,
            "data": {k: v for k, v in data.items() if k in ("origin", "files", "opens_at", "to", "by")} if data else {},
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


# A page begins at the n-th message from its end; entries that are not messages do not count.
_PAGE_START = Statement(
    select(timeline.c.seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.seq < bindparam("before"))
    .where(IS_MESSAGE)
    .order_by(timeline.c.seq.desc())
    .limit(bindparam("n"))
)


# A page of a mail thread (`threads/mails.py`) counts its mails.
_MAIL_PAGE_START = Statement(
    select(timeline.c.seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.seq < bindparam("before"))
    .where(timeline.c.kind == "mail")
    .order_by(timeline.c.seq.desc())
    .limit(bindparam("n"))
)


_PAGE_END = Statement(
    select(timeline.c.seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.seq >= bindparam("low"))
    .where(IS_MESSAGE)
    .order_by(timeline.c.seq)
    .limit(bindparam("n"))
)


# Two statements, not one with OR: for OR SQLite reads the whole thread.
_PAGE = Statement(
    _entries.where(
        timeline.c.seq >= bindparam("low"), timeline.c.seq < bindparam("before"), timeline.c.kind != "seen"
    ).order_by(timeline.c.seq),
    into=Entry,
)
_REFERRING_ENTRIES = Statement(
    _entries.where(
        timeline.c.ref_seq >= bindparam("low"),
        timeline.c.ref_seq < bindparam("before"),
        # `+ 0` keeps the planner from using the index on `seq`, which would read all newer entries.
        timeline.c.seq + 0 >= bindparam("before"),
        timeline.c.kind != "seen",
    ).order_by(timeline.c.seq),
    into=Entry,
)


_PUBLIC_PAGE_START = Statement(
    select(timeline.c.public_seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.public_seq.is_not(None))
    .where(timeline.c.kind == "message")
    .order_by(timeline.c.public_seq.desc())
    .limit(bindparam("n"))
)


_ENTRY_AT = Statement(_entries.where(timeline.c.seq == bindparam("seq")))


def at(conn: Conn, thread_id: int, seq: int) -> Entry | None:
    row = conn.first(_ENTRY_AT, thread=thread_id, seq=seq)
    return None if row is None else Entry(*row)


_LAST_DELIVERY = Statement(
    _entries.where(timeline.c.ref_seq == bindparam("ref"), timeline.c.kind == "delivery")
    .order_by(timeline.c.seq.desc())
    .limit(1)
)


def last_delivery(conn: Conn, thread_id: int, ref: int) -> Entry | None:
    """The latest delivery entry of the message at `ref`."""
    row = conn.first(_LAST_DELIVERY, thread=thread_id, ref=ref)
    return None if row is None else Entry(*row)


def since(conn: Conn, thread_id: int, public: bool, after: int, n: int) -> list[Entry]:
    """Up to `n` entries after the sequence `after`, in order."""
    if public:
        return conn.all(_SINCE_PUBLIC, thread=thread_id, after=after, n=n)
    return _for_team(conn, thread_id, conn.all(_SINCE, thread=thread_id, after=after, n=n))


_BLOCKED = Statement(
    select(contacts.c.blocked_at)
    .select_from(threads.join(contacts, threads.c.contact_id == contacts.c.id))
    .where(threads.c.id == bindparam("thread"))
)


def _for_team(conn: Conn, thread_id: int, rows: list[Entry]) -> list[Entry]:
    """The entries with `hidden` as it is now: set on all that a blocked customer wrote, before and after the block. The
    stored mark of an entry only serves its publication."""
    if not any(row.author_type in CUSTOMERS for row in rows):
        return rows
    if conn.value(_BLOCKED, thread=thread_id) is not None:
        return [
            row._replace(data={**row.data, "hidden": True}) if row.author_type in CUSTOMERS else row for row in rows
        ]
    return [
        row._replace(data={name: value for name, value in row.data.items() if name != "hidden"}) if row.hidden else row
        for row in rows
    ]


def by_dedupe(conn: Conn, dedupe: str) -> tuple[Entry, str] | None:
    """The entry written with this deduplication key, and the hash of its body as it was sent."""
    row = conn.first(_BY_DEDUPE, dedupe_key=dedupe)
    return None if row is None else (Entry(*row[:-1]), row[-1])


_LAST_SEQ = Statement(select(threads.c.last_seq).where(threads.c.id == bindparam("thread")))


@dataclass(frozen=True, slots=True)
class Page:
    """All entries of a thread from `first` to `last` except read marks, and later entries that refer to them."""

    entries: list[Entry]
    first: int
    last: int  # first - 1: the page is empty
    last_seq: int  # the newest entry of the thread

    @property
    def more(self) -> bool:
        return self.first > 1

    @property
    def more_after(self) -> bool:
        return self.last < self.last_seq


def page(
    conn: Conn,
    thread_id: int,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | None = None,
) -> Page:
    """A page of `limit` messages with the entries between them: the newest, or those before, after or around a seq. Pass
    at most one of `before`, `after` and `around`."""
    last_seq = conn.value(_LAST_SEQ, thread=thread_id) or 0
    if after is not None:
        low = min(after, last_seq) + 1
        upper = _page_end(conn, thread_id, low, limit, last_seq)
    elif around is not None:
        middle = max(1, min(around, last_seq))
        low = _page_start(conn, thread_id, middle, limit // 2)
        upper = _page_end(conn, thread_id, middle, limit - limit // 2, last_seq)
    else:
        upper = last_seq + 1 if before is None else min(before, last_seq + 1)
        low = _page_start(conn, thread_id, upper, limit)
    rows = conn.all(_PAGE, thread=thread_id, low=low, before=upper)
    if upper <= last_seq:
        rows += conn.all(_REFERRING_ENTRIES, thread=thread_id, low=low, before=upper)
    return Page(_for_team(conn, thread_id, rows), low, upper - 1, last_seq)


def mail_page(conn: Conn, thread_id: int, limit: int, before: int | None = None) -> Page:
    """A page of `limit` mails of a mail thread with the entries between them: the newest, or those before a seq."""
    last_seq = conn.value(_LAST_SEQ, thread=thread_id) or 0
    upper = last_seq + 1 if before is None else min(before, last_seq + 1)
    starts = conn.all(_MAIL_PAGE_START, thread=thread_id, before=upper, n=limit + 1)
    low = starts[limit - 1].seq if len(starts) > limit else 1
    rows = conn.all(_PAGE, thread=thread_id, low=low, before=upper)
    if upper <= last_seq:
        rows += conn.all(_REFERRING_ENTRIES, thread=thread_id, low=low, before=upper)
    return Page(rows, low, upper - 1, last_seq)


def _page_start(conn: Conn, thread_id: int, before: int, messages: int) -> int:
    """The seq of the n-th message before `before`; 1 if there are at most n messages."""
    if not messages:
        return before
    rows = conn.all(_PAGE_START, thread=thread_id, before=before, n=messages + 1)
    return rows[messages - 1].seq if len(rows) > messages else 1


def _page_end(conn: Conn, thread_id: int, low: int, messages: int, last_seq: int) -> int:
    """The seq of the message that follows the n-th message from `low` on; the thread's last seq + 1 if there is none."""
    rows = conn.all(_PAGE_END, thread=thread_id, low=low, n=messages + 1)
    return rows[messages].seq if len(rows) > messages else last_seq + 1


_LAST_PUBLIC_SEQ = Statement(select(threads.c.last_public_seq).where(threads.c.id == bindparam("thread")))


def public_seq_before_newest_page(conn: Conn, thread_id: int) -> int:
    """The public sequence after which a visitor's newest page begins: `PAGE` messages, at most `MAX_PAGE_ENTRIES` entries.

    More than `MAX_RESUMED_ENTRIES` entries may follow, because entries that are not messages do not count towards `PAGE`.
    """
    lows = conn.all(_PUBLIC_PAGE_START, thread=thread_id, n=PAGE)
    first = lows[-1].public_seq - 1 if len(lows) == PAGE else 0
    return max(first, (conn.value(_LAST_PUBLIC_SEQ, thread=thread_id) or 0) - MAX_PAGE_ENTRIES)


_OLDER_PAGE_START = Statement(
    select(timeline.c.public_seq)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.public_seq < bindparam("before"))
    .where(timeline.c.kind == "message")
    .order_by(timeline.c.public_seq.desc())
    .limit(bindparam("n"))
)
_OLDER_PAGE = Statement(
    _entries.where(
        timeline.c.public_seq >= bindparam("low"),
        timeline.c.public_seq < bindparam("before"),
        timeline.c.kind != "seen",
    )
    .order_by(timeline.c.public_seq.desc())
    .limit(MAX_PAGE_ENTRIES)
)


@dataclass(frozen=True, slots=True)
class PublicPage:
    entries: list[Entry]
    more: bool


def public_page(conn: Conn, thread_id: int, before: int) -> PublicPage:
    """An older page for a visitor: the entries before a public sequence, and later redactions of them.

    At most `PAGE` messages and `MAX_PAGE_ENTRIES` entries, plus the redactions.
    """
    lows = conn.all(_OLDER_PAGE_START, thread=thread_id, before=before, n=PAGE + 1)
    low = lows[PAGE - 1].public_seq if len(lows) > PAGE else 1
    entries = [Entry(*row) for row in conn.all(_OLDER_PAGE, thread=thread_id, low=low, before=before)]
    has_more = len(lows) > PAGE or len(entries) == MAX_PAGE_ENTRIES
    entries.reverse()
    if entries:
        referring = conn.all(_REFERRING_ENTRIES, thread=thread_id, low=entries[0].seq, before=entries[-1].seq + 1)
        entries += [e for e in (Entry(*row) for row in referring) if e.kind == "redacted" and e.public_seq is not None]
    return PublicPage(entries, has_more)


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
    """The last public sequence at or before `seq`, or 0."""
    return conn.value(_PUBLIC_AT, thread=thread_id, seq=seq) or 0


def seq_at(conn: Conn, thread_id: int, public_seq: int) -> int | None:
    """The sequence of the entry with this public sequence."""
    seq: int | None = conn.value(_SEQ_AT, thread=thread_id, public_seq=public_seq)
    return seq


CHANGED_PAGE = 1_000
