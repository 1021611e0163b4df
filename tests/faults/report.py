"""docs/guarantees.md: what was proven, with its counts and the command that repeats it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.faults.tally import Tally

DOCS = Path(__file__).parents[2] / "docs" / "guarantees.md"


def write_docs(rows: list[Tally], full: bool) -> None:
    from tests.faults.registry import GUARANTEES

    size = "--full" if full else "--short"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=DOCS.parents[1]
    ).stdout.strip()
    lines = [
        "# Guarantees, with their counts",
        "",
        f"Written by `python -m tests.faults {size} --write-docs` at commit `{commit}`. Each row ends with the command that",
        "repeats it. A number with “floor” is how much had to be tried for the row to count; a number with “≤” is a limit.",
        "",
    ]
    for row in rows:
        lines += [
            f"## {row.guarantee} on {row.database}: {'pass' if row.passed else '**FAIL**'}",
            "",
            f"{GUARANTEES[row.guarantee].promise[0].upper()}{GUARANTEES[row.guarantee].promise[1:]}.",
            "",
            "| counted | value |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in row.counts.items()),
            "",
            *(f"- **Wrong:** {line.splitlines()[0]}" for line in row.wrong),
            *(f"- **Not run here:** {line}" for line in row.missing),
            f"`python -m tests.faults {size} --only {row.guarantee} --db {row.database} --seed {row.seed}` ({row.seconds:.0f} s)",
            "",
        ]
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text("\n".join(lines))
