"""Saying hello and sending the first message: which frames arrive, who receives them, what is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.live.feed import Feed
from server.schema import visitors
from tests.online import Online


@pytest.mark.parametrize("over", ["socket", "poll"])
async def test_a_visitor_and_an_agent_talk(online: Online, over: str) -> None:
    ana, zoe = await online.agent("ana"), await online.visitor(over=over)
    assert zoe.ready["thread"] is None and zoe.token

    await zoe.says("Where is my parcel?")
    ticket = (await ana.receives("ticket"))["ticket"]
    assert ticket["preview"] == "Where is my parcel?" and ticket["unread"]
    await ana.opens(ticket["thread"])
    await ana.sees(ticket["thread"], "Where is my parcel?")

    await ana.replies(ticket["id"], "On its way.")
    reply = await zoe.sees("On its way.")
    assert reply["author"] == {"type": "agent", "name": "Ana"}


async def test_nothing_is_stored_for_a_visitor_who_writes_nothing(online: Online) -> None:
    zoe = await online.visitor(page={"url": "https://shop.example/"})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com"})
    await zoe.wire.settles()
    assert await online.world.count(visitors) == 0
    await zoe.says("Now I ask.")
    assert await online.world.count(visitors) == 1


async def test_a_name_given_while_the_first_message_is_being_stored_is_kept(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.sends({"type": "say", "id": online.key(), "text": "Hello?"})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com", "name": "Zoe"})
    kinds = [(await zoe.wire.receives("entry"))["entry"]["kind"] for _ in range(3)]
    assert kinds == ["message", "message", "contact"]  # the greeting is the first message
    assert [row.email for row in await online.world.rows(visitors)] == ["zoe@example.com"]


async def test_an_agents_name_is_refused_while_the_first_message_is_being_stored(online: Online) -> None:
    await online.agent("ana")
    zoe = await online.visitor()
    await zoe.sends({"type": "say", "id": online.key(), "text": "Hello?"})
    await zoe.sends({"type": "introduce", "id": "as-ana-01", "name": "Ana"})
    assert (await zoe.wire.receives("refused", id="as-ana-01"))["code"] == "reserved_name"


async def test_a_name_typed_before_a_refused_message_is_stored_with_the_next(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.sends({"type": "say", "id": "first-words", "text": " "})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com"})
    await zoe.wire.receives("refused", id="first-words")
    await zoe.says("Hello?")
    assert [row.email for row in await online.world.rows(visitors)] == ["zoe@example.com"]


async def test_a_tab_that_repeats_the_first_message_of_another_gets_the_greeting_before_it(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tabs share unsent messages, so several tabs send the same one. The acknowledgement of a repeat must not overtake
    earlier entries: a client that receives the second entry ignores the first as old."""
    first = await online.visitor()
    second_tab = await first.tab()
    gate = asyncio.Event()
    original = Feed.since

    async def since(feed: Feed, *about: Any) -> Any:
        await gate.wait()
        return await original(feed, *about)

    monkeypatch.setattr(Feed, "since", since)
    words = {"type": "say", "id": online.key(), "text": "Hello?"}
    await first.sends(words)
    await second_tab.wire.receives("reset")  # the tab follows the new chat, and its read is not finished
    await second_tab.sends(words)
    await asyncio.sleep(0.3)
    gate.set()
    for tab in (first, second_tab):
        assert (await tab.has(key=words["id"]))["seq"] == 2
        assert [entry["seq"] for entry in tab.screen.entries] == [1, 2], "the greeting must arrive before the message"
    # A client that already has the entry receives it again as the acknowledgement.
    frames_before = len(second_tab.wire.frames)
    await second_tab.sends(words)
    await second_tab.wire.settles()
    await asyncio.sleep(0.1)
    assert [frame["type"] for frame in second_tab.wire.frames[frames_before:]].count("entry") == 1
