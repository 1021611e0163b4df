"""SQLite: one writer thread with group commit, and two query-only readers.

Tried: the driver's default transaction handling loses updates silently; a deferred transaction
that upgrades fails at once; a full disk rolls back the whole transaction, savepoints included
(GUARANTEES 7). Hence `BEGIN IMMEDIATE` by hand, and `in_transaction` is looked at after any error.
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

from server.errors import Busy, Refused, StorageFull
from server.kernel import failpoints, metrics
from server.kernel.sql import SQLITE, Around, Clash, Conn, Statement, Tx
from server.kernel.sqlite_file import Identity
from server.kernel.writing import RERUNS, Completion, Outcome, Work, gave_up, run_unit, units

log = structlog.get_logger()

BATCH = 500  # functions in one transaction at most
BUSY_TIMEOUT_MS = 5_000
# Pages of the log before its content moves into the file, which takes two more syncs: at SQLite's own 1,000 every
# hundred messages. The same few pages change again and again, so waiting makes less work; the log grows to 33 MB.
CHECKPOINT_PAGES = 8_000
WRITER_CACHE, READER_CACHE = 16_384, 8_192
GONE = "The server's database file was moved away. Keep what you wrote; an administrator must look at the server."


def connect(path: Path, *, sync: str, query_only: bool = False) -> sqlite3.Connection:
    """Opens the file with transactions in our hands and every pragma that matters."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    db.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={sync}")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA temp_store=MEMORY")
    # KiB. A reader's is small: the system keeps the file's pages for all of them, and a page from there costs a
    # microsecond or two; three large ones would be memory that strangers make grow.
    db.execute(f"PRAGMA cache_size={-READER_CACHE if query_only else -WRITER_CACHE}")
    if query_only:
        # Only the writer checkpoints: two connections doing it meet a SQLite bug fixed in 3.51.3.
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("PRAGMA query_only=ON")
    else:
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    return db


