"""What leaves, what comes back, and above all what is said when it does not: a request that may have been read must never
be called "not connected", for that one is sent again (GUARANTEES G11)."""

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

from server.channels.http_client import Answer, HttpClient, Limits, NotAnswered, NotConnected

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
LIMITS = Limits(connections=4, connect_s=1.0, total_s=2.0, idle_s=5.0, answer=10_000)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server that reads requests and does with each what the test says."""

    def __init__(self, act: Callable[[bytes, Writer], Awaitable[None] | None]) -> None:
        self.act = act
        self.asked: list[bytes] = []
        self.made = self.open = self.most = 0
        self.url = ""
        self.serving: set[asyncio.Task[None]] = set()

    def take(self, reader: Reader, writer: Writer) -> None:
        self.serving.add(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.made += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(
                    (int(one[15:]) for one in head.split(b"\r\n") if one.lower().startswith(b"content-length")), 0
                )
                request = head + await reader.readexactly(size)
                self.asked.append(request)
                doing = self.act(request, writer)
                if doing is not None:
                    await doing
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):  # RuntimeError: uvloop's for a closed one
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def peer(
    act: Callable[[bytes, Writer], Awaitable[None] | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    one = Peer(act)
    server = await asyncio.start_server(one.take, "127.0.0.1", 0, ssl=tls)
    one.url = f"http{'s' if tls else ''}://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
        for task in one.serving:
            task.cancel()
        await asyncio.gather(*one.serving, return_exceptions=True)


@asynccontextmanager
async def client(limits: Limits = LIMITS, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpClient]:
    one = HttpClient(limits, tls=tls)
    try:
        yield one
    finally:
        await one.close()


def saying(*parts: bytes, close: bool = False) -> Callable[[bytes, Writer], Awaitable[None]]:
    async def act(_: bytes, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)
        if close:
            writer.close()

    return act


async def test_a_request_as_it_is_written() -> None:
    async with peer(saying(OK)) as one, client() as http:
        answer = await http.ask("POST", f"{one.url}/a/b?c=%20", {"X-One": "1", "X-Two": "zwö"}, b"\r\n\r\nbody")
        assert answer == Answer(200, [(b"Content-Length", b"2")], b"ok")
        assert (await http.ask("GET", one.url, {})).status == 200
        host = one.url.removeprefix("http://").encode()
    assert one.asked == [
        b"POST /a/b?c=%20 HTTP/1.1\r\nHost: "
        + host
        + b"\r\nX-One: 1\r\nX-Two: zw\xf6\r\nContent-Length: 8\r\n\r\n\r\n\r\nbody",
        b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
    ]
    assert one.made == 1


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
async def test_answers_in_all_their_forms(parts: tuple[bytes, ...], close: bool, status: int, body: bytes) -> None:
    async with peer(saying(*parts, close=close)) as one, client() as http:
        for _ in range(2):
            answer = await http.ask("POST", one.url, {}, b"x")
            assert (answer.status, answer.body) == (status, body)
        if status == 429:
            assert answer.header("retry-after") == "3"
            assert answer.header("location") is None
        assert one.made == (2 if close else 1)


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
async def test_no_whole_answer_is_never_called_not_connected(parts: tuple[bytes, ...], close: bool) -> None:
    async with peer(saying(*parts, close=close)) as one, client() as http:
        with pytest.raises(NotAnswered):
            await http.ask("POST", one.url, {}, b"x")
        one.act = saying(OK)
        assert (await http.ask("POST", one.url, {}, b"x")).body == b"ok"
    assert len(one.asked) == 2  # nothing is repeated


async def test_more_answers_than_questions_end_the_connection() -> None:
    """The next request would get somebody else's answer."""
    async with peer(saying(OK + OK.replace(b"ok", b"no"))) as one, client() as http:
        for _ in range(3):
            assert (await http.ask("POST", one.url, {}, b"x")).body == b"ok"
        assert one.made == 3

    async def late(_: bytes, writer: Writer) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(OK.replace(b"ok", b"no"))

    async with peer(late) as one, client() as http:
        for _ in range(3):
            assert (await http.ask("POST", one.url, {}, b"x")).body == b"ok"
            await asyncio.sleep(0.05)
        assert one.made == 3


@pytest.mark.parametrize("after", [b"garbage\r\n\r\n", b"\x00", b"HTTP/1.1 100"])
async def test_what_comes_after_an_answer_does_not_spoil_it(after: bytes) -> None:
    async with peer(saying(OK + after)) as one, client() as http:
        for _ in range(2):
            assert (await http.ask("POST", one.url, {}, b"x")).body == b"ok"


