"""Reads of accounts: users, sessions, links. Plain functions over a snapshot; frozen dataclasses out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from server.accounts.rules import Agent, Purpose, Role, Rotation, is_online, rotation, session_valid
from server.kernel.sql import Conn, Row, Statement, chunks
from server.schema import links, sessions, settings, users
from server.text import visual_keys

TEAM_TOPIC = "team"  # published when accounts or invitations change; presence of agents is broadcast on it


@dataclass(frozen=True, slots=True)
class User:
    """An account as colleagues see it. Only `login_facts` returns the password hash."""

    id: int
    email: str
    name: str
    role: Role
    away: bool
    disabled: bool
    online: bool
    created_at: datetime
    language: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. `address`: as `limits.customer_network` returns it."""

    id: int
    created_at: datetime
    seen_at: datetime
    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A valid session and the last recorded time of its use."""

    agent: Agent
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """The account data that a login checks. `password_hash` is None until the invitation is accepted."""

    user_id: int
    password_hash: str | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A valid single-use link. `email`: the invited address, or the user's own."""

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


# Runs for every request of an agent that misses the cache of `web.auth`; uses the unique index.
SESSION_BY_TOKEN = Statement(_LIVE.where(sessions.c.token_hash == bindparam("token_hash")))


# Runs every few seconds for all agent sockets of a process; uses the primary key.
SESSIONS_BY_ID = Statement(_LIVE.where(sessions.c.id.in_(bindparam("ids", expanding=True))))


def session_by_token(conn: Conn, token_hash: str, idle: timedelta, now: datetime) -> LiveSession | None:
    row = conn.first(SESSION_BY_TOKEN, token_hash=token_hash)
    return None if row is None else _valid_session(row, idle, now)


def sessions_by_id(conn: Conn, ids: Sequence[int], idle: timedelta, now: datetime) -> list[LiveSession]:
    """The valid sessions among `ids`."""
    rows = [row for id_chunk in chunks(ids, 500) for row in conn.all(SESSIONS_BY_ID, ids=list(id_chunk))]
    return [live for row in rows if (live := _valid_session(row, idle, now)) is not None]


def _valid_session(row: Row, idle: timedelta, now: datetime) -> LiveSession | None:
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
    user_id: int | None = conn.value(OWNER)
    return user_id


def user(conn: Conn, user_id: int, now: datetime) -> User | None:
    row = conn.first(select(users).where(users.c.id == user_id))
    return None if row is None else _user(row, now)


def existing_user(conn: Conn, user_id: int, now: datetime) -> User:
    """The user with this id, which must exist: users are never deleted."""
    return _user(conn.one(select(users).where(users.c.id == user_id)), now)


def user_id_by_email(conn: Conn, email: str) -> int | None:
    user_id: int | None = conn.value(select(users.c.id).where(users.c.email == email))
    return user_id


def team(conn: Conn, now: datetime) -> list[User]:
    """All users by name, disabled ones included, because old messages name them."""
    return [_user(row, now) for row in conn.all(select(users).order_by(users.c.name, users.c.id))]


def _user(row: Row, now: datetime) -> User:
    online = is_online(row.seen_at, now)
    return User(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        away=row.away,
        disabled=row.disabled_at is not None,
        online=online and row.disabled_at is None,
        created_at=row.created_at,
        language=row.language,
    )


def login_facts(conn: Conn, email: str) -> LoginFacts | None:
    return _facts(conn.first(select(users).where(users.c.email == email)))


def login_facts_of(conn: Conn, user_id: int) -> LoginFacts | None:
    return _facts(conn.first(select(users).where(users.c.id == user_id)))


def _facts(row: Row | None) -> LoginFacts | None:
    return None if row is None else LoginFacts(row.id, row.password_hash, row.disabled_at is not None)


# --- links and settings -------------------------------------------------------------------------


def link(conn: Conn, token_hash: str, now: datetime) -> Link | None:
    """Returns the link unless it is used or expired or its user is disabled."""
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
        .where(
            links.c.purpose == "invite",
            links.c.used_at.is_(None),
            links.c.expires_at > now,
            links.c.mailed_for.is_(None),
        )
        .order_by(links.c.id.desc())
    )
    return [Invite(row.id, row.email, Role(row.role), row.expires_at) for row in rows]


def identity_rotation(conn: Conn) -> Rotation:
    return rotation(conn.value(select(settings.c.value).where(settings.c.name == "identity")))


_AGENT_NAMES = Statement(select(users.c.name).where(users.c.disabled_at.is_(None)))


def agent_names(conn: Conn) -> frozenset[str]:
    """The visual keys (`text.visual_keys`) of the names of all enabled users."""
    return frozenset().union(*(visual_keys(row.name) for row in conn.all(_AGENT_NAMES)))
