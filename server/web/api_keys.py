"""Authenticates API keys, which are accepted only as `Authorization: Bearer tl_…`.

A request with a key needs no check of its origin, because no other site can make a browser send a key. A valid key is
cached for `CACHE_S`; a published change of the keys empties the cache of every process at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from server.accounts import api_keys
from server.accounts.api_keys import FoundKey
from server.accounts.rules import ApiKey
from server.errors import BadRequest, Busy, RateLimited, SignInRequired
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.kernel.ids import digest
from server.web.limits import Rate

CACHE_S = 3.0
REQUESTS_PER_MINUTE = 600  # requests with one key, per process, unless an endpoint allows more
FAILURES_PER_MINUTE = 30  # requests from one address with unknown or revoked keys
_KEY = re.compile(rf"{api_keys.PREFIX}[A-Za-z0-9_-]{{43}}")
_IN_QUERY = re.compile(rf"(?:^|[=&]){api_keys.PREFIX}[A-Za-z0-9_-]{{20,}}".encode())


class _Cache:
    """Keys by the hash of their secret, each with the time when its cache entry expires."""

    def __init__(self, app: App) -> None:
        self.cached_keys: dict[str, tuple[FoundKey, float]] = {}
        self.generation = 0
        app.bus.watch(TOPIC, self)

    def on_published(self, topic: str, hint: Any) -> None:
        if hint in (api_keys.CHANGE, None):
            self.generation += 1
            self.cached_keys.clear()

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


class _Requests(dict[int, Rate]):
    """Limits the requests of each key, by the number of requests a minute."""


class _Failures(Rate):
    """Limits the requests with wrong keys from each address."""


def refuse_in_query(query: bytes) -> None:
    """Raises `BadRequest` `key_in_url`: servers and proxies log addresses."""
    if _IN_QUERY.search(query):
        raise BadRequest(
            "key_in_url",
            "Send the API key in the Authorization header. A key in an address is written to logs: revoke this one.",
        )


def presented(headers: Mapping[str, str]) -> str | None:
    """Returns the API key of the request, unchecked; None if there is none."""
    scheme, _, token = (headers.get("authorization") or "").partition(" ")
    token = token.strip()
    is_key = token.startswith(api_keys.PREFIX) and "." not in token  # a visitor's token contains a dot
    return token if scheme.lower() == "bearer" and is_key else None


async def authenticate(app: App, token: str, address: str, per_minute: int | None = None) -> ApiKey:
    """Returns the key. `per_minute`: requests with one key, if not the usual limit. Raises `SignInRequired` `bad_key` or `key_revoked`, and `RateLimited`."""
    per_minute = REQUESTS_PER_MINUTE if per_minute is None else per_minute
    failures = app.part(_Failures, lambda app: _Failures(app.clock, FAILURES_PER_MINUTE, 60))
    if wait := failures.wait(address):
        raise RateLimited("Too many wrong API keys. Wait a moment.", wait)
    found_key = await _find(app, digest(token)) if _KEY.fullmatch(token) else None
    if found_key is None:
        failures.take(address)
        raise SignInRequired("There is no such API key.", "bad_key")
    if found_key.revoked:
        failures.take(address)
        raise SignInRequired("This API key was revoked.", "key_revoked")
    rates = app.part(_Requests, lambda app: _Requests())
    if per_minute not in rates:
        rates[per_minute] = Rate(app.clock, per_minute, 60)
    if wait := rates[per_minute].take(str(found_key.key.id)):
        raise RateLimited("This API key is used too often. Wait a moment.", wait)
    _touch(app, found_key)
    return found_key.key


async def _find(app: App, token_hash: str) -> FoundKey | None:
    cache = app.part(_Cache, _Cache)
    found_key, until = cache.cached_keys.get(token_hash, (None, 0.0))
    if found_key is not None and until > app.clock.monotonic():
        return found_key
    generation = cache.generation
    found_key = await app.read(api_keys.by_token_hash, token_hash)
    if found_key is not None and generation == cache.generation:
        cache.cached_keys[token_hash] = (found_key, app.clock.monotonic() + CACHE_S)
    return found_key


class _Touched(dict[int, float]):
    """The monotonic time at which this process last wrote `used_at` of each key."""


def _touch(app: App, found_key: FoundKey) -> None:
    """Writes `used_at` at most once a minute, without waiting; does nothing while the writer is busy."""
    touched, now = app.part(_Touched, lambda app: _Touched()), app.clock.monotonic()
    if touched.get(found_key.key.id, float("-inf")) + api_keys.TOUCH_EVERY.total_seconds() > now:
        return
    touched[found_key.key.id] = now
    try:
        app.submit(api_keys.touch, found_key.key.id, done=lambda result, error: None)
    except Busy:
        del touched[found_key.key.id]