async def test_who_closes_together_with_the_answer_spoils_nobody_elses_request() -> None:
    """A balancer that drains: the next request must not be written on a connection whose end lies in the socket."""

    async def last_word(_: bytes, writer: Writer) -> None:
        writer.write(OK)
        writer.close()

    async with peer(last_word) as one, client(Limits(2, 1.0, 2.0, 5.0, 100)) as http:
        answers = await asyncio.gather(*(http.ask("POST", one.url, {}, b"%d" % n) for n in range(60)))
    assert [answer.body for answer in answers] == [b"ok"] * 60
    assert len(one.asked) == 60


async def test_who_gives_up_in_the_moment_of_the_answer_cuts_nobody_else() -> None:
    async def slowly(_: bytes, writer: Writer) -> None:
        await asyncio.sleep(0.005)
        writer.write(OK)

    async with peer(slowly) as one, client(Limits(1, 1.0, 2.0, 5.0, 100)) as http:
        for _ in range(50):
            first = asyncio.create_task(http.ask("POST", one.url, {}, b"first"))
            await asyncio.sleep(0.002)
            (pool,) = http._pools.values()
            async with asyncio.timeout(5):
                while not pool._free:  # noqa: ASYNC110 - the very turn in which it is free again
                    await asyncio.sleep(0)
            first.cancel()
            assert (await http.ask("POST", one.url, {}, b"second")).body == b"ok"
            await asyncio.gather(first, return_exceptions=True)
    assert one.made == 1


async def test_closing_makes_no_whole_answer_of_half_of_one() -> None:
    async with peer(saying(b'HTTP/1.1 201 Created\r\n\r\n{"sid":')) as one, client() as http:
        asking = asyncio.create_task(http.ask("POST", one.url, {}, b"x"))
        await asyncio.sleep(0.05)
        await http.close()
        with pytest.raises(NotAnswered):
            await asking


async def test_one_look_up_for_everybody_though_it_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def hangs(*_: object, **__: object) -> list[object]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.4)
        raise OSError("nobody knows")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hangs, raising=False)
    async with client(Limits(4, 0.1, 5.0, 5.0, 100)) as http:
        for _ in range(3):
            asking = [http.ask("POST", "http://localhost:9", {}, b"x") for _ in range(4)]
            told = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(one) for one in told] == [NotConnected] * 4
        assert asked == 1


async def test_nobody_there() -> None:
    async with peer(saying(OK)) as one:
        url = one.url
    async with client() as http:
        with pytest.raises(NotConnected, match="Error"):
            await http.ask("POST", url, {}, b"x")
        with pytest.raises(NotConnected, match="gaierror"):
            await http.ask("POST", "http://nobody.invalid", {}, b"x")


async def test_no_answer_in_time() -> None:
    async with peer(saying()) as one, client(Limits(1, 0.2, 0.1, 5.0, 100)) as http:
        with pytest.raises(NotAnswered, match="TimeoutError"):
            await http.ask("POST", one.url, {}, b"x")
        one.act = saying(OK)
        assert (await http.ask("POST", one.url, {}, b"x")).body == b"ok"


async def test_who_waits_for_a_place_in_vain_sent_nothing_and_holds_nobody_up() -> None:
    go_on = asyncio.Event()

    async def slowly(_: bytes, writer: Writer) -> None:
        await go_on.wait()
        writer.write(OK)

    async with peer(slowly) as one, client(Limits(2, 0.1, 5.0, 5.0, 100)) as http:
        asking = [asyncio.create_task(http.ask("POST", one.url, {}, b"first")) for _ in range(2)]
        await asyncio.sleep(0.05)
        results = await asyncio.gather(
            *(http.ask("POST", one.url, {}, b"late") for _ in range(5)), return_exceptions=True
        )
        assert [str(result) for result in results] == ["TimeoutError"] * 5
        assert all(isinstance(result, NotConnected) for result in results)
        go_on.set()
        assert [answer.body for answer in await asyncio.gather(*asking)] == [b"ok"] * 2
        assert (await http.ask("POST", one.url, {}, b"after")).body == b"ok"
    assert not [request for request in one.asked if b"late" in request]


async def test_no_more_connections_than_allowed_and_everybody_has_a_turn() -> None:
    async with peer(saying(OK)) as one, client() as http:
        answers = await asyncio.gather(*(http.ask("POST", one.url, {}, b"%d" % n) for n in range(100)))
    assert [answer.body for answer in answers] == [b"ok"] * 100
    assert one.most == 4
    assert len(one.asked) == 100


