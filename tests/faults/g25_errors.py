"""G25: errors reveal nothing. Every error has a code, a message and a reference, no internals, and the server keeps
running."""

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

# Signs of internals: tracebacks, SQL, paths, class names, tokens.
INTERNALS = re.compile(
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
    tally.floor("invalid requests and frames", len(answers), 300)
    leaks, malformed, _ = _judge(answers)
    tally.zero("internals shown (invalid input)", len(leaks), leaks)
    tally.zero("errors in another format (invalid input)", len(malformed), malformed)
    server_errors = [f"{request}: {status}" for request, status, _ in answers if status >= 500]
    tally.zero("responses 5xx (invalid input)", len(server_errors), server_errors)
    async with open_site(tally.database, seed=tally.seed, failpoints="in_handler=error") as site:
        forced = await _every_route(site)
        leaks, malformed, refs = _judge(forced)
        await asyncio.sleep(0.3)
        log = site.logs()
        unlogged = [ref for ref in refs if ref not in log]
        tally.floor("handlers made to fail", site.visits("in_handler"), len(ENDPOINTS))
        tally.floor("responses 500 `internal`", sum(status == 500 for _, status, _ in forced), len(ENDPOINTS))
        tally.zero("internals shown (failing handlers)", len(leaks), leaks)
        tally.zero("errors in another format (failing handlers)", len(malformed), malformed)
        tally.floor("references found in the log", len(refs) - len(unlogged), len(ENDPOINTS))
        tally.zero("references missing in the log", len(unlogged), unlogged[:3])
        alive += sum(node.alive for node in site.nodes)
    async with open_site(tally.database, seed=tally.seed, failpoints="in_frame=error") as site:
        closed, refused, leaks = await _frames_that_fail(site)
        tally.floor("frames made to fail", site.visits("in_frame"), 8)
        tally.floor("frames answered by `refused`", refused, 8)
        tally.zero("sockets closed by a failing frame", closed)
        tally.zero("internals shown (failing frames)", len(leaks), leaks)
        alive += sum(node.alive for node in site.nodes)
    tally.floor("servers still alive", alive, 3 * (2 if tally.database == "postgres" else 1))


Answered = tuple[str, int, Any]  # request, status, response body


def _judge(answers: list[Answered]) -> tuple[list[str], list[str], list[str]]:
    leaks, malformed, refs = [], [], []
    for request, status, answer in answers:
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
        if status >= 400 and (result := INTERNALS.search(text)):
            leaks.append(f"{request}: {result[0]!r} in {text[:200]}")
        if status >= 400:
            error = answer.get("error") if isinstance(answer, dict) else None
            if not isinstance(error, dict) or not {"code", "message", "ref"} <= set(error) <= ANSWER_KEYS:
                malformed.append(f"{request}: {status} {text[:200]}")
            else:
                refs.append(error["ref"])
    return leaks, malformed, refs


async def _odd_requests(site: Site) -> list[Answered]:
    results: list[Answered] = []
    for endpoint in ENDPOINTS:
        for name in [*NAMES[:5], "x" * 3000, "%00", "%ff", "1e9", "[]"]:
            if "{" not in endpoint.path and name != "base":
                continue
            path = re.sub(r"\{[^}]*\}", name or "%20", endpoint.path)
            body: Any = {name or "key": name, "key": {"a": [name]}, "text": None} if endpoint.writes else None
            request = f"{endpoint.method} {path[:60]}"
            caller = None if endpoint.path == "/api/logout" else "owner"
            results.append(
                (
                    request,
                    *await site.call(
                        caller, endpoint.method, f"{path}?{name[:20]}=1&status=__class__&cursor=base&limit=1e9", body
                    ),
                )
            )
            if endpoint.writes:
                raw = await site.call(
                    caller,
                    endpoint.method,
                    path,
                    b'{"a": NaN, "\\ud800": 1}',
                    headers={"content-type": "application/json"},
                )
                results.append((f"{request} broken", *raw))
    for path in (
        "/nothing",
        "/api/nothing",
        "/api/__class__",
        "/files/",
        "/widget/..%2f..%2fetc/passwd",
        "/static/../settings.py",
        "/metrics",
    ):
        results.append((path, *await site.call("owner", "GET", path)))
        results.append((f"PUT {path}", *await site.call("owner", "PUT", path, {})))
    return results


async def _odd_frames(site: Site) -> list[Answered]:
    """Sends each odd frame on a fresh socket of both kinds; a refusal has a code and a message and nothing else."""
    results: list[Answered] = []
    for path, caller in (("/ws/visitor", None), ("/ws/agent", "owner")):
        for name in NAMES:
            for frame in (
                {"type": name},
                {"type": "hello", "version": name},
                {"type": ["say"]},
                {name: name},
                {"type": "say", "id": name, "text": {name: 1}},
            ):
                async with dial(site, path, caller) as ws:
                    await greet(ws)
                    await ws.send(json.dumps(frame))
                    await ws.send('{"type":"ping"}')
                    answers = await _until(ws, "pong")
                refusals = [answer for answer in answers if answer["type"] == "refused"]
                for answer in refusals:
                    extra = {"code": answer["code"], "message": answer["message"], "ref": ""}
                    results.append((f"{path} {str(frame)[:60]}", 400, {"error": extra}))
                if not refusals or answers[-1]["type"] != "pong":
                    results.append((f"{path} {str(frame)[:60]}", 599, {"seen": answers[-2:]}))
    return results


async def _until(ws: Any, kind: str) -> list[dict[str, Any]]:
    received: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(5):
            while not received or received[-1]["type"] != kind:
                received.append(json.loads(await ws.recv()))
    except TimeoutError:
        pass
    except ConnectionClosed as closed:
        received.append({"type": "closed", "code": closed.rcvd.code if closed.rcvd else 1006})
    return received


async def _every_route(site: Site) -> list[Answered]:
    """Calls every handler with a request that reaches it."""
    async with dial(site, "/ws/visitor") as ws:
        token = (await greet(ws))["token"]
    results: list[Answered] = []
    for endpoint in ENDPOINTS:
        name = f"{endpoint.method} {endpoint.path}"
        expectation = roles.EXPECT[name]
        path = re.sub(r"\{[^}]*\}", "1", endpoint.path)
        headers = {"authorization": f"Bearer {token}"} if "visitor" in expectation.allowed else {}
        body = (
            json.loads(json.dumps(expectation.body).replace("{n:08d}", "00000001").replace("{n}", "1"))
            if isinstance(expectation.body, dict)
            else expectation.body
        )
        results.append((name, *await site.call("owner", endpoint.method, path, body, headers=headers)))
    return results


async def _frames_that_fail(site: Site) -> tuple[int, int, list[str]]:
    closed = refused = 0
    leaks = []
    for path, caller in (("/ws/visitor", None), ("/ws/agent", "owner")):
        async with dial(site, path, caller) as ws:
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
                answers = await _until(ws, "refused")
                closed += answers[-1]["type"] == "closed"
                refused += answers[-1]["type"] == "refused"
                leaks += [str(frame) for frame in answers if INTERNALS.search(json.dumps(frame))]
                if answers[-1]["type"] == "closed":
                    break
    return closed, refused, leaks
