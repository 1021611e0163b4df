"""The badge's numbers, counted again only after a ticket changed: every list carries them, and they read every open ticket."""

from __future__ import annotations

from typing import Any

from server.inbox import queries
from server.inbox.queries import Badge
from server.inbox.timeline import INBOX_TOPIC
from server.kernel.context import App


class Counted:
    """What was counted last, and whether a ticket's bell rang since. One for each process: see `counted`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._generation = 0
        self._known: tuple[int, Badge] | None = None
        app.bus.watch(INBOX_TOPIC, self)

    def heard(self, topic: str, hint: Any) -> None:
        self._generation += 1

    def whispered(self, topic: str, payload: dict[str, Any]) -> None:
        """Nothing is whispered about tickets."""

    async def get(self) -> Badge:
        if self._known is None or self._known[0] != self._generation:
            # From before the read: a bell meanwhile makes the next one count again.
            generation = self._generation
            self._known = (generation, await self._app.read(queries.badge))
        return self._known[1]


def counted(app: App) -> Counted:
    found: Counted | None = app.parts.get("badge")
    if found is None:
        found = app.parts["badge"] = Counted(app)
    return found
