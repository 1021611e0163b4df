"""Adds the tables of the connected shop: orders, lines, refunds, carts, handled webhooks."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", Key, primary_key=True),
        sa.Column("shop_id", sa.Text, nullable=False, unique=True),
        sa.Column("contact_id", sa.BigInteger, sa.ForeignKey("contacts.id")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "currency")),
        sa.Column("total", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("financial", "fulfilment")),
        sa.Column("status_url", sa.Text, nullable=False, server_default=""),
        sa.Column("test", sa.Boolean, nullable=False),
        sa.Column("placed_at", Instant, nullable=False),
        sa.Column("cancelled_at", Instant),
        *(sa.Column(name, Instant, nullable=False) for name in ("updated_at", "recorded_at")),
    )
    op.create_index("ix_orders_contact", "orders", ["contact_id", "placed_at", "id"])
    op.create_table(
        "order_lines",
        sa.Column("id", Key, primary_key=True),
        sa.Column("order_id", sa.BigInteger, sa.ForeignKey("orders.id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("shop_id", "title", "variant", "sku")),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("order_id", "shop_id"),
    )
    op.create_table(
        "refunds",
        sa.Column("id", Key, primary_key=True),
        sa.Column("shop_id", sa.Text, nullable=False, unique=True),
        sa.Column("order_shop_id", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        *(sa.Column(name, Instant, nullable=False) for name in ("refunded_at", "recorded_at")),
    )
    op.create_index("ix_refunds_order_shop_id", "refunds", ["order_shop_id"])
    op.create_table(
        "carts",
        sa.Column("id", Key, primary_key=True),
        sa.Column("shop_id", sa.Text, nullable=False, unique=True),
        sa.Column("contact_id", sa.BigInteger, sa.ForeignKey("contacts.id")),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("completed_at", Instant),
        *(sa.Column(name, Instant, nullable=False) for name in ("updated_at", "recorded_at")),
    )
    op.create_index("ix_carts_contact_id", "carts", ["contact_id"])
    op.create_table(
        "shop_webhooks",
        sa.Column("id", Key, primary_key=True),
        sa.Column("webhook_id", sa.Text, nullable=False, unique=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
    )
