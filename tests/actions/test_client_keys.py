"""A client recognises its own writes by the key it gave them, whoever it is."""

from __future__ import annotations

import pytest

from tests.world import World

KEY = "k:with.colons:0001"


@pytest.mark.parametrize("identity", [None, "1042", "shop:customer:7", "100%:%3A"])
async def test_a_visitor_gets_back_the_key_of_what_they_wrote(world: World, identity: str | None) -> None:
    zoe = await world.visitor(identity=identity)
    written = await zoe.says("Hello?", key=KEY)

    assert written.entry.for_visitor()["key"] == written.entry.for_agents()["key"] == KEY
    assert (await zoe.says("Hello?", key=KEY)).repeated


async def test_two_customers_whose_ids_look_alike_share_no_key(world: World) -> None:
    """ "a:b" with key "c" and "a" with key "b:c" are not the same write."""
    zoe, eve = await world.visitor(identity="a:bbbbbbbb"), await world.visitor(identity="a")
    await zoe.says("Mine.", key="cccccccc")

    assert not (await eve.says("Mine.", key="bbbbbbbb:cccccccc")).repeated


async def test_an_agent_gets_back_the_key_of_a_reply(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()

    assert (await ana.replies(ticket, "Yes?", key=KEY)).entry.for_agents()["key"] == KEY
