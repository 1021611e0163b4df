"""Adds when a contact was erased."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("erased_at", Instant(), nullable=True))
