"""Tables of campaigns and of receipts: what became of each person whom a campaign or a flow wanted to reach."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),  # campaigns.rules.State
    Column("reason", Text, nullable=False, server_default=""),  # why it is paused, cancelled or failed
    Column("include", Json, nullable=False),  # {"lists": [ids], "segments": [ids]}
    Column("exclude", Json, nullable=False),
    Column("content", Json, nullable=False),  # campaigns.content.Content
    Column("smart", Text, nullable=False),  # delivery.bulk_rules.Smart
    Column("audience_at", Text, nullable=False),  # approval | send (CAM-49)
    Column("edits", Integer, nullable=False, server_default=text("0")),  # each edit of the draft counts
    Column("time_zone", Text, nullable=False, server_default=""),
    Column("scheduled_at", Instant),  # when it starts; of a draft that was scheduled: the old time
    Column("approved_by", BigInteger, ForeignKey("users.id")),
    # The receipts are complete up to this contact. None: receipts of an earlier approval may still exist.
    Column("prepared_to", BigInteger),
    Column("started_at", Instant),
    Column("ends_at", Instant),  # nothing is sent after it (CAM-48)
    Column("finished_at", Instant),
    # Outcomes before the last resume; they do not pause the campaign again.
    Column("forgiven", Json),
    Column("review", Json),  # campaigns.review: the result or the progress
    Column("review_of", Integer),  # `edits` of the reviewed draft
    Column("created_by", BigInteger, ForeignKey("users.id")),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_campaigns_changed", "changed_at", "id"),
)

# One row per cause and person (OUT-1). `cause`: "campaign:7".
receipts = Table(
    "receipts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("address", Text, nullable=False),  # E.164 at the snapshot; "": the person has no phone number
    Column("country", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False),  # receipts.rules.State
    Column("reason", Text, nullable=False, server_default=""),  # receipts.rules.Reason
    Column("detail", Text, nullable=False, server_default=""),  # the value that decided, for people
    Column("outbound_id", BigInteger, ForeignKey("outbound.id"), unique=True),
    Column("at", Instant, nullable=False),  # of the state
    Column("sent_at", Instant),
    Column("clicked_at", Instant),
    Column("clicks", Integer, nullable=False, server_default=text("0")),
    Column("replied_at", Instant),  # the reply that is credited to it (KEY-14)
    Column("reply_thread", BigInteger),
    Column("reply_seq", BigInteger),
    Index("uq_receipts_cause_contact_id", "cause", "contact_id", unique=True),
    Index("ix_receipts_state", "cause", "state", "reason", "id"),
)


def _partial(name: str, where: str, *columns: Any, unique: bool = False) -> None:
    Index(name, *columns, unique=unique, postgresql_where=text(where), sqlite_where=text(where))


# Two people with one number get one message (CAM-5).
_partial("uq_receipts_address", "outbound_id IS NOT NULL", receipts.c.cause, receipts.c.address, unique=True)
_partial("ix_receipts_waiting", "state = 'waiting'", receipts.c.cause, receipts.c.country, receipts.c.id)
_partial("ix_receipts_sent", "sent_at IS NOT NULL", receipts.c.address, receipts.c.sent_at)
