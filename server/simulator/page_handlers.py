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
    """Answers with the file. `kind`: its media type."""

    async def answer(request: Request) -> Response:
        return FileResponse(path, media_type=kind, headers=headers)

    return answer


def with_refusals(app: App, handler: Handler) -> Handler:
    """Answers a `Refused` of the handler as the API does."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refusal:
            return refusal_response(app, refusal)

    return answer
