"""The audit log: who did what to accounts, settings and consents, when, from where. Append-only.

`record` is a step for whoever changes something; `page` is what owner and admins read, newest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select

from server.accounts.rules import Agent
from server.kernel.documents import Document, M
from server.kernel.sql import Conn, Statement, Tx
from server.schema import audit, contacts, tickets, users

# In these `target` is the id of the account it was done to.
TO_A_USER = frozenset({"login_failed", "password_change_failed", "user_changed", "signin_link_made", "reset_link_made"})
# In these, the id of the contact.
TO_A_CONTACT = frozenset({"contact_changed", "consent_given", "consent_withdrawn", "stop_confirmed", "stop_declined"})


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Contact:
    """As they are called now. `ticket`: their newest."""

    id: int
    name: str
    email: str | None
    phone: str | None
    ticket: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """`who` None: nobody who was signed in. `whom`, `contact`: the account or the contact it was done to, where it was one."""

    id: int
    at: datetime
    who: Person | None
    action: str
    target: str
    whom: Person | None
    contact: Contact | None
    detail: dict[str, Any]
    address: str


_PAGE = Statement(
    select(audit).where(audit.c.id < bindparam("before")).order_by(audit.c.id.desc()).limit(bindparam("most"))
)

_newest_ticket = (
    select(tickets.c.id)
    .where(tickets.c.contact_id == contacts.c.id)
    .order_by(tickets.c.last_message_at.desc(), tickets.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_CONTACTS = Statement(
    select(contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, _newest_ticket.label("ticket")).where(
        contacts.c.id.in_(bindparam("contacts", expanding=True))
    )
)


def record(tx: Tx, user_id: int | None, action: str, target: str = "", address: str = "", **detail: Any) -> None:
    """One line of the audit log. Never a password, token or link in it."""
    tx.run(
        insert(audit).values(at=tx.now, user_id=user_id, action=action, target=target, detail=detail, address=address)
    )


def settings_changed(tx: Tx, agent: Agent, document: Document[M], wanted: M, address: str) -> M:
    """Saves one area's settings for a person; the log tells which of them they changed, never to what."""
    before = document.load(tx)
    changed = sorted(name for name, value in wanted if value != getattr(before, name))
    if changed:
        record(tx, agent.id, f"{document.name}_changed", "", address, settings=changed)
    return document.save(tx, wanted)


def page(conn: Conn, before: int, most: int) -> list[Line]:
    """At most `most` lines with smaller ids than `before`, newest first."""
    rows = conn.all(_PAGE, before=before, most=most)
    wanted = {row.user_id for row in rows if row.user_id is not None}
    wanted |= {found for row in rows if (found := _target(row, TO_A_USER)) is not None}
    named = conn.all(select(users.c.id, users.c.name).where(users.c.id.in_(sorted(wanted)))) if wanted else []
    people = {row.id: Person(row.id, row.name) for row in named}
    changed = {found for row in rows if (found := _target(row, TO_A_CONTACT)) is not None}
    customers = {row.id: Contact(*row) for row in conn.all(_CONTACTS, contacts=sorted(changed))} if changed else {}
    return [
        Line(
            row.id,
            row.at,
            people.get(row.user_id),
            row.action,
            row.target,
            people.get(_target(row, TO_A_USER)),
            customers.get(_target(row, TO_A_CONTACT)),
            row.detail,
            row.address,
        )
        for row in rows
    ]


def _target(row: Any, actions: frozenset[str]) -> int | None:
    return int(row.target) if row.action in actions and row.target.isdecimal() else None
