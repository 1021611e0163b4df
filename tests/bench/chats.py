"""Visitors and one agent's console, over the floor's protocol and over the product's.

On the product the console follows every thread, so a message counts as delivered only when its stored `entry` arrives.
As in production, the server also sends the ticket's summary and the visitor's acknowledgement.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable
from typing import Any, Protocol

from tests.bench.clients import WebSocket

Landed = Callable[[int], None]
WORDS = "hello, i would like to know where my order is, it should have arrived on monday, thank you"
MARK = b'"text":"<'  # precedes a message's token in each frame that carries the entry
SIZE = 80  # bytes of a message


def text_for(token: int) -> str:
    return f"<{token}> {WORDS}"[:SIZE]


def token_in(frame: bytes) -> int | None:
    start = frame.find(MARK)
    if start < 0:
        return None
    start += len(MARK)
    return int(frame[start : frame.index(b">", start)])


class Chat(Protocol):
    visitors: int

    def say(self, visitor: int, token: int) -> None: ...


async def chat_for(spec: dict[str, Any], visitors: int, landed: Landed) -> Chat:
    if spec["kind"] == "floor":
        floor = FloorChat(spec, visitors, landed)
        await floor.open()
        return floor
    product = ProductChat(spec, visitors, landed)
    await product.open()
    return product


class _Agent:
    """Notices which of our messages arrive at the console's socket."""

    def __init__(self, landed: Landed) -> None:
        self._landed = landed

    def __call__(self, frame: bytes) -> None:
        token = token_in(frame)
        if token is not None:
            self._landed(token)


class FloorChat:
    def __init__(self, spec: dict[str, Any], visitors: int, landed: Landed) -> None:
        self.visitors, self._port, self._landed = visitors, spec["port"], landed
        self._sockets: list[WebSocket] = []

    async def open(self) -> None:
        self._agent = await WebSocket.open(self._port, "/agent", _Agent(self._landed))
        for number in range(self.visitors):
            self._sockets.append(await WebSocket.open(self._port, f"/visitor/{number}", lambda frame: None))

    def say(self, visitor: int, token: int) -> None:
        self._sockets[visitor].send(b'{"text":"%s"}' % text_for(token).encode())


class ProductChat:
    """Visitors who have written once (so each has a thread and a ticket), and a console that follows them all."""

    def __init__(self, spec: dict[str, Any], visitors: int, landed: Landed) -> None:
        self.visitors, self._spec, self._landed = visitors, spec, landed
        self.run = os.urandom(4).hex()  # so that no two runs share a client key
        self._sockets: list[WebSocket] = []
        self.tickets: list[int] = [0] * visitors
        self.threads: list[int] = [0] * visitors
        self._followed = 0
        self._all_followed = asyncio.Event()
        self._greeting = re.compile(rf"{self.run} visitor (\d+)")

    async def open(self, *, follow: bool = True) -> None:
        spec = self._spec
        headers = {"Origin": spec["origin"], "Cookie": spec["cookie"]}
        port = spec.get("agent_port", spec["port"])
        origin = {"Origin": spec["origin"]}
        self._agent = await WebSocket.open(port, "/ws/agent", self._note_ticket, headers=headers)
        self._agent.send(b'{"type":"hello","version":1}')
        for number in range(self.visitors):
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            socket = await WebSocket.open(
                spec["port"], "/ws/visitor", lambda text, ready=ready: ready.done() or ready.set_result(None), headers=origin
            )  # fmt: skip
            self._sockets.append(socket)
            socket.send(b'{"type":"hello","version":1}')
            async with asyncio.timeout(20):
                await ready
            self._write(number, f"greet-{number}", f"{self.run} visitor {number}")
        async with asyncio.timeout(30):
            await self._all_followed.wait()
        if follow:
            for thread in self.threads:
                self._agent.send(json.dumps({"type": "open", "thread": thread, "after": 2}).encode())
        await asyncio.sleep(0.3)
        self._agent.on_text = _Agent(self._landed)

    def _note_ticket(self, frame: bytes) -> None:
        """Reads from the inbox list which ticket belongs to which visitor."""
        result = json.loads(frame)
        if result["type"] != "ticket":
            return
        match = self._greeting.search(result["ticket"]["preview"])
        if match is None or self.tickets[int(match[1])]:
            return
        number = int(match[1])
        self.tickets[number], self.threads[number] = result["ticket"]["id"], result["ticket"]["thread"]
        self._followed += 1
        if self._followed == self.visitors:
            self._all_followed.set()

    def deliver(self, visitor: int, on_text: Callable[[bytes], None]) -> None:
        self._sockets[visitor].on_text = on_text

    def say(self, visitor: int, token: int) -> None:
        self._write(visitor, f"bench-{token}", text_for(token))

    def _write(self, visitor: int, key: str, text: str) -> None:
        frame = f'{{"type":"say","id":"{self.run}-{key}","text":"{text}"}}'
        self._sockets[visitor].send(frame.encode())
