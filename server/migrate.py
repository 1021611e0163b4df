"""Migrations: run by `up` and `migrate`; the server refuses to serve on a pending one.

`threadline migrate` is safe to run twice and at the same time: PostgreSQL takes an advisory lock,
SQLite's file belongs to one process.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import column, select, table, text
from sqlalchemy.sql.sqltypes import Text

from server.errors import Refused
from server.kernel.sql import Conn, Statement
from server.settings import Settings

FOLDER = Path(__file__).parent.parent / "migrations"
LOCK = 7_420_117  # advisory lock of PostgreSQL, so that two processes never migrate at once

_version = table("alembic_version", column("version_num", Text))
_CURRENT = Statement(select(_version.c.version_num))
_EXISTS_SQLITE = Statement(text("SELECT name FROM sqlite_master WHERE name = :name").columns(column("name", Text)))
_EXISTS_POSTGRES = Statement(
    text("SELECT tablename FROM pg_tables WHERE tablename = :name AND schemaname = current_schema()").columns(
        column("tablename", Text)
    )
)


def config(settings: Settings) -> Any:
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(FOLDER))
    found.attributes["url"] = settings.sqlalchemy_url()
    return found


def head() -> str:
    """The newest revision, from the files' names: Alembic is imported only to run one."""
    return sorted(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py"))[-1].split("_", 1)[0]


def run(settings: Settings) -> None:
    """Upgrades to the newest revision."""
    from alembic import command

    if settings.database_url is None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    command.upgrade(config(settings), "head")


def is_current(path: Path) -> bool:
    """Is this SQLite file at the newest revision? Asked before Alembic is imported, which takes a second."""
    if not path.exists():
        return False
    db = sqlite3.connect(path)
    try:
        row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        db.close()
    return row is not None and row[0] == head()


def check_current(conn: Conn) -> None:
    """`Refused` `migration_pending` with the command to run, unless the database is at the newest revision."""
    exists = conn.value(_EXISTS_POSTGRES if conn.postgres else _EXISTS_SQLITE, name="alembic_version")
    current = conn.value(_CURRENT) if exists else None
    if current != head():
        state = "is empty" if current is None else f"is at revision {current}, this program needs {head()}"
        raise Refused("migration_pending", f"The database {state}. Run `threadline migrate` and start again.")
