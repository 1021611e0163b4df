"""Accounts over HTTP (PROTOCOL 3, "Accounts"): parse, call, render."""

from __future__ import annotations

import hmac
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.accounts import (
    actions,
    api_keys,
    commands,
    identity_secrets,
    mailed_links,
    queries,
    responses,
    single_use_links,
    team,
)
from server.accounts.account_settings import ACCOUNT, AccountSettings
from server.accounts.actions import Browser, SignedIn
from server.accounts.rules import KEY_SCOPES, Agent, ApiKey, Can, Role, Rotation, capabilities, may
from server.audit import versions
from server.delivery.mail_settings import MAIL
from server.errors import Forbidden, SignInRequired
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.web import auth
from server.web.http import PUBLIC, Call, Done, EmptyBody, Endpoint, path_id

# A generous limit; the rules check the real one.
Line = Annotated[str, Field(max_length=400)]
LinkToken = Annotated[str, Field(min_length=20, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Language = Literal["en", "ko", "pl", "ru"]
InviteRole = Annotated[Role, Field(strict=False)]  # a role's name in JSON


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Setup(Body):
    name: Line
    email: Line
    password: str
    token: Line | None = None
    time_zone: str = ""  # of the browser


class AccountBody(AccountSettings):
    """`version`: of the settings that the change is based on."""

    version: str | None = None


class Login(Body):
    email: Line
    password: str


class UseLink(Body):
    token: LinkToken


class FinishLink(Body):
    token: LinkToken
    name: Line | None = None
    password: str


class RequestLink(Body):
    email: Line
    purpose: Literal["signin", "reset"]
    language: Language = "en"


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
    language: Language | None = None


class NewInvite(Body):
    email: Line
    role: InviteRole


def user_json(user: queries.User, *, with_email: bool) -> dict[str, Any]:
    """`User` of the protocol."""
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email if with_email else None,
        "role": user.role,
        "disabled": user.disabled,
        "away": user.away,
        "online": user.online,
        "created_at": rfc3339(user.created_at),
        "language": user.language,
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


async def session(app: App, call: Call) -> Any:
    """Show the signed-in user and their capabilities, or that the account must be set up."""
    actor = call.actor
    if not isinstance(actor, Agent):
        setup_needed = await app.read(queries.owner_id) is None
        mail = await MAIL.latest(app)
        return {
            "setup_needed": setup_needed,
            "user": None,
            "capabilities": [],
            "links_by_mail": mail.usable,
            "time_zone": None,
        }
    user: queries.User = await app.read(queries.existing_user, actor.id, app.clock.now())
    return {
        "setup_needed": False,
        "user": user_json(user, with_email=True),
        "capabilities": capabilities(user.role),
        "links_by_mail": (await MAIL.latest(app)).usable,
        "time_zone": (await ACCOUNT.latest(app)).time_zone or None,
    }


async def setup(app: App, call: Call) -> Any:
    """Create the first account with the token of the set-up link that the server printed (C26)."""
    # The client's address is no proof, because behind a proxy all clients have the proxy's.
    body: Setup = call.body
    if await app.read(queries.owner_id) is not None:
        raise actions.setup_done()
    if not hmac.compare_digest((body.token or "").encode(), commands.setup_token(app).encode()):
        raise Forbidden(
            "Open the set-up link that the server printed when it started, or run `threadline create-owner` there.",
            "setup_link_needed",
        )
    signed_in = await actions.set_up(app, body.email, body.name, body.password, _browser(call), body.time_zone)
    return _sign_in(app, call, signed_in)


async def show_account(app: App, call: Call) -> Any:
    """Show the settings of the whole account."""
    return (await app.read(versions.load, ACCOUNT)).json()


async def change_account(app: App, call: Call) -> Any:
    """Change the settings of the whole account."""
    wanted = AccountSettings(time_zone=call.body.time_zone)
    saved = await app.write(versions.save, call.agent.id, ACCOUNT, wanted, call.body.version, call.address)
    ACCOUNT.cached(app).on_published(TOPIC, None)
    return saved.json()


async def login(app: App, call: Call) -> Any:
    """Sign in with e-mail and password."""
    body: Login = call.body
    replaces = call.actor if isinstance(call.actor, Agent) else None
    return _sign_in(app, call, await actions.login(app, body.email, body.password, _browser(call), replaces))


async def logout(app: App, call: Call) -> Any:
    """End this session."""
    # A client that is not signed in gets the same success.
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
    own_sessions = await actions.own_sessions(app, call.agent)
    return {
        "sessions": [
            {
                "id": session.id,
                "current": session.id == call.agent.session,
                "created_at": rfc3339(session.created_at),
                "seen_at": rfc3339(session.seen_at),
                "user_agent": session.user_agent,
                "address": session.address,
            }
            for session in own_sessions
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
    """Use a one-time link: sign in, or show which invitation or reset the link is for."""
    body: UseLink = call.body
    used = await single_use_links.use(app, body.token, _browser(call))
    if isinstance(used, SignedIn):
        return {"purpose": "signin", "email": None, "name": None, **_sign_in(app, call, used)}
    return {"purpose": used.purpose, "email": used.email, "name": used.name, "user": None}


async def request_link(app: App, call: Call) -> Any:
    """Ask for a link by mail: to sign in, or to set a new password. The answer is the same for unknown addresses."""
    body: RequestLink = call.body
    await mailed_links.request(app, body.purpose, body.email, body.language, call.address)
    return {}


async def finish_link(app: App, call: Call) -> Any:
    """Accept an invitation or set a new password by link, and sign in."""
    body: FinishLink = call.body
    return _sign_in(app, call, await single_use_links.finish(app, body.token, body.name, body.password, _browser(call)))


async def users(app: App, call: Call) -> Any:
    """List the team."""
    with_email = may(call.actor, Can.USERS)
    team: list[queries.User] = await app.read(queries.team, app.clock.now())
    return {"users": [user_json(user, with_email=with_email) for user in team]}


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
    changed = await team.change_me(app, call.agent, body.name, body.away, call.address, body.language)
    return {"user": user_json(changed, with_email=True)}


async def reset_link(app: App, call: Call) -> Any:
    """Make a link with which a colleague sets a new password."""
    link = await single_use_links.make_reset(app, call.agent, path_id(call, "id"), call.address)
    return {"url": link.url, "expires_at": rfc3339(link.expires_at)}


async def invites(app: App, call: Call) -> Any:
    """List open invitations."""
    open_invites: list[queries.Invite] = await app.read(queries.invites, app.clock.now())
    return {"invites": [_invite_json(invite) for invite in open_invites]}


async def invite(app: App, call: Call) -> Any:
    """Invite somebody; the link is shown once, and mailed if mail is set up."""
    body: NewInvite = call.body
    invitation, url = await single_use_links.invite(app, call.agent, body.email, body.role, call.address)
    mailed = (await MAIL.latest(app)).usable
    return {"invite": _invite_json(invitation), "url": url, "mailed": mailed}


async def withdraw_invite(app: App, call: Call) -> Any:
    """Withdraw an invitation."""
    await single_use_links.withdraw_invite(app, call.agent, path_id(call, "id"), call.address)
    return {}


def _identity_json(app: App, rotation: Rotation) -> dict[str, Any]:
    until = rotation.previous_until
    previous_accepted = until is not None and until > app.clock.now()
    return {
        "secret": auth.identity_secret(app, rotation.number),
        "previous_valid_until": rfc3339(until) if until is not None and previous_accepted else None,
    }


async def identity_secret(app: App, call: Call) -> Any:
    """Show the secret with which your site signs who its customer is."""
    return _identity_json(app, await app.read(queries.identity_rotation))


async def rotate_identity(app: App, call: Call) -> Any:
    """Change that secret; the old one stays valid for a while."""
    rotated = await app.write(identity_secrets.rotate, call.agent, call.address)
    auth.expire_rotation(app)
    return _identity_json(app, rotated)


class NewKey(Body):
    name: Line
    scopes: list[Annotated[str, Field(max_length=40)]] = Field(max_length=40)


def _key_json(key: api_keys.KeyRow) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "hint": key.hint,
        "created_at": rfc3339(key.created_at),
        "created_by": key.created_by,
        "used_at": rfc3339(key.used_at) if key.used_at else None,
    }


async def list_keys(app: App, call: Call) -> Any:
    """List the API keys and the scopes that a key may have."""
    keys = await app.read(api_keys.all_keys)
    return {"keys": [_key_json(key) for key in keys], "scopes": sorted(KEY_SCOPES)}


async def make_key(app: App, call: Call) -> Any:
    """Make an API key; its secret is shown only in this response."""
    body: NewKey = call.body
    key, secret = await app.write(api_keys.make, call.agent, body.name, body.scopes, call.address)
    return {"key": _key_json(key), "secret": secret}


async def revoke_key(app: App, call: Call) -> Any:
    """Revoke an API key for good."""
    await app.write(api_keys.revoke, call.agent, path_id(call, "key"), call.address)
    return {}


async def own_key(app: App, call: Call) -> Any:
    """Show the API key of this request and its scopes."""
    if not isinstance(call.actor, ApiKey):
        raise SignInRequired("Send an API key in the Authorization header.")
    return {"name": call.actor.name, "scopes": sorted(call.actor.scopes)}


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/session", session, PUBLIC, response=responses.Session),
    Endpoint("POST", "/api/setup", setup, PUBLIC, body=Setup, response=responses.SignedIn),
    Endpoint("POST", "/api/login", login, PUBLIC, body=Login, response=responses.SignedIn),
    Endpoint("POST", "/api/logout", logout, PUBLIC, body=EmptyBody, response=Done),
    Endpoint("POST", "/api/links/request", request_link, PUBLIC, body=RequestLink, response=Done),
    Endpoint("POST", "/api/links/use", use_link, PUBLIC, body=UseLink, response=responses.UsedLink),
    Endpoint("POST", "/api/links/finish", finish_link, PUBLIC, body=FinishLink, response=responses.SignedIn),
    Endpoint("POST", "/api/password", change_password, Can.SIGNED_IN, body=ChangePassword, response=Done),
    Endpoint("GET", "/api/settings/account", show_account, Can.CHANNELS, response=responses.VersionedAccount),
    Endpoint(
        "PUT", "/api/settings/account", change_account, Can.CHANNELS, AccountBody, response=responses.VersionedAccount
    ),
    Endpoint("GET", "/api/sessions", sessions, Can.SIGNED_IN, response=responses.Sessions),
    Endpoint("DELETE", "/api/sessions", end_other_sessions, Can.SIGNED_IN, response=Done),
    Endpoint("DELETE", "/api/sessions/{id}", end_session, Can.SIGNED_IN, response=Done),
    Endpoint("PATCH", "/api/me", change_me, Can.SIGNED_IN, body=ChangeMe, response=responses.SignedIn),
    Endpoint("GET", "/api/users", users, Can.SIGNED_IN, response=responses.Users),
    Endpoint("PATCH", "/api/users/{id}", change_user, Can.USERS, body=ChangeUser, response=responses.SignedIn),
    Endpoint("POST", "/api/users/{id}/reset-link", reset_link, Can.USERS, body=EmptyBody, response=responses.ResetLink),
    Endpoint("GET", "/api/invites", invites, Can.USERS, response=responses.Invites),
    Endpoint("POST", "/api/invites", invite, Can.USERS, body=NewInvite, response=responses.Invited),
    Endpoint("DELETE", "/api/invites/{id}", withdraw_invite, Can.USERS, response=Done),
    Endpoint("GET", "/api/keys", list_keys, Can.SECRETS, response=responses.ApiKeys),
    Endpoint("POST", "/api/keys", make_key, Can.SECRETS, body=NewKey, response=responses.NewApiKey),
    Endpoint("DELETE", "/api/keys/{key}", revoke_key, Can.SECRETS, response=Done),
    Endpoint("GET", "/api/key", own_key, PUBLIC, response=responses.OwnKey, keys=True),
    Endpoint("GET", "/api/settings/widget/identity", identity_secret, Can.SECRETS, response=responses.IdentitySecret),
    Endpoint(
        "POST",
        "/api/settings/widget/identity/rotate",
        rotate_identity,
        Can.SECRETS,
        body=EmptyBody,
        response=responses.IdentitySecret,
    ),
]
