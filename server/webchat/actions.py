"""Visitors' actions besides messages: read, end the chat, give a name or e-mail, move to another page."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, case, func, update

from server.accounts import queries
from server.errors import Refused
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.sql import Statement, Tx
from server.schema import threads, visitors
from server.text import search_key
from server.threads import entries, rules, ticket_rules, tickets
from server.threads.changes import close_ticket
from server.threads.entries import Entry
from server.threads.tickets import INBOX_TOPIC, close_key, facts_of, publish_tickets_of_contact, status_entry
from server.threads.timeline import Author, append, written_before
from server.webchat import rules as webchat_rules
from server.webchat import visitors as visitor_queries


@dataclass(frozen=True, slots=True)
class VisitorInfo:
    """The visitor's page, browser and identity as the widget reports them, cleaned. Stored with the first message."""

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


def visitor_dedupe(visitor: str, client_key: str) -> str:
    """The deduplication key of a visitor's write: "web:<visitor>:<client key>". Colons in the visitor's id are escaped."""
    return f"web:{visitor.replace('%', '%25').replace(':', '%3A')}:{client_key}"


_ADVANCE_VISITOR_SEEN = Statement(
    update(threads)
    .where(
        threads.c.id == bindparam("thread"),
        threads.c.visitor_seen < bindparam("seq", type_=threads.c.visitor_seen.type),
    )
    .values(visitor_seen=bindparam("seq", type_=threads.c.visitor_seen.type))
)


def visitor_seen(tx: Tx, key: str, public_seq: int) -> None:
    """Records that the visitor has read up to a public sequence (INB-57). Does nothing if they had read that far before."""
    view = visitor_queries.visitor_view(tx, key)
    if view is None or view.thread is None:
        return
    seq = entries.seq_at(tx, view.thread, min(public_seq, view.last_public_seq))
    if seq and tx.run(_ADVANCE_VISITOR_SEEN, thread=view.thread, seq=seq):
        append(tx, view.thread, "seen", Author("visitor"), data={"by": "visitor"}, ref=seq, public=False)
        tx.publish(INBOX_TOPIC, tickets.by_thread(tx, view.thread))


def visitor_end(tx: Tx, key: str, client_key: str) -> Entry | None:
    """Closes the chat at once, because the visitor ended it (INB-24). Returns None if there is no chat to end."""
    dedupe, fingerprint = visitor_dedupe(key, client_key), rules.action_hash("end")
    earlier = written_before(tx, dedupe, fingerprint)
    if earlier is not None:
        return earlier
    view = visitor_queries.visitor_view(tx, key)
    if view is None or view.thread is None:
        return None
    ticket = tickets.lock_by_thread(tx, view.thread)
    if ticket is None or not isinstance(
        ticket_rules.on_close(facts_of(ticket), "visitor", tx.now), ticket_rules.TicketChange
    ):
        return None
    jobs.cancel(tx, close_key(ticket.id))
    appended = status_entry(tx, ticket, Author("visitor"), "closed", dedupe, fingerprint)
    close_ticket(tx, ticket, appended)
    return appended[0]


_STORE_TYPED = Statement(
    update(visitors)
    .where(visitors.c.id == bindparam("visitor"))
    .values(
        email=func.coalesce(bindparam("email", type_=visitors.c.email.type), visitors.c.email),
        name=func.coalesce(bindparam("name", type_=visitors.c.name.type), visitors.c.name),
        name_key=func.coalesce(bindparam("name_key", type_=visitors.c.name_key.type), visitors.c.name_key),
    )
)


def write_introduction(
    tx: Tx,
    visitor: int,
    contact: int,
    thread: int | None,
    email: str | None,
    name: str | None,
    dedupe: str | None = None,
    fingerprint: str | None = None,
) -> Entry | None:
    name_key = None if name is None else search_key(name)
    tx.run(_STORE_TYPED, visitor=visitor, email=email, name=name, name_key=name_key)
    publish_tickets_of_contact(tx, contact, except_thread=thread)  # updates the tickets of earlier chats
    if thread is None:
        return None
    details = {k: v for k, v in (("email", email), ("name", name)) if v}
    entry, _ = append(tx, thread, "contact", Author("visitor"), data=details, dedupe=dedupe, body_hash=fingerprint)
    return entry


def introduce(tx: Tx, key: str, client_key: str, email: str | None, name: str | None) -> Entry | None:
    """Stores an unverified name or e-mail with the visitor; it does not identify a contact (IDN-1). Returns None
    before the first message."""
    dedupe, fingerprint = visitor_dedupe(key, client_key), rules.action_hash("introduce", email, name)
    earlier = written_before(tx, dedupe, fingerprint)
    if earlier is not None:
        return earlier
    view = visitor_queries.visitor_view(tx, key)
    if view is None:
        return None
    if name is not None:
        match webchat_rules.visitor_name(name, queries.agent_names(tx)):
            case ticket_rules.Refusal(code, message):
                raise Refused(code, message, field="name")
            case webchat_rules.Name(value):
                name = value
    entry = write_introduction(tx, view.visitor, view.contact, view.thread, email, name, dedupe, fingerprint)
    if view.thread is not None:
        tx.publish(INBOX_TOPIC, tickets.by_thread(tx, view.thread))
    return entry


_STORE_PAGE = Statement(
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
    """Stores the page a known visitor is on. An unknown visitor is not stored before their first message."""
    tx.run(
        _STORE_PAGE,
        visitor_key=key,
        page_url=info.page_url,
        page_title=info.page_title,
        referrer=info.referrer,
        locale=info.locale,
        time_zone=info.time_zone,
        user_agent=info.user_agent,
        now=tx.now,
    )
