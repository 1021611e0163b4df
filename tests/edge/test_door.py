"""H1, H6, A21, P4: what strangers can do to the port before any of our code sees a request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from server.web import door
from server.web import http as web
from tests.online import Online

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def status(answer: bytes) -> int | None:
    return int(answer.split(b" ", 2)[1]) if answer else None


BAD = {
    "a header line of 64 KB": (GET + b"X-Long: " + b"y" * 65_536 + b"\r\n\r\n", {431}),
    "a header that never ends": (GET + b"X-Long: " + b"y" * 200_000, {431}),
    "a header name that never ends": (GET + b"y" * 200_000, {400, 431}),
    "a path of 64 KB": (b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400, 414, 431}),
    "1,000 headers": (GET + b"".join(b"X-%d: y\r\n" % n for n in range(1_000)) + b"\r\n", {431}),
    "NUL in a header": (GET + b"X-A: a\x00b\r\n\r\n", {400}),
    "a folded header": (GET + b"X-A: a\r\n b\r\n\r\n", {400}),
    "space before the colon": (GET + b"X-A : a\r\n\r\n", {400}),
    "two lengths": (b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", {400}),
    "a length and chunks": (
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "a negative length": (b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", {400}),
    "a bad chunk size": (
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        {400, 403},
    ),
    "no request at all": (b"hello\r\n\r\n", {400}),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_request_that_is_none_is_refused_and_the_connection_ended(online: Online, name: str) -> None:
    data, allowed = BAD[name]
    answer = await online.says_raw(data, wait=4)
    assert status(answer) in allowed, answer[:200]
    assert answer.count(b"HTTP/1.1") == 1 and b"Traceback" not in answer
    assert (await online.get("/healthz")).status == 200


async def test_headers_as_large_as_browsers_and_proxies_make_them_pass(online: Online) -> None:
    many = b"".join(b"X-%d: y\r\n" % n for n in range(90))
    answer = await online.says_raw(GET + many + b"Cookie: a=" + b"b" * 16_000 + b"\r\nConnection: close\r\n\r\n")
    assert status(answer) == 200


async def ended(reader: asyncio.StreamReader, within: float) -> bytes:
    async with asyncio.timeout(within):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


async def answered(online: Online) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that had one request, and its answer."""
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(GET + b"\r\n")
    assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    return reader, writer


