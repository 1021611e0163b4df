"""Tables of the inbox: threads, tickets, the timeline, files, drafts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# One SMS thread per contact for life, one chat thread per session. Its row is the lock that gives order.
threads = Table(
    "threads",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token", Text, nullable=False, unique=True),  # what a visitor sees instead of the id
    Column("channel", Text, nullable=False),  # webchat | sms
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("visitor_id", BigInteger, ForeignKey("visitors.id"), index=True),
    # SMS: whom it is with, as the carrier names them (a number, a short code, "whatsapp:+…"), and our number they use.
    Column("peer", Text),
    Column("sender", Text),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("last_public_seq", BigInteger, nullable=False, server_default="0"),
    Column("rev", BigInteger, nullable=False, server_default="0"),  # of the ticket's summary
    Column("visitor_seen", BigInteger, nullable=False, server_default="0"),  # seq read by the visitor
    Column("team_seen", BigInteger, nullable=False, server_default="0"),  # seq read by the team
    Column("changed_at", Instant, nullable=False, index=True),  # for the sweep that repairs lost doorbells
    Column("created_at", Instant, nullable=False),
)
# One SMS thread per contact for life (INB-21); the database says so, whoever races.
Index(
    "uq_threads_sms",
    threads.c.contact_id,
    unique=True,
    postgresql_where=text("channel = 'sms'"),
    sqlite_where=text("channel = 'sms'"),
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
    Column("barred", Text),  # SMS: why no reply may be sent (consent.rules.Barred); the gate asks again at each send
    Column("stop_asked", Boolean, nullable=False, server_default=text("false")),  # wants one tap of an agent (AMB-1)
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
# new row whose `ref_seq` points back. `public_seq` is a visitor's own dense counter, null for what they do not see.
timeline = Table(
    "timeline",
    metadata,
    Column("id", Key, primary_key=True),
    Column("thread_id", BigInteger, ForeignKey("threads.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("public_seq", BigInteger),
    Column("kind", Text, nullable=False),  # message note status assigned seen contact delivery consent redacted
    Column("author_type", Text, nullable=False),  # visitor contact agent system
    Column("author_id", BigInteger),
    Column("author_name", Text, nullable=False, server_default=""),
    Column("body", Text, nullable=False, server_default=""),
    Column("data", Json, nullable=False),
    Column("ref_seq", BigInteger),
    Column("dedupe", Text, unique=True),  # "web:<visitor>:<key>", "agent:<user>:<key>"
    Column("body_hash", Text),  # same key with another body is a conflict
    Column("at", Instant, nullable=False),
    UniqueConstraint("thread_id", "seq"),
)
Index(
    "uq_timeline_thread_id_public_seq",
    timeline.c.thread_id,
    timeline.c.public_seq,
    unique=True,
    postgresql_where=text("public_seq IS NOT NULL"),
    sqlite_where=text("public_seq IS NOT NULL"),
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
    Column("size", BigInteger, nullable=False),  # 0: not fetched from the carrier yet
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
