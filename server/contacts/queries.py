"""Reads of contacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from server.contacts.rules import AddressKind
from server.kernel.sql import Conn, Statement
from server.schema import addresses, contacts, merged_set


@dataclass(frozen=True, slots=True)
class Brief:
    """The fields of a contact that lists show."""

    id: int
    guid: str
    name: str
    email: str | None
    phone: str | None
    country: str
    language: str


_COLUMNS = [contacts.c[name] for name in Brief.__dataclass_fields__]
_BRIEF = Statement(select(*_COLUMNS).where(contacts.c.id == bindparam("contact")))
_is_phone = addresses.c.kind == AddressKind.PHONE.value
_set = merged_set(bindparam("contact"))
_own_phones = select(addresses.c.value).where(_is_phone, addresses.c.contact_id.in_(_set))
_owner = contacts.alias("owner")
_with_own_phone = (
    select(func.coalesce(_owner.c.merged_into, _owner.c.id))
    .join(addresses, addresses.c.contact_id == _owner.c.id)
    .where(_is_phone, addresses.c.value.in_(_own_phones))
)
_SAME_NUMBER = Statement(
    select(*_COLUMNS)
    .where(contacts.c.id.in_(_with_own_phone), contacts.c.id.not_in(_set))
    .order_by(contacts.c.id.desc())
    .limit(20)
)


def brief(conn: Conn, contact: int) -> Brief | None:
    row = conn.first(_BRIEF, contact=contact)
    return None if row is None else Brief(*row)


def same_number(conn: Conn, contact: int) -> list[Brief]:
    """Other contacts with this contact's number, which may be duplicates; at most 20 (AMB-33). Contacts that are merged
    with it are none."""
    return [Brief(*row) for row in conn.all(_SAME_NUMBER, contact=contact)]


class Address(NamedTuple):
    """What identifies a contact; `kind` is an `AddressKind`."""

    kind: str
    value: str
    verified: bool


_ADDRESSES = Statement(
    select(addresses.c.kind, addresses.c.value, addresses.c.verified)
    .where(addresses.c.contact_id.in_(_set))
    .order_by(addresses.c.id)
)


def addresses_of(conn: Conn, contact: int) -> list[Address]:
    """What identifies the contact and all contacts merged with it, oldest first, each once."""
    found: dict[tuple[str, str], Address] = {}
    for row in conn.all(_ADDRESSES, contact=contact):
        known = found.get((row.kind, row.value))
        found[row.kind, row.value] = Address(
            row.kind, row.value, row.verified or (known is not None and known.verified)
        )
    return list(found.values())
