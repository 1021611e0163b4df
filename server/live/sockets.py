"""The two socket endpoints, as bare ASGI: from bytes to frames, limits, and close codes.

One task per socket: it sits in `receive`. Sending is done by a short-lived flush (connection.py), and
the read loop never awaits a commit: a message is handed to the writer and the next frame is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from server.accounts.rules import Agent, Can, may
from server.errors import Busy, NotFound, RateLimited, Refused
from server.inbox import entries, queries
from server.kernel import failpoints
from server.kernel.context import App
from server.kernel.strict_json import BadJson, parse
from server.live import frames, wire
from server.live.connection import AgentConnection, Connection, VisitorConnection
from server.live.hub import Hub
from server.live.visitor import TYPING_EVERY_S, VisitorSession
from server.web import auth, limits

log = structlog.get_logger()

Greeted = TypeVar("Greeted")

BAD_FRAMES = 10  # in ten seconds, then 4400
BAD_WINDOW_S = 10.0
FRAMES_PER_S = 25.0
FRAME_BURST = 150.0
OPEN_THREADS = 500  # an agent's socket follows at most


class Closed(Exception):
    """The peer is gone."""


class Peer:
    """One accepted socket: text in, text out, and its manners."""

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

    def too_many(self) -> bool:
        """Counts one frame against the socket's allowance."""
        now = self.hub.monotonic()
        per_s = max(FRAMES_PER_S, self.hub.app.settings.visitor_messages_per_minute / 30)
        self._allowance = min(max(FRAME_BURST, per_s * 4), self._allowance + (now - self._refilled) * per_s)
        self._refilled = now
        self._allowance -= 1
        return self._allowance < 0

    def bad_frame(self) -> bool:
        """Counts one bad frame; True when it was one too many."""
        now = self.hub.monotonic()
        if now - self._bad_since > BAD_WINDOW_S:
            self._bad, self._bad_since = 0, now
        self._bad += 1
        return self._bad >= BAD_FRAMES


def understand(raw: str | bytes, adapter: TypeAdapter[Any], known: frozenset[str]) -> Any:
    """A frame from bytes, or `Refused` with the same few codes for everything, quoting nothing (W1-W23)."""
    if isinstance(raw, bytes):
        raise Refused("bad_frame", "Send frames as text.")
    try:
        value = parse(raw)
    except BadJson as error:
        raise Refused("bad_json", f"This frame cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise Refused("bad_frame", "A frame is a JSON object.")
    if not isinstance(value.get("type"), str) or value["type"] not in known:
        raise Refused("unknown_type", "There is no frame of this type.")
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        code = "too_long" if first["type"] == "string_too_long" and field == "text" else "invalid"
        raise Refused(code, f"{field or 'frame'}: {first['msg']}", field=field) from None


def key_of(raw: str | bytes) -> str | None:
    """The client key of a frame that was refused, so that the client knows which one."""
    try:
        value = parse(raw)
    except BadJson:
        return None
    key = value.get("id") if isinstance(value, dict) else None
    return key if isinstance(key, str) and len(key) <= 64 else None


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def deny(send: Send, receive: Receive, status: int, code: str, message: str) -> None:
    """Refuses the handshake with an HTTP answer."""
    await receive()
    body = wire.dump({"error": {"code": code, "message": message}}).encode()
    await send(
        {
            "type": "websocket.http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json"), (b"cache-control", b"no-store")],
        }
    )
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
        except Refused as refusal:  # the database is busy or away, and not for the first time today
            await deny(send, receive, refusal.status, refusal.code, refusal.message)
            return
        origin = headers.get("origin", "")
        if not auth.own_origin(self._app, origin) and origin not in settings.sites:
            await deny(send, receive, 403, "forbidden", "This site may not use the widget.")
            return
        if scope.get("query_string"):
            await deny(send, receive, 400, "bad_request", "This address takes no parameters.")
            return
        address = limits.client_address(self._app.settings, scope)
        if hub.connects.take(address) or not hub.held.take(address):
            await deny(send, receive, 429, "rate_limited", "Too many connections. Come back in a moment.")
            return
        try:
            await receive()
            await send({"type": "websocket.accept"})
            await self._serve(Peer(hub, scope, receive, send), headers)
        except Closed:
            pass
        finally:
            hub.held.give(address)

    async def _serve(self, peer: Peer, headers: dict[str, str]) -> None:
        hub = self._hub

        async def greet(hello: frames.Hello) -> VisitorSession:
            return await open_session(hub, peer.send, Ender(peer), peer.abort, hello, headers)

        session = await greeted(peer, frames.VISITOR_IN, frames.VISITOR_TYPES, greet)
        if session is None:
            return
        headers.clear()  # read, and else held for as long as the socket lives
        connection = session.connection

        def heard(raw: str | bytes) -> None:
            connection.last_heard = hub.monotonic()
            if peer.too_many():
                connection.close(4429, "rate_limited", after=30.0)
            if connection.closing:
                return
            try:
                session.handle(understand(raw, frames.VISITOR_IN, frames.VISITOR_TYPES))
            except Refused as refusal:
                if _is_protocol_error(refusal) and peer.bad_frame():
                    connection.close(4400, "bad_frame")
                else:
                    connection.refuse(refusal, key_of(raw))
            except Exception:  # our mistake: the connection and the draft stay, the reason is in the log
                connection.refuse(_our_fault(hub), key_of(raw))

        hub.add(connection)
        peer.listen(heard)
        try:
            while True:  # from here on mostly asleep: see live/transport.py
                heard(await peer.frame())
        finally:
            hub.remove(connection)


