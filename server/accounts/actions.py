"""Signing in and out, and what stays signed in. Single-use links are in `links.py`, the team in `team.py`.

Whatever takes a right away rings `user:<id>`: caches of all processes forget the user at once, and
their open sockets are looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import delete, insert, select, update

from server.accounts import queries, rules
from server.accounts.audit import record
from server.accounts.passwords import hashing, new_password, normal, stale
from server.accounts.rules import Agent, Role
from server.errors import Busy, Conflict, NotFound, RateLimited, Refused, SignInRequired
from server.kernel.context import App
from server.kernel.ids import digest
from server.kernel.sql import Tx
from server.schema import login_failures, sessions, users

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Browser:
    """Who asks, as far as the request shows it; kept with the session."""

    address: str
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. `token` goes into the cookie and is kept nowhere."""

    token: str
    user: queries.User


# --- steps --------------------------------------------------------------------------------------


def add_user(tx: Tx, email: str, name: str, role: Role, password_hash: str) -> int:
    """Returns the new user's id; `Clash` if the address, or the place of the owner, is taken."""
    added = insert(users).values(
        email=email, name=name, role=role.value, password_hash=password_hash, created_at=tx.now
    )
    return int(tx.value(added.returning(users.c.id)))


def begin_session(tx: Tx, user_id: int, token: str, browser: Browser, days: int) -> queries.User:
    """Signs the user in with `token`. The caller has made sure that they may."""
    tx.run(
        insert(sessions).values(
            token_hash=digest(token),
            user_id=user_id,
            created_at=tx.now,
            seen_at=tx.now,
            expires_at=tx.now + timedelta(days=days),
            user_agent=rules.one_line(browser.user_agent[:300]),
            address=browser.address,
        )
    )
    return queries.existing_user(tx, user_id, tx.now)


def end_sessions(tx: Tx, user_id: int, *, only: int | None = None, but: int | None = None) -> int:
    """Ends the user's sessions, or `only` one, or all `but` one; returns how many."""
    which = [sessions.c.user_id == user_id, sessions.c.ended_at.is_(None)]
    if only is not None:
        which.append(sessions.c.id == only)
    if but is not None:
        which.append(sessions.c.id != but)
    ended = tx.run(update(sessions).where(*which).values(ended_at=tx.now))
    tx.ring(f"user:{user_id}")
    return ended


def touch_sessions(tx: Tx, ids: Iterable[int]) -> None:
    """Notes that these sessions are in use."""
    tx.run(update(sessions).where(sessions.c.id.in_(list(ids))).values(seen_at=tx.now))


def note_refused_origin(tx: Tx, code: str, origin: str, address: str) -> None:
    """Another site tried to write with somebody's cookie."""
    record(tx, None, "write_refused", origin, address, code=code)


# --- the owner ----------------------------------------------------------------------------------


async def set_up(app: App, email: str, name: str, password: str, browser: Browser) -> SignedIn:
    """The first account, signed in. `Conflict` "setup_done" once there is one, also for all but one who race."""
    owner, token = await _owner(app, email, name, password), app.ids.token(32)
    user = await app.write(_set_up, owner, token, browser, app.settings.session_days)
    return SignedIn(token, user)


async def create_owner(app: App, email: str, name: str, password: str) -> queries.User:
    """As `set_up`, from the command line: nobody is signed in by it."""
    user: queries.User = await app.write(_create_owner, await _owner(app, email, name, password), "command line")
    return user


@dataclass(frozen=True, slots=True)
class _Owner:
    """A first account that may be made, if nobody else makes one meanwhile."""

    email: str
    name: str
    password_hash: str


async def _owner(app: App, email: str, name: str, password: str) -> _Owner:
    if await app.read(queries.owner_id) is not None:  # before the hashing, which strangers could order
        raise _setup_done()
    email, name = rules.required_email(email), rules.person_name(name)
    return _Owner(email, name, await hashing(app).make(new_password(password, email=email, name=name)))


