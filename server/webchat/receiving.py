"""Receives visitors' messages: stores each exactly once, in the open chat or in a new one.

Messages that wait at the same moment are one call; a single message is a batch of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts import queries
from server.audit.rules import ActedBy, ActorType
from server.contacts import actions as people
from server.contacts.rules import AddressKind, Identifiers
from server.errors import Conflict, RateLimited, Refused
from server.files.rows import attach, check_attachable
from server.kernel import jobs
from server.kernel.sql import ROWS_PER_STATEMENT, LostRace, Statement, Tx
from server.schema import threads, visitors
from server.threads import changes, entries, rules, ticket_rules
from server.threads import tickets as ticket_queries
from server.threads.changes import apply_inbound, close_ticket, open_ticket
from server.threads.tickets import Ticket, Written, close_key, facts_of, status_entry
from server.threads.timeline import SYSTEM, Author, NewMessage, append, append_messages, check_text, written_before
from server.webchat import rules as webchat_rules
from server.webchat import visitors as visitor_queries
from server.webchat.actions import VisitorInfo, visitor_dedupe, write_introduction
from server.webchat.visitors import visitor_topic

BY_VISITOR = ActedBy(ActorType.VISITOR)
SIGNED = frozenset((AddressKind.EXTERNAL,))
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


# Only changes a visitor whose current chat is still `before`: if two processes begin a new chat, one of them fails (INB-23).
SET_CURRENT_THREAD = Statement(
    update(visitors)
    .where(
        visitors.c.id == bindparam("visitor"),
        func.coalesce(visitors.c.thread_id, 0) == bindparam("before", type_=visitors.c.thread_id.type),
    )
    .values(thread_id=bindparam("thread"))
)


@dataclass(frozen=True, slots=True)
class OutOfHours:
    """The automatic message outside the business hours (HRS-1). `opens_at`: when they begin again; "" unknown."""

    text: str
    opens_at: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message of a visitor."""

    key: str  # the visitor's key
    client_key: str
    text: str  # as the visitor sent it; cleaned here
    files: tuple[str, ...]
    welcome: str  # the greeting that the visitor saw; it becomes the first entry of a new chat
    info: VisitorInfo
    out_of_hours: OutOfHours | None = None  # None: within the business hours
    guest: bool = False  # may not begin a chat
    chat_wait: float = 0.0  # seconds until this visitor, and all visitors at their address, may begin another chat

    @property
    def owner(self) -> str:
        """The owner of the message's files."""
        return f"web:{self.key}"


class _Accepted(NamedTuple):
    """An accepted message that is not stored yet."""

    message: Inbound
    text: str  # the cleaned text
    dedupe: str
    body_hash: str
    ticket: Ticket | None  # the chat that the message joins, locked; None: the message begins a chat
    current: int  # thread of the visitor's current chat; 0: none


def receive(tx: Tx, calls: Sequence[tuple[Inbound]]) -> list[Written | Refused]:
    """Stores visitors' messages, each exactly once (INB-3, INB-22, VIS-1).

    Messages of one visitor are stored in order, each after the previous one has changed the chat. `Refused`:
    `empty_message`, `too_long`, `idempotency_conflict`, `rate_limited` for too many new chats, `not_found` for a file.
    A refused message has written nothing.
    """
    results: dict[int, Written | Refused] = {}
    waiting = {place: message for place, (message,) in enumerate(calls)}
    while waiting:
        first_places: dict[str, int] = {}
        for place, message in waiting.items():
            first_places.setdefault(message.key, place)
        results |= _receive(
            tx, {place: waiting.pop(place) for place in list(first_places.values())[:ROWS_PER_STATEMENT]}
        )
    return [results[place] for place in range(len(calls))]


