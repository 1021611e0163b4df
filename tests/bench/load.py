"""The load drivers: `python -m tests.bench.load TASK SPEC` (JSON in, JSON out), on uvloop, in a process of their own.

A message is timed from the moment the visitor's client hands it to its socket to the moment the
agent's client has the stored entry. At a fixed rate it is timed from when it was due, so that a
server that stalls cannot hide it. Everything is bounded and goes to 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import uvloop

from server.channels.twilio_webhooks import sign
from tests.bench.chats import Chat, ProductChat, chat_for, text_for
from tests.bench.clients import Http, WebSocket, raw_request
from tests.bench.processes import cpu_s, memory

Spec = dict[str, Any]
LATE_S = 20.0  # a message that is not there by then is lost


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else float("nan")


class Stopwatch:
    """What happened between start and the last answer: how many, how fast, at what cost to the server."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self.took: list[float] = []
        self.last = 0.0
        self.lost = 0
        self.reset()

    def reset(self) -> None:
        self.took.clear()
        self.lost = 0
        self._server_cpu, self._own_cpu = cpu_s(self._pids), time.process_time()
        self.begin = time.perf_counter()

    def note(self, since: float) -> None:
        self.last = time.perf_counter()
        self.took.append(self.last - since)

    def result(self, **more: Any) -> Spec:
        count, ordered = len(self.took), sorted(self.took)
        server_cpu = cpu_s(self._pids) - self._server_cpu
        wall = max(self.last - self.begin, 1e-9)
        return {
            "n": count,
            "lost": self.lost,
            "per_s": count / wall,
            "p50_ms": percentile(ordered, 0.5) * 1e3,
            "p99_ms": percentile(ordered, 0.99) * 1e3,
            "cpu_ms_per_1000": server_cpu / max(count, 1) * 1e6,
            "server_cpu_share": server_cpu / wall,
            "driver_cpu_share": (time.process_time() - self._own_cpu) / wall,
            "pss_mb": memory(self._pids) / 2**20,
            **more,
        }


class Flight:
    """Messages on their way: token -> (when it was handed over, who waits for it)."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch
        self.sent: dict[int, tuple[float, asyncio.Future[None] | None]] = {}
        self.twice = 0

    def landed(self, token: int) -> None:
        found = self.sent.pop(token, None)
        if found is None:
            self.twice += 1
            return
        since, waiter = found
        self.watch.note(since)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


async def chat_closed(spec: Spec) -> Spec:
    """Each visitor sends its next message when an agent has the last one."""
    watch = Stopwatch(spec["pids"])
    flight = Flight(watch)
    chat = await chat_for(spec, spec["visitors"], flight.landed)
    await _rounds(chat, flight, spec.get("warmup", 5), 1)
    watch.reset()
    await _rounds(chat, flight, spec["messages"], 1_000)
    watch.lost = len(flight.sent)
    return watch.result(twice=flight.twice)


async def _rounds(chat: Chat, flight: Flight, messages: int, offset: int) -> None:
    loop = asyncio.get_running_loop()

    async def visitor(number: int) -> None:
        for turn in range(messages):
            token = number * 1_000_000 + offset + turn
            waiter: asyncio.Future[None] = loop.create_future()
            flight.sent[token] = (time.perf_counter(), waiter)
            chat.say(number, token)
            async with asyncio.timeout(LATE_S):
                await waiter

    await asyncio.gather(*(visitor(number) for number in range(chat.visitors)), return_exceptions=True)


async def chat_rate(spec: Spec) -> Spec:
    """Messages arrive `rate` times a second, whatever became of the earlier ones."""
    watch = Stopwatch(spec["pids"])
    flight = Flight(watch)
    chat = await chat_for(spec, spec["visitors"], flight.landed)
    await _rounds(chat, flight, 3, 1)
    watch.reset()
    rate, count = spec["rate"], int(spec["rate"] * spec["seconds"])
    begin = time.perf_counter() + 0.05
    for turn in range(count):
        due = begin + turn / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        token = 1_000_000_000 + turn
        flight.sent[token] = (due, None)
        chat.say(turn % chat.visitors, token)
    deadline = time.perf_counter() + LATE_S
    while flight.sent and time.perf_counter() < deadline:  # noqa: ASYNC110 - an event would cost each message
        await asyncio.sleep(0.01)
    watch.lost = len(flight.sent)
    return watch.result(twice=flight.twice)


async def posts(spec: Spec) -> Spec:
    """POSTs over keep-alive connections, each sending its next when the last was answered.

    On the product: replies to tickets whose visitors are connected and get them, with a console open.
    """
    watch = Stopwatch(spec["pids"])
    port, lanes = spec["port"], spec["connections"]
    chat: ProductChat | None = None
    if spec["kind"] == "product":
        chat = ProductChat(spec, lanes, lambda token: None)
        await chat.open(follow=False)
    connections = [await Http.open(port) for _ in range(lanes)]

    def request(lane: int, token: int) -> bytes:
        text = text_for(token)
        if chat is None:
            body = f"From=%2B1555{lane:07d}&Body={text.replace(' ', '+')}".encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return raw_request("POST", "/form", port, kind, body)
        body = json.dumps({"key": f"bench-reply-{chat.run}-{token}", "text": text}).encode()
        headers = {"Content-Type": "application/json", "Cookie": spec["cookie"], "Origin": spec["origin"]}
        return raw_request("POST", f"/api/tickets/{chat.tickets[lane]}/reply", port, headers, body)

    async def send(lane: int, messages: int, offset: int) -> None:
        for turn in range(messages):
            raw = request(lane, lane * 1_000_000 + offset + turn)
            since = time.perf_counter()
            status, body = await connections[lane].request(raw)
            if status != 200:
                raise RuntimeError(f"{status}: {body[:300]!r}")
            watch.note(since)

    await asyncio.gather(*(send(lane, 10, 1) for lane in range(lanes)))
    watch.reset()
    await asyncio.gather(*(send(lane, spec["messages"], 1_000) for lane in range(lanes)))
    return watch.result()


async def texts(spec: Spec) -> Spec:
    """Signed texts over keep-alive connections, one after the other on each, or at `rate` a second in all. Made before
    the clock runs: signing is the carrier's work. With a token that is not ours, every answer must be 403."""
    watch = Stopwatch(spec["pids"])
    port, lanes, run = spec["port"], spec["connections"], time.time_ns()
    wanted = 403 if spec["token"] == "another" else 200
    connections = [await Http.open(port) for _ in range(lanes)]

    def request(lane: int, turn: int) -> bytes:
        sid = f"SM{run % 16**12:012x}{lane:08x}{turn:012x}"
        params = {
            "MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "AccountSid": spec["account"], "To": spec["to"],
            "From": f"+1202555{1000 + lane}", "Body": text_for(turn), "NumMedia": "0", "NumSegments": "1",
            "SmsStatus": "received", "FromCountry": "US", "FromCity": "WASHINGTON", "FromState": "DC", "FromZip": "20001",
            "ToCountry": "US", "ToCity": "", "ToState": "", "ToZip": "", "ApiVersion": "2010-04-01",
        }  # fmt: skip
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": sign(spec["token"], spec["origin"] + "/webhooks/twilio/sms", params.items()),
            "I-Twilio-Idempotency-Token": f"{sid}-t",
        }
        return raw_request("POST", "/webhooks/twilio/sms", port, headers, urlencode(params).encode())

    async def send(lane: int, made: list[bytes], pause: float) -> None:
        due = time.perf_counter() + pause * lane / lanes
        for raw in made:
            if pause:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            since = due if pause else time.perf_counter()
            due += pause
            status, body = await connections[lane].request(raw)
            if status != wanted:
                raise RuntimeError(f"{status}: {body[:300]!r}")
            watch.note(since)

    await asyncio.gather(*(send(lane, [request(lane, turn) for turn in range(10)], 0.0) for lane in range(lanes)))
    ready = [[request(lane, 1_000 + turn) for turn in range(spec["messages"])] for lane in range(lanes)]
    pause = lanes / spec["rate"] if "rate" in spec else 0.0
    watch.reset()
    await asyncio.gather(*(send(lane, made, pause) for lane, made in enumerate(ready)))
    return watch.result()


