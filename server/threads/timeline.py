"""Appends entries to a thread's timeline. Everything visible in a thread goes through `append` or `append_messages`.

Each entry gets the thread's next sequence, under the lock on the thread's row, and is published at commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Insert, Text, bindparam, case, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.errors import Conflict, Refused, TooLarge
from server.events.recording import NOW, record_selected
from server.events.rules import Metric
from server.kernel.columns import Instant
from server.kernel.sql import LostRace, Statement, Tx
from server.schema import threads, timeline
from server.text import clean_text, is_blank
from server.threads import entries, rules
from server.threads.entries import Entry


def thread_topic(thread_id: int) -> str:
    """The topic of a thread's new entries; its hint is the Entry."""
    return f"thread:{thread_id}"


_take_seq = (
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(
        last_seq=threads.c.last_seq + 1,
        last_public_seq=threads.c.last_public_seq + bindparam("public", type_=threads.c.last_seq.type),
        rev=threads.c.rev + 1,
        changed_at=bindparam("at", type_=Instant),
    )
    .returning(
        threads.c.last_seq,
        threads.c.last_public_seq,
        threads.c.rev,
        threads.c.id,
        threads.c.contact_id,
        threads.c.channel,
    )
)
_COLUMNS = "kind author_type author_id author_name body data ref_seq dedupe body_hash at".split()
_TAKE_SEQ = Statement(_take_seq)
_INSERT = Statement(
    insert(timeline)
    .values({name: bindparam(name) for name in ("thread_id", "seq", "public_seq", *_COLUMNS)})
    .on_conflict_do_nothing(index_elements=[timeline.c.dedupe])
)
_MESSAGE = "thread_id seq author_type author_id author_name body data at".split()
_insert_message = insert(timeline).values(
    kind=literal_column("'message'"), **{name: bindparam(name) for name in _MESSAGE}
)
_INSERT_TEXTS = Statement(_insert_message)  # SMS entries are never public, and texts are deduplicated elsewhere
_INSERT_VISITOR_MESSAGES = Statement(
    _insert_message.values(
        public_seq=bindparam("public_seq"), dedupe=bindparam("dedupe"), body_hash=bindparam("body_hash")
    ).on_conflict_do_nothing(index_elements=[timeline.c.dedupe])
)
_take_seqs = (
    update(threads)
    .where(threads.c.id.in_(bindparam("threads", expanding=True)))
    .values(
        last_seq=threads.c.last_seq + 1,
        last_public_seq=threads.c.last_public_seq + bindparam("public", type_=threads.c.last_seq.type),
        rev=threads.c.rev + 1,
        changed_at=bindparam("at", type_=Instant),
    )
    .returning(
        threads.c.id,
        threads.c.last_seq,
        threads.c.last_public_seq,
        threads.c.rev,
        threads.c.contact_id,
        threads.c.channel,
    )
)
_TAKE_SEQS = Statement(_take_seqs)


def _record_events(place: Any) -> Insert:
    """The event of each new entry. `place`: the rows of its thread, with the entry's sequence as `last_seq`."""
    columns = place.c
    return record_selected(
        select(place), columns.contact_id, _METRIC, columns.channel, NOW, thread=columns.id, seq=columns.last_seq
    )


_METRIC: Any = bindparam("metric", type_=Text)
_RECORD_EVENTS = Statement(
    record_selected(
        select(threads).where(threads.c.id.in_(bindparam("threads", expanding=True))),
        threads.c.contact_id,
        _METRIC,
        threads.c.channel,
        NOW,
        thread=threads.c.id,
        seq=threads.c.last_seq,
    )
)
_places = _take_seqs.cte("place")
_TAKE_SEQS_AND_RECORD = Statement(
    select(_places.c.id, _places.c.last_seq, _places.c.last_public_seq, _places.c.rev).add_cte(
        _record_events(_places).cte("event")
    )
)
_place = _take_seq.cte("place")
_row = (
    insert(timeline)
    .from_select(
        ["thread_id", "seq", "public_seq", *_COLUMNS],
        select(
            bindparam("thread", type_=timeline.c.thread_id.type),
            _place.c.last_seq,
            case((bindparam("public", type_=threads.c.last_seq.type) == 1, _place.c.last_public_seq)),
            *(bindparam(name, type_=timeline.c[name].type) for name in _COLUMNS),
        ),
    )
    .on_conflict_do_nothing(index_elements=[timeline.c.dedupe])
    .returning(timeline.c.id)
    .cte("row")
)
# All in one statement for PostgreSQL, where each statement costs a round trip. SQLite does not allow writes in WITH.
_append = select(
    _place.c.last_seq,
    _place.c.last_public_seq,
    _place.c.rev,
    select(func.count()).select_from(_row).scalar_subquery(),
)
_APPEND = Statement(_append)
_APPEND_AND_RECORD = Statement(_append.add_cte(_record_events(_place).cte("event")))


