"""One guarantee's result: what was counted, which lines it had to stay under, which floors it had to reach."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field


@dataclass
class Tally:
    """A row of the table. A run that did too little fails like one that found something (GUARANTEES 0.9)."""

    guarantee: str
    database: str
    seed: int
    full: bool = False
    counts: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # what this machine could not run, loudly
    floors: int = 0
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def passed(self) -> bool:
        return not self.wrong and self.floors > 0

    def note(self, name: str, value: object) -> None:
        """For the reader of the table; decides nothing."""
        self.counts[name] = f"{value:.2f}" if isinstance(value, float) else str(value)

    def zero(self, name: str, value: int, why: object = "") -> None:
        """What must not happen, not once. `why`: the first cases, for whoever reads the failure."""
        self.note(name, value)
        if value:
            self.wrong.append(f"{name} = {value}, must be 0 {str(why)[:1500]}".rstrip())

    def at_most(self, name: str, value: float, limit: float) -> None:
        self.counts[name] = f"{value:.2f} (≤ {limit:g})"
        if value > limit:
            self.wrong.append(f"{name} = {value:.3f}, must be at most {limit:g}")

    def quick(self, name: str, value: float, limit: float) -> None:
        """A limit of wall time. Where others use the machine too, it is stretched by as much as it is overbooked, up to
        three times; on a quiet machine it holds as it is written."""
        overbooked = min(3.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
        self.at_most(name, value, round(limit * overbooked, 1))
        if overbooked > 1.2:
            self.counts[name] += f" [limit {limit:g}, machine overbooked]"

    def floor(self, name: str, value: int, least: int) -> None:
        """How much was really tried. Every harness has at least one."""
        self.floors += 1
        self.counts[name] = f"{value} (floor {least})"
        if value < least:
            self.wrong.append(f"{name} = {value}, under its floor of {least}: this run proves nothing")

    def lacks(self, what: str) -> None:
        self.missing.append(what)

    def done(self) -> Tally:
        self.seconds = time.monotonic() - self.started
        return self

    def lines(self) -> str:
        state = "pass" if self.passed else "FAIL"
        head = f"{self.guarantee:<4} {self.database:<9} {state}  seed {self.seed}  {self.seconds:.0f} s"
        counts = "; ".join(f"{name} {value}" for name, value in self.counts.items())
        rest = [f"     WRONG: {line}" for line in self.wrong] + [f"     NOT RUN: {line}" for line in self.missing]
        return "\n".join([head, f"     {counts}", *rest])

    def __str__(self) -> str:
        return self.lines()