async def gets(spec: Spec) -> Spec:
    """GETs of `paths` in turn over keep-alive connections."""
    watch = Stopwatch(spec["pids"])
    port, paths = spec["port"], spec["paths"]
    headers = {"Cookie": spec["cookie"]} if spec.get("cookie") else {}
    connections = [await Http.open(port) for _ in range(spec["connections"])]
    size = 0

    async def fetch(lane: int, requests: int) -> None:
        nonlocal size
        for turn in range(requests):
            raw = raw_request("GET", paths[(lane * requests + turn) % len(paths)], port, headers)
            since = time.perf_counter()
            status, body = await connections[lane].request(raw)
            if status != 200:
                raise RuntimeError(f"{status}: {body[:300]!r}")
            size = len(body)
            watch.note(since)

    await asyncio.gather(*(fetch(lane, 20) for lane in range(len(connections))))
    watch.reset()
    await asyncio.gather(*(fetch(lane, spec["requests"]) for lane in range(len(connections))))
    return watch.result(bytes=size)


async def idle(spec: Spec) -> Spec:
    """Opens sockets, says hello where there is somebody to greet, and looks at what they cost when nothing happens."""
    pids, count = spec["pids"], spec["sockets"]
    opened: list[WebSocket] = []
    ready: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(64)
    path, headers = ("/ws/visitor", {"Origin": spec["origin"]}) if spec["kind"] == "product" else ("/", {})

    async def one() -> None:
        async with gate:
            answered: asyncio.Future[None] = loop.create_future()
            socket = await WebSocket.open(
                spec["port"], path, lambda text: answered.done() or answered.set_result(None), headers=headers, deflate=True
            )  # fmt: skip
            socket.send(b'{"type":"hello","version":1}')
            async with asyncio.timeout(LATE_S):
                await answered
            opened.append(socket)
            ready.append(answered)

    async def connect(number: int) -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(number)))
        return number / (time.perf_counter() - begin)

    await connect(200)  # what the first few make the server load is not theirs alone
    await asyncio.sleep(0.5)
    before, cpu = memory(pids), cpu_s(pids)
    rate = await connect(count)
    connect_cpu = cpu_s(pids) - cpu
    await asyncio.sleep(1.0)
    after, cpu, seconds = memory(pids), cpu_s(pids), spec.get("seconds", 3)
    await asyncio.sleep(seconds)
    found = {
        "kib_per_socket": (after - before) / 1024 / count,
        "connects_per_s": rate,
        "connect_cpu_ms_per_1000": connect_cpu / count * 1e6,
        "idle_cpu_percent": (cpu_s(pids) - cpu) / seconds * 100,
        "pss_mb": after / 2**20,
    }
    for socket in opened:
        socket.close()
    await asyncio.sleep(0.3)
    return found


TASKS: dict[str, Callable[[Spec], Awaitable[Spec]]] = {
    "chat_closed": chat_closed,
    "chat_rate": chat_rate,
    "posts": posts,
    "texts": texts,
    "gets": gets,
    "idle": idle,
}


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    task, spec = TASKS[sys.argv[1]], json.loads(sys.argv[2])

    async def work() -> Spec:
        return await task(spec)

    print(json.dumps(uvloop.run(work())))


if __name__ == "__main__":
    main()
