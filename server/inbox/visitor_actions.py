"""Writes of visitors: what they say, see, end and tell. Steps take a `tx` and run inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import ONLINE_FOR
from server.errors import Refused
from server.inbox import entries, queries, rules
from server.inbox.entries import Entry
from server.inbox.files import attach
from server.inbox.queries import Ticket
from server.inbox.timeline import (
    CLOSE,
    INBOUND,
    INBOX_TOPIC,
    SYSTEM,
    Author,
    Said,
    Written,
    append,
    append_messages,
    as_heard,
    check_text,
    close_key,
    facts_of,
    settled,
    visitor_topic,
    written_before,
)
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.sql import TOGETHER, Clash, Statement, Tx
from server.schema import contacts, threads, tickets, users, visitors

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


# Only from the chat it was decided on: of two processes that begin a new one, one wins (INB-23).
CURRENT_THREAD = Statement(
    update(visitors)
    .where(
        visitors.c.id == bindparam("visitor"),
        func.coalesce(visitors.c.thread_id, 0) == bindparam("before", type_=visitors.c.thread_id.type),
    )
    .values(thread_id=bindparam("thread"))
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
    welcome: str  # what the visitor was greeted with; kept as the first entry of a new chat
    info: VisitorInfo


def visitor_dedupe(visitor: str, client_key: str) -> str:
    """What a write of this visitor is stored under. A colon in the shop's own id is escaped: the last part stays the key."""
    return f"web:{visitor.replace('%', '%25').replace(':', '%3A')}:{client_key}"


def receive(tx: Tx, calls: Sequence[tuple[Inbound]]) -> list[Written | Refused]:
    """Stores visitors' messages, each exactly once (INB-3, INB-22, VIS-1).

    A statement serves all of them that go on in a chat. Of one visitor it is one message at a time: the next finds what
    that one left. `Refused`: `empty_message`, `too_long`, `idempotency_conflict`; raised: `not_found` for a file.
    """
    done: dict[int, Written | Refused] = {}
    waiting = {place: said for place, (said,) in enumerate(calls)}
    while waiting:
        first: dict[str, int] = {}
        for place, said in waiting.items():
            first.setdefault(said.key, place)
        turn = {place: waiting.pop(place) for place in list(first.values())[:TOGETHER]}
        done |= _going_on(tx, turn) if len(turn) > 1 else {}
        for place, said in turn.items():
            if place not in done:
                done[place] = _receive(tx, said)
    return [done[place] for place in range(len(calls))]


class _Said(NamedTuple):
    """A plain message in a chat that goes on."""

    place: int
    dedupe: str
    text: str  # cleaned
    ticket: Ticket


def _going_on(tx: Tx, turn: Mapping[int, Inbound]) -> dict[int, Written | Refused]:
    """Of messages of different visitors, those that begin nothing, carry nothing and were not here before."""
    dedupes = {place: visitor_dedupe(said.key, said.client_key) for place, said in turn.items()}
    chats, used = queries.current_chats(tx, [said.key for said in turn.values()], list(dedupes.values()))
    done: dict[int, Written | Refused] = {}
    plain: list[_Said] = []
    for place, said in turn.items():
        ticket = chats.get(said.key)
        if ticket is None or said.files or dedupes[place] in used:
            continue
        if isinstance(rules.on_inbound(facts_of(ticket)), rules.NewTicket):
            continue
        try:
            plain.append(_Said(place, dedupes[place], check_text(said.text, False), ticket))
        except Refused as refusal:
            done[place] = refusal
    stored = append_messages(
        tx,
        [
            Said(
                one.ticket.thread,
                Author("visitor", None, one.ticket.contact_name),
                one.text,
                {"origin": "chat"},
                one.dedupe,
                rules.body_hash(turn[one.place].text, []),
            )
            for one in plain
        ],
        public=True,
    )
    previews = [rules.preview(one.text, 0) for one in plain]
    rows = [
        {"ticket": one.ticket.id, "seq": entry.seq, "preview": preview}
        for one, (entry, _), preview in zip(plain, stored, previews, strict=True)
    ]
    tx.run_many(INBOUND, rows, now=tx.now, preview_by="visitor")
    for one, (entry, rev), preview in zip(plain, stored, previews, strict=True):
        if one.ticket.closing_at is not None:
            jobs.cancel(tx, close_key(one.ticket.id))
        done[one.place] = Written(entry, _tell(tx, one.ticket, entry, rev, preview))
    return done


