"""Writes docs/guarantees.md: the guarantees that were proven, their counts, and the command that repeats each proof.

A run replaces the rows it proved and keeps the others; each row names the commit at which it was proven. So rows can be
proven one at a time. A short run never replaces a row of full counts.
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

The fault tests write this page: `python -m tests.faults --full --write-docs` replaces the section of each guarantee that it proves. Each
section ends with the command that repeats it (with `--short` if only the short form ran) and the commit at which it ran.

- *(floor 60)*: the section fails below 60. It tried enough only from there.
- *(≤ 3)*: the section fails above 3.
- A value without either is information, or a count of faults, which must be 0.
- *[limit 3, machine overbooked]*: other programs used the processors during the run, so a limit of time was extended, at most three times.

The test clients record what they send, what is acknowledged and what their screens show. After the run each message is in one class, from
“messages acknowledged and stored” to “messages neither stored nor refused”. A message stored without a received acknowledgement, because
the connection was cut, is no fault. Names in `code` after “kills at” are failpoints: places in the code where a test kills the server.

"""


def write_docs(rows: list[Tally], full: bool) -> None:
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, cwd=DOCS.parents[1]).stdout.strip()
    DOCS.parent.mkdir(exist_ok=True)
    with DOCS.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # several processes may prove rows at the same time
        file.seek(0)
        text = merged(file.read(), rows, full, commit)
        file.seek(0)
        file.truncate()
        file.write(text)


def merged(kept: str, rows: list[Tally], full: bool, commit: str) -> str:
    """Returns the document with these rows merged in."""
    sections = {
        part.split(":", 1)[0]: part.rstrip() + "\n\n"
        for part in re.split(r"^(?=## )", kept, flags=re.M)
        if part.startswith("## ")
    }
    for row in rows:
        name = f"## {row.guarantee} on {row.database}"
        if full or FULL not in sections.get(name, ""):
            sections[name] = _section(row, FULL if full else "--short", commit)
    return HEAD + "".join(sections[name] for name in sorted(sections, key=_sort_key)).rstrip() + "\n"


def _sort_key(heading: str) -> tuple[int, str]:
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
