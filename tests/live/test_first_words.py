"""Saying hello and the first words: what arrives, for whom, and what does not."""

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
    ticket = (await ana.hears("ticket"))["ticket"]
    assert ticket["preview"] == "Where is my parcel?" and ticket["unread"]
    await ana.opens(ticket["thread"])
    await ana.sees(ticket["thread"], "Where is my parcel?")

    await ana.replies(ticket["id"], "On its way.")
    seen = await zoe.sees("On its way.")
    assert seen["author"] == {"type": "agent", "name": "Ana"}


async def test_nothing_is_stored_of_a_visitor_who_only_looks(online: Online) -> None:
    zoe = await online.visitor(page={"url": "https://shop.example/"})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com"})
    await zoe.wire.settles()
    assert await online.world.count(visitors) == 0
    await zoe.says("Now I ask.")
    assert await online.world.count(visitors) == 1


async def test_who_introduces_themselves_while_their_first_words_are_being_stored_is_heard(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.sends({"type": "say", "id": online.key(), "text": "Hello?"})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com", "name": "Zoe"})
    kinds = [(await zoe.wire.hears("entry"))["entry"]["kind"] for _ in range(3)]
    assert kinds == ["message", "message", "contact"]  # the greeting stands first
    assert [row.email for row in await online.world.rows(visitors)] == ["zoe@example.com"]


async def test_the_name_of_a_colleague_is_refused_in_that_moment_too(online: Online) -> None:
    await online.agent("ana")
    zoe = await online.visitor()
    await zoe.sends({"type": "say", "id": online.key(), "text": "Hello?"})
    await zoe.sends({"type": "introduce", "id": "as-ana-01", "name": "Ana"})
    assert (await zoe.wire.hears("refused", id="as-ana-01"))["code"] == "reserved_name"


async def test_what_was_typed_before_a_refused_message_goes_along_with_the_next(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.sends({"type": "say", "id": "first-words", "text": " "})
    await zoe.sends({"type": "introduce", "id": online.key(), "email": "zoe@example.com"})
    await zoe.wire.hears("refused", id="first-words")
    await zoe.says("Hello?")
    assert [row.email for row in await online.world.rows(visitors)] == ["zoe@example.com"]


async def test_a_tab_that_repeats_the_first_words_of_another_gets_the_greeting_before_them(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tabs share what waits to be sent, so several send it. The acknowledgement of a repeat must not overtake what stands
    before it: whoever hears of the second entry takes the first for old."""
    first = await online.visitor()
    other = await first.tab()
    gate = asyncio.Event()
    real = Feed.since

    async def since(feed: Feed, *about: Any) -> Any:
        await gate.wait()
        return await real(feed, *about)

    monkeypatch.setattr(Feed, "since", since)
    words = {"type": "say", "id": online.key(), "text": "Hello?"}
    await first.sends(words)
    await other.wire.hears("reset")  # it stands in the new chat, and is still reading
    await other.sends(words)
    await asyncio.sleep(0.3)
    gate.set()
    for tab in (first, other):
        assert (await tab.has(key=words["id"]))["seq"] == 2
        assert [entry["seq"] for entry in tab.screen.entries] == [1, 2], "the greeting, then the words"
    # Whoever has it already is told again: that is all the answer there is.
    heard = len(other.wire.frames)
    await other.sends(words)
    await other.wire.settles()
    await asyncio.sleep(0.1)
    assert [frame["type"] for frame in other.wire.frames[heard:]].count("entry") == 1
