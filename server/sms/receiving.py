"""Receives texts in one transaction: finds their contacts, stores each text once, and acts on its meaning (KEY-15, INB-3,
INB-4, INB-7, INB-21).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.channels.base import InboundText
from server.consent import keywords
from server.consent.keywords import Meaning
from server.consent.settings import KEYWORDS, KeywordSettings
from server.contacts import actions as people
from server.contacts import rules as phones
from server.contacts.lines import canonical
from server.kernel.sql import ROWS_PER_STATEMENT, Statement, Tx
from server.schema import carrier_inbound, senders, threads
from server.sms import threads as sms_threads
from server.sms.keyword_actions import act_on
from server.sms.meaning import meaning_of, name_of, opens_ticket
from server.sms.settings import INBOX, InboxSettings
from server.sms.storing import NewText, store, touch_tickets
from server.sms.threads import SmsThread
from server.text import clean_text
from server.threads import ticket_rules, tickets
from server.threads.tickets import INBOX_TOPIC, Ticket, facts_of


class Outcome(StrEnum):
    STORED = "stored"
    REPEATED = "repeated"  # was stored before, so nothing is done
    NOT_OURS = "not_ours"  # not sent to one of our numbers (S6)


class Received(NamedTuple):
    outcome: Outcome
    thread: int | None = None
    meaning: str = ""
    seq: int | None = None  # seq of the text's entry


class _Sender(NamedTuple):
    """The sender of a text, with their contact and thread."""

    phone: str  # E.164, or the carrier's name for a sender without a phone number
    is_phone: bool
    thread: SmsThread
    ticket: Ticket | None  # as it was before this text
    sender_kind: str  # kind of our number that received the text


Call = tuple[InboundText, KeywordSettings, InboxSettings]


_OUR_SENDERS = Statement(
    select(senders.c.address, senders.c.kind).where(senders.c.address.in_(bindparam("addresses", expanding=True)))
)
_INSERT_TEXT = Statement(
    insert(carrier_inbound)
    .values({name: bindparam(name) for name in "sid idempotency_token contact_id thread_id meaning params at".split()})
    .on_conflict_do_nothing()
    .returning(carrier_inbound.c.sid)
)
_SET_NUMBERS = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(peer=bindparam("new_peer"), sender=bindparam("new_sender"))
)


def receive_texts(tx: Tx, calls: Sequence[Call]) -> list[Received]:
    """Stores each text exactly once and acts on it. A repeated id or idempotency token does nothing.

    Each statement handles a batch of texts of different contacts. Several texts of one contact are handled in order.
    """
    received: dict[int, Received] = {}
    waiting = dict(enumerate(calls))
    while waiting:
        received |= _receive(tx, _one_per_sender(waiting))
        waiting = {place: call for place, call in waiting.items() if place not in received}
    return [received[place] for place in range(len(calls))]


def receive_listed(tx: Tx, text: InboundText) -> Received:
    """Receives one text from the provider's list, with the present settings."""
    (received,) = receive_texts(tx, [(text, KEYWORDS.load(tx), INBOX.load(tx))])
    return received


def _one_per_sender(waiting: Mapping[int, Call]) -> dict[int, Call]:
    """The first text of each sender, at most `ROWS_PER_STATEMENT` of them."""
    first_places: dict[str, int] = {}
    for place, (text, _, _) in waiting.items():
        first_places.setdefault(text.sender, place)
    return {place: waiting[place] for place in list(first_places.values())[:ROWS_PER_STATEMENT]}


