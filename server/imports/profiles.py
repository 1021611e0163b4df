"""Describes a column by all of its cells, and proposes its type. Pure; runs in the child process."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from server.imports.values import (
    BadCell,
    DateForm,
    boolean,
    clean,
    date,
    json_list,
    needs_day_first,
    number,
)

SAMPLES = 5
REMEMBERED = 50_000  # distinct values whose kinds are remembered
MOSTLY = 0.9  # a column has a type if this share of its cells has it

_PHONE = re.compile(r"\+?[\d(][\d ()./-]{6,}\d|\+\d{7,15}|\d+(?:\.\d+)?[eE]\+\d+", re.ASCII)
_SLASHES = re.compile(r"\d{1,2}/(\d{1,2})/", re.ASCII)
_MAYBE_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", re.ASCII)
KINDS = ("email", "phone", "number", "boolean", "date", "day_first", "dashed", "month_first", "list")
_INDEX = {kind: 1 << place for place, kind in enumerate(KINDS)}


def _kinds(text: str) -> int:
    """Which kinds of value the text may be, as bits."""
    found = 0
    if "@" in text and " " not in text:
        found |= _INDEX["email"]
    if text[0] in "[" and not isinstance(json_list(text), BadCell):
        return found | _INDEX["list"]
    if text[0].isdigit() or text[0] in "+-(":
        if _PHONE.fullmatch(text):
            found |= _INDEX["phone"]
        if not isinstance(number(text), BadCell):
            found |= _INDEX["number"]
        if _MAYBE_DATE.match(text):
            if not isinstance(date(text), BadCell):
                found |= _INDEX["date"]
                if (match := _SLASHES.match(text)) and int(match[1]) > 12:
                    found |= _INDEX["month_first"]
            elif needs_day_first(text) and not isinstance(date(text, DateForm("dmy")), BadCell):
                found |= _INDEX["day_first"]
            elif not isinstance(date(text, DateForm(dashes=True)), BadCell):
                found |= _INDEX["dashed"]
    if len(text) <= 8 and not isinstance(boolean(text), BadCell):
        found |= _INDEX["boolean"]
    return found


@dataclass(slots=True)
class Profile:
    """Counts over one column."""

    cells: int = 0  # that are not blank
    counts: list[int] = field(default_factory=lambda: [0] * len(KINDS))
    samples: list[str] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)
    _by_kinds: dict[int, int] = field(default_factory=dict)

    def add(self, cell: str) -> None:
        text = clean(cell)
        if not text:
            return
        self.cells += 1
        kinds = self._known.get(text)
        if kinds is None:
            kinds = _kinds(text)
            if len(self._known) < REMEMBERED:
                self._known[text] = kinds
            if len(self.samples) < SAMPLES:
                self.samples.append(text[:80])
        self._by_kinds[kinds] = self._by_kinds.get(kinds, 0) + 1

    def count(self, kind: str) -> int:
        bit = _INDEX[kind]
        return sum(n for kinds, n in self._by_kinds.items() if kinds & bit)

    def mostly(self, *kinds: str) -> bool:
        bits = sum(_INDEX[kind] for kind in kinds)
        fitting = sum(n for found, n in self._by_kinds.items() if found & bits)
        return self.cells > 0 and fitting >= MOSTLY * self.cells

    @property
    def type(self) -> str:
        """The proposed type of a property: the narrowest that fits."""
        if not self.cells:
            return "text"
        if self.mostly("date", "day_first"):
            return "date"
        if self.mostly("boolean") and len(self._known) <= 2 and not self.mostly("number"):
            return "boolean"
        if self.mostly("number") and not self._looks_like_codes():
            return "number"
        return "list" if self.mostly("list") else "text"

    def _looks_like_codes(self) -> bool:
        """Post codes and ids: numbers with a leading zero, or as long as a phone number."""
        return any((text[0] == "0" and text[1:2].isdigit()) or len(text) > 10 for text in self._known)

    @property
    def asks_order(self) -> bool:
        """Whether a slash date in the column cannot be MM/DD (IMP-25)."""
        return self.count("day_first") > 0

    @property
    def suggests_day_first(self) -> bool:
        return self.asks_order and self.count("month_first") == 0

    @property
    def unreadable_dates(self) -> int:
        return self.cells - self.count("date") - self.count("day_first")
