"""The SQLite file as a file: is it whole, and is it still the one we opened?"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path


def damage(path: Path, seconds: float) -> str | None:
    """What `quick_check` finds wrong; "" when nothing is; None when the time was up before the end."""
    deadline = time.monotonic() + seconds
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            db.set_progress_handler(lambda: time.monotonic() > deadline, 20_000)
            return next((str(row[0]) for row in db.execute("PRAGMA quick_check(1)") if row[0] != "ok"), "")
    except sqlite3.DatabaseError as error:
        return None if "interrupted" in str(error) else str(error)


class Identity:
    """Which file a path led to. SQLite goes on writing into a file that was deleted or replaced under it, and
    nobody will ever find what was written there."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._was = self._look()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def same(self) -> bool:
        return self._look() == self._was
