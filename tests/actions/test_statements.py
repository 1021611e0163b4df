"""One statement for many rows (`Tx.many`), on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, Text, bindparam, column, insert, select, update, values

from server.kernel.columns import Instant
from server.kernel.sql import ROWS_PER_STATEMENT, Statement, Tx
from server.schema import contacts
from server.schema import settings as table
from tests.people import add_contact
from tests.world import World

_PUT = Statement(
    insert(table)
    .values(name=bindparam("name"), value=bindparam("value"), updated_at=bindparam("now"))
    .returning(table.c.name)
)
_new = (
    values(column("contact", BigInteger), column("name", Text), name="new")
    .data([(bindparam("contact", type_=BigInteger), bindparam("new_name", type_=Text))])
    .cte()
)
_NAME = Statement(
    update(contacts)
    .where(contacts.c.id == _new.c.contact, contacts.c.created_at <= bindparam("until", type_=Instant))
    .values(name=_new.c.name)
    .returning(contacts.c.id, contacts.c.name)
)


@pytest.mark.parametrize("count", [0, 1, 2, 3, ROWS_PER_STATEMENT - 1, ROWS_PER_STATEMENT, 3 * ROWS_PER_STATEMENT + 7])
async def test_many_rows_are_written_in_few_statements(world: World, count: int) -> None:
    statements: list[str] = []

    def put(tx: Tx) -> list[str]:
        execute = tx._execute
        tx._execute = lambda sql, given: (statements.append(sql), execute(sql, given))[1]  # type: ignore[func-returns-value]
        rows = [{"name": f"n{number}", "value": {"of": [number, None]}, "now": tx.now} for number in range(count)]
        return sorted(row.name for row in tx.all_many(_PUT, rows))

    assert await world.app.write(put) == sorted(f"n{number}" for number in range(count))
    stored = await world.app.read(lambda conn: conn.all(select(table).where(table.c.name.like("n%"))))
    assert {row.name: row.value for row in stored if row.name[1:].isdigit()} == {
        f"n{number}": {"of": [number, None]} for number in range(count)
    }
    assert {row.updated_at for row in stored} <= {world.clock.now()}
    # Full statements, then one for each power of two in the rest: 7 rows are written as 4 + 2 + 1.
    assert len(statements) == count // ROWS_PER_STATEMENT + (count % ROWS_PER_STATEMENT).bit_count()


async def test_each_row_gets_its_own_values_and_all_rows_the_shared_ones(world: World) -> None:
    def change(tx: Tx) -> tuple[dict[int, str], dict[int, str]]:
        ids = [add_contact(tx) for _ in range(11)]
        expected = {item: f"who? %s {item}" for item in reversed(ids)}
        rows = [{"contact": item, "new_name": name} for item, name in expected.items()]
        rows.append({"contact": max(ids) + 1, "new_name": "nobody"})
        return expected, {row.id: row.name for row in tx.all_many(_NAME, rows, until=tx.now)}

    expected, named = await world.app.write(change)
    assert named == expected
    stored = await world.app.read(lambda conn: conn.all(select(contacts.c.id, contacts.c.name)))
    assert {row.id: row.name for row in stored if row.id in expected} == expected
