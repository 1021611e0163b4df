"""Turns rows of the SQLite file into lines of PostgreSQL's COPY, and names every value that PostgreSQL cannot store.

A line has exactly the form in which `COPY … TO STDOUT` prints a row of PostgreSQL, so a table has the same content in
both databases if the lines are equal, in any order. Texts of SQLite are read as `bytes`, because they may not be UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, SmallInteger, String, Table
from sqlalchemy.types import TypeDecorator

from server.kernel.columns import Instant, to_micros

NULL = b"\\N"
ESCAPES = {
    b"\\": b"\\\\",
    b"\b": b"\\b",
    b"\t": b"\\t",
    b"\n": b"\\n",
    b"\v": b"\\v",
    b"\f": b"\\f",
    b"\r": b"\\r",
}
_ESCAPED = re.compile(rb"[\\\x08-\x0d]")
FIRST_INSTANT = to_micros(datetime(1, 1, 1, tzinfo=UTC))
LAST_INSTANT = to_micros(datetime(9999, 12, 31, tzinfo=UTC))
MODULUS = 1 << 128
LISTED = 100  # bad values of a table that are named; others are counted


class Unsuitable(Exception):
    """PostgreSQL, or the product, cannot read this value. The text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class BadValue:
    """`row` names the row by its key, like `id = 5`."""

    table: str
    row: str
    column: str
    problem: str

    def __str__(self) -> str:
        return f"{self.table}, {self.row}, {self.column}: {self.problem}"


@dataclass(slots=True)
class Content:
    """The number of rows and the sum of their hashes, which does not depend on their order."""

    rows: int = 0
    total: int = 0

    def add(self, line: bytes) -> None:
        self.rows += 1
        self.total += int.from_bytes(blake2b(line, digest_size=16).digest(), "big")

    @property
    def digest(self) -> str:
        return f"{self.rows}:{self.total % MODULUS:032x}"


# --- one value ------------------------------------------------------------------------------------

Encode = Callable[[Any], bytes]


def _whole_number(low: int, high: int, limits: str) -> Encode:
    def encode(value: Any) -> bytes:
        if type(value) is not int:
            raise Unsuitable(f"is {_described(value)}. Store a whole number.")
        if not low <= value <= high:
            raise Unsuitable(f"is {value}. Store a number {limits}.")
        return b"%d" % value

    return encode


def _bits(bits: int) -> Encode:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    return _whole_number(low, high, f"from {low} to {high}")


_instant = _whole_number(
    FIRST_INSTANT, LAST_INSTANT, "of microseconds since 1970 that is a date between the years 1 and 9999"
)


def _truth(value: Any) -> bytes:
    if type(value) is not int or value not in (0, 1):
        raise Unsuitable(f"is {_described(value)}. Store 0 or 1.")
    return b"t" if value else b"f"


def _text(value: Any) -> bytes:
    if type(value) is not bytes:
        raise Unsuitable(f"is {_described(value)}. Store a text.")
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            raise Unsuitable("is a text that is not UTF-8. Store it again in UTF-8.") from None
    if 0 in value:
        raise Unsuitable("has a NUL character, which PostgreSQL cannot store. Store the text without it.")
    if _ESCAPED.search(value):
        return _ESCAPED.sub(lambda found: ESCAPES[found[0]], value)
    return value


def _described(value: Any) -> str:
    match value:
        case bytes():
            return f"the text {_shortened(value.decode(errors='replace'))!r}"
        case float():
            return f"the fraction {value!r}"
        case None:
            return "empty"
    return f"the number {value}"


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


def encoder(column: Column[Any]) -> Encode | None:
    """The function for the column's values other than NULL; None if the move does not know the column's type."""
    kind = column.type
    if isinstance(kind, Instant):
        return _instant
    match kind.impl_instance if isinstance(kind, TypeDecorator) else kind:
        case Boolean():
            return _truth
        case SmallInteger():
            return _bits(16)
        case BigInteger():
            return _bits(64)
        case Integer():
            return _bits(32)
        case String():
            return _text
    return None


# --- one row --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Lines:
    """Encodes the rows of one table. `bad`: the first bad values found so far, of `bad_count`."""

    table: Table
    bad: list[BadValue] = field(default_factory=list)
    bad_count: int = 0
    _encoders: list[Encode] = field(init=False)
    _nullable: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self._encoders = []
        for column in self.table.columns:
            encode = encoder(column)
            if encode is None:
                raise TypeError(f"move_rows has no encoder for {column} of the type {column.type!r}")
            self._encoders.append(encode)
        self._nullable = [bool(column.nullable) for column in self.table.columns]

    def line(self, row: Sequence[Any]) -> bytes | None:
        """The line of one row, with its line end; None if a value is bad."""
        try:
            return (
                b"\t".join(
                    [
                        NULL if value is None and nullable else encode(value)
                        for encode, nullable, value in zip(self._encoders, self._nullable, row, strict=True)
                    ]
                )
                + b"\n"
            )
        except Unsuitable:
            self._name_bad_values(row)
            return None

    def _name_bad_values(self, row: Sequence[Any]) -> None:
        key = row_name(self.table, row)
        for column, encode, value in zip(self.table.columns, self._encoders, row, strict=True):
            if value is None and column.nullable:
                continue
            try:
                encode(value)
            except Unsuitable as error:
                self.bad_count += 1
                if len(self.bad) < LISTED:
                    self.bad.append(BadValue(self.table.name, key, column.name, str(error)))


def row_name(table: Table, row: Sequence[Any]) -> str:
    """The row's key as a condition of SQL, like `id = 5`."""
    keys = [(column.name, value) for column, value in zip(table.columns, row, strict=True) if column.primary_key]
    return " and ".join(f"{name} = {_as_key(value)}" for name, value in keys)


def text_columns(table: Table) -> list[str]:
    return [column.name for column in table.columns if encoder(column) is _text]


def _as_key(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    text = _shortened(value.decode(errors="replace"))
    return repr(text) if not text.isprintable() else "'" + text.replace("'", "''") + "'"
