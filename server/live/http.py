"""The same conversation without WebSocket: long-poll and single frames over POST (DESIGN 7)."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from server.errors import NotFound, RateLimited, Refused, SignInRequired
from server.inbox import answers, entries, queries
from server.kernel.context import App
from server.kernel.sql import Conn
from server.live import frames
from server.live.connection import VisitorConnection
from server.live.hub import Hub
from server.live.sockets import open_session, understand
from server.live.visitor import VisitorSession
from server.web import auth
from server.web.http import PUBLIC, VISITING, Call, Endpoint, read_body

MAX_WAIT_S = 25.0
ANSWER_S = 10.0


class PollBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    hello: frames.Hello
    wait: float = Field(0, ge=0, le=MAX_WAIT_S)


def hub_of(app: App) -> Hub:
    hub: Hub = app.parts["hub"]
    return hub


class _Collected:
    """A connection's `send` that keeps the frames for one HTTP answer."""

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


async def _open(app: App, call: Call, hello: frames.Hello, collected: _Collected) -> VisitorSession:
    hub = hub_of(app)
    if hub.connects.take(call.address):
        raise RateLimited("Too many requests. Come back in a moment.", 5.0)
    header = call.request.headers.get("authorization", "")
    token = header[7:].strip() if header.lower().startswith("bearer ") else hello.token
    named = hello.model_copy(
        update={"token": token, "identity": call.request.headers.get("x-threadline-identity", hello.identity)}
    )
    return await open_session(hub, collected.send, collected.end, _nothing, named, call.request.headers)


async def poll(app: App, call: Call) -> Any:
    """`ready` and what stands after the bookmark; waits up to `wait` seconds when there is nothing yet."""
    hub = hub_of(app)
    # An open poll costs what a socket costs, so the same ceiling stands over both.
    if not hub.held.take(call.address):
        raise RateLimited("Too many connections. Come back in a moment.", 5.0)
    try:
        return await _poll(app, call, hub)
    finally:
        hub.held.give(call.address)


async def _poll(app: App, call: Call, hub: Hub) -> Response:
    body: PollBody = call.body
    collected = _Collected()
    session = await _open(app, call, body.hello, collected)
    connection = session.connection
    hub.add(connection)
    try:
        await _drain(connection)
        if len(collected.texts) == 1 and body.wait and body.hello.bookmark is not None:
            collected.arrived.clear()
            hub.polls.add(collected.arrived)
            waiter = asyncio.ensure_future(collected.arrived.wait())
            gone = asyncio.ensure_future(_gone(call))
            try:
                # An open poll counts as present; it is no sooner dead than its request.
                deadline = hub.monotonic() + body.wait
                while hub.monotonic() < deadline and not waiter.done() and not gone.done():
                    connection.last_heard = hub.monotonic()
                    await asyncio.wait(
                        {waiter, gone}, timeout=min(10.0, deadline - hub.monotonic()), return_when="FIRST_COMPLETED"
                    )
            finally:
                hub.polls.discard(collected.arrived)
                waiter.cancel()
                gone.cancel()
            await _drain(connection)
    finally:
        hub.remove(connection)
    return collected.answer()


async def _gone(call: Call) -> None:
    """Returns when the client has hung up; its body was read before."""
    while (await call.request.receive())["type"] != "http.disconnect":
        continue


async def _drain(connection: VisitorConnection) -> None:
    """Waits until what was there to send has been collected."""
    idle = asyncio.Event()
    connection.on_idle = idle.set
    async with asyncio.timeout(ANSWER_S):
        while not connection.drained or connection.dirty:
            await idle.wait()
            idle.clear()


async def send(app: App, call: Call) -> Any:
    """One frame; the answer holds its own `entry`, or `refused`."""
    hub, collected = hub_of(app), _Collected()
    raw = await read_body(call.request, frames.MAX_FRAME_BYTES)
    frame = understand(raw.decode("utf-8", "replace"), frames.VISITOR_IN, frames.VISITOR_TYPES)
    if isinstance(frame, frames.Hello):
        raise Refused("bad_frame", "Send hello to /widget/poll.")
    settings = await hub.settings.get()
    identity = await auth.visitor_identity(app, _bearer(call), call.request.headers.get("x-threadline-identity"))
    if settings.signed_in_only and not identity.verified:
        raise SignInRequired("Please sign in to chat with us.", "signin_required")
    connection = VisitorConnection(hub, collected.send, collected.end, _nothing, identity.key)
    session = VisitorSession(hub, connection, identity, call.request.headers.get("user-agent", ""))
    done = asyncio.Event()
    try:
        await session.stand_quietly()
        session.handle(frame, done.set)
        async with asyncio.timeout(ANSWER_S):
            await done.wait()
        await asyncio.sleep(0)  # the bells of the same commit ring in the same turn of the loop
        await _drain(connection)
    finally:
        connection.detach()
    return collected.answer()


class OlderBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    thread: str = Field(max_length=64)
    before: frames.Seq


async def older(app: App, call: Call) -> Any:
    """The messages of one's current chat before the oldest that one holds, at most 50; `more`: there are still older ones."""
    hub, body = hub_of(app), call.body
    key = call.visitor.key
    if wait := hub.pages.take(key):
        raise RateLimited("Too many requests. Come back in a moment.", wait)
    identity = await auth.visitor_identity(app, _bearer(call), call.request.headers.get("x-threadline-identity"))
    if (await hub.settings.get()).signed_in_only and not identity.verified:
        raise SignInRequired("Please sign in to chat with us.", "signin_required")
    page = await app.read(_page_before, key, body.thread, body.before)
    if page is None:
        raise NotFound("This chat is not here.")
    return {"entries": [entry.for_visitor() for entry in page.entries], "more": page.more}


def _page_before(conn: Conn, key: str, thread: str, before: int) -> entries.Page | None:
    view = queries.visitor_view(conn, key)
    if view is None or view.thread is None or view.token != thread:
        return None
    return entries.public_page(conn, view.thread, before)


def _bearer(call: Call) -> str | None:
    header = call.request.headers.get("authorization", "")
    return header[7:].strip() if header.lower().startswith("bearer ") else None


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/widget/poll", poll, PUBLIC, PollBody, answer=answers.Frames),
    Endpoint("POST", "/widget/send", send, VISITING, raw=True, takes="application/json", answer=answers.Frames),
    Endpoint("POST", "/widget/older", older, VISITING, OlderBody, answer=answers.Older),
]
