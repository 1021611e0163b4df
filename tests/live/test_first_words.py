"""Saying hello and the first words: what arrives, for whom, and what does not."""

from __future__ import annotations

import pytest

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
