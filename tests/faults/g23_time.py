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
from server.inbox import queries
from server.kernel import jobs
from server.kernel.clock import ManualClock
from server.kernel.context import App
from server.web import auth
from tests.faults.tally import Tally
from tests.world import HOME, PASSWORD, Desk, World, email_of, open_world, signed_in

# What a wall clock may do in one moment: a wrong server put right, a change of season, a leap second's neighbour.
JUMPS = {
    "two hours back": timedelta(hours=-2),
    "two hours on": timedelta(hours=2),
    "a day on": timedelta(days=1),
    "a day back": timedelta(days=-1),
    "a minute back": timedelta(seconds=-61),
}
MOMENTS = [
    datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC),  # Europe falls back a second later
    datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC),  # and springs forward
    datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
]


def jump(clock: ManualClock, by: timedelta) -> None:
    """The wall clock only; monotonic time goes on as it does."""
    clock._now += by


async def run(tally: Tally) -> None:
    rounds = 20 if tally.full else 2
    done = ended = extended = disordered = stolen = late = 0
    why: list[str] = []
    for number in range(rounds):
        for name, by in JUMPS.items():
            async with open_world(Path(tempfile.mkdtemp(prefix="time-")) / "data", tally.database) as world:
                ana = await world.agent("new", role="support")
                if number % 2:
                    ana = await _back_at(world, MOMENTS[(number // 2) % len(MOMENTS)])
                done += 1
                ended += not await _still_in(world, ana, by)
                extended += await _extended(world, ana)
                disordered += await _disordered(world, ana, by)
                taken, missed = await _jobs(world, by)
                stolen += taken
                late += missed
                if taken or missed:
                    why.append(f"{name}: stolen {taken}, not run {missed}")
    tally.floor("jumps", done, len(JUMPS) * rounds)
    tally.zero("sessions wrongly ended", ended)
    tally.zero("sessions wrongly extended", extended)
    tally.zero("threads out of order", disordered)
    tally.zero("leases stolen", stolen, why)
    tally.zero("due jobs that never ran", late, why)
    if shutil.which("faketime") is None:
        tally.lacks(
            "a real server under a faked clock: libfaketime is not installed (Debian: apt-get install faketime)"
        )


async def _back_at(world: World, moment: datetime) -> Desk:
    """Months later the sessions of the cast are over, as they should be: the new colleague signs in again."""
    world.clock._now = moment
    again = await accounts.login(world.app, email_of("new"), PASSWORD, HOME)
    return Desk(world, await signed_in(world.app, again.token), again.token)


async def _still_in(world: World, ana: Desk, by: timedelta) -> bool:
    jump(world.clock, by)
    headers = {"cookie": auth.session_cookie(world.app, ana.token).partition(";")[0]}
    found: Agent | None = await auth.agent_from_cookie(world.app, headers)
    jump(world.clock, -by)
    return found is not None


async def _extended(world: World, ana: Desk) -> bool:
    """Past its end, which was fixed when it began, a session is over, whatever the clock did meanwhile."""
    days = timedelta(days=world.app.settings.session_days, seconds=1)
    jump(world.clock, days)
    world.clock._monotonic += 10  # longer than anything is believed unasked
    headers = {"cookie": auth.session_cookie(world.app, ana.token).partition(";")[0]}
    found = await auth.agent_from_cookie(world.app, headers)
    jump(world.clock, -days)
    return found is not None


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
    wanted = [f"before {n}" for n in range(6)] + [text for n in range(3) for text in (f"after {n}", f"answer {n}")]
    listed = [row.id for row in await world.app.read(queries.list_tickets, _all(ana))]
    return texts != wanted or [row.seq for row in rows] != list(range(1, len(rows) + 1)) or ticket.id not in listed


def _all(ana: Desk) -> queries.ListQuery:
    return queries.ListQuery(status="open", channel=None, view="all", sort="newest", user=ana.id, limit=100, after=None)


async def _jobs(world: World, by: timedelta) -> tuple[int, int]:
    """A job that is being run is not begun again by its worker, whatever the clock says; a due one is run once."""
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
    await worker.step()
    jump(world.clock, by)
    await worker.step()
    await app.write(lambda tx: jobs.enqueue(tx, "test.tock", {}, run_at=tx.now, key="tock"))
    await worker.step()
    go_on.set()
    await worker.idle()
    return max(0, started.count("test.tick") - 1), int(started.count("test.tock") != 1)
