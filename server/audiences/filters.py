"""The filter tree: who is in a segment. Parses it, checks it against the account, and says what it needs.

`filter_sql.matching` finds everybody at once; `filter_person.decide` decides for one person in memory and says when the
clock will change that. Both mean the same (tests/actions/test_filter_equality.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.audiences.conditions import (
    ADDED,
    CREATED,
    AnyCondition,
    BooleanIs,
    Condition,
    DateIs,
    DidEvent,
    HasConsent,
    InList,
    InSegment,
    ListHas,
    LivesIn,
    LivesNear,
    NumberIs,
    PropertyCondition,
    TextIs,
)
from server.audiences.places import REGIONS, Circle
from server.consent.rules import Purpose
from server.contacts.property_rules import Definition, PropertyType
from server.errors import Fault, Refused
from server.web import faults

MAX_GROUPS, MAX_PER_GROUP = 20, 30
MAX_DEPTH = 20  # segments inside segments
MAX_CONDITIONS = 300  # with those of the segments that it asks for


class FilterTree(BaseModel):
    """Conditions inside a group are joined by OR, groups by AND (AMB-24). No groups: everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    groups: tuple[
        Annotated[tuple[AnyCondition, ...], Field(min_length=1, max_length=MAX_PER_GROUP, strict=False)], ...
    ] = Field((), max_length=MAX_GROUPS, strict=False)

    def json_form(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=False)


def parse_tree(raw: Any) -> FilterTree:
    """The tree of a JSON object. Raises `Refused` `bad_filter` with a fault for each wrong field."""
    try:
        return FilterTree.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:20]
        found = [faults.fault_of(problem) for problem in problems]
        first = problems[0]
        where = faults.path(first) or "filter"
        raise Refused("bad_filter", f"{where[:200]}: {first['msg']}", field=where[:200], faults=found) from None


def positions(tree: FilterTree) -> Iterator[tuple[int, int, AnyCondition]]:
    """Each condition with the numbers of its group and of its place there."""
    for g, group in enumerate(tree.groups):
        for c, condition in enumerate(group):
            yield g, c, condition


