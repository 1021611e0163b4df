"""What every write of the inbox stands on: one row at the next sequence, and the summary that follows from it.

Everything that becomes visible goes through `append`: it takes the next sequence under the thread
row's lock, writes one row, and rings the thread. Whoever changes a ticket locks its thread first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, case, column, func, literal_column, null, select, update, values
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.errors import Conflict, NotFound, Refused, TooLarge
from server.inbox import entries, queries, rules
from server.inbox.entries import Entry
from server.inbox.queries import Ticket
from server.kernel.columns import Instant
from server.kernel.sql import Clash, Statement, Tx
from server.schema import threads, tickets, timeline

INBOX_TOPIC = "inbox"  # every ticket change; hint: the Ticket


def thread_topic(thread_id: int) -> str:
    """Every new entry of one thread; hint: the Entry."""
    return f"thread:{thread_id}"


def visitor_topic(key: str) -> str:
    """This visitor's current chat may be another one now."""
    return f"visitor:{key}"


_take_seq = (
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(
        last_seq=threads.c.last_seq + 1,
        last_public_seq=threads.c.last_public_seq + bindparam("public", type_=threads.c.last_seq.type),
        rev=threads.c.rev + 1,
        changed_at=bindparam("at", type_=Instant),
    )
    .returning(threads.c.last_seq, threads.c.last_public_seq, threads.c.rev)
)
_TOLD = "kind author_type author_id author_name body data ref_seq dedupe body_hash at".split()
_TAKE_SEQ = Statement(_take_seq)
_INSERT = Statement(
    insert(timeline)
    .values({name: bindparam(name) for name in ("thread_id", "seq", "public_seq", *_TOLD)})
    .on_conflict_do_nothing(index_elements=[timeline.c.dedupe])
)
_MESSAGE = "thread_id seq author_type author_id author_name body data at".split()
_insert_message = insert(timeline).values(
    kind=literal_column("'message'"), **{name: bindparam(name) for name in _MESSAGE}
)
_INSERT_TEXTS = Statement(_insert_message)  # nothing of an SMS thread is public, and its texts have keys elsewhere
_INSERT_SAID = Statement(
    _insert_message.values(
        public_seq=bindparam("public_seq"), dedupe=bindparam("dedupe"), body_hash=bindparam("body_hash")
    ).on_conflict_do_nothing(index_elements=[timeline.c.dedupe])
)
_TAKE_SEQS = Statement(
    update(threads)
    .where(threads.c.id.in_(bindparam("threads", expanding=True)))
    .values(
        last_seq=threads.c.last_seq + 1,
        last_public_seq=threads.c.last_public_seq + bindparam("public", type_=threads.c.last_seq.type),
        rev=threads.c.rev + 1,
        changed_at=bindparam("at", type_=Instant),
    )
    .returning(threads.c.id, threads.c.last_seq, threads.c.last_public_seq, threads.c.rev)
)
_place = _take_seq.cte("place")
_row = (
    insert(timeline)
    .from_select(
        ["thread_id", "seq", "public_seq", *_TOLD],
        select(
            bindparam("thread", type_=timeline.c.thread_id.type),
            _place.c.last_seq,
            case((bindparam("public", type_=threads.c.last_seq.type) == 1, _place.c.last_public_seq)),
            *(bindparam(name, type_=timeline.c[name].type) for name in _TOLD),
        ),
    )
    .on_conflict_do_nothing(index_elements=[timeline.c.dedupe])
    .returning(timeline.c.id)
    .cte("row")
)
# Both in one, for PostgreSQL, where each statement is a journey; SQLite knows no writes in WITH.
_APPEND = Statement(
    select(
        _place.c.last_seq,
        _place.c.last_public_seq,
        _place.c.rev,
        select(func.count()).select_from(_row).scalar_subquery(),
    )
)


@dataclass(frozen=True, slots=True)
class Author:
    type: Literal["visitor", "contact", "agent", "system"]
    id: int | None = None
    name: str = ""


