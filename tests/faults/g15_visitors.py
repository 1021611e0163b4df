"""G15: a visitor reads their own conversation and nothing else; another visitor's id gets the same response as an id
that does not exist."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect

from server.app import ENDPOINTS
from server.frames import VISITOR_TYPES
from tests.faults import storm
from tests.faults.crowd import Crowd
from tests.faults.people import Visitor, socket_url
from tests.faults.site import PUBLIC_URL, Site, open_site
from tests.faults.tally import Tally

CANARY = "canary-7f3a"  # part of every text and name of the other visitor
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """The response to an attempt, reduced to what distinguishes two responses."""

    status: int
    code: str
    size: int
    seconds: float
    foreign: bool

    def like(self, other: Answer) -> bool:
        return (self.status, self.code) == (other.status, other.code) and abs(self.size - other.size) <= 48


@dataclass
class ForeignValues:
    """Ids and keys of the other visitor, each with a made-up value of the same shape."""

    values: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, name: str, theirs: object, made_up: object) -> None:
        self.values[name] = (str(theirs), str(made_up))


Attempt = Callable[[str], Awaitable[Answer]]


async def run(tally: Tally) -> None:
    async with open_site(tally.database, seed=tally.seed) as site:
        await site.allow_visitor_files()
        await asyncio.sleep(0.2)
        crowd = Crowd(site, visitors=2, agents=0, seed=tally.seed)
        await crowd.start()
        victim, thief = crowd.visitors
        foreign_values = await _fill(site, victim, thief)
        attempts = _attempts(site, thief)
        tried = differing = foreign = 0
        examples: list[str] = []
        times: dict[str, tuple[list[float], list[float]]] = {}
        for (value_name, (theirs, made_up)), (name, attempt) in itertools.product(
            foreign_values.values.items(), attempts.items()
        ):
            shapes = _shapes(theirs, made_up) if value_name.endswith("id") else [(theirs, made_up)]
            for shape in shapes if tally.full else tally.random.sample(shapes, min(3, len(shapes))):
                # A writer's answer may arrive after the pong that ends the reading, and a rate limit may begin between
                # the two attempts. Both are then repeated. A real difference appears in every repetition.
                for _ in range(3):
                    real, fake = await attempt(shape[0]), await attempt(shape[1])
                    tried += 2
                    foreign += real.foreign + fake.foreign
                    if real.like(fake):
                        break
                pair = times.setdefault(name, ([], []))
                pair[0].append(real.seconds)
                pair[1].append(fake.seconds)
                if not real.like(fake):
                    differing += 1
                    examples.append(f"{value_name} in {name}: {real} / {fake}")
                if real.foreign:
                    examples.append(f"{value_name} in {name}: FOREIGN BYTES")
        overheard = await _eavesdrop(site, victim, thief)
        slower = [name for name, (real, fake) in times.items() if _another_class(real, fake)]
        tally.floor("attempts to read another visitor's data", tried, len(foreign_values.values) * len(attempts) * 2)
        tally.floor(
            "routes tried",
            sum(name.startswith(("GET", "POST", "PUT", "DELETE", "PATCH")) for name in attempts),
            len(ENDPOINTS),
        )
        tally.zero(
            "frames that were not tried",
            len(VISITOR_TYPES - {n.split()[1] for n in attempts if n.startswith("frame ")}),
        )
        tally.zero("responses that differ from those for an id that does not exist", differing, examples)
        tally.zero("responses and frames with another visitor's data", foreign + overheard, examples)
        tally.zero("routes with different response times", len(slower), slower)
        for visitor in crowd.visitors:
            tally.zero(f"{visitor.name}: entries of another thread", visitor.violations)
        # Precondition: with their own token the same addresses do return data.
        own_file = await _fetch(site, victim, f"/files/{foreign_values.values['file token'][0]}")
        tally.floor("the owner's own file is served", int(own_file.status == 200 and own_file.foreign), 1)
        await crowd.settle(5)
    await storm.run(tally, 50_000 if tally.full else 5_000)


async def _fill(site: Site, victim: Visitor, thief: Visitor) -> ForeignValues:
    foreign_values = ForeignValues()
    headers = {"authorization": f"Bearer {victim.token}", "x-file-name": f"{CANARY}.txt"}
    _, file = await site.call(None, "POST", "/widget/files", f"{CANARY} bytes".encode(), headers=headers)
    key = await victim.say(f"{CANARY} a secret")
    await thief.say("I am somebody else")
    while victim.receipts[key] is None or thief.outbox:
        await asyncio.sleep(0.02)
    await _send(site, victim, {"type": "say", "id": "with-file-01", "text": f"{CANARY} see", "files": [file["token"]]})
    await _send(site, victim, {"type": "introduce", "id": "intro-0001", "email": f"{CANARY}@shop.example"})
    _, page = await site.call("owner", "GET", "/api/tickets")
    ticket = next(t for t in page["tickets"] if CANARY in t["preview"])
    _, private = await site.call(
        "owner", "POST", "/api/files", f"{CANARY} note".encode(), headers={"x-file-name": f"{CANARY}.txt"}
    )
    await site.call(
        "owner",
        "POST",
        f"/api/tickets/{ticket['id']}/notes",
        {"key": "note-0001", "text": CANARY, "files": [private["token"]]},
    )
    await site.call(
        "owner", "POST", f"/api/tickets/{ticket['id']}/reply", {"key": "reply-0001", "text": f"{CANARY} answer"}
    )
    made_up = secrets.token_urlsafe
    foreign_values.add("file token", file["token"], made_up(24))
    foreign_values.add("file token of a note", private["token"], made_up(24))
    foreign_values.add("thread token", victim.thread, made_up(18))
    foreign_values.add("client key", key, made_up(24).replace("_", "a")[:32])
    foreign_values.add("visitor key", victim.key, secrets.token_hex(32))
    foreign_values.add("visitor token body", str(victim.token).partition(".")[0], made_up(24))
    foreign_values.add("ticket id", ticket["id"], 987654)
    foreign_values.add("thread id", ticket["thread"], 987655)
    foreign_values.add("user id", site.ids["owner"], 987656)
    foreign_values.add("seq id", 3, 3)
    return foreign_values


def _shapes(theirs: str, made_up: str) -> list[tuple[str, str]]:
    """Writes the same number in the forms that a loose comparison would accept."""
    writings: list[Callable[[str], str]] = [
        str, lambda n: f"0{n}", lambda n: f"{n}.0", lambda n: f"{n}e0", lambda n: f"[{n}]", lambda n: f"%20{n}", lambda n: f'"{n}"',
        lambda n: f"-{n}", lambda n: f"{n},1", lambda n: f"{n}%00", lambda n: f"../{n}", lambda n: f"{n}/..%2f{n}",
    ]  # fmt: skip
    return [(write(theirs), write(made_up)) for write in writings]


def _attempts(site: Site, thief: Visitor) -> dict[str, Attempt]:
    """Tries every route and every frame, with the value in every position that takes one."""
    result: dict[str, Attempt] = {}
    for endpoint in ENDPOINTS:
        name = f"{endpoint.method} {endpoint.path}"
        # These buttons need no account. They change nothing of a visitor's and belong to G28.
        if name not in ("POST /api/login", "POST /api/setup"):
            result[name] = _route(site, thief, endpoint.method, endpoint.path)
        else:
            result[name] = _route(site, thief, "GET", endpoint.path)
    result["header identity"] = lambda value: _fetch(
        site, thief, "/files/" + "A" * 32, {"x-threadline-identity": value}
    )
    result["header token"] = lambda value: _fetch(
        site, thief, "/files/" + "A" * 32, {"authorization": f"Bearer {value}"}
    )
    result["header token, own signature"] = lambda value: _fetch(
        site, thief, "/files/" + "A" * 32, {"authorization": f"Bearer {value}.{str(thief.token).partition('.')[2]}"}
    )
    frames: dict[str, Callable[[str], dict[str, Any]]] = {
        "hello bookmark": lambda v: {"bookmark": {"thread": v, "after": 0}},
        "hello token": lambda v: {"token": v},
        "say files": lambda v: {"id": _key(), "text": "x", "files": [v]},
        "say thread": lambda v: {
            "id": _key(),
            "text": "x",
            "thread": _number(v),
            "visitor": v,
            "key": v,
            "ticket": _number(v),
        },
        "say key": lambda v: {"id": f"{v:0>12}", "text": "x"},
        "typing thread": lambda v: {"thread": _number(v)},
        "seen thread": lambda v: {"seq": 1, "thread": _number(v)},
        "end key": lambda v: {"id": f"{v[:1]}"},
        "introduce key": lambda v: {"id": f"{v:0>12}", "name": "Nobody Special", "visitor": v, "contact": _number(v)},
        "page url": lambda v: {"page": {"url": f"http://shop.example/{v}", "thread": v}},
        "ping thread": lambda v: {"thread": _number(v)},
        "open thread": lambda v: {"thread": _number(v), "after": 0},
    }
    for name, frame in frames.items():
        kind = name.split()[0]
        result[f"frame {name}"] = lambda value, kind=kind, frame=frame: _frame(
            site, thief, {"type": kind, **frame(value)}
        )  # type: ignore[misc]
    return result


def _key() -> str:
    return f"thief-{next(_numbers):08d}"


def _number(value: str) -> Any:
    return int(value) if value.isdecimal() else value


def _route(site: Site, thief: Visitor, method: str, path: str) -> Attempt:
    async def attempt(value: str) -> Answer:
        filled = re.sub(r"\{\w+\}", lambda _: value, path)
        body = {
            "key": _key(), "text": value, "user": _number(value), "seq": 1, "before": 9, "files": [value], "token": value, "thread": value,
            "hello": {"type": "hello", "version": 1, "bookmark": {"thread": value, "after": 0}},
        }  # fmt: skip
        if "{" not in path:
            filled += f"?thread={value}&ticket={value}&token={value}"
        return await _request(site, thief, method, filled, body if method not in ("GET", "DELETE") else None, {}, value)

    return attempt


async def _request(
    site: Site, thief: Visitor, method: str, path: str, body: Any, headers: dict[str, str], value: str
) -> Answer:
    began = time.perf_counter()
    try:
        status, answer = await site.call(
            None, method, path, body, headers={"authorization": f"Bearer {thief.token}", **headers}
        )
    except ValueError:
        return Answer(0, "not an address", 0, 0.0, False)  # our own client refuses to send it
    seconds = time.perf_counter() - began
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
    code = answer.get("error", {}).get("code", "") if isinstance(answer, dict) else ""
    if len(value) > 6:
        text = text.replace(value, "")  # an echo of the value has the length of the value
    return Answer(status, code, len(text), seconds, CANARY in text)


async def _fetch(site: Site, visitor: Visitor, path: str, headers: dict[str, str] | None = None) -> Answer:
    return await _request(site, visitor, "GET", path, None, headers or {}, "\0")


async def _send(site: Site, visitor: Visitor, frame: dict[str, Any]) -> tuple[int, Any]:
    return await site.call(
        None, "POST", "/widget/send", json.dumps(frame).encode(), headers={"authorization": f"Bearer {visitor.token}"}
    )


async def _frame(site: Site, thief: Visitor, frame: dict[str, Any]) -> Answer:
    """Sends the frame as the first one (instead of `hello`) or after a valid hello; returns the first answer to it."""
    began = time.perf_counter()
    async with connect(
        socket_url(site.nodes[-1].url, thief.path), compression=None, origin=PUBLIC_URL, proxy=None
    ) as ws:
        hello = {
            "type": "hello",
            "version": 1,
            "token": thief.token,
            "bookmark": {"thread": thief.thread, "after": thief.last},
        }
        if frame["type"] == "hello":
            await ws.send(json.dumps({**hello, **frame}))
        else:
            await ws.send(json.dumps(hello))
            await ws.send(json.dumps(frame))
        await ws.send('{"type":"ping"}')
        answers = []
        try:
            async with asyncio.timeout(5):
                while True:
                    answers.append(json.loads(await ws.recv()))
                    if answers[-1]["type"] in ("pong", "bye"):
                        break
        except (TimeoutError, EOFError, OSError):
            pass
        except Exception as closed:  # the close code is the answer
            answers.append({"type": "closed", "code": str(getattr(getattr(closed, "rcvd", None), "code", ""))})
    seconds = time.perf_counter() - began
    kinds = [
        f"{answer['type']} {answer.get('code', '')}".strip()
        for answer in answers
        if answer["type"] in ("refused", "closed", "reset")
    ]
    return Answer(101, ", ".join(kinds), 0, seconds, CANARY in json.dumps(answers))


def _another_class(real: list[float], fake: list[float]) -> bool:
    if len(real) < 5:
        return False
    first, second = sorted((statistics.median(real), statistics.median(fake)))
    return second > 3 * first and second - first > 0.010


async def _eavesdrop(site: Site, victim: Visitor, thief: Visitor) -> int:
    """The victim and an agent chat while the thief listens on two sockets and a poll; returns how much of it the thief
    received."""
    frames_before = len(thief.frames)
    _, page = await site.call("owner", "GET", "/api/tickets")
    ticket = next(t for t in page["tickets"] if CANARY in t["preview"])
    for number in range(20):
        await victim.say(f"{CANARY} {number}")
        await site.call(
            "owner", "POST", f"/api/tickets/{ticket['id']}/reply", {"key": f"over-{number:04d}", "text": CANARY}
        )
    status, polled = await site.call(
        None,
        "POST",
        "/widget/poll",
        {
            "hello": {
                "type": "hello",
                "version": 1,
                "token": thief.token,
                "bookmark": {"thread": victim.thread, "after": 0},
            }
        },
    )
    assert status == 200, polled
    received = json.dumps([thief.frames[frames_before:], list(thief.screen.values()), polled])
    return received.count(CANARY)
