"""Adds actions on all tickets of a list."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_changes",
        sa.Column("id", Key, primary_key=True),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("client_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("request", Json(), nullable=False),
        sa.Column("as_of", Instant(), nullable=False),
        sa.Column("place", Json(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("results", Json(), nullable=False),
        sa.Column("undo_results", Json(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.UniqueConstraint("user_id", "client_key"),
    )
    op.create_table(
        "bulk_items",
        sa.Column("bulk_id", sa.BigInteger(), sa.ForeignKey("bulk_changes.id"), primary_key=True),
        sa.Column("ticket_id", sa.BigInteger(), primary_key=True),
        sa.Column("before", Json(), nullable=False),
    )
