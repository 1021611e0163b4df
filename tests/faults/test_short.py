"""The short form of every guarantee on its databases; `make faults` runs the full counts.

A failure prints the row with its seed; `python -m tests.faults --only G1 --db sqlite --seed N` repeats it.
"""

from __future__ import annotations

import os

import pytest

from tests.faults.registry import GUARANTEES, prove
from tests.services import postgres_url, redis_url

SEED = int(os.environ.get("FAULTS_SEED", "20261121"))
# Tests of half a minute and more run first, so that no worker runs one of them alone at the end.
LONG = ("G1", "G4", "G11", "G15", "G17", "G24", "G30", "G31")
ROWS = sorted(
    ((name, database) for name, item in GUARANTEES.items() for database in item.short),
    key=lambda row: row[0] not in LONG,
)
# These measure times of a second and less. `make test` runs them after the browser tests, which use every core.
TIMED = ("G6", "G12", "G22", "G24", "G28")


@pytest.mark.faults
@pytest.mark.timeout(420)
@pytest.mark.parametrize(
    ("name", "database"), [pytest.param(*row, marks=[pytest.mark.timed] * (row[0] in TIMED)) for row in ROWS]
)
async def test_a_guarantee_holds(name: str, database: str) -> None:
    if database == "postgres":
        postgres_url()  # reports loudly that PostgreSQL is missing
        redis_url()
    row = await prove(name, database, full=False, seed=SEED)
    print(row.lines())
    assert row.passed, row.lines()
