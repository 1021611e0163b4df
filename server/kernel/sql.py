"""Compiles SQL statements (`Statement`) and runs them: `Conn` reads, `Tx` writes.

Statements are SQLAlchemy Core, compiled once per dialect to text. `Conn` runs the text on the driver's connection, without
SQLAlchemy's slower engine and session. All database code is plain functions over a `Conn`, so a transaction cannot be
cancelled half-way.
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

from server.kernel.columns import storable
from server.kernel.ids import Ids

SQLITE: Dialect = _pysqlite.dialect()
POSTGRES: Dialect = _psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


def _inlining_constants(dialect: Dialect) -> Dialect:
    """A dialect that writes a statement's constants into its text instead of binding them as parameters.

    A partial index (`WHERE channel = 'sms'`) needs a constant: with a parameter SQLite plans the statement at each run,
    and PostgreSQL's generic plan cannot use the index.
    """
    base: Any = dialect.statement_compiler

    class Compiler(base):  # type: ignore[misc]
        def visit_bindparam(self, bindparam: Any, **options: Any) -> str:
            constant = not bindparam.required and bindparam.value is not None
            if constant and isinstance(bindparam.type, String | Integer | Boolean):
                options["literal_binds"] = True
            return str(super().visit_bindparam(bindparam, **options))

    inlining = copy(dialect)
    inlining.statement_compiler = Compiler
    return inlining


_INLINING = {dialect.name: _inlining_constants(dialect) for dialect in (SQLITE, POSTGRES)}

CACHED_LIST_LENGTH = 64  # longest list whose expanded statement is cached
ROWS_PER_STATEMENT = 64  # rows in one statement
_VALUES_ROW = re.compile(r"\bVALUES (\((?:[^()]|\([^()]*\))*\))")
_PLACEHOLDERS = {"sqlite": "?", "postgresql": "%s"}

Row = Any  # a named tuple whose fields are the statement's column keys


class LostRace(Exception):
    """A unique key exists already, usually because another transaction won a race. The writer runs the function again."""


class _Expanded(NamedTuple):
    """A statement expanded for lists of given lengths. `values`: parameter, list index and conversion of each placeholder."""

    sql: str
    values: list[tuple[str, int | None, Callable[[Any], Any] | None]]


def _picker(names: Sequence[str]) -> Callable[[Any], Iterable[Any]]:
    """Returns a function that takes these values from a mapping, in order. A missing name is a `KeyError`."""
    # With one name `itemgetter` returns no tuple, and it needs at least one.
    return itemgetter(*names) if len(names) > 1 else lambda params: [params[name] for name in names]


class _Parameters(NamedTuple):
    """Some parameters of a statement, in order, and the conversions by index."""

    pick: Callable[[Any], Iterable[Any]]
    converts: list[tuple[int, Callable[[Any], Any]]]

    def values(self, params: Mapping[str, Any]) -> list[Any]:
        bound = list(self.pick(params))
        for index, convert in self.converts:
            if bound[index] is not None:
                bound[index] = convert(bound[index])
        return bound


class _Repeat(NamedTuple):
    """A statement split at its one row of `VALUES`. `texts`: the full SQL by number of rows."""

    before: str
    row: str
    after: str
    head: _Parameters
    each: _Parameters
    tail: _Parameters
    texts: dict[int, str]


class _Compiled:
    """One statement for one dialect: text, order and conversion of parameters, conversion of rows."""

    __slots__ = (
        "converts", "defaults", "expanded", "inner", "lists", "make_row", "names", "pick", "placeholder", "repeat", "results", "sql"
    )  # fmt: skip

    def __init__(
        self, stmt: Any, dialect: Dialect, columns: Sequence[str] | None = None, into: type[Any] | None = None
    ) -> None:
        inner = stmt.compile(dialect=dialect, column_keys=columns)
        self.inner = inner
        self.sql: str = inner.string
        self.placeholder = _PLACEHOLDERS[dialect.name]
        self.repeat: _Repeat | None = None
        defaults = inner.params
        self.names: list[str] = list(inner.positiontup or ())
        self.lists = [name for name in self.names if inner.binds[name].expanding]
        self.expanded: dict[tuple[int, ...], _Expanded] = {}  # by the lengths of the lists
        # A constant of the statement is a parameter with a value; a required parameter has none.
        self.defaults = {name: defaults[name] for name in self.names if not inner.binds[name].required}
        self.pick = _picker(self.names)
        self.converts: list[tuple[int, Callable[[Any], Any]]] = []
        for index, name in enumerate(self.names):
            convert = inner.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            if convert is not None:
                self.converts.append((index, convert))
        self.make_row: Callable[[Iterable[Any]], Any] | None = None
        self.results: list[tuple[int, Callable[[Any], Any]]] = []
        exported = getattr(stmt, "exported_columns", None)
        if exported is not None and len(exported):
            keys = [str(key) for key in exported.keys()]
            row_class: Any = namedtuple  # the fields are known only now
            # Equal to `_make`, without its check of the length.
            self.make_row = partial(tuple.__new__, into or row_class("Row", keys, rename=True))
            for index, column in enumerate(exported):
                convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
                if convert is not None:
                    self.results.append((index, convert))

    def bind(self, params: Mapping[str, Any]) -> tuple[str, list[Any]]:
        if self.lists:
            return self._expand(params)
        if self.defaults:
            params = {**self.defaults, **params}
        bound = list(self.pick(params))
        for index, convert in self.converts:
            if bound[index] is not None:
                bound[index] = convert(bound[index])
        return self.sql, bound

    def _expand(self, params: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Text and values with one placeholder per list element."""
        params = {**self.defaults, **params}
        lengths = tuple([len(params[name]) for name in self.lists])
        expanded = self.expanded.get(lengths)
        if expanded is None:
            expanded = self._expanded_for(params)
            if max(lengths) <= CACHED_LIST_LENGTH:  # expanding takes longer than running
                self.expanded[lengths] = expanded
        bound = []
        for name, index, convert in expanded.values:
            value = params[name] if index is None else params[name][index]
            bound.append(value if convert is None or value is None else convert(value))
        return expanded.sql, bound

    def bind_many(self, rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Text and values with the row of `VALUES` repeated for each of `rows`."""
        repeat = self.repeat or self._repeat()
        sql = repeat.texts.get(len(rows))
        if sql is None:
            row = ", ".join([repeat.row] * len(rows))
            sql = repeat.texts[len(rows)] = repeat.before + row + repeat.after
        outside = {**self.defaults, **shared} if self.defaults else shared
        bound = repeat.head.values(outside)
        for params in rows:
            bound += repeat.each.values({**self.defaults, **params} if self.defaults else params)
        return sql, bound + repeat.tail.values(outside)

    def _repeat(self) -> _Repeat:
        row = _VALUES_ROW.search(self.sql)
        # With a list, or a "?" inside a constant, values would be bound to the wrong placeholders.
        repeatable = not self.lists and self.sql.count(self.placeholder) == len(self.names)
        assert row is not None and repeatable, "no row of VALUES that can be repeated"
        start, after = row.span(1)
        first = self.sql.count(self.placeholder, 0, start)
        end = first + row[1].count(self.placeholder)
        converts = dict(self.converts)

        def parameters(low: int, high: int) -> _Parameters:
            conversions = [(index - low, converts[index]) for index in range(low, high) if index in converts]
            return _Parameters(_picker(self.names[low:high]), conversions)

        head, each, tail = parameters(0, first), parameters(first, end), parameters(end, len(self.names))
        self.repeat = _Repeat(self.sql[:start], row[1], self.sql[after:], head, each, tail, {})
        return self.repeat

    def _expanded_for(self, params: Mapping[str, Any]) -> _Expanded:
        state = self.inner.construct_expanded_state(dict(params), escape_names=False)
        # The state has the processors of list elements only.
        converts = {self.names[index]: convert for index, convert in self.converts} | state.processors
        elements = {
            element: (name, index)
            for name, expansion in state.parameter_expansion.items()
            for index, element in enumerate(expansion)
        }
        values = [(*elements.get(name, (name, None)), converts.get(name)) for name in state.positiontup]
        return _Expanded(state.statement, values)

    def row(self, raw: Sequence[Any]) -> Row:
        if self.results:
            cells = list(raw)
            for index, convert in self.results:
                if cells[index] is not None:
                    cells[index] = convert(cells[index])
            raw = cells
        return self.make_row(raw) if self.make_row is not None else tuple(raw)


class Statement:
    """A Core statement with named `bindparam`s, compiled on first use for each dialect.

    `columns`: the columns that an `insert` or `update` without `.values()` sets. `into`: the named tuple for rows; by
    default one with the columns' names. `uses`: the indexes of a statement that must stay fast while its tables grow
    (tests/actions/test_query_plans.py checks that it reads nothing else).
    """

    __slots__ = ("_compiled", "_into", "_stmt", "columns", "uses")

    def __init__(
        self,
        stmt: ClauseElement,
        columns: Sequence[str] | None = None,
        into: type[Any] | None = None,
        uses: tuple[str, ...] = (),
    ) -> None:
        self._stmt = stmt
        self._into = into
        self.uses = uses
        self.columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: Dialect) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            dialect = _INLINING[dialect.name]
            compiled = self._compiled[dialect.name] = _Compiled(self._stmt, dialect, self.columns, self._into)
        return compiled


_keys = func.unnest(bindparam("keys", type_=ARRAY(BigInteger))).column_valued("key")
_LOCK_NAMES = Statement(select(func.pg_advisory_xact_lock(_keys)))
_LOCK_NAMES_SHARED = Statement(select(func.pg_advisory_xact_lock_shared(_keys)))


def _without_nuls(values: list[Any]) -> list[Any]:
    """Removes NUL characters from text parameters. Every statement's parameters pass through here."""
    for index, value in enumerate(values):
        if type(value) is str and "\0" in value:
            values[index] = storable(value)
    return values


class Cursor(Protocol):
    rowcount: int

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Conn:
    """One connection in one snapshot, for reading; `Tx` adds writing.

    Every method takes a `Statement` (compiled once) or a Core statement (compiled at each call).
    """

    __slots__ = ("_execute", "dialect", "interrupt")

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], Any],
        dialect: Dialect,
        interrupt: Callable[[], None] | None = None,
    ) -> None:
        """`interrupt`: makes the running statement fail; only it may be called from another thread."""
        self._execute = execute
        self.dialect = dialect
        self.interrupt = interrupt

    @property
    def postgres(self) -> bool:
        return self.dialect is POSTGRES

    def _run(self, stmt: Statement | Any, params: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        compiled = stmt.on(self.dialect) if isinstance(stmt, Statement) else _Compiled(stmt, self.dialect)
        sql, values = compiled.bind(params)
        return compiled, self._execute(sql, _without_nuls(values))

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

    def lock_names(self, *names: str, shared: bool = False) -> None:
        """Locks names until the end of the transaction, for records that have no row to lock yet.

        `shared`: several transactions may hold a shared lock. Does nothing on SQLite, which has one writer. Lock names
        before rows, and all in one call: they are locked in a fixed order, which avoids deadlocks.
        """
        if self.postgres and names:
            keys = {
                int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True) for name in names
            }
            self._run(_LOCK_NAMES_SHARED if shared else _LOCK_NAMES, {"keys": sorted(keys)})

    def run(self, stmt: Statement | Any, **params: Any) -> int:
        """Executes and returns the number of rows changed."""
        _, cursor = self._run(stmt, params)
        return int(cursor.rowcount)


