"""Coming back: what was missed, in order, without a gap or a repeat; and when to start over."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from server.inbox.entries import PAGE, RESUME
from tests.online import Online, Screen, Visitor

BOTH = pytest.mark.parametrize("over", ["socket", "poll"])


async def chat(online: Online, messages: int, over: str = "socket") -> tuple[Visitor, int]:
    """A visitor on whose screen so many of their messages stand, and the thread."""
    guest = await online.world.visitor()
    for n in range(1, messages + 1):
        thread = (await guest.says(f"m{n}")).ticket.thread
    zoe = await online.visitor(over=over, token=guest.token)
    await zoe.sees(f"m{messages}")
    return zoe, thread


async def missed(online: Online, zoe: Visitor, count: int) -> None:
    """So many messages while nobody is connected."""
    guest = await online.world.visitor(token=zoe.token)
    for n in range(1, count + 1):
        await guest.says(f"missed {n}")


@BOTH
@pytest.mark.parametrize("count", [1, 7, RESUME])
async def test_who_comes_back_gets_exactly_what_was_missed(online: Online, over: str, count: int) -> None:
    zoe, _ = await chat(online, 3, over)
    await zoe.drops()
    await missed(online, zoe, count)
    before = zoe.screen.resets
    await zoe.connects()
    await zoe.sees(f"missed {count}")
    assert zoe.screen.resets == before, "within reach there is nothing to start over"
    assert zoe.screen.texts == ["m1", "m2", "m3", *[f"missed {n}" for n in range(1, count + 1)]]


@BOTH
async def test_who_is_more_than_200_behind_starts_over_with_the_newest_page(online: Online, over: str) -> None:
    zoe, _ = await chat(online, 3, over)
    await zoe.drops()
    await missed(online, zoe, RESUME + 1)
    await zoe.connects()
    await zoe.sees(f"missed {RESUME + 1}")
    assert zoe.screen.texts == [f"missed {n}" for n in range(RESUME + 1 - PAGE + 1, RESUME + 2)]


FOREIGN: dict[str, Any] = {
    "of another visitor's thread": lambda mine, other: {"thread": other, "after": 1},
    "of a thread that never was": lambda mine, other: {"thread": "x" * 24, "after": 1},
    "of an empty name": lambda mine, other: {"thread": "", "after": 1},
    "from the future": lambda mine, other: {"thread": mine, "after": 10**9},
    "from the very far future": lambda mine, other: {"thread": mine, "after": 2**53 - 1},
}


@BOTH
@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_bookmark_that_is_not_theirs_means_start_over_and_shows_only_their_own(
    online: Online, over: str, kind: str
) -> None:
    zoe, _ = await chat(online, 3, over)
    yan, _ = await chat(online, 2)
    bookmark = FOREIGN[kind](zoe.screen.thread, yan.screen.thread)
    back = await online.visitor(over=over, token=zoe.token, bookmark=bookmark)
    await back.sees("m3")
    assert back.screen.resets >= 1 and back.screen.texts == ["m1", "m2", "m3"]
    assert back.screen.thread == zoe.screen.thread


@BOTH
async def test_a_bookmark_of_the_last_chat_leads_into_the_next(online: Online, over: str) -> None:
    zoe, _ = await chat(online, 3, over)
    await zoe.drops()
    guest = await online.world.visitor(token=zoe.token)
    await guest.ends()
    await guest.says("Next chat")
    await zoe.connects()
    await zoe.sees("Next chat")
    assert zoe.screen.texts == ["Next chat"]


async def test_a_connection_that_lags_beyond_reach_is_reset_and_goes_on(online: Online) -> None:
    """The reading side of the server falls behind as a whole, without the socket having closed."""
    zoe, thread = await chat(online, 1)
    connection = next(iter(online.hub.visitors))
    online.hub.bus.unwatch(f"thread:{thread}", connection)  # every bell is lost
    await missed(online, zoe, RESUME + 5)
    online.hub.bus.watch(f"thread:{thread}", connection)
    online.hub.bus.hear(f"thread:{thread}", None)
    await zoe.sees(f"missed {RESUME + 5}")
    await zoe.says("And on")
    assert zoe.screen.texts[-2:] == [f"missed {RESUME + 5}", "And on"] and len(zoe.screen.texts) == PAGE + 1


async def test_an_agent_resumes_from_a_bookmark_and_is_reset_beyond_reach(online: Online) -> None:
    ana = await online.agent("ana")
    zoe, thread = await chat(online, 5)
    screen = await ana.opens(thread, after=3)
    await ana.sees(thread, "m5")
    assert [entry["seq"] for entry in screen.entries] == [4, 5]
    for after, asked in ((6, "the future"), (2**50, "the far future")):
        await ana.wire.says({"type": "open", "thread": thread, "after": after})
        assert await ana.hears("reset", thread=thread), asked
    await missed(online, zoe, RESUME + 1)
    await ana.wire.says({"type": "leave", "thread": thread})
    await ana.wire.says({"type": "open", "thread": thread, "after": 5})
    await ana.hears("reset", thread=thread)
    await ana.wire.says({"type": "open", "thread": thread, "after": 6})
    await ana.hears("entry", thread=thread)


async def test_an_agent_who_opens_what_is_not_there_is_told_so(online: Online) -> None:
    ana = await online.agent("ana")
    await ana.wire.says({"type": "open", "thread": 4711, "after": 0})
    assert (await ana.hears("refused"))["code"] == "not_found"


async def test_opening_while_messages_arrive_loses_none(online: Online) -> None:
    """Register first, read second: nothing falls between (DESIGN 7)."""
    guest, ticket = await online.world.conversation("m0")
    stop = asyncio.Event()
    said = ["m0"]

    async def talks() -> None:
        while not stop.is_set():
            await guest.says(f"m{len(said)}")
            said.append(f"m{len(said)}")

    talking = asyncio.ensure_future(talks())
    screens = []
    for name in ("ana", "ben", "olga", "mona"):
        agent = await online.agent(name)
        screens.append((agent, await agent.opens(ticket.thread)))
    visitors = [await online.visitor(token=guest.token) for _ in range(4)]
    stop.set()
    await talking
    for agent, screen in screens:
        await agent.sees(ticket.thread, said[-1])
        assert screen.texts == said
    for visitor in visitors:
        await visitor.sees(said[-1])
        assert visitor.screen.texts == said[-len(visitor.screen.texts) :]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_lines_that_break_at_any_moment_leave_every_message_once_and_in_order(online: Online, seed: int) -> None:
    """G2 in small: whatever was not acknowledged is said again with its key after reconnecting."""
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
    ours = [entry.body for entry in await online.world.entries(ticket["thread"]) if entry.author_type == "visitor"]
    assert ours == ["m1", *[f"said {n}" for n in range(30)]]
    fresh = Screen()
    again = await online.visitor(token=zoe.token)
    await again.sees("said 29")
    fresh.entries = again.screen.entries
    assert zoe.screen.entries[-len(fresh.entries) :] == fresh.entries
