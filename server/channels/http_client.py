"""An HTTP/1.1 client for a provider's API; its errors tell whether any part of a failed request was sent.

It is a connection pool with three timeouts; httptools parses responses, aiohappyeyeballs connects and the event loop
does TLS. aiohttp cannot tell whether a request was sent, and is slower (docs/performance.md).
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

DNS_CACHE_S = 60.0  # how long a DNS result is cached
NEXT_ADDRESS_DELAY_S = 0.25  # if one address does not answer within this time, the next is tried too (RFC 8305)
MAX_HEADERS = 65_536  # bytes, approximately: checked per received chunk


class NotConnected(OSError):
    """No part of the request was sent, so a retry is safe. The message is the reason."""


class InvalidRequest(NotConnected, ValueError):
    """The request cannot be written: it has no address, or a header that HTTP does not allow."""


class NoResponse(OSError):
    """The request may have been sent, but no complete response came. The message is the reason."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        header_name = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == header_name), None)


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections`: the most at one time to one origin. `connect_s`: timeout until a connection is free or opened.
    `total_s`: timeout until the response is complete. `idle_s`: how long an unused connection is kept. `answer`: the
    most bytes of a response body."""

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
def _split_url(url: str) -> tuple[_Origin, str, str]:
    """Origin, `Host` header and target of a URL. Raises `InvalidRequest` for an invalid or unencoded URL."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    if parts.scheme not in ("http", "https") or not parts.hostname or not f"{target}{parts.netloc}".isascii():
        raise InvalidRequest("no address for HTTP")
    if any(letter <= " " or letter == "\x7f" for letter in target):
        raise InvalidRequest("an address with spaces or control characters")
    tls = parts.scheme == "https"
    return _Origin(tls, parts.hostname, parts.port or (443 if tls else 80)), parts.netloc.rpartition("@")[2], target


class HttpClient:
    """The connections of one client. Nothing is opened before the first request."""

    def __init__(
        self, limits: Limits, *, sent: Callable[[], None] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """`sent`: called after a request was written. `tls`: trusted certificates, instead of the system's."""
        self._limits, self._sent, self._tls = limits, sent, tls
        self._pools: dict[_Origin, _Pool] = {}

    async def send_request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> HttpResponse:
        """Sends one request and returns its response, whatever its status, without retries or redirects.

        Raises `NotConnected` or `NoResponse`.
        """
        origin, host, target = _split_url(url)
        lines = "".join([f"\n{name}: {value}" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or "\r" in lines:
            raise InvalidRequest("a header with a line break")
        length = f"\nContent-Length: {len(body)}" if body or method not in ("GET", "DELETE") else ""
        head = f"{method} {target} HTTP/1.1\nHost: {host}{lines}{length}\n\n"
        try:
            raw = head.replace("\n", "\r\n").encode("latin-1") + body
        except UnicodeEncodeError:
            raise InvalidRequest("a header beyond Latin-1") from None
        loop, pool = asyncio.get_running_loop(), self._pool(origin)
        until = loop.time() + self._limits.total_s
        connection = await pool.acquire()
        if loop.time() >= until:
            pool.release(connection)
            raise NotConnected("TimeoutError")
        return await connection.exchange(raw, until, self._sent)

    def _pool(self, origin: _Origin) -> _Pool:
        pool = self._pools.get(origin)
        if pool is None:
            if origin.tls and self._tls is None:
                self._tls = ssl.create_default_context()
            pool = self._pools[origin] = _Pool(origin, self._limits, self._tls if origin.tls else None)
        return pool

    async def close(self) -> None:
        """Aborts all connections: open requests raise `NoResponse`, requests that wait for a connection `NotConnected`."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()
        await asyncio.sleep(0)  # lets the loop close the sockets


class _Pool:
    """The connections to one origin. A place is a connection, or the permission to open one."""

    def __init__(self, origin: _Origin, limits: Limits, tls: ssl.SSLContext | None) -> None:
        self.limits = limits
        self._origin, self._tls = origin, tls
        self._connections: set[_Connection] = set()
        self._connecting = 0
        # the connection used last is taken first, so that the others become idle and are closed
        self._free: deque[_Connection] = deque()
        # each waiting request gets a connection, or None: permission to open one
        self._waiting: deque[asyncio.Future[_Connection | None]] = deque()
        self._addresses: asyncio.Future[list[Any]] | None = None
        self._addresses_until = 0.0
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def acquire(self) -> _Connection:
        while True:
            while self._free:
                connection = self._free.pop()
                if connection.open:
                    return connection
            if len(self._connections) + self._connecting < self.limits.connections:
                self._connecting += 1
                return await self._connect()
            released = await self._wait_for_connection()
            if released is None:
                return await self._connect()
            # If the connection closed while it was passed on, its place was given to the next request, and this one waits again.
            if released.open:
                return released

    async def _wait_for_connection(self) -> _Connection | None:
        waiter: asyncio.Future[_Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self.limits.connect_s):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._return(waiter.result())  # the connection was assigned just as the wait ended
            if isinstance(error, TimeoutError):
                raise NotConnected("TimeoutError") from None
            raise

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(self.limits.connect_s):
                sock = await start_connection(await self._resolve(), happy_eyeballs_delay=NEXT_ADDRESS_DELAY_S)
                name = self._origin.host if self._tls is not None else None
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(
                    lambda: _Connection(self), sock=sock, ssl=self._tls, server_hostname=name
                )
        except BaseException as error:
            self._return(None)
            if self._addresses is not None and self._addresses.done():  # else other requests wait for the same lookup
                self._addresses = None
            # RuntimeError: uvloop's error for a closed socket. UnicodeError: an invalid host name.
            if isinstance(error, OSError | RuntimeError | UnicodeError):
                raise NotConnected(type(error).__name__) from None
            raise
        self._connecting -= 1
        self._connections.add(connection)
        if self._closed:
            connection.abort()
        return connection

    async def _resolve(self) -> list[Any]:
        loop = asyncio.get_running_loop()
        if self._addresses is None or loop.time() > self._addresses_until:
            self._addresses_until = loop.time() + DNS_CACHE_S
            lookup = loop.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
            self._addresses = asyncio.ensure_future(lookup)
        return await asyncio.shield(self._addresses)

    def release(self, connection: _Connection) -> None:
        """Returns a connection whose response is complete. If it is closed by now, `on_disconnected` has returned its place."""
        if connection.open and not self._hand_over(connection):
            loop = asyncio.get_running_loop()
            connection.free_since = loop.time()
            self._free.append(connection)
            if self._sweep is None:
                self._sweep = loop.call_later(self.limits.idle_s, self._close_idle)

    def on_disconnected(self, connection: _Connection) -> None:
        if connection in self._free:
            self._free.remove(connection)
        if connection in self._connections:
            self._connections.discard(connection)
            self._connecting += 1
            self._return(None)

    def _return(self, connection: _Connection | None) -> None:
        if connection is not None:
            self.release(connection)
        elif not self._hand_over(None):
            self._connecting -= 1

    def _hand_over(self, connection: _Connection | None) -> bool:
        """Gives the connection, or the permission to open one, to the request that waits longest; returns False if none waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    def _close_idle(self) -> None:
        """Closes idle connections before the server does: if it closes one just as we use it, a send becomes unclear."""
        loop, self._sweep = asyncio.get_running_loop(), None
        while self._free:
            remaining_s = self._free[0].free_since + self.limits.idle_s - loop.time()
            if remaining_s > 0:
                self._sweep = loop.call_later(remaining_s, self._close_idle)
                return
            self._free.popleft().abort()

    def close(self) -> None:
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for place in self._waiting:
            if not place.done():
                place.set_exception(NotConnected("closed"))
        self._waiting.clear()
        for connection in tuple(self._connections):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time. httptools calls the methods that begin with `on_`."""

    def __init__(self, pool: _Pool) -> None:
        self.free_since = 0.0
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[HttpResponse] | None = None
        self._clear()

    def _clear(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        # bytes received, and bytes of the body that are still allowed
        self._size, self._body_bytes_left = 0, self._pool.limits.answer
        self._head = True  # the head is being read
        self._until_close = False  # the body ends when the connection closes
        self._complete: HttpResponse | None = None
        self._keep = False

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        self._until_close = False
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, raw: bytes, until: float, sent: Callable[[], None] | None) -> HttpResponse:
        if self._transport is None or self._transport.is_closing():
            raise NotConnected("closed")
        loop = asyncio.get_running_loop()
        self._clear()
        response: asyncio.Future[HttpResponse] = loop.create_future()
        self._answer = response
        timer = loop.call_at(until, self._on_timeout, response)
        try:
            self._transport.write(raw)
            if sent is not None:
                sent()
            return await response
        except asyncio.CancelledError:
            if self._answer is response:
                self.abort()
            raise
        finally:
            timer.cancel()  # another request may use the connection by now, so do not touch it here

    def _on_timeout(self, response: asyncio.Future[HttpResponse]) -> None:
        if response is self._answer:
            self._fail("TimeoutError")

    def _fail(self, reason: str) -> None:
        self.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoResponse(reason))

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            return self.abort()  # bytes without a request
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._complete is None:
                return self._fail(type(error).__name__)
            self._keep = False  # bytes after the response
        if self._complete is not None:
            self._finish_request(self._answer, self._complete)
        elif self._body_bytes_left < 0 or self._size > MAX_HEADERS + (
            0 if self._head else 2 * self._pool.limits.answer
        ):
            self._fail("the response is too large")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._pool.on_disconnected(self)
        if self._answer is not None and not self._answer.done():
            if self._until_close and exc is None:
                self.on_message_complete()
            if self._complete is not None:
                self._answer.set_result(self._complete)
            else:
                self._fail(type(exc).__name__ if exc is not None else "closed")

    def _finish_request(self, response: asyncio.Future[HttpResponse], complete: HttpResponse) -> None:
        self._answer = None
        if self._keep and self.open:
            # In the next turn of the loop, because then it is known whether the server closed the connection with its
            # response.
            asyncio.get_running_loop().call_soon(self._pool.release, self)
        else:
            self.abort()
        response.set_result(complete)

    # --- called by the parser

    def on_message_begin(self) -> None:
        if self._complete is not None:
            self._keep = False  # a second response to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if 100 <= self._parser.get_status_code() < 200:
            return
        self._head = False
        names = {name.lower() for name, _ in self._headers}
        self._until_close = not names & {b"content-length", b"transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self._body_bytes_left -= len(body)
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._complete is not None:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # an interim response (100 Continue) before the final one
            self._headers, self._body = [], []
            return
        if not 200 <= status < 600 or self._body_bytes_left < 0:
            return self._fail(f"status {status}" if self._body_bytes_left >= 0 else "the response is too large")
        self._complete = HttpResponse(status, self._headers, b"".join(self._body))
        self._keep = self._parser.should_keep_alive()
