"""Finds everybody who matches a filter, as one SQL statement.

Contacts that are merged into another are never found; what they did, said and are counts for the contact that remains.
A condition is a predicate on a row of `contacts`, mostly `id IN (…)`, so that each set is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Select,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)

from server.audiences import conditions as kinds
from server.audiences.conditions import ADDED, CREATED, AnyCondition, DateIs, DidEvent
from server.audiences.event_sql import event_tests, moment
from server.audiences.filters import Catalogue, FilterTree
from server.audiences.places import SHRINK_SCALE, countries_of
from server.consent.rules import ANONYMOUS, HOLDS_FOR_ALL, UNREACHABLE, Method, Purpose, Status
from server.contacts.property_rules import FIXED, KEEPS_LATER, text_key
from server.kernel.columns import Instant
from server.schema import (
    addresses,
    consents,
    contacts,
    events,
    list_members,
    litigators,
    postal_codes,
    property_values,
    suppressions,
)

Predicate = Any  # a ColumnElement[bool]; operators of columns are not typed
Set = Select[Any]  # of contact ids

_base = contacts  # the row that is decided
_DATE_COLUMNS: dict[int, Any] = {fixed.id: contacts.c[fixed.key] for fixed in FIXED}


def matching(tree: FilterTree, now: datetime, catalogue: Catalogue, between: tuple[int, int] | None = None) -> Set:
    """The ids of all contacts that match. `between`: only ids above the first and up to the second."""
    found = select(_base.c.id).where(
        _base.c.merged_into.is_(None), _base.c.hidden_at.is_(None), predicate(tree, now, catalogue)
    )
    return found if between is None else found.where(_base.c.id > between[0], _base.c.id <= between[1])


def predicate(tree: FilterTree, now: datetime, catalogue: Catalogue) -> Predicate:
    parts = _Parts(now, catalogue)
    return and_(true(), *(or_(false(), *map(parts.condition, group)) for group in tree.groups))


def condition_predicates(tree: FilterTree, now: datetime, catalogue: Catalogue) -> list[Predicate]:
    """The predicate of each condition, in order; never NULL."""
    parts = _Parts(now, catalogue)
    return [func.coalesce(parts.condition(condition), false()) for group in tree.groups for condition in group]


class _Parts:
    """The predicates of conditions at one moment."""

    def __init__(self, now: datetime, catalogue: Catalogue) -> None:
        self.now, self.catalogue = now, catalogue

    def condition(self, condition: AnyCondition) -> Predicate:
        found = self._positive(condition)
        # NULL is false; only its opposite would show the difference.
        return not_(func.coalesce(found, false())) if condition.negate else found

    def _positive(self, condition: AnyCondition) -> Predicate:
        match condition:
            case kinds.InList():
                return self._list(condition.list)
            case kinds.InSegment():
                inner = self.catalogue.segments.get(condition.segment)
                return false() if inner is None else predicate(inner, self.now, self.catalogue)
            case DidEvent():
                return self._event(condition)
            case kinds.CanReceive():
                return self._can_receive(condition)
            case kinds.HasConsent():
                if condition.status == "never_subscribed":
                    return not_(self._said(condition.purpose, (Status.SUBSCRIBED, Status.UNSUBSCRIBED)))
                return self._said(condition.purpose, (condition.status,))
            case kinds.IsSuppressed():
                return self._suppressed(condition.channel, condition.reasons)
            case kinds.TextIs() | kinds.ListHas():
                return self._has_value(condition.property, _text_test(condition))
            case kinds.NumberIs():
                return self._has_value(condition.property, _number_test(condition))
            case kinds.BooleanIs():
                number = property_values.c.number
                return self._has_value(
                    condition.property,
                    number.is_not(None) if condition.value is None else number == int(condition.value),
                )
            case DateIs():
                return self._date(condition)
            case kinds.LivesIn():
                return self._country(countries_of(condition.countries, condition.regions))
            case kinds.LivesNear():
                return self._near(condition)
            case kinds.InSample():
                return _sample(condition)

    # --- of the contact and of contacts merged with it

    def _field(self, column: Any, missing: Predicate) -> Any:
        """A column of the contact; if it is missing, that of the oldest merged contact that has it."""
        if not self.catalogue.merges:
            return column
        merged = contacts.alias()
        others = merged.c[column.name]
        has = others.is_not(None) if column.nullable else others != ""
        first = (
            select(others)
            .where(merged.c.merged_into == _base.c.id, has)
            .order_by(merged.c.id)
            .limit(1)
            .correlate(_base)
            .scalar_subquery()
        )
        return case((missing, first), else_=column)

    def _address(self, channel: str) -> Any:
        column = _base.c.phone if channel == "sms" else _base.c.email
        return self._field(column, column.is_(None))

    def _ids(self, own: Set, of_merged: Callable[[Any], Iterable[Predicate]]) -> Predicate:
        """`own`: contacts by their own rows. `of_merged`: what must be true of a merged contact's row."""
        if not self.catalogue.merges:
            return _base.c.id.in_(own)
        merged = contacts.alias()
        others = select(merged.c.merged_into).where(merged.c.merged_into.is_not(None), *of_merged(merged))
        return _base.c.id.in_(union_all(own, others))

    def _list(self, list_id: int) -> Predicate:
        own = select(list_members.c.contact_id).where(list_members.c.list_id == list_id)
        return self._ids(
            own,
            lambda merged: [
                exists().where(list_members.c.list_id == list_id, list_members.c.contact_id == merged.c.id)
            ],
        )

    def _has_value(self, property_id: int, test: Predicate) -> Predicate:
        values = property_values
        own = select(values.c.contact_id).where(values.c.property_id == property_id, test)

        def first_of_merged(merged: Any) -> list[Predicate]:
            remaining, older, other = property_values.alias(), property_values.alias(), contacts.alias()
            return [
                exists().where(values.c.contact_id == merged.c.id, values.c.property_id == property_id, test),
                ~exists().where(remaining.c.contact_id == merged.c.merged_into, remaining.c.property_id == property_id),
                ~exists().where(
                    other.c.merged_into == merged.c.merged_into,
                    other.c.id < merged.c.id,
                    older.c.contact_id == other.c.id,
                    older.c.property_id == property_id,
                ),
            ]

        return self._ids(own, first_of_merged)

    def _date(self, condition: DateIs) -> Predicate:
        def test(column: Any) -> Predicate:
            return _date_test(condition, column, self.now)

        if condition.property > 0:
            return self._has_value(condition.property, test(property_values.c.at))
        if condition.property == CREATED:
            return test(_base.c.created_at)
        added = condition.property == ADDED
        column = _base.c.date_added if added else _DATE_COLUMNS[condition.property]
        own = test(func.coalesce(_base.c.date_added, _base.c.created_at, type_=Instant) if added else column)
        if not self.catalogue.merges:
            return own
        merged, remaining = contacts.alias(), contacts.alias()
        roots = select(merged.c.merged_into).where(merged.c.merged_into.is_not(None))
        rows = union_all(
            select(merged.c.merged_into.label("root"), merged.c[column.name].label("date")).where(
                merged.c.merged_into.is_not(None)
            ),
            select(remaining.c.id, remaining.c[column.name]).where(remaining.c.id.in_(roots)),
        ).subquery()
        latest = condition.property in KEEPS_LATER
        date: Any = (func.max if latest else func.min)(rows.c.date, type_=Instant)
        if added:
            first = contacts.alias()
            created = select(first.c.created_at).where(first.c.id == rows.c.root).scalar_subquery()
            date = func.coalesce(date, func.min(created), type_=Instant)
        of_sets = select(rows.c.root).group_by(rows.c.root).having(test(date))
        return or_(and_(_base.c.id.not_in(roots), own), _base.c.id.in_(of_sets))

    def _country(self, countries: frozenset[str]) -> Predicate:
        country = self._field(_base.c.country, _base.c.country == "")
        return country.in_(sorted(countries))

    def _near(self, condition: kinds.LivesNear) -> Predicate:
        circle = self.catalogue.circles.get(condition)
        if circle is None:
            return false()
        place = postal_codes
        # 64 bits, because PostgreSQL would refuse a product of the columns' 32 bits.
        north = cast(place.c.latitude, BigInteger) - circle.latitude
        east: Any = func.abs(cast(place.c.longitude, BigInteger) - circle.longitude, type_=BigInteger)
        east = east * circle.shrink // SHRINK_SCALE
        code = func.replace(func.replace(property_values.c.text_key, " ", ""), "-", "")
        nearby = exists().where(
            place.c.country == condition.country,
            place.c.code == code,
            func.abs(north) <= circle.radius,
            north * north + east * east <= circle.radius * circle.radius,
        )
        return self._has_value(condition.property, nearby)

    # --- consent

    def _said(self, purpose: str, statuses: tuple[str, ...]) -> Predicate:
        """The status of merged contacts together is that of `consent.rules.word_of_all`."""
        own = select(consents.c.contact_id).where(consents.c.purpose == purpose, consents.c.status.in_(statuses))
        if not self.catalogue.merges:
            return _base.c.id.in_(own)
        members = _members()
        weight = case(
            (and_(consents.c.status == Status.UNSUBSCRIBED, consents.c.method.in_(sorted(HOLDS_FOR_ALL))), 0),
            (and_(consents.c.status != Status.NEVER_SUBSCRIBED, consents.c.method != Method.DEACTIVATION), 1),
            (consents.c.status != Status.NEVER_SUBSCRIBED, 2),
            else_=3,
        )
        first_no = case((consents.c.status == Status.UNSUBSCRIBED, 0), else_=1)
        ranked = (
            select(
                members.c.root,
                consents.c.status,
                func.row_number()
                .over(partition_by=members.c.root, order_by=(weight, consents.c.happened_at.desc(), first_no))
                .label("place"),
            )
            .join(consents, consents.c.contact_id == members.c.member)
            .where(consents.c.purpose == purpose)
            .subquery()
        )
        together = select(ranked.c.root).where(ranked.c.place == 1, ranked.c.status.in_(statuses))
        return or_(and_(_base.c.id.in_(own), _base.c.id.not_in(select(members.c.root))), _base.c.id.in_(together))

    def _suppressed(self, channel: str, reasons: Iterable[str]) -> Predicate:
        listed = select(suppressions.c.address).where(suppressions.c.channel == channel)
        if reasons := tuple(reasons):
            listed = listed.where(suppressions.c.reason.in_(reasons))
        return self._address(channel).in_(listed)

    def _can_receive(self, condition: kinds.CanReceive) -> Predicate:
        """`consent.rules.may_send` for such a message, without the quiet hours."""
        marketing = condition.purpose == "marketing"
        if condition.channel == "email":
            email = self._address("email")
            tests = [email.is_not(None), email != ""]
            if not marketing:
                return and_(*tests, not_(self._suppressed("email", sorted(UNREACHABLE))))
            tests += [
                not_(self._suppressed("email", ())),
                not_(self._said(Purpose.EMAIL_MARKETING, (Status.UNSUBSCRIBED,))),
            ]
        else:
            phone = self._address("sms")
            tests = [phone.is_not(None), phone.like("+%"), func.length(phone).between(8, 16)]
            tests += [phone.not_in(sorted(ANONYMOUS)), not_(self._suppressed("sms", ()))]
            if self.catalogue.litigators:
                tests.append(phone.not_in(select(litigators.c.phone)))
            subscribed = self._said(Purpose.SMS_MARKETING, (Status.SUBSCRIBED,))
            if not marketing:
                subscribed = or_(subscribed, self._said(Purpose.SMS_TRANSACTIONAL, (Status.SUBSCRIBED,)))
            tests.append(subscribed)
            if marketing:
                tests.append(not_(self._paused(phone)))
        tests += [self._said(purpose, (Status.SUBSCRIBED,)) for purpose in self.catalogue.required[condition.channel]]
        return and_(*tests)

    def _paused(self, phone: Any) -> Predicate:
        """Whether the person, or another contact with the number, seems to have asked to stop (AMB-1)."""
        is_paused = [consents.c.purpose == Purpose.SMS_MARKETING, consents.c.paused_at.is_not(None)]
        own = select(consents.c.contact_id).where(*is_paused)
        numbers = (
            select(addresses.c.value)
            .join(consents, consents.c.contact_id == addresses.c.contact_id)
            .where(addresses.c.kind == "phone", *is_paused)
        )
        person = self._ids(own, lambda merged: [exists().where(consents.c.contact_id == merged.c.id, *is_paused)])
        return or_(person, phone.in_(numbers))

    # --- events

    def _event(self, condition: DidEvent) -> Predicate:
        match condition.op:
            case "at_least":
                return self._did(condition, condition.times)
            case "at_most":
                return not_(self._did(condition, condition.times + 1))
            case "exactly":
                more = not_(self._did(condition, condition.times + 1))
                return and_(self._did(condition, condition.times), more) if condition.times else more

    def _did(self, condition: DidEvent, times: int) -> Predicate:
        tests = event_tests(condition, self.now)
        own = select(events.c.contact_id).where(*tests)
        if times > 1:
            # An expression, so that SQLite reads the index of the metric and not all events in the order of the people.
            person = events.c.contact_id + literal_column("0")  # no parameter: PostgreSQL compares the texts
            own = select(person).where(*tests).group_by(person).having(func.count() >= times)
        if not self.catalogue.merges:
            return _base.c.id.in_(own)
        members = _members()
        together = (
            select(members.c.root)
            .join(events, events.c.contact_id == members.c.member)
            .where(*tests)
            .group_by(members.c.root)
            .having(func.count() >= times)
        )
        return _base.c.id.in_(union_all(own, together))


