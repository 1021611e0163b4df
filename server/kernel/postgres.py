"""PostgreSQL: a few writer threads with group commit, and reader threads with snapshots.

Writers use READ COMMITTED: row locks give the order, and state changes are conditional UPDATEs. Readers use REPEATABLE
READ, so one function sees one snapshot.
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
from server.kernel import failpoints
from server.kernel.sql import POSTGRES, Conn, LostRace, Statement, StepServices, Tx
from server.kernel.writing import (
    RERUNS,
    Completion,
    Outcome,
    StatementFailed,
    Statements,
    Work,
    failed,
    not_stored,
    observe,
    run_unit,
    shutting_down,
    unconfirmed,
    units,
)

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 10_000
IDLE_TIMEOUT_MS = 30_000  # of a transaction between two statements
BATCH = 32  # functions in one transaction at most; another transaction that needs a locked row waits for all of them
# Functions that share a transaction lock rows in their order of arrival, so two such transactions can deadlock. After this
# timeout the transaction is rolled back and each function runs alone.
BEGIN_WITH_LOCK_TIMEOUT = "BEGIN; SET LOCAL lock_timeout = 40"  # 40 ms; both in one round trip

RACE_ERRORS = (LostRace, pg.SerializationFailure, pg.DeadlockDetected)


def connect(url: str, *, prepare: bool, read_only: bool = False, limits: bool = True) -> psycopg.Connection[Any]:
    """`prepare=False` for PgBouncer in transaction pooling. `limits=False`: statements may take as long as they need."""
    statement_ms, idle_ms = (STATEMENT_TIMEOUT_MS, IDLE_TIMEOUT_MS) if limits else (0, 0)
    conn = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        prepare_threshold=3 if prepare else None,
        application_name="threadline",
        # Without these a thread waits for hours for a machine that disappeared.
        keepalives_idle=10,
        keepalives_interval=3,
        keepalives_count=3,
        tcp_user_timeout=15_000,  # ms
        options=f"-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout={idle_ms}",
    )
    if read_only:
        conn.read_only = True
    return conn


def translate(error: Exception) -> Exception:
    """Turns a driver error into `LostRace` or `StatementFailed`; returns other errors unchanged."""
    if isinstance(error, pg.UniqueViolation):
        return LostRace(str(error))
    if isinstance(error, pg.DiskFull):
        return StatementFailed(StorageFull())
    if isinstance(error, pg.QueryCanceled | pg.LockNotAvailable | pg.ReadOnlySqlTransaction):
        return StatementFailed(Busy())
    return error


def check_open_transaction(cursor: psycopg.Cursor[Any]) -> None:
    """Raises if the transaction has failed: PostgreSQL would roll back at COMMIT without an error."""
    if cursor.connection.info.transaction_status != TransactionStatus.INTRANS:
        raise StatementFailed(Busy())


class _Worker(threading.Thread):
    """A thread with one connection and one queue. Reconnects automatically; the queue keeps its order."""

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


class _WriterThread(_Worker):
    """Runs all waiting functions in one transaction, commits once, then completes them."""

    def __init__(self, owner: PostgresWriter, name: str, batch: int) -> None:
        super().__init__(owner.url, owner.prepare, False, name)
        self._owner, self._batch = owner, batch

    def run(self) -> None:
        while (first := self.queue.get()) is not None:
            works = [first]
            stop = False
            # Only work that is already queued: no work waits for a larger batch.
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
            outcomes = self._run_together(item) if len(item) > 1 else None
        except Exception:  # the writer continues whatever a step does
            log.exception("writer_batch_failed")
            self.drop()
            outcomes = None
        if outcomes is not None:
            self._report(outcomes, started)
            return
        for work in item:
            started = time.perf_counter()
            try:
                outcome = self._run_until_settled(work)
            except Exception:
                log.exception("writer_failed")
                self.drop()
                outcome = unconfirmed(work)
            self._report([outcome], started)

    def _report(self, outcomes: list[Outcome], started: float) -> None:
        self._owner.finished(len(outcomes))
        observe(outcomes, started)
        self._owner.complete(outcomes)

    def _run_until_settled(self, work: Work) -> Outcome:
        """Runs `work` until it has an outcome; retries after a lost race, a deadlock or a lost connection."""
        for attempt in range(RERUNS + 1):
            if attempt:
                time.sleep(random.uniform(0.001, 0.02) * attempt)  # noqa: S311 - jitter
            try:
                return self._run_alone(work)
            except RACE_ERRORS:
                continue
            except psycopg.OperationalError as error:
                # The connection was lost before COMMIT, so nothing is stored: retry on a new one.
                log.warning("database_connection_lost", error=str(error).strip())
                self.drop()
        return not_stored(work)

    def _run_alone(self, work: Work) -> Outcome:
        """One function in its own transaction."""
        cursor = self.connection().cursor()
        statements = Statements(cursor.execute, translate)
        tx = self._tx(statements)
        cursor.execute("BEGIN")
        try:
            outcomes = run_unit([work], tx, statements)
            tx.run_deferred(tx.deferred)
            failpoints.reach("before_commit")
            check_open_transaction(cursor)
        except Exception as error:
            lost_race = isinstance(error, RACE_ERRORS)
            if cursor.connection.closed or (isinstance(error, psycopg.OperationalError) and not lost_race):
                raise
            cursor.execute("ROLLBACK")
            if lost_race:
                raise
            return failed(work, error)
        return (self._commit(cursor, outcomes) or [not_stored(work)])[0]

    def _run_together(self, works: list[Work]) -> list[Outcome] | None:
        """Runs all `works` in one transaction. Returns None if it was rolled back and each must run alone.

        A function that refuses before it writes leaves nothing to undo. Any other failure rolls back the transaction;
        savepoints would cost two round trips per function.
        """
        cursor = self.connection().cursor()
        outcomes: list[Outcome] = []
        deferred: list[tuple[Statement, Mapping[str, Any]]] = []
        try:
            cursor.execute(BEGIN_WITH_LOCK_TIMEOUT)
            for unit in units(works):
                statements = Statements(cursor.execute, translate)
                tx = self._tx(statements)
                try:
                    outcomes += run_unit(unit, tx, statements)
                except Refused as error:
                    if len(unit) > 1 or statements.wrote:
                        raise
                    outcomes.append(Outcome(unit[0], None, error, []))
                    continue
                deferred += tx.deferred
            self._tx(Statements(cursor.execute, translate)).run_deferred(deferred)
            failpoints.reach("before_commit")
            check_open_transaction(cursor)
        except Exception as error:
            log.debug("batch_undone", works=len(works), error=type(error).__name__)
            try:
                cursor.execute("ROLLBACK")
            except psycopg.Error:
                self.drop()
            return None
        return self._commit(cursor, outcomes)

    def _commit(self, cursor: psycopg.Cursor[Any], outcomes: list[Outcome]) -> list[Outcome] | None:
        """Returns None if the server refused the COMMIT, so nothing is stored."""
        try:
            cursor.execute("COMMIT")
        except psycopg.Error as error:
            # Without a response the outcome is unknown; repeating with the same key is safe.
            unknown = cursor.connection.closed
            log.warning("commit_unknown" if unknown else "commit_failed", error=str(error).strip())
            self.drop()
            return [unconfirmed(outcome.work) for outcome in outcomes] if unknown else None
        failpoints.reach("after_commit")
        return outcomes

    def _tx(self, statements: Statements) -> Tx:
        return Tx(statements, POSTGRES, self._owner.now(), self._owner.services)


class PostgresWriter:
    """`count` threads for interactive work and one for bulk work, which runs one function per transaction.

    Work of one lane always uses the same thread, which keeps its order.
    """

    def __init__(
        self,
        url: str,
        *,
        count: int,
        prepare: bool,
        limit: int,
        now: Callable[[], datetime],
        services: StepServices,
        completion: Completion,
    ) -> None:
        self.url, self.prepare, self.now, self.services = url, prepare, now, services
        self.complete = completion
        self._limit = limit
        self._waiting = 0
        self._next_thread = 0
        self._stopping = False
        self._lock = threading.Lock()
        self._threads = [_WriterThread(self, f"writer-{n}", BATCH) for n in range(count)]
        self._bulk = _WriterThread(self, "writer-bulk", 1)
        for thread in (*self._threads, self._bulk):
            thread.start()

    @property
    def waiting(self) -> int:
        return self._waiting

    @property
    def healthy(self) -> bool:
        return True

    def put(self, work: Work, *, bulk: bool = False) -> None:
        if self._waiting >= self._limit:
            raise Busy()
        with self._lock:
            if self._stopping:
                raise shutting_down()
            self._waiting += 1
            self._thread_for(work, bulk).queue.put(work)

    def _thread_for(self, work: Work, bulk: bool) -> _WriterThread:
        if bulk:
            return self._bulk
        if work.lane is None:
            self._next_thread += 1
            index = self._next_thread
        else:
            index = hash(work.lane)
        return self._threads[index % len(self._threads)]

    def finished(self, count: int) -> None:
        with self._lock:
            self._waiting -= count

    def close(self) -> None:
        with self._lock:  # no work may be queued after the end marker
            self._stopping = True
            for thread in (*self._threads, self._bulk):
                thread.queue.put(None)
        for thread in (*self._threads, self._bulk):
            thread.join(30)


class _ReaderThread(_Worker):
    def handle(self, item: Any) -> None:
        fn, args, loop, future = item
        if future.done():  # the caller gave up while the database was blocked
            return
        result: Any = None
        error: Exception | None = None
        for attempt in (0, 1):
            try:
                result, error = self._snapshot(fn, args), None
                break
            except pg.QueryCanceled:  # the statement timeout
                error = Busy()
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
            return fn(Conn(cursor.execute, POSTGRES, cursor.connection.cancel), *args)
        finally:
            if not cursor.connection.closed:
                cursor.execute("ROLLBACK")


class PostgresReaders:
    """Threads that each run a whole function in one snapshot."""

    def __init__(self, url: str, *, count: int, prepare: bool) -> None:
        self._shared: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stopping = False
        self._threads = [_ReaderThread(url, prepare, True, f"reader-{n}") for n in range(count)]
        for thread in self._threads:
            thread.queue = self._shared
            thread.start()

    async def run(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if self._stopping:
            raise shutting_down()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._shared.put((fn, args, loop, future))
        return await future

    def close(self) -> None:
        """Call it on the event loop, like `run`."""
        self._stopping = True
        for _ in self._threads:
            self._shared.put(None)
        for thread in self._threads:
            thread.join(10)