async def test_who_says_nothing_or_dawdles_over_headers_is_not_waited_for(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HEADERS_S", 0.4)
    silent, quiet = await asyncio.open_connection(*online.address)
    slow, writer = await asyncio.open_connection(*online.address)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            for byte in GET + b"X-A: " + b"y" * 1_000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert await ended(silent, 3) == b""
    assert status(await ended(slow, 3)) == 408
    dripping.cancel()
    quiet.close()
    writer.close()


async def test_a_second_request_on_a_connection_is_held_to_the_same(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HEADERS_S", 0.4)
    reader, writer = await answered(online)
    await asyncio.sleep(0.8)  # between requests it may rest
    writer.write(GET + b"\r\n")
    assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    writer.write(GET)
    assert status(await ended(reader, 3)) == 408
    writer.close()


async def test_a_body_that_stands_still_or_trickles_is_not_waited_for(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "PAUSE_S", 0.4)
    monkeypatch.setattr(door, "HEADERS_S", 0.5)
    head = (
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\n"
        b"Content-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    )
    assert status(await online.says_raw(head + b'{"email":', wait=3)) == 408
    monkeypatch.setattr(web, "SLOWEST", web.MAX_BODY * 10)  # so that trickling may last half a second in all
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(head)
    started = asyncio.get_running_loop().time()
    answer = asyncio.create_task(ended(reader, 5))
    while not answer.done():
        with contextlib.suppress(ConnectionError):
            writer.write(b" ")
            await writer.drain()
        await asyncio.sleep(0.1)
    assert status(await answer) == 408
    assert asyncio.get_running_loop().time() - started < 2
    writer.close()


async def test_who_goes_on_sending_after_the_answer_is_cut_off(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than a busy machine may hold up both ends at once: a cut takes an answer along that is not read yet.
    monkeypatch.setattr(door, "HEADERS_S", 1.5)
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(b"POST /api/files HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
    answer = asyncio.create_task(ended(reader, 8))
    started = asyncio.get_running_loop().time()
    while not answer.done():
        with contextlib.suppress(ConnectionError):
            writer.write(b"z")
            await writer.drain()
        await asyncio.sleep(0.1)
    assert status(await answer) == 403  # no Origin
    assert asyncio.get_running_loop().time() - started < 4
    writer.close()


async def test_hundreds_of_half_open_requests_go_away_and_the_others_are_served(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HEADERS_S", 1.5)
    zoe = await online.visitor()
    held = [await asyncio.open_connection(*online.address) for _ in range(400)]
    for _, writer in held:
        writer.write(GET)
    await zoe.says("Between them.")
    assert (await online.get("/healthz")).status == 200
    await asyncio.gather(*(ended(reader, 10) for reader, _ in held))
    for _, writer in held:
        writer.close()


CHUNKED = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize("trailer", [b"X-A: y\r\n" * 5_000, b"y" * 30_000], ids=["many", "one that never ends"])
async def test_what_follows_a_body_in_chunks_has_an_end_too(online: Online, trailer: bytes) -> None:
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(b"POST /api/login HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\n" + CHUNKED)
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 3_000_000 and not reader.at_eof():
            writer.write(trailer)
            await writer.drain()
            await asyncio.sleep(0.01)
            sent += len(trailer)
    assert status(await ended(reader, 3)) in (431, None) and sent < 1_000_000
    writer.close()


async def test_line_ends_between_requests_hold_no_connection(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HEADERS_S", 0.4)
    reader, writer = await answered(online)
    await asyncio.sleep(0.05)
    writer.write(b"\r\n")
    assert await ended(reader, 3) == b""
    writer.close()


async def test_a_socket_outlives_the_clock_of_its_handshake(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HEADERS_S", 0.3)
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(upgrade(online))
    assert status(await reader.readuntil(b"\r\n\r\n")) == 101
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), 1)
    writer.close()


def rests(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    real = door.Http.__init__

    def hasty(self: door.Http, *args: Any, **more: Any) -> None:
        real(self, *args, **more)
        self.timeout_keep_alive = seconds  # type: ignore[assignment]

    monkeypatch.setattr(door.Http, "__init__", hasty)


def upgrade(online: Online) -> bytes:
    return (
        b"GET /ws/visitor HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )


async def test_a_connection_rests_as_long_as_it_may_and_no_longer(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests(monkeypatch, 0.5)
    reader, writer = await asyncio.open_connection(*online.address)
    started = asyncio.get_running_loop().time()
    for _ in range(5):  # 1.2 s in all: the clock counts from the last answer
        writer.write(GET + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.3)
    assert await ended(reader, 3) == b""
    assert 1.5 < asyncio.get_running_loop().time() - started < 2.5
    writer.close()


async def test_a_socket_outlives_the_rest_of_a_request_before_it(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests(monkeypatch, 0.3)
    reader, writer = await answered(online)
    # The second request has no answer yet when the third makes the connection a socket.
    writer.write(GET + b"\r\n" + upgrade(online))
    answer = await reader.readuntil(b"\r\n\r\n")
    while b" 101 " not in answer:
        answer += await reader.readuntil(b"\r\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), 1)
    writer.close()


async def test_a_long_answer_outlives_the_rest_a_connection_may_take(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests(monkeypatch, 0.2)
    reader, writer = await answered(online)
    body = b"{}" + b" " * 50
    writer.write(
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    for byte in body:  # half a second, over the end of the clock that the first answer set
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)
    assert status(await reader.readuntil(b"\r\n\r\n")) in (400, 422)
    writer.close()


async def test_a_request_behind_a_large_body_is_not_charged_with_it(online: Online) -> None:
    reader, writer = await asyncio.open_connection(*online.address)
    body = b" " * 40_000
    writer.write(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body + GET)
    await asyncio.sleep(0.3)
    writer.write(b"Connection: close\r\n\r\n")
    answers = await ended(reader, 5)
    assert answers.startswith(b"HTTP/1.1 403") and answers.endswith(b"\r\n\r\nok")  # no Origin; and then the GET
    writer.close()


class Sink(asyncio.Transport):
    """A transport that keeps each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def test_head_and_body_of_an_answer_leave_in_one_write() -> None:
    sink = Sink()
    answers = door._Answers(sink)
    answers.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert sink.writes.pop() == b"HTTP/1.1 100 Continue\r\n\r\n", "somebody waits for it"
    answers.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert sink.writes == []
    answers.write(b"first")
    answers.write(b"HTTP/1.1 100 of a file")
    answers.done()
    assert sink.writes == [b"HTTP/1.1 200 OK\r\n\r\nfirst", b"HTTP/1.1 100 of a file"]
    answers.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    answers.done()
    assert sink.writes[2:] == [b"HTTP/1.1 204 No Content\r\n\r\n"]
    answers.write(b"HTTP/1.1 200 OK\r\n\r\n")
    answers.close()
    assert sink.writes[3:] == [b"HTTP/1.1 200 OK\r\n\r\n"] and answers.is_closing()


async def test_answers_without_a_body_and_to_requests_in_a_row_come_whole(online: Online) -> None:
    head = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n"
    last = b"Connection: close\r\n\r\n"
    got = await online.says_raw(GET + b"\r\n" + head + b"\r\n" + GET + b"\r\n" + head + last)
    assert got.count(b"HTTP/1.1 ") == 4
    _, body, *rest = got.split(b"\r\n\r\n")
    assert body.startswith(b"okHTTP/1.1 ") and rest[1].startswith(b"okHTTP/1.1 ") and rest[-1] == b""


async def test_who_waits_for_100_continue_gets_it_before_the_answer(online: Online) -> None:
    reader, writer = await asyncio.open_connection(*online.address)
    body = b'{"email": "nobody@shop.example", "password": "wrong horse"}'
    writer.write(
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\nExpect: 100-continue\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    )
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert status(await reader.read()) == 401
    writer.close()
