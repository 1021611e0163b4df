"""What the doctor sees from outside: the public address, a socket through the proxy, Redis."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from server.kernel.context import App
from server.live.frames import PROTOCOL_VERSION
from server.operations.findings import Finding, fail, ok, warn
from server.web.pages import INSTALLATION, installation

REACH_S = 4.0
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Reached:
    status: int
    ours: str | None  # what the answer says about the installation it comes from
    location: str | None


def reach(url: str) -> Reached:
    """`GET /healthz` under the public address, following nothing. Raises `OSError`."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname, parts.port, timeout=REACH_S)) as connection:
        try:
            connection.request("GET", "/healthz", headers={"user-agent": "threadline-doctor"})
            answer = connection.getresponse()
            answer.read(1024)
        except http.client.HTTPException as error:
            raise OSError(type(error).__name__) from error
        return Reached(answer.status, answer.getheader(INSTALLATION), answer.getheader("location"))


async def public_url(app: App) -> list[Finding]:
    """Is the address browsers are told reachable, encrypted, and this installation?"""
    url = app.settings.public_url
    parts = urlsplit(url)
    local = parts.hostname in LOCAL
    found: list[Finding] = []
    try:
        reached = await asyncio.to_thread(reach, url)
    except ssl.SSLCertVerificationError as error:
        return [
            fail(
                f"The certificate of {url} is not valid: {error.verify_message}.",
                "Renew it, or install the whole chain.",
            )
        ]
    except OSError as error:
        return [
            fail(
                f"{url} cannot be reached from here: {error.strerror or error}.",
                "Check DNS, the proxy and THREADLINE_PUBLIC_URL. (A machine that cannot reach its own public address: look from outside.)",
            )
        ]
    if reached.status in (301, 302, 307, 308):
        return [
            fail(
                f"{url} redirects to {(reached.location or 'nowhere')[:200]}.",
                "Set THREADLINE_PUBLIC_URL to the address people end at: writes are accepted from exactly that one.",
            )
        ]
    if reached.status != 200:
        return [
            fail(
                f"{url} answers {reached.status}.",
                "Look at the proxy's log: it does not hand requests on to Threadline.",
            )
        ]
    if reached.ours != installation(app):
        return [
            fail(
                f"{url} is answered by something else, or by another Threadline.",
                "Point the proxy at this server, or set THREADLINE_PUBLIC_URL to this server's own address.",
            )
        ]
    if parts.scheme == "http" and not local:
        found.append(
            warn(
                f"{url} is not encrypted: passwords and messages can be read on the way, and cookies are not marked Secure.",
                "Put a TLS proxy in front (docs/operations.md) and set THREADLINE_PUBLIC_URL to https://.",
            )
        )
    if local and app.settings.mode == "production":
        found.append(
            warn(f"{url} works on this machine only.", "Set THREADLINE_PUBLIC_URL to the address that browsers use.")
        )
    return found or [ok(f"{url} reaches this server.")]


async def websocket(app: App) -> list[Finding]:
    """A visitor's handshake, hello and ready, the whole way through the proxy. Nothing is stored by it."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidMessage, WebSocketException
    from websockets.typing import Origin

    url = app.settings.public_url.replace("http", "ws", 1) + "/ws/visitor"
    advice = (
        "The proxy must pass Upgrade and Connection on and hold idle connections for a minute (docs/operations.md). "
        "Until then visitors chat by long-poll."
    )
    started = time.perf_counter()
    try:
        async with (
            asyncio.timeout(REACH_S * 2),
            connect(
                url, origin=Origin(app.settings.public_url), compression=None, proxy=None, open_timeout=REACH_S, close_timeout=1,
                user_agent_header="threadline-doctor",
            ) as socket,
        ):  # fmt: skip
            await socket.send(json.dumps({"type": "hello", "version": PROTOCOL_VERSION}))
            answer = json.loads(await socket.recv())
    except TimeoutError:
        return [fail(f"{url} did not answer a handshake within {REACH_S * 2:.0f} s.", advice)]
    except (InvalidHandshake, InvalidMessage) as error:
        return [fail(f"{url} refuses WebSocket: {error}.", advice)]
    except (OSError, WebSocketException, ValueError) as error:
        return [fail(f"{url} cannot be used: {error}.", advice)]
    took = (time.perf_counter() - started) * 1000
    if answer.get("type") not in ("ready", "refused"):
        return [fail(f"{url} is answered by something else.", advice)]
    return [ok(f"A WebSocket through the public address says ready after {took:.0f} ms.")]


async def redis(app: App) -> list[Finding]:
    if not app.settings.redis_url:
        return [ok("Redis is not used: doorbells ring inside this process.")]
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    client: Any = Redis.from_url(
        app.settings.redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    advice = (
        "Messages are still stored and delivered, other processes see them a little later. Look at Redis and REDIS_URL."
    )
    try:
        took = 1000.0
        async with asyncio.timeout(3):
            await client.ping()  # connects; the best of three after it is the way there and back
            for _ in range(3):
                started = time.perf_counter()
                await client.ping()
                took = min(took, (time.perf_counter() - started) * 1000)
    except Exception as error:  # whatever it is, it is a finding
        return [fail(f"Redis does not answer: {type(error).__name__}.", advice)]
    finally:
        await client.aclose()
    if not app.bus.remote:
        return [warn(f"Redis answers in {took:.1f} ms, but this process is not connected to it at the moment.", advice)]
    if took > 20:
        return [warn(f"Redis takes {took:.0f} ms to answer.", "Run it nearer to this process, or look at its load.")]
    return [ok(f"Redis answers in {took:.1f} ms, and doorbells reach the other processes.")]
