"""`read`, `write` and `submit` for SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from server.errors import Busy, Refused, StorageFull
from server.kernel.clock import Clock
from server.kernel.deadlines import Deadline, DeadlineExceeded
from server.kernel.reserve import Reserve
from server.kernel.sql import StepServices
from server.kernel.writing import Completion, Done, Publications, Step, Work, Writer, future_done
from server.settings import Settings

log = structlog.get_logger()

# longer waits raise `Busy`; shorter than the response timeout, so the caller knows that nothing was stored
READ_TIMEOUT_S = 8.0
DAMAGE_CHECK_S = 0.3  # at start; the doctor and every backup check longer


class Database:
    """`read` runs whole in one snapshot on a reader, `write` in the writer; both take plain functions.

    Slow reads (search, export) have their own reader, so they never delay fast ones.
    """

    def __init__(
        self,
        writer: Writer,
        fast: Any,
        slow: Any,
        close: Callable[[], Any],
        release: Callable[[], None],
        reserve: Reserve,
    ) -> None:
        self._writer, self._fast, self._slow, self.reserve = writer, fast, slow, reserve
        self._close, self._release = close, release

    @property
    def waiting(self) -> int:
        """The number of functions that wait for the writer."""
        return self._writer.waiting

    @property
    def healthy(self) -> bool:
        return self._writer.healthy

    async def read(self, fn: Callable[..., Any], *args: Any) -> Any:
        try:
            async with Deadline(READ_TIMEOUT_S):
                return await self._fast.run(fn, args)
        except DeadlineExceeded:
            log.warning("read_late", fn=getattr(fn, "__qualname__", ""))
            raise Busy() from None

    async def read_slowly(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self._slow.run(fn, args)

    async def write(
        self, step: Step, *args: Any, lane: str | int | None = None, bulk: bool = False, joined: bool = False
    ) -> Any:
        """Runs `step(tx, *args)`; returns only after COMMIT. Raises what the step raised, or `Busy`.

        `joined`: `step(tx, [args, ...])` takes all waiting calls and returns a result for each.
        """
        _, future = self._put(step, args, lane, joined, bulk)
        return await future

    async def write_bulk(self, step: Step, *args: Any) -> tuple[Any, float]:
        """Runs a bulk step in a transaction of its own. Returns its result and the seconds from BEGIN to COMMIT."""
        work, future = self._put(step, args, None, False, True)
        return await future, work.seconds

    def _put(
        self, step: Step, args: tuple[Any, ...], lane: str | int | None, joined: bool, bulk: bool
    ) -> tuple[Work, asyncio.Future[Any]]:
        if self.reserve.spent and self.reserve.refuses_writes:
            raise StorageFull()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        work = Work(step, args, future_done(future), lane, joined)
        self._writer.put(work, bulk=bulk)
        return work, future

    def submit(self, step: Step, *args: Any, done: Done, lane: str | int | None = None, joined: bool = False) -> None:
        """Queues a step and does not wait: `done(result, error)` is called on the loop after COMMIT."""
        if self.reserve.spent and self.reserve.refuses_writes:
            asyncio.get_running_loop().call_soon(done, None, StorageFull())
            return
        self._writer.put(Work(step, args, done, lane, joined))

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close)
        await self._close()
        self._release()


async def open_database(
    settings: Settings, clock: Clock, services: StepServices, publish: Callable[[Publications], None]
) -> Database:
    completion = Completion(asyncio.get_running_loop(), publish)
    common = {"limit": settings.writer_queue, "now": clock.now, "services": services, "completion": completion}
    if settings.database_url is not None:
        from server.kernel.postgres import PostgresReaders, PostgresWriter

        url = settings.postgres_dsn()
        writer = PostgresWriter(url, count=settings.pg_writers, prepare=settings.pg_prepare, **common)  # type: ignore[arg-type]
        fast = PostgresReaders(url, count=settings.pg_readers, prepare=settings.pg_prepare)
        slow = PostgresReaders(url, count=1, prepare=settings.pg_prepare)

        async def close() -> None:
            fast.close()
            slow.close()

        # The database is on another disk, so no reserve is kept here.
        return Database(writer, fast, slow, close, lambda: None, Reserve(settings.data_dir, 0))

    from server.kernel.sqlite import SqliteWriter, open_reader
    from server.kernel.sqlite_file import find_damage

    path = settings.sqlite_path()
    release = lock_data_dir(settings.data_dir)
    if path.exists() and (problem := find_damage(path, DAMAGE_CHECK_S)):
        release()
        raise Refused(
            "database_damaged",
            f"{path} is damaged ({problem}). It was not changed. Make a copy of the data folder, then restore the "
            "newest backup: threadline restore PATH --replace (docs/operations.md).",
        )
    reserve = Reserve(settings.data_dir, settings.reserve_mb << 20)
    reserve.release_if_full()
    sqlite_writer = SqliteWriter(path, sync=settings.sqlite_sync, on_full=reserve.release, **common)  # type: ignore[arg-type]
    fast_reader, slow_reader = await open_reader(path), await open_reader(path)

    async def close_readers() -> None:
        await fast_reader.close()
        await slow_reader.close()

    return Database(sqlite_writer, fast_reader, slow_reader, close_readers, release, reserve)


def lock_data_dir(folder: Path) -> Callable[[], None]:
    """Locks the folder for this process and returns the function that unlocks it. `Busy` if another process has it (F11)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / "threadline.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise Busy(
            f"Another Threadline process (pid {owner}) is using the SQLite file in {folder}. SQLite allows exactly one "
            "process. Stop the other one, or set DATABASE_URL to a PostgreSQL database to run several."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())

    def release() -> None:
        os.close(handle)

    return release
