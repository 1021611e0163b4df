"""Adds who snoozed a ticket, who is told when it wakes, and the index of the wake-up."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tickets", sa.Column("snoozed_by", sa.BigInteger(), nullable=True))
    op.add_column("tickets", sa.Column("woken_for", sa.BigInteger(), nullable=True))
    snoozed = sa.text("snoozed_until IS NOT NULL")
    op.create_index(
        "ix_tickets_snoozed", "tickets", ["snoozed_until", "id"], sqlite_where=snoozed, postgresql_where=snoozed
    )
