"""Reads of the inbox: frozen dataclasses out, and how each stands on the wire.

`Entry` and `Ticket` know their two faces: an agent's (integer ids, every entry) and a visitor's
(public sequence, no ids). The shapes are those of `live/frames.py`; a test validates one against
the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, exists, func, or_, select, tuple_

from server.contacts.rules import shown_phone
from server.inbox import entries
from server.inbox.rules import folded_name, is_online, phone_digits
from server.kernel.clock import rfc3339
from server.kernel.sql import Conn, Statement
from server.schema import (
    attachments,
    contacts,
    drafts,
    sites_seen,
    threads,
    tickets,
    timeline,
    users,
    visitors,
)


class Ticket(NamedTuple):
    """A ticket's summary, its thread's counters and its contact in brief.

    A named tuple and no dataclass: one is made and one replaced for every message, and that is a fifth of the time.
    """

    id: int
    thread: int
    rev: int
    channel: str
    status: str
    unread: bool
    contact: int
    contact_name: str
    contact_email: str | None
    contact_phone: str | None
    verified: bool
    assignee: int | None
    preview: str
    preview_by: str
    last_message_at: datetime
    last_inbound_seq: int
    waiting_since: datetime | None
    snoozed_until: datetime | None
    closing_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    last_seq: int
    last_public_seq: int
    visitor_seen: int
    team_seen: int
    visitor_key: str | None
    visitor_seen_at: datetime | None
    token: str
    barred: str | None
    stop_asked: bool
    sender: str | None
    peer: str | None

    def wire(self, now: datetime) -> dict[str, Any]:
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
            "preview": self.preview,
            "preview_by": self.preview_by,
            "last_message_at": rfc3339(self.last_message_at),
            "waiting_since": _time(self.waiting_since),
            "snoozed_until": _time(self.snoozed_until),
            "closing_at": _time(self.closing_at),
            "opened_at": rfc3339(self.opened_at),
            "closed_at": _time(self.closed_at),
            "last_seq": self.last_seq,
            "visitor_seen": self.visitor_seen,
            "online": is_online(self.visitor_seen_at, now),
            "barred": self.barred,
            "stop_asked": self.stop_asked,
            "sender": self.sender,
            "peer": self.peer,
        }


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


# --- one ticket ---------------------------------------------------------------------------------

_ticket_columns = (
    tickets.c.id,
    threads.c.id.label("thread"),
    threads.c.rev,
    tickets.c.channel,
    tickets.c.status,
    tickets.c.unread,
    contacts.c.id.label("contact"),
    # What is known goes before what the visitor typed.
    func.coalesce(func.nullif(contacts.c.name, ""), visitors.c.name, "").label("contact_name"),
    func.coalesce(contacts.c.email, visitors.c.email).label("contact_email"),
    contacts.c.phone.label("contact_phone"),
    contacts.c.external_id.is_not(None).label("verified"),
    tickets.c.assignee_id.label("assignee"),
    tickets.c.preview,
    tickets.c.preview_by,
    tickets.c.last_message_at,
    tickets.c.last_inbound_seq,
    tickets.c.waiting_since,
    tickets.c.snoozed_until,
    tickets.c.closing_at,
    tickets.c.opened_at,
    tickets.c.closed_at,
    threads.c.last_seq,
    threads.c.last_public_seq,
    threads.c.visitor_seen,
    threads.c.team_seen,
    visitors.c.key.label("visitor_key"),
    visitors.c.seen_at.label("visitor_seen_at"),
    threads.c.token,
    tickets.c.barred,
    tickets.c.stop_asked,
    threads.c.sender,
    threads.c.peer,
)


_key_used = exists().where(timeline.c.dedupe == bindparam("dedupe_key"))


def _tickets() -> Select[Any]:
    return select(*_ticket_columns).select_from(
        tickets.join(threads, tickets.c.thread_id == threads.c.id)
        .join(contacts, tickets.c.contact_id == contacts.c.id)
        .outerjoin(visitors, threads.c.visitor_id == visitors.c.id)
    )


_current_chats = (
    select(*_ticket_columns)
    .select_from(
        visitors.join(threads, visitors.c.thread_id == threads.c.id)
        .join(tickets, tickets.c.thread_id == threads.c.id)
        .join(contacts, tickets.c.contact_id == contacts.c.id)
    )
    .with_for_update(of=[threads, tickets])
)
# The current chat of a visitor, locked like the above, and whether a client key was used before: one look for both.
_CURRENT_CHAT = Statement(
    _current_chats.add_columns(_key_used.label("key_used")).where(visitors.c.key == bindparam("visitor"))
)
_CURRENT_CHATS = Statement(
    _current_chats.where(visitors.c.key.in_(bindparam("visitors", expanding=True))).order_by(threads.c.id), into=Ticket
)
_KEYS_USED = Statement(select(timeline.c.dedupe).where(timeline.c.dedupe.in_(bindparam("dedupe_keys", expanding=True))))
_BY_ID = Statement(_tickets().where(tickets.c.id == bindparam("ticket")), into=Ticket)
_BY_THREAD = Statement(_tickets().where(tickets.c.thread_id == bindparam("thread")), into=Ticket)
# Locks thread and ticket together, so that what is decided on is what is true (no-op on SQLite).
_LOCK_ID = Statement(
    _tickets().where(tickets.c.id == bindparam("ticket")).with_for_update(of=[threads, tickets]), into=Ticket
)
_TO_WRITE = Statement(
    _tickets()
    .add_columns(_key_used.label("key_used"))
    .where(tickets.c.id == bindparam("ticket"))
    .with_for_update(of=[threads, tickets])
)
_LOCK_THREAD = Statement(
    _tickets().where(tickets.c.thread_id == bindparam("thread")).with_for_update(of=[threads, tickets]), into=Ticket
)

# The one SMS ticket of each contact, locked like the above and in one order, with country and language.
_SMS_OF = Statement(
    _tickets()
    .add_columns(contacts.c.country, contacts.c.language)
    .where(threads.c.contact_id.in_(bindparam("people", expanding=True)), threads.c.channel == "sms")
    .order_by(threads.c.id)
    .with_for_update(of=[threads, tickets])
)


def ticket(conn: Conn, ticket_id: int) -> Ticket | None:
    return conn.first(_BY_ID, ticket=ticket_id)


def ticket_of(conn: Conn, thread_id: int) -> Ticket | None:
    return conn.first(_BY_THREAD, thread=thread_id)


def tickets_of(conn: Conn, thread_ids: list[int]) -> list[Ticket]:
    return [found for thread_id in thread_ids if (found := ticket_of(conn, thread_id)) is not None]


def locked_ticket(conn: Conn, ticket_id: int) -> Ticket | None:
    return conn.first(_LOCK_ID, ticket=ticket_id)


def locked_ticket_of(conn: Conn, thread_id: int) -> Ticket | None:
    return conn.first(_LOCK_THREAD, thread=thread_id)


def current_chat(tx: Conn, visitor_key: str, dedupe: str) -> tuple[Ticket | None, bool]:
    """The ticket of the visitor's current chat, locked; and whether an entry with `dedupe` may stand somewhere.

    Without a chat, look: an earlier one may hold it. A key another transaction is just using shows when writing.
    """
    row = tx.first(_CURRENT_CHAT, visitor=visitor_key, dedupe_key=dedupe)
    return (None, True) if row is None else (Ticket._make(row[:-1]), row[-1])


def current_chats(tx: Conn, visitor_keys: list[str], dedupes: list[str]) -> tuple[dict[str, Ticket], set[str]]:
    """As `current_chat` for several visitors: their tickets by visitor, locked in one order, and which keys are used."""
    found = {str(ticket.visitor_key): ticket for ticket in tx.all(_CURRENT_CHATS, visitors=visitor_keys)}
    return found, {row.dedupe for row in tx.all(_KEYS_USED, dedupe_keys=dedupes)}


def ticket_to_write(tx: Conn, ticket_id: int, dedupe: str) -> tuple[Ticket | None, bool]:
    """The ticket, locked, and whether an entry with `dedupe` stands somewhere."""
    row = tx.first(_TO_WRITE, ticket=ticket_id, dedupe_key=dedupe)
    return (None, True) if row is None else (Ticket._make(row[:-1]), row[-1])


def sms_tickets(tx: Conn, people: list[int]) -> dict[int, tuple[Ticket, str, str]]:
    """The ticket of each contact's SMS thread, locked, with their country and language; nothing for whoever has none."""
    found = [(Ticket._make(row[:-2]), row[-2], row[-1]) for row in tx.all(_SMS_OF, people=people)]
    return {known[0].contact: known for known in found}


