"""PostgreSQL: a few writer threads with group commit, and reader threads with snapshots.

Order comes from the thread row's lock and every state change is a conditional UPDATE, so READ
COMMITTED is enough to write. Readers use REPEATABLE READ: one function sees one moment.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg import errors as pg
from psycopg.pq import TransactionStatus

from server.errors import Busy, Refused, StorageFull
from server.kernel import failpoints, metrics
from server.kernel.sql import POSTGRES, Around, Clash, Conn, Statement, Tx
from server.kernel.writing import RERUNS, Completion, Outcome, Work, gave_up, run_unit, units

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 10_000
BATCH = 32  # functions in one transaction at most: whoever wants a row that one of them holds waits for all
# Functions that share a transaction take their rows in whatever order they came, and two such transactions can want
# each other's. Nobody there waits longer than this for a lock: the transaction is undone and each runs alone.
BEGIN_TOGETHER = "BEGIN; SET LOCAL lock_timeout = 40"  # ms; one journey

LOST_RACE = (Clash, pg.SerializationFailure, pg.DeadlockDetected)


def connect(url: str, *, prepare: bool, read_only: bool = False) -> psycopg.Connection[Any]:
    """`prepare=False` for PgBouncer in transaction pooling."""
    conn = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        prepare_threshold=3 if prepare else None,
        application_name="threadline",
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=30000",
    )
    if read_only:
        conn.read_only = True
    return conn


def translate(error: psycopg.Error) -> Exception:
    if isinstance(error, pg.UniqueViolation):
        return Clash(str(error))
    if isinstance(error, pg.DiskFull):
        return StorageFull()
    if isinstance(error, pg.QueryCanceled | pg.LockNotAvailable):
        return Busy()
    return error


class _Worker(threading.Thread):
    """A thread with one connection and one queue. Reconnects by itself; the queue keeps its order."""

    def __init__(self, url: str, prepare: bool, read_only: bool, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._url, self._prepare, self._read_only = url, prepare, read_only
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._conn: psycopg.Connection[Any] | None = None

    def connection(self) -> psycopg.Connection[Any]:
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._url, prepare=self._prepare, read_only=self._read_only)
        return self._conn

    def drop(self) -> None:
        if self._conn is not None:
            try:
                self._conn.close()
            except psycopg.Error:
                log.debug("close_failed")
            self._conn = None

    def run(self) -> None:
        while (item := self.queue.get()) is not None:
            self.handle(item)
        self.drop()

    def handle(self, item: Any) -> None:
        raise NotImplementedError


class _Statements:
    """What one function executes, its errors in our words, and whether it has written."""

    __slots__ = ("_cursor", "wrote")

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor, self.wrote = cursor, False

    def __call__(self, sql: str, values: Any) -> Any:
        if not sql.startswith("SELECT"):
            self.wrote = True
        try:
            return self._cursor.execute(sql, values)
        except psycopg.Error as error:
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error


class _WriterThread(_Worker):
    """Takes what waits, runs it in one transaction, commits once, then answers all."""

    def __init__(self, owner: PostgresWriter, name: str, batch: int) -> None:
        super().__init__(owner.url, owner.prepare, False, name)
        self._owner, self._batch = owner, batch

    def run(self) -> None:
        while (first := self.queue.get()) is not None:
            works = [first]
            stop = False
            # Only what is there already: nobody waits for company.
            while not stop and len(works) < self._batch and not self.queue.empty():
                work = self.queue.get()
                if work is None:
                    stop = True
                else:
                    works.append(work)
            self.handle(works)
            if stop:
                break
        self.drop()

    def handle(self, item: list[Work]) -> None:
        started = time.perf_counter()
        try:
            outcomes = self._together(item) if len(item) > 1 else None
        except Exception:  # the writer must outlive anything a step can do
            log.exception("writer_batch_failed")
            self.drop()
            outcomes = None
        if outcomes is not None:
            self._tell(outcomes, started)
            return
        for work in item:
            started = time.perf_counter()
            try:
                outcome = self._settle(work)
            except Exception:
                log.exception("writer_failed")
                self.drop()
                outcome = gave_up(work)
            self._tell([outcome], started)

    def _tell(self, outcomes: list[Outcome], started: float) -> None:
        self._owner.taken(len(outcomes))
        metrics.WRITER_BATCH.observe(len(outcomes))
        metrics.WRITER_SECONDS.observe(time.perf_counter() - started)
        self._owner.complete(outcomes)

    def _settle(self, work: Work) -> Outcome:
        """Runs until it has an outcome: again after a lost race, a deadlock or a dropped connection."""
        for attempt in range(RERUNS + 1):
            if attempt:
                time.sleep(random.uniform(0.001, 0.02) * attempt)  # noqa: S311 - jitter
            try:
                return self._once(work)
            except LOST_RACE:
                continue
            except psycopg.OperationalError as error:
                # The connection died before COMMIT was sent: nothing happened, so once more on a new one.
                log.warning("database_connection_lost", error=str(error).strip())
                self.drop()
        return gave_up(work)

    def _once(self, work: Work) -> Outcome:
        """One function in its own transaction."""
        cursor = self.connection().cursor()
        tx = self._tx(_Statements(cursor))
        cursor.execute("BEGIN")
        try:
            outcomes = run_unit([work], tx)
            tx.finish(tx.last)
            failpoints.reach("before_commit")
        except Exception as error:
            lost_race = isinstance(error, LOST_RACE)
            if cursor.connection.closed or (isinstance(error, psycopg.OperationalError) and not lost_race):
                raise
            cursor.execute("ROLLBACK")
            if lost_race:
                raise
            if not isinstance(error, Refused):
                log.exception("step_failed", step=getattr(work.step, "__qualname__", str(work.step)))
            return Outcome(work, None, error, [])
        return self._commit(cursor, outcomes)[0]

    def _together(self, works: list[Work]) -> list[Outcome] | None:
        """All of `works` in one transaction. None: nothing happened, and each is to run alone.

        Who refuses before it has written anything has nothing to undo, and stays. Anything else that goes wrong ends
        the transaction; a savepoint for each function would cost two journeys more.
        """
        cursor = self.connection().cursor()
        outcomes: list[Outcome] = []
        last: list[tuple[Statement, Mapping[str, Any]]] = []
        try:
            cursor.execute(BEGIN_TOGETHER)
            for unit in units(works):
                statements = _Statements(cursor)
                tx = self._tx(statements)
                try:
                    outcomes += run_unit(unit, tx)
                except Refused as error:
                    writing = cursor.connection.info.transaction_status == TransactionStatus.INTRANS
                    if len(unit) > 1 or statements.wrote or not writing:
                        raise
                    outcomes.append(Outcome(unit[0], None, error, []))
                    continue
                last += tx.last
            self._tx(_Statements(cursor)).finish(last)
            failpoints.reach("before_commit")
        except Exception as error:
            log.debug("batch_undone", works=len(works), error=type(error).__name__)
            try:
                cursor.execute("ROLLBACK")
            except psycopg.Error:
                self.drop()
            return None
        return self._commit(cursor, outcomes)

    def _commit(self, cursor: psycopg.Cursor[Any], outcomes: list[Outcome]) -> list[Outcome]:
        try:
            cursor.execute("COMMIT")
        except psycopg.OperationalError as error:
            # Whether it happened is unknown: nobody is acknowledged, and repeating with the same key is safe.
            log.warning("commit_unknown", error=str(error).strip())
            self.drop()
            return [gave_up(outcome.work) for outcome in outcomes]
        failpoints.reach("after_commit")
        return outcomes

    def _tx(self, statements: _Statements) -> Tx:
        return Tx(statements, POSTGRES, self._owner.now(), self._owner.around)


class PostgresWriter:
    """`count` threads for interactive work and one for bulk, whose slices are transactions of their own.

    A lane always goes to the same thread, so it keeps its order.
    """

    def __init__(
        self,
        url: str,
        *,
        count: int,
        prepare: bool,
        limit: int,
        now: Callable[[], datetime],
        around: Around,
        completion: Completion,
    ) -> None:
        self.url, self.prepare, self.now, self.around = url, prepare, now, around
        self.complete = completion
        self._limit = limit
        self._waiting = 0
        self._turn = 0
        self._lock = threading.Lock()
        self._threads = [_WriterThread(self, f"writer-{n}", BATCH) for n in range(count)]
        self._bulk = _WriterThread(self, "writer-bulk", 1)
        for thread in (*self._threads, self._bulk):
            thread.start()

    @property
    def waiting(self) -> int:
        return self._waiting

    @property
    def sound(self) -> bool:
        return True

    def put(self, work: Work, *, bulk: bool = False) -> None:
        if self._waiting >= self._limit:
            raise Busy()
        with self._lock:
            self._waiting += 1
        if bulk:
            self._bulk.queue.put(work)
            return
        if work.lane is None:
            self._turn += 1
            place = self._turn
        else:
            place = hash(work.lane)
        self._threads[place % len(self._threads)].queue.put(work)

    def taken(self, count: int) -> None:
        with self._lock:
            self._waiting -= count

    def close(self) -> None:
        for thread in (*self._threads, self._bulk):
            thread.queue.put(None)
        for thread in (*self._threads, self._bulk):
            thread.join(30)


class _ReaderThread(_Worker):
    def handle(self, item: Any) -> None:
        fn, args, loop, future = item
        result: Any = None
        error: Exception | None = None
        for attempt in (0, 1):
            try:
                result, error = self._snapshot(fn, args), None
                break
            except psycopg.OperationalError as lost:
                self.drop()
                error = Busy()
                if attempt:
                    log.warning("read_failed", error=str(lost).strip())
            except Exception as failed:
                error = failed
                break

        def settle() -> None:
            if not future.done():
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(result)

        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            return

    def _snapshot(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        cursor = self.connection().cursor()
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            return fn(Conn(cursor.execute, POSTGRES), *args)
        finally:
            if not cursor.connection.closed:
                cursor.execute("ROLLBACK")


class PostgresReaders:
    """Threads that each take a whole function in one hop."""

    def __init__(self, url: str, *, count: int, prepare: bool) -> None:
        self._shared: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads = [_ReaderThread(url, prepare, True, f"reader-{n}") for n in range(count)]
        for thread in self._threads:
            thread.queue = self._shared
            thread.start()

    async def run(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._shared.put((fn, args, loop, future))
        return await future

    def close(self) -> None:
        for _ in self._threads:
            self._shared.put(None)
        for thread in self._threads:
            thread.join(10)