def _receive(tx: Tx, said: Inbound) -> Written | Refused:
    """Any message, on its own."""
    dedupe = visitor_dedupe(said.key, said.client_key)
    files = list(said.files)
    fingerprint = rules.body_hash(said.text, files)
    ticket, key_used = queries.current_chat(tx, said.key, dedupe)
    try:
        earlier = written_before(tx, dedupe, fingerprint) if key_used else None
        text = check_text(said.text, bool(files)) if earlier is None else ""
    except Refused as refusal:  # nothing was written: the others of this moment go on
        return refusal
    if earlier is not None:
        then = queries.ticket_of(tx, earlier.thread)
        assert then is not None
        return Written(earlier, then, repeated=True)
    facts = None if ticket is None else facts_of(ticket)
    verdict = rules.on_inbound(facts)
    opened = isinstance(verdict, rules.NewTicket)
    if opened or ticket is None:
        view = queries.visitor_view(tx, said.key)
        if view is not None and view.thread != (ticket.thread if ticket else None):
            raise Clash("this visitor's next chat was begun elsewhere")
        ticket = _open_chat(tx, said, view)
    assert ticket.visitor_key is not None
    attached = attach(tx, files, f"web:{said.key}", ticket.thread, public=True)
    author = Author("visitor", None, ticket.contact_name)
    data: dict[str, Any] = {"origin": "chat"}
    if attached:
        data["files"] = attached
    entry, rev = append(
        tx, ticket.thread, "message", author, body=text, data=data, dedupe=dedupe, body_hash=fingerprint
    )
    preview = rules.preview(text, len(attached))
    tx.run(INBOUND, ticket=ticket.id, seq=entry.seq, now=tx.now, preview=preview, preview_by="visitor")
    if opened:
        tx.ring(visitor_topic(said.key))
        tx.announce(rules.TicketOpened(ticket.id, ticket.thread, ticket.contact, "webchat", first=True))
    elif ticket.closing_at is not None:
        jobs.cancel(tx, close_key(ticket.id))
    return Written(entry, _tell(tx, ticket, entry, rev, preview))


def _tell(tx: Tx, ticket: Ticket, entry: Entry, rev: int, preview: str) -> Ticket:
    """Who reacts to a visitor's message, and every list; the ticket as it is now."""
    after = as_heard(tx, ticket, entry.seq, rev, preview, "visitor", last_public_seq=entry.public_seq or 0)
    tx.announce(rules.MessageReceived(ticket.id, ticket.thread, ticket.contact, entry.seq, "webchat"))
    tx.ring(INBOX_TOPIC, after)
    return after


def _open_chat(tx: Tx, said: Inbound, view: queries.VisitorView | None) -> Ticket:
    """A new session: visitor and contact if they are new, then thread, ticket and the greeting they saw."""
    visitor, contact = (view.visitor, view.contact) if view is not None else new_visitor(tx, said.key, said.info)
    thread = tx.value(_NEW_THREAD, token=tx.token(18), channel="webchat", contact=contact, visitor=visitor, now=tx.now)
    tx.value(_NEW_TICKET, thread=thread, contact=contact, channel="webchat", now=tx.now)
    before = view.thread if view is not None and view.thread is not None else 0
    if not tx.run(CURRENT_THREAD, visitor=visitor, thread=thread, before=before):
        raise Clash("this visitor's next chat was begun elsewhere")
    if said.welcome:
        append(tx, thread, "message", SYSTEM, body=said.welcome, data={"origin": "welcome"})
    typed_name = said.info.typed_name
    # Typed before the first message, so it could not be compared with the team's names until now (W34).
    if typed_name and isinstance(rules.visitor_name(typed_name, queries.agent_names(tx)), rules.Impossible):
        typed_name = None
    if typed_name or said.info.typed_email:
        _introduce(tx, visitor, thread, said.info.typed_email, typed_name)
    ticket = queries.ticket_of(tx, thread)
    assert ticket is not None
    return ticket


def new_visitor(tx: Tx, key: str, info: VisitorInfo) -> tuple[int, int]:
    """Their row and their contact's."""
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
    """A signed identity finds its contact; an anonymous visitor is a new one (IDN-1)."""
    external = key.removeprefix("ext:") if key.startswith("ext:") else None
    if external is not None:
        known: int | None = tx.value(_CONTACT_BY_EXTERNAL, external_id=external)
        if known is not None:
            tx.run(_UPDATE_CONTACT, contact=known, new_name=info.name, new_email=info.email)
            return known
    contact: int = tx.value(_NEW_CONTACT, external_id=external, name=info.name, email=info.email, now=tx.now)
    return contact


