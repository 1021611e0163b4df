"""Serves `/metrics`: counters, and gauges whose values are fetched from the database at each request. docs/metrics.md explains each."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import shutil

from prometheus_client import generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.delivery.queries import count_unsettled, count_waiting
from server.errors import NotFound, Refused
from server.kernel import jobs, metrics
from server.kernel.context import App
from server.settings import Settings
from server.web.http import refusal_response

REFRESH_TIMEOUT_S = 5.0
LOCAL_ADDRESSES = ("127.0.0.1", "::1")
_LOCAL_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d*)?", re.IGNORECASE)
_PROXIED = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via")


def allowed(settings: Settings, request: Request) -> bool:
    """Whether the request may read the metrics: with the token, or, if none is configured, locally and not through a
    proxy."""
    headers = request.headers
    if not settings.metrics or "x-forwarded-for" in headers:
        return False
    if settings.metrics_token is None:
        from_this_machine = request.client is not None and request.client.host in LOCAL_ADDRESSES
        return (
            from_this_machine
            and _LOCAL_HOST.fullmatch(headers.get("host", "")) is not None
            and not any(n in headers for n in _PROXIED)
        )
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), settings.metrics_token.encode())


async def refresh(app: App) -> None:
    """Updates the gauges; one that cannot be read keeps its last value."""
    metrics.WRITER_WAITING.set(app.db.waiting)
    metrics.BUS_CONNECTED.set(app.bus.connected)
    metrics.DISK_FREE_BYTES.set(shutil.disk_usage(app.settings.data_dir).free)
    metrics.RESERVE_SPENT.set(app.db.reserve.spent)
    if app.settings.database_url is None:
        path = app.settings.sqlite_path()
        for name, file in (("database", path), ("log", path.with_name(path.name + "-wal"))):
            metrics.DATABASE_BYTES.labels(name).set(file.stat().st_size if file.exists() else 0)
    try:
        metrics.JOBS_DEAD.set(await app.read(jobs.dead_count))
        next_due_at = await app.read(jobs.next_due)
        for state, count in (await app.read_slowly(count_unsettled)).items():
            metrics.SMS_WAITING.labels(state).set(count)
        waiting = await app.read_slowly(count_waiting)
    except Refused:
        return
    metrics.OUTBOUND_WAITING.clear()  # an empty lane is not exported
    metrics.OUTBOUND_LATE_SECONDS.clear()
    for queued in waiting:
        metrics.OUTBOUND_WAITING.labels(queued.channel, queued.lane.label).set(queued.count)
        overdue = (app.clock.now() - queued.due_at).total_seconds()
        metrics.OUTBOUND_LATE_SECONDS.labels(queued.channel, queued.lane.label).set(max(overdue, 0.0))
    late_s = (app.clock.now() - next_due_at).total_seconds() if next_due_at is not None else 0.0
    metrics.JOBS_LATE_SECONDS.set(max(late_s, 0.0))


def routes(app: App) -> list[BaseRoute]:
    async def serve(request: Request) -> Response:
        if not allowed(app.settings, request):
            return refusal_response(app, NotFound())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_TIMEOUT_S):
                await refresh(app)
        return Response(generate_latest(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/metrics", serve, methods=["GET"])]
