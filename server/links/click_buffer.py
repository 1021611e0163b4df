"""Buffers clicks and writes them in batches, so that a redirect does not wait for a commit.

A killed process loses the clicks of its last flush interval. Metrics show how many clicks wait and how many were lost.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from server.errors import Refused
from server.kernel import metrics
from server.kernel.context import App
from server.links.clicks import Click, count_clicks

log = structlog.get_logger()

FLUSH_S = 1.0  # between two flushes
BATCH = 200
MAX_WAITING = 50_000  # clicks buffered while the database is unavailable; further ones are dropped and counted as lost


class Clicks:
    """The clicks of this process that are not stored yet."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: list[Click] = []
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, app: App) -> Clicks:
        return app.part(cls, cls)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, click: Click) -> None:
        metrics.LINK_CLICKS.labels("bot" if click.bot else "person").inc()
        if len(self._waiting) >= MAX_WAITING:
            metrics.LINK_CLICKS_LOST.inc()
            return
        self._waiting.append(click)
        metrics.LINK_CLICKS_WAITING.set(len(self._waiting))

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Writes the buffered clicks; those that cannot be written now are lost."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        while self._waiting:
            if not await self.flush():
                metrics.LINK_CLICKS_LOST.inc(len(self._waiting))
                log.warning("link_clicks_lost", count=len(self._waiting))
                self._waiting.clear()
        metrics.LINK_CLICKS_WAITING.set(0)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            while self._waiting and await self.flush():
                pass

    async def flush(self) -> bool:
        """Writes one batch. Returns False on failure; the batch then stays buffered. A repeat is safe, because each click has
        an idempotency key."""
        batch = self._waiting[:BATCH]
        try:
            await self._app.write(count_clicks, batch, bulk=True)
        except Refused as refused:
            log.info("link_clicks_wait", count=len(self._waiting), code=refused.code)
            return False
        except Exception:
            log.exception("link_clicks_wait", count=len(self._waiting))
            return False
        del self._waiting[: len(batch)]
        metrics.LINK_CLICKS_WAITING.set(len(self._waiting))
        return True