SYSTEM = Author("system")


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
) -> tuple[Entry, int]:
    """One row at the next sequence, and the thread's new `rev`. Raises `Clash` when `dedupe` was taken meanwhile.

    `public`: a visitor sees it in their chat. Nothing of an SMS thread is: its customer has a telephone.
    """
    data = data or {}
    told = {
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
        seq, public_seq, rev, written = tx.one(_APPEND, thread=thread, public=int(public), **told)
        public_seq = public_seq if public else None
    else:
        seq, public_seq, rev = tx.one(_TAKE_SEQ, thread=thread, public=int(public), at=tx.now)
        public_seq = public_seq if public else None
        written = tx.run(_INSERT, thread_id=thread, seq=seq, public_seq=public_seq, **told)
    if not written:
        raise Clash("another transaction wrote this key first")
    entry = Entry(thread, seq, public_seq, kind, author.type, author.id, author.name, body, data, ref, dedupe, tx.now)
    tx.ring(thread_topic(thread), entry)
    return entry, rev


class Said(NamedTuple):
    """A message, before it has its place in its thread. A visitor's has a key, as in `append`."""

    thread: int
    author: Author
    body: str
    data: dict[str, Any]
    dedupe: str | None = None
    body_hash: str | None = None


def append_messages(tx: Tx, said: Sequence[Said], *, public: bool) -> list[tuple[Entry, int]]:
    """As `append` for messages in different threads, all in two statements: the entry and the new `rev` of each.

    `public`: all are visitors'. Else all are texts in SMS threads; whoever keeps their ids keeps them from being
    written twice.
    """
    if not said:
        return []
    taken = tx.all(_TAKE_SEQS, threads=[one.thread for one in said], public=int(public), at=tx.now)
    places = {thread: (seq, public_seq, rev) for thread, seq, public_seq, rev in taken}
    rows: list[dict[str, Any]] = []
    stored: list[tuple[Entry, int]] = []
    for thread, author, body, data, dedupe, body_hash in said:
        seq, public_seq, rev = places[thread]
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
        shown = public_seq if public else None
        told = ("message", author.type, author.id, author.name, body, data, None, dedupe, tx.now)
        entry = Entry(thread, seq, shown, *told)
        stored.append((entry, rev))
        tx.ring(thread_topic(thread), entry)
    if tx.run_many(_INSERT_SAID if public else _INSERT_TEXTS, rows) < len(rows):
        raise Clash("another transaction wrote one of these keys first")
    return stored


_heard = (
    values(column("ticket", BigInteger), column("seq", BigInteger), column("preview", Text), name="heard")
    .data([(bindparam("ticket", type_=BigInteger), bindparam("seq", type_=BigInteger), bindparam("preview"))])
    .cte()
)
# A customer's message opens its ticket, whatever it was; many tickets by one statement.
INBOUND = Statement(
    update(tickets)
    .where(tickets.c.id == _heard.c.ticket)
    .values(
        status="open",
        unread=True,
        closing_at=null(),
        snoozed_until=null(),
        closed_at=null(),
        last_inbound_seq=_heard.c.seq,
        waiting_since=func.coalesce(tickets.c.waiting_since, bindparam("now", type_=Instant)),
        last_message_at=bindparam("now", type_=Instant),
        preview=_heard.c.preview,
        preview_by=bindparam("preview_by"),
    )
)


def as_heard(tx: Tx, ticket: Ticket, seq: int, rev: int, preview: str, by: str, **more: Any) -> Ticket:
    """The summary as `INBOUND` leaves it, without reading it again; `more`: what else the message changed."""
    return ticket._replace(
        rev=rev,
        status="open",
        unread=True,
        closing_at=None,
        snoozed_until=None,
        closed_at=None,
        last_inbound_seq=seq,
        waiting_since=ticket.waiting_since or tx.now,
        last_message_at=tx.now,
        preview=preview,
        preview_by=by,
        last_seq=seq,
        **more,
    )


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left behind. `repeated`: it had been done before, nothing was added."""

    entry: Entry | None
    ticket: Ticket
    repeated: bool = False


def written_before(tx: Tx, dedupe: str, body_hash: str) -> Entry | None:
    """The entry an earlier try with this key wrote; a key used for anything else is refused."""
    found = entries.by_dedupe(tx, dedupe)
    if found is None:
        return None
    entry, stored_hash = found
    if stored_hash != body_hash:
        raise Conflict(
            "idempotency_conflict",
            "This key was already used for something else. Send what is new with a new key.",
        )
    return entry


def check_text(raw: str, has_files: bool) -> str:
    """The text to store. Raises `Refused` `too_long` or `empty_message`."""
    if len(raw) > rules.MAX_TEXT:
        raise TooLarge("too_long", f"A message can have {rules.MAX_TEXT:,} characters. Shorten it or send it in parts.")
    text = rules.clean_text(raw)
    if rules.is_blank(text):
        if not has_files:
            raise Refused("empty_message", "There is nothing to send yet.", field="text")
        return ""
    return text


def facts_of(ticket: Ticket) -> rules.Facts:
    return rules.Facts(ticket.channel, ticket.status, ticket.closing_at)  # type: ignore[arg-type]


def settled(tx: Tx, ticket_id: int) -> Ticket:
    """The summary as it is now, rung to every list."""
    ticket = queries.ticket(tx, ticket_id)
    assert ticket is not None
    tx.ring(INBOX_TOPIC, ticket)
    return ticket


def no_ticket() -> NotFound:
    return NotFound("This ticket does not exist.")


def locked(tx: Tx, ticket_id: int) -> Ticket:
    ticket = queries.locked_ticket(tx, ticket_id)
    if ticket is None:
        raise no_ticket()
    return ticket


CLOSE = Statement(
    update(tickets)
    .where(tickets.c.id == bindparam("ticket"), tickets.c.status != "closed")
    .values(
        status="closed",
        closed_at=bindparam("now", type_=Instant),
        closing_at=null(),
        snoozed_until=null(),
        waiting_since=null(),
        unread=False,
    )
)


def status_entry(
    tx: Tx,
    ticket: Ticket,
    author: Author,
    to: str,
    dedupe: str | None,
    mark: str | None = None,
    *,
    public: bool = True,
) -> None:
    data = {"to": to, "by": author.type}
    public = public and ticket.channel == "webchat"
    append(tx, ticket.thread, "status", author, data=data, public=public, dedupe=dedupe, body_hash=mark)


CLOSE_JOB = "inbox.close"


def close_key(ticket_id: int) -> str:
    return f"{CLOSE_JOB}:{ticket_id}"
