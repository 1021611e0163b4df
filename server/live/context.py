"""The objects that all connections of a process share: clock, message bus, feed, encoder and background tasks.

A connection knows only the context. The hub is a context that also knows every connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from server.kernel import metrics
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.live import encoding
from server.live.feed import Feed
from server.sms.eligibility import cached_numbers
from server.sms.settings import INBOX


class Context:
    def __init__(self, app: App) -> None:
        self.app = app
        self.bus = app.bus
        self.loop = asyncio.get_running_loop()
        self.feed = Feed(app)
        self.encoder = encoding.Encoder()
        self.inbox = INBOX.cached(app)
        self.numbers = cached_numbers(app)
        self._tasks: set[asyncio.Task[Any]] = set()

    def monotonic(self) -> float:
        return self.loop.time()

    def now(self) -> datetime:
        return self.app.clock.now()

    def now_text(self) -> str:
        return rfc3339(self.now())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a background task. The context keeps it until it is done and cancels it at close."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def count_refusal(self, code: str) -> None:
        metrics.REFUSALS.labels(code).inc()

    def recheck_soon(self) -> None:
        """Checks soon whether the sessions of open sockets are still valid; called when an account changed."""
        raise NotImplementedError
