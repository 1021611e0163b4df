"""How a request becomes a call and a refusal becomes an answer; features only parse nothing and call.

An `Endpoint` is one line in a literal list of `app.py`: method, path, who may, what comes in, what goes
out. The list is what the role matrix tests, and what the OpenAPI description is made from.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.accounts.rules import Actor, Agent, Anonymous, Can, Visitor, authorise, may
from server.errors import BadRequest, Forbidden, Refused, TooLarge, TooSlow, UnsupportedType
from server.kernel import failpoints, metrics, reserve
from server.kernel.context import App
from server.kernel.documents import UNFIT
from server.kernel.strict_json import BadJson, parse
from server.web import auth, limits

log = structlog.get_logger()

MAX_BODY = 256 * 1024  # bytes of a JSON body
PAUSE_S = 15.0  # a body may stand still for so long
SLOWEST = 16 * 1024  # bytes a second, over the whole body

JSON_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


class Public:
    """Anyone may call it; the handler still gets the actor."""


class Visiting:
    """Only with a visitor's token (`Authorization: Bearer`)."""


PUBLIC = Public()
VISITING = Visiting()
Needs = Can | Public | Visiting


@dataclass(slots=True)
class Call:
    """One request, parsed: what a handler is given."""

    actor: Actor
    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: Any
    request: Request
    address: str  # of the client, behind trusted proxies only
    set_cookies: list[str] = field(default_factory=list)

    @property
    def agent(self) -> Agent:
        assert isinstance(self.actor, Agent)
        return self.actor

    @property
    def visitor(self) -> Visitor:
        assert isinstance(self.actor, Visitor)
        return self.actor


