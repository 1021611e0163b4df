"""Reads CSV and TXT files record by record. Runs in the child process.

Python's csv module lets an unclosed quote swallow the rest of the file. Here a record that grows too long is given up: its
first line becomes a broken record, and reading continues at the next line.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SEPARATORS = (",", ";", "\t", "|")
MAX_RECORD_LINES = 200
MAX_RECORD_CHARS = 200_000
SAMPLE_LINES = 60


@dataclass(frozen=True, slots=True)
class Record:
    """`line`: of its first line in the file, from 1. `broken`: why its cells cannot be trusted."""

    line: int
    cells: list[str]
    broken: str = ""


class _Lines:
    """The lines of a file. It keeps the lines of the current record, so that the reader can go back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []
        self.of_record: list[str] = []
        self._chars = 0
        self.number = 0  # of the last line that was read

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.of_record) >= MAX_RECORD_LINES or self._chars > MAX_RECORD_CHARS:
            raise _TooLong
        line = self._again.pop() if self._again else next(self._lines)
        self.number += 1
        self.of_record.append(line)
        self._chars += len(line)
        return line.replace("\0", "")

    def end_record(self) -> None:
        self.of_record, self._chars = [], 0

    def go_back(self) -> str:
        """Returns the first line of the record; the others are read again."""
        first, *rest = self.of_record
        self._again += reversed(rest)
        self.number -= len(rest)
        self.end_record()
        return first


class _TooLong(Exception):
    pass


def read(path: Path, encoding: str, separator: str, quote: str = '"') -> Iterator[Record]:
    """Yields every record that is not blank. Bytes that the encoding does not have become U+FFFD."""
    csv.field_size_limit(MAX_RECORD_CHARS)
    with path.open(encoding=_codec(encoding), errors="replace", newline="") as file:
        lines = _Lines(_without_bom(_bounded(file)))
        while True:
            reader = csv.reader(lines, delimiter=separator, quotechar=quote or None,
                                quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE)  # fmt: skip
            try:
                while True:
                    start = lines.number + 1
                    try:
                        cells = next(reader)
                    except StopIteration:
                        return
                    if start == 1 and _is_separator_line(lines.of_record[0]):
                        lines.end_record()
                        continue
                    # At the end of the file the csv module closes an open quote itself.
                    if len(lines.of_record) > 1 and sum(line.count(quote) for line in lines.of_record) % 2:
                        raise _TooLong
                    if sum(len(line) for line in lines.of_record) > MAX_RECORD_CHARS:
                        yield Record(start, [lines.of_record[0][:200]], "line_too_long")
                    elif any(cell and not cell.isspace() for cell in cells):
                        yield Record(start, cells)
                    lines.end_record()
            except (_TooLong, csv.Error):
                long = len(lines.of_record[0]) > MAX_RECORD_CHARS if lines.of_record else False
                start = lines.number - len(lines.of_record) + 1
                first = lines.go_back()
                yield Record(start, [first.rstrip("\r\n")[:200]], "line_too_long" if long else "unclosed_quote")


def _codec(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _bounded(file: Iterator[str]) -> Iterator[str]:
    """The lines of the file. A line without end is cut in pieces of `MAX_RECORD_CHARS`, of which only the first is kept."""
    read_line = file.readline  # type: ignore[attr-defined]
    while line := read_line(MAX_RECORD_CHARS + 2):
        rest = line
        while len(rest) == MAX_RECORD_CHARS + 2 and rest[-1] not in "\r\n":
            rest = read_line(MAX_RECORD_CHARS + 2)
        yield line


def _without_bom(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line.removeprefix("\ufeff")
        break
    yield from lines


def _is_separator_line(line: str) -> bool:
    """`sep=;`, with which programs tell Excel the separator."""
    return separator_line(line) is not None


def separator_line(line: str) -> str | None:
    text = line.removeprefix("\ufeff").strip("\r\n \"'")
    if len(text) == 5 and text[:4].lower() == "sep=":
        return text[4]
    # `strip` removes a tab that is the separator.
    return "\t" if line.removeprefix("\ufeff").lower().startswith("sep=\t") else None


def head_lines(path: Path, encoding: str) -> list[str]:
    with path.open(encoding=_codec(encoding), errors="replace", newline="") as file:
        lines = _without_bom(_bounded(file))
        return [line for line, _ in zip(lines, range(SAMPLE_LINES), strict=False)]


def guess_separator(lines: list[str], is_text: bool) -> str:
    """The separator that gives the sample the most regular columns. Without one: comma, or tab for TXT (CIM-24)."""
    if lines and (given := separator_line(lines[0])) is not None:
        return given
    text = "".join(lines)
    best, chosen = 0.0, "\t" if is_text and "\t" in text else ","
    for separator in SEPARATORS:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=separator) if any(cells)]
        except csv.Error:
            continue
        if not widths or (usual := statistics.mode(widths)) < 2:
            continue
        regular = widths.count(usual) / len(widths)
        score = regular * (1 + min(usual, 20) / 20)
        if score > best:
            best, chosen = score, separator
    return chosen