async def greeted(
    peer: Peer, adapter: TypeAdapter[Any], known: frozenset[str], greet: Callable[[frames.Hello], Awaitable[Greeted]]
) -> Greeted | None:
    """What `greet` makes of the first good `hello`; None when the socket was closed instead."""
    hub = peer.hub

    def give_up() -> None:
        hub.spawn(peer.close(4401, "auth_required"))

    hub.waiting_hello[give_up] = hub.monotonic()
    try:
        while True:
            raw = await peer.frame()
            try:
                frame = understand(raw, adapter, known)
                if not isinstance(frame, frames.Hello):
                    raise Refused("auth_required", "Say hello first.")
                if frame.version > frames.PROTOCOL_VERSION:
                    raise Refused("upgrade_required", "This server is older than the page. Reload it in a minute.")
                return await greet(frame)
            except Refused as refusal:
                hub.count_refusal(refusal.code)
                await peer.send(wire.refused(refusal))
                if refusal.status == 401:
                    await peer.close(4401, refusal.code)
                    return None
                if refusal.code == "upgrade_required":
                    await peer.close(4426, refusal.code)
                    return None
                if peer.bad_frame():
                    await peer.close(4400, "bad_frame")
                    return None
    finally:
        hub.waiting_hello.pop(give_up, None)


async def open_session(
    hub: Hub, send: Any, end: Any, abort: Any, hello: frames.Hello, headers: Mapping[str, str]
) -> VisitorSession:
    """Who a `hello` comes from, and their `ready`. Raises `Refused`."""
    minted = None
    token = hello.token
    if token is None and hello.identity is None:
        token = minted = auth.mint_visitor_token(hub.app)
    identity = await auth.visitor_identity(hub.app, token, hello.identity)
    connection = VisitorConnection(hub, send, end, abort, identity.key)
    session = VisitorSession(hub, connection, identity, headers.get("user-agent", ""))
    if identity.verified and hello.token is not None:
        session.before = auth.anonymous_key(hub.app, hello.token)
    if isinstance(end, Ender):
        end.bind(connection)
    try:
        await session.greet(hello, minted)
    except BaseException:
        connection.detach()
        raise
    return session


class Ender:
    """Closes the socket with whatever its connection says."""

    __slots__ = ("_connection", "_peer")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._connection: Connection | None = None

    def bind(self, connection: Connection) -> None:
        """The socket ends as the connection says; and the connection may write straight to it."""
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
            await deny(send, receive, 403, "bad_origin", "The console is served from another address.")
            return
        try:
            agent = await auth.agent_from_cookie(self._app, headers)
        except Refused as refusal:
            await deny(send, receive, refusal.status, refusal.code, refusal.message)
            return
        if agent is None:
            await deny(send, receive, 401, "auth_required", "Sign in to go on.")
            return
        if not may(agent, Can.INBOX):
            await deny(send, receive, 403, "forbidden", "Your role does not include the inbox.")
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
            ender = Ender(peer)
            await hub.inbox.get()
            connection = AgentConnection(hub, peer.send, ender, peer.abort, agent)
            ender.bind(connection)
            return connection

        connection = await greeted(peer, frames.AGENT_IN, frames.AGENT_TYPES, greet)
        if connection is None:
            return
        hub.add(connection)
        connection.start()
        try:
            while True:
                raw = await peer.frame()
                connection.last_heard = hub.monotonic()
                if peer.too_many():
                    connection.close(4429, "rate_limited", after=30.0)
                    continue
                if connection.closing:
                    continue
                try:
                    await self._handle(connection, understand(raw, frames.AGENT_IN, frames.AGENT_TYPES))
                except Refused as refusal:
                    if _is_protocol_error(refusal) and peer.bad_frame():
                        connection.close(4400, "bad_frame")
                    else:
                        connection.refuse(refusal, key_of(raw))
                except Exception:
                    connection.refuse(_our_fault(hub), key_of(raw))
        finally:
            hub.remove(connection)

    async def _handle(self, connection: AgentConnection, frame: Any) -> None:
        hub = self._hub
        failpoints.reach("in_frame")
        match frame:
            case frames.Open():
                if len(connection.bookmarks) >= OPEN_THREADS:
                    raise RateLimited("Too many threads are open on this socket.", 1.0)
                ticket = await hub.app.read(queries.ticket_of, frame.thread)
                if ticket is None:
                    raise NotFound("This thread does not exist.")
                await failpoints.pause("snapshot_read")
                if frame.after > ticket.last_seq or ticket.last_seq - frame.after > entries.RESUME:
                    connection.push(wire.reset(frame.thread))
                else:
                    connection.follow(frame.thread, frame.after)
                    connection.look_at(frame.thread if frame.looking else None)
            case frames.Leave():
                connection.leave(frame.thread)
            case frames.Typing():
                self._typing(connection, frame)
            case frames.Ping():
                connection.pong()
            case frames.Seen():
                raise Refused("bad_frame", "Say what was read by HTTP.")
            case _:
                raise Refused("bad_frame", "This frame does not fit here.")

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
        self._hub.bus.whisper(f"thread:{frame.thread}", {"type": "typing", "thread": frame.thread, "author": author})


def _our_fault(hub: Hub) -> Refused:
    """What is said of an error that nobody foresaw: nothing of the inside (G25). Called while it is handled."""
    log.exception("frame_failed", ref=hub.app.ids.token(9))
    return Busy("Something went wrong on our side. Nothing you typed is lost; try again.")


def _is_protocol_error(refusal: Refused) -> bool:
    return refusal.code in ("bad_json", "bad_frame", "unknown_type", "invalid")
