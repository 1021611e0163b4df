"""G24: Redis may fail. Messages are accepted, other nodes catch up, and after Redis returns everything recovers without
a restart."""

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
    await asyncio.to_thread(site.redis.start)  # Redis starts empty


async def _stopped(site: Site, seconds: float) -> None:
    assert site.redis is not None
    os.kill(site.redis.process.pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(site.redis.process.pid, signal.SIGCONT)


async def _stopped_briefly(site: Site, seconds: float) -> None:
    """Stops Redis long enough to lose publications, too briefly for a subscriber to notice."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await _stopped(site, 1.2)
        await asyncio.sleep(2)


async def _disconnected(site: Site, seconds: float) -> None:
    """Disconnects all clients of Redis repeatedly (CLIENT KILL)."""
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
    """A proxy between the nodes and Redis: `share` of Redis's responses arrive `late_s` late and delay everything
    behind them."""

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
    "disconnected": _disconnected,
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

        # Visitors are on the first node and agents on the second, so each message crosses the bus.
        size = L1 if tally.full else {"visitors": 20, "agents": 2}
        crowd = Crowd(site, **size, seed=tally.seed, where=lambda: site.nodes[0].url)
        for agent in crowd.agents:
            agent.where = lambda: site.nodes[1].url  # type: ignore[misc]
        await crowd.start()
        await crowd.talk(10, _wait(3.0), replies=0.0)
        per_s = 20.0
        for name, fault in {**FAULTS, "3 % of answers 5 s late": lagging}.items():
            began = time.monotonic()
            await crowd.talk_while(per_s, fault(site, seconds), replies=0.0)
            fault_ended_at = time.monotonic()
            await crowd.talk(per_s, _wait(2.0))
            recovered_at = time.monotonic()
            await crowd.talk(per_s, _wait(2.0), replies=0.0)
            await asyncio.sleep(1.0)
            during = _crossings(crowd, began, fault_ended_at)
            after = _crossings(crowd, recovered_at, time.monotonic())
            tally.floor(f"{name}: messages to the other node meanwhile", len(during), int(seconds * 8))
            tally.quick(f"{name}: slowest to the other node, s", max(during, default=99), 5.0)
            tally.floor(f"{name}: messages to the other node afterwards", len(after), 15)
            tally.quick(f"{name}: slowest after the fault, s", max(after, default=99), 2.0)
        tally.floor("replies of Redis that were late", lag.late, 3 if tally.full else 1)
        up_to_date = await crowd.settle(40)
        tally.quick("ack p99, s", percentile(crowd.ack_times, 0.99), 0.3)
        tally.zero("clients not up to date at the end", int(not up_to_date))
        tally.zero("nodes that died", sum(not node.alive for node in site.nodes))
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=int(seconds * 8 * (len(FAULTS) + 1)))


def _port(site: Site) -> int:
    assert site.redis is not None
    return site.redis.port


def _wait(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _crossings(crowd: Crowd, since: float, until: float) -> list[float]:
    """Seconds from a visitor's acknowledgement to the agents' screens on the other node."""
    results = []
    for key, acked_at in crowd.acked_at.items():
        if since <= acked_at < until:
            for agent in crowd.agents:
                results.append(max(0.0, agent.entry_times.get(key, time.monotonic()) - acked_at))
    return results
