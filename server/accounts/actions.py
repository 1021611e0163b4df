"""Signing in and out, sessions and passwords.

Every action that revokes a right publishes `user:<id>`: all processes then drop the user from their caches and check the
user's open sockets again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import delete, insert, select, update

from server.accounts import queries, rules
from server.accounts.account_settings import set_first_zone
from server.accounts.passwords import hashing, needs_rehash, new_password, normalize
from server.accounts.rules import Agent, Role
from server.audit.actions import record
from server.errors import Busy, Conflict, NotFound, RateLimited, Refused, SignInRequired, all_of
from server.kernel.context import App
from server.kernel.ids import digest
from server.kernel.sql import Tx
from server.kernel.tally import tally
from server.schema import login_failures, sessions, users
from server.text import one_line

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Browser:
    """The client of a request; stored with the session."""

    address: str
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. `token` goes into the cookie and is stored nowhere."""

    token: str
    user: queries.User


# --- steps --------------------------------------------------------------------------------------


def add_user(tx: Tx, email: str, name: str, role: Role, password_hash: str) -> int:
    """Returns the new user's id; `LostRace` if the e-mail address exists, or if there already is an owner."""
    added = insert(users).values(
        email=email, name=name, role=role.value, password_hash=password_hash, created_at=tx.now
    )
    return int(tx.value(added.returning(users.c.id)))


def begin_session(tx: Tx, user_id: int, token: str, browser: Browser, days: int) -> queries.User:
    """Creates a session with `token`. The caller has checked that the user may sign in."""
    tx.run(
        insert(sessions).values(
            token_hash=digest(token),
            user_id=user_id,
            created_at=tx.now,
            seen_at=tx.now,
            expires_at=tx.now + timedelta(days=days),
            user_agent=one_line(browser.user_agent[:300]),
            address=browser.address,
        )
    )
    return queries.existing_user(tx, user_id, tx.now)


def end_sessions(tx: Tx, user_id: int, *, only_session: int | None = None, except_session: int | None = None) -> int:
    """Ends all sessions of the user, only the session `only_session`, or all except `except_session`. Returns the number of ended sessions."""
    conditions = [sessions.c.user_id == user_id, sessions.c.ended_at.is_(None)]
    if only_session is not None:
        conditions.append(sessions.c.id == only_session)
    if except_session is not None:
        conditions.append(sessions.c.id != except_session)
    ended = tx.run(update(sessions).where(*conditions).values(ended_at=tx.now))
    tx.publish(f"user:{user_id}")
    return ended


def touch_sessions(tx: Tx, ids: Iterable[int]) -> None:
    """Records that these sessions are in use."""
    tx.run(update(sessions).where(sessions.c.id.in_(list(ids))).values(seen_at=tx.now))


def record_refused_origin(tx: Tx, code: str, origin: str, address: str) -> None:
    """Records that another site tried to write with a user's cookie."""
    record(tx, None, "write_refused", origin, address, code=code)


# --- the owner ----------------------------------------------------------------------------------


async def set_up(app: App, email: str, name: str, password: str, browser: Browser, time_zone: str = "") -> SignedIn:
    """Creates the first account and signs it in. `time_zone`: the account's, if it is known. `Conflict` "setup_done" if there is an owner, also after a lost race."""
    owner, token = await _validate_owner(app, email, name, password), app.ids.token(32)
    user = await app.write(_set_up, owner, token, browser, app.settings.session_days, time_zone)
    return SignedIn(token, user)


async def create_owner(app: App, email: str, name: str, password: str) -> queries.User:
    """Creates the owner for the command line, without a session. Raises as `set_up` does."""
    user: queries.User = await app.write(
        _create_owner, await _validate_owner(app, email, name, password), "command line"
    )
    return user


@dataclass(frozen=True, slots=True)
class _Owner:
    """The validated data of the first account."""

    email: str
    name: str
    password_hash: str


async def _validate_owner(app: App, email: str, name: str, password: str) -> _Owner:
    if await app.read(queries.owner_id) is not None:  # before the hashing, or strangers could use it to load the server
        raise setup_done()
    email, name, password = all_of(
        lambda: rules.required_email(email),
        lambda: rules.person_name(name),
        lambda: new_password(password, email=email, name=name),
    )
    return _Owner(email, name, await hashing(app).make(password))