def _create_owner(tx: Tx, owner: _Owner, address: str) -> queries.User:
    # Of two that race, `uq_users_owner` lets one through; the other is run again and ends here.
    if queries.owner_id(tx) is not None:
        raise _setup_done()
    user_id = add_user(tx, owner.email, owner.name, Role.OWNER, owner.password_hash)
    record(tx, user_id, "setup", owner.email, address)
    return queries.existing_user(tx, user_id, tx.now)


def _set_up(tx: Tx, owner: _Owner, token: str, browser: Browser, days: int) -> queries.User:
    user = _create_owner(tx, owner, browser.address)
    return begin_session(tx, user.id, token, browser, days)


def _setup_done() -> Refused:
    return Conflict("setup_done", "This Threadline already has an owner. Sign in, or ask them to invite you.")


# --- signing in ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One guess that is allowed: already counted, so that a hundred at once are not a hundred more."""

    counted: list[int]
    facts: queries.LoginFacts | None


async def login(app: App, email: str, password: str, browser: Browser, replaces: Agent | None = None) -> SignedIn:
    """A new session; `replaces` ends the browser's old one.

    One answer, after equal work, for a wrong password, an unknown address and a disabled account:
    `SignInRequired` "bad_credentials". `RateLimited` after too many wrong ones.
    """
    subject = rules.email_address(email) or ""
    attempt = await _count(app, subject, browser.address)
    facts = attempt.facts
    matches = await _compare(app, attempt, password)
    if facts is None or facts.disabled or not matches:
        await app.write(_failed, facts, "login_failed", browser.address)
        raise _bad_credentials()
    better = await _better_hash(app, facts.password_hash, password)
    token = app.ids.token(32)
    user = await app.write(_login, facts, attempt.counted, better, token, browser, app.settings.session_days, replaces)
    if user is None:  # disabled, or another password, since we looked
        raise _bad_credentials()
    return SignedIn(token, user)


def _login(
    tx: Tx,
    facts: queries.LoginFacts,
    counted: list[int],
    better: str | None,
    token: str,
    browser: Browser,
    days: int,
    replaces: Agent | None,
) -> queries.User | None:
    unchanged = tx.run(
        update(users)
        .where(
            users.c.id == facts.user_id,
            users.c.password_hash == facts.password_hash,
            users.c.disabled_at.is_(None),
        )
        .values(password_hash=better or facts.password_hash)
    )
    if not unchanged:
        return None
    _uncount(tx, counted)
    if replaces is not None:
        end_sessions(tx, replaces.id, only=replaces.session)
    record(tx, facts.user_id, "login", "", browser.address)
    return begin_session(tx, facts.user_id, token, browser, days)


async def _better_hash(app: App, kept: str | None, password: str) -> str | None:
    """A hash with today's parameters, where the kept one has weaker ones."""
    text = normal(password)
    return await hashing(app).make(text) if kept and text is not None and stale(kept) else None


def _failed(tx: Tx, facts: queries.LoginFacts | None, action: str, address: str) -> None:
    # An unknown address is not written down: people type passwords into the wrong field.
    record(tx, None, action, str(facts.user_id) if facts else "", address, known=facts is not None)


def _bad_credentials() -> Refused:
    return SignInRequired("This e-mail address and password do not belong together.", "bad_credentials")


# --- guessing -----------------------------------------------------------------------------------


async def _count(app: App, email: str, address: str) -> _Attempt:
    """Counts the attempt before it is made, or raises `RateLimited`. Undone when it succeeds."""
    attempt: _Attempt | RateLimited = await app.write(
        _count_attempt, email, address, app.settings.login_attempts, lane=f"login:{email}"
    )
    if isinstance(attempt, RateLimited):
        log.warning("login_throttled", address=address, retry_after=attempt.retry_after)
        raise attempt
    return attempt


async def _compare(app: App, attempt: _Attempt, password: str) -> bool:
    kept = None if attempt.facts is None else attempt.facts.password_hash
    try:
        return await hashing(app).matches(kept, password)
    except Busy:  # nothing was compared: not a guess
        await app.write(_uncount, attempt.counted)
        raise


