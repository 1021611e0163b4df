"""Handlers that the demo's pages (Phone, Mail) share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from server.errors import Refused
from server.kernel.context import App
from server.web.http import refusal_response

Handler = Callable[[Request], Awaitable[Response]]


def serve_file(path: Path, kind: str, headers: Mapping[str, str]) -> Handler:
    """A handler that returns the file. `kind`: its media type."""

    async def answer(request: Request) -> Response:
        return FileResponse(path, media_type=kind, headers=headers)

    return answer


def with_refusals(app: App, handler: Handler) -> Handler:
    """A handler that turns a `Refused` of `handler` into the API's error response."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refusal:
            return refusal_response(app, refusal)

    return answer