# --- lists: keyset pages along the indexes of `tickets` ------------------------------------------


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What an agent asked for. `after`: the sort value and id of the last row they have."""

    status: str
    channel: str | None
    view: str  # all | mine | unassigned
    sort: str  # newest | oldest | waiting
    user: int
    limit: int
    after: tuple[datetime, int] | None = None


_LISTS: dict[tuple[Any, ...], Statement] = {}


def _list_statement(shape: tuple[str, bool, str, str, bool]) -> Statement:
    found = _LISTS.get(shape)
    if found is None:
        _status, by_channel, view, sort, paged = shape
        query = _tickets().where(tickets.c.status == bindparam("status"))
        if by_channel:
            query = query.where(tickets.c.channel == bindparam("channel"))
        if view == "mine":
            query = query.where(tickets.c.assignee_id == bindparam("user"))
        elif view == "unassigned":
            query = query.where(tickets.c.assignee_id.is_(None))
        column = tickets.c.waiting_since if sort == "waiting" else tickets.c.last_message_at
        if sort == "waiting":
            query = query.where(column.is_not(None))
        place = tuple_(column, tickets.c.id)
        mark = tuple_(bindparam("after_at", type_=column.type), bindparam("after_id", type_=tickets.c.id.type))
        if sort == "newest":
            query = query.order_by(column.desc(), tickets.c.id.desc())
            query = query.where(place < mark) if paged else query
        else:
            query = query.order_by(column, tickets.c.id)
            query = query.where(place > mark) if paged else query
        found = _LISTS[shape] = Statement(query.limit(bindparam("n")), into=Ticket)
    return found


def list_tickets(conn: Conn, query: ListQuery) -> list[Ticket]:
    shape = ("", query.channel is not None, query.view, query.sort, query.after is not None)
    after_at, after_id = query.after or (None, None)
    return conn.all(
        _list_statement(shape),
        status=query.status,
        channel=query.channel,
        user=query.user,
        after_at=after_at,
        after_id=after_id,
        n=query.limit,
    )


@dataclass(frozen=True, slots=True)
class Badge:
    unread: int
    open: int


_COUNT_UNREAD = Statement(select(func.count().label("n")).where(tickets.c.unread, tickets.c.status == "open"))
_COUNT_OPEN = Statement(select(func.count().label("n")).where(tickets.c.status == "open"))


def badge(conn: Conn) -> Badge:
    return Badge(conn.value(_COUNT_UNREAD), conn.value(_COUNT_OPEN))


# --- timeline -----------------------------------------------------------------------------------


# --- the visitor's view -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VisitorView:
    """Where a visitor stands: their current chat, if any."""

    visitor: int
    contact: int
    name: str | None
    email: str | None
    thread: int | None
    token: str | None
    status: str | None
    last_public_seq: int
    team_seen_public: int


_VISITOR = Statement(
    select(
        visitors.c.id,
        visitors.c.contact_id,
        func.coalesce(func.nullif(contacts.c.name, ""), visitors.c.name).label("name"),
        func.coalesce(contacts.c.email, visitors.c.email).label("email"),
        visitors.c.thread_id,
        threads.c.token,
        tickets.c.status,
        func.coalesce(threads.c.last_public_seq, 0).label("last_public_seq"),
        func.coalesce(threads.c.team_seen, 0).label("team_seen"),
    )
    .select_from(
        visitors.join(contacts, visitors.c.contact_id == contacts.c.id)
        .outerjoin(threads, visitors.c.thread_id == threads.c.id)
        .outerjoin(tickets, tickets.c.thread_id == threads.c.id)
    )
    .where(visitors.c.key == bindparam("key"))
)


def visitor_view(conn: Conn, key: str) -> VisitorView | None:
    row = conn.first(_VISITOR, key=key)
    if row is None:
        return None
    seen = 0
    if row.thread_id is not None and row.team_seen:
        seen = entries.public_at(conn, row.thread_id, row.team_seen)
    return VisitorView(*(*row[:-1], seen))


# --- details, drafts, files, finding ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Details:
    """The panel beside a thread."""

    created_at: datetime
    page_url: str
    page_title: str
    referrer: str
    user_agent: str
    locale: str
    time_zone: str
    first_seen: datetime | None
    last_seen: datetime | None
    visitor_email: str | None


_DETAILS = Statement(
    select(
        contacts.c.created_at,
        func.coalesce(visitors.c.page_url, "").label("page_url"),
        func.coalesce(visitors.c.page_title, "").label("page_title"),
        func.coalesce(visitors.c.referrer, "").label("referrer"),
        func.coalesce(visitors.c.user_agent, "").label("user_agent"),
        func.coalesce(visitors.c.locale, "").label("locale"),
        func.coalesce(visitors.c.time_zone, "").label("time_zone"),
        visitors.c.created_at.label("first_seen"),
        visitors.c.seen_at.label("last_seen"),
        visitors.c.email.label("visitor_email"),
    )
    .select_from(
        threads.join(contacts, threads.c.contact_id == contacts.c.id).outerjoin(
            visitors, threads.c.visitor_id == visitors.c.id
        )
    )
    .where(threads.c.id == bindparam("thread"))
)
_OTHERS = Statement(
    _tickets()
    .where(tickets.c.contact_id == bindparam("contact"), tickets.c.id != bindparam("but"))
    .order_by(tickets.c.last_message_at.desc())
    .limit(20),
    into=Ticket,
)
# An e-mail typed into the widget identifies nobody, nor does one that an agent wrote down; the agent may see who it might be (IDN-1).
_MAYBE = Statement(
    select(contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.external_id)
    .where(contacts.c.email == bindparam("email"), contacts.c.id != bindparam("but"))
    .limit(5)
)


@dataclass(frozen=True, slots=True)
class ContactBrief:
    id: int
    name: str
    email: str | None
    phone: str | None
    verified: bool


def _brief(row: Any) -> ContactBrief:
    return ContactBrief(row.id, row.name, row.email, row.phone, row.external_id is not None)


def details(conn: Conn, found: Ticket) -> tuple[Details, list[ContactBrief], list[Ticket]]:
    panel = Details(*conn.one(_DETAILS, thread=found.thread))
    maybe: list[ContactBrief] = []
    email = panel.visitor_email or found.contact_email
    if email and not found.verified:
        maybe = [_brief(row) for row in conn.all(_MAYBE, email=email.lower(), but=found.contact)]
    return panel, maybe, conn.all(_OTHERS, contact=found.contact, but=found.id)


def tickets_with(conn: Conn, contact: int) -> list[Ticket]:
    """Their newest conversations, at most 20."""
    return conn.all(_OTHERS, contact=contact, but=0)


@dataclass(frozen=True, slots=True)
class Draft:
    ticket: int
    body: str
    mode: str
    at: datetime


_DRAFTS = Statement(
    select(drafts.c.ticket_id, drafts.c.body, drafts.c.mode, drafts.c.at).where(drafts.c.user_id == bindparam("user"))
)


def drafts_of(conn: Conn, user: int) -> list[Draft]:
    return [Draft(*row) for row in conn.all(_DRAFTS, user=user)]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file. `visitor_key`: whose conversation it stands in; None while it stands in none."""

    token: str
    owner: str
    thread: int | None
    public: bool
    name: str
    type: str
    size: int
    width: int | None
    height: int | None
    visitor_key: str | None

    def wire(self) -> dict[str, Any]:
        return {
            "token": self.token,
            "name": self.name,
            "type": self.type,
            "size": self.size,
            "width": self.width,
            "height": self.height,
        }


