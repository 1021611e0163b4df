"""SQLite: a message is indexed some time after it was stored (inbox/search.py).

An entry that is changed or deleted may not be indexed yet, and deleting a missing entry damages an FTS5 index. So the
triggers check how far the indexing has come.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXED = "old.id <= (SELECT coalesce(max(id), 0) FROM timeline_fts_docsize)"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("DROP TRIGGER timeline_fts_update")
    op.execute("DROP TRIGGER timeline_fts_delete")
    op.execute(
        f"""CREATE TRIGGER timeline_fts_update AFTER UPDATE OF body ON timeline
        WHEN old.kind IN ('message', 'note') AND old.author_type <> 'system' AND {INDEXED}
        BEGIN
            INSERT INTO timeline_fts(timeline_fts, rowid, body) SELECT 'delete', old.id, old.body WHERE old.body <> '';
            INSERT INTO timeline_fts(rowid, body) SELECT new.id, new.body WHERE new.body <> '';
        END"""
    )
    op.execute(
        f"""CREATE TRIGGER timeline_fts_delete AFTER DELETE ON timeline
        WHEN old.kind IN ('message', 'note') AND old.author_type <> 'system' AND old.body <> '' AND {INDEXED}
        BEGIN INSERT INTO timeline_fts(timeline_fts, rowid, body) VALUES ('delete', old.id, old.body); END"""  # noqa: S608 - constants only
    )
