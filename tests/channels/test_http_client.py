"""The HTTP client: requests, responses, and above all its errors. A request that the server may have read is never
reported as `NotConnected`, because such a request is sent again (G11)."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.channels.http_client import HttpClient, HttpResponse, Limits, NoResponse, NotConnected

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
LIMITS = Limits(connections=4, connect_s=1.0, total_s=2.0, idle_s=5.0, answer=10_000)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server that reads requests and answers each as the test says."""

    def __init__(self, act: Callable[[bytes, Writer], Awaitable[None] | None]) -> None:
        self.act = act
        self.requests: list[bytes] = []
        self.connections = self.open = self.most = 0
        self.url = ""
        self.serving: set[asyncio.Task[None]] = set()

    def take(self, reader: Reader, writer: Writer) -> None:
        self.serving.add(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(
                    (int(item[15:]) for item in head.split(b"\r\n") if item.lower().startswith(b"content-length")), 0
                )
                request = head + await reader.readexactly(size)
                self.requests.append(request)
                response_task = self.act(request, writer)
                if response_task is not None:
                    await response_task
        # RuntimeError: uvloop raises it for a closed transport
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def peer(
    act: Callable[[bytes, Writer], Awaitable[None] | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    new_peer = Peer(act)
    server = await asyncio.start_server(new_peer.take, "127.0.0.1", 0, ssl=tls)
    new_peer.url = f"http{'s' if tls else ''}://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield new_peer
    finally:
        server.close()
        for task in new_peer.serving:
            task.cancel()
        await asyncio.gather(*new_peer.serving, return_exceptions=True)


@asynccontextmanager
async def client(limits: Limits = LIMITS, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpClient]:
    http_client = HttpClient(limits, tls=tls)
    try:
        yield http_client
    finally:
        await http_client.close()


def responding_with(*parts: bytes, close: bool = False) -> Callable[[bytes, Writer], Awaitable[None]]:
    async def act(_: bytes, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)
        if close:
            writer.close()

    return act


async def test_a_request_is_written_in_the_expected_form() -> None:
    async with peer(responding_with(OK)) as server, client() as http:
        answer = await http.send_request(
            "POST", f"{server.url}/a/b?c=%20", {"X-One": "1", "X-Two": "zwö"}, b"\r\n\r\nbody"
        )
        assert answer == HttpResponse(200, [(b"Content-Length", b"2")], b"ok")
        assert (await http.send_request("GET", server.url, {})).status == 200
        host = server.url.removeprefix("http://").encode()
    assert server.requests == [
        b"POST /a/b?c=%20 HTTP/1.1\r\nHost: "
        + host
        + b"\r\nX-One: 1\r\nX-Two: zw\xf6\r\nContent-Length: 8\r\n\r\n\r\n\r\nbody",
        b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
    ]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("parts", "close", "status", "body"),
    [
        ((b"HTTP/1.1 201 Created\r\ncontent-le", b"ngth: 4\r\n\r\nab", b"cd"), False, 201, b"abcd"),
        (
            (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"1\r\nd\r\n0\r\n\r\n"),
            False,
            200,
            b"abcd",
        ),
        ((b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\nab", b"cd"), True, 200, b"abcd"),
        ((b"HTTP/1.0 200 X\r\n\r\nabcd",), True, 200, b"abcd"),
        ((b"HTTP/1.1 100 Go on\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", OK), False, 200, b"ok"),
        ((b"HTTP/1.1 204 Nothing\r\n\r\n",), False, 204, b""),
        ((b"HTTP/1.1 429 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",), False, 429, b""),
        ((b"HTTP/1.1 503 X\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",), True, 503, b"x"),
    ],
)
async def test_responses_of_every_form_are_parsed(
    parts: tuple[bytes, ...], close: bool, status: int, body: bytes
) -> None:
    async with peer(responding_with(*parts, close=close)) as server, client() as http:
        for _ in range(2):
            answer = await http.send_request("POST", server.url, {}, b"x")
            assert (answer.status, answer.body) == (status, body)
        if status == 429:
            assert answer.header("retry-after") == "3"
            assert answer.header("location") is None
        assert server.connections == (2 if close else 1)


@pytest.mark.parametrize(
    ("parts", "close"),
    [
        ((), True),
        ((b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nab",), True),
        ((b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",), True),
        ((b"HTTP/1.1 200 X\r\nContent-Le",), True),
        ((b"HTTP/1.1 100 Go on\r\n\r\n",), True),
        ((b"SSH-2.0-OpenSSH_9.6\r\n",), False),
        ((b"HTTP/1.1 2x0 OK\r\n\r\n",), False),
        ((b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",), False),
        ((b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",), False),
        ((b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",), False),
        ((b"HTTP/1.1 200 X\r\nContent-Length: 90000\r\n\r\n", b"x" * 90_000), False),
        ((b"HTTP/1.1 200 X\r\nX: ", b"x" * 90_000, b"y"), False),
        ((b"HTTP/1.1 103 X\r\nX: " + b"x" * 900 + b"\r\n\r\n",) * 90, False),
        ((b"HTTP/1.1 200 X\r\nContent-Length: 11000\r\n\r\n", b"x" * 11_000), False),
        (
            (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 90_000, b"\r\na\r\n0\r\n\r\n"),
            False,
        ),
        ((b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",), False),
        ((b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",), False),
        ((b"HTTP/1.1 000 X\r\n\r\nto the end",), True),
        ((b"HTTP/1.1 200 X\r\n\r\n", b"x" * 11_000), True),
        ((b"HTTP/1.1 200 X\r\nContent-Length: 9999999999999999999999\r\n\r\n",), False),
    ],
)
async def test_an_incomplete_response_is_never_reported_as_not_connected(parts: tuple[bytes, ...], close: bool) -> None:
    async with peer(responding_with(*parts, close=close)) as server, client() as http:
        with pytest.raises(NoResponse):
            await http.send_request("POST", server.url, {}, b"x")
        server.act = responding_with(OK)
        assert (await http.send_request("POST", server.url, {}, b"x")).body == b"ok"
    assert len(server.requests) == 2  # nothing is repeated


async def test_a_response_without_a_request_closes_the_connection() -> None:
    """On an open connection the next request would get the response of an earlier one."""
    async with peer(responding_with(OK + OK.replace(b"ok", b"no"))) as server, client() as http:
        for _ in range(3):
            assert (await http.send_request("POST", server.url, {}, b"x")).body == b"ok"
        assert server.connections == 3

    async def late(_: bytes, writer: Writer) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(OK.replace(b"ok", b"no"))

    async with peer(late) as server, client() as http:
        for _ in range(3):
            assert (await http.send_request("POST", server.url, {}, b"x")).body == b"ok"
            await asyncio.sleep(0.05)
        assert server.connections == 3


@pytest.mark.parametrize("after", [b"garbage\r\n\r\n", b"\x00", b"HTTP/1.1 100"])
async def test_bytes_after_a_response_do_not_change_it(after: bytes) -> None:
    async with peer(responding_with(OK + after)) as server, client() as http:
        for _ in range(2):
            assert (await http.send_request("POST", server.url, {}, b"x")).body == b"ok"


async def test_a_connection_that_closes_with_its_response_is_not_used_again() -> None:
    """A load balancer that drains may send a response and close at once: the next request must not be written to that
    connection."""

    async def last_word(_: bytes, writer: Writer) -> None:
        writer.write(OK)
        writer.close()

    async with peer(last_word) as server, client(Limits(2, 1.0, 2.0, 5.0, 100)) as http:
        answers = await asyncio.gather(*(http.send_request("POST", server.url, {}, b"%d" % n) for n in range(60)))
    assert [answer.body for answer in answers] == [b"ok"] * 60
    assert len(server.requests) == 60


async def test_cancelling_a_request_as_its_response_arrives_disturbs_no_other() -> None:
    async def slowly(_: bytes, writer: Writer) -> None:
        await asyncio.sleep(0.005)
        writer.write(OK)

    async with peer(slowly) as server, client(Limits(1, 1.0, 2.0, 5.0, 100)) as http:
        for _ in range(50):
            first = asyncio.create_task(http.send_request("POST", server.url, {}, b"first"))
            await asyncio.sleep(0.002)
            (pool,) = http._pools.values()
            async with asyncio.timeout(5):
                while not pool._free:  # noqa: ASYNC110 - the very turn in which it is free again
                    await asyncio.sleep(0)
            first.cancel()
            assert (await http.send_request("POST", server.url, {}, b"second")).body == b"ok"
            await asyncio.gather(first, return_exceptions=True)
    assert server.connections == 1


async def test_a_close_does_not_complete_a_half_response() -> None:
    async with peer(responding_with(b'HTTP/1.1 201 Created\r\n\r\n{"sid":')) as server, client() as http:
        asking = asyncio.create_task(http.send_request("POST", server.url, {}, b"x"))
        await asyncio.sleep(0.05)
        await http.close()
        with pytest.raises(NoResponse):
            await asking


async def test_requests_share_one_dns_lookup_even_if_it_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = 0

    async def hangs(*_: object, **__: object) -> list[object]:
        nonlocal lookups
        lookups += 1
        await asyncio.sleep(0.4)
        raise OSError("nobody knows")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hangs, raising=False)
    async with client(Limits(4, 0.1, 5.0, 5.0, 100)) as http:
        for _ in range(3):
            asking = [http.send_request("POST", "http://localhost:9", {}, b"x") for _ in range(4)]
            results = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(result) for result in results] == [NotConnected] * 4
        assert lookups == 1


async def test_a_refused_connection_is_reported_as_not_connected() -> None:
    async with peer(responding_with(OK)) as server:
        url = server.url
    async with client() as http:
        with pytest.raises(NotConnected, match="Error"):
            await http.send_request("POST", url, {}, b"x")
        with pytest.raises(NotConnected, match="gaierror"):
            await http.send_request("POST", "http://nobody.invalid", {}, b"x")


async def test_a_response_that_is_late_times_out() -> None:
    async with peer(responding_with()) as server, client(Limits(1, 0.2, 0.1, 5.0, 100)) as http:
        with pytest.raises(NoResponse, match="TimeoutError"):
            await http.send_request("POST", server.url, {}, b"x")
        server.act = responding_with(OK)
        assert (await http.send_request("POST", server.url, {}, b"x")).body == b"ok"


async def test_a_request_that_times_out_in_the_queue_is_not_sent_and_blocks_nobody() -> None:
    may_continue = asyncio.Event()

    async def slowly(_: bytes, writer: Writer) -> None:
        await may_continue.wait()
        writer.write(OK)

    async with peer(slowly) as server, client(Limits(2, 0.1, 5.0, 5.0, 100)) as http:
        asking = [asyncio.create_task(http.send_request("POST", server.url, {}, b"first")) for _ in range(2)]
        await asyncio.sleep(0.05)
        results = await asyncio.gather(
            *(http.send_request("POST", server.url, {}, b"late") for _ in range(5)), return_exceptions=True
        )
        assert [str(result) for result in results] == ["TimeoutError"] * 5
        assert all(isinstance(result, NotConnected) for result in results)
        may_continue.set()
        assert [answer.body for answer in await asyncio.gather(*asking)] == [b"ok"] * 2
        assert (await http.send_request("POST", server.url, {}, b"after")).body == b"ok"
    assert not [request for request in server.requests if b"late" in request]


async def test_connections_are_limited_and_every_request_gets_one() -> None:
    async with peer(responding_with(OK)) as server, client() as http:
        answers = await asyncio.gather(*(http.send_request("POST", server.url, {}, b"%d" % n) for n in range(100)))
    assert [answer.body for answer in answers] == [b"ok"] * 100
    assert server.most == 4
    assert len(server.requests) == 100


async def test_an_idle_connection_is_closed() -> None:
    async with peer(responding_with(OK)) as server, client(Limits(4, 1.0, 2.0, 0.1, 100)) as http:
        await asyncio.gather(*(http.send_request("POST", server.url, {}, b"x") for _ in range(4)))
        for _ in range(8):  # keeps one connection in use
            await asyncio.sleep(0.04)
            await http.send_request("POST", server.url, {}, b"x")
        assert (server.connections, server.open) == (4, 1)
        await asyncio.sleep(0.3)
        assert server.open == 0
        assert (await http.send_request("POST", server.url, {}, b"x")).body == b"ok"


async def test_cancelling_a_request_closes_its_connection() -> None:
    async with peer(responding_with()) as server, client(Limits(1, 1.0, 9.0, 5.0, 100)) as http:
        first = asyncio.create_task(http.send_request("POST", server.url, {}, b"x"))
        second = asyncio.create_task(http.send_request("POST", server.url, {}, b"x"))
        await asyncio.sleep(0.05)
        first.cancel()
        second.cancel()
        assert [type(item) for item in await asyncio.gather(first, second, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        server.act = responding_with(OK)
        assert (await http.send_request("POST", server.url, {}, b"x")).body == b"ok"
        assert server.open == 1


async def test_closing_the_client_fails_all_waiting_requests() -> None:
    async with peer(responding_with()) as server, client(Limits(1, 3.0, 9.0, 5.0, 100)) as http:
        tasks = [asyncio.create_task(http.send_request("POST", server.url, {}, b"x")) for _ in range(2)]
        await asyncio.sleep(0.05)
        await http.close()
        started, waiting = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(started, NoResponse)
        assert isinstance(waiting, NotConnected)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://localhost/a b", {}),
        ("http://localhost/ä", {}),
        ("http://a..b/", {}),
        (f"http://{'a' * 64}.example/", {}),
        ("ftp://localhost/", {}),
        ("/nowhere", {}),
        ("http://localhost/", {"X": "1\r\nY: 2"}),
        ("http://localhost/", {"X\n": "1"}),
        ("http://localhost/", {"X": "1\rY"}),
        ("http://localhost/", {"X": "☃"}),
    ],
)
async def test_an_invalid_request_is_refused_unsent(url: str, headers: dict[str, str]) -> None:
    async with client() as http:
        with pytest.raises(NotConnected):  # NotConnected means that nothing was sent
            await http.send_request("GET", url, headers)


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, pem = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(builder.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, pem


async def test_tls_verifies_the_certificate_and_its_host_name(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "localhost")
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(cert, key)
    async with peer(responding_with(OK), server_context) as server:
        async with client(tls=ssl.create_default_context(cafile=str(cert))) as http:
            assert [(await http.send_request("POST", server.url, {}, b"x")).body for _ in range(2)] == [b"ok"] * 2
            assert server.connections == 1
            with pytest.raises(NotConnected, match="SSLCertVerificationError"):  # another host name
                await http.send_request("POST", server.url.replace("localhost", "127.0.0.1"), {}, b"x")
        async with client() as http:  # no trusted authority signed the certificate
            with pytest.raises(NotConnected, match="SSLCertVerificationError"):
                await http.send_request("POST", server.url, {}, b"x")
            with pytest.raises(NoResponse):
                await http.send_request("POST", server.url.replace("https", "http"), {}, b"x")
    assert len(server.requests) == 2


async def test_a_failing_network_causes_no_repeat_and_no_wrong_report() -> None:
    """Under random faults no request is sent twice, no request that was read is reported as not connected, and no
    connection slot is lost."""
    chance = random.Random(7)
    counts: dict[bytes, int] = {}

    async def act(request: bytes, writer: Writer) -> None:
        name = request.rpartition(b"\r\n\r\n")[2]
        counts[name] = counts.get(name, 0) + 1
        match chance.randrange(8):
            case 0:
                writer.transport.abort()
            case 1:
                writer.close()
            case 2:
                writer.write(OK[:20])
                writer.close()
            case 3:
                await asyncio.sleep(0.3)
            case 4:
                writer.write(OK)
                await asyncio.sleep(chance.random() * 0.004)
                writer.close()
            case 5:
                writer.write(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
            case _:
                await asyncio.sleep(chance.random() * 0.02)
                writer.write(OK)

    results: dict[str, list[bytes]] = {"answered": [], "NoResponse": [], "NotConnected": [], "CancelledError": []}

    async with peer(act) as server, client(Limits(4, 0.1, 0.15, 0.05, 100)) as http:

        async def ask(name: bytes) -> None:
            await asyncio.sleep(chance.random())
            asking = asyncio.create_task(http.send_request("POST", server.url, {}, name))
            if chance.random() < 0.1:
                asyncio.get_running_loop().call_later(chance.random() * 0.1, asking.cancel)
            result = (await asyncio.gather(asking, return_exceptions=True))[0]
            results["answered" if isinstance(result, HttpResponse) else type(result).__name__].append(name)

        await asyncio.gather(*(ask(b"%05d" % number) for number in range(600)))
        server.act = responding_with(OK)
        last_answers = await asyncio.gather(*(http.send_request("POST", server.url, {}, b"last") for _ in range(4)))
        assert [answer.body for answer in last_answers] == [b"ok"] * 4
        (pool,) = http._pools.values()
        assert (len(pool._connections), pool._connecting, len(pool._waiting)) == (4, 0, 0)
    print({kind: len(names) for kind, names in results.items()})
    assert all(names for names in results.values())
    assert sum(map(len, results.values())) == 600
    assert set(counts.values()) == {1}
    assert not set(results["NotConnected"]) & set(counts)
    assert set(results["answered"]) <= set(counts)
