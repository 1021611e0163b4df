"""H1, H6, A21, P4: attacks on the port that happen before any of our handlers sees a request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from server.web import http as web
from server.web import http_protocol
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
async def test_an_invalid_request_is_refused_and_the_connection_closed(online: Online, name: str) -> None:
    data, allowed = BAD[name]
    answer = await online.says_raw(data, wait=4)
    assert status(answer) in allowed, answer[:200]
    assert answer.count(b"HTTP/1.1") == 1 and b"Traceback" not in answer
    assert (await online.get("/healthz")).status == 200


async def test_headers_of_the_usual_maximum_size_are_accepted(online: Online) -> None:
    many = b"".join(b"X-%d: y\r\n" % n for n in range(90))
    answer = await online.says_raw(GET + many + b"Cookie: a=" + b"b" * 16_000 + b"\r\nConnection: close\r\n\r\n")
    assert status(answer) == 200


async def ended(reader: asyncio.StreamReader, within: float) -> bytes:
    """All data until the connection ends, also when it ends with a reset."""
    received = b""
    async with asyncio.timeout(within):
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                received += part
    return received


async def answered(online: Online) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection after one request, with its response."""
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(GET + b"\r\n")
    assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    return reader, writer


async def test_silent_and_slow_headers_time_out(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 0.4)
    silent_reader, silent_writer = await asyncio.open_connection(*online.address)
    slow, writer = await asyncio.open_connection(*online.address)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            for byte in GET + b"X-A: " + b"y" * 1_000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)

    drip_task = asyncio.create_task(drip())
    assert await ended(silent_reader, 3) == b""
    assert status(await ended(slow, 3)) == 408
    drip_task.cancel()
    silent_writer.close()
    writer.close()


async def test_a_second_request_on_a_connection_has_the_same_timeouts(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 0.4)
    reader, writer = await answered(online)
    await asyncio.sleep(0.8)  # an idle connection between requests is allowed
    writer.write(GET + b"\r\n")
    assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    writer.write(GET)
    assert status(await ended(reader, 3)) == 408
    writer.close()


