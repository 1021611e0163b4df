"""Segments: their names and filters. Nothing else changes a segment's definition; `membership.py` keeps its members."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import bindparam, func, insert, literal, select, update

from server.audiences import catalogue, filters, keeping_job
from server.audiences.filters import FilterTree, parse_tree
from server.audiences.lists import LOCK, check_room
from server.audiences.rules import group_name
from server.audit.actions import record
from server.audit.rules import ActedBy
from server.contacts import properties
from server.errors import Conflict, NotFound
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.documents import publish_change
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import contacts, merged_set, segment_members, segments
from server.text import search_key

DELETE_JOB = "segments.delete_members"


class Segment(NamedTuple):
    """`members`: as of `refreshed_at`. `filled`: whether the members were found for the first time. `stale`: they are being
    found again."""

    id: int
    name: str
    filter: FilterTree
    members: int
    filled: bool
    stale: bool
    refreshed_at: datetime | None
    changes_at: datetime | None
    created_at: datetime
    version: str


_columns = select(
    segments.c.id,
    segments.c.name,
    segments.c.filter,
    segments.c.rows,
    segments.c.stale,
    segments.c.refreshed_at,
    segments.c.changes_at,
    segments.c.created_at,
    segments.c.changed_at,
).where(segments.c.deleted_at.is_(None))
_ALL = Statement(_columns.order_by(segments.c.name_key, segments.c.id))
_ONE = Statement(_columns.where(segments.c.id == bindparam("segment")))
_NAMED = Statement(
    select(segments.c.id).where(segments.c.name_key == bindparam("key"), segments.c.deleted_at.is_(None))
)
_INSERT = Statement(
    insert(segments)
    .values({name: bindparam(name) for name in "name name_key filter created_at changed_at".split()})
    .returning(segments.c.id)
)
_UPDATE = Statement(
    update(segments)
    .where(segments.c.id == bindparam("segment"), segments.c.deleted_at.is_(None))
    .values(
        {name: bindparam(f"new_{name}") for name in "name name_key filter stale changed_at".split()},
    )
)
_MARK_DELETED = Statement(
    update(segments)
    .where(segments.c.id == bindparam("segment"), segments.c.deleted_at.is_(None))
    .values(deleted_at=bindparam("now"))
)
_MARK_STALE = Statement(update(segments).where(segments.c.id.in_(bindparam("ids", expanding=True))).values(stale=True))


def every(conn: Conn) -> list[Segment]:
    """All segments, by name."""
    return [_segment(row) for row in conn.all(_ALL)]


def by_id(conn: Conn, segment_id: int) -> Segment:
    """Raises `NotFound`."""
    row = conn.first(_ONE, segment=segment_id)
    if row is None:
        raise NotFound("This segment does not exist any more.")
    return _segment(row)


def _segment(row: Row) -> Segment:
    return Segment(
        row.id,
        row.name,
        FilterTree.model_validate(row.filter),
        row.rows,
        row.refreshed_at is not None,
        row.stale,
        row.refreshed_at,
        row.changes_at,
        row.created_at,
        hashlib.sha256(orjson.dumps([row.name, row.filter])).hexdigest()[:16],
    )


# The rows of the page come first, so that PostgreSQL joins only these.
_page_rows = (
    select(segment_members.c.contact_id, segment_members.c.joined_at)
    .where(segment_members.c.segment_id == bindparam("segment"), segment_members.c.contact_id < bindparam("before"))
    .order_by(segment_members.c.contact_id.desc())
    .limit(bindparam("n"))
    .subquery("page")
)
_MEMBERS = Statement(
    select(
        _page_rows.c.contact_id.label("key"),
        literal(False).label("repeated"),
        contacts.c.id,
        contacts.c.name,
        contacts.c.email,
        contacts.c.phone,
        contacts.c.country,
        _page_rows.c.joined_at,
    )
    .join(contacts, contacts.c.id == _page_rows.c.contact_id)
    .order_by(_page_rows.c.contact_id.desc())
)
_IS_MEMBER = Statement(
    select(segment_members.c.joined_at).where(
        segment_members.c.segment_id == bindparam("segment"), segment_members.c.contact_id == bindparam("contact")
    )
)
_SEGMENTS_OF = Statement(
    select(segments.c.id, segments.c.name, func.min(segment_members.c.joined_at, type_=Instant).label("at"))
    .join(segment_members, segment_members.c.segment_id == segments.c.id)
    .where(segments.c.deleted_at.is_(None), segment_members.c.contact_id.in_(merged_set(bindparam("contact"))))
    .group_by(segments.c.id, segments.c.name)
    .order_by(segments.c.name, segments.c.id)
)


def members_page(conn: Conn, segment_id: int, before: int, n: int) -> list[Row]:
    """Members with a `key` below `before`, the newest contacts first."""
    return conn.all(_MEMBERS, segment=segment_id, before=before, n=n)


def is_member(conn: Conn, segment_id: int, contact: int) -> bool:
    """Whether the contact, which is not merged into another, is stored as a member."""
    return conn.first(_IS_MEMBER, segment=segment_id, contact=contact) is not None


def segments_of(conn: Conn, contact: int) -> list[Row]:
    """The segments of a contact and of everybody merged with it: `id`, `name` and `at`, since when."""
    return conn.all(_SEGMENTS_OF, contact=contact)


def create(tx: Tx, name: str, raw_filter: Any, by: ActedBy, address: str = "") -> Segment:
    """Raises `Refused` for a bad name or filter, and `Conflict` `name_taken` or `too_many`. A job fills the segment."""
    tree = parse_tree(raw_filter)
    check_room(tx)
    properties.lock(tx)  # so that nothing that the filter names is deleted meanwhile
    filters.check(tree, catalogue.load(tx, [tree]))
    name = _free_name(tx, name, None)
    segment_id: int = tx.value(
        _INSERT,
        name=name,
        name_key=search_key(name),
        filter=tree.json_form(),
        created_at=tx.now,
        changed_at=tx.now,
    )
    record(tx, by, "segment_added", name, address)
    keeping_job.run_soon(tx)
    publish_change(tx, "audiences")
    return by_id(tx, segment_id)


def change(
    tx: Tx,
    segment_id: int,
    by: ActedBy,
    *,
    name: str | None = None,
    raw_filter: Any = None,
    version: str | None = None,
    address: str = "",
) -> Segment:
    """Renames a segment or changes its filter; None changes nothing. `version`: of the segment that the change is based on.

    Raises `NotFound`, `Conflict` `stale_version`, and what `create` raises.
    """
    tree = None if raw_filter is None else parse_tree(raw_filter)
    tx.lock_names(LOCK)
    properties.lock(tx)
    before = by_id(tx, segment_id)
    if version is not None and version != before.version:
        raise Conflict(
            "stale_version", "Somebody changed this segment since you opened it. Load it again, then make your change."
        )
    new_name = before.name if name is None else _free_name(tx, name, segment_id)
    new_tree = before.filter if tree is None else tree
    if new_tree != before.filter:
        filters.check(new_tree, catalogue.load(tx, [new_tree]), own=segment_id)
    if (new_name, new_tree) == (before.name, before.filter):
        return before
    tx.run(
        _UPDATE,
        segment=segment_id,
        new_name=new_name,
        new_name_key=search_key(new_name),
        new_filter=new_tree.json_form(),
        new_stale=before.stale or new_tree != before.filter,
        new_changed_at=tx.now,
    )
    changed = [
        field
        for field, differs in (("name", new_name != before.name), ("filter", new_tree != before.filter))
        if differs
    ]
    record(tx, by, "segment_changed", new_name, address, changed=changed)
    if new_tree != before.filter:
        refresh_later(tx, [segment_id, *outer_segments(tx, segment_id)])
    publish_change(tx, "audiences")
    return by_id(tx, segment_id)


def remove(tx: Tx, segment_id: int, by: ActedBy, address: str = "") -> None:
    """Deletes a segment; a job deletes its members, and nobody gets an event. Raises `NotFound`, and `Conflict` `in_use`."""
    tx.lock_names(LOCK)
    before = by_id(tx, segment_id)
    refuse_if_used(before.name, [each for each in every(tx) if filters.uses_segment(each.filter, segment_id)])
    tx.run(_MARK_DELETED, segment=segment_id, now=tx.now)
    record(tx, by, "segment_deleted", before.name, address)
    jobs.enqueue(tx, DELETE_JOB, {"segment": segment_id}, run_at=tx.now, key=f"{DELETE_JOB}:{segment_id}")
    publish_change(tx, "audiences")


def _free_name(tx: Tx, name: str, own_id: int | None) -> str:
    name = group_name(name)
    if any(row.id != own_id for row in tx.all(_NAMED, key=search_key(name))):
        raise Conflict("name_taken", "There is a segment with this name already. Choose another name.", field="name")
    return name


# --- what uses what -------------------------------------------------------------------------------


def using_list(conn: Conn, list_id: int) -> list[Segment]:
    return [each for each in every(conn) if filters.uses_list(each.filter, list_id)]


def using_property(conn: Conn, property_id: int) -> list[Segment]:
    return [each for each in every(conn) if filters.uses_property(each.filter, property_id)]


def refuse_if_used(name: str, users: list[Segment]) -> None:
    """Raises `Conflict` `in_use` that names the segments which ask for something that is to be deleted."""
    if users:
        names = ", ".join(each.name for each in users[:5]) + (" …" if len(users) > 5 else "")
        raise Conflict(
            "in_use",
            f"{name} is used by: {names}. Change or delete these segments first.",
            conflict={"segments": [{"id": each.id, "name": each.name} for each in users]},
        )


def outer_segments(conn: Conn, segment_id: int) -> list[int]:
    """The segments that ask for this one, directly or through others."""
    all_segments = every(conn)
    found = {segment_id}
    while (
        more := {each.id for each in all_segments if any(filters.uses_segment(each.filter, inner) for inner in found)}
        - found
    ):
        found |= more
    return sorted(found - {segment_id})


def refresh_later(tx: Tx, ids: list[int]) -> None:
    """Has a job find the members of these segments again."""
    if ids:
        tx.run(_MARK_STALE, ids=ids)
        keeping_job.run_soon(tx)