def _receive(tx: Tx, batch: Mapping[int, Inbound]) -> dict[int, Written | Refused]:
    """Stores messages of different visitors. Checks all messages before it writes the first."""
    dedupes = {place: visitor_dedupe(message.key, message.client_key) for place, message in batch.items()}
    chats, used = visitor_queries.lock_current_chats(
        tx, [message.key for message in batch.values()], list(dedupes.values())
    )
    results: dict[int, Written | Refused] = {}
    new: dict[int, _Accepted] = {}
    for place, message in batch.items():
        dedupe = dedupes[place]
        result: _Accepted | Written | Refused
        try:
            result = _check(tx, message, chats.get(message.key), dedupe, dedupe in used)
        except Refused as refusal:
            result = refusal
        if isinstance(result, _Accepted):
            new[place] = result
        else:
            results[place] = result
    results.update(zip(new, _store(tx, list(new.values())), strict=True))
    return results


def _check(tx: Tx, message: Inbound, ticket: Ticket | None, dedupe: str, key_used: bool) -> _Accepted | Written:
    """Returns the message to store, or the result of an earlier attempt with the same key. Raises `Refused`. Writes
    nothing."""
    body_hash = rules.body_hash(message.text, list(message.files))
    earlier = written_before(tx, dedupe, body_hash) if key_used else None
    if earlier is not None:
        ticket_now = ticket_queries.by_thread(tx, earlier.thread)
        assert ticket_now is not None
        return Written(earlier, ticket_now, repeated=True)
    text = check_text(message.text, bool(message.files))
    current = 0 if ticket is None else ticket.thread
    if isinstance(ticket_rules.on_inbound(None if ticket is None else facts_of(ticket)), ticket_rules.NewTicket):
        ticket = None
    if ticket is None and message.guest:
        raise Conflict("chat_ended", "This chat has ended. Open the chat on the website to write again.")
    if ticket is None and message.chat_wait:
        raise RateLimited("Many chats are starting right now. Nothing is lost. Wait a moment.", message.chat_wait)
    if message.files:
        check_attachable(tx, message.files, message.owner, None if ticket is None else ticket.thread)
    return _Accepted(message, text, dedupe, body_hash, ticket, current)


def _store(tx: Tx, new: Sequence[_Accepted]) -> list[Written]:
    """Stores accepted messages of different visitors and begins the missing chats."""
    written: list[Written] = []
    chats = [item.ticket or _open_chat(tx, item.message, item.current) for item in new]
    messages: list[NewMessage] = []
    previews: list[str] = []
    for item, ticket in zip(new, chats, strict=True):
        data: dict[str, Any] = {"origin": "chat", "hidden": True} if ticket.blocked else {"origin": "chat"}
        files = attach(tx, item.message.files, item.message.owner, ticket.thread, public=True)
        if files:
            data["files"] = files
        author = Author("visitor", None, ticket.contact_name)
        messages.append(NewMessage(ticket.thread, author, item.text, data, item.dedupe, item.body_hash))
        previews.append(rules.preview(item.text, len(files)))
    stored = append_messages(tx, messages, public=True)
    on_tickets = [
        changes.Inbound(ticket, appended, appended[0].seq, preview)
        for ticket, appended, preview in zip(chats, stored, previews, strict=True)
        if not ticket.blocked
    ]
    summaries = {after.id: after for after in apply_inbound(tx, on_tickets, "visitor")}
    for item, ticket, appended in zip(new, chats, stored, strict=True):
        entry, opened = appended[0], item.ticket is None
        if ticket.blocked:
            written.append(Written(entry, _store_hidden(tx, item.message, ticket, opened), opened=opened))
            continue
        after = summaries[ticket.id]
        if opened:
            tx.publish(visitor_topic(item.message.key))
            tx.announce(rules.TicketOpened(ticket.id, ticket.thread, ticket.contact, "webchat", first=True))
        elif ticket.closing_at is not None:
            jobs.cancel(tx, close_key(ticket.id))
        tx.announce(rules.MessageReceived(ticket.id, ticket.thread, ticket.contact, entry.seq, "webchat"))
        if item.message.out_of_hours is not None:
            after = _answer_out_of_hours(tx, after, item.message.out_of_hours)
        written.append(Written(entry, after, opened=opened))
    return written


