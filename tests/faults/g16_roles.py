"""G16: every route, frame and event checks the role; a demotion takes effect in the middle of a session."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from server.app import ENDPOINTS
from server.frames import AGENT_TYPES, VISITOR_TYPES
from tests.faults import roles
from tests.faults.crowd import Crowd
from tests.faults.people import Visitor, socket_url
from tests.faults.site import PASSWORD, PUBLIC_URL, Site, open_site
from tests.faults.tally import Tally

_numbers = itertools.count(1)


async def run(tally: Tally) -> None:
    routes = {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    tally.zero(
        "routes missing in the test's table", len(routes - set(roles.EXPECT)), sorted(routes - set(roles.EXPECT))
    )
    tally.zero(
        "rows of the test's table without a route", len(set(roles.EXPECT) - routes), sorted(set(roles.EXPECT) - routes)
    )
    frames = AGENT_TYPES | VISITOR_TYPES
    tally.zero(
        "frames missing in the test's table", len(frames ^ set(roles.SAMPLES)), sorted(frames ^ set(roles.SAMPLES))
    )
    async with open_site(tally.database, seed=tally.seed) as site:
        crowd = Crowd(site, visitors=2, agents=0, seed=tally.seed)
        await crowd.start()
        for visitor in crowd.visitors:
            await visitor.say("hello from the matrix")
        while any(visitor.outbox for visitor in crowd.visitors):
            await asyncio.sleep(0.02)
        await _disable(site)
        wrong, pairs = await _routes(site, crowd.visitors[0], sorted(routes & set(roles.EXPECT)))
        tally.floor("pairs of route and role tried", pairs, 10 * len(routes & set(roles.EXPECT)))
        tally.zero("pairs of route and role decided wrongly", len(wrong), wrong)
        wrong, pairs = await _socket_decisions(site)
        tally.floor("sockets opened by role", pairs, 2 * len(roles.CALLERS))
        tally.zero("sockets opened or refused wrongly", len(wrong), wrong)
        wrong, pairs = await _commands(site)
        tally.floor("pairs of frame and role tried", pairs, (len(roles.SIGNED_IN) + 1) * len(roles.SAMPLES))
        tally.zero("pairs of frame and role decided wrongly", len(wrong), wrong)
        wrong, pairs = await _events(site, crowd)
        tally.floor("pairs of event and role tried", pairs, 3 * len(roles.EVENTS))
        tally.zero("pairs of event and role decided wrongly", len(wrong), wrong)
        await _demotion(site, crowd, tally)
        await crowd.settle(5)


async def _disable(site: Site) -> None:
    status, _ = await site.call("owner", "PATCH", f"/api/users/{site.ids['leaver']}", {"disabled": True})
    assert status == 200, "the leaver could not be disabled"
    site.cookies = {**site.cookies, "disabled": site.cookies["leaver"]}


async def _sign_in(site: Site, name: str) -> str:
    """Signs a member of the cast in again; returns the new session's cookie."""
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
        "{code}": "A" * 8,
        "{name}": "A" * 32,
        "{token}": "A" * 32,
    }
    wrong: list[str] = []
    pairs = 0
    for name in names:
        expectation = roles.EXPECT[name]
        method, _, path = name.partition(" ")
        for key, value in fill.items():
            path = path.replace(key, value)
        path = re.sub(r"\{\w+\}", roles.NOBODY, path)
        for role in roles.CALLERS:
            pairs += 1
            headers = {"authorization": f"Bearer {visitor.token}"} if role == "visitor" else {}
            caller = None if role in ("anonymous", "visitor") else role
            if expectation.fresh_session and role in roles.SIGNED_IN:
                caller = await _sign_in(site, role)
            status, answer = await site.call(
                caller, method, path, _with_unused_number(expectation.body), headers=headers
            )
            if role in expectation.allowed:
                expected: tuple[int, ...] = expectation.answers
            else:
                expected = (expectation.signed_out if role in roles.SIGNED_OUT else expectation.forbidden,)
            if status not in expected:
                code = answer.get("error", {}).get("code") if isinstance(answer, dict) else ""
                wrong.append(f"{name} as {role}: {status} {code}, expected {expected}")
    return wrong, pairs


def _with_unused_number(body: Any) -> Any:
    """Returns the sample with an unused number in place of `{n}`."""
    if isinstance(body, dict):
        return {key: _with_unused_number(value) for key, value in body.items()}
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


async def _socket_decisions(site: Site) -> tuple[list[str], int]:
    wrong, pairs = [], 0
    for path, expected in roles.SOCKET_ACCESS.items():
        for role, status in expected.items():
            pairs += 1
            try:
                async with _connect(site, path, role):
                    result = 0
            except InvalidStatus as refused:
                result = refused.response.status_code
            if result != status:
                wrong.append(f"{path} as {role}: {result}, expected {status}")
    return wrong, pairs


async def _greeted(ws: ClientConnection, token: str | None = None) -> dict[str, Any]:
    await ws.send(json.dumps({"type": "hello", "version": 1} | ({"token": token} if token else {})))
    while True:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), 10))
        if frame["type"] == "ready":
            return frame


