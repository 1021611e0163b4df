"""Authenticates requests: the agent's cookie, the visitor's token, the shop's signed identity, and the origin.

A valid session is cached for `CACHE_S` seconds; a publication on `user:<id>` removes that user's sessions from the caches
of all processes at once.
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
from server.accounts.rules import Agent, BadIdentity, NoCustomer, Rotation, Visitor, VisitorIdentity
from server.errors import Busy, Forbidden, Refused, SignInRequired
from server.kernel.context import App
from server.kernel.ids import digest, sign, signed_by
from server.kernel.tally import tally
from server.kernel.writing import Step
from server.web.limits import Rate

log = structlog.get_logger()

__all__ = [
    "VisitorIdentity",
    "agent_from_cookie",
    "anonymous_key",
    "check_origin",
    "expire_rotation",
    "identity_secret",
    "mint_visitor_token",
    "own_origin",
    "session_cookie",
    "signed_identity",
    "valid_sessions",
    "visitor_from_header",
    "visitor_identity",
    "visitor_key",
]

CACHE_S = 3.0
MAX_CACHED = 4_000  # sessions at most
ROTATION_CACHE_S = 5.0
MAX_JWT = 4_000  # characters

# --- origins ------------------------------------------------------------------------------------


def own_origin(app: App, origin: str | None) -> bool:
    """Whether this is our own origin. Browsers and the setting both use the canonical form."""
    return origin is not None and origin.lower() == app.settings.public_url


def check_origin(app: App, headers: Mapping[str, str], address: str = "") -> None:
    """Refuses a write that another site may have caused (C6): `Forbidden` "bad_origin" or "cross_site". `address`: for the log."""
    if headers.get("sec-fetch-site") == "cross-site":
        raise _record_refused_origin(
            app, headers, address, Forbidden("This request came from another site.", "cross_site")
        )
    if not own_origin(app, headers.get("origin")):
        public_url = app.settings.public_url
        raise _record_refused_origin(
            app,
            headers,
            address,
            Forbidden(f"Changes are accepted only from {public_url}. Open Threadline there.", "bad_origin"),
        )


class _RefusedOrigins(Rate):
    """Limits how often refused origins are recorded in the audit log."""


def _record_refused_origin(app: App, headers: Mapping[str, str], address: str, refusal: Refused) -> Refused:
    origin = (headers.get("origin") or "")[:100]
    if count := tally(app).add(f"origin:{refusal.code}"):
        log.warning("refused_origin", code=refusal.code, origin=origin, count=count)  # `origin` is the latest
    # The request had a user's cookie, so another site may be attacking that user: record it, at a limited rate.
    if _cookie(headers, _cookie_name(app)) is not None:
        recorded = app.part(_RefusedOrigins, lambda app: _RefusedOrigins(app.clock, 20, 60))
        if recorded.take("") == 0:
            _submit_without_waiting(app, actions.record_refused_origin, refusal.code, origin, address)
    return refusal


# --- agents -------------------------------------------------------------------------------------


class _Cache:
    """Valid sessions by the hash of their token. A publication on `user:<id>` removes those of the user."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._agents: OrderedDict[str, tuple[Agent, float]] = OrderedDict()
        self._watched: set[int] = set()
        self.generation = 0

    def get(self, token_hash: str) -> Agent | None:
        agent, until = self._agents.get(token_hash, (None, 0.0))
        return agent if until > self._app.clock.monotonic() else None

    def put(self, token_hash: str, agent: Agent, generation: int) -> None:
        """Caches an agent, unless something was published since `generation` was read."""
        if agent.id not in self._watched:
            # A publication before this line was missed, so only the next read is cached.
            self._watched.add(agent.id)
            self._app.bus.watch(f"user:{agent.id}", self)
            return
        if generation != self.generation:
            return
        self._agents[token_hash] = (agent, self._app.clock.monotonic() + CACHE_S)
        self._agents.move_to_end(token_hash)
        if len(self._agents) > MAX_CACHED:
            self._agents.popitem(last=False)

    def on_published(self, topic: str, hint: Any) -> None:
        self.generation += 1
        user_id = int(topic.partition(":")[2])
        for token_hash in [cached_hash for cached_hash, (agent, _) in self._agents.items() if agent.id == user_id]:
            del self._agents[token_hash]

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None:
        """Does nothing, because broadcasts are never about users."""


def _cache(app: App) -> _Cache:
    return app.part(_Cache, _Cache)


def _cookie_name(app: App) -> str:
    return "__Host-threadline" if app.settings.secure else "threadline"


def session_cookie(app: App, token: str | None) -> str:
    """The `Set-Cookie` value that keeps `token`, or clears it."""
    max_age_s = app.settings.session_days * 86_400 if token else 0
    flags = "; Secure" if app.settings.secure else ""
    return f"{_cookie_name(app)}={token or ''}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{flags}"


def _cookie(headers: Mapping[str, str], name: str) -> str | None:
    """The first cookie of that name; a second one is ignored."""
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
    if (cached_agent := cache.get(token_hash)) is not None:
        return cached_agent
    generation, now = cache.generation, app.clock.now()
    session: queries.LiveSession | None = await app.read(queries.session_by_token, token_hash, _idle(app), now)
    if session is None:
        return None
    cache.put(token_hash, session.agent, generation)
    _touch(app, [session])
    return session.agent