@dataclass(frozen=True, slots=True)
class Author:
    type: Literal["visitor", "contact", "agent", "system", "flow", "import", "api_key"]
    id: int | None = None
    name: str = ""


SYSTEM = Author("system")
_RAISE_REV = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(rev=threads.c.rev + 1, changed_at=bindparam("now", type_=Instant))
    .returning(threads.c.rev, threads.c.last_seq, threads.c.last_public_seq)
)


def raise_rev(tx: Tx, thread: int) -> tuple[int, int, int]:
    """Raises the thread's revision after a summary change without an entry: clients ignore a summary without a newer `rev`.
    Returns the thread's `rev`, `last_seq` and `last_public_seq`."""
    rev, last_seq, last_public_seq = tx.one(_RAISE_REV, thread=thread, now=tx.now)
    return rev, last_seq, last_public_seq


def by(agent: Agent) -> Author:
    return Author("agent", agent.id, agent.name)


def append(
    tx: Tx,
    thread: int,
    kind: str,
    author: Author,
    *,
    body: str = "",
    data: dict[str, Any] | None = None,
    public: bool = True,
    ref: int | None = None,
    dedupe: str | None = None,
    body_hash: str | None = None,
    metric: Metric | None = None,
) -> tuple[Entry, int]:
    """Returns the new entry and the thread's new `rev`. Raises `LostRace` if another transaction just used `dedupe`.

    `metric`: the event that the entry is, for the contact's activity; a message is one without it.

    `public`: the visitor sees the entry in their chat. Entries of SMS threads are never public.
    """
    data = data or {}
    if kind == "message":
        metric = rules.metric_of_message(author.type, data)
    fields = {
        "kind": kind,
        "author_type": author.type,
        "author_id": author.id,
        "author_name": author.name,
        "body": body,
        "data": data,
        "ref_seq": ref,
        "dedupe": dedupe,
        "body_hash": body_hash,
        "at": tx.now,
    }
    if tx.postgres:
        if metric is None:
            seq, public_seq, rev, written = tx.one(_APPEND, thread=thread, public=int(public), **fields)
        else:
            seq, public_seq, rev, written = tx.one(
                _APPEND_AND_RECORD, thread=thread, public=int(public), metric=metric.value, **fields
            )
        public_seq = public_seq if public else None
    else:
        seq, public_seq, rev, *_ = tx.one(_TAKE_SEQ, thread=thread, public=int(public), at=tx.now)
        public_seq = public_seq if public else None
        written = tx.run(_INSERT, thread_id=thread, seq=seq, public_seq=public_seq, **fields)
        if written and metric is not None:
            tx.run(_RECORD_EVENTS, threads=[thread], metric=metric.value, at=tx.now)
    if not written:
        raise LostRace("another transaction wrote this key first")
    entry = Entry(thread, seq, public_seq, kind, author.type, author.id, author.name, body, data, ref, dedupe, tx.now)
    tx.publish(thread_topic(thread), entry)
    return entry, rev


class NewMessage(NamedTuple):
    """A message to append. A visitor's message has a deduplication key, as in `append`."""

    thread: int
    author: Author
    body: str
    data: dict[str, Any]
    dedupe: str | None = None
    body_hash: str | None = None


