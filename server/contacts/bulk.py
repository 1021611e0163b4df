"""Creates and changes contacts by the hundred, for imports, and empties contacts whose import is undone.

`actions` finds or creates a contact from what one source knows; here the caller has decided which contact a row means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, insert, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # compiles on SQLite too

from server.audit.rules import ActedBy
from server.contacts.rules import AddressKind, ContactChanged, ContactCreated, Identifiers
from server.kernel.ids import guid
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Statement, Tx, chunks
from server.schema import addresses, contacts
from server.text import search_key

_people: Any = bindparam("people", expanding=True)
_INSERT_CONTACTS = Statement(
    insert(contacts)
    .values({name: bindparam(name) for name in "guid name name_key email phone country created_at".split()})
    .returning(contacts.c.id, contacts.c.guid)
)
_INSERT_ADDRESSES = Statement(
    upsert(addresses)
    .values({name: bindparam(name) for name in "contact_id kind value verified created_at active_at".split()})
    .on_conflict_do_nothing()
    .returning(addresses.c.contact_id, addresses.c.kind, addresses.c.value)
)
_DELETE_ADDRESS = Statement(
    delete(addresses).where(
        addresses.c.kind == bindparam("kind"),
        addresses.c.value == bindparam("value"),
        addresses.c.contact_id == bindparam("contact"),
    )
)
_PRIMARY = Statement(
    select(contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.country)
    .where(contacts.c.id.in_(_people))
    .order_by(contacts.c.id)
    .with_for_update()
)
_SET_PRIMARY = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("contact"))
    .values({name: bindparam(f"new_{name}") for name in "name name_key email phone country".split()})
)
_HIDE = Statement(
    update(contacts)
    .where(contacts.c.id.in_(_people))
    .values(
        name="", name_key="", email=null(), phone=null(), country="", language="", verified=False, hidden_at=bindparam("now"),
    )
)  # fmt: skip
_DELETE_ADDRESSES = Statement(delete(addresses).where(addresses.c.contact_id.in_(_people)))


@dataclass(frozen=True, slots=True)
class Change:
    """New primary fields of one contact; None: unchanged, "": removed. `add`, `drop`: addresses."""

    contact: int
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None
    add: tuple[tuple[AddressKind, str], ...] = field(default=())
    drop: tuple[tuple[AddressKind, str], ...] = field(default=())


def lock_names(tx: Tx, people: Sequence[Identifiers]) -> None:
    """Locks the addresses of these people, so that no other transaction creates a contact with one of them meanwhile."""
    tx.lock_names(
        *sorted(
            f"{'sms' if kind is AddressKind.PHONE else kind.value}:{value}"
            for person in people
            for kind, value in person.addresses
        )
    )


def create_many(tx: Tx, people: Sequence[Identifiers], by: ActedBy) -> list[int]:
    """Creates a contact for each person and returns their ids, in order. The caller has locked the addresses and found no
    contact with them. An id of another system that a contact has by now stays with it."""
    guids = [guid(tx.token(16)) for _ in people]
    rows = [
        {
            "guid": own,
            "name": person.name,
            "name_key": search_key(person.name),
            "email": person.email,
            "phone": person.phone,
            "country": person.country,
            "created_at": tx.now,
        }
        for own, person in zip(guids, people, strict=True)
    ]
    id_of = {row.guid: row.id for row in tx.all_many(_INSERT_CONTACTS, rows)}
    ids = [int(id_of[own]) for own in guids]
    _add(
        tx,
        [
            (contact, kind, value)
            for contact, person in zip(ids, people, strict=True)
            for kind, value in person.addresses
        ],
    )
    for contact, person in zip(ids, people, strict=True):
        tx.announce(ContactCreated(contact, by, tuple(person.addresses)))
    return ids


def change_many(tx: Tx, changes: Sequence[Change], by: ActedBy) -> None:
    """Changes contacts, and announces each change."""
    before: dict[int, Any] = {}
    for some in chunks(sorted({change.contact for change in changes}), ROWS_PER_STATEMENT):
        before |= {row.id: row for row in tx.all(_PRIMARY, people=list(some))}
    _add(tx, [(change.contact, kind, value) for change in changes for kind, value in change.add])
    for change in changes:
        row = before[change.contact]
        for kind, value in change.drop:
            tx.run(_DELETE_ADDRESS, contact=change.contact, kind=kind.value, value=value)
        fields = {name: getattr(change, name) for name in ("name", "email", "phone", "country")}
        if any(value is not None for value in fields.values()):
            name = row.name if change.name is None else change.name
            tx.run(
                _SET_PRIMARY,
                contact=change.contact,
                new_name=name,
                new_name_key=search_key(name),
                new_email=row.email if change.email is None else change.email or None,
                new_phone=row.phone if change.phone is None else change.phone or None,
                new_country=row.country if change.country is None else change.country,
            )
        tx.announce(ContactChanged(change.contact, by, change.name, change.email, change.add))


def _add(tx: Tx, wanted: Sequence[tuple[int, AddressKind, str]]) -> None:
    rows = [
        {
            "contact_id": contact,
            "kind": kind.value,
            "value": value,
            "verified": False,
            "created_at": tx.now,
            "active_at": tx.now,
        }
        for contact, kind, value in wanted
    ]
    tx.all_many(_INSERT_ADDRESSES, rows)


def hide_many(tx: Tx, people: Sequence[int]) -> None:
    """Empties contacts and hides them. Their consent ledgers stay."""
    for some in chunks(sorted(people), ROWS_PER_STATEMENT):
        tx.run(_DELETE_ADDRESSES, people=list(some))
        tx.run(_HIDE, people=list(some), now=tx.now)


_OF_CONTACTS = Statement(
    select(addresses.c.contact_id, addresses.c.kind, addresses.c.value)
    .where(addresses.c.contact_id.in_(_people))
    .order_by(addresses.c.id)
)


def addresses_of(conn: Conn, people: Sequence[int]) -> dict[int, set[tuple[str, str]]]:
    """Kind and value of every address of each contact alone."""
    found: dict[int, set[tuple[str, str]]] = {contact: set() for contact in people}
    for some in chunks(sorted(people), ROWS_PER_STATEMENT):
        for row in conn.all(_OF_CONTACTS, people=list(some)):
            found[row.contact_id].add((row.kind, row.value))
    return found