def translate(error: sqlite3.Error) -> Exception:
    """The driver's errors in our words; what is not expected stays as it is."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in text:
        return Clash(text)
    if "database or disk is full" in text:
        return StorageFull()
    if "locked" in text or "busy" in text:
        return Busy()
    if "readonly" in text or "disk I/O error" in text or "unable to open" in text:
        return Busy("The server cannot write to its database right now. Nothing was lost: try again in a moment.", 10.0)
    return error


class SqliteWriter:
    """Owns the one connection that writes.

    Takes what is waiting, opens one transaction, runs each function in it, commits once, then answers
    all: one sync a batch, and nothing is acknowledged before it. A function that fails takes only itself
    along. Two lanes; a bulk slice gets a batch of its own between interactive ones.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: str,
        limit: int,
        now: Callable[[], datetime],
        around: Around,
        completion: Completion,
        full: Callable[[], None] = lambda: None,
    ) -> None:
        """`full` is called when there was no room on the disk, before anybody is told."""
        self._full = full
        self._path, self._sync, self._limit = path, sync, limit
        self._now, self._around, self._complete = now, around, completion
        self._interactive: deque[Work] = deque()
        self._bulk: deque[Work] = deque()
        self._wake = threading.Event()
        self._at_work = False
        self._stopping = False
        self._db = connect(path, sync=sync)
        self._identity = Identity(path)
        self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._interactive) + len(self._bulk)

    @property
    def sound(self) -> bool:
        """Is the file still the one that was opened?"""
        return self._identity.same()

    def put(self, work: Work, *, bulk: bool = False) -> None:
        if self._stopping:
            raise Busy("The server is shutting down. Try again in a moment.")
        queue = self._bulk if bulk else self._interactive
        if len(queue) >= self._limit:
            raise Busy()
        queue.append(work)
        if not self._at_work:
            self._at_work = True
            self._complete.soon(self._begin)

    def _begin(self) -> None:
        """On the loop, when its turn is over: the writer may take what has come together.

        The loop hands over, the writer never helps itself: what arrived in one turn goes into one transaction, and
        the two threads do not fight for the interpreter, which costs a switch and a half a function.
        """
        if self._interactive or self._bulk:
            self._wake.set()
        else:
            self._at_work = False

    def close(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(30)

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            self._take()
            self._complete.turn_over(self._begin)
        while self.waiting:
            self._take()
        self._db.execute("PRAGMA optimize")
        self._db.close()

    def _take(self) -> None:
        if self._interactive:
            self._batch([self._interactive.popleft() for _ in range(min(BATCH, len(self._interactive)))])
        if self._bulk:
            self._batch([self._bulk.popleft()])

    def _batch(self, works: list[Work]) -> None:
        """Runs `works` until each has an outcome; several transactions when one breaks."""
        careful = False
        while works:
            started = time.perf_counter()
            try:
                outcomes, works = self._transaction(works, careful)
            except Exception:  # the writer must outlive anything a step can do
                log.exception("writer_batch_failed")
                self._rollback()
                outcomes, works = [gave_up(work) for work in works], []
            careful = True
            if outcomes:
                metrics.WRITER_BATCH.observe(len(outcomes))
                metrics.WRITER_SECONDS.observe(time.perf_counter() - started)
                self._complete(outcomes)

    def _transaction(self, works: list[Work], careful: bool) -> tuple[list[Outcome], list[Work]]:
        """One BEGIN … COMMIT. Returns the outcomes, and the works that must run in a new one.

        A savepoint for each function costs two statements more, and hardly any fails after it has written. So the
        first try goes without: who fails before writing has nothing to undo, who fails later ends the transaction
        and the others run again, then with savepoints.
        """
        db = self._db
        if not self._identity.same():
            # Acknowledging what goes into a file nobody can open again would be a lie (F9).
            log.error("database_file_gone", path=str(self._path), advice="put it back, or stop and restore a backup")
            return [Outcome(work, None, Busy(GONE, 30.0), []) for work in works], []
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            refused = self._translate(error)
            return [Outcome(work, None, refused, []) for work in works], []
        outcomes: list[Outcome] = []
        last: list[tuple[Statement, Mapping[str, Any]]] = []
        for unit in [[work] for work in works] if careful else units(works):
            tx = Tx(self._execute, SQLITE, self._now(), self._around)
            if careful:
                db.execute("SAVEPOINT s")
            changes = db.total_changes
            try:
                outcomes += run_unit(unit, tx)
                last += tx.last
            except Exception as error:
                if len(unit) > 1:
                    self._rollback()
                    return [], works
                work = unit[0]
                if not isinstance(error, (Refused, Clash)):
                    log.exception("step_failed", step=getattr(work.step, "__qualname__", str(work.step)))
                outcomes.append(Outcome(work, None, error, []))
                # A full disk takes the whole transaction with it, savepoints and all.
                gone = not db.in_transaction
                if gone or (not careful and db.total_changes != changes):
                    # Nobody of this batch is acknowledged; the others run again without the culprit.
                    self._rollback()
                    told, _ = self._rerun_clashes([outcome for outcome in outcomes if outcome.error is not None])
                    settled = {id(outcome.work) for outcome in told}
                    return told, [other for other in works if id(other) not in settled]
                if careful:
                    db.execute("ROLLBACK TO s")
            if careful:
                db.execute("RELEASE s")
        failpoints.reach("before_commit")
        try:
            if last:
                Tx(self._execute, SQLITE, self._now(), self._around).finish(last)
            db.execute("COMMIT")
        except (sqlite3.Error, Refused) as error:
            # Nobody may be acknowledged; whether it happened is unknown, and repeating is safe.
            log.warning("commit_failed", error=str(error))
            self._rollback()
            cause = self._translate(error) if isinstance(error, sqlite3.Error) else error
            refused = cause if isinstance(cause, Refused) else Busy()
            return [Outcome(work, None, refused, []) for work in works], []
        failpoints.reach("after_commit")
        return self._rerun_clashes(outcomes)

    @staticmethod
    def _rerun_clashes(outcomes: list[Outcome]) -> tuple[list[Outcome], list[Work]]:
        settled: list[Outcome] = []
        again: list[Work] = []
        for outcome in outcomes:
            if isinstance(outcome.error, Clash):
                if outcome.work.reruns < RERUNS:
                    outcome.work.reruns += 1
                    again.append(outcome.work)
                    continue
                outcome.error = Busy()
            settled.append(outcome)
        return settled, again

    def _execute(self, sql: str, values: Any) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            translated = self._translate(error)
            if translated is error:
                raise
            raise translated from error

    def _translate(self, error: sqlite3.Error) -> Exception:
        found = translate(error)
        if isinstance(found, StorageFull):
            self._full()
        return found

    def _rollback(self) -> None:
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                log.exception("rollback_failed")


class Reader(aiosqlite.Connection):
    """A query-only connection whose thread takes a whole function in one hop, in one snapshot."""

    async def run(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return await self._execute(self._snapshot, fn, args)  # type: ignore[no-untyped-call]

    def _snapshot(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        db = self._conn
        db.execute("BEGIN")
        try:
            return fn(Conn(db.execute, SQLITE), *args)
        finally:
            db.execute("ROLLBACK")


async def open_reader(path: Path) -> Reader:
    reader = Reader(lambda: connect(path, sync="NORMAL", query_only=True), 64)
    await reader
    return reader
