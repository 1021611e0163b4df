"""A test world with a network: the real server on its own port, and clients over sockets and HTTP.

    async def test_a_message_appears_at_once(online):
        ana, zoe = await online.agent("ana"), await online.visitor()
        await zoe.says("Hello?")
        await ana.receives("ticket")

The server runs on the test's own event loop, built as `threadline serve` builds it, except that only the test advances
the clock (`online.world.advance`), which also runs due jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.accounts.rules import Role
from server.app import Serving, Web
from server.frames import PROTOCOL_VERSION
from server.kernel.bus import LocalBus
from server.kernel.clock import Clock, ManualClock
from server.kernel.context import App
from server.live.hub import Hub
from server.serving import uvicorn_config
from server.settings import Settings
from server.web import auth
from tests import contract
from tests.world import START, Desk, Summaries, World, lay_out

PATIENCE_S = 10.0  # how long a test waits for an expected event


# --- the server -----------------------------------------------------------------------------------


class Node:
    """One server, on the test's event loop."""

    def __init__(self, settings: Settings, listener: socket.socket, **parts: Any) -> None:
        self.web = Web(settings, Serving(web=True, worker=False), **parts)
        self._listener = listener
        self._server = uvicorn.Server(uvicorn_config(settings, self.web))
        self._open = False

    async def start(self) -> None:
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup([self._listener])
        await self._server.on_tick(0)
        self._open = True

    async def stop(self) -> None:
        """Stops as after SIGTERM; a second call does nothing."""
        if self._open:
            self._open = False
            self.web.announce_restart()  # as `serving.Server` does
            await self._server.shutdown([self._listener])

    @property
    def app(self) -> App:
        assert self.web.app is not None
        return self.web.app


def listen() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    listener.setblocking(False)
    return listener


@asynccontextmanager
async def open_online(
    folder: Path,
    database: str = "sqlite",
    *,
    bus: LocalBus | None = None,
    clock: Clock | None = None,
    settings: Settings | None = None,
    **values: Any,
) -> AsyncIterator[Online]:
    """`values`: settings that differ. `settings`: those of another node whose database this one shares."""
    listener = listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if settings is None:
        settings = lay_out(folder, database, **{"public_url": url, **values})
    else:
        settings = settings.model_copy(update={"public_url": url, "data_dir": folder})
    clock = clock or ManualClock(START)
    parts: dict[str, Any] = {"clock": clock} | ({"bus": bus} if bus else {})
    node = Node(settings, listener, **parts)
    await node.start()
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, timeout=aiohttp.ClientTimeout(60)
    ) as http:
        online = Online(node, url, database, clock, http)
        summaries = Summaries(node.app)
        try:
            yield online
            summaries.check()
        finally:
            for person in online.people:
                await person.leaves()
            await node.stop()


class Online:
    """The server and its clients. `world`: the same people and database, without the network."""

    def __init__(self, node: Node, url: str, database: str, clock: Clock, http: aiohttp.ClientSession) -> None:
        self.node, self.url, self.http = node, url, http
        self.world = World(node.app, database, clock)  # type: ignore[arg-type]
        self.people: list[Visitor | Agent] = []
        self._numbers = itertools.count(1)

    @property
    def app(self) -> App:
        return self.node.app

    @property
    def hub(self) -> Hub:
        hub = self.app.part(Hub)
        return hub

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def key(self) -> str:
        return f"live-{next(self._numbers):08d}"

    async def agent(self, name: str = "ana", role: Role | str | None = None, *, socket: bool = True) -> Agent:
        """A signed-in agent, with an open console unless `socket` is False."""
        agent = Agent(self, await self.world.agent(name, role))
        self.people.append(agent)
        if socket:
            await agent.connects()
        return agent

    async def visitor(self, *, over: str = "socket", token: str | None = None, **hello: Any) -> Visitor:
        """A visitor with an open widget. `over`: "socket" or "poll"; `token`: another tab of the same browser."""
        visitor = (Visitor if over == "socket" else Poller)(self, token, hello)
        self.people.append(visitor)
        await visitor.connects()
        return visitor

    async def dial(
        self,
        path: str = "/ws/visitor",
        *,
        origin: str | None = "own",
        headers: dict[str, str] | None = None,
        read: bool = True,
    ) -> Wire:
        """Opens a socket without hello. `origin`: "own" is the server's; None sends none."""
        client = await connect(
            self.url.replace("http", "ws", 1) + path,
            origin=self.url if origin == "own" else origin,  # type: ignore[arg-type]
            additional_headers=headers or {},
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
            open_timeout=PATIENCE_S,
            close_timeout=2,
        )
        return Wire(client, read=read)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str | None] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Sends a request as a page of our own origin does; a header of None is left out."""
        sent = {
            "origin": self.url,
            "sec-fetch-site": "same-origin",
            "content-type": "application/json" if body is not None else None,
            **(headers or {}),
        }
        data = orjson.dumps(body) if body is not None else raw
        sent_headers = {k: v for k, v in sent.items() if v is not None}
        async with self.http.request(
            method, self.url + path, data=data, headers=sent_headers, allow_redirects=False
        ) as response:
            headers_back = {k.lower(): v for k, v in response.headers.items()}
            return contract.checked(method, path, Answer(response.status, headers_back, await response.read()))

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.send("GET", path, **more)

    async def says_raw(self, data: bytes, *, wait: float = 5.0, quiet: float = 0.3) -> bytes:
        """Sends bytes to the port. Returns the response: waits `wait` seconds for it, and until the server closes or is
        silent for `quiet` seconds."""
        reader, writer = await asyncio.open_connection(*self.address)
        received = b""
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(TimeoutError, ConnectionError):
                while chunk := await asyncio.wait_for(reader.read(65_536), quiet if received else wait):
                    received += chunk
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        return received


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str | None:
        """The error's code, or None."""
        return self.json()["error"]["code"] if self.body.startswith(b'{"error"') else None


