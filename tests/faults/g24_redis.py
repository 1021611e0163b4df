"""G24: Redis may die. Messages are accepted, other nodes catch up, and after its return all is normal without a restart."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import redis

from tests.faults.crowd import L1, Crowd, percentile
from tests.faults.site import Site
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


class Lag:
    """Between the nodes and Redis: `share` of what Redis answers comes `late_s` late, and all behind it with it."""

    def __init__(self, target: int, seed: int) -> None:
        self.target, self.random = target, random.Random(seed)
        self.share, self.late_s, self.late = 0.0, 5.0, 0

    async def __aenter__(self) -> Lag:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pumps = [
            asyncio.create_task(self._pump(reader, server_writer, late=False)),
            asyncio.create_task(self._pump(server_reader, writer, late=True)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for side in (writer, server_writer):
            side.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if late and self.random.random() < self.share:
                    self.late += 1
                    await asyncio.sleep(self.late_s)
                writer.write(data)
                await writer.drain()


FAULTS: dict[str, Callable[[Site, float], Awaitable[None]]] = {
    "killed": _killed,
    "stopped": _stopped,
    "stopped briefly": _stopped_briefly,
    "hung up": _hung_up,
    "out of memory": _full,
}


async def run(tally: Tally) -> None:
    seconds = 30.0 if tally.full else 4.0
    async with Site(tally.database, seed=tally.seed) as site, Lag(_port(site), tally.seed) as lag:
        site.env["REDIS_URL"] = f"redis://127.0.0.1:{lag.port}/0"
        await site.start()

        async def lagging(site: Site, seconds: float) -> None:
            lag.share = 0.03
            await asyncio.sleep(seconds)
            lag.share = 0.0

        # Visitors on the first node, agents on the second: everything that is seen crosses.
        size = L1 if tally.full else {"visitors": 20, "agents": 2}
        crowd = Crowd(site, **size, seed=tally.seed, where=lambda: site.nodes[0].url)
        for agent in crowd.agents:
            agent.where = lambda: site.nodes[1].url  # type: ignore[misc]
        await crowd.start()
        await crowd.talk(10, _for(3.0), replies=0.0)
        pace = 20.0
        for name, fault in {**FAULTS, "3 % of answers 5 s late": lagging}.items():
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
        tally.floor("answers that were late", lag.late, 3 if tally.full else 1)
        calm = await crowd.settle(40)
        tally.quick("ack p99, s", percentile(crowd.ack_times, 0.99), 0.3)
        tally.zero("not calm after", int(not calm))
        tally.zero("nodes that died", sum(not node.alive for node in site.nodes))
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=int(seconds * 8 * (len(FAULTS) + 1)))


def _port(site: Site) -> int:
    assert site.redis is not None
    return site.redis.port


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
