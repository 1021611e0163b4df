"""Reconnecting: a client gets the missed entries in order, without gaps or repeats, or a reset."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from server.errors import Busy
from server.kernel.bus import LocalBus
from server.kernel.writing import Publications
from server.threads import entries, timeline
from server.threads.entries import MAX_RESUMED_ENTRIES, PAGE
from tests.online import Online, Screen, Visitor, open_online

BOTH = pytest.mark.parametrize("over", ["socket", "poll"])


async def chat(online: Online, messages: int, over: str = "socket") -> tuple[Visitor, int]:
    """A visitor whose screen shows `messages` messages of their own, and the thread."""
    guest = await online.world.visitor()
    for n in range(1, messages + 1):
        thread = (await guest.says(f"m{n}")).ticket.thread
    zoe = await online.visitor(over=over, token=guest.token)
    await zoe.sees(f"m{messages}")
    return zoe, thread


async def send_elsewhere(online: Online, zoe: Visitor, count: int) -> None:
    """The visitor sends `count` messages from another device while this one is disconnected."""
    guest = await online.world.visitor(token=zoe.token)
    for n in range(1, count + 1):
        await guest.says(f"missed {n}")


@BOTH
@pytest.mark.parametrize("count", [1, 7, MAX_RESUMED_ENTRIES])
async def test_a_visitor_who_reconnects_gets_exactly_the_missed_entries(online: Online, over: str, count: int) -> None:
    zoe, _ = await chat(online, 3, over)
    await zoe.drops()
    await send_elsewhere(online, zoe, count)
    resets_before = zoe.screen.resets
    await zoe.connects()
    await zoe.sees(f"missed {count}")
    assert zoe.screen.resets == resets_before, "a small gap must not cause a reset"
    assert zoe.screen.texts == ["m1", "m2", "m3", *[f"missed {n}" for n in range(1, count + 1)]]


@BOTH
async def test_a_visitor_more_than_200_entries_behind_is_reset_to_the_newest_page(online: Online, over: str) -> None:
    zoe, _ = await chat(online, 3, over)
    await zoe.drops()
    await send_elsewhere(online, zoe, MAX_RESUMED_ENTRIES + 1)
    await zoe.connects()
    await zoe.sees(f"missed {MAX_RESUMED_ENTRIES + 1}")
    assert zoe.screen.texts == [
        f"missed {n}" for n in range(MAX_RESUMED_ENTRIES + 1 - PAGE + 1, MAX_RESUMED_ENTRIES + 2)
    ]


FOREIGN: dict[str, Any] = {
    "of another visitor's thread": lambda mine, other: {"thread": other, "after": 1},
    "of a thread that never was": lambda mine, other: {"thread": "x" * 24, "after": 1},
    "of an empty name": lambda mine, other: {"thread": "", "after": 1},
    "from the future": lambda mine, other: {"thread": mine, "after": 10**9},
    "from the very far future": lambda mine, other: {"thread": mine, "after": 2**53 - 1},
}


@BOTH
@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_bookmark_of_another_visitor_resets_and_shows_only_ones_own_chat(
    online: Online, over: str, kind: str
) -> None:
    zoe, _ = await chat(online, 3, over)
    yan, _ = await chat(online, 2)
    bookmark = FOREIGN[kind](zoe.screen.thread, yan.screen.thread)
    back = await online.visitor(over=over, token=zoe.token, bookmark=bookmark)
    await back.sees("m3")
    assert back.screen.resets >= 1 and back.screen.texts == ["m1", "m2", "m3"]
    assert back.screen.thread == zoe.screen.thread


async def status_lines(online: Online, thread: int, count: int) -> None:
    """Writes `count` entries that a visitor sees and that are not messages."""

    def write(tx: Any) -> None:
        for _ in range(count):
            timeline.append(tx, thread, "status", timeline.SYSTEM, data={"to": "open", "by": "agent"})

    await online.app.write(write)


@BOTH
@pytest.mark.parametrize("lines", [MAX_RESUMED_ENTRIES, 2 * MAX_RESUMED_ENTRIES + 7])
async def test_a_chat_with_many_entries_that_are_not_messages_begins_after_one_reset(
    online: Online, over: str, lines: int
) -> None:
    zoe, thread = await chat(online, 3, over)
    await status_lines(online, thread, lines)
    back = await online.visitor(over=over, token=zoe.token)
    await back.says("Hello again")
    await back.sees("Hello again")
    assert back.screen.resets == 1
    assert back.screen.texts == ["m1", "m2", "m3", "Hello again"] and len(back.screen.entries) == lines + 4


async def test_a_connection_that_lags_behind_many_such_entries_is_reset_once(online: Online) -> None:
    zoe, thread = await chat(online, 1)
    connection = next(iter(online.hub.visitors))
    online.hub.bus.unwatch(f"thread:{thread}", connection)
    await status_lines(online, thread, 2 * MAX_RESUMED_ENTRIES)
    online.hub.bus.watch(f"thread:{thread}", connection)
    online.hub.bus.deliver(f"thread:{thread}", None)
    await zoe.says("And on")
    await zoe.sees("And on")
    assert zoe.screen.resets == 2 and zoe.screen.texts == ["m1", "And on"], (
        "expected one reset at the first hello and one for the large gap"
    )


async def test_a_reset_whose_read_fails_is_retried(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    zoe, thread = await chat(online, 1)
    connection = next(iter(online.hub.visitors))
    online.hub.bus.unwatch(f"thread:{thread}", connection)
    await send_elsewhere(online, zoe, MAX_RESUMED_ENTRIES + 5)
    online.hub.bus.watch(f"thread:{thread}", connection)
    failed: list[int] = []
    public_seq_before_newest_page = entries.public_seq_before_newest_page

    def fails_once(conn: Any, thread_id: int) -> int:
        if not failed:
            failed.append(thread_id)
            raise Busy()
        return public_seq_before_newest_page(conn, thread_id)

    monkeypatch.setattr(entries, "public_seq_before_newest_page", fails_once)
    online.hub.bus.deliver(f"thread:{thread}", None)
    await zoe.sees(f"missed {MAX_RESUMED_ENTRIES + 5}")
    assert failed


@BOTH
async def test_a_bookmark_of_the_last_chat_is_reset_to_the_current_chat(online: Online, over: str) -> None:
    zoe, _ = await chat(online, 3, over)
    await zoe.drops()
    guest = await online.world.visitor(token=zoe.token)
    await guest.ends()
    await guest.says("Next chat")
    await zoe.connects()
    await zoe.sees("Next chat")
    assert zoe.screen.texts == ["Next chat"]


async def test_a_connection_that_lags_too_far_is_reset_and_continues(online: Online) -> None:
    """The server's own reading falls behind although the socket stays open."""
    zoe, thread = await chat(online, 1)
    connection = next(iter(online.hub.visitors))
    online.hub.bus.unwatch(f"thread:{thread}", connection)  # every notification is lost
    await send_elsewhere(online, zoe, MAX_RESUMED_ENTRIES + 5)
    online.hub.bus.watch(f"thread:{thread}", connection)
    online.hub.bus.deliver(f"thread:{thread}", None)
    await zoe.sees(f"missed {MAX_RESUMED_ENTRIES + 5}")
    await zoe.says("And on")
    assert (
        zoe.screen.texts[-2:] == [f"missed {MAX_RESUMED_ENTRIES + 5}", "And on"] and len(zoe.screen.texts) == PAGE + 1
    )


