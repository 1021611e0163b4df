"""uvicorn's WebSocket protocol with more defences and two short cuts.

ASGI has no way to drop a peer that does not read, pings are answered before any application code
sees them, and a message may arrive in endless fragments: so these stand here (BAD_INPUTS W16, W19).

The short cuts are for text, which is all there is in quantity. Going through ASGI a frame costs a
parser's generator, a queue, a task that is woken, and reading paused and resumed; here the text of a
whole frame is handed to whoever listens, and gathered for one write at the end of the loop's turn while
the peer keeps up: uvloop makes a system call of every write, and a console gets many frames of one commit.
Whatever is not plain takes the long way, in order.
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

GATHER = 64 * 1024  # bytes of text are written before the turn is over

WHOLE_TEXT = 0x81  # the first byte of a text frame that is not a fragment
MASKED = 0x80

UTF8 = codecs.getincrementaldecoder("utf-8")
Listener = Callable[[str], None]


class Rules(ServerProtocol):
    """The library's state machine, with what it has no word for.

    A close inside a fragmented message is a close like any other (RFC 6455, 5.4; Autobahn 7.1.5); pings and pongs are counted
    before they are answered, because a thousand may stand in one segment (W19).
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

    `threadline.abort()` drops the TCP connection at once, unsent bytes and all.
    `threadline.write(text)` sends in this turn of the loop, or returns False: then use `send`, which waits for the peer.
    `threadline.listen(listener)` gives text frames to `listener` as they arrive; everything else, and what
    came before, still comes by `receive`.
    """

    conn: Rules
    _listener: Listener | None = None
    _gathered: list[bytes] | None = None  # frames that are written when this turn of the loop is over
    _size = 0  # of them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = Rules(self.loop.time, self.config.ws_max_size)
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
        if self._readable(event):
            super().handle_text(event)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(1009, "too many fragments")
            return
        if self.curr_msg_data_type == "bytes" or self._readable(event):
            super().handle_cont(event)

    def _readable(self, event: Frame) -> bool:
        """Fails the connection at the first byte that cannot be UTF-8, not at the end of a message that may never end."""
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
        self._part(code, reason)

    def handle_parser_exception(self) -> None:
        if not self.close_sent and not self.transport.is_closing():
            sent = self.conn.close_sent
            self._part(sent.code if sent else 1006, sent.reason if sent else "")

    def _part(self, code: int, reason: str) -> None:
        """Says why and ends our half. The other half is still read, to nowhere: closing a connection on which bytes
        are arriving resets it, and the reason would be lost on its way."""
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
        """The server stops: 1012, and no more than `LINGER_S` for a peer that does not read it."""
        self._flush()
        if self.close_sent or not self.handshake_complete or self.conn.state is not State.OPEN:
            super().shutdown()
            self.loop.call_later(LINGER_S, self.transport.abort)
            return
        self.conn.send_close(1012, "restart")
        self._part(1012, "restart")

    # --- out

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        if message["type"] == "websocket.http.response.body":
            # A handshake that we refuse is complete; uvicorn would log an error for each, and strangers could fill disks.
            self.handshake_complete = True
        elif message["type"] == "websocket.accept" and self.transport.is_closing():
            raise ClientDisconnected()  # it hung up while it was let in: the same
        self._flush()
        sending = super().send(message)
        return self._accepted(sending) if message["type"] == "websocket.accept" else sending

    async def _accepted(self, sending: Coroutine[Any, Any, None]) -> None:
        """Lets go of the handshake: two to ten kilobytes that nobody reads again, for as long as the socket lives."""
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
        if self._gathered is None:
            self._gathered = [head, payload]
            self.loop.call_soon(self._flush)
        else:
            self._gathered += (head, payload)
        self._size += size
        if self._size > GATHER:
            self._flush()
        return True

    def _flush(self) -> None:
        """Writes what was gathered; before anything else is written, so that the order stays."""
        if self._gathered is not None:
            frames, self._gathered, self._size = self._gathered, None, 0
            if not self.close_sent and not self.disconnected and not self.transport.is_closing():
                self.transport.write(b"".join(frames))

    # --- in

    def _listen(self, listener: Listener) -> None:
        self._listener = listener

    def data_received(self, data: bytes) -> None:
        if self._listener is not None:
            text = self._plain_text(data)
            if text is not None:
                self._listener(text)
                return
        self._flush()
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The library gave the request up (a header line of 9 KB) and has written its answer, which nobody sends.
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _plain_text(self, data: bytes) -> str | None:
        """The text, if `data` is exactly one whole text frame and nothing is unfinished or waiting before it."""
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
                return None  # a length written longer than need be is an error, which the parser names
        if size == 127 or len(data) != begin + size or size > self.config.ws_max_size:
            return None
        try:
            return apply_mask(data[begin:], data[begin - 4 : begin]).decode()
        except UnicodeDecodeError:
            return None
