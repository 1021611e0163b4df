"""A timeout that raises its own exception class."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Self


class DeadlineExceeded(Exception):
    """The deadline passed. The awaited operation may still complete."""


class Deadline:
    """`async with Deadline(seconds):` cancels the block after `seconds` and raises `DeadlineExceeded`.

    `asyncio.timeout` raises `TimeoutError`, which code inside the block may raise for its own reasons.
    """

    __slots__ = ("_timeout",)

    def __init__(self, seconds: float) -> None:
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise DeadlineExceeded from None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the clock for a block that has its own limits, such as reading a body."""
        until, now = self._timeout.when(), asyncio.get_running_loop().time
        if until is None or self._timeout.expired():
            yield
            return
        self._timeout.reschedule(None)
        started = now()
        try:
            yield
        finally:
            self._timeout.reschedule(until + now() - started)
