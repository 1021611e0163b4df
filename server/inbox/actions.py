"""Writes of agents: replies and notes, closing, assigning, reading, drafts.

Steps take a `tx` and run inside somebody's transaction; actions own exactly one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import bindparam, delete, func, null, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import TABLE, Agent, Can
from server.delivery import actions as delivery
from server.errors import Conflict, NotFound, Refused
from server.inbox import entries, queries, replies, rules
from server.inbox.files import attach
from server.inbox.queries import Ticket
from server.inbox.timeline import (
    CLOSE,
    CLOSE_JOB,
    INBOX_TOPIC,
    Author,
    Written,
    append,
    by,
    check_text,
    close_key,
    facts_of,
    locked,
    no_ticket,
    settled,
    status_entry,
    written_before,
)
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.sql import Statement, Tx
from server.schema import drafts, threads, tickets, users

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


def _agent_key(agent: Agent, client_key: str) -> str:
    return f"agent:{agent.id}:{client_key}"


def write_message(tx: Tx, agent: Agent, said: Outgoing, base: str = "") -> Written:
    """A reply or a note, exactly once. Raises `Refused` as `receive`, `Conflict` `chat_ended` (INB-25), and by SMS what
    `replies.send` does. `base`: our public address, for short links."""
    dedupe = _agent_key(agent, said.client_key)
    files = list(said.files)
    fingerprint = rules.body_hash(f"{said.mode}:{said.ticket}:{said.text}", files)
    ticket, key_used = queries.ticket_to_write(tx, said.ticket, dedupe)
    earlier = written_before(tx, dedupe, fingerprint) if key_used else None
    if earlier is not None:
        then = queries.ticket_of(tx, earlier.thread)
        assert then is not None
        return Written(earlier, then, repeated=True)
    text = check_text(said.text, bool(files))
    if ticket is None:
        raise no_ticket()
    note = said.mode == "note"
    reopens = False
    if not note:
        verdict = rules.on_agent_message(facts_of(ticket))
        if isinstance(verdict, rules.Impossible):
            raise Conflict(verdict.code, verdict.message)
        reopens = isinstance(verdict, rules.Change)
    attached = attach(tx, files, f"agent:{agent.id}", ticket.thread, public=not note)
    data: dict[str, Any] = {"origin": "chat"} if not note else {}
    going = None
    if not note and ticket.channel == "sms":
        going = replies.send(tx, ticket, text, attached, dedupe, base)
        text, data = going.body, going.data
    if reopens:
        _open_again(tx, agent, ticket)
    if attached:
        data["files"] = attached
    entry, rev = append(
        tx,
        ticket.thread,
        "note" if note else "message",
        by(agent),
        body=text,
        data=data,
        public=not note and ticket.channel == "webchat",
        dedupe=dedupe,
        body_hash=fingerprint,
    )
    tx.run(_DROP_DRAFT, user=agent.id, ticket=ticket.id)
    if going is not None:
        delivery.place(tx, going.queued.id, ticket.thread, entry.seq)
    if note:
        after = ticket._replace(rev=rev, last_seq=entry.seq)
    else:
        preview = rules.preview(text, len(attached))
        tx.run(_ANSWERED, ticket=ticket.id, now=tx.now, preview=preview, user=agent.id)
        after = ticket._replace(
            rev=rev,
            waiting_since=None,
            unread=False,
            last_message_at=tx.now,
            preview=preview,
            preview_by="agent",
            **(_OPENED if reopens else {}),
            assignee=ticket.assignee or agent.id,
            last_seq=entry.seq,
            last_public_seq=entry.public_seq or ticket.last_public_seq,
        )
    tx.ring(INBOX_TOPIC, after)
    return Written(entry, after)


async def reply(app: App, agent: Agent, said: Outgoing) -> Written:
    return await app.write(write_message, agent, said, app.settings.public_url, lane=said.ticket)


_OPENED: dict[str, Any] = {"status": "open", "closed_at": None, "snoozed_until": None}


def _open_again(tx: Tx, agent: Agent, ticket: Ticket, dedupe: str | None = None, mark: str | None = None) -> None:
    tx.run(_REOPEN, ticket=ticket.id)
    status_entry(tx, ticket, by(agent), "open", dedupe, mark)
    tx.announce(
        rules.TicketOpened(ticket.id, ticket.thread, ticket.contact, ticket.channel, first=False)  # type: ignore[arg-type]
    )


_HOLD = Statement(
    update(tickets).where(tickets.c.id == bindparam("ticket")).values(closing_at=bindparam("until", type_=Instant))
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


def close(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """Closes an SMS ticket; holds a chat's close for five seconds (INB-26)."""
    dedupe, mark = _agent_key(agent, client_key), rules.act_hash("close", ticket_id)
    repeated = written_before(tx, dedupe, mark) is not None
    ticket = locked(tx, ticket_id)
    if repeated:
        return ticket
    match rules.on_close(facts_of(ticket), "agent", tx.now):
        case rules.Change(hold_until=until) if until is not None:
            tx.run(_HOLD, ticket=ticket.id, until=until)
            # For the team only and drawn nowhere: it remembers the key, or a late repeat would hold the close anew.
            status_entry(tx, ticket, by(agent), "closing", dedupe, mark, public=False)
            jobs.enqueue(
                tx,
                CLOSE_JOB,
                {"ticket": ticket.id, "user": agent.id, "name": agent.name},
                run_at=until,
                key=close_key(ticket.id),
                priority=0,
            )
        case rules.Change():
            tx.run(CLOSE, ticket=ticket.id, now=tx.now)
            status_entry(tx, ticket, by(agent), "closed", dedupe, mark)
        case _:
            return ticket
    return settled(tx, ticket.id)


