"""Adds quick replies."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Key

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quick_replies",
        sa.Column("id", Key, primary_key=True),
        sa.Column("shortcut", sa.Text(), nullable=False),
        sa.Column("shortcut_key", sa.Text(), nullable=False, unique=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
    )
