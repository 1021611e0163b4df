"""uvicorn's WebSocket protocol with additional limits and two fast paths.

The limits are here because ASGI cannot enforce them: it cannot drop a peer that does not read, it does not show
pings to the application, and it does not limit the number of fragments of a message (W16, W19).

The fast paths are for text frames. A frame that arrives whole goes directly to a listener, without ASGI's queue and
task switch. Frames to send are collected and written once at the end of the loop's turn, because uvloop makes a
system call for every write and one commit often sends several frames. All other frames go through ASGI, in order.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiler when it was installed
    from websockets.utils import apply_mask

log = structlog.get_logger()

PINGS_PER_WINDOW = 30
PING_WINDOW_S = 10.0
MAX_FRAGMENTS = 64
LINGER_S = 1.0

MAX_BATCH = 64 * 1024  # bytes of batched text that are written without waiting for the end of the turn

WHOLE_TEXT = 0x81  # the first byte of a text frame that is not a fragment
MASKED = 0x80

UTF8 = codecs.getincrementaldecoder("utf-8")
Listener = Callable[[str], None]


class LimitedProtocol(ServerProtocol):
    """The library's protocol state machine with two corrections.

    It accepts a close frame between the fragments of a message (RFC 6455, 5.4; Autobahn 7.1.5). It counts pings and
    pongs before it answers them, because one TCP segment may contain a thousand (W19).
    """

    def __init__(self, time: Callable[[], float], max_size: int) -> None:
        super().__init__(max_size=max_size, logger=logging.getLogger("uvicorn.error"))
        self._time = time
        self._pings, self._since = 0, 0.0
        self.flooded = False

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            now = self._time()
            if now - self._since > PING_WINDOW_S:
                self._since, self._pings = now, 0
            self._pings += 1
            if self._pings > PINGS_PER_WINDOW:
                self.flooded = True
                self.events.append(frame)
                return
        elif frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class Socket(WebSocketsSansIOProtocol):
    """Adds to `scope["extensions"]`:

    `threadline.abort()` drops the TCP connection at once and discards unsent bytes.
    `threadline.write(text)` sends in this turn of the loop, or returns False: then use `send`, which waits for the peer.
    `threadline.listen(listener)` passes whole text frames to `listener` as they arrive. All other frames, and those
    that arrived before the call, still come through `receive`.
    """

    conn: LimitedProtocol
    _listener: Listener | None = None
    _batch: list[bytes] | None = None  # frames that are written when this turn of the loop is over
    _batch_size = 0  # of them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = LimitedProtocol(self.loop.time, self.config.ws_max_size)
        self._utf8 = UTF8()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"] |= {
                "threadline.abort": self.transport.abort,
                "threadline.write": self._write_text,
                "threadline.listen": self._listen,
            }

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener = None
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        if self.conn.flooded:
            self._fail(4429, "rate_limited")
            return
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self.conn.flooded:
            self._fail(4429, "rate_limited")
            return
        super().handle_pong(event)

    def handle_text(self, event: Frame) -> None:
        self._utf8.reset()
        if self._is_utf8(event):
            super().handle_text(event)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(1009, "too many fragments")
            return
        if self.curr_msg_data_type == "bytes" or self._is_utf8(event):
            super().handle_cont(event)

    def _is_utf8(self, event: Frame) -> bool:
        """Fails the connection at the first byte that is not UTF-8, without waiting for the end of the message."""
        try:
            self._utf8.decode(event.data, event.fin)
        except UnicodeDecodeError:
            self._fail(1007, "not UTF-8")
            return False
        return True

    def _fail(self, code: int, reason: str) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.fail(code, reason)
        self._end_half(code, reason)

    def handle_parser_exception(self) -> None:
        if not self.close_sent and not self.transport.is_closing():
            sent = self.conn.close_sent
            self._end_half(sent.code if sent else 1006, sent.reason if sent else "")

    def _end_half(self, code: int, reason: str) -> None:
        """Sends the close frame and ends our half of the connection. Still reads and discards the peer's bytes: closing
        a TCP connection with unread bytes resets it, and the peer might never receive the reason."""
        self._flush()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def shutdown(self) -> None:
        """Called when the server stops: closes with 1012 and waits at most `LINGER_S` for a peer that does not read."""
        self._flush()
        if self.close_sent or not self.handshake_complete or self.conn.state is not State.OPEN:
            super().shutdown()
            self.loop.call_later(LINGER_S, self.transport.abort)
            return
        self.conn.send_close(1012, "restart")
        self._end_half(1012, "restart")

    # --- out

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        if message["type"] == "websocket.http.response.body":
            # Without this uvicorn logs an error for each refused handshake, and anybody could fill the disk with log lines.
            self.handshake_complete = True
        elif message["type"] == "websocket.accept" and self.transport.is_closing():
            raise ClientDisconnected()  # the peer disconnected during the handshake
        elif message["type"] == "websocket.close" and self.close_sent:
            return self._already_closed()
        self._flush()
        sending = super().send(message)
        return self._accepted(sending) if message["type"] == "websocket.accept" else sending

    async def _already_closed(self) -> None:
        """Replaces a second close: the protocol has already closed the connection for another reason."""

    async def _accepted(self, sending: Coroutine[Any, Any, None]) -> None:
        """Frees the handshake's request and headers, which nothing reads after the accept."""
        await sending
        self.scope["headers"] = []
        del self.request, self.response

    def _write_text(self, text: str) -> bool:
        if self.close_sent or self.disconnected or self.conn.state is not State.OPEN or not self.writable.is_set():
            return False
        payload = text.encode()
        size = len(payload)
        if size < 126:
            head = bytes((WHOLE_TEXT, size))
        elif size < 65_536:
            head = bytes((WHOLE_TEXT, 126, size >> 8, size & 0xFF))
        else:
            head = bytes((WHOLE_TEXT, 127)) + size.to_bytes(8, "big")
        if self._batch is None:
            self._batch = [head, payload]
            self.loop.call_soon(self._flush)
        else:
            self._batch += (head, payload)
        self._batch_size += size
        if self._batch_size > MAX_BATCH:
            self._flush()
        return True

    def _flush(self) -> None:
        """Writes the batched frames. Call it before any other write, to keep the order."""
        if self._batch is not None:
            frames, self._batch, self._batch_size = self._batch, None, 0
            if not self.close_sent and not self.disconnected and not self.transport.is_closing():
                self.transport.write(b"".join(frames))

    # --- in

    def _listen(self, listener: Listener) -> None:
        self._listener = listener

    def data_received(self, data: bytes) -> None:
        if self._listener is not None:
            text = self._whole_text(data)
            if text is not None:
                self._listener(text)
                return
        self._flush()
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The library refused the request (for example a header line of 9 KB); uvicorn does not send its response.
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _whole_text(self, data: bytes) -> str | None:
        """The text, if `data` is exactly one whole text frame and no earlier frame is unfinished or still queued."""
        conn = self.conn
        if (
            len(data) < 6
            or data[0] != WHOLE_TEXT
            or not data[1] & MASKED
            or conn.reader.buffer
            or conn.current_size is not None
            or conn.state is not State.OPEN
            or self.close_sent
            or not self.queue.empty()
        ):
            return None
        size, begin = data[1] & 0x7F, 6
        if size == 126:
            size, begin = int.from_bytes(data[2:4], "big"), 8
            if size < 126:
                return None  # a length that is not minimally encoded: the parser reports the error
        if size == 127 or len(data) != begin + size or size > self.config.ws_max_size:
            return None
        try:
            return apply_mask(data[begin:], data[begin - 4 : begin]).decode()
        except UnicodeDecodeError:
            return None
