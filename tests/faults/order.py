"""G1(c): is every acknowledgement sent after the log bytes it speaks of are on disk?

A kill does not test power loss: the kernel keeps what was written. So a small library is preloaded into a
real server; it notes when a marked message is written to the write-ahead log, when a sync of the log has
returned, and when the message leaves through a socket.
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
    early: int  # of these: before a sync that began after they were written
    syncs: int


def read_order(path: Path) -> Order:
    pending: set[str] = set()
    safe: set[str] = set()
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
            safe |= pending
            pending.clear()
        elif event == "A":
            answered.setdefault(marker, marker in safe)
    return Order(len(answered), sum(not good for good in answered.values()), syncs)


async def watch(messages: int, *, sync: str, seed: int) -> Order:
    """Lets a real server store `messages` and returns the order in which it did things."""
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
                    await asyncio.sleep(0.002)  # a batch at a time, so that there are many
            await crowd.settle()
        return read_order(log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