# --- a socket ---------------------------------------------------------------------------------------


class Wire:
    """A socket that records every frame. `receives` consumes frames in order."""

    def __init__(self, client: ClientConnection, *, read: bool = True) -> None:
        self.client = client
        self.frames: list[dict[str, Any]] = []
        self.on_frame: Callable[[dict[str, Any]], None] = lambda frame: None
        self._next = 0
        self._more = asyncio.Event()
        self._reader = asyncio.create_task(self._read()) if read else None

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.client:
                frame = orjson.loads(text)
                self.frames.append(frame)
                self.on_frame(frame)
                self._more.set()
        self._more.set()

    async def says(self, frame: dict[str, Any] | str | bytes) -> None:
        await self.client.send(orjson.dumps(frame).decode() if isinstance(frame, dict) else frame)

    async def receives(self, kind: str, within: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """Waits for the next frame with this type and these fields; earlier frames are skipped."""
        async with asyncio.timeout(within):
            while True:
                while self._next < len(self.frames):
                    frame = self.frames[self._next]
                    self._next += 1
                    if frame["type"] == kind and all(frame.get(k) == v for k, v in fields.items()):
                        return frame
                if self._reader is not None and self._reader.done():
                    raise AssertionError(
                        f"closed with {self.client.close_code} while waiting for {kind} {fields or ''}"
                    )
                self._more.clear()
                await self._more.wait()

    async def settles(self) -> None:
        """Waits until the server has answered everything sent so far; it answers in order."""
        await self.says({"type": "ping"})
        await self.receives("pong")

    async def has_received(self, kind: str) -> dict[str, Any]:
        """Waits for a frame of this type, which may have arrived before; for frames without a fixed order."""
        async with asyncio.timeout(PATIENCE_S):
            while not (result := self.received(kind)):
                self._more.clear()
                await self._more.wait()
        return result[-1]

    def received(self, kind: str) -> list[dict[str, Any]]:
        """All frames of this type."""
        return [frame for frame in self.frames if frame["type"] == kind]

    async def close_code(self, within: float = PATIENCE_S) -> int | None:
        """Waits for the server to close, and returns its code."""
        async with asyncio.timeout(within):
            if self._reader is not None:
                await self._reader
            await self.client.wait_closed()
        return self.client.close_code

    async def drop(self) -> None:
        """Drops the connection without a close frame, as when a network fails."""
        self.client.transport.abort()
        await self.leaves()

    async def leaves(self) -> None:
        await self.client.close()
        if self._reader is not None:
            await self._reader

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leaves()


# --- visitors ---------------------------------------------------------------------------------------


@dataclass
class Screen:
    """A client's state by the rules of PROTOCOL.md 1: one thread, its bookmark, each entry once."""

    thread: Any = None
    last: int = 0
    entries: list[dict[str, Any]] = field(default_factory=list)
    resets: int = 0

    def take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "reset":
            self.thread, self.last, self.entries = frame["thread"], 0, []
            self.resets += 1
        elif frame["type"] == "entry":
            if self.thread is None:
                self.thread = frame["thread"]
            entry = frame["entry"]
            if frame["thread"] != self.thread or entry["seq"] <= self.last:
                return
            if self.entries:
                assert entry["seq"] == self.last + 1, f"a gap between {self.last} and {entry['seq']}"
            self.last = entry["seq"]
            self.entries.append(entry)

    @property
    def texts(self) -> list[str]:
        return [entry["text"] for entry in self.entries if entry["kind"] == "message"]


class Visitor:
    """A browser with the widget open, over a WebSocket."""

    def __init__(self, online: Online, token: str | None, hello: dict[str, Any]) -> None:
        self.online, self.token, self._hello = online, token, hello
        self.screen = Screen()
        self.ready: dict[str, Any] = {}
        self.wire: Wire = None  # type: ignore[assignment]
        self.changed = asyncio.Event()

    def _take(self, frame: dict[str, Any]) -> None:
        self.screen.take(frame)
        self.changed.set()

    def hello(self, *, bookmark: bool = True) -> dict[str, Any]:
        frame = {"type": "hello", "version": PROTOCOL_VERSION, **self._hello}
        if self.token:
            frame["token"] = self.token
        if bookmark and self.screen.thread is not None:
            frame["bookmark"] = {"thread": self.screen.thread, "after": self.screen.last}
        return frame

    def _welcomed(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self.token = ready.get("token") or self.token

    async def connects(self, *, bookmark: bool = True) -> dict[str, Any]:
        """Sends hello with its bookmark; returns `ready`."""
        self.wire = await self.online.dial()
        self.wire.on_frame = self._take
        await self.wire.says(self.hello(bookmark=bookmark))
        self._welcomed(await self.wire.receives("ready"))
        return self.ready

    async def tab(self, **more: Any) -> Visitor:
        """Another tab of the same browser."""
        return await self.online.visitor(over=self.over, token=self.token, **more)

    over = "socket"

    async def sends(self, frame: dict[str, Any]) -> None:
        await self.wire.says(frame)

    async def says(self, text: str, *, key: str | None = None, files: list[str] | None = None) -> dict[str, Any]:
        """Sends a message; returns its entry, which is the acknowledgement."""
        key = key or self.online.key()
        await self.sends({"type": "say", "id": key, "text": text, **({"files": files} if files else {})})
        return await self.has(key=key)

    async def has(self, **fields: Any) -> dict[str, Any]:
        """Waits until the screen shows an entry with these fields."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for entry in self.screen.entries:
                    if all(entry.get(name) == value for name, value in fields.items()):
                        return entry
                self.changed.clear()
                await self.changed.wait()

    async def sees(self, text: str) -> dict[str, Any]:
        return await self.has(text=text)

    async def receives(self, kind: str, **fields: Any) -> dict[str, Any]:
        return await self.wire.receives(kind, **fields)

    @property
    def key(self) -> str:
        """The visitor key of this browser."""
        return auth.visitor_key(self.online.app, self.token, None).key

    async def thread_id(self) -> int:
        from server.webchat import visitors

        view = await self.online.app.read(visitors.visitor_view, self.key)
        assert view is not None and view.thread is not None
        return int(view.thread)

    async def drops(self) -> None:
        await self.wire.drop()

    async def leaves(self) -> None:
        await self.wire.leaves()


class Poller(Visitor):
    """A visitor without WebSocket: polls, and posts its frames."""

    over = "poll"
    _polling: asyncio.Task[None] | None = None

    def _headers(self) -> dict[str, str | None]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def connects(self, *, bookmark: bool = True) -> dict[str, Any]:
        self._received: list[dict[str, Any]] = []
        await self._poll(self.hello(bookmark=bookmark), 0)
        self._polling = asyncio.create_task(self._poll_until_stopped())
        return self.ready

    async def _poll(self, hello: dict[str, Any], wait: float) -> None:
        hello = {name: value for name, value in hello.items() if name != "token"}
        answer = await self.online.send("POST", "/widget/poll", {"hello": hello, "wait": wait}, headers=self._headers())
        assert answer.status == 200, answer
        for frame in answer.json()["frames"]:
            if frame["type"] == "ready":
                self._welcomed(frame)
            self._record(frame)

    def _record(self, frame: dict[str, Any]) -> None:
        self._received.append(frame)
        self._take(frame)

    async def _poll_until_stopped(self) -> None:
        with contextlib.suppress(aiohttp.ClientConnectionError):  # the server has stopped
            await self._poll_repeatedly()

    async def _poll_repeatedly(self) -> None:
        while True:
            while self.screen.thread is None:  # a poll returns at once while nothing is stored
                self.changed.clear()
                await self.changed.wait()
            await self._poll(self.hello(), 25)

    async def sends(self, frame: dict[str, Any]) -> None:
        answer = await self.online.send("POST", "/widget/send", frame, headers=self._headers())
        if answer.status == 200:
            for result in answer.json()["frames"]:
                # If entries before this one are missing, an open poll will return them together with this one.
                if result["type"] != "entry" or result["entry"]["seq"] == self.screen.last + 1:
                    self._record(result)
        else:
            error = answer.json()["error"]
            self._record({"type": "refused", "id": frame.get("id"), **error})

    async def receives(self, kind: str, **fields: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for place, frame in enumerate(self._received):
                    if frame["type"] == kind and all(frame.get(k) == v for k, v in fields.items()):
                        del self._received[: place + 1]
                        return frame
                self.changed.clear()
                await self.changed.wait()

    async def drops(self) -> None:
        await self.leaves()

    async def leaves(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling


# --- agents -----------------------------------------------------------------------------------------


class Agent:
    """An agent with an open console: a socket, and HTTP with their cookie."""

    def __init__(self, online: Online, desk: Desk) -> None:
        self.online, self.desk = online, desk
        self.wire: Wire = None  # type: ignore[assignment]
        self.screens: dict[int, Screen] = {}
        self.changed = asyncio.Event()

    @property
    def id(self) -> int:
        return self.desk.id

    @property
    def cookie(self) -> str:
        return auth.session_cookie(self.online.app, self.desk.token).partition(";")[0]

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] in ("entry", "reset") and frame["thread"] in self.screens:
            self.screens[frame["thread"]].take(frame)
        self.changed.set()

    async def connects(self) -> None:
        self.wire = await self.online.dial("/ws/agent", headers={"Cookie": self.cookie})
        self.wire.on_frame = self._take
        await self.wire.says({"type": "hello", "version": PROTOCOL_VERSION})
        await self.wire.receives("ready")
        for thread, screen in self.screens.items():
            await self.wire.says({"type": "open", "thread": thread, "after": screen.last})

    async def opens(self, thread: int, after: int = 0, **how: Any) -> Screen:
        """Follows a thread; the returned screen shows everything that arrives."""
        screen = self.screens[thread] = Screen(thread, after)
        await self.wire.says({"type": "open", "thread": thread, "after": after, **how})
        await self.wire.settles()
        return screen

    async def sees(self, thread: int, text: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for entry in self.screens[thread].entries:
                    if entry["text"] == text:
                        return entry
                self.changed.clear()
                await self.changed.wait()

    async def receives(self, kind: str, **fields: Any) -> dict[str, Any]:
        return await self.wire.receives(kind, **fields)

    async def receives_ticket(self, ticket: int, **fields: Any) -> dict[str, Any]:
        """Waits for the next summary of this ticket with these fields."""
        while True:
            result: dict[str, Any] = (await self.wire.receives("ticket"))["ticket"]
            if result["id"] == ticket and all(result.get(k) == v for k, v in fields.items()):
                return result

    async def send(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str | None] | None = None, **more: Any
    ) -> Answer:
        return await self.online.send(method, path, body, headers={"cookie": self.cookie, **(headers or {})}, **more)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.send("POST", path, {} if body is None else body, **more)

    async def replies(self, ticket: int, text: str, *, key: str | None = None) -> dict[str, Any]:
        """Replies over HTTP; returns the entry."""
        answer = await self.post(f"/api/tickets/{ticket}/reply", {"key": key or self.online.key(), "text": text})
        assert answer.status == 200, answer
        return answer.json()["entry"]

    async def notes(self, ticket: int, text: str) -> dict[str, Any]:
        answer = await self.post(f"/api/tickets/{ticket}/notes", {"key": self.online.key(), "text": text})
        assert answer.status == 200, answer
        return answer.json()["entry"]

    async def leaves(self) -> None:
        if self.wire is not None:
            await self.wire.leaves()
