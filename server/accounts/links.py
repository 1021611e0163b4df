"""Single-use links: sign in, accept an invitation, set a new password.

The token is 256 random bits, stands in the address behind `#`, so no log ever holds it, and is
kept as a hash. Spending it is one conditional update: of two that race, one gets in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, update

from server.accounts import queries, rules
from server.accounts.actions import Browser, SignedIn, add_user, begin_session, end_sessions
from server.accounts.audit import record
from server.accounts.passwords import hashing, new_password
from server.accounts.queries import Invite, Link
from server.accounts.rules import LINK_LIFE, Agent, Purpose, Role
from server.errors import Conflict, Forbidden, NotFound, Refused
from server.kernel.context import App
from server.kernel.ids import digest
from server.kernel.sql import Tx
from server.schema import links, users


@dataclass(frozen=True, slots=True)
class Made:
    """A fresh link. `url` is shown once and kept nowhere."""

    url: str
    expires_at: datetime


def _url(app: App, purpose: Purpose, token: str) -> str:
    return f"{app.settings.public_url}/{purpose}#{token}"


def _gone() -> Refused:
    return Conflict("link_spent", "This link has expired or was already used. Ask for a new one.")


# --- making -------------------------------------------------------------------------------------


def add_link(
    tx: Tx,
    purpose: Purpose,
    token: str,
    *,
    user_id: int | None = None,
    email: str | None = None,
    role: Role | None = None,
    by: int | None = None,
) -> tuple[int, datetime]:
    """Returns its id and when it expires. For a user (`signin`, `reset`) or for an address and a role (`invite`)."""
    expires_at = tx.now + LINK_LIFE[purpose]
    added = insert(links).values(
        token_hash=digest(token),
        purpose=purpose,
        user_id=user_id,
        email=email,
        role=role and role.value,
        created_by=by,
        created_at=tx.now,
        expires_at=expires_at,
    )
    return int(tx.value(added.returning(links.c.id))), expires_at


def drop_links(tx: Tx, user_id: int) -> None:
    """Withdraws what could still let the user in, and the invitations they gave."""
    tx.run(delete(links).where(links.c.user_id == user_id, links.c.used_at.is_(None)))
    tx.run(delete(links).where(links.c.created_by == user_id, links.c.used_at.is_(None), links.c.purpose == "invite"))


async def invite(app: App, agent: Agent, email: str, role: Role, address: str) -> tuple[Invite, str]:
    """Invites somebody; an older invitation of the same address is withdrawn. Returns it and its link.

    `Conflict` "email_taken" for who already has an account, "one_owner" for a second owner.
    """
    token = app.ids.token(32)
    made: Invite = await app.write(_invite, agent, rules.required_email(email), role, token, address)
    return made, _url(app, "invite", token)


def _invite(tx: Tx, agent: Agent, email: str, role: Role, token: str, address: str) -> Invite:
    if (refusal := rules.may_give(_role_now(tx, agent), role)) is not None:
        raise refusal
    if queries.user_id_by_email(tx, email) is not None:
        raise _email_taken()
    tx.run(delete(links).where(links.c.purpose == "invite", links.c.email == email, links.c.used_at.is_(None)))
    link_id, expires_at = add_link(tx, "invite", token, email=email, role=role, by=agent.id)
    record(tx, agent.id, "invited", email, address, role=role.value)
    return Invite(link_id, email, role, expires_at)


def _role_now(tx: Tx, agent: Agent) -> Role:
    """The role in this very transaction: the one in the request may be a moment old."""
    user = queries.existing_user(tx, agent.id, tx.now)
    if user.disabled:
        raise Forbidden()
    return user.role


def _email_taken() -> Refused:
    return Conflict("email_taken", "Somebody with this e-mail address already has an account.", field="email")


async def withdraw_invite(app: App, agent: Agent, invite_id: int, address: str) -> None:
    await app.write(_withdraw_invite, agent, invite_id, address)


def _withdraw_invite(tx: Tx, agent: Agent, invite_id: int, address: str) -> None:
    gone = delete(links).where(links.c.id == invite_id, links.c.purpose == "invite", links.c.used_at.is_(None))
    email = tx.value(gone.returning(links.c.email))
    if email is None:
        raise NotFound()
    record(tx, agent.id, "invite_withdrawn", email, address)


async def make_reset(app: App, agent: Agent, user_id: int, address: str) -> Made:
    """A link with which that user sets a new password. Never the owner's (but by the command line), nor one's own."""
    token = app.ids.token(32)
    expires_at = await app.write(_make_reset, agent, user_id, token, address)
    return Made(_url(app, "reset", token), expires_at)


def _make_reset(tx: Tx, agent: Agent, user_id: int, token: str, address: str) -> datetime:
    target = queries.user(tx, user_id, tx.now)
    if target is None:
        raise NotFound()
    if (refusal := rules.may_reset(agent.id, _role_now(tx, agent), target.id, target.role)) is not None:
        raise refusal
    if target.disabled:
        raise Conflict("disabled", "This account is disabled. Enable it first.")
    return _add_for_user(tx, "reset", user_id, token, agent.id, address)


def _add_for_user(tx: Tx, purpose: Purpose, user_id: int, token: str, by: int | None, address: str) -> datetime:
    _, expires_at = add_link(tx, purpose, token, user_id=user_id, by=by)
    record(tx, by, f"{purpose}_link_made", str(user_id), address)
    return expires_at


async def make_from_command_line(app: App, purpose: Purpose, email: str | None) -> Made:
    """A `signin` or `reset` link for the user with that address, or for the owner. `NotFound` if there is none."""
    token = app.ids.token(32)
    expires_at = await app.write(_make_from_command_line, purpose, email, token)
    return Made(_url(app, purpose, token), expires_at)


def _make_from_command_line(tx: Tx, purpose: Purpose, email: str | None, token: str) -> datetime:
    user_id = queries.owner_id(tx) if email is None else queries.user_id_by_email(tx, rules.required_email(email))
    if user_id is None:
        raise NotFound("There is no such account." if email else "There is no owner yet.")
    if queries.existing_user(tx, user_id, tx.now).disabled:
        raise Conflict("disabled", "This account is disabled. Enable it first.")
    return _add_for_user(tx, purpose, user_id, token, None, "command line")


# --- using --------------------------------------------------------------------------------------


async def use(app: App, token: str, browser: Browser) -> SignedIn | Link:
    """A sign-in link signs in and is spent. Of the others: what they are good for; nothing is spent yet."""
    link: Link | None = await app.read(queries.link, digest(token), app.clock.now())
    if link is None:
        raise _gone()
    if link.purpose != "signin":
        return link
    cookie = app.ids.token(32)
    user = await app.write(_sign_in, digest(token), cookie, browser, app.settings.session_days)
    return SignedIn(cookie, user)


def _sign_in(tx: Tx, token_hash: str, cookie: str, browser: Browser, days: int) -> queries.User:
    link = _spend(tx, token_hash)
    if link.user_id is None:
        raise _gone()
    record(tx, link.user_id, "login", "link", browser.address)
    return begin_session(tx, link.user_id, cookie, browser, days)


def _spend(tx: Tx, token_hash: str) -> Link:
    link = queries.link(tx, token_hash, tx.now)
    if link is None:
        raise _gone()
    spent = tx.run(update(links).where(links.c.id == link.id, links.c.used_at.is_(None)).values(used_at=tx.now))
    if not spent:  # somebody was faster
        raise _gone()
    return link


async def finish(app: App, token: str, name: str | None, password: str, browser: Browser) -> SignedIn:
    """Accepts the invitation (`name` required), or sets the new password and ends all sessions; then signs in."""
    link: Link | None = await app.read(queries.link, digest(token), app.clock.now())
    if link is None or link.purpose == "signin":
        raise _gone()
    name = rules.person_name(name or "") if link.purpose == "invite" else link.name or ""
    kept = await hashing(app).make(new_password(password, email=link.email, name=name))
    step = _accept if link.purpose == "invite" else _reset
    cookie = app.ids.token(32)
    user = await app.write(step, digest(token), name, kept, cookie, browser, app.settings.session_days)
    return SignedIn(cookie, user)


def _accept(tx: Tx, token_hash: str, name: str, kept: str, cookie: str, browser: Browser, days: int) -> queries.User:
    link = _spend(tx, token_hash)
    if link.role is None or queries.user_id_by_email(tx, link.email) is not None:
        raise _email_taken()
    user_id = add_user(tx, link.email, name, link.role, kept)
    record(tx, user_id, "invite_accepted", link.email, browser.address, role=link.role.value)
    return begin_session(tx, user_id, cookie, browser, days)


def _reset(tx: Tx, token_hash: str, name: str, kept: str, cookie: str, browser: Browser, days: int) -> queries.User:
    link = _spend(tx, token_hash)
    if link.user_id is None:
        raise _gone()
    tx.run(update(users).where(users.c.id == link.user_id).values(password_hash=kept))
    end_sessions(tx, link.user_id)
    # Other links to the same account were made for somebody who may not be its user.
    tx.run(delete(links).where(links.c.user_id == link.user_id, links.c.used_at.is_(None)))
    record(tx, link.user_id, "password_reset", "", browser.address)
    return begin_session(tx, link.user_id, cookie, browser, days)
