"""G1(c): checks that each acknowledgement leaves only after its message's log bytes are on disk.

SIGKILL does not test power loss, because the kernel keeps written pages. So a small library is preloaded into a real
server; it records when a marked message is written to the write-ahead log, when a sync of the log returns, and when the
message leaves through a socket.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.faults.crowd import Crowd
from tests.faults.site import Site

SOURCE = Path(__file__).with_name("order.c")
COMPILER = shutil.which("gcc") or shutil.which("cc")


@dataclass
class Order:
    acked: int  # messages that left the server as an acknowledgement
    early: int  # acknowledgements that left before a sync of their message had returned
    syncs: int


def read_order(path: Path) -> Order:
    pending: set[str] = set()
    synced: set[str] = set()
    written: set[str] = set()
    answered: dict[str, bool] = {}
    syncs = 0
    for line in path.read_text().splitlines():
        event, marker = line[0], line[1:]
        if event == "W" and marker not in written:
            written.add(marker)
            pending.add(marker)
        elif event == "E":
            syncs += 1
            synced |= pending
            pending.clear()
        elif event == "A":
            answered.setdefault(marker, marker in synced)
    return Order(len(answered), sum(not after_sync for after_sync in answered.values()), syncs)


async def watch(messages: int, *, sync: str, seed: int) -> Order:
    """Has a real server store `messages`; returns the order of its writes, syncs and acknowledgements."""
    assert COMPILER is not None
    folder = Path(tempfile.mkdtemp(prefix="order-"))
    library, log = folder / "order.so", folder / "order.log"
    try:
        command = [
            COMPILER,
            "-shared",
            "-fPIC",
            "-O1",
            "-D_LARGEFILE64_SOURCE",
            "-o",
            str(library),
            str(SOURCE),
            "-ldl",
        ]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        async with Site("sqlite", seed=seed, THREADLINE_SQLITE_SYNC=sync) as site:
            for node in site.nodes:
                node.start(LD_PRELOAD=str(library), ORDER_LOG=str(log))
                await node.ready()
            crowd = Crowd(site, visitors=10, agents=0, seed=seed, ack_wait=30)
            await crowd.start()
            for number in range(messages):
                await crowd.random.choice(crowd.visitors).say(f"ordr-{number:06d}", f"ordr-{number:06d}")
                while number % 10 == 9 and any(visitor.outbox for visitor in crowd.visitors):
                    await asyncio.sleep(0.002)  # a pause after each batch makes many batches
            await crowd.settle()
        return read_order(log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
