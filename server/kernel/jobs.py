"""A queue of jobs in one table.

`run_at` is both the schedule and the lease: claiming a job moves `run_at` to the end of the lease and increments `turn`;
finishing deletes the row only if `turn` is unchanged, so a worker whose lease expired cannot finish another worker's run.
Enqueueing an existing key changes its `run_at`; while the job runs, `again_at` stores the new time for the next run. A job
that reschedules itself (`reschedule`) does not overwrite an `again_at`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Text, bindparam, case, delete, func, null, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.errors import Refused, StorageFull
from server.kernel import failpoints, metrics
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.sql import Conn, Statement, Tx
from server.schema import jobs

log = structlog.get_logger()

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 12
BATCH = 20
TOPIC = "jobs"
PRIORITIES = (0, 10, 20, 30)  # replies, flows, campaigns, upkeep


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    kind: str
    payload: dict[str, Any]
    turn: int
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadJob:
    id: int
    kind: str
    attempts: int
    error: str | None  # of the last attempt
    created_at: datetime
    failed_at: datetime  # the time of the retry that was not made, minutes after the last attempt


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a long job, as its payload gives it: `done` of `total`."""

    kind: str
    done: int
    total: int


Handler = Callable[[App, Job], Awaitable[None]]

_insert = insert(jobs).values(
    kind=bindparam("kind"),
    key=bindparam("key"),
    payload=bindparam("payload"),
    priority=bindparam("priority"),
    run_at=bindparam("run_at"),
    created_at=bindparam("now"),
)
_ENQUEUE = Statement(
    _insert.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "payload": _insert.excluded.payload,
            # A running job keeps its lease and runs again afterwards.
            "run_at": case((jobs.c.running, jobs.c.run_at), else_=_insert.excluded.run_at),
            "again_at": case((jobs.c.running, _insert.excluded.run_at), else_=null()),
            "dead": False,
            "attempts": 0,
        },
    )
)
_new_run_at = _insert.excluded.run_at
_ENQUEUE_NO_LATER = Statement(
    _insert.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "payload": _insert.excluded.payload,
            "run_at": case(
                (jobs.c.running, jobs.c.run_at),
                (or_(jobs.c.dead, _new_run_at < jobs.c.run_at), _new_run_at),
                else_=jobs.c.run_at,
            ),
            "again_at": case(
                (jobs.c.running & (jobs.c.again_at < _new_run_at), jobs.c.again_at),
                (jobs.c.running, _new_run_at),
                else_=null(),
            ),
            "dead": False,
            "attempts": 0,
        },
    )
)
_CANCEL = Statement(delete(jobs).where(jobs.c.key == bindparam("key"), ~jobs.c.running))
_due = (
    select(jobs.c.id)
    .where(~jobs.c.dead, jobs.c.priority == bindparam("priority"), jobs.c.run_at <= bindparam("now"))
    .order_by(jobs.c.run_at)
    .limit(bindparam("n"))
)
_DUE = Statement(_due, uses=("ix_jobs_due",))
_DUE_SKIP_LOCKED = Statement(_due.with_for_update(skip_locked=True), uses=("ix_jobs_due",))
_CLAIM = Statement(
    update(jobs)
    .where(jobs.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        run_at=bindparam("lease_until", type_=Instant),
        running=True,
        node=bindparam("by", type_=Text),
        turn=jobs.c.turn + 1,
        attempts=jobs.c.attempts + 1,
    )
    .returning(jobs.c.id, jobs.c.kind, jobs.c.payload, jobs.c.turn, jobs.c.attempts)
)
_RUN_AGAIN = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn"), jobs.c.again_at.is_not(None))
    .values(run_at=jobs.c.again_at, again_at=null(), running=False, attempts=0)
)
# On PostgreSQL somebody can enqueue the job again between `_RUN_AGAIN` and this statement.
_FINISH = Statement(
    delete(jobs).where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn"), jobs.c.again_at.is_(None))
)
_FAIL = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn"))
    .values(
        run_at=bindparam("next", type_=Instant),
        running=False,
        last_error=bindparam("error"),
        dead=bindparam("is_dead"),
    )
)
# For a job that somebody enqueued again between `_RUN_AGAIN` and `_FAIL`.
_REVIVE = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn"), jobs.c.again_at.is_not(None))
    .values(run_at=jobs.c.again_at, again_at=null(), dead=False, attempts=0)
)
_RESCHEDULE = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn"), jobs.c.again_at.is_(None))
    .values(payload=bindparam("payload"), again_at=bindparam("next", type_=Instant))
)
_RELEASE_ALL = Statement(
    update(jobs).where(jobs.c.running).values(running=False, run_at=bindparam("at", type_=Instant)),
    uses=("ix_jobs_running",),
)
_RETRY = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.dead)
    .values(dead=False, running=False, attempts=0, run_at=bindparam("at", type_=Instant))
)
_LIST_DEAD = Statement(
    select(jobs.c.id, jobs.c.kind, jobs.c.attempts, jobs.c.last_error, jobs.c.created_at, jobs.c.run_at)
    .where(jobs.c.dead)
    .order_by(jobs.c.id.desc())
    .limit(bindparam("n")),
    uses=("ix_jobs_dead",),
)
_PROGRESS = Statement(
    select(jobs.c.kind, jobs.c.payload)
    .where(jobs.c.key.in_(bindparam("keys", expanding=True)), ~jobs.c.dead)
    .order_by(jobs.c.id)
)
# The first of each priority, because the index begins with it.
_next_of_each = union_all(
    *(
        select(func.min(jobs.c.run_at).label("at")).where(~jobs.c.dead, jobs.c.priority == priority)
        for priority in PRIORITIES
    )
).subquery("next_of_each")
_NEXT_DUE = Statement(select(func.min(_next_of_each.c.at, type_=Instant).label("at")), uses=("ix_jobs_due",))
_COUNT_DEAD = Statement(select(func.count().label("n")).where(jobs.c.dead), uses=("ix_jobs_dead",))


