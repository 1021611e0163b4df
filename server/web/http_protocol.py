"""uvicorn's HTTP protocol with limits on the size, number and time of headers, and with responses in one write.

uvicorn keeps silent connections open and lets headers grow without limit. Ambiguous headers are refused, too. Limits of
bodies are in `web.http.receive_body`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.kernel import metrics

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024  # request line and headers together
CONTINUE = b"HTTP/1.1 100 "
HEADERS_TIMEOUT_S = 10.0  # from the start of a connection, or the first byte of a later request
REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class HeadersTooLarge(Exception):
    """Stops the parser."""


class Malformed(Exception):
    """Stops the parser at headers that another program may interpret differently."""


# If one of these is repeated, a proxy and this server may use different values.
SINGLE_HEADERS = frozenset(
    [
        b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"origin", b"sec-fetch-site",
        b"authorization", b"x-threadline-identity",
    ]
)  # fmt: skip
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


def malformed(version: str, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether these headers (lower-case names) must be refused (RFC 9112, 3.2 and 6.1): a missing or invalid `Host`, a
    repeated header of `SINGLE_HEADERS`, a transfer coding other than chunked."""
    values = dict(headers)
    if len(values) < len(headers):
        names = [name for name, _ in headers]
        if any(names.count(name) > 1 for name in SINGLE_HEADERS):
            return True
    host = values.get(b"host")
    if host is None:
        if version != "1.0":
            return True
    elif not _HOST.fullmatch(host.strip()):
        return True
    coding = values.get(b"transfer-encoding")
    return coding is not None and (version == "1.0" or coding.strip().lower() != b"chunked")


class _ResponseWriter:
    """The transport that uvicorn writes responses to: sends a response's head together with the first part of its body,
    so that a small response is one packet.
    """

    __slots__ = ("_head", "_started", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._started = False
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._started:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""
        elif data.startswith(CONTINUE):
            self._transport.write(data)
        else:
            self._started, self._head = True, data

    def finish_response(self) -> None:
        """Ends a response; the next write begins another. A response to HEAD has only a head."""
        if self._head:
            self._transport.write(self._head)
        self._started, self._head = False, b""

    def close(self) -> None:
        self.finish_response()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


_SERVER_LOG = logging.getLogger("uvicorn.error")
_CLIENT_LOG = logging.getLogger("threadline.strangers")
_CLIENT_LOG.setLevel(logging.CRITICAL)


class HttpProtocol(HttpToolsProtocol):
    _writer: _ResponseWriter
    _deadline: asyncio.TimerHandle | None = None
    _headers_done = False
    _body_complete = True  # the current request has no body, or it has arrived
    _pending_bytes = 0  # bytes outside a body: of headers, or of trailers after chunks
    _upgraded = False  # the connection belongs to another protocol
    _progressed = False  # the last bytes contained part of a body or the end of a request
    _too_large = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _CLIENT_LOG  # invalid requests are counted instead, or strangers could fill the log

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._writer = _ResponseWriter(transport)
        self._deadline = self.loop.call_later(HEADERS_TIMEOUT_S, self._on_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._progressed = False
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if self._body_complete:
            if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
                # uvicorn took line ends between requests for a request and stopped its timer.
                self._deadline = self.loop.call_later(HEADERS_TIMEOUT_S, self._on_deadline)
            return
        self._pending_bytes = 0 if self._progressed else self._pending_bytes + len(data)
        if self._pending_bytes > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse(431)
        elif not self._headers_done and self._deadline is None:  # usually all headers come at once
            self._deadline = self.loop.call_later(HEADERS_TIMEOUT_S, self._on_deadline)

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers_done, self._body_complete, self._pending_bytes = False, False, 0

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
        if size > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._too_large = True
            raise HeadersTooLarge
        if malformed(self.parser.get_http_version(), self.headers):
            raise Malformed
        self._cancel_deadline()
        self._headers_done = True
        previous_cycle = self.cycle
        super().on_headers_complete()
        if self.cycle is not previous_cycle:  # not an upgrade
            self.cycle.transport = self._writer  # type: ignore[assignment]
            self.cycle.logger = _SERVER_LOG  # errors while responding are the server's

    def on_body(self, body: bytes) -> None:
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_complete = self._progressed = True
        self._pending_bytes = 0
        self._cancel_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._writer.finish_response()
        if not self._upgraded:  # uvicorn's keep-alive timer would close the WebSocket that followed on this connection
            super().on_response_complete()
        if not self._body_complete and self._deadline is None:
            # The response came before the body (a refusal): do not wait long for the rest.
            self._deadline = self.loop.call_later(HEADERS_TIMEOUT_S, self.transport.close)

    def _should_upgrade(self) -> bool:
        # The WebSocket parser gets the handshake as HTTP/1.1, so the version must be checked here.
        return self.scope["http_version"] == "1.1" and super()._should_upgrade()

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse(431)
        else:
            metrics.REFUSALS.labels("bad_http").inc()
            super().send_400_response(msg)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        self._deadline = None
        if not self._pending_bytes:
            self.transport.close()  # nothing was received, so no response is due
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        if not self.transport.is_closing():
            metrics.REFUSALS.labels("bad_http").inc()
            reason = REASONS[status]
            self.transport.write(b"HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % (status, reason))
            self.transport.close()
