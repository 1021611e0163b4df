"""SQLite: one writer thread with group commit, and two query-only readers.

Transactions begin with an explicit `BEGIN IMMEDIATE`: a deferred transaction that begins to write can fail with "locked".
A full disk rolls back the whole transaction, savepoints included, so `in_transaction` is checked after every error.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiosqlite
import structlog

from server.errors import Busy, StorageFull, Unconfirmed
from server.kernel import failpoints
from server.kernel.sql import SQLITE, Conn, LostRace, Statement, StepServices, Tx
from server.kernel.sqlite_file import FileIdentity, make_private
from server.kernel.writing import (
    RERUNS,
    Completion,
    Outcome,
    StatementFailed,
    Statements,
    Work,
    failed,
    observe,
    run_unit,
    shutting_down,
    unconfirmed,
    units,
)

log = structlog.get_logger()

BATCH = 500  # functions in one transaction at most
BUSY_TIMEOUT_MS = 2_000  # a request may wait for two batches
# Pages in the log before a checkpoint, which takes two more syncs. Higher than SQLite's default because the same few pages
# change often; the log grows to 33 MB.
CHECKPOINT_PAGES = 8_000
WRITER_CACHE, READER_CACHE = 16_384, 8_192
FILE_MOVED = (
    "The server's database file is missing. Keep a copy of what you wrote. An administrator has to check the server."
)


def connect(path: Path, *, sync: str, query_only: bool = False) -> sqlite3.Connection:
    """Opens the file with explicit transactions and all pragmas set."""
    if not query_only:
        make_private(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    db.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={sync}")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA temp_store=MEMORY")
    # KiB. Readers need little: the operating system caches the file's pages for all connections.
    db.execute(f"PRAGMA cache_size={-READER_CACHE if query_only else -WRITER_CACHE}")
    if query_only:
        # Only the writer checkpoints: SQLite before 3.51.3 has a bug when two connections do.
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("PRAGMA query_only=ON")
    else:
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    return db


def translate(error: Exception) -> Exception:
    """Turns a driver error into `LostRace` or `StatementFailed`; returns other errors unchanged."""
    if not isinstance(error, sqlite3.Error):
        return error
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in text:
        return LostRace(text)
    if "database or disk is full" in text:
        return StatementFailed(StorageFull())
    if "locked" in text or "busy" in text:
        return StatementFailed(Busy())
    if "readonly" in text or "disk I/O error" in text or "unable to open" in text:
        return StatementFailed(
            Busy("The server cannot write to its database right now. Nothing was lost. Try again in a moment.", 10.0)
        )
    return error


class SqliteWriter:
    """Owns the one connection that writes.

    Runs all waiting functions in one transaction, commits once, and then completes them: one sync per batch, and nothing
    is acknowledged before it. A function that fails does not affect the others. Bulk work runs in transactions of its
    own, between batches of interactive work.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: str,
        limit: int,
        now: Callable[[], datetime],
        services: StepServices,
        completion: Completion,
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_full` is called when the disk is full, before the callers get their outcomes."""
        self._on_full = on_full
        self._path, self._sync, self._limit = path, sync, limit
        self._now, self._services, self._complete = now, services, completion
        self._interactive: deque[Work] = deque()
        self._bulk: deque[Work] = deque()
        self._wake = threading.Event()
        self._handing_over = False
        self._stopping = False
        self._lock = threading.Lock()
        self._db = connect(path, sync=sync)
        self._identity = FileIdentity(path)
        self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._interactive) + len(self._bulk)

    @property
    def healthy(self) -> bool:
        """Whether the path still leads to the opened file."""
        return self._identity.unchanged()

    def put(self, work: Work, *, bulk: bool = False) -> None:
        queue = self._bulk if bulk else self._interactive
        if len(queue) >= self._limit:
            raise Busy()
        with self._lock:
            if self._stopping:
                raise shutting_down()
            queue.append(work)
        if not self._handing_over:
            self._handing_over = True
            self._complete.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        """Wakes the writer. Runs on the event loop, after the current iteration.

        Work of one iteration then shares one transaction, and the two threads do not compete for the interpreter lock.
        """
        if self._interactive or self._bulk:
            self._wake.set()
        else:
            self._handing_over = False

    def close(self) -> None:
        with self._lock:  # finish the work that is already queued; refuse later work
            self._stopping = True
        self._wake.set()
        self._thread.join(30)

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            self._run_waiting()
            self._complete.call_after_outcomes(self._hand_over)
        while self.waiting:
            self._run_waiting()
        self._db.execute("PRAGMA optimize")
        self._db.close()

    def _run_waiting(self) -> None:
        if self._interactive:
            self._run_batch([self._interactive.popleft() for _ in range(min(BATCH, len(self._interactive)))])
        if self._bulk:
            self._run_batch([self._bulk.popleft()])

    def _run_batch(self, works: list[Work]) -> None:
        """Runs `works` until each has an outcome, in further transactions if one fails."""
        savepoints = False
        while works:
            started = time.perf_counter()
            try:
                outcomes, works = self._transaction(works, savepoints)
            except Exception:  # the writer continues whatever a step does
                log.exception("writer_batch_failed")
                self._rollback()
                outcomes, works = [unconfirmed(work) for work in works], []
            savepoints = True
            if outcomes:
                observe(outcomes, started)
                self._complete(outcomes)

    def _transaction(self, works: list[Work], savepoints: bool) -> tuple[list[Outcome], list[Work]]:
        """Runs `works` in one transaction. Returns the outcomes, and the works to run in a new transaction.

        The first attempt uses no savepoints, which cost two statements per function: a function that fails before it
        writes leaves nothing to undo. If a function fails after it wrote, the transaction is rolled back and the other
        functions run again with savepoints.
        """
        db = self._db
        if not self._identity.unchanged():
            # Nobody could open this file again, so writes to it must not be acknowledged (F9).
            log.error("database_file_gone", path=str(self._path), advice="put it back, or stop and restore a backup")
            return [Outcome(work, None, Busy(FILE_MOVED, 30.0), []) for work in works], []
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            refused = self._translate(error)
            return [failed(work, refused) for work in works], []
        outcomes: list[Outcome] = []
        deferred: list[tuple[Statement, Mapping[str, Any]]] = []
        for unit in [[work] for work in works] if savepoints else units(works):
            statements = Statements(db.execute, self._translate)
            tx = Tx(statements, SQLITE, self._now(), self._services)
            if savepoints:
                db.execute("SAVEPOINT s")
            changes = db.total_changes
            try:
                unit_outcomes = run_unit(unit, tx, statements)
                if not db.in_transaction:  # SQLite rolled back: further statements would commit one by one
                    raise StatementFailed(Busy())
                outcomes += unit_outcomes
                deferred += tx.deferred
            except Exception as error:
                if len(unit) > 1:
                    self._rollback()
                    return [], works
                # Fetching rows raises the driver's errors.
                outcomes.append(failed(unit[0], self._translate(error)))
                # A full disk rolls back the whole transaction, savepoints included.
                rolled_back = not db.in_transaction
                if rolled_back or (not savepoints and db.total_changes != changes):
                    # Nothing of this batch is acknowledged; the others run again without the failed function.
                    self._rollback()
                    failures, _ = self._rerun_lost_races([outcome for outcome in outcomes if outcome.error is not None])
                    settled = {id(outcome.work) for outcome in failures}
                    return failures, [work for work in works if id(work) not in settled]
                if savepoints:
                    db.execute("ROLLBACK TO s")
            if savepoints:
                db.execute("RELEASE s")
        failpoints.reach("before_commit")
        try:
            if deferred:
                Tx(Statements(db.execute, self._translate), SQLITE, self._now(), self._services).run_deferred(deferred)
            db.execute("COMMIT")
        except (sqlite3.Error, StatementFailed, LostRace) as error:
            log.warning("commit_failed", error=str(error))
            cause = self._translate(error)
            refused = cause.refusal if isinstance(cause, StatementFailed) else Busy()
            # Certainly not stored if the transaction is open or the disk is full. After a disk error the log may contain it.
            if not db.in_transaction and not isinstance(refused, StorageFull):
                refused = Unconfirmed()
            self._rollback()
            return [Outcome(work, None, refused, []) for work in works], []
        failpoints.reach("after_commit")
        return self._rerun_lost_races(outcomes)

    @staticmethod
    def _rerun_lost_races(outcomes: list[Outcome]) -> tuple[list[Outcome], list[Work]]:
        settled: list[Outcome] = []
        to_rerun: list[Work] = []
        for outcome in outcomes:
            if isinstance(outcome.error, LostRace):
                if outcome.work.reruns < RERUNS:
                    outcome.work.reruns += 1
                    to_rerun.append(outcome.work)
                    continue
                outcome.error = Busy()
            settled.append(outcome)
        return settled, to_rerun

    def _translate(self, error: Exception) -> Exception:
        translated = translate(error)
        if isinstance(translated, StatementFailed) and isinstance(translated.refusal, StorageFull):
            self._on_full()
        return translated

    def _rollback(self) -> None:
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                log.exception("rollback_failed")


class Reader(aiosqlite.Connection):
    """A query-only connection with a thread that runs a whole function in one snapshot."""

    async def run(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if not self._running or self._connection is None:
            raise shutting_down()
        return await self._execute(self._snapshot, fn, args)  # type: ignore[no-untyped-call]

    def _snapshot(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        db = self._conn
        db.execute("BEGIN")
        try:
            return fn(Conn(db.execute, SQLITE, db.interrupt), *args)
        finally:
            db.execute("ROLLBACK")


async def open_reader(path: Path) -> Reader:
    reader = Reader(lambda: connect(path, sync="NORMAL", query_only=True), 64)
    await reader
    return reader