async def test_an_idle_connection_is_let_go() -> None:
    async with peer(saying(OK)) as one, client(Limits(4, 1.0, 2.0, 0.1, 100)) as http:
        await asyncio.gather(*(http.ask("POST", one.url, {}, b"x") for _ in range(4)))
        for _ in range(8):  # one is used all the time
            await asyncio.sleep(0.04)
            await http.ask("POST", one.url, {}, b"x")
        assert (one.made, one.open) == (4, 1)
        await asyncio.sleep(0.3)
        assert one.open == 0
        assert (await http.ask("POST", one.url, {}, b"x")).body == b"ok"


async def test_giving_up_ends_the_request() -> None:
    async with peer(saying()) as one, client(Limits(1, 1.0, 9.0, 5.0, 100)) as http:
        first = asyncio.create_task(http.ask("POST", one.url, {}, b"x"))
        second = asyncio.create_task(http.ask("POST", one.url, {}, b"x"))
        await asyncio.sleep(0.05)
        first.cancel()
        second.cancel()
        assert [type(one) for one in await asyncio.gather(first, second, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        one.act = saying(OK)
        assert (await http.ask("POST", one.url, {}, b"x")).body == b"ok"
        assert one.open == 1


async def test_closing_tells_everybody() -> None:
    async with peer(saying()) as one, client(Limits(1, 3.0, 9.0, 5.0, 100)) as http:
        tasks = [asyncio.create_task(http.ask("POST", one.url, {}, b"x")) for _ in range(2)]
        await asyncio.sleep(0.05)
        await http.close()
        on_its_way, waiting = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(on_its_way, NotAnswered)
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
async def test_what_cannot_be_written_is_not(url: str, headers: dict[str, str]) -> None:
    async with client() as http:
        with pytest.raises(NotConnected):  # and therefore surely not sent
            await http.ask("GET", url, headers)


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, pem = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, pem


async def test_tls_asks_who_is_there(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "localhost")
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(cert, key)
    async with peer(saying(OK), ours) as one:
        async with client(tls=ssl.create_default_context(cafile=str(cert))) as http:
            assert [(await http.ask("POST", one.url, {}, b"x")).body for _ in range(2)] == [b"ok"] * 2
            assert one.made == 1
            with pytest.raises(NotConnected, match="SSLCertVerificationError"):  # another name
                await http.ask("POST", one.url.replace("localhost", "127.0.0.1"), {}, b"x")
        async with client() as http:  # nobody we know vouches for it
            with pytest.raises(NotConnected, match="SSLCertVerificationError"):
                await http.ask("POST", one.url, {}, b"x")
            with pytest.raises(NotAnswered):
                await http.ask("POST", one.url.replace("https", "http"), {}, b"x")
    assert len(one.asked) == 2


async def test_a_network_that_breaks_in_every_way() -> None:
    """Whatever happens: no request twice, none that was read is called not connected, and no place is lost for good."""
    chance = random.Random(7)
    seen: dict[bytes, int] = {}

    async def act(request: bytes, writer: Writer) -> None:
        name = request.rpartition(b"\r\n\r\n")[2]
        seen[name] = seen.get(name, 0) + 1
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

    told: dict[str, list[bytes]] = {"answered": [], "NotAnswered": [], "NotConnected": [], "CancelledError": []}

    async with peer(act) as one, client(Limits(4, 0.1, 0.15, 0.05, 100)) as http:

        async def ask(name: bytes) -> None:
            await asyncio.sleep(chance.random())
            asking = asyncio.create_task(http.ask("POST", one.url, {}, name))
            if chance.random() < 0.1:
                asyncio.get_running_loop().call_later(chance.random() * 0.1, asking.cancel)
            result = (await asyncio.gather(asking, return_exceptions=True))[0]
            told["answered" if isinstance(result, Answer) else type(result).__name__].append(name)

        await asyncio.gather(*(ask(b"%05d" % number) for number in range(600)))
        one.act = saying(OK)
        again = await asyncio.gather(*(http.ask("POST", one.url, {}, b"last") for _ in range(4)))
        assert [answer.body for answer in again] == [b"ok"] * 4
        (pool,) = http._pools.values()
        assert (len(pool._lines), pool._being_made, len(pool._waiting)) == (4, 0, 0)
    print({kind: len(names) for kind, names in told.items()})
    assert all(names for names in told.values())
    assert sum(map(len, told.values())) == 600
    assert set(seen.values()) == {1}
    assert not set(told["NotConnected"]) & set(seen)
    assert set(told["answered"]) <= set(seen)
