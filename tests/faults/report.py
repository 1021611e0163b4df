"""docs/guarantees.md: what was proven, with its counts and the command that repeats it.

A run replaces the rows it proved and leaves the others, each of which says at which commit it was proven.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.faults.tally import Tally

DOCS = Path(__file__).parents[2] / "docs" / "guarantees.md"
HEAD = """# Guarantees, with their counts

Written by `python -m tests.faults --write-docs`; each row ends with the command that repeats it. A number with “floor” is
how much had to be tried for the row to count, a number with “≤” is a limit, and what a row does not say is 0 must be 0.
“Machine overbooked”: others used the processors, so a limit of wall time was stretched, to three times at most.

"""


def write_docs(rows: list[Tally], full: bool) -> None:
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, cwd=DOCS.parents[1]).stdout.strip()
    kept = DOCS.read_text() if DOCS.exists() else ""
    sections = {
        part.split(":", 1)[0]: part for part in re.split(r"^(?=## )", kept, flags=re.M) if part.startswith("## ")
    }
    for row in rows:
        sections[f"## {row.guarantee} on {row.database}"] = _section(row, "--full" if full else "--short", commit)
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text(HEAD + "".join(sections[name] for name in sorted(sections, key=_place)))


def _place(heading: str) -> tuple[int, str]:
    number = re.search(r"G(\d+) on (\w+)", heading)
    return (int(number[1]), number[2]) if number else (0, heading)


def _section(row: Tally, size: str, commit: str) -> str:
    from tests.faults.registry import GUARANTEES

    promise = GUARANTEES[row.guarantee].promise
    command = f"python -m tests.faults {size} --only {row.guarantee} --db {row.database} --seed {row.seed}"
    lines = [
        f"## {row.guarantee} on {row.database}: {'pass' if row.passed else '**FAIL**'}",
        "",
        f"{promise[0].upper()}{promise[1:]}.",
        "",
        "| counted | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in row.counts.items()),
        "",
        *(f"- **Wrong:** {line.splitlines()[0]}" for line in row.wrong),
        *(f"- **Not run here:** {line}" for line in row.missing),
        f"`{command}` ({row.seconds:.0f} s, at {commit})",
        "",
        "",
    ]
    return "\n".join(lines)
