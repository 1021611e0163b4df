"""SQL statements and the two things that run them: `Conn` reads, `Tx` writes.

Statements are written once in SQLAlchemy Core, next to their meaning. `Statement` compiles one
per dialect to text with positional parameters, and `Conn` runs that text on the driver's own
connection: 5-10 µs a statement instead of the 40-600 of SQLAlchemy's execution layer. There is no
engine and no session at run time; everything that touches the database is a plain function over a
`Conn`, so nothing in a transaction can be cancelled half-way (DESIGN 6).
"""

from __future__ import annotations

import hashlib
import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from sqlalchemy import BigInteger, Boolean, Integer, String, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import psycopg as _psycopg
from sqlalchemy.dialects.sqlite import pysqlite as _pysqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import ClauseElement

from server.kernel.ids import Ids

SQLITE: Dialect = _pysqlite.dialect()
POSTGRES: Dialect = _psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


def _with_constants(dialect: Dialect) -> Dialect:
    """The dialect for statements of the code: what never changes in them stands in the text and is no parameter.

    A partial index (`WHERE channel = 'sms'`) fits a constant only: given as a parameter, SQLite plans the statement
    anew each time it runs, and PostgreSQL's generic plan cannot use the index at all.
    """
    base: Any = dialect.statement_compiler

    class Compiler(base):  # type: ignore[misc]
        def visit_bindparam(self, bindparam: Any, **how: Any) -> str:
            constant = not bindparam.required and bindparam.value is not None
            if constant and isinstance(bindparam.type, String | Integer | Boolean):
                how["literal_binds"] = True
            return str(super().visit_bindparam(bindparam, **how))

    found = copy(dialect)
    found.statement_compiler = Compiler
    return found


_CONSTANTS = {dialect.name: _with_constants(dialect) for dialect in (SQLITE, POSTGRES)}

SHORT = 64  # elements of a list whose statement is kept
TOGETHER = 64  # rows in one statement
_ROW = re.compile(r"\bVALUES (\((?:[^()]|\([^()]*\))*\))")
_PLACE = {"sqlite": "?", "postgresql": "%s"}

Row = Any  # a named tuple whose fields are the statement's column keys


class Clash(Exception):
    """A unique key was taken, usually by the winner of a race. The function is run again and finds it."""


class _Plan(NamedTuple):
    """A statement whose lists have certain lengths. `values`: which parameter, which element of it, how converted."""

    sql: str
    values: list[tuple[str, int | None, Callable[[Any], Any] | None]]


def _picker(names: Sequence[str]) -> Callable[[Any], Iterable[Any]]:
    """Takes these values from a mapping, in order; a KeyError names what the caller forgot."""
    # One name alone would come without its tuple, and none has no getter.
    return itemgetter(*names) if len(names) > 1 else lambda params: [params[name] for name in names]


class _Part(NamedTuple):
    """Some parameters of a statement, in order; the places among them of those that are converted."""

    pick: Callable[[Any], Iterable[Any]]
    converts: list[tuple[int, Callable[[Any], Any]]]

    def values(self, params: Mapping[str, Any]) -> list[Any]:
        out = list(self.pick(params))
        for place, convert in self.converts:
            if out[place] is not None:
                out[place] = convert(out[place])
        return out


class _Repeat(NamedTuple):
    """A statement around its one row of `VALUES`. `texts`: with so many rows."""

    before: str
    row: str
    after: str
    head: _Part
    each: _Part
    tail: _Part
    texts: dict[int, str]