def _count_attempt(tx: Tx, email: str, address: str, limit: int) -> _Attempt | RateLimited:
    """Per account, per address and altogether, in a sliding window; nobody is ever locked out for good.

    From an address where the account has signed in before, only wrong passwords from that address
    count: so a stranger who guesses all day cannot keep the real user out.
    """
    tx.run(delete(login_failures).where(login_failures.c.at <= tx.now - rules.LOGIN_WINDOW))
    facts = queries.login_facts(tx, email)
    account = f"account:{digest(email)}"
    here = f"{account}@{address}"
    bounds = {here: limit, f"address:{address}": limit * rules.PER_ADDRESS}
    if facts is None or not _signed_in_from(tx, facts.user_id, address):
        bounds |= {account: limit, "all": limit * rules.ALTOGETHER}
    for subject, most in bounds.items():
        at = tx.value(
            select(login_failures.c.at)
            .where(login_failures.c.subject == subject)
            .order_by(login_failures.c.at.desc())
            .offset(most - 1)
            .limit(1)
        )
        if at is not None:
            wait_s = (at + rules.LOGIN_WINDOW - tx.now).total_seconds()
            return RateLimited("Too many attempts. Wait a little, or ask an admin for a link.", max(1.0, wait_s))
    counted = tx.all(
        insert(login_failures)
        .values([{"subject": subject, "at": tx.now} for subject in (here, f"address:{address}", account, "all")])
        .returning(login_failures.c.id)
    )
    return _Attempt([row.id for row in counted], facts)


def _signed_in_from(tx: Tx, user_id: int, address: str) -> bool:
    found = select(sessions.c.id).where(sessions.c.user_id == user_id, sessions.c.address == address).limit(1)
    return tx.value(found) is not None


def _uncount(tx: Tx, counted: list[int]) -> None:
    tx.run(delete(login_failures).where(login_failures.c.id.in_(counted)))


# --- one's own account --------------------------------------------------------------------------


async def own_sessions(app: App, agent: Agent) -> list[queries.Session]:
    idle = timedelta(days=app.settings.session_idle_days)
    found: list[queries.Session] = await app.read(queries.sessions_of, agent.id, idle, app.clock.now())
    return found


async def logout(app: App, agent: Agent, address: str) -> None:
    await app.write(_end, agent, agent.session, "logout", address)


async def end_session(app: App, agent: Agent, session_id: int, address: str) -> None:
    """Ends one of one's own sessions; `NotFound` for anybody else's."""
    if not await app.write(_end, agent, session_id, "session_ended", address):
        raise NotFound()


def _end(tx: Tx, agent: Agent, session_id: int, action: str, address: str) -> int:
    ended = end_sessions(tx, agent.id, only=session_id)
    if ended:
        record(tx, agent.id, action, str(session_id), address)
    return ended


async def end_other_sessions(app: App, agent: Agent, address: str) -> None:
    await app.write(_end_others, agent, address)


def _end_others(tx: Tx, agent: Agent, address: str) -> None:
    ended = end_sessions(tx, agent.id, but=agent.session)
    record(tx, agent.id, "sessions_ended", "", address, count=ended)


async def change_password(app: App, agent: Agent, current: str, password: str, address: str) -> None:
    """Sets a new password and ends all other sessions. Guessing `current` counts like guessing at the door."""
    text = new_password(password, email=agent.email, name=agent.name)
    attempt = await _count(app, agent.email, address)
    facts = attempt.facts
    if facts is None or not await _compare(app, attempt, current):
        await app.write(_failed, facts, "password_change_failed", address)
        raise Refused("bad_credentials", "The current password is not right.", field="current")
    kept = await hashing(app).make(text)
    if not await app.write(_change_password, agent, facts, attempt.counted, kept, address):
        raise Conflict("changed_meanwhile", "The password was changed from somewhere else just now.")


def _change_password(
    tx: Tx, agent: Agent, facts: queries.LoginFacts, counted: list[int], kept: str, address: str
) -> bool:
    changed = tx.run(
        update(users)
        .where(users.c.id == agent.id, users.c.password_hash == facts.password_hash)
        .values(password_hash=kept)
    )
    if changed:
        _uncount(tx, counted)
        end_sessions(tx, agent.id, but=agent.session)
        record(tx, agent.id, "password_changed", "", address)
    return bool(changed)
