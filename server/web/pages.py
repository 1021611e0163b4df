"""The pages themselves: console, widget frame, static files, health; each with the headers it needs (C9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from server.kernel.context import App

INSTALLATION = "x-threadline"  # header of /healthz, by which the doctor knows that an address leads here
STATIC = Path(__file__).parent.parent / "static"
# Every address the console's router knows; anything else is not found.
CONSOLE_PATHS = (
    "/",
    "/inbox",
    "/inbox/{rest:path}",
    "/settings",
    "/settings/{rest:path}",
    "/login",
    "/setup",
    "/signin",
    "/invite",
    "/reset",
)
HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.(js|css|json|woff2|svg|png)$")

COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


def console_headers(app: App, nonce: str) -> dict[str, str]:
    socket = "wss:" if app.settings.secure else "ws:"
    host = app.settings.public_url.split("://", 1)[1]
    policy = (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
        f"img-src 'self' data: blob:; font-src 'self'; connect-src 'self' {socket}//{host}; manifest-src 'self'; media-src 'self' blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    headers = {
        **COMMON,
        "content-security-policy": policy,
        "cross-origin-opener-policy": "same-origin",
        "x-frame-options": "DENY",
        "cache-control": "no-store",
    }
    if app.settings.secure:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers


def frame_headers(app: App, nonce: str, sites: list[str]) -> dict[str, str]:
    socket = "wss:" if app.settings.secure else "ws:"
    host = app.settings.public_url.split("://", 1)[1]
    allowed = ["'self'", *sites]
    policy = (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
        f"img-src 'self' data: blob:; connect-src 'self' {socket}//{host}; media-src 'self'; "
        f"frame-ancestors {' '.join(allowed)}; base-uri 'none'; form-action 'none'"
    )
    return {**COMMON, "content-security-policy": policy, "cache-control": "no-cache", "referrer-policy": "no-referrer"}


def page(name: str, nonce: str) -> str | None:
    """A built page with this request's nonce in it; None when the front end was not built."""
    path = STATIC / name
    if not path.is_file():
        return None
    return path.read_text().replace("__CSP_NONCE__", nonce)


NOT_BUILT = "The console is not built. Run `make up`, which builds it, or install a released package, which carries it."


class Static(StaticFiles):
    """Files whose name carries their hash are kept for a year; the others are asked for again."""

    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        hashed = HASHED.search(str(full_path)) is not None
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "public, max-age=300"
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["cross-origin-resource-policy"] = "cross-origin"
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"range" for name, _ in scope["headers"]):
            scope = {**scope, "headers": [h for h in scope["headers"] if h[0] != b"range"]}
        await super().__call__(scope, receive, send)


def installation(app: App) -> str:
    """The same in all processes that share a key, and says nothing about it."""
    return app.key("installation").hex()[:16]


# What programs ask; everything else that wants a page and finds none gets the console's own "nothing here".
FOR_PROGRAMS = ("/api/", "/widget/", "/static/", "/files/", "/ws/", "/metrics", "/healthz", "/readyz", "/demo")


def missing(app: App, request: Request) -> Response | None:
    """The console, saying that there is nothing at this address; None for whoever did not ask for a page."""
    path = request.scope["path"]
    wants = "text/html" in request.headers.get("accept", "")
    if request.method != "GET" or not wants or f"{path}/".startswith(FOR_PROGRAMS) or path.startswith(FOR_PROGRAMS):
        return None
    nonce = app.ids.token(16)
    html = page("console/index.html", nonce)
    return None if html is None else HTMLResponse(html, 404, headers=console_headers(app, nonce))


def routes(app: App) -> list[BaseRoute]:
    async def console(request: Request) -> Response:
        nonce = app.ids.token(16)
        html = page("console/index.html", nonce)
        if html is None:
            return PlainTextResponse(NOT_BUILT, 503)
        return HTMLResponse(html, headers=console_headers(app, nonce))

    async def frame(request: Request) -> Response:
        from server.inbox import widget

        nonce = app.ids.token(16)
        html = page("widget/frame.html", nonce)
        if html is None:
            return PlainTextResponse(NOT_BUILT, 503)
        sites = (await widget.cached(app).get()).sites
        return HTMLResponse(html, headers=frame_headers(app, nonce, sites))

    async def loader(request: Request) -> Response:
        path = STATIC / "widget" / "loader.js"
        if not path.is_file():
            return PlainTextResponse(NOT_BUILT, 503)
        headers = {**COMMON, "cache-control": "public, max-age=300", "cross-origin-resource-policy": "cross-origin"}
        return FileResponse(path, media_type="text/javascript", headers=headers)

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok", headers={"cache-control": "no-store", INSTALLATION: installation(app)})

    found: list[BaseRoute] = [Route(path, console, methods=["GET"]) for path in CONSOLE_PATHS]
    found += [
        Route("/widget/frame", frame, methods=["GET"]),
        Route("/widget/loader.js", loader, methods=["GET"]),
        Route("/healthz", health, methods=["GET"]),
    ]
    return found