def _answer_out_of_hours(tx: Tx, ticket: Ticket, answer: OutOfHours) -> Ticket:
    """Adds the out-of-hours message, once in a chat (AMB-8)."""
    dedupe = f"hours:{ticket.thread}"
    if not answer.text or entries.by_dedupe(tx, dedupe) is not None:
        return ticket
    data = {"origin": "out_of_hours", **({"opens_at": answer.opens_at} if answer.opens_at else {})}
    return changes.publish_entry(
        tx, ticket, append(tx, ticket.thread, "message", SYSTEM, body=answer.text, data=data, dedupe=dedupe)
    )


def _store_hidden(tx: Tx, message: Inbound, ticket: Ticket, opened: bool) -> Ticket:
    """After a message of a blocked visitor: a chat that it began is closed at once, and nobody is told, nor the visitor
    (INB-42)."""
    if not opened:
        return ticket
    tx.publish(visitor_topic(message.key))
    return close_ticket(tx, ticket, status_entry(tx, ticket, SYSTEM, "closed", None, public=False), begun_blocked=True)


def _open_chat(tx: Tx, message: Inbound, before: int) -> Ticket:
    """Begins the chat after the one in thread `before`: stores the visitor and contact if they are new, then the
    thread, the ticket and the greeting that the visitor saw."""
    view = visitor_queries.visitor_view(tx, message.key)
    if view is not None and (view.thread or 0) != before:
        raise LostRace("this visitor's next chat was begun elsewhere")
    visitor, contact = (view.visitor, view.contact) if view is not None else new_visitor(tx, message.key, message.info)
    thread = tx.value(_NEW_THREAD, token=tx.token(18), channel="webchat", contact=contact, visitor=visitor, now=tx.now)
    open_ticket(tx, thread, contact, "webchat")
    if not tx.run(SET_CURRENT_THREAD, visitor=visitor, thread=thread, before=before):
        raise LostRace("this visitor's next chat was begun elsewhere")
    if message.welcome:
        append(tx, thread, "message", SYSTEM, body=message.welcome, data={"origin": "welcome"})
    typed_name = message.info.typed_name
    # The name was typed before the first message, when nothing is stored; it is compared with the team's names now (W34).
    if typed_name and isinstance(webchat_rules.visitor_name(typed_name, queries.agent_names(tx)), ticket_rules.Refusal):
        typed_name = None
    if typed_name or message.info.typed_email:
        write_introduction(tx, visitor, contact, thread, message.info.typed_email, typed_name)
    ticket = ticket_queries.by_thread(tx, thread)
    assert ticket is not None
    return ticket


def new_visitor(tx: Tx, key: str, info: VisitorInfo) -> tuple[int, int]:
    """Stores a visitor, and a contact unless the visitor's contact exists. Returns the ids of the visitor and the contact."""
    contact = _contact_for(tx, key, info)
    visitor: int = tx.value(
        _NEW_VISITOR,
        key=key,
        contact_id=contact,
        page_url=info.page_url,
        page_title=info.page_title,
        referrer=info.referrer,
        user_agent=info.user_agent,
        locale=info.locale,
        time_zone=info.time_zone,
        seen_at=tx.now,
        created_at=tx.now,
    )
    return visitor, contact


def _contact_for(tx: Tx, key: str, info: VisitorInfo) -> int:
    """The contact of a signed identity, created if needed. An anonymous visitor always gets a new contact (IDN-1).

    A signed e-mail address does not lead to another contact: shops let people register with any address.
    """
    external = key.removeprefix("ext:") if key.startswith("ext:") else None
    by = BY_VISITOR if external is None else people.BY_CONTACT
    person = Identifiers(external=external, name=info.name, email=info.email)
    return people.find_or_create(tx, person, by, verified=True, overwrite=True, find_by=SIGNED).contact