def _members() -> Any:
    """The contacts of merged sets: `root`, the one that remains, and each `member`, itself included."""
    merged, roots = contacts.alias(), contacts.alias()
    return union_all(
        select(merged.c.id.label("member"), merged.c.merged_into.label("root")).where(
            merged.c.merged_into.is_not(None)
        ),
        select(roots.c.merged_into, roots.c.merged_into).where(roots.c.merged_into.is_not(None)).distinct(),
    ).subquery()


def _text_test(condition: kinds.TextIs | kinds.ListHas) -> Predicate:
    column = property_values.c.text_key
    keys = [text_key(value) for value in condition.values]
    match condition.op:
        case "set":
            return column.is_not(None)
        case "contains":
            return or_(*(column.contains(key, autoescape=True) for key in keys))
        case "starts_with":
            return or_(*(column.startswith(key, autoescape=True) for key in keys))
        case _:
            return column.in_(keys)


def _number_test(condition: kinds.NumberIs) -> Predicate:
    column, value = property_values.c.number, condition.millionths()
    match condition.op:
        case "equals":
            return column == value
        case "more_than":
            return column > value
        case "less_than":
            return column < value
        case "at_least":
            return column >= value
        case "at_most":
            return column <= value
        case "set":
            return column.is_not(None)


def _date_test(condition: DateIs, column: Any, now: datetime) -> Predicate:
    days = timedelta(days=condition.days or 0)
    match condition.op:
        case "within_last":
            return and_(column > moment(now - days), column <= moment(now))
        case "before_last":
            return column <= moment(now - days)
        case "within_next":
            return and_(column > moment(now), column <= moment(now + days))
        case "before":
            return column < moment(condition.at or now)
        case "since":
            return column >= moment(condition.at or now)
        case "set":
            return column.is_not(None)


def _sample(condition: kinds.InSample) -> Predicate:
    mixed = (_base.c.id % kinds.SAMPLE_MODULUS * kinds.SAMPLE_FACTOR) + kinds.sample_offset(condition.salt)
    mixed = mixed % kinds.SAMPLE_MODULUS
    return mixed * mixed % kinds.SAMPLE_MODULUS % kinds.SAMPLE_PARTS < condition.hundredths
