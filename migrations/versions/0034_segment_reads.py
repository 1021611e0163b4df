"""Adds indexes that filters use. Changes of contacts are events, so segments need no queue of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("segment_queue")
    op.create_index("ix_consents_purpose", "consents", ["purpose", "status", "contact_id"])
    paused = sa.text("paused_at IS NOT NULL")
    op.create_index("ix_consents_paused", "consents", ["contact_id"], sqlite_where=paused, postgresql_where=paused)
