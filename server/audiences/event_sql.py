"""SQL for the events that a condition counts: their time, value and data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from server.audiences.conditions import DataCondition, DidEvent
from server.events.rules import SCALE as MONEY_SCALE
from server.kernel.columns import Instant
from server.schema import events

Predicate = Any  # a ColumnElement[bool]; operators of columns are not typed


class event_text(FunctionElement[str]):
    """A text in the data of an event; NULL if the data has no text of this name."""

    inherit_cache = True


class event_number(FunctionElement[float]):
    inherit_cache = True
    type = Float()


def _json(element: Any, compiler: Any, options: Any) -> tuple[str, str]:
    data, key = element.clauses
    return compiler.process(data, **options), key.value  # `conditions.DATA_KEY` allows no quotation marks


@compiles(event_text, "postgresql")
def _text_postgres(element: Any, compiler: Any, **options: Any) -> str:
    data, key = _json(element, compiler, options)
    return f"(CASE WHEN jsonb_typeof(CAST({data} AS jsonb) -> '{key}') = 'string' THEN CAST({data} AS jsonb) ->> '{key}' END)"


@compiles(event_text, "sqlite")
def _text_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    data, key = _json(element, compiler, options)
    path = f"'$.\"{key}\"'"
    return f"(CASE WHEN json_type({data}, {path}) = 'text' THEN json_extract({data}, {path}) END)"


@compiles(event_number, "postgresql")
def _number_postgres(element: Any, compiler: Any, **options: Any) -> str:
    data, key = _json(element, compiler, options)
    return (
        f"(CASE WHEN jsonb_typeof(CAST({data} AS jsonb) -> '{key}') = 'number' "
        f"THEN CAST(CAST({data} AS jsonb) ->> '{key}' AS double precision) END)"
    )


@compiles(event_number, "sqlite")
def _number_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    data, key = _json(element, compiler, options)
    path = f"'$.\"{key}\"'"
    return f"(CASE WHEN json_type({data}, {path}) IN ('integer', 'real') THEN json_extract({data}, {path}) END)"


class text_position(FunctionElement[int]):
    """Where a text begins in another, from 1, with case; 0: nowhere."""

    inherit_cache = True


@compiles(text_position, "postgresql")
def _position_postgres(element: Any, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


@compiles(text_position, "sqlite")
def _position_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


def moment(at: datetime) -> Any:
    return literal(at, Instant)


def event_tests(condition: DidEvent, now: datetime) -> list[Predicate]:
    """What must be true of an event that counts."""
    tests: list[Predicate] = [events.c.metric == condition.metric]
    if condition.days is not None:
        tests.append(events.c.happened_at > moment(now - timedelta(days=condition.days)))
    if condition.since is not None:
        tests.append(events.c.happened_at >= moment(condition.since))
    if condition.until is not None:
        tests.append(events.c.happened_at < moment(condition.until))
    if condition.min_value is not None:
        tests.append(events.c.value >= round(condition.min_value * MONEY_SCALE))
    if condition.max_value is not None:
        tests.append(events.c.value <= round(condition.max_value * MONEY_SCALE))
    if condition.currency is not None:
        tests.append(events.c.currency == condition.currency)
    return tests + [_data_test(data) for data in condition.data]


def _data_test(data: DataCondition) -> Predicate:
    key = literal(data.key)
    if isinstance(data.value, str):
        text: Any = event_text(events.c.data, key)
        return text == data.value if data.op == "is" else text_position(text, literal(data.value)) > 0
    number: Any = event_number(events.c.data, key)
    value = literal(float(data.value), Float)
    match data.op:
        case "at_least":
            return number >= value
        case "at_most":
            return number <= value
        case _:
            return number == value
