"""A provider's webhook, as bare ASGI ahead of the routes: read once, capped, answered in XML.

A provider sends any text body on to the customer, so whatever happens the answer is an empty `<Response/>`; the
status says the rest. The handler verifies the signature before it asks the database anything.
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
from server.web.http import headers_of

log = structlog.get_logger()

MAX_BODY = 128 * 1024  # bytes; 1,600 characters of four percent-encoded bytes and ten addresses are under 40 KB
MAX_FIELDS = 500
BODY_S = 15.0  # as long as a provider waits for its answer
ANSWER_S = 12.0  # in which it must be stored: later than that nobody listens, and a repeat finds it
EMPTY = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
FORM = "application/x-www-form-urlencoded"
_HALF_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_SEPARATOR = re.compile("%(?:26|3[Dd])")  # "&" or "=" inside a name or value


class Posted(NamedTuple):
    """One webhook as it came. `params`: of the form, or of the address where the method is GET; decoded, in order."""

    method: str
    target: str  # path and query, byte for byte
    query: str
    headers: dict[str, str]
    body: bytes
    is_form: bool
    params: tuple[tuple[str, str], ...]

    @property
    def signed(self) -> tuple[tuple[str, str], ...]:
        """The parameters a signature covers beside the address."""
        return self.params if self.is_form and self.method == "POST" else ()


Answer = int  # the status
Handler = Callable[[App, Posted], Awaitable[Answer]]


def refused(status: int, code: str) -> Answer:
    """An answer that is counted among the refusals."""
    metrics.REFUSALS.labels(code).inc()
    return status


def alert(app: App, code: str, message: str) -> None:
    """What an operator should look at: logged once by a process, not with every request of a misconfigured provider."""
    told: set[str] = app.parts.setdefault("webhook_alerts", set())
    if (code + message) not in told and len(told) < 100:
        told.add(code + message)
        log.error(code, advice=message)


class _Refuse(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class Webhook:
    """The ASGI callable of one webhook. What a handler raises means that nothing was stored: 503, come again."""

    def __init__(self, app: App, path: str, handler: Handler) -> None:
        self.app, self.path, self.handler = app, path, handler
        self._timers: dict[int, Any] = {}
        self._watch = _Watch()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            posted = await read(scope, receive)
            with self._watch:
                status = await self.handler(self.app, posted)
        except _Refuse as refusal:
            status = refused(refusal.status, "bad_webhook")
        except Refused as refusal:
            log.warning("webhook_not_stored", path=self.path, code=refusal.code)
            status = 503
        except Exception:
            log.exception("webhook_failed", path=self.path, ref=self.app.ids.token(9))
            status = 503
        if status < 300:
            failpoints.reach("before_answer")
        timer = self._timers.get(status)
        if timer is None:
            timer = self._timers[status] = metrics.HTTP.labels(self.path, str(status))
        timer.observe(time.perf_counter() - started)
        await _answer(send, status)


class _Watch:
    """Within it a task has `ANSWER_S`, give or take a second, then `TimeoutError`. As `asyncio.timeout`, with one timer
    for all of them: setting one for each takes longer than to read what was posted.
    """

    def __init__(self) -> None:
        # When, and how often it was being cancelled already; in the order they began.
        self._until: dict[asyncio.Task[Any], tuple[float, int]] = {}
        self._late: dict[asyncio.Task[Any], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._until[task] = loop.time() + ANSWER_S, task.cancelling()
        if self._timer is None:
            self._timer = loop.call_later(ANSWER_S, self._look, loop)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._until.pop(task, None)
        before = self._late.pop(task, None)
        if before is not None and task.uncancel() <= before and kind is asyncio.CancelledError:
            raise TimeoutError

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, (until, before) in list(self._until.items()):
            if until > now:
                break
            del self._until[task]
            self._late[task] = before
            task.cancel()
        self._timer = loop.call_later(1.0, self._look, loop) if self._until else None


HEADERS = [
    (b"content-type", b"text/xml; charset=utf-8"),
    (b"content-length", str(len(EMPTY)).encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


async def _answer(send: Send, status: int) -> None:
    headers = HEADERS
    if status == 503:
        headers = [*HEADERS, (b"retry-after", b"2")]
    elif status == 405:
        headers = [*HEADERS, (b"allow", b"GET, POST")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": EMPTY})


async def read(scope: Scope, receive: Receive) -> Posted:
    """The request, its body whole. Refuses what no provider sends: 405, 413, 400 for bytes that are no UTF-8,
    hold a NUL or half an escape."""
    method = scope["method"]
    if method not in ("GET", "POST"):
        raise _Refuse(405)
    headers = headers_of(scope)
    body = await _body(headers, receive) if method == "POST" else b""
    raw_query: bytes = scope.get("query_string", b"")
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_form = method == "GET" or kind == FORM or not body
    try:
        query = raw_query.decode("ascii")
        params = pairs(query if method == "GET" else body.decode("ascii")) if is_form else ()
        address = target.decode("ascii") + (f"?{query}" if raw_query else "")
    except ValueError:  # UnicodeError is one
        raise _Refuse(400) from None
    return Posted(method, address, query, headers, body, is_form, params)


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """A form's fields, decoded, in order."""
    if text.count("&") >= MAX_FIELDS:
        raise _Refuse(413)
    if _HALF_ESCAPE.search(text):  # the library would take it as it stands
        raise _Refuse(400)
    if "%00" in text or "\0" in text:  # no carrier's alphabet has one, and PostgreSQL keeps none
        raise _Refuse(400)
    # As `parse_qsl` with blank values and strict UTF-8, in a fifth of its time.
    text = text.replace("+", " ")
    if _SEPARATOR.search(text):
        cut = [pair.partition("=") for pair in text.split("&") if pair]
        return tuple([(unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()) for name, _, value in cut])
    # Nothing decodes to what separates, so all of it is decoded at once.
    cut = [pair.partition("=") for pair in unquote_to_bytes(text).decode().split("&") if pair]
    return tuple([(name, value) for name, _, value in cut])


async def _body(headers: dict[str, str], receive: Receive) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:12]) > MAX_BODY:
        raise _Refuse(413)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):  # nearly always
        if len(message.get("body", b"")) > MAX_BODY:
            raise _Refuse(413)
        return bytes(message.get("body", b""))
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                if message["type"] == "http.disconnect":
                    raise _Refuse(400)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY:
                    raise _Refuse(413)
                if not message.get("more_body"):
                    return b"".join(parts)
                message = await receive()
    except TimeoutError:
        raise _Refuse(408) from None
