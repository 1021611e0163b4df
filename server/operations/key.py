"""Loads or creates the secret key at start. If a database in use has no key, the start is refused (F46).

With a new key an old database would start without an error, and every visitor's browser would lose its chat.
"""

from __future__ import annotations

import structlog
from sqlalchemy import select

from server import migrate
from server.errors import Conflict, Refused
from server.kernel.db import Database, lock_data_dir
from server.kernel.sql import Conn, Statement
from server.schema import users, visitors
from server.settings import Settings, patterned

# A row in one of these tables means that something was signed with a key.
_FIRST_ROWS = [(table.name, Statement(select(table.c.id).limit(1))) for table in (users, visitors)]

log = structlog.get_logger()


STRONG_KEY_ADVICE = 'Use at least 32 random characters: python -c "import secrets; print(secrets.token_urlsafe(48))".'


def load(settings: Settings) -> bytes | None:
    """The key, or None if there is none yet. Raises `Refused` `weak_key`."""
    try:
        return settings.secret()
    except ValueError as error:
        raise Refused("weak_key", str(error)) from None


async def create(settings: Settings, db: Database) -> bytes:
    """Creates the key of a new installation. Raises `Refused` `secret_key_lost`, `no_secret_key`."""
    if settings.database_url is not None:
        raise Refused(
            "no_secret_key",
            "With DATABASE_URL set, set THREADLINE_SECRET_KEY too. Every process needs the same key.",
        )
    if await db.read(in_use):
        raise Refused("secret_key_lost", lost_message(settings))
    return settings.make_secret()


def in_use(conn: Conn) -> bool:
    """True if the database has a user or a visitor; false for an empty or freshly migrated one."""
    return any(migrate.exists(conn, name) and conn.first(statement) is not None for name, statement in _FIRST_ROWS)


async def check_strength(key: bytes, db: Database) -> None:
    """Checks that the key does not repeat a pattern. Raises `Refused` `weak_key` if nothing was signed with it yet, and
    otherwise only logs a warning, because replacing a key that is in use ends every visitor's chat."""
    if not patterned(key.decode()):
        return
    if not await db.read(in_use):
        raise Refused("weak_key", f"The secret key repeats a pattern. {STRONG_KEY_ADVICE}")
    log.warning(
        "weak_key",
        advice="The secret key repeats a pattern, so it can be guessed. `threadline doctor` says what to do.",
    )


def lost_message(settings: Settings) -> str:
    return (
        f"The secret key is missing: {settings.key_path()} does not exist, but its database is in use. Put the old "
        "secret.key back, or set THREADLINE_SECRET_KEY to it. If it is lost, `threadline new-key` creates another: agents, "
        "tickets and history stay, but every visitor's browser starts a new chat and the shop's identity secret changes."
    )


def replace_lost(settings: Settings) -> None:
    """Creates a new key in place of a lost one. Raises `Conflict` `key_exists`, `Busy`, `Refused`."""
    if load(settings) is not None:
        raise Conflict("key_exists", "A secret key already exists. It was not changed.")
    if settings.database_url is not None:
        raise Refused("no_secret_key", "With DATABASE_URL set, set THREADLINE_SECRET_KEY for every process.")
    release = lock_data_dir(settings.data_dir)
    try:
        settings.make_secret()
    finally:
        release()
