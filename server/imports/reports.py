"""Verdicts and problem rows as CSV, to read and to correct and upload again (IMP-52)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import StreamingResponse

from server.imports import parsing, queries
from server.imports.problems import sentence
from server.imports.queries import Import
from server.kernel.context import App
from server.web.csv_file import csv_response

ROWS_AT_ONCE = 500


def problems(app: App, found: Import) -> StreamingResponse:
    """The rows that were not taken or of which a cell was not taken, as they were in the file, with the reason.

    An import removes the apostrophes that keep cells from running as formulas (`values.clean`).
    """
    headers = _headers(found)
    names = dict(enumerate(headers))
    original = _rows(parsing.folder(app.settings, found.id) / "rows.jsonl")

    async def pages() -> AsyncIterator[list[list[str]]]:
        after = -1
        while rows := await app.read_slowly(queries.problems_after, found.id, after, ROWS_AT_ONCE):
            page = []
            for row in rows:
                cells = next((cells for n, cells in original if n == row.n), [])
                cells = [*cells, *[""] * (len(headers) - len(cells))][: len(headers)]
                page.append([*cells, str(row.line), explain(row.verdict, row.reason, row.detail, names)])
            yield page
            after = rows[-1].n

    return csv_response(f"import-{found.id}-problems.csv", [*headers, "Line", "Problem"], pages())


def _headers(found: Import) -> list[str]:
    assert found.described is not None
    return [column["header"] for column in found.described["columns"]]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open("rb") as file:
            for n, line in enumerate(file):
                yield n, orjson.loads(line)[3]
    except FileNotFoundError:
        return


def explain(verdict: str, reason: str, detail: dict[str, Any] | None, names: dict[int, str]) -> str:
    """Why the row or its cells were not taken, in sentences that name column and value."""
    cells = (detail or {}).get("cells", [])
    parts = [] if any(code == reason for _, code, _ in cells) else [sentence(verdict, reason)]
    for column, code, value in cells:
        where = names.get(column, "")
        parts.append(f"{where}: {sentence('cell', code)}" + (f" ({value})" if value else ""))
    return " ".join(filter(None, parts))


_VERDICT_HEADERS = ["Line", "File", "Verdict", "Who", "Problem", "Changes", "Consents"]


def verdicts(app: App, found: Import) -> StreamingResponse:
    """The verdict about every row: of the run, or before it of the rehearsal."""
    assert found.described is not None
    names = dict(enumerate(_headers(found)))
    files = [file["name"] for file in found.described["files"]]

    async def rehearsed() -> AsyncIterator[list[list[str]]]:
        with (parsing.folder(app.settings, found.id) / "verdicts.jsonl").open("rb") as file:
            while lines := file.readlines(1 << 16):
                yield [_verdict(orjson.loads(line), files, names) for line in lines]

    async def written() -> AsyncIterator[list[list[str]]]:
        after = -1
        while rows := await app.read_slowly(queries.rows_after, found.id, after, ROWS_AT_ONCE):
            yield [_verdict(shown(row), files, names) for row in rows]
            after = rows[-1].n

    pages = rehearsed() if found.state == "rehearsed" else written()
    return csv_response(f"import-{found.id}-rows.csv", _VERDICT_HEADERS, pages)


def shown(row: Any) -> dict[str, Any]:
    """A stored row in the form of `working.show`."""
    detail = row.detail or {}
    stop = detail.get("stop")
    return {
        "n": row.n,
        "file": row.file,
        "line": row.line,
        "verdict": row.verdict,
        "who": "",
        "reason": row.reason,
        "contact": row.contact_id,
        "changes": detail.get("changes", {}),
        "consents": [
            [purpose, before, after if applied else before]
            for purpose, before, after, applied, _ in detail.get("consents", [])
        ],
        "stop": stop[1] if stop else "",
        "cells": detail.get("cells", []),
    }


def _verdict(row: dict[str, Any], files: list[str], names: dict[int, str]) -> list[str]:
    changes = "; ".join(
        f"{name}: {_text(before)} → {_text(after)}" for name, (before, after) in row.get("changes", {}).items()
    )
    consents = "; ".join(f"{purpose}: {before} → {after}" for purpose, before, after in row.get("consents", ()))
    if row.get("stop"):
        consents = f"{consents}; e-mail suppressed ({row['stop']})".lstrip("; ")
    problem = explain(row["verdict"], row.get("reason", ""), {"cells": row.get("cells", [])}, names)
    file = files[row["file"]] if row["file"] < len(files) else ""
    return [str(row["line"]), file, row["verdict"], row.get("who", ""), problem, changes, consents]


def _text(value: Any) -> str:
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