async def test_an_agent_resumes_from_a_bookmark_and_is_reset_if_too_far_behind(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, thread = await chat(online, 5)
    screen = await ana.opens(thread, after=3)
    await ana.sees(thread, "m5")
    assert [entry["seq"] for entry in screen.entries] == [4, 5]
    for after, asked in ((6, "the future"), (2**50, "the far future")):
        await ana.wire.says({"type": "open", "thread": thread, "after": after})
        assert await ana.receives("reset", thread=thread), asked
    await send_elsewhere(online, zoe, MAX_RESUMED_ENTRIES + 1)
    await ana.wire.says({"type": "leave", "thread": thread})
    await ana.wire.says({"type": "open", "thread": thread, "after": 5})
    await ana.receives("reset", thread=thread)
    await ana.wire.says({"type": "open", "thread": thread, "after": 6})
    await ana.receives("entry", thread=thread)


async def test_opening_a_thread_that_does_not_exist_is_refused(online: Online) -> None:
    ana = await online.agent("ana")
    await ana.wire.says({"type": "open", "thread": 4711, "after": 0})
    assert (await ana.receives("refused"))["code"] == "not_found"


async def test_opening_while_messages_arrive_loses_none(online: Online) -> None:
    """The connection subscribes first and reads second, so no message is lost between the two."""
    guest, ticket = await online.world.conversation("m0")
    stop = asyncio.Event()
    texts = ["m0"]

    async def talks() -> None:
        while not stop.is_set():
            await guest.says(f"m{len(texts)}")
            texts.append(f"m{len(texts)}")

    talking = asyncio.ensure_future(talks())
    screens = []
    for name in ("ana", "ben", "olga", "mona"):
        agent = await online.agent(name)
        screens.append((agent, await agent.opens(ticket.thread)))
    visitors = [await online.visitor(token=guest.token) for _ in range(4)]
    stop.set()
    await talking
    for agent, screen in screens:
        await agent.sees(ticket.thread, texts[-1])
        assert screen.texts == texts
    for visitor in visitors:
        await visitor.sees(texts[-1])
        assert visitor.screen.texts == texts[-len(visitor.screen.texts) :]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_connections_that_break_at_any_moment_deliver_every_message_once_and_in_order(
    online: Online, seed: int
) -> None:
    """G2 in small: after reconnecting, each unacknowledged message is repeated with its key."""
    chance = random.Random(seed)
    ana = await online.agent("ana")
    zoe, _ = await chat(online, 1)
    ticket = (await ana.get("/api/tickets")).json()["tickets"][0]
    for n in range(30):
        key = online.key()
        while True:
            await zoe.sends({"type": "say", "id": key, "text": f"said {n}"})
            if chance.random() < 0.3:
                await zoe.drops()
                if chance.random() < 0.5:
                    await ana.replies(ticket["id"], f"while away {n}")
                await zoe.connects()
                continue
            await zoe.has(key=key)
            break
    own_texts = [entry.body for entry in await online.world.entries(ticket["thread"]) if entry.author_type == "visitor"]
    assert own_texts == ["m1", *[f"said {n}" for n in range(30)]]
    new_screen = Screen()
    reconnected = await online.visitor(token=zoe.token)
    await reconnected.sees("said 29")
    new_screen.entries = reconnected.screen.entries
    assert zoe.screen.entries[-len(new_screen.entries) :] == new_screen.entries


class Gate:
    """Blocks the next read for sockets until it is opened."""

    def __init__(self, online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self._go = asyncio.Event(), asyncio.Event()
        feed = online.hub.feed
        since = feed.since

        async def delayed(*args: Any) -> Any:
            monkeypatch.setattr(feed, "since", since)
            self.reached.set()
            await self._go.wait()
            return await since(*args)

        monkeypatch.setattr(feed, "since", delayed)

    async def is_reached(self) -> None:
        async with asyncio.timeout(10):
            await self.reached.wait()

    def open(self) -> None:
        self._go.set()


async def test_an_entry_sent_from_its_hint_during_a_read_is_not_sent_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next row, whose notification was lost, is sent too."""

    class Deaf(LocalBus):
        def publish(self, publications: Publications) -> None: ...

    async with open_online(tmp_path / "data", bus=Deaf()) as online:
        ana = await online.agent("ana")
        guest, ticket = await online.world.conversation("m1")
        topic = f"thread:{ticket.thread}"
        await ana.opens(ticket.thread)
        await ana.sees(ticket.thread, "m1")
        gate = Gate(online, monkeypatch)
        online.app.bus.deliver(topic, None)
        await gate.is_reached()
        second = await guest.says("m2")
        await guest.says("m3")
        (connection,) = online.hub.agents
        bookmark = connection.bookmarks[ticket.thread]
        online.app.bus.deliver(topic, second.entry)
        assert connection.bookmarks[ticket.thread] == bookmark + 1, "the hint must advance the bookmark by one row"
        gate.open()
        await ana.sees(ticket.thread, "m3")
        assert [frame["entry"]["text"] for frame in ana.wire.received("entry")] == ["m1", "m2", "m3"]


async def test_a_thread_that_was_left_during_a_read_sends_nothing(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await online.agent("ana")
    guest, ticket = await online.world.conversation("m1")
    other_ticket = (await online.world.conversation("elsewhere"))[1]
    gate = Gate(online, monkeypatch)
    await ana.wire.says({"type": "open", "thread": ticket.thread, "after": 0})
    await gate.is_reached()
    (connection,) = online.hub.agents
    connection.leave(ticket.thread)  # what the `leave` frame does
    gate.open()
    await ana.opens(other_ticket.thread)
    await ana.sees(other_ticket.thread, "elsewhere")
    await guest.says("m2")
    await ana.wire.settles()
    assert {frame["thread"] for frame in ana.wire.received("entry")} == {other_ticket.thread}
    assert set(connection.bookmarks) == {other_ticket.thread}
