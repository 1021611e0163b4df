"""G17: taking a session away reaches its open sockets within 5 s, on every node, with Redis up and down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faults.crowd import Crowd
from tests.faults.site import PASSWORD, Site, open_site
from tests.faults.sockets import dial, greet, sign_in, until_closed
from tests.faults.tally import Tally

Trigger = Callable[[Site, str, str], Awaitable[int]]
NEW_PASSWORD = "another kettle mosaic"


async def _logout(site: Site, cookie: str, other: str) -> int:
    return (await site.call(cookie, "POST", "/api/logout", {}))[0]


async def _end_session(site: Site, cookie: str, other: str) -> int:
    _, found = await site.call(cookie, "GET", "/api/sessions")
    mine = next(one["id"] for one in found["sessions"] if one["current"])
    return (await site.call(other, "DELETE", f"/api/sessions/{mine}"))[0]


async def _everywhere(site: Site, cookie: str, other: str) -> int:
    return (await site.call(other, "DELETE", "/api/sessions"))[0]


async def _password(site: Site, cookie: str, other: str) -> int:
    return (await site.call(other, "POST", "/api/password", {"current": PASSWORD, "password": NEW_PASSWORD}))[0]


async def _change(site: Site, **what: Any) -> int:
    return (await site.call("owner", "PATCH", f"/api/users/{site.ids['helper']}", what))[0]


async def _role(site: Site, cookie: str, other: str) -> int:
    return await _change(site, role="analyst")


async def _disable(site: Site, cookie: str, other: str) -> int:
    return await _change(site, disabled=True)


# trigger -> how, close code on the old socket, answer to the old cookie
TRIGGERS: dict[str, tuple[Trigger, int, int]] = {
    "logout": (_logout, 4401, 401),
    "one session ended": (_end_session, 4401, 401),
    "logged out everywhere": (_everywhere, 4401, 401),
    "role": (_role, 4403, 403),
    "disabled": (_disable, 4401, 401),
    "password": (_password, 4401, 401),
}


async def run(tally: Tally) -> None:
    rounds = [True, False] if tally.database == "postgres" else [True]
    sockets = 50 if tally.full else 8
    async with open_site(tally.database, seed=tally.seed) as site:
        crowd = Crowd(site, visitors=2, agents=0, seed=tally.seed)
        await crowd.start()
        tried = 0
        for redis_up in rounds:
            name = "Redis up" if redis_up else "Redis down"
            if not redis_up:
                assert site.redis is not None
                site.redis.kill()
                await asyncio.sleep(1)
            worst = accepted = late = 0.0
            wrong: list[str] = []
            for trigger, (do, code, status) in TRIGGERS.items():
                # The password changes for good, so it comes last and only once.
                if trigger == "password" and redis_up and len(rounds) > 1:
                    continue
                outcome = await _one(site, crowd, do, max(2, sockets // len(TRIGGERS)), 5.0)
                tried += len(outcome.closed)
                worst = max([worst, *(seconds for _, seconds in outcome.closed)])
                late += outcome.late_events
                accepted += sum(answer == 200 for answer in outcome.answers)
                wrong += [f"{trigger}: closed with {found}" for found, _ in outcome.closed if found != code]
                wrong += [f"{trigger}: answered {answer}" for answer in outcome.answers if answer != status]
                await _change(site, role="support")
                await _change(site, disabled=False)
            tally.at_most(f"sockets closed after, s ({name})", worst, 5.0 if redis_up else 30.0)
            tally.zero(f"events after 5 s ({name})", int(late))
            tally.zero(f"commands accepted ({name})", int(accepted), wrong)
            tally.zero(f"wrong codes or answers ({name})", len(wrong), wrong)
        tally.floor("sockets revoked", tried, (len(TRIGGERS) - 1) * 2 * len(rounds))
        await crowd.settle(5)


class _Outcome:
    def __init__(self) -> None:
        self.closed: list[tuple[int, float]] = []
        self.answers: list[int] = []
        self.late_events = 0


async def _one(site: Site, crowd: Crowd, do: Trigger, sockets: int, limit: float) -> _Outcome:
    """Opens sockets of one session on every node, pulls the trigger, and goes on talking meanwhile."""
    outcome = _Outcome()
    cookie, other = await sign_in(site, "helper"), await sign_in(site, "helper")
    opened = [await dial(site, "/ws/agent", cookie, node=number % len(site.nodes)) for number in range(sockets)]
    for ws in opened:
        await greet(ws)
    for node in site.nodes:
        status, _ = await site.call(cookie, "GET", "/api/tickets", base=node.url)  # remembered by every node
        await site.call(cookie, "GET", "/api/tickets", base=node.url)
        assert status == 200
    heard: list[list[tuple[float, dict[str, Any]]]] = [[] for _ in opened]
    watching = asyncio.gather(*(until_closed(ws, 35, seen) for ws, seen in zip(opened, heard, strict=True)))
    status = await do(site, cookie, other)
    pulled = time.monotonic()
    assert status == 200, f"the trigger itself was answered {status}"
    outcome.answers.append((await site.call(cookie, "GET", "/api/tickets"))[0])
    while not watching.done() and time.monotonic() - pulled < 35:
        await crowd.random.choice(crowd.visitors).say("still talking")
        await asyncio.sleep(0.2)
    outcome.closed = await watching
    if (rest := limit - (time.monotonic() - pulled)) > 0:
        await asyncio.sleep(rest)
    outcome.late_events = sum(at > pulled + limit and frame["type"] != "bye" for seen in heard for at, frame in seen)
    for node in site.nodes:
        outcome.answers.append(
            (
                await site.call(
                    cookie, "POST", "/api/tickets/1/notes", {"key": f"late-{pulled}", "text": "late"}, base=node.url
                )
            )[0]
        )
    for ws in opened:
        await ws.close()
    return outcome
