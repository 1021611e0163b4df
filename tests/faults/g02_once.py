"""G2: one press of Send is one message, however often it is repeated, over whatever link."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from server.errors import Conflict
from tests.faults.crowd import Crowd
from tests.faults.people import Visitor, socket_url
from tests.faults.proxy import Faults, Proxy
from tests.faults.site import PUBLIC_URL, open_site
from tests.faults.tally import Tally
from tests.world import open_world


class Receipts:
    """Names the entries that acknowledge: each may be lost the first two times it passes, then it gets through."""

    def __init__(self) -> None:
        self.passed: Counter[bytes] = Counter()

    def __call__(self, payload: bytes) -> bool:
        found = re.search(rb'"key":"([^"]+)"', payload)
        if found is None:
            return False
        self.passed[found[1]] += 1
        return self.passed[found[1]] <= 2


async def run(tally: Tally) -> None:
    sends, changed = (10_000, 200) if tally.full else (1_000, 50)
    async with open_site(tally.database, seed=tally.seed) as site:
        turn = tally.random
        async with Proxy(lambda: turn.choice(site.nodes).port, tally.seed) as proxy:
            proxy.faults = Faults(drop_down=0.5, matching=Receipts(), cut_down=0.05, cut_up=0.01, repeat_up=0.1)
            # Visitors come through the proxy; two consoles watch without it, one on each node.
            crowd = Crowd(site, visitors=20, agents=2, seed=tally.seed, where=lambda: proxy.url, ack_wait=0.4)
            for number, agent in enumerate(crowd.agents):
                base = site.nodes[number % len(site.nodes)].url
                agent.where = lambda base=base: base  # type: ignore[misc]
            await crowd.start()
            for number in range(sends):
                if number == sends // 2:
                    site.nodes[0].kill()
                    site.nodes[0].start()
                visitor = tally.random.choice(crowd.visitors)
                while len(visitor.outbox) > 20:
                    await asyncio.sleep(0.05)
                await visitor.say(f"send {number}")
                if number % 10 == 0:
                    await asyncio.sleep(0.02)
            while any(visitor.outbox for visitor in crowd.visitors):
                await asyncio.sleep(0.1)
            proxy.faults = Faults()
            proxy.reset_all()  # TCP loses no frame and keeps the link: whose last frame we ate cannot know
            calm = await crowd.settle(60)
            done = proxy.done
        verdict = await asyncio.to_thread(crowd.verdict)
        tally.floor("frames dropped", done.dropped, sends // 2)
        tally.floor("connections cut", done.cut, sends // 50)
        tally.floor("frames repeated", done.repeated, sends // 20)
        tally.zero("not calm after", int(not calm))
        tally.zero("client saw two contents at one place", crowd.violations)
        rows = sum(row.key is not None for row in await asyncio.to_thread(crowd.stored))
        tally.zero("rows missing or too many", abs(rows - sends))
        verdict.into(tally, floor=sends)
        conflicts, intact = await _changed_bodies(crowd.visitors, changed, site.nodes[-1].url)
        tally.floor("changed bodies refused", conflicts, changed)
        tally.floor("changed bodies: original answered again", intact, changed)
        again = sum(row.key is not None for row in await asyncio.to_thread(crowd.stored))
        tally.zero("rows added by changed bodies", again - rows)
    await _a_day_later(tally)


async def _changed_bodies(visitors: list[Visitor], count: int, base: str) -> tuple[int, int]:
    """Reuses keys with another text: each is refused with `idempotency_conflict`, and the first stays."""
    conflicts = intact = done = 0
    for visitor in visitors:
        if done >= count:
            break
        texts = {entry["key"]: entry["text"] for entry in visitor.screen.values() if entry.get("key")}
        options: dict[str, Any] = {"compression": None, "origin": PUBLIC_URL, "proxy": None}
        async with connect(socket_url(base, visitor.path), **options) as ws:
            await ws.send(json.dumps(visitor.hello()))
            for key in list(texts)[: count - done]:
                done += 1
                await ws.send(json.dumps({"type": "say", "id": key, "text": texts[key] + " changed"}))
                conflicts += (await _answer(ws, key))["code"] == "idempotency_conflict"
                await ws.send(json.dumps({"type": "say", "id": key, "text": texts[key]}))
                entry = (await _answer(ws, key)).get("entry", {})
                intact += (entry.get("text"), entry.get("seq")) == (
                    texts[key],
                    visitor.receipts[key][1] if visitor.receipts[key] else 0,
                )
    return conflicts, intact


async def _answer(ws: Any, key: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            frame: dict[str, Any] = json.loads(await ws.recv())
            if frame["type"] == "refused" and frame.get("id") == key:
                return frame
            if frame["type"] == "entry" and frame["entry"].get("key") == key:
                return frame | {"code": ""}


async def _a_day_later(tally: Tally) -> None:
    """25 hours later, on another start of the server, a repeated key is still the same message."""
    folder = Path(tempfile.mkdtemp(prefix="later-"))
    same = refused = 0
    count = 100 if tally.full else 20
    async with open_world(folder / "data", tally.database) as world:
        guest = await world.visitor()
        before = [(f"late-{n:06d}", await guest.says(f"text {n}", key=f"late-{n:06d}")) for n in range(count)]
        world.clock.advance(timedelta(hours=25))
        for n, (key, first) in enumerate(before):
            again = await guest.says(f"text {n}", key=key)
            same += again.repeated and again.entry == first.entry
            try:
                await guest.says("another text", key=key)
            except Conflict:
                refused += 1
    tally.floor("repeated 25 h later: same row", same, count)
    tally.floor("changed 25 h later: refused", refused, count)
