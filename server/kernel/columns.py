"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# SQLite only auto-numbers a column whose type is exactly INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")


def to_micros(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1_000_000, UTC)  # exact until 2239, and half the time of a timedelta


def _write_instant(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // MICROSECOND


def _read_instant(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)


def _write_json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _read_json(value: str | None) -> Any:
    return None if value is None else orjson.loads(value)


# Both types hand out their function itself: `process_bind_param` would be wrapped twice, for each value of each row.


class Instant(TypeDecorator[datetime]):
    """A moment: an aware UTC datetime in Python, whole microseconds since 1970 in the database.

    A number compares, sorts and serves as a keyset cursor identically on both databases; a naive
    datetime is refused (`TypeError`) rather than guessed.
    """

    impl = BigInteger
    cache_ok = True

    def bind_processor(self, dialect: Any) -> Any:
        return _write_instant

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return _read_instant


class Json(TypeDecorator[Any]):
    """JSON kept as text: read and written whole, never searched inside."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Any) -> Any:
        return _write_json

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return _read_json
