"""One mail thread per contact."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "uq_threads_email",
        "threads",
        ["contact_id"],
        unique=True,
        postgresql_where=sa.text("channel = 'email'"),
        sqlite_where=sa.text("channel = 'email'"),
    )
