"""Reads the audit log, newest first, with the people it names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from server.audit.rules import ActorType
from server.kernel.sql import Conn, Statement
from server.schema import api_keys, audit, contacts, tickets, users

# Actions whose `target` is the id of a user.
TO_A_USER = frozenset(
    {
        "login_failed",
        "password_change_failed",
        "user_changed",
        "signin_link_made",
        "reset_link_made",
        "signin_link_requested",
        "reset_link_requested",
    }
)
# Actions whose `target` is the id of a contact.
TO_A_CONTACT = frozenset({"contact_changed", "consent_given", "consent_withdrawn", "stop_confirmed", "stop_declined"})


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Contact:
    """The contact's current data. `ticket`: the newest one."""

    id: int
    name: str
    email: str | None
    phone: str | None
    ticket: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the audit log. `actor`: the type of the actor, as in `audit.actor_type`. `who`: the signed-in user or the API
    key, if any. `whom`, `contact`: the user or the contact that the action changed, if any."""

    id: int
    at: datetime
    actor: str
    who: Person | None
    action: str
    target: str
    whom: Person | None
    contact: Contact | None
    detail: dict[str, Any]
    address: str


_OLDER = Statement(
    select(audit).where(audit.c.id < bindparam("than")).order_by(audit.c.id.desc()).limit(bindparam("limit"))
)
_NEWER = Statement(select(audit).where(audit.c.id > bindparam("than")).order_by(audit.c.id).limit(bindparam("limit")))


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


_KEYS = Statement(select(api_keys.c.id, api_keys.c.name).where(api_keys.c.id.in_(bindparam("keys", expanding=True))))


def page(conn: Conn, limit: int, older_than: int = 2**62, newer_than: int | None = None) -> list[Line]:
    """At most `limit` lines, newest first. With `newer_than`: the lines that follow that id, oldest first."""
    if newer_than is None:
        rows = conn.all(_OLDER, than=older_than, limit=limit)
    else:
        rows = conn.all(_NEWER, than=newer_than, limit=limit)
    user_ids = {row.user_id for row in rows if row.user_id is not None}
    user_ids |= {target for row in rows if (target := _target(row, TO_A_USER)) is not None}
    user_rows = conn.all(select(users.c.id, users.c.name).where(users.c.id.in_(sorted(user_ids)))) if user_ids else []
    people = {row.id: Person(row.id, row.name) for row in user_rows}
    key_ids = sorted({row.actor_id for row in rows if row.actor_type == ActorType.API_KEY})
    keys = {row.id: Person(row.id, row.name) for row in conn.all(_KEYS, keys=key_ids)} if key_ids else {}
    contact_ids = {target for row in rows if (target := _target(row, TO_A_CONTACT)) is not None}
    customers = (
        {row.id: Contact(*row) for row in conn.all(_CONTACTS, contacts=sorted(contact_ids))} if contact_ids else {}
    )
    return [
        Line(
            row.id,
            row.at,
            row.actor_type,
            keys.get(row.actor_id) if row.actor_type == ActorType.API_KEY else people.get(row.user_id),
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
