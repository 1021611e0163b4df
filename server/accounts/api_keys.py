"""Makes, lists, checks and revokes API keys, with which an owner's own programs call the API.

A key is shown once and stored as a hash. Its scopes are capabilities of `rules.KEY_SCOPES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import KEY_SCOPES, Agent, ApiKey, Can
from server.audit.actions import record
from server.errors import Conflict, NotFound, Refused
from server.kernel.columns import Instant
from server.kernel.documents import publish_change
from server.kernel.ids import digest
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import api_keys, users
from server.text import is_blank, one_line

CHANGE = "api_keys"  # published as a change of settings
PREFIX = "tl_"  # secret scanners recognise keys by this prefix
HINT = 4  # last characters of a key, shown to identify it
NAME_CHARS = 80
MAX_KEYS = 100  # valid keys at most
TOUCH_EVERY = timedelta(minutes=1)  # `used_at` is written at most this often


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key without its secret. `hint`: the last characters of the secret."""

    id: int
    name: str
    scopes: tuple[str, ...]
    hint: str
    created_at: datetime
    created_by: str
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundKey:
    key: ApiKey
    revoked: bool
    used_at: datetime | None


_INSERT = Statement(
    insert(api_keys)
    .values(
        {name: bindparam(name) for name in ("name", "scopes", "token_hash", "hint", "created_by", "created_at")},
    )
    .returning(api_keys.c.id)
)
_COUNT = Statement(select(func.count().label("n")).where(api_keys.c.revoked_at.is_(None)))
_select_rows = (
    select(
        api_keys.c.id,
        api_keys.c.name,
        api_keys.c.scopes,
        api_keys.c.hint,
        api_keys.c.created_at,
        users.c.name.label("creator"),
        api_keys.c.used_at,
    )
    .select_from(api_keys.join(users, api_keys.c.created_by == users.c.id))
    .where(api_keys.c.revoked_at.is_(None))
)
_LIST = Statement(_select_rows.order_by(api_keys.c.id.desc()))
_BY_ID = Statement(_select_rows.where(api_keys.c.id == bindparam("key")))
_BY_HASH = Statement(
    select(api_keys.c.id, api_keys.c.name, api_keys.c.scopes, api_keys.c.revoked_at, api_keys.c.used_at).where(
        api_keys.c.token_hash == bindparam("token_hash")
    )
)
_REVOKE = Statement(
    update(api_keys)
    .where(api_keys.c.id == bindparam("key"), api_keys.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now", type_=Instant))
    .returning(api_keys.c.name)
)
_TOUCH = Statement(
    update(api_keys).where(api_keys.c.id == bindparam("key")).values(used_at=bindparam("now", type_=Instant))
)
_NAME = Statement(select(api_keys.c.name).where(api_keys.c.id == bindparam("key")))


def make(tx: Tx, agent: Agent, name: str, scopes: Sequence[str], address: str) -> tuple[KeyRow, str]:
    """Creates a key and returns it with its secret, which is not stored. Raises `Refused` `invalid` and `Conflict`
    `too_many`."""
    name = one_line(name[:1000])
    if is_blank(name) or len(name) > NAME_CHARS:
        raise Refused(
            "invalid",
            f"A name must have 1 to {NAME_CHARS} characters.",
            field="name",
            fault="bad_name",
            params={"max": NAME_CHARS},
        )
    chosen_scopes = sorted(set(scopes))
    if not chosen_scopes or not set(chosen_scopes) <= KEY_SCOPES:
        raise Refused("invalid", "Choose at least one scope that a key may have.", field="scopes", fault="no_choice")
    if tx.value(_COUNT) >= MAX_KEYS:
        raise Conflict("too_many", f"There can be {MAX_KEYS} keys. Revoke one that is not used.")
    secret = PREFIX + tx.token(32)
    key = tx.value(
        _INSERT,
        name=name,
        scopes=chosen_scopes,
        token_hash=digest(secret),
        hint=secret[-HINT:],
        created_by=agent.id,
        created_at=tx.now,
    )
    record(tx, agent.id, "api_key_made", name, address, key=key, scopes=chosen_scopes)
    publish_change(tx, CHANGE)
    return _key_row(tx.one(_BY_ID, key=key)), secret


def revoke(tx: Tx, agent: Agent, key: int, address: str) -> None:
    """Revokes a key permanently. Raises `NotFound` if the key does not exist or is already revoked."""
    name = tx.value(_REVOKE, key=key, now=tx.now)
    if name is None:
        raise NotFound()
    record(tx, agent.id, "api_key_revoked", name, address, key=key)
    publish_change(tx, CHANGE)


def touch(tx: Tx, key: int) -> None:
    tx.run(_TOUCH, key=key, now=tx.now)


def all_keys(conn: Conn) -> list[KeyRow]:
    """The keys that are not revoked, newest first."""
    return [_key_row(row) for row in conn.all(_LIST)]


def by_token_hash(conn: Conn, token_hash: str) -> FoundKey | None:
    row = conn.first(_BY_HASH, token_hash=token_hash)
    if row is None:
        return None
    scopes = frozenset(Can(scope) for scope in row.scopes if scope in KEY_SCOPES)
    return FoundKey(ApiKey(row.id, row.name, scopes), row.revoked_at is not None, row.used_at)


def name_of(conn: Conn, key: int) -> str:
    """The name of a key, also of a revoked key; "" if the key does not exist."""
    stored_name: Any = conn.value(_NAME, key=key)
    return stored_name or ""


def _key_row(row: Row) -> KeyRow:
    return KeyRow(row.id, row.name, tuple(row.scopes), row.hint, row.created_at, row.creator, row.used_at)
