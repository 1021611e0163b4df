"""G4 and G5: after any gap a client shows the same as a freshly loaded page; no entry is lost between the snapshot and
the live events.

Runs in this process on the manual clock: the product's own hub and connections on a bus that loses, repeats and
shuffles its messages, driven by a seed. At the end of each run every field on each screen is compared with a fresh
snapshot.
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

from server import frames
from server.accounts.rules import Agent
from server.errors import Refused
from server.inbox import lists
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.kernel.writing import Publications
from server.live.connection import AgentConnection, VisitorConnection
from server.live.hub import Hub
from server.live.sockets import open_session, parse_frame
from server.threads import entries, tickets
from server.webchat import visitors
from tests.faults.crowd import Crowd
from tests.faults.site import Site
from tests.faults.tally import Tally
from tests.services import create_database
from tests.world import Guest, World, _seed, open_world


class BadBus(LocalBus):
    """Loses, repeats and delays notifications (F19). The product must not depend on them."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random, self.reliable = random.Random(seed), False
        self.lost_count = self.repeated_count = 0
        self._delayed: Publications = []

    def publish(self, publications: Publications) -> None:
        if self.reliable:
            super().publish(publications)
            return
        delivered: Publications = []
        for publication in [*publications, *self._delayed]:
            chance = self.random.random()
            if chance < 0.2:
                self.lost_count += 1
            elif chance < 0.3:
                self.repeated_count += 1
                delivered += [publication, publication]
            else:
                delivered.append(publication)
        self._delayed, delivered = [b for b in delivered if self.random.random() < 0.1], delivered
        self.random.shuffle(delivered)
        super().publish(delivered)


class Screen:
    """A client's model of the conversation: it applies frames by the rules of PROTOCOL.md 1 only."""

    def __init__(self) -> None:
        self.entries: dict[Any, dict[int, dict[str, Any]]] = {}
        self.last: dict[Any, int] = {}
        self.tickets: dict[int, dict[str, Any]] = {}
        self.resets: list[Any] = []
        self.reset_count = self.violations = 0
        self.far: set[Any] = set()  # threads after a `reset`: their next entry may have any seq

    def take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "entry":
                thread, entry = frame["thread"], frame["entry"]
                last = self.last.get(thread, 0)
                if entry["seq"] > last:
                    if entry["seq"] != last + 1 and thread not in self.far:
                        self.violations += 1  # a gap within one connection must never happen
                    self.far.discard(thread)
                    self.last[thread] = entry["seq"]
                    self.entries.setdefault(thread, {})[entry["seq"]] = entry
                elif self.entries.get(thread, {}).get(entry["seq"], entry) != entry:
                    self.violations += 1
            case "ticket":
                shown_ticket = self.tickets.get(frame["ticket"]["id"])
                if shown_ticket is None or shown_ticket["rev"] <= frame["ticket"]["rev"]:
                    self.tickets[frame["ticket"]["id"]] = frame["ticket"]
            case "reset":
                self.reset_count += 1
                self.resets.append(frame["thread"])
                self.entries[frame["thread"]] = {}
                self.last[frame["thread"]] = 0
                self.far.add(frame["thread"])


class FakeConnection:
    """A connection without a network: frames go straight to the screen; `cut` loses the frames that are not yet
    sent."""

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
        connection = FakeConnection(self.screen)
        self.connection = AgentConnection(hub, connection.send, connection.end, connection.abort, self.agent)
        hub.add(self.connection)
        self.connection.start()
        # "Fetch lists after `ready`, so that nothing falls between list and stream."
        for status in ("open", "closed"):
            query = lists.ListQuery(
                status=status, channel=None, view="all", sort="newest", user=self.agent.id, limit=100
            )
            for ticket in await app.read(lists.list_tickets, query):
                self.screen.take({"type": "ticket", "ticket": ticket.wire(app.clock.now(), None)})
                await self.open(app, ticket.thread)

    async def open(self, app: App, thread: int) -> None:
        """Opens a thread as the console does: follow it from the last seq on screen, or fetch a page after a
        `reset`."""
        assert self.connection is not None
        ticket = await app.read(tickets.by_thread, thread)
        last_seq = self.screen.last.get(thread, 0)
        if ticket.last_seq - last_seq > entries.MAX_RESUMED_ENTRIES:
            self.screen.reset_count += 1
            page = await app.read(entries.page, thread, None, 50)
            self.screen.entries[thread] = {entry.seq: entry.for_agents() for entry in page.entries}
            self.screen.last[thread] = last_seq = page.last_seq
        self.connection.follow(thread, last_seq)