def append_messages(tx: Tx, messages: Sequence[NewMessage], *, public: bool) -> list[tuple[Entry, int]]:
    """Appends customers' messages to different threads. Returns the new entry and `rev` of each, as `append` does.

    `public`: all are visitors' messages. Otherwise all are texts in SMS threads, which the caller deduplicates by the
    carrier's message ids.
    """
    if not messages:
        return []
    params = {"threads": [message.thread for message in messages], "public": int(public), "at": tx.now}
    metric = Metric.MESSAGE_RECEIVED.value
    if tx.postgres:
        rows_of_threads = tx.all(_TAKE_SEQS_AND_RECORD, metric=metric, **params)
    else:
        rows_of_threads = tx.all(_TAKE_SEQS, **params)
        tx.run(_RECORD_EVENTS, threads=params["threads"], metric=metric, at=tx.now)
    counters = {row[0]: row[1:4] for row in rows_of_threads}
    rows: list[dict[str, Any]] = []
    stored: list[tuple[Entry, int]] = []
    for thread, author, body, data, dedupe, body_hash in messages:
        seq, public_seq, rev = counters[thread]
        row = {
            "thread_id": thread,
            "seq": seq,
            "author_type": author.type,
            "author_id": author.id,
            "author_name": author.name,
            "body": body,
            "data": data,
            "at": tx.now,
        }
        if public:
            row |= {"public_seq": public_seq, "dedupe": dedupe, "body_hash": body_hash}
        rows.append(row)
        shown_seq = public_seq if public else None
        fields = ("message", author.type, author.id, author.name, body, data, None, dedupe, tx.now)
        entry = Entry(thread, seq, shown_seq, *fields)
        stored.append((entry, rev))
        tx.publish(thread_topic(thread), entry)
    if tx.run_many(_INSERT_VISITOR_MESSAGES if public else _INSERT_TEXTS, rows) < len(rows):
        raise LostRace("another transaction wrote one of these keys first")
    return stored


_INSERT_SAME = Statement(
    insert(timeline).values({name: bindparam(name) for name in "thread_id seq kind author_type body data at".split()})
)


def append_to_each(
    tx: Tx, thread_ids: Sequence[int], kind: str, author: Author, data: dict[str, Any]
) -> dict[int, tuple[Entry, int]]:
    """Appends an equal entry, which only agents see, to different threads, at most `ROWS_PER_STATEMENT`. Returns by thread
    what `append` returns. `author`: not a person."""
    counters = {row[0]: row[1:4] for row in tx.all(_TAKE_SEQS, threads=list(thread_ids), public=0, at=tx.now)}
    row = {"kind": kind, "author_type": author.type, "body": "", "data": data, "at": tx.now}
    tx.run_many(_INSERT_SAME, [{"thread_id": thread, "seq": counters[thread][0], **row} for thread in thread_ids])
    appended = {}
    for thread in thread_ids:
        seq, _, rev = counters[thread]
        entry = Entry(thread, seq, None, kind, author.type, None, "", "", data, None, None, tx.now)
        tx.publish(thread_topic(thread), entry)
        appended[thread] = entry, rev
    return appended


def written_before(tx: Tx, dedupe: str, body_hash: str) -> Entry | None:
    """The entry that an earlier request with this key wrote. Raises `Conflict` if the key was used for something else."""
    earlier = entries.by_dedupe(tx, dedupe)
    if earlier is None:
        return None
    entry, stored_hash = earlier
    if stored_hash != body_hash:
        raise Conflict(
            "idempotency_conflict",
            "This key was already used for something else. Use a new key for a new request.",
        )
    return entry


def check_text(raw: str, has_files: bool) -> str:
    """The text to store. Raises `Refused` `too_long` or `empty_message`."""
    if len(raw) > rules.MAX_TEXT:
        raise TooLarge("too_long", f"A message can have {rules.MAX_TEXT:,} characters. Shorten it or send it in parts.")
    text = clean_text(raw)
    if is_blank(text):
        if not has_files:
            raise Refused("empty_message", "There is nothing to send yet.", field="text")
        return ""
    return text
