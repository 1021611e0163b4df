"""G16: roles hold on every route, frame and event, and a demotion bites in the middle of a session."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.app import ENDPOINTS
from server.live.frames import AGENT_TYPES, VISITOR_TYPES
from tests.faults import roles
from tests.faults.crowd import Crowd
from tests.faults.people import Visitor, socket_url
from tests.faults.site import PASSWORD, PUBLIC_URL, Site, open_site
from tests.faults.tally import Tally

_numbers = itertools.count(1)


async def run(tally: Tally) -> None:
    routes = {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    tally.zero("routes without expectation", len(routes - set(roles.EXPECT)), sorted(routes - set(roles.EXPECT)))
    tally.zero("expectations without route", len(set(roles.EXPECT) - routes), sorted(set(roles.EXPECT) - routes))
    frames = AGENT_TYPES | VISITOR_TYPES
    tally.zero("frames without expectation", len(frames ^ set(roles.SAMPLES)), sorted(frames ^ set(roles.SAMPLES)))
    async with open_site(tally.database, seed=tally.seed) as site:
        crowd = Crowd(site, visitors=2, agents=0, seed=tally.seed)
        await crowd.start()
        for visitor in crowd.visitors:
            await visitor.say("hello from the matrix")
        while any(visitor.outbox for visitor in crowd.visitors):
            await asyncio.sleep(0.02)
        await _disable(site)
        wrong, cells = await _routes(site, crowd.visitors[0], sorted(routes & set(roles.EXPECT)))
        tally.floor("route cells", cells, 10 * len(routes & set(roles.EXPECT)))
        tally.zero("wrong route cells", len(wrong), wrong)
        wrong, cells = await _doors(site)
        tally.floor("socket doors", cells, 2 * len(roles.EVERYBODY))
        tally.zero("wrong socket doors", len(wrong), wrong)
        wrong, cells = await _commands(site)
        tally.floor("socket commands", cells, (len(roles.INBOX) + 1) * len(roles.SAMPLES))
        tally.zero("wrong socket commands", len(wrong), wrong)
        wrong, cells = await _events(site, crowd)
        tally.floor("event cells", cells, 3 * len(roles.EVENTS))
        tally.zero("wrong event cells", len(wrong), wrong)
        await _demotion(site, tally)
        await crowd.settle(5)


async def _disable(site: Site) -> None:
    status, _ = await site.call("owner", "PATCH", f"/api/users/{site.ids['leaver']}", {"disabled": True})
    assert status == 200, "the leaver could not be disabled"
    site.cookies = {**site.cookies, "disabled": site.cookies["leaver"]}


async def _sign_in(site: Site, name: str) -> str:
    """Another session of somebody in the cast: its cookie."""
    body = {"email": f"{name}@shop.example", "password": PASSWORD}
    async with site.http.post(site.nodes[0].url + "/api/login", json=body, headers={"origin": PUBLIC_URL}) as answer:
        assert answer.status == 200, await answer.text()
        return answer.headers["set-cookie"].partition(";")[0]


async def _routes(site: Site, visitor: Visitor, names: list[str]) -> tuple[list[str], int]:
    _, page = await site.call("owner", "GET", "/api/tickets")
    ticket = page["tickets"][-1]
    fill = {
        "{ticket}": str(ticket["id"]),
        "{thread}": str(ticket["thread"]),
        "{contact}": str(ticket["contact"]["id"]),
        "{outbound}": roles.NOBODY,
        "{sender}": roles.NOBODY,
        "{kind}": roles.NOBODY,
        "{code}": "A" * 8,
        "{name}": "A" * 32,
        "{id}": roles.NOBODY,
        "{token}": "A" * 32,
    }
    wrong: list[str] = []
    cells = 0
    for name in names:
        cell = roles.EXPECT[name]
        method, _, path = name.partition(" ")
        for key, value in fill.items():
            path = path.replace(key, value)
        for role in roles.EVERYBODY:
            cells += 1
            headers = {"authorization": f"Bearer {visitor.token}"} if role == "visitor" else {}
            who = None if role in ("anonymous", "visitor") else role
            if cell.fresh_session and role in roles.ALL:
                who = await _sign_in(site, role)
            status, answer = await site.call(who, method, path, _fresh(cell.body), headers=headers)
            if role in cell.who:
                expected: tuple[int, ...] = cell.answers
            else:
                expected = (cell.stranger if role in roles.STRANGERS else cell.forbidden,)
            if status not in expected:
                code = answer.get("error", {}).get("code") if isinstance(answer, dict) else ""
                wrong.append(f"{name} as {role}: {status} {code}, expected {expected}")
    return wrong, cells


def _fresh(body: Any) -> Any:
    """The sample with a number nobody has used where it says `{n}`."""
    if isinstance(body, dict):
        return {key: _fresh(value) for key, value in body.items()}
    if isinstance(body, str) and "{n" in body:
        return body.format(n=next(_numbers))
    return body


def _connect(site: Site, path: str, role: str, node: int = 0) -> Any:
    headers = {} if role in ("anonymous", "visitor") else {"cookie": site.cookies[role]}
    return connect(
        socket_url(site.nodes[node].url, path),
        compression=None,
        origin=PUBLIC_URL,
        proxy=None,
        additional_headers=headers,
        ping_interval=None,
    )


async def _doors(site: Site) -> tuple[list[str], int]:
    wrong, cells = [], 0
    for path, expected in roles.SOCKET_DOORS.items():
        for role, status in expected.items():
            cells += 1
            try:
                async with _connect(site, path, role):
                    found = 0
            except InvalidStatus as refused:
                found = refused.response.status_code
            if found != status:
                wrong.append(f"{path} as {role}: {found}, expected {status}")
    return wrong, cells


async def _greeted(ws: ClientConnection, token: str | None = None) -> dict[str, Any]:
    await ws.send(json.dumps({"type": "hello", "version": 1} | ({"token": token} if token else {})))
    while True:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), 10))
        if frame["type"] == "ready":
            return frame


async def _commands(site: Site) -> tuple[list[str], int]:
    wrong, cells = [], 0
    for role in (*sorted(roles.INBOX), "visitor"):
        for kind, (sample, for_agent, for_visitor) in roles.SAMPLES.items():
            cells += 1
            path = "/ws/visitor" if role == "visitor" else "/ws/agent"
            async with _connect(site, path, role) as ws:
                await _greeted(ws)
                await ws.send(json.dumps({"type": kind, **_fresh(sample)}))
                expected = for_visitor if role == "visitor" else for_agent
                found = await _first_of(ws, {"entry", "refused", "reset", "pong"}, expected)
                if expected == "entry" and found == "reset" and role == "visitor":
                    found = await _first_of(ws, {"entry", "refused"}, expected)  # a new chat is announced by `reset`
                if found != expected:
                    wrong.append(f"{kind} as {role}: {found}, expected {expected}")
    return wrong, cells


async def _first_of(ws: ClientConnection, kinds: set[str], expected: str | None) -> str | None:
    try:
        async with asyncio.timeout(0.3 if expected is None else 5):
            while True:
                frame = json.loads(await ws.recv())
                if frame["type"] in kinds:
                    return f"refused {frame['code']}" if frame["type"] == "refused" else str(frame["type"])
    except TimeoutError:
        return None


async def _events(site: Site, crowd: Crowd) -> tuple[list[str], int]:
    """Lets one of everything happen in the first visitor's thread, and looks at who heard of it."""
    mine, other = crowd.visitors
    _, page = await site.call("owner", "GET", "/api/tickets")
    everyone = page["tickets"]
    ticket = next(t for t in everyone if t["preview"] == "matrix" or t["preview"].startswith("hello"))
    for candidate in everyone:  # the thread whose last public entry the first visitor holds
        _, entries = await site.call("owner", "GET", f"/api/threads/{candidate['thread']}/entries")
        if any(e.get("key") in mine.receipts for e in entries["entries"]):
            ticket = candidate
    heard: dict[str, set[str]] = {"agent": set(), "visitor": set(), "other visitor": set()}
    async with (
        _connect(site, "/ws/agent", "support", node=-1) as agent,
        _connect(site, "/ws/visitor", "visitor", node=-1) as own,
        _connect(site, "/ws/visitor", "visitor") as foreign,
    ):
        await _greeted(agent)
        await agent.send(json.dumps({"type": "open", "thread": ticket["thread"], "after": ticket["last_seq"]}))
        await _greeted(own, mine.token)
        await _greeted(foreign, other.token)
        await asyncio.sleep(0.5)
        for ws in (agent, own, foreign):
            await _drain(ws, set(), 0.2)
        base = f"/api/tickets/{ticket['id']}"
        await mine.say("an event")
        await site.call("owner", "POST", f"{base}/notes", _fresh({"key": roles.KEY, "text": "a note"}))
        await site.call("owner", "POST", f"{base}/assign", _fresh({"key": roles.KEY, "user": site.ids["support"]}))
        await own.send(json.dumps(_fresh({"type": "introduce", "id": roles.KEY, "email": "mine@shop.example"})))
        await asyncio.sleep(0.3)
        await own.send(json.dumps(_fresh({"type": "end", "id": roles.KEY})))
        listeners = {"agent": agent, "visitor": own, "other visitor": foreign}
        await asyncio.gather(*(_drain(ws, heard[name], 3.0) for name, ws in listeners.items()))
    wrong = [
        f"{event} to {who}: {'' if seen else 'not '}delivered, expected the opposite"
        for event, expected in roles.EVENTS.items()
        for who, should in expected.items()
        if (seen := event in heard[who]) != should
    ]
    return wrong, sum(len(expected) for expected in roles.EVENTS.values())


