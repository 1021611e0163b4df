"""What stands after a bookmark, read once for all sockets of the process that ask at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any

from server.inbox import entries, queries
from server.inbox.entries import Entry
from server.inbox.queries import Ticket
from server.kernel.context import App


class Feed:
    """Single flight per question and generation.

    A reader that was woken after a flight began must not be answered by it: the flight may have
    read before the row it was woken for. `rung` therefore starts a new generation.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._generation = 0
        self._flights: dict[tuple[Any, ...], asyncio.Task[Any]] = {}

    def rung(self) -> None:
        self._generation += 1

    async def since(self, thread: int, public: bool, after: int, n: int) -> list[Entry]:
        found: list[Entry] = await self._shared(
            ("since", thread, public, after, n), entries.since, thread, public, after, n
        )
        return found

    async def tickets(self, ids: tuple[int, ...]) -> list[Ticket]:
        found: list[Ticket] = await self._shared(("tickets", ids), _tickets, ids)
        return found

    async def _shared(self, key: tuple[Any, ...], fn: Any, *args: Any) -> Any:
        flight_key = (self._generation, *key)
        flight = self._flights.get(flight_key)
        if flight is None:
            flight = asyncio.create_task(self._app.read(fn, *args))
            self._flights[flight_key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(flight_key, None))
        # Shielded: a caller whose socket died must not take the answer from the others.
        return await asyncio.shield(flight)


def _tickets(conn: Any, ids: tuple[int, ...]) -> list[Ticket]:
    return [found for ticket_id in ids if (found := queries.ticket(conn, ticket_id)) is not None]