def _receive(tx: Tx, batch: Mapping[int, Call]) -> dict[int, Received]:
    """Receives texts of different senders, one per contact; a text without a result waits for the next batch."""
    received: dict[int, Received] = {}
    chosen_by_thread: dict[int, tuple[int, _Sender, Meaning]] = {}
    rows: list[dict[str, Any]] = []
    for place, sender in _find_senders(tx, batch).items():
        text, words, _ = batch[place]
        if sender is None:
            received[place] = Received(Outcome.NOT_OURS)
            continue
        thread = sender.thread
        if thread.id in chosen_by_thread:  # the contact already has a text in this batch, from another number
            continue
        meaning = meaning_of(tx, text, thread, words)
        chosen_by_thread[thread.id] = place, sender, meaning
        rows.append(
            {
                "sid": text.sid,
                "idempotency_token": text.idempotency_token,
                "contact_id": thread.contact,
                "thread_id": thread.id,
                "meaning": name_of(meaning),
                "params": text.params,
                "at": tx.now,
            }
        )
    inserted_sids = {row.sid for row in tx.all_many(_INSERT_TEXT, rows)}
    new_texts = []
    for place, (phone, is_phone, thread, ticket, kind), meaning in chosen_by_thread.values():
        text, words, inbox = batch[place]
        if text.sid not in inserted_sids:
            received[place] = Received(Outcome.REPEATED)
            continue
        inserted_sids.discard(text.sid)  # another call with this sid is a repeat
        if (thread.peer, thread.sender) != (phone, text.to) and not text.superseded:
            tx.run(_SET_NUMBERS, thread=thread.id, new_peer=phone, new_sender=text.to)
            thread = thread._replace(peer=phone, sender=text.to)
            ticket = ticket and ticket._replace(peer=phone, sender=text.to)
        contacts = [thread.contact]
        if is_phone and not isinstance(meaning, keywords.Plain):
            contacts = people.contacts_with_phone(tx, phone)
        verdict = ticket_rules.on_inbound(None if ticket is None else facts_of(ticket))
        body = clean_text(text.body)
        opens = opens_ticket(meaning)
        new_texts.append(
            NewText(text, body, phone, is_phone, contacts, thread, ticket, kind, words, inbox, meaning, verdict, opens)
        )
    stored = _store_and_act(tx, new_texts)
    for new_text in new_texts:
        thread_id = new_text.thread.id
        received[chosen_by_thread[thread_id][0]] = Received(
            Outcome.STORED, thread_id, name_of(new_text.meaning), stored.get(thread_id)
        )
    return received


def _find_senders(tx: Tx, batch: Mapping[int, Call]) -> dict[int, _Sender | None]:
    """The sender of each text; None if the text was not sent to one of our numbers.

    Nearly every text comes from a contact with a ticket, and its number is exactly the stored one. Such a number is not
    parsed, because parsing costs more than storing the text.
    """
    texts = [text for text, _, _ in batch.values()]
    our_senders = dict(tx.all(_OUR_SENDERS, addresses=list({_address(text.to) for text in texts})))
    numbers = list(
        {canonical(text.sender) for text in texts if text.sender.startswith("+") and _address(text.to) in our_senders}
    )
    contact_of = people.touch_contacts_with(tx, numbers) if numbers else {}
    ticket_of = tickets.sms_tickets(tx, sorted(set(contact_of.values()))) if contact_of else {}
    senders: dict[int, _Sender | None] = {}
    for place, (text, _, _) in batch.items():
        kind = our_senders.get(_address(text.to))
        if kind is None:
            senders[place] = None
        elif (ticket_row := ticket_of.get(contact_of.get(number := canonical(text.sender), 0))) is not None:
            ticket, country, language = ticket_row
            thread_fields = (
                ticket.thread,
                ticket.contact,
                ticket.contact_name,
                country,
                language,
                ticket.peer,
                ticket.sender,
            )
            senders[place] = _Sender(number, True, SmsThread(*thread_fields), ticket, kind)
        else:
            senders[place] = _find_or_create_sender(tx, text, kind)
    return senders


def _find_or_create_sender(tx: Tx, text: InboundText, kind: str) -> _Sender:
    """The sender of a text when no ticket was found by number. Creates the contact if needed."""
    person = phones.sender(text.sender)
    is_phone = isinstance(person, phones.Phone)
    phone = person.e164 if isinstance(person, phones.Phone) else person.address
    country = person.country if isinstance(person, phones.Phone) and person.country else text.country
    found_contact = people.by_phone(tx, phone if is_phone else None, phone, country)
    thread = sms_threads.find_or_create(tx, found_contact.contact, phone, text.to)
    return _Sender(phone, is_phone, thread, tickets.lock_by_thread(tx, thread.id), kind)


def _address(number: str) -> str:
    return number.rpartition(":")[2]


def _store_and_act(tx: Tx, new_texts: Sequence[NewText]) -> dict[int, int]:
    """Stores new texts of different contacts and acts on them in order. Returns the seq of each entry, by thread."""
    stored = store(tx, new_texts)
    touch_tickets(
        tx,
        [
            (new_text, appended[0].seq, appended)
            for new_text, appended in zip(new_texts, stored, strict=True)
            if new_text.opens_ticket and not new_text.hidden
        ],
    )
    for new_text in new_texts:
        act_on(tx, new_text)
        if not new_text.opens_ticket and new_text.ticket is not None:
            tx.publish(INBOX_TOPIC, tickets.by_thread(tx, new_text.thread.id))
    return {new_text.thread.id: entry.seq for new_text, (entry, _) in zip(new_texts, stored, strict=True)}
