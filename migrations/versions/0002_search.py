"""Full-text search over messages: FTS5 with triggers on SQLite, a GIN index on PostgreSQL.

With external content the text is stored once. Only people's messages are indexed, because a greeting is in every chat;
when an erasure blanks a body, the index drops it too.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQLITE = (
    """CREATE VIRTUAL TABLE timeline_fts USING fts5(
        body, content='timeline', content_rowid='id', tokenize='unicode61 remove_diacritics 2', prefix='2 3')""",
    """CREATE TRIGGER timeline_fts_insert AFTER INSERT ON timeline WHEN new.kind IN ('message', 'note') AND new.author_type <> 'system' AND new.body <> ''
    BEGIN INSERT INTO timeline_fts(rowid, body) VALUES (new.id, new.body); END""",
    """CREATE TRIGGER timeline_fts_update AFTER UPDATE OF body ON timeline
    WHEN old.kind IN ('message', 'note') AND old.author_type <> 'system'
    BEGIN
        INSERT INTO timeline_fts(timeline_fts, rowid, body) SELECT 'delete', old.id, old.body WHERE old.body <> '';
        INSERT INTO timeline_fts(rowid, body) SELECT new.id, new.body WHERE new.body <> '';
    END""",
    """CREATE TRIGGER timeline_fts_delete AFTER DELETE ON timeline
    WHEN old.kind IN ('message', 'note') AND old.author_type <> 'system' AND old.body <> ''
    BEGIN INSERT INTO timeline_fts(timeline_fts, rowid, body) VALUES ('delete', old.id, old.body); END""",
    """INSERT INTO timeline_fts(rowid, body) SELECT id, body FROM timeline WHERE kind IN ('message', 'note')
        AND author_type <> 'system' AND body <> ''""",
)

POSTGRES = (
    """CREATE INDEX ix_timeline_search ON timeline USING gin (to_tsvector('simple', body))
    WHERE kind IN ('message', 'note') AND author_type <> 'system'""",
)


def upgrade() -> None:
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.execute(statement)
