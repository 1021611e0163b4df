"""Load for a site: visitors write and agents reply until the test stops them; then the oracle judges the messages."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from tests.faults import oracle
from tests.faults.journal import Journal
from tests.faults.oracle import Stored, Verdict
from tests.faults.people import Agent, Client, Visitor, Where
from tests.faults.site import Site

AGENTS = ("owner", "admin", "manager", "support", "helper")
# Standard load L1 of the guarantees: visitors, agents, messages a second. Each test sets its own duration.
L1 = {"visitors": 200, "agents": 10}
L1_PER_S = 20.0


class Crowd:
    """Simulated visitors and agents. Each client connects to a random node each time, unless `where` names one."""

    def __init__(
        self,
        site: Site,
        *,
        visitors: int = 20,
        agents: int = 3,
        seed: int = 1,
        where: Where | None = None,
        **options: Any,
    ) -> None:
        self.site, self.random = site, random.Random(seed)
        self.folder: Path = site.folder / f"journals-{self.random.randrange(10**9)}"
        self.where = where or (lambda: self.random.choice(site.nodes).url)
        self.seed, self.options = seed, options
        self.acks = 0
        self.acked_at: dict[str, float] = {}
        self.ack_times: list[float] = []
        self.said_at: dict[str, float] = {}
        self.visitors = [self.visitor(f"visitor-{n}") for n in range(visitors)]
        self.agents = [
            Agent(site, AGENTS[n % len(AGENTS)], self.where, self.journal(f"agent-{n}"), seed=seed, **options)
            for n in range(agents)
        ]
        self.replies: set[asyncio.Task[Any]] = set()
        self.spoken = 0

    def journal(self, name: str) -> Journal:
        return Journal(self.folder, name, self._acked)

    def visitor(self, name: str, where: Where | None = None) -> Visitor:
        return Visitor(where or self.where, self.journal(name), seed=self.seed, **self.options)

    def _acked(self, key: str) -> None:
        self.acks += 1
        now = time.monotonic()
        self.acked_at.setdefault(key, now)
        if key in self.said_at:
            self.ack_times.append(now - self.said_at.pop(key))

    async def start(self) -> None:
        for client in (*self.visitors, *self.agents):
            client.start()
        await asyncio.wait_for(asyncio.gather(*(c.ready.wait() for c in (*self.visitors, *self.agents))), 30)

    async def speak(self, *, replies: float = 0.3) -> None:
        """Sends one more message: a visitor's, or sometimes an agent's reply or note."""
        self.spoken += 1
        desk = self.random.choice(self.agents) if self.agents else None
        if desk is not None and desk.tickets and self.random.random() < replies and len(self.replies) < 30:
            ticket = self.random.choice(sorted(desk.tickets))
            answer = desk.reply(ticket, f"answer {self.spoken}", note=self.random.random() < 0.2)
            task = asyncio.create_task(answer)
            self.replies.add(task)
            task.add_done_callback(self.replies.discard)
            return
        visitor = self.random.choice(self.visitors)
        began = time.monotonic()
        key = await visitor.say(f"message {self.spoken} of {visitor.name}")
        self.said_at.setdefault(key, began)

    async def talk(self, per_s: float, until: Callable[[], bool], **options: Any) -> None:
        due = time.monotonic()
        while not until():
            await self.speak(**options)
            due += 1 / per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def talk_while(self, per_s: float, doing: Awaitable[Any], **options: Any) -> Any:
        """Sends messages until `doing` is done; returns the result of `doing`."""
        task = asyncio.ensure_future(doing)
        await self.talk(per_s, task.done, **options)
        return await task

    def stored(self) -> list[Stored]:
        if self.site.kind == "sqlite":
            return oracle.read_sqlite(self.site.sqlite_path())
        return oracle.read_postgres(self.site.database_url)

    async def settle(self, within: float = 30.0) -> bool:
        """Waits until all messages are acknowledged and every screen is up to date, or `within` has passed; then closes
        all clients."""
        deadline = time.monotonic() + within
        if self.replies:
            await asyncio.wait(set(self.replies), timeout=within)
        settled = False
        while time.monotonic() < deadline and not settled:
            settled = not any(v.outbox for v in self.visitors) and self._caught_up(await asyncio.to_thread(self.stored))
            if not settled:
                await asyncio.sleep(0.25)
        await asyncio.gather(*(client.stop() for client in (*self.visitors, *self.agents)))
        return settled

    def _caught_up(self, stored: list[Stored]) -> bool:
        ends = {row.thread: row for row in stored}
        tokens = {row.token: row for row in stored}
        for agent in self.agents:
            if any(agent.last.get(thread, 0) != row.last_seq for thread, row in ends.items()):
                return False
        for visitor in self.visitors:
            row = tokens.get(visitor.thread or "")
            if row is not None and visitor.last != row.last_public_seq:
                return False
        return True

    def entitled(self) -> dict[str, str | None]:
        return {a.name: None for a in self.agents} | {v.name: v.key for v in self.visitors}

    def verdict(self) -> Verdict:
        return oracle.examine(self.folder, self.stored(), self.entitled())

    @property
    def violations(self) -> int:
        return sum(client.violations for client in (*self.visitors, *self.agents))


def peak_connects(clients: Iterable[Client]) -> int:
    """The largest number of clients that connected within the same second."""
    times = sorted(
        (connected_at, number) for number, client in enumerate(clients) for connected_at in client.connected_at
    )
    first = most = 0
    for last, (connected_at, _) in enumerate(times):
        while times[first][0] < connected_at - 1:
            first += 1
        most = max(most, len({number for _, number in times[first : last + 1]}))
    return most


def percentile(values: list[float], share: float) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
