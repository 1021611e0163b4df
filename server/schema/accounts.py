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
    Column("language", Text, nullable=False, server_default=""),  # of mail to them; "" until they chose one
    Column("disabled_at", Instant),
    Column("seen_at", Instant),  # presence, with a TTL
    Column("created_at", Instant, nullable=False),
)
# At most one owner (ROL-2), also under concurrent requests.
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
    # of an invitation's second link: the id of the invitation, whose own link an admin copied
    Column("mailed_for", BigInteger),
)

# Failed logins per account and per address; rows older than the window are deleted.
login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Key, primary_key=True),
    Column("subject", Text, nullable=False),  # "account:<email hash>", "address:<ip>", "link:…"
    Column("at", Instant, nullable=False),
    Index("ix_login_failures_subject_at", "subject", "at"),
)

# Keys with which an owner's programs call the API. The secret is shown once.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", Json, nullable=False),  # capabilities of accounts.rules.KEY_SCOPES
    Column("token_hash", Text, nullable=False, unique=True),  # SHA-256
    Column("hint", Text, nullable=False),  # the last characters
    Column("created_by", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("revoked_at", Instant),
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
    Column("actor_type", Text, nullable=False, server_default="agent"),  # accounts.rules.ActorType
    Column("actor_id", BigInteger),  # of the user, API key, flow or import
)
