"""Blanks the rows of erased contacts. The rows stay, because the consent ledger and the merges refer to them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, update

from server.kernel.sql import Statement, Tx
from server.schema import addresses, contacts

_DELETE_ADDRESSES = Statement(delete(addresses).where(addresses.c.contact_id == bindparam("contact")))
_BLANK = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("contact"))
    .values(
        guid=bindparam("new_guid"),
        name="",
        name_key="",
        email=None,
        phone=None,
        country="",
        language="",
        verified=False,
        date_added=None,
        last_open=None,
        last_click=None,
        hidden_at=bindparam("now"),
        erased_at=bindparam("now"),
    )
)


def blank(tx: Tx, people: Sequence[int], new_guids: Sequence[str]) -> None:
    """Removes everything that names these contacts; other systems know their old GUIDs, so they get new ones."""
    for contact, new_guid in zip(people, new_guids, strict=True):
        tx.run(_DELETE_ADDRESSES, contact=contact)
        tx.run(_BLANK, contact=contact, new_guid=new_guid, now=tx.now)
