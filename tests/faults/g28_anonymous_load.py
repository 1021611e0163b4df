"""G28: the cost of anonymous clients is bounded: handshakes, idle sockets, boots of the widget, floods of sign-ins."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil
import psycopg
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.faults.crowd import L1, Crowd, percentile
from tests.faults.site import PUBLIC_URL, Site
from tests.faults.sockets import dial, greet
from tests.faults.tally import Tally

TABLES = ("visitors", "contacts", "threads", "tickets", "timeline", "sessions", "attachments", "jobs", "sites_seen")
BUSY_MB = 110.0
ANONYMOUS_ADDRESSES = [f"127.0.0.{number}" for number in range(2, 12)]
BOOT = b'{"hello":{"type":"hello","version":1,"page":{"url":"http://shop.example/"}}}'


async def run(tally: Tally) -> None:
    count = 5_000 if tally.full else 500
    boots, logins = (100_000, 2_000) if tally.full else (400, 100)
    size = L1 if tally.full else {"visitors": 10, "agents": 2}
    # The anonymous clients use ten addresses, the crowd another.
    per_address = 300 if tally.full else 30
    limits = {
        "THREADLINE_ADDRESS_SOCKETS": "300" if tally.full else "30",
        "THREADLINE_LOGIN_ATTEMPTS": "10",
        "THREADLINE_VISITOR_MESSAGES_PER_MINUTE": "400",
    }
    async with Site(tally.database, seed=tally.seed, nodes=1, **limits) as site:
        await site.start()
        crowd = Crowd(site, **size, seed=tally.seed)
        await crowd.start()
        await crowd.talk(20, _for_seconds(3))
        p99_alone = percentile(crowd.ack_times, 0.99)
        crowd.ack_times.clear()
        # The crowd's last messages and their replies are not part of the anonymous clients' cost.
        while crowd.replies or any(visitor.outbox for visitor in crowd.visitors):
            await asyncio.sleep(0.05)
        rows_before, memory = _rows(site), _memory(site)
        stored, completed = await _load_widgets(site, boots)
        refused, opened = await crowd.talk_while(20, _open_idle_sockets(site, count), replies=0.0)
        flooded = await crowd.talk_while(20, _flood_messages(site, crowd, 1_000), replies=0.0)
        unfinished = await crowd.talk_while(20, _open_unfinished_handshakes(site, count), replies=0.0)
        slow = await crowd.talk_while(20, _send_slow_bodies(site, 50), replies=0.0)
        answers = await crowd.talk_while(20, _try_wrong_passwords(site, logins), replies=0.0)
        p99_beside = percentile(crowd.ack_times, 0.99)
        peak = _memory(site)
        rows_after = _rows(site)
        await crowd.settle(20)
        tally.floor("widget loads without a message", completed, boots)
        tally.zero("rows stored by those widget loads", sum(stored.values()), stored)
        crowd_tables = {"timeline", "tickets", "threads", "visitors", "contacts"}  # the crowd's own messages
        grown = {
            name: rows_after[name] - rows_before[name]
            for name in TABLES
            if name not in crowd_tables and rows_after[name] != rows_before[name]
        }
        tally.zero("rows stored for anonymous clients", sum(grown.values()), grown)
        tally.floor("idle sockets tried", refused + opened, count)
        tally.floor(
            "sockets refused beyond the limit of an address", refused, count - per_address * len(ANONYMOUS_ADDRESSES)
        )
        tally.floor("messages sent by one visitor at 1,000/s", flooded.sent, 1_000)
        tally.at_most(
            "messages accepted from that visitor", flooded.accepted, 480
        )  # 400 a minute, and what the limit refills meanwhile
        tally.floor("times that the server disconnected that visitor", flooded.disconnects, 3)
        tally.floor("handshakes left unfinished", unfinished, count)
        tally.floor("request bodies sent byte by byte", slow, 50)
        tally.floor("sign-ins tried", sum(answers.values()), logins)
        tally.floor("sign-ins throttled", answers.get(429, 0), logins // 2)
        tally.zero("wrong sign-ins accepted", answers.get(200, 0))
        tally.note("p99 of the chat before the load, s", p99_alone)
        tally.quick("p99 of the chat during the load, s", p99_beside, max(2 * p99_alone, 0.25))
        # docs/operations.md promises 64 KiB for each socket, beside the memory of a busy process.
        tally.at_most("memory growth, MB", (peak - memory) / 2**20, BUSY_MB + opened / 16)
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=50)


def _for_seconds(seconds: float) -> Any:
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


async def _load_widgets(site: Site, boots: int) -> tuple[dict[str, int], int]:
    """Boots the widget: loads the configuration and says hello without a token, a fourth of them over a socket, then
    disconnects. Looking stores no visitor."""
    rows_before, completed = _rows(site), 0
    head = f"host: 127.0.0.1:{site.nodes[0].port}\r\norigin: {PUBLIC_URL}\r\n"
    config_request = f"GET /widget/config HTTP/1.1\r\n{head}\r\n".encode()
    hello_request = f"POST /widget/poll HTTP/1.1\r\n{head}content-type: application/json\r\ncontent-length: {len(BOOT)}\r\n\r\n".encode()

    async def browser(address: str, number: int) -> None:
        """Many boots over one kept connection, because this machine could not open so many connections."""
        nonlocal completed
        reader, writer = await asyncio.open_connection("127.0.0.1", site.nodes[0].port, local_addr=(address, 0))
        for turn in range(number):
            for request in (config_request, hello_request + BOOT):
                writer.write(request)
                status = await _read_status(reader)
            if turn % 40 == 0:
                async with dial(site, "/ws/visitor", local_addr=(address, 0)) as ws:
                    await greet(ws, page={"url": "http://shop.example/", "title": "Shop"})
            completed += status == 200
        writer.transport.abort()

    await asyncio.gather(*(browser(address, boots // 20) for address in ANONYMOUS_ADDRESSES * 2))
    rows_after = _rows(site)
    return {
        name: rows_after[name] - rows_before[name] for name in TABLES if rows_after[name] != rows_before[name]
    }, completed


async def _read_status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(b" ", 2)[1])


@dataclass
class _Flooded:
    sent: int = 0
    accepted: int = 0
    disconnects: int = 0  # times that the server closed the connection


async def _flood_messages(site: Site, crowd: Crowd, message_count: int) -> _Flooded:
    """One visitor writes as fast as possible and reconnects each time the server disconnects it; counts the accepted
    messages."""
    journal = crowd.journal("flooder")
    flooded, token, deadline = _Flooded(), None, time.monotonic() + 30
    options = {"local_addr": (ANONYMOUS_ADDRESSES[0], 0)}
    while flooded.sent < message_count and time.monotonic() < deadline:
        async with dial(site, "/ws/visitor", **options) as ws:
            with contextlib.suppress(ConnectionClosed):
                token = (await greet(ws, token))["token"] or token
                reading = asyncio.create_task(_read_until_closed(ws))
                while True:
                    await ws.send(json.dumps({"type": "say", "id": f"flood-{flooded.sent:06d}", "text": "flood"}))
                    flooded.sent += 1
                    if flooded.sent % 20 == 0:
                        await asyncio.sleep(0.02)  # a thousand a second
                    if reading.done():
                        break
        flooded.disconnects += 1
    await asyncio.sleep(1)  # waits for messages that are still on their way
    for row in await asyncio.to_thread(crowd.stored):
        if row.key is not None and row.key.startswith("flood-"):
            flooded.accepted += 1
            journal.tried(row.key, row.body)
            journal.acked(row.key, row.thread, row.seq)
    journal.close()
    return flooded


async def _read_until_closed(ws: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in ws:
            pass


async def _open_idle_sockets(site: Site, count: int) -> tuple[int, int]:
    refused = 0
    opened = []
    for start in range(0, count, 50):
        tried = await asyncio.gather(
            *(
                _dial_or_refused(site, ANONYMOUS_ADDRESSES[number % len(ANONYMOUS_ADDRESSES)])
                for number in range(start, start + 50)
            )
        )
        refused += sum(ws is None for ws in tried)
        opened += [ws for ws in tried if ws is not None]
    for ws in opened:
        ws.transport.abort()
    return refused, len(opened)


async def _dial_or_refused(site: Site, address: str) -> Any:
    try:
        return await dial(site, "/ws/visitor", local_addr=(address, 0))
    except InvalidStatus as answer:
        assert answer.response.status_code == 429, answer
        return None


async def _open_unfinished_handshakes(site: Site, count: int) -> int:
    """Opens connections that begin a request and stop in the middle of a header."""
    writers = []
    for number in range(count):
        with contextlib.suppress(OSError):
            source = (ANONYMOUS_ADDRESSES[number % len(ANONYMOUS_ADDRESSES)], 0)
            _, writer = await asyncio.open_connection("127.0.0.1", site.nodes[0].port, local_addr=source)
            writer.write(b"GET /ws/visitor HTTP/1.1\r\nhost: x\r\nupgrade: webso")
            writers.append(writer)
    await asyncio.sleep(1)
    for writer in writers:
        writer.transport.abort()
    return len(writers)


async def _send_slow_bodies(site: Site, count: int) -> int:
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

    return sum(await asyncio.gather(*(drip() for _ in range(count))))


async def _try_wrong_passwords(site: Site, count: int) -> dict[int, int]:
    """Tries far more wrong passwords than an account or an address is allowed."""
    answers: dict[int, int] = {}

    async def attempt(number: int) -> None:
        body = {"email": f"owner{number % 3 or ''}@shop.example", "password": f"wrong password {number}"}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            status, _ = await site.call(None, "POST", "/api/login", body, within=30)
            answers[status] = answers.get(status, 0) + 1

    for start in range(0, count, 20):
        await asyncio.gather(*(attempt(number) for number in range(start, start + 20)))
    return answers
