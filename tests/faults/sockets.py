"""Single sockets for tests that read frames directly."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.faults.people import socket_url
from tests.faults.site import PASSWORD, PUBLIC_URL, Site


def dial(
    site: Site, path: str, caller: str | None = None, *, node: int = 0, base: str | None = None, **options: Any
) -> Any:
    """Opens a socket. `caller`: a name of the cast, a cookie, or None for a stranger. `options`: passed to `connect`, such
    as `local_addr`."""
    headers = {} if caller is None else {"cookie": site.cookies.get(caller, caller)}
    return connect(
        socket_url(base or site.nodes[node].url, path), compression=None, origin=PUBLIC_URL, proxy=None, additional_headers=headers,
        ping_interval=None, open_timeout=20, **options,
    )  # fmt: skip


async def greet(ws: ClientConnection, token: str | None = None, **more: Any) -> dict[str, Any]:
    """Says hello; returns the `ready` frame."""
    await ws.send(json.dumps({"type": "hello", "version": 1, **({"token": token} if token else {}), **more}))
    while True:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), 15))
        if frame["type"] == "ready":
            return frame


async def until_closed(
    ws: ClientConnection, within: float, received: list[tuple[float, dict[str, Any]]] | None = None
) -> tuple[int, float]:
    """Returns (close code, seconds); code 0 when the socket is still open after `within`. `received` collects (when,
    frame)."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(within):
            while True:
                frame = json.loads(await ws.recv())
                if received is not None:
                    received.append((time.monotonic(), frame))
    except ConnectionClosed as closed:
        return (closed.rcvd.code if closed.rcvd else 1006), time.monotonic() - began
    except TimeoutError:
        return 0, within


async def sign_in(site: Site, name: str, password: str = PASSWORD, base: str | None = None) -> str:
    """Signs a member of the cast in again; returns the new session's cookie."""
    body = {"email": f"{name}@shop.example", "password": password}
    url = (base or site.nodes[0].url) + "/api/login"
    async with site.http.post(url, json=body, headers={"origin": PUBLIC_URL}) as answer:
        assert answer.status == 200, await answer.text()
        return answer.headers["set-cookie"].partition(";")[0]


def raw_socket(
    site: Site, path: str, hello: dict[str, Any], *, cookie: str = "", node: int = 0, deaf: bool = True
) -> socket.socket:
    """Opens a WebSocket on a plain TCP socket; `deaf`: with a tiny receive buffer, for a client that will not read.
    Blocking: call it in a thread."""
    raw = socket.socket()
    if deaf:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", site.nodes[node].port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1", "host: x", "upgrade: websocket", "connection: upgrade", f"sec-websocket-key: {key}", "sec-websocket-version: 13",
        f"origin: {PUBLIC_URL}", *([f"cookie: {cookie}"] if cookie else []), "", "",
    ]  # fmt: skip
    raw.sendall("\r\n".join(lines).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += raw.recv(1)
    assert b" 101 " in head, head
    raw.sendall(masked(json.dumps(hello).encode()))
    return raw


def masked(payload: bytes) -> bytes:
    """A client's text frame; the mask is zero, so the payload is sent unchanged."""
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0x80 | 126]) + size.to_bytes(2)
    return head + b"\0\0\0\0" + payload
