"""Reads of contacts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from server.kernel.sql import Conn, Statement
from server.schema import contacts


@dataclass(frozen=True, slots=True)
class Brief:
    """One person, as lists name them."""

    id: int
    name: str
    email: str | None
    phone: str | None
    peer: str | None
    country: str
    language: str


_COLUMNS = [contacts.c[name] for name in Brief.__dataclass_fields__]
_BRIEF = Statement(select(*_COLUMNS).where(contacts.c.id == bindparam("contact")))
_mine = select(contacts.c.phone).where(contacts.c.id == bindparam("contact")).scalar_subquery()
_SAME = Statement(
    select(*_COLUMNS)
    .where(contacts.c.phone == _mine, contacts.c.id != bindparam("contact"), contacts.c.merged_into.is_(None))
    .order_by(contacts.c.id.desc())
    .limit(20)
)


def brief(conn: Conn, contact: int) -> Brief | None:
    row = conn.first(_BRIEF, contact=contact)
    return None if row is None else Brief(*row)


def same_number(conn: Conn, contact: int) -> list[Brief]:
    """Who else has this contact's number: possible duplicates, at most 20 (AMB-33)."""
    return [Brief(*row) for row in conn.all(_SAME, contact=contact)]
