"""Erases a person: everything that names them or that they wrote, of the contact and of all contacts merged with it.

What remains is listed in `REMAINS`, with the reason. The ledger's personal fields are blanked; its chain stays valid, because
a row's MAC covers salted commitments. So that nobody texts the person again, their numbers and addresses stay suppressed as
keyed hashes (`consent.erased_addresses`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Table, Text, bindparam, cast, delete, func, literal, or_, select, text, type_coerce, update

from server.audiences import lists, membership
from server.audit.actions import record
from server.audit.rules import ActedBy
from server.consent import erased_addresses, ledger
from server.consent.rules import Channel
from server.contacts import erasing as contacts_erasing
from server.contacts import properties
from server.contacts.rules import AddressKind
from server.delivery import settling
from server.delivery.rules import State
from server.errors import Conflict, NotFound, Refused
from server.files import storage
from server.imports import forgetting
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.ids import guid
from server.kernel.jobs import Handler, Job
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Statement, Tx, chunks
from server.receipts.rules import Reason
from server.receipts.settling import lock_waiting, skip_all_waiting
from server.schema import (
    addresses,
    attachments,
    audit,
    carrier_inbound,
    carrier_reports,
    carts,
    consent_ledger,
    consents,
    contacts,
    drafts,
    events,
    link_clicks,
    mail_copies,
    merged_set,
    merges,
    opt_ins,
    order_lines,
    orders,
    outbound,
    property_values,
    receipts,
    refunds,
    short_links,
    threads,
    timeline,
    visitors,
)
from server.threads import changes
from server.threads import tickets as ticket_queries
from server.threads.timeline import SYSTEM

REMOVE_FILES_JOB = "contact_data.remove_files"
FORGET_WORDS_JOB = "contact_data.forget_words"
FILES_AT_ONCE = 200
SEARCH_INDEXES = ("timeline_fts", "timeline_fts_pairs")  # on SQLite

# What remains after an erasure, and why. The console has a text for each.
Remaining = Literal["ledger", "suppression", "credits", "audit", "empty_contact", "backups"]
REMAINS: tuple[Remaining, ...] = get_args(Remaining)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure removes, by kind, and what the user must type to confirm it."""

    contacts: tuple[int, ...]  # the contact that remains of the merges first
    confirm: str
    removes: dict[str, int]
    ledger_rows: int
    numbers: int
    emails: int


@dataclass(frozen=True, slots=True)
class _Person:
    """Ids of everything that belongs to one person."""

    contacts: list[int]
    threads: list[int]
    outbound: list[int]
    visitors: list[int]
    visitor_keys: list[str]
    phones: list[str]
    emails: list[str]
    names: list[str]


_SET = Statement(
    select(
        contacts.c.id, contacts.c.merged_into, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.erased_at
    )
    .where(contacts.c.id.in_(merged_set(bindparam("contact"))))
    .order_by(contacts.c.merged_into.is_not(None), contacts.c.id)
)


def _ids(conn: Conn, column: Any, *conditions: Any) -> list[Any]:
    return [row[0] for row in conn.all(select(column).where(*conditions).order_by(column))]


def _count(conn: Conn, table: Table, *conditions: Any) -> int:
    return int(conn.value(select(func.count().label("n")).select_from(table).where(*conditions)))


