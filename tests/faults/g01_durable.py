"""G1: acknowledged messages survive SIGKILL at any moment, and a power cut."""

from __future__ import annotations

import asyncio
import time

from tests.faults import oracle, order
from tests.faults.crowd import Crowd
from tests.faults.site import Node, Site, open_site
from tests.faults.tally import Tally

PER_S = 25.0
# The failpoints at which G1 and F2 kill a server. Each is armed for a visit that the load reaches soon.
POINTS = {
    "before_commit": "kill@20",
    "after_commit": "kill@20",
    "before_publish": "kill@20",
    "before_response": "kill@5",
    "before_redis_publish": "kill@20",
}


async def run(tally: Tally) -> None:
    kills, visits = (60, 5) if tally.full else (10, 1)
    await _random_kills(tally, kills)
    await _kills_at_points(tally, visits)
    if tally.database == "sqlite":
        await _order(tally, 1000 if tally.full else 300)


async def _restart(site: Site, crowd: Crowd, node: Node, tally: Tally, name: str) -> float:
    """Starts the killed node; returns the seconds from the start of the process to the first message acknowledged
    through it."""
    probe = crowd.visitor(name, where=lambda: node.url)
    probe.start()
    key = await probe.say(f"are you back, {name}?")
    started = time.monotonic()
    node.start()
    while probe.receipts[key] is None:
        if time.monotonic() - started > 60 or not node.alive:
            tally.wrong.append(f"{name}: no acknowledgement after a restart; {node.tail()}")
            break
        await asyncio.sleep(0.01)
    seconds = time.monotonic() - started
    await probe.stop()
    if site.kind == "sqlite":
        state = await asyncio.to_thread(oracle.integrity, site.sqlite_path())
        if state != "ok":
            tally.wrong.append(f"{name}: integrity_check says {state[:300]}")
    return seconds


async def _random_kills(tally: Tally, kills: int) -> None:
    longest = 5.0 if tally.full else 1.5
    async with open_site(tally.database, seed=tally.seed) as site:
        crowd = Crowd(site, seed=tally.seed)
        await crowd.start()
        restarts: list[float] = []

        async def kill_repeatedly() -> None:
            for number in range(kills):
                await asyncio.sleep(tally.random.uniform(0.2, longest))
                node = tally.random.choice(site.nodes)
                node.kill()
                restarts.append(await _restart(site, crowd, node, tally, f"probe-{number}"))

        await crowd.talk_while(PER_S, kill_repeatedly())
        settled = await crowd.settle(40)
        tally.floor("kills", len(restarts), kills)
        tally.zero("clients not up to date at the end", int(not settled))
        tally.quick("slowest restart to the first acknowledgement, s", max(restarts), 3.0)
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=kills * 12)


async def _kills_at_points(tally: Tally, times: int) -> None:
    """For each failpoint, `times` times: starts the server with the failpoint armed, waits until it dies there,
    restarts it."""
    names = [name for name in POINTS if name != "before_redis_publish" or tally.database == "postgres"]
    async with open_site(tally.database, seed=tally.seed + 1) as site:
        crowd = Crowd(site, seed=tally.seed + 1)
        await crowd.start()
        missed: list[str] = []
        node = site.nodes[0]

        async def kill_repeatedly() -> None:
            for number, name in enumerate(names * times):
                node.kill()
                node.start(f"{name}={POINTS[name]}")
                deadline = time.monotonic() + 60
                while node.alive and time.monotonic() < deadline:
                    await asyncio.sleep(0.01)
                if node.alive:
                    missed.append(name)
                    node.kill()
                await _restart(site, crowd, node, tally, f"point-{number}-{name}")
                await asyncio.sleep(1.5)  # a server that starts at once leaves little time to send a message

        await crowd.talk_while(PER_S, kill_repeatedly(), replies=0.4)
        await crowd.settle(40)
        verdict = await asyncio.to_thread(crowd.verdict)
        for name in names:
            tally.floor(f"kills at `{name}`", site.visits(name), times)
        tally.zero("failpoints not reached", len(missed), missed)
        for name in oracle.BAD:
            tally.zero(
                f"{oracle.LABELS[name]} (kills at failpoints)", verdict.classes[name], verdict.examples.get(name, "")
            )
        tally.floor(f"{oracle.LABELS['ok']} (kills at failpoints)", verdict.classes["ok"], 40 * len(names) * times)


async def _order(tally: Tally, messages: int) -> None:
    if order.COMPILER is None:
        tally.lacks("order of ack and sync: no C compiler for the preloaded watcher (Debian: apt-get install gcc)")
        return
    full = await order.watch(messages, sync="FULL", seed=tally.seed)
    tally.floor("acknowledgements watched", full.acked, messages)
    tally.floor("syncs watched", full.syncs, 10)
    tally.zero("acknowledgements before their sync", full.early)
    # A self-test of the watcher: with NORMAL it must see an acknowledgement before the sync.
    normal = await order.watch(max(100, messages // 3), sync="NORMAL", seed=tally.seed)
    tally.floor("early acknowledgements with sync NORMAL (self-test)", normal.early, 50)
