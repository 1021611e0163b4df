"""The index of what visitors see holds only that: notes, ticks and texts have no place there."""

from alembic import op
from sqlalchemy import text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME, COLUMNS = "uq_timeline_thread_id_public_seq", ["thread_id", "public_seq"]


def upgrade() -> None:
    op.drop_index(NAME, "timeline")
    seen = text("public_seq IS NOT NULL")
    op.create_index(NAME, "timeline", COLUMNS, unique=True, postgresql_where=seen, sqlite_where=seen)
