"""The secret key at start: made once, at the very first; missing later it is refused, never made up anew (F46).

A new key beside an old database would start and look well, and every visitor's browser would silently lose its chat.
"""

from __future__ import annotations

from sqlalchemy import column, select, table, text
from sqlalchemy.sql.sqltypes import Text

from server.errors import Conflict, Refused
from server.kernel.db import Database, own_file
from server.kernel.sql import Conn, Statement
from server.schema import users, visitors
from server.settings import Settings

# Their rows mean: sessions, visitors' tokens, identities were signed with a key.
_SOMEBODY = [(one.name, Statement(select(one.c.id).limit(1))) for one in (users, visitors)]
_TABLE = Statement(
    select(column("name", Text)).select_from(table("sqlite_master")).where(text("type = 'table' AND name = :name"))
)


def stored(settings: Settings) -> bytes | None:
    """The key, or None where there is none yet. Raises `Refused` `weak_key`."""
    try:
        return settings.secret()
    except ValueError as error:
        raise Refused("weak_key", str(error)) from None


async def first(settings: Settings, db: Database) -> bytes:
    """Makes the key of a new installation. Raises `Refused` `secret_key_lost`, `no_secret_key`."""
    if settings.database_url is not None:
        raise Refused(
            "no_secret_key",
            "With DATABASE_URL set, THREADLINE_SECRET_KEY must be set too: every process needs the same key.",
        )
    if await db.read(in_use):
        raise Refused("secret_key_lost", lost(settings))
    return settings.make_secret()


def in_use(conn: Conn) -> bool:
    """Has anybody ever worked with this SQLite file? An empty or freshly migrated one is nobody's yet."""
    return any(
        conn.value(_TABLE, name=name) is not None and conn.first(statement) is not None for name, statement in _SOMEBODY
    )


def lost(settings: Settings) -> str:
    return (
        f"The secret key is missing: {settings.key_path()} is not there, but the database beside it is in use. Put the old "
        "secret.key back, or set THREADLINE_SECRET_KEY to it. If it is lost for good, `threadline new-key` makes another: agents, "
        "tickets and history stay; every visitor's browser starts a new chat and the shop's identity secret changes."
    )


def replace(settings: Settings) -> None:
    """A new key where the old one is lost, because somebody said so. Raises `Conflict` `key_exists`, `Busy`, `Refused`."""
    if stored(settings) is not None:
        raise Conflict("key_exists", "There is a secret key already; it was left alone.")
    if settings.database_url is not None:
        raise Refused("no_secret_key", "With DATABASE_URL set, put a key into THREADLINE_SECRET_KEY of every process.")
    release = own_file(settings.data_dir)
    try:
        settings.make_secret()
    finally:
        release()
