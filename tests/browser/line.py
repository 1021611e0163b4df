"""A TCP proxy between the browsers and the server, which a test can cut, mute and restore.

The browser's own offline mode is not used, because it leaves open WebSockets open.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

REFUSAL = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\nconnection: close\r\n\r\nno upgrades"


class Line:
    """Listens on its own port and forwards bytes to the port `to`."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut = False
        self._mute = False
        self.refuses_sockets = False  # answers 400 to every Upgrade, as an old proxy does
        self.sockets_refused = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Breaks every connection and refuses new connections until `mend`."""
        self._cut = True
        self._abort()

    def mute(self) -> None:
        """Forwards requests and drops responses: messages are stored but not acknowledged."""
        self._mute = True

    def mend(self) -> None:
        if self._mute:
            self._abort()  # a connection with missing bytes cannot continue
        self._cut = self._mute = False

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._writers.add(writer)
        try:
            if self._cut:
                writer.transport.abort()
                return
            head = await reader.readuntil(b"\r\n\r\n")
            if self.refuses_sockets and b"\r\nupgrade: websocket" in head.lower():
                self.sockets_refused += 1
                writer.write(REFUSAL)
                await writer.drain()
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._to)
            ends.add(far)
            self._writers.add(far)
            far.write(head)
            await asyncio.gather(self._pump(reader, far, answers=False), self._pump(far_reader, writer, answers=True))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if not (answers and self._mute):
                    sink.write(data)
                    await sink.drain()
        # One side closed its connection: close the other.
        sink.close()