async def valid_sessions(app: App, session_ids: list[int]) -> dict[int, Agent]:
    """The agent of each session that is still valid, by the session's id, with the current name and role. Reads once."""
    if not session_ids:
        return {}
    now = app.clock.now()
    live_sessions: list[queries.LiveSession] = await app.read(queries.sessions_by_id, session_ids, _idle(app), now)
    _touch(app, live_sessions)
    return {session.agent.session: session.agent for session in live_sessions}


def _idle(app: App) -> timedelta:
    return timedelta(days=app.settings.session_idle_days)


def _touch(app: App, live_sessions: Sequence[queries.LiveSession]) -> None:
    """Updates `seen_at` of the sessions at most every `TOUCH_EVERY`. Does not wait; a failure is ignored."""
    touched_before = app.clock.now() - rules.TOUCH_EVERY
    if stale := [session.agent.session for session in live_sessions if session.seen_at < touched_before]:
        _submit_without_waiting(app, actions.touch_sessions, stale)


def _submit_without_waiting(app: App, step: Step, *args: Any) -> None:
    """Submits a step without waiting; skips it if the writer is busy."""
    try:
        app.submit(step, *args, done=_ignore)
    except Busy:
        log.info("step_skipped_writer_busy", step=step.__name__)


def _ignore(result: Any, error: BaseException | None) -> None:
    """The writer has logged any error."""


# --- visitors -----------------------------------------------------------------------------------

_VISITOR_TOKEN = re.compile(r"([A-Za-z0-9_-]{32})\.([A-Za-z0-9_-]{22})")


def mint_visitor_token(app: App) -> str:
    """A token for a new anonymous visitor: 192 random bits and our signature, which verifies it without storage."""
    body = app.ids.token(24)
    return f"{body}.{sign(app.key('visitor'), body)}"


def visitor_key(app: App, token: str | None, identity: str | None) -> VisitorIdentity:
    """The visitor with these credentials; `SignInRequired` if they are invalid. A signed identity has precedence: an invalid
    one is refused even with a valid token, and one without a customer is ignored.

    It does not reload the identity secrets. With an `identity`, call `visitor_identity`, which does.
    """
    if identity and (named := _verify_identity(app, identity)) is not None:
        return named
    match = _VISITOR_TOKEN.fullmatch(token or "")
    if match is None or not signed_by(app.key("visitor"), match[1], match[2]):
        raise SignInRequired("This chat cannot be continued. Start a new one.")
    return VisitorIdentity(digest(match[0]))


async def visitor_identity(app: App, token: str | None, identity: str | None) -> VisitorIdentity:
    """Reads the rotation of the identity secret again if it is older than five seconds, then returns `visitor_key`."""
    if identity:
        await _refresh_rotation(app)
    return visitor_key(app, token, identity)


async def signed_identity(app: App, identity: str | None) -> VisitorIdentity | None:
    """The customer in the shop's signed identity; None if there is none. Raises `SignInRequired` if it is invalid."""
    if not identity:
        return None
    await _refresh_rotation(app)
    return _verify_identity(app, identity)


def anonymous_key(app: App, token: str | None) -> str | None:
    """The key of the anonymous visitor with this token, also beside a signed identity; None if it is invalid."""
    try:
        return visitor_key(app, token, None).key
    except SignInRequired:
        return None


async def visitor_from_header(app: App, headers: Mapping[str, str]) -> Visitor:
    """The visitor of `Authorization: Bearer <token>` and, if the shop signs identities, `X-Threadline-Identity`."""
    scheme, _, token = (headers.get("authorization") or "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    visitor = await visitor_identity(app, bearer, headers.get("x-threadline-identity"))
    return Visitor(visitor.key)


def identity_secret(app: App, number: int) -> str:
    """The secret with which the shop's server signs identities, as hex text. It is derived and not stored."""
    return app.key(f"widget-identity:{number}").hex()


def _verify_identity(app: App, identity: str) -> VisitorIdentity | None:
    verdict = _read_identity(app, identity)
    if isinstance(verdict, BadIdentity):
        if count := tally(app).add("signed_identity"):
            log.info("signed_identity_refused", reason=verdict.reason, count=count)
        raise SignInRequired("The shop's sign-in has expired or cannot be verified. Reload the page.")
    if isinstance(verdict, NoCustomer):
        cached = _rotation(app)
        if not cached.no_customer_logged:
            cached.no_customer_logged = True
            log.warning("signed_identity_names_nobody", help="sign no token for visitors who are not signed in")
        return None
    return verdict


def _read_identity(app: App, identity: str) -> VisitorIdentity | BadIdentity | NoCustomer:
    import jwt  # imported late: it loads cryptography, which only shops that sign need

    if len(identity) > MAX_JWT or not identity.isascii():
        return BadIdentity("it is too long, or not a JWT")
    now = app.clock.now()
    for number in _rotation(app).rotation.accepted_numbers(now):
        try:
            # The library checks only the signature; `rules` compares times with our clock.
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
class _CachedRotation:
    rotation: Rotation
    until: float
    no_customer_logged: bool = False


def _rotation(app: App) -> _CachedRotation:
    return app.part(_CachedRotation, lambda app: _CachedRotation(Rotation(), float("-inf")))


def expire_rotation(app: App) -> None:
    """Makes the next identity read the rotation again; other processes follow within five seconds."""
    _rotation(app).until = float("-inf")


async def _refresh_rotation(app: App) -> None:
    cached = _rotation(app)
    if cached.until <= app.clock.monotonic():
        cached.rotation = await app.read(queries.identity_rotation)
        cached.until = app.clock.monotonic() + ROTATION_CACHE_S
