"""Serves the demo shop: a small page that embeds the widget. Development only."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from server.kernel.context import App

PAGE = Path(__file__).with_name("shop.html")


def routes(app: App) -> list[BaseRoute]:
    async def shop(request: Request) -> Response:
        html = PAGE.read_text().replace("__BASE__", app.settings.public_url)
        return HTMLResponse(html)

    return [
        Route("/demo", shop, methods=["GET"]),
        Route("/demo/{product}", shop, methods=["GET"]),
    ]
