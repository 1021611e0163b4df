"""Doorbells are hints: everything stays right when they are lost, repeated, late or out of order (DESIGN 7)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from server.errors import Busy
from server.inbox import hints
from server.inbox.entries import Entry
from server.inbox.queries import Ticket
from server.kernel.bus import LocalBus, RedisBus
from server.kernel.writing import Bells
from tests.online import PATIENCE_S, Online, open_online
from tests.services import Valkey
from tests.world import World


class LossyBus(LocalBus):
    """Loses, repeats, strips of their hints, and reorders; from a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)
        self._late: list[tuple[str, Any]] = []
        self.lost = self.repeated = self.delayed = 0
        self.fair = False

    def ring(self, bells: Bells) -> None:
        for topic, hint in bells:
            dice = self._chance.random()
            if self.fair or dice < 0.3:
                self.hear(topic, hint)
            elif dice < 0.5:
                self.lost += 1
            elif dice < 0.65:
                self.repeated += 1
                for _ in range(3):
                    self.hear(topic, hint)
            elif dice < 0.75:
                self.hear(topic, hint.id if isinstance(hint, Ticket) else None)
            else:
                self.delayed += 1
                self._late.append((topic, hint))
            if len(self._late) > 5 and not self.fair:
                self._chance.shuffle(self._late)
                for late in self._late[:3]:
                    self.hear(*late)
                del self._late[:3]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_g4_whatever_happens_to_the_bells_every_screen_is_right_after_one_sweep(
    tmp_path: Path, seed: int
) -> None:
    bus = LossyBus(seed)
    async with open_online(tmp_path / "data", bus=bus) as online:
        ana, ben = await online.agent("ana"), await online.agent("ben")
        guests = [await online.world.visitor() for _ in range(3)]
        tickets = [(await guest.says("m0")).ticket for guest in guests]
        tabs = [await online.visitor(token=guest.token) for guest in guests for _ in range(2)]
        for ticket in tickets:
            await ana.opens(ticket.thread)
        chance = random.Random(seed + 100)
        for n in range(1, 60):
            place = chance.randrange(3)
            await chance.choice(
                [
                    lambda place=place, n=n: guests[place].says(f"v{n}"),  # type: ignore[misc]
                    lambda place=place, n=n: ana.desk.replies(tickets[place].id, f"a{n}"),  # type: ignore[misc]
                    lambda place=place, n=n: ben.desk.notes(tickets[place].id, f"n{n}"),  # type: ignore[misc]
                    lambda place=place, n=n: ben.desk.marks_unread(tickets[place].id),  # type: ignore[misc]
                ]
            )()
        assert bus.lost and bus.repeated and bus.delayed
        bus.fair = True
        await online.hub.sweep()
        for place, guest in enumerate(guests):
            public = [entry.for_visitor() for entry in await online.world.public_entries(tickets[place].thread)]
            for tab in tabs[place * 2 : place * 2 + 2]:
                await tab.has(seq=public[-1]["seq"])
                await tab.wire.settles()
                assert tab.screen.entries == public, guest
            whole = [entry.for_agents() for entry in await online.world.entries(tickets[place].thread)]
            screen = ana.screens[tickets[place].thread]
            async with asyncio.timeout(PATIENCE_S):
                while screen.last < whole[-1]["seq"]:
                    ana.changed.clear()
                    await ana.changed.wait()
            assert screen.entries == whole
            right = (await online.world.ticket(tickets[place])).wire(online.world.now)
            for agent in (ana, ben):
                await agent.wire.settles()
                told = [f["ticket"] for f in agent.wire.heard("ticket") if f["ticket"]["id"] == right["id"]]
                assert {**told[-1], "online": 0} == {**right, "online": 0}
                revs = [ticket["rev"] for ticket in told]
                assert revs == sorted(set(revs))


