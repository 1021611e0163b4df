"""Presence at a ticket: who else has it open and who is replying; sent to colleagues and never stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.live.test_bus import connected, two_nodes
from tests.online import PATIENCE_S, Agent, Online
from tests.services import Valkey


def presence_frames(agent: Agent, thread: int, user: int) -> list[bool]:
    """All presence frames that the agent received about this colleague and this thread."""
    frames = agent.wire.received("presence")
    presences = [frame for frame in frames if frame.get("thread") == thread and frame.get("user") == user]
    assert all(frame.keys() == {"type", "thread", "user", "online"} for frame in presences)
    return [frame["online"] for frame in presences]


async def sees_presence(agent: Agent, thread: int, user: int, online: bool = True) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while presence_frames(agent, thread, user)[-1:] != [online]:  # noqa: ASYNC110
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
    await sees_presence(ana, thread, olga.id)
    await sees_presence(olga, thread, ana.id)  # an agent who was there earlier is announced to the one who arrives
    await olga.wire.says({"type": "typing", "thread": thread})
    assert (await ana.receives("typing"))["author"] == {"type": "agent", "id": olga.id, "name": "Olga"}

    await olga.opens(other)  # an agent views the ticket that was opened last
    await sees_presence(ana, thread, olga.id, online=False)
    await olga.wire.says({"type": "leave", "thread": other})
    await olga.opens(thread)
    await sees_presence(ana, thread, olga.id)
    await olga.leaves()
    await sees_presence(ana, thread, olga.id, online=False)

    # Neither the visitor nor an agent who does not have it open receives it.
    await zoe.wire.settles()
    await ben.wire.settles()
    assert not [frame for frame in zoe.wire.received("presence") if "user" in frame]
    assert presence_frames(ben, thread, ana.id) == presence_frames(ben, thread, olga.id) == []


async def test_a_window_in_the_background_does_not_count_as_viewing(online: Online) -> None:
    thread = await chat(online)
    ana, olga = await online.agent("ana"), await online.agent("olga")
    await ana.opens(thread)
    screen = await olga.opens(thread, looking=False)
    await online.hub.tick(1)
    await ana.wire.settles()
    assert presence_frames(ana, thread, olga.id) == []
    await olga.opens(thread, after=len(screen.entries))  # the window comes to the front
    await sees_presence(ana, thread, olga.id)
    await olga.opens(thread, after=len(screen.entries), looking=False)
    await sees_presence(ana, thread, olga.id, online=False)
    await ana.replies(thread, "Hi!")  # the window still receives entries
    await olga.sees(thread, "Hi!")


async def test_a_second_window_of_a_colleague_keeps_them_viewing(online: Online) -> None:
    thread = await chat(online)
    ana, olga, window = await online.agent("ana"), await online.agent("olga"), await online.agent("olga")
    for agent in (ana, olga, window):
        await agent.opens(thread)
    await window.leaves()
    async with asyncio.timeout(PATIENCE_S):
        while False not in presence_frames(ana, thread, olga.id):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await sees_presence(ana, thread, olga.id)
    assert presence_frames(olga, thread, olga.id) == []  # agents do not receive their own presence


async def test_viewers_are_announced_again_before_clients_drop_them(online: Online) -> None:
    thread = await chat(online)
    ana, olga = await online.agent("ana"), await online.agent("olga")
    await ana.opens(thread)
    await olga.opens(thread)
    await ana.wire.settles()
    frames_before = len(presence_frames(ana, thread, olga.id))
    await online.hub.tick(1)
    await ana.wire.settles()
    assert presence_frames(ana, thread, olga.id)[frames_before:] == [True]


@pytest.mark.pg
async def test_colleagues_at_two_processes_see_each_other_at_a_ticket(tmp_path: Path) -> None:
    with Valkey() as server:
        async with two_nodes(tmp_path, server.url) as (a, b):
            await connected(a, b)
            thread = await chat(a)
            ana, olga = await a.agent("ana"), await b.agent("olga")
            await ana.opens(thread)
            await olga.opens(thread)
            await sees_presence(ana, thread, olga.id)
            await sees_presence(olga, thread, ana.id)
            await olga.wire.says({"type": "typing", "thread": thread})
            assert (await ana.receives("typing"))["author"]["id"] == olga.id
            await olga.leaves()
            await sees_presence(ana, thread, olga.id, online=False)
