"""Search inside words of scripts without spaces, and names in any case.

Texts with Chinese, Japanese, Korean, Thai, Lao, Khmer or Burmese characters get a second index with pairs of characters
(`server/inbox/search_words.py`). On SQLite the server fills this index, on PostgreSQL a trigger. The job
`inbox.index_pairs` adds older texts in slices. A text that is changed or deleted is removed from the index; on SQLite a
changed text is not indexed again, because only erasure changes texts.

`name_key` of contacts and visitors is the name in the form that searches compare.
"""

import unicodedata
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Copies from `server/inbox/search_words.py` and `server/text.py`, as they were when this migration was written.
PAIRED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0edf\u1000-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9d"
    "\U00020000-\U000323af"
)
PLAIN = "0-9a-z\u00c0-\u0dff\u0f00-\u0fff\u10a0-\u177f\u1e00-\u1fff"
UNMARKED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
SLICE = 1_000

BY_PEOPLE = "{row}.kind IN ('message', 'note') AND {row}.author_type <> 'system'"
SQLITE = (
    "CREATE VIRTUAL TABLE timeline_fts_pairs USING fts5(words, tokenize='ascii', prefix='1')",
    """CREATE TRIGGER timeline_fts_pairs_update AFTER UPDATE OF body ON timeline
    BEGIN DELETE FROM timeline_fts_pairs WHERE rowid = old.id; END""",
    """CREATE TRIGGER timeline_fts_pairs_delete AFTER DELETE ON timeline
    BEGIN DELETE FROM timeline_fts_pairs WHERE rowid = old.id; END""",
)
POSTGRES = (
    "CREATE TABLE timeline_fts_pairs (id bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX ix_timeline_search_pairs ON timeline_fts_pairs USING gin (words)",
    # The other words, all pairs of neighbours in a run, and the last character of each run.
    f"""CREATE FUNCTION timeline_paired_words(body text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        WITH said AS (SELECT lower(normalize(body, NFC)) AS text)
        SELECT array_to_tsvector(coalesce(array_agg(DISTINCT word), '{{}}')) FROM (
            SELECT left(found[1], 40) AS word FROM said, regexp_matches(said.text, '[{PLAIN}]+', 'g') AS found
            UNION ALL
            SELECT char || coalesce(lead(char) OVER (PARTITION BY run.place ORDER BY one.place), '')
            FROM said, regexp_matches(said.text, '[{PAIRED}]+', 'g') WITH ORDINALITY AS run(found, place),
                unnest(string_to_array(run.found[1], NULL)) WITH ORDINALITY AS one(char, place)
        ) AS words $$""",  # noqa: S608 - constants only
    f"""CREATE FUNCTION timeline_index_pairs() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            DELETE FROM timeline_fts_pairs WHERE id = old.id;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO timeline_fts_pairs SELECT new.id, timeline_paired_words(new.body)
            WHERE {BY_PEOPLE.format(row="new")} AND new.body ~ '[{PAIRED}]';
        END IF;
        RETURN NULL;
    END $$""",  # noqa: S608
    f"""CREATE TRIGGER timeline_pairs_insert AFTER INSERT ON timeline FOR EACH ROW
    WHEN ({BY_PEOPLE.format(row="new")} AND new.body ~ '[{PAIRED}]') EXECUTE FUNCTION timeline_index_pairs()""",
    """CREATE TRIGGER timeline_pairs_change AFTER UPDATE OF body OR DELETE ON timeline FOR EACH ROW
    EXECUTE FUNCTION timeline_index_pairs()""",
)


def upgrade() -> None:
    bind = op.get_bind()
    for statement in SQLITE if bind.dialect.name == "sqlite" else POSTGRES:
        op.execute(statement)
    _schedule_indexing(bind)
    for name in ("contacts", "visitors"):
        op.add_column(name, sa.Column("name_key", sa.Text, nullable=False, server_default=""))
        _fill_name_keys(bind, name)


def _schedule_indexing(bind: sa.Connection) -> None:
    newest = bind.execute(sa.select(sa.func.max(sa.column("id"))).select_from(sa.table("timeline"))).scalar()
    if newest is None:
        return
    kind = "inbox.index_pairs"
    jobs = sa.table(
        "jobs",
        *(sa.column(name, sa.Text) for name in ("kind", "key")),
        sa.column("payload", Json),
        sa.column("priority", sa.Integer),
        *(sa.column(name, Instant) for name in ("run_at", "created_at")),
    )
    now = datetime.now(UTC)
    job = {"kind": kind, "key": kind, "payload": {"done": 0, "total": newest}, "priority": 30}
    bind.execute(sa.insert(jobs).values(run_at=now, created_at=now, **job))


def _fill_name_keys(bind: sa.Connection, name: str) -> None:
    table = sa.table(name, sa.column("id", sa.BigInteger), sa.column("name", sa.Text), sa.column("name_key", sa.Text))
    after = 0
    while True:
        rows = bind.execute(
            sa.select(table.c.id, table.c.name).where(table.c.id > after).order_by(table.c.id).limit(SLICE)
        ).all()
        named = [{"row": row.id, "key": _name_key(row.name)} for row in rows if row.name]
        if named:
            bind.execute(
                sa.update(table).where(table.c.id == sa.bindparam("row")).values(name_key=sa.bindparam("key")), named
            )
        if len(rows) < SLICE:
            return
        after = rows[-1].id


def _name_key(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).casefold().translate(UNMARKED)
    without_accents = "".join(char for char in letters if not "\u0300" <= char <= "\u036f")
    return " ".join(unicodedata.normalize("NFC", without_accents).split())
