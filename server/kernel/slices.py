"""Bulk writes in slices. Each slice is so small that it occupies the writer for a few milliseconds, including the
commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from server.kernel.context import App
from server.kernel.sql import ROWS_PER_STATEMENT

T = TypeVar("T")

FIRST = 16  # rows of the first slice: its duration is not known yet
MAX_ROWS = 1_000
TARGET_S = 0.003  # below the limit of 5 ms, because slices with the same number of rows take different times


def next_size(size: int, seconds: float) -> int:
    """The number of rows of the next slice after one of `size` rows took `seconds`."""
    return max(1, min(MAX_ROWS, 2 * size, int(size * TARGET_S / max(seconds, 1e-6))))


class Slices:
    """Writes rows in bulk transactions and learns how many fit into one.

    `few_statements`: the step has the same few statements for any number of rows. On PostgreSQL their round trips take
    longer than the rows, so that smaller slices would only repeat them.
    """

    def __init__(self, app: App, first: int = FIRST, *, few_statements: bool = False) -> None:
        self._least = ROWS_PER_STATEMENT if few_statements and app.settings.database_url else 1
        self._app, self._size = app, max(first, self._least)

    async def write(self, step: Callable[..., T], rows: Sequence[Any], *args: Any) -> list[T]:
        """Runs `step(tx, slice, *args)` for slices of `rows`, one transaction each, and returns all results."""
        results: list[T] = []
        written = 0
        while written < len(rows):
            chunk = rows[written : written + self._size]
            result, seconds = await self._app.write_bulk(step, chunk, *args)
            results.append(result)
            written += len(chunk)
            if len(chunk) == self._size or seconds > TARGET_S:  # the duration of a small last slice is no measure
                self._size = max(self._least, next_size(len(chunk), seconds))
        return results


async def in_slices(app: App, step: Callable[..., T], rows: Sequence[Any], *args: Any) -> list[T]:
    """Writes rows in slices, for a caller that writes only once. Returns the results of all slices."""
    return await Slices(app).write(step, rows, *args)
