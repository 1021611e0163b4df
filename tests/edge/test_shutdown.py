"""G8 for one process: after SIGTERM every client gets `bye`, no dead client delays the exit, and the process ends
within ten seconds."""

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
    "THREADLINE_ADDRESS_MESSAGES_PER_MINUTE": "200000",
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


async def remaining_frames(client: Any) -> list[dict[str, Any]]:
    results = []
    with suppress(ConnectionClosed):
        async for text in client:
            results.append(json.loads(text))
    return results


async def test_every_client_gets_bye_and_the_server_exits_quickly(tmp_path: Path) -> None:
    with running(tmp_path / "data", **LIMITS) as server:
        clients = [await visitor(server) for _ in range(20)]
        waiting = [asyncio.create_task(remaining_frames(client)) for client in clients]
        async with aiohttp.ClientSession() as http:
            token = await first_token(http, server)
            poll = asyncio.create_task(long_poll(http, server, token))
            await asyncio.sleep(0.5)
            code, seconds = await asyncio.to_thread(server.terminate, 10)
            assert code in (0, -15) and seconds < 4, server.log()
            byes = [[f for f in frames if f["type"] == "bye"] for frames in await asyncio.gather(*waiting)]
            assert all(len(frames) == 1 and frames[0]["code"] == "restart" for frames in byes)
            assert {client.close_code for client in clients} == {1012}
            # The clients reconnect spread over time: at most a quarter of them in one second (G8).
            delays = sorted(frames[0]["after"] for frames in byes)
            assert 4 < max(delays) <= 6 and delays[0] >= 0.2
            assert all(sum(moment <= other < moment + 1 for other in delays) <= 0.3 * len(delays) for moment in delays)
            status, elapsed = await poll
            assert status == 200 and elapsed < 5, "the long-poll was neither answered nor released"
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


async def test_sockets_that_never_read_do_not_delay_the_exit_and_acknowledged_messages_are_stored(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "data", **LIMITS) as server:
        silent_clients = [await never_reads(server) for _ in range(5)]
        talker = await visitor(server)
        acknowledged: set[str] = set()

        async def deliver() -> None:
            for frame in await remaining_frames(talker):
                if frame["type"] == "entry" and frame["entry"]["kind"] == "message":
                    acknowledged.add(frame["entry"]["text"])

        async def talk() -> None:
            with suppress(ConnectionClosed):
                for n in range(100_000):
                    await talker.send(json.dumps({"type": "say", "id": f"key-{n:08d}", "text": f"line {n}"}))
                    await asyncio.sleep(0.005)

        delivery, talking = asyncio.create_task(deliver()), asyncio.create_task(talk())
        await asyncio.sleep(1.5)
        code, seconds = await asyncio.to_thread(server.terminate, 10)
        assert code in (0, -15) and seconds < 4, server.log()
        await delivery
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        for raw in silent_clients:
            raw.writer.transport.abort()
    lines = {text for text in acknowledged if text.startswith("line ")}
    assert len(lines) > 20, "the test needs load at the time of the stop"
    with sqlite3.connect(tmp_path / "data" / "threadline.db") as db:
        stored = {row[0] for row in db.execute("SELECT body FROM timeline")}
    assert lines - stored == set()


async def never_reads(server: Running) -> Raw:
    """Says hello, sends many frames and reads no answer, so that the server's buffers fill."""
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
        message = json.dumps({"type": "say", "id": f"deaf-{n:08d}", "text": text}).encode()
        writer.write(frame(TEXT, message))
    with_time = asyncio.wait_for(writer.drain(), 20)
    await asyncio.gather(with_time, return_exceptions=True)
    return raw


async def test_a_hanging_handler_and_writer_do_not_delay_the_exit(tmp_path: Path) -> None:
    """The third commit after the start hangs for a minute and blocks all later ones: waiting requests are released."""
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
            assert not stuck.done(), "the test needs a request that hangs"
            code, seconds = await asyncio.to_thread(server.terminate, 10)
            assert code in (0, -15) and seconds <= 10, server.log()
            await asyncio.gather(stuck, return_exceptions=True)
        assert "shutdown_forced" in server.log()
        await client.close()
    with running(tmp_path / "data", laid_out=False, **LIMITS):
        pass  # the server starts again normally


async def say_over_http(http: aiohttp.ClientSession, server: Running) -> int:
    token = await first_token(http, server)
    body = {"type": "say", "id": "hang-over-http", "text": "Hello?"}
    headers = {"origin": server.url, "authorization": f"Bearer {token}"}
    async with http.post(server.url + "/widget/send", json=body, headers=headers) as answer:
        return answer.status