class Tab:
    def __init__(self, guest: Guest) -> None:
        self.guest, self.screen = guest, Screen()
        self.connection: VisitorConnection | None = None

    async def connect(self, app: App, hub: Hub) -> None:
        connection = FakeConnection(self.screen)
        hello: dict[str, Any] = {"type": "hello", "version": 1, "token": self.guest.token}
        view = await app.read(visitors.visitor_view, self.guest.key)
        if view is not None and view.token in self.screen.last:
            hello["bookmark"] = {"thread": view.token, "after": self.screen.last[view.token]}
        frame = parse_frame(json.dumps(hello), frames.VISITOR_IN, frames.VISITOR_TYPES)
        session = await open_session(hub, connection.send, connection.end, connection.abort, frame, "127.0.0.1", {})
        self.connection = session.connection
        hub.add(self.connection)


async def run(tally: Tally) -> None:
    # A write takes a tenth of the time on SQLite, so the short form runs most seeds there.
    runs = 5_000 if tally.full else 300 if tally.database == "sqlite" else 75
    differences: list[str] = []
    totals = {"steps": 0, "reconnects": 0, "`reset` frames": 0, "lost": 0, "repeated": 0, "entries": 0}
    batch = 25
    for start in range(0, runs, batch):
        folder = Path(tempfile.mkdtemp(prefix="resume-"))
        bus = BadBus(tally.seed + start)
        async with open_world(folder / "data", tally.database, bus=bus, **_without_sync(tally.database)) as world:
            for number in range(start, start + batch):
                result = await _run_once(world, bus, tally.seed * 10_000 + number, 60 if tally.full else 30, totals)
                differences += [f"run {number}: {line}" for line in result]
        totals["lost"] += bus.lost_count
        totals["repeated"] += bus.repeated_count
    tally.floor("runs on the manual clock", runs, runs)
    for name, least in (
        ("steps", runs * 20),
        ("reconnects", runs * 3 // 4),
        ("`reset` frames", 1),
        ("lost", runs),
        ("repeated", runs // 2),
        ("entries", runs * 5),
    ):
        tally.floor(name if name not in ("lost", "repeated") else f"notifications {name}", totals[name], least)
    tally.zero("differences from a fresh snapshot", len(differences), differences[:5])
    await _long_gap(tally)
    await _reconnect_during_load(tally)


def _without_sync(database: str) -> dict[str, str]:
    """Turns off the disk syncs of 300,000 steps: this test cuts no power (G1 does)."""
    if database != "postgres":
        return {}
    url = create_database(_seed("postgres").url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        name = psycopg.sql.Identifier(db.info.dbname)
        db.execute(psycopg.sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    return {"database_url": url}


async def _run_once(world: World, bus: BadBus, seed: int, steps: int, totals: dict[str, int]) -> list[str]:
    """One run: two desks and three tabs of two visitors take `steps` random steps, then everything settles, then
    screens are compared."""
    chance, app = random.Random(seed), world.app
    bus.reliable, bus.random = False, random.Random(seed)
    hub = Hub(app)
    app.register(hub)
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
    bus.reliable = True
    for client in clients:
        if client.connection is None:
            await client.connect(app, hub)
    for _ in range(3):
        await hub.sweep()
        for desk in desks:
            for ticket in list(desk.screen.tickets.values()):
                if desk.connection is not None and ticket["thread"] not in desk.connection.bookmarks:
                    await desk.open(app, ticket["thread"])
        await _wait_until_settled(clients)
    result = await _compare(world, desks, tabs, totals)
    for client in clients:
        if client.connection is not None:
            hub.remove(client.connection)
    await hub.close()
    return result


async def _wait_until_settled(clients: list[Desk | Tab]) -> None:
    """Waits until no client has anything to send, to read or to look up. A lookup of a new chat blocks sending until it
    returns."""
    for _ in range(2_000):
        if not any(_busy(client.connection) for client in clients if client.connection is not None):
            return
        await asyncio.sleep(0.002)


def _busy(connection: AgentConnection | VisitorConnection) -> bool:
    if not connection.drained or connection.dirty:
        return True
    return bool(connection.tickets) if isinstance(connection, AgentConnection) else connection.session._checking_chat


async def _step(
    world: World,
    hub: Hub,
    clients: list[Desk | Tab],
    guests: list[Guest],
    chance: random.Random,
    totals: dict[str, int],
) -> None:
    app = world.app
    guest, agent = chance.choice(guests), await world.agent(chance.choice(["ana", "mona"]))
    view = await guest.view()
    talking = view is not None and view.thread is not None
    acts: list[tuple[int, Callable[[], Any]]] = [(6, lambda: guest.says(f"words {totals['steps']}"))]
    if talking:
        acts += [
            (5, lambda: agent.replies(guest, f"answer {totals['steps']}")), (3, lambda: agent.notes(guest, "between us")),
            (2, lambda: agent.assigns(guest, agent)), (1, lambda: agent.closes(guest)), (1, lambda: agent.undoes_close(guest)),
            (2, lambda: agent.reads(guest)), (1, lambda: agent.marks_unread(guest)), (1, lambda: world.advance(seconds=6)),
        ]  # fmt: skip
    acts += [
        (3, lambda: _cut(hub, chance.choice(clients))),
        (4, lambda: _reconnect(app, hub, chance.choice(clients), totals)),
        (1, hub.sweep),
    ]
    act = chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
    try:
        await act()
    except Refused:
        totals["refused"] = totals.get("refused", 0) + 1  # the product refuses replies in a closed chat


async def _cut(hub: Hub, client: Desk | Tab) -> None:
    if client.connection is not None:
        client.connection.abort()  # frames still in the queue are lost with the connection
        hub.remove(client.connection)
        client.connection = None


async def _reconnect(app: App, hub: Hub, client: Desk | Tab, totals: dict[str, int]) -> None:
    if client.connection is None:
        totals["reconnects"] += 1
        await client.connect(app, hub)


async def _compare(world: World, desks: list[Desk], tabs: list[Tab], totals: dict[str, int]) -> list[str]:
    results: list[str] = []
    app = world.app
    for tab in tabs:
        totals["`reset` frames"] += tab.screen.reset_count
        view = await tab.guest.view()
        if tab.screen.violations:
            results.append(f"a tab saw {tab.screen.violations} holes or changed entries")
        if view is None or view.thread is None:
            continue
        snapshot = {
            entry.public_seq: entry.for_visitor()
            for entry in await app.read(entries.since, view.thread, True, 0, 10_000)
        }
        shown_entries = tab.screen.entries.get(view.token, {})
        totals["entries"] += len(shown_entries)
        if json.dumps(shown_entries, sort_keys=True, default=str) != json.dumps(
            {k: snapshot[k] for k in sorted(snapshot)}, sort_keys=True, default=str
        ):
            results.append(f"a tab holds {sorted(shown_entries)} of {sorted(k for k in snapshot if k)}")
    for desk in desks:
        totals["`reset` frames"] += desk.screen.reset_count
        if desk.screen.violations:
            results.append(f"a desk saw {desk.screen.violations} holes")
        for tab in tabs:
            view = await tab.guest.view()
            if view is None or view.thread is None:
                continue
            ticket = await app.read(tickets.by_thread, view.thread)
            fresh_ticket, shown_ticket = ticket.wire(world.now, None), desk.screen.tickets.get(ticket.id, {})
            for name, value in fresh_ticket.items():
                if name != "online" and shown_ticket.get(name, "nothing") != value:
                    results.append(f"a desk's ticket: {name} is {shown_ticket.get(name)!r}, fresh {value!r}")
            rows = {
                entry.seq: entry.for_agents()
                for entry in await app.read(entries.since, ticket.thread, False, 0, 10_000)
            }
            shown_entries = desk.screen.entries.get(ticket.thread, {})
            totals["entries"] += len(shown_entries)
            if shown_entries != rows:
                results.append(f"a desk holds {sorted(shown_entries)} of {sorted(rows)}")
    return results


async def _long_gap(tally: Tally) -> None:
    """After 500 missed entries a client gets one `reset` and is up to date within a second."""
    async with open_world(Path(tempfile.mkdtemp(prefix="gap-")) / "data", tally.database) as world:
        hub = Hub(world.app)
        await hub.settings.get()
        guest = await world.visitor()
        tab = Tab(guest)
        await guest.says("first")
        await tab.connect(world.app, hub)
        await _wait_until_settled([tab])
        await _cut(hub, tab)
        for number in range(500):
            await guest.says(f"missed {number}")
        resets_before, began = tab.screen.reset_count, time.monotonic()
        await tab.connect(world.app, hub)
        await _wait_until_settled([tab])
        tally.quick("client shows 500 missed entries after, s", time.monotonic() - began, 1.0)
        tally.floor("`reset` frames for the 500 entries", tab.screen.reset_count - resets_before, 1)
        tally.zero("`reset` frames after the first", tab.screen.reset_count - resets_before - 1)
        view = await guest.view()
        assert view is not None
        tally.zero("entries missing after the reset", view.last_public_seq - max(tab.screen.last.values()))
        hub.remove(tab.connection)  # type: ignore[arg-type]
        await hub.close()


async def _reconnect_during_load(tally: Tally) -> None:
    """G5 over real sockets: visitors reconnect repeatedly while entries are written, with a pause between
    subscribe and read."""
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
        tally.floor(
            "delays between subscribe and snapshot",
            site.visits("subscribed") + site.visits("snapshot_read"),
            connects // 2,
        )
        tally.zero("entries shown twice or changed", crowd.violations)
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=connects // 2)
