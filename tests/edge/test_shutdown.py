"""G8, the part of one process: after SIGTERM everybody is told, nobody is waited for in vain, and it ends in ten seconds."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.edge.raw_socket import TEXT, Raw, frame
from tests.running import Running, running
from tests.world import lay_out

LIMITS = {
    "THREADLINE_VISITOR_MESSAGES_PER_MINUTE": "200000",
    "THREADLINE_ADDRESS_CONNECTS_PER_MINUTE": "200000",
    "THREADLINE_ADDRESS_SOCKETS": "5000",
}
pytestmark = pytest.mark.timeout(90)


async def visitor(server: Running) -> Any:
    client = await connect(
        server.url.replace("http", "ws") + "/ws/visitor",
        origin=server.url,
        compression=None,
        proxy=None,  # type: ignore[arg-type]
    )
    await client.send('{"type":"hello","version":1}')
    assert json.loads(await client.recv())["type"] == "ready"
    return client


async def rest(client: Any) -> list[dict[str, Any]]:
    found = []
    with suppress(ConnectionClosed):
        async for text in client:
            found.append(json.loads(text))
    return found


async def test_everybody_is_told_to_come_back_and_the_server_is_gone_at_once(tmp_path: Path) -> None:
    with running(tmp_path / "data", **LIMITS) as server:
        clients = [await visitor(server) for _ in range(20)]
        waiting = [asyncio.create_task(rest(client)) for client in clients]
        async with aiohttp.ClientSession() as http:
            token = await first_token(http, server)
            poll = asyncio.create_task(long_poll(http, server, token))
            await asyncio.sleep(0.5)
            code, seconds = await asyncio.to_thread(server.terminate, 10)
            assert code in (0, -15) and seconds < 4, server.log()
            byes = [[f for f in frames if f["type"] == "bye"] for frames in await asyncio.gather(*waiting)]
            assert all(len(said) == 1 and said[0]["code"] == "restart" for said in byes)
            assert {client.close_code for client in clients} == {1012}
            # They come back one after the other: in no second a quarter of them (G8).
            after = sorted(said[0]["after"] for said in byes)
            assert 4 < max(after) <= 6 and after[0] >= 0.2
            assert all(sum(at <= other < at + 1 for other in after) <= 0.3 * len(after) for at in after)
            status, took = await poll
            assert status == 200 and took < 5, "the long-poll was neither answered nor let go"
        assert "Traceback" not in server.log()


async def first_token(http: aiohttp.ClientSession, server: Running) -> str:
    body = {"hello": {"type": "hello", "version": 1}, "wait": 0}
    async with http.post(server.url + "/widget/poll", json=body, headers={"origin": server.url}) as answer:
        return str((await answer.json())["frames"][0]["token"])


async def long_poll(http: aiohttp.ClientSession, server: Running, token: str) -> tuple[int, float]:
    started = time.monotonic()
    hello = {"type": "hello", "version": 1, "bookmark": {"thread": "x" * 20, "after": 0}}
    headers = {"origin": server.url, "authorization": f"Bearer {token}"}
    async with http.post(server.url + "/widget/poll", json={"hello": hello, "wait": 25}, headers=headers) as answer:
        await answer.read()
        return answer.status, time.monotonic() - started


async def test_sockets_that_never_read_do_not_hold_it_and_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    with running(tmp_path / "data", **LIMITS) as server:
        deaf = [await never_reads(server) for _ in range(5)]
        talker = await visitor(server)
        acknowledged: set[str] = set()

        async def hear() -> None:
            for heard in await rest(talker):
                if heard["type"] == "entry" and heard["entry"]["kind"] == "message":
                    acknowledged.add(heard["entry"]["text"])

        async def talk() -> None:
            with suppress(ConnectionClosed):
                for n in range(100_000):
                    await talker.send(json.dumps({"type": "say", "id": f"key-{n:08d}", "text": f"line {n}"}))
                    await asyncio.sleep(0.005)

        hearing, talking = asyncio.create_task(hear()), asyncio.create_task(talk())
        await asyncio.sleep(1.5)
        code, seconds = await asyncio.to_thread(server.terminate, 10)
        assert code in (0, -15) and seconds < 4, server.log()
        await hearing
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        for raw in deaf:
            raw.writer.transport.abort()
    lines = {text for text in acknowledged if text.startswith("line ")}
    assert len(lines) > 20, "the load was none"
    with sqlite3.connect(tmp_path / "data" / "threadline.db") as db:
        stored = {row[0] for row in db.execute("SELECT body FROM timeline")}
    assert lines - stored == set()


async def never_reads(server: Running) -> Raw:
    """Says hello and much more, and takes nothing of what comes back: the server's buffers are full."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, server.address)
    from tests.edge.raw_socket import handshake

    await loop.sock_sendall(sock, handshake(server.url, server.address))
    await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    raw = Raw(reader, writer)
    writer.write(frame(TEXT, b'{"type":"hello","version":1}'))
    text = "x" * 7_900
    for n in range(700):
        said = json.dumps({"type": "say", "id": f"deaf-{n:08d}", "text": text}).encode()
        writer.write(frame(TEXT, said))
    with_time = asyncio.wait_for(writer.drain(), 20)
    await asyncio.gather(with_time, return_exceptions=True)
    return raw


async def test_a_handler_and_a_writer_that_hang_do_not_hold_it_either(tmp_path: Path) -> None:
    """The first commit after the two of a start hangs for a minute, and every other behind it: whoever waits is let go."""
    lay_out(tmp_path / "data", "sqlite")
    with running(
        tmp_path / "data", laid_out=False, THREADLINE_FAILPOINTS="before_commit=sleep:60000@3", **LIMITS
    ) as server:
        client = await visitor(server)
        for n in range(3):
            await client.send(json.dumps({"type": "say", "id": f"hang-{n:08d}", "text": "Hello?"}))
            await asyncio.sleep(0.3)
        async with aiohttp.ClientSession() as http:
            stuck = asyncio.create_task(say_over_http(http, server))
            await asyncio.sleep(0.5)
            assert not stuck.done(), "nothing hangs: nothing is proven"
            code, seconds = await asyncio.to_thread(server.terminate, 10)
            assert code in (0, -15) and seconds <= 10, server.log()
            await asyncio.gather(stuck, return_exceptions=True)
        assert "shutdown_forced" in server.log()
        await client.close()
    with running(tmp_path / "data", laid_out=False, **LIMITS):
        pass  # and it starts again as if nothing had been


async def say_over_http(http: aiohttp.ClientSession, server: Running) -> int:
    token = await first_token(http, server)
    body = {"type": "say", "id": "hang-over-http", "text": "Hello?"}
    headers = {"origin": server.url, "authorization": f"Bearer {token}"}
    async with http.post(server.url + "/widget/send", json=body, headers=headers) as answer:
        return answer.status
