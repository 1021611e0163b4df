"""Jobs are claimed once, fenced by `turn`, retried after failures, and marked as dead after the last attempt."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import LEASE, MAX_ATTEMPTS, Job, Worker
from server.kernel.sql import Statement, Tx
from server.schema import jobs as table
from tests.world import START, World, at_once

START_US = int(START.timestamp() * 1_000_000)


async def enqueue(world: World, kind: str = "ring", *, in_s: float = 0, **more: Any) -> None:
    def step(tx: Any) -> None:
        jobs.enqueue(tx, kind, more.pop("payload", {}), run_at=tx.now + timedelta(seconds=in_s), **more)

    await world.app.write(step)


async def claim(world: World, limit: int = 20) -> list[Job]:
    results: list[Job] = await world.app.write(jobs.claim, limit)
    return results


def new_worker(world: World, handler: Any, **more: Any) -> Worker:
    return Worker(world.app, {"ring": handler}, **more)


async def run(worker: Worker) -> int:
    """Runs everything that is due now; returns the number of runs."""
    runs = 0
    while claimed := await worker.claim_batch():
        runs += claimed
        await worker.idle()
    return runs


async def test_each_job_is_run_once_by_one_of_four_workers(world: World) -> None:
    ran: Counter[int] = Counter()

    async def handler(app: App, job: Job) -> None:
        ran[job.payload["n"]] += 1

    for n in range(60):
        await enqueue(world, payload={"n": n})
    workers = [new_worker(world, handler) for _ in range(4)]
    while any(await at_once(*(worker.claim_batch() for worker in workers))):
        for worker in workers:
            await worker.idle()
    assert ran == Counter({n: 1 for n in range(60)}) and await world.count(table) == 0


async def test_nothing_runs_before_its_time(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.id)

    await enqueue(world, in_s=60)
    worker = new_worker(world, handler)
    world.clock.advance(timedelta(seconds=59.999))
    assert await run(worker) == 0
    world.clock.advance(timedelta(seconds=0.001))
    assert await run(worker) == 1 and len(ran) == 1


async def test_jobs_run_by_priority_and_then_by_due_time(world: World) -> None:
    for n, (priority, in_s) in enumerate([(30, 0), (10, 0), (0, 2), (0, 1), (20, 0)]):
        await enqueue(world, priority=priority, in_s=in_s, payload={"n": n})
    world.clock.advance(timedelta(seconds=10))
    assert [job.payload["n"] for job in await claim(world)] == [3, 2, 1, 4, 0]


async def test_a_job_of_a_failed_transaction_is_not_stored(world: World) -> None:
    def step(tx: Any) -> None:
        jobs.enqueue(tx, "ring", {}, run_at=tx.now)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.app.write(step)
    assert await world.count(table) == 0


# --- keys: enqueueing a key again moves its time ----------------------------------------------------


async def test_enqueueing_a_waiting_key_again_moves_its_time(world: World) -> None:
    await enqueue(world, key="k", in_s=60, payload={"n": 1})
    await enqueue(world, key="k", in_s=30, payload={"n": 2})
    world.clock.advance(timedelta(seconds=30))
    assert [job.payload["n"] for job in await claim(world)] == [2] and await world.count(table) == 1


async def test_enqueueing_a_key_during_its_run_runs_it_once_more(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.payload["n"])
        if len(ran) == 1:
            await enqueue(world, key="k", in_s=10, payload={"n": 2})
            await enqueue(world, key="k", in_s=20, payload={"n": 3})

    await enqueue(world, key="k", payload={"n": 1})
    worker = new_worker(world, handler)
    assert await run(worker) == 1 and await world.count(table) == 1
    world.clock.advance(timedelta(seconds=19))
    assert await run(worker) == 0
    world.clock.advance(timedelta(seconds=1))
    assert await run(worker) == 1 and ran == [1, 3] and await world.count(table) == 0


@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS])
@pytest.mark.parametrize("database", ["postgres"])
async def test_a_key_enqueued_while_its_run_is_being_ended_runs_again(world: World, attempts: int) -> None:
    """Another transaction commits between two statements of the end: a text that it queued would wait for the next one."""
    await enqueue(world, key="bell")
    (job,) = await claim(world)
    job = replace(job, attempts=attempts)

    class Interrupted:
        """A transaction in which somebody enqueues the job again after the first statement."""

        def __init__(self, tx: Tx) -> None:
            self.tx = tx

        def __getattr__(self, name: str) -> Any:
            return getattr(self.tx, name)

        def run(self, statement: Statement, **names: Any) -> int:
            if statement is not jobs._RUN_AGAIN and not interrupted:
                interrupted.append(True)
                with psycopg.connect(world.app.settings.postgres_dsn(), autocommit=True) as other:
                    other.execute("UPDATE jobs SET again_at = %s, attempts = 0", (START_US,))
            return self.tx.run(statement, **names)

    def end(tx: Tx) -> None:
        interrupted_tx: Any = Interrupted(tx)
        if attempts == MAX_ATTEMPTS:
            jobs.fail(interrupted_tx, job, "broken")
        else:
            jobs.finish(interrupted_tx, job)

    interrupted: list[bool] = []
    await world.app.write(end)
    assert interrupted
    assert [(row.running, row.dead, row.again_at) for row in await world.rows(table)] == [(False, False, None)]
    assert len(await claim(world)) == 1


async def test_a_key_enqueued_again_during_its_run_is_not_run_by_a_second_worker(world: World) -> None:
    """A second worker would do the same work at the same time, and the first one's end would delete the second one's
    job."""
    ran: list[str] = []

    async def handler(app: App, job: Job) -> None:
        ran.append("begins")
        if len(ran) == 1:
            await enqueue(world, key="k")
            world.clock.advance(LEASE - timedelta(seconds=1))
            assert await claim(world) == [], "a running job must not be due for another process"
        ran.append("ends")

    await enqueue(world, key="k")
    worker = new_worker(world, handler)
    assert await worker.claim_batch() == 1
    await worker.idle()
    assert ran == ["begins", "ends"]
    assert await run(worker) == 1 and ran == ["begins", "ends"] * 2 and await world.count(table) == 0


async def test_a_time_enqueued_during_a_run_wins_over_the_time_the_run_returns(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.payload["n"])
        if len(ran) == 2:
            await enqueue(world, key="k", in_s=5, payload={"n": 7})
        if len(ran) <= 3:
            later = world.now + timedelta(seconds=60)
            settled = await world.app.write(
                lambda tx: jobs.reschedule(tx, job, {"n": job.payload["n"] + 1}, run_at=later)
            )
            assert settled is (len(ran) != 2)

    await enqueue(world, key="k", payload={"n": 1})
    worker = new_worker(world, handler)
    assert await run(worker) == 1
    world.clock.advance(timedelta(seconds=60))
    assert await run(worker) == 1 and ran == [1, 2]
    world.clock.advance(timedelta(seconds=5))
    assert await run(worker) == 1 and ran == [1, 2, 7]
    world.clock.advance(timedelta(seconds=60))
    assert await run(worker) == 1 and ran == [1, 2, 7, 8] and await world.count(table) == 0


async def test_a_worker_whose_lease_expired_cannot_reschedule_the_job(world: World) -> None:
    await enqueue(world, key="k")
    (late,) = await claim(world)
    world.clock.advance(LEASE)
    (fresh,) = await claim(world)
    run_at = world.now
    assert not await world.app.write(lambda tx: jobs.reschedule(tx, late, {}, run_at=run_at))
    assert await world.app.write(lambda tx: jobs.reschedule(tx, fresh, {}, run_at=run_at))


async def test_a_waiting_key_can_be_cancelled_and_a_running_one_cannot(world: World) -> None:
    await enqueue(world, key="k")
    assert await world.app.write(jobs.cancel, "k") and not await world.app.write(jobs.cancel, "k")
    await enqueue(world, key="k")
    (job,) = await claim(world)
    assert not await world.app.write(jobs.cancel, "k")
    await world.app.write(jobs.finish, job)
    assert await world.count(table) == 0


# --- leases and turns -------------------------------------------------------------------------------


async def test_a_claimed_job_cannot_be_claimed_again_until_its_lease_expires(world: World) -> None:
    await enqueue(world)
    (job,) = await claim(world)
    world.clock.advance(LEASE - timedelta(seconds=1))
    assert await claim(world) == []
    world.clock.advance(timedelta(seconds=1))
    (second_claim,) = await claim(world)
    assert (second_claim.id, second_claim.turn, second_claim.attempts) == (job.id, job.turn + 1, 2)


async def test_a_worker_whose_lease_expired_cannot_finish_or_fail_another_workers_run(world: World) -> None:
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


async def test_on_sqlite_a_start_frees_the_jobs_that_a_killed_process_claimed(world: World) -> None:
    await enqueue(world)
    await claim(world)
    assert await claim(world) == []
    assert await world.app.write(jobs.release_all) == 1
    assert len(await claim(world)) == 1


# --- failures ---------------------------------------------------------------------------------------


async def test_a_failing_job_is_retried_after_growing_pauses_and_then_marked_dead(world: World) -> None:
    ran: list[float] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(world.clock.monotonic())
        raise RuntimeError("the printer is on fire")

    await enqueue(world, key="k")
    worker = new_worker(world, handler)
    for _ in range(20):
        await run(worker)
        world.clock.advance(timedelta(seconds=1_000))
    assert len(ran) == MAX_ATTEMPTS
    (row,) = await world.rows(table)
    assert row.dead and "the printer is on fire" in row.last_error
    assert await world.app.read(jobs.dead_count) == 1 and await world.app.read(jobs.next_due) is None

    await enqueue(world, key="k")
    await run(worker)
    assert len(ran) == MAX_ATTEMPTS + 1, "a job enqueued again must get all its attempts"


async def test_pauses_between_retries_grow_up_to_a_quarter_of_an_hour(world: World) -> None:
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


async def test_a_job_enqueued_again_during_its_last_failing_attempt_is_not_marked_dead(world: World) -> None:
    async def handler(app: App, job: Job) -> None:
        if job.attempts == MAX_ATTEMPTS:
            await enqueue(world, key="k")
        raise RuntimeError("no")

    await enqueue(world, key="k")
    worker = new_worker(world, handler)
    for _ in range(MAX_ATTEMPTS):
        await worker.claim_batch()
        await worker.idle()
        world.clock.advance(timedelta(seconds=901))
    assert await world.app.read(jobs.dead_count) == 0
    (job,) = await claim(world)
    assert job.attempts == 1


async def test_a_job_of_an_unknown_kind_is_kept_and_other_jobs_run(world: World) -> None:
    ran: list[int] = []

    async def handler(app: App, job: Job) -> None:
        ran.append(job.id)

    await enqueue(world, "from a later version")
    await enqueue(world)
    await run(new_worker(world, handler))
    (row,) = await world.rows(table)
    assert len(ran) == 1 and "from a later version" in row.last_error and not row.dead


async def test_a_dead_job_can_be_retried_and_a_living_one_cannot(world: World) -> None:
    await enqueue(world)
    (job,) = await claim(world)
    assert not await world.app.write(jobs.retry, job.id)
    await world.app.write(jobs.fail, Job(job.id, job.kind, job.payload, job.turn, MAX_ATTEMPTS), "no")
    (dead,) = await world.app.read(jobs.list_dead, 10)
    assert (dead.id, dead.kind, dead.error) == (job.id, "ring", "no")
    assert await world.app.write(jobs.retry, job.id) and not await world.app.write(jobs.retry, job.id)
    (retried_job,) = await claim(world)
    assert (retried_job.id, retried_job.attempts) == (job.id, 1)


# --- the worker's loop ------------------------------------------------------------------------------


async def test_a_notification_wakes_a_worker(world: World) -> None:
    import asyncio

    finished = asyncio.Event()

    async def handler(app: App, job: Job) -> None:
        finished.set()

    worker = new_worker(world, handler)
    await worker.start()
    try:
        for _ in range(3):
            finished.clear()
            await enqueue(world)
            async with asyncio.timeout(10):
                await finished.wait()
    finally:
        await worker.close()


async def test_a_worker_claims_no_more_jobs_than_it_can_run_at_once(world: World) -> None:
    import asyncio

    running, most, may_continue, full = 0, 0, asyncio.Event(), asyncio.Event()

    async def handler(app: App, job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await may_continue.wait()
        running -= 1

    for _ in range(10):
        await enqueue(world)
    worker = new_worker(world, handler, slots=3)
    assert await worker.claim_batch() == 3
    other_runs = asyncio.ensure_future(run(worker))
    await full.wait()
    may_continue.set()
    await other_runs
    assert most == 3 and await world.count(table) == 0


async def test_closing_waits_for_running_jobs(world: World) -> None:
    import asyncio

    began, finished = asyncio.Event(), []

    async def handler(app: App, job: Job) -> None:
        began.set()
        await asyncio.sleep(0.05)
        finished.append(job.id)

    worker = new_worker(world, handler)
    await worker.start()
    await enqueue(world)
    async with asyncio.timeout(10):
        await began.wait()
    await worker.close()
    assert finished and await world.count(table) == 0
