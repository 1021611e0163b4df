"""HTTP/1.1 to a provider's interface: kept connections, small requests and answers, and the one thing that a general
client does not tell: had anything of the request left?

Why not aiohttp, which fetches the files: a request costs it three times the CPU of all this (docs/performance.md), and
that was half of what sending a text costs. What is hard about HTTP is not ours: httptools reads it, as in the server,
aiohappyeyeballs finds out which of a name's addresses answers, TLS is the loop's. Here are a pool and three time-outs.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import httptools
from aiohappyeyeballs import start_connection

ADDRESSES_S = 60.0  # how long a name's addresses are believed
NEXT_ADDRESS_S = 0.25  # one that does not answer gets company after this (RFC 8305)
MOST_HEADERS = 65_536  # bytes, about: a piece of the network is looked at whole


class NotConnected(OSError):
    """Nothing of the request left: repeating it is safe. Says why in one word."""


class Unwritable(NotConnected, ValueError):
    """A request that cannot be written: no address, or a header of more than one line."""


class NotAnswered(OSError):
    """The request may have left, and no whole answer came. Says why in one word."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for given, value in self.headers if given.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections`: to one origin, at a time; `connect_s`: until one is free or made; `total_s`: until the answer is
    there, from the beginning; `idle_s`: how long one is kept without use; `answer`: bytes of a body."""

    connections: int
    connect_s: float
    total_s: float
    idle_s: float
    answer: int


class _Origin(NamedTuple):
    tls: bool
    host: str
    port: int


@lru_cache(64)
def _apart(url: str) -> tuple[_Origin, str, str]:
    """Where to, what `Host` says, and the target. Raises `Unwritable` for what is no address, or not encoded as one."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    if parts.scheme not in ("http", "https") or not parts.hostname or not f"{target}{parts.netloc}".isascii():
        raise Unwritable("no address for HTTP")
    if any(letter <= " " or letter == "\x7f" for letter in target):
        raise Unwritable("an address with spaces or control characters")
    tls = parts.scheme == "https"
    return _Origin(tls, parts.hostname, parts.port or (443 if tls else 80)), parts.netloc.rpartition("@")[2], target


