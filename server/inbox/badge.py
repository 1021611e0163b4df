"""Counts unread and open tickets for the badge. Counting reads every open ticket, so the counts are cached until one changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from server.kernel.context import App
from server.kernel.sql import Conn, Statement
from server.schema import tickets
from server.threads.tickets import INBOX_TOPIC


class BadgeCache:
    """The last counts, and whether a ticket has changed since. `badge_cache` returns the one of the process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._generation = 0
        self._cached: tuple[int, Badge] | None = None
        app.bus.watch(INBOX_TOPIC, self)

    def on_published(self, topic: str, hint: Any) -> None:
        self._generation += 1

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None:
        """Does nothing, because tickets are published and never broadcast."""

    async def get(self) -> Badge:
        if self._cached is None or self._cached[0] != self._generation:
            # Taken before the read: a change during the read makes the next call count again.
            generation = self._generation
            self._cached = (generation, await self._app.read(badge))
        return self._cached[1]


def badge_cache(app: App) -> BadgeCache:
    return app.part(BadgeCache, BadgeCache)


@dataclass(frozen=True, slots=True)
class Badge:
    unread: int
    open: int


_COUNT_UNREAD = Statement(select(func.count().label("n")).where(tickets.c.unread, tickets.c.status == "open"))
_COUNT_OPEN = Statement(select(func.count().label("n")).where(tickets.c.status == "open"))


def badge(conn: Conn) -> Badge:
    return Badge(conn.value(_COUNT_UNREAD), conn.value(_COUNT_OPEN))