class _Compiled:
    """One statement for one dialect: text, order and conversion of parameters, conversion of rows."""

    __slots__ = (
        "converts", "defaults", "inner", "lists", "make", "names", "pick", "place", "plans", "repeat", "results", "sql"
    )  # fmt: skip

    def __init__(
        self, stmt: Any, dialect: Dialect, columns: Sequence[str] | None = None, into: type[Any] | None = None
    ) -> None:
        inner = stmt.compile(dialect=dialect, column_keys=columns)
        self.inner = inner
        self.sql: str = inner.string
        self.place = _PLACE[dialect.name]
        self.repeat: _Repeat | None = None
        defaults = inner.params
        self.names: list[str] = list(inner.positiontup or ())
        self.lists = [name for name in self.names if inner.binds[name].expanding]
        self.plans: dict[tuple[int, ...], _Plan] = {}  # of short lists, by their lengths
        # Constants of the statement are parameters with a value; what a caller must give has none.
        self.defaults = {name: defaults[name] for name in self.names if not inner.binds[name].required}
        self.pick = _picker(self.names)
        self.converts: list[tuple[int, Callable[[Any], Any]]] = []
        for place, name in enumerate(self.names):
            convert = inner.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            if convert is not None:
                self.converts.append((place, convert))
        self.make: Callable[[Iterable[Any]], Any] | None = None
        self.results: list[tuple[int, Callable[[Any], Any]]] = []
        exported = getattr(stmt, "exported_columns", None)
        if exported is not None and len(exported):
            keys = [str(key) for key in exported.keys()]
            named: Any = namedtuple  # the fields are known only now
            # What `_make` does, without counting: a row has as many cells as its statement columns.
            self.make = partial(tuple.__new__, into or named("Row", keys, rename=True))
            for place, column in enumerate(exported):
                convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
                if convert is not None:
                    self.results.append((place, convert))

    def bind(self, params: Mapping[str, Any]) -> tuple[str, list[Any]]:
        if self.lists:
            return self._expand(params)
        if self.defaults:
            params = {**self.defaults, **params}
        out = list(self.pick(params))
        for place, convert in self.converts:
            if out[place] is not None:
                out[place] = convert(out[place])
        return self.sql, out

    def _expand(self, params: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Text and values with a place for each element of its lists."""
        params = {**self.defaults, **params}
        lengths = tuple([len(params[name]) for name in self.lists])
        plan = self.plans.get(lengths)
        if plan is None:
            plan = self._plan(params)
            if max(lengths) <= SHORT:  # making one takes longer than running it
                self.plans[lengths] = plan
        out = []
        for name, place, convert in plan.values:
            value = params[name] if place is None else params[name][place]
            out.append(value if convert is None or value is None else convert(value))
        return plan.sql, out

    def bind_many(self, rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Text and values with its one row of `VALUES` written once for each of `rows`."""
        repeat = self.repeat or self._repeat()
        sql = repeat.texts.get(len(rows))
        if sql is None:
            row = ", ".join([repeat.row] * len(rows))
            sql = repeat.texts[len(rows)] = repeat.before + row + repeat.after
        around = {**self.defaults, **shared} if self.defaults else shared
        out = repeat.head.values(around)
        for params in rows:
            out += repeat.each.values({**self.defaults, **params} if self.defaults else params)
        return sql, out + repeat.tail.values(around)

    def _repeat(self) -> _Repeat:
        row = _ROW.search(self.sql)
        # A "?" or a bracket inside a constant, or a list, would put values in wrong places: such a statement runs alone.
        plain = not self.lists and self.sql.count(self.place) == len(self.names)
        assert row is not None and plain, "no row of VALUES that can be repeated"
        start, after = row.span(1)
        first = self.sql.count(self.place, 0, start)
        end = first + row[1].count(self.place)
        converts = dict(self.converts)

        def part(low: int, high: int) -> _Part:
            own = [(place - low, converts[place]) for place in range(low, high) if place in converts]
            return _Part(_picker(self.names[low:high]), own)

        head, each, tail = part(0, first), part(first, end), part(end, len(self.names))
        self.repeat = _Repeat(self.sql[:start], row[1], self.sql[after:], head, each, tail, {})
        return self.repeat

    def _plan(self, params: Mapping[str, Any]) -> _Plan:
        state = self.inner.construct_expanded_state(dict(params), escape_names=False)
        # The state knows the processors of the list's elements only, not those of the other parameters.
        converts = {self.names[place]: convert for place, convert in self.converts} | state.processors
        elements = {
            element: (name, place)
            for name, found in state.parameter_expansion.items()
            for place, element in enumerate(found)
        }
        values = [(*elements.get(name, (name, None)), converts.get(name)) for name in state.positiontup]
        return _Plan(state.statement, values)

    def row(self, raw: Sequence[Any]) -> Row:
        if self.results:
            cells = list(raw)
            for place, convert in self.results:
                if cells[place] is not None:
                    cells[place] = convert(cells[place])
            raw = cells
        return self.make(raw) if self.make is not None else tuple(raw)


class Statement:
    """A Core statement with named `bindparam`s, compiled on first use for each dialect.

    `columns` names the columns an `insert` or `update` without `.values()` sets, for `many`. `into` is the named
    tuple each row becomes; else one with the columns' names.
    """

    __slots__ = ("_compiled", "_into", "_stmt", "columns")

    def __init__(
        self, stmt: ClauseElement, columns: Sequence[str] | None = None, into: type[Any] | None = None
    ) -> None:
        self._stmt = stmt
        self._into = into
        self.columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            dialect = _CONSTANTS[dialect.name]
            found = self._compiled[dialect.name] = _Compiled(self._stmt, dialect, self.columns, self._into)
        return found


_keys = func.unnest(bindparam("keys", type_=ARRAY(BigInteger))).column_valued("key")
_HOLD = Statement(select(func.pg_advisory_xact_lock(_keys)))
_HOLD_SHARED = Statement(select(func.pg_advisory_xact_lock_shared(_keys)))


class Cursor(Protocol):
    rowcount: int

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Conn:
    """One connection inside one snapshot. Only reads; `Tx` adds writing.

    Every method takes a `Statement` (hot, compiled once) or a Core statement (cold, compiled each time).
    """

    __slots__ = ("_execute", "dialect")

    def __init__(self, execute: Callable[[str, Sequence[Any]], Any], dialect: Dialect) -> None:
        self._execute = execute
        self.dialect = dialect

    @property
    def postgres(self) -> bool:
        return self.dialect is POSTGRES

    def _run(self, stmt: Statement | Any, params: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        compiled = stmt.on(self.dialect) if isinstance(stmt, Statement) else _Compiled(stmt, self.dialect)
        sql, values = compiled.bind(params)
        return compiled, self._execute(sql, values)

    def all(self, stmt: Statement | Any, **params: Any) -> list[Row]:
        compiled, cursor = self._run(stmt, params)
        return [compiled.row(raw) for raw in cursor.fetchall()]

    def first(self, stmt: Statement | Any, **params: Any) -> Row | None:
        compiled, cursor = self._run(stmt, params)
        raw = cursor.fetchone()
        return None if raw is None else compiled.row(raw)

    def one(self, stmt: Statement | Any, **params: Any) -> Row:
        row = self.first(stmt, **params)
        if row is None:
            raise LookupError("a row that must exist is missing")
        return row

    def value(self, stmt: Statement | Any, **params: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.first(stmt, **params)
        return None if row is None else row[0]

    def hold(self, *names: str, shared: bool = False) -> None:
        """Waits for locks by name and keeps them to the end of the transaction: for what has no row yet to lock.

        `shared`: with others that share it. Nothing on SQLite, where writers take turns anyway. Take them before rows,
        several at once: they are taken in one order whoever asks, so that two never wait for each other in a circle.
        """
        if self.postgres and names:
            keys = {
                int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True) for name in names
            }
            self._run(_HOLD_SHARED if shared else _HOLD, {"keys": sorted(keys)})

    def run(self, stmt: Statement | Any, **params: Any) -> int:
        """Executes and returns how many rows it touched."""
        _, cursor = self._run(stmt, params)
        return int(cursor.rowcount)


@dataclass(frozen=True, slots=True)
class Around:
    """What a step may use beside the database: given once, so that no step asks a global for it."""

    announce: Callable[[Tx, Any], None]  # what reacts to an event inside the same transaction (`reactions.py`)
    ids: Ids
    key: Callable[[str], bytes]  # derived from the server's secret, one for each purpose


class Tx(Conn):
    """One function's transaction: a connection that writes, the time, and what happens at COMMIT.

    `ring` is heard only if this function's work is committed, and by every process. Nothing here
    reaches the network.
    """

    __slots__ = ("_around", "bells", "last", "now")

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], Any],
        dialect: Dialect,
        now: datetime,
        around: Around,
    ) -> None:
        super().__init__(execute, dialect)
        self.now = now
        self._around = around
        self.bells: list[tuple[str, Any]] = []
        self.last: list[tuple[Statement, Mapping[str, Any]]] = []

    def announce(self, event: Any) -> None:
        """Runs every reaction to `event` here and now, inside this transaction."""
        self._around.announce(self, event)

    def token(self, size: int = 24) -> str:
        """`size` random bytes as URL-safe text; repeatable where the app's ids are."""
        return self._around.ids.token(size)

    def key(self, purpose: str) -> bytes:
        """A key for one purpose, derived from the server's secret."""
        return self._around.key(purpose)

    def ring(self, topic: str, hint: Any = None) -> None:
        """After COMMIT, tells whoever watches `topic` to look; `hint` may carry what they would read."""
        self.bells.append((topic, hint))

    def run_last(self, stmt: Statement, **params: Any) -> None:
        """Executes just before COMMIT, after every function of the same transaction; nothing may read it before."""
        self.last.append((stmt, params))

    def finish(self, last: Iterable[tuple[Statement, Mapping[str, Any]]]) -> None:
        for stmt, params in last:
            self._run(stmt, params)

    def all_many(self, stmt: Statement, rows: Sequence[Mapping[str, Any]], **shared: Any) -> list[Row]:
        """Runs a statement with one row of `VALUES` for all `rows` together, and gives what it returns, in any order.

        `shared` are its parameters outside of that row. Rows go by powers of two, so that few texts are prepared.
        """
        found: list[Row] = []
        for compiled, cursor in self._many(stmt, rows, shared):
            found += [compiled.row(raw) for raw in cursor.fetchall()]
        return found

    def run_many(self, stmt: Statement, rows: Sequence[Mapping[str, Any]], **shared: Any) -> int:
        """As `all_many` for a statement that returns nothing: how many rows it touched."""
        return sum([int(cursor.rowcount) for _, cursor in self._many(stmt, rows, shared)])

    def _many(
        self, stmt: Statement, rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]
    ) -> Iterator[tuple[_Compiled, Any]]:
        compiled = stmt.on(self.dialect)
        done = 0
        while done < len(rows):
            size = min(1 << (len(rows) - done).bit_length() - 1, TOGETHER)
            yield compiled, self._execute(*compiled.bind_many(rows[done : done + size], shared))
            done += size


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