class HttpClient:
    """The connections of one client. Nothing is opened before the first request."""

    def __init__(
        self, limits: Limits, *, sent: Callable[[], None] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """`sent` is called when a request was handed to the network; `tls`: whom to trust, instead of the system's list."""
        self._limits, self._sent, self._tls = limits, sent, tls
        self._pools: dict[_Origin, _Pool] = {}

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One request and its whole answer, whatever its status. Nothing is repeated, no redirect followed.

        Raises `NotConnected` or `NotAnswered`.
        """
        origin, host, target = _apart(url)
        lines = "".join([f"\n{name}: {value}" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or "\r" in lines:
            raise Unwritable("a header of more than one line")
        length = f"\nContent-Length: {len(body)}" if body or method not in ("GET", "DELETE") else ""
        head = f"{method} {target} HTTP/1.1\nHost: {host}{lines}{length}\n\n"
        try:
            raw = head.replace("\n", "\r\n").encode("latin-1") + body
        except UnicodeEncodeError:
            raise Unwritable("a header beyond Latin-1") from None
        loop, pool = asyncio.get_running_loop(), self._pool(origin)
        until = loop.time() + self._limits.total_s
        line = await pool.take()
        if loop.time() >= until:
            pool.free(line)
            raise NotConnected("TimeoutError")
        return await line.ask(raw, until, self._sent)

    def _pool(self, origin: _Origin) -> _Pool:
        pool = self._pools.get(origin)
        if pool is None:
            if origin.tls and self._tls is None:
                self._tls = ssl.create_default_context()
            pool = self._pools[origin] = _Pool(origin, self._limits, self._tls if origin.tls else None)
        return pool

    async def close(self) -> None:
        """Cuts every connection: who still waits on one gets `NotAnswered`, who waits for one `NotConnected`."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()
        await asyncio.sleep(0)  # the loop lets go of the sockets


class _Pool:
    """The connections to one origin. A place is a connection, or the right to make one."""

    def __init__(self, origin: _Origin, limits: Limits, tls: ssl.SSLContext | None) -> None:
        self.limits = limits
        self._origin, self._tls = origin, tls
        self._lines: set[_Line] = set()
        self._being_made = 0
        self._free: deque[_Line] = deque()  # used last, taken first: the others go when they were idle for long enough
        self._waiting: deque[asyncio.Future[_Line | None]] = deque()  # each gets a connection, or None: a place
        self._addresses: asyncio.Future[list[Any]] | None = None
        self._believed_until = 0.0
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self) -> _Line:
        while True:
            while self._free:
                line = self._free.pop()
                if line.open:
                    return line
            if len(self._lines) + self._being_made < self.limits.connections:
                self._being_made += 1
                return await self._make()
            given = await self._place()
            if given is None:
                return await self._make()
            if given.open:  # else it closed between its last answer and our turn, and its place is the next one's
                return given

    async def _place(self) -> _Line | None:
        turn: asyncio.Future[_Line | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.limits.connect_s):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._return(turn.result())  # it came in the moment we gave up
            if isinstance(error, TimeoutError):
                raise NotConnected("TimeoutError") from None
            raise

    async def _make(self) -> _Line:
        try:
            async with asyncio.timeout(self.limits.connect_s):
                sock = await start_connection(await self._where(), happy_eyeballs_delay=NEXT_ADDRESS_S)
                name = self._origin.host if self._tls is not None else None
                loop = asyncio.get_running_loop()
                made = await loop.create_connection(lambda: _Line(self), sock=sock, ssl=self._tls, server_hostname=name)
        except BaseException as error:
            self._return(None)
            if self._addresses is not None and self._addresses.done():  # else others wait for the same look-up
                self._addresses = None
            # RuntimeError: uvloop's word for a socket that is gone; UnicodeError: a name that cannot be one.
            if isinstance(error, OSError | RuntimeError | UnicodeError):
                raise NotConnected(type(error).__name__) from None
            raise
        self._being_made -= 1
        self._lines.add(made[1])
        if self._closed:
            made[1].cut()
        return made[1]

    async def _where(self) -> list[Any]:
        loop = asyncio.get_running_loop()
        if self._addresses is None or loop.time() > self._believed_until:
            self._believed_until = loop.time() + ADDRESSES_S
            asking = loop.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
            self._addresses = asyncio.ensure_future(asking)
        return await asyncio.shield(self._addresses)

    def free(self, line: _Line) -> None:
        """`line` has its answer, unless it is closed by now: then its place is given on where it is lost."""
        if line.open and not self._next(line):
            loop = asyncio.get_running_loop()
            line.free_since = loop.time()
            self._free.append(line)
            if self._sweep is None:
                self._sweep = loop.call_later(self.limits.idle_s, self._let_go)

    def lost(self, line: _Line) -> None:
        if line in self._free:
            self._free.remove(line)
        if line in self._lines:
            self._lines.discard(line)
            self._being_made += 1
            self._return(None)

    def _return(self, place: _Line | None) -> None:
        if place is not None:
            self.free(place)
        elif not self._next(None):
            self._being_made -= 1

    def _next(self, place: _Line | None) -> bool:
        """Hands a place to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(place)
                return True
        return False

    def _let_go(self) -> None:
        """A connection that the other side closes in the moment we use it makes a send unclear: we close it first."""
        loop, self._sweep = asyncio.get_running_loop(), None
        while self._free:
            left = self._free[0].free_since + self.limits.idle_s - loop.time()
            if left > 0:
                self._sweep = loop.call_later(left, self._let_go)
                return
            self._free.popleft().cut()

    def close(self) -> None:
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(NotConnected("closed"))
        self._waiting.clear()
        for line in tuple(self._lines):
            line.cut()


class _Line(asyncio.Protocol):
    """One connection: a request, its answer, the next request. httptools calls the methods that begin with `on_`."""

    def __init__(self, pool: _Pool) -> None:
        self.free_since = 0.0
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._wanted: asyncio.Future[Answer] | None = None
        self._clear()

    def _clear(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size, self._left = 0, self._pool.limits.answer  # bytes that came, and how many of a body may come yet
        self._head = True  # is being read
        self._to_the_end = False  # the body ends where the connection does
        self._whole: Answer | None = None
        self._keep = False

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def cut(self) -> None:
        self._to_the_end = False
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, raw: bytes, until: float, sent: Callable[[], None] | None) -> Answer:
        if self._transport is None or self._transport.is_closing():
            raise NotConnected("closed")
        loop = asyncio.get_running_loop()
        self._clear()
        wanted: asyncio.Future[Answer] = loop.create_future()
        self._wanted = wanted
        timer = loop.call_at(until, self._late, wanted)
        try:
            self._transport.write(raw)
            if sent is not None:
                sent()
            return await wanted
        except asyncio.CancelledError:
            if self._wanted is wanted:
                self.cut()
            raise
        finally:
            timer.cancel()  # the connection may be somebody else's by now: nothing of it is touched here

    def _late(self, wanted: asyncio.Future[Answer]) -> None:
        if wanted is self._wanted:
            self._fail("TimeoutError")

    def _fail(self, why: str) -> None:
        self.cut()
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_exception(NotAnswered(why))

    # --- the loop's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._wanted is None or self._wanted.done():
            return self.cut()  # nothing was asked
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._whole is None:
                return self._fail(type(error).__name__)
            self._keep = False  # something after the answer
        if self._whole is not None:
            self._answered(self._wanted, self._whole)
        elif self._left < 0 or self._size > MOST_HEADERS + (0 if self._head else 2 * self._pool.limits.answer):
            self._fail("an answer without end")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._pool.lost(self)
        if self._wanted is not None and not self._wanted.done():
            if self._to_the_end and exc is None:
                self.on_message_complete()
            if self._whole is not None:
                self._wanted.set_result(self._whole)
            else:
                self._fail(type(exc).__name__ if exc is not None else "closed")

    def _answered(self, wanted: asyncio.Future[Answer], answer: Answer) -> None:
        self._wanted = None
        if self._keep and self.open:
            # In the next turn: by then it is known whether the other side closed it together with the answer.
            asyncio.get_running_loop().call_soon(self._pool.free, self)
        else:
            self.cut()
        wanted.set_result(answer)

    # --- the parser's

    def on_message_begin(self) -> None:
        if self._whole is not None:
            self._keep = False  # more than one answer to one question

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if 100 <= self._parser.get_status_code() < 200:
            return
        self._head = False
        named = {name.lower() for name, _ in self._headers}
        self._to_the_end = not named & {b"content-length", b"transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self._left -= len(body)
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._whole is not None:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # "go on", before the answer
            self._headers, self._body = [], []
            return
        if not 200 <= status < 600 or self._left < 0:
            return self._fail(f"status {status}" if self._left >= 0 else "an answer without end")
        self._whole = Answer(status, self._headers, b"".join(self._body))
        self._keep = self._parser.should_keep_alive()
