"""Stores contacts directly, also such that the product creates only in other ways, like two with one number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from server.contacts.rules import AddressKind, Identifiers
from server.kernel.ids import guid
from server.kernel.sql import Tx
from server.schema import addresses, contacts
from server.text import search_key


def add_contact(tx: Tx, *, verified: bool = True, **values: Any) -> int:
    """A new contact with its addresses. `values`: identifiers, and columns of `contacts`."""
    ids = Identifiers(**{str(kind): values.get(kind) for kind in AddressKind})
    row = {name: value for name, value in values.items() if name in contacts.c}
    row |= {"guid": guid(tx.token(16)), "name_key": search_key(values.get("name", "")), "created_at": tx.now}
    row["verified"] = ids.external is not None
    contact = int(tx.value(insert(contacts).values(**row).returning(contacts.c.id)))
    for kind, value in ids.addresses:
        add_address(tx, contact, kind, value, verified=verified)
    return contact


def add_address(tx: Tx, contact: int, kind: str, value: str, *, verified: bool = True) -> None:
    row = {"contact_id": contact, "kind": str(kind), "value": value, "verified": verified}
    tx.run(insert(addresses).values(**row, created_at=tx.now, active_at=tx.now))
