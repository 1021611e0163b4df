"""Prints figures beside the floor's, as a table and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Line:
    """One figure. `gate` and `stretch` bound its ratio to the floor, or, without a floor, the figure itself."""

    row: str
    what: str
    unit: str
    product: float
    floor: float | None = None
    better: Literal["more", "less"] = "more"
    gate: float | None = None
    stretch: float | None = None
    absolute: bool = False  # the bounds apply to the figure itself, not to its ratio to the floor
    spread: float = 0.0  # (largest - smallest) / median of the product's rounds

    @property
    def ratio(self) -> float | None:
        return self.product / self.floor if self.floor else None

    @property
    def judged(self) -> float:
        return self.product if self.absolute or self.ratio is None else self.ratio

    def meets(self, bound: float | None) -> bool | None:
        if bound is None:
            return None
        if math.isnan(self.judged):
            return False
        return self.judged >= bound if self.better == "more" else self.judged <= bound

    @property
    def verdict(self) -> str:
        if self.meets(self.gate) is None:
            return ""
        if self.meets(self.stretch):
            return "stretch"
        return "pass" if self.meets(self.gate) else "MISS"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


def middle(rounds: list[dict[str, Any]], name: str) -> float:
    return float(median(result[name] for result in rounds))


def spread(rounds: list[dict[str, Any]], name: str) -> float:
    values = [result[name] for result in rounds]
    return float((max(values) - min(values)) / (median(values) or 1))


def compare(
    row: str, what: str, unit: str, name: str, floor: list[dict[str, Any]], product: list[dict[str, Any]], **more: Any
) -> Line:
    """The median of one figure over all rounds, product beside floor."""
    return Line(
        row, what, unit, middle(product, name), middle(floor, name) if floor else None,
        spread=spread(product, name), **more,
    )  # fmt: skip


def number(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2f}"


def _bound(line: Line, bound: float | None) -> str:
    if bound is None:
        return ""
    sign = "≥" if line.better == "more" else "≤"
    absolute_only = line.absolute or line.ratio is None
    return f"{sign} {number(bound)}" + (f" {line.unit}" if absolute_only else "×")


def show(lines: list[Line]) -> None:
    table = Table(show_edge=False, pad_edge=False)
    for name in ("row", "what", "floor", "product", "±", "ratio", "gate", "stretch", ""):
        table.add_column(name, justify="left" if name in ("row", "what", "") else "right", no_wrap=True)
    previous = ""
    for line in lines:
        style = {"MISS": "bold red", "stretch": "bold green", "pass": "green"}.get(line.verdict, "")
        table.add_row(
            line.row if line.row != previous else "",
            f"{line.what}, {line.unit}",
            number(line.floor),
            number(line.product),
            f"{line.spread:.0%}" if line.spread else "",
            "" if line.ratio is None else f"{line.ratio:.2f}×",
            _bound(line, line.gate),
            _bound(line, line.stretch),
            f"[{style}]{line.verdict}[/]" if style else "",
        )
        previous = line.row
    Console(width=150).print(table)
