"""The owner's list of litigators: people known for suing over texts (CON-8)."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "litigators",
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("added_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_litigators")),
    )
