"""G6: a bad reader slows nobody else. Clients that never read, read slowly or only ping run beside healthy ones."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import psutil

from tests.faults.crowd import L1, Crowd, percentile
from tests.faults.people import fresh_key
from tests.faults.site import Site
from tests.faults.sockets import masked, raw_socket, sign_in
from tests.faults.tally import Tally

COMMAND = ("-m", "tests.faults.scaled", "serve")
STUCK_S, MEMORY_MB = 15.0, 64.0
BIG = "x" * 7_000


async def run(tally: Tally) -> None:
    scale = 1.0 if tally.full else 5.0
    slow_readers = 20 if tally.full else 5
    calm_s, seconds = (60.0, 180.0) if tally.full else (6.0, 6.0)
    async with Site(tally.database, seed=tally.seed, nodes=1, FAULTS_SCALE=str(scale)) as site:
        site.nodes[0].command = COMMAND
        await site.start()
        crowd = Crowd(site, **(L1 if tally.full else {"visitors": 20, "agents": 3}), seed=tally.seed)
        for client in (*crowd.visitors, *crowd.agents):
            client.ping_s = 5.0 / scale
        await crowd.start()
        await _measure(crowd, calm_s / 6)  # the first entries compile the statements
        times_alone = await _measure(crowd, calm_s)
        # The flood has its own cost (mostly database caches) that the bad readers do not cause, so it runs once before
        # they connect. Six seconds of the short form do not fill the caches.
        flood = asyncio.create_task(_flood(crowd)) if tally.full else None
        if flood is not None:
            await _measure(crowd, calm_s)
        memory_before = psutil.Process(site.nodes[0].pid).memory_info().rss
        cookie = await sign_in(site, "leaver")
        readers = [_Reader(site, "never", cookie) for _ in range(slow_readers)] + [
            _Reader(site, "slowly", cookie) for _ in range(slow_readers)
        ]
        pinging = [_Reader(site, "pings", cookie) for _ in range(slow_readers)]
        for reader in (*readers, *pinging):
            await asyncio.to_thread(reader.open, crowd)
        flood = flood or asyncio.create_task(_flood(crowd))
        times_beside = await _measure(crowd, seconds)
        peak = psutil.Process(site.nodes[0].pid).memory_info().rss
        # wait until the flood has filled the buffers of the readers, however slow it is
        deadline = time.monotonic() + (STUCK_S + 5) / scale + 40
        never = [reader for reader in readers if reader.how == "never"]
        while time.monotonic() < deadline and not all(reader.closed_after for reader in never):
            await _measure(crowd, 0.5)
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        peak = max(peak, psutil.Process(site.nodes[0].pid).memory_info().rss)
        evicted = [reader.closed_after for reader in never if reader.closed_after]
        for reader in (*readers, *pinging):
            reader.close()
        settled = await crowd.settle(40)
        tally.floor("slow or silent readers", len(readers) + len(pinging), 3 * slow_readers)
        tally.floor("deliveries measured at healthy readers", len(times_beside), int(seconds * 20))
        tally.note("p99 of healthy readers before, s", percentile(times_alone, 0.99))
        tally.quick("p99 of healthy readers meanwhile, s", percentile(times_beside, 0.99), 0.5)
        tally.floor("never-reading clients closed", len(evicted), len(never))
        # A buffer must be full before the timeout begins.
        tally.quick(
            "slowest eviction after connecting, s",
            max(evicted, default=99.0) + STUCK_S * (1 - 1 / scale),
            STUCK_S + 10,
        )
        tally.at_most("memory growth, MB", (peak - memory_before) / 2**20, MEMORY_MB)
        tally.zero(
            "ping-only clients closed", sum(bool(reader.closed_after) for reader in pinging), pinging[0].received
        )
        tally.zero("clients not up to date at the end", int(not settled))
        # Evicted clients reconnect like all others and have lost nothing: the entries they missed are stored.
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=int(seconds * 10))


async def _measure(crowd: Crowd, seconds: float) -> list[float]:
    """Healthy visitors write for a while; measures the time until an agent's screen shows each message."""
    sent: dict[str, float] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        sent[await crowd.random.choice(crowd.visitors).say("healthy")] = began
        await asyncio.sleep(0.04)
    await asyncio.sleep(min(0.5, seconds))
    return [
        agent.entry_times.get(key, time.monotonic()) - sent_at
        for key, sent_at in sent.items()
        for agent in crowd.agents
    ]


async def _flood(crowd: Crowd) -> None:
    """Writes large replies into the healthy visitors' threads, so that each agent's socket, bad readers' included, must
    send them."""
    writers = crowd.agents[:2]
    while True:
        async with asyncio.TaskGroup() as group:
            for agent in writers:
                for ticket in crowd.random.sample(sorted(agent.tickets), 8):
                    group.create_task(agent.reply(ticket, BIG, fresh_key()))
        await asyncio.sleep(0.02)


class _Reader:
    """An agent's client on its own thread that follows every thread and reads badly."""

    def __init__(self, site: Site, how: str, cookie: str) -> None:
        self.site, self.how, self.cookie = site, how, cookie
        self.closed_after = 0.0
        self.received = b""  # the last bytes received, for the failure message
        self._raw: socket.socket | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._behave, daemon=True)

    def open(self, crowd: Crowd) -> None:
        self._raw = raw_socket(
            self.site, "/ws/agent", {"type": "hello", "version": 1}, cookie=self.cookie, deaf=self.how != "pings"
        )
        for ticket in crowd.agents[0].tickets.values():
            self._raw.sendall(
                masked(f'{{"type":"open","thread":{ticket["thread"]},"after":{ticket["last_seq"]}}}'.encode())
            )
        self._began = time.monotonic()
        self._thread.start()

    def _behave(self) -> None:
        raw = self._raw
        assert raw is not None
        raw.settimeout(0.2)
        # All bad readers send pings, so that their reading is their only fault. A `pings` reader reads normally and
        # sends nothing else.
        while not self._stop.is_set():
            try:
                raw.sendall(masked(b'{"type":"ping"}'))
                next_ping = time.monotonic() + 0.3
                while time.monotonic() < next_ping and not self._stop.is_set():
                    self._read(raw)
            except TimeoutError:
                continue
            except OSError:
                if not self._stop.is_set():
                    self.closed_after = time.monotonic() - self._began
                return

    def _read(self, raw: socket.socket) -> None:
        if self.how == "never":
            self._stop.wait(0.3)
            return
        with contextlib.suppress(TimeoutError):
            data = raw.recv(200 if self.how == "slowly" else 1 << 20)
            if not data:
                raise ConnectionError
            self.received = (self.received + data)[-120:]
        if self.how == "slowly":
            self._stop.wait(0.2)  # one kilobyte a second

    def close(self) -> None:
        self._stop.set()
        self._thread.join(2)
        if self._raw is not None:
            self._raw.close()
