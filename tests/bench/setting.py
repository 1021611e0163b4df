"""Duration, repetitions and folder of all measurements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Measure = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Setting:
    folder: Path  # on the disk that is measured
    quick: bool = False  # a short run; its figures are not published
    full: bool = False  # row 3 at a million tickets

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 3

    def few(self, count: int) -> int:
        """`count`, or a third of it in a quick run."""
        return max(1, count // 3) if self.quick else count

    def in_turn(self, floor: Measure, product: Measure) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Runs floor and product alternately, so that other load on the machine affects both."""
        floors, products = [], []
        for _ in range(self.rounds):
            floors.append(floor())
            products.append(product())
        return floors, products
