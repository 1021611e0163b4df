"""Runs every guarantee on both databases and prints a table: `python -m tests.faults`. Exits with an error when a
guarantee fails."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import uvloop

from tests.faults.registry import DATABASES, GUARANTEES, prove
from tests.faults.report import write_docs
from tests.faults.tally import Tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="the counts of GUARANTEES.md")
    size.add_argument("--short", action="store_true", help="the form that `make test` runs (default)")
    parser.add_argument("--only", default="", help="for example G1,G3")
    parser.add_argument("--db", choices=["sqlite", "postgres"], help="one database only")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--write-docs", action="store_true", help="write the table to docs/guarantees.md")
    options = parser.parse_args()
    names = [name.strip().upper() for name in options.only.split(",") if name.strip()] or list(GUARANTEES)
    rows: list[Tally] = []
    print(f"seed {options.seed}", flush=True)
    for name in names:
        for database in GUARANTEES[name].databases:
            if options.db in (None, database):
                rows.append(uvloop.run(prove(name, database, full=options.full, seed=options.seed)))
                print(rows[-1].lines(), flush=True)
    failed = [f"{row.guarantee}/{row.database}" for row in rows if not row.passed]
    lacking = [f"{row.guarantee}/{row.database}" for row in rows if row.missing]
    print(f"\n{len(rows)} rows, {len(failed)} failed {failed or ''}; parts not run: {lacking or 'none'}")
    if options.write_docs:
        write_docs(rows, options.full)
    return 1 if failed or not rows else 0


__all__ = ["DATABASES", "asyncio"]

if __name__ == "__main__":
    sys.exit(main())
