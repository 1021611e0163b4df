"""Turns a request into a `Call` and a `Refused` into an HTTP response.

Each `Endpoint` gives method, path, capability and the models of request and response. The role tests and the OpenAPI
description use the same list of endpoints as the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.accounts.rules import Actor, Agent, Anonymous, ApiKey, Can, Visitor, authorise, may
from server.errors import BadRequest, Busy, Fault, Forbidden, Refused, TooLarge, TooSlow, Unconfirmed, UnsupportedType
from server.kernel import failpoints, metrics, reserve
from server.kernel.context import App
from server.kernel.deadlines import Deadline, DeadlineExceeded
from server.kernel.documents import INPUT_ERROR
from server.kernel.strict_json import BadJson, parse
from server.kernel.tally import tally
from server.web import api_keys, auth, faults, limits

log = structlog.get_logger()

MAX_BODY = 256 * 1024  # bytes of a JSON body
LARGE_BODY = 64 * 1024
MAX_FAULTS = 50  # that a refusal lists
RESPONSE_S = 9.0  # time for a response, without reading the body; less than ten seconds
BODY_IDLE_S = 15.0  # longest pause while a body arrives
MIN_BODY_RATE = 16 * 1024  # bytes a second, on average

JSON_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


class Public:
    """Everybody may call the endpoint; the handler still gets the actor."""


class Visiting:
    """Requires a visitor's token (`Authorization: Bearer`)."""


class EmptyBody(BaseModel):
    """The body of a write that needs no data: `{}`."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Done(BaseModel):
    """The response of a write that returns no data."""


PUBLIC = Public()
VISITING = Visiting()
Needs = Can | Public | Visiting


@dataclass(slots=True)
class Call:
    """A parsed request, the argument of a handler."""

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
    def changer(self) -> Agent | ApiKey:
        """The agent or API key that changes something, for endpoints that are open to API keys."""
        assert isinstance(self.actor, Agent | ApiKey)
        return self.actor

    @property
    def visitor(self) -> Visitor:
        assert isinstance(self.actor, Visitor)
        return self.actor


Handler = Callable[[App, Call], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One route. `body` None: no JSON body is read. `raw`: the handler reads the body (uploads).
    `no_deadline`: it may take longer than `RESPONSE_S` (uploads and long polls). It has either `response` or
    `response_type`.

    The fields after `cors` are for `openapi.document`; tests check that the handlers conform.
    """

    method: str
    path: str
    handler: Handler
    needs: Needs
    body: type[BaseModel] | None = None
    raw: bool = False
    no_deadline: bool = False
    max_body: int = MAX_BODY  # bytes of a JSON body
    key_rate: int | None = None  # calls of one API key a minute, if not the usual limit
    keys: bool = False  # API keys with the scope `needs` may call it; `docs/api.md` describes it
    cors: bool = False  # allowed sites may call it; the handler sets the headers
    response: type[BaseModel] | None = None
    query: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # name -> JSON schema
    headers: tuple[str, ...] = ()  # that a `raw` request may carry
    body_type: str = "application/octet-stream"  # media type of a `raw` body
    area: str = ""  # the tag in the description; "": the package of the handler
    response_type: str | None = None  # media type of a response that is not JSON

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    def route(self, app: App) -> Route:
        return Route(self.path, _Runner(app, self), methods=[self.method])


def response_deadline() -> Deadline:
    return Deadline(RESPONSE_S)


