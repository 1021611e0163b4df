"""One writing process of G3: several writers sleep inside their transactions and roll some of them back.

`python -m tests.faults.writers` reads its orders as JSON from standard input and prints the result.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from server.accounts.rules import Agent, Role
from server.app import build, close
from server.errors import Busy, Conflict
from server.inbox.actions import Outgoing, write_message
from server.kernel.bus import LocalBus
from server.kernel.sql import Tx
from server.settings import Settings
from server.webchat.actions import VisitorInfo
from server.webchat.receiving import Inbound, receive


class RolledBack(Exception):
    """Raised on purpose after the rows were written."""


def write_slowly(tx: Tx, step: Any, args: tuple[Any, ...], pause_s: float, fail: bool) -> Any:
    written = step(tx, *args)
    time.sleep(pause_s)
    if fail:
        raise RolledBack
    return written


def receive_slowly(tx: Tx, calls: list[tuple[Inbound, float, bool]]) -> list[Any]:
    """Receives the joined calls of all waiting writers of this process. If one call fails, all are rolled back and each is
    retried alone."""
    written = receive(tx, [(message,) for message, _, _ in calls])
    time.sleep(max(pause_s for _, pause_s, _ in calls))
    if any(fail for _, _, fail in calls):
        raise RolledBack
    return written


async def main(orders: dict[str, Any]) -> dict[str, int]:
    settings = Settings(
        _env_file=None,
        data_dir=Path(orders["folder"]),
        database_url=orders["url"],
        secret_key=orders["secret"],
        public_url="http://site.test",
    )
    app = await build(settings, bus=LocalBus())
    chance = random.Random(orders["seed"])
    helper = Agent(orders["agent"], "Helper", "helper@shop.example", Role.SUPPORT, 1)
    totals = {"written": 0, "rolled_back": 0, "busy": 0}

    async def write(writer: int, number: int) -> None:
        visitor, ticket = orders["threads"][0] if chance.random() < 0.3 else chance.choice(orders["threads"])
        key = f"g3-{os.getpid()}-{writer}-{number}"
        note = chance.random() < 0.2
        pause_s, fail = chance.uniform(0, orders["pause_ms"]) / 1000, chance.random() < 0.1
        while True:
            try:
                if note:
                    args = helper, Outgoing(ticket, key, f"note {key}", (), "note")
                    await app.write(write_slowly, write_message, args, pause_s, fail)
                else:
                    message = Inbound(visitor, key, f"text {key}", (), "", VisitorInfo())
                    await app.write_joined(receive_slowly, message, pause_s, fail)
                totals["written"] += 1
                return
            except RolledBack:
                totals["rolled_back"] += 1
                return
            except Busy:
                totals["busy"] += 1
                await asyncio.sleep(0.05)
            except Conflict:
                raise AssertionError("a key clashed that nobody else uses") from None

    async def writer(number: int) -> None:
        for turn in range(orders["each"]):
            await write(number, turn)

    try:
        await asyncio.gather(*(writer(number) for number in range(orders["writers"])))
    finally:
        await close(app)
    return totals


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
