"""A WebSocket client that can violate the protocol: the caller sets every bit of every frame."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from base64 import b64encode
from dataclasses import dataclass
from typing import Self

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b64encode(b"0123456789abcdef").decode()


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    length: bytes | None = None,
) -> bytes:
    """Encodes a frame. `mask` None: unmasked. `length`: these bytes instead of the right length field."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if mask is not None else 0
    if length is None:
        size = len(payload)
        if size < 126:
            length = bytes([size])
        elif size < 65_536:
            length = struct.pack("!BH", 126, size)
        else:
            length = struct.pack("!BQ", 127, size)
    head += bytes([flag | length[0]]) + length[1:]
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@dataclass(frozen=True)
class ReceivedFrame:
    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        """The close code; None when the close frame has none."""
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None


class Raw:
    """One connection after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, address: tuple[str, int], origin: str, path: str = "/ws/visitor") -> Self:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(handshake(origin, address, path=path))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return cls(reader, writer)

    async def send(self, *pieces: bytes, chop: int = 0) -> None:
        """`chop`: writes so many bytes at a time, each in its own TCP segment."""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                step = chop or len(piece) or 1
                for start in range(0, len(piece), step):
                    self.writer.write(piece[start : start + step])
                    if chop:
                        await self.writer.drain()
                        await asyncio.sleep(0)
            await self.writer.drain()

    async def deliver(self, within: float = 5.0) -> ReceivedFrame | None:
        """The next frame; None when the connection has ended."""
        try:
            async with asyncio.timeout(within):
                first, second = await self.reader.readexactly(2)
                assert not second & 0x80, "a server must not mask"
                assert not first & 0x70, "a server must not set reserved bits"
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
                return ReceivedFrame(first & 0x0F, await self.reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def read_until_closed(self, within: float = 5.0) -> list[ReceivedFrame]:
        """All frames until the server closes the connection. Fails when it does not."""
        received = []
        while (result := await self.deliver(within)) is not None:
            received.append(result)
        return received

    async def end(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def handshake(
    origin: str,
    address: tuple[str, int],
    *,
    path: str = "/ws/visitor",
    version: str = "HTTP/1.1",
    drop: str = "",
    extra: tuple[str, ...] = (),
) -> bytes:
    lines = [
        f"Host: {address[0]}:{address[1]}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        f"Origin: {origin}",
    ]
    kept_lines = [line for line in lines if not drop or not line.startswith(drop)]
    return "\r\n".join((f"GET {path} {version}", *kept_lines, *extra, "", "")).encode("latin-1")