def enqueue(
    tx: Tx, kind: str, payload: dict[str, Any], *, run_at: datetime, key: str | None = None, priority: int = 30
) -> None:
    """Adds a job in the caller's transaction. At most one job exists per `key`."""
    tx.run(_ENQUEUE, kind=kind, key=key, payload=payload, priority=priority, run_at=run_at, now=tx.now)
    tx.publish(TOPIC)


def enqueue_deferred(
    tx: Tx, kind: str, payload: dict[str, Any], *, run_at: datetime, key: str, priority: int = 30
) -> None:
    """Enqueues just before COMMIT: for a key that many transactions share, so that its row is locked only briefly."""
    tx.defer(_ENQUEUE, kind=kind, key=key, payload=payload, priority=priority, run_at=run_at, now=tx.now)
    tx.publish(TOPIC)


def enqueue_no_later(
    tx: Tx, kind: str, payload: dict[str, Any], *, run_at: datetime, key: str, priority: int = 30
) -> None:
    """Enqueues just before COMMIT, as `enqueue_deferred`; a job with this key that is due earlier keeps its time. Calls in
    any order leave the earliest time."""
    tx.defer(_ENQUEUE_NO_LATER, kind=kind, key=key, payload=payload, priority=priority, run_at=run_at, now=tx.now)
    tx.publish(TOPIC)


def reschedule(tx: Tx, job: Job, payload: dict[str, Any], *, run_at: datetime) -> bool:
    """Schedules the next run of a running job that has a key.

    Returns False if somebody enqueued the job meanwhile (that run comes next) or if the lease expired."""
    return tx.run(_RESCHEDULE, job=job.id, of_turn=job.turn, payload=payload, next=run_at) > 0


def cancel(tx: Tx, key: str) -> bool:
    """Returns False if there is no such job, or if it is running."""
    return tx.run(_CANCEL, key=key) > 0


def claim(tx: Tx, limit: int, node: str | None = None, running: frozenset[int] = frozenset()) -> list[Job]:
    """Claims due jobs by priority. The lease ends at `now + LEASE`, or earlier when `node` stops its heartbeat.

    `running`: jobs that the caller runs and must not claim again, because a clock set forward expires all leases (G23).
    """
    claimed: list[int] = []
    for priority in PRIORITIES:
        room = limit - len(claimed)
        if room <= 0:
            break
        select_due = _DUE_SKIP_LOCKED if tx.postgres else _DUE
        rows = tx.all(select_due, priority=priority, now=tx.now, n=room + len(running))
        claimed += [row.id for row in rows if row.id not in running][:room]
    if not claimed:
        return []
    rows = tx.all(_CLAIM, ids=claimed, lease_until=tx.now + LEASE, by=node)
    position = {job_id: n for n, job_id in enumerate(claimed)}
    rows.sort(key=lambda row: position[row.id])
    return [Job(row.id, row.kind, row.payload, row.turn, row.attempts) for row in rows]


def finish(tx: Tx, job: Job) -> None:
    names = {"job": job.id, "of_turn": job.turn}
    if not tx.run(_RUN_AGAIN, **names) and not tx.run(_FINISH, **names):
        tx.run(_RUN_AGAIN, **names)


def fail(tx: Tx, job: Job, error: str) -> None:
    """Schedules a retry with exponential backoff; after `MAX_ATTEMPTS` the job is dead until a person retries it."""
    dead = job.attempts >= MAX_ATTEMPTS
    if dead and tx.run(_RUN_AGAIN, job=job.id, of_turn=job.turn):
        return  # enqueued again during the last attempt: all attempts are available again
    pause = timedelta(seconds=min(2**job.attempts, 900))
    tx.run(_FAIL, job=job.id, of_turn=job.turn, next=tx.now + pause, error=error[:500], is_dead=dead)
    if dead:
        tx.run(_REVIVE, job=job.id, of_turn=job.turn)


