"""Tables of the connected shop: orders, their lines, refunds, carts, and the webhooks that were handled."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# Amounts are ten-thousandths of the currency's unit. `shop_id`: the id in the shop.
orders = Table(
    "orders",
    metadata,
    Column("id", Key, primary_key=True),
    Column("shop_id", Text, nullable=False, unique=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id")),  # none: the order names nobody
    Column("name", Text, nullable=False),  # "#1001"
    Column("currency", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("financial", Text, nullable=False),  # paid, pending, refunded …, in the shop's words
    Column("fulfilment", Text, nullable=False),  # unfulfilled, partial, fulfilled
    Column("status_url", Text, nullable=False, server_default=""),
    Column("test", Boolean, nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("cancelled_at", Instant),
    Column("updated_at", Instant, nullable=False),  # in the shop; an older state never replaces a newer one
    Column("recorded_at", Instant, nullable=False),
    Index("ix_orders_contact", "contact_id", "placed_at", "id"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("id", Key, primary_key=True),
    Column("order_id", BigInteger, ForeignKey("orders.id"), nullable=False),
    Column("shop_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),  # of one
    UniqueConstraint("order_id", "shop_id"),
)

# A refund can arrive before its order, so it names the order by the shop's id.
refunds = Table(
    "refunds",
    metadata,
    Column("id", Key, primary_key=True),
    Column("shop_id", Text, nullable=False, unique=True),
    Column("order_shop_id", Text, nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("refunded_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

carts = Table(
    "carts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("shop_id", Text, nullable=False, unique=True),  # the checkout's token
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), index=True),
    Column("currency", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("lines", Json, nullable=False),  # [{title, quantity}]
    Column("url", Text, nullable=False),  # opens the cart again
    Column("started_at", Instant, nullable=False),
    Column("completed_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

# Handled webhooks: the shop repeats a webhook with the same id.
shop_webhooks = Table(
    "shop_webhooks",
    metadata,
    Column("id", Key, primary_key=True),
    Column("webhook_id", Text, nullable=False, unique=True),
    Column("topic", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
