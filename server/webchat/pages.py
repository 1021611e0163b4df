"""Serves the widget's loader script, which a shop's site includes, and the frame it opens, with their headers (C9)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from server.kernel.context import App
from server.web import pages
from server.webchat.settings import WIDGET


def frame_headers(app: App, nonce: str, sites: list[str]) -> dict[str, str]:
    socket = "wss:" if app.settings.secure else "ws:"
    host = app.settings.public_url.split("://", 1)[1]
    allowed = ["'self'", *sites]
    policy = (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
        f"img-src 'self' data: blob:; connect-src 'self' {socket}//{host}; media-src 'self'; "
        f"frame-ancestors {' '.join(allowed)}; base-uri 'none'; form-action 'none'"
    )
    return {
        **pages.COMMON,
        "content-security-policy": policy,
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
    }


def routes(app: App) -> list[BaseRoute]:
    async def frame(request: Request) -> Response:
        nonce = app.ids.token(16)
        html = pages.page("widget/frame.html", nonce)
        if html is None:
            return PlainTextResponse(pages.NOT_BUILT, 503)
        # Another site's page must not show the page of a return link: it could lead the visitor to press its button.
        sites = [] if request.url.path == "/chat" else (await WIDGET.cached(app).get()).sites
        return HTMLResponse(html, headers=frame_headers(app, nonce, sites))

    async def loader(request: Request) -> Response:
        path = pages.STATIC / "widget" / "loader.js"
        if not path.is_file():
            return PlainTextResponse(pages.NOT_BUILT, 503)
        headers = {
            **pages.COMMON,
            "cache-control": "public, max-age=300",
            "cross-origin-resource-policy": "cross-origin",
        }
        return FileResponse(path, media_type="text/javascript", headers=headers)

    return [
        Route("/widget/frame", frame, methods=["GET"]),
        Route("/chat", frame, methods=["GET"]),
        Route("/widget/loader.js", loader, methods=["GET"]),
    ]
