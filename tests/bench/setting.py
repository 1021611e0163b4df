"""How long and how often everything is measured, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Measure = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Setting:
    folder: Path  # on the disk that is to be measured
    quick: bool = False  # a look, not a figure
    full: bool = False  # row 3 at a million tickets

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 3

    def few(self, count: int) -> int:
        """`count`, or a third of it in a quick run."""
        return max(1, count // 3) if self.quick else count

    def in_turn(self, floor: Measure, product: Measure) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A B A B …: whatever else the machine does meanwhile, it does to both."""
        floors, products = [], []
        for _ in range(self.rounds):
            floors.append(floor())
            products.append(product())
        return floors, products
