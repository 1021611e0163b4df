"""Clicks on their way to the database: the visitor is sent on first, the count follows in batches.

What a killed process held is lost: the clicks of its last flush interval, at most. The figures say how many wait and
how many were given up.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from server.errors import Refused
from server.kernel import metrics
from server.kernel.context import App
from server.links import actions
from server.links.actions import Click

log = structlog.get_logger()

FLUSH_S = 1.0  # between two flushes; with a kill, at most this much is not counted
BATCH = 200
MOST = 50_000  # clicks that wait while the database takes none; more are given up, and counted as such
PART = "clicks"


class Clicks:
    """The clicks of this process that are not written yet."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: list[Click] = []
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, app: App) -> Clicks:
        found = app.parts.get(PART)
        if found is None:
            found = app.parts[PART] = cls(app)
        assert isinstance(found, Clicks)
        return found

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, click: Click) -> None:
        metrics.LINK_CLICKS.labels("bot" if click.bot else "person").inc()
        if len(self._waiting) >= MOST:
            metrics.LINK_CLICKS_LOST.inc()
            return
        self._waiting.append(click)
        metrics.LINK_CLICKS_WAITING.set(len(self._waiting))

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Writes what waits, once more; what the database does not take now is lost."""
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
        """Writes one batch. False: the database did not take it, and it waits on; each visit has a token, so that
        writing again what was written after all counts nothing twice."""
        batch = self._waiting[:BATCH]
        try:
            await self._app.write(actions.count, batch, bulk=True)
        except Refused as refused:
            log.info("link_clicks_wait", count=len(self._waiting), code=refused.code)
            return False
        except Exception:
            log.exception("link_clicks_wait", count=len(self._waiting))
            return False
        del self._waiting[: len(batch)]
        metrics.LINK_CLICKS_WAITING.set(len(self._waiting))
        return True
