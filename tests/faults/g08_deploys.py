"""G8: a deploy is invisible. SIGTERM: stop accepting, close 1012, exit within 10 s; clients come back, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib

from tests.faults.crowd import Crowd
from tests.faults.site import Site
from tests.faults.sockets import raw_socket, sign_in
from tests.faults.tally import Tally


async def run(tally: Tally) -> None:
    restarts = 15 if tally.full else 4
    pause = 20.0 if tally.full else 1.0
    async with Site(tally.database, seed=tally.seed) as site:
        # One handler of every process gets stuck for a minute.
        for node in site.nodes:
            node.start("in_handler=sleep:60000@15")
        for node in site.nodes:
            await node.ready()
        crowd = Crowd(site, visitors=40 if tally.full else 20, agents=3, seed=tally.seed)
        await crowd.start()
        deaf_cookie = await sign_in(site, "leaver")
        exits: list[float] = []

        async def roll() -> None:
            for number in range(restarts):
                node = site.nodes[number % len(site.nodes)]
                place = site.nodes.index(node)
                hello = {"type": "hello", "version": 1}
                deaf = [
                    await asyncio.to_thread(raw_socket, site, path, hello, cookie=deaf_cookie, node=place)
                    for path in ("/ws/agent", "/ws/visitor", "/ws/agent", "/ws/visitor", "/ws/agent")
                ]
                await asyncio.sleep(pause)
                exits.append(await node.stop())
                for raw in deaf:
                    raw.close()
                node.start("in_handler=sleep:60000@15")
                await node.ready()

        await crowd.talk_while(20, roll())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(client.ready.wait() for client in crowd.visitors)), 20)
        calm = await crowd.settle(70)
        codes = [code for client in (*crowd.visitors, *crowd.agents) for code in client.closes]
        odd = sorted(
            {f"{client.name}: {code}" for client in (*crowd.visitors, *crowd.agents) for code in client.closes}
        )
        tally.floor("restarts", len(exits), restarts)
        tally.at_most("slowest exit, s", max(exits), 10)
        tally.floor("sockets closed with 1012", codes.count(1012), restarts * 5)
        tally.zero(
            "closed with another code",
            sum(code not in (1000, 1012) for code in codes),
            [one for one in odd if "1000" not in one and "1012" not in one],
        )
        tally.floor("stuck handlers", site.visits("in_handler"), 1)
        tally.zero("not calm after", int(not calm))
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=restarts * 20)
