"""Later work: one table, one claim (DESIGN 8).

A job is an alarm clock; the row it names decides. `run_at` is schedule and lease at once: claiming
moves it past the lease and raises `turn`, finishing deletes only the same `turn`, so a worker that
slept past its lease cannot finish somebody else's run. Enqueueing an existing key moves its time;
while it is being run the wish is kept in `again_at` and becomes the next `run_at`. What a run wants
for itself (`go_on`) gives way to such a wish.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Text, bindparam, case, delete, func, null, select, update
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
    failed_at: datetime  # when it would have been tried next: minutes after the last attempt


Handler = Callable[[App, Job], Awaitable[None]]

_put = insert(jobs).values(
    kind=bindparam("kind"),
    key=bindparam("key"),
    payload=bindparam("payload"),
    priority=bindparam("priority"),
    run_at=bindparam("run_at"),
    created_at=bindparam("now"),
)
_ENQUEUE = Statement(
    _put.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "payload": _put.excluded.payload,
            # Being run right now: remember the wish; else move the alarm.
            "run_at": case((jobs.c.running, jobs.c.run_at), else_=_put.excluded.run_at),
            "again_at": case((jobs.c.running, _put.excluded.run_at), else_=null()),
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
_DUE = Statement(_due)
_DUE_SKIPPING = Statement(_due.with_for_update(skip_locked=True))
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
_AGAIN = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn"), jobs.c.again_at.is_not(None))
    .values(run_at=jobs.c.again_at, again_at=null(), running=False, attempts=0)
)
_FINISH = Statement(delete(jobs).where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn")))
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
_GO_ON = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.turn == bindparam("of_turn"), jobs.c.again_at.is_(None))
    .values(payload=bindparam("payload"), again_at=bindparam("next", type_=Instant))
)
_FREE_ALL = Statement(update(jobs).where(jobs.c.running).values(running=False, run_at=bindparam("at", type_=Instant)))
_RETRY = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.dead)
    .values(dead=False, running=False, attempts=0, run_at=bindparam("at", type_=Instant))
)
_DEAD_ONES = Statement(
    select(jobs.c.id, jobs.c.kind, jobs.c.attempts, jobs.c.last_error, jobs.c.created_at, jobs.c.run_at)
    .where(jobs.c.dead)
    .order_by(jobs.c.id.desc())
    .limit(bindparam("n"))
)
_NEXT = Statement(select(func.min(jobs.c.run_at).label("at")).where(~jobs.c.dead))
_DEAD = Statement(select(func.count().label("n")).where(jobs.c.dead))


def enqueue(
    tx: Tx, kind: str, payload: dict[str, Any], *, run_at: datetime, key: str | None = None, priority: int = 30
) -> None:
    """One row in the caller's transaction. With a `key`, there is at most one such job."""
    tx.run(_ENQUEUE, kind=kind, key=key, payload=payload, priority=priority, run_at=run_at, now=tx.now)
    tx.ring(TOPIC)


def enqueue_last(tx: Tx, kind: str, payload: dict[str, Any], *, run_at: datetime, key: str, priority: int = 30) -> None:
    """As `enqueue`, just before COMMIT: for a key that many transactions share, whose lock must not be held long."""
    tx.run_last(_ENQUEUE, kind=kind, key=key, payload=payload, priority=priority, run_at=run_at, now=tx.now)
    tx.ring(TOPIC)


def go_on(tx: Tx, job: Job, payload: dict[str, Any], *, run_at: datetime) -> bool:
    """The next run of a job with a key, as its present run wants it: nothing that `enqueue` asked for meanwhile is
    overwritten. False: such a wish stands, and is what runs next, or the lease was lost."""
    return tx.run(_GO_ON, job=job.id, of_turn=job.turn, payload=payload, next=run_at) > 0


def cancel(tx: Tx, key: str) -> bool:
    """False when there was none, or it is being run (the row it names then decides)."""
    return tx.run(_CANCEL, key=key) > 0


def claim(tx: Tx, limit: int, node: str | None = None, held: frozenset[int] = frozenset()) -> list[Job]:
    """Due jobs, most urgent class first, leased to the caller until `now + LEASE`, or until `node` falls silent.

    `held`: what the caller is still running. A wall clock that is put forward ends every lease at once (G23).
    """
    found: list[int] = []
    for priority in PRIORITIES:
        room = limit - len(found)
        if room <= 0:
            break
        due = _DUE_SKIPPING if tx.postgres else _DUE
        rows = tx.all(due, priority=priority, now=tx.now, n=room + len(held))
        found += [row.id for row in rows if row.id not in held][:room]
    if not found:
        return []
    rows = tx.all(_CLAIM, ids=found, lease_until=tx.now + LEASE, by=node)
    place = {job_id: n for n, job_id in enumerate(found)}
    rows.sort(key=lambda row: place[row.id])
    return [Job(row.id, row.kind, row.payload, row.turn, row.attempts) for row in rows]