def conditions(tree: FilterTree) -> Iterator[AnyCondition]:
    for _, _, condition in positions(tree):
        yield condition


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the account has that filters may name, and what both back ends need to know of it."""

    properties: Mapping[int, Definition] = field(default_factory=dict)
    lists: frozenset[int] = frozenset()
    segments: Mapping[int, FilterTree] = field(default_factory=dict)
    consents: frozenset[int] = frozenset()  # ids of consents that the owner defined
    # purposes of consents that every message of the channel needs (CIM-5), by channel
    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    litigators: bool = False  # whether the list of litigators is in use
    postal_codes: bool = False  # whether the owner uploaded any
    circles: Mapping[LivesNear, Circle] = field(default_factory=dict)  # of the conditions that are used
    merges: bool = True  # False: no contact is merged into another


TYPES: dict[type[Condition], PropertyType] = {
    TextIs: PropertyType.TEXT,
    NumberIs: PropertyType.NUMBER,
    BooleanIs: PropertyType.BOOLEAN,
    DateIs: PropertyType.DATE,
    ListHas: PropertyType.LIST,
    LivesNear: PropertyType.TEXT,
}


def check(tree: FilterTree, catalogue: Catalogue, own: int | None = None) -> None:
    """Raises `Refused` `bad_filter` for a condition that names what does not exist, a property of another type, a segment
    that leads back to `own`, and a tree that is too deep or too large with the segments inside it."""
    found: list[tuple[str, str, str]] = []
    for g, c, condition in positions(tree):
        problem = _problem(condition, catalogue)
        if problem is not None:
            found.append((f"filter.groups.{g}.{c}", *problem))
    if found:
        path, _, message = found[0]
        raise Refused("bad_filter", message, field=path, faults=[Fault(path, code) for path, code, _ in found])
    size = _checked_size(tree, catalogue, own, 1)
    if size > MAX_CONDITIONS:
        raise Refused(
            "filter_large",
            f"With the segments inside it, this filter has more than {MAX_CONDITIONS} conditions. Use fewer segments.",
            field="filter",
        )


def _problem(condition: AnyCondition, catalogue: Catalogue) -> tuple[str, str] | None:
    """A code and a sentence, if the condition names something that it cannot use."""
    match condition:
        case InList() if condition.list not in catalogue.lists:
            return "gone", "This list does not exist any more. Choose another."
        case InSegment() if condition.segment not in catalogue.segments:
            return "gone", "This segment does not exist any more. Choose another."
        case HasConsent():
            name, _, number = condition.purpose.partition(":")
            if name not in set(Purpose) and int(number) not in catalogue.consents:
                return "gone", "This consent does not exist any more. Choose another."
        case LivesIn() if unknown := [region for region in condition.regions if region not in REGIONS]:
            return "no_choice", f"There is no region {unknown[0]}. Choose one of {', '.join(sorted(REGIONS))}."
        case DateIs() if condition.property in (CREATED, ADDED):
            return None
    if isinstance(condition, LivesNear) and not catalogue.postal_codes:
        return "no_postal_codes", "Upload a table of postal codes first: Settings → Contacts."
    if isinstance(condition, PropertyCondition):
        defined = catalogue.properties.get(condition.property)
        wanted = TYPES[type(condition)]
        if defined is None:
            return "gone", "This property does not exist any more. Choose another."
        if defined.type is not wanted:
            return "wrong_type", (
                f"{defined.name} is a {defined.type.value} property. Compare it as {defined.type.value}, "
                f"not as {wanted.value}."
            )
    if isinstance(condition, LivesNear) and condition not in catalogue.circles:
        return "unknown_code", f"The postal code {condition.code} is not in your table for {condition.country}."
    return None


def _checked_size(tree: FilterTree, catalogue: Catalogue, own: int | None, depth: int) -> int:
    """The number of conditions with those of inner segments. Stops counting above `MAX_CONDITIONS`."""
    if depth > MAX_DEPTH:
        raise Refused(
            "filter_deep", f"Segments can be inside each other at most {MAX_DEPTH} deep. Use fewer.", field="filter"
        )
    size = 0
    for condition in conditions(tree):
        size += 1
        if isinstance(condition, InSegment):
            if condition.segment == own:
                raise Refused(
                    "filter_circle", "A segment cannot ask for itself, also not through others.", field="filter"
                )
            inner = catalogue.segments.get(condition.segment)
            if inner is not None and size <= MAX_CONDITIONS:
                size += _checked_size(inner, catalogue, own, depth + 1)
        if size > MAX_CONDITIONS:
            break
    return size


# --- what a tree needs ----------------------------------------------------------------------------


def expanded(tree: FilterTree, catalogue: Catalogue) -> Iterator[AnyCondition]:
    """All conditions, also those of inner segments."""
    for condition in conditions(tree):
        yield condition
        if isinstance(condition, InSegment) and condition.segment in catalogue.segments:
            yield from expanded(catalogue.segments[condition.segment], catalogue)


def uses_list(tree: FilterTree, list_id: int) -> bool:
    return any(isinstance(condition, InList) and condition.list == list_id for condition in conditions(tree))


def uses_segment(tree: FilterTree, segment_id: int) -> bool:
    return any(isinstance(condition, InSegment) and condition.segment == segment_id for condition in conditions(tree))


def uses_property(tree: FilterTree, property_id: int) -> bool:
    return any(
        isinstance(condition, PropertyCondition) and condition.property == property_id for condition in conditions(tree)
    )


def uses_consent(tree: FilterTree, purpose: str) -> bool:
    return any(isinstance(condition, HasConsent) and condition.purpose == purpose for condition in conditions(tree))


def looks_beyond(tree: FilterTree, catalogue: Catalogue, kept_days: int | None, now: datetime) -> bool:
    """Whether a condition counts events that are older than events are kept, so that the count may be too low."""
    if kept_days is None:
        return False
    oldest = now - timedelta(days=kept_days)
    return any(
        condition.days > kept_days
        if condition.days is not None
        else condition.since is None or condition.since < oldest
        for condition in expanded(tree, catalogue)
        if isinstance(condition, DidEvent)
    )


# --- the clock ------------------------------------------------------------------------------------


def date_offsets(condition: DateIs) -> tuple[timedelta, ...]:
    """At date + each of these, the clock changes what the condition says of a person with that date."""
    days = timedelta(days=condition.days or 0)
    match condition.op:
        case "within_last":
            return (timedelta(0), days)
        case "before_last":
            return (days,)
        case "within_next":
            return (-days, timedelta(0))
        case _:
            return ()
