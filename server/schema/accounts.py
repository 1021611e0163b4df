"""Tables of accounts: users, sessions, links, audit."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

users = Table(
    "users",
    metadata,
    Column("id", Key, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),  # accounts.rules.ROLES
    Column("password_hash", Text),  # argon2id; null until the invitation is accepted
    Column("away", Boolean, nullable=False, server_default=text("false")),
    Column("disabled_at", Instant),
    Column("seen_at", Instant),  # presence, with a TTL
    Column("created_at", Instant, nullable=False),
)
# An account has exactly one owner (ROL-2); the database says so, whoever races.
Index(
    "uq_users_owner",
    users.c.role,
    unique=True,
    postgresql_where=text("role = 'owner'"),
    sqlite_where=text("role = 'owner'"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token_hash", Text, nullable=False, unique=True),  # SHA-256 of the cookie
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("user_agent", Text, nullable=False),
    Column("address", Text, nullable=False),
)

# Single-use links: sign in, accept an invitation, set a new password.
links = Table(
    "links",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("purpose", Text, nullable=False),  # signin | invite | reset
    Column("user_id", BigInteger, ForeignKey("users.id")),
    Column("email", Text),  # invite
    Column("role", Text),  # invite
    Column("created_by", BigInteger, ForeignKey("users.id")),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

# Wrong passwords, counted per account and per address; rows older than the window are swept.
login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Key, primary_key=True),
    Column("subject", Text, nullable=False),  # "account:<email hash>" or "address:<ip>"
    Column("at", Instant, nullable=False),
    Index("ix_login_failures_subject_at", "subject", "at"),
)

# Who did what to accounts and settings; append-only.
audit = Table(
    "audit",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("user_id", BigInteger),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False, server_default=""),
    Column("detail", Json, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
)