_VISITOR_SEEN = Statement(
    update(threads)
    .where(
        threads.c.id == bindparam("thread"),
        threads.c.visitor_seen < bindparam("seq", type_=threads.c.visitor_seen.type),
    )
    .values(visitor_seen=bindparam("seq", type_=threads.c.visitor_seen.type))
)


def visitor_seen(tx: Tx, key: str, public_seq: int) -> None:
    """The visitor has read up to a public sequence (INB-57). Ignored when it says nothing new."""
    view = queries.visitor_view(tx, key)
    if view is None or view.thread is None:
        return
    seq = entries.seq_at(tx, view.thread, min(public_seq, view.last_public_seq))
    if seq and tx.run(_VISITOR_SEEN, thread=view.thread, seq=seq):
        append(tx, view.thread, "seen", Author("visitor"), data={"by": "visitor"}, ref=seq, public=False)
        tx.ring(INBOX_TOPIC, queries.ticket_of(tx, view.thread))


def visitor_end(tx: Tx, key: str, client_key: str) -> Entry | None:
    """The visitor ends the chat: closed at once (INB-24). None when there is nothing to end."""
    dedupe, mark = visitor_dedupe(key, client_key), rules.act_hash("end")
    earlier = written_before(tx, dedupe, mark)
    if earlier is not None:
        return earlier
    view = queries.visitor_view(tx, key)
    if view is None or view.thread is None:
        return None
    ticket = queries.locked_ticket_of(tx, view.thread)
    if ticket is None or not isinstance(rules.on_close(facts_of(ticket), "visitor", tx.now), rules.Change):
        return None
    tx.run(CLOSE, ticket=ticket.id, now=tx.now)
    jobs.cancel(tx, close_key(ticket.id))
    data = {"to": "closed", "by": "visitor"}
    entry, _ = append(tx, ticket.thread, "status", Author("visitor"), data=data, dedupe=dedupe, body_hash=mark)
    settled(tx, ticket.id)
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
    tx: Tx,
    visitor: int,
    thread: int | None,
    email: str | None,
    name: str | None,
    dedupe: str | None = None,
    mark: str | None = None,
) -> Entry | None:
    tx.run(_TYPED, visitor=visitor, email=email, name=name)
    if thread is None:
        return None
    told = {k: v for k, v in (("email", email), ("name", name)) if v}
    entry, _ = append(tx, thread, "contact", Author("visitor"), data=told, dedupe=dedupe, body_hash=mark)
    return entry


def introduce(tx: Tx, key: str, client_key: str, email: str | None, name: str | None) -> Entry | None:
    """Keeps an unverified name or e-mail with the visitor; identifies nobody (IDN-1). None before the first message."""
    dedupe, mark = visitor_dedupe(key, client_key), rules.act_hash("introduce", email, name)
    earlier = written_before(tx, dedupe, mark)
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
    entry = _introduce(tx, view.visitor, view.thread, email, name, dedupe, mark)
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


def touch_presence(tx: Tx, visitor_keys: list[str], user_ids: list[int]) -> None:
    """Whoever is connected is here; one statement for all of a process, every 20 s."""
    if visitor_keys:
        tx.run(_SEEN_AT, keys=visitor_keys, now=tx.now)
    if user_ids:
        tx.run(_AGENTS_SEEN_AT, ids=user_ids, now=tx.now)


# Conditional on what this process wrote last: a later time was written by another one, where they are still there.
_VISITOR_GONE = Statement(
    update(visitors)
    .where(visitors.c.key == bindparam("visitor_key"), visitors.c.seen_at <= bindparam("touched", type_=Instant))
    .values(seen_at=bindparam("left", type_=Instant))
    .returning(visitors.c.thread_id)
)
_AGENT_GONE = Statement(
    update(users)
    .where(users.c.id == bindparam("user"), users.c.seen_at <= bindparam("touched", type_=Instant))
    .values(seen_at=bindparam("left", type_=Instant))
)


def visitor_gone(tx: Tx, key: str, heard_at: datetime, touched: datetime) -> int | None:
    """Nobody hears from this visitor any more: not shown as online from now on. Their thread; None: they are elsewhere."""
    left = min(heard_at, tx.now - rules.ONLINE_TTL)
    thread: int | None = tx.value(_VISITOR_GONE, visitor_key=key, touched=touched, left=left)
    return thread


def agent_gone(tx: Tx, user: int, heard_at: datetime, touched: datetime) -> None:
    """As `visitor_gone`, for a colleague."""
    tx.run(_AGENT_GONE, user=user, touched=touched, left=min(heard_at, tx.now - ONLINE_FOR))
