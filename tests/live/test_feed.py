"""One read for all who ask at the same moment, and never an answer from before the bell (DESIGN 7)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.inbox.queries import Ticket
from server.live.connection import AgentConnection
from server.live.feed import Feed
from tests.online import Online
from tests.world import World


class SlowApp:
    """An `App.read` that answers when it is told to, with what was true when it began."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.reads = 0
        self.gate = asyncio.Event()

    async def read(self, fn: Any, *args: Any) -> list[int]:
        self.reads += 1
        seen = list(self.rows)
        await self.gate.wait()
        return seen


async def test_readers_who_ask_the_same_at_the_same_moment_share_one_read() -> None:
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    asking = [asyncio.ensure_future(feed.since(1, True, 5, 201)) for _ in range(100)]
    await asyncio.sleep(0)
    app.gate.set()
    await asyncio.gather(*asking)
    assert app.reads == 1


@pytest.mark.parametrize("other", [(2, True, 5), (1, False, 5), (1, True, 6)])
async def test_another_thread_view_or_bookmark_is_another_question(other: tuple[Any, ...]) -> None:
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    asking = [asyncio.ensure_future(feed.since(1, True, 5, 201)), asyncio.ensure_future(feed.since(*other, 201))]
    await asyncio.sleep(0)
    app.gate.set()
    await asyncio.gather(*asking)
    assert app.reads == 2


async def test_a_reader_woken_after_a_read_began_is_not_answered_by_it() -> None:
    """The row it was woken for may not be in there; waiting for the next bell could take for ever."""
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    early = asyncio.ensure_future(feed.since(1, True, 0, 201))
    while not app.reads:  # noqa: ASYNC110
        await asyncio.sleep(0)
    app.rows.append(1)
    feed.rung()
    late = asyncio.ensure_future(feed.since(1, True, 0, 201))
    await asyncio.sleep(0)
    app.gate.set()
    assert await early == [] and await late == [1]


async def test_a_reader_that_is_cancelled_does_not_take_the_answer_from_the_others() -> None:
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    first, second = (asyncio.ensure_future(feed.since(1, True, 0, 201)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    app.gate.set()
    assert await second == [] and app.reads == 1


async def test_nothing_is_remembered_once_answered() -> None:
    app = SlowApp()
    app.gate.set()
    feed = Feed(app)  # type: ignore[arg-type]
    assert await feed.since(1, True, 0, 201) == []
    app.rows.append(1)
    assert await feed.since(1, True, 0, 201) == [1] and not feed._flights


async def test_a_hundred_sockets_cost_one_read_of_what_they_missed(online: Online) -> None:
    guest, ticket = await online.world.conversation("m0")
    tabs = [await online.visitor(token=guest.token) for _ in range(12)]
    for tab in tabs:
        await tab.sees("m0")
    reads = 0
    original = online.app.db.read

    async def counting(fn: Any, *args: Any) -> Any:
        nonlocal reads
        reads += fn.__name__ == "since"
        return await original(fn, *args)

    online.app.db.read = counting  # type: ignore[method-assign]
    connections = list(online.hub.visitors)
    for connection in connections:
        online.hub.bus.unwatch(f"thread:{ticket.thread}", connection)
    await guest.says("m1")
    for connection in connections:
        online.hub.bus.watch(f"thread:{ticket.thread}", connection)
    online.hub.bus.hear(f"thread:{ticket.thread}", None)
    for tab in tabs:
        await tab.sees("m1")
    assert 1 <= reads <= 3, reads


async def test_a_message_whose_row_came_with_the_bell_costs_no_read_at_all(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.says("m0")
    other = await zoe.tab()
    await other.sees("m0")
    reads: list[str] = []
    original = online.app.db.read

    async def counting(fn: Any, *args: Any) -> Any:
        reads.append(fn.__name__)
        return await original(fn, *args)

    online.app.db.read = counting  # type: ignore[method-assign]
    for n in range(1, 6):
        await zoe.says(f"m{n}")
        await other.sees(f"m{n}")
    assert "since" not in reads, reads


async def test_an_older_summary_does_not_take_the_place_of_one_still_to_be_read(world: World) -> None:
    """Another process rang "this ticket changed"; then our own older hint comes late from its writer's thread."""
    _, ticket = await world.conversation()

    class Hub:
        bus = world.app.bus
        feed = Feed(world.app)

        def monotonic(self) -> float:
            return 0.0

        def spawn(self, work: Any) -> Any:
            work.close()
            return object()

    async def nothing() -> None: ...

    agent = (await world.agent("ana")).agent
    one = AgentConnection(Hub(), nothing, nothing, lambda: None, agent)  # type: ignore[arg-type]
    one.heard("inbox", ticket.id)
    one.heard("inbox", ticket)
    assert isinstance(ticket, Ticket) and one.tickets[ticket.id] is None
