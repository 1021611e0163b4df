"""Tables of events: what people did, and how far each reader of them has come."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Table, Text, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata


class transaction_id(FunctionElement[int]):
    """The id of the transaction that inserts the row, on PostgreSQL; 0 on SQLite, which has one writer."""

    inherit_cache = True


@compiles(transaction_id, "postgresql")
def _postgres(element: Any, compiler: Any, **options: Any) -> str:
    return "(pg_current_xact_id()::text::bigint)"


@compiles(transaction_id, "sqlite")
def _sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "0"


# Append-only. `contact_id` has no foreign key, which would cost a look-up and a row lock with every message.
events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True),
    # Readers need the order of the transactions: a smaller id may be committed after a larger one (`events/readers.py`).
    Column("tx_id", BigInteger, nullable=False, server_default=transaction_id()),
    Column("contact_id", BigInteger, nullable=False),
    Column("metric", Text, nullable=False),  # events.rules.Metric, or a name that a program chose
    Column("happened_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("source", Text, nullable=False),  # webchat | sms | email | link | consent | shopify | key:<id>
    Column("data", Json),
    Column("value", BigInteger),  # money, in ten-thousandths of the currency's unit
    Column("currency", Text),  # ISO 4217
    Column("dedupe", Text),  # the same key is stored once
    Column("cause", Text),  # what caused it, if not the contact: "import:7", "clock"
    Index("ix_events_contact", "contact_id", "happened_at", "id"),
    Index("ix_events_metric", "metric", "happened_at", "contact_id"),
    # SQLite must not give the id of a deleted row to a new one: readers have passed it already.
    sqlite_autoincrement=True,
)
# Readers on SQLite need only the primary key, so the index is empty there.
Index("ix_events_order", events.c.tx_id, events.c.id, sqlite_where=text("tx_id > 0"))
Index(
    "uq_events_dedupe",
    events.c.dedupe,
    unique=True,
    postgresql_where=text("dedupe IS NOT NULL"),
    sqlite_where=text("dedupe IS NOT NULL"),
)

# The last event that each reader has handled.
event_bookmarks = Table(
    "event_bookmarks",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("tx_id", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("moved_at", Instant, nullable=False),
)
