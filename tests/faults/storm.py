"""G15(b): requests carry a tag and many are cancelled half-way; no request may get the response of
another request.

The fault behind this test (CVE-2023-28858): a cancelled request returns its connection to the pool before its response
is read.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, literal, select

from server.kernel.bus import RedisBus
from server.kernel.columns import to_micros
from server.kernel.context import App
from server.kernel.sql import Conn, Statement, Tx
from tests.faults.tally import Tally
from tests.services import Valkey
from tests.world import open_world

_TAGGED = Statement(select(bindparam("tag", type_=literal("").type).label("tag")))


def tagged_read(conn: Conn, tag: str) -> str:
    return str(conn.value(_TAGGED, tag=tag))


def tagged_write(tx: Tx, tag: str) -> str:
    tx.publish(f"tag:{tag}", tag)
    return f"{conn_value(tx, tag)}@{to_micros(tx.now)}"


def conn_value(tx: Tx, tag: str) -> str:
    return str(tx.value(_TAGGED, tag=tag))


class _Listener:
    def __init__(self, tag: str) -> None:
        self.tag, self.received, self.wrong = tag, 0, 0

    def on_published(self, topic: str, hint: Any) -> None:
        self.received += 1
        self.wrong += topic != f"tag:{self.tag}"

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None:
        self.received += 1
        self.wrong += payload["tag"] != self.tag or topic != f"tag:{self.tag}"


async def run(tally: Tally, requests: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="storm-"))
    async with open_world(folder / "data", tally.database) as world:
        answered, cancelled, wrong = await _requests(world.app, requests, tally.random)
    tally.floor("tagged requests answered", answered, requests // 2)
    tally.floor("tagged requests cancelled", cancelled, requests // 12)
    tally.zero("tag mismatches", wrong)
    if tally.database == "postgres":
        await _bus(tally, requests // 5)


async def _requests(app: App, requests: int, chance: random.Random) -> tuple[int, int, int]:
    answered = cancelled = wrong = 0

    async def request_once(number: int) -> None:
        nonlocal answered, cancelled, wrong
        tag = f"tag-{number}-{chance.random()}"
        kind = chance.choice(["read", "read", "slow", "write"])
        if kind == "write":
            work: asyncio.Future[Any] = asyncio.ensure_future(
                app.write(tagged_write, tag, lane=chance.choice([None, "a", 1]))
            )
        else:
            work = asyncio.ensure_future((app.read if kind == "read" else app.read_slowly)(tagged_read, tag))
        if chance.random() < 0.25:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            await asyncio.sleep(chance.choice([0, 0, 0.0005, 0.002]))
            work.cancel()
        try:
            result = await work
        except asyncio.CancelledError:
            cancelled += 1
            return
        answered += 1
        wrong += str(result).partition("@")[0] != tag

    for start in range(0, requests, 200):
        await asyncio.gather(*(request_once(number) for number in range(start, min(requests, start + 200))))
    return answered, cancelled, wrong


async def _bus(tally: Tally, broadcasts: int) -> None:
    """Runs two processes' buses on one Redis, with cancelled subscriptions and publications."""
    with Valkey() as server:
        first, second = RedisBus(server.url, "here"), RedisBus(server.url, "there")
        await asyncio.gather(first.start(), second.start())
        listeners = [_Listener(str(number)) for number in range(50)]
        for listener in listeners:
            second.watch(f"tag:{listener.tag}", listener)
        for number in range(broadcasts):
            tag = str(number % 50)
            first.broadcast(f"tag:{tag}", {"tag": tag})
            if number % 100 == 0:
                await asyncio.sleep(0.01)
            if number % 1_000 == 500:  # closes a bus in the middle of its work and opens another
                await first.close()
                first = RedisBus(server.url, "here")
                await first.start()
        await asyncio.sleep(1)
        await asyncio.gather(first.close(), second.close())
    tally.floor("broadcasts received over Redis", sum(listener.received for listener in listeners), broadcasts // 2)
    tally.zero("broadcasts to the wrong topic", sum(listener.wrong for listener in listeners))
