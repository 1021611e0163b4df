"""`threadline move` moves every table of the schema, and can move every column."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Float

from server import migrate
from server.operations import move, move_rows
from server.schema import metadata
from server.settings import Settings

COLUMNS = [column for table in metadata.sorted_tables for column in table.columns]


def test_every_table_that_the_migrations_create_is_moved(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    migrate.run(settings)
    with closing(sqlite3.connect(settings.sqlite_path())) as db:
        created = {
            name
            for name, kind in db.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
            # The search index is virtual; triggers of PostgreSQL fill its own.
            if kind == "table" and name != "alembic_version" and not name.startswith("sqlite_")
        }
    assert len(created) > 30
    assert {table.name for table in move.tables()} == created


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_every_column_can_be_moved(column: object) -> None:
    assert move_rows.encoder(column) is not None, (  # type: ignore[arg-type]
        "add an encoder for this type to operations/move_rows.py: the form in which COPY prints a value"
    )


def test_a_column_of_an_unknown_type_cannot_be_moved() -> None:
    column = metadata.tables["users"].c.name._copy()
    column.type = Float()
    assert move_rows.encoder(column) is None
