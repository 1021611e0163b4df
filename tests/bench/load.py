"""The load drivers: `python -m tests.bench.load TASK SPEC` (JSON in, JSON out), on uvloop, in their own process.

A message is timed from the moment the visitor's client writes it to its socket to the moment the agent's client
receives the stored entry. At a fixed rate it is timed from when it was due, so that a stalled server shows in the
figures. Everything is bounded and goes to 127.0.0.1 only.
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
LATE_S = 20.0  # a message that has not arrived by then counts as lost


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else float("nan")


class Stopwatch:
    """Measures a run: number of messages, latencies, and the server's CPU time."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self.latencies: list[float] = []
        self.last = 0.0
        self.lost_messages = 0
        self.reset()

    def reset(self) -> None:
        self.latencies.clear()
        self.lost_messages = 0
        self._server_cpu, self._own_cpu = cpu_s(self._pids), time.process_time()
        self.begin = time.perf_counter()

    def note(self, since: float) -> None:
        self.last = time.perf_counter()
        self.latencies.append(self.last - since)

    def result(self, **more: Any) -> Spec:
        count, ordered = len(self.latencies), sorted(self.latencies)
        server_cpu = cpu_s(self._pids) - self._server_cpu
        wall = max(self.last - self.begin, 1e-9)
        return {
            "n": count,
            "lost": self.lost_messages,
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
    """Messages on their way: token -> (when it was sent, the future of its sender)."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch
        self.sent: dict[int, tuple[float, asyncio.Future[None] | None]] = {}
        self.twice = 0

    def landed(self, token: int) -> None:
        results = self.sent.pop(token, None)
        if results is None:
            self.twice += 1
            return
        since, waiter = results
        self.watch.note(since)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


async def chat_closed(spec: Spec) -> Spec:
    """Each visitor sends its next message when an agent has received the previous one."""
    watch = Stopwatch(spec["pids"])
    flight = Flight(watch)
    chat = await chat_for(spec, spec["visitors"], flight.landed)
    await _rounds(chat, flight, spec.get("warmup", 5), 1)
    watch.reset()
    await _rounds(chat, flight, spec["messages"], 1_000)
    watch.lost_messages = len(flight.sent)
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
    """Messages are sent `rate` times a second, whatever happened to the earlier ones."""
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
    watch.lost_messages = len(flight.sent)
    return watch.result(twice=flight.twice)


async def posts(spec: Spec) -> Spec:
    """POSTs over keep-alive connections, each sending its next after the response to the previous one.

    On the product: replies to tickets whose visitors are connected and receive them, with a console open.
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
    """Signed texts over keep-alive connections, one after the other on each, or at `rate` a second in all. The texts
    are signed before the clock starts, because signing is the carrier's work. With a wrong token every response must be
    403."""
    watch = Stopwatch(spec["pids"])
    port, lanes, run = spec["port"], spec["connections"], time.time_ns()
    expected_status = 403 if spec["token"] == "another" else 200
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

    async def send(lane: int, requests: list[bytes], pause: float) -> None:
        due = time.perf_counter() + pause * lane / lanes
        for raw in requests:
            if pause:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            since = due if pause else time.perf_counter()
            due += pause
            status, body = await connections[lane].request(raw)
            if status != expected_status:
                raise RuntimeError(f"{status}: {body[:300]!r}")
            watch.note(since)

    await asyncio.gather(*(send(lane, [request(lane, turn) for turn in range(10)], 0.0) for lane in range(lanes)))
    request_lists = [[request(lane, 1_000 + turn) for turn in range(spec["messages"])] for lane in range(lanes)]
    pause = lanes / spec["rate"] if "rate" in spec else 0.0
    watch.reset()
    await asyncio.gather(*(send(lane, requests, pause) for lane, requests in enumerate(request_lists)))
    return watch.result()


async def gets(spec: Spec) -> Spec:
    """GETs of `paths` in rotation over keep-alive connections."""
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
    """Opens idle sockets (to the product with a hello) and measures their memory and CPU time."""
    pids, count = spec["pids"], spec["sockets"]
    opened: list[WebSocket] = []
    ready: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(64)
    path, headers = ("/ws/visitor", {"Origin": spec["origin"]}) if spec["kind"] == "product" else ("/", {})

    async def open_socket() -> None:
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
        await asyncio.gather(*(open_socket() for _ in range(number)))
        return number / (time.perf_counter() - begin)

    await connect(200)  # the first sockets make the server load code whose memory is not theirs
    await asyncio.sleep(0.5)
    before, cpu = memory(pids), cpu_s(pids)
    rate = await connect(count)
    connect_cpu = cpu_s(pids) - cpu
    await asyncio.sleep(1.0)
    after, cpu, seconds = memory(pids), cpu_s(pids), spec.get("seconds", 3)
    await asyncio.sleep(seconds)
    results = {
        "kib_per_socket": (after - before) / 1024 / count,
        "connects_per_s": rate,
        "connect_cpu_ms_per_1000": connect_cpu / count * 1e6,
        "idle_cpu_percent": (cpu_s(pids) - cpu) / seconds * 100,
        "pss_mb": after / 2**20,
    }
    for socket in opened:
        socket.close()
    await asyncio.sleep(0.3)
    return results


async def events(spec: Spec) -> Spec:
    """POST /api/events, `rate` calls a second with `events` events each, timed from when each call was due."""
    watch = Stopwatch(spec["pids"])
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {spec['secret']}"}
    count, size = int(spec["rate"] * spec["seconds"]), spec["events"]

    def request(turn: int) -> bytes:
        batch = [
            {"metric": "viewed", "email": f"p{(turn * size + n) % spec['people']}@mail.example", "key": f"{watch.begin}-{turn}-{n}"}
            for n in range(size)
        ]  # fmt: skip
        return raw_request("POST", "/api/events", spec["port"], headers, json.dumps({"events": batch}).encode())

    async def connection() -> None:
        http = await Http.open(spec["port"])
        while True:
            due, raw = await waiting.get()
            status, body = await http.request(raw)
            if status == 200 and json.loads(body)["stored"] == size:
                watch.note(due)
            else:
                watch.lost += 1
            waiting.task_done()

    connections = [asyncio.create_task(connection()) for _ in range(spec["connections"])]
    begin = time.perf_counter() + 0.05
    for turn in range(count):
        due = begin + turn / spec["rate"]
        raw = request(turn)
        await asyncio.sleep(max(due - time.perf_counter(), 0))  # also if late: the connections need a turn
        waiting.put_nowait((due, raw))
    await waiting.join()
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    return watch.result()


TASKS: dict[str, Callable[[Spec], Awaitable[Spec]]] = {
    "chat_closed": chat_closed,
    "chat_rate": chat_rate,
    "posts": posts,
    "texts": texts,
    "gets": gets,
    "events": events,
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
