"""The database as the rest of the product sees it: `read`, `write`, `submit`. Two engines, one meaning."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.errors import Busy, Refused, StorageFull
from server.kernel.clock import Clock
from server.kernel.reserve import Reserve
from server.kernel.sql import Around
from server.kernel.writing import Bells, Completion, Done, Step, Work, Writer, future_done
from server.settings import Settings

LOOK_S = 0.3  # for damage, at start; the doctor and every backup look longer


class Database:
    """`read` runs whole in one snapshot on a reader, `write` in the writer; both take plain functions.

    A slow reader (search, export) is kept apart, so that it never delays the fast one.
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
        """Functions that wait for the writer."""
        return self._writer.waiting

    @property
    def sound(self) -> bool:
        return self._writer.sound

    async def read(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self._fast.run(fn, args)

    async def read_slowly(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self._slow.run(fn, args)

    async def write(
        self, step: Step, *args: Any, lane: str | int | None = None, bulk: bool = False, joined: bool = False
    ) -> Any:
        """Runs `step(tx, *args)`; returns only after COMMIT. Raises what the step raised, or `Busy`.

        `joined`: `step(tx, [args, ...])` takes the calls of everybody who waits and gives a result for each.
        """
        if self.reserve.spent and self.reserve.closed:
            raise StorageFull()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._writer.put(Work(step, args, future_done(future), lane, joined), bulk=bulk)
        return await future

    def submit(self, step: Step, *args: Any, done: Done, lane: str | int | None = None, joined: bool = False) -> None:
        """As `write`, without waiting: `done(result, error)` is called on the loop after COMMIT."""
        if self.reserve.spent and self.reserve.closed:
            asyncio.get_running_loop().call_soon(done, None, StorageFull())
            return
        self._writer.put(Work(step, args, done, lane, joined))

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close)
        await self._close()
        self._release()


async def open_database(settings: Settings, clock: Clock, around: Around, ring: Callable[[Bells], None]) -> Database:
    completion = Completion(asyncio.get_running_loop(), ring)
    common = {"limit": settings.writer_queue, "now": clock.now, "around": around, "completion": completion}
    if settings.database_url is not None:
        from server.kernel.postgres import PostgresReaders, PostgresWriter

        url = settings.postgres_dsn()
        writer = PostgresWriter(url, count=settings.pg_writers, prepare=settings.pg_prepare, **common)  # type: ignore[arg-type]
        fast = PostgresReaders(url, count=settings.pg_readers, prepare=settings.pg_prepare)
        slow = PostgresReaders(url, count=1, prepare=settings.pg_prepare)

        async def close() -> None:
            fast.close()
            slow.close()

        # Another machine's disk; attachments are refused by themselves when this one is full.
        return Database(writer, fast, slow, close, lambda: None, Reserve(settings.data_dir, 0))

    from server.kernel.sqlite import SqliteWriter, open_reader
    from server.kernel.sqlite_file import damage

    path = settings.sqlite_path()
    release = own_file(settings.data_dir)
    if path.exists() and (problem := damage(path, LOOK_S)):
        release()
        raise Refused(
            "database_damaged",
            f"{path} is damaged ({problem}). It was not touched. Copy the data folder away as it is, then restore the "
            "newest backup: threadline restore PATH --replace (docs/operations.md).",
        )
    reserve = Reserve(settings.data_dir, settings.reserve_mb << 20)
    reserve.make_room()
    sqlite_writer = SqliteWriter(path, sync=settings.sqlite_sync, full=reserve.give_up, **common)  # type: ignore[arg-type]
    fast_reader, slow_reader = await open_reader(path), await open_reader(path)

    async def close_readers() -> None:
        await fast_reader.close()
        await slow_reader.close()

    return Database(sqlite_writer, fast_reader, slow_reader, close_readers, release, reserve)


def own_file(folder: Path) -> Callable[[], None]:
    """Takes the folder's lock for this process, or refuses with a sentence (F11). Returns what lets go."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / "threadline.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise Busy(
            f"Another Threadline process (pid {owner}) is using the SQLite file in {folder}. SQLite serves exactly one "
            "process: stop that one, or set DATABASE_URL to a PostgreSQL database to run several."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())

    def release() -> None:
        os.close(handle)

    return release
