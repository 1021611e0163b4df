"""SQLite: the code that writes an entry also indexes it, instead of a trigger.

A statement that fires a trigger into an FTS5 table runs in its own savepoint, and FTS5 writes its buffer to disk at
each savepoint: 30-40 µs and one index segment per message, while a plain insert costs 8 µs and is buffered until
COMMIT. Updates and deletes are rare and keep their triggers.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER timeline_fts_insert")
