"""Single-use links: sign in, accept an invitation, set a new password.

The token is 256 random bits. It is in the fragment of the URL, so no log contains it, and is stored as a hash. Using the
link is one conditional update, so only one of two concurrent requests succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, update

from server.accounts import queries, rules
from server.accounts.actions import Browser, SignedIn, add_user, begin_session, end_sessions
from server.accounts.passwords import hashing, new_password
from server.accounts.queries import TEAM_TOPIC, Invite, Link
from server.accounts.rules import LINK_LIFE, Agent, Invited, Purpose, Role
from server.audit.actions import record
from server.errors import Conflict, Forbidden, NotFound, Refused, all_of
from server.kernel.context import App
from server.kernel.ids import digest
from server.kernel.sql import Tx
from server.schema import links, users


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link. `url` is shown once and not stored."""

    url: str
    expires_at: datetime


def link_url(public_url: str, purpose: Purpose, token: str) -> str:
    return f"{public_url}/{purpose}#{token}"


def _url(app: App, purpose: Purpose, token: str) -> str:
    return link_url(app.settings.public_url, purpose, token)


def _link_spent() -> Refused:
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
    expires_at: datetime | None = None,
    mailed_for: int | None = None,
) -> tuple[int, datetime]:
    """Adds a link for a user (`signin`, `reset`) or for an address and a role (`invite`). Returns its id and expiry."""
    expires_at = expires_at or tx.now + LINK_LIFE[purpose]
    added = insert(links).values(
        token_hash=digest(token),
        purpose=purpose,
        user_id=user_id,
        email=email,
        role=role and role.value,
        created_by=by,
        created_at=tx.now,
        expires_at=expires_at,
        mailed_for=mailed_for,
    )
    return int(tx.value(added.returning(links.c.id))), expires_at


def revoke_links(tx: Tx, user_id: int) -> None:
    """Revokes the user's unused links and the open invitations they made."""
    tx.run(delete(links).where(links.c.user_id == user_id, links.c.used_at.is_(None)))
    tx.run(delete(links).where(links.c.created_by == user_id, links.c.used_at.is_(None), links.c.purpose == "invite"))


async def invite(app: App, agent: Agent, email: str, role: Role, address: str) -> tuple[Invite, str]:
    """Creates an invitation and withdraws an older one of the same address. Returns the invitation and its link.

    `Conflict` "email_taken" if the address has an account, "one_owner" for a second owner.
    """
    token = app.ids.token(32)
    invitation: Invite = await app.write(_invite, agent, rules.required_email(email), role, token, address)
    return invitation, _url(app, "invite", token)


def _invite(tx: Tx, agent: Agent, email: str, role: Role, token: str, address: str) -> Invite:
    if (refusal := rules.may_grant(_role_now(tx, agent), role)) is not None:
        raise refusal
    if queries.user_id_by_email(tx, email) is not None:
        raise _email_taken()
    tx.run(delete(links).where(links.c.purpose == "invite", links.c.email == email, links.c.used_at.is_(None)))
    link_id, expires_at = add_link(tx, "invite", token, email=email, role=role, by=agent.id)
    tx.publish(TEAM_TOPIC)
    record(tx, agent.id, "invited", email, address, role=role.value)
    language = queries.existing_user(tx, agent.id, tx.now).language
    tx.announce(Invited(link_id, email, agent.name, language or "en"))
    return Invite(link_id, email, role, expires_at)


def _role_now(tx: Tx, agent: Agent) -> Role:
    """The current role of the agent; the one in the request may be a few seconds old."""
    user = queries.existing_user(tx, agent.id, tx.now)
    if user.disabled:
        raise Forbidden()
    return user.role


def _email_taken() -> Refused:
    return Conflict("email_taken", "Somebody with this e-mail address already has an account.", field="email")


async def withdraw_invite(app: App, agent: Agent, invite_id: int, address: str) -> None:
    await app.write(_withdraw_invite, agent, invite_id, address)


def _withdraw_invite(tx: Tx, agent: Agent, invite_id: int, address: str) -> None:
    unused = (links.c.purpose == "invite", links.c.used_at.is_(None))
    email = tx.value(delete(links).where(links.c.id == invite_id, *unused).returning(links.c.email))
    if email is None:
        raise NotFound()
    tx.run(delete(links).where(links.c.mailed_for == invite_id, *unused))
    tx.publish(TEAM_TOPIC)
    record(tx, agent.id, "invite_withdrawn", email, address)