async def test_a_body_that_stops_or_trickles_times_out(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODY_IDLE_S", 0.4)
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 1.5)
    head = (
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\n"
        b"Content-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    )
    assert status(await online.says_raw(head + b'{"email":', wait=3)) == 408
    monkeypatch.setattr(web, "MIN_BODY_RATE", web.MAX_BODY * 10)  # a slow body may take half a second in total
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
    assert asyncio.get_running_loop().time() - started < 4
    writer.close()


async def test_a_client_that_keeps_sending_after_the_response_is_disconnected(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a busy machine may delay both ends at once: a reset discards a response that was not read yet.
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 1.5)
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(b"POST /api/files HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
    answer = asyncio.create_task(ended(reader, 8))
    started = asyncio.get_running_loop().time()
    while not answer.done():
        with contextlib.suppress(ConnectionError):
            writer.write(b"z")
            await writer.drain()
        await asyncio.sleep(0.1)
    assert status(await answer) == 403  # refused because it has no Origin
    assert asyncio.get_running_loop().time() - started < 4
    writer.close()


async def test_hundreds_of_half_open_requests_time_out_while_others_are_served(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 1.5)
    zoe = await online.visitor()
    connections = [await asyncio.open_connection(*online.address) for _ in range(400)]
    for _, writer in connections:
        writer.write(GET)
    await zoe.says("Between them.")
    assert (await online.get("/healthz")).status == 200
    await asyncio.gather(*(ended(reader, 10) for reader, _ in connections))
    for _, writer in connections:
        writer.close()


CHUNKED = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize("trailer", [b"X-A: y\r\n" * 5_000, b"y" * 30_000], ids=["many", "one that never ends"])
async def test_trailers_of_a_chunked_body_are_limited(online: Online, trailer: bytes) -> None:
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


async def test_line_ends_between_requests_do_not_keep_a_connection_open(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 0.4)
    reader, writer = await answered(online)
    await asyncio.sleep(0.05)
    writer.write(b"\r\n")
    assert await ended(reader, 3) == b""
    writer.close()


async def test_a_socket_outlives_the_timeout_of_its_handshake(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADERS_TIMEOUT_S", 0.3)
    reader, writer = await asyncio.open_connection(*online.address)
    writer.write(upgrade(online))
    assert status(await reader.readuntil(b"\r\n\r\n")) == 101
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), 1)
    writer.close()


def set_keep_alive(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    original = http_protocol.HttpProtocol.__init__

    def hasty(self: http_protocol.HttpProtocol, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.timeout_keep_alive = seconds  # type: ignore[assignment]

    monkeypatch.setattr(http_protocol.HttpProtocol, "__init__", hasty)


def upgrade(online: Online) -> bytes:
    return (
        b"GET /ws/visitor HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )


async def test_an_idle_connection_is_closed_after_the_keep_alive_timeout(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_keep_alive(monkeypatch, 0.5)
    reader, writer = await asyncio.open_connection(*online.address)
    started = asyncio.get_running_loop().time()
    for _ in range(5):  # 1.2 s in all: the timeout counts from the last response
        writer.write(GET + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.3)
    assert await ended(reader, 3) == b""
    assert 1.5 < asyncio.get_running_loop().time() - started < 2.5
    writer.close()


async def test_a_socket_outlives_the_keep_alive_timeout_of_an_earlier_request(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_keep_alive(monkeypatch, 0.3)
    reader, writer = await answered(online)
    # The second request has no response yet when the third upgrades the connection to a socket.
    writer.write(GET + b"\r\n" + upgrade(online))
    answer = await reader.readuntil(b"\r\n\r\n")
    while b" 101 " not in answer:
        answer += await reader.readuntil(b"\r\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), 1)
    writer.close()


async def test_a_long_response_outlives_the_keep_alive_timeout(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    set_keep_alive(monkeypatch, 0.2)
    reader, writer = await answered(online)
    body = b"{}" + b" " * 50
    writer.write(
        b"POST /api/login HTTP/1.1\r\nHost: x\r\nOrigin: " + online.url.encode() + b"\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    for byte in body:  # half a second, longer than the timeout that the first response started
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)
    assert status(await reader.readuntil(b"\r\n\r\n")) in (400, 422)
    writer.close()


async def test_a_pipelined_request_is_not_limited_by_the_body_before_it(online: Online) -> None:
    reader, writer = await asyncio.open_connection(*online.address)
    body = b" " * 40_000
    writer.write(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body + GET)
    await asyncio.sleep(0.3)
    writer.write(b"Connection: close\r\n\r\n")
    answers = await ended(reader, 5)
    # the POST is refused for lack of an Origin; then the GET is answered
    assert answers.startswith(b"HTTP/1.1 403") and answers.endswith(b"\r\n\r\nok")
    writer.close()


class Sink(asyncio.Transport):
    """A transport that keeps each write separate."""

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


def test_head_and_body_of_a_response_are_sent_in_one_write() -> None:
    sink = Sink()
    answers = http_protocol._ResponseWriter(sink)
    answers.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert sink.writes.pop() == b"HTTP/1.1 100 Continue\r\n\r\n", "the client waits for the interim response"
    answers.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert sink.writes == []
    answers.write(b"first")
    answers.write(b"HTTP/1.1 100 of a file")
    answers.finish_response()
    assert sink.writes == [b"HTTP/1.1 200 OK\r\n\r\nfirst", b"HTTP/1.1 100 of a file"]
    answers.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    answers.finish_response()
    assert sink.writes[2:] == [b"HTTP/1.1 204 No Content\r\n\r\n"]
    answers.write(b"HTTP/1.1 200 OK\r\n\r\n")
    answers.close()
    assert sink.writes[3:] == [b"HTTP/1.1 200 OK\r\n\r\n"] and answers.is_closing()


async def test_responses_without_a_body_and_to_pipelined_requests_are_complete(online: Online) -> None:
    head = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n"
    last = b"Connection: close\r\n\r\n"
    response = await online.says_raw(GET + b"\r\n" + head + b"\r\n" + GET + b"\r\n" + head + last)
    assert response.count(b"HTTP/1.1 ") == 4
    _, body, *remaining = response.split(b"\r\n\r\n")
    assert body.startswith(b"okHTTP/1.1 ") and remaining[1].startswith(b"okHTTP/1.1 ") and remaining[-1] == b""


async def test_100_continue_is_sent_before_the_response(online: Online) -> None:
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
