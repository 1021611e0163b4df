"""Following a short link, and the setting of where short links stand."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from server.accounts.rules import Can
from server.errors import Busy, NotFound, RateLimited, Refused
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.links import actions, queries, rules
from server.links.actions import Click
from server.links.clicks import Clicks
from server.links.settings import LINKS, LinkSettings
from server.web import limits
from server.web.http import PUBLIC, Call, Endpoint, headers_of, refusal_response
from server.web.limits import Rate

# Wrong codes one address may try: thirty, and then one in four seconds. Right ones cost nothing.
WRONG, IN_S = 30, 120.0

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
<body><main><h1>{title}</h1><p>{words}</p></main></body></html>
"""


def _refuse(request: Request, refusal: Refused, title: str, words: str) -> Response:
    """A page for people; for programs, raises what every other route answers them."""
    if "text/html" not in request.headers.get("accept", ""):
        raise refusal
    return _page(refusal.status, title, words, refusal.retry_after or 0.0)


def _page(status: int, title: str, words: str, retry_after: float = 0.0) -> Response:
    headers = _HEADERS | ({"retry-after": str(max(1, round(retry_after)))} if retry_after else {})
    return HTMLResponse(_PAGE.format(title=title, words=words), status, headers)


async def follow(app: App, request: Request, code: str) -> Response:
    """Sends the visitor on, and notes that somebody came: target first, count second."""
    address = limits.client_address(app.settings, request.scope)
    wrong = _wrong(app)
    wait = wrong.wait(address)
    if wait:
        words = "Please wait a moment and try your link again."
        return _refuse(request, RateLimited(words, wait), "Too many attempts", words)
    found = None
    if rules.CODE.fullmatch(code):
        try:
            found = await app.read(queries.target, code)
        except Busy as busy:
            return _refuse(request, busy, "One moment, please", "We could not look this link up. Try it again.")
    if found is None:
        wrong.take(address)
        words = "It may have been cut off. Check it against the message it came in."
        return _refuse(request, NotFound(), "This link leads nowhere", words)
    link, target = found
    headers = headers_of(request.scope)
    click = Click(
        link,
        app.ids.token(12),
        app.clock.now(),
        rules.is_bot(request.method, headers),
        rules.noted(headers.get("user-agent", "")),
        rules.noted_referrer(headers.get("referer", "")),
    )
    Clicks.of(app).add(click)
    return Response(None, 302, _HEADERS | {"location": target})


def _wrong(app: App) -> Rate:
    found = app.parts.get("wrong_links")
    if found is None:
        found = app.parts["wrong_links"] = Rate(app.clock, WRONG, IN_S)
    assert isinstance(found, Rate)
    return found


async def follow_link(app: App, call: Call) -> Any:
    """Follow a short link."""
    return await follow(app, call.request, str(call.path["code"]))


class OwnDomain:
    """The links' own domain: there is nothing there but links, whatever this server answers elsewhere."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._settings = LINKS.cached(app)

    async def answers(self, scope: Scope) -> bool:
        try:
            domain = (await self._settings.get()).domain
        except Busy:
            domain = self._settings.latest.domain  # a moment old is better than no answer to a request for a page
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
                response = refusal_response(refusal, self._app.ids.token(9))
        await response(scope, receive, send)


async def get_settings(app: App, call: Call) -> Any:
    """Show where short links stand."""
    return await app.read(LINKS.load)


async def put_settings(app: App, call: Call) -> Any:
    """Change where short links stand."""
    saved = await app.write(actions.change, call.agent, call.body, call.address, app.settings.public_url)
    LINKS.cached(app).heard(TOPIC, None)
    return saved


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/l/{code}", follow_link, PUBLIC, gives="text/html"),
    Endpoint("GET", "/api/links/settings", get_settings, Can.CHANNELS, answer=LinkSettings),
    Endpoint("PUT", "/api/links/settings", put_settings, Can.CHANNELS, LinkSettings, answer=LinkSettings),
]
