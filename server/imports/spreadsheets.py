"""Reads XLSX and XLS sheets with python-calamine. Runs in the child process only: a crafted workbook of a few kilobytes can
abort it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from server.imports.contents import DAMAGED, BadFile
from server.imports.csv_files import MAX_RECORD_CHARS, Record

MAX_SHEETS = 200
MAX_CELLS = 40_000_000  # of a sheet, empty ones between the first and the last cell included
MAX_COLUMNS = 1_000
EXACT = 1e15  # a spreadsheet keeps 15 digits


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    hidden: bool


def _open(path: Path) -> Any:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        return CalamineWorkbook.from_path(str(path))
    except PasswordError:
        raise BadFile(
            "encrypted", "This file is protected by a password. Remove the password and upload it again."
        ) from None
    except (CalamineError, OSError, ValueError) as error:
        if "assword" in str(error):
            raise BadFile(
                "encrypted", "This file is protected by a password. Remove the password and upload it again."
            ) from None
        raise BadFile("damaged_file", DAMAGED) from None


def sheets(path: Path) -> list[Sheet]:
    """The worksheets, also hidden ones. Raises `BadFile`."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    found = [
        Sheet(sheet.name, sheet.visible != SheetVisibleEnum.Visible)
        for sheet in _open(path).sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet
    ]
    if len(found) > MAX_SHEETS:
        raise BadFile("too_many_sheets", f"This workbook has more than {MAX_SHEETS} sheets.", most=MAX_SHEETS)
    if not found:
        raise BadFile("empty_file", "This workbook has no sheets with cells.")
    return found


def read(path: Path, name: str) -> Iterator[Record]:
    """Yields every row of the sheet that is not blank. `line`: its row number. The cells of a merged area repeat its value."""
    from python_calamine import CalamineError

    try:
        sheet = _open(path).get_sheet_by_name(name)
    except CalamineError:
        raise BadFile("no_such_sheet", "This workbook has no such sheet.") from None
    if sheet.total_height * sheet.total_width > MAX_CELLS:
        raise BadFile(
            "sheet_too_large",
            "A cell far below or to the right makes this sheet too large. Copy the table to a new sheet.",
        )
    if sheet.total_width > MAX_COLUMNS:
        raise BadFile("too_many_columns", f"This sheet has more than {MAX_COLUMNS} columns.", most=MAX_COLUMNS)
    first_row, first_column = sheet.start or (0, 0)
    merged = _merged(sheet)
    kept: dict[tuple[int, int], str] = {}
    for number, raw in enumerate(sheet.iter_rows(), first_row + 1):
        cells = [_text(value) for value in raw]
        for column, origin in merged.get(number - 1, ()):
            if origin[0] == number - 1:
                kept[origin] = cells[origin[1] - first_column]
            index = column - first_column
            if 0 <= index < len(cells):
                cells[index] = kept.get(origin, "")
        if any(cells):
            yield Record(number, cells)


def _merged(sheet: Any) -> dict[int, list[tuple[int, tuple[int, int]]]]:
    """The cells of merged areas by row: column, and the cell with the value. Large areas are ignored: they are decoration."""
    cells: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if (bottom - top + 1) * (right - left + 1) <= 10_000:
            for row in range(top, bottom + 1):
                cells.setdefault(row, []).extend((column, (top, left)) for column in range(left, right + 1))
    return cells


def _text(value: Any) -> str:
    """A cell as text. Dates are ISO 8601; calamine has already counted them from 1900 or 1904, as the workbook says."""
    if isinstance(value, str):
        return value[:MAX_RECORD_CHARS]
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < EXACT:
            return str(int(value))
        return repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds" if value.microsecond else "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)
