"""G7: the server notices a dead peer within 45 s; a dead socket shows nobody as online."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from server.live.hub import SILENT_S
from tests.faults import people
from tests.faults.crowd import Crowd
from tests.faults.proxy import Proxy
from tests.faults.site import Site
from tests.faults.sockets import dial, greet
from tests.faults.tally import Tally

LIMIT_S = 45.0
COMMAND = ("-m", "tests.faults.scaled", "serve")


async def run(tally: Tally) -> None:
    scale = 1.0 if tally.full else 5.0
    visitors, agents = (50, 5) if tally.full else (20, 3)
    async with Site(tally.database, seed=tally.seed, FAULTS_SCALE=str(scale)) as site:
        for node in site.nodes:
            node.command = COMMAND
        await site.start()
        async with Proxy(lambda: tally.random.choice(site.nodes).port, tally.seed) as proxy:
            crowd = Crowd(site, visitors=visitors, agents=agents, seed=tally.seed, where=lambda: proxy.url)
            for client in (*crowd.visitors, *crowd.agents):
                client.ping_s, client.silence_s = people.PING_S / scale, 10_000.0
            await crowd.start()
            for visitor in crowd.visitors:
                await visitor.say("is anybody there?")
            # The message is acknowledged and in the analyst's list; the list's summaries arrive a moment later.
            until = time.monotonic() + 30
            while time.monotonic() < until and (
                any(visitor.outbox for visitor in crowd.visitors) or len(crowd.agents[0].tickets) < visitors
            ):
                await asyncio.sleep(0.05)
            await _watch(site, crowd, proxy, tally, scale)
            for client in (*crowd.visitors, *crowd.agents):
                if client._task is not None:
                    client._task.cancel()


async def _watch(site: Site, crowd: Crowd, proxy: Proxy, tally: Tally, scale: float) -> None:
    """An analyst on the other node watches presence and records when each person is shown as gone."""
    expected_users = {site.ids[agent.member] for agent in crowd.agents}
    threads = {ticket["thread"] for ticket in crowd.agents[0].tickets.values()}
    gone_at: dict[str, float] = {}
    async with dial(site, "/ws/agent", "leaver", node=-1) as ws:
        await greet(ws)
        for thread in threads:
            await ws.send(json.dumps({"type": "open", "thread": thread, "after": 0}))
        await asyncio.sleep(1)
        proxy.faults.black_hole = True
        began = time.monotonic()
        pinged = began
        limit = LIMIT_S / scale
        while time.monotonic() - began < limit * 2 and len(gone_at) < len(threads) + len(expected_users):
            try:
                frame: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), 0.5))
            except TimeoutError:
                frame = {}
            if time.monotonic() - pinged > 10 / scale:
                pinged = time.monotonic()
                await ws.send('{"type":"ping"}')
            if frame.get("type") == "presence" and not frame["online"]:
                name = f"thread {frame['thread']}" if frame.get("thread") else f"user {frame['user']}"
                gone_at.setdefault(name, time.monotonic() - began)
        expected = {f"thread {thread}" for thread in threads} | {f"user {user}" for user in expected_users}
        tally.floor("peers that died", len(expected), len(crowd.visitors) + len(crowd.agents))
        tally.note("timers scaled by", scale)
        unnoticed = expected - set(gone_at)
        tally.zero("dead peers never noticed", len(unnoticed), sorted(unnoticed)[:5])
        # Adds the time that scaling removed from the timer. The housekeeping interval and the close handshake are not
        # scaled.
        tally.at_most(
            "slowest notice of a dead peer, s", max(gone_at.values(), default=0) + SILENT_S * (1 - 1 / scale), LIMIT_S
        )
        await asyncio.sleep(max(0.0, LIMIT_S - SILENT_S * (1 - 1 / scale) - (time.monotonic() - began)))
        _, page = await site.call("leaver", "GET", "/api/tickets?limit=100")
        still_online = [ticket["id"] for ticket in page["tickets"] if ticket["online"]]
        tally.zero("visitors still shown online", len(still_online), still_online)
        _, users = await site.call("leaver", "GET", "/api/users")
        online = [user["id"] for user in users["users"] if user["online"] and user["id"] in expected_users]
        tally.zero("colleagues still shown online", len(online), online)
