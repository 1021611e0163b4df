"""`App`: what every action is handed. Built once in `app.build()`; there is no other global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from server.errors import Refused
from server.kernel.bus import LocalBus
from server.kernel.clock import Clock
from server.kernel.db import Database
from server.kernel.ids import Ids, derive
from server.kernel.sql import Around, Conn, Tx
from server.kernel.writing import Done
from server.settings import Settings

T = TypeVar("T")


@dataclass
class App:
    settings: Settings
    clock: Clock
    ids: Ids
    bus: LocalBus
    db: Database
    secret: bytes = field(repr=False)
    node: str = ""
    # Parts that higher layers hang here for those above them (live hub, limits); see app.build().
    parts: dict[str, Any] = field(default_factory=dict)

    async def read(self, fn: Callable[..., T], *args: Any) -> T:
        """`fn(conn, *args)` whole, in one hop and one snapshot."""
        result: T = await self.db.read(fn, *args)
        return result

    async def read_slowly(self, fn: Callable[..., T], *args: Any) -> T:
        result: T = await self.db.read_slowly(fn, *args)
        return result

    async def write(self, step: Callable[..., T], *args: Any, lane: str | int | None = None, bulk: bool = False) -> T:
        """`step(tx, *args)` in one transaction; returns after COMMIT."""
        result: T = await self.db.write(step, *args, lane=lane, bulk=bulk)
        return result

    async def write_joined(
        self, step: Callable[[Tx, list[Any]], Sequence[T | Refused]], *args: Any, lane: str | int | None = None
    ) -> T:
        """As `write` for a step that takes many: `step(tx, [args, ...])` gets the calls of all who wait right now, in
        the order they came, and gives a result for each, or a `Refused`. When it fails with several, each runs alone."""
        result: T = await self.db.write(step, *args, lane=lane, joined=True)
        return result

    def submit_joined(
        self, step: Callable[[Tx, list[Any]], list[Any]], *args: Any, done: Done, lane: str | int | None = None
    ) -> None:
        """As `write_joined` without waiting; `done(result, error)` runs on the loop after COMMIT."""
        self.db.submit(step, *args, done=done, lane=lane, joined=True)

    def submit(self, step: Callable[..., Any], *args: Any, done: Done, lane: str | int | None = None) -> None:
        """As `write` without waiting; `done(result, error)` runs on the loop after COMMIT."""
        self.db.submit(step, *args, done=done, lane=lane)

    def key(self, purpose: str) -> bytes:
        """A key for one purpose, derived from the server's secret."""
        return derive(self.secret, purpose)


Reactions = Mapping[type, list[Callable[[Tx, Any], None]]]


def around(reactions: Reactions, ids: Ids, key: Callable[[str], bytes]) -> Around:
    def announce(tx: Tx, event: Any) -> None:
        for react in reactions.get(type(event), ()):
            react(tx, event)

    return Around(announce, ids, key)


__all__ = ["App", "Conn", "Reactions", "Tx", "around"]
