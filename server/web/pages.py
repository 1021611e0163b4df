"""Serves the console, static files and /healthz, with their security headers (C9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from server.kernel.context import App

# A header of /healthz, by which the doctor checks that an address leads to this server.
INSTALLATION_HEADER = "x-threadline"
STATIC = Path(__file__).parent.parent / "static"
# Every path of the console's router; other paths are not found.
CONSOLE_PATHS = (
    "/",
    "/inbox",
    "/inbox/{rest:path}",
    "/contacts",
    "/contacts/{rest:path}",
    "/settings",
    "/settings/{rest:path}",
    "/login",
    "/setup",
    "/signin",
    "/invite",
    "/reset",
    "/forgot",
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
        "frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
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


def page(name: str, nonce: str) -> str | None:
    """A built page with this request's nonce; None if the front end is not built."""
    path = STATIC / name
    if not path.is_file():
        return None
    return path.read_text().replace("__CSP_NONCE__", nonce)


NOT_BUILT = (
    "The console is not built. Run `make up`, which builds it, or install a released package, which contains it."
)


class Static(StaticFiles):
    """Static files; those with a hash in their name are cached for a year, others for five minutes."""

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


def installation_id(app: App) -> str:
    """An id that all processes with the same secret share and that does not reveal it."""
    return app.key("installation").hex()[:16]


# Paths that only programs request. At other unknown paths browsers get the console's "not found" page.
PROGRAM_PATHS = ("/api/", "/widget/", "/static/", "/files/", "/ws/", "/metrics", "/healthz", "/readyz", "/demo")


def not_found_page(app: App, request: Request) -> Response | None:
    """The console's "not found" page; None if the request is not for a page."""
    path = request.scope["path"]
    accepts_html = "text/html" in request.headers.get("accept", "")
    if (
        request.method != "GET"
        or not accepts_html
        or f"{path}/".startswith(PROGRAM_PATHS)
        or path.startswith(PROGRAM_PATHS)
    ):
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

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok", headers={"cache-control": "no-store", INSTALLATION_HEADER: installation_id(app)})

    all_routes: list[BaseRoute] = [Route(path, console, methods=["GET"]) for path in CONSOLE_PATHS]
    all_routes.append(Route("/healthz", health, methods=["GET"]))
    return all_routes
