"""SQLite: whoever writes an entry indexes it; no trigger does.

A statement that fires a trigger into an FTS5 table runs in a savepoint of its own, and FTS5 answers each
savepoint by writing what it has gathered to disk: 30-40 µs a message, and one index segment each, where a
plain insert beside it costs 8 and gathers until COMMIT. Changing and deleting are rare and keep their triggers.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER timeline_fts_insert")
