"""Blocks people and lifts the block (INB-40..42, AMB-5).

What a blocked person writes is stored, and agents see it again once the block is lifted. Consents do not change, and
keywords of texts still count.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select

from server.accounts.rules import Agent
from server.contacts import actions as contacts_actions
from server.events.recording import record
from server.events.rules import Metric, NewEvent
from server.kernel import jobs
from server.kernel.sql import Conn, Statement, Tx
from server.schema import contacts, merged_set, tickets
from server.threads import ticket_rules
from server.threads import tickets as ticket_queries
from server.threads.changes import close_ticket
from server.threads.tickets import close_key, facts_of, publish_tickets_of_contact, status_entry
from server.threads.timeline import by

SHOWN = 500  # blocked people in the list, newest first

_NOT_CLOSED = Statement(
    select(tickets.c.id).where(tickets.c.contact_id.in_(merged_set(bindparam("contact"))), tickets.c.status != "closed")
)
_BLOCKED = Statement(
    select(
        contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.verified, contacts.c.blocked_at
    )
    .where(contacts.c.blocked_at.is_not(None), contacts.c.merged_into.is_(None))
    .order_by(contacts.c.blocked_at.desc(), contacts.c.id.desc())
    .limit(SHOWN)
)


class BlockedPerson(NamedTuple):
    id: int
    name: str
    email: str | None
    phone: str | None
    verified: bool
    blocked_at: datetime


def block(tx: Tx, agent: Agent, contact: int, address: str) -> None:
    """Blocks the person and closes their tickets, a chat as well at once. Raises `NotFound`."""
    if not contacts_actions.set_blocked(tx, agent, contact, True, address):
        return
    ids = [row.id for row in tx.all(_NOT_CLOSED, contact=contact)]
    for ticket in ticket_queries.lock_many(tx, ids).values():
        if isinstance(ticket_rules.on_block(facts_of(ticket)), ticket_rules.TicketChange):
            jobs.cancel(tx, close_key(ticket.id))
            close_ticket(tx, ticket, status_entry(tx, ticket, by(agent), "closed", None))
    record(tx, [NewEvent(contact, Metric.BLOCKED, "agent")])
    publish_tickets_of_contact(tx, contact)


def unblock(tx: Tx, agent: Agent, contact: int, address: str) -> None:
    """Lifts the block. Tickets stay closed; their messages are visible again. Raises `NotFound`."""
    if contacts_actions.set_blocked(tx, agent, contact, False, address):
        record(tx, [NewEvent(contact, Metric.UNBLOCKED, "agent")])
        publish_tickets_of_contact(tx, contact)


def blocked_people(conn: Conn) -> list[BlockedPerson]:
    return [BlockedPerson(*row) for row in conn.all(_BLOCKED)]