def _person(conn: Conn, contact: int) -> _Person:
    rows = conn.all(_SET, contact=contact)
    if not rows:
        raise NotFound()
    if rows[0].erased_at is not None:
        raise Conflict("erased", "This person was erased already.")
    people = [row.id for row in rows]
    thread_ids = _ids(conn, threads.c.id, threads.c.contact_id.in_(people))
    visitor_rows = conn.all(select(visitors).where(visitors.c.contact_id.in_(people)).order_by(visitors.c.id))
    known = conn.all(select(addresses.c.kind, addresses.c.value).where(addresses.c.contact_id.in_(people)))
    phones = {row.value for row in known if row.kind == AddressKind.PHONE} | {row.phone for row in rows if row.phone}
    phones |= set(_ids(conn, threads.c.peer, threads.c.id.in_(thread_ids), threads.c.peer.is_not(None)))
    emails = {row.value for row in known if row.kind == AddressKind.EMAIL} | {row.email for row in rows if row.email}
    typed = {row.email for row in visitor_rows if row.email}  # unverified: erased, but not suppressed
    return _Person(
        people,
        thread_ids,
        _ids(conn, outbound.c.id, or_(outbound.c.contact_id.in_(people), outbound.c.thread_id.in_(thread_ids))),
        [row.id for row in visitor_rows],
        [row.key for row in visitor_rows],
        sorted(phones),
        sorted(emails | typed),
        sorted({name for row in (*rows, *visitor_rows) if (name := row.name)}),
    )


def preview(conn: Conn, contact: int) -> Erasure:
    """What erasing this contact removes and keeps. Raises `NotFound` and `Conflict` `erased`."""
    person = _person(conn, contact)
    first = conn.one(_SET, contact=contact)
    messages = _count(
        conn, timeline, timeline.c.thread_id.in_(person.threads), timeline.c.kind.in_(("message", "note"))
    )
    return Erasure(
        tuple(person.contacts),
        first.email or first.phone or first.name or f"#{first.id}",
        {
            "addresses": _count(conn, addresses, addresses.c.contact_id.in_(person.contacts)),
            "properties": _count(conn, property_values, property_values.c.contact_id.in_(person.contacts)),
            "conversations": len(person.threads),
            "messages": messages,
            "files": _count(conn, attachments, attachments.c.thread_id.in_(person.threads)),
            "sent": len(person.outbound),
            "visitors": len(person.visitors),
            "events": _count(conn, events, events.c.contact_id.in_(person.contacts)),
            "orders": _count(conn, orders, orders.c.contact_id.in_(person.contacts)),
        },
        _count(conn, consent_ledger, consent_ledger.c.contact_id.in_(person.contacts)),
        len(person.phones),
        len(person.emails),
    )


def erase(tx: Tx, contact: int, by: ActedBy, source: str, confirm: str | None, address: str) -> Erasure:
    """Erases the person. `confirm`: what the user typed, compared with `Erasure.confirm`; None: the command line asked.

    Raises `NotFound`, `Conflict` `erased`, and `Refused` `not_confirmed`. Files are removed by a job.
    """
    shown = preview(tx, contact)
    if confirm is not None and confirm.strip().lower() != shown.confirm.lower():
        raise Refused("not_confirmed", f"Type {shown.confirm} to confirm.", field="confirm")
    person = _person(tx, contact)
    tx.lock_names(*(f"sms:{phone}" for phone in person.phones), *(f"email:{email}" for email in person.emails))
    _erase_consent(tx, person, source)
    _erase_messages(tx, person)
    _erase_conversations(tx, person)
    _erase_shop(tx, person)
    _erase_groups(tx, person, by)
    forgetting.forget(tx, person.contacts)
    tx.run(update(merges).where(merges.c.contact_id.in_(person.contacts)).values(before={}))
    contacts_erasing.blank(tx, person.contacts, [guid(tx.token(16)) for _ in person.contacts])
    _blank_audit(tx, person)
    tx.run(delete(events).where(events.c.contact_id.in_(person.contacts)))
    if not tx.postgres:
        jobs.enqueue(tx, FORGET_WORDS_JOB, {}, run_at=tx.now, key=FORGET_WORDS_JOB)
    record(tx, by, "contact_erased", str(person.contacts[0]), address, contacts=len(person.contacts))
    return shown


