"""`/metrics`: counters as they stand, and what is only looked up when somebody asks. docs/metrics.md explains each."""

from __future__ import annotations

import hmac
import shutil

from prometheus_client import generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.delivery.queries import waiting
from server.errors import NotFound, Refused
from server.kernel import jobs, metrics
from server.kernel.context import App
from server.settings import Settings
from server.web.http import refusal_response

LOCAL = ("127.0.0.1", "::1")


def allowed(settings: Settings, request: Request) -> bool:
    """With the token; without one, from this machine and not through a proxy."""
    if not settings.metrics or "x-forwarded-for" in request.headers:
        return False
    if settings.metrics_token is None:
        return request.client is not None and request.client.host in LOCAL
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), settings.metrics_token.encode())


async def refresh(app: App) -> None:
    """Brings the looked-up figures up to date; one that cannot be had keeps its last value."""
    metrics.WRITER_WAITING.set(app.db.waiting)
    metrics.BUS_CONNECTED.set(app.bus.remote)
    metrics.DISK_FREE_BYTES.set(shutil.disk_usage(app.settings.data_dir).free)
    metrics.RESERVE_SPENT.set(app.db.reserve.spent)
    if app.settings.database_url is None:
        path = app.settings.sqlite_path()
        for name, file in (("database", path), ("log", path.with_name(path.name + "-wal"))):
            metrics.DATABASE_BYTES.labels(name).set(file.stat().st_size if file.exists() else 0)
    try:
        metrics.JOBS_DEAD.set(await app.read(jobs.dead_count))
        due = await app.read(jobs.next_due)
        for state, count in (await app.read(waiting)).items():
            metrics.SMS_WAITING.labels(state).set(count)
    except Refused:
        return
    late = (app.clock.now() - due).total_seconds() if due is not None else 0.0
    metrics.JOBS_LATE_SECONDS.set(max(late, 0.0))


def routes(app: App) -> list[BaseRoute]:
    async def serve(request: Request) -> Response:
        if not allowed(app.settings, request):
            return refusal_response(NotFound(), app.ids.token(9))
        await refresh(app)
        return Response(generate_latest(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/metrics", serve, methods=["GET"])]
