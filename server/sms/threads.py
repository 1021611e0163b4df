"""Reads of SMS threads with their contact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.contacts.rules import AddressKind
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, LostRace, Statement, Tx, chunks
from server.schema import addresses, contacts, merged_set, threads


class SmsThread(NamedTuple):
    """One SMS thread and its contact. `peer`: the contact as the carrier names them. `sender`: our number they text."""

    id: int
    contact: int
    name: str
    country: str
    language: str
    peer: str | None
    sender: str | None
    continued_in: int | None = None  # after a merge: the thread where the conversation continues


_columns = (
    threads.c.id,
    threads.c.contact_id.label("contact"),
    contacts.c.name,
    contacts.c.country,
    contacts.c.language,
    threads.c.peer,
    threads.c.sender,
    threads.c.continued_in,
)
select_sms_threads = (
    select(*_columns)
    .select_from(threads.join(contacts, threads.c.contact_id == contacts.c.id))
    .where(threads.c.channel == "sms")
)
_BY_CONTACT = Statement(select_sms_threads.where(threads.c.contact_id == bindparam("contact")))
_LOCK_BY_CONTACT = Statement(
    select_sms_threads.where(threads.c.contact_id == bindparam("contact")).with_for_update(of=threads)
)
_BY_ID = Statement(select_sms_threads.where(threads.c.id == bindparam("thread")))
_HAVING_PHONE = Statement(
    select(addresses.c.contact_id).where(
        addresses.c.kind == AddressKind.PHONE.value, addresses.c.value == bindparam("phone")
    )
)


def thread_of(conn: Conn, contact: int, *, lock: bool = False) -> SmsThread | None:
    """The contact's one SMS thread (INB-21)."""
    row = conn.first(_LOCK_BY_CONTACT if lock else _BY_CONTACT, contact=contact)
    return None if row is None else SmsThread._make(row)


_LIVE = Statement(
    select_sms_threads.where(
        threads.c.contact_id.in_(merged_set(bindparam("contact"))), threads.c.continued_in.is_(None)
    ).with_for_update(of=threads)
)
_OF_SET = Statement(
    select_sms_threads.where(threads.c.contact_id.in_(merged_set(bindparam("contact")))).order_by(threads.c.id)
)


def live_thread(tx: Conn, contact: int) -> SmsThread | None:
    """The one SMS thread that goes on, of the contact and all contacts merged with it, locked."""
    row = tx.first(_LIVE, contact=contact)
    return None if row is None else SmsThread._make(row)


_INSERT = Statement(
    insert(threads)
    .values(
        token=bindparam("token"),
        channel="sms",
        contact_id=bindparam("contact"),
        peer=bindparam("peer"),
        sender=bindparam("sender"),
        changed_at=bindparam("now"),
        created_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
)


def find_or_create(tx: Tx, contact: int, peer: str, sender: str) -> SmsThread:
    """The thread that goes on, of the contact and everybody merged with it; created if there is none. Locked."""
    thread = live_thread(tx, contact)
    if thread is None:
        tx.run(_INSERT, token=tx.token(18), contact=contact, peer=peer, sender=sender, now=tx.now)
        thread = live_thread(tx, contact)
        if thread is None:
            raise LostRace("this contact's thread was begun elsewhere")
    return thread


def of_set(conn: Conn, contact: int) -> list[SmsThread]:
    """The SMS threads of the contact and all contacts merged with it."""
    return [SmsThread._make(row) for row in conn.all(_OF_SET, contact=contact)]


_asked = (
    select(contacts.c.id.label("asked"), func.coalesce(contacts.c.merged_into, contacts.c.id).label("root"))
    .where(contacts.c.id.in_(bindparam("contacts", expanding=True)))
    .cte("asked")
)
_merged = contacts.alias("merged")
_members = (
    select(_asked.c.asked, _asked.c.root.label("member"))
    .union_all(select(_asked.c.asked, _merged.c.id).join(_merged, _merged.c.merged_into == _asked.c.root))
    .cte("members")
)
_WITH_THREADS = Statement(
    select(_members.c.asked)
    .distinct()
    .join(threads, threads.c.contact_id == _members.c.member)
    .where(threads.c.channel == "sms"),
)


def contacts_with_threads(conn: Conn, contact_ids: Sequence[int]) -> set[int]:
    """Those of these contacts who have an SMS thread, or are merged with a contact who has one."""
    return {
        row.asked
        for some in chunks(sorted(set(contact_ids)), ROWS_PER_STATEMENT)
        for row in conn.all(_WITH_THREADS, contacts=list(some))
    }


def by_id(conn: Conn, thread: int) -> SmsThread | None:
    row = conn.first(_BY_ID, thread=thread)
    return None if row is None else SmsThread._make(row)


def by_phone(conn: Conn, phone: str) -> list[SmsThread]:
    """The threads of all contacts with this number, and of those merged with them (AMB-33)."""
    sets = [of_set(conn, row.contact_id) for row in conn.all(_HAVING_PHONE, phone=phone)]
    return sorted({thread.id: thread for one_set in sets for thread in one_set}.values())
