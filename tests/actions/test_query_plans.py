"""With a long queue, on both databases, every statement that names its indexes uses the index it names and scans no large table."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, select

from server import migrate
from server.kernel.sql import Statement
from server.schema import outbound
from server.settings import Settings
from tests.plans import fill, plan, plan_faults, statements_with_indexes
from tests.services import create_database
from tests.world import SECRET

ROWS = 50_000
STATEMENTS = dict(statements_with_indexes())
POSTGRES_ONLY = {
    "server.kernel.processes._RECLAIM",
    "server.kernel.jobs._DUE_SKIP_LOCKED",
    "server.events.readers._NEXT_POSTGRES",
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def long_queue(request: pytest.FixtureRequest) -> Iterator[tuple[Any, bool]]:
    """Returns a function that executes a statement on a database with a long queue, and whether it is PostgreSQL."""
    postgres = request.param == "postgres"
    url = create_database() if postgres else None
    with tempfile.TemporaryDirectory(prefix="plans-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), secret_key=SECRET, database_url=url)  # type: ignore[call-arg]
        migrate.run(settings)
        fill(settings, ROWS)
        connection: Any
        if postgres:
            connection = psycopg.connect(settings.postgres_dsn(), autocommit=True)
        else:
            connection = sqlite3.connect(settings.sqlite_path())
        yield connection.execute, postgres
        connection.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_hot_statement_uses_its_index_and_scans_no_large_table(name: str, long_queue: tuple[Any, bool]) -> None:
    execute, postgres = long_queue
    if name in POSTGRES_ONLY and not postgres:
        return
    lines = plan(STATEMENTS[name], execute, postgres=postgres)
    assert plan_faults(STATEMENTS[name], lines, postgres=postgres) == [], "\n".join(lines)


def test_the_check_finds_a_scan_a_wrong_index_and_a_sort(long_queue: tuple[Any, bool]) -> None:
    """Tests the check itself, with statements that scan the queue."""
    execute, postgres = long_queue
    unsettled = select(outbound.c.id).where(outbound.c.state.in_(["sending", "unknown"]))
    by_due = select(outbound.c.id).where(outbound.c.state == "queued", outbound.c.sender != "x")
    for statement, fault in (
        (Statement(unsettled, uses=("ix_outbound_sending",)), "reads all of outbound"),
        (Statement(unsettled, uses=("ix_outbound_sending",)), "does not use ix_outbound_sending"),
        (Statement(by_due.order_by(outbound.c.body).limit(bindparam("n")), uses=()), "sorts before it limits"),
    ):
        assert fault in plan_faults(statement, plan(statement, execute, postgres=postgres), postgres=postgres)