def undo_close(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """Calls off a held close. `Conflict` `chat_ended` when it is too late."""
    dedupe, mark = _agent_key(agent, client_key), rules.act_hash("undo_close", ticket_id)
    repeated = written_before(tx, dedupe, mark) is not None
    ticket = locked(tx, ticket_id)
    if repeated:
        return ticket
    if ticket.status == "closed":
        if ticket.channel == "webchat":
            raise Conflict(rules.CHAT_ENDED.code, rules.CHAT_ENDED.message)
        return reopen(tx, agent, ticket_id, f"undo-{ticket.rev}")
    if ticket.closing_at is None:
        return ticket
    tx.run(_HOLD, ticket=ticket.id, until=None)
    status_entry(tx, ticket, by(agent), "kept_open", dedupe, mark, public=False)
    jobs.cancel(tx, close_key(ticket.id))
    return settled(tx, ticket.id)


def close_due(tx: Tx, ticket_id: int, author: Author) -> None:
    """The alarm of a held close; the row decides whether it still holds."""
    ticket = queries.locked_ticket(tx, ticket_id)
    if ticket is None or not isinstance(rules.on_close_due(facts_of(ticket), tx.now), rules.Change):
        return
    tx.run(CLOSE, ticket=ticket.id, now=tx.now)
    status_entry(tx, ticket, author, "closed", None)
    settled(tx, ticket.id)


def reopen(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """SMS only; a closed chat stays closed (`Conflict` `chat_ended`, INB-25)."""
    dedupe, mark = _agent_key(agent, client_key), rules.act_hash("reopen", ticket_id)
    repeated = written_before(tx, dedupe, mark) is not None
    ticket = locked(tx, ticket_id)
    if repeated:
        return ticket
    match rules.on_reopen(facts_of(ticket)):
        case rules.Impossible(code, message):
            raise Conflict(code, message)
        case rules.Change():
            _open_again(tx, agent, ticket, dedupe, mark)
            return settled(tx, ticket.id)
        case _:
            return ticket


def assign(tx: Tx, agent: Agent, ticket_id: int, user_id: int | None, client_key: str) -> Ticket:
    """Gives the ticket to a colleague who may work in the inbox, or to nobody."""
    dedupe, mark = _agent_key(agent, client_key), rules.act_hash("assign", ticket_id, user_id)
    repeated = written_before(tx, dedupe, mark) is not None
    ticket = locked(tx, ticket_id)
    if repeated:
        return ticket
    name = ""
    if user_id is not None:
        user = tx.first(_ACTIVE_USER, user=user_id)
        if user is None or user.role not in TABLE[Can.INBOX]:
            raise Refused("invalid", "Choose somebody who works in the inbox.", field="user")
        name = user.name
    if ticket.assignee == user_id:
        return ticket
    tx.run(_ASSIGN, ticket=ticket.id, user=user_id)
    data = {"user": user_id, "user_name": name}
    append(tx, ticket.thread, "assigned", by(agent), data=data, public=False, dedupe=dedupe, body_hash=mark)
    return settled(tx, ticket.id)


_TEAM_SEEN = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"), threads.c.team_seen < bindparam("seq", type_=threads.c.team_seen.type))
    .values(team_seen=bindparam("seq", type_=threads.c.team_seen.type))
)


def read(tx: Tx, agent: Agent, ticket_id: int, seq: int) -> Ticket:
    """The team has read up to `seq`; unread goes only if no newer customer message stands (INB-33)."""
    ticket = locked(tx, ticket_id)
    seq = min(seq, ticket.last_seq)
    changed = False
    if ticket.unread and seq >= ticket.last_inbound_seq:
        tx.run(_READ, ticket=ticket.id)
        changed = True
    seen = min(seq, ticket.last_inbound_seq)
    if ticket.channel == "sms":  # nobody there to show it to
        if changed:
            tx.run(_BUMP, thread=ticket.thread, now=tx.now)
    elif seen and tx.run(_TEAM_SEEN, thread=ticket.thread, seq=seen):
        public_ref = entries.public_at(tx, ticket.thread, seen)
        append(tx, ticket.thread, "seen", by(agent), data={"by": "agent", "public_ref": public_ref}, ref=seen)
        changed = True
    elif changed:
        tx.run(_BUMP, thread=ticket.thread, now=tx.now)
    return settled(tx, ticket.id) if changed else ticket


def mark_unread(tx: Tx, ticket_id: int) -> Ticket:
    ticket = locked(tx, ticket_id)
    if ticket.unread:
        return ticket
    tx.run(_UNREAD, ticket=ticket.id)
    tx.run(_BUMP, thread=ticket.thread, now=tx.now)
    return settled(tx, ticket.id)


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


def keep_draft(tx: Tx, agent: Agent, ticket_id: int, mode: str, body: str) -> None:
    """What is typed and not sent; an empty text forgets it."""
    if queries.ticket(tx, ticket_id) is None:
        raise NotFound("This ticket does not exist.")
    if body.strip():
        tx.run(_KEEP_DRAFT, user=agent.id, ticket=ticket_id, mode=mode, body=body, now=tx.now)
    else:
        tx.run(_DROP_DRAFT, user=agent.id, ticket=ticket_id)
