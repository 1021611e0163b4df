"""The emergency reserve: a file beside the SQLite database that is given up when the disk is full (G27).

On a full disk not even a session can be written, so nobody could sign in to make room. The reserve is that room:
once given up, it belongs to owner and admins alone (`allowed`), and everybody else goes on being refused as on a
full disk, or the next thousand messages would have eaten it. It is taken back when twice its size is free.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextvars import ContextVar
from pathlib import Path

import structlog

log = structlog.get_logger()

LOOK_S = 2.0
TO_OPEN = 1 << 20  # bytes that opening the database may take: its shared memory, a log

# Set while somebody who may use the reserve is being served.
allowed: ContextVar[bool] = ContextVar("allowed", default=False)


class Reserve:
    """`spent`: given up, and not taken back yet. With a size of 0 there is none, and it is never spent."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path, self.size = folder / "reserve", size
        self.spent = False
        self._watching: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        """May whoever is being served right now not write?"""
        return self.spent and not allowed.get()

    def give_up(self) -> None:
        """Called by the writer's thread when the disk is full. Once is enough."""
        if self.size and not self.spent:
            self.spent = True
            self.path.unlink(missing_ok=True)
            log.error(
                "disk_full", given_up_mb=self.size >> 20, advice="free space; only owner and admins can write now"
            )

    def make_room(self) -> None:
        """Before the database is opened, which on a full disk could not be."""
        if self.path.exists() and shutil.disk_usage(self.path.parent).free < TO_OPEN:
            self.give_up()

    def take(self) -> bool:
        """Makes the file whole, if that leaves as much again free. Blocks. True: it is there."""
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
        """Holds the reserve from now on. A server that starts on a full disk starts with it spent."""
        if self.size:
            self.spent = not await asyncio.to_thread(self.take)
            self._watching = asyncio.create_task(self._watch(), name="reserve")

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self.spent:
                await asyncio.to_thread(self.take)
