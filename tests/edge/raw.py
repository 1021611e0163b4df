"""A WebSocket client that can misbehave: the test writes the handshake and the bytes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self

import orjson

from tests.edge.cases.wire import CLOSE, TEXT, ws
from tests.online import PATIENCE_S, Online

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def handshake(online: Online, path: str = "/ws/visitor", **changes: str | None) -> bytes:
    """A handshake request; `changes` by header name with underscores, None removes a header."""
    headers: dict[str, str | None] = {
        "Host": online.url.removeprefix("http://"),
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        "Origin": online.url,
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Raw:
    """One TCP connection after a good handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, online: Online, hello: dict[str, Any] | None = None) -> Self:
        raw = cls(*await asyncio.open_connection(*online.address))
        raw._writer.write(handshake(online))
        head = await raw._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        if hello is not None:
            await raw.send(ws(TEXT, orjson.dumps(hello)))
            opcode, payload = await raw.frame()
            assert opcode == TEXT and orjson.loads(payload)["type"] == "ready"
        return raw

    async def send(self, data: bytes) -> None:
        """Sends bytes and ignores errors: the server may have closed the connection."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readexactly(2)
            size = head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
            return head[0] & 0x0F, await self._reader.readexactly(size)

    async def close_code(self) -> tuple[int | None, list[bytes]]:
        """The code of the server's close frame (None: it closed without one), and the texts received before it."""
        texts = []
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big"), texts
                if opcode == TEXT:
                    texts.append(payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None, texts

    async def is_closed(self) -> bool:
        """Whether the server closes the TCP connection by itself."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                while await self._reader.read(65_536):
                    continue
        return True

    async def leave(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
