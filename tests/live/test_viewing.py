"""Who else has a ticket open and who is replying (UX 3.1): told among colleagues, stored nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.live.test_bus import connected, two_nodes
from tests.online import PATIENCE_S, Agent, Online
from tests.services import Valkey


def views(agent: Agent, thread: int, user: int) -> list[bool]:
    """What the agent was told about this colleague and this thread, ever."""
    heard = agent.wire.heard("presence")
    told = [frame for frame in heard if frame.get("thread") == thread and frame.get("user") == user]
    assert all(frame.keys() == {"type", "thread", "user", "online"} for frame in told)
    return [frame["online"] for frame in told]


async def looks(agent: Agent, thread: int, user: int, online: bool = True) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while views(agent, thread, user)[-1:] != [online]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def chat(online: Online, text: str = "Hello?") -> int:
    zoe = await online.visitor()
    await zoe.says(text)
    return await zoe.thread_id()


async def test_colleagues_see_who_else_has_a_ticket_open_and_who_replies(online: Online) -> None:
    ana, olga, ben = await online.agent("ana"), await online.agent("olga"), await online.agent("ben")
    zoe = await online.visitor()
    await zoe.says("Hello?")
    thread, other = await zoe.thread_id(), await chat(online, "Another one")
    await ana.opens(thread)
    await olga.opens(thread)
    await looks(ana, thread, olga.id)
    await looks(olga, thread, ana.id)  # who was there before says so to the one who comes
    await olga.wire.says({"type": "typing", "thread": thread})
    assert (await ana.hears("typing"))["author"] == {"type": "agent", "id": olga.id, "name": "Olga"}

    await olga.opens(other)  # one looks at what was opened last
    await looks(ana, thread, olga.id, online=False)
    await olga.wire.says({"type": "leave", "thread": other})
    await olga.opens(thread)
    await looks(ana, thread, olga.id)
    await olga.leaves()
    await looks(ana, thread, olga.id, online=False)

    # Not the visitor, and nobody who does not have it open.
    await zoe.wire.settles()
    await ben.wire.settles()
    assert not [frame for frame in zoe.wire.heard("presence") if "user" in frame]
    assert views(ben, thread, ana.id) == views(ben, thread, olga.id) == []


async def test_a_window_in_the_background_is_nobody_at_the_ticket(online: Online) -> None:
    thread = await chat(online)
    ana, olga = await online.agent("ana"), await online.agent("olga")
    await ana.opens(thread)
    screen = await olga.opens(thread, looking=False)
    await online.hub.turn(1)
    await ana.wire.settles()
    assert views(ana, thread, olga.id) == []
    await olga.opens(thread, after=len(screen.entries))  # to the front
    await looks(ana, thread, olga.id)
    await olga.opens(thread, after=len(screen.entries), looking=False)
    await looks(ana, thread, olga.id, online=False)
    await ana.replies(thread, "Hi!")  # and it goes on following
    await olga.sees(thread, "Hi!")


async def test_a_second_window_of_a_colleague_keeps_them_at_the_ticket(online: Online) -> None:
    thread = await chat(online)
    ana, olga, window = await online.agent("ana"), await online.agent("olga"), await online.agent("olga")
    for agent in (ana, olga, window):
        await agent.opens(thread)
    await window.leaves()
    async with asyncio.timeout(PATIENCE_S):
        while False not in views(ana, thread, olga.id):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await looks(ana, thread, olga.id)
    assert views(olga, thread, olga.id) == []  # nobody is told of themselves


async def test_who_looks_is_named_again_and_again_as_a_client_forgets_who_is_not(online: Online) -> None:
    thread = await chat(online)
    ana, olga = await online.agent("ana"), await online.agent("olga")
    await ana.opens(thread)
    await olga.opens(thread)
    await ana.wire.settles()
    before = len(views(ana, thread, olga.id))
    await online.hub.turn(1)
    await ana.wire.settles()
    assert views(ana, thread, olga.id)[before:] == [True]


@pytest.mark.pg
async def test_colleagues_at_two_processes_see_each_other_at_a_ticket(tmp_path: Path) -> None:
    with Valkey() as server:
        async with two_nodes(tmp_path, server.url) as (a, b):
            await connected(a, b)
            thread = await chat(a)
            ana, olga = await a.agent("ana"), await b.agent("olga")
            await ana.opens(thread)
            await olga.opens(thread)
            await looks(ana, thread, olga.id)
            await looks(olga, thread, ana.id)
            await olga.wire.says({"type": "typing", "thread": thread})
            assert (await ana.hears("typing"))["author"]["id"] == olga.id
            await olga.leaves()
            await looks(ana, thread, olga.id, online=False)
