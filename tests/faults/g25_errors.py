"""G25: errors never talk. Every error is code, message and reference; nothing of the inside, and the server lives on."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from websockets.exceptions import ConnectionClosed

from server.app import ENDPOINTS
from tests.faults import roles
from tests.faults.site import Site, open_site
from tests.faults.sockets import dial, greet
from tests.faults.tally import Tally

# What would be the inside: tracebacks, SQL, paths, class names, tokens.
INSIDE = re.compile(
    r"Traceback|File \"|SELECT |INSERT |UPDATE |sqlite3?\b|psycopg|sqlalchemy|pydantic|starlette|uvicorn|/srv|/home|/tmp|site-packages"
    r"|server\.[a-z]|token_hash|failpoint|Error\b|Exception|object at 0x|NoneType|threadline\.db"
)
NAMES = [
    "base",
    "__class__",
    "constructor",
    "__proto__",
    "toString",
    "",
    "x" * 10_000,
    "hello\x00",
    "typé",
    "../etc/passwd",
    "ready",
    "bye",
    "entry",
]
ANSWER_KEYS = {"code", "message", "field", "ref", "retry_after"}


async def run(tally: Tally) -> None:
    async with open_site(tally.database, seed=tally.seed) as site:
        answers = [*await _odd_requests(site), *await _odd_frames(site)]
        alive = sum(node.alive for node in site.nodes)
    tally.floor("odd requests and frames", len(answers), 300)
    leaks, shapeless, _ = _judge(answers)
    tally.zero("inside shown (odd input)", len(leaks), leaks)
    tally.zero("errors of another shape (odd input)", len(shapeless), shapeless)
    fives = [f"{what}: {status}" for what, status, _ in answers if status >= 500]
    tally.zero("answered as our fault (odd input)", len(fives), fives)
    async with open_site(tally.database, seed=tally.seed, failpoints="in_handler=error") as site:
        forced = await _every_route(site)
        leaks, shapeless, refs = _judge(forced)
        await asyncio.sleep(0.3)
        log = site.logs()
        unlogged = [ref for ref in refs if ref not in log]
        tally.floor("handlers that failed", site.visits("in_handler"), len(ENDPOINTS))
        tally.floor("answers 500 internal", sum(status == 500 for _, status, _ in forced), len(ENDPOINTS))
        tally.zero("inside shown (forced)", len(leaks), leaks)
        tally.zero("errors of another shape (forced)", len(shapeless), shapeless)
        tally.floor("references found in the log", len(refs) - len(unlogged), len(ENDPOINTS))
        tally.zero("references missing in the log", len(unlogged), unlogged[:3])
        alive += sum(node.alive for node in site.nodes)
    async with open_site(tally.database, seed=tally.seed, failpoints="in_frame=error") as site:
        closed, refused, leaks = await _frames_that_fail(site)
        tally.floor("frames that failed", site.visits("in_frame"), 8)
        tally.floor("answered by a refusal", refused, 8)
        tally.zero("sockets lost to a failing frame", closed)
        tally.zero("inside shown (frames)", len(leaks), leaks)
        alive += sum(node.alive for node in site.nodes)
    tally.floor("servers still alive", alive, 3 * (2 if tally.database == "postgres" else 1))


Answered = tuple[str, int, Any]  # what was asked, status, what came


def _judge(answers: list[Answered]) -> tuple[list[str], list[str], list[str]]:
    leaks, shapeless, refs = [], [], []
    for what, status, answer in answers:
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
        if status >= 400 and (found := INSIDE.search(text)):
            leaks.append(f"{what}: {found[0]!r} in {text[:200]}")
        if status >= 400:
            error = answer.get("error") if isinstance(answer, dict) else None
            if not isinstance(error, dict) or not {"code", "message", "ref"} <= set(error) <= ANSWER_KEYS:
                shapeless.append(f"{what}: {status} {text[:200]}")
            else:
                refs.append(error["ref"])
    return leaks, shapeless, refs


async def _odd_requests(site: Site) -> list[Answered]:
    found: list[Answered] = []
    for endpoint in ENDPOINTS:
        for name in [*NAMES[:5], "x" * 3000, "%00", "%ff", "1e9", "[]"]:
            if "{" not in endpoint.path and name != "base":
                continue
            path = re.sub(r"\{[^}]*\}", name or "%20", endpoint.path)
            body: Any = {name or "key": name, "key": {"a": [name]}, "text": None} if endpoint.writes else None
            what = f"{endpoint.method} {path[:60]}"
            who = None if endpoint.path == "/api/logout" else "owner"
            found.append(
                (
                    what,
                    *await site.call(
                        who, endpoint.method, f"{path}?{name[:20]}=1&status=__class__&cursor=base&limit=1e9", body
                    ),
                )
            )
            if endpoint.writes:
                raw = await site.call(
                    who,
                    endpoint.method,
                    path,
                    b'{"a": NaN, "\\ud800": 1}',
                    headers={"content-type": "application/json"},
                )
                found.append((f"{what} broken", *raw))
    for path in (
        "/nothing",
        "/api/nothing",
        "/api/__class__",
        "/files/",
        "/widget/..%2f..%2fetc/passwd",
        "/static/../settings.py",
        "/metrics",
    ):
        found.append((path, *await site.call("owner", "GET", path)))
        found.append((f"PUT {path}", *await site.call("owner", "PUT", path, {})))
    return found


async def _odd_frames(site: Site) -> list[Answered]:
    """Each odd frame on a fresh socket of both kinds; a refusal has code and message and nothing else."""
    found: list[Answered] = []
    for path, who in (("/ws/visitor", None), ("/ws/agent", "owner")):
        for name in NAMES:
            for frame in (
                {"type": name},
                {"type": "hello", "version": name},
                {"type": ["say"]},
                {name: name},
                {"type": "say", "id": name, "text": {name: 1}},
            ):
                async with dial(site, path, who) as ws:
                    await greet(ws)
                    await ws.send(json.dumps(frame))
                    await ws.send('{"type":"ping"}')
                    seen = await _until(ws, "pong")
                refusals = [answer for answer in seen if answer["type"] == "refused"]
                for answer in refusals:
                    extra = {"code": answer["code"], "message": answer["message"], "ref": ""}
                    found.append((f"{path} {str(frame)[:60]}", 400, {"error": extra}))
                if not refusals or seen[-1]["type"] != "pong":
                    found.append((f"{path} {str(frame)[:60]}", 599, {"seen": seen[-2:]}))
    return found


async def _until(ws: Any, kind: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(5):
            while not seen or seen[-1]["type"] != kind:
                seen.append(json.loads(await ws.recv()))
    except TimeoutError:
        pass
    except ConnectionClosed as closed:
        seen.append({"type": "closed", "code": closed.rcvd.code if closed.rcvd else 1006})
    return seen


async def _every_route(site: Site) -> list[Answered]:
    """Every handler, with a request that reaches it."""
    async with dial(site, "/ws/visitor") as ws:
        token = (await greet(ws))["token"]
    found: list[Answered] = []
    for endpoint in ENDPOINTS:
        name = f"{endpoint.method} {endpoint.path}"
        cell = roles.EXPECT[name]
        path = re.sub(r"\{[^}]*\}", "1", endpoint.path)
        headers = {"authorization": f"Bearer {token}"} if "visitor" in cell.who else {}
        body = (
            json.loads(json.dumps(cell.body).replace("{n:08d}", "00000001").replace("{n}", "1"))
            if isinstance(cell.body, dict)
            else cell.body
        )
        found.append((name, *await site.call("owner", endpoint.method, path, body, headers=headers)))
    return found


async def _frames_that_fail(site: Site) -> tuple[int, int, list[str]]:
    closed = refused = 0
    leaks = []
    for path, who in (("/ws/visitor", None), ("/ws/agent", "owner")):
        async with dial(site, path, who) as ws:
            await greet(ws)
            for kind in ("say", "ping", "typing", "seen", "leave", "page"):
                sample = {
                    key: value.format(n=1) if isinstance(value, str) else value
                    for key, value in roles.SAMPLES[kind][0].items()
                }
                try:
                    await ws.send(json.dumps({"type": kind, **sample}))
                except ConnectionClosed:
                    closed += 1
                    break
                seen = await _until(ws, "refused")
                closed += seen[-1]["type"] == "closed"
                refused += seen[-1]["type"] == "refused"
                leaks += [str(frame) for frame in seen if INSIDE.search(json.dumps(frame))]
                if seen[-1]["type"] == "closed":
                    break
    return closed, refused, leaks