def _create_owner(tx: Tx, owner: _Owner, address: str) -> queries.User:
    # Of two concurrent calls, `uq_users_owner` refuses one. The writer runs it again, and it stops here.
    if queries.owner_id(tx) is not None:
        raise setup_done()
    user_id = add_user(tx, owner.email, owner.name, Role.OWNER, owner.password_hash)
    record(tx, user_id, "setup", owner.email, address)
    return queries.existing_user(tx, user_id, tx.now)


def _set_up(tx: Tx, owner: _Owner, token: str, browser: Browser, days: int, time_zone: str) -> queries.User:
    user = _create_owner(tx, owner, browser.address)
    set_first_zone(tx, time_zone)
    return begin_session(tx, user.id, token, browser, days)


def setup_done() -> Refused:
    return Conflict("setup_done", "This Threadline already has an owner. Sign in, or ask them to invite you.")


# --- signing in ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A login attempt that is allowed and already counted, so that parallel attempts cannot pass the limit."""

    counted: list[int]
    facts: queries.LoginFacts | None


async def login(app: App, email: str, password: str, browser: Browser, replaces: Agent | None = None) -> SignedIn:
    """Signs in and returns the new session. `replaces`: the browser's old session, which ends.

    A wrong password, an unknown address and a disabled account get the same refusal after the same work:
    `SignInRequired` "bad_credentials". `RateLimited` after too many failures.
    """
    subject = rules.email_address(email) or ""
    attempt = await _count_attempt_or_refuse(app, subject, browser.address)
    facts = attempt.facts
    matches = await _check_password(app, attempt, password)
    if facts is None or facts.disabled or not matches:
        await app.write(_record_failure, facts, "login_failed", browser.address)
        raise _bad_credentials()
    stronger_hash = await _better_hash(app, facts.password_hash, password)
    token = app.ids.token(32)
    user = await app.write(
        _login, facts, attempt.counted, stronger_hash, token, browser, app.settings.session_days, replaces
    )
    if user is None:  # the account was disabled or got another password meanwhile
        raise _bad_credentials()
    return SignedIn(token, user)


def _login(
    tx: Tx,
    facts: queries.LoginFacts,
    attempt_ids: list[int],
    stronger_hash: str | None,
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
        .values(password_hash=stronger_hash or facts.password_hash)
    )
    if not unchanged:
        return None
    _delete_attempts(tx, attempt_ids)
    if replaces is not None:
        end_sessions(tx, replaces.id, only_session=replaces.session)
    record(tx, facts.user_id, "login", "", browser.address)
    return begin_session(tx, facts.user_id, token, browser, days)


async def _better_hash(app: App, password_hash: str | None, password: str) -> str | None:
    """A hash with the current parameters, if the stored one has weaker ones."""
    text = normalize(password)
    return await hashing(app).make(text) if password_hash and text is not None and needs_rehash(password_hash) else None


def _record_failure(tx: Tx, facts: queries.LoginFacts | None, action: str, address: str) -> None:
    # An unknown address is not recorded: people type passwords into the wrong field.
    record(tx, None, action, str(facts.user_id) if facts else "", address, known=facts is not None)


def _bad_credentials() -> Refused:
    return SignInRequired("Wrong e-mail or password.", "bad_credentials")


# --- guessing -----------------------------------------------------------------------------------


async def _count_attempt_or_refuse(app: App, email: str, address: str) -> _Attempt:
    """Counts a login attempt before the password is compared, or raises `RateLimited`. A successful login deletes the count."""
    limit = app.settings.login_attempts
    try:
        attempt: _Attempt | RateLimited = await app.write(_count_attempt, email, address, limit, lane=f"login:{email}")
    except RateLimited as limited:  # the writer raises a returned refusal
        if count := tally(app).add("login_throttled"):
            log.warning("login_throttled", address=address, retry_after=limited.retry_after, count=count)
        raise
    assert isinstance(attempt, _Attempt)
    return attempt


async def _check_password(app: App, attempt: _Attempt, password: str) -> bool:
    password_hash = None if attempt.facts is None else attempt.facts.password_hash
    try:
        return await hashing(app).matches(password_hash, password)
    except Busy:  # no password was compared, so this was no attempt
        await app.write(_delete_attempts, attempt.counted)
        raise


