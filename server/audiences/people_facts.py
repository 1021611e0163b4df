"""Reads what filters ask of some people: everything of the contacts and of those merged into them, in a few statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, or_, select

from server.audiences.conditions import (
    CanReceive,
    DidEvent,
    HasConsent,
    InList,
    IsSuppressed,
    LivesNear,
    PropertyCondition,
)
from server.audiences.filter_person import Deed, Person
from server.audiences.filters import Catalogue, FilterTree, expanded
from server.audiences.places import normal_code
from server.consent import queries as consent
from server.consent import rules as consent_rules
from server.consent.rules import ConsentFacts, Word
from server.contacts import properties
from server.contacts.property_rules import Value, text_key
from server.kernel.columns import MICROSECOND, Instant
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Row, Statement, chunks
from server.schema import consents, contacts, events, list_members, postal_codes

_people: Any = bindparam("people", expanding=True)
_ROOTS = Statement(
    select(func.coalesce(contacts.c.merged_into, contacts.c.id).label("root"))
    .where(contacts.c.id.in_(_people))
    .distinct()
)
_SETS = Statement(
    select(
        contacts.c.id,
        func.coalesce(contacts.c.merged_into, contacts.c.id).label("root"),
        contacts.c.phone,
        contacts.c.email,
        contacts.c.country,
        contacts.c.created_at,
    )
    .where(or_(contacts.c.id.in_(_people), contacts.c.merged_into.in_(_people)))
    .order_by(contacts.c.id),
    uses=("pk_contacts", "ix_contacts_merged_into"),
)
_LISTS = Statement(
    select(list_members.c.contact_id, list_members.c.list_id).where(list_members.c.contact_id.in_(_people)),
    uses=("ix_list_members_contact",),
)
_WORDS = Statement(
    select(
        consents.c.contact_id, consents.c.purpose, consents.c.status, consents.c.method, consents.c.happened_at
    ).where(consents.c.contact_id.in_(_people)),
    uses=("pk_consents",),
)
_EVENTS = Statement(
    select(
        events.c.contact_id,
        events.c.metric,
        events.c.happened_at,
        events.c.value,
        events.c.currency,
        events.c.data,
    ).where(
        events.c.contact_id.in_(_people),
        events.c.happened_at > bindparam("after", type_=Instant),
        events.c.metric.in_(bindparam("metrics", expanding=True)),
    ),
    uses=("ix_events_contact",),
)
_POSITIONS = Statement(
    select(postal_codes).where(
        postal_codes.c.country == bindparam("of_country"), postal_codes.c.code.in_(bindparam("codes", expanding=True))
    ),
    uses=("pk_postal_codes",),
)
_ALWAYS = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Needs:
    """What some filters ask for; the rest is not read."""

    metrics: frozenset[str]
    after: datetime  # older events count for no filter
    channels: frozenset[str]
    consents: bool
    lists: bool
    values: bool
    places: frozenset[tuple[int, str]]  # properties with postal codes, and the country

    @classmethod
    def of(cls, trees: Iterable[FilterTree], catalogue: Catalogue, now: datetime) -> Needs:
        asked = {condition for tree in trees for condition in expanded(tree, catalogue)}
        counts = [condition for condition in asked if isinstance(condition, DidEvent)]
        return cls(
            frozenset(condition.metric for condition in counts),
            min((_oldest(condition, now) for condition in counts), default=now),
            frozenset(each.channel for each in asked if isinstance(each, CanReceive | IsSuppressed)),
            any(isinstance(each, HasConsent) for each in asked),
            any(isinstance(each, InList) for each in asked),
            any(isinstance(each, PropertyCondition) for each in asked),
            frozenset((near.property, near.country) for near in asked if isinstance(near, LivesNear)),
        )


def _oldest(condition: DidEvent, now: datetime) -> datetime:
    if condition.days is not None:
        return now - timedelta(days=condition.days)
    return _ALWAYS if condition.since is None else condition.since - MICROSECOND


def roots(conn: Conn, people: Iterable[int]) -> list[int]:
    """These contacts, or the contacts that remain of their merges. Unknown ids are left out."""
    found: set[int] = set()
    for some in chunks(sorted(set(people)), ROWS_PER_STATEMENT):
        found |= {row.root for row in conn.all(_ROOTS, people=list(some))}
    return sorted(found)


def load(conn: Conn, people: Sequence[int], needs: Needs, catalogue: Catalogue) -> list[Person]:
    """The facts of contacts that are not merged into another, in this order. Unknown ids are left out."""
    loaded: dict[int, Person] = {}
    for some in chunks(sorted(set(people)), ROWS_PER_STATEMENT):
        loaded |= _load(conn, list(some), needs)
    return [loaded[contact] for contact in people if contact in loaded]


def _load(conn: Conn, people: list[int], needs: Needs) -> dict[int, Person]:
    sets: dict[int, list[Row]] = {}
    for row in conn.all(_SETS, people=people):
        sets.setdefault(row.root, []).append(row)
    for root, rows in sets.items():
        rows.sort(key=lambda row: (row.id != root, row.id))
    root_of = {row.id: root for root, rows in sets.items() for row in rows}
    members = list(root_of)
    found = sorted(sets)
    values = properties.values_of(conn, found) if needs.values else {}
    lists: dict[int, set[int]] = {}
    if needs.lists:
        for row in conn.all(_LISTS, people=members):
            lists.setdefault(root_of[row.contact_id], set()).add(row.list_id)
    deeds: dict[int, dict[str, list[Deed]]] = {}
    if needs.metrics:
        for contact, metric, *deed in conn.all(
            _EVENTS, people=members, metrics=sorted(needs.metrics), after=needs.after
        ):
            deeds.setdefault(root_of[contact], {}).setdefault(metric, []).append(Deed(*deed))
    facts = {
        channel: dict(zip(found, _facts(conn, channel, found, sets), strict=True)) for channel in sorted(needs.channels)
    }
    statuses = _statuses(conn, members, root_of) if needs.consents else {}
    places = _places(conn, values, needs.places)
    people_found = {}
    for root in found:
        people_found[root] = Person(
            root,
            sets[root][0].created_at,
            country=next((row.country for row in sets[root] if row.country), ""),
            values=values.get(root, {}),
            lists=frozenset(lists.get(root, ())),
            statuses=statuses.get(root, {}),
            events=deeds.get(root, {}),
            places=places.get(root, {}),
            **{channel: of_channel[root] for channel, of_channel in facts.items()},
        )
    return people_found


def _facts(conn: Conn, channel: str, people: list[int], sets: Mapping[int, list[Row]]) -> list[ConsentFacts]:
    field = "phone" if channel == "sms" else "email"
    recipients = [
        (root, next((address for row in sets[root] if (address := getattr(row, field)) is not None), ""))
        for root in people
    ]
    return consent.facts_of(conn, recipients, channel="sms" if channel == "sms" else "email")


def _statuses(conn: Conn, members: list[int], root_of: Mapping[int, int]) -> dict[int, dict[str, str]]:
    words: dict[tuple[int, str], list[Word]] = {}
    for row in conn.all(_WORDS, people=members):
        words.setdefault((root_of[row.contact_id], row.purpose), []).append(
            Word(row.status, row.method, row.happened_at)
        )
    statuses: dict[int, dict[str, str]] = {}
    for (root, purpose), said in words.items():
        statuses.setdefault(root, {})[purpose] = consent_rules.word_of_all(said).status
    return statuses


def _places(
    conn: Conn, values: Mapping[int, Mapping[int, Value]], wanted: Iterable[tuple[int, str]]
) -> dict[int, dict[tuple[int, str], tuple[int, int]]]:
    places: dict[int, dict[tuple[int, str], tuple[int, int]]] = {}
    for property_id, country in sorted(wanted):
        codes: dict[str, list[int]] = {}
        for contact, of_contact in values.items():
            text = of_contact.get(property_id)
            if isinstance(text, str):
                codes.setdefault(normal_code(text_key(text)), []).append(contact)
        if not codes:
            continue
        for row in conn.all(_POSITIONS, of_country=country, codes=sorted(codes)):
            for contact in codes[row.code]:
                places.setdefault(contact, {})[property_id, country] = (row.latitude, row.longitude)
    return places
