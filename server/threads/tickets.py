"""A thread's ticket: its summary, reads, locks and publications. `changes.py` writes it.

Lock a ticket before you change it. `locked…` reads lock the thread's row and the ticket's row together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, exists, func, select, tuple_

from server.accounts.rules import is_online
from server.contacts.rules import shown_phone
from server.errors import NotFound
from server.events.rules import Metric
from server.kernel.clock import rfc3339
from server.kernel.columns import Instant
from server.kernel.sql import Conn, Statement, Tx
from server.schema import contacts, merged_set, threads, tickets, timeline, visitors
from server.threads import ticket_rules
from server.threads.entries import CHANGED_PAGE, CUSTOMERS, Entry
from server.threads.timeline import Author, append, raise_rev


class Ticket(NamedTuple):
    """A ticket's summary, with counters of its thread and the main fields of its contact.

    A named tuple, because every message creates two summaries, and a dataclass is much slower.
    """

    # Columns of `tickets`, as `OWN_COLUMNS`.
    id: int
    status: str
    unread: bool
    assignee: int | None
    preview: str
    preview_by: str
    last_message_at: datetime
    last_inbound_seq: int
    waiting_since: datetime | None
    snoozed_until: datetime | None
    snoozed_by: int | None
    woken_for: int | None
    closing_at: datetime | None
    closed_at: datetime | None
    barred: str | None
    stop_asked: bool
    # Counters of the thread, which every entry raises.
    rev: int
    last_seq: int
    last_public_seq: int
    # Fields that a change of the ticket does not touch.
    thread: int
    channel: str
    opened_at: datetime
    visitor_seen: int
    team_seen: int
    token: str
    sender: str | None
    peer: str | None
    continued_in: int | None  # SMS, after a merge: the thread where the conversation continues
    contact: int
    contact_name: str
    contact_email: str | None
    contact_phone: str | None
    verified: bool
    country: str
    visitor_key: str | None
    visitor_seen_at: datetime | None
    blocked: bool  # the team reads and answers nothing of this contact (AMB-5)

    def wire(self, now: datetime, barred: str | None) -> dict[str, Any]:
        """The summary as JSON. `barred`: why an agent cannot reply, as `sms.eligibility` says."""
        return {
            "id": self.id,
            "thread": self.thread,
            "rev": self.rev,
            "channel": self.channel,
            "status": self.status,
            "unread": self.unread,
            "contact": {
                "id": self.contact,
                "name": self.contact_name,
                "email": self.contact_email,
                "phone": self.contact_phone,
                "phone_shown": shown_phone(self.contact_phone),
                "verified": self.verified,
            },
            "assignee": self.assignee,
            "preview": "" if self.blocked and self.preview_by in CUSTOMERS else self.preview,
            "preview_by": self.preview_by,
            "last_message_at": rfc3339(self.last_message_at),
            "waiting_since": _time(self.waiting_since),
            "snoozed_until": _time(self.snoozed_until),
            "woken_for": self.woken_for,
            "closing_at": _time(self.closing_at),
            "opened_at": rfc3339(self.opened_at),
            "closed_at": _time(self.closed_at),
            "last_seq": self.last_seq,
            "visitor_seen": self.visitor_seen,
            "online": is_online(self.visitor_seen_at, now),
            "barred": barred,
            "stop_asked": self.stop_asked,
            "sender": self.sender,
            "peer": self.peer,
        }


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


OWN_COLUMNS = (
    tickets.c.id,
    tickets.c.status,
    tickets.c.unread,
    tickets.c.assignee_id.label("assignee"),
    tickets.c.preview,
    tickets.c.preview_by,
    tickets.c.last_message_at,
    tickets.c.last_inbound_seq,
    tickets.c.waiting_since,
    tickets.c.snoozed_until,
    tickets.c.snoozed_by,
    tickets.c.woken_for,
    tickets.c.closing_at,
    tickets.c.closed_at,
    tickets.c.barred,
    tickets.c.stop_asked,
)
REMAINING = contacts.alias("remaining")  # of a merged contact
TICKET_COLUMNS = (
    *OWN_COLUMNS,
    threads.c.rev,
    threads.c.last_seq,
    threads.c.last_public_seq,
    threads.c.id.label("thread"),
    tickets.c.channel,
    tickets.c.opened_at,
    threads.c.visitor_seen,
    threads.c.team_seen,
    threads.c.token,
    threads.c.sender,
    threads.c.peer,
    threads.c.continued_in,
    contacts.c.id.label("contact"),
    # A contact's known name and e-mail take precedence over what the visitor typed.
    func.coalesce(func.nullif(REMAINING.c.name, ""), func.nullif(contacts.c.name, ""), visitors.c.name, "").label(
        "contact_name"
    ),
    func.coalesce(REMAINING.c.email, contacts.c.email, visitors.c.email).label("contact_email"),
    func.coalesce(REMAINING.c.phone, contacts.c.phone).label("contact_phone"),
    contacts.c.verified,
    contacts.c.country,
    visitors.c.key.label("visitor_key"),
    visitors.c.seen_at.label("visitor_seen_at"),
    contacts.c.blocked_at.is_not(None).label("blocked"),
)


def select_tickets() -> Select[Any]:
    return select(*TICKET_COLUMNS).select_from(
        tickets.join(threads, tickets.c.thread_id == threads.c.id)
        .join(contacts, tickets.c.contact_id == contacts.c.id)
        .outerjoin(REMAINING, contacts.c.merged_into == REMAINING.c.id)
        .outerjoin(visitors, threads.c.visitor_id == visitors.c.id)
    )


_BY_ID = Statement(select_tickets().where(tickets.c.id == bindparam("ticket")), into=Ticket)
_BY_THREAD = Statement(select_tickets().where(tickets.c.thread_id == bindparam("thread")), into=Ticket)
# FOR UPDATE is a no-op on SQLite, which has a single writer.
_LOCK_ID = Statement(
    select_tickets().where(tickets.c.id == bindparam("ticket")).with_for_update(of=[threads, tickets]), into=Ticket
)
_LOCK_ID_WITH_KEY = Statement(
    select_tickets()
    .add_columns(exists().where(timeline.c.dedupe == bindparam("dedupe_key")).label("key_used"))
    .where(tickets.c.id == bindparam("ticket"))
    .with_for_update(of=[threads, tickets])
)
# In the order of their threads, so that deadlocks cannot happen.
_LOCK_MANY = Statement(
    select_tickets()
    .where(tickets.c.id.in_(bindparam("tickets", expanding=True)))
    .order_by(threads.c.id)
    .with_for_update(of=[threads, tickets]),
    into=Ticket,
)
_LOCK_THREAD = Statement(
    select_tickets().where(tickets.c.thread_id == bindparam("thread")).with_for_update(of=[threads, tickets]),
    into=Ticket,
)


# The one SMS ticket of each contact, with country and language; locked in one order, so that deadlocks cannot happen.
_LOCK_SMS_TICKETS = Statement(
    select_tickets()
    .add_columns(contacts.c.country, contacts.c.language)
    .where(threads.c.contact_id.in_(bindparam("people", expanding=True)), threads.c.channel == "sms")
    .order_by(threads.c.id)
    .with_for_update(of=[threads, tickets])
)


def by_id(conn: Conn, ticket_id: int) -> Ticket | None:
    return conn.first(_BY_ID, ticket=ticket_id)


def by_thread(conn: Conn, thread_id: int) -> Ticket | None:
    return conn.first(_BY_THREAD, thread=thread_id)


def by_threads(conn: Conn, thread_ids: list[int]) -> list[Ticket]:
    return [ticket for thread_id in thread_ids if (ticket := by_thread(conn, thread_id)) is not None]


def lock_by_id(conn: Conn, ticket_id: int) -> Ticket | None:
    return conn.first(_LOCK_ID, ticket=ticket_id)


def lock_many(tx: Conn, ticket_ids: list[int]) -> dict[int, Ticket]:
    """The tickets by id, locked; those that do not exist are left out."""
    return {ticket.id: ticket for ticket in tx.all(_LOCK_MANY, tickets=ticket_ids)}


def lock_by_thread(conn: Conn, thread_id: int) -> Ticket | None:
    return conn.first(_LOCK_THREAD, thread=thread_id)


def lock_with_key(tx: Conn, ticket_id: int, dedupe: str) -> tuple[Ticket | None, bool]:
    """The ticket, locked, and whether an entry with the deduplication key `dedupe` may exist."""
    row = tx.first(_LOCK_ID_WITH_KEY, ticket=ticket_id, dedupe_key=dedupe)
    return (None, True) if row is None else (Ticket._make(row[:-1]), row[-1])


def sms_tickets(tx: Conn, people: list[int]) -> dict[int, tuple[Ticket, str, str]]:
    """By contact: the ticket of their SMS thread, locked, their country and their language. Contacts without an SMS
    thread are left out."""
    rows = [(Ticket._make(row[:-2]), row[-2], row[-1]) for row in tx.all(_LOCK_SMS_TICKETS, people=people)]
    return {row[0].contact: row for row in rows}


TICKETS_OF_CONTACT = Statement(
    select_tickets()
    .where(tickets.c.contact_id.in_(merged_set(bindparam("contact"))), tickets.c.id != bindparam("excluded"))
    .order_by(tickets.c.last_message_at.desc())
    .limit(20),
    into=Ticket,
)


def tickets_of_contact(conn: Conn, contact: int) -> list[Ticket]:
    """The newest tickets of the contact and of all contacts merged with it, at most 20."""
    return conn.all(TICKETS_OF_CONTACT, contact=contact, excluded=0)


_CHANGED_SINCE = Statement(
    select(threads.c.id, threads.c.changed_at, tickets.c.id.label("ticket"), threads.c.created_at, visitors.c.key)
    .select_from(
        threads.join(tickets, tickets.c.thread_id == threads.c.id).outerjoin(
            visitors, threads.c.visitor_id == visitors.c.id
        )
    )
    .where(
        tuple_(threads.c.changed_at, threads.c.id)
        > tuple_(bindparam("after", type_=Instant), bindparam("after_id", type_=threads.c.id.type))
    )
    .order_by(threads.c.changed_at, threads.c.id)
    .limit(bindparam("n"))
)


def changed_since(conn: Conn, after: datetime, after_id: int = 0) -> list[Any]:
    """Threads that changed at or after `after`, oldest change first: `id`, `changed_at`, `ticket`, `created_at`, and the
    visitor's `key`, None for SMS. At most `CHANGED_PAGE`; pass the last row's `changed_at` and `id` for the next page."""
    return conn.all(_CHANGED_SINCE, after=after, after_id=after_id, n=CHANGED_PAGE)


INBOX_TOPIC = "inbox"  # every ticket change; hint: the Ticket


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write. `repeated`: an earlier request with the same key did it; nothing was added."""

    entry: Entry | None
    ticket: Ticket
    repeated: bool = False
    opened: bool = False  # the message began a chat


