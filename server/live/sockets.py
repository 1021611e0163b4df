"""The two WebSocket endpoints as plain ASGI: they parse frames, enforce limits and choose close codes.

Each socket has one task, which waits in `receive`. A short-lived flush does the sending (connection.py). The read loop
never awaits a commit: it submits a message to the writer and reads the next frame.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from server import frames
from server.accounts.rules import Agent, authorise
from server.errors import Busy, NotFound, RateLimited, Refused
from server.kernel import failpoints
from server.kernel.context import App
from server.kernel.sql import Conn
from server.kernel.strict_json import BadJson, parse
from server.live import encoding, rights
from server.live.connection import AgentConnection, Connection, VisitorConnection
from server.live.hub import Hub
from server.live.visitor import TYPING_EVERY_S, VisitorSession
from server.threads import entries, mails, tickets
from server.web import auth, limits
from server.web.visitor_limits import DOCTOR_USER_AGENT

log = structlog.get_logger()

Greeted = TypeVar("Greeted")

MAX_BAD_FRAMES = 10  # after this many in `BAD_WINDOW_S` the socket is closed with 4400
BAD_WINDOW_S = 10.0
FRAMES_PER_S = 25.0
FRAME_BURST = 150.0
MAX_OPEN_THREADS = 500  # threads that one agent's socket may follow
TOO_MANY_CONNECTIONS = "Too many connections. Come back in a moment."
RETRY_S = 5.0  # after this time a connection may be free again
TABS_RETRY_S = 30.0


class Closed(Exception):
    """The peer has disconnected."""


class Peer:
    """One accepted socket: receives and sends text, and counts frames against the limits."""

    __slots__ = (
        "_allowance", "_bad", "_bad_since", "_closed", "_receive", "_refilled", "_send", "abort", "hub", "listen", "write_now",
    )  # fmt: skip

    def __init__(self, hub: Hub, scope: Scope, receive: Receive, send: Send) -> None:
        self.hub = hub
        self._receive, self._send = receive, send
        extensions = scope.get("extensions", {})
        self.abort: Any = extensions.get("threadline.abort", lambda: None)
        self.listen: Any = extensions.get("threadline.listen", lambda listener: None)
        self.write_now: Any = extensions.get("threadline.write", lambda text: False)
        self._bad, self._bad_since = 0, 0.0
        self._allowance, self._refilled = FRAME_BURST, hub.monotonic()
        self._closed = False

    async def send(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def frame(self) -> str | bytes:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise Closed()
        text = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    def over_allowance(self) -> bool:
        """Counts one frame; True when the socket has sent more than its allowance."""
        now = self.hub.monotonic()
        per_s = max(FRAMES_PER_S, self.hub.app.settings.visitor_messages_per_minute / 30)
        self._allowance = min(max(FRAME_BURST, per_s * 4), self._allowance + (now - self._refilled) * per_s)
        self._refilled = now
        self._allowance -= 1
        return self._allowance < 0

    def count_bad_frame(self) -> bool:
        """Counts one bad frame; True when the limit is reached."""
        now = self.hub.monotonic()
        if now - self._bad_since > BAD_WINDOW_S:
            self._bad, self._bad_since = 0, now
        self._bad += 1
        return self._bad >= MAX_BAD_FRAMES


def parse_frame(raw: str | bytes, adapter: TypeAdapter[Any], known_types: frozenset[str]) -> Any:
    """Parses a frame. Raises `Refused`; the message never quotes the input (W1-W23)."""
    if isinstance(raw, bytes):
        raise Refused("bad_frame", "Send frames as text.")
    try:
        value = parse(raw)
    except BadJson as error:
        raise Refused("bad_json", f"This frame cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise Refused("bad_frame", "A frame is a JSON object.")
    if not isinstance(value.get("type"), str) or value["type"] not in known_types:
        raise Refused("unknown_type", "This frame type does not exist.")
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        code = "too_long" if first["type"] == "string_too_long" and field == "text" else "invalid"
        raise Refused(code, f"{field or 'frame'}: {first['msg']}", field=field) from None


def client_key_of(raw: str | bytes) -> str | None:
    """The client key of a refused frame, so that the client knows which frame was refused."""
    try:
        value = parse(raw)
    except BadJson:
        return None
    key = value.get("id") if isinstance(value, dict) else None
    return key if isinstance(key, str) and len(key) <= 64 else None


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def refuse_handshake(
    send: Send, receive: Receive, status: int, code: str, message: str, retry_after: float | None = None
) -> None:
    """Refuses the handshake with an HTTP response. `retry_after`: seconds."""
    await receive()
    error: dict[str, Any] = {"code": code, "message": message}
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if retry_after is not None:
        error["retry_after"] = retry_after
        headers.append((b"retry-after", str(math.ceil(retry_after)).encode()))
    body = encoding.dump({"error": error}).encode()
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


class VisitorSocket:
    """`/ws/visitor`."""

    def __init__(self, app: App, hub: Hub) -> None:
        self._app, self._hub = app, hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub = self._hub
        headers = headers_of(scope)
        try:
            settings = await hub.settings.get()
        except Refused as refusal:  # the database is busy or down, and no earlier settings are cached
            await refuse_handshake(send, receive, refusal.status, refusal.code, refusal.message)
            return
        origin = headers.get("origin", "")
        if not auth.own_origin(self._app, origin) and origin not in settings.sites:
            await refuse_handshake(send, receive, 403, "forbidden", "This site may not use the widget.")
            return
        if scope.get("query_string"):
            await refuse_handshake(send, receive, 400, "bad_request", "This address takes no parameters.")
            return
        address = limits.client_address(self._app.settings, scope)
        wait = hub.connect_rate.take(address)
        if wait or not hub.address_places.take(address):
            await refuse_handshake(send, receive, 429, "rate_limited", TOO_MANY_CONNECTIONS, max(wait, RETRY_S))
            return
        try:
            await receive()
            await send({"type": "websocket.accept"})
            await self._serve(Peer(hub, scope, receive, send), address, headers)
        except Closed:
            pass
        finally:
            hub.address_places.give(address)

    async def _serve(self, peer: Peer, address: str, headers: dict[str, str]) -> None:
        hub = self._hub

        async def greet(hello: frames.Hello) -> VisitorSession:
            return await open_session(hub, peer.send, Closer(peer), peer.abort, hello, address, headers)

        session = await await_hello(peer, frames.VISITOR_IN, frames.VISITOR_TYPES, greet)
        if session is None:
            return
        headers.clear()  # no longer needed; otherwise kept in memory for the life of the socket
        connection = session.connection

        def on_frame(raw: str | bytes) -> None:
            connection.last_received = hub.monotonic()
            if peer.over_allowance():
                connection.close(4429, "rate_limited", after=30.0)
            if connection.closing:
                return
            try:
                session.handle(parse_frame(raw, frames.VISITOR_IN, frames.VISITOR_TYPES))
            except Refused as refusal:
                if _is_protocol_error(refusal) and peer.count_bad_frame():
                    connection.close(4400, "bad_frame")
                else:
                    connection.refuse(refusal, client_key_of(raw))
            except Exception:  # a bug in our code: keep the connection and log the reason
                connection.refuse(_internal_error(hub), client_key_of(raw))

        hub.add(connection)
        peer.listen(on_frame)
        try:
            while True:  # most frames go directly to the listener (live/transport.py)
                on_frame(await peer.frame())
        finally:
            hub.remove(connection)


async def await_hello(
    peer: Peer,
    adapter: TypeAdapter[Any],
    known_types: frozenset[str],
    greet: Callable[[frames.Hello], Awaitable[Greeted]],
) -> Greeted | None:
    """Waits for the first valid `hello` and returns the result of `greet`; None when the socket was closed."""
    hub = peer.hub

    def give_up() -> None:
        hub.spawn(peer.close(4401, "auth_required"))

    hub.waiting_hello[give_up] = hub.monotonic()
    try:
        while True:
            raw = await peer.frame()
            try:
                frame = parse_frame(raw, adapter, known_types)
                if not isinstance(frame, frames.Hello):
                    raise Refused("auth_required", "Say hello first.")
                if frame.version > frames.PROTOCOL_VERSION:
                    raise Refused("upgrade_required", "This server is older than the page. Reload it in a minute.")
                return await greet(frame)
            except Refused as refusal:
                hub.count_refusal(refusal.code)
                await peer.send(encoding.refused(refusal))
                if refusal.status == 401:
                    await peer.close(4401, refusal.code)
                    return None
                if refusal.retry_after is not None:
                    # Close now: left open, the socket would end with `auth_required` for lack of a hello.
                    await peer.send(encoding.bye(refusal.code, refusal.retry_after))
                    await peer.close(4429 if refusal.code == "rate_limited" else 1013, refusal.code)
                    return None
                if refusal.code == "upgrade_required":
                    await peer.close(4426, refusal.code)
                    return None
                if peer.count_bad_frame():
                    await peer.close(4400, "bad_frame")
                    return None
    finally:
        hub.waiting_hello.pop(give_up, None)


async def open_session(
    hub: Hub, send: Any, end: Any, abort: Any, hello: frames.Hello, address: str, headers: Mapping[str, str]
) -> VisitorSession:
    """Identifies the visitor of a `hello` and sends `ready`. Raises `Refused`. The caller passes the connection to `hub.add`."""
    new_token = None
    identity = await auth.signed_identity(hub.app, hello.identity)
    if identity is None:
        token = hello.token
        # If signature and token are both invalid, a new token is issued: a refusal of the token would look like one of the
        # signature.
        if token is None or (hello.identity is not None and auth.anonymous_key(hub.app, token) is None):
            token = new_token = auth.mint_visitor_token(hub.app)
        identity = auth.visitor_key(hub.app, token, None)
    if not hub.visitor_places.take(identity.key):
        raise RateLimited("This chat is open in too many tabs. Close one of them.", TABS_RETRY_S)
    if headers.get("user-agent") != DOCTOR_USER_AGENT:
        hub.visitor_addresses.record(identity.key, address)
    connection = VisitorConnection(hub, send, end, abort, identity.key)
    session = VisitorSession(hub, connection, identity, address, headers.get("user-agent", ""))
    if identity.verified and hello.token is not None:
        session.anonymous_key = auth.anonymous_key(hub.app, hello.token)
    if isinstance(end, Closer):
        end.bind(connection)
    try:
        await session.greet(hello, new_token)
    except BaseException:
        connection.detach()
        hub.visitor_places.give(identity.key)
        raise
    return session


class Closer:
    """Closes the socket with the code and reason of its connection."""

    __slots__ = ("_connection", "_peer")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._connection: Connection | None = None

    def bind(self, connection: Connection) -> None:
        """Takes code and reason from this connection, and lets it write directly to the socket."""
        self._connection = connection
        connection.write_now = self._peer.write_now

    async def __call__(self) -> None:
        code, reason = (self._connection and self._connection.closing) or (1000, "")
        await self._peer.close(code, reason)


class AgentSocket:
    """`/ws/agent`."""

    def __init__(self, app: App, hub: Hub) -> None:
        self._app, self._hub = app, hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub = self._hub
        headers = headers_of(scope)
        if not auth.own_origin(self._app, headers.get("origin")):
            await refuse_handshake(send, receive, 403, "bad_origin", "The console is served from another address.")
            return
        try:
            agent = await auth.agent_from_cookie(self._app, headers)
        except Refused as refusal:
            await refuse_handshake(send, receive, refusal.status, refusal.code, refusal.message)
            return
        if agent is None:
            await refuse_handshake(send, receive, 401, "auth_required", "Sign in to continue.")
            return
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await self._serve(Peer(hub, scope, receive, send), agent)
        except Closed:
            pass

    async def _serve(self, peer: Peer, agent: Agent) -> None:
        hub = self._hub

        async def greet(_: frames.Hello) -> AgentConnection:
            closer = Closer(peer)
            await hub.inbox.get()
            await hub.numbers.get()
            connection = AgentConnection(hub, peer.send, closer, peer.abort, agent)
            closer.bind(connection)
            return connection

        connection = await await_hello(peer, frames.AGENT_IN, frames.AGENT_TYPES, greet)
        if connection is None:
            return
        hub.add(connection)
        connection.start()
        try:
            while True:
                raw = await peer.frame()
                connection.last_received = hub.monotonic()
                if peer.over_allowance():
                    connection.close(4429, "rate_limited", after=30.0)
                    continue
                if connection.closing:
                    continue
                try:
                    await self._handle(connection, parse_frame(raw, frames.AGENT_IN, frames.AGENT_TYPES))
                except Refused as refusal:
                    if _is_protocol_error(refusal) and peer.count_bad_frame():
                        connection.close(4400, "bad_frame")
                    else:
                        connection.refuse(refusal, client_key_of(raw))
                except Exception:
                    connection.refuse(_internal_error(hub), client_key_of(raw))
        finally:
            hub.remove(connection)

    async def _handle(self, connection: AgentConnection, frame: Any) -> None:
        hub = self._hub
        failpoints.reach("in_frame")
        authorise(connection.agent, rights.FROM_AGENTS[frame.type])
        match frame:
            case frames.Open():
                if len(connection.bookmarks) >= MAX_OPEN_THREADS:
                    raise RateLimited("Too many threads are open on this socket.", 1.0)
                last_seq, has_ticket = await hub.app.read(_last_seq, frame.thread)
                if last_seq is None:
                    raise NotFound("This thread does not exist.")
                await failpoints.pause("snapshot_read")
                if frame.after > last_seq or last_seq - frame.after > entries.MAX_RESUMED_ENTRIES:
                    connection.push(encoding.reset(frame.thread))
                else:
                    connection.follow(frame.thread, frame.after)
                    if has_ticket:  # a mail thread is shown within another thread
                        connection.set_viewed_thread(frame.thread if frame.looking else None)
            case frames.Leave():
                connection.leave(frame.thread)
            case frames.Typing():
                self._typing(connection, frame)
            case frames.Ping():
                connection.send_pong()
            case frames.Seen():
                raise Refused("bad_frame", "Mark a ticket read over HTTP.")
            case _:
                raise Refused("bad_frame", "This frame is not valid here.")

    def _typing(self, connection: AgentConnection, frame: frames.Typing) -> None:
        now = self._hub.monotonic()
        if (
            frame.thread is None
            or frame.thread not in connection.bookmarks
            or now - connection.typed_at < TYPING_EVERY_S
        ):
            return
        connection.typed_at = now
        author = {"type": "agent", "id": connection.agent.id, "name": connection.agent.name}
        self._hub.bus.broadcast(f"thread:{frame.thread}", {"type": "typing", "thread": frame.thread, "author": author})


def _last_seq(conn: Conn, thread: int) -> tuple[int | None, bool]:
    """The newest sequence of a thread that agents may follow, and whether it has a ticket."""
    ticket = tickets.by_thread(conn, thread)
    return (mails.last_seq(conn, thread), False) if ticket is None else (ticket.last_seq, True)


def _internal_error(hub: Hub) -> Refused:
    """Logs an unexpected error and returns a refusal without internals (G25). Call it inside the `except` block."""
    log.exception("frame_failed", ref=hub.app.ids.token(9))
    return Busy("Something went wrong on our side. Nothing you typed is lost. Try again.")


def _is_protocol_error(refusal: Refused) -> bool:
    return refusal.code in ("bad_json", "bad_frame", "unknown_type", "invalid")
