"""Who belongs to an audience: the members of the included lists and segments. Merged contacts are one member (CAM-4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, exists, func, or_, select, union

from server.delivery.rules import country_of
from server.errors import Fault, Refused
from server.kernel.sql import Conn, Statement
from server.receipts.deciding import Person
from server.schema import contacts, list_members, lists, segment_members, segments


@dataclass(frozen=True, slots=True)
class Groups:
    """Lists and segments, by id."""

    lists: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Groups:
        return cls(tuple(stored.get("lists", ())), tuple(stored.get("segments", ())))

    def json(self) -> dict[str, list[int]]:
        return {"lists": list(self.lists), "segments": list(self.segments)}

    def __bool__(self) -> bool:
        return bool(self.lists or self.segments)


class Member(NamedTuple):
    """`excluded`: also in an excluded group; exclusion wins."""

    person: Person
    excluded: bool


_low: Any = bindparam("low")
_high: Any = bindparam("high")


def _ids(name: str) -> Any:
    return bindparam(name, expanding=True)


_members = union(
    select(list_members.c.contact_id.label("id")).where(
        list_members.c.list_id.in_(_ids("in_lists")), list_members.c.contact_id.between(_low, _high)
    ),
    select(segment_members.c.contact_id).where(
        segment_members.c.segment_id.in_(_ids("in_segments")), segment_members.c.contact_id.between(_low, _high)
    ),
).subquery("members")
_member = contacts.alias("member")
_roots = (
    select(func.coalesce(_member.c.merged_into, _member.c.id).label("id"))
    .distinct()
    .select_from(_members.join(_member, _member.c.id == _members.c.id))
    .subquery("roots")
)
_root = contacts.alias("root")
_phone_of = contacts.alias("other")
_excluded_one = contacts.alias("one")


def _excluded(table: Any, group: Any, name: str) -> Any:
    """Whether the person, as any contact of the merged set, is in an excluded group."""
    return exists(
        select(table.c.contact_id)
        .select_from(_excluded_one.join(table, and_(table.c.contact_id == _excluded_one.c.id, group.in_(_ids(name)))))
        .where(or_(_excluded_one.c.id == _root.c.id, _excluded_one.c.merged_into == _root.c.id))
        .correlate(_root)
    )


_other_phone = (
    select(_phone_of.c.phone)
    .where(_phone_of.c.merged_into == _root.c.id, _phone_of.c.phone.is_not(None))
    .order_by(_phone_of.c.id)
    .limit(1)
    .correlate(_root)
    .scalar_subquery()
)
_WINDOW = Statement(
    select(
        _root.c.id,
        func.coalesce(_root.c.phone, _other_phone, "").label("phone"),
        or_(
            _excluded(list_members, list_members.c.list_id, "out_lists"),
            _excluded(segment_members, segment_members.c.segment_id, "out_segments"),
        ).label("excluded"),
    )
    .select_from(_roots.join(_root, _root.c.id == _roots.c.id))
    .order_by(_root.c.id)
)
_LAST_CONTACT = Statement(select(func.max(contacts.c.id)))


def last_contact(conn: Conn) -> int:
    return conn.value(_LAST_CONTACT) or 0


def window(conn: Conn, include: Groups, exclude: Groups, low: int, high: int) -> list[Member]:
    """The people of whom a contact with an id from `low` to `high` is in an included group. A person whose contacts are
    merged may be in two windows."""
    rows = conn.all(
        _WINDOW,
        in_lists=list(include.lists),
        in_segments=list(include.segments),
        out_lists=list(exclude.lists),
        out_segments=list(exclude.segments),
        low=low,
        high=high,
    )
    return [Member(Person(0, row.id, row.phone, country_of(row.phone)), bool(row.excluded)) for row in rows]


_LISTS = Statement(select(lists.c.id, lists.c.name).where(lists.c.id.in_(_ids("ids")), lists.c.deleted_at.is_(None)))
_SEGMENTS = Statement(
    select(segments.c.id, segments.c.name).where(segments.c.id.in_(_ids("ids")), segments.c.deleted_at.is_(None))
)


def names(conn: Conn, groups: Groups) -> dict[str, dict[int, str]]:
    """The names of the lists and segments that still exist."""
    return {
        "lists": {row.id: row.name for row in conn.all(_LISTS, ids=list(groups.lists))},
        "segments": {row.id: row.name for row in conn.all(_SEGMENTS, ids=list(groups.segments))},
    }


def check_exist(conn: Conn, field: str, groups: Groups) -> None:
    """Raises `Refused` "unknown_group" for a list or segment that does not exist."""
    found = names(conn, groups)
    for kind, ids in groups.json().items():
        for place, group in enumerate(ids):
            if group not in found[kind]:
                raise Refused(
                    "unknown_group",
                    "This list or segment does not exist any more. Choose another one.",
                    faults=[Fault(f"{field}.{kind}.{place}", "unknown_group")],
                )


def unique(ids: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids))
