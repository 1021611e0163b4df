"""Agents' writes: replies, notes, closing, reopening, assigning, marking read.

Functions that take a `tx` run inside the caller's transaction; those that take an `app` run one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import bindparam, select, update

from server.accounts.rules import TABLE, Agent, Can
from server.chat_mail import follow_ups
from server.delivery import actions as delivery
from server.errors import Conflict, Refused
from server.files.rows import attach
from server.inbox.drafts import clear_sent
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.sql import Conn, Statement, Tx
from server.notifications.recording import notify
from server.notifications.rules import Notice
from server.schema import threads, users
from server.sms import replies
from server.sms.settings import INBOX
from server.threads import entries, rules, ticket_rules
from server.threads import tickets as ticket_queries
from server.threads.changes import change_ticket, close_ticket, publish_entry
from server.threads.tickets import (
    CLOSE_JOB,
    Ticket,
    Written,
    close_key,
    facts_of,
    lock_ticket,
    status_entry,
    ticket_not_found,
)
from server.threads.timeline import Author, append, by, check_text, written_before


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message an agent sends. `mode` "note": visible to the team only."""

    ticket: int
    client_key: str
    text: str
    files: tuple[str, ...] = ()
    mode: Literal["reply", "note"] = "reply"
    draft: int | None = None  # revision of the sent draft; None: delete any draft
    reopen: bool = False  # a reply to a snoozed ticket also wakes it


def agent_key(agent: Agent, client_key: str) -> str:
    return f"agent:{agent.id}:{client_key}"


