"""Tables of delivery: senders, everything that is sent, what the carrier said, what it cost."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# Numbers and names we send from (CAM-50..51, INB-11).
senders = Table(
    "senders",
    metadata,
    Column("id", Key, primary_key=True),
    Column("address", Text, nullable=False, unique=True),  # E.164, short code, or up to 11 letters
    Column("kind", Text, nullable=False),  # long_code | toll_free | short_code | alphanumeric
    Column("country", Text, nullable=False),  # where it is at home, ISO 3166
    Column("countries", Json, nullable=False),  # that it serves
    Column("mms", Boolean, nullable=False),
    Column("inbound", Boolean, nullable=False),
    Column("rate", Integer, nullable=False),  # segments a second
    Column("enabled", Boolean, nullable=False),
    Column("stopped", Text),  # why the machine stopped it (30032, 21606 …), in words; a person starts it again
    # Token bucket (DESIGN 9c): may go below zero by one message; filled by time.
    Column("tokens", BigInteger, nullable=False, server_default="0"),  # thousandths of a segment
    Column("filled_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# Everything the brand sends, through one door (DESIGN 1.5). The row decides; jobs only wake.
outbound = Table(
    "outbound",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token", Text, nullable=False, unique=True),  # in the status callback's address: settles what is unclear
    Column("key", Text, unique=True),  # idempotency of the cause: "reply:<thread>:<seq>", "auto:<sid>"
    Column("channel", Text, nullable=False),  # sms
    Column("kind", Text, nullable=False),  # reply | auto_reply | keyword | opt_in
    Column("purpose", Text, nullable=False),  # consent.rules.Purpose: what the gate is asked
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("thread_id", BigInteger, ForeignKey("threads.id")),
    Column("seq", BigInteger),  # of the timeline entry that shows it
    Column("recipient", Text, nullable=False),
    Column("sender", Text),  # chosen when it is claimed, unless the cause named one
    Column("body", Text, nullable=False),
    Column("media", Json, nullable=False),  # file tokens; any makes it an MMS (CAM-29)
    Column("segments", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),  # delivery.rules.State
    Column("due_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("turn", Integer, nullable=False, server_default="0"),  # fences a stale worker
    Column("attempts", Integer, nullable=False, server_default="0"),  # network calls begun
    Column("sid", Text, unique=True),  # the carrier's
    Column("reason", Text, nullable=False, server_default=""),  # the rule or code that decided
    Column("detail", Text, nullable=False, server_default=""),  # in words
    Column("created_at", Instant, nullable=False),
    Column("dispatched_at", Instant),  # commit of the last `sending`: dispatch began (G12)
    Column("settled_at", Instant),
    Index("ix_outbound_thread", "thread_id", "seq"),
)
# What is due, and what may be stuck; a million settled rows are in neither.
Index(
    "ix_outbound_due",
    outbound.c.priority,
    outbound.c.due_at,
    postgresql_where=text("state IN ('queued', 'claimed')"),
    sqlite_where=text("state IN ('queued', 'claimed')"),
)
Index(
    "ix_outbound_open",
    outbound.c.state,
    outbound.c.dispatched_at,
    postgresql_where=text("state IN ('sending', 'unknown')"),
    sqlite_where=text("state IN ('sending', 'unknown')"),
)

# What the carrier told about a message, raw. Unmatched ones are parked until their message is known (G10).
carrier_reports = Table(
    "carrier_reports",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sid", Text, nullable=False, index=True),
    Column("outbound_id", BigInteger, ForeignKey("outbound.id"), index=True),
    Column("status", Text, nullable=False),
    Column("error", Text, nullable=False, server_default=""),
    Column("params", Json, nullable=False),  # every parameter, kept
    Column("at", Instant, nullable=False),
)

# Texts that came in, by the carrier's id: what makes receiving them exact (G9). Every parameter is kept.
carrier_inbound = Table(
    "carrier_inbound",
    metadata,
    Column("sid", Text, primary_key=True),
    Column("idempotency_token", Text, unique=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id")),
    Column("thread_id", BigInteger, ForeignKey("threads.id")),
    Column("meaning", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("at", Instant, nullable=False),
)

# What was charged for what (CAM-41..45); free sends have no row.
credits = Table(
    "credits",
    metadata,
    Column("id", Key, primary_key=True),
    Column("outbound_id", BigInteger, ForeignKey("outbound.id"), nullable=False, unique=True),
    Column("at", Instant, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("mms", Boolean, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("each", Integer, nullable=False),
    Column("total", Integer, nullable=False),
)
