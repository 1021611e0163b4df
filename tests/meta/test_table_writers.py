"""Some tables have one writer. Another writer of `tickets` could forget the summary, its `rev` or an episode, and
another writer of `contacts` or `addresses` could forget the other table, or who must know of the change."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import UpdateBase

import server
from server.kernel.sql import Statement

SERVER = Path(__file__).parents[2] / "server"
WRITERS = {
    "tickets": {"server.threads.changes"},
    "contacts": {
        "server.contacts.erasing",
        "server.contacts.actions",
        "server.contacts.identity",
        "server.contacts.bulk",
        "server.contacts.merging",
        "server.contacts.properties",
    },
    "addresses": {
        "server.contacts.erasing",
        "server.contacts.actions",
        "server.contacts.identity",
        "server.contacts.bulk",
    },
    "property_values": {"server.contacts.properties"},
    "list_members": {"server.audiences.lists"},
    "postal_codes": {"server.audiences.postal_codes"},
    "segment_members": {"server.audiences.membership", "server.audiences.keeping"},
}
WRITES = {"insert", "update", "delete", "upsert"}
each_table = pytest.mark.parametrize("table", WRITERS)


def writes_in(source: str, table: str) -> Iterator[int]:
    """The lines that write the table: `update(tickets)`, `schema.tickets.insert()`, or SQL in a string."""
    tree = ast.parse(source)
    names = {table}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("server.schema"):
            names |= {alias.asname for alias in node.names if alias.name == table and alias.asname}
        elif isinstance(node, ast.Assign) and _is_table(node.value, table, names):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    in_sql = re.compile(
        rf"\b(UPDATE|INSERT\s+INTO|DELETE\s+FROM|REPLACE\s+INTO)\s+(ONLY\s+)?\"?{table}\b", re.IGNORECASE
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function_name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            on_table = isinstance(node.func, ast.Attribute) and _is_table(node.func.value, table, names)
            if function_name in WRITES and (on_table or any(_is_table(value, table, names) for value in node.args)):
                yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and in_sql.search(node.value):
            yield node.lineno


def _is_table(node: ast.expr, table: str, names: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == table and isinstance(node.value, ast.Name) and node.value.id == "schema"
    return isinstance(node, ast.Name) and node.id in names


def written_tables(statement: Statement) -> set[str]:
    """The tables that a statement writes, also inside its WITH."""
    return {
        part.table.name  # type: ignore[attr-defined]
        for part in visitors.iterate(statement._stmt)
        if isinstance(part, UpdateBase)
    }


@each_table
def test_no_other_module_contains_a_write_of_the_table(table: str) -> None:
    writers = {SERVER.parent / (module.replace(".", "/") + ".py") for module in WRITERS[table]}
    violations = [
        f"{path.relative_to(SERVER)}:{line}"
        for path in sorted(SERVER.rglob("*.py"))
        if path not in writers
        for line in writes_in(path.read_text(), table)
    ]
    assert violations == []


def test_no_statement_in_another_module_writes_the_table() -> None:
    checked = 0
    violations = []
    for module in pkgutil.walk_packages(server.__path__, "server."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement):
                checked += 1
                for table in written_tables(value) & WRITERS.keys():
                    if module.name not in WRITERS[table]:
                        violations.append(f"{module.name}.{name} writes {table}")
    assert checked > 200
    assert violations == []


@each_table
@pytest.mark.parametrize(
    "source",
    [
        "Statement(update(tickets).values(unread=True))",
        "Statement(insert(tickets))",
        "Statement(upsert(tickets))",
        "tx.run(tickets.delete())",
        "tx.run(schema.tickets.update().values(unread=True))",
        "from server.schema import tickets as rows\nupdate(rows)",
        "rows = schema.tickets\nsa.update(rows)",
        'text("UPDATE tickets SET unread = true")',
        'text("insert into tickets (id) VALUES (1)")',
    ],
)
def test_the_check_finds_each_way_to_write_the_table(source: str, table: str) -> None:
    assert list(writes_in(source.replace("tickets", table), table))


def test_reading_the_table_is_no_write() -> None:
    source = 'select(tickets).where(tickets.c.unread)\nself.tickets.pop(1)\n"tickets are updated"'
    assert not list(writes_in(source, "tickets"))
