"""Redirects short links, and serves their settings."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from server.accounts.rules import Can
from server.audit import versions
from server.errors import Busy, NotFound, RateLimited, Refused
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.links import actions, queries, rules
from server.links.click_buffer import Clicks
from server.links.clicks import Click
from server.links.settings import LINKS, LinkSettings
from server.web import limits
from server.web.http import PUBLIC, Call, Endpoint, headers_of, refusal_response
from server.web.limits import Rate

# Wrong codes allowed per client address: thirty at once, then one every four seconds. Right codes do not count.
WRONG_CODES, IN_S = 30, 120.0
SETTINGS_WAIT_S = 0.25  # how long a request may wait for the settings, which hold the links' own domain

_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>:root{{color-scheme:light dark}}body{{margin:18vh auto 0;max-width:34rem;padding:0 24px;
font:17px/1.55 system-ui,sans-serif}}h1{{font-size:22px;font-weight:600;margin:0 0 8px}}p{{margin:0;opacity:.75}}</style></head>
<body><main><h1>{title}</h1><p>{sentence}</p></main></body></html>
"""


def _refuse(request: Request, refusal: Refused, title: str, sentence: str) -> Response:
    """Returns a page to a browser; raises the refusal for other clients."""
    if "text/html" not in request.headers.get("accept", ""):
        raise refusal
    return _page(refusal.status, title, sentence, refusal.retry_after or 0.0)


def _page(status: int, title: str, sentence: str, retry_after: float = 0.0) -> Response:
    headers = _HEADERS | ({"retry-after": str(max(1, round(retry_after)))} if retry_after else {})
    return HTMLResponse(_PAGE.format(title=title, sentence=sentence), status, headers)


async def follow(app: App, request: Request, code: str) -> Response:
    """Redirects the visitor and buffers the click. `code`: raw, perhaps followed by the end of a sentence."""
    address = limits.client_address(app.settings, request.scope)
    wrong_codes = _wrong_codes(app)
    wait = wrong_codes.wait(address)
    if wait:
        sentence = "Please wait a moment and try your link again."
        return _refuse(request, RateLimited(sentence, wait), "Too many attempts", sentence)
    id_and_target = None
    if (valid_code := rules.code_in(code)) is not None:
        try:
            id_and_target = await app.read(queries.target, valid_code)
        except Busy as busy:
            return _refuse(request, busy, "One moment, please", "We could not look this link up. Try it again.")
    if id_and_target is None:
        wrong_codes.take(address)
        sentence = "It may have been cut off. Check it against the message it came in."
        return _refuse(request, NotFound(), "This link leads nowhere", sentence)
    link, target = id_and_target
    headers = headers_of(request.scope)
    click = Click(
        link,
        app.ids.token(12),
        app.clock.now(),
        rules.is_bot(request.method, headers),
        rules.log_text(headers.get("user-agent", "")),
        rules.log_referrer(headers.get("referer", "")),
    )
    Clicks.of(app).add(click)
    return Response(None, 302, _HEADERS | {"location": target})


class _WrongCodes(Rate):
    """The limit of wrong codes per client address."""


def _wrong_codes(app: App) -> Rate:
    return app.part(_WrongCodes, lambda app: _WrongCodes(app.clock, WRONG_CODES, IN_S))


_BELOW_L = re.compile(r"/+l(?:/+(.*))?", re.IGNORECASE | re.DOTALL)


async def follow_below_l(app: App, request: Request) -> Response | None:
    """Responds to all other paths below /l ("/l/CODE/", "/l"), so that a customer never sees the console. Returns None for
    paths that are not below /l."""
    match = _BELOW_L.fullmatch(request.scope["path"])
    if match is None or request.method not in ("GET", "HEAD"):
        return None
    try:
        return await follow(app, request, match[1] or "")
    except Refused as refusal:
        return refusal_response(app, refusal)


async def follow_link(app: App, call: Call) -> Any:
    """Follow a short link."""
    return await follow(app, call.request, str(call.path["code"]))


class OwnDomain:
    """Serves the links' own domain, which has only short links."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._settings = LINKS.cached(app)

    async def handles(self, scope: Scope) -> bool:
        if self._settings.stale:
            # Every request passes here, so a slow database must not block it: use the cached settings.
            with contextlib.suppress(Busy, TimeoutError):
                async with asyncio.timeout(SETTINGS_WAIT_S):
                    await self._settings.get()
        domain = self._settings.latest.domain
        if not domain:
            return False
        return any(name == b"host" and value.lower().decode("latin-1") == domain for name, value in scope["headers"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            response = _page(405, "This link leads nowhere", "It can only be opened.")
        else:
            code = (
                scope["path"].removeprefix("/l").lstrip("/") if scope["path"].startswith("/l/") else scope["path"][1:]
            )
            try:
                response = await follow(self._app, request, code)
            except Refused as refusal:
                response = refusal_response(self._app, refusal)
        await response(scope, receive, send)


class LinkBody(LinkSettings):
    """`version`: of the settings that the change is based on."""

    version: str | None = None


class VersionedLinks(LinkSettings):
    version: str


async def get_settings(app: App, call: Call) -> Any:
    """Show the domain of short links."""
    return (await app.read(versions.load, LINKS)).json()


async def put_settings(app: App, call: Call) -> Any:
    """Change the domain of short links."""
    new_settings = LinkSettings(domain=call.body.domain)
    saved = await app.write(
        actions.change, call.agent, new_settings, call.body.version, call.address, app.settings.public_url
    )
    LINKS.cached(app).on_published(TOPIC, None)
    return saved.json()


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/l/{code}", follow_link, PUBLIC, response_type="text/html"),
    Endpoint("GET", "/api/links/settings", get_settings, Can.CHANNELS, response=VersionedLinks),
    Endpoint("PUT", "/api/links/settings", put_settings, Can.CHANNELS, LinkBody, response=VersionedLinks),
]
