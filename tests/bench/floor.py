"""Floors: minimal programs that do only what a measurement needs, with the product's libraries and none of its code.

`relay`   a visitor's message is stored durably (group commit), then sent to every agent; an agent's message goes to its visitor; starlette
`form`    a form POST with one durable insert; starlette, and `/hello` without the insert
`signed`  a text as the provider posts it: bare ASGI that checks the signature, with the same insert
`echo`    a bare ASGI socket that sends back every message: the least cost of an idle socket

Like the product, uvicorn serves them with uvloop, httptools and websockets-sansio, without compression.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import queue
import sqlite3
import sys
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.bench.processes import Child, free_port

BATCH = 1_000


class GroupWriter:
    """One thread that writes all waiting rows in one transaction; a row's future is resolved after COMMIT."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS messages(id INTEGER PRIMARY KEY, ticket INTEGER, author TEXT, body TEXT, at REAL)"
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS ix_messages ON messages(ticket, id)")
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, row: tuple[Any, ...]) -> asyncio.Future[None]:
        stored: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((row, stored))
        return stored

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            while len(batch) < BATCH and not self._queue.empty():
                if (item := self._queue.get()) is None:
                    self._queue.put(None)
                    break
                batch.append(item)
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO messages(ticket, author, body, at) VALUES(?, ?, ?, ?)", [row for row, _ in batch]
            )
            self._db.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, [stored for _, stored in batch])
        self._db.close()


def _settle(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class State:
    writer: GroupWriter
    agents: set[WebSocket] = set()  # noqa: RUF012 - one process, one state
    visitors: dict[int, WebSocket] = {}  # noqa: RUF012


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    State.writer = GroupWriter(os.environ["BENCH_FLOOR_DB"])
    yield
    State.writer.close()


async def _visitor(socket: WebSocket) -> None:
    await socket.accept()
    number = int(socket.path_params["number"])
    State.visitors[number] = socket
    try:
        while True:
            text = orjson.loads(await socket.receive_text())["text"]
            await State.writer.put((number, "visitor", text, time.time()))
            frame = orjson.dumps({"type": "entry", "ticket": number, "text": text}).decode()
            for agent in tuple(State.agents):
                await agent.send_text(frame)
    except WebSocketDisconnect:
        State.visitors.pop(number, None)


async def _agent(socket: WebSocket) -> None:
    await socket.accept()
    State.agents.add(socket)
    try:
        while True:
            frame = orjson.loads(await socket.receive_text())
            await State.writer.put((frame["to"], "agent", frame["text"], time.time()))
            if (visitor := State.visitors.get(frame["to"])) is not None:
                await visitor.send_text(orjson.dumps({"type": "entry", "text": frame["text"]}).decode())
    except WebSocketDisconnect:
        State.agents.discard(socket)


relay = Starlette(
    routes=[WebSocketRoute("/visitor/{number:int}", _visitor), WebSocketRoute("/agent", _agent)], lifespan=lifespan
)


async def _form(request: Request) -> Response:
    fields = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    await State.writer.put((1, fields.get("From", ""), fields.get("Body", ""), time.time()))
    return Response(b"<Response/>", media_type="text/xml")


async def _hello(request: Request) -> Response:
    return PlainTextResponse("hello")


form = Starlette(
    routes=[Route("/form", _form, methods=["POST"]), Route("/hello", _hello)],
    lifespan=lifespan,
)


async def signed(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        async with lifespan(form):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = (await receive())["body"]
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    signature = next((value for name, value in scope["headers"] if name == b"x-twilio-signature"), b"")
    text = os.environ["BENCH_FLOOR_ADDRESS"] + "".join([name + fields[name] for name in sorted(fields)])
    expected = b64encode(hmac.digest(os.environ["BENCH_FLOOR_TOKEN"].encode(), text.encode(), "sha1"))
    status = 200 if hmac.compare_digest(expected, signature) else 403
    if status == 200:
        await State.writer.put((1, fields.get("From", ""), fields.get("Body", ""), time.time()))
    headers = [(b"content-type", b"text/xml"), (b"content-length", b"11")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"<Response/>"})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def start(name: str, folder: Path, *, env: dict[str, str] | None = None, port: int | None = None) -> Child:
    """Starts one of the floors as a process: use it as a context manager."""
    port = port or free_port()
    argv = [sys.executable, "-m", "uvicorn", f"tests.bench.floor:{name}", "--port", str(port), "--loop", "uvloop"]
    argv += ["--http", "httptools", "--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
    argv += ["--no-access-log", "--log-level", "warning"]
    database = {"BENCH_FLOOR_DB": str(folder / f"floor-{name}.db")}
    return Child(argv, port=port, log=folder / f"floor-{name}.log", env={**database, **(env or {})})
