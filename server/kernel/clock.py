"""Clocks: actions take the time from one, so tests can set it."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock: aware, UTC. May jump; never measure with it."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back. For leases, timeouts and limits."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """Moves only with `advance`; for tests."""

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


class _Dates(dict[int, str]):
    """Caches `2026-11-21T` by the day's ordinal."""

    def __missing__(self, ordinal: int) -> str:
        if len(self) > 10_000:
            self.clear()
        text = self[ordinal] = date.fromordinal(ordinal).isoformat() + "T"
        return text


_DATES = _Dates()
_TWO = [f"{n:02}" for n in range(60)]
_THREE = [f"{n:03}" for n in range(1000)]


def rfc3339(at: datetime) -> str:
    """`2026-11-21T09:00:00.123Z`: the format of every time sent to clients (milliseconds, UTC).

    Built from tables, because `isoformat` is slow and a list has hundreds of times.
    """
    return (
        f"{_DATES[at.toordinal()]}{_TWO[at.hour]}:{_TWO[at.minute]}:{_TWO[at.second]}.{_THREE[at.microsecond // 1000]}Z"
    )
