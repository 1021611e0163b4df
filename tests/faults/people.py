"""Simulated clients: each keeps a screen, an outbox and a journal, reconnects, and repeats messages until they are
acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.journal import Journal
from tests.faults.site import PUBLIC_URL, Site

Where = Callable[[], str]  # returns the address to try next
NETWORK_ERRORS = (OSError, WebSocketException, TimeoutError, EOFError)
PING_S = 5.0
SILENCE_S = 8.0  # without a frame for this time, although we ping, the connection is dead


def socket_url(base: str, path: str) -> str:
    return base.replace("http://", "ws://") + path


def fresh_key() -> str:
    return uuid.uuid4().hex


class Client:
    """The common part of visitors and agents: a socket that reconnects."""

    path = ""

    def __init__(self, where: Where, journal: Journal, *, seed: int = 1, ack_wait: float = 1.5) -> None:
        self.where, self.journal = where, journal
        self.random = random.Random(f"{seed}-{journal.name}")
        self.ack_wait = ack_wait
        self.ping_s, self.silence_s = PING_S, SILENCE_S
        self.ws: ClientConnection | None = None
        self.ready = asyncio.Event()
        self.stopped = False
        self.connects = self.resets = self.violations = 0
        self.connected_at: list[float] = []  # when each connection was established
        self.reconnect_after = 0.0  # seconds that the server asked the client to wait before it reconnects
        self.closes: list[int] = []
        self.frames: list[dict[str, Any]] = []  # frames other than entries, newest last; bounded
        self.heard_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.journal.name

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        self.stopped = True
        if self.ws is not None:
            with contextlib.suppress(*NETWORK_ERRORS):
                await asyncio.wait_for(self.ws.close(), 1)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.journal.close()

    def headers(self) -> dict[str, str]:
        return {}

    async def _run(self) -> None:
        pause = 0.05
        while not self.stopped:
            began = time.monotonic()
            with contextlib.suppress(*NETWORK_ERRORS):
                await self._session()
            self.ready.clear()
            if self.ws is not None:
                link = self.ws.protocol
                if link.close_rcvd is not None and link.close_rcvd_then_sent:
                    self.closes.append(link.close_rcvd.code)
                elif link.close_rcvd is None and link.close_sent is None:
                    self.closes.append(1006)  # the connection was cut without a close frame
            self.ws = None
            pause = 0.05 if time.monotonic() - began > 1 else min(pause * 2, 0.4)
            await asyncio.sleep(self.reconnect_after + self.random.uniform(0, pause))
            self.reconnect_after = 0.0

    async def _session(self) -> None:
        # Without a limit the client reads on while it waits for another response, as a browser does.
        async with connect(
            socket_url(self.where(), self.path), compression=None, ping_interval=None, max_size=2**20, max_queue=None, open_timeout=4,
            close_timeout=0.5, origin=PUBLIC_URL, additional_headers=self.headers(), proxy=None,
        ) as ws:  # fmt: skip
            self.ws = ws
            self.connects += 1
            self.connected_at.append(time.monotonic())
            self.heard_at = pinged = time.monotonic()
            await ws.send(json.dumps(self.hello()))
            while not self.stopped:
                try:
                    async with asyncio.timeout(0.25):
                        raw = await ws.recv()
                except TimeoutError:
                    now = time.monotonic()
                    if now - self.heard_at > self.silence_s:
                        return
                    if now - pinged > self.ping_s:
                        pinged = now
                        await ws.send('{"type":"ping"}')
                    await self.tick(now)
                    continue
                self.heard_at = time.monotonic()
                frame = json.loads(raw)
                if frame["type"] == "bye":
                    self.reconnect_after = frame.get("after") or 0.0
                if not await self.take(frame):
                    return
                await self.tick(self.heard_at)

    def hello(self) -> dict[str, Any]:
        return {"type": "hello", "version": 1}

    async def take(self, frame: dict[str, Any]) -> bool:
        """Processes one frame; returns False when the client must reconnect."""
        raise NotImplementedError

    async def tick(self, now: float) -> None: ...

    def remember(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        del self.frames[:-500]


class Visitor(Client):
    path = "/ws/visitor"

    def __init__(self, where: Where, journal: Journal, **options: Any) -> None:
        super().__init__(where, journal, **options)
        self.token: str | None = None
        self.thread: str | None = None
        self.screen: dict[int, dict[str, Any]] = {}
        self.last = 0
        self.far = False  # after a `reset`: the next entry may have any seq
        self.outbox: dict[str, tuple[str, float]] = {}  # key -> text, when last sent
        self.receipts: dict[str, tuple[str, int] | None] = {}  # key -> (thread, seq) that the acknowledgement named

    @property
    def key(self) -> str:
        return hashlib.sha256((self.token or "").encode()).hexdigest()

    def hello(self) -> dict[str, Any]:
        frame: dict[str, Any] = {"type": "hello", "version": 1}
        if self.token:
            frame["token"] = self.token
        if self.thread:
            frame["bookmark"] = {"thread": self.thread, "after": self.last}
        return frame

    async def say(self, text: str, key: str | None = None) -> str:
        key = key or fresh_key()
        self.journal.tried(key, text)
        self.outbox[key] = (text, 0.0)
        self.receipts.setdefault(key, None)
        if self.ready.is_set():
            with contextlib.suppress(*NETWORK_ERRORS):
                await self._transmit(key)
        return key

    async def _transmit(self, key: str) -> None:
        if self.ws is not None and key in self.outbox:
            text, _ = self.outbox[key]
            self.outbox[key] = (text, time.monotonic())
            await self.ws.send(json.dumps({"type": "say", "id": key, "text": text}))

    async def tick(self, now: float) -> None:
        if self.ready.is_set():
            for key, (_, sent) in list(self.outbox.items()):
                if now - sent > self.ack_wait:
                    await self._transmit(key)

    async def take(self, frame: dict[str, Any]) -> bool:
        match frame["type"]:
            case "ready":
                self.token = frame["token"] or self.token
                self.remember(frame)
                self.outbox = {key: (text, 0.0) for key, (text, _) in self.outbox.items()}
                self.ready.set()
            case "entry":
                return self._entry(frame["thread"], frame["entry"])
            case "reset":
                if self.thread is not None:
                    self.resets += 1
                    self.journal.dropped(self.thread)
                # The thread that the client named is too far ahead, so its newest page comes next, not its beginning.
                self.far = self.thread == frame["thread"]
                self.thread, self.last, self.screen = frame["thread"], 0, {}
            case "refused":
                self.remember(frame)
                key = frame.get("id")
                if key in self.outbox and frame["code"] not in ("busy", "rate_limited", "storage_full"):
                    self.journal.refused(key, frame["code"])
                    del self.outbox[key]
            case _:
                self.remember(frame)
        return True

    def _entry(self, thread: str, entry: dict[str, Any]) -> bool:
        seq, key = entry["seq"], entry.get("key")
        if key in self.receipts and self.receipts[key] != (thread, seq):
            self.receipts[key] = (thread, seq)
            self.journal.acked(key, thread, seq)
        self.outbox.pop(key, None)
        if thread != self.thread and key in self.receipts:
            # a receipt for a message sent before this connection followed a chat, or sent in a chat that has ended
            return True
        if thread != self.thread:
            self.journal.saw(thread, seq, key, entry["text"], entry["kind"])
            self.violations += 1
        elif seq > self.last:
            if seq != self.last + 1 and (self.last or not self.far):
                return False  # a frame was lost: reconnect with the bookmark
            self.last = seq
            self.screen[seq] = entry
            self.journal.saw(thread, seq, key, entry["text"], entry["kind"])
        elif self.screen.get(seq, entry) != entry:
            self.violations += 1
        return True


class Agent(Client):
    path = "/ws/agent"

    def __init__(self, site: Site, member: str, where: Where, journal: Journal, **options: Any) -> None:
        super().__init__(where, journal, **options)
        self.site, self.member = site, member
        self.tickets: dict[int, dict[str, Any]] = {}
        self.screens: dict[int, dict[int, dict[str, Any]]] = {}
        self.last: dict[int, int] = {}
        self.entry_times: dict[str, float] = {}

    def headers(self) -> dict[str, str]:
        return {"cookie": self.site.cookies[self.member]}

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        return await self.site.call(self.member, method, path, body, base=self.where(), **options)

    async def call_until_answered(
        self, method: str, path: str, body: Any = None, *, give_up: float = 60.0
    ) -> tuple[int, Any]:
        """Repeats a request on any node until the response is not "later"; returns (0, None) after `give_up`
        seconds."""
        deadline = time.monotonic() + give_up
        while True:
            with contextlib.suppress(aiohttp.ClientError, *NETWORK_ERRORS):
                status, answer = await self.call(method, path, body, within=3)
                if status not in (429, 500, 502, 503):
                    return status, answer
            if time.monotonic() > deadline:
                return 0, None
            await asyncio.sleep(self.random.uniform(0.05, 0.3))

    async def reply(self, ticket: int, text: str, key: str | None = None, *, note: bool = False) -> str:
        key = key or fresh_key()
        self.journal.tried(key, text)
        path = f"/api/tickets/{ticket}/{'notes' if note else 'reply'}"
        status, answer = await self.call_until_answered("POST", path, {"key": key, "text": text})
        if status == 200:
            self.journal.acked(key, answer["ticket"]["thread"], answer["entry"]["seq"])
        elif status:
            self.journal.refused(key, answer["error"]["code"])
        return key

    async def take(self, frame: dict[str, Any]) -> bool:
        match frame["type"]:
            case "ready":
                await self._lists()
                self.ready.set()
            case "ticket":
                await self._ticket(frame["ticket"])
            case "entry":
                return self._entry(frame["thread"], frame["entry"])
            case "reset":
                await self._refetch(frame["thread"])
            case _:
                self.remember(frame)
        return True

    async def _lists(self) -> None:
        for thread, last in self.last.items():
            await self._open(thread, last)
        for state in ("open", "closed"):
            cursor = ""
            while cursor is not None:
                status, page = await self.call_until_answered(
                    "GET", f"/api/tickets?status={state}&limit=100&after={cursor}", give_up=5
                )
                if status != 200:
                    raise TimeoutError("no list")
                for ticket in page["tickets"]:
                    await self._ticket(ticket)
                cursor = page["after"]

    async def _ticket(self, ticket: dict[str, Any]) -> None:
        known_ticket = self.tickets.get(ticket["id"])
        if known_ticket is None or known_ticket["rev"] <= ticket["rev"]:
            self.tickets[ticket["id"]] = ticket
        if ticket["thread"] not in self.last:
            self.last[ticket["thread"]] = 0
            await self._open(ticket["thread"], 0)

    async def _open(self, thread: int, after: int) -> None:
        if self.ws is not None:
            await self.ws.send(json.dumps({"type": "open", "thread": thread, "after": after}))

    async def _refetch(self, thread: int) -> None:
        self.resets += 1
        status, page = await self.call_until_answered("GET", f"/api/threads/{thread}/entries", give_up=5)
        if status != 200:
            raise TimeoutError("no page")
        self.journal.dropped(thread)
        self.screens[thread] = {}
        for entry in page["entries"]:
            self._show(thread, entry)
        self.last[thread] = page["last_seq"]
        self.journal.based(thread, page["last_seq"])
        await self._open(thread, page["last_seq"])

    def _show(self, thread: int, entry: dict[str, Any]) -> None:
        self.screens.setdefault(thread, {})[entry["seq"]] = entry
        self.entry_times.setdefault(entry.get("key") or "", time.monotonic())
        self.journal.saw(thread, entry["seq"], entry.get("key"), entry["text"], entry["kind"])

    def _entry(self, thread: int, entry: dict[str, Any]) -> bool:
        last = self.last.get(thread, 0)
        if entry["seq"] > last:
            if entry["seq"] != last + 1:
                return False
            self.last[thread] = entry["seq"]
            self._show(thread, entry)
        return True
