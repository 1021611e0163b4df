"""Decides and writes who is in which segment. Nothing else writes `segment_members`.

Entering and leaving are events with their cause; the first filling of a segment makes none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, and_, bindparam, delete, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # compiles on SQLite too

from server.audiences import people_facts
from server.audiences.counting import prepare
from server.audiences.filter_person import decide
from server.audiences.filter_sql import predicate
from server.audiences.filters import Catalogue, FilterTree
from server.audiences.people_facts import Needs
from server.events.readers import Place
from server.events.recording import record
from server.events.rules import Metric, NewEvent
from server.kernel.columns import Instant
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Statement, Tx, chunks
from server.schema import contacts, events, segment_members, segments

SOURCE = "segment"  # in `events.source`
OWN_METRICS = frozenset((Metric.SEGMENT_ENTERED, Metric.SEGMENT_LEFT))

_people: Any = bindparam("people", expanding=True)
_SETS = Statement(
    select(contacts.c.id, func.coalesce(contacts.c.merged_into, contacts.c.id).label("root")).where(
        or_(contacts.c.id.in_(_people), contacts.c.merged_into.in_(_people))
    )
)
_MEMBERSHIPS = Statement(
    select(segment_members.c.segment_id, segment_members.c.contact_id).where(segment_members.c.contact_id.in_(_people)),
    uses=("ix_segment_members_contact",),
)
_INSERT = Statement(
    upsert(segment_members)
    .values(segment_id=bindparam("segment_id"), contact_id=bindparam("contact_id"), joined_at=bindparam("joined_at"))
    .on_conflict_do_nothing()
    .returning(segment_members.c.segment_id, segment_members.c.contact_id)
)
_DELETE = Statement(
    delete(segment_members)
    .where(segment_members.c.segment_id == bindparam("segment"), segment_members.c.contact_id.in_(_people))
    .returning(segment_members.c.contact_id)
)
_COUNT_ROWS = Statement(
    update(segments).where(segments.c.id == bindparam("segment")).values(rows=segments.c.rows + bindparam("more"))
)
_CHANGES_BY = Statement(
    update(segments)
    .where(
        segments.c.id == bindparam("segment"),
        or_(segments.c.changes_at.is_(None), segments.c.changes_at > bindparam("at", type_=Instant)),
    )
    .values(changes_at=bindparam("at", type_=Instant))
)
_DEFINITION = Statement(
    select(segments.c.changed_at)
    .where(segments.c.id == bindparam("segment"), segments.c.deleted_at.is_(None))
    .with_for_update(read=True, key_share=True)
)
_MERGED_MEMBERS = Statement(
    select(contacts.c.id).where(
        contacts.c.merged_into.is_not(None),
        contacts.c.id.in_(
            select(segment_members.c.contact_id).where(segment_members.c.segment_id == bindparam("segment"))
        ),
    )
)
_CAUSES = Statement(
    select(events.c.contact_id, events.c.id, events.c.cause)
    .where(events.c.contact_id.in_(_people), events.c.id > bindparam("after", type_=BigInteger))
    .order_by(events.c.id)
)


class Kept(NamedTuple):
    """A segment whose members are kept right. `changed_at`: of its definition."""

    id: int
    filter: FilterTree
    changed_at: datetime
    filled: bool


class Scope(NamedTuple):
    """What deciding needs of the account. `segments`: only those that are filled."""

    catalogue: Catalogue
    segments: Sequence[Kept]
    needs: Needs


class Difference(NamedTuple):
    """A contact that is to enter or to leave a segment."""

    contact: int
    enters: bool


# --- some people, in memory -----------------------------------------------------------------------


def settle(tx: Tx, people: Sequence[int], causes: Mapping[int, str], scope: Scope) -> int:
    """Decides these contacts again in all segments of the scope, with everybody merged with them, and writes what differs.
    `causes`: by contact. Returns how many memberships changed."""
    changed = 0
    for some in chunks(sorted(set(people)), ROWS_PER_STATEMENT):
        changed += _settle(tx, some, causes, scope)
    return changed


def _settle(tx: Tx, asked: Sequence[int], causes: Mapping[int, str], scope: Scope) -> int:
    roots = people_facts.roots(tx, asked)
    if not roots:
        return 0
    root_of = {row.id: row.root for row in tx.all(_SETS, people=roots)}
    cause_of = {root_of[contact]: cause for contact, cause in causes.items() if contact in root_of}
    present: dict[tuple[int, int], set[int]] = {}  # by segment and person: the members of the merged set that are in it
    for some in chunks(sorted(root_of), ROWS_PER_STATEMENT):
        for row in tx.all(_MEMBERSHIPS, people=list(some)):
            present.setdefault((row.segment_id, root_of[row.contact_id]), set()).add(row.contact_id)
    enter: dict[int, list[int]] = {}
    leave: dict[int, set[int]] = {}
    told: list[NewEvent] = []
    earliest: dict[int, datetime] = {}
    for person in people_facts.load(tx, roots, scope.needs, scope.catalogue):
        for kept in scope.segments:
            decision = decide(person, kept.filter, tx.now, scope.catalogue)
            there = present.get((kept.id, person.id), set())
            if decision.matches and person.id not in there:
                enter.setdefault(kept.id, []).append(person.id)
            if decision.matches != bool(there):
                told.append(_event(kept.id, Difference(person.id, decision.matches), cause_of.get(person.id, "")))
            if extra := (there - {person.id} if decision.matches else there):
                leave.setdefault(kept.id, set()).update(extra)
            if decision.changes_at is not None:
                earliest[kept.id] = min(decision.changes_at, earliest.get(kept.id, decision.changes_at))
    more: Counter[int] = Counter()
    for segment_id, contacts_there in leave.items():
        more[segment_id] -= len(_delete(tx, segment_id, sorted(contacts_there)))
    rows = [
        {"segment_id": segment_id, "contact_id": contact, "joined_at": tx.now}
        for segment_id, entering in enter.items()
        for contact in entering
    ]
    more.update(row.segment_id for row in tx.all_many(_INSERT, rows))
    for segment_id in sorted(more):
        _count(tx, segment_id, more[segment_id])
    for segment_id, at in earliest.items():
        tx.defer(_CHANGES_BY, segment=segment_id, at=at)
    record(tx, told)
    return len(told)


def _event(segment_id: int, difference: Difference, cause: str) -> NewEvent:
    metric = Metric.SEGMENT_ENTERED if difference.enters else Metric.SEGMENT_LEFT
    return NewEvent(difference.contact, metric, SOURCE, data={"segment": segment_id}, cause=cause or None)


def _delete(tx: Tx, segment_id: int, people: Sequence[int]) -> list[int]:
    deleted: list[int] = []
    for some in chunks(people, ROWS_PER_STATEMENT):
        deleted += [row.contact_id for row in tx.all(_DELETE, segment=segment_id, people=list(some))]
    return deleted


def _count(tx: Tx, segment_id: int, more: int) -> None:
    if more:
        tx.defer(_COUNT_ROWS, segment=segment_id, more=more)


_SEGMENTS_OF = Statement(
    select(segment_members.c.segment_id)
    .where(segment_members.c.contact_id.in_(bindparam("people", expanding=True)))
    .distinct()
)


def forget(tx: Tx, people: Sequence[int]) -> None:
    """Removes erased contacts from all segments, without an event."""
    for some in chunks(list(people), ROWS_PER_STATEMENT):
        for segment in sorted(row.segment_id for row in tx.all(_SEGMENTS_OF, people=list(some))):
            _count(tx, segment, -len(_delete(tx, segment, list(some))))


# --- everybody, by SQL ----------------------------------------------------------------------------


def differences(
    conn: Conn, kept: Kept, now: datetime, catalogue: Catalogue, between: tuple[int, int]
) -> list[Difference]:
    """Who is to enter or leave, of the contacts with an id above the first and up to the second. Everybody's conditions are
    decided in one statement, which reads each set once."""
    prepare(conn)
    present = segment_members.alias()
    is_member = present.c.contact_id.is_not(None)
    found = conn.all(
        select(contacts.c.id, is_member.label("is_member"))
        .select_from(
            contacts.outerjoin(present, and_(present.c.segment_id == kept.id, present.c.contact_id == contacts.c.id))
        )
        .where(
            contacts.c.merged_into.is_(None),
            contacts.c.id > between[0],
            contacts.c.id <= between[1],
            func.coalesce(predicate(kept.filter, now, catalogue), false()) != is_member,
        )
    )
    return [Difference(row.id, not row.is_member) for row in found]


def merged_members(conn: Conn, kept: Kept) -> list[Difference]:
    """Members that have been merged into another contact since."""
    return [Difference(row.id, False) for row in conn.all(_MERGED_MEMBERS, segment=kept.id)]


def apply(tx: Tx, found: Sequence[Difference], kept: Kept, cause: str | None, since: Place | None) -> bool:
    """Writes a slice of differences. Returns False, and writes nothing, if the definition changed meanwhile.

    `cause` None: nobody gets an event. `since`: an event of the person behind this place is the cause.
    """
    if tx.value(_DEFINITION, segment=kept.id) != kept.changed_at:
        return False
    rows = [
        {"segment_id": kept.id, "contact_id": difference.contact, "joined_at": tx.now}
        for difference in found
        if difference.enters
    ]
    entered = {row.contact_id for row in tx.all_many(_INSERT, rows)}
    left = set(_delete(tx, kept.id, [difference.contact for difference in found if not difference.enters]))
    _count(tx, kept.id, len(entered) - len(left))
    if cause is not None:
        causes = {} if since is None else _causes(tx, sorted(entered | left), since)
        record(
            tx,
            [
                _event(kept.id, difference, causes.get(difference.contact, cause))
                for difference in found
                if difference.contact in (entered if difference.enters else left)
            ],
        )
    return True


def _causes(tx: Tx, people: Sequence[int], since: Place) -> dict[int, str]:
    found: dict[int, str] = {}
    for some in chunks(people, ROWS_PER_STATEMENT):
        for row in tx.all(_CAUSES, people=list(some), after=since.event_id):
            found[row.contact_id] = row.cause or f"event:{row.id}"
    return found
