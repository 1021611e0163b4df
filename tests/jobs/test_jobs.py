"""Later work: claimed once, fenced by turns, tried again, and given up in the open (DESIGN 8)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import LEASE, MAX_ATTEMPTS, Job, Worker
from server.schema import jobs as table
from tests.world import World, at_once


async def enqueue(world: World, kind: str = "ring", *, in_s: float = 0, **more: Any) -> None:
    def step(tx: Any) -> None:
        jobs.enqueue(tx, kind, more.pop("payload", {}), run_at=tx.now + timedelta(seconds=in_s), **more)

    await world.app.write(step)


async def claim(world: World, limit: int = 20) -> list[Job]:
    found: list[Job] = await world.app.write(jobs.claim, limit)
    return found


def worker(world: World, handler: Any, **more: Any) -> Worker:
    return Worker(world.app, {"ring": handler}, **more)


async def run(one: Worker) -> int:
    """Everything that is due now; returns how many runs that were."""
    runs = 0
    while claimed := await one.step():
        runs += claimed
        await one.idle()
    return runs


async def test_each_job_is_run_once_by_one_of_four_workers(world: World) -> None:
    ran: Counter[int] = Counter()

    async def handler(app: App, job: Job) -> None:
        ran[job.payload["n"]] += 1

    for n in range(60):
        await enqueue(world, payload={"n": n})
    workers = [worker(world, handler) for _ in range(4)]
    while any(await at_once(*(one.step() for one in workers))):
        for one in workers:
            await one.idle()
    assert ran == Counter({n: 1 for n in range(60)}) and await world.count(table) == 0


async def test_nothing_runs_before_its_time(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.id)

    await enqueue(world, in_s=60)
    one = worker(world, handler)
    world.clock.advance(timedelta(seconds=59.999))
    assert await run(one) == 0
    world.clock.advance(timedelta(seconds=0.001))
    assert await run(one) == 1 and len(ran) == 1


async def test_what_is_urgent_goes_first_and_then_what_is_longest_due(world: World) -> None:
    for n, (priority, in_s) in enumerate([(30, 0), (10, 0), (0, 2), (0, 1), (20, 0)]):
        await enqueue(world, priority=priority, in_s=in_s, payload={"n": n})
    world.clock.advance(timedelta(seconds=10))
    assert [job.payload["n"] for job in await claim(world)] == [3, 2, 1, 4, 0]


async def test_a_job_of_a_transaction_that_fails_is_never_seen(world: World) -> None:
    def step(tx: Any) -> None:
        jobs.enqueue(tx, "ring", {}, run_at=tx.now)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.app.write(step)
    assert await world.count(table) == 0


# --- keys: an alarm clock, not a queue --------------------------------------------------------------


async def test_enqueueing_a_waiting_key_again_moves_its_alarm(world: World) -> None:
    await enqueue(world, key="k", in_s=60, payload={"n": 1})
    await enqueue(world, key="k", in_s=30, payload={"n": 2})
    world.clock.advance(timedelta(seconds=30))
    assert [job.payload["n"] for job in await claim(world)] == [2] and await world.count(table) == 1


async def test_enqueueing_a_key_that_is_being_run_runs_it_once_more(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.payload["n"])
        if len(ran) == 1:
            await enqueue(world, key="k", in_s=10, payload={"n": 2})
            await enqueue(world, key="k", in_s=20, payload={"n": 3})

    await enqueue(world, key="k", payload={"n": 1})
    one = worker(world, handler)
    assert await run(one) == 1 and await world.count(table) == 1
    world.clock.advance(timedelta(seconds=19))
    assert await run(one) == 0
    world.clock.advance(timedelta(seconds=1))
    assert await run(one) == 1 and ran == [1, 3] and await world.count(table) == 0


async def test_what_a_run_wants_next_gives_way_to_who_asked_meanwhile(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.payload["n"])
        if len(ran) == 2:
            await enqueue(world, key="k", in_s=5, payload={"n": 7})
        if len(ran) <= 3:
            later = world.now + timedelta(seconds=60)
            stands = await world.app.write(lambda tx: jobs.go_on(tx, job, {"n": job.payload["n"] + 1}, run_at=later))
            assert stands is (len(ran) != 2)

    await enqueue(world, key="k", payload={"n": 1})
    one = worker(world, handler)
    assert await run(one) == 1
    world.clock.advance(timedelta(seconds=60))
    assert await run(one) == 1 and ran == [1, 2]
    world.clock.advance(timedelta(seconds=5))
    assert await run(one) == 1 and ran == [1, 2, 7]
    world.clock.advance(timedelta(seconds=60))
    assert await run(one) == 1 and ran == [1, 2, 7, 8] and await world.count(table) == 0


async def test_who_slept_past_the_lease_does_not_say_what_runs_next(world: World) -> None:
    await enqueue(world, key="k")
    (late,) = await claim(world)
    world.clock.advance(LEASE)
    (fresh,) = await claim(world)
    at = world.now
    assert not await world.app.write(lambda tx: jobs.go_on(tx, late, {}, run_at=at))
    assert await world.app.write(lambda tx: jobs.go_on(tx, fresh, {}, run_at=at))


async def test_a_waiting_key_can_be_cancelled_and_a_running_one_decides_for_itself(world: World) -> None:
    await enqueue(world, key="k")
    assert await world.app.write(jobs.cancel, "k") and not await world.app.write(jobs.cancel, "k")
    await enqueue(world, key="k")
    (job,) = await claim(world)
    assert not await world.app.write(jobs.cancel, "k")
    await world.app.write(jobs.finish, job)
    assert await world.count(table) == 0


# --- leases and turns -------------------------------------------------------------------------------


async def test_a_claimed_job_is_nobody_elses_until_its_lease_is_over(world: World) -> None:
    await enqueue(world)
    (job,) = await claim(world)
    world.clock.advance(LEASE - timedelta(seconds=1))
    assert await claim(world) == []
    world.clock.advance(timedelta(seconds=1))
    (again,) = await claim(world)
    assert (again.id, again.turn, again.attempts) == (job.id, job.turn + 1, 2)


async def test_a_worker_that_slept_past_its_lease_cannot_finish_or_fail_anothers_run(world: World) -> None:
    await enqueue(world)
    (stale,) = await claim(world)
    world.clock.advance(LEASE)
    (current,) = await claim(world)
    await world.app.write(jobs.finish, stale)
    await world.app.write(jobs.fail, stale, "too late")
    (row,) = await world.rows(table)
    assert (row.turn, row.running, row.last_error) == (current.turn, True, None)
    await world.app.write(jobs.finish, current)
    assert await world.count(table) == 0


async def test_on_sqlite_a_start_frees_what_a_killed_process_had_claimed(world: World) -> None:
    await enqueue(world)
    await claim(world)
    assert await claim(world) == []
    assert await world.app.write(jobs.free_all) == 1
    assert len(await claim(world)) == 1


# --- failing ----------------------------------------------------------------------------------------


async def test_a_job_that_fails_is_tried_again_after_growing_pauses_and_then_given_up(world: World) -> None:
    ran: list[float] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(world.clock.monotonic())
        raise RuntimeError("the printer is on fire")

    await enqueue(world, key="k")
    one = worker(world, handler)
    for _ in range(20):
        await run(one)
        world.clock.advance(timedelta(seconds=1_000))
    assert len(ran) == MAX_ATTEMPTS
    (row,) = await world.rows(table)
    assert row.dead and "the printer is on fire" in row.last_error
    assert await world.app.read(jobs.dead_count) == 1 and await world.app.read(jobs.next_due) is None

    await enqueue(world, key="k")
    await run(one)
    assert len(ran) == MAX_ATTEMPTS + 1, "asking for it anew gives it all its attempts again"


async def test_pauses_grow_up_to_a_quarter_of_an_hour(world: World) -> None:
    pauses = []
    await enqueue(world)
    for _ in range(MAX_ATTEMPTS - 1):
        (job,) = await claim(world)
        await world.app.write(jobs.fail, job, "no")
        due = await world.app.read(jobs.next_due)
        assert due is not None
        pauses.append((due - world.now).total_seconds())
        world.clock.advance(due - world.now)
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


async def test_a_job_that_was_asked_for_again_while_its_last_attempt_failed_is_not_given_up(world: World) -> None:
    async def handler(app: App, job: Job) -> None:
        if job.attempts == MAX_ATTEMPTS:
            await enqueue(world, key="k")
        raise RuntimeError("no")

    await enqueue(world, key="k")
    one = worker(world, handler)
    for _ in range(MAX_ATTEMPTS):
        await one.step()
        await one.idle()
        world.clock.advance(timedelta(seconds=901))
    assert await world.app.read(jobs.dead_count) == 0
    (job,) = await claim(world)
    assert job.attempts == 1


async def test_a_job_of_an_unknown_kind_is_kept_and_its_neighbours_run(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.id)

    await enqueue(world, "from a later version")
    await enqueue(world)
    await run(worker(world, handler))
    (row,) = await world.rows(table)
    assert len(ran) == 1 and "from a later version" in row.last_error and not row.dead


async def test_a_dead_job_can_be_tried_again_and_a_living_one_cannot(world: World) -> None:
    await enqueue(world)
    (job,) = await claim(world)
    assert not await world.app.write(jobs.retry, job.id)
    await world.app.write(jobs.fail, Job(job.id, job.kind, job.payload, job.turn, MAX_ATTEMPTS), "no")
    (dead,) = await world.app.read(jobs.dead_ones, 10)
    assert (dead.id, dead.kind, dead.error) == (job.id, "ring", "no")
    assert await world.app.write(jobs.retry, job.id) and not await world.app.write(jobs.retry, job.id)
    (again,) = await claim(world)
    assert (again.id, again.attempts) == (job.id, 1)


# --- the loop ---------------------------------------------------------------------------------------


async def test_a_worker_is_woken_by_the_doorbell(world: World) -> None:
    import asyncio

    done = asyncio.Event()

    async def handler(app: App, job: Job) -> None:
        done.set()

    one = worker(world, handler)
    await one.start()
    try:
        for _ in range(3):
            done.clear()
            await enqueue(world)
            async with asyncio.timeout(10):
                await done.wait()
    finally:
        await one.close()


async def test_a_worker_takes_no_more_than_it_has_room_for(world: World) -> None:
    import asyncio

    running, most, go_on, full = 0, 0, asyncio.Event(), asyncio.Event()

    async def handler(app: App, job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await go_on.wait()
        running -= 1

    for _ in range(10):
        await enqueue(world)
    one = worker(world, handler, slots=3)
    assert await one.step() == 3
    others = asyncio.ensure_future(run(one))
    await full.wait()
    go_on.set()
    await others
    assert most == 3 and await world.count(table) == 0


async def test_closing_waits_for_what_is_running(world: World) -> None:
    import asyncio

    began, finished = asyncio.Event(), []

    async def handler(app: App, job: Job) -> None:
        began.set()
        await asyncio.sleep(0.05)
        finished.append(job.id)

    one = worker(world, handler)
    await one.start()
    await enqueue(world)
    async with asyncio.timeout(10):
        await began.wait()
    await one.close()
    assert finished and await world.count(table) == 0
