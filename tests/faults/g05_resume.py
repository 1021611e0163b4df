"""G4 and G5: after any gap a client ends with what a fresh page load shows, and snapshot and stream meet without a hole.

Runs in this process on the manual clock: the product's own hub and connections on a bus that loses, repeats and
shuffles its messages, driven by a seed. Each run ends with a comparison, field by field, with a fresh snapshot.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import psycopg.sql

from server.accounts.rules import Agent
from server.errors import Refused
from server.inbox import entries, queries
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.kernel.writing import Bells
from server.live import frames
from server.live.connection import AgentConnection, VisitorConnection
from server.live.hub import Hub
from server.live.sockets import open_session, understand
from tests.faults.crowd import Crowd
from tests.faults.site import Site
from tests.faults.tally import Tally
from tests.services import create_database
from tests.world import Guest, World, _seed, open_world


class BadBus(LocalBus):
    """Loses, repeats and delays doorbells (F19). Nothing may depend on the bus being right."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random, self.good = random.Random(seed), False
        self.lost = self.repeated = 0
        self._late: Bells = []

    def ring(self, bells: Bells) -> None:
        if self.good:
            super().ring(bells)
            return
        kept: Bells = []
        for bell in [*bells, *self._late]:
            chance = self.random.random()
            if chance < 0.2:
                self.lost += 1
            elif chance < 0.3:
                self.repeated += 1
                kept += [bell, bell]
            else:
                kept.append(bell)
        self._late, kept = [b for b in kept if self.random.random() < 0.1], kept
        self.random.shuffle(kept)
        super().ring(kept)


class Screen:
    """A client's model: what it applies by the rules of PROTOCOL.md 1, and nothing else."""

    def __init__(self) -> None:
        self.entries: dict[Any, dict[int, dict[str, Any]]] = {}
        self.last: dict[Any, int] = {}
        self.tickets: dict[int, dict[str, Any]] = {}
        self.resets: list[Any] = []
        self.reset_count = self.wrong = 0
        self.far: set[Any] = set()

    def take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "entry":
                thread, entry = frame["thread"], frame["entry"]
                last = self.last.get(thread, 0)
                if entry["seq"] > last:
                    if entry["seq"] != last + 1 and thread not in self.far:
                        self.wrong += 1  # a hole on one connection: never
                    self.far.discard(thread)
                    self.last[thread] = entry["seq"]
                    self.entries.setdefault(thread, {})[entry["seq"]] = entry
                elif self.entries.get(thread, {}).get(entry["seq"], entry) != entry:
                    self.wrong += 1
            case "ticket":
                held = self.tickets.get(frame["ticket"]["id"])
                if held is None or held["rev"] <= frame["ticket"]["rev"]:
                    self.tickets[frame["ticket"]["id"]] = frame["ticket"]
            case "reset":
                self.reset_count += 1
                self.resets.append(frame["thread"])
                self.entries[frame["thread"]] = {}
                self.last[frame["thread"]] = 0
                self.far.add(frame["thread"])


