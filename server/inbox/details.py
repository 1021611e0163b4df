"""Reads for the panel next to a thread: the contact, their other tickets, and for SMS consent, price and sender."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, func, or_, select

from server.chat_mail import follow_ups
from server.consent import queries as consents
from server.consent.rules import SMS_PURPOSES, Status
from server.consent.settings import KEYWORDS
from server.contacts import queries as people
from server.contacts.rules import AddressKind, shown_phone
from server.contacts.time_zones import time_zone_of
from server.delivery import queries as delivery
from server.delivery.settings import SMS, Price, price
from server.kernel.clock import rfc3339
from server.kernel.sql import Conn, Statement
from server.links.rules import link_prefix
from server.links.settings import LINKS
from server.schema import addresses, contacts, merged_set, threads, visitors
from server.sms.settings import INBOX
from server.sms.threads import SmsThread, by_id
from server.threads import episodes, tickets
from server.threads.episodes import Episode
from server.threads.tickets import TICKETS_OF_CONTACT, Ticket


@dataclass(frozen=True, slots=True)
class Details:
    """The contact's and visitor's data in the panel next to a thread."""

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
    merged: bool  # with other contacts


_merged = contacts.alias("merged")
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
        or_(
            contacts.c.merged_into.is_not(None),
            exists().where(_merged.c.merged_into == contacts.c.id),
        ).label("merged"),
    )
    .select_from(
        threads.join(contacts, threads.c.contact_id == contacts.c.id).outerjoin(
            visitors, threads.c.visitor_id == visitors.c.id
        )
    )
    .where(threads.c.id == bindparam("thread"))
)


# An unverified e-mail does not identify a contact; the panel shows contacts with the same address as candidates (IDN-1).
_SAME_EMAIL = Statement(
    select(contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.verified)
    .join(addresses, addresses.c.contact_id == contacts.c.id)
    .where(
        addresses.c.kind == AddressKind.EMAIL.value,
        addresses.c.value == bindparam("email"),
        contacts.c.merged_into.is_(None),
        contacts.c.id.not_in(merged_set(bindparam("excluded"))),
    )
    .limit(5)
)


@dataclass(frozen=True, slots=True)
class ContactBrief:
    id: int
    name: str
    email: str | None
    phone: str | None
    verified: bool


def brief(row: Any) -> ContactBrief:
    return ContactBrief(row.id, row.name, row.email, row.phone, row.verified)


def details(conn: Conn, ticket: Ticket) -> tuple[Details, list[ContactBrief], list[Ticket]]:
    panel = Details(*conn.one(_DETAILS, thread=ticket.thread))
    if not panel.time_zone:
        panel = replace(panel, time_zone=time_zone_of(ticket.peer or ticket.contact_phone))
    candidates: list[ContactBrief] = []
    email = panel.visitor_email or ticket.contact_email
    if email and not ticket.verified:
        candidates = [brief(row) for row in conn.all(_SAME_EMAIL, email=email.lower(), excluded=ticket.contact)]
    return panel, candidates, conn.all(TICKETS_OF_CONTACT, contact=ticket.contact, excluded=ticket.id)


@dataclass(frozen=True, slots=True)
class SmsPanel:
    """Data for the panel and composer of an SMS thread. `others`: contacts with the same number (AMB-33). `price`:
    credits per segment and per MMS, None if no picture can be sent. `links`: the domain of short links, "" for our own
    address, None if links are not shortened. `keyword`: a keyword that subscribes."""

    thread: SmsThread
    statuses: Mapping[str, str]  # consent status by purpose
    paused: bool
    suppressed: str | None
    others: list[people.Brief]
    price: Price
    links: str | None
    keyword: str | None


def sms_panel(conn: Conn, thread_id: int) -> SmsPanel | None:
    thread = by_id(conn, thread_id)
    if thread is None:
        return None
    facts = consents.facts(conn, thread.contact, thread.peer or "")
    costs = price(SMS.load(conn), thread.country)
    if delivery.sender_for(conn, thread.country, mms=True, preferred=thread.sender) is None:
        costs = costs.model_copy(update={"mms": None})
    return SmsPanel(
        thread=thread,
        statuses=facts.statuses,
        paused=facts.paused,
        suppressed=facts.suppressed,
        others=people.same_number(conn, thread.contact),
        price=costs,
        links=LINKS.load(conn).domain if INBOX.load(conn).shorten_links else None,
        keyword=next((keyword.word for keyword in KEYWORDS.load(conn).subscribe), None),
    )


def ticket_and_details(conn: Any, ticket_id: int) -> Any:
    ticket = tickets.by_id(conn, ticket_id)
    if ticket is None:
        return None
    texts = sms_panel(conn, ticket.thread) if ticket.channel == "sms" else None
    return ticket, details(conn, ticket), episodes.of_ticket(conn, ticket.id), texts, follow_ups.banner(conn, ticket)


def episode_json(episode: Episode) -> dict[str, Any]:
    def person(kind: str | None, user: int | None, name: str | None) -> dict[str, Any] | None:
        return None if kind is None else {"type": kind, "id": user, "name": name}

    def colleague(user: int | None, name: str | None) -> dict[str, Any] | None:
        return None if user is None else {"id": user, "name": name or ""}

    return {
        "opened_at": rfc3339(episode.opened_at),
        "opened_by": person(episode.opened_by, episode.opened_by_id, episode.opened_by_name),
        "first_reply_at": rfc3339(episode.first_reply_at) if episode.first_reply_at else None,
        "first_reply_by": colleague(episode.first_reply_by, episode.first_reply_by_name),
        "closed_at": rfc3339(episode.closed_at) if episode.closed_at else None,
        "closed_by": person(episode.closed_by, episode.closed_by_id, episode.closed_by_name),
        "assignee": colleague(episode.assignee, episode.assignee_name),
    }


def sms_json(panel: SmsPanel, public_url: str) -> dict[str, Any]:
    return {
        "peer": panel.thread.peer or "",
        "sender": panel.thread.sender,
        "sender_shown": shown_phone(panel.thread.sender),
        "country": panel.thread.country,
        **{purpose.value: panel.statuses.get(purpose, Status.NEVER_SUBSCRIBED) for purpose in SMS_PURPOSES},
        "paused": panel.paused,
        "suppressed": panel.suppressed,
        "others": [
            brief_json(ContactBrief(contact.id, contact.name, contact.email, contact.phone, verified=False))
            for contact in panel.others
        ],
        "price": panel.price.model_dump(),
        "keyword": panel.keyword,
        "link_start": None if panel.links is None else link_prefix(public_url, panel.links),
    }


def brief_json(contact: ContactBrief) -> dict[str, Any]:
    return {
        "id": contact.id,
        "name": contact.name,
        "email": contact.email,
        "phone": contact.phone,
        "phone_shown": shown_phone(contact.phone),
        "verified": contact.verified,
    }


def describe_browser(user_agent: str) -> dict[str, str]:
    """Names of the browser, operating system and device of a User-Agent header."""
    if not user_agent:
        return {"browser": "", "os": "", "device": ""}
    from ua_parser import parse  # slow to import

    parsed = parse(user_agent).with_defaults()

    def words(*parts: str | None) -> str:
        text = " ".join(part for part in parts if part)
        return "" if text == "Other" else text

    return {
        "browser": words(parsed.user_agent.family, parsed.user_agent.major),
        "os": words(parsed.os.family, parsed.os.major),
        "device": words(parsed.device.family),
    }
