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


def storable(text: str) -> str:
    """`text` as both databases can store it: PostgreSQL refuses a NUL, and SQLite counts characters only up to it."""
    return text.replace("\0", "") if "\0" in text else text


def to_micros(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1_000_000, UTC)  # exact until 2239, and faster than a timedelta


def _write_instant(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // MICROSECOND


def _read_instant(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)


def _write_json(value: Any) -> str | None:
    if value is None:
        return None
    text = orjson.dumps(value).decode()
    return orjson.dumps(_storable(value)).decode() if "\\u0000" in text else text


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case list() | tuple():
            return [_storable(inner) for inner in value]
        case dict():
            return {storable(name): _storable(inner) for name, inner in value.items()}
    return value


def _read_json(value: str | None) -> Any:
    return None if value is None else orjson.loads(value)


# Both types return the bare function: SQLAlchemy would wrap `process_bind_param` twice for every value.


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
