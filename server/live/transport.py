"""uvicorn's WebSocket protocol with three more defences.

ASGI has no way to drop a peer that does not read, pings are answered before any application code
sees them, and a message may arrive in endless fragments: so these stand here (BAD_INPUTS W16, W19).
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

PINGS_PER_WINDOW = 30
PING_WINDOW_S = 10.0
MAX_FRAGMENTS = 64


class Socket(WebSocketsSansIOProtocol):
    """Adds `scope["extensions"]["threadline.abort"]`: drops the TCP connection at once, unsent bytes and all."""

    _pings = 0
    _pings_since = 0.0

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"]["threadline.abort"] = self.transport.abort

    def handle_ping(self) -> None:
        now = self.loop.time()
        if now - self._pings_since > PING_WINDOW_S:
            self._pings_since, self._pings = now, 0
        self._pings += 1
        if self._pings > PINGS_PER_WINDOW:
            self._fail(4429, "rate_limited")
            return
        super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(1009, "too many fragments")
            return
        super().handle_cont(event)

    def _fail(self, code: int, reason: str) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.fail(code, reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
