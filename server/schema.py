"""Every table: the best introduction to the program. Migrations create exactly this (a test compares).

Integer keys inside and towards agents; unguessable tokens for whatever a visitor can see. Times are
`Instant`: aware UTC in Python, microseconds in the database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from server.kernel.columns import Instant, Json, Key

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# --- kernel -------------------------------------------------------------------------------------

# What an owner can change at run time, one JSON document per area ("widget", "identity").
settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Json, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

# Later work (DESIGN 8). `run_at` is schedule and lease at once; `turn` fences a stale worker.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, unique=True),  # at most one waiting job per key; enqueueing it again moves it
    Column("payload", Json, nullable=False),
    Column("priority", Integer, nullable=False),  # 0 replies, 10 flows, 20 campaigns, 30 upkeep
    Column("run_at", Instant, nullable=False),
    Column("again_at", Instant),  # asked for again while it was being run
    Column("running", Boolean, nullable=False, server_default=text("false")),
    Column("turn", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("dead", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    Column("node", Text),  # of the process that runs it; see `processes`
    Index("ix_jobs_due", "priority", "run_at", postgresql_where=text("NOT dead"), sqlite_where=text("dead = 0")),
)

# PostgreSQL only: each process says every few seconds that it is there (kernel/processes.py).
processes = Table(
    "processes",
    metadata,
    Column("node", Text, primary_key=True),
    Column("web", Boolean, nullable=False),
    Column("worker", Boolean, nullable=False),
    Column("version", Text, nullable=False),
    Column("seen_at", Instant, nullable=False),  # by the database server's clock
)

# --- accounts -----------------------------------------------------------------------------------

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

# --- contacts -----------------------------------------------------------------------------------

# A person. What a visitor typed is on `visitors`; here stands what is known (IDN-1).
contacts = Table(
    "contacts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("external_id", Text, unique=True),  # `sub` of a signed identity token
    Column("name", Text, nullable=False, server_default=""),
    Column("email", Text, index=True),
    Column("phone", Text, index=True),  # E.164
    Column("merged_into", BigInteger, ForeignKey("contacts.id")),
    Column("created_at", Instant, nullable=False),
)

# A browser (anonymous: the hash of its token) or a signed-in person ("ext:<sub>") on a website.
# Nothing is stored before the first message.
visitors = Table(
    "visitors",
    metadata,
    Column("id", Key, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("thread_id", BigInteger),  # the current chat; a new one starts when it is closed (AMB-37)
    Column("email", Text),  # typed, unverified: selects no contact, grants nothing
    Column("name", Text),
    Column("page_url", Text, nullable=False, server_default=""),
    Column("page_title", Text, nullable=False, server_default=""),
    Column("referrer", Text, nullable=False, server_default=""),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("locale", Text, nullable=False, server_default=""),
    Column("time_zone", Text, nullable=False, server_default=""),
    Column("seen_at", Instant),  # presence, with a TTL
    Column("created_at", Instant, nullable=False),
)

# --- inbox --------------------------------------------------------------------------------------

# One SMS thread per contact for life, one chat thread per session. Its row is the lock that gives order.
threads = Table(
    "threads",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token", Text, nullable=False, unique=True),  # what a visitor sees instead of the id
    Column("channel", Text, nullable=False),  # webchat | sms
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("visitor_id", BigInteger, ForeignKey("visitors.id"), index=True),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("last_public_seq", BigInteger, nullable=False, server_default="0"),
    Column("rev", BigInteger, nullable=False, server_default="0"),  # of the ticket's summary
    Column("visitor_seen", BigInteger, nullable=False, server_default="0"),  # seq read by the visitor
    Column("team_seen", BigInteger, nullable=False, server_default="0"),  # seq read by the team
    Column("changed_at", Instant, nullable=False, index=True),  # for the sweep that repairs lost doorbells
    Column("created_at", Instant, nullable=False),
)

# The desk's view of a thread, born with the customer's first message.
tickets = Table(
    "tickets",
    metadata,
    Column("id", Key, primary_key=True),
    Column("thread_id", BigInteger, ForeignKey("threads.id"), nullable=False, unique=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),  # open | snoozed | closed (INB-30)
    Column("unread", Boolean, nullable=False),
    Column("assignee_id", BigInteger, ForeignKey("users.id")),
    Column("snoozed_until", Instant),
    Column("closing_at", Instant),  # a held close of a chat (INB-26)
    Column("last_inbound_seq", BigInteger, nullable=False, server_default="0"),  # reading less leaves it unread
    Column("waiting_since", Instant),  # oldest customer message without an answer
    Column("preview", Text, nullable=False, server_default=""),
    Column("preview_by", Text, nullable=False, server_default="visitor"),
    Column("last_message_at", Instant, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    # Lists are keyset-paged along these; `id` breaks ties.
    Index("ix_tickets_list", "status", "last_message_at", "id"),
    Index("ix_tickets_channel", "status", "channel", "last_message_at", "id"),
    Index("ix_tickets_mine", "assignee_id", "status", "last_message_at", "id"),
    Index("ix_tickets_waiting", "status", "waiting_since", "id"),
)
# The badge counts unread tickets; a partial index keeps that to the few that are.
Index(
    "ix_tickets_unread",
    tickets.c.status,
    postgresql_where=text("unread"),
    sqlite_where=text("unread = 1"),
)

# Append-only: every visible change to a conversation is one row. A change to an earlier row is a
# new row whose `ref_seq` points back. `public_seq` is a visitor's own dense counter, null for notes.
timeline = Table(
    "timeline",
    metadata,
    Column("id", Key, primary_key=True),
    Column("thread_id", BigInteger, ForeignKey("threads.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("public_seq", BigInteger),
    Column("kind", Text, nullable=False),  # message note status assigned seen contact redacted
    Column("author_type", Text, nullable=False),  # visitor contact agent system
    Column("author_id", BigInteger),
    Column("author_name", Text, nullable=False, server_default=""),
    Column("body", Text, nullable=False, server_default=""),
    Column("data", Json, nullable=False),
    Column("ref_seq", BigInteger),
    Column("dedupe", Text, unique=True),  # "web:<visitor>:<key>", "agent:<user>:<key>", "twilio:<sid>"
    Column("body_hash", Text),  # same key with another body is a conflict
    Column("at", Instant, nullable=False),
    UniqueConstraint("thread_id", "seq"),
    Index("uq_timeline_thread_id_public_seq", "thread_id", "public_seq", unique=True),
)
# A page is 50 messages and what points at them, so that ticks never fill it (DESIGN 5).
Index(
    "ix_timeline_messages",
    timeline.c.thread_id,
    timeline.c.seq,
    postgresql_where=text("kind IN ('message', 'note')"),
    sqlite_where=text("kind IN ('message', 'note')"),
)
Index(
    "ix_timeline_ref",
    timeline.c.thread_id,
    timeline.c.ref_seq,
    postgresql_where=text("ref_seq IS NOT NULL"),
    sqlite_where=text("ref_seq IS NOT NULL"),
)

# Bytes are in the files folder under `token`; a file belongs to nobody until an entry names it.
attachments = Table(
    "attachments",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),  # "agent:<user>" or "web:<visitor key>"
    Column("thread_id", BigInteger, ForeignKey("threads.id"), index=True),
    Column("public", Boolean, nullable=False, server_default=text("false")),  # stands in a public entry
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# What an agent has typed and not sent; follows them across devices.
drafts = Table(
    "drafts",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), primary_key=True),
    Column("mode", Text, nullable=False),  # reply | note
    Column("body", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# Where the widget was met: the "we saw it" check of Settings.
sites_seen = Table(
    "sites_seen",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("page", Text, nullable=False),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
)
