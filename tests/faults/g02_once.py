"""G2: pressing Send once stores one message, however often the request is repeated and however bad the network is."""

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
    """Selects the frames that acknowledge a message. The proxy may drop each of them twice; the third copy passes."""

    def __init__(self) -> None:
        self.passed: Counter[bytes] = Counter()

    def __call__(self, payload: bytes) -> bool:
        result = re.search(rb'"key":"([^"]+)"', payload)
        if result is None:
            return False
        self.passed[result[1]] += 1
        return self.passed[result[1]] <= 2


async def run(tally: Tally) -> None:
    sends, changed = (10_000, 200) if tally.full else (1_000, 50)
    async with open_site(tally.database, seed=tally.seed) as site:
        dice = tally.random
        async with Proxy(lambda: dice.choice(site.nodes).port, tally.seed) as proxy:
            proxy.faults = Faults(drop_down=0.5, matching=Receipts(), cut_down=0.05, cut_up=0.01, repeat_up=0.1)
            # Visitors connect through the proxy; two consoles connect directly, one to each node.
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
            proxy.reset_all()  # after a dropped frame real TCP would cut the connection; the proxy did not
            settled = await crowd.settle(60)
            faults = proxy.done
        verdict = await asyncio.to_thread(crowd.verdict)
        tally.floor("frames dropped", faults.dropped, sends // 2)
        tally.floor("connections cut", faults.cut, sends // 50)
        tally.floor("frames repeated", faults.repeated, sends // 20)
        tally.zero("clients not up to date at the end", int(not settled))
        tally.zero("entries shown with two contents", crowd.violations)
        rows = sum(row.key is not None for row in await asyncio.to_thread(crowd.stored))
        tally.zero("missing or surplus rows", abs(rows - sends))
        verdict.into(tally, floor=sends)
        conflicts, intact = await _changed_bodies(crowd.visitors, changed, site.nodes[-1].url)
        tally.floor("repeats with another text: refused", conflicts, changed)
        tally.floor("repeats with another text: original row unchanged", intact, changed)
        rows_after = sum(row.key is not None for row in await asyncio.to_thread(crowd.stored))
        tally.zero("repeats with another text: rows added", rows_after - rows)
    await _a_day_later(tally)


async def _changed_bodies(visitors: list[Visitor], count: int, base: str) -> tuple[int, int]:
    """Reuses client keys with another text: the server must refuse each with `idempotency_conflict` and keep the first
    text."""
    conflicts = intact = tried = 0
    for visitor in visitors:
        if tried >= count:
            break
        texts = {entry["key"]: entry["text"] for entry in visitor.screen.values() if entry.get("key")}
        options: dict[str, Any] = {"compression": None, "origin": PUBLIC_URL, "proxy": None}
        async with connect(socket_url(base, visitor.path), **options) as ws:
            await ws.send(json.dumps(visitor.hello()))
            for key in list(texts)[: count - tried]:
                tried += 1
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
    """After 25 hours and a restart of the server, a repeated key still stores no second message."""
    folder = Path(tempfile.mkdtemp(prefix="later-"))
    same = refused = 0
    count = 100 if tally.full else 20
    async with open_world(folder / "data", tally.database) as world:
        guest = await world.visitor()
        before = [(f"late-{n:06d}", await guest.says(f"text {n}", key=f"late-{n:06d}")) for n in range(count)]
        world.clock.advance(timedelta(hours=25))
        for n, (key, first) in enumerate(before):
            repeated = await guest.says(f"text {n}", key=key)
            same += repeated.repeated and repeated.entry == first.entry
            try:
                await guest.says("another text", key=key)
            except Conflict:
                refused += 1
    tally.floor("repeats 25 h later: same row", same, count)
    tally.floor("repeats 25 h later with another text: refused", refused, count)
