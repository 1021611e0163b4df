"""Providers' webhooks as bare ASGI ahead of the routes: reads the request with limits and responds in XML.

The provider would send a text body to the customer, so the response is always an empty `<Response/>` with a status. The
handler verifies the signature before it reads the database.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import structlog
from starlette.types import Receive, Scope, Send

from server.errors import Refused
from server.kernel import failpoints, metrics
from server.kernel.context import App
from server.kernel.deadlines import Deadline, DeadlineExceeded
from server.kernel.tally import tally
from server.web.http import headers_of, is_uncompressed

log = structlog.get_logger()

# bytes; a text of 1,600 characters, each four percent-encoded bytes, with ten URLs has less than 40 KB
MAX_BODY = 128 * 1024
MAX_FIELDS = 500
BODY_S = 15.0  # as long as a provider waits for a response
RESPONSE_S = 2.0  # later responses are 503; a write that is stored later is found by the provider's repeat
EMPTY = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
FORM = "application/x-www-form-urlencoded"
_HALF_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_SEPARATOR = re.compile("%(?:26|3[Dd])")  # "&" or "=" inside a name or value


class WebhookRequest(NamedTuple):
    """A webhook request. `params`: decoded form fields in order, or query parameters if the method is GET."""

    method: str
    target: str  # path and query, byte for byte
    query: str
    headers: dict[str, str]
    body: bytes
    is_form: bool
    params: tuple[tuple[str, str], ...]

    @property
    def signed(self) -> tuple[tuple[str, str], ...]:
        """The parameters that a signature covers in addition to the URL."""
        return self.params if self.is_form and self.method == "POST" else ()


StatusCode = int  # the status
Handler = Callable[[App, WebhookRequest], Awaitable[StatusCode]]


def count_refusal(status: int, code: str) -> StatusCode:
    """Counts a refusal and returns its status."""
    metrics.REFUSALS.labels(code).inc()
    return status


class Alerts(set[str]):
    """The alerts that this process has logged."""


def alert(app: App, code: str, message: str) -> None:
    """Logs an error for the operator once per process, not with every request of a misconfigured provider."""
    alerted = app.part(Alerts, lambda app: Alerts())
    if (code + message) not in alerted and len(alerted) < 100:
        alerted.add(code + message)
        log.error(code, advice=message)


class _RefusedRequest(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class Webhook:
    """The ASGI callable of one webhook. Responds 503 if the handler fails or is late, so that the provider repeats the
    request; a repeat of a stored request has no effect."""

    def __init__(self, app: App, path: str, handler: Handler, max_body: int = MAX_BODY) -> None:
        self.app, self.path, self.handler, self.max_body = app, path, handler, max_body
        self._timers: dict[int, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            request = await read(scope, receive, self.max_body)
            async with Deadline(RESPONSE_S):
                status = await self.handler(self.app, request)
        except _RefusedRequest as refusal:
            status = count_refusal(refusal.status, "bad_webhook")
        except Refused as refusal:
            if count := tally(self.app).add(f"{self.path} {refusal.code}"):  # the sender may not be verified yet
                log.warning("webhook_not_stored", path=self.path, code=refusal.code, count=count)
            status = count_refusal(503, refusal.code)
        except DeadlineExceeded:
            if count := tally(self.app).add(f"{self.path} late"):
                log.warning("webhook_late", path=self.path, count=count)
            status = count_refusal(503, "unconfirmed")
        except Exception:
            log.exception("webhook_failed", path=self.path, ref=self.app.ids.token(9))
            status = 503
        if status < 300:
            failpoints.reach("before_response")
        timer = self._timers.get(status)
        if timer is None:
            timer = self._timers[status] = metrics.HTTP.labels(self.path, str(status))
        timer.observe(time.perf_counter() - started)
        await _respond(send, status)


HEADERS = [
    (b"content-type", b"text/xml; charset=utf-8"),
    (b"content-length", str(len(EMPTY)).encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


async def _respond(send: Send, status: int) -> None:
    headers = HEADERS
    if status == 503:
        headers = [*HEADERS, (b"retry-after", b"2")]
    elif status == 405:
        headers = [*HEADERS, (b"allow", b"GET, POST")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": EMPTY})


async def read(scope: Scope, receive: Receive, max_body: int = MAX_BODY) -> WebhookRequest:
    """Reads the whole request. Refuses what no provider sends: 405, 413, 415, and 400 for invalid UTF-8, a NUL, an incomplete
    escape, or a repeated name in form or query (A18)."""
    method = scope["method"]
    if method not in ("GET", "POST"):
        raise _RefusedRequest(405)
    headers = headers_of(scope)
    if not is_uncompressed(headers):
        raise _RefusedRequest(415)
    body = await _body(headers, receive, max_body) if method == "POST" else b""
    raw_query: bytes = scope.get("query_string", b"")
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_form = method == "GET" or kind == FORM or not body
    try:
        query = raw_query.decode("ascii")
        query_params = pairs(query)
        params = query_params if method == "GET" else pairs(body.decode("ascii")) if is_form else ()
        address = target.decode("ascii") + (f"?{query}" if raw_query else "")
    except ValueError:  # UnicodeError is one
        raise _RefusedRequest(400) from None
    if len(dict(query_params)) < len(query_params) or len(dict(params)) < len(params):
        raise _RefusedRequest(400)
    return WebhookRequest(method, address, query, headers, body, is_form, params)


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """A form's fields, decoded, in order."""
    if text.count("&") >= MAX_FIELDS:
        raise _RefusedRequest(413)
    if _HALF_ESCAPE.search(text):  # the library would keep it as text
        raise _RefusedRequest(400)
    if "%00" in text or "\0" in text:  # no carrier's alphabet has a NUL, and PostgreSQL stores none
        raise _RefusedRequest(400)
    # Equal to `parse_qsl` with blank values and strict UTF-8, and five times as fast.
    text = text.replace("+", " ")
    if _SEPARATOR.search(text):
        cut = [pair.partition("=") for pair in text.split("&") if pair]
        return tuple([(unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()) for name, _, value in cut])
    # No escape decodes to a separator, so the whole text can be decoded at once.
    cut = [pair.partition("=") for pair in unquote_to_bytes(text).decode().split("&") if pair]
    return tuple([(name, value) for name, _, value in cut])


async def _body(headers: dict[str, str], receive: Receive, max_body: int) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:12]) > max_body:
        raise _RefusedRequest(413)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):  # nearly always
        if len(message.get("body", b"")) > max_body:
            raise _RefusedRequest(413)
        return bytes(message.get("body", b""))
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                if message["type"] == "http.disconnect":
                    raise _RefusedRequest(400)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > max_body:
                    raise _RefusedRequest(413)
                if not message.get("more_body"):
                    return b"".join(parts)
                message = await receive()
    except TimeoutError:
        raise _RefusedRequest(408) from None
