"""Gives each draft a revision, so that a write that is based on an older revision is detected."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drafts", sa.Column("rev", sa.BigInteger, nullable=False, server_default="1"))
