"""Reads new entries and ticket summaries once for all sockets of the process that need them at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any

from server.kernel.context import App
from server.threads import entries, tickets
from server.threads.entries import Entry
from server.threads.tickets import Ticket


class Feed:
    """Shares one database read among all callers with the same arguments, within one generation.

    A read that began before a notification may have missed the row that the notification is about. `published`
    therefore starts a new generation, and later callers start a new read.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._generation = 0
        self._flights: dict[tuple[Any, ...], asyncio.Task[Any]] = {}

    def published(self) -> None:
        self._generation += 1

    async def since(self, thread: int, public: bool, after: int, n: int) -> list[Entry]:
        read: list[Entry] = await self._shared(
            ("since", thread, public, after, n), entries.since, thread, public, after, n
        )
        return read

    async def tickets(self, ids: tuple[int, ...]) -> list[Ticket]:
        summaries: list[Ticket] = await self._shared(("tickets", ids), _tickets, ids)
        return summaries

    async def _shared(self, key: tuple[Any, ...], fn: Any, *args: Any) -> Any:
        flight_key = (self._generation, *key)
        flight = self._flights.get(flight_key)
        if flight is None:
            flight = asyncio.create_task(self._app.read(fn, *args))
            self._flights[flight_key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(flight_key, None))
        # Shielded: cancelling one caller must not cancel the read that the others wait for.
        return await asyncio.shield(flight)


def _tickets(conn: Any, ids: tuple[int, ...]) -> list[Ticket]:
    return [ticket for ticket_id in ids if (ticket := tickets.by_id(conn, ticket_id)) is not None]