class Line:
    """A connection without a network: frames land on the screen; `cut` loses what is still under way."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.open = screen, True

    async def send(self, text: str) -> None:
        await asyncio.sleep(0)
        if not self.open:
            raise ConnectionError
        self.screen.take(json.loads(text))

    async def end(self) -> None:
        self.open = False

    def abort(self) -> None:
        self.open = False


class Desk:
    def __init__(self, agent: Agent) -> None:
        self.agent, self.screen = agent, Screen()
        self.connection: AgentConnection | None = None

    async def connect(self, app: App, hub: Hub) -> None:
        line = Line(self.screen)
        self.connection = AgentConnection(hub, line.send, line.end, line.abort, self.agent)
        hub.add(self.connection)
        self.connection.start()
        # "Fetch lists after `ready`, so that nothing falls between list and stream."
        for status in ("open", "closed"):
            wanted = queries.ListQuery(
                status=status, channel=None, view="all", sort="newest", user=self.agent.id, limit=100, after=None
            )
            for ticket in await app.read(queries.list_tickets, wanted):
                self.screen.take({"type": "ticket", "ticket": ticket.wire(app.clock.now())})
                await self.open(app, ticket.thread)

    async def open(self, app: App, thread: int) -> None:
        """As the console does: follow from what is held, or fetch a page when told to reset."""
        assert self.connection is not None
        ticket = await app.read(queries.ticket_of, thread)
        held = self.screen.last.get(thread, 0)
        if ticket.last_seq - held > entries.RESUME:
            self.screen.reset_count += 1
            page = await app.read(entries.page, thread, None, 50)
            self.screen.entries[thread] = {entry.seq: entry.for_agents() for entry in page.entries}
            self.screen.last[thread] = held = page.last_seq
        self.connection.follow(thread, held)


class Tab:
    def __init__(self, guest: Guest) -> None:
        self.guest, self.screen = guest, Screen()
        self.connection: VisitorConnection | None = None

    async def connect(self, app: App, hub: Hub) -> None:
        line = Line(self.screen)
        hello: dict[str, Any] = {"type": "hello", "version": 1, "token": self.guest.token}
        view = await app.read(queries.visitor_view, self.guest.key)
        if view is not None and view.token in self.screen.last:
            hello["bookmark"] = {"thread": view.token, "after": self.screen.last[view.token]}
        frame = understand(json.dumps(hello), frames.VISITOR_IN, frames.VISITOR_TYPES)
        session = await open_session(hub, line.send, line.end, line.abort, frame, {})
        self.connection = session.connection
        hub.add(self.connection)


async def run(tally: Tally) -> None:
    # The short form leaves most of its runs to SQLite, where a write costs a tenth.
    runs = 5_000 if tally.full else 300 if tally.database == "sqlite" else 75
    differences: list[str] = []
    totals = {"steps": 0, "reconnects": 0, "resets": 0, "lost": 0, "repeated": 0, "entries": 0}
    batch = 25
    for start in range(0, runs, batch):
        folder = Path(tempfile.mkdtemp(prefix="resume-"))
        bus = BadBus(tally.seed + start)
        async with open_world(folder / "data", tally.database, bus=bus, **_quick(tally.database)) as world:
            for number in range(start, start + batch):
                found = await _one(world, bus, tally.seed * 10_000 + number, 60 if tally.full else 30, totals)
                differences += [f"run {number}: {line}" for line in found]
        totals["lost"] += bus.lost
        totals["repeated"] += bus.repeated
    tally.floor("runs on the manual clock", runs, runs)
    for name, least in (
        ("steps", runs * 20),
        ("reconnects", runs * 3 // 4),
        ("resets", 1),
        ("lost", runs),
        ("repeated", runs // 2),
        ("entries", runs * 5),
    ):
        tally.floor(name if name not in ("lost", "repeated") else f"doorbells {name}", totals[name], least)
    tally.zero("differences from a fresh snapshot", len(differences), differences[:5])
    await _long_gap(tally)
    await _meet(tally)


def _quick(database: str) -> dict[str, str]:
    """300,000 steps wait for no disk: nobody cuts the power here (that is G1's)."""
    if database != "postgres":
        return {}
    url = create_database(_seed("postgres").url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        name = psycopg.sql.Identifier(db.info.dbname)
        db.execute(psycopg.sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    return {"database_url": url}


async def _one(world: World, bus: BadBus, seed: int, steps: int, totals: dict[str, int]) -> list[str]:
    """One life: two desks and three tabs of two visitors, `steps` random things, then quiet, then the comparison."""
    chance, app = random.Random(seed), world.app
    bus.good, bus.random = False, random.Random(seed)
    hub = Hub(app)
    app.parts["hub"] = hub
    await hub.settings.get()
    desks = [Desk((await world.agent(name)).agent) for name in ("ana", "mona")]
    guests = [await world.visitor() for _ in range(2)]
    tabs = [Tab(guests[0]), Tab(guests[0]), Tab(guests[1])]
    clients: list[Desk | Tab] = [*desks, *tabs]
    for client in clients:
        await client.connect(app, hub)
    for _ in range(steps):
        totals["steps"] += 1
        await _step(world, hub, clients, guests, chance, totals)
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    bus.good = True
    for client in clients:
        if client.connection is None:
            await client.connect(app, hub)
    for _ in range(3):
        await hub.sweep()
        for desk in desks:
            for ticket in list(desk.screen.tickets.values()):
                if desk.connection is not None and ticket["thread"] not in desk.connection.bookmarks:
                    await desk.open(app, ticket["thread"])
        await _quiet(clients)
    found = await _compare(world, desks, tabs, totals)
    for client in clients:
        if client.connection is not None:
            hub.remove(client.connection)
    await hub.close()
    return found


async def _quiet(clients: list[Desk | Tab]) -> None:
    """Until nobody has anything to send, to read, or to look up: a look for a new chat sends nothing until it is back."""
    for _ in range(2_000):
        if not any(_busy(client.connection) for client in clients if client.connection is not None):
            return
        await asyncio.sleep(0.002)


def _busy(connection: AgentConnection | VisitorConnection) -> bool:
    if not connection.drained or connection.dirty:
        return True
    return bool(connection.tickets) if isinstance(connection, AgentConnection) else connection.session._looking


async def _step(
    world: World,
    hub: Hub,
    clients: list[Desk | Tab],
    guests: list[Guest],
    chance: random.Random,
    totals: dict[str, int],
) -> None:
    app = world.app
    guest, who = chance.choice(guests), await world.agent(chance.choice(["ana", "mona"]))
    view = await guest.view()
    talking = view is not None and view.thread is not None
    acts: list[tuple[int, Callable[[], Any]]] = [(6, lambda: guest.says(f"words {totals['steps']}"))]
    if talking:
        acts += [
            (5, lambda: who.replies(guest, f"answer {totals['steps']}")), (3, lambda: who.notes(guest, "between us")),
            (2, lambda: who.assigns(guest, who)), (1, lambda: who.closes(guest)), (1, lambda: who.undoes_close(guest)),
            (2, lambda: who.reads(guest)), (1, lambda: who.marks_unread(guest)), (1, lambda: world.advance(seconds=6)),
        ]  # fmt: skip
    acts += [
        (3, lambda: _cut(hub, chance.choice(clients))),
        (4, lambda: _return(app, hub, chance.choice(clients), totals)),
        (1, hub.sweep),
    ]
    act = chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
    try:
        await act()
    except Refused:
        totals["refused"] = totals.get("refused", 0) + 1  # a closed chat is not answered: the product's right


async def _cut(hub: Hub, client: Desk | Tab) -> None:
    if client.connection is not None:
        client.connection.abort()  # what is queued is lost with the line
        hub.remove(client.connection)
        client.connection = None


async def _return(app: App, hub: Hub, client: Desk | Tab, totals: dict[str, int]) -> None:
    if client.connection is None:
        totals["reconnects"] += 1
        await client.connect(app, hub)


async def _compare(world: World, desks: list[Desk], tabs: list[Tab], totals: dict[str, int]) -> list[str]:
    found: list[str] = []
    app = world.app
    for tab in tabs:
        totals["resets"] += tab.screen.reset_count
        view = await tab.guest.view()
        if tab.screen.wrong:
            found.append(f"a tab saw {tab.screen.wrong} holes or changed entries")
        if view is None or view.thread is None:
            continue
        fresh = {
            entry.public_seq: entry.for_visitor()
            for entry in await app.read(entries.since, view.thread, True, 0, 10_000)
        }
        held = tab.screen.entries.get(view.token, {})
        totals["entries"] += len(held)
        if json.dumps(held, sort_keys=True, default=str) != json.dumps(
            {k: fresh[k] for k in sorted(fresh)}, sort_keys=True, default=str
        ):
            found.append(f"a tab holds {sorted(held)} of {sorted(k for k in fresh if k)}")
    for desk in desks:
        totals["resets"] += desk.screen.reset_count
        if desk.screen.wrong:
            found.append(f"a desk saw {desk.screen.wrong} holes")
        for tab in tabs:
            view = await tab.guest.view()
            if view is None or view.thread is None:
                continue
            ticket = await app.read(queries.ticket_of, view.thread)
            fresh_ticket, held_ticket = ticket.wire(world.now), desk.screen.tickets.get(ticket.id, {})
            for name, value in fresh_ticket.items():
                if name != "online" and held_ticket.get(name, "nothing") != value:
                    found.append(f"a desk's ticket: {name} is {held_ticket.get(name)!r}, fresh {value!r}")
            rows = {
                entry.seq: entry.for_agents()
                for entry in await app.read(entries.since, ticket.thread, False, 0, 10_000)
            }
            held = desk.screen.entries.get(ticket.thread, {})
            totals["entries"] += len(held)
            if held != rows:
                found.append(f"a desk holds {sorted(held)} of {sorted(rows)}")
    return found


async def _long_gap(tally: Tally) -> None:
    """500 missed entries: told to reset once, and back within a second."""
    async with open_world(Path(tempfile.mkdtemp(prefix="gap-")) / "data", tally.database) as world:
        hub = Hub(world.app)
        await hub.settings.get()
        guest = await world.visitor()
        tab = Tab(guest)
        await guest.says("first")
        await tab.connect(world.app, hub)
        await _quiet([tab])
        await _cut(hub, tab)
        for number in range(500):
            await guest.says(f"missed {number}")
        before, began = tab.screen.reset_count, time.monotonic()
        await tab.connect(world.app, hub)
        await _quiet([tab])
        tally.quick("500 missed entries, s", time.monotonic() - began, 1.0)
        tally.floor("told to reset", tab.screen.reset_count - before, 1)
        tally.zero("told again", tab.screen.reset_count - before - 1)
        view = await guest.view()
        assert view is not None
        tally.zero("behind after it", view.last_public_seq - max(tab.screen.last.values()))
        hub.remove(tab.connection)  # type: ignore[arg-type]
        await hub.close()


async def _meet(tally: Tally) -> None:
    """G5, live: visitors connect again and again while entries flow, with a gap held open between subscribe and read."""
    connects = 2_000 if tally.full else 200
    async with Site(tally.database, seed=tally.seed) as site:
        await site.start("subscribed=sleep:0-300%50,snapshot_read=sleep:0-300%50")
        crowd = Crowd(site, visitors=10, agents=1, seed=tally.seed)
        await crowd.start()

        async def come_and_go() -> None:
            while sum(v.connects for v in crowd.visitors) < connects:
                visitor = crowd.random.choice(crowd.visitors)
                if visitor.ws is not None and visitor.ready.is_set():
                    visitor.ws.transport.abort()
                await asyncio.sleep(0.02)

        await crowd.talk_while(50, come_and_go(), replies=0.2)
        await crowd.settle(40)
        tally.floor("connects while entries flowed", sum(v.connects for v in crowd.visitors), connects)
        tally.floor("gaps held open", site.visits("subscribed") + site.visits("snapshot_read"), connects // 2)
        tally.zero("shown twice or changed", crowd.violations)
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=connects // 2)
