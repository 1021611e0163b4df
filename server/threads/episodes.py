"""Keeps a ticket's episodes: each time it is open, from its opening to its close, with the first reply.

`changes.py` calls the steps in the transaction of the change, so that a reopened SMS ticket keeps its history. A chat has one
episode, because it is never reopened.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Insert, bindparam, literal, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.events.recording import NOW, record_selected
from server.events.rules import Metric
from server.kernel.columns import Instant
from server.kernel.sql import Conn, Statement, Tx
from server.schema import episodes, tickets, users
from server.threads.entries import Entry
from server.threads.tickets import Ticket

SHOWN = 20  # newest episodes of a ticket


class Episode(NamedTuple):
    """`opened_by`, `closed_by`: visitor | contact | agent | system; an agent has an id and a name. `assignee`: the
    assignee when the episode closed."""

    opened_at: datetime
    opened_by: str
    opened_by_id: int | None
    opened_by_name: str | None
    first_reply_at: datetime | None
    first_reply_by: int | None
    first_reply_by_name: str | None
    closed_at: datetime | None
    closed_by: str | None
    closed_by_id: int | None
    closed_by_name: str | None
    assignee: int | None
    assignee_name: str | None


_begin = insert(episodes).values(
    ticket_id=bindparam("ticket"),
    opened_at=bindparam("at"),
    opened_by=bindparam("opened_by"),
    opened_by_id=bindparam("opened_by_id"),
)


def _event(metric: Metric) -> Insert:
    """The event of a ticket that was opened or closed."""
    ticket = select(tickets).where(tickets.c.id == bindparam("ticket"))
    return record_selected(
        ticket, tickets.c.contact_id, literal(metric.value), tickets.c.channel, NOW, ticket=tickets.c.id
    )


_opened, _closed = _event(Metric.TICKET_OPENED), _event(Metric.TICKET_CLOSED)
_BEGIN, _RECORD_OPENED = Statement(_begin), Statement(_opened)
# Both in one statement for PostgreSQL, where each statement costs a round trip.
_BEGIN_AND_RECORD = Statement(_opened.add_cte(_begin.cte("begun")))
_open = (episodes.c.ticket_id == bindparam("ticket"), episodes.c.closed_at.is_(None))
_NOTE_FIRST_REPLY = Statement(
    update(episodes)
    .where(*_open, episodes.c.first_reply_at.is_(None))
    .values(
        first_reply_at=bindparam("now", type_=Instant),
        first_reply_by=bindparam("user", type_=episodes.c.first_reply_by.type),
    )
)
_end = (
    update(episodes)
    .where(*_open)
    .values(
        closed_at=bindparam("at", type_=Instant),
        closed_by=bindparam("by_type"),
        closed_by_id=bindparam("by_id", type_=episodes.c.closed_by_id.type),
        assignee_id=bindparam("assignee", type_=episodes.c.assignee_id.type),
    )
)
_END, _RECORD_CLOSED = Statement(_end), Statement(_closed)
_END_AND_RECORD = Statement(_closed.add_cte(_end.cte("ended")))


def begin(tx: Tx, ticket: int, by: str, user: int | None = None) -> None:
    tx.run(_BEGIN_AND_RECORD if tx.postgres else _BEGIN, ticket=ticket, at=tx.now, opened_by=by, opened_by_id=user)
    if not tx.postgres:
        tx.run(_RECORD_OPENED, ticket=ticket, at=tx.now)


def note_change(tx: Tx, before: Ticket, after: Ticket, entry: Entry | None) -> None:
    """Begins or ends an episode if the change opens or closes the ticket, and stores an agent's first reply. `entry`:
    the entry of the change; its author made the change."""
    by, user = ("system", None) if entry is None else (entry.author_type, entry.author_id)
    if before.status == "closed" and after.status != "closed":
        begin(tx, after.id, by, user)
    if entry is not None and entry.kind == "message" and entry.author_type == "agent":
        tx.run(_NOTE_FIRST_REPLY, ticket=after.id, now=tx.now, user=user)
    if after.status == "closed" and before.status != "closed":
        end = _END_AND_RECORD if tx.postgres else _END
        tx.run(end, ticket=after.id, at=tx.now, by_type=by, by_id=user, assignee=after.assignee)
        if not tx.postgres:
            tx.run(_RECORD_CLOSED, ticket=after.id, at=tx.now)


_opener, _replier, _closer, _assignee = (users.alias(name) for name in ("opener", "replier", "closer", "assignee"))
_EPISODES = Statement(
    select(
        episodes.c.opened_at,
        episodes.c.opened_by,
        episodes.c.opened_by_id,
        _opener.c.name.label("opened_by_name"),
        episodes.c.first_reply_at,
        episodes.c.first_reply_by,
        _replier.c.name.label("first_reply_by_name"),
        episodes.c.closed_at,
        episodes.c.closed_by,
        episodes.c.closed_by_id,
        _closer.c.name.label("closed_by_name"),
        episodes.c.assignee_id.label("assignee"),
        _assignee.c.name.label("assignee_name"),
    )
    .select_from(
        episodes.outerjoin(_opener, episodes.c.opened_by_id == _opener.c.id)
        .outerjoin(_replier, episodes.c.first_reply_by == _replier.c.id)
        .outerjoin(_closer, episodes.c.closed_by_id == _closer.c.id)
        .outerjoin(_assignee, episodes.c.assignee_id == _assignee.c.id)
    )
    .where(episodes.c.ticket_id == bindparam("ticket"))
    .order_by(episodes.c.id.desc())
    .limit(SHOWN),
    into=Episode,
)


def of_ticket(conn: Conn, ticket: int) -> list[Episode]:
    """The ticket's newest episodes, newest first, at most `SHOWN`. The first is the current one unless the ticket is
    closed."""
    episodes: list[Any] = conn.all(_EPISODES, ticket=ticket)
    return episodes