def _erase_consent(tx: Tx, person: _Person, source: str) -> None:
    chained = _ids(tx, consents.c.contact_id, consents.c.contact_id.in_(person.contacts))
    chained += _ids(tx, consent_ledger.c.contact_id, consent_ledger.c.contact_id.in_(person.contacts))
    for contact in sorted(set(chained)):
        ledger.erase(tx, contact, source=source)
    tx.run(delete(opt_ins).where(opt_ins.c.contact_id.in_(person.contacts)))
    channels: tuple[tuple[Channel, AddressKind, list[str]], ...] = (
        ("sms", AddressKind.PHONE, person.phones),
        ("email", AddressKind.EMAIL, person.emails),
    )
    for channel, kind, values in channels:
        for value in values:
            others = _count(
                tx,
                addresses,
                addresses.c.kind == kind.value,
                addresses.c.value == value,
                addresses.c.contact_id.not_in(person.contacts),
            )
            if not others:  # an address that somebody else has, too, keeps its own suppression
                erased_addresses.suppress_erased(tx, channel, value)


def _erase_messages(tx: Tx, person: _Person) -> None:
    """Blanks what was sent and received; ids of the carrier stay, because reports and the bill name them."""
    waiting = _ids(tx, outbound.c.id, outbound.c.id.in_(person.outbound), outbound.c.state.in_(_WAITING))
    for message in waiting:
        settling.skip(tx, message, "erased", "The person was erased.")
    for some in chunks(person.outbound, ROWS_PER_STATEMENT):
        ids = list(some)
        tx.run(
            update(outbound)
            .where(outbound.c.id.in_(ids))
            .values(recipient="", body="", media=[], data={}, detail="", key=None)
        )
        tx.run(update(carrier_reports).where(carrier_reports.c.outbound_id.in_(ids)).values(params={}))
        tx.run(delete(mail_copies).where(mail_copies.c.outbound_id.in_(ids)))
    waiting_receipts = _ids(
        tx, receipts.c.id, receipts.c.contact_id.in_(person.contacts), receipts.c.state == "waiting"
    )
    skip_all_waiting(tx, sorted(lock_waiting(tx, waiting_receipts)), Reason.OPTED_OUT)
    # Different for each row: a campaign has one receipt for each address.
    tx.run(
        update(receipts)
        .where(receipts.c.contact_id.in_(person.contacts))
        .values(address=literal("erased:") + cast(receipts.c.contact_id, Text), detail="")
    )
    of_person = or_(
        short_links.c.contact_id.in_(person.contacts), short_links.c.outbound_id.in_(person.outbound or [0])
    )
    links = _ids(tx, short_links.c.id, of_person)
    for some in chunks(links, ROWS_PER_STATEMENT):
        tx.run(delete(link_clicks).where(link_clicks.c.link_id.in_(list(some))))
        tx.run(delete(short_links).where(short_links.c.id.in_(list(some))))
    tx.run(
        update(carrier_inbound)
        .where(or_(carrier_inbound.c.contact_id.in_(person.contacts), carrier_inbound.c.thread_id.in_(person.threads)))
        .values(params={})
    )


_WAITING = [State.QUEUED.value, State.CLAIMED.value]
# "redacted" entries show that something was here. Who of the team wrote stays.
_REDACT = Statement(
    update(timeline)
    .where(timeline.c.thread_id == bindparam("thread"))
    .values(kind="redacted", body="", data={}, dedupe=None, body_hash=None, ref_seq=None)
)
_FORGET_AUTHORS = Statement(
    update(timeline)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.author_type.in_(("visitor", "contact")))
    .values(author_name="")
)


