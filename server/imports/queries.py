"""Reads of imports and of the verdicts about their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select

from server.errors import NotFound
from server.imports.mapping import Mapping, Reading
from server.kernel.sql import Conn, Row, Statement
from server.schema import import_rows, imports

PAGE = 50


@dataclass(frozen=True, slots=True)
class Import:
    """The columns of `imports`."""

    id: int
    kind: str
    state: str
    version: int
    source: str
    file_name: str
    file_size: int
    file_token: str
    sha256: str
    reading: dict[str, Any]
    described: dict[str, Any] | None
    mapping: dict[str, Any] | None
    problem: dict[str, Any] | None
    rows: int
    done: int
    position: dict[str, Any] | None
    counts: dict[str, int]
    rehearsal: dict[str, Any] | None
    columns: dict[str, int] | None
    list_id: int | None
    grants: bool
    suppresses: bool
    by_user: int | None
    by_name: str
    created_at: datetime
    uploaded_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    undone_at: datetime | None
    cancelled: bool

    @property
    def wanted_reading(self) -> Reading:
        return Reading.model_validate(self.reading)

    @property
    def wanted_mapping(self) -> Mapping:
        assert self.mapping is not None
        return Mapping.model_validate(self.mapping)

    @property
    def evidence(self) -> str:
        """How the consent ledger names the file (G14)."""
        return f"{self.file_name}, sha256 {self.sha256}"


_COLUMNS = [imports.c[name] for name in Import.__dataclass_fields__]
_BY_ID = Statement(select(*_COLUMNS).where(imports.c.id == bindparam("import_id")))
_LOCK = Statement(select(*_COLUMNS).where(imports.c.id == bindparam("import_id")).with_for_update())
_ALL = Statement(
    select(*_COLUMNS).where(imports.c.id < bindparam("before")).order_by(imports.c.id.desc()).limit(bindparam("n"))
)
_COUNT_FINISHED = Statement(select(func.count()).where(imports.c.state.in_(("done", "cancelled", "undone"))))
_ROWS = Statement(
    select(import_rows)
    .where(import_rows.c.import_id == bindparam("import_id"), import_rows.c.n > bindparam("after"))
    .order_by(import_rows.c.n)
    .limit(bindparam("limit"))
)
_ROWS_BEFORE = Statement(
    select(import_rows)
    .where(import_rows.c.import_id == bindparam("import_id"), import_rows.c.n < bindparam("before"))
    .order_by(import_rows.c.n.desc())
    .limit(bindparam("limit"))
)
_PROBLEMS = Statement(
    select(import_rows)
    .where(
        import_rows.c.import_id == bindparam("import_id"), import_rows.c.problem, import_rows.c.n > bindparam("after")
    )
    .order_by(import_rows.c.n)
    .limit(bindparam("limit")),
    uses=("ix_import_rows_problem",),
)
_WITH_VERDICT = Statement(
    select(import_rows)
    .where(
        import_rows.c.import_id == bindparam("import_id"),
        import_rows.c.verdict == bindparam("verdict"),
        import_rows.c.n > bindparam("after"),
    )
    .order_by(import_rows.c.n)
    .limit(bindparam("limit"))
)


def by_id(conn: Conn, import_id: int) -> Import:
    """Raises `NotFound`."""
    row = conn.first(_BY_ID, import_id=import_id)
    if row is None:
        raise NotFound("This import does not exist any more.")
    return Import(*row)


def lock(conn: Conn, import_id: int) -> Import:
    """`by_id`, locked until the end of the transaction."""
    row = conn.first(_LOCK, import_id=import_id)
    if row is None:
        raise NotFound("This import does not exist any more.")
    return Import(*row)


def newest(conn: Conn, before: int) -> list[Import]:
    """A page of imports, newest first."""
    return [Import(*row) for row in conn.all(_ALL, before=before, n=PAGE + 1)]


def is_first(conn: Conn) -> bool:
    """Whether no import has finished yet (IMP-10)."""
    return int(conn.value(_COUNT_FINISHED)) == 0


def rows_after(conn: Conn, import_id: int, after: int, limit: int) -> list[Row]:
    return conn.all(_ROWS, import_id=import_id, after=after, limit=limit)


def rows_before(conn: Conn, import_id: int, before: int, limit: int) -> list[Row]:
    """The rows before `before`, the last first."""
    return conn.all(_ROWS_BEFORE, import_id=import_id, before=before, limit=limit)


def problems_after(conn: Conn, import_id: int, after: int, limit: int) -> list[Row]:
    """Rows that were not taken, or of which a cell was not taken."""
    return conn.all(_PROBLEMS, import_id=import_id, after=after, limit=limit)


def with_verdict(conn: Conn, import_id: int, verdict: str, after: int, limit: int) -> Sequence[Row]:
    return conn.all(_WITH_VERDICT, import_id=import_id, verdict=verdict, after=after, limit=limit)
