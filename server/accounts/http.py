"""Accounts over HTTP (PROTOCOL 3, "Accounts"): parse, call, render."""

from __future__ import annotations

import hmac
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts import actions, answers, audit, commands, identity, links, queries, rules, team
from server.accounts.actions import Browser, SignedIn
from server.accounts.rules import Agent, Can, Role, Rotation, capabilities, may
from server.contacts.rules import shown_phone
from server.errors import Forbidden
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.web import auth
from server.web.http import PUBLIC, WHOLE, Call, Endpoint, path_id, whole

# --- what comes in ------------------------------------------------------------------------------

# Long enough for everything a person types; the rules say what is really allowed.
Line = Annotated[str, Field(max_length=400)]
LinkToken = Annotated[str, Field(min_length=20, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
InviteRole = Annotated[Role, Field(strict=False)]  # a name in JSON


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Empty(Body):
    pass


class Setup(Body):
    name: Line
    email: Line
    password: str
    token: Line | None = None


class Login(Body):
    email: Line
    password: str


class UseLink(Body):
    token: LinkToken


class FinishLink(Body):
    token: LinkToken
    name: Line | None = None
    password: str


class ChangePassword(Body):
    current: str
    password: str


class ChangeUser(Body):
    role: InviteRole | None = None
    name: Line | None = None
    disabled: bool | None = None


class ChangeMe(Body):
    name: Line | None = None
    away: bool | None = None


class NewInvite(Body):
    email: Line
    role: InviteRole


# --- what goes out ------------------------------------------------------------------------------


def user_json(user: queries.User, *, with_email: bool) -> dict[str, Any]:
    """`User` of the protocol."""
    return {
        "id": user.id,
        "name": user.name,
        **({"email": user.email} if with_email else {}),
        "role": user.role,
        "disabled": user.disabled,
        "away": user.away,
        "online": user.online,
        "created_at": rfc3339(user.created_at),
    }


def _invite_json(invite: queries.Invite) -> dict[str, Any]:
    return {
        "id": invite.id,
        "email": invite.email,
        "role": invite.role,
        "expires_at": rfc3339(invite.expires_at),
    }


def _browser(call: Call) -> Browser:
    return Browser(call.address, call.request.headers.get("user-agent", ""))


def _sign_in(app: App, call: Call, signed_in: SignedIn) -> dict[str, Any]:
    call.set_cookies.append(auth.session_cookie(app, signed_in.token))
    return {"user": user_json(signed_in.user, with_email=True)}


# --- handlers -----------------------------------------------------------------------------------


async def session(app: App, call: Call) -> Any:
    """Say who is signed in, what they may do, and whether the account is still to be set up."""
    who = call.actor
    if not isinstance(who, Agent):
        setup_needed = await app.read(queries.owner_id) is None
        return {"setup_needed": setup_needed, "user": None, "capabilities": []}
    user: queries.User = await app.read(queries.existing_user, who.id, app.clock.now())
    return {
        "setup_needed": False,
        "user": user_json(user, with_email=True),
        "capabilities": capabilities(user.role),
    }


async def setup(app: App, call: Call) -> Any:
    """The first account. From this machine freely; from elsewhere with the link the server printed (C26)."""
    body: Setup = call.body
    here = call.address in ("127.0.0.1", "local", rules.LOOPBACK_6) and "x-forwarded-for" not in call.request.headers
    if not here and not hmac.compare_digest((body.token or "").encode(), commands.setup_token(app).encode()):
        raise Forbidden(
            "Open the set-up link that the server printed when it started, or run `threadline create-owner` there.",
            "setup_link_needed",
        )
    signed_in = await actions.set_up(app, body.email, body.name, body.password, _browser(call))
    return _sign_in(app, call, signed_in)


async def login(app: App, call: Call) -> Any:
    """Sign in with e-mail and password."""
    body: Login = call.body
    replaces = call.actor if isinstance(call.actor, Agent) else None
    return _sign_in(app, call, await actions.login(app, body.email, body.password, _browser(call), replaces))


async def logout(app: App, call: Call) -> Any:
    """End this session."""
    # Whoever is not signed in (any more) is where they wanted to be.
    if isinstance(call.actor, Agent):
        await actions.logout(app, call.actor, call.address)
    call.set_cookies.append(auth.session_cookie(app, None))
    return {}


async def change_password(app: App, call: Call) -> Any:
    """Change your own password; ends all your other sessions."""
    body: ChangePassword = call.body
    await actions.change_password(app, call.agent, body.current, body.password, call.address)
    return {}


async def sessions(app: App, call: Call) -> Any:
    """List your own sessions."""
    found = await actions.own_sessions(app, call.agent)
    return {
        "sessions": [
            {
                "id": one.id,
                "current": one.id == call.agent.session,
                "created_at": rfc3339(one.created_at),
                "seen_at": rfc3339(one.seen_at),
                "user_agent": one.user_agent,
                "address": one.address,
            }
            for one in found
        ]
    }


async def end_session(app: App, call: Call) -> Any:
    """End one of your sessions."""
    session_id = path_id(call, "id")
    await actions.end_session(app, call.agent, session_id, call.address)
    if session_id == call.agent.session:
        call.set_cookies.append(auth.session_cookie(app, None))
    return {}


async def end_other_sessions(app: App, call: Call) -> Any:
    """End all your sessions but this one."""
    await actions.end_other_sessions(app, call.agent, call.address)
    return {}


async def use_link(app: App, call: Call) -> Any:
    """Follow a one-time link: sign in, or learn what an invitation or reset is for."""
    body: UseLink = call.body
    used = await links.use(app, body.token, _browser(call))
    if isinstance(used, SignedIn):
        return {"purpose": "signin", **_sign_in(app, call, used)}
    return {"purpose": used.purpose, "email": used.email, "name": used.name}


async def finish_link(app: App, call: Call) -> Any:
    """Accept an invitation or set a new password by link, and sign in."""
    body: FinishLink = call.body
    return _sign_in(app, call, await links.finish(app, body.token, body.name, body.password, _browser(call)))


async def users(app: App, call: Call) -> Any:
    """List the team."""
    with_email = may(call.actor, Can.USERS)
    found: list[queries.User] = await app.read(queries.team, app.clock.now())
    return {"users": [user_json(user, with_email=with_email) for user in found]}


async def change_user(app: App, call: Call) -> Any:
    """Change a colleague: role, name, or whether they may sign in."""
    body: ChangeUser = call.body
    changed = await team.change_user(
        app,
        call.agent,
        path_id(call, "id"),
        team.UserChange(body.role, body.name, body.disabled),
        call.address,
    )
    return {"user": user_json(changed, with_email=True)}


async def change_me(app: App, call: Call) -> Any:
    """Change your own name, or whether you are away."""
    body: ChangeMe = call.body
    changed = await team.change_me(app, call.agent, body.name, body.away, call.address)
    return {"user": user_json(changed, with_email=True)}


async def reset_link(app: App, call: Call) -> Any:
    """Make a link with which a colleague sets a new password."""
    made = await links.make_reset(app, call.agent, path_id(call, "id"), call.address)
    return {"url": made.url, "expires_at": rfc3339(made.expires_at)}


async def invites(app: App, call: Call) -> Any:
    """List open invitations."""
    found: list[queries.Invite] = await app.read(queries.invites, app.clock.now())
    return {"invites": [_invite_json(invite) for invite in found]}


async def invite(app: App, call: Call) -> Any:
    """Invite somebody; the link is shown once."""
    body: NewInvite = call.body
    made, url = await links.invite(app, call.agent, body.email, body.role, call.address)
    return {"invite": _invite_json(made), "url": url}


async def withdraw_invite(app: App, call: Call) -> Any:
    """Withdraw an invitation."""
    await links.withdraw_invite(app, call.agent, path_id(call, "id"), call.address)
    return {}


def _identity_json(app: App, found: Rotation) -> dict[str, Any]:
    until = found.previous_until
    still = until is not None and until > app.clock.now()
    return {
        "secret": auth.identity_secret(app, found.number),
        "previous_valid_until": rfc3339(until) if until is not None and still else None,
    }


async def identity_secret(app: App, call: Call) -> Any:
    """Show the secret with which your site signs who its customer is."""
    return _identity_json(app, await app.read(queries.identity_rotation))


async def rotate_identity(app: App, call: Call) -> Any:
    """Change that secret; the old one stays valid for a while."""
    rotated = await app.write(identity.rotate, call.agent, call.address)
    auth.forget_rotation(app)
    return _identity_json(app, rotated)


def _customer(contact: audit.Contact | None) -> dict[str, Any] | None:
    return None if contact is None else asdict(contact) | {"phone_shown": shown_phone(contact.phone)}


async def audit_log(app: App, call: Call) -> Any:
    """Read who did what to accounts and settings, newest first."""
    limit = whole(call, "limit", 50, 200)
    found: list[audit.Line] = await app.read(audit.page, whole(call, "before", 2**53, 2**53), limit + 1)
    lines = found[:limit]
    return {
        "lines": [{**asdict(line), "at": rfc3339(line.at), "contact": _customer(line.contact)} for line in lines],
        "before": lines[-1].id if len(found) > limit else None,
    }


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/session", session, PUBLIC, answer=answers.Session),
    Endpoint("POST", "/api/setup", setup, PUBLIC, body=Setup, answer=answers.SignedIn),
    Endpoint("POST", "/api/login", login, PUBLIC, body=Login, answer=answers.SignedIn),
    Endpoint("POST", "/api/logout", logout, PUBLIC, body=Empty),
    Endpoint("POST", "/api/links/use", use_link, PUBLIC, body=UseLink, answer=answers.UsedLink),
    Endpoint("POST", "/api/links/finish", finish_link, PUBLIC, body=FinishLink, answer=answers.SignedIn),
    Endpoint("POST", "/api/password", change_password, Can.SIGNED_IN, body=ChangePassword),
    Endpoint("GET", "/api/sessions", sessions, Can.SIGNED_IN, answer=answers.Sessions),
    Endpoint("DELETE", "/api/sessions", end_other_sessions, Can.SIGNED_IN),
    Endpoint("DELETE", "/api/sessions/{id}", end_session, Can.SIGNED_IN),
    Endpoint("PATCH", "/api/me", change_me, Can.SIGNED_IN, body=ChangeMe, answer=answers.SignedIn),
    Endpoint("GET", "/api/users", users, Can.SIGNED_IN, answer=answers.Users),
    Endpoint("PATCH", "/api/users/{id}", change_user, Can.USERS, body=ChangeUser, answer=answers.SignedIn),
    Endpoint("POST", "/api/users/{id}/reset-link", reset_link, Can.USERS, body=Empty, answer=answers.ResetLink),
    Endpoint("GET", "/api/invites", invites, Can.USERS, answer=answers.Invites),
    Endpoint("POST", "/api/invites", invite, Can.USERS, body=NewInvite, answer=answers.Invited),
    Endpoint("DELETE", "/api/invites/{id}", withdraw_invite, Can.USERS),
    Endpoint(
        "GET", "/api/audit", audit_log, Can.AUDIT, answer=answers.AuditPage, query={"before": WHOLE, "limit": WHOLE}
    ),
    Endpoint("GET", "/api/settings/widget/identity", identity_secret, Can.SECRETS, answer=answers.IdentitySecret),
    Endpoint(
        "POST",
        "/api/settings/widget/identity/rotate",
        rotate_identity,
        Can.SECRETS,
        body=Empty,
        answer=answers.IdentitySecret,
    ),
]
