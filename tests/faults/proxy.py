"""A TCP proxy between client and server that delays, throttles, cuts, resets, drops and repeats traffic.

It parses enough of WebSocket and HTTP to drop one frame or to send one request twice. A seeded random decides, so that
a run can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

FrameTest = Callable[[bytes], bool]


@dataclass
class Faults:
    """Faults to apply to traffic from now on; tests change it while the proxy runs. Shares are 0 to 1."""

    delay_up_s: float = 0.0
    delay_down_s: float = 0.0
    rate_down: float = 0.0  # bytes a second; 0: no limit
    drop_down: float = 0.0  # share of the server's frames that `matching` selects
    matching: FrameTest = lambda payload: True
    cut_down: float = 0.0  # share of the server's frames: cut in the middle, then RST
    cut_up: float = 0.0  # the same for the client's frames
    repeat_up: float = 0.0  # share of the client's frames and requests that are sent twice
    refuse_upgrade: bool = False
    black_hole: bool = False  # silently drops everything


@dataclass
class AppliedFaults:
    """Counts of the faults that were applied; tests have floors on them."""

    connections: int = 0
    dropped: int = 0
    cut: int = 0
    repeated: int = 0
    resets: int = 0
    frames: int = 0


@dataclass(eq=False)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    def __init__(self, target: Callable[[], int], seed: int) -> None:
        self.target, self.random = target, random.Random(seed)
        self.faults, self.done = Faults(), AppliedFaults()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for link in list(self._links):
            for task in link.tasks:
                task.cancel()
            self._abort(link.client)
            self._abort(link.server)
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset_all(self) -> int:
        """Resets both sides of every connection (RST)."""
        links = list(self._links)
        for link in links:
            self._reset(link)
        return len(links)

    def _reset(self, link: _Link) -> None:
        self.done.resets += 1
        for writer in (link.client, link.server):
            raw = writer.get_extra_info("socket")
            if raw is not None:
                with contextlib.suppress(OSError, ValueError):  # the connection is already closed
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._abort(writer)

    @staticmethod
    def _abort(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(RuntimeError):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target())
        except OSError:
            writer.transport.abort()
            return
        self.done.connections += 1
        link = _Link(writer, server_writer)
        link.tasks = [
            asyncio.create_task(self._pump(link, reader, server_writer, up=True)),
            asyncio.create_task(self._pump(link, server_reader, writer, up=False)),
        ]
        self._links.add(link)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(link.tasks, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(0.05)  # time for data in the other direction to arrive
        finally:
            for task in link.tasks:
                task.cancel()
            await asyncio.gather(*link.tasks, return_exceptions=True)
            self._links.discard(link)
            for side in (writer, server_writer):
                with contextlib.suppress(RuntimeError):
                    side.close()

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError, RuntimeError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if up and self.faults.refuse_upgrade and b"upgrade: websocket" in head.lower():
                link.client.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                await link.client.drain()
                return
            socket_link = b"upgrade: websocket" in head.lower()
            if up and not socket_link:
                await self._request(head, reader, writer)
            else:
                await self._forward(writer, head, up=up)
            if socket_link:
                await self._frames(link, reader, writer, up=up)
            else:
                while data := await reader.read(65_536):
                    await self._forward(writer, data, up=up)

    async def _request(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one HTTP request, and sometimes a second copy of it over another connection."""
        length = re.search(rb"content-length: *(\d+)", head.lower())
        request_bytes = head + (await reader.readexactly(int(length[1])) if length else b"")
        if head.startswith(b"POST") and self.random.random() < self.faults.repeat_up:
            self.done.repeated += 1
            copy_reader, copy_writer = await asyncio.open_connection("127.0.0.1", self.target())
            copy_writer.write(request_bytes)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await copy_reader.read(65_536)
            copy_writer.close()
        await self._forward(writer, request_bytes, up=True)

    async def _frames(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        while True:
            head, payload = await _frame(reader)
            self.done.frames += 1
            data, chance, faults = head + payload, self.random.random(), self.faults
            text = head[0] & 0x0F == 1
            if text and chance < (faults.cut_up if up else faults.cut_down):
                self.done.cut += 1
                await self._forward(writer, data[: max(1, len(data) // 2)], up=up)
                self._reset(link)
                return
            if (
                text
                and not up
                and faults.drop_down
                and faults.matching(payload)
                and self.random.random() < faults.drop_down
            ):
                self.done.dropped += 1
                continue
            await self._forward(writer, data, up=up)
            if text and up and self.random.random() < faults.repeat_up:
                self.done.repeated += 1
                await self._forward(writer, data, up=True)

    async def _forward(self, writer: asyncio.StreamWriter, data: bytes, *, up: bool) -> None:
        faults = self.faults
        if delay := faults.delay_up_s if up else faults.delay_down_s:
            await asyncio.sleep(delay * self.random.uniform(0.5, 1.5))
        if not up and faults.rate_down:
            await asyncio.sleep(len(data) / faults.rate_down)
        while self.faults.black_hole:
            await asyncio.sleep(0.1)
        writer.write(data)
        await writer.drain()


async def _frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Reads one WebSocket frame as raw bytes: header with mask, and payload."""
    head = await reader.readexactly(2)
    size = head[1] & 0x7F
    if size == 126:
        extended = await reader.readexactly(2)
        head, size = head + extended, int.from_bytes(extended)
    elif size == 127:
        extended = await reader.readexactly(8)
        head, size = head + extended, int.from_bytes(extended)
    if head[1] & 0x80:
        head += await reader.readexactly(4)
    return head, await reader.readexactly(size)
