"""Presence of agents: `users.seen_at` is updated while an agent has a socket, and counts for `ONLINE_FOR`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select, update

from server.accounts import rules
from server.kernel.columns import Instant
from server.kernel.sql import Conn, Statement, Tx
from server.schema import users

_TEAM_ONLINE = Statement(
    select(func.count().label("n")).where(
        users.c.seen_at >= bindparam("after", type_=Instant),
        ~users.c.away,
        users.c.disabled_at.is_(None),
        users.c.role.in_(sorted(rules.TABLE[rules.Can.INBOX])),
    )
)
_TOUCH = Statement(
    update(users)
    .where(users.c.id.in_(bindparam("ids", expanding=True)))
    .values(seen_at=bindparam("now", type_=Instant))
)
# A later `seen_at` than `touched` comes from another process, where the agent is still connected.
_SET_OFFLINE = Statement(
    update(users)
    .where(users.c.id == bindparam("user"), users.c.seen_at <= bindparam("touched", type_=Instant))
    .values(seen_at=bindparam("left", type_=Instant))
)


def team_online(conn: Conn, now: datetime) -> bool:
    """Is anybody who can answer in the inbox online and not away?"""
    return bool(conn.value(_TEAM_ONLINE, after=now - rules.ONLINE_FOR))


def touch_agents(tx: Tx, user_ids: list[int]) -> None:
    """Updates the presence of agents who have an open socket."""
    tx.run(_TOUCH, ids=user_ids, now=tx.now)


def mark_agent_offline(tx: Tx, user: int, last_seen: datetime, touched: datetime) -> None:
    """Shows the agent as offline from now on, unless another process wrote a presence after `touched`."""
    tx.run(_SET_OFFLINE, user=user, touched=touched, left=min(last_seen, tx.now - rules.ONLINE_FOR))