class _Runner:
    """The ASGI callable of one endpoint."""

    def __init__(self, app: App, endpoint: Endpoint) -> None:
        self.app, self.endpoint = app, endpoint
        self._timers: dict[int, Any] = {}  # by status; finding a metric by its labels is slow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        status = 500
        try:
            if self.endpoint.no_deadline:
                response = await self._respond(request)
            else:
                async with response_deadline() as deadline:
                    scope["deadline"] = deadline
                    response = await self._respond(request)
            status = response.status_code
        except ClientDisconnect:
            return
        except (Refused, DeadlineExceeded) as error:
            refusal = error if isinstance(error, Refused) else timeout_refusal(self.endpoint)
            response = refusal_response(self.app, refusal, scope.get("actor", Anonymous()))
            status = refusal.status
        except Exception:
            ref = self.app.ids.token(9)
            log.exception("request_failed", route=self.endpoint.path, ref=ref)
            response = error_response(
                500, "internal", "Something went wrong on our side. Nothing you typed is lost. Try again.", ref=ref
            )
        timer = self._timers.get(status)
        if timer is None:
            timer = self._timers[status] = metrics.HTTP.labels(self.endpoint.path, str(status))
        timer.observe(time.perf_counter() - started)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        endpoint, app = self.endpoint, self.app
        headers = headers_of(request.scope)
        address = limits.client_address(app.settings, request.scope)
        api_keys.refuse_in_query(request.scope.get("query_string", b""))
        key = api_keys.presented(headers)
        if endpoint.writes and not endpoint.cors and key is None:
            auth.check_origin(app, headers, address)
        actor: Actor
        if key is not None:
            actor = await api_keys.authenticate(app, key, address, endpoint.key_rate)
            if not endpoint.keys:
                raise Forbidden("API keys cannot make this call.", "not_for_keys")
        elif isinstance(endpoint.needs, Visiting):
            actor = await auth.visitor_from_header(app, headers)
        else:
            actor = await auth.agent_from_cookie(app, headers) or Anonymous()
        request.scope["actor"] = actor  # for the log of a refusal
        if isinstance(endpoint.needs, Can):
            authorise(actor, endpoint.needs)
        body = None
        if (endpoint.raw or endpoint.body is not None) and not is_uncompressed(headers):
            raise UnsupportedType("unsupported_type", "Send the body as it is, without Content-Encoding.")
        if endpoint.body is not None:
            body = validate(endpoint.body, await read_json(request, endpoint.max_body))
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
            reserve.allowed.set(_may_use_reserve(endpoint, actor))  # a context variable of this request
        answer = await endpoint.handler(app, call)
        if endpoint.writes:
            failpoints.reach("before_response")
        response = answer if isinstance(answer, Response) else json_response(answer)
        for cookie in call.set_cookies:
            response.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
        return response


def timeout_refusal(endpoint: Endpoint) -> Refused:
    """The refusal after the deadline: a write may still be waiting for the database and be stored later."""
    return Unconfirmed() if endpoint.writes else Busy()


def _may_use_reserve(endpoint: Endpoint, actor: Actor) -> bool:
    """Whether this request may write on a full disk: signing in may, and the owner and admins outside the inbox."""
    if isinstance(endpoint.needs, Public):
        return endpoint.path.startswith(("/api/login", "/api/links/"))
    return isinstance(actor, Agent) and may(actor, Can.AUDIT) and endpoint.needs is not Can.INBOX


