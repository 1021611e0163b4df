"""The doctor's network checks: the public address, a socket through the proxy, visitors' addresses, Redis."""

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

from server.frames import PROTOCOL_VERSION
from server.kernel.context import App
from server.operations.findings import Finding, fail, ok, warn
from server.web.pages import INSTALLATION_HEADER, installation_id
from server.web.visitor_limits import ADDRESS_SHARE, DOCTOR_USER_AGENT, VisitorAddresses

TIMEOUT_S = 4.0
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class HealthResponse:
    status: int
    installation: str | None  # the id of the installation that answered, from a header
    location: str | None


def get_health(url: str) -> HealthResponse:
    """`GET /healthz` at the public address, without following redirects. Raises `OSError`."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname, parts.port, timeout=TIMEOUT_S)) as connection:
        try:
            connection.request("GET", "/healthz", headers={"user-agent": DOCTOR_USER_AGENT})
            answer = connection.getresponse()
            answer.read(1024)
        except http.client.HTTPException as error:
            raise OSError(type(error).__name__) from error
        return HealthResponse(answer.status, answer.getheader(INSTALLATION_HEADER), answer.getheader("location"))


async def check_public_url(app: App) -> list[Finding]:
    """Checks that the public address is reachable and encrypted, leads to this installation, and is spelled as browsers
    spell it."""
    return [*_spelling(app), *await _reachable(app)]


def _spelling(app: App) -> list[Finding]:
    canonical = app.settings.public_url
    return [
        ok(
            f"THREADLINE_PUBLIC_URL is written {spelled}; browsers, links and headers write {canonical}. "
            "Webhooks signed with either are accepted."
        )
        for spelled in app.settings.public_urls
        if spelled != canonical
    ]


async def _reachable(app: App) -> list[Finding]:
    url = app.settings.public_url
    parts = urlsplit(url)
    local = parts.hostname in LOCAL
    findings: list[Finding] = []
    try:
        health = await asyncio.to_thread(get_health, url)
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
                "Check DNS, the proxy and THREADLINE_PUBLIC_URL. If a machine cannot reach its own public address, check from outside.",
            )
        ]
    if health.status in (301, 302, 307, 308):
        return [
            fail(
                f"{url} redirects to {(health.location or 'nowhere')[:200]}.",
                "Set THREADLINE_PUBLIC_URL to the address people end up at. Changes are accepted only from that address.",
            )
        ]
    if health.status != 200:
        return [
            fail(
                f"{url} answers {health.status}.",
                "Check the proxy's log. It does not pass requests on to Threadline.",
            )
        ]
    if health.installation != installation_id(app):
        return [
            fail(
                f"Another program answers at {url}, or another Threadline.",
                "Point the proxy at this server, or set THREADLINE_PUBLIC_URL to this server's own address.",
            )
        ]
    if parts.scheme == "http" and not local:
        findings.append(
            warn(
                f"{url} is not encrypted. Passwords and messages can be read in transit, and cookies are not marked Secure.",
                "Put a TLS proxy in front (docs/operations.md) and set THREADLINE_PUBLIC_URL to https://.",
            )
        )
    if local and app.settings.mode == "production":
        findings.append(
            warn(f"{url} works on this machine only.", "Set THREADLINE_PUBLIC_URL to the address that browsers use.")
        )
    return findings or [ok(f"{url} reaches this server.")]


async def check_websocket(app: App) -> list[Finding]:
    """Opens a visitor's socket through the proxy, up to `ready`. Stores nothing."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidMessage, WebSocketException
    from websockets.typing import Origin

    url = app.settings.public_url.replace("http", "ws", 1) + "/ws/visitor"
    advice = (
        "The proxy must pass on Upgrade and Connection and keep idle connections open for a minute (docs/operations.md). "
        "Until then, visitors chat by long polling."
    )
    started = time.perf_counter()
    try:
        async with (
            asyncio.timeout(TIMEOUT_S * 2),
            connect(
                url, origin=Origin(app.settings.public_url), compression=None, proxy=None, open_timeout=TIMEOUT_S, close_timeout=1,
                user_agent_header=DOCTOR_USER_AGENT,
            ) as socket,
        ):  # fmt: skip
            await socket.send(json.dumps({"type": "hello", "version": PROTOCOL_VERSION}))
            answer = json.loads(await socket.recv())
    except TimeoutError:
        return [fail(f"{url} did not answer a handshake within {TIMEOUT_S * 2:.0f} s.", advice)]
    except (InvalidHandshake, InvalidMessage) as error:
        return [fail(f"{url} refuses WebSocket: {error}.", advice)]
    except (OSError, WebSocketException, ValueError) as error:
        return [fail(f"{url} cannot be used: {error}.", advice)]
    elapsed_ms = (time.perf_counter() - started) * 1000
    if answer.get("type") not in ("ready", "refused"):
        return [fail(f"Another program answers at {url}.", advice)]
    return [ok(f"A WebSocket through the public address is ready after {elapsed_ms:.0f} ms.")]


async def check_addresses(app: App) -> list[Finding]:
    """Checks that visitors come from different addresses; a wrongly configured proxy makes them look like one."""
    share = (
        app.part(VisitorAddresses).address_share() if app.has(VisitorAddresses) else await app.read(ADDRESS_SHARE.load)
    )
    if not share.one_address:
        return [ok("Visitors come from different addresses, or there are too few to tell.")]
    advice = (
        "If that is your proxy, add it to THREADLINE_TRUSTED_PROXIES and let it send X-Forwarded-For (docs/operations.md). "
        "If they really share it, raise THREADLINE_ADDRESS_MESSAGES_PER_MINUTE and the other address limits."
    )
    summary = (
        f"{share.from_it} of the last {share.visitors} visitors came from one address, {share.address}. "
        "They all share its limits."
    )
    return [warn(summary, advice)]


async def check_redis(app: App) -> list[Finding]:
    if not app.settings.redis_url:
        return [ok("Redis is not used. Notifications stay inside this process.")]
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    client: Any = Redis.from_url(
        app.settings.redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    advice = "Messages are still stored and delivered, but other processes see them a little later. Check Redis and REDIS_URL."
    try:
        took = 1000.0
        async with asyncio.timeout(3):
            await client.ping()  # connects; the shortest of the next three is the round trip
            for _ in range(3):
                started = time.perf_counter()
                await client.ping()
                took = min(took, (time.perf_counter() - started) * 1000)
    except Exception as error:  # any error is a finding
        return [fail(f"Redis does not answer: {type(error).__name__}.", advice)]
    finally:
        await client.aclose()
    if not app.bus.connected:
        return [warn(f"Redis answers in {took:.1f} ms, but this process is not connected to it at the moment.", advice)]
    if took > 20:
        return [warn(f"Redis takes {took:.0f} ms to answer.", "Run it closer to this process, or check its load.")]
    return [ok(f"Redis answers in {took:.1f} ms, and notifications reach the other processes.")]
