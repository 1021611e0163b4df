"""Pages of lists by key: a cursor names the row at one end of a page by its sort values, opaque and signed.

A request asks for the rows `after` a cursor, or `before` it (further up in the list), or for the beginning of the list. Rows
that arrive or leave meanwhile shift no page.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from server.errors import BadRequest
from server.kernel.context import App
from server.kernel.ids import sign, signed_by
from server.web.http import Call

T = TypeVar("T")
Key = tuple[Any, ...]  # sort values of a row: whole numbers (times in microseconds) and texts
LONGEST = 4_000  # characters of a cursor

PAGING_QUERY: dict[str, dict[str, Any]] = {
    "after": {"type": "string", "description": "The rows after this cursor, of the page before."},
    "before": {"type": "string", "description": "The rows before this cursor, of the page after."},
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page is: after or before the row with this key; with neither, at the beginning of the list."""

    after: Key | None = None
    before: Key | None = None

    @property
    def direction(self) -> str:
        return "after" if self.after is not None else "before" if self.before is not None else ""

    @property
    def key(self) -> Key | None:
        return self.before if self.after is None else self.after


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in the order of the list. `before`, `after`: cursors of the rows above and below; None: there are none."""

    rows: list[T]
    before: str | None
    after: str | None

    @property
    def cursors(self) -> dict[str, str | None]:
        return {"before": self.before, "after": self.after}


class Paging:
    """The cursors of one list in one order. `name`: a cursor of another list or order is refused."""

    def __init__(self, app: App, name: str, size: int) -> None:
        """`size`: how many values a row's key has."""
        self._key, self._name, self._size = app.key("cursor"), name, size

    def place(self, call: Call) -> Place:
        """What the request asks for. Raises `BadRequest` `bad_cursor`."""
        after, before = call.query.get("after", ""), call.query.get("before", "")
        if after and before:
            raise BadRequest("bad_cursor", "Send one cursor: after, or before.", field="before")
        return Place(self.decode(after, "after") if after else None, self.decode(before, "before") if before else None)

    def page(self, rows: Sequence[T], limit: int, place: Place, key: Callable[[T], Key]) -> Page[T]:
        """Makes a page from up to `limit` + 1 rows. With `before` the rows come in reverse, because they were read from the
        cursor upwards."""
        page_rows, has_more = list(rows[:limit]), len(rows) > limit
        if place.before is not None:
            page_rows.reverse()
        above = place.after is not None or (place.before is not None and has_more)
        below = place.before is not None or has_more
        return Page(
            page_rows,
            self.encode(key(page_rows[0])) if page_rows and above else None,
            self.encode(key(page_rows[-1])) if page_rows and below else None,
        )

    def encode(self, key: Key) -> str:
        position = orjson.dumps(key).decode()
        return urlsafe_b64encode(f"{position}.{self._tag(position)}".encode()).decode().rstrip("=")

    def decode(self, cursor: str, field: str) -> Key:
        try:
            text = urlsafe_b64decode(cursor[:LONGEST] + "=" * (-len(cursor) % 4)).decode()
            position, _, tag = text.rpartition(".")
            if not signed_by(self._key, f"{self._name}:{position}", tag):
                raise ValueError
            values = orjson.loads(position)
            if len(values) != self._size:
                raise ValueError
            return tuple(values)
        except ValueError:
            raise BadRequest(
                "bad_cursor", "This cursor is not of this list. Start from the first page.", field=field
            ) from None

    def _tag(self, position: str) -> str:
        return sign(self._key, f"{self._name}:{position}")
