"""Writes of the inbox. Steps take a `tx` and run inside somebody's transaction; actions own exactly one.

Everything that becomes visible goes through `append`: it takes the next sequence under the thread
row's lock, writes one row, and rings the thread. Whoever changes a ticket locks its thread first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import bindparam, case, delete, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.errors import Conflict, NotFound, Refused, TooLarge
from server.inbox import queries, rules
from server.inbox.queries import Entry, Ticket
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.sql import Clash, Statement, Tx
from server.schema import attachments, contacts, drafts, sites_seen, threads, tickets, timeline, users, visitors

INBOX_TOPIC = "inbox"  # every ticket change; hint: the Ticket


def thread_topic(thread_id: int) -> str:
    """Every new entry of one thread; hint: the Entry."""
    return f"thread:{thread_id}"


def visitor_topic(key: str) -> str:
    """This visitor's current chat may be another one now."""
    return f"visitor:{key}"


# --- the timeline -------------------------------------------------------------------------------

_TAKE_SEQ = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(
        last_seq=threads.c.last_seq + 1,
        last_public_seq=threads.c.last_public_seq + bindparam("public", type_=threads.c.last_seq.type),
        rev=threads.c.rev + 1,
        changed_at=bindparam("now", type_=Instant),
    )
    .returning(threads.c.last_seq, threads.c.last_public_seq, threads.c.rev)
)
_INSERT = Statement(
    insert(timeline)
    .values(
        {
            name: bindparam(name)
            for name in (
                "thread_id seq public_seq kind author_type author_id author_name body data ref_seq dedupe body_hash at"
            ).split()
        }
    )
    .on_conflict_do_nothing(index_elements=[timeline.c.dedupe])
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
    """One row at the next sequence, and the thread's new `rev`. Raises `Clash` when `dedupe` was taken meanwhile."""
    seq, public_seq, rev = tx.one(_TAKE_SEQ, thread=thread, public=int(public), now=tx.now)
    entry = Entry(
        thread=thread,
        seq=seq,
        public_seq=public_seq if public else None,
        kind=kind,
        author_type=author.type,
        author_id=author.id,
        author_name=author.name,
        body=body,
        data=data or {},
        ref_seq=ref,
        dedupe=dedupe,
        at=tx.now,
    )
    written = tx.run(
        _INSERT,
        thread_id=thread,
        seq=seq,
        public_seq=entry.public_seq,
        kind=kind,
        author_type=author.type,
        author_id=author.id,
        author_name=author.name,
        body=body,
        data=entry.data,
        ref_seq=ref,
        dedupe=dedupe,
        body_hash=body_hash,
        at=tx.now,
    )
    if not written:
        raise Clash("another transaction wrote this key first")
    tx.ring(thread_topic(thread), entry)
    return entry, rev


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left behind. `repeated`: it had been done before, nothing was added."""

    entry: Entry | None
    ticket: Ticket
    repeated: bool = False


def _earlier(tx: Tx, dedupe: str, body_hash: str | None) -> Entry | None:
    """The entry an earlier try with this key wrote; another body with the same key is refused."""
    found = queries.by_dedupe(tx, dedupe)
    if found is None:
        return None
    entry, stored_hash = found
    if body_hash is not None and stored_hash != body_hash:
        raise Conflict(
            "idempotency_conflict",
            "This message was already stored with another text. Send the new text as a new message.",
        )
    return entry


# --- a visitor writes ---------------------------------------------------------------------------

_NEW_CONTACT = Statement(
    insert(contacts)
    .values(
        external_id=bindparam("external_id"),
        name=bindparam("name"),
        email=bindparam("email"),
        created_at=bindparam("now"),
    )
    .returning(contacts.c.id)
)
_CONTACT_BY_EXTERNAL = Statement(select(contacts.c.id).where(contacts.c.external_id == bindparam("external_id")))
_UPDATE_CONTACT = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("contact"))
    .values(
        name=func.coalesce(func.nullif(bindparam("new_name", type_=contacts.c.name.type), ""), contacts.c.name),
        email=func.coalesce(bindparam("new_email", type_=contacts.c.email.type), contacts.c.email),
    )
)
_NEW_VISITOR = Statement(
    insert(visitors)
    .values(
        {
            name: bindparam(name)
            for name in (
                "key contact_id page_url page_title referrer user_agent locale time_zone seen_at created_at"
            ).split()
        }
    )
    .returning(visitors.c.id)
)
_NEW_THREAD = Statement(
    insert(threads)
    .values(
        token=bindparam("token"),
        channel=bindparam("channel"),
        contact_id=bindparam("contact"),
        visitor_id=bindparam("visitor"),
        changed_at=bindparam("now"),
        created_at=bindparam("now"),
    )
    .returning(threads.c.id)
)
_NEW_TICKET = Statement(
    insert(tickets)
    .values(
        thread_id=bindparam("thread"),
        contact_id=bindparam("contact"),
        channel=bindparam("channel"),
        status="open",
        unread=True,
        waiting_since=bindparam("now"),
        last_message_at=bindparam("now"),
        opened_at=bindparam("now"),
    )
    .returning(tickets.c.id)
)
_CURRENT_THREAD = Statement(
    update(visitors).where(visitors.c.id == bindparam("visitor")).values(thread_id=bindparam("thread"))
)
_INBOUND = Statement(
    update(tickets)
    .where(tickets.c.id == bindparam("ticket"))
    .values(
        status="open",
        unread=True,
        closing_at=null(),
        snoozed_until=null(),
        closed_at=null(),
        last_inbound_seq=bindparam("seq", type_=tickets.c.last_inbound_seq.type),
        waiting_since=func.coalesce(tickets.c.waiting_since, bindparam("now", type_=Instant)),
        last_message_at=bindparam("now", type_=Instant),
        preview=bindparam("preview"),
        preview_by=bindparam("preview_by"),
    )
)


@dataclass(frozen=True, slots=True)
class VisitorInfo:
    """What the widget told about where it stands, already cleaned; stored with the first message."""

    page_url: str = ""
    page_title: str = ""
    referrer: str = ""
    user_agent: str = ""
    locale: str = ""
    time_zone: str = ""
    name: str = ""  # from a signed identity only
    email: str | None = None  # from a signed identity only
    typed_name: str | None = None
    typed_email: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message of a visitor."""

    key: str  # the visitor's
    client_key: str
    text: str  # as sent; cleaned here
    files: tuple[str, ...]
    thread_token: str  # for the thread that may be born
    welcome: str  # what the visitor was greeted with; kept as the first entry of a new chat
    info: VisitorInfo


def receive(tx: Tx, said: Inbound) -> Written:
    """Stores a visitor's message exactly once (INB-3, INB-22, VIS-1).

    Raises `Refused`: `empty_message`, `too_long`, `idempotency_conflict`, `not_found` for a file.
    """
    dedupe = f"web:{said.key}:{said.client_key}"
    files = list(said.files)
    fingerprint = rules.body_hash(said.text, files)
    earlier = _earlier(tx, dedupe, fingerprint)
    if earlier is not None:
        ticket = queries.ticket_of(tx, earlier.thread)
        assert ticket is not None
        return Written(earlier, ticket, repeated=True)
    text = check_text(said.text, bool(files))
    view = queries.visitor_view(tx, said.key)
    ticket = None
    if view is not None and view.thread is not None:
        ticket = queries.locked_ticket_of(tx, view.thread)
    facts = None if ticket is None else facts_of(ticket)
    verdict = rules.on_inbound(facts)
    opened = isinstance(verdict, rules.NewTicket)
    if opened or ticket is None:
        ticket = _open_chat(tx, said, view)
    assert ticket.visitor_key is not None
    attached = _attach(tx, files, f"web:{said.key}", ticket.thread, public=True)
    author = Author("visitor", None, ticket.contact_name)
    data: dict[str, Any] = {"origin": "chat"}
    if attached:
        data["files"] = attached
    entry, rev = append(
        tx, ticket.thread, "message", author, body=text, data=data, dedupe=dedupe, body_hash=fingerprint
    )
    preview = rules.preview(text, len(attached))
    tx.run(_INBOUND, ticket=ticket.id, seq=entry.seq, now=tx.now, preview=preview, preview_by="visitor")
    after = replace(
        ticket,
        rev=rev,
        status="open",
        unread=True,
        closing_at=None,
        snoozed_until=None,
        last_inbound_seq=entry.seq,
        waiting_since=ticket.waiting_since or tx.now,
        last_message_at=tx.now,
        preview=preview,
        preview_by="visitor",
        last_seq=entry.seq,
        last_public_seq=entry.public_seq or 0,
    )
    if opened:
        tx.ring(visitor_topic(said.key))
        tx.announce(rules.TicketOpened(ticket.id, ticket.thread, ticket.contact, "webchat", first=True))
    elif ticket.closing_at is not None:
        jobs.cancel(tx, _close_key(ticket.id))
    tx.announce(rules.MessageReceived(ticket.id, ticket.thread, ticket.contact, entry.seq, "webchat"))
    tx.ring(INBOX_TOPIC, after)
    return Written(entry, after)


def _open_chat(tx: Tx, said: Inbound, view: queries.VisitorView | None) -> Ticket:
    """A new session: visitor and contact if they are new, then thread, ticket and the greeting they saw."""
    if view is None:
        contact = _contact_for(tx, said)
        visitor = tx.value(
            _NEW_VISITOR,
            key=said.key,
            contact_id=contact,
            page_url=said.info.page_url,
            page_title=said.info.page_title,
            referrer=said.info.referrer,
            user_agent=said.info.user_agent,
            locale=said.info.locale,
            time_zone=said.info.time_zone,
            seen_at=tx.now,
            created_at=tx.now,
        )
    else:
        visitor, contact = view.visitor, view.contact
    thread = tx.value(
        _NEW_THREAD, token=said.thread_token, channel="webchat", contact=contact, visitor=visitor, now=tx.now
    )
    tx.value(_NEW_TICKET, thread=thread, contact=contact, channel="webchat", now=tx.now)
    tx.run(_CURRENT_THREAD, visitor=visitor, thread=thread)
    if said.welcome:
        append(tx, thread, "message", SYSTEM, body=said.welcome, data={"origin": "welcome"})
    if said.info.typed_name or said.info.typed_email:
        _introduce(tx, visitor, thread, said.info.typed_email, said.info.typed_name)
    ticket = queries.ticket_of(tx, thread)
    assert ticket is not None
    return ticket


def _contact_for(tx: Tx, said: Inbound) -> int:
    """A signed identity finds its contact; an anonymous visitor is a new one (IDN-1)."""
    external = said.key.removeprefix("ext:") if said.key.startswith("ext:") else None
    if external is not None:
        known: int | None = tx.value(_CONTACT_BY_EXTERNAL, external_id=external)
        if known is not None:
            tx.run(_UPDATE_CONTACT, contact=known, new_name=said.info.name, new_email=said.info.email)
            return known
    contact: int = tx.value(_NEW_CONTACT, external_id=external, name=said.info.name, email=said.info.email, now=tx.now)
    return contact


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


# --- agents write -------------------------------------------------------------------------------

_ANSWERED = Statement(
    update(tickets)
    .where(tickets.c.id == bindparam("ticket"))
    .values(
        waiting_since=null(),
        unread=False,
        last_message_at=bindparam("now", type_=Instant),
        preview=bindparam("preview"),
        preview_by="agent",
        # The first answer claims the ticket (INB-58).
        assignee_id=func.coalesce(tickets.c.assignee_id, bindparam("user", type_=tickets.c.assignee_id.type)),
    )
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What an agent wrote. `mode` note: for the team only."""

    ticket: int
    client_key: str
    text: str
    files: tuple[str, ...] = ()
    mode: Literal["reply", "note"] = "reply"


def _settled(tx: Tx, ticket_id: int) -> Ticket:
    """The summary as it is now, rung to every list."""
    ticket = queries.ticket(tx, ticket_id)
    assert ticket is not None
    tx.ring(INBOX_TOPIC, ticket)
    return ticket


def _locked(tx: Tx, ticket_id: int) -> Ticket:
    ticket = queries.locked_ticket(tx, ticket_id)
    if ticket is None:
        raise NotFound("This ticket does not exist.")
    return ticket


def _agent_key(agent: Agent, client_key: str) -> str:
    return f"agent:{agent.id}:{client_key}"


def write_message(tx: Tx, agent: Agent, said: Outgoing) -> Written:
    """A reply or a note, exactly once. Raises `Refused` as `receive`, and `Conflict` `chat_ended` (INB-25)."""
    dedupe = _agent_key(agent, said.client_key)
    files = list(said.files)
    fingerprint = rules.body_hash(f"{said.mode}:{said.ticket}:{said.text}", files)
    earlier = _earlier(tx, dedupe, fingerprint)
    if earlier is not None:
        found = queries.ticket_of(tx, earlier.thread)
        assert found is not None
        return Written(earlier, found, repeated=True)
    text = check_text(said.text, bool(files))
    ticket = _locked(tx, said.ticket)
    note = said.mode == "note"
    if not note:
        verdict = rules.on_agent_message(facts_of(ticket))
        if isinstance(verdict, rules.Impossible):
            raise Conflict(verdict.code, verdict.message)
    attached = _attach(tx, files, f"agent:{agent.id}", ticket.thread, public=not note)
    data: dict[str, Any] = {"origin": "chat"} if not note else {}
    if attached:
        data["files"] = attached
    entry, rev = append(
        tx,
        ticket.thread,
        "note" if note else "message",
        by(agent),
        body=text,
        data=data,
        public=not note,
        dedupe=dedupe,
        body_hash=fingerprint,
    )
    tx.run(_DROP_DRAFT, user=agent.id, ticket=ticket.id)
    if note:
        after = replace(ticket, rev=rev, last_seq=entry.seq)
    else:
        preview = rules.preview(text, len(attached))
        tx.run(_ANSWERED, ticket=ticket.id, now=tx.now, preview=preview, user=agent.id)
        after = replace(
            ticket,
            rev=rev,
            waiting_since=None,
            unread=False,
            last_message_at=tx.now,
            preview=preview,
            preview_by="agent",
            assignee=ticket.assignee or agent.id,
            last_seq=entry.seq,
            last_public_seq=entry.public_seq or ticket.last_public_seq,
        )
    tx.ring(INBOX_TOPIC, after)
    return Written(entry, after)


async def reply(app: App, agent: Agent, said: Outgoing) -> Written:
    return await app.write(write_message, agent, said, lane=said.ticket)


# --- closing, reopening, assigning, reading -----------------------------------------------------

CLOSE_JOB = "inbox.close"

_HOLD = Statement(
    update(tickets).where(tickets.c.id == bindparam("ticket")).values(closing_at=bindparam("until", type_=Instant))
)
_CLOSE = Statement(
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
_REOPEN = Statement(
    update(tickets)
    .where(tickets.c.id == bindparam("ticket"))
    .values(status="open", closed_at=null(), snoozed_until=null())
)
_ASSIGN = Statement(
    update(tickets)
    .where(tickets.c.id == bindparam("ticket"))
    .values(assignee_id=bindparam("user", type_=tickets.c.assignee_id.type))
)
_READ = Statement(update(tickets).where(tickets.c.id == bindparam("ticket")).values(unread=False))
_UNREAD = Statement(update(tickets).where(tickets.c.id == bindparam("ticket")).values(unread=True))
_BUMP = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(rev=threads.c.rev + 1, changed_at=bindparam("now", type_=Instant))
)
_ACTIVE_USER = Statement(
    select(users.c.id, users.c.name, users.c.role).where(users.c.id == bindparam("user"), users.c.disabled_at.is_(None))
)


def _close_key(ticket_id: int) -> str:
    return f"{CLOSE_JOB}:{ticket_id}"


def _status_entry(tx: Tx, ticket: Ticket, author: Author, to: str, dedupe: str | None) -> None:
    append(tx, ticket.thread, "status", author, data={"to": to, "by": author.type}, dedupe=dedupe)


def close(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """Closes an SMS ticket; holds a chat's close for five seconds (INB-26)."""
    ticket = _locked(tx, ticket_id)
    match rules.on_close(facts_of(ticket), "agent", tx.now):
        case rules.Change(hold_until=until) if until is not None:
            tx.run(_HOLD, ticket=ticket.id, until=until)
            tx.run(_BUMP, thread=ticket.thread, now=tx.now)
            jobs.enqueue(
                tx,
                CLOSE_JOB,
                {"ticket": ticket.id, "user": agent.id, "name": agent.name},
                run_at=until,
                key=_close_key(ticket.id),
                priority=0,
            )
        case rules.Change():
            tx.run(_CLOSE, ticket=ticket.id, now=tx.now)
            _status_entry(tx, ticket, by(agent), "closed", _agent_key(agent, client_key))
        case _:
            return ticket
    return _settled(tx, ticket.id)


def undo_close(tx: Tx, agent: Agent, ticket_id: int) -> Ticket:
    """Calls off a held close. `Conflict` `chat_ended` when it is too late."""
    ticket = _locked(tx, ticket_id)
    if ticket.status == "closed":
        if ticket.channel == "webchat":
            raise Conflict(rules.CHAT_ENDED.code, rules.CHAT_ENDED.message)
        return reopen(tx, agent, ticket_id, f"undo-{ticket.rev}")
    if ticket.closing_at is None:
        return ticket
    tx.run(_HOLD, ticket=ticket.id, until=None)
    tx.run(_BUMP, thread=ticket.thread, now=tx.now)
    jobs.cancel(tx, _close_key(ticket.id))
    return _settled(tx, ticket.id)


def close_due(tx: Tx, ticket_id: int, author: Author) -> None:
    """The alarm of a held close; the row decides whether it still holds."""
    ticket = queries.locked_ticket(tx, ticket_id)
    if ticket is None or not isinstance(rules.on_close_due(facts_of(ticket), tx.now), rules.Change):
        return
    tx.run(_CLOSE, ticket=ticket.id, now=tx.now)
    _status_entry(tx, ticket, author, "closed", None)
    _settled(tx, ticket.id)


def reopen(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """SMS only; a closed chat stays closed (`Conflict` `chat_ended`, INB-25)."""
    ticket = _locked(tx, ticket_id)
    match rules.on_reopen(facts_of(ticket)):
        case rules.Impossible(code, message):
            raise Conflict(code, message)
        case rules.Change():
            tx.run(_REOPEN, ticket=ticket.id)
            _status_entry(tx, ticket, by(agent), "open", _agent_key(agent, client_key))
            tx.announce(
                rules.TicketOpened(ticket.id, ticket.thread, ticket.contact, ticket.channel, first=False)  # type: ignore[arg-type]
            )
            return _settled(tx, ticket.id)
        case _:
            return ticket


def assign(tx: Tx, agent: Agent, ticket_id: int, user_id: int | None, client_key: str) -> Ticket:
    """Gives the ticket to a colleague who may work in the inbox, or to nobody."""
    from server.accounts.rules import TABLE, Can

    dedupe = _agent_key(agent, client_key)
    if _earlier(tx, dedupe, None) is not None:
        return _locked(tx, ticket_id)
    ticket = _locked(tx, ticket_id)
    name = ""
    if user_id is not None:
        user = tx.first(_ACTIVE_USER, user=user_id)
        if user is None or user.role not in TABLE[Can.INBOX]:
            raise Refused("invalid", "Choose somebody who works in the inbox.", field="user")
        name = user.name
    if ticket.assignee == user_id:
        return ticket
    tx.run(_ASSIGN, ticket=ticket.id, user=user_id)
    append(
        tx, ticket.thread, "assigned", by(agent), data={"user": user_id, "user_name": name}, public=False, dedupe=dedupe
    )
    return _settled(tx, ticket.id)


_TEAM_SEEN = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"), threads.c.team_seen < bindparam("seq", type_=threads.c.team_seen.type))
    .values(team_seen=bindparam("seq", type_=threads.c.team_seen.type))
)
_VISITOR_SEEN = Statement(
    update(threads)
    .where(
        threads.c.id == bindparam("thread"),
        threads.c.visitor_seen < bindparam("seq", type_=threads.c.visitor_seen.type),
    )
    .values(visitor_seen=bindparam("seq", type_=threads.c.visitor_seen.type))
)


def read(tx: Tx, agent: Agent, ticket_id: int, seq: int) -> Ticket:
    """The team has read up to `seq`; unread goes only if no newer customer message stands (INB-33)."""
    ticket = _locked(tx, ticket_id)
    seq = min(seq, ticket.last_seq)
    changed = False
    if ticket.unread and seq >= ticket.last_inbound_seq:
        tx.run(_READ, ticket=ticket.id)
        changed = True
    seen = min(seq, ticket.last_inbound_seq)
    if seen and tx.run(_TEAM_SEEN, thread=ticket.thread, seq=seen):
        public_ref = queries.public_at(tx, ticket.thread, seen)
        append(tx, ticket.thread, "seen", by(agent), data={"by": "agent", "public_ref": public_ref}, ref=seen)
        changed = True
    elif changed:
        tx.run(_BUMP, thread=ticket.thread, now=tx.now)
    return _settled(tx, ticket.id) if changed else ticket


def mark_unread(tx: Tx, ticket_id: int) -> Ticket:
    ticket = _locked(tx, ticket_id)
    if ticket.unread:
        return ticket
    tx.run(_UNREAD, ticket=ticket.id)
    tx.run(_BUMP, thread=ticket.thread, now=tx.now)
    return _settled(tx, ticket.id)


# --- the visitor's other acts -------------------------------------------------------------------


def visitor_seen(tx: Tx, key: str, public_seq: int) -> None:
    """The visitor has read up to a public sequence (INB-57). Ignored when it says nothing new."""
    view = queries.visitor_view(tx, key)
    if view is None or view.thread is None:
        return
    seq = queries.seq_at(tx, view.thread, min(public_seq, view.last_public_seq))
    if seq and tx.run(_VISITOR_SEEN, thread=view.thread, seq=seq):
        append(tx, view.thread, "seen", Author("visitor"), data={"by": "visitor"}, ref=seq, public=False)
        tx.ring(INBOX_TOPIC, queries.ticket_of(tx, view.thread))


def visitor_end(tx: Tx, key: str, client_key: str) -> Entry | None:
    """The visitor ends the chat: closed at once (INB-24). None when there is nothing to end."""
    dedupe = f"web:{key}:{client_key}"
    earlier = _earlier(tx, dedupe, None)
    if earlier is not None:
        return earlier
    view = queries.visitor_view(tx, key)
    if view is None or view.thread is None:
        return None
    ticket = queries.locked_ticket_of(tx, view.thread)
    if ticket is None or not isinstance(rules.on_close(facts_of(ticket), "visitor", tx.now), rules.Change):
        return None
    tx.run(_CLOSE, ticket=ticket.id, now=tx.now)
    jobs.cancel(tx, _close_key(ticket.id))
    entry, _ = append(
        tx, ticket.thread, "status", Author("visitor"), data={"to": "closed", "by": "visitor"}, dedupe=dedupe
    )
    _settled(tx, ticket.id)
    return entry


_TYPED = Statement(
    update(visitors)
    .where(visitors.c.id == bindparam("visitor"))
    .values(
        email=func.coalesce(bindparam("email", type_=visitors.c.email.type), visitors.c.email),
        name=func.coalesce(bindparam("name", type_=visitors.c.name.type), visitors.c.name),
    )
)


def _introduce(
    tx: Tx, visitor: int, thread: int | None, email: str | None, name: str | None, dedupe: str | None = None
) -> Entry | None:
    tx.run(_TYPED, visitor=visitor, email=email, name=name)
    if thread is None:
        return None
    told = {k: v for k, v in (("email", email), ("name", name)) if v}
    entry, _ = append(tx, thread, "contact", Author("visitor"), data=told, dedupe=dedupe)
    return entry


def introduce(tx: Tx, key: str, client_key: str, email: str | None, name: str | None) -> Entry | None:
    """Keeps an unverified name or e-mail with the visitor; identifies nobody (IDN-1). None before the first message."""
    dedupe = f"web:{key}:{client_key}"
    earlier = _earlier(tx, dedupe, None)
    if earlier is not None:
        return earlier
    view = queries.visitor_view(tx, key)
    if view is None:
        return None
    if name is not None:
        match rules.visitor_name(name, queries.agent_names(tx)):
            case rules.Impossible(code, message):
                raise Refused(code, message, field="name")
            case rules.Name(value):
                name = value
    entry = _introduce(tx, view.visitor, view.thread, email, name, dedupe)
    if view.thread is not None:
        tx.ring(INBOX_TOPIC, queries.ticket_of(tx, view.thread))
    return entry


_MOVED = Statement(
    update(visitors)
    .where(visitors.c.key == bindparam("visitor_key"))
    .values(
        page_url=bindparam("page_url"),
        page_title=bindparam("page_title"),
        referrer=case(
            (visitors.c.referrer == "", bindparam("referrer", type_=visitors.c.referrer.type)),
            else_=visitors.c.referrer,
        ),
        locale=bindparam("locale"),
        time_zone=bindparam("time_zone"),
        user_agent=bindparam("user_agent"),
        seen_at=bindparam("now", type_=Instant),
    )
)
_SEEN_AT = Statement(
    update(visitors)
    .where(visitors.c.key.in_(bindparam("keys", expanding=True)))
    .values(seen_at=bindparam("now", type_=Instant))
)
_AGENTS_SEEN_AT = Statement(
    update(users)
    .where(users.c.id.in_(bindparam("ids", expanding=True)))
    .values(seen_at=bindparam("now", type_=Instant))
)


def visitor_moved(tx: Tx, key: str, info: VisitorInfo) -> None:
    """A known visitor stands on another page; an unknown one is not stored before the first message."""
    tx.run(
        _MOVED,
        visitor_key=key,
        page_url=info.page_url,
        page_title=info.page_title,
        referrer=info.referrer,
        locale=info.locale,
        time_zone=info.time_zone,
        user_agent=info.user_agent,
        now=tx.now,
    )


def touch_presence(tx: Tx, visitor_keys: list[str], user_ids: list[int]) -> None:
    """Whoever is connected is here; one statement for all of a process, every 20 s."""
    if visitor_keys:
        tx.run(_SEEN_AT, keys=visitor_keys, now=tx.now)
    if user_ids:
        tx.run(_AGENTS_SEEN_AT, ids=user_ids, now=tx.now)


# --- drafts and files ---------------------------------------------------------------------------

_DROP_DRAFT = Statement(
    delete(drafts).where(drafts.c.user_id == bindparam("user"), drafts.c.ticket_id == bindparam("ticket"))
)
_put_draft = insert(drafts).values(
    user_id=bindparam("user"),
    ticket_id=bindparam("ticket"),
    mode=bindparam("mode"),
    body=bindparam("body"),
    at=bindparam("now"),
)
_KEEP_DRAFT = Statement(
    _put_draft.on_conflict_do_update(
        index_elements=["user_id", "ticket_id"],
        set_={"mode": _put_draft.excluded.mode, "body": _put_draft.excluded.body, "at": _put_draft.excluded.at},
    )
)
_NEW_FILE = Statement(
    insert(attachments).values(
        {name: bindparam(name) for name in "token owner name type size width height sha256 created_at".split()}
    )
)
_CLAIM_FILE = Statement(
    update(attachments)
    .where(
        attachments.c.token == bindparam("file_token"),
        attachments.c.owner == bindparam("file_owner"),
        or_(attachments.c.thread_id.is_(None), attachments.c.thread_id == bindparam("thread")),
    )
    .values(
        thread_id=bindparam("thread"),
        public=or_(attachments.c.public, bindparam("is_public", type_=attachments.c.public.type)),
    )
)


def keep_draft(tx: Tx, agent: Agent, ticket_id: int, mode: str, body: str) -> None:
    """What is typed and not sent; an empty text forgets it."""
    if queries.ticket(tx, ticket_id) is None:
        raise NotFound("This ticket does not exist.")
    if body.strip():
        tx.run(_KEEP_DRAFT, user=agent.id, ticket=ticket_id, mode=mode, body=body, now=tx.now)
    else:
        tx.run(_DROP_DRAFT, user=agent.id, ticket=ticket_id)


def store_file(tx: Tx, file: queries.Attachment, sha256: str) -> None:
    """The row of a file whose bytes are already on disk."""
    tx.run(
        _NEW_FILE,
        token=file.token,
        owner=file.owner,
        name=file.name,
        type=file.type,
        size=file.size,
        width=file.width,
        height=file.height,
        sha256=sha256,
        created_at=tx.now,
    )


def _attach(tx: Tx, tokens: list[str], owner: str, thread: int, *, public: bool) -> list[dict[str, Any]]:
    """Gives the files to the thread; only their uploader can, and only to one thread."""
    if not tokens:
        return []
    found = queries.files(tx, tokens)
    for token in tokens:
        if token not in found or not tx.run(
            _CLAIM_FILE, file_token=token, file_owner=owner, thread=thread, is_public=public
        ):
            raise NotFound("An attached file is not there any more; attach it again.")
    return [found[token].wire() for token in tokens]


_put_site = insert(sites_seen).values(
    origin=bindparam("origin"), page=bindparam("page"), first_seen=bindparam("now"), last_seen=bindparam("now")
)
_SAW_SITE = Statement(
    _put_site.on_conflict_do_update(
        index_elements=["origin"], set_={"page": _put_site.excluded.page, "last_seen": _put_site.excluded.last_seen}
    )
)


def saw_site(tx: Tx, origin: str, page: str) -> None:
    """The widget was met on a configured site: the "we saw it" of Settings."""
    tx.run(_SAW_SITE, origin=origin, page=page, now=tx.now)
