"""G24: Redis may die. Messages are accepted, other nodes catch up, and after its return all is normal without a restart."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import redis

from tests.faults.crowd import Crowd, percentile
from tests.faults.site import Site, open_site
from tests.faults.tally import Tally


async def _killed(site: Site, seconds: float) -> None:
    assert site.redis is not None
    site.redis.kill()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(site.redis.start)  # empty


async def _stopped(site: Site, seconds: float) -> None:
    assert site.redis is not None
    os.kill(site.redis.process.pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(site.redis.process.pid, signal.SIGCONT)


async def _stopped_briefly(site: Site, seconds: float) -> None:
    """Long enough to lose what is published, too short to be missed by who only listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await _stopped(site, 1.2)
        await asyncio.sleep(2)


async def _hung_up(site: Site, seconds: float) -> None:
    """CLIENT KILL of everybody, again and again."""
    assert site.redis is not None
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(redis.RedisError), redis.Redis(port=site.redis.port) as client:
            await asyncio.to_thread(client.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.to_thread(client.execute_command, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.5)


async def _full(site: Site, seconds: float) -> None:
    assert site.redis is not None
    with redis.Redis(port=site.redis.port) as client:
        await asyncio.to_thread(client.config_set, "maxmemory", "1")
        await asyncio.sleep(seconds)
        await asyncio.to_thread(client.config_set, "maxmemory", "0")


FAULTS: dict[str, Callable[[Site, float], Awaitable[None]]] = {
    "killed": _killed,
    "stopped": _stopped,
    "stopped briefly": _stopped_briefly,
    "hung up": _hung_up,
    "out of memory": _full,
}


async def run(tally: Tally) -> None:
    seconds = 30.0 if tally.full else 4.0
    async with open_site(tally.database, seed=tally.seed) as site:
        # Visitors on the first node, agents on the second: everything that is seen crosses.
        crowd = Crowd(site, visitors=20, agents=2, seed=tally.seed, where=lambda: site.nodes[0].url)
        for agent in crowd.agents:
            agent.where = lambda: site.nodes[1].url  # type: ignore[misc]
        await crowd.start()
        await crowd.talk(10, _for(3.0), replies=0.0)
        pace = 20.0
        for name, fault in FAULTS.items():
            began = time.monotonic()
            await crowd.talk_while(pace, fault(site, seconds), replies=0.0)
            back = time.monotonic()
            await crowd.talk(pace, _for(2.0))
            settled = time.monotonic()
            await crowd.talk(pace, _for(2.0), replies=0.0)
            await asyncio.sleep(1.0)
            during = _crossings(crowd, began, back)
            after = _crossings(crowd, settled, time.monotonic())
            tally.floor(f"{name}: crossed meanwhile", len(during), int(seconds * 8))
            tally.quick(f"{name}: slowest to the other node, s", max(during, default=99), 5.0)
            tally.floor(f"{name}: crossed after", len(after), 15)
            tally.quick(f"{name}: slowest after its return, s", max(after, default=99), 2.0)
        calm = await crowd.settle(40)
        tally.quick("ack p99, s", percentile(crowd.ack_times, 0.99), 0.3)
        tally.zero("not calm after", int(not calm))
        tally.zero("nodes that died", sum(not node.alive for node in site.nodes))
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=int(seconds * 8 * len(FAULTS)))


def _for(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _crossings(crowd: Crowd, since: float, until: float) -> list[float]:
    """Seconds from a visitor's own acknowledgement to the agents' screens on the other node."""
    found = []
    for key, at in crowd.acked_at.items():
        if since <= at < until:
            for agent in crowd.agents:
                found.append(max(0.0, agent.entry_times.get(key, time.monotonic()) - at))
    return found
