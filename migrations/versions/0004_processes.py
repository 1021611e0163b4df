"""Records which processes work on a PostgreSQL database, and which of them runs a job.

The jobs of a dead worker are released before their lease expires, and `threadline doctor` lists the processes.
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
