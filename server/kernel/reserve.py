"""The disk reserve: a file beside the SQLite database that is deleted when the disk is full (G27).

On a full disk no session can be written, so nobody could sign in to free space. Deleting the reserve makes room, which only
the owner and admins may use (`allowed`); all other writes are refused. The file is restored when twice its size is free.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextvars import ContextVar
from pathlib import Path

import structlog

log = structlog.get_logger()

CHECK_S = 2.0
OPEN_BYTES = 1 << 20  # free bytes that opening the database needs for its shared memory and log

# True while the current request may use the reserve.
allowed: ContextVar[bool] = ContextVar("allowed", default=False)


class Reserve:
    """`spent`: released and not restored yet; never True with a size of 0."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path, self.size = folder / "reserve", size
        self.spent = False
        self._watching: asyncio.Task[None] | None = None

    @property
    def refuses_writes(self) -> bool:
        """Whether the current request must not write."""
        return self.spent and not allowed.get()

    def release(self) -> None:
        """Deletes the file. The writer's thread calls this whenever the disk is full."""
        if self.size and not self.spent:
            self.spent = True
            self.path.unlink(missing_ok=True)
            log.error(
                "disk_full", given_up_mb=self.size >> 20, advice="free space; only owner and admins can write now"
            )

    def release_if_full(self) -> None:
        """Releases the reserve if the disk is too full to open the database."""
        if self.path.exists() and shutil.disk_usage(self.path.parent).free < OPEN_BYTES:
            self.release()

    def restore(self) -> bool:
        """Creates the file if at least its size stays free afterwards. Blocks. Returns whether the file exists."""
        try:
            if self.path.exists() and self.path.stat().st_size == self.size:
                self.spent = False
                return True
            self.path.unlink(missing_ok=True)
            if shutil.disk_usage(self.path.parent).free < 2 * self.size:
                return False
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, self.size)
            finally:
                os.close(handle)
        except OSError:
            self.path.unlink(missing_ok=True)
            return False
        if self.spent:
            log.warning("reserve_restored", mb=self.size >> 20)
        self.spent = False
        return True

    async def start(self) -> None:
        """Creates the reserve and keeps restoring it from now on. On a full disk the server starts with the reserve
        spent."""
        if self.size:
            self.spent = not await asyncio.to_thread(self.restore)
            self._watching = asyncio.create_task(self._watch(), name="reserve")

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            if self.spent:
                await asyncio.to_thread(self.restore)
