"""Stores events. Only this package writes the table `events`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Insert, Select, Text, bindparam, cast, literal
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too
from sqlalchemy.sql import ColumnElement

from server.events.rules import NewEvent
from server.kernel.columns import Instant
from server.kernel.sql import Statement, Tx
from server.schema import events

_COLUMNS = "contact_id metric happened_at recorded_at source data value currency dedupe cause".split()
_INSERT = Statement(
    insert(events)
    .values({name: bindparam(name) for name in _COLUMNS})
    .on_conflict_do_nothing(index_elements=["dedupe"], index_where=events.c.dedupe.is_not(None))
    .returning(events.c.dedupe)
)


def record(tx: Tx, new: Sequence[NewEvent]) -> set[str]:
    """Stores events. An event whose key is stored already is left out. Returns the keys of the new events."""
    rows: list[dict[str, Any]] = [
        {
            "contact_id": event.contact,
            "metric": event.metric,
            "happened_at": event.happened_at or tx.now,
            "recorded_at": tx.now,
            "source": event.source,
            "data": event.data,
            "value": event.value,
            "currency": event.currency,
            "dedupe": event.dedupe,
            "cause": event.cause,
        }
        # In the order of their keys, so that two transactions with the same keys cannot deadlock.
        for event in sorted(new, key=lambda event: event.dedupe or "")
    ]
    return {row.dedupe for row in tx.all_many(_INSERT, rows) if row.dedupe is not None}


def record_selected(
    rows: Select[Any], contact: Any, metric: Any, source: Any, at: ColumnElement[Any], **data: Any
) -> Insert:
    """An INSERT of one event for each row of a statement, so that PostgreSQL needs no further round trip.

    `rows`: the FROM and WHERE of a SELECT. `data`: whole numbers by name.
    """
    parts: list[Any] = []
    for number, (name, value) in enumerate(data.items()):
        parts += [literal(f'{"," if number else "{"}"{name}":'), cast(value, Text)]
    text: Any = parts[0]
    for part in (*parts[1:], literal("}")):
        text = text.concat(part)
    # `cast` keeps the column's type from encoding the text as JSON a second time.
    return insert(events).from_select(
        ["contact_id", "metric", "happened_at", "recorded_at", "source", "data"],
        rows.with_only_columns(contact, metric, at, at, source, cast(text, Text)),
    )


NOW: ColumnElement[Any] = bindparam("at", type_=Instant)


def is_selected(statement: object) -> bool:
    """Whether a statement is the INSERT of `record_selected`."""
    return isinstance(statement, Insert) and statement.table is events and statement.select is not None
