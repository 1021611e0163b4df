"""docs/guarantees.md: what was proven, with its counts and the command that repeats it.

A run replaces the rows it proved and leaves the others, each of which says at which commit it was proven; so the whole
is written row by row, whenever the machine is free for one. A short form never replaces a row of the full counts.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
from pathlib import Path

from tests.faults.tally import Tally

FULL = "--full"
DOCS = Path(__file__).parents[2] / "docs" / "guarantees.md"
HEAD = """# Guarantees, with their counts

Written by `python -m tests.faults --full --write-docs`, row by row; each row ends with the command that repeats it, and with
`--short` where only the short form ran here. A number with “floor” is how much had to be tried for the row to count, a number with
“≤” is a limit, and what a row does not say is 0 must be 0.
“Machine overbooked”: others used the processors, so a limit of wall time was stretched, to three times at most.

"""


def write_docs(rows: list[Tally], full: bool) -> None:
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, cwd=DOCS.parents[1]).stdout.strip()
    DOCS.parent.mkdir(exist_ok=True)
    with DOCS.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # rows are proven side by side
        file.seek(0)
        text = merged(file.read(), rows, full, commit)
        file.seek(0)
        file.truncate()
        file.write(text)


def merged(kept: str, rows: list[Tally], full: bool, commit: str) -> str:
    """The document with these rows in it."""
    sections = {
        part.split(":", 1)[0]: part.rstrip() + "\n\n"
        for part in re.split(r"^(?=## )", kept, flags=re.M)
        if part.startswith("## ")
    }
    for row in rows:
        name = f"## {row.guarantee} on {row.database}"
        if full or FULL not in sections.get(name, ""):
            sections[name] = _section(row, FULL if full else "--short", commit)
    return HEAD + "".join(sections[name] for name in sorted(sections, key=_place)).rstrip() + "\n"


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
