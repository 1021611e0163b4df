"""Tables of notifications to users: the bell's list, notices that are not distributed yet, and each user's wishes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from server.kernel.columns import Instant, Key
from server.schema.metadata import metadata

# Notices that are not distributed to users yet. `notifications/delivering.py` deletes the rows that it distributes.
pending_notices = Table(
    "pending_notices",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", Text, nullable=False),  # notifications.rules.Kind
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("user_id", BigInteger, ForeignKey("users.id")),  # null: every user whom the ticket concerns
    Column("count", Integer, nullable=False, server_default="1"),
)

# The bell's list. Notices of one kind that come within a minute are one row.
notifications = Table(
    "notifications",
    metadata,
    Column("id", Key, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),  # the newest of `count` tickets
    Column("count", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("seen_at", Instant),
    Index("ix_notifications_user", "user_id", "at", "id"),
)

# A user without a row has the defaults of `notifications.rules.Wishes`.
notification_wishes = Table(
    "notification_wishes",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    Column("tickets", Text, nullable=False),  # all | mine | none
    Column("mail", Boolean, nullable=False, server_default=text("false")),
    Column("reminder_minutes", Integer, nullable=False, server_default="0"),  # 0: no reminders
    # A reminder has already contained every ticket that has waited since this time or longer.
    Column("reminded_to", Instant),
)
