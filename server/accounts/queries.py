"""Reads of accounts: users, sessions, links. Plain functions over a snapshot; frozen dataclasses out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from server.accounts.rules import ONLINE_FOR, Agent, Purpose, Role, Rotation, rotation, session_valid
from server.kernel.sql import Conn, Row, Statement, chunks
from server.schema import links, sessions, settings, users


@dataclass(frozen=True, slots=True)
class User:
    """An account as colleagues see it; the password's hash never leaves this module but through `login_facts`."""

    id: int
    email: str
    name: str
    role: Role
    away: bool
    disabled: bool
    online: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. `address` is cut to what one customer holds."""

    id: int
    created_at: datetime
    seen_at: datetime
    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that is valid now, and when its use was last noted."""

    agent: Agent
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """What a sign-in compares with. `password_hash` is None for an invitation that is not accepted."""

    user_id: int
    password_hash: str | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A single-use link that is good now. `email` is the invited one, or the user's own."""

    id: int
    purpose: Purpose
    user_id: int | None
    email: str
    name: str | None
    role: Role | None


@dataclass(frozen=True, slots=True)
class Invite:
    """An invitation that is still open."""

    id: int
    email: str
    role: Role
    expires_at: datetime


# --- sessions -----------------------------------------------------------------------------------

_LIVE = select(
    sessions.c.id,
    sessions.c.seen_at,
    sessions.c.expires_at,
    sessions.c.ended_at,
    users.c.id.label("user_id"),
    users.c.email,
    users.c.name,
    users.c.role,
    users.c.disabled_at,
).join(users, users.c.id == sessions.c.user_id)

# Every request of an agent that is not answered by the cache of `web.auth`; by the unique index.
SESSION_BY_TOKEN = Statement(_LIVE.where(sessions.c.token_hash == bindparam("token_hash")))

# All agent sockets of a process, every few seconds; by primary key.
SESSIONS_BY_ID = Statement(_LIVE.where(sessions.c.id.in_(bindparam("ids", expanding=True))))


def session_by_token(conn: Conn, token_hash: str, idle: timedelta, now: datetime) -> LiveSession | None:
    row = conn.first(SESSION_BY_TOKEN, token_hash=token_hash)
    return None if row is None else _live(row, idle, now)


def sessions_by_id(conn: Conn, ids: Sequence[int], idle: timedelta, now: datetime) -> list[LiveSession]:
    """Those of `ids` that are valid now; the others are missing."""
    rows = [row for some in chunks(ids, 500) for row in conn.all(SESSIONS_BY_ID, ids=list(some))]
    return [live for row in rows if (live := _live(row, idle, now)) is not None]


def _live(row: Row, idle: timedelta, now: datetime) -> LiveSession | None:
    if not session_valid(
        ended=row.ended_at is not None,
        disabled=row.disabled_at is not None,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        idle=idle,
        now=now,
    ):
        return None
    agent = Agent(id=row.user_id, name=row.name, email=row.email, role=Role(row.role), session=row.id)
    return LiveSession(agent, row.seen_at)


def sessions_of(conn: Conn, user_id: int, idle: timedelta, now: datetime) -> list[Session]:
    """The user's valid sessions, last used first; at most 200."""
    rows = conn.all(
        select(sessions)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > now,
            sessions.c.seen_at > now - idle,
        )
        .order_by(sessions.c.seen_at.desc(), sessions.c.id.desc())
        .limit(200)
    )
    return [Session(row.id, row.created_at, row.seen_at, row.user_agent, row.address) for row in rows]


# --- users --------------------------------------------------------------------------------------

OWNER = Statement(select(users.c.id).where(users.c.role == Role.OWNER.value))


def owner_id(conn: Conn) -> int | None:
    found: int | None = conn.value(OWNER)
    return found


def user(conn: Conn, user_id: int, now: datetime) -> User | None:
    row = conn.first(select(users).where(users.c.id == user_id))
    return None if row is None else _user(row, now)


def existing_user(conn: Conn, user_id: int, now: datetime) -> User:
    """Users are never deleted: an id that was once seen is there."""
    return _user(conn.one(select(users).where(users.c.id == user_id)), now)


def user_id_by_email(conn: Conn, email: str) -> int | None:
    found: int | None = conn.value(select(users.c.id).where(users.c.email == email))
    return found


def team(conn: Conn, now: datetime) -> list[User]:
    """Everybody who ever had an account, by name; disabled ones too, for what they wrote."""
    return [_user(row, now) for row in conn.all(select(users).order_by(users.c.name, users.c.id))]


def _user(row: Row, now: datetime) -> User:
    online = row.seen_at is not None and now - row.seen_at < ONLINE_FOR
    return User(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        away=row.away,
        disabled=row.disabled_at is not None,
        online=online and row.disabled_at is None,
        created_at=row.created_at,
    )


def login_facts(conn: Conn, email: str) -> LoginFacts | None:
    return _facts(conn.first(select(users).where(users.c.email == email)))


def login_facts_of(conn: Conn, user_id: int) -> LoginFacts | None:
    return _facts(conn.first(select(users).where(users.c.id == user_id)))


def _facts(row: Row | None) -> LoginFacts | None:
    return None if row is None else LoginFacts(row.id, row.password_hash, row.disabled_at is not None)


# --- links and settings -------------------------------------------------------------------------


def link(conn: Conn, token_hash: str, now: datetime) -> Link | None:
    """The link, if it is neither used nor expired nor its user disabled."""
    row = conn.first(
        select(
            links,
            users.c.email.label("user_email"),
            users.c.name.label("user_name"),
            users.c.disabled_at,
        )
        .join(users, users.c.id == links.c.user_id, isouter=True)
        .where(links.c.token_hash == token_hash, links.c.used_at.is_(None), links.c.expires_at > now)
    )
    if row is None or row.disabled_at is not None:
        return None
    return Link(
        id=row.id,
        purpose=row.purpose,
        user_id=row.user_id,
        email=row.user_email or row.email or "",
        name=row.user_name,
        role=Role(row.role) if row.role else None,
    )


def invites(conn: Conn, now: datetime) -> list[Invite]:
    """Open invitations, newest first."""
    rows = conn.all(
        select(links)
        .where(links.c.purpose == "invite", links.c.used_at.is_(None), links.c.expires_at > now)
        .order_by(links.c.id.desc())
    )
    return [Invite(row.id, row.email, Role(row.role), row.expires_at) for row in rows]


def identity_rotation(conn: Conn) -> Rotation:
    return rotation(conn.value(select(settings.c.value).where(settings.c.name == "identity")))
