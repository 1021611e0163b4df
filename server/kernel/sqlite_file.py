"""Checks of the SQLite file: permissions, damage, and whether its path still leads to it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path


def make_private(path: Path) -> None:
    """Creates a missing file with mode 0600, which SQLite copies to its log. SQLite itself would apply the umask."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def read_only(path: Path) -> sqlite3.Connection:
    """Opens an existing file read-only and never creates one. The URI escapes ?, # and % in the path."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def find_damage(path: Path, seconds: float) -> str | None:
    """The first problem that `quick_check` finds; "" if there is none; None if `seconds` passed first."""
    deadline = time.monotonic() + seconds
    try:
        with closing(read_only(path)) as db:
            db.set_progress_handler(lambda: time.monotonic() > deadline, 20_000)
            return next((str(row[0]) for row in db.execute("PRAGMA quick_check(1)") if row[0] != "ok"), "")
    except sqlite3.DatabaseError as error:
        return None if "interrupted" in str(error) else str(error)


class FileIdentity:
    """Remembers which file a path led to: SQLite continues to write into a file that was deleted or replaced, where
    the data is lost."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._opened = self._stat()

    def _stat(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def unchanged(self) -> bool:
        return self._stat() == self._opened