def facts_of(ticket: Ticket) -> ticket_rules.TicketFacts:
    return ticket_rules.TicketFacts(
        ticket.channel,  # type: ignore[arg-type]
        ticket.status,  # type: ignore[arg-type]
        ticket.closing_at,
        ticket.blocked,
        begun_blocked=ticket.closed_at is not None and ticket.closed_at < ticket.opened_at,
    )


def publish_ticket(tx: Tx, ticket_id: int) -> Ticket:
    """Reads the ticket's summary and publishes it to every list."""
    ticket = by_id(tx, ticket_id)
    assert ticket is not None
    tx.publish(INBOX_TOPIC, ticket)
    return ticket


def publish_tickets_of_contact(tx: Tx, contact: int, *, except_thread: int | None = None) -> None:
    """Publishes the contact's newest tickets after a change of name or e-mail. `except_thread`: a thread to leave out, because an
    entry already publishes its ticket."""
    # In the order of their threads, so that two transactions cannot deadlock.
    for ticket in sorted(tickets_of_contact(tx, contact), key=lambda ticket: ticket.thread):
        if ticket.thread != except_thread:
            raise_rev(tx, ticket.thread)
            tx.publish(INBOX_TOPIC, by_thread(tx, ticket.thread))


def ticket_not_found() -> NotFound:
    return NotFound("This ticket does not exist.")


def lock_ticket(tx: Tx, ticket_id: int) -> Ticket:
    ticket = lock_by_id(tx, ticket_id)
    if ticket is None:
        raise ticket_not_found()
    return ticket


def status_entry(
    tx: Tx,
    ticket: Ticket,
    author: Author,
    to: str,
    dedupe: str | None,
    body_hash: str | None = None,
    *,
    public: bool = True,
    metric: Metric | None = None,
    **more: str,
) -> tuple[Entry, int]:
    """`metric`: as in `append`. `more`: further fields of the entry's data, for agents."""
    data = {"to": to, "by": author.type, **more}
    public = public and ticket.channel == "webchat"
    return append(
        tx,
        ticket.thread,
        "status",
        author,
        data=data,
        public=public,
        dedupe=dedupe,
        body_hash=body_hash,
        metric=metric,
    )


CLOSE_JOB = "inbox.close"


def close_key(ticket_id: int) -> str:
    return f"{CLOSE_JOB}:{ticket_id}"


def publish_summary(tx: Tx, thread: int) -> None:
    ticket = by_thread(tx, thread)
    if ticket is not None:
        tx.publish(INBOX_TOPIC, ticket)