_FILES = Statement(
    select(
        attachments.c.token,
        attachments.c.owner,
        attachments.c.thread_id,
        attachments.c.public,
        attachments.c.name,
        attachments.c.type,
        attachments.c.size,
        attachments.c.width,
        attachments.c.height,
        visitors.c.key,
    )
    .select_from(
        attachments.outerjoin(threads, attachments.c.thread_id == threads.c.id).outerjoin(
            visitors, threads.c.visitor_id == visitors.c.id
        )
    )
    .where(attachments.c.token.in_(bindparam("tokens", expanding=True)))
)


def files(conn: Conn, tokens: list[str]) -> dict[str, Attachment]:
    return {row.token: Attachment(*row) for row in conn.all(_FILES, tokens=tokens)} if tokens else {}


_FIND = Statement(
    select(contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.external_id)
    .where(
        contacts.c.merged_into.is_(None),
        or_(
            func.lower(contacts.c.name).like(bindparam("pattern"), escape="\\"),
            contacts.c.email.like(bindparam("pattern"), escape="\\"),
            contacts.c.phone.like(bindparam("digits")),
            contacts.c.peer.like(bindparam("digits")),
        ),
    )
    .order_by(contacts.c.id.desc())
    .limit(8)
)
_FIND_TICKETS = Statement(
    _tickets()
    .where(
        or_(
            func.lower(func.coalesce(func.nullif(contacts.c.name, ""), visitors.c.name, "")).like(
                bindparam("pattern"), escape="\\"
            ),
            func.coalesce(contacts.c.email, visitors.c.email, "").like(bindparam("pattern"), escape="\\"),
            contacts.c.phone.like(bindparam("digits")),
            contacts.c.peer.like(bindparam("digits")),
        )
    )
    .order_by(tickets.c.last_message_at.desc())
    .limit(8),
    into=Ticket,
)