def write_message(tx: Tx, agent: Agent, message: Outgoing, base: str = "") -> Written:
    """Writes a reply or note; a repeated client key writes nothing. Raises `Refused`, `Conflict` `chat_ended` (INB-25),
    and for SMS the refusals of `replies.send`. `base`: our public address, for short links."""
    dedupe = agent_key(agent, message.client_key)
    files = list(message.files)
    fingerprint = rules.body_hash(f"{message.mode}:{message.ticket}:{message.text}", files)
    ticket, key_used = ticket_queries.lock_with_key(tx, message.ticket, dedupe)
    earlier = written_before(tx, dedupe, fingerprint) if key_used else None
    if earlier is not None:
        ticket_now = ticket_queries.by_thread(tx, earlier.thread)
        assert ticket_now is not None
        return Written(earlier, ticket_now, repeated=True)
    text = check_text(message.text, bool(files))
    if ticket is None:
        raise ticket_not_found()
    note = message.mode == "note"
    reopens = False
    if not note:
        if ticket.blocked:
            raise blocked()
        verdict = ticket_rules.on_agent_message(facts_of(ticket), reopen_snoozed=message.reopen)
        if isinstance(verdict, ticket_rules.Refusal):
            raise Conflict(verdict.code, verdict.message)
        reopens = isinstance(verdict, ticket_rules.TicketChange)
    attached = attach(tx, files, f"agent:{agent.id}", ticket.thread, public=not note)
    data: dict[str, Any] = {"origin": "chat"} if not note else {}
    text_to_send = None
    if not note and ticket.channel == "sms":
        text_to_send = replies.send(tx, ticket, text, attached, dedupe, base)
        text, data = text_to_send.body, text_to_send.data
    if reopens and ticket.status == "snoozed":
        status_entry(tx, ticket, by(agent), "open", None, public=False, was="snoozed")
    elif reopens:
        status_entry(tx, ticket, by(agent), "open", None)
    if attached:
        data["files"] = attached
    appended = append(
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
    clear_sent(tx, agent, ticket.id, message.draft)
    if text_to_send is not None:
        delivery.set_entry(tx, text_to_send.queued.id, ticket.thread, appended[0].seq)
    if note:
        return Written(appended[0], publish_entry(tx, ticket, appended))
    if ticket.channel == "webchat":
        settings = INBOX.load(tx)
        if settings.support_from:
            delay = timedelta(minutes=settings.follow_up_minutes)
            follow_ups.note_reply(tx, ticket, appended[0].seq, delay)
    after = change_ticket(
        tx,
        ticket,
        appended,
        waiting_since=None,
        unread=False,
        woken_for=None,
        last_message_at=tx.now,
        preview=rules.preview(text, len(attached)),
        preview_by="agent",
        # The first reply assigns the ticket to its author (INB-58).
        assignee_id=ticket.assignee or agent.id,
        **(_REOPENED if reopens else {}),
    )
    if reopens and ticket.status == "closed":
        tx.announce(_opened_again(ticket, agent))
    return Written(appended[0], after)


async def reply(app: App, agent: Agent, message: Outgoing) -> Written:
    return await app.write(write_message, agent, message, app.settings.public_url, lane=message.ticket)


_REOPENED: dict[str, Any] = {"status": "open", "closed_at": None, "snoozed_until": None, "snoozed_by": None}


def _opened_again(ticket: Ticket, agent: Agent) -> rules.TicketOpened:
    return rules.TicketOpened(ticket.id, ticket.thread, ticket.contact, ticket.channel, False, agent.id)  # type: ignore[arg-type]


_ACTIVE_USER = Statement(
    select(users.c.id, users.c.name, users.c.role).where(users.c.id == bindparam("user"), users.c.disabled_at.is_(None))
)


def close(tx: Tx, agent: Agent, ticket_id: int, client_key: str, delay: timedelta = ticket_rules.CLOSE_DELAY) -> Ticket:
    """Closes an SMS ticket at once and a chat after `delay`, in which the agent can undo it (INB-26)."""
    dedupe, fingerprint = agent_key(agent, client_key), rules.action_hash("close", ticket_id)
    repeated = written_before(tx, dedupe, fingerprint) is not None
    ticket = lock_ticket(tx, ticket_id)
    if repeated:
        return ticket
    match ticket_rules.on_close(facts_of(ticket), "agent", tx.now, delay):
        case ticket_rules.TicketChange(closes_at=until) if until is not None:
            # This hidden entry stores the key. Without it a late repeat of the request would schedule the close again.
            appended = status_entry(tx, ticket, by(agent), "closing", dedupe, fingerprint, public=False)
            jobs.enqueue(
                tx,
                CLOSE_JOB,
                {"ticket": ticket.id, "user": agent.id, "name": agent.name},
                run_at=until,
                key=close_key(ticket.id),
                priority=0,
            )
            return change_ticket(tx, ticket, appended, closing_at=until)
        case ticket_rules.TicketChange():
            return close_ticket(tx, ticket, status_entry(tx, ticket, by(agent), "closed", dedupe, fingerprint))
        case _:
            return ticket


def blocked() -> Conflict:
    return Conflict("blocked", "This person is blocked. The owner or an admin can unblock them.")


def undo_close(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """Cancels a delayed close. Raises `Conflict` `chat_ended` if the chat has closed."""
    dedupe, fingerprint = agent_key(agent, client_key), rules.action_hash("undo_close", ticket_id)
    repeated = written_before(tx, dedupe, fingerprint) is not None
    ticket = lock_ticket(tx, ticket_id)
    if repeated:
        return ticket
    if ticket.status == "closed":
        if ticket.channel == "webchat":
            raise Conflict(ticket_rules.CHAT_ENDED.code, ticket_rules.CHAT_ENDED.message)
        return reopen(tx, agent, ticket_id, f"undo-{ticket_id}-{ticket.rev}")
    if ticket.closing_at is None:
        return ticket
    appended = status_entry(tx, ticket, by(agent), "kept_open", dedupe, fingerprint, public=False)
    jobs.cancel(tx, close_key(ticket.id))
    return change_ticket(tx, ticket, appended, closing_at=None)


def close_due(tx: Tx, ticket_id: int, author: Author) -> None:
    """Closes a chat whose delayed close is due; does nothing if the close was cancelled."""
    ticket = ticket_queries.lock_by_id(tx, ticket_id)
    if ticket is None or not isinstance(ticket_rules.on_close_due(facts_of(ticket), tx.now), ticket_rules.TicketChange):
        return
    close_ticket(tx, ticket, status_entry(tx, ticket, author, "closed", None))


def reopen(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """Reopens a closed SMS ticket. Raises `Conflict` `chat_ended` for a closed chat (INB-25)."""
    dedupe, fingerprint = agent_key(agent, client_key), rules.action_hash("reopen", ticket_id)
    repeated = written_before(tx, dedupe, fingerprint) is not None
    ticket = lock_ticket(tx, ticket_id)
    if repeated:
        return ticket
    if ticket.blocked:
        raise blocked()
    match ticket_rules.on_reopen(facts_of(ticket)):
        case ticket_rules.Refusal(code, message):
            raise Conflict(code, message)
        case ticket_rules.TicketChange():
            appended = status_entry(tx, ticket, by(agent), "open", dedupe, fingerprint)
            after = change_ticket(tx, ticket, appended, **_REOPENED)
            tx.announce(_opened_again(ticket, agent))
            return after
        case _:
            return ticket


def assign(tx: Tx, agent: Agent, ticket_id: int, user_id: int | None, client_key: str) -> Ticket:
    """Assigns the ticket to an active user with access to the inbox, or to nobody."""
    dedupe, fingerprint = agent_key(agent, client_key), rules.action_hash("assign", ticket_id, user_id)
    repeated = written_before(tx, dedupe, fingerprint) is not None
    ticket = lock_ticket(tx, ticket_id)
    if repeated:
        return ticket
    name = check_assignee(tx, user_id)
    if ticket.assignee == user_id:
        return ticket
    data = {"user": user_id, "user_name": name}
    appended = append(
        tx, ticket.thread, "assigned", by(agent), data=data, public=False, dedupe=dedupe, body_hash=fingerprint
    )
    if user_id is not None and user_id != agent.id:
        notify(tx, [Notice("assigned", ticket.id, user_id)])
    return change_ticket(tx, ticket, appended, assignee_id=user_id)


def check_assignee(conn: Conn, user_id: int | None) -> str:
    """The name of the user that a ticket is to be assigned to; "" for nobody. Raises `Refused` unless the user is active and
    has access to the inbox."""
    if user_id is None:
        return ""
    user = conn.first(_ACTIVE_USER, user=user_id)
    if user is None or user.role not in TABLE[Can.INBOX]:
        raise Refused("invalid", "Choose somebody who has access to the inbox.", field="user", fault="no_choice")
    name: str = user.name
    return name


_TEAM_SEEN = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"), threads.c.team_seen < bindparam("seq", type_=threads.c.team_seen.type))
    .values(team_seen=bindparam("seq", type_=threads.c.team_seen.type))
)


def read(tx: Tx, agent: Agent, ticket_id: int, seq: int, rev: int | None = None) -> Ticket:
    """Records that the team has read up to `seq`. The ticket stays unread if the customer has sent a newer message (INB-33).

    `rev` is the ticket's revision that the agent saw. A read mark for messages that the team has read before can only be
    about a ticket that somebody marked unread; it counts only if its window has seen that, so that a late read mark of
    another window does not undo "Mark unread".
    """
    ticket = lock_ticket(tx, ticket_id)
    seq = min(seq, ticket.last_seq)
    read_to = min(seq, ticket.last_inbound_seq)
    first_time = read_to > 0 and tx.run(_TEAM_SEEN, thread=ticket.thread, seq=read_to) > 0
    appended = None
    if first_time:
        ticket = ticket._replace(team_seen=read_to)
        # SMS has no read receipts.
        if ticket.channel == "webchat":
            public_ref = entries.public_at(tx, ticket.thread, read_to)
            data = {"by": "agent", "public_ref": public_ref}
            appended = append(tx, ticket.thread, "seen", by(agent), data=data, ref=read_to)
    if ticket.unread and seq >= ticket.last_inbound_seq and (first_time or rev is None or rev == ticket.rev):
        return change_ticket(tx, ticket, appended, unread=False, woken_for=None)
    return ticket if appended is None else publish_entry(tx, ticket, appended)


def mark_unread(tx: Tx, ticket_id: int) -> Ticket:
    ticket = lock_ticket(tx, ticket_id)
    if ticket.unread:
        return ticket
    return change_ticket(tx, ticket, unread=True)