def headers_of(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name; the first of each name counts, as in Starlette.

    Several cookie headers, which a proxy may pass on from HTTP/2, are joined (RFC 9113, 8.2.3).
    """
    lines = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(lines)}
    if len(headers) < len(lines):
        cookies = [value.decode("latin-1") for name, value in lines if name == b"cookie"]
        if len(cookies) > 1:
            headers["cookie"] = "; ".join(cookies)
    return headers


def is_uncompressed(headers: Mapping[str, str]) -> bool:
    """Whether the body is uncompressed. The server decompresses nothing, and gzip would look like a damaged file."""
    return headers.get("content-encoding", "").strip().lower() in ("", "identity")


def encode(value: Any) -> bytes:
    return orjson.dumps(value, default=_encode_model)


def _encode_model(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot encode {type(value).__name__}")


def json_response(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, JSON_HEADERS, "application/json")


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    ref: str,
    field: str | None = None,
    retry_after: float | None = None,
    faults: Iterable[Fault] = (),
    conflict: Mapping[str, Any] | None = None,
) -> Response:
    metrics.REFUSALS.labels(code).inc()
    error = {"code": code, "message": message, "field": field, "ref": ref, "retry_after": retry_after}
    errors = [{"field": fault.field, "code": fault.code, "params": dict(fault.params)} for fault in faults]
    body: dict[str, Any] = {"error": {k: v for k, v in error.items() if v is not None}, "errors": errors}
    response = json_response(body if conflict is None else {**body, "conflict": conflict}, status)
    if retry_after is not None:
        response.headers["retry-after"] = str(max(1, round(retry_after)))
    return response


def refusal_response(app: App, refusal: Refused, actor: Actor = Anonymous()) -> Response:  # noqa: B008 - it holds nothing
    """The response to a refusal. Logs each refusal of an agent, and those of strangers once a minute per code."""
    ref = app.ids.token(9)
    if refusal.status >= 500 or refusal.status in (401, 403):
        if isinstance(actor, Agent):
            log.info("refused", code=refusal.code, ref=ref, user=actor.id)
        elif count := tally(app).add(refusal.code):
            log.info("strangers_refused", code=refusal.code, count=count)
    return error_response(
        refusal.status,
        refusal.code,
        refusal.message,
        ref=ref,
        field=refusal.field,
        retry_after=refusal.retry_after,
        faults=refusal.faults,
        conflict=refusal.conflict,
    )


def expected_size(request: Request, limit: int) -> int:
    """The largest possible size of the body in bytes: its content-length, or `limit`. Raises `TooLarge`."""
    declared = request.headers.get("content-length", "")
    if not (declared.isascii() and declared.isdecimal()):
        return limit
    if int(declared[:12]) > limit:
        raise TooLarge("too_large", f"This is larger than {_size(limit)}.")
    return int(declared[:12])


async def receive_body(request: Request, limit: int, store: Callable[[bytes], Awaitable[None]]) -> int:
    """Passes the body to `store` in pieces and returns its size in bytes.

    Raises `TooLarge` when more than `limit` bytes arrive, whatever content-length says, and `TooSlow` if nothing arrives
    for `BODY_IDLE_S` or if the average rate is below `MIN_BODY_RATE` after the first `BODY_IDLE_S`. The deadline of the
    response is paused meanwhile.
    """
    deadline: Deadline | None = request.scope.get("deadline")
    with deadline.paused() if deadline is not None else contextlib.nullcontext():
        return await _receive_body(request, limit, store)


async def _receive_body(request: Request, limit: int, store: Callable[[bytes], Awaitable[None]]) -> int:
    expected_size(request, limit)
    size, loop = 0, asyncio.get_running_loop()
    end = loop.time() + BODY_IDLE_S  # every byte extends it
    try:
        async with asyncio.timeout_at(end) as waiting:
            async for chunk in request.stream():
                arrived = loop.time()
                size += len(chunk)
                if size > limit:
                    raise TooLarge("too_large", f"This is larger than {_size(limit)}.")
                waiting.reschedule(None)
                await store(chunk)
                stored_at = loop.time()
                end += len(chunk) / MIN_BODY_RATE + stored_at - arrived  # time in `store` does not count
                waiting.reschedule(min(stored_at + BODY_IDLE_S, end))
    except TimeoutError:
        raise TooSlow() from None
    return size


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises as `receive_body`."""
    body = bytearray()

    async def store(chunk: bytes) -> None:
        body.extend(chunk)

    await receive_body(request, limit, store)
    return bytes(body)


def _size(limit: int) -> str:
    return f"{limit // 1_048_576} MB" if limit >= 1_048_576 else f"{limit // 1024} KB"


async def read_json(request: Request, limit: int = MAX_BODY) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedType("unsupported_type", "Send the body as application/json.")
    try:
        body = await read_body(request, limit)
        # In a thread if it takes milliseconds, so that sockets are served meanwhile.
        value = parse(body) if len(body) <= LARGE_BODY else await asyncio.to_thread(parse, body)
    except BadJson as error:
        raise BadRequest("bad_json", f"The body cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise BadRequest("bad_json", "The body must be a JSON object.")
    return value


def validate(model: type[BaseModel], value: Any) -> Any:
    """Returns the model, or raises `Refused` with a fault for each invalid field.

    Code, message and field describe the first invalid field if its validator raised `documents.input_error`. Otherwise
    the code is "invalid", and the message lists the errors of up to five fields, for programs.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        results = [faults.fault_of(problem) for problem in problems[:MAX_FAULTS]]
        if problems[0]["type"] == INPUT_ERROR:
            problem = problems[0]["ctx"]
            raise Refused(
                problem["code"], problem["sentence"], field=results[0].field or None, faults=results
            ) from None
        sentence = "; ".join(f"{faults.path(e) or 'body'}: {e['msg']}" for e in problems[:5])
        raise Refused("invalid", sentence, field=results[0].field or None, faults=results) from None


def read_query(raw: bytes) -> dict[str, str]:
    """Query parameters. Refuses a repeated name, because programs disagree about which one counts (A18)."""
    parameters: dict[str, str] = {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except (ValueError, UnicodeError):
        raise BadRequest("bad_request", "The query of this address cannot be read.") from None
    for name, value in pairs:
        if name in parameters:
            raise BadRequest("bad_request", f"The parameter {name[:40]!r} appears twice in the address.")
        parameters[name] = value
    return parameters


def path_id(call: Call, name: str) -> int:
    """A positive integer from the path; anything else is `NotFound`, like an unknown id."""
    from server.errors import NotFound

    text = str(call.path[name])
    if not (text.isascii() and text.isdecimal()) or len(text) > 15 or int(text) < 1:
        raise NotFound()
    return int(text)


WHOLE_NUMBER = {"type": "integer", "minimum": 1, "maximum": 2**53}  # JSON schema of `whole_number`


def whole_number(call: Call, name: str, default: int, most: int) -> int:
    """A whole number from 1 to 2^53 from the query, at most `most`. Raises `Refused` "invalid"."""
    text = call.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:17]) <= 2**53:
        raise Refused("invalid", f"{name} must be a whole number of at least 1.", field=name)
    return min(int(text[:17]), most)


def forbid_cross_site(headers: Mapping[str, str]) -> None:
    if headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("This request came from another site.", "cross_site")
