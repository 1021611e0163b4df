"""Reads of one contact for its page: who it is, and when it was seen. The page loads consents, orders, merges and the
timeline by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select

from server.contacts import merging, properties
from server.contacts import queries as people
from server.contacts.property_rules import FIXED, Definition, Value
from server.contacts.time_zones import time_zone_of
from server.kernel.sql import Conn, Statement
from server.schema import (
    addresses,
    contacts,
    events,
    list_members,
    lists,
    merged_set,
    segment_members,
    segments,
    suppressions,
    visitors,
)
from server.threads.tickets import Ticket, tickets_of_contact


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An address of the contact that receives nothing on this channel."""

    channel: str
    address: str
    reason: str
    detail: str
    at: datetime


class Membership(NamedTuple):
    """A list or segment that the contact, or one merged with it, is in."""

    id: int
    name: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """The contact that remains of its merges. `time_zone`: of their browser, else of their number; "" unknown."""

    contact: people.Brief
    addresses: list[people.Address]
    verified: bool
    blocked_at: datetime | None
    created_at: datetime
    date_added: datetime | None
    last_open: datetime | None
    last_click: datetime | None
    first_active: datetime | None
    last_active: datetime | None
    time_zone: str
    suppressed: list[Suppressed]
    properties: list[tuple[Definition, Value | None]]
    lists: list[Membership]
    segments: list[Membership]
    tickets: list[Ticket]


_FIXED = {each.key: each.id for each in FIXED}


def _date(values: Mapping[int, Value], key: str) -> datetime | None:
    """A fixed date of the contact and all contacts merged with it."""
    value = values.get(_FIXED[key])
    return value if isinstance(value, datetime) else None


_set = merged_set(bindparam("contact"))
_CONTACT = Statement(
    select(
        contacts.c.verified,
        contacts.c.blocked_at,
        contacts.c.created_at,
    ).where(contacts.c.id == bindparam("contact"))
)
_first = select(func.min(events.c.happened_at)).where(events.c.contact_id == contacts.c.id).scalar_subquery()
_last = select(func.max(events.c.happened_at)).where(events.c.contact_id == contacts.c.id).scalar_subquery()
_ACTIVE = Statement(select(_first.label("first"), _last.label("last")).where(contacts.c.id.in_(_set)))
_VISITOR_ZONE = Statement(
    select(visitors.c.time_zone)
    .where(visitors.c.contact_id.in_(_set), visitors.c.time_zone != "")
    .order_by(visitors.c.seen_at.desc(), visitors.c.id.desc())
    .limit(1)
)
_SUPPRESSED = Statement(
    select(
        suppressions.c.channel,
        suppressions.c.address,
        suppressions.c.reason,
        suppressions.c.detail,
        suppressions.c.at,
    )
    .select_from(
        suppressions.join(
            addresses,
            (addresses.c.value == suppressions.c.address)
            & (
                ((suppressions.c.channel == "email") & (addresses.c.kind == "email"))
                | ((suppressions.c.channel == "sms") & addresses.c.kind.in_(("phone", "peer")))
            ),
        )
    )
    .where(addresses.c.contact_id.in_(_set))
    .distinct()
    .order_by(suppressions.c.channel, suppressions.c.address)
)


_LISTS = Statement(
    select(lists.c.id, lists.c.name, func.min(list_members.c.joined_at).label("joined_at"))
    .join(list_members, list_members.c.list_id == lists.c.id)
    .where(list_members.c.contact_id.in_(_set), lists.c.deleted_at.is_(None))
    .group_by(lists.c.id, lists.c.name)
    .order_by(lists.c.name, lists.c.id),
    into=Membership,
)
_SEGMENTS = Statement(
    select(segments.c.id, segments.c.name, segment_members.c.joined_at)
    .join(segment_members, segment_members.c.segment_id == segments.c.id)
    .where(segment_members.c.contact_id == bindparam("contact"), segments.c.deleted_at.is_(None))
    .order_by(segments.c.name, segments.c.id),
    into=Membership,
)


def profile(conn: Conn, contact: int, *, inbox: bool) -> Profile:
    """Raises `NotFound`. `inbox`: whether the reader sees tickets (ROL-3)."""
    root = merging.root(conn, contact)
    brief = people.brief(conn, root)
    assert brief is not None
    row = conn.one(_CONTACT, contact=root)
    values = properties.values_of(conn, [root])[root]
    active: list[Any] = conn.all(_ACTIVE, contact=root)
    firsts = [each.first for each in active if each.first is not None]
    lasts = [each.last for each in active if each.last is not None]
    return Profile(
        contact=brief,
        addresses=people.addresses_of(conn, root),
        **row._asdict(),
        date_added=_date(values, "date_added"),
        last_open=_date(values, "last_open"),
        last_click=_date(values, "last_click"),
        first_active=min(firsts, default=None),
        last_active=max(lasts, default=None),
        time_zone=conn.value(_VISITOR_ZONE, contact=root) or time_zone_of(brief.phone),
        suppressed=[Suppressed(*each) for each in conn.all(_SUPPRESSED, contact=root)],
        # The fixed dates are fields of their own.
        properties=[(each, values.get(each.id)) for each in properties.definitions(conn) if not each.fixed],
        lists=conn.all(_LISTS, contact=root),
        segments=conn.all(_SEGMENTS, contact=root),
        tickets=tickets_of_contact(conn, root) if inbox else [],
    )
