"""Readers that ask at the same moment share one read; a read that began before a notification does not answer it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.live.connection import AgentConnection
from server.live.feed import Feed
from server.threads.tickets import Ticket
from tests.online import Online
from tests.world import World


class SlowApp:
    """An app whose `read` runs immediately but returns only when the test allows it."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.reads = 0
        self.gate = asyncio.Event()

    async def read(self, fn: Any, *args: Any) -> list[int]:
        self.reads += 1
        rows = list(self.rows)
        await self.gate.wait()
        return rows


async def test_concurrent_equal_reads_share_one_read() -> None:
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    asking = [asyncio.ensure_future(feed.since(1, True, 5, 201)) for _ in range(100)]
    await asyncio.sleep(0)
    app.gate.set()
    await asyncio.gather(*asking)
    assert app.reads == 1


@pytest.mark.parametrize("other", [(2, True, 5), (1, False, 5), (1, True, 6)])
async def test_another_thread_view_or_bookmark_is_another_read(other: tuple[Any, ...]) -> None:
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    asking = [asyncio.ensure_future(feed.since(1, True, 5, 201)), asyncio.ensure_future(feed.since(*other, 201))]
    await asyncio.sleep(0)
    app.gate.set()
    await asyncio.gather(*asking)
    assert app.reads == 2


async def test_a_read_that_began_before_a_notification_does_not_answer_it() -> None:
    """The shared read may lack the notified row, and no other notification may come."""
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    early = asyncio.ensure_future(feed.since(1, True, 0, 201))
    while not app.reads:  # noqa: ASYNC110
        await asyncio.sleep(0)
    app.rows.append(1)
    feed.published()
    late = asyncio.ensure_future(feed.since(1, True, 0, 201))
    await asyncio.sleep(0)
    app.gate.set()
    assert await early == [] and await late == [1]


async def test_a_cancelled_reader_does_not_cancel_the_shared_read() -> None:
    app = SlowApp()
    feed = Feed(app)  # type: ignore[arg-type]
    first, second = (asyncio.ensure_future(feed.since(1, True, 0, 201)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    app.gate.set()
    assert await second == [] and app.reads == 1


async def test_a_finished_read_is_not_cached() -> None:
    app = SlowApp()
    app.gate.set()
    feed = Feed(app)  # type: ignore[arg-type]
    assert await feed.since(1, True, 0, 201) == []
    app.rows.append(1)
    assert await feed.since(1, True, 0, 201) == [1] and not feed._flights


async def test_a_hundred_sockets_share_one_read_of_missed_entries(online: Online) -> None:
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
    online.hub.bus.deliver(f"thread:{ticket.thread}", None)
    for tab in tabs:
        await tab.sees("m1")
    assert 1 <= reads <= 3, reads


async def test_a_notification_that_carries_its_entry_needs_no_read(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.says("m0")
    second_tab = await zoe.tab()
    await second_tab.sees("m0")
    reads: list[str] = []
    original = online.app.db.read

    async def counting(fn: Any, *args: Any) -> Any:
        reads.append(fn.__name__)
        return await original(fn, *args)

    online.app.db.read = counting  # type: ignore[method-assign]
    for n in range(1, 6):
        await zoe.says(f"m{n}")
        await second_tab.sees(f"m{n}")
    assert "since" not in reads, reads


async def test_an_older_summary_does_not_cancel_a_pending_read(world: World) -> None:
    """Another process publishes "this ticket changed"; then an older hint of our own writer's thread arrives late."""
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
    connection = AgentConnection(Hub(), nothing, nothing, lambda: None, agent)  # type: ignore[arg-type]
    connection.on_published("inbox", ticket.id)
    connection.on_published("inbox", ticket)
    assert isinstance(ticket, Ticket) and connection.tickets[ticket.id] is None
