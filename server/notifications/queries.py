"""Reads a user's notifications and wishes, and the users who may get a notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, bindparam, func, select

from server.accounts.rules import TABLE, Can, is_online
from server.kernel.sql import Conn, Row, Statement
from server.notifications.rules import Wishes
from server.schema import notification_wishes, notifications, tickets, users
from server.threads.tickets import Ticket, select_tickets

PAGE = 50
MAX_COUNTED = 100  # unseen notifications


class Notification(NamedTuple):
    """One row of the bell's list. `ticket`: the newest of `count` tickets."""

    id: int
    kind: str
    ticket: int
    count: int  # type: ignore[assignment]
    at: datetime
    seen: bool


@dataclass(frozen=True, slots=True)
class NotifiedUser:
    """An active user with access to the inbox. `online`: connected and not away."""

    id: int
    email: str
    language: str
    online: bool
    wishes: Wishes
    reminded_to: datetime | None


_LIST = Statement(
    select(
        notifications.c.id,
        notifications.c.kind,
        notifications.c.ticket_id.label("ticket"),
        notifications.c.count,
        notifications.c.at,
        notifications.c.seen_at.is_not(None).label("seen"),
    )
    .where(notifications.c.user_id == bindparam("user"))
    .order_by(notifications.c.at.desc(), notifications.c.id.desc())
    .limit(PAGE),
    into=Notification,
    uses=("ix_notifications_user",),
)
_unseen = (
    select(notifications.c.id)
    .where(notifications.c.user_id == bindparam("user"), notifications.c.seen_at.is_(None))
    .limit(MAX_COUNTED)
    .subquery("unseen")
)
_COUNT_UNSEEN = Statement(select(func.count().label("n")).select_from(_unseen), uses=("ix_notifications_user",))
_TICKETS = Statement(select_tickets().where(tickets.c.id.in_(bindparam("tickets", expanding=True))), into=Ticket)


def _select_users() -> Select[tuple[object, ...]]:
    wishes = notification_wishes.c
    return (
        select(
            users.c.id,
            users.c.email,
            users.c.language,
            users.c.seen_at,
            users.c.away,
            wishes.tickets,
            wishes.mail,
            wishes.reminder_minutes,
            wishes.reminded_to,
        )
        .select_from(users.outerjoin(notification_wishes, wishes.user_id == users.c.id))
        .where(users.c.disabled_at.is_(None), users.c.role.in_(sorted(TABLE[Can.INBOX])))
        .order_by(users.c.id)
    )


_USERS = Statement(_select_users())
_USER = Statement(_select_users().where(users.c.id == bindparam("user")))
_REMINDED_USERS = Statement(_select_users().where(notification_wishes.c.reminder_minutes > 0))


def notifications_of(conn: Conn, user: int) -> tuple[list[Notification], dict[int, Ticket]]:
    """The user's newest notifications, and their tickets by id."""
    rows: list[Notification] = conn.all(_LIST, user=user)
    return rows, tickets_by_id(conn, {row.ticket for row in rows})


def tickets_by_id(conn: Conn, ids: set[int]) -> dict[int, Ticket]:
    return {ticket.id: ticket for ticket in conn.all(_TICKETS, tickets=sorted(ids))}


def count_unseen(conn: Conn, user: int) -> int:
    """The number of unseen notifications, at most `MAX_COUNTED`."""
    return int(conn.value(_COUNT_UNSEEN, user=user))


def notified_users(conn: Conn, now: datetime) -> list[NotifiedUser]:
    return [_user(row, now) for row in conn.all(_USERS)]


def reminded_users(conn: Conn, now: datetime) -> list[NotifiedUser]:
    """The users who want to be reminded of unread tickets."""
    return [_user(row, now) for row in conn.all(_REMINDED_USERS)]


def notified_user(conn: Conn, user: int, now: datetime) -> NotifiedUser | None:
    """None if the user is disabled or has no access to the inbox."""
    row = conn.first(_USER, user=user)
    return None if row is None else _user(row, now)


def _user(row: Row, now: datetime) -> NotifiedUser:
    wishes = Wishes() if row.tickets is None else Wishes(row.tickets, row.mail, row.reminder_minutes)
    online = is_online(row.seen_at, now) and not row.away
    return NotifiedUser(row.id, row.email, row.language or "en", online, wishes, row.reminded_to)