@dataclass(frozen=True, slots=True)
class StepServices:
    """What a step may use in addition to the database; passed in, so that steps use no globals."""

    announce: Callable[[Tx, Any], None]  # runs the reactions to an event in the same transaction (`reactions.py`)
    ids: Ids
    key: Callable[[str], bytes]  # one key per purpose, derived from the server's secret


class Tx(Conn):
    """The transaction of one function: a connection that writes, the time, and what to do at COMMIT.

    Publications reach all processes, and only after COMMIT. Nothing here uses the network.
    """

    __slots__ = ("_services", "deferred", "now", "publications")

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], Any],
        dialect: Dialect,
        now: datetime,
        services: StepServices,
    ) -> None:
        super().__init__(execute, dialect)
        self.now = now
        self._services = services
        self.publications: list[tuple[str, Any]] = []
        self.deferred: list[tuple[Statement, Mapping[str, Any]]] = []

    def announce(self, event: Any) -> None:
        """Runs every reaction to `event` now, in this transaction."""
        self._services.announce(self, event)

    def token(self, size: int = 24) -> str:
        """`size` random bytes as URL-safe text; repeatable if the app's ids are."""
        return self._services.ids.token(size)

    def key(self, purpose: str) -> bytes:
        """A key for one purpose, derived from the server's secret."""
        return self._services.key(purpose)

    def publish(self, topic: str, hint: Any = None) -> None:
        """After COMMIT, notifies the watchers of `topic`; `hint` may carry the data they would read."""
        self.publications.append((topic, hint))

    def defer(self, stmt: Statement, **params: Any) -> None:
        """Executes `stmt` just before COMMIT, after all functions of the transaction. They must not read its effects."""
        self.deferred.append((stmt, params))

    def run_deferred(self, deferred: Iterable[tuple[Statement, Mapping[str, Any]]]) -> None:
        for stmt, params in deferred:
            self._run(stmt, params)

    def all_many(self, stmt: Statement, rows: Sequence[Mapping[str, Any]], **shared: Any) -> list[Row]:
        """Runs a statement with one row of `VALUES` for all `rows`, and returns its results in any order.

        `shared`: the parameters outside the row. Rows run in groups of powers of two, so that few texts are prepared.
        """
        results: list[Row] = []
        for compiled, cursor in self._many(stmt, rows, shared):
            results += [compiled.row(raw) for raw in cursor.fetchall()]
        return results

    def run_many(self, stmt: Statement, rows: Sequence[Mapping[str, Any]], **shared: Any) -> int:
        """Runs a statement like `all_many` and returns the number of changed rows instead of results."""
        return sum([int(cursor.rowcount) for _, cursor in self._many(stmt, rows, shared)])

    def _many(
        self, stmt: Statement, rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]
    ) -> Iterator[tuple[_Compiled, Any]]:
        compiled = stmt.on(self.dialect)
        start = 0
        while start < len(rows):
            size = min(1 << (len(rows) - start).bit_length() - 1, ROWS_PER_STATEMENT)
            sql, values = compiled.bind_many(rows[start : start + size], shared)
            yield compiled, self._execute(sql, _without_nuls(values))
            start += size


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
