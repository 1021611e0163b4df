"""G28: the cost of anonymous clients is bounded. Each address has a share, all together have a limit, and nothing is stored for
them."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.errors import Busy
from server.schema import metadata
from server.web import auth
from tests.edge.raw_socket import TEXT, Raw, frame, handshake
from tests.online import Online, open_online

KIB_PER_SOCKET = 64


async def count_rows(online: Online) -> int:
    return sum([await online.world.count(table) for table in metadata.sorted_tables])


async def boot(online: Online) -> dict[str, Any]:
    hello = {"type": "hello", "version": 1, "page": {"url": "https://shop.example/", "title": "Shop"}}
    answer = await online.send("POST", "/widget/poll", {"hello": hello, "wait": 0})
    assert answer.status == 200
    return dict(answer.json()["frames"][0])


async def test_a_thousand_visitors_who_write_nothing_store_nothing(online: Online) -> None:
    rows_before = await count_rows(online)
    tokens = {(await boot(online))["token"] for _ in range(300)}
    for _ in range(300):
        assert (await online.get("/widget/config")).status == 200
    zoe = await online.visitor()
    for kind in (
        {"type": "typing"},
        {"type": "page", "page": {"url": "https://shop.example/x"}},
        {"type": "seen", "seq": 3},
    ):
        await zoe.wire.says(kind)
    await zoe.wire.says({"type": "introduce", "id": "key-00000001", "name": "Zoe", "email": "zoe@example.com"})
    await zoe.wire.settles()
    assert len(tokens) == 300
    assert await count_rows(online) == rows_before
    await zoe.says("Now.")
    assert await count_rows(online) > rows_before, "precondition: a stored message changes the number of rows"


async def test_sockets_and_polls_of_one_address_share_a_limit(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", address_sockets=5) as online:
        open_now = [await online.dial() for _ in range(5)]
        assert await is_refused(online)
        busy = await online.send("POST", "/widget/poll", {"hello": {"type": "hello", "version": 1}, "wait": 0})
        assert busy.status == 429 and busy.code == "rate_limited"
        await open_now[0].leaves()
        for _ in range(100):
            if online.hub.address_places.total < 5:
                break
            await asyncio.sleep(0.02)
        later_socket = await online.dial()
        # A visitor at another address is not limited: behind a trusted proxy the address is the customer's own.
        other_socket = await online.dial(headers={"x-forwarded-for": "203.0.113.80"})
        for wire in (*open_now[1:], later_socket, other_socket):
            await wire.leaves()
        await asyncio.sleep(0.1)
        assert online.hub.address_places.total == 0 and not online.hub.address_places._counts


async def is_refused(online: Online, **headers: str) -> bool:
    extra = tuple(f"{name}: {value}" for name, value in headers.items())
    answer = await online.says_raw(handshake(online.url, online.address, extra=extra), wait=2)
    return answer.startswith(b"HTTP/1.1 429")


async def test_all_sockets_together_have_a_limit_even_if_opened_at_once(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", max_sockets=20) as online:
        zoe = await online.visitor(over="poll")
        answers = await asyncio.gather(
            *(
                online.says_raw(
                    handshake(online.url, online.address, extra=(f"X-Forwarded-For: 203.0.113.{n}",)),
                    quiet=3,  # accepted sockets stay open until the last attempt, however long that takes
                )
                for n in range(60)
            )
        )
        accepted = sum(answer.startswith(b"HTTP/1.1 101") for answer in answers)
        assert accepted == 20, accepted
        assert sum(answer.startswith(b"HTTP/1.1 429") for answer in answers) == 40
        ana = await online.agent("ana")  # agents' sockets are not counted
        assert ana.wire is not None
        await asyncio.sleep(0.2)
        await zoe.says("There is room again.")


async def test_too_many_connects_from_one_address_are_refused_for_a_while(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", address_connects_per_minute=10) as online:
        for _ in range(10):
            await (await online.dial()).leaves()
        assert await is_refused(online)
        assert not await is_refused(online, **{"X-Forwarded-For": "203.0.113.80"})


@pytest.mark.parametrize("greet", [False, True])
async def test_a_thousand_idle_sockets_stay_under_the_documented_memory(tmp_path: Path, greet: bool) -> None:
    """docs/operations.md promises 64 KiB per socket. Client and server share this process, so the true cost is
    lower."""
    async with open_online(tmp_path / "data", address_sockets=5_000) as online:
        warm_up = [await Raw.dial(online.address, online.url) for _ in range(50)]
        gc.collect()
        memory_before = psutil.Process().memory_full_info().uss
        sockets = []
        for _ in range(1_000):
            raw = await Raw.dial(online.address, online.url)
            if greet:
                await raw.send(frame(TEXT, b'{"type":"hello","version":1}'))
                assert await raw.deliver() is not None
            sockets.append(raw)
        gc.collect()
        bytes_per_socket = (psutil.Process().memory_full_info().uss - memory_before) / 1_000
        open_sockets = online.hub.address_places.total
        for raw in (*warm_up, *sockets):
            raw.writer.transport.abort()
        assert open_sockets > 900, "the test needs all sockets open at the same time"
        assert bytes_per_socket < KIB_PER_SOCKET * 1024, f"{bytes_per_socket / 1024:.0f} KiB a socket"


async def test_refused_visitors_do_not_write_a_log_line_each(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_online(tmp_path / "data", address_connects_per_minute=1) as online:
        await (await online.dial()).leaves()
        for _ in range(20):
            assert await is_refused(online)
        assert len(caplog.records) < 5, caplog.text[-500:]


async def test_a_refused_or_aborted_handshake_logs_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_online(tmp_path) as online:
        address = online.address
        ana = await online.agent("ana", socket=False)

        async def attempts_handshake(path: str, headers: str = "", *, leave: bool) -> bytes:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            if leave:
                await writer.drain()
                writer.transport.abort()
                return b""
            line = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            return line

        own_origin = f"Origin: {online.app.settings.public_url}\r\n"
        with caplog.at_level(logging.WARNING):
            for _ in range(10):
                for path in ("/ws/visitor", "/ws/agent", "/ws/nothing"):
                    await attempts_handshake(path, leave=True)
                    await attempts_handshake(path, own_origin, leave=True)

            async def busy(*_: object) -> None:
                raise Busy("The database is away.")

            monkeypatch.setattr(online.hub.settings, "get", busy)
            monkeypatch.setattr(auth, "agent_from_cookie", busy)
            assert b" 503 " in await attempts_handshake("/ws/visitor", own_origin, leave=False)
            assert b" 503 " in await attempts_handshake(
                "/ws/agent", f"{own_origin}Cookie: {ana.cookie}\r\n", leave=False
            )
            monkeypatch.undo()
            zoe = await online.visitor()
            await zoe.says("Still here")
        assert caplog.records == [], caplog.text[-2_000:]
