"""Counts and samples who matches a filter that is not stored (yet), step by step, and explains it for one person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, text

from server.audiences import catalogue, filters, people_facts
from server.audiences.conditions import AnyCondition
from server.audiences.filter_person import changes_at, decide, holds
from server.audiences.filter_sql import condition_predicates, matching, predicate
from server.audiences.filters import Catalogue, FilterTree
from server.errors import NotFound
from server.events.retention import RETENTION
from server.kernel.sql import Conn, Row, Statement
from server.schema import contacts, events

SAMPLE = 10  # people
_PEOPLE = Statement(
    select(
        select(func.count()).select_from(contacts).scalar_subquery()
        - select(func.count()).select_from(contacts).where(contacts.c.merged_into.is_not(None)).scalar_subquery()
    )
)
_NEXT_METRIC = Statement(
    select(events.c.metric).where(events.c.metric > bindparam("after")).order_by(events.c.metric).limit(1),
    uses=("ix_events_metric",),
)


class Count(NamedTuple):
    """`people`: all; contacts merged with each other count once. `beyond_days`: events older than this many days are
    deleted, and the filter asks for them; None: it does not."""

    matching: int
    people: int
    beyond_days: int | None


class Step(NamedTuple):
    """`left`: who matches this group and all groups before it. `alone`: who matches each condition of the group, of all
    people."""

    left: int
    alone: list[int]


class Explained(NamedTuple):
    """What one condition says of a person, and when the clock alone will change it."""

    holds: bool
    changes_at: datetime | None


class Why(NamedTuple):
    """Why a person is in a segment or not. `groups`: of each group its conditions; a group holds if one of them does."""

    contact: int
    matches: bool
    changes_at: datetime | None
    groups: list[list[Explained]]


def prepare(conn: Conn) -> None:
    """Lets PostgreSQL keep the sets of a filter in memory. Otherwise it would search a set again for each person."""
    if conn.postgres:
        conn.run(text("SET LOCAL work_mem = '256MB'"))
        conn.run(text("SET LOCAL jit = off"))  # compiling takes longer than most of these queries


def _checked(conn: Conn, tree: FilterTree, own: int | None = None) -> Catalogue:
    known = catalogue.load(conn, [tree])
    filters.check(tree, known, own)
    return known


def count(conn: Conn, tree: FilterTree, now: datetime, own: int | None = None) -> Count:
    """Raises `Refused` for a filter that cannot be stored. `own`: the segment that the filter is for. Call it with
    `LatestReads`."""
    known = _checked(conn, tree, own)
    prepare(conn)
    found = conn.value(select(func.count()).select_from(matching(tree, now, known).subquery()))
    return Count(int(found), int(conn.value(_PEOPLE)), _beyond(conn, tree, known, now))


def _beyond(conn: Conn, tree: FilterTree, known: Catalogue, now: datetime) -> int | None:
    kept_days = RETENTION.load(conn).events_days
    return kept_days if filters.looks_beyond(tree, known, kept_days, now) else None


def funnel(conn: Conn, tree: FilterTree, now: datetime) -> list[Step]:
    """How many people each group leaves, and each condition alone finds. Each set is computed once: people are counted by
    which conditions they match."""
    known = _checked(conn, tree)
    prepare(conn)
    columns = [found.label(f"c{n}") for n, found in enumerate(condition_predicates(tree, now, known))]
    people = select(*columns).where(contacts.c.merged_into.is_(None), contacts.c.hidden_at.is_(None)).subquery()
    rows = conn.all(select(func.count().label("people"), *people.c).group_by(*people.c)) if columns else []
    steps: list[Step] = []
    start = 0
    remaining = rows
    for group in tree.groups:
        places = range(start + 1, start + len(group) + 1)  # the first column is the count
        start += len(group)
        remaining = [row for row in remaining if any(row[place] for place in places)]
        steps.append(Step(_sum(remaining), [_sum([row for row in rows if row[place]]) for place in places]))
    return steps


def _sum(rows: Sequence[Row]) -> int:
    return sum(int(row.people) for row in rows)


def sample(conn: Conn, tree: FilterTree, now: datetime) -> list[Row]:
    """Some people who match, the newest first."""
    known = _checked(conn, tree)
    prepare(conn)
    return conn.all(
        select(contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.country)
        .where(contacts.c.merged_into.is_(None), contacts.c.hidden_at.is_(None), predicate(tree, now, known))
        .order_by(contacts.c.id.desc())
        .limit(SAMPLE)
    )


def explain(conn: Conn, tree: FilterTree, contact: int, now: datetime) -> Why:
    """Why the person matches or not. Raises `NotFound` for an unknown contact."""
    known = catalogue.load(conn, [tree])
    roots = people_facts.roots(conn, [contact])
    people = people_facts.load(conn, roots, people_facts.Needs.of([tree], known, now), known)
    if not people:
        raise NotFound()
    (person,) = people

    def explained(condition: AnyCondition) -> Explained:
        return Explained(holds(person, condition, now, known), changes_at(person, condition, now, known))

    decision = decide(person, tree, now, known)
    groups = [[explained(condition) for condition in group] for group in tree.groups]
    return Why(person.id, decision.matches, decision.changes_at, groups)


def metrics(conn: Conn) -> list[str]:
    """The names of all events in the table. Jumps from name to name along the index instead of reading all events."""
    found: list[str] = []
    after = ""
    while (name := conn.value(_NEXT_METRIC, after=after)) is not None and len(found) < 500:
        found.append(name)
        after = name
    return found