async def test_a_doorbell_that_is_lost_is_repaired_by_the_sweep_alone(tmp_path: Path) -> None:
    class Deaf(LocalBus):
        def ring(self, bells: Bells) -> None: ...

    async with open_online(tmp_path / "data", bus=Deaf()) as online:
        ana = await online.agent("ana")
        guest, ticket = await online.world.conversation("m0")
        await ana.opens(ticket.thread)
        await ana.sees(ticket.thread, "m0")
        await guest.says("m1")
        await ana.wire.settles()
        assert ana.screens[ticket.thread].texts == ["m0"], "it must be lost for this test to mean anything"
        await online.hub.sweep()
        await ana.sees(ticket.thread, "m1")
        await ana.hears_of(ticket.id, preview="m1")


async def test_the_first_sweep_of_a_process_looks_back_to_its_start_and_a_failed_one_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G4, found by its seed 11, run 1406: what a sweep did not look at, no later one would have."""

    class Deaf(LocalBus):
        def ring(self, bells: Bells) -> None: ...

    async with open_online(tmp_path / "data", bus=Deaf()) as online:
        zoe = await online.visitor()
        world = online.world
        tab = await world.visitor(token=zoe.token)
        await tab.says("from another tab, unheard here")
        await world.advance(minutes=5)  # a machine that was too busy for its wheel
        await online.hub.sweep()
        await zoe.sees("from another tab, unheard here")

        await tab.says("while the database was away")
        await world.advance(minutes=1)
        with monkeypatch.context() as patch:
            patch.setattr(online.app.db, "read", _busy)
            with pytest.raises(Busy):
                await online.hub.sweep()
        await world.advance(minutes=1)
        await online.hub.sweep()
        await zoe.sees("while the database was away")


async def _busy(*args: Any) -> Any:
    raise Busy()


async def test_a_visitors_own_message_is_acknowledged_though_no_bell_rings(tmp_path: Path) -> None:
    class Deaf(LocalBus):
        def ring(self, bells: Bells) -> None: ...

    async with open_online(tmp_path / "data", bus=Deaf()) as online:
        zoe = await online.visitor()
        for n in range(3):
            saying = asyncio.ensure_future(zoe.says(f"m{n}"))
            while not saying.done():
                await online.hub.sweep()
                await zoe.wire.settles()
            await saying
        assert zoe.screen.texts[1:] == ["m0", "m1", "m2"]


# --- several processes ------------------------------------------------------------------------------


@asynccontextmanager
async def two_nodes(folder: Path, redis: str) -> AsyncIterator[tuple[Online, Online]]:
    async with (
        open_online(folder / "a", "postgres", redis_url=redis) as a,
        open_online(folder / "b", "postgres", settings=a.app.settings) as b,
    ):
        assert isinstance(a.app.bus, RedisBus) and isinstance(b.app.bus, RedisBus)
        yield a, b


async def connected(*nodes: Online) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not all(node.app.bus.remote for node in nodes):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.pg
async def test_two_processes_are_one_product(tmp_path: Path) -> None:
    with Valkey() as server:
        async with two_nodes(tmp_path, server.url) as (a, b):
            ana = await a.agent("ana")
            zoe = await b.visitor()
            other_tab = await a.visitor(token=zoe.token)
            await zoe.says("Said at the other process")
            ticket = (await ana.hears("ticket"))["ticket"]
            await ana.opens(ticket["thread"])
            await ana.sees(ticket["thread"], "Said at the other process")
            await other_tab.sees("Said at the other process")
            await ana.replies(ticket["id"], "Hello over there")
            await zoe.sees("Hello over there")
            await zoe.sends({"type": "typing"})
            assert (await ana.hears("typing"))["author"]["type"] == "visitor"
            await ana.wire.says({"type": "typing", "thread": ticket["thread"]})
            assert (await zoe.hears("typing"))["author"] == {"type": "agent", "name": "Ana"}


@pytest.mark.pg
async def test_a_right_taken_away_at_one_process_closes_sockets_at_the_other(tmp_path: Path) -> None:
    from server.accounts import team

    with Valkey() as server:
        async with two_nodes(tmp_path, server.url) as (a, b):
            ana, olga = await b.agent("ana"), await a.world.agent("olga")
            async with asyncio.timeout(5):
                await team.change_user(a.app, olga.agent, ana.id, team.UserChange(disabled=True), "")
                assert await ana.wire.close_code() == 4401


@pytest.mark.pg
async def test_g8_redis_dies_and_comes_back_and_nobody_misses_anything(tmp_path: Path) -> None:
    """While it is away a message costs its own process nothing and the other a sweep; then all is as before."""
    with Valkey() as server:
        async with two_nodes(tmp_path, server.url) as (a, b):
            ana = await a.agent("ana")
            zoe = await b.visitor()
            await zoe.says("Before")
            ticket = (await ana.hears("ticket"))["ticket"]
            await ana.opens(ticket["thread"])
            await ana.sees(ticket["thread"], "Before")

            server.kill()
            async with asyncio.timeout(2):
                await zoe.says("Without Redis")  # acknowledged at once all the same
            await ana.sees(ticket["thread"], "Without Redis")  # by the quick sweep of a cut-off process
            assert not a.app.bus.remote and not b.app.bus.remote

            server.start()
            await connected(a, b)
            async with asyncio.timeout(2):
                await zoe.says("After")
                await ana.sees(ticket["thread"], "After")
            await zoe.sends({"type": "typing"})
            await ana.hears("typing")
            assert ana.screens[ticket["thread"]].texts[1:] == ["Before", "Without Redis", "After"]


@pytest.mark.pg
async def test_what_was_rung_during_the_gap_is_found_when_the_bus_is_back(tmp_path: Path) -> None:
    """Subscribe first, ring everything second: also without any sweep."""
    with Valkey() as server:
        async with two_nodes(tmp_path, server.url) as (a, b):
            ana = await a.agent("ana")
            guest, ticket = await b.world.conversation("m0")
            await ana.opens(ticket.thread)
            await ana.sees(ticket.thread, "m0")
            for node in (a, b):  # no wheel, hence no sweep
                assert node.hub._wheel is not None
                node.hub._wheel.cancel()
            server.kill()
            async with asyncio.timeout(PATIENCE_S):
                while a.app.bus.remote:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await guest.says("m1")
            server.start()
            await ana.sees(ticket.thread, "m1")


@pytest.mark.pg
async def test_a_redis_that_hangs_delays_nobody(tmp_path: Path) -> None:
    import signal

    with Valkey() as server:
        async with two_nodes(tmp_path, server.url) as (_a, b):
            zoe = await b.visitor()
            await zoe.says("Before")
            server.process.send_signal(signal.SIGSTOP)
            try:
                async with asyncio.timeout(2):
                    for n in range(20):
                        await zoe.says(f"m{n}")
            finally:
                server.process.send_signal(signal.SIGCONT)


async def test_a_server_starts_though_redis_is_away(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", redis_url="redis://127.0.0.1:1/0") as online:
        assert not online.app.bus.remote
        zoe = await online.visitor()
        await zoe.says("Hello")


async def test_a_hint_comes_out_of_the_bus_as_it_went_in(world: World) -> None:
    _, ticket = await world.conversation("Ünïcode 🫖")
    entry = (await world.entries(ticket.thread))[-1]
    for hint in (ticket, entry):
        found = hints.revive(orjson.loads(orjson.dumps(hints.pack(hint))))
        assert type(found) is type(hint) and found == hint
    assert hints.pack(entry._replace(body="x" * 3_000)) is None, "what is long is read"
    assert hints.revive(["ticket", ticket.id, "of another version"]) == ticket.id
    for other in (None, [], ["entry", 1, 2], ["news", 1], 7, "ticket"):
        assert hints.revive(other) is None
    assert isinstance(entry, Entry) and isinstance(ticket, Ticket)
