"""Reads an uploaded file once into rows, and describes what it found. Runs in the child process.

Each line of the rows file is a JSON array: number of the file inside a ZIP, line number, why the row cannot be read ("" if it
can), cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson

from server.imports import csv_files, encodings, spreadsheets
from server.imports.contents import BadFile, Limits, Member, kind_of, unpack
from server.imports.csv_files import Record
from server.imports.headers import file_state, fold, skeleton
from server.imports.mapping import MAX_COLUMNS, Reading
from server.imports.profiles import Profile

HEADER_WITHIN = 10  # records in which the header is looked for, below titles
PREVIEW_ROWS = 20
PREVIEW_CHARS = 200


@dataclass(slots=True)
class SourceFile:
    """One table: the upload itself, or one file of a ZIP. `skipped`: lines above the header. `state`: what its name says about
    everybody in it."""

    name: str
    kind: str
    encoding: str = ""
    certain: bool = True
    separator: str = ""
    sheet: str = ""
    sheets: list[dict[str, Any]] = field(default_factory=list)
    has_headers: bool = True
    skipped: int = 0
    rows: int = 0
    state: str = ""


@dataclass(slots=True)
class _Columns:
    """The columns of all files together, by header; a header that repeats within one file is another column."""

    headers: list[str] = field(default_factory=list)
    repeated: list[bool] = field(default_factory=list)
    _places: dict[tuple[str, int], int] = field(default_factory=dict)

    def place(self, headers: list[str]) -> list[int]:
        """The columns of a file with these headers, in order."""
        seen: dict[str, int] = {}
        places = []
        for number, header in enumerate(headers, 1):
            name = header.strip() or f"#{number}"
            nth = seen[fold(name)] = seen.get(fold(name), 0) + 1
            key = (fold(name) or name, nth)
            if key not in self._places:
                if len(self.headers) >= MAX_COLUMNS:
                    raise BadFile(
                        "too_many_columns", f"This file has more than {MAX_COLUMNS} columns.", most=MAX_COLUMNS
                    )
                self._places[key] = len(self.headers)
                self.headers.append(name if nth == 1 else f"{name} ({nth})")
                self.repeated.append(nth > 1)
            places.append(self._places[key])
        return places


def read(source: Path, name: str, work: Path, rows_path: Path, reading: Reading, limits: Limits) -> dict[str, Any]:
    """Writes the rows and returns the description. Raises `BadFile`."""
    kind = kind_of(source)
    members = unpack(source, work, limits) if kind == "zip" else [Member(name, source, kind)]
    columns = _Columns()
    files: list[SourceFile] = []
    profiles: list[Profile] = []
    preview: list[dict[str, Any]] = []
    total = 0
    with rows_path.open("wb") as out:
        for number, member in enumerate(members):
            file, records = _open(member, reading)
            files.append(file)
            headers, rest = _header(records, reading, file)
            places = columns.place(headers)
            straight = places == list(range(len(places)))
            profiles += [Profile() for _ in range(len(columns.headers) - len(profiles))]
            for record in rest:
                cells, broken = record.cells, record.broken
                if len(cells) > len(places):
                    if any(cell.strip() for cell in cells[len(places) :]) and not broken:
                        broken = "too_many_cells"
                    cells = cells[: len(places)]
                if not straight:
                    moved = [""] * len(columns.headers)
                    for place, cell in zip(places, cells, strict=False):
                        moved[place] = cell
                    cells = moved
                if not broken:
                    for profile, cell in zip(profiles, cells, strict=False):
                        if cell:
                            profile.add(cell)
                if len(preview) < PREVIEW_ROWS:
                    shown = [cell[:PREVIEW_CHARS] for cell in cells]
                    preview.append({"line": record.line, "file": number, "cells": shown, "broken": broken})
                out.write(orjson.dumps([number, record.line, broken, cells]) + b"\n")
                file.rows += 1
                total += 1
                if total > limits.rows:
                    raise BadFile(
                        "too_many_rows", f"This file has more than {limits.rows} rows. Split it.", most=limits.rows
                    )
    if not total:
        raise BadFile("empty_file", "There is no row below the headers.")
    return {
        "kind": kind if kind != "text" else ("txt" if name.lower().endswith(".txt") else "csv"),
        "files": [asdict(file) for file in files],
        "columns": _describe(columns, profiles),
        "rows": total,
        "preview": preview,
    }


def _open(member: Member, reading: Reading) -> tuple[SourceFile, Iterator[Record]]:
    file = SourceFile(member.name, member.kind, state=file_state(member.name))
    if member.kind == "text":
        is_text = member.name.lower().endswith(".txt")
        with member.path.open("rb") as handle:
            detected = encodings.detect(handle.read(encodings.SAMPLE_BYTES))
        if reading.encoding is not None and reading.encoding not in encodings.CHOICES:
            raise BadFile("bad_encoding", "This encoding is not known.")
        file.encoding = reading.encoding or detected.encoding
        file.certain = detected.certain
        lines = csv_files.head_lines(member.path, file.encoding)
        file.separator = reading.separator or csv_files.guess_separator(lines, is_text)
        quote = '"' if reading.quote is None else reading.quote
        return file, csv_files.read(member.path, file.encoding, file.separator, quote)
    sheets = spreadsheets.sheets(member.path)
    file.sheets = [asdict(sheet) for sheet in sheets]
    names = [sheet.name for sheet in sheets]
    visible = [sheet.name for sheet in sheets if not sheet.hidden]
    file.sheet = reading.sheet if reading.sheet in names else (visible or names)[0]
    return file, spreadsheets.read(member.path, file.sheet)


def _header(records: Iterator[Record], reading: Reading, file: SourceFile) -> tuple[list[str], Iterator[Record]]:
    """The headers, and the records below them. Lines above the header, such as a title, are skipped and counted."""
    head = list(islice(records, HEADER_WITHIN))
    if not head:
        return [], iter(())
    widths = [len({cell.strip() for cell in record.cells} - {""}) for record in head]
    first = next((n for n, width in enumerate(widths) if width > 1), 0)
    # A title is one cell above a table; a first record of several cells is never one.
    file.skipped = first if all(width <= 1 for width in widths[:first]) else 0
    head = head[file.skipped :]
    file.has_headers = _has_headers(head[0].cells) if reading.headers is None else reading.headers
    width = max(len(record.cells) for record in head)
    if not file.has_headers:
        return [f"#{number}" for number in range(1, width + 1)], chain(head, records)
    headers = list(head[0].cells)
    while (
        len(headers) > 1
        and not headers[-1].strip()
        and all(len(r.cells) < len(headers) or not r.cells[-1] for r in head[1:])
    ):
        headers.pop()
    return headers, chain(head[1:], records)


def _has_headers(cells: list[str]) -> bool:
    """A first line with an e-mail address or a long number is data."""
    return not any("@" in cell or sum(c.isdigit() for c in cell) >= 7 for cell in cells)


def _describe(columns: _Columns, profiles: list[Profile]) -> list[dict[str, Any]]:
    first_with: dict[str, int] = {}
    described = []
    for place, (header, profile) in enumerate(zip(columns.headers, profiles, strict=True)):
        look = skeleton(header)
        looks_like = first_with.setdefault(look, place)
        described.append(
            {
                "header": header,
                "cells": profile.cells,
                "samples": profile.samples,
                "type": profile.type,
                "emails": profile.mostly("email"),
                "phones": profile.mostly("phone"),
                "flags": profile.cells > 0 and set(profile.samples) <= {"0", "1"},
                "asks_order": profile.asks_order,
                "day_first": profile.suggests_day_first,
                "unreadable_dates": profile.unreadable_dates,
                "dashed_dates": profile.count("dashed"),
                # Duplicate, empty and look-alike headers: the user is asked which column is meant (I4).
                "same_as": looks_like if looks_like != place else (place if columns.repeated[place] else None),
                "unnamed": header.startswith("#"),
            }
        )
    return described