async def _commands(site: Site) -> tuple[list[str], int]:
    wrong, pairs = [], 0
    for role in (*sorted(roles.SIGNED_IN), "visitor"):
        for kind, (sample, for_agent, for_visitor) in roles.SAMPLES.items():
            pairs += 1
            path = "/ws/visitor" if role == "visitor" else "/ws/agent"
            async with _connect(site, path, role) as ws:
                await _greeted(ws)
                await ws.send(json.dumps({"type": kind, **_with_unused_number(sample)}))
                expected = for_visitor if role == "visitor" else for_agent
                if role not in ("visitor", *roles.INBOX) and kind in roles.FOR_THE_INBOX:
                    expected = "refused forbidden"
                result = await _first_of(ws, {"entry", "refused", "reset", "pong"}, expected)
                if expected == "entry" and result == "reset" and role == "visitor":
                    result = await _first_of(ws, {"entry", "refused"}, expected)  # a new chat is announced by `reset`
                if result != expected:
                    wrong.append(f"{kind} as {role}: {result}, expected {expected}")
    return wrong, pairs


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
    """Makes one of each event happen in the first visitor's thread and checks which roles received it."""
    first, second = crowd.visitors
    _, page = await site.call("owner", "GET", "/api/tickets")
    all_tickets = page["tickets"]
    ticket = next(t for t in all_tickets if t["preview"] == "matrix" or t["preview"].startswith("hello"))
    for candidate in all_tickets:  # finds the thread whose entries the first visitor received
        _, entries = await site.call("owner", "GET", f"/api/threads/{candidate['thread']}/entries")
        if any(e.get("key") in first.receipts for e in entries["entries"]):
            ticket = candidate
    events: dict[str, set[str]] = {"agent": set(), "visitor": set(), "other visitor": set()}
    async with (
        _connect(site, "/ws/agent", "support", node=-1) as agent,
        _connect(site, "/ws/visitor", "visitor", node=-1) as first_socket,
        _connect(site, "/ws/visitor", "visitor") as second_socket,
    ):
        await _greeted(agent)
        await agent.send(json.dumps({"type": "open", "thread": ticket["thread"], "after": ticket["last_seq"]}))
        await _greeted(first_socket, first.token)
        await _greeted(second_socket, second.token)
        await asyncio.sleep(0.5)
        for ws in (agent, first_socket, second_socket):
            await _drain(ws, set(), 0.2)
        base = f"/api/tickets/{ticket['id']}"
        await first.say("an event")
        await site.call("owner", "POST", f"{base}/notes", _with_unused_number({"key": roles.KEY, "text": "a note"}))
        await site.call(
            "owner", "POST", f"{base}/assign", _with_unused_number({"key": roles.KEY, "user": site.ids["support"]})
        )
        await first_socket.send(
            json.dumps(_with_unused_number({"type": "introduce", "id": roles.KEY, "email": "mine@shop.example"}))
        )
        await asyncio.sleep(0.3)
        await first_socket.send(json.dumps(_with_unused_number({"type": "end", "id": roles.KEY})))
        listeners = {"agent": agent, "visitor": first_socket, "other visitor": second_socket}
        await asyncio.gather(*(_drain(ws, events[name], 3.0) for name, ws in listeners.items()))
    wrong = [
        f"{event} to {receiver}: {'' if was_delivered else 'not '}delivered, expected the opposite"
        for event, expected in roles.EVENTS.items()
        for receiver, should in expected.items()
        if (was_delivered := event in events[receiver]) != should
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


async def _demotion(site: Site, crowd: Crowd, tally: Tally) -> None:
    """A support agent with an open socket on the other node becomes an analyst: the socket stays open but gets no
    more frames of the inbox."""
    _, page = await site.call("owner", "GET", "/api/tickets")
    threads = [ticket["thread"] for ticket in page["tickets"]]
    async with _connect(site, "/ws/agent", "helper", node=-1) as ws:
        await _greeted(ws)
        for thread in threads:
            await ws.send(json.dumps({"type": "open", "thread": thread, "after": 0}))
        base = site.nodes[-1].url
        status_before, _ = await site.call("helper", "GET", "/api/tickets", base=base)
        status, _ = await site.call("owner", "PATCH", f"/api/users/{site.ids['helper']}", {"role": "analyst"})
        demoted_at = time.monotonic()
        await asyncio.sleep(0.2)
        status_after, _ = await site.call("helper", "GET", "/api/tickets", base=base)
        code = ""
        while code != "forbidden" and time.monotonic() - demoted_at < 8:
            await ws.send(json.dumps({"type": "open", "thread": threads[0], "after": 0}))
            code = (await _first_of(ws, {"refused", "pong", "entry", "reset"}, "refused") or "").removeprefix(
                "refused "
            )
        delay_s = time.monotonic() - demoted_at
        for visitor in crowd.visitors:
            await visitor.say("not for an analyst")
        kinds: set[str] = set()
        await _drain(ws, kinds, 3.0)
    leaked = sorted(kinds - {"pong", "refused", "changed", "presence"})
    tally.zero(
        "demotion: wrong answers",
        [status_before, status, status_after].count(200) - 2 + (status_after != 403),
        [status_before, status, status_after],
    )
    tally.zero("demotion: kinds of frames of the inbox that still came", len(leaked), leaked)
    tally.at_most("demotion reaches the open socket, s", delay_s, 5)
