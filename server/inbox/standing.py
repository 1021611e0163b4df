"""How an SMS thread stands: whom it is with, and why no reply may be sent. Kept on the ticket so that lists and the
composer show it at once; the gate asks again at each send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from server.consent import queries as consents
from server.consent import rules as consent_rules
from server.consent.rules import Facts
from server.consent.settings import KEYWORDS
from server.contacts import queries as people
from server.delivery import queries as delivery
from server.delivery.settings import SMS, Price, price
from server.inbox import queries
from server.inbox.settings import INBOX
from server.inbox.timeline import INBOX_TOPIC
from server.kernel.sql import Conn, Statement, Tx
from server.links.settings import LINKS
from server.schema import contacts, threads, tickets


class SmsThread(NamedTuple):
    """One SMS thread and its contact. `peer` as the carrier names them; `sender`: our number they use."""

    id: int
    contact: int
    name: str
    country: str
    language: str
    peer: str | None
    sender: str | None


_columns = (
    threads.c.id,
    threads.c.contact_id.label("contact"),
    contacts.c.name,
    contacts.c.country,
    contacts.c.language,
    threads.c.peer,
    threads.c.sender,
)
_threads = (
    select(*_columns)
    .select_from(threads.join(contacts, threads.c.contact_id == contacts.c.id))
    .where(threads.c.channel == "sms")
)
_OF_CONTACT = Statement(_threads.where(threads.c.contact_id == bindparam("contact")))
_OF_CONTACT_LOCKED = Statement(_threads.where(threads.c.contact_id == bindparam("contact")).with_for_update(of=threads))
_BY_ID = Statement(_threads.where(threads.c.id == bindparam("thread")))
_WITH_NUMBER = Statement(_threads.where(contacts.c.phone == bindparam("phone")).order_by(threads.c.id))
_BARRED = Statement(
    update(tickets).where(tickets.c.thread_id == bindparam("thread")).values(barred=bindparam("barred"))
)


def thread_of(conn: Conn, contact: int, *, lock: bool = False) -> SmsThread | None:
    """The contact's one SMS thread (INB-21)."""
    row = conn.first(_OF_CONTACT_LOCKED if lock else _OF_CONTACT, contact=contact)
    return None if row is None else SmsThread._make(row)


def by_id(conn: Conn, thread: int) -> SmsThread | None:
    row = conn.first(_BY_ID, thread=thread)
    return None if row is None else SmsThread._make(row)


def with_number(conn: Conn, phone: str) -> list[SmsThread]:
    """The threads of everybody who has this number (AMB-33)."""
    return [SmsThread._make(row) for row in conn.all(_WITH_NUMBER, phone=phone)]


def facts(conn: Conn, thread: SmsThread) -> Facts:
    """What the gate knows, and whether one of our numbers serves their country and hears their answer."""
    found = consents.facts(conn, thread.contact, thread.peer or "")
    answerable = any(
        one.enabled and one.inbound and (one.address == thread.sender or thread.country in one.countries)
        for one in delivery.all_senders(conn)
    )
    return replace(found, answerable=answerable)


def barred(conn: Conn, thread: SmsThread) -> str | None:
    found = consent_rules.barred(facts(conn, thread))
    return None if found is None else found.code


def keep_barred(tx: Tx, thread: SmsThread) -> None:
    """Brings the ticket up to date and shows it in every list; a thread without a ticket has nothing to bar."""
    if tx.run(_BARRED, thread=thread.id, barred=barred(tx, thread)):
        tx.ring(INBOX_TOPIC, queries.ticket_of(tx, thread.id))


SLICE = 500
_SLICE = Statement(_threads.where(threads.c.id > bindparam("after")).order_by(threads.c.id).limit(SLICE))


def look_again(tx: Tx, after: int) -> int | None:
    """Brings `SLICE` tickets after a thread up to date, because our numbers changed; where to go on, None at the end."""
    rows = [SmsThread._make(row) for row in tx.all(_SLICE, after=after)]
    for thread in rows:
        ticket = queries.ticket_of(tx, thread.id)
        if ticket is not None and ticket.barred in (None, "no_sender", "not_subscribed"):
            now = barred(tx, thread)
            if now != ticket.barred:
                keep_barred(tx, thread)
    return rows[-1].id if len(rows) == SLICE else None


@dataclass(frozen=True, slots=True)
class Panel:
    """What panel and composer of an SMS thread say. `others`: who else has this number (AMB-33). `price`: credits of a
    segment and of an MMS, None where no picture can be sent. `links`: the domain of short links, "" for our own address,
    None while links stay as they are typed. `keyword`: a word that subscribes whoever texts it."""

    thread: SmsThread
    statuses: Mapping[str, str]  # by purpose
    paused: bool
    suppressed: str | None
    others: list[people.Brief]
    price: Price
    links: str | None
    keyword: str | None


def panel(conn: Conn, thread_id: int) -> Panel | None:
    thread = by_id(conn, thread_id)
    if thread is None:
        return None
    found = consents.facts(conn, thread.contact, thread.peer or "")
    costs = price(SMS.load(conn), thread.country)
    if delivery.sender_for(conn, thread.country, mms=True, preferred=thread.sender) is None:
        costs = costs.model_copy(update={"mms": None})
    return Panel(
        thread=thread,
        statuses=found.statuses,
        paused=found.paused,
        suppressed=found.suppressed,
        others=people.same_number(conn, thread.contact),
        price=costs,
        links=LINKS.load(conn).domain if INBOX.load(conn).shorten_links else None,
        keyword=next((one.word for one in KEYWORDS.load(conn).subscribe), None),
    )
