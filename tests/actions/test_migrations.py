"""Migrations create exactly the schema of `server/schema` on both databases, and can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from server import migrate
from server.app import Serving, Web, build, close
from server.delivery import rules
from server.errors import Refused
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.schema import metadata
from server.settings import Settings
from tests.services import create_database
from tests.world import SECRET, START


@pytest.fixture
def empty(tmp_path: Path, database: str) -> Settings:
    """A data folder and a database without tables."""
    url = create_database() if database == "postgres" else None
    return Settings(_env_file=None, data_dir=tmp_path / "data", secret_key=SECRET, database_url=url)  # type: ignore[call-arg]


# The search index is made of things that SQLAlchemy cannot describe: an FTS5 table of SQLite, expression indexes of
# PostgreSQL.
def _is_ours(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    search = name == "ix_timeline_search" or (name or "").startswith("timeline_fts")
    return not (reflected and other is None and kind in ("table", "index") and search)


def test_the_migrations_create_exactly_the_schema(empty: Settings) -> None:
    migrate.run(empty)
    engine = create_engine(empty.sqlalchemy_url())
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": False, "include_object": _is_ours}
        difference = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    assert difference == []


def test_both_databases_get_the_same_tables_columns_and_indexes(tmp_path: Path) -> None:
    shapes = []
    for url in (None, create_database()):
        settings = Settings(_env_file=None, data_dir=tmp_path, secret_key=SECRET, database_url=url)  # type: ignore[call-arg]
        migrate.run(settings)
        engine = create_engine(settings.sqlalchemy_url())
        result = inspect(engine)
        shapes.append(
            {
                table: (
                    {column["name"]: column["nullable"] for column in result.get_columns(table)},
                    {
                        (index["name"], tuple(index["column_names"]), bool(index["unique"]))
                        for index in result.get_indexes(table)
                        if None not in index["column_names"] and not index.get("duplicates_constraint")
                    },
                )
                for table in metadata.tables
            }
        )
        engine.dispose()
    assert shapes[0] == shapes[1]


def test_migrating_twice_changes_nothing(empty: Settings) -> None:
    migrate.run(empty)
    migrate.run(empty)


def test_revisions_form_one_line_and_the_server_requires_the_last() -> None:
    scripts = ScriptDirectory(str(migrate.FOLDER))
    assert scripts.get_heads() == [migrate.head()]
    assert len(list(scripts.walk_revisions())) == len(list((migrate.FOLDER / "versions").glob("[0-9]*.py")))


async def test_the_server_refuses_an_empty_or_outdated_database_and_names_the_command(empty: Settings) -> None:
    async def refusal() -> Refused:
        app = await build(empty, clock=ManualClock(START), bus=LocalBus())
        try:
            with pytest.raises(Refused) as refused:
                await app.read(migrate.check_current)
        finally:
            await close(app)
        return refused.value

    empty.data_dir.mkdir(exist_ok=True)
    refused = await refusal()
    assert refused.code == "migration_pending" and "threadline migrate" in refused.message
    migrate.run(empty)
    engine = create_engine(empty.sqlalchemy_url())
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    engine.dispose()
    assert "0000" in (await refusal()).message


async def test_a_server_on_a_pending_migration_does_not_start(empty: Settings) -> None:
    """Through the real lifespan: it fails with the sentence, and no task or connection is left open."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    empty.data_dir.mkdir(exist_ok=True)
    await Web(empty, Serving())({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["type"] == "lifespan.startup.failed" and "threadline migrate" in sent[0]["message"]


# --- data from before ------------------------------------------------------------------------------

OLD_OUTBOUND = """
INSERT INTO outbound (token, key, channel, kind, purpose, contact_id, recipient, body, media, segments, priority, state, due_at, created_at)
VALUES (:kind || :priority, :kind || :priority, 'sms', :kind, 'conversation', :contact, '+12025550123', 'Hello', '[]', 1, :priority, 'queued', 5, 5)
RETURNING id
"""
OLD_CREDITS = """
INSERT INTO credits (outbound_id, at, kind, country, mms, segments, each, total)
VALUES (:outbound, :at, :kind, 'US', false, 1, 2, 2)
"""
DAY = 86_400_000_000


def test_messages_from_before_lanes_get_theirs_and_credits_are_added_up_by_day(empty: Settings) -> None:
    from alembic import command

    empty.data_dir.mkdir(exist_ok=True)
    command.upgrade(migrate.config(empty), "0010")
    engine = create_engine(empty.sqlalchemy_url())
    kinds = {"reply": 0, "keyword": 0, "auto_reply": 0, "opt_in": 0, "flow": 10, "campaign": 20}
    with engine.begin() as connection:
        contact = connection.execute(text("INSERT INTO contacts (name, country, language, created_at) VALUES ('', '', '', 0) RETURNING id")).scalar()  # fmt: skip
        for place, (kind, priority) in enumerate(kinds.items()):
            values = {"kind": kind, "priority": priority, "contact": contact}
            outbound_id = connection.execute(text(OLD_OUTBOUND), values).scalar()
            for_day = {"outbound": outbound_id, "at": DAY * 20_000 + (place % 2) * DAY + place, "kind": "reply"}
            connection.execute(text(OLD_CREDITS), for_day)
    migrate.run(empty)
    with engine.begin() as connection:
        lanes = {row.kind: row.lane for row in connection.execute(text("SELECT kind, lane FROM outbound"))}
        days = connection.execute(text("SELECT day, kind, country, messages, credits FROM credit_days ORDER BY day"))
        assert [tuple(row) for row in days] == [(DAY * (20_000 + n), "reply", "US", 3, 6) for n in range(2)]
        connection.execute(text("INSERT INTO outbound (token, channel, kind, purpose, recipient, body, media, segments, lane, state, due_at, created_at) VALUES ('mail', 'email', 'account', 'transactional', 'ana@shop.example', '', '[]', 0, 2, 'queued', 5, 5)"))  # fmt: skip
    engine.dispose()
    assert lanes == {kind: int(rules.LANES[kind]) for kind in kinds}
