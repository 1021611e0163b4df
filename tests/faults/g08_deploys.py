"""G8: users do not notice a deploy. On SIGTERM a server stops accepting, closes with 1012 and exits within 10 s;
clients reconnect and lose nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time

from tests.faults.crowd import L1, L1_PER_S, Crowd, peak_connects
from tests.faults.site import Site
from tests.faults.sockets import raw_socket, sign_in
from tests.faults.tally import Tally

RESTART_S = 6.0  # time to stop with a stuck handler and to start again


async def run(tally: Tally) -> None:
    restarts = 15 if tally.full else 4
    every = 20.0 if tally.full else 1.0
    async with Site(tally.database, seed=tally.seed) as site:
        # One handler of every process hangs for a minute.
        for node in site.nodes:
            node.start("in_handler=sleep:60000@15")
        for node in site.nodes:
            await node.ready()
        crowd = Crowd(site, **(L1 if tally.full else {"visitors": 20, "agents": 3}), seed=tally.seed)
        everybody = [*crowd.visitors, *crowd.agents]
        await crowd.start()
        for client in everybody:
            client.connected_at.clear()  # the first connection is not a reconnect
        deaf_cookie = await sign_in(site, "leaver")
        exits: list[float] = []

        async def roll() -> None:
            for number in range(restarts):
                due = time.monotonic() + every
                node = site.nodes[number % len(site.nodes)]
                index = site.nodes.index(node)
                hello = {"type": "hello", "version": 1}
                deaf = [
                    await asyncio.to_thread(raw_socket, site, path, hello, cookie=deaf_cookie, node=index)
                    for path in ("/ws/agent", "/ws/visitor", "/ws/agent", "/ws/visitor", "/ws/agent")
                ]
                # The short form counts the load's time from the last restart; the full one counts from the beginning,
                # because L1 lasts five minutes.
                await asyncio.sleep(max(1.0, due - time.monotonic() - (RESTART_S if tally.full else 0.0)))
                exits.append(await node.stop())
                for raw in deaf:
                    raw.close()
                node.start("in_handler=sleep:60000@15")
                await node.ready()

        await crowd.talk_while(L1_PER_S, roll())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(client.ready.wait() for client in crowd.visitors)), 20)
        peak = peak_connects(everybody)
        settled = await crowd.settle(70)
        codes = [code for client in everybody for code in client.closes]
        client_codes = sorted({f"{client.name}: {code}" for client in everybody for code in client.closes})
        tally.floor("restarts", len(exits), restarts)
        tally.at_most("slowest exit, s", max(exits), 10)
        tally.floor("sockets closed with 1012", codes.count(1012), restarts * 5)
        tally.zero(
            "closed with another code",
            sum(code not in (1000, 1012) for code in codes),
            [item for item in client_codes if "1000" not in item and "1012" not in item],
        )
        tally.floor("stuck handlers", site.visits("in_handler"), 1)
        if tally.full and len(site.nodes) > 1:  # a share is meaningful only for a large crowd
            tally.at_most("most reconnects within a second, of all clients", peak / len(everybody), 0.25)
        else:
            tally.note("most reconnects within a second, of all clients", peak / len(everybody))
        tally.zero("clients not up to date at the end", int(not settled))
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=restarts * 20)