def release_all(tx: Tx) -> int:
    """Releases every lease. For a start on SQLite, where no other process can be running jobs."""
    return tx.run(_RELEASE_ALL, at=tx.now)


def next_due(conn: Conn) -> datetime | None:
    due_at: datetime | None = conn.value(_NEXT_DUE)
    return due_at


def dead_count(conn: Conn) -> int:
    return int(conn.value(_COUNT_DEAD))


def list_dead(conn: Conn, limit: int) -> list[DeadJob]:
    """Jobs that used all attempts, newest first."""
    return [DeadJob(*row) for row in conn.all(_LIST_DEAD, n=limit)]


def progress(conn: Conn, keys: list[str]) -> list[Progress]:
    """The progress of the given jobs that wait or run."""
    rows = conn.all(_PROGRESS, keys=keys)
    return [Progress(row.kind, row.payload["done"], row.payload["total"]) for row in rows]


def retry(tx: Tx, job_id: int) -> bool:
    """Makes a dead job due now, with all attempts. Returns False if there is no such dead job."""
    won = tx.run(_RETRY, job=job_id, at=tx.now) > 0
    if won:
        tx.publish(TOPIC)
    return won


class Worker:
    """Claims and runs jobs until closed. Wakes on `TOPIC`, at the next due time, and every second."""

    def __init__(self, app: App, handlers: Mapping[str, Handler], *, slots: int = 8, node: str | None = None) -> None:
        """`node`: the process whose heartbeat keeps the leases; without it only the lease ends the run of a dead worker."""
        self._app, self._handlers, self._node = app, handlers, node
        self._slots = asyncio.Semaphore(slots)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: set[int] = set()  # ids of jobs being run here
        self._loop_task: asyncio.Task[None] | None = None

    def on_published(self, topic: str, hint: Any) -> None:
        self._wake.set()

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    async def start(self) -> None:
        if not self._app.settings.database_url:
            with contextlib.suppress(StorageFull):  # the leases will expire
                await self._app.write(release_all)
        self._app.bus.watch(TOPIC, self)
        self._loop_task = asyncio.create_task(self._loop(), name="jobs")

    async def close(self) -> None:
        """Stops claiming and waits three seconds for running jobs; another worker claims the others later."""
        self._app.bus.unwatch(TOPIC, self)
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        if self._tasks:
            _, still_running = await asyncio.wait(self._tasks, timeout=3)
            for task in still_running:
                task.cancel()
            await asyncio.gather(*still_running, return_exceptions=True)

    async def _loop(self) -> None:
        while True:
            try:
                claimed = await self.claim_batch()
                if claimed:
                    continue
                due_at = await self._app.read(next_due)
                pause = 1.0
                if due_at is not None:
                    pause = min(max((due_at - self._app.clock.now()).total_seconds(), 0.005), 1.0)
            except Refused:
                pause = 1.0
            except Exception:  # the loop continues while the database is away
                log.exception("jobs_loop_failed")
                pause = 2.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()

    async def claim_batch(self) -> int:
        """Claims and starts one batch; returns the number of jobs. Tests call it with a manual clock."""
        free_slots = min(BATCH, self._slots._value)
        if free_slots == 0:
            async with self._slots:
                free_slots = 1
        claimed = await self._app.write(claim, free_slots, self._node, frozenset(self._running))
        if claimed:
            failpoints.reach("job_claimed")
        for job in claimed:
            await self._slots.acquire()
            self._running.add(job.id)
            task = asyncio.create_task(self._run(job), name=f"job-{job.kind}-{job.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claimed)

    async def idle(self) -> None:
        """Waits until every claimed job has ended."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _run(self, job: Job) -> None:
        try:
            handler = self._handlers.get(job.kind)
            if job.attempts > MAX_ATTEMPTS:
                raise RuntimeError("the process ended during every attempt; the job is not retried automatically")
            if handler is None:
                raise LookupError(f"no handler for jobs of kind {job.kind!r}")
            async with asyncio.timeout(LEASE.total_seconds() - 5):
                await handler(self._app, job)
            failpoints.reach("job_before_finish")
            await self._app.write(finish, job)
            metrics.JOBS_RUN.labels(job.kind, "done").inc()
        except Exception as error:
            log.warning("job_failed", kind=job.kind, job=job.id, attempts=job.attempts, exc_info=True)
            metrics.JOBS_RUN.labels(job.kind, "failed").inc()
            with contextlib.suppress(Refused):
                await self._app.write(fail, job, f"{type(error).__name__}: {error}")
        finally:
            self._running.discard(job.id)
            self._slots.release()
