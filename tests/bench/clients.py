"""Two small clients for load: a WebSocket and an HTTP/1.1 keep-alive connection.

They use the event loop's protocol callbacks, without tasks or locks, so that on a small machine the server causes most
of the measured cost.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

OnText = Callable[[bytes], None]


def without_delay(transport: asyncio.BaseTransport) -> None:
    result = transport.get_extra_info("socket")
    if result is not None:
        result.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class WebSocket(asyncio.Protocol):
    """Sends and receives text frames. `on_text` gets each message's payload, still encoded."""

    __slots__ = ("_buffer", "_fragment", "_opening", "_request", "on_text", "transport")

    def __init__(self, request: bytes, opening: asyncio.Future[None], on_text: OnText) -> None:
        self._request, self._opening, self.on_text = request, opening, on_text
        self._buffer = b""
        self._fragment = b""
        self.transport: Any = None

    @classmethod
    async def open(
        cls, port: int, path: str, on_text: OnText, *, headers: Mapping[str, str] | None = None, deflate: bool = False
    ) -> WebSocket:
        """`deflate` offers compression as browsers do; the servers here must decline it."""
        lines = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **({"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"} if deflate else {}),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        loop = asyncio.get_running_loop()
        opening: asyncio.Future[None] = loop.create_future()
        client = cls(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode(), opening, on_text)
        await loop.create_connection(lambda: client, "127.0.0.1", port)
        async with asyncio.timeout(60):
            await opening
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        without_delay(transport)
        self.transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._opening.done():
            self._opening.set_exception(ConnectionError(f"closed while opening: {error}"))

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if not self._opening.done():
            head, result, data = data.partition(b"\r\n\r\n")
            if not result:
                self._buffer = head
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0] or b"permessage-deflate" in head:
                self._opening.set_exception(ConnectionError(head.decode("latin-1")))
                return
            self._opening.set_result(None)
        self._buffer = data[self._frames(data) :]

    def _frames(self, data: bytes) -> int:
        """Handles every complete frame; returns the offset of the first incomplete one."""
        start, size = 0, len(data)
        while size - start >= 2:
            length = data[start + 1] & 0x7F
            body = start + 2
            if length >= 126:
                body += 2 if length == 126 else 8
                if size < body:
                    break
                length = int.from_bytes(data[start + 2 : body], "big")
            if size < body + length:
                break
            kind = data[start]
            payload = data[body : body + length]
            start = body + length
            if kind == 0x81:
                self.on_text(payload)
            elif kind & 0x0F <= 1:
                self._fragment += payload
                if kind & 0x80:
                    payload, self._fragment = self._fragment, b""
                    self.on_text(payload)
            elif kind & 0x0F == 9:
                self._write(0x8A, payload)
        return start

    def send(self, text: bytes) -> None:
        self._write(0x81, text)

    def _write(self, kind: int, payload: bytes) -> None:
        # A mask of zeros is legal and leaves the payload as it is.
        length = len(payload)
        if length < 126:
            head = bytes((kind, 0x80 | length))
        else:
            head = bytes((kind, 0xFE)) + length.to_bytes(2, "big")
        self.transport.write(head + b"\0\0\0\0" + payload)

    def close(self) -> None:
        self.transport.abort()


class Http(asyncio.Protocol):
    """One keep-alive connection with one request at a time; responses need a Content-Length."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: Any = None

    @classmethod
    async def open(cls, port: int) -> Http:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        without_delay(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the server closed the connection: {error}"))

    def data_received(self, data: bytes) -> None:
        data = self._buffer = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = data[:end].lower()
        _, result, after_length = head.partition(b"content-length:")
        length = int(after_length.split(b"\r\n", 1)[0]) if result else 0
        if len(data) < end + 4 + length:
            return
        self._buffer = data[end + 4 + length :]
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result((int(head[9:12]), data[end + 4 : end + 4 + length]))

    def request(self, raw: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Sends a whole request (see `raw_request`); the future's result is status and body."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(raw)
        return self._answer


def raw_request(method: str, path: str, port: int, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = {"Host": f"127.0.0.1:{port}", **headers}
    if body or method != "GET":
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
