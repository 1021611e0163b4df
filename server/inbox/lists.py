"""Ticket lists with keyset pagination along the indexes of `tickets`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, tuple_

from server.kernel.columns import from_micros, to_micros
from server.kernel.sql import Conn, Statement
from server.schema import tickets
from server.threads.tickets import Ticket, select_tickets
from server.web.paging import Key, Place


@dataclass(frozen=True, slots=True)
class ListQuery:
    """An agent's list request."""

    status: str
    channel: str | None
    view: str  # all | mine | unassigned
    sort: str  # newest | oldest | waiting
    user: int
    limit: int
    place: Place = field(default_factory=Place)


_STATEMENTS: dict[tuple[Any, ...], Statement] = {}


def _list_statement(shape: tuple[bool, str, str, str]) -> Statement:
    statement = _STATEMENTS.get(shape)
    if statement is None:
        by_channel, view, sort, direction = shape
        query = select_tickets().where(tickets.c.status == bindparam("status"))
        if by_channel:
            query = query.where(tickets.c.channel == bindparam("channel"))
        if view == "mine":
            query = query.where(tickets.c.assignee_id == bindparam("user"))
        elif view == "unassigned":
            query = query.where(tickets.c.assignee_id.is_(None))
        column = tickets.c.waiting_since if sort == "waiting" else tickets.c.last_message_at
        if sort == "waiting":
            query = query.where(column.is_not(None))
        row_key = tuple_(column, tickets.c.id)
        cursor = tuple_(bindparam("cursor_at", type_=column.type), bindparam("cursor_id", type_=tickets.c.id.type))
        # Rows before a cursor are read in reverse order, so that the rows nearest to it come first.
        if (sort == "newest") != (direction == "before"):
            query = query.order_by(column.desc(), tickets.c.id.desc())
            query = query.where(row_key < cursor) if direction else query
        else:
            query = query.order_by(column, tickets.c.id)
            query = query.where(row_key > cursor) if direction else query
        statement = _STATEMENTS[shape] = Statement(query.limit(bindparam("n")), into=Ticket)
    return statement


_COUNTS: dict[tuple[bool, str, bool], Statement] = {}


def _count_statement(shape: tuple[bool, str, bool]) -> Statement:
    statement = _COUNTS.get(shape)
    if statement is None:
        by_channel, view, waiting = shape
        query = select(func.count()).select_from(tickets).where(tickets.c.status == bindparam("status"))
        query = query.where(tickets.c.last_message_at <= bindparam("as_of", type_=tickets.c.last_message_at.type))
        if by_channel:
            query = query.where(tickets.c.channel == bindparam("channel"))
        if view == "mine":
            query = query.where(tickets.c.assignee_id == bindparam("user"))
        elif view == "unassigned":
            query = query.where(tickets.c.assignee_id.is_(None))
        if waiting:
            query = query.where(tickets.c.waiting_since.is_not(None))
        statement = _COUNTS[shape] = Statement(query)
    return statement


def count_tickets(conn: Conn, query: ListQuery, as_of: datetime) -> int:
    """The number of tickets of a list without a message after `as_of`."""
    statement = _count_statement((query.channel is not None, query.view, query.sort == "waiting"))
    return int(conn.value(statement, status=query.status, channel=query.channel, user=query.user, as_of=as_of))


def list_tickets(conn: Conn, query: ListQuery) -> list[Ticket]:
    """Up to `limit` tickets before or after the cursor in `place`, nearest to the cursor first."""
    key = query.place.key
    return conn.all(
        _list_statement((query.channel is not None, query.view, query.sort, query.place.direction)),
        status=query.status,
        channel=query.channel,
        user=query.user,
        cursor_at=None if key is None else from_micros(key[0]),
        cursor_id=None if key is None else key[1],
        n=query.limit,
    )


def key_of(ticket: Ticket, sort: str) -> Key:
    """The ticket's place in a list, for a cursor."""
    sort_time = ticket.waiting_since if sort == "waiting" else ticket.last_message_at
    assert sort_time is not None
    return to_micros(sort_time), ticket.id
