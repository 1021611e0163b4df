"""G28: what strangers cost is bounded: handshakes, idle sockets, boots of the widget, floods of sign-ins."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import Any

import aiohttp
import psutil
import psycopg
from websockets.exceptions import InvalidStatus

from tests.faults.crowd import Crowd, percentile
from tests.faults.site import PUBLIC_URL, Site
from tests.faults.sockets import dial, greet
from tests.faults.tally import Tally

TABLES = ("visitors", "contacts", "threads", "tickets", "timeline", "sessions", "attachments", "jobs", "sites_seen")
CEILING_MB = 200.0


async def run(tally: Tally) -> None:
    many = 5_000 if tally.full else 500
    boots, logins = (20_000, 2_000) if tally.full else (400, 100)
    limits = {"THREADLINE_ADDRESS_SOCKETS": "300", "THREADLINE_LOGIN_ATTEMPTS": "10"}
    async with Site(tally.database, seed=tally.seed, nodes=1, **limits) as site:
        await site.start()
        crowd = Crowd(site, visitors=10, agents=2, seed=tally.seed)
        await crowd.start()
        await crowd.talk(20, _for(3))
        quiet = percentile(crowd.ack_times, 0.99)
        crowd.ack_times.clear()
        before, memory = _rows(site), _memory(site)
        stored, held = await _boots(site, boots)
        refused, opened = await crowd.talk_while(20, _idle_sockets(site, many), replies=0.0)
        unfinished = await crowd.talk_while(20, _unfinished(site, many), replies=0.0)
        slow = await crowd.talk_while(20, _slow_bodies(site, 50), replies=0.0)
        answers = await crowd.talk_while(20, _logins(site, logins), replies=0.0)
        loud = percentile(crowd.ack_times, 0.99)
        peak = _memory(site)
        after = _rows(site)
        await crowd.settle(20)
        tally.floor("boots of the widget", held, boots)
        tally.zero("rows stored by boots", stored)
        mine = {"timeline", "tickets", "threads", "visitors", "contacts"}  # the crowd's own words
        grown = {
            name: after[name] - before[name] for name in TABLES if name not in mine and after[name] != before[name]
        }
        tally.zero("rows stored by strangers", sum(grown.values()), grown)
        tally.floor("idle sockets tried", refused + opened, many)
        tally.floor("sockets refused beyond the limit of an address", refused, many - 300)
        tally.floor("handshakes left unfinished", unfinished, many)
        tally.floor("bodies byte by byte", slow, 50)
        tally.floor("sign-ins tried", sum(answers.values()), logins)
        tally.floor("sign-ins throttled", answers.get(429, 0), logins // 2)
        tally.zero("sign-ins let in", answers.get(200, 0))
        tally.note("chat p99 alone, s", quiet)
        tally.quick("chat p99 beside them, s", loud, max(2 * quiet, 0.25))
        tally.at_most("memory growth, MB", (peak - memory) / 2**20, CEILING_MB)
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=50)


def _for(seconds: float) -> Any:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _memory(site: Site) -> int:
    return int(psutil.Process(site.nodes[0].pid).memory_info().rss)


def _rows(site: Site) -> dict[str, int]:
    if site.kind == "sqlite":
        with sqlite3.connect(f"file:{site.sqlite_path()}?mode=ro", uri=True) as db:
            return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    with psycopg.connect(site.database_url.replace("+psycopg", "")) as pg:
        return {name: pg.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}  # type: ignore[call-overload, index]


async def _boots(site: Site, boots: int) -> tuple[int, int]:
    """Configuration, frame and a hello without a token, then gone: nobody is stored for looking."""
    before, done = _rows(site), 0

    async def boot() -> None:
        nonlocal done
        await site.call(None, "GET", "/widget/config")
        hello = {"hello": {"type": "hello", "version": 1, "page": {"url": "http://shop.example/"}}}
        status, _ = await site.call(None, "POST", "/widget/poll", hello)
        if done % 4 == 0:
            async with dial(site, "/ws/visitor") as ws:
                await greet(ws, page={"url": "http://shop.example/", "title": "Shop"})
        done += status == 200

    for start in range(0, boots, 20):
        await asyncio.gather(*(boot() for _ in range(start, min(boots, start + 20))))
    return sum(_rows(site).values()) - sum(before.values()), done


async def _idle_sockets(site: Site, many: int) -> tuple[int, int]:
    refused = 0
    opened = []
    for start in range(0, many, 50):
        tried = await asyncio.gather(*(_one_socket(site) for _ in range(start, start + 50)))
        refused += sum(ws is None for ws in tried)
        opened += [ws for ws in tried if ws is not None]
    for ws in opened:
        ws.transport.abort()
    return refused, len(opened)


async def _one_socket(site: Site) -> Any:
    try:
        return await dial(site, "/ws/visitor")
    except InvalidStatus as answer:
        assert answer.response.status_code == 429, answer
        return None


async def _unfinished(site: Site, many: int) -> int:
    """Connections that begin a request and stop in the middle of a header."""
    writers = []
    for _ in range(many):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", site.nodes[0].port)
            writer.write(b"GET /ws/visitor HTTP/1.1\r\nhost: x\r\nupgrade: webso")
            writers.append(writer)
    await asyncio.sleep(1)
    for writer in writers:
        writer.transport.abort()
    return len(writers)


async def _slow_bodies(site: Site, many: int) -> int:
    async def drip() -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", site.nodes[0].port)
        writer.write(
            f"POST /api/login HTTP/1.1\r\nhost: x\r\norigin: {PUBLIC_URL}\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n".encode()
        )
        for _ in range(3):
            writer.write(b" ")
            await asyncio.sleep(0.5)
        writer.transport.abort()
        return 1

    return sum(await asyncio.gather(*(drip() for _ in range(many))))


async def _logins(site: Site, many: int) -> dict[int, int]:
    """Wrong passwords, far more than an account or an address is allowed."""
    answers: dict[int, int] = {}

    async def attempt(number: int) -> None:
        body = {"email": f"owner{number % 3 or ''}@shop.example", "password": f"wrong password {number}"}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            status, _ = await site.call(None, "POST", "/api/login", body, within=30)
            answers[status] = answers.get(status, 0) + 1

    for start in range(0, many, 20):
        await asyncio.gather(*(attempt(number) for number in range(start, start + 20)))
    return answers
