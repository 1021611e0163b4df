"""uvicorn's HTTP protocol with what it lacks against strangers: an end to headers, in size, number and time. And
answers in one write.

Without it a connection that says nothing, or one header byte a minute, is kept for ever, and a header may grow
without bound (BAD_INPUTS H1, H6, W38). Bodies have their limits in `web.http.read_body`.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS = 100
HEADER_BYTES = 32 * 1024  # request line and headers together
CONTINUE = b"HTTP/1.1 100 "
HEADERS_S = 10.0  # from the first moment of a connection, or the first byte of a later request
REFUSALS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class HeadersTooLarge(Exception):
    """Raised inside the parser, which then stops."""


class _Answers:
    """What uvicorn writes answers to, on one connection: an answer's head waits for the first of its body, as ASGI asks of
    a server. Two writes are two packets, two journeys through the kernel, and the reader wakes twice.
    """

    __slots__ = ("_begun", "_held", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._begun = False
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._begun:
            self._transport.write(self._held + data if self._held else data)
            self._held = b""
        elif data.startswith(CONTINUE):
            self._transport.write(data)
        else:
            self._begun, self._held = True, data

    def done(self) -> None:
        """The next write begins another answer. One to HEAD has a head only."""
        if self._held:
            self._transport.write(self._held)
        self._begun, self._held = False, b""

    def close(self) -> None:
        self.done()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class Http(HttpToolsProtocol):
    _answers: _Answers
    _deadline: asyncio.TimerHandle | None = None
    _headers_done = False
    _whole = True  # has the body of the current request arrived; or is there none
    _read = 0  # bytes without a body in them: of headers, or of what may follow a body in chunks
    _upgraded = False  # from then on the connection is another protocol's
    _moved = False  # did the last bytes hold a piece of a body, or the end of a request
    _too_large = False
    _idle_since: float | None = None  # since its last answer, on the loop's clock
    _idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = _Answers(transport)
        self._deadline = self.loop.call_later(HEADERS_S, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self._rested()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._moved = False
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if self._whole:
            if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
                # Line ends between requests: uvicorn took them for one and does not watch any more.
                self._deadline = self.loop.call_later(HEADERS_S, self._late)
            return
        self._read = 0 if self._moved else self._read + len(data)
        if self._read > HEADER_BYTES or len(self.headers) > HEADERS:
            self._refuse(431)
        elif not self._headers_done and self._deadline is None:  # nearly always all of it came at once
            self._deadline = self.loop.call_later(HEADERS_S, self._late)

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        self._rested()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers_done, self._whole, self._read = False, False, 0

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
        if size > HEADER_BYTES or len(self.headers) > HEADERS:
            self._too_large = True
            raise HeadersTooLarge
        self._in_time()
        self._headers_done = True
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # it is no upgrade
            self.cycle.transport = self._answers  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._whole = self._moved = True
        self._read = 0
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._answers.done()
        self._answered()
        if not self._whole and self._deadline is None:
            # Answered before the body was there (refused, say): whoever goes on sending it does so in vain.
            self._deadline = self.loop.call_later(HEADERS_S, self.transport.close)

    def _answered(self) -> None:
        """As uvicorn's own, but for the clock: that sets one with each answer and cancels it with each request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._upgraded:
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._still_idle)

    def _rested(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None  # the timer finds that out by itself

    def _still_idle(self) -> None:
        self._idle = None
        if self._idle_since is None or self.transport.is_closing():
            return
        rest = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self._idle = self.loop.call_later(rest, self._still_idle)
        else:
            self.transport.close()

    def _should_upgrade(self) -> bool:
        # The handshake is rebuilt as HTTP/1.1 for the WebSocket parser, which could not tell any more.
        return self.scope["http_version"] == "1.1" and super()._should_upgrade()

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse(431)
        else:
            super().send_400_response(msg)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if not self._read:
            self.transport.close()  # it never said a word; nor do we
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        if not self.transport.is_closing():
            reason = REFUSALS[status]
            self.transport.write(b"HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % (status, reason))
            self.transport.close()
