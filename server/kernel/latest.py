"""Slow reads of which only the newest matters: a newer one interrupts the older one with the same key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from server.errors import Conflict
from server.kernel.context import App
from server.kernel.sql import Conn

T = TypeVar("T")
REPEAT_S = 0.05  # seconds after which an interruption that had no effect is repeated


class _Read:
    """One read that can be interrupted from another thread, before, while and after it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self._ended = threading.Event()
        self.stopped = False

    def run(self, conn: Conn, query: Callable[..., T], args: tuple[Any, ...]) -> T:
        with self._lock:
            if self.stopped:
                raise superseded()
            self._interrupt = conn.interrupt
        try:
            return query(conn, *args)
        finally:
            with self._lock:
                self._interrupt = None
            self._ended.set()

    def stop(self) -> None:
        """Interrupts the statement and waits until the read has ended. Databases ignore an interruption between two
        statements, therefore it is repeated."""
        while True:
            with self._lock:
                self.stopped = True
                if self._interrupt is None:
                    return
                self._interrupt()
            if self._ended.wait(REPEAT_S):
                return


def superseded() -> Conflict:
    return Conflict("superseded", "A newer request of yours has taken the place of this one.")


class LatestReads:
    """This process's running reads, by key."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._running: dict[Hashable, _Read] = {}

    @classmethod
    def of(cls, app: App) -> LatestReads:
        return app.part(cls, cls)

    async def read(self, key: Hashable, query: Callable[..., T], *args: Any) -> T:
        """Runs `query(conn, *args)` on the slow reader. Raises `Conflict` "superseded" when a newer read with this key
        begins; the statement of a caller that is cancelled is interrupted too."""
        read, older = _Read(), self._running.get(key)
        self._running[key] = read
        try:
            if older is not None:
                await asyncio.to_thread(older.stop)
            return await self._app.read_slowly(lambda conn: read.run(conn, query, args))
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(read.stop))
            raise
        except Exception:
            if read.stopped:
                raise superseded() from None
            raise
        finally:
            if self._running.get(key) is read:
                del self._running[key]
