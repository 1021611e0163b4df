"""G23: the wall clock may jump; order, sessions, leases and jobs do not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.accounts import actions as accounts
from server.accounts.rules import Agent
from server.app import JOBS
from server.inbox import lists
from server.kernel import jobs
from server.kernel.clock import ManualClock
from server.kernel.context import App
from server.web import auth
from tests.faults.tally import Tally
from tests.world import HOME, PASSWORD, Desk, World, email_of, open_world, signed_in

# Jumps of a wall clock: a corrected server, a change to or from summer time, a leap second.
JUMPS = {
    "two hours back": timedelta(hours=-2),
    "two hours on": timedelta(hours=2),
    "a day on": timedelta(days=1),
    "a day back": timedelta(days=-1),
    "a minute back": timedelta(seconds=-61),
}
MOMENTS = [
    datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC),  # Europe's clocks go back one second later
    datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC),  # Europe's clocks go forward one second later
    datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
]


def jump(clock: ManualClock, by: timedelta) -> None:
    """Moves only the wall clock; monotonic time continues."""
    clock._now += by


async def run(tally: Tally) -> None:
    rounds = 20 if tally.full else 2
    jumps = ended = extended = disordered = stolen = not_run = 0
    examples: list[str] = []
    for number in range(rounds):
        for name, by in JUMPS.items():
            async with open_world(Path(tempfile.mkdtemp(prefix="time-")) / "data", tally.database) as world:
                ana = await world.agent("new", role="support")
                if number % 2:
                    ana = await _sign_in_months_later(world, MOMENTS[(number // 2) % len(MOMENTS)])
                jumps += 1
                ended += not await _session_works(world, ana, by)
                extended += await _session_end_is_fixed(world, ana)
                disordered += await _disordered(world, ana, by)
                stolen_now, missed_now = await _jobs(world, by)
                stolen += stolen_now
                not_run += missed_now
                if stolen_now or missed_now:
                    examples.append(f"{name}: stolen {stolen_now}, not run {missed_now}")
    tally.floor("jumps", jumps, len(JUMPS) * rounds)
    tally.zero("sessions wrongly ended", ended)
    tally.zero("sessions wrongly extended", extended)
    tally.zero("threads out of order", disordered)
    tally.zero("leases stolen", stolen, examples)
    tally.zero("due jobs that never ran", not_run, examples)
    if shutil.which("faketime") is None:
        tally.lacks(
            "a real server under a faked clock: libfaketime is not installed (Debian: apt-get install faketime)"
        )


async def _sign_in_months_later(world: World, moment: datetime) -> Desk:
    """After months all sessions of the cast have expired, as they should: the new colleague signs in again."""
    world.clock._now = moment
    new_session = await accounts.login(world.app, email_of("new"), PASSWORD, HOME)
    return Desk(world, await signed_in(world.app, new_session.token), new_session.token)


async def _session_works(world: World, ana: Desk, by: timedelta) -> bool:
    jump(world.clock, by)
    headers = {"cookie": auth.session_cookie(world.app, ana.token).partition(";")[0]}
    result: Agent | None = await auth.agent_from_cookie(world.app, headers)
    jump(world.clock, -by)
    return result is not None


async def _session_end_is_fixed(world: World, ana: Desk) -> bool:
    """A session ends at the time fixed when it began, whatever the clock does meanwhile."""
    days = timedelta(days=world.app.settings.session_days, seconds=1)
    jump(world.clock, days)
    world.clock._monotonic += 10  # longer than any cached session is trusted
    headers = {"cookie": auth.session_cookie(world.app, ana.token).partition(";")[0]}
    result = await auth.agent_from_cookie(world.app, headers)
    jump(world.clock, -days)
    return result is not None


async def _disordered(world: World, ana: Desk, by: timedelta) -> bool:
    guest = await world.visitor()
    for number in range(6):
        await guest.says(f"before {number}")
    jump(world.clock, by)
    for number in range(3):
        await guest.says(f"after {number}")
        await ana.replies(guest, f"answer {number}")
    ticket = await guest.ticket()
    rows = await world.entries(ticket.thread)
    texts = [row.body for row in rows if row.kind == "message" and row.body]
    expected = [f"before {n}" for n in range(6)] + [text for n in range(3) for text in (f"after {n}", f"answer {n}")]
    listed = [row.id for row in await world.app.read(lists.list_tickets, _all(ana))]
    return texts != expected or [row.seq for row in rows] != list(range(1, len(rows) + 1)) or ticket.id not in listed


def _all(ana: Desk) -> lists.ListQuery:
    return lists.ListQuery(status="open", channel=None, view="all", sort="newest", user=ana.id, limit=100)


async def _jobs(world: World, by: timedelta) -> tuple[int, int]:
    """A worker never starts a job that is already running, whatever the clock says; a due job runs once."""
    app = world.app
    started: list[str] = []
    go_on = asyncio.Event()

    async def tick(app: App, job: jobs.Job) -> None:
        started.append(job.kind)
        await go_on.wait()

    async def tock(app: App, job: jobs.Job) -> None:
        started.append(job.kind)

    worker = jobs.Worker(app, {"test.tick": tick, "test.tock": tock, **JOBS})
    await app.write(lambda tx: jobs.enqueue(tx, "test.tick", {}, run_at=tx.now, key="tick"))
    await worker.claim_batch()
    jump(world.clock, by)
    await worker.claim_batch()
    await app.write(lambda tx: jobs.enqueue(tx, "test.tock", {}, run_at=tx.now, key="tock"))
    await worker.claim_batch()
    go_on.set()
    await worker.idle()
    return max(0, started.count("test.tick") - 1), int(started.count("test.tock") != 1)
