"""Marks a user's notifications as seen, and saves which notices the user wants."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, null, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.errors import Refused
from server.kernel.columns import Instant
from server.kernel.sql import Statement, Tx
from server.notifications.rules import REMINDER_MINUTES, Wishes, notices_topic
from server.schema import notification_wishes, notifications

_MARK_SEEN = Statement(
    update(notifications)
    .where(
        notifications.c.user_id == bindparam("user"),
        notifications.c.seen_at.is_(None),
        notifications.c.at <= bindparam("until", type_=Instant),
    )
    .values(seen_at=bindparam("now", type_=Instant))
)
_insert = insert(notification_wishes).values(
    user_id=bindparam("user"),
    tickets=bindparam("tickets"),
    mail=bindparam("mail"),
    reminder_minutes=bindparam("minutes"),
    reminded_to=null(),
)
_SAVE_WISHES = Statement(
    _insert.on_conflict_do_update(
        index_elements=["user_id"],
        set_={name: _insert.excluded[name] for name in ("tickets", "mail", "reminder_minutes")},
    )
)


def mark_seen(tx: Tx, agent: Agent, until: datetime) -> None:
    """Marks the agent's notifications up to `until` as seen. `until` is the time of the newest one that the agent saw."""
    if tx.run(_MARK_SEEN, user=agent.id, until=until, now=tx.now):
        tx.publish(notices_topic(agent.id))


def save_wishes(tx: Tx, agent: Agent, wishes: Wishes) -> Wishes:
    """Saves which notices the agent wants. Raises `Refused` for a reminder time that is not offered."""
    if wishes.reminder_minutes not in REMINDER_MINUTES:
        choices = ", ".join(map(str, REMINDER_MINUTES))
        raise Refused(
            "invalid",
            f"Choose one of these numbers of minutes: {choices}.",
            field="reminder_minutes",
            fault="no_choice",
        )
    tx.run(_SAVE_WISHES, user=agent.id, tickets=wishes.tickets, mail=wishes.mail, minutes=wishes.reminder_minutes)
    tx.publish(notices_topic(agent.id))
    return wishes