def _count_attempt(tx: Tx, email: str, address: str, limit: int) -> _Attempt | RateLimited:
    """Counts an attempt per account, per address and in total, in a sliding window.

    For an address from which the account has signed in before, only failures from that address count, so a stranger's
    guesses cannot lock the user out.
    """
    tx.run(delete(login_failures).where(login_failures.c.at <= tx.now - rules.LOGIN_WINDOW))
    facts = queries.login_facts(tx, email)
    account = f"account:{digest(email)}"
    account_at_address = f"{account}@{address}"
    bounds = {account_at_address: limit, f"address:{address}": limit * rules.ADDRESS_FACTOR}
    if facts is None or not _signed_in_from(tx, facts.user_id, address):
        bounds |= {account: limit, "all": limit * rules.TOTAL_FACTOR}
    for subject, max_attempts in bounds.items():
        counted_at = tx.value(
            select(login_failures.c.at)
            .where(login_failures.c.subject == subject)
            .order_by(login_failures.c.at.desc())
            .offset(max_attempts - 1)
            .limit(1)
        )
        if counted_at is not None:
            wait_s = (counted_at + rules.LOGIN_WINDOW - tx.now).total_seconds()
            return RateLimited("Too many attempts. Wait a moment, or ask an admin for a link.", max(1.0, wait_s))
    attempt_ids = tx.all(
        insert(login_failures)
        .values(
            [
                {"subject": subject, "at": tx.now}
                for subject in (account_at_address, f"address:{address}", account, "all")
            ]
        )
        .returning(login_failures.c.id)
    )
    return _Attempt([row.id for row in attempt_ids], facts)


def _signed_in_from(tx: Tx, user_id: int, address: str) -> bool:
    session_ids = select(sessions.c.id).where(sessions.c.user_id == user_id, sessions.c.address == address).limit(1)
    return tx.value(session_ids) is not None


def _delete_attempts(tx: Tx, attempt_ids: list[int]) -> None:
    tx.run(delete(login_failures).where(login_failures.c.id.in_(attempt_ids)))


# --- your own account --------------------------------------------------------------------------


async def own_sessions(app: App, agent: Agent) -> list[queries.Session]:
    idle = timedelta(days=app.settings.session_idle_days)
    valid_sessions: list[queries.Session] = await app.read(queries.sessions_of, agent.id, idle, app.clock.now())
    return valid_sessions


async def logout(app: App, agent: Agent, address: str) -> None:
    await app.write(_end_session, agent, agent.session, "logout", address)


async def end_session(app: App, agent: Agent, session_id: int, address: str) -> None:
    """Ends a session of the agent; `NotFound` for other sessions."""
    if not await app.write(_end_session, agent, session_id, "session_ended", address):
        raise NotFound()


def _end_session(tx: Tx, agent: Agent, session_id: int, action: str, address: str) -> int:
    ended = end_sessions(tx, agent.id, only_session=session_id)
    if ended:
        record(tx, agent.id, action, str(session_id), address)
    return ended


async def end_other_sessions(app: App, agent: Agent, address: str) -> None:
    await app.write(_end_other_sessions, agent, address)


def _end_other_sessions(tx: Tx, agent: Agent, address: str) -> None:
    ended = end_sessions(tx, agent.id, except_session=agent.session)
    record(tx, agent.id, "sessions_ended", "", address, count=ended)


async def change_password(app: App, agent: Agent, current: str, password: str, address: str) -> None:
    """Sets a new password and ends all other sessions. A wrong `current` counts as a failed login."""
    text = new_password(password, email=agent.email, name=agent.name)
    attempt = await _count_attempt_or_refuse(app, agent.email, address)
    facts = attempt.facts
    if facts is None or not await _check_password(app, attempt, current):
        await app.write(_record_failure, facts, "password_change_failed", address)
        raise Refused("bad_credentials", "The current password is wrong.", field="current")
    password_hash = await hashing(app).make(text)
    if not await app.write(_change_password, agent, facts, attempt.counted, password_hash, address):
        raise Conflict("changed_meanwhile", "The password was just changed from somewhere else.")


def _change_password(
    tx: Tx, agent: Agent, facts: queries.LoginFacts, attempt_ids: list[int], password_hash: str, address: str
) -> bool:
    changed = tx.run(
        update(users)
        .where(users.c.id == agent.id, users.c.password_hash == facts.password_hash)
        .values(password_hash=password_hash)
    )
    if changed:
        _delete_attempts(tx, attempt_ids)
        end_sessions(tx, agent.id, except_session=agent.session)
        record(tx, agent.id, "password_changed", "", address)
    return bool(changed)
