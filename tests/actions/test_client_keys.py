"""A client recognises its own entries by the client key that it sent with them."""

from __future__ import annotations

import pytest

from tests.world import World

KEY = "k:with.colons:0001"


@pytest.mark.parametrize("identity", [None, "1042", "shop:customer:7", "100%:%3A"])
async def test_a_visitors_entry_returns_its_client_key(world: World, identity: str | None) -> None:
    zoe = await world.visitor(identity=identity)
    written = await zoe.says("Hello?", key=KEY)

    assert written.entry.for_visitor()["key"] == written.entry.for_agents()["key"] == KEY
    assert (await zoe.says("Hello?", key=KEY)).repeated


async def test_two_customers_with_similar_ids_share_no_client_key(world: World) -> None:
    """ "a:b" with key "c" and "a" with key "b:c" are different keys."""
    zoe, eve = await world.visitor(identity="a:bbbbbbbb"), await world.visitor(identity="a")
    await zoe.says("Mine.", key="cccccccc")

    assert not (await eve.says("Mine.", key="bbbbbbbb:cccccccc")).repeated


async def test_a_reply_returns_its_client_key(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()

    assert (await ana.replies(ticket, "Yes?", key=KEY)).entry.for_agents()["key"] == KEY