def find(conn: Conn, text: str) -> tuple[list[ContactBrief], list[Ticket]]:
    """For the palette: a ticket number, the beginning of a name or e-mail, or some digits in a row of a phone number."""
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    pattern = escaped + "%"
    digits = phone_digits(text)
    like = "" if digits is None else f"%{digits}%"  # "" is like no number
    number = text.lstrip("#")
    direct = None
    if number.isascii() and number.isdecimal() and len(number) < 15:
        direct = ticket(conn, int(number))
    found = [] if text.startswith("#") else conn.all(_FIND_TICKETS, pattern=pattern, digits=like)
    people = [_brief(row) for row in conn.all(_FIND, pattern=pattern, digits=like)]
    if direct is None:
        return people, found
    return people, [direct, *(one for one in found if one.id != direct.id)]


_AGENT_NAMES = Statement(select(users.c.name).where(users.c.disabled_at.is_(None)))


def agent_names(conn: Conn) -> frozenset[str]:
    return frozenset(folded_name(row.name) for row in conn.all(_AGENT_NAMES))


@dataclass(frozen=True, slots=True)
class Site:
    origin: str
    page: str
    first_seen: datetime
    last_seen: datetime


def sites(conn: Conn) -> list[Site]:
    rows = conn.all(
        select(sites_seen.c.origin, sites_seen.c.page, sites_seen.c.first_seen, sites_seen.c.last_seen)
        .order_by(sites_seen.c.last_seen.desc())
        .limit(20)
    )
    return [Site(*row) for row in rows]
