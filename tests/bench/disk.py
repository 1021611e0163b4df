"""Throughput on a slow disk, and the number of messages that a kill under load loses (it must be zero)."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import uvloop

from tests.bench import floor
from tests.bench.chats import ProductChat, token_in
from tests.bench.processes import drive
from tests.bench.product import Product, floor_target
from tests.bench.report import Line, compare
from tests.bench.setting import Setting

SYNC_MS = 5


def slow(setting: Setting) -> list[Line]:
    shim = setting.folder / "slow_sync.so"
    source = Path(__file__).with_name("slow_sync.c")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True)
    env = {"LD_PRELOAD": str(shim), "BENCH_SYNC_MS": str(SYNC_MS)}
    with (
        floor.start("relay", setting.folder, env=env) as relay,
        Product(setting.folder, env=env, name="slow") as product,
    ):

        def chat(task: str, **spec: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            return setting.in_turn(
                lambda: drive(task, **floor_target(relay), **spec), lambda: drive(task, **product.target(), **spec)
            )

        crowd = chat("chat_closed", visitors=100, messages=setting.few(60))
        steady = chat("chat_rate", visitors=100, rate=100, seconds=setting.few(5))
    row = f"slow disk, +{SYNC_MS} ms a sync"
    return [
        compare(row, "100 visitors", "messages/s", "per_s", *crowd, gate=0.4),
        compare(row, "at 100/s p50", "ms", "p50_ms", *steady, better="less", gate=10, absolute=True),
        compare(row, "at 100/s p99", "ms", "p99_ms", *steady, better="less"),
    ]


ACKS = 10_000


def no_loss(setting: Setting) -> list[Line]:
    """Kills the server in the middle of 10,000 acknowledgements: each acknowledged message is stored exactly once."""
    lost = doubled = acknowledged = 0
    for sync in ("FULL", "NORMAL"):
        product = Product(setting.folder, name=f"killed-{sync}", env={"THREADLINE_SQLITE_SYNC": sync})
        with product:
            acks = uvloop.run(_until_killed(product, setting.few(ACKS)))
            product.start().wait_until_listening()
            product.sign_in()  # the restarted server answers
        with sqlite3.connect(f"file:{product.database}?mode=ro", uri=True) as db:
            stored: dict[int, int] = {}
            for (body,) in db.execute("SELECT body FROM timeline WHERE body LIKE '<%'"):
                token = int(body[1 : body.index(">")])
                stored[token] = stored.get(token, 0) + 1
        acknowledged += len(acks)
        lost += sum(token not in stored for token in acks)
        doubled += sum(count > 1 for count in stored.values())
    row = "no loss, kill -9"
    return [
        Line(row, "acknowledged before the kill", "messages", acknowledged),
        Line(row, "lost", "messages", lost, better="less", gate=0),
        Line(row, "stored twice", "messages", doubled, better="less", gate=0),
    ]


async def _until_killed(product: Product, acks: int) -> set[int]:
    """Each of 50 visitors keeps eight messages unacknowledged; kills the server after `acks` acknowledgements."""
    chat = ProductChat(product.target(), 50, lambda token: None)
    await chat.open(follow=False)
    journal: set[int] = set()
    enough = asyncio.Event()

    def acknowledged(visitor: int, frame: bytes) -> None:
        token = token_in(frame)
        if token is None or enough.is_set():
            return
        journal.add(token)
        if len(journal) >= acks:
            enough.set()
            return
        chat.say(visitor, token + 8)

    for visitor in range(chat.visitors):
        chat.deliver(visitor, lambda frame, visitor=visitor: acknowledged(visitor, frame))
        for lane in range(8):
            chat.say(visitor, visitor * 1_000_000 + 8 + lane)
    async with asyncio.timeout(120):
        await enough.wait()
    assert product.child is not None
    product.child.kill()
    return journal
