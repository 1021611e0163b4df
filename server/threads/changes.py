"""Opens and changes tickets: the only module that writes the table `tickets`.

A change names its columns once. The summary is built from the row that the UPDATE returns, so it cannot differ from the
row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, column, update, values
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.kernel.sql import Statement, Tx
from server.schema import tickets
from server.threads import episodes
from server.threads import tickets as queries
from server.threads.entries import Entry
from server.threads.tickets import INBOX_TOPIC, OWN_COLUMNS, Ticket
from server.threads.timeline import raise_rev

Appended = tuple[Entry, int]  # the result of `append`: the new entry and the thread's new `rev`


class Change(NamedTuple):
    """A change of one locked ticket. `appended`: the entry that this transaction appended to its thread, if any.
    `values`: by column."""

    ticket: Ticket
    appended: Appended | None
    values: Mapping[str, Any]


_INSERT_TICKET = Statement(
    insert(tickets)
    .values(
        thread_id=bindparam("thread"),
        contact_id=bindparam("contact"),
        channel=bindparam("channel"),
        status="open",
        unread=True,
        barred=bindparam("barred"),
        waiting_since=bindparam("now"),
        last_message_at=bindparam("now"),
        opened_at=bindparam("now"),
    )
    .returning(tickets.c.id)
)

# A Ticket's fields after the ticket's columns and the thread's three counters.
_OTHERS = slice(len(OWN_COLUMNS) + 3, None)


@cache
def _update_one(columns: tuple[str, ...]) -> Statement:
    changed = update(tickets).where(tickets.c.id == bindparam("ticket")).returning(*OWN_COLUMNS)
    return Statement(changed, columns)


@cache
def _update_many(each: tuple[str, ...], shared: tuple[str, ...]) -> Statement:
    """Sets the columns `each` to one value per ticket, and the columns `shared` to one value for all tickets."""
    columns = [column("ticket", BigInteger), *(column(name, tickets.c[name].type) for name in each)]
    row = tuple(bindparam(item.name, type_=item.type) for item in columns)
    changed = values(*columns, name="changed").data([row]).cte()
    new = {name: bindparam(f"new_{name}", type_=tickets.c[name].type) for name in shared}
    return Statement(
        update(tickets)
        .where(tickets.c.id == changed.c.ticket)
        .values({name: changed.c[name] for name in each} | new)
        .returning(*OWN_COLUMNS)
    )


def open_ticket(tx: Tx, thread: int, contact: int, channel: str, barred: str | None = None) -> None:
    """Opens the thread's ticket for its customer, without a message yet."""
    ticket = tx.value(_INSERT_TICKET, thread=thread, contact=contact, channel=channel, barred=barred, now=tx.now)
    episodes.begin(tx, ticket, "visitor" if channel == "webchat" else "contact")


def change_tickets(tx: Tx, changes: Sequence[Change], **same: Any) -> list[Ticket]:
    """Writes the changes of different locked tickets in one statement, raises the `rev` of tickets without a new entry,
    publishes the summaries and returns them. All changes name the same columns. `same`: columns whose value is the same
    for all of them."""
    if len(changes) == 1:
        ticket, appended, new = changes[0]
        return [change_ticket(tx, ticket, appended, **new, **same)]
    if not changes:
        return []
    statement = _update_many(tuple(changes[0].values), tuple(same))
    rows = [{"ticket": ticket.id, **new} for ticket, _, new in changes]
    written = {row[0]: row for row in tx.all_many(statement, rows, **{f"new_{name}": same[name] for name in same})}
    return [_publish(tx, _changed(tx, ticket, written[ticket.id], appended)) for ticket, appended, _ in changes]


def change_ticket(tx: Tx, ticket: Ticket, appended: Appended | None = None, **new: Any) -> Ticket:
    """Changes one locked ticket in the way of `change_tickets`. `new`: new values by column."""
    after = _changed(tx, ticket, tx.one(_update_one(tuple(new)), ticket=ticket.id, **new), appended)
    if "contact_id" in new:
        return queries.publish_ticket(tx, ticket.id)  # the summary contains the new contact's name
    return _publish(tx, after)


def publish_entry(tx: Tx, ticket: Ticket, appended: Appended) -> Ticket:
    """Publishes the summary after an entry that changes nothing on the ticket, such as a note."""
    return _publish(tx, _after(tx, ticket, ticket[: len(OWN_COLUMNS)], appended))


def _changed(tx: Tx, before: Ticket, columns: tuple[Any, ...], appended: Appended | None) -> Ticket:
    after = _after(tx, before, columns, appended)
    entry = None if appended is None else appended[0]
    # Most changes are customers' messages on open tickets, which change no episode.
    if before.status != after.status or (entry is not None and entry.author_type == "agent"):
        episodes.note_change(tx, before, after, entry)
    return after


def _after(tx: Tx, ticket: Ticket, columns: tuple[Any, ...], appended: Appended | None) -> Ticket:
    """The summary after a change. `columns`: the ticket's columns, as the database returned them."""
    if appended is None:
        counters = raise_rev(tx, ticket.thread)
    else:
        entry, rev = appended
        counters = rev, entry.seq, entry.public_seq or ticket.last_public_seq
    return Ticket._make((*columns, *counters, *ticket[_OTHERS]))  # type: ignore[misc]


def _publish(tx: Tx, ticket: Ticket) -> Ticket:
    tx.publish(INBOX_TOPIC, ticket)
    return ticket


AWAKE: dict[str, Any] = {"snoozed_until": None, "snoozed_by": None, "woken_for": None}


class Inbound(NamedTuple):
    """A customer's message on their locked ticket. `seq`: the entry's."""

    ticket: Ticket
    appended: Appended | None
    seq: int
    preview: str


def apply_inbound(tx: Tx, messages: Sequence[Inbound], by: str) -> list[Ticket]:
    """Applies customers' messages to different tickets: each ticket becomes open, unread and waiting. `by`: visitor |
    contact."""
    changes = [
        Change(
            ticket,
            appended,
            {"last_inbound_seq": seq, "waiting_since": ticket.waiting_since or tx.now, "preview": preview},
        )
        for ticket, appended, seq, preview in messages
    ]
    return change_tickets(
        tx,
        changes,
        status="open",
        unread=True,
        closing_at=None,
        **AWAKE,
        closed_at=None,
        last_message_at=tx.now,
        preview_by=by,
    )


# Such a ticket is closed before it was opened: the mark by which `facts_of` and the visitor's view know it.
BEGUN_BLOCKED = timedelta(microseconds=-1)


def close_ticket(tx: Tx, ticket: Ticket, appended: Appended, *, begun_blocked: bool = False) -> Ticket:
    """`begun_blocked`: the ticket is of a chat that a blocked visitor begins in this transaction."""
    return change_ticket(
        tx,
        ticket,
        appended,
        status="closed",
        closed_at=ticket.opened_at + BEGUN_BLOCKED if begun_blocked else tx.now,
        closing_at=None,
        **AWAKE,
        waiting_since=None,
        unread=False,
    )
