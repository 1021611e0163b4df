"""Time as an argument: the same code runs on the real clock, a test's and a rehearsal's (DESIGN 1.8)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock: aware, UTC. May jump; never measure with it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; only goes forward. For leases, time-outs and limits."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """Stands still until told; for tests and rehearsals."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, delta: timedelta) -> None:
        self._now += delta
        self._monotonic += delta.total_seconds()


def rfc3339(at: datetime) -> str:
    """`2026-11-21T09:00:00.123Z`: how every time leaves the server (milliseconds, UTC)."""
    return at.isoformat(timespec="milliseconds")[:23] + "Z"