async def _drain(ws: ClientConnection, into: set[str], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while True:
                frame = json.loads(await ws.recv())
                into.add(frame["entry"]["kind"] if frame["type"] == "entry" else frame["type"])
    except TimeoutError:
        return


async def _demotion(site: Site, tally: Tally) -> None:
    """A support agent with an open socket on the other node becomes an analyst."""
    async with _connect(site, "/ws/agent", "helper", node=-1) as ws:
        await _greeted(ws)
        base = site.nodes[-1].url
        before, _ = await site.call("helper", "GET", "/api/tickets", base=base)
        status, _ = await site.call("owner", "PATCH", f"/api/users/{site.ids['helper']}", {"role": "analyst"})
        demoted = time.monotonic()
        await asyncio.sleep(0.2)
        after, _ = await site.call("helper", "GET", "/api/tickets", base=base)
        code = 0
        try:
            async with asyncio.timeout(8):
                while True:
                    await ws.recv()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
        except (TimeoutError, aiohttp.ClientError):
            pass
        taken = time.monotonic() - demoted
    tally.zero(
        "demotion: wrong answers", [before, status, after].count(200) - 2 + (after != 403), [before, status, after]
    )
    tally.zero("demotion: wrong close code", int(code != 4403), code)
    tally.at_most("demotion reaches the open socket, s", taken, 5)
