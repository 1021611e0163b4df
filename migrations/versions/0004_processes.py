"""Which processes work on a PostgreSQL database, and which of them holds a job.

A worker that dies no longer keeps its jobs for a whole lease, and `threadline doctor` sees who is there.
"""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("web", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_processes")),
    )
    op.add_column("jobs", sa.Column("node", sa.Text(), nullable=True))