def finish(tx: Tx, job: Job) -> None:
    if not tx.run(_AGAIN, job=job.id, of_turn=job.turn):
        tx.run(_FINISH, job=job.id, of_turn=job.turn)


def fail(tx: Tx, job: Job, error: str) -> None:
    """Tries again with growing pauses; after `MAX_ATTEMPTS` it is dead and waits for a person."""
    dead = job.attempts >= MAX_ATTEMPTS
    if dead and tx.run(_AGAIN, job=job.id, of_turn=job.turn):
        return  # asked for anew during the last attempt: it has all of them again
    pause = timedelta(seconds=min(2**job.attempts, 900))
    tx.run(_FAIL, job=job.id, of_turn=job.turn, next=tx.now + pause, error=error[:500], is_dead=dead)


def free_all(tx: Tx) -> int:
    """SQLite at start: this process holds the file alone, so every lease is a dead one's."""
    return tx.run(_FREE_ALL, at=tx.now)


def next_due(conn: Conn) -> datetime | None:
    at: datetime | None = conn.value(_NEXT)
    return at


def dead_count(conn: Conn) -> int:
    return int(conn.value(_DEAD))


def dead_ones(conn: Conn, limit: int) -> list[DeadJob]:
    """Jobs that gave up and wait for a person, newest first."""
    return [DeadJob(*row) for row in conn.all(_DEAD_ONES, n=limit)]


def retry(tx: Tx, job_id: int) -> bool:
    """Due at once, with all its attempts again. False when there is no such dead job."""
    won = tx.run(_RETRY, job=job_id, at=tx.now) > 0
    if won:
        tx.ring(TOPIC)
    return won


class Worker:
    """Claims and runs jobs until closed. Woken by doorbell, by the next due time, or each second."""

    def __init__(self, app: App, handlers: Mapping[str, Handler], *, slots: int = 8, node: str | None = None) -> None:
        """`node`: whose heart beats while this worker lives; without one, only the lease ends a lost run."""
        self._app, self._handlers, self._node = app, handlers, node
        self._slots = asyncio.Semaphore(slots)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: set[int] = set()  # ids of jobs being run here
        self._loop_task: asyncio.Task[None] | None = None

    def heard(self, topic: str, hint: Any) -> None:
        self._wake.set()

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    async def start(self) -> None:
        if not self._app.settings.database_url:
            with contextlib.suppress(StorageFull):  # their leases end by themselves, too
                await self._app.write(free_all)
        self._app.bus.watch(TOPIC, self)
        self._loop_task = asyncio.create_task(self._loop(), name="jobs")

    async def close(self) -> None:
        """Stops claiming, gives running jobs three seconds; what is left is claimed again, by its lease or sooner."""
        self._app.bus.unwatch(TOPIC, self)
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=3)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _loop(self) -> None:
        while True:
            try:
                claimed = await self.step()
                if claimed:
                    continue
                due = await self._app.read(next_due)
                pause = 1.0
                if due is not None:
                    pause = min(max((due - self._app.clock.now()).total_seconds(), 0.005), 1.0)
            except Refused:
                pause = 1.0
            except Exception:  # the loop must outlive a database that is away
                log.exception("jobs_loop_failed")
                pause = 2.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()

    async def step(self) -> int:
        """Claims one batch and starts it; returns how many. Tests call it with a manual clock."""
        free = min(BATCH, self._slots._value)
        if free == 0:
            async with self._slots:
                free = 1
        claimed = await self._app.write(claim, free, self._node, frozenset(self._held))
        if claimed:
            failpoints.reach("job_claimed")
        for job in claimed:
            await self._slots.acquire()
            self._held.add(job.id)
            task = asyncio.create_task(self._run(job), name=f"job-{job.kind}-{job.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claimed)

    async def idle(self) -> None:
        """Waits until nothing that was claimed is running."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _run(self, job: Job) -> None:
        try:
            handler = self._handlers.get(job.kind)
            if job.attempts > MAX_ATTEMPTS:
                raise RuntimeError("every attempt ended with its process; it is not tried again by itself")
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
            self._held.discard(job.id)
            self._slots.release()
