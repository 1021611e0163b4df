"""Adds events and the bookmarks of their readers."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "events",
        sa.Column("id", Key, primary_key=True),
        sa.Column(
            "tx_id",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("(pg_current_xact_id()::text::bigint)" if postgres else "0"),
        ),
        sa.Column("contact_id", sa.BigInteger, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("happened_at", Instant, nullable=False),
        sa.Column("recorded_at", Instant, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("data", Json),
        sa.Column("value", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("dedupe", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_contact", "events", ["contact_id", "happened_at", "id"])
    op.create_index("ix_events_order", "events", ["tx_id", "id"], sqlite_where=sa.text("tx_id > 0"))
    given = sa.text("dedupe IS NOT NULL")
    op.create_index("uq_events_dedupe", "events", ["dedupe"], unique=True, postgresql_where=given, sqlite_where=given)
    op.create_table(
        "event_bookmarks",
        sa.Column("reader", sa.Text, primary_key=True),
        sa.Column("tx_id", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        sa.Column("moved_at", Instant, nullable=False),
    )
