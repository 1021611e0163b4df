"""Adds when a contact was blocked."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("blocked_at", Instant(), nullable=True))
    blocked = sa.text("blocked_at IS NOT NULL")
    op.create_index("ix_contacts_blocked", "contacts", ["blocked_at"], sqlite_where=blocked, postgresql_where=blocked)
