"""Who is asking: the agents' cookie, the visitors' token, a shop's signed identity; and from which origin.

A cookie is believed for at most `FRESH_S` seconds after the database was asked, and not a moment
after somebody took it away: `user:<id>` rings, here and in the other processes.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from server.accounts import actions, queries, rules
from server.accounts.rules import Agent, BadIdentity, Rotation, Visitor, VisitorIdentity
from server.errors import Busy, Forbidden, Refused, SignInRequired
from server.kernel.context import App
from server.kernel.ids import digest, sign, signed_by
from server.kernel.writing import Step
from server.web.limits import Rate

log = structlog.get_logger()

__all__ = [
    "VisitorIdentity",
    "agent_from_cookie",
    "anonymous_key",
    "check_origin",
    "forget_rotation",
    "identity_secret",
    "mint_visitor_token",
    "own_origin",
    "session_cookie",
    "still_valid",
    "visitor_from_header",
    "visitor_identity",
    "visitor_key",
]

FRESH_S = 3.0
CACHED = 4_000  # sessions remembered at most
ROTATION_FRESH_S = 5.0
MAX_JWT = 4_000  # characters

# --- origins ------------------------------------------------------------------------------------


def own_origin(app: App, origin: str | None) -> bool:
    """Is this the origin we are reached under? A browser leaves the usual port away, a setting may name it."""
    if not origin:
        return False
    usual = ":443" if app.settings.secure else ":80"
    return origin.lower() == app.settings.public_url.removesuffix(usual)


def check_origin(app: App, headers: Mapping[str, str], address: str = "") -> None:
    """Refuses a write that another site may have caused (C6): `Forbidden` "bad_origin" or "cross_site". `address`: for the log."""
    if headers.get("sec-fetch-site") == "cross-site":
        raise _from_elsewhere(app, headers, address, Forbidden("This request came from another site.", "cross_site"))
    if not own_origin(app, headers.get("origin")):
        where = app.settings.public_url
        raise _from_elsewhere(
            app,
            headers,
            address,
            Forbidden(f"Writes are accepted from {where} only; open Threadline there.", "bad_origin"),
        )


def _from_elsewhere(app: App, headers: Mapping[str, str], address: str, refusal: Refused) -> Refused:
    origin = (headers.get("origin") or "")[:100]
    log.warning("refused_origin", code=refusal.code, origin=origin)
    # Somebody's browser was made to try: that belongs into the audit log, though not as often as it is tried.
    if _cookie(headers, _cookie_name(app)) is not None:
        noted: Rate = app.parts.setdefault("refused_origins", Rate(app.clock, 20, 60))
        if noted.take("") == 0:
            _submit(app, actions.note_refused_origin, refusal.code, origin, address)
    return refusal


# --- agents -------------------------------------------------------------------------------------


class _Cache:
    """Sessions that were valid a moment ago, by the hash of their token; forgets a user when their bell rings."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: OrderedDict[str, tuple[Agent, float]] = OrderedDict()
        self._watched: set[int] = set()
        self.generation = 0

    def get(self, token_hash: str) -> Agent | None:
        agent, until = self._known.get(token_hash, (None, 0.0))
        return agent if until > self._app.clock.monotonic() else None

    def put(self, token_hash: str, agent: Agent, generation: int) -> None:
        """Remembers what was read while nothing rang; `generation` is from before the read."""
        if agent.id not in self._watched:
            # A bell before this line went unheard, so this answer is not kept; the next one is.
            self._watched.add(agent.id)
            self._app.bus.watch(f"user:{agent.id}", self)
            return
        if generation != self.generation:
            return
        self._known[token_hash] = (agent, self._app.clock.monotonic() + FRESH_S)
        self._known.move_to_end(token_hash)
        if len(self._known) > CACHED:
            self._known.popitem(last=False)

    def heard(self, topic: str, hint: Any) -> None:
        self.generation += 1
        user_id = int(topic.partition(":")[2])
        for token_hash in [known for known, (agent, _) in self._known.items() if agent.id == user_id]:
            del self._known[token_hash]

    def whispered(self, topic: str, payload: dict[str, Any]) -> None:
        """Nothing is whispered about users."""


def _cache(app: App) -> _Cache:
    found: _Cache | None = app.parts.get("auth")
    if found is None:
        found = app.parts["auth"] = _Cache(app)
    return found


def _cookie_name(app: App) -> str:
    return "__Host-threadline" if app.settings.secure else "threadline"


def session_cookie(app: App, token: str | None) -> str:
    """The `Set-Cookie` value that keeps `token`, or clears it."""
    life = app.settings.session_days * 86_400 if token else 0
    flags = "; Secure" if app.settings.secure else ""
    return f"{_cookie_name(app)}={token or ''}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{flags}"