Handler = Callable[[App, Call], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One route. `body` None: no JSON body is read. `raw`: the handler reads the body itself (uploads).

    What stands after `cors` only describes: `openapi.document` tells it to programs, and tests hold the handlers to it.
    """

    method: str
    path: str
    handler: Handler
    needs: Needs
    body: type[BaseModel] | None = None
    raw: bool = False
    cors: bool = False  # answered to allowed foreign sites; the handler sets the headers
    answer: type[BaseModel] | None = None
    query: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # name -> JSON schema
    headers: tuple[str, ...] = ()  # that a `raw` request may carry
    takes: str = "application/octet-stream"  # media type of a `raw` body
    gives: str | None = None  # media type of an answer that is not JSON

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    def route(self, app: App) -> Route:
        return Route(self.path, _Runner(app, self), methods=[self.method])


class _Runner:
    """The ASGI callable of one endpoint."""

    def __init__(self, app: App, endpoint: Endpoint) -> None:
        self.app, self.endpoint = app, endpoint
        self._timers: dict[int, Any] = {}  # by status; looking a metric up by its labels is slow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        status = 500
        try:
            response = await self._answer(request)
            status = response.status_code
        except ClientDisconnect:
            return
        except Refused as refusal:
            response = refusal_response(refusal, self.app.ids.token(9))
            status = refusal.status
        except Exception:
            ref = self.app.ids.token(9)
            log.exception("request_failed", route=self.endpoint.path, ref=ref)
            response = error_response(
                500, "internal", "Something went wrong on our side. Nothing you typed is lost; try again.", ref=ref
            )
        timer = self._timers.get(status)
        if timer is None:
            timer = self._timers[status] = metrics.HTTP.labels(self.endpoint.path, str(status))
        timer.observe(time.perf_counter() - started)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        endpoint, app = self.endpoint, self.app
        headers = headers_of(request.scope)
        address = limits.client_address(app.settings, request.scope)
        if endpoint.writes and not endpoint.cors:
            auth.check_origin(app, headers, address)
        actor: Actor
        if isinstance(endpoint.needs, Visiting):
            actor = await auth.visitor_from_header(app, headers)
        else:
            actor = await auth.agent_from_cookie(app, headers) or Anonymous()
        if isinstance(endpoint.needs, Can):
            authorise(actor, endpoint.needs)
        body = None
        if endpoint.body is not None:
            body = validate(endpoint.body, await read_json(request))
        call = Call(
            actor=actor,
            path=request.path_params,
            query=read_query(request.scope.get("query_string", b"")),
            body=body,
            request=request,
            address=address,
        )
        await failpoints.pause("in_handler")
        if app.db.reserve.spent:
            reserve.allowed.set(_may_use_reserve(endpoint, actor))  # of this request's own context
        answer = await endpoint.handler(app, call)
        if endpoint.writes:
            failpoints.reach("before_answer")
        response = answer if isinstance(answer, Response) else json_response(answer)
        for cookie in call.set_cookies:
            response.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
        return response


def _may_use_reserve(endpoint: Endpoint, actor: Actor) -> bool:
    """On a full disk: the doors, so that somebody gets in, and what owner and admins do, but for the conversations."""
    if isinstance(endpoint.needs, Public):
        return endpoint.path.startswith(("/api/login", "/api/links/"))
    return isinstance(actor, Agent) and may(actor, Can.AUDIT) and endpoint.needs is not Can.INBOX


def headers_of(scope: Scope) -> dict[str, str]:
    """By lower-case name. The first of a name counts, as in Starlette's own, which searches anew for each."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def encode(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot encode {type(value).__name__}")


def json_response(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, JSON_HEADERS, "application/json")


def error_response(
    status: int, code: str, message: str, *, ref: str, field: str | None = None, retry_after: float | None = None
) -> Response:
    metrics.REFUSALS.labels(code).inc()
    error = {"code": code, "message": message, "field": field, "ref": ref, "retry_after": retry_after}
    response = json_response({"error": {k: v for k, v in error.items() if v is not None}}, status)
    if retry_after is not None:
        response.headers["retry-after"] = str(max(1, round(retry_after)))
    return response


def refusal_response(refusal: Refused, ref: str) -> Response:
    if refusal.status >= 500 or refusal.status in (401, 403):
        log.info("refused", code=refusal.code, ref=ref)
    return error_response(
        refusal.status, refusal.code, refusal.message, ref=ref, field=refusal.field, retry_after=refusal.retry_after
    )


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, or `TooLarge` as soon as it is (a lying content-length helps nobody).

    `TooSlow` when nothing comes for `PAUSE_S`, or all of it at less than `SLOWEST` bytes a second.
    """
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdecimal() and int(declared[:12]) > limit:
        raise TooLarge("too_large", f"This is larger than {_size(limit)}.")
    parts, size = [], 0
    loop = asyncio.get_running_loop()
    end = loop.time() + PAUSE_S + limit / SLOWEST
    try:
        async with asyncio.timeout(PAUSE_S) as waiting:
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise TooLarge("too_large", f"This is larger than {_size(limit)}.")
                parts.append(part)
                waiting.reschedule(min(loop.time() + PAUSE_S, end))
    except TimeoutError:
        raise TooSlow() from None
    return b"".join(parts)


def _size(limit: int) -> str:
    return f"{limit // 1_048_576} MB" if limit >= 1_048_576 else f"{limit // 1024} KB"


async def read_json(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedType("unsupported_type", "Send the body as application/json.")
    try:
        value = parse(await read_body(request, MAX_BODY))
    except BadJson as error:
        raise BadRequest("bad_json", f"The body cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise BadRequest("bad_json", "The body must be a JSON object.")
    return value


def validate(model: type[BaseModel], value: Any) -> Any:
    """The model, or `Refused` that names the first field at fault: in the validator's own words (`documents.unfit`), or
    as code "invalid" with what is wrong there and elsewhere, which begins with the field's name and is for programs."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        first = ".".join(str(part) for part in problems[0]["loc"]) or None
        if problems[0]["type"] == UNFIT:
            told = problems[0]["ctx"]
            raise Refused(told["code"], told["sentence"], field=first) from None
        words = "; ".join(f"{'.'.join(str(p) for p in e['loc']) or 'body'}: {e['msg']}" for e in problems[:5])
        raise Refused("invalid", words, field=first) from None


def read_query(raw: bytes) -> dict[str, str]:
    """Query parameters; a name that stands twice is refused (A18), so nobody can disagree about which counts."""
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except (ValueError, UnicodeError):
        raise BadRequest("bad_request", "The address has a query that cannot be read.") from None
    for name, value in pairs:
        if name in found:
            raise BadRequest("bad_request", f"The parameter {name[:40]!r} stands twice in the address.")
        found[name] = value
    return found


def path_id(call: Call, name: str) -> int:
    """A positive integer from the path; anything else is "nothing here", as an unknown id is."""
    from server.errors import NotFound

    text = str(call.path[name])
    if not (text.isascii() and text.isdecimal()) or len(text) > 15 or int(text) < 1:
        raise NotFound()
    return int(text)


WHOLE = {"type": "integer", "minimum": 1, "maximum": 2**53}  # what `whole` takes, as a JSON schema


def whole(call: Call, name: str, default: int, most: int) -> int:
    """A whole number from the query, from 1 to 2^53; more than `most` is `most`. Raises `Refused` "invalid"."""
    text = call.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:17]) <= 2**53:
        raise Refused("invalid", f"{name} must be a whole number from 1 on.", field=name)
    return min(int(text[:17]), most)


def forbid_cross_site(headers: Mapping[str, str]) -> None:
    if headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("This request came from another site.", "cross_site")
