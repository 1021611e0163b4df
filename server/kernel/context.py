"""`App`: the argument of every action. `app.build()` makes the only one; there is no other global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from server.errors import Refused
from server.kernel.bus import LocalBus
from server.kernel.clock import Clock
from server.kernel.db import Database
from server.kernel.ids import Ids, derive
from server.kernel.sql import Conn, StepServices, Tx
from server.kernel.writing import Done
from server.settings import Settings

T = TypeVar("T")
P = TypeVar("P")


@dataclass
class App:
    settings: Settings
    clock: Clock
    ids: Ids
    bus: LocalBus
    db: Database
    secret: bytes = field(repr=False)
    node: str = ""
    _parts: dict[type[Any], Any] = field(default_factory=dict, repr=False)

    def register(self, part: P) -> P:
        """Stores `part` as this process's only instance of its class (the hub, the pump, a cache)."""
        self._parts[type(part)] = part
        return part

    def part(self, kind: type[P], make: Callable[[App], P] | None = None) -> P:
        """Returns the registered instance of `kind`, or registers `make(app)`. Raises `LookupError` if none is
        registered and `make` is missing."""
        instance = self._parts.get(kind)
        if instance is None:
            if make is None:
                raise LookupError(f"this process has no {kind.__name__}")
            instance = self.register(make(self))
        result: P = instance
        return result

    def has(self, kind: type[Any]) -> bool:
        return kind in self._parts

    async def read(self, query: Callable[..., T], *args: Any) -> T:
        """Runs `query(conn, *args)` in one snapshot on a reader."""
        result: T = await self.db.read(query, *args)
        return result

    async def read_slowly(self, query: Callable[..., T], *args: Any) -> T:
        """Runs `query(conn, *args)` in one snapshot on the reader for slow queries."""
        result: T = await self.db.read_slowly(query, *args)
        return result

    async def write(self, step: Callable[..., T], *args: Any, lane: str | int | None = None, bulk: bool = False) -> T:
        """Runs `step(tx, *args)` in one transaction; returns after COMMIT.

        `lane`: steps with the same lane run in the order of the calls. `bulk`: the step waits in the queue for bulk work,
        so that it does not delay others.
        """
        result: T = await self.db.write(step, *args, lane=lane, bulk=bulk)
        return result

    async def write_bulk(self, step: Callable[..., T], *args: Any) -> tuple[T, float]:
        """Runs `step(tx, *args)` as bulk work, in a transaction of its own. Returns the result and the seconds from BEGIN to COMMIT."""
        result_and_seconds: tuple[T, float] = await self.db.write_bulk(step, *args)
        return result_and_seconds

    async def write_joined(
        self, step: Callable[[Tx, list[Any]], Sequence[T | Refused]], *args: Any, lane: str | int | None = None
    ) -> T:
        """Runs a step that takes several calls at once: `step(tx, [args, ...])` gets all waiting calls in order and
        returns a result or a `Refused` for each. If a step with several calls fails, each call runs alone."""
        result: T = await self.db.write(step, *args, lane=lane, joined=True)
        return result

    def submit_joined(
        self, step: Callable[[Tx, list[Any]], list[Any]], *args: Any, done: Done, lane: str | int | None = None
    ) -> None:
        """Queues a call of a joined step and does not wait; `done(result, error)` runs on the loop after COMMIT."""
        self.db.submit(step, *args, done=done, lane=lane, joined=True)

    def submit(self, step: Callable[..., Any], *args: Any, done: Done, lane: str | int | None = None) -> None:
        """Queues a step and does not wait; `done(result, error)` runs on the loop after COMMIT."""
        self.db.submit(step, *args, done=done, lane=lane)

    def key(self, purpose: str) -> bytes:
        """A key for one purpose, derived from the server's secret."""
        return derive(self.secret, purpose)


Reactions = Mapping[type, list[Callable[[Tx, Any], None]]]


def step_services(reactions: Reactions, ids: Ids, key: Callable[[str], bytes]) -> StepServices:
    def announce(tx: Tx, event: Any) -> None:
        for react in reactions.get(type(event), ()):
            react(tx, event)

    return StepServices(announce, ids, key)


__all__ = ["App", "Conn", "Reactions", "Tx", "step_services"]
