"""Only `server/events` writes events and bookmarks, and never updates an event: a reader would not see the change."""

from __future__ import annotations

import importlib
import pkgutil

from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import Update, UpdateBase

import server
from server.events import recording
from server.kernel.sql import Statement

TABLES = {"events", "event_bookmarks"}


def statements() -> list[tuple[str, str, Statement]]:
    return [
        (module.name, name, value)
        for module in pkgutil.walk_packages(server.__path__, "server.")
        if not module.name.endswith("__main__")
        for name, value in vars(importlib.import_module(module.name)).items()
        if isinstance(value, Statement)
    ]


def writes(statement: Statement) -> list[UpdateBase]:
    return [part for part in visitors.iterate(statement._stmt) if isinstance(part, UpdateBase)]


def test_only_the_package_events_writes_its_tables() -> None:
    """Other packages add events with `record` and `record_selected`, whose INSERT is the only one they may contain."""
    violations = [
        f"{module}.{name}"
        for module, name, statement in statements()
        if not module.startswith("server.events.")
        for write in writes(statement)
        if write.table.name in TABLES and not recording.is_selected(write)  # type: ignore[attr-defined]
    ]
    assert violations == []


def test_no_statement_updates_an_event() -> None:
    all_statements = statements()
    assert len(all_statements) > 200
    assert [
        f"{module}.{name}"
        for module, name, statement in all_statements
        for write in writes(statement)
        if isinstance(write, Update) and write.table.name == "events"  # type: ignore[attr-defined]
    ] == []
