"""Runs migrations for `up` and `migrate`; the server refuses to start if one is pending.

`threadline migrate` is safe to run twice and at the same time: PostgreSQL takes an advisory lock,
SQLite's file belongs to one process.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import column, select, table, text
from sqlalchemy.sql.sqltypes import Text

from server.errors import Refused
from server.kernel.sql import POSTGRES, Conn, Statement
from server.kernel.sqlite_file import make_private
from server.settings import Settings

FOLDER = Path(__file__).parent.parent / "migrations"
LOCK = 7_420_117  # PostgreSQL advisory lock, so that only one process migrates

_version = table("alembic_version", column("version_num", Text))
_CURRENT = Statement(select(_version.c.version_num))
_EXISTS_SQLITE = Statement(text("SELECT name FROM sqlite_master WHERE name = :name").columns(column("name", Text)))
_EXISTS_POSTGRES = Statement(
    text("SELECT tablename FROM pg_tables WHERE tablename = :name AND schemaname = current_schema()").columns(
        column("tablename", Text)
    )
)

# The table of `threadline move` in its target; `operations.move` writes it.
MOVE_STATE = "move_state"
_move_state = table(MOVE_STATE, column("name", Text), column("value", Text))
_MOVE_FINISHED = Statement(select(_move_state.c.value).where(_move_state.c.name == "finished_at"))


def config(settings: Settings) -> Any:
    from alembic.config import Config

    alembic_config = Config()
    alembic_config.set_main_option("script_location", str(FOLDER))
    alembic_config.attributes["url"] = settings.sqlalchemy_url()
    return alembic_config


def head() -> str:
    """The newest revision, from the files' names: Alembic is imported only to run one."""
    return sorted(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py"))[-1].split("_", 1)[0]


def run(settings: Settings, *, moving: bool = False) -> None:
    """Upgrades to the newest revision. Raises `Refused` `move_unfinished`, except for the move itself."""
    from alembic import command

    if settings.database_url is None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(settings.sqlite_path())
    elif not moving:
        from server.kernel.postgres import connect

        with closing(connect(settings.postgres_dsn(), prepare=False, read_only=True)) as db:
            check_no_move(Conn(db.execute, POSTGRES))
    command.upgrade(config(settings), "head")


def is_current(path: Path) -> bool:
    """Whether this SQLite file is at the newest revision. Does not import Alembic, which is slow."""
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


def exists(conn: Conn, name: str) -> bool:
    """Whether the table exists."""
    return conn.value(_EXISTS_POSTGRES if conn.postgres else _EXISTS_SQLITE, name=name) is not None


def check_current(conn: Conn) -> None:
    """Raises `Refused` `migration_pending` with the command to run, unless the database is at the newest revision;
    `move_unfinished` while `threadline move` fills it."""
    check_no_move(conn)
    current = conn.value(_CURRENT) if exists(conn, "alembic_version") else None
    if current != head():
        state = "is empty" if current is None else f"is at revision {current}, but this version needs {head()}"
        raise Refused("migration_pending", f"The database {state}. Run `threadline migrate`, then start again.")


def check_no_move(conn: Conn) -> None:
    """Raises `Refused` `move_unfinished` if `threadline move` has begun to fill this database and is not finished."""
    if conn.postgres and exists(conn, MOVE_STATE) and conn.value(_MOVE_FINISHED) is None:
        raise Refused(
            "move_unfinished",
            "`threadline move` has begun to fill this database and is not finished. Run it again with the same address. "
            "It continues where it stopped.",
        )