def _cookie(headers: Mapping[str, str], name: str) -> str | None:
    """The first cookie of that name, wherever a second may come from."""
    for part in (headers.get("cookie") or "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value if re.fullmatch(r"[A-Za-z0-9_-]{20,64}", value) else None
    return None


async def agent_from_cookie(app: App, headers: Mapping[str, str]) -> Agent | None:
    """The signed-in user, or None. `headers`: lower-case names."""
    token = _cookie(headers, _cookie_name(app))
    if token is None:
        return None
    cache, token_hash = _cache(app), digest(token)
    if (known := cache.get(token_hash)) is not None:
        return known
    generation, now = cache.generation, app.clock.now()
    live: queries.LiveSession | None = await app.read(queries.session_by_token, token_hash, _idle(app), now)
    if live is None:
        return None
    cache.put(token_hash, live.agent, generation)
    _touch(app, [live])
    return live.agent


async def still_valid(app: App, session_ids: list[int]) -> dict[int, Agent]:
    """Those of the sessions that are valid now, by id, with today's name and role. One read for all."""
    if not session_ids:
        return {}
    now = app.clock.now()
    found: list[queries.LiveSession] = await app.read(queries.sessions_by_id, session_ids, _idle(app), now)
    _touch(app, found)
    return {live.agent.session: live.agent for live in found}


def _idle(app: App) -> timedelta:
    return timedelta(days=app.settings.session_idle_days)


def _touch(app: App, found: Sequence[queries.LiveSession]) -> None:
    """Notes now and then that the sessions are in use. Nobody waits for it, and it may fail."""
    late = app.clock.now() - rules.TOUCH_EVERY
    if stale := [live.agent.session for live in found if live.seen_at < late]:
        _submit(app, actions.touch_sessions, stale)


def _submit(app: App, step: Step, *args: Any) -> None:
    """A note that nobody waits for; when the server is too busy for it, it is left out."""
    try:
        app.submit(step, *args, done=_ignore)
    except Busy:
        log.info("note_left_out", step=step.__name__)


def _ignore(result: Any, error: BaseException | None) -> None:
    """The writer has logged it."""


# --- visitors -----------------------------------------------------------------------------------

_VISITOR_TOKEN = re.compile(r"([A-Za-z0-9_-]{32})\.([A-Za-z0-9_-]{22})")


def mint_visitor_token(app: App) -> str:
    """A new anonymous visitor: 192 random bits and our signature, so that it is verified without storage."""
    body = app.ids.token(24)
    return f"{body}.{sign(app.key('visitor'), body)}"


def visitor_key(app: App, token: str | None, identity: str | None) -> VisitorIdentity:
    """Who these credentials name; `SignInRequired` when they name nobody. A signed identity goes first, and
    a bad one is refused even beside a good token.

    Uses the rotation of the identity secret that was read last: call `visitor_identity` instead.
    """
    if identity:
        return _signed(app, identity)
    match = _VISITOR_TOKEN.fullmatch(token or "")
    if match is None or not signed_by(app.key("visitor"), match[1], match[2]):
        raise SignInRequired("This chat cannot be continued. Start a new one.")
    return VisitorIdentity(digest(match[0]))


async def visitor_identity(app: App, token: str | None, identity: str | None) -> VisitorIdentity:
    """As `visitor_key`, after making sure that a rotation of the secret is known within five seconds."""
    if identity:
        await _refresh_rotation(app)
    return visitor_key(app, token, identity)


def anonymous_key(app: App, token: str | None) -> str | None:
    """Whom the token of an anonymous visitor names, be it beside a signed identity; None: nobody."""
    try:
        return visitor_key(app, token, None).key
    except SignInRequired:
        return None


async def visitor_from_header(app: App, headers: Mapping[str, str]) -> Visitor:
    """From `Authorization: Bearer <token>` and, where the shop signs, `X-Threadline-Identity`."""
    scheme, _, token = (headers.get("authorization") or "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    found = await visitor_identity(app, bearer, headers.get("x-threadline-identity"))
    return Visitor(found.key)


def identity_secret(app: App, number: int) -> str:
    """What the shop's server signs with: hex text, used as it stands. Derived, so it is stored nowhere."""
    return app.key(f"widget-identity:{number}").hex()


def _signed(app: App, identity: str) -> VisitorIdentity:
    verdict = _read_identity(app, identity)
    if isinstance(verdict, BadIdentity):
        log.info("signed_identity_refused", reason=verdict.reason)
        raise SignInRequired("The shop's sign-in has expired or cannot be verified. Reload the page.")
    return verdict


def _read_identity(app: App, identity: str) -> VisitorIdentity | BadIdentity:
    import jwt  # cryptography comes with it: a tenth of a start, for shops that sign

    if len(identity) > MAX_JWT or not identity.isascii():
        return BadIdentity("it is too long, or not a JWT")
    now = app.clock.now()
    for number in _rotation(app).rotation.accepted(now):
        try:
            # Only the signature is the library's business: times are compared on our clock, in `rules`.
            claims = jwt.decode(identity, identity_secret(app, number), algorithms=["HS256"], options=_SIGNATURE_ONLY)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, RecursionError) as error:  # the header is read before it is verified
            return BadIdentity(type(error).__name__)
        return rules.identity(claims, now)
    return BadIdentity("it was signed with another secret")


_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    **dict.fromkeys(
        ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"),
        False,
    ),
}


@dataclass(slots=True)
class _KnownRotation:
    rotation: Rotation
    until: float


def _rotation(app: App) -> _KnownRotation:
    known: _KnownRotation = app.parts.setdefault("identity_rotation", _KnownRotation(Rotation(), float("-inf")))
    return known


def forget_rotation(app: App) -> None:
    """Look again at the next identity; the other processes do within five seconds."""
    _rotation(app).until = float("-inf")


async def _refresh_rotation(app: App) -> None:
    known = _rotation(app)
    if known.until <= app.clock.monotonic():
        known.rotation = await app.read(queries.identity_rotation)
        known.until = app.clock.monotonic() + ROTATION_FRESH_S
