"""Tables of delivery: senders, outgoing messages, status reports, received texts, credits.

SQLite uses a partial index only if a statement repeats its condition word for word, so the conditions are constants here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    and_,
    text,
)

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# Numbers and names that we send from (CAM-50..51, INB-11).
senders = Table(
    "senders",
    metadata,
    Column("id", Key, primary_key=True),
    Column("address", Text, nullable=False, unique=True),  # E.164, short code, or up to 11 letters
    Column("kind", Text, nullable=False),  # long_code | toll_free | short_code | alphanumeric
    Column("country", Text, nullable=False),  # the number's own country, ISO 3166
    Column("countries", Json, nullable=False),  # the countries that it serves
    Column("mms", Boolean, nullable=False),
    Column("inbound", Boolean, nullable=False),
    Column("rate", Integer, nullable=False),  # segments a second
    Column("enabled", Boolean, nullable=False),
    # why sending was stopped automatically (30032, 21606 …), in words; a person starts it again
    Column("stopped", Text),
    # Token bucket: may go below zero by one message; filled by time.
    Column("tokens", BigInteger, nullable=False, server_default="0"),  # thousandths of a segment
    Column("filled_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# Every outgoing message. The row holds the state; jobs only wake the pump.
outbound = Table(
    "outbound",
    metadata,
    Column("id", Key, primary_key=True),
    # in the URL of the status callback, which identifies the message
    Column("token", Text, nullable=False, unique=True),
    Column("key", Text, unique=True),  # idempotency of the cause: "reply:<thread>:<seq>", "auto:<sid>"
    Column("channel", Text, nullable=False),  # sms | email
    Column("kind", Text, nullable=False),  # delivery.rules.LANES has them all
    Column("purpose", Text, nullable=False),  # consent.rules.Purpose, for the consent gate
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), index=True),  # none: mail to a user
    Column("thread_id", BigInteger, ForeignKey("threads.id")),
    Column("seq", BigInteger),  # of the timeline entry that shows it
    Column("recipient", Text, nullable=False),
    Column("sender", Text),  # chosen at the claim if null
    Column("moved_from", Text),  # the stopped sender that the message goes back to when it starts again
    Column("body", Text, nullable=False),
    Column("media", Json, nullable=False),  # file tokens; any makes it an MMS (CAM-29)
    Column("template", Text),  # of a mail, which is rendered when it is sent
    Column("data", Json),  # the template's arguments, without secrets (G18)
    Column("segments", Integer, nullable=False),
    Column("lane", SmallInteger, nullable=False),  # delivery.rules.Lane
    Column("state", Text, nullable=False),  # delivery.rules.State
    Column("due_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("turn", Integer, nullable=False, server_default="0"),  # fences a stale worker
    Column("attempts", Integer, nullable=False, server_default="0"),  # network calls begun
    Column("sid", Text, unique=True),  # the carrier's message id
    Column("reason", Text, nullable=False, server_default=""),  # the rule or code that decided
    Column("detail", Text, nullable=False, server_default=""),  # in words
    Column("created_at", Instant, nullable=False),
    Column("dispatched_at", Instant),  # commit of the last `sending`: dispatch began (G12)
    Column("settled_at", Instant),
    # Of campaign and flow texts: whose Smart Sending timers block it (delivery.bulk_rules.Smart), and until when it
    # may begin.
    Column("smart", Text),
    Column("expires_at", Instant),
    Index("ix_outbound_thread", "thread_id", "seq"),
)
# Until when Smart Sending blocks further messages to an address (SMA-1 to SMA-8). `until` is set when a send begins and
# is not changed by later settings.
smart_timers = Table(
    "smart_timers",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # campaign | flow
    Column("until", Instant, nullable=False),
    Column("outbound_id", BigInteger, nullable=False),  # the message that started it; its own retry is not blocked
)
# What was mailed to a contact, as agents read it: without the links that sign somebody in (G18).
mail_copies = Table(
    "mail_copies",
    metadata,
    Column("outbound_id", BigInteger, ForeignKey("outbound.id"), primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
)
# One partial index for each query for unfinished messages. Settled messages are in none of these indexes.
QUEUED = "state = 'queued'"
MOVED = "state = 'queued' AND moved_from IS NOT NULL"


def in_turn(table: FromClause) -> ColumnElement[bool]:
    """Urgent messages without an outcome. The next message of the same thread waits for them."""
    return and_(table.c.lane <= 2, table.c.state.in_(("claimed", "queued", "sending")))


IN_TURN = "lane <= 2 AND state IN ('claimed', 'queued', 'sending')"


def _partial(name: str, where: str, *columns: Any) -> None:
    Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


_partial(
    "ix_outbound_due",
    QUEUED,
    outbound.c.channel,
    outbound.c.sender,
    outbound.c.lane,
    outbound.c.due_at,
    outbound.c.id,
)
_partial("ix_outbound_moved", MOVED, outbound.c.moved_from, outbound.c.id)
_partial("ix_outbound_in_turn", IN_TURN, outbound.c.thread_id, outbound.c.id)
_partial("ix_outbound_claimed", "state = 'claimed'", outbound.c.claimed_until)
_partial("ix_outbound_sending", "state = 'sending'", outbound.c.dispatched_at)
_partial("ix_outbound_unknown", "state = 'unknown'", outbound.c.id)

# Status reports of the carrier. An unmatched report waits until its message is known (G10).
carrier_reports = Table(
    "carrier_reports",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sid", Text, nullable=False, index=True),
    Column("outbound_id", BigInteger, ForeignKey("outbound.id")),
    Column("status", Text, nullable=False),
    Column("error", Text, nullable=False, server_default=""),
    Column("params", Json, nullable=False),  # every parameter, kept
    Column("at", Instant, nullable=False),
)

# Two indexes, because with one SQLite would read all unmatched reports to find those of one message.
_partial("ix_carrier_reports_outbound_id", "outbound_id IS NOT NULL", carrier_reports.c.outbound_id)
_partial("ix_carrier_reports_parked", "outbound_id IS NULL", carrier_reports.c.sid)

# Received texts by the carrier's id, which deduplicates them (G9). Every parameter is kept.
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

# Charges per message (CAM-41..45); free messages have no row.
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

# Sums of the charges by day, because a month can have a million of them. The transaction of a charge adds it here.
credit_days = Table(
    "credit_days",
    metadata,
    Column("day", Instant, primary_key=True),  # its start, UTC
    Column("kind", Text, primary_key=True),
    Column("country", Text, primary_key=True),
    Column("messages", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
)
