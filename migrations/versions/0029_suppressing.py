"""Adds who suppressed an address, the index of the list of suppressions, and the runs of soft bounces."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("suppressions", sa.Column("source", sa.Text(), server_default="", nullable=False))
    op.create_index("ix_suppressions_at", "suppressions", ["at", "channel", "address"])
    op.create_table(
        "soft_bounces",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("accepted_since", sa.Integer(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_soft_bounces")),
    )
