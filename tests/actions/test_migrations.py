"""Migrations make exactly the schema of `server/schema`, on both databases, and are safe to repeat."""

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
from server.errors import Refused
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.schema import metadata
from server.settings import Settings
from tests.services import create_database
from tests.world import SECRET, START


@pytest.fixture
def empty(tmp_path: Path, database: str) -> Settings:
    """A data folder and a database with nothing in them."""
    url = create_database() if database == "postgres" else None
    return Settings(_env_file=None, data_dir=tmp_path / "data", secret_key=SECRET, database_url=url)  # type: ignore[call-arg]


# Search is kept in what SQLAlchemy has no words for: an FTS5 table of SQLite, expression indexes of PostgreSQL.
def _is_ours(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    search = name == "ix_timeline_search" or (name or "").startswith("timeline_fts")
    return not (reflected and other is None and kind in ("table", "index") and search)


def test_the_migrations_make_the_schema_and_nothing_else(empty: Settings) -> None:
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
        found = inspect(engine)
        shapes.append(
            {
                table: (
                    {column["name"]: column["nullable"] for column in found.get_columns(table)},
                    {
                        (index["name"], tuple(index["column_names"]), bool(index["unique"]))
                        for index in found.get_indexes(table)
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


def test_there_is_one_line_of_revisions_and_its_end_is_what_the_server_asks_for() -> None:
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
    """Over the whole way: the lifespan answers with the sentence, and nothing is left running."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    empty.data_dir.mkdir(exist_ok=True)
    await Web(empty, Serving())({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["type"] == "lifespan.startup.failed" and "threadline migrate" in sent[0]["message"]
