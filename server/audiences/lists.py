"""Lists of contacts: who was added and not removed. Nothing else writes `lists` and `list_members`.

Joining and leaving are events with their cause, so that segments and flows can follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Boolean, and_, bindparam, delete, exists, func, insert, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert as upsert  # compiles on SQLite too

from server.audiences.rules import MAX_LISTS_AND_SEGMENTS, group_name
from server.audit.actions import record
from server.audit.rules import ActedBy
from server.errors import Conflict, NotFound
from server.events.recording import record as record_events
from server.events.rules import Metric, NewEvent
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.documents import publish_change
from server.kernel.jobs import Handler, Job
from server.kernel.slices import Slices
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Row, Statement, Tx, chunks
from server.schema import contacts, list_members, lists, segments
from server.text import search_key

LOCK = "audiences"  # of the number and the names of lists and segments
DELETE_JOB = "lists.delete_members"
PAGE = 2_000  # members of a deleted list that are read at a time


class ContactList(NamedTuple):
    """`members`: people; contacts merged with each other count once."""

    id: int
    name: str
    double_opt_in: bool
    members: int
    created_at: datetime


# Of each list, how many rows belong to a person who has another row in it, because of a merge.
_sets = union_all(
    select(contacts.c.id.label("member"), contacts.c.merged_into.label("root")).where(
        contacts.c.merged_into.is_not(None)
    ),
    select(contacts.c.merged_into.label("member"), contacts.c.merged_into.label("root"))
    .where(contacts.c.merged_into.is_not(None))
    .distinct(),
).subquery("sets")
_repeated = (
    select(list_members.c.list_id, (func.count() - func.count(_sets.c.root.distinct())).label("n"))
    .join(_sets, _sets.c.member == list_members.c.contact_id)
    .group_by(list_members.c.list_id)
    .subquery("repeated")
)
_listed = (
    select(
        lists.c.id,
        lists.c.name,
        lists.c.double_opt_in,
        (lists.c.rows - func.coalesce(_repeated.c.n, 0)).label("members"),
        lists.c.created_at,
    )
    .select_from(lists.outerjoin(_repeated, _repeated.c.list_id == lists.c.id))
    .where(lists.c.deleted_at.is_(None))
)
_ALL = Statement(_listed.order_by(lists.c.name_key, lists.c.id), into=ContactList)
_ONE = Statement(_listed.where(lists.c.id == bindparam("list")), into=ContactList)
_COUNT = Statement(
    select(
        select(func.count()).select_from(lists).where(lists.c.deleted_at.is_(None)).scalar_subquery()
        + select(func.count()).select_from(segments).where(segments.c.deleted_at.is_(None)).scalar_subquery()
    )
)
_NAMED = Statement(select(lists.c.id).where(lists.c.name_key == bindparam("key"), lists.c.deleted_at.is_(None)))
_INSERT = Statement(
    insert(lists)
    .values({name: bindparam(name) for name in "name name_key double_opt_in created_at".split()})
    .returning(lists.c.id)
)
_UPDATE = Statement(
    update(lists)
    .where(lists.c.id == bindparam("list"), lists.c.deleted_at.is_(None))
    .values(
        name=bindparam("new_name"),
        name_key=bindparam("new_name_key"),
        double_opt_in=bindparam("new_double_opt_in", type_=Boolean()),
    )
)
_MARK_DELETED = Statement(
    update(lists)
    .where(lists.c.id == bindparam("list"), lists.c.deleted_at.is_(None))
    .values(deleted_at=bindparam("now"))
)
_LOCK_LIST = Statement(
    select(lists.c.id)
    .where(lists.c.id == bindparam("list"), lists.c.deleted_at.is_(None))
    .with_for_update(read=True, key_share=True)
)
_COUNT_ROWS = Statement(
    update(lists).where(lists.c.id == bindparam("list")).values(rows=lists.c.rows + bindparam("more"))
)
_root = func.coalesce(contacts.c.merged_into, contacts.c.id)
_people: Any = bindparam("people", expanding=True)
_ROOTS = Statement(select(_root.label("root")).where(contacts.c.id.in_(_people)).distinct())
_set_of = (
    select(contacts.c.id)
    .where(contacts.c.id.in_(_people))
    .union_all(select(contacts.c.id).where(contacts.c.merged_into.in_(_people)))
)
_IN_LIST = Statement(
    select(_root.label("root"))
    .select_from(list_members.join(contacts, contacts.c.id == list_members.c.contact_id))
    .where(list_members.c.list_id == bindparam("list"), list_members.c.contact_id.in_(_set_of))
    .distinct()
)
_INSERT_MEMBERS = Statement(
    upsert(list_members)
    .values(list_id=bindparam("list_id"), contact_id=bindparam("contact_id"), joined_at=bindparam("joined_at"))
    .on_conflict_do_nothing()
    .returning(list_members.c.contact_id)
)
_DELETE_MEMBERS = Statement(
    delete(list_members)
    .where(list_members.c.list_id == bindparam("list"), list_members.c.contact_id.in_(_set_of))
    .returning(list_members.c.contact_id)
)
_LISTS_OF = Statement(
    select(
        lists.c.id, lists.c.name, func.min(list_members.c.joined_at, type_=list_members.c.joined_at.type).label("at")
    )
    .select_from(list_members.join(lists, lists.c.id == list_members.c.list_id))
    .where(lists.c.deleted_at.is_(None), list_members.c.contact_id.in_(_set_of))
    .group_by(lists.c.id, lists.c.name)
    .order_by(lists.c.name, lists.c.id)
)
_ROWS_OF_LIST = Statement(
    select(list_members.c.contact_id).where(list_members.c.list_id == bindparam("list")).limit(bindparam("n"))
)

# --- lists ----------------------------------------------------------------------------------------


def every(conn: Conn) -> list[ContactList]:
    """All lists, by name."""
    return conn.all(_ALL)


def by_id(conn: Conn, list_id: int) -> ContactList:
    """Raises `NotFound`."""
    found: ContactList | None = conn.first(_ONE, list=list_id)
    if found is None:
        raise NotFound("This list does not exist any more.")
    return found


def used(conn: Conn) -> int:
    """How many lists and segments there are."""
    return int(conn.value(_COUNT))


def check_room(tx: Tx) -> None:
    """Raises `Conflict` `too_many` if there are as many lists and segments as an account may have (IMP-44)."""
    tx.lock_names(LOCK)
    if tx.value(_COUNT) >= MAX_LISTS_AND_SEGMENTS:
        limit = f"{MAX_LISTS_AND_SEGMENTS:,}"
        raise Conflict("too_many", f"You can have at most {limit} lists and segments. Delete one first.")


def create(tx: Tx, name: str, by: ActedBy, *, double_opt_in: bool = True, address: str = "") -> ContactList:
    """Raises `Refused` for a bad name, and `Conflict` `name_taken` or `too_many`."""
    check_room(tx)
    name = _free_name(tx, name, None)
    list_id: int = tx.value(
        _INSERT, name=name, name_key=search_key(name), double_opt_in=double_opt_in, created_at=tx.now
    )
    record(tx, by, "list_added", name, address)
    publish_change(tx, "audiences")
    return by_id(tx, list_id)


def change(
    tx: Tx, list_id: int, by: ActedBy, *, name: str | None = None, double_opt_in: bool | None = None, address: str = ""
) -> ContactList:
    """Renames a list or changes its opt-in; None changes nothing. Raises `NotFound`, and what `create` raises."""
    tx.lock_names(LOCK)
    before = by_id(tx, list_id)
    new_name = before.name if name is None else _free_name(tx, name, list_id)
    new_opt_in = before.double_opt_in if double_opt_in is None else double_opt_in
    if (new_name, new_opt_in) != (before.name, before.double_opt_in):
        tx.run(
            _UPDATE,
            list=list_id,
            new_name=new_name,
            new_name_key=search_key(new_name),
            new_double_opt_in=new_opt_in,
        )
        changed = {"name": [before.name, new_name]} if new_name != before.name else {}
        record(tx, by, "list_changed", new_name, address, double_opt_in=new_opt_in, **changed)
        publish_change(tx, "audiences")
    return by_id(tx, list_id)


def remove(tx: Tx, list_id: int, by: ActedBy, address: str = "") -> None:
    """Deletes a list; a job deletes its members, and nobody gets an event. Raises `NotFound`.

    The caller checks first that no segment uses it.
    """
    tx.lock_names(LOCK)
    before = by_id(tx, list_id)
    tx.run(_MARK_DELETED, list=list_id, now=tx.now)
    record(tx, by, "list_deleted", before.name, address)
    jobs.enqueue(tx, DELETE_JOB, {"list": list_id}, run_at=tx.now, key=f"{DELETE_JOB}:{list_id}")
    publish_change(tx, "audiences")


def _free_name(tx: Tx, name: str, own_id: int | None) -> str:
    name = group_name(name)
    if any(row.id != own_id for row in tx.all(_NAMED, key=search_key(name))):
        raise Conflict("name_taken", "There is a list with this name already. Choose another name.", field="name")
    return name


# --- members --------------------------------------------------------------------------------------


def add_members(tx: Tx, list_id: int, people: Iterable[int], by: ActedBy, cause: str = "") -> list[int]:
    """Adds contacts, or of merged contacts the one that remains. Returns who joined; people in the list are left out.

    Each joining is an event. `cause`: as in `events.cause`; "": the change is by `by`. Raises `NotFound` for a deleted list.
    """
    if tx.first(_LOCK_LIST, list=list_id) is None:
        raise NotFound("This list does not exist any more.")
    joined: list[int] = []
    for some in chunks(sorted(set(people)), ROWS_PER_STATEMENT):
        roots = sorted(row.root for row in tx.all(_ROOTS, people=list(some)))
        if not roots:
            continue
        present = {row.root for row in tx.all(_IN_LIST, list=list_id, people=roots)}
        rows = [{"list_id": list_id, "contact_id": root, "joined_at": tx.now} for root in roots if root not in present]
        joined += [row.contact_id for row in tx.all_many(_INSERT_MEMBERS, rows)]
    _changed(tx, list_id, joined, len(joined), Metric.LIST_JOINED, by, cause)
    return joined


def remove_members(tx: Tx, list_id: int, people: Iterable[int], by: ActedBy, cause: str = "") -> list[int]:
    """Removes contacts together with everybody merged with them. Returns who left, as the contacts that remain of merges.

    Raises `NotFound` for a deleted list.
    """
    if tx.first(_LOCK_LIST, list=list_id) is None:
        raise NotFound("This list does not exist any more.")
    left: list[int] = []
    deleted = 0
    for some in chunks(sorted(set(people)), ROWS_PER_STATEMENT):
        roots = sorted(row.root for row in tx.all(_ROOTS, people=list(some)))
        if not roots:
            continue
        present = sorted(row.root for row in tx.all(_IN_LIST, list=list_id, people=roots))
        if present:
            deleted += len(tx.all(_DELETE_MEMBERS, list=list_id, people=present))
            left += present
    _changed(tx, list_id, left, -deleted, Metric.LIST_LEFT, by, cause)
    return left


def _changed(tx: Tx, list_id: int, people: Sequence[int], rows: int, metric: Metric, by: ActedBy, cause: str) -> None:
    if not people:
        return
    # Just before COMMIT, because many transactions change the number of the same list.
    tx.defer(_COUNT_ROWS, list=list_id, more=rows)
    source = by.type.value if by.id is None else f"{by.type.value}:{by.id}"
    record_events(
        tx,
        [NewEvent(contact, metric, source, data={"list": list_id}, cause=cause or None) for contact in people],
    )
    publish_change(tx, "audiences")


def lists_of(conn: Conn, contact: int) -> list[Row]:
    """The lists of a contact and of everybody merged with it: `id`, `name` and `at`, since when."""
    roots = [row.root for row in conn.all(_ROOTS, people=[contact])]
    return conn.all(_LISTS_OF, people=roots) if roots else []


# The rows of the page come first, so that PostgreSQL joins only these.
_page_rows = (
    select(list_members.c.list_id, list_members.c.contact_id, list_members.c.joined_at)
    .where(list_members.c.list_id == bindparam("list"), list_members.c.contact_id < bindparam("before"))
    .order_by(list_members.c.contact_id.desc())
    .limit(bindparam("n"))
    .subquery("page")
)
_person, _remaining = contacts.alias("person"), contacts.alias("remaining")
_other, _other_person = list_members.alias("other"), contacts.alias("other_person")
# Of merged contacts in the list only one row is shown: that of the contact that remains, otherwise the oldest.
_is_repeated = exists().where(
    _other.c.list_id == _page_rows.c.list_id,
    _other.c.contact_id == _other_person.c.id,
    or_(
        _other_person.c.id == _person.c.merged_into,
        and_(_other_person.c.merged_into == _person.c.merged_into, _other_person.c.id < _person.c.id),
    ),
)
_MEMBERS = Statement(
    select(
        _page_rows.c.contact_id.label("key"),
        and_(_person.c.merged_into.is_not(None), _is_repeated).label("repeated"),
        _remaining.c.id,
        _remaining.c.name,
        _remaining.c.email,
        _remaining.c.phone,
        _remaining.c.country,
        _page_rows.c.joined_at,
    )
    .select_from(
        _page_rows.join(_person, _person.c.id == _page_rows.c.contact_id).join(
            _remaining, _remaining.c.id == func.coalesce(_person.c.merged_into, _person.c.id)
        )
    )
    .order_by(_page_rows.c.contact_id.desc())
)


def members_page(conn: Conn, list_id: int, before: int, n: int) -> list[Row]:
    """Members with a `key` below `before`, the newest contacts first. `repeated`: another row shows this person."""
    return conn.all(_MEMBERS, list=list_id, before=before, n=n)


# --- members of deleted lists ---------------------------------------------------------------------

_DELETE_ROWS = Statement(
    delete(list_members).where(
        list_members.c.list_id == bindparam("list"), list_members.c.contact_id.in_(bindparam("people", expanding=True))
    )
)


def _page(conn: Conn, list_id: int) -> list[int]:
    return [row.contact_id for row in conn.all(_ROWS_OF_LIST, list=list_id, n=PAGE)]


def _delete_slice(tx: Tx, people: Sequence[int], list_id: int) -> None:
    tx.run(_DELETE_ROWS, list=list_id, people=list(people))


async def _delete_members(app: App, job: Job) -> None:
    slices = Slices(app)
    while people := await app.read_slowly(_page, job.payload["list"]):
        await slices.write(_delete_slice, people, job.payload["list"])


HANDLERS: dict[str, Handler] = {DELETE_JOB: _delete_members}
