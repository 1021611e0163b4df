"""A faulty stand-in carrier: Twilio's create and list requests on a loopback port, in its own process (G11, F30, F31,
F34).

A seeded random decides whether a request gets 201, 429, 500, 503 or no response, or whether the message is accepted and
the connection is cut. The carrier records every message it accepts, in order. Status reports are sent before the
response, twice, or never. `python -m tests.faults.carrier` reads its `Orders` as JSON from standard input and prints
its port.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvloop

from server.channels.twilio_webhooks import sign

# Outcomes of a create request, in percent.
WITHOUT_FAULTS = {"created": 100}
WITH_FAULTS = {
    "created": 60,  # 201
    "busy": 8,  # 429, not accepted
    "accepted_then_500": 6,
    "error_500": 6,  # 500, not accepted
    "error_503": 5,  # 503, not accepted
    "accepted_no_response": 5,
    "no_response": 3,  # not accepted, no response
    "accepted_then_reset": 7,
}


@dataclass
class Orders:
    token: str = ""
    seed: int = 1
    mix: dict[str, int] = field(default_factory=lambda: dict(WITHOUT_FAULTS))
    delay_s: float = 0.0
    reports: bool = False
    silent: float = 0.0  # share of messages without any status report
    port: int = 0


class Carrier:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.chance = random.Random(orders.seed)
        self.kinds = list(orders.mix)
        self.weights = list(orders.mix.values())
        self.messages: list[dict[str, Any]] = []
        self.answers: dict[str, int] = {}
        self.reported = self.unheard = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def accept(self, form: dict[str, list[str]], account: str) -> dict[str, Any]:
        message = {
            "sid": f"SM{len(self.messages) + 1:032x}",
            "to": form["To"][0],
            "from": form.get("From", [""])[0],
            "body": form.get("Body", [""])[0],
            "status": "queued",
            "direction": "outbound-api",
            "num_media": str(len(form.get("MediaUrl", []))),
            "num_segments": "1",
            "error_code": None,
            "error_message": None,
            "account_sid": account,
            "date_created": formatdate(time.time(), localtime=False),
            "callback": form.get("StatusCallback", [""])[0],
        }
        self.messages.append(message)
        if self.orders.reports and message["callback"] and self.chance.random() >= self.orders.silent:
            self.start(self.report(message))
        return message

    async def report(self, message: dict[str, Any]) -> None:
        """Posts the status reports of a message, in any order and some twice; tries an unreachable server a few
        times."""
        statuses = ["queued", "sent", "delivered"]
        self.chance.shuffle(statuses)
        for status in [*statuses, self.chance.choice(statuses)]:
            params = [("AccountSid", message["account_sid"]), ("MessageSid", message["sid"]), ("MessageStatus", status)]
            params += [("To", message["to"]), ("From", message["from"])]
            for _ in range(12):
                if await self._post(message["callback"], params) == 200:
                    self.reported += 1
                    break
                await asyncio.sleep(0.5)
            else:
                self.unheard += 1
        message["status"] = "delivered"

    async def _post(self, url: str, params: list[tuple[str, str]]) -> int:
        from urllib.parse import urlencode

        body = urlencode(params).encode()
        parts = urlsplit(url)
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nhost: {parts.netloc}\r\nconnection: close\r\n"
            "content-type: application/x-www-form-urlencoded\r\n"
            f"content-length: {len(body)}\r\nx-twilio-signature: {sign(self.orders.token, url, params)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                writer.write(head.encode() + body)
                line = await reader.readline()
                writer.close()
                return int(line.split()[1])
        except (OSError, TimeoutError, IndexError, ValueError):
            return 0

    def journal(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "answers": self.answers,
            "reported": self.reported,
            "unheard": self.unheard,
        }


class Connection(asyncio.Protocol):
    """One HTTP connection; requests are answered in order."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.buffer = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].decode("latin-1")
            size = 0
            for line in head.split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    size = int(value)
            if len(self.buffer) < end + 4 + size:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            self.request(*head.split("\r\n")[0].split(" ")[:2], body)

    def request(self, method: str, target: str, body: bytes) -> None:
        parts = urlsplit(target)
        if parts.path == "/journal":
            return self.answer(200, self.carrier.journal())
        account = parts.path.split("/")[3] if parts.path.count("/") > 3 else ""
        if method == "GET" and parts.path.endswith("/Messages.json"):
            to = parse_qs(parts.query).get("To", [""])[0]
            results = [message for message in reversed(self.carrier.messages) if to in ("", message["to"])]
            return self.answer(200, {"messages": results[:200], "next_page_uri": None, "page": 0, "page_size": 200})
        if method != "POST" or not parts.path.endswith("/Messages.json"):
            return self.answer(404, {"code": 20404, "message": "nothing here", "status": 404})
        self.create(parse_qs(body.decode(), keep_blank_values=True), account)

    def create(self, form: dict[str, list[str]], account: str) -> None:
        carrier = self.carrier
        kind = carrier.chance.choices(carrier.kinds, carrier.weights)[0]
        carrier.answers[kind] = carrier.answers.get(kind, 0) + 1
        message = carrier.accept(form, account) if kind == "created" or kind.startswith("accepted") else None
        delay = carrier.orders.delay_s
        if delay:
            asyncio.get_running_loop().call_later(delay, self.reply, kind, message)
        else:
            self.reply(kind, message)

    def reply(self, kind: str, message: dict[str, Any] | None) -> None:
        match kind:
            case "created":
                self.answer(201, message or {})
            case "busy":
                self.answer(429, {"code": 20429, "message": "Too Many Requests", "status": 429}, "retry-after: 1\r\n")
            case "accepted_then_500" | "error_500":
                self.answer(500, {"code": 20500, "message": "Internal Server Error", "status": 500})
            case "error_503":
                self.answer(503, {"code": 20503, "message": "Service Unavailable", "status": 503})
            case "accepted_then_reset":
                self.cut()

    def answer(self, status: int, value: dict[str, Any], more: str = "") -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        if not self.transport.is_closing():
            self.transport.write(head.encode() + body)

    def cut(self) -> None:
        """Resets the connection (RST, not FIN)."""
        sock = self.transport.get_extra_info("socket")
        if sock is None:
            return  # the client closed the connection first
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


async def main(orders: Orders) -> None:
    carrier = Carrier(orders)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(carrier), "127.0.0.1", orders.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent_ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The process ends together with its parent.
    threading.Thread(
        target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(parent_ended.set)), daemon=True
    ).start()
    await parent_ended.wait()


@dataclass
class Running:
    url: str

    def journal(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + "/journal", timeout=10) as answer:
            result: dict[str, Any] = json.load(answer)
            return result


@contextmanager
def carrier(**orders: Any) -> Iterator[Running]:
    """Runs a carrier process until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.carrier"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        yield Running(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    uvloop.run(main(Orders(**json.loads(sys.stdin.readline()))))