async def make_reset(app: App, agent: Agent, user_id: int, address: str) -> NewLink:
    """A link with which the user sets a new password; refused for the owner and for the agent's own account."""
    token = app.ids.token(32)
    expires_at = await app.write(_make_reset, agent, user_id, token, address)
    return NewLink(_url(app, "reset", token), expires_at)


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


async def make_from_command_line(app: App, purpose: Purpose, email: str | None) -> NewLink:
    """A `signin` or `reset` link for the user with that address, or for the owner without one. `NotFound` if there is no such user."""
    token = app.ids.token(32)
    expires_at = await app.write(_make_from_command_line, purpose, email, token)
    return NewLink(_url(app, purpose, token), expires_at)


def _make_from_command_line(tx: Tx, purpose: Purpose, email: str | None, token: str) -> datetime:
    user_id = queries.owner_id(tx) if email is None else queries.user_id_by_email(tx, rules.required_email(email))
    if user_id is None:
        raise NotFound("This account does not exist." if email else "There is no owner yet.")
    if queries.existing_user(tx, user_id, tx.now).disabled:
        raise Conflict("disabled", "This account is disabled. Enable it first.")
    return _add_for_user(tx, purpose, user_id, token, None, "command line")


# --- using --------------------------------------------------------------------------------------


async def use(app: App, token: str, browser: Browser) -> SignedIn | Link:
    """Signs in with a sign-in link and marks it as used. Other links stay unused, and their data is returned."""
    link: Link | None = await app.read(queries.link, digest(token), app.clock.now())
    if link is None:
        raise _link_spent()
    if link.purpose != "signin":
        return link
    cookie = app.ids.token(32)
    user = await app.write(_sign_in, digest(token), cookie, browser, app.settings.session_days)
    return SignedIn(cookie, user)


def _sign_in(tx: Tx, token_hash: str, cookie: str, browser: Browser, days: int) -> queries.User:
    link = _mark_used(tx, token_hash)
    if link.user_id is None:
        raise _link_spent()
    record(tx, link.user_id, "login", "link", browser.address)
    return begin_session(tx, link.user_id, cookie, browser, days)


def _mark_used(tx: Tx, token_hash: str) -> Link:
    link = queries.link(tx, token_hash, tx.now)
    if link is None:
        raise _link_spent()
    used = tx.run(update(links).where(links.c.id == link.id, links.c.used_at.is_(None)).values(used_at=tx.now))
    if not used:  # a concurrent request used the link
        raise _link_spent()
    return link


async def finish(app: App, token: str, name: str | None, password: str, browser: Browser) -> SignedIn:
    """Accepts the invitation (`name` required), or sets the new password and ends all sessions; then signs in."""
    link: Link | None = await app.read(queries.link, digest(token), app.clock.now())
    if link is None or link.purpose == "signin":
        raise _link_spent()
    entered_name = (name or "") if link.purpose == "invite" else link.name or ""
    name, password = all_of(
        lambda: rules.person_name(entered_name) if link.purpose == "invite" else entered_name,
        lambda: new_password(password, email=link.email, name=entered_name),
    )
    password_hash = await hashing(app).make(password)
    step = _accept if link.purpose == "invite" else _reset
    cookie = app.ids.token(32)
    user = await app.write(step, digest(token), name, password_hash, cookie, browser, app.settings.session_days)
    return SignedIn(cookie, user)


def _accept(
    tx: Tx, token_hash: str, name: str, password_hash: str, cookie: str, browser: Browser, days: int
) -> queries.User:
    link = _mark_used(tx, token_hash)
    if link.role is None or queries.user_id_by_email(tx, link.email) is not None:
        raise _email_taken()
    tx.run(delete(links).where(links.c.purpose == "invite", links.c.email == link.email, links.c.used_at.is_(None)))
    user_id = add_user(tx, link.email, name, link.role, password_hash)
    tx.publish(TEAM_TOPIC)
    record(tx, user_id, "invite_accepted", link.email, browser.address, role=link.role.value)
    return begin_session(tx, user_id, cookie, browser, days)


def _reset(
    tx: Tx, token_hash: str, name: str, password_hash: str, cookie: str, browser: Browser, days: int
) -> queries.User:
    link = _mark_used(tx, token_hash)
    if link.user_id is None:
        raise _link_spent()
    tx.run(update(users).where(users.c.id == link.user_id).values(password_hash=password_hash))
    end_sessions(tx, link.user_id)
    # Other links to this account may be in the wrong hands.
    tx.run(delete(links).where(links.c.user_id == link.user_id, links.c.used_at.is_(None)))
    record(tx, link.user_id, "password_reset", "", browser.address)
    return begin_session(tx, link.user_id, cookie, browser, days)
