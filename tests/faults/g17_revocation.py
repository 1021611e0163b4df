"""G17: ending a session closes its open sockets within 5 s, on every node, with Redis up and down."""

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
QUIET_AFTER_S = 5.0  # a socket whose session ended receives no event after this
WAIT_S = 35  # longer than every limit, so that a late close is measured


async def _logout(site: Site, cookie: str, other: str) -> int:
    return (await site.call(cookie, "POST", "/api/logout", {}))[0]


async def _end_session(site: Site, cookie: str, other: str) -> int:
    _, result = await site.call(cookie, "GET", "/api/sessions")
    own_session = next(item["id"] for item in result["sessions"] if item["current"])
    return (await site.call(other, "DELETE", f"/api/sessions/{own_session}"))[0]


async def _everywhere(site: Site, cookie: str, other: str) -> int:
    return (await site.call(other, "DELETE", "/api/sessions"))[0]


async def _password(site: Site, cookie: str, other: str) -> int:
    return (await site.call(other, "POST", "/api/password", {"current": PASSWORD, "password": NEW_PASSWORD}))[0]


async def _change(site: Site, **what: Any) -> int:
    return (await site.call("owner", "PATCH", f"/api/users/{site.ids['helper']}", what))[0]


async def _disable(site: Site, cookie: str, other: str) -> int:
    return await _change(site, disabled=True)


# trigger -> how, close code on the old socket, response to the old cookie. A change of the role ends no session: G16.
TRIGGERS: dict[str, tuple[Trigger, int, int]] = {
    "logout": (_logout, 4401, 401),
    "one session ended": (_end_session, 4401, 401),
    "logged out everywhere": (_everywhere, 4401, 401),
    "disabled": (_disable, 4401, 401),
    "password": (_password, 4401, 401),
}


async def run(tally: Tally) -> None:
    rounds = [True, False] if tally.database == "postgres" else [True]
    sockets = 50 if tally.full else 8
    async with open_site(tally.database, seed=tally.seed) as site:
        crowd = Crowd(site, visitors=2, agents=0, seed=tally.seed)
        await crowd.start()
        attempts = 0
        for redis_up in rounds:
            name = "Redis up" if redis_up else "Redis down"
            if not redis_up:
                assert site.redis is not None
                site.redis.kill()
                await asyncio.sleep(1)
            worst = accepted = late = 0.0
            wrong: list[str] = []
            for trigger, (end_session, code, status) in TRIGGERS.items():
                # The password change is permanent, so it runs last and only once.
                if trigger == "password" and redis_up and len(rounds) > 1:
                    continue
                outcome = await _revoke(site, crowd, end_session, max(2, sockets // len(TRIGGERS)))
                attempts += len(outcome.closed)
                worst = max([worst, *(seconds for _, seconds in outcome.closed)])
                late += outcome.late_events
                accepted += sum(answer == 200 for answer in outcome.answers)
                wrong += [f"{trigger}: closed with {result}" for result, _ in outcome.closed if result != code]
                wrong += [f"{trigger}: answered {answer}" for answer in outcome.answers if answer != status]
                await _change(site, disabled=False)
            tally.at_most(f"sockets closed after, s ({name})", worst, QUIET_AFTER_S if redis_up else 30.0)
            tally.zero(f"events after 5 s ({name})", int(late))
            tally.zero(f"commands accepted ({name})", int(accepted), wrong)
            tally.zero(f"wrong codes or answers ({name})", len(wrong), wrong)
        tally.floor("sockets whose session ended", attempts, (len(TRIGGERS) - 1) * 2 * len(rounds))
        await crowd.settle(5)


class _Outcome:
    def __init__(self) -> None:
        self.closed: list[tuple[int, float]] = []
        self.answers: list[int] = []
        self.late_events = 0


async def _revoke(site: Site, crowd: Crowd, end_session: Trigger, sockets: int) -> _Outcome:
    """Opens sockets of one session on every node, applies the trigger, and sends messages meanwhile."""
    outcome = _Outcome()
    cookie, other_cookie = await sign_in(site, "helper"), await sign_in(site, "helper")
    opened = [await dial(site, "/ws/agent", cookie, node=number % len(site.nodes)) for number in range(sockets)]
    for ws in opened:
        await greet(ws)
    for node in site.nodes:
        for _attempt in range(2):  # afterwards the node has the session in its cache, and has used it
            status, _ = await site.call(cookie, "GET", "/api/tickets", base=node.url)
            assert status == 200
    received: list[list[tuple[float, dict[str, Any]]]] = [[] for _ in opened]
    watching = asyncio.gather(*(until_closed(ws, WAIT_S, frames) for ws, frames in zip(opened, received, strict=True)))
    status = await end_session(site, cookie, other_cookie)
    triggered_at = time.monotonic()
    assert status == 200, f"the request that ends the session got {status}"
    outcome.answers.append((await site.call(cookie, "GET", "/api/tickets"))[0])
    while not watching.done() and time.monotonic() - triggered_at < WAIT_S:
        await crowd.random.choice(crowd.visitors).say("still talking")
        await asyncio.sleep(0.2)
    outcome.closed = await watching
    if (remaining := QUIET_AFTER_S - (time.monotonic() - triggered_at)) > 0:
        await asyncio.sleep(remaining)
    outcome.late_events = sum(
        received_at > triggered_at + QUIET_AFTER_S and frame["type"] != "bye"
        for frames in received
        for received_at, frame in frames
    )
    for node in site.nodes:
        outcome.answers.append(
            (
                await site.call(
                    cookie,
                    "POST",
                    "/api/tickets/1/notes",
                    {"key": f"late-{triggered_at}", "text": "late"},
                    base=node.url,
                )
            )[0]
        )
    for ws in opened:
        await ws.close()
    return outcome