def _erase_conversations(tx: Tx, person: _Person) -> None:
    for thread in person.threads:
        ticket = ticket_queries.lock_by_thread(tx, thread)
        if ticket is not None and ticket.status != "closed":
            closed = ticket_queries.status_entry(tx, ticket, SYSTEM, "closed", None, public=False)
            changes.close_ticket(tx, ticket, closed)
        tx.run(_REDACT, thread=thread)
        tx.run(_FORGET_AUTHORS, thread=thread)
        ticket = ticket_queries.lock_by_thread(tx, thread)
        if ticket is not None:
            changes.change_ticket(tx, ticket, preview="", unread=False, stop_asked=False)
            tx.run(delete(drafts).where(drafts.c.ticket_id == ticket.id))
    tokens = _ids(
        tx,
        attachments.c.token,
        or_(
            attachments.c.thread_id.in_(person.threads),
            attachments.c.owner.in_([f"web:{key}" for key in person.visitor_keys]),
        ),
    )
    for some in chunks(tokens, FILES_AT_ONCE):
        tx.run(delete(attachments).where(attachments.c.token.in_(list(some))))
        jobs.enqueue(tx, REMOVE_FILES_JOB, {"tokens": list(some)}, run_at=tx.now)
    tx.run(update(threads).where(threads.c.id.in_(person.threads)).values(peer=None, visitor_id=None))
    tx.run(delete(visitors).where(visitors.c.contact_id.in_(person.contacts)))


def _erase_shop(tx: Tx, person: _Person) -> None:
    found = tx.all(select(orders.c.id, orders.c.shop_id).where(orders.c.contact_id.in_(person.contacts)))
    ids, shop_ids = [row.id for row in found], [row.shop_id for row in found]
    tx.run(delete(order_lines).where(order_lines.c.order_id.in_(ids)))
    tx.run(delete(refunds).where(refunds.c.order_shop_id.in_(shop_ids)))
    tx.run(delete(orders).where(orders.c.id.in_(ids)))
    tx.run(delete(carts).where(carts.c.contact_id.in_(person.contacts)))


def _erase_groups(tx: Tx, person: _Person, by: ActedBy) -> None:
    for contact in person.contacts:
        for group in lists.lists_of(tx, contact):
            lists.remove_members(tx, group.id, [contact], by, "erasure")
    membership.forget(tx, person.contacts)
    properties.erase_values(tx, person.contacts)


def _blank_audit(tx: Tx, person: _Person) -> None:
    """Removes the person's addresses from lines of the audit log; who did what stays."""
    for value in (*person.phones, *person.emails):
        tx.run(
            update(audit)
            .where(
                or_(
                    audit.c.target.contains(value, autoescape=True),
                    _as_text(audit.c.detail).contains(value, autoescape=True),
                )
            )
            .values(target="", detail={})
        )


def _as_text(column: Any) -> Any:
    return type_coerce(column, Text)


async def remove_files(app: App, job: Job) -> None:
    """Removes the bytes of erased files. Safe to repeat."""
    await storage.remove_bytes(app, list(job.payload["tokens"]))


def merge_search_index(tx: Tx, start: bool) -> bool:
    """On SQLite: merges a few pages of the search's index; without that, it keeps words of deleted texts. Returns False if
    everything is merged (https://sqlite.org/fts5.html#the_merge_command)."""
    changed = False
    for command in _MERGE_STARTS if start else _MERGES:
        before = tx.value(_TOTAL_CHANGES)
        tx.run(command)
        changed |= tx.value(_TOTAL_CHANGES) - before >= 2
    return changed


async def forget_words(app: App, job: Job) -> None:
    """Removes the words of erased texts from the search's index, some pages at a time."""
    start = True
    while (await app.write_bulk(merge_search_index, start))[0] or start:
        start = False


PAGES_AT_ONCE = 64
_MERGES, _MERGE_STARTS = (
    [text(f"INSERT INTO {index}({index}, rank) VALUES ('merge', {pages})") for index in SEARCH_INDEXES]  # noqa: S608 - constants
    for pages in (PAGES_AT_ONCE, -PAGES_AT_ONCE)
)
_TOTAL_CHANGES = Statement(select(func.total_changes().label("n")))
HANDLERS: dict[str, Handler] = {REMOVE_FILES_JOB: remove_files, FORGET_WORDS_JOB: forget_words}
