"""Counts events that strangers cause, so that each kind is logged at most once a minute."""

from __future__ import annotations

from server.kernel.clock import Clock
from server.kernel.context import App

EVERY_S = 60.0


class Tally:
    """One per process: `tally(app)`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[str, tuple[int, float]] = {}  # the count since the last log line, and the time of the next

    def add(self, kind: str) -> int:
        """Counts one event. Returns the count since the last log line if a line is due, else 0. Use few kinds."""
        count, due = self._kinds.get(kind, (0, float("-inf")))
        now = self._clock.monotonic()
        if now < due:
            self._kinds[kind] = count + 1, due
            return 0
        self._kinds[kind] = 0, now + EVERY_S
        return count + 1


def tally(app: App) -> Tally:
    return app.part(Tally, lambda app: Tally(app.clock))
