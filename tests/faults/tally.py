"""The result of one guarantee: its counts, the limits they must stay under and the floors they must reach."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from tests.services import overbooked


@dataclass
class Tally:
    """A row of the table. A run fails if it found a fault or tried too little."""

    guarantee: str
    database: str
    seed: int
    full: bool = False
    counts: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # tests that this machine could not run; printed
    floors: int = 0
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def passed(self) -> bool:
        return not self.wrong and self.floors > 0

    def note(self, name: str, value: object) -> None:
        """Records a count without a limit."""
        self.counts[name] = f"{value:.2f}" if isinstance(value, float) else str(value)

    def zero(self, name: str, value: int, examples: object = "") -> None:
        """A count that must be zero. `examples`: the first cases, for the failure message."""
        self.note(name, value)
        if value:
            self.wrong.append(f"{name} = {value}, must be 0 {str(examples)[:1500]}".rstrip())

    def at_most(self, name: str, value: float, limit: float) -> None:
        self.counts[name] = f"{value:.2f} (≤ {limit:g})"
        if value > limit:
            self.wrong.append(f"{name} = {value:.3f}, must be at most {limit:g}")

    def quick(self, name: str, value: float, limit: float) -> None:
        """A limit of wall time. On a machine with more runnable processes than cores it is multiplied by that ratio, up
        to three times."""
        ratio = overbooked()
        self.at_most(name, value, round(limit * ratio, 1))
        if ratio > 1.2:
            self.counts[name] += f" [limit {limit:g}, machine overbooked]"

    def floor(self, name: str, value: int, least: int) -> None:
        """The least number of tries. Every guarantee has at least one floor."""
        self.floors += 1
        self.counts[name] = f"{value} (floor {least})"
        if value < least:
            self.wrong.append(f"{name} = {value}, under its floor of {least}: this run proves nothing")

    def lacks(self, test: str) -> None:
        self.missing.append(test)

    def done(self) -> Tally:
        self.seconds = time.monotonic() - self.started
        return self

    def lines(self) -> str:
        state = "pass" if self.passed else "FAIL"
        head = f"{self.guarantee:<4} {self.database:<9} {state}  seed {self.seed}  {self.seconds:.0f} s"
        counts = "; ".join(f"{name} {value}" for name, value in self.counts.items())
        problems = [f"     WRONG: {line}" for line in self.wrong] + [f"     NOT RUN: {line}" for line in self.missing]
        return "\n".join([head, f"     {counts}", *problems])

    def __str__(self) -> str:
        return self.lines()
