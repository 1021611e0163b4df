"""The visitor's conversation without WebSocket: long-polling and single frames over POST."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from server import frames
from server.errors import NotFound, RateLimited, Refused
from server.kernel.context import App
from server.kernel.sql import Conn
from server.live.connection import VisitorConnection
from server.live.hub import Hub
from server.live.sockets import RETRY_S, TOO_MANY_CONNECTIONS, open_session, parse_frame
from server.live.visitor import VisitorSession, check_may_chat
from server.threads import entries
from server.web import auth
from server.web.http import PUBLIC, VISITING, Call, Endpoint, read_body, response_deadline
from server.webchat import responses, visitors

MAX_WAIT_S = 25.0


class PollBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    hello: frames.Hello
    wait: float = Field(0, ge=0, le=MAX_WAIT_S)


def hub_of(app: App) -> Hub:
    return app.part(Hub)


class _FrameCollector:
    """A connection's `send` that collects the frames for one HTTP response."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.arrived = asyncio.Event()

    async def send(self, text: str) -> None:
        self.texts.append(text)
        self.arrived.set()

    async def end(self) -> None:
        self.arrived.set()

    def answer(self) -> Response:
        body = '{"frames":[' + ",".join(self.texts) + "]}"
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


def _nothing() -> None: ...


async def _open(app: App, call: Call, hello: frames.Hello, collected: _FrameCollector) -> VisitorSession:
    hub = hub_of(app)
    if wait := hub.connect_rate.take(call.address):
        raise RateLimited(TOO_MANY_CONNECTIONS, max(wait, RETRY_S))
    header = call.request.headers.get("authorization", "")
    token = header[7:].strip() if header.lower().startswith("bearer ") else hello.token
    complete_hello = hello.model_copy(
        update={"token": token, "identity": call.request.headers.get("x-threadline-identity", hello.identity)}
    )
    return await open_session(
        hub, collected.send, collected.end, _nothing, complete_hello, call.address, call.request.headers
    )


async def poll(app: App, call: Call) -> Any:
    """Returns `ready` and the entries after the bookmark. Without new entries it waits up to `wait` seconds."""
    hub = hub_of(app)
    # An open poll costs as much as a socket, so both count against the same limit.
    if not hub.address_places.take(call.address):
        raise RateLimited(TOO_MANY_CONNECTIONS, RETRY_S)
    try:
        return await _poll(app, call, hub)
    finally:
        hub.address_places.give(call.address)


async def _poll(app: App, call: Call, hub: Hub) -> Response:
    body: PollBody = call.body
    collected = _FrameCollector()
    async with response_deadline():
        session = await _open(app, call, body.hello, collected)
    connection = session.connection
    hub.add(connection)
    try:
        async with response_deadline():
            await _drain(connection)
        if len(collected.texts) == 1 and body.wait and body.hello.bookmark is not None:
            collected.arrived.clear()
            hub.waiting_polls.add(collected.arrived)
            waiter = asyncio.ensure_future(collected.arrived.wait())
            disconnected = asyncio.ensure_future(_disconnected(call))
            try:
                # The visitor counts as present as long as the request is open.
                deadline = hub.monotonic() + body.wait
                while hub.monotonic() < deadline and not waiter.done() and not disconnected.done():
                    connection.last_received = hub.monotonic()
                    await asyncio.wait(
                        {waiter, disconnected},
                        timeout=min(10.0, deadline - hub.monotonic()),
                        return_when="FIRST_COMPLETED",
                    )
            finally:
                hub.waiting_polls.discard(collected.arrived)
                waiter.cancel()
                disconnected.cancel()
            async with response_deadline():
                await _drain(connection)
    finally:
        hub.remove(connection)
    return collected.answer()


async def _disconnected(call: Call) -> None:
    """Returns when the client has disconnected. The body must have been read before."""
    while (await call.request.receive())["type"] != "http.disconnect":
        continue


async def _drain(connection: VisitorConnection) -> None:
    """Waits until everything the connection has to send is collected."""
    idle = asyncio.Event()
    connection.on_idle = idle.set
    while not connection.drained or connection.dirty:
        await idle.wait()
        idle.clear()


async def send(app: App, call: Call) -> Any:
    """Handles one frame. The response contains the `entry` that the frame created, or `refused`."""
    hub, collected = hub_of(app), _FrameCollector()
    raw = await read_body(call.request, frames.MAX_FRAME_BYTES)
    frame = parse_frame(raw.decode("utf-8", "replace"), frames.VISITOR_IN, frames.VISITOR_TYPES)
    if isinstance(frame, frames.Hello):
        raise Refused("bad_frame", "Send hello to /widget/poll.")
    settings = await hub.settings.get()
    identity = await auth.visitor_identity(app, _bearer(call), call.request.headers.get("x-threadline-identity"))
    hub.visitor_limits.count_or_refuse("POST /widget/send", identity.key, call.address)
    await check_may_chat(hub, settings, identity)
    connection = VisitorConnection(hub, collected.send, collected.end, _nothing, identity.key)
    session = VisitorSession(hub, connection, identity, call.address, call.request.headers.get("user-agent", ""))
    settled = asyncio.Event()
    try:
        await session.follow_from_end()
        session.handle(frame, settled.set)
        await settled.wait()
        await asyncio.sleep(0)  # the notifications of the same commit are delivered in this turn of the loop
        await _drain(connection)
    finally:
        connection.detach()
    return collected.answer()


class OlderBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    thread: str = Field(max_length=64)
    before: frames.Seq


async def older(app: App, call: Call) -> Any:
    """Returns at most 50 messages of the visitor's current chat before `before`; `more`: older messages exist."""
    hub, body = hub_of(app), call.body
    key = call.visitor.key
    hub.visitor_limits.count_or_refuse("POST /widget/older", key, call.address)
    identity = await auth.visitor_identity(app, _bearer(call), call.request.headers.get("x-threadline-identity"))
    await check_may_chat(hub, await hub.settings.get(), identity)
    page = await app.read(_page_before, key, body.thread, body.before)
    if page is None:
        raise NotFound("This chat does not exist.")
    return {"entries": [entry.for_visitor() for entry in page.entries], "more": page.more}


def _page_before(conn: Conn, key: str, thread_token: str, before: int) -> entries.PublicPage | None:
    view = visitors.visitor_view(conn, key)
    if view is None or view.thread is None or view.token != thread_token:
        return None
    return entries.public_page(conn, view.thread, before)


def _bearer(call: Call) -> str | None:
    header = call.request.headers.get("authorization", "")
    return header[7:].strip() if header.lower().startswith("bearer ") else None


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/widget/poll", poll, PUBLIC, PollBody, no_deadline=True, response=responses.Frames),
    Endpoint("POST", "/widget/send", send, VISITING, raw=True, body_type="application/json", response=responses.Frames),
    Endpoint("POST", "/widget/older", older, VISITING, OlderBody, response=responses.Older),
]
