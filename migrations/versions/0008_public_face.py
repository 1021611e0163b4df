"""The index of visitors' entries contains only entries that visitors see, and no notes, ticks or texts."""

from alembic import op
from sqlalchemy import text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME, COLUMNS = "uq_timeline_thread_id_public_seq", ["thread_id", "public_seq"]


def upgrade() -> None:
    op.drop_index(NAME, "timeline")
    visible_to_visitors = text("public_seq IS NOT NULL")
    op.create_index(
        NAME, "timeline", COLUMNS, unique=True, postgresql_where=visible_to_visitors, sqlite_where=visible_to_visitors
    )
