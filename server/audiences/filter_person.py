"""Decides whether one person matches a filter, in memory, and when the clock will change that. Pure.

Means the same as `filter_sql`, for a person whose facts `people_facts.load` has read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from server.audiences import conditions as kinds
from server.audiences.conditions import ADDED, CREATED, AnyCondition, DataCondition, DateIs, DidEvent
from server.audiences.filters import Catalogue, FilterTree, date_offsets
from server.audiences.places import countries_of, inside
from server.consent import rules as consent
from server.consent.rules import Allowed, ConsentFacts, Status
from server.contacts.property_rules import FIXED, SCALE, Value, text_key
from server.events.rules import SCALE as MONEY_SCALE

_ADDED_DATE = FIXED[0].id


class Deed(NamedTuple):
    """An event of the person. `value`: in ten-thousandths."""

    at: datetime
    value: int | None
    currency: str | None
    data: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Person:
    """What filters ask of a contact that is not merged into another, together with all contacts merged into it."""

    id: int
    created_at: datetime
    country: str = ""
    values: Mapping[int, Value] = field(default_factory=dict)  # by property
    lists: frozenset[int] = frozenset()
    statuses: Mapping[str, str] = field(default_factory=dict)  # of consents, by purpose
    sms: ConsentFacts = field(default_factory=lambda: ConsentFacts({}, reachable=False))
    email: ConsentFacts = field(default_factory=lambda: ConsentFacts({}, reachable=False))
    events: Mapping[str, Sequence[Deed]] = field(default_factory=dict)  # by metric
    places: Mapping[tuple[int, str], tuple[int, int]] = field(default_factory=dict)  # by property and country

    def facts(self, channel: str) -> ConsentFacts:
        return self.sms if channel == "sms" else self.email


class Decision(NamedTuple):
    """`changes_at`: when the clock alone will change it; None: never."""

    matches: bool
    changes_at: datetime | None


def decide(person: Person, tree: FilterTree, now: datetime, catalogue: Catalogue) -> Decision:
    result = matches(person, tree, now, catalogue)
    for moment in sorted({at for at in _moments(person, tree, catalogue) if at > now}):
        if matches(person, tree, moment, catalogue) != result:
            return Decision(result, moment)
    return Decision(result, None)


def matches(person: Person, tree: FilterTree, now: datetime, catalogue: Catalogue) -> bool:
    return all(any(holds(person, condition, now, catalogue) for condition in group) for group in tree.groups)


def holds(person: Person, condition: AnyCondition, now: datetime, catalogue: Catalogue) -> bool:
    """Whether one condition is true of the person, `negate` included."""
    return _positive(person, condition, now, catalogue) != condition.negate


def changes_at(person: Person, condition: AnyCondition, now: datetime, catalogue: Catalogue) -> datetime | None:
    """When the clock alone will change what one condition says of the person."""
    return decide(person, FilterTree(groups=((condition,),)), now, catalogue).changes_at


def _positive(person: Person, condition: AnyCondition, now: datetime, catalogue: Catalogue) -> bool:
    match condition:
        case kinds.InList():
            return condition.list in person.lists
        case kinds.InSegment():
            inner = catalogue.segments.get(condition.segment)
            return inner is not None and matches(person, inner, now, catalogue)
        case DidEvent():
            return _did(condition, sum(1 for _ in _counted(person, condition, now)))
        case kinds.CanReceive():
            verdict = consent.may_send(condition.purpose, condition.channel, person.facts(condition.channel), now)
            return isinstance(verdict, Allowed)
        case kinds.HasConsent():
            return person.statuses.get(condition.purpose, Status.NEVER_SUBSCRIBED) == condition.status
        case kinds.IsSuppressed():
            reason = person.facts(condition.channel).suppressed
            return reason is not None and (not condition.reasons or reason in condition.reasons)
        case kinds.TextIs() | kinds.ListHas():
            return _has_text(condition, person.values.get(condition.property))
        case kinds.NumberIs():
            return _has_number(condition, person.values.get(condition.property))
        case kinds.BooleanIs():
            value = person.values.get(condition.property)
            return value is not None if condition.value is None else value is condition.value
        case DateIs():
            return _has_date(condition, _date(person, condition.property), now)
        case kinds.LivesIn():
            return person.country in countries_of(condition.countries, condition.regions)
        case kinds.LivesNear():
            circle = catalogue.circles.get(condition)
            place = person.places.get((condition.property, condition.country))
            return circle is not None and place is not None and inside(circle, *place)
        case kinds.InSample():
            return kinds.in_sample(person.id, condition)


def _has_text(condition: kinds.TextIs | kinds.ListHas, value: Value | None) -> bool:
    texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
    keys = [text_key(text) for text in texts]
    wanted = [text_key(text) for text in condition.values]
    match condition.op:
        case "set":
            return bool(keys)
        case "contains":
            return any(part in key for key in keys for part in wanted)
        case "starts_with":
            return any(key.startswith(part) for key in keys for part in wanted)
        case _:
            return any(key in wanted for key in keys)


def _has_number(condition: kinds.NumberIs, value: Value | None) -> bool:
    if not isinstance(value, Decimal):
        return False
    number, wanted = int(value * SCALE), condition.millionths()
    match condition.op:
        case "equals":
            return number == wanted
        case "more_than":
            return number > wanted
        case "less_than":
            return number < wanted
        case "at_least":
            return number >= wanted
        case "at_most":
            return number <= wanted
        case "set":
            return True


def _date(person: Person, property_id: int) -> datetime | None:
    if property_id == CREATED:
        return person.created_at
    value = person.values.get(_ADDED_DATE if property_id == ADDED else property_id)
    if isinstance(value, datetime):
        return value
    return person.created_at if property_id == ADDED else None


def _has_date(condition: DateIs, date: datetime | None, now: datetime) -> bool:
    if date is None:
        return False
    days = timedelta(days=condition.days or 0)
    match condition.op:
        case "within_last":
            return now - days < date <= now
        case "before_last":
            return date <= now - days
        case "within_next":
            return now < date <= now + days
        case "before":
            return date < (condition.at or now)
        case "since":
            return date >= (condition.at or now)
        case "set":
            return True


# --- events ---------------------------------------------------------------------------------------


def _did(condition: DidEvent, times: int) -> bool:
    match condition.op:
        case "at_least":
            return times >= condition.times
        case "at_most":
            return times <= condition.times
        case "exactly":
            return times == condition.times


def _counted(person: Person, condition: DidEvent, now: datetime) -> Iterator[Deed]:
    """The events that count at this moment."""
    after = None if condition.days is None else now - timedelta(days=condition.days)
    for deed in person.events.get(condition.metric, ()):
        if after is not None and deed.at <= after:
            continue
        if condition.since is not None and deed.at < condition.since:
            continue
        if condition.until is not None and deed.at >= condition.until:
            continue
        if _has_value(condition, deed) and all(_has_data(data, deed) for data in condition.data):
            yield deed


def _has_value(condition: DidEvent, deed: Deed) -> bool:
    if condition.currency is not None and deed.currency != condition.currency:
        return False
    low, high = condition.min_value, condition.max_value
    if low is None and high is None:
        return True
    return deed.value is not None and (
        (low is None or deed.value >= round(low * MONEY_SCALE))
        and (high is None or deed.value <= round(high * MONEY_SCALE))
    )


def _has_data(condition: DataCondition, deed: Deed) -> bool:
    value = (deed.data or {}).get(condition.key)
    if isinstance(condition.value, str):
        if not isinstance(value, str):
            return False
        return value == condition.value if condition.op == "is" else condition.value in value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    number, wanted = float(value), float(condition.value)
    match condition.op:
        case "at_least":
            return number >= wanted
        case "at_most":
            return number <= wanted
        case _:
            return number == wanted


# --- the clock ------------------------------------------------------------------------------------


def _moments(person: Person, tree: FilterTree, catalogue: Catalogue) -> Iterator[datetime]:
    """Every moment at which the clock changes what a condition says of the person, in the past or in the future."""
    for group in tree.groups:
        for condition in group:
            match condition:
                case kinds.InSegment():
                    inner = catalogue.segments.get(condition.segment)
                    if inner is not None:
                        yield from _moments(person, inner, catalogue)
                case DateIs():
                    date = _date(person, condition.property)
                    if date is not None:
                        yield from (date + offset for offset in date_offsets(condition))
                case DidEvent() if condition.days is not None:
                    days = timedelta(days=condition.days)
                    yield from (deed.at + days for deed in person.events.get(condition.metric, ()))
