"""Segments over HTTP: their definitions and members, and what a filter would find before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Agent, Can, may
from server.audiences import catalogue, counting, filters, lists, responses, segments
from server.audiences.http import MAX_PAGE, MEMBERS_QUERY, PAGE, members_page, named, property_out
from server.audiences.places import REGIONS
from server.audiences.presets import INVENTED, PRESETS
from server.audiences.rules import MAX_LISTS_AND_SEGMENTS
from server.audiences.segments import Segment
from server.consent import definitions
from server.consent.rules import Purpose
from server.contacts import merging, properties
from server.errors import NotFound
from server.events.retention import RETENTION
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.latest import LatestReads
from server.kernel.sql import Conn, Row, Tx
from server.web.http import Call, Done, Endpoint, path_id, whole_number

WINDOW_CHARS = 40


class SegmentBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str = Field(max_length=1000)
    filter: dict[str, Any]


class SegmentChange(BaseModel):
    """A missing field is not changed. `version`: of the segment that the change is based on."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str | None = Field(None, max_length=1000)
    filter: dict[str, Any] | None = None
    version: str | None = Field(None, max_length=100)


class AudienceBody(BaseModel):
    """`segment`: the segment that the filter is for. `window`: chosen at random by each builder; its newer request takes the
    place of an older one that is still counting, which gets 409 `superseded`."""

    model_config = ConfigDict(extra="ignore", strict=True)

    filter: dict[str, Any]
    segment: int | None = Field(None, ge=1, le=2**53)
    window: str = Field("", max_length=WINDOW_CHARS)


def _out(conn: Conn, shown: Sequence[Segment], stored: Sequence[Segment], now: datetime) -> list[responses.SegmentOut]:
    known = catalogue.load(conn)
    kept_days = RETENTION.load(conn).events_days
    return [
        responses.SegmentOut(
            id=each.id,
            name=each.name,
            filter=each.filter,
            members=each.members,
            filled=each.filled,
            stale=each.stale,
            refreshed_at=_time(each.refreshed_at),
            changes_at=_time(each.changes_at),
            created_at=rfc3339(each.created_at),
            version=each.version,
            beyond_days=kept_days if filters.looks_beyond(each.filter, known, kept_days, now) else None,
            used_by=named([user for user in stored if filters.uses_segment(user.filter, each.id)]),
        )
        for each in shown
    ]


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _all(conn: Conn, now: datetime) -> responses.Segments:
    stored = segments.every(conn)
    return responses.Segments(
        segments=_out(conn, stored, stored, now), used=lists.used(conn), limit=MAX_LISTS_AND_SEGMENTS
    )


def _one(conn: Conn, segment_id: int, now: datetime) -> responses.OneSegment:
    (found,) = _out(conn, [segments.by_id(conn, segment_id)], segments.every(conn), now)
    return responses.OneSegment(segment=found)


async def list_segments(app: App, call: Call) -> Any:
    """List all segments, by name."""
    return await app.read(_all, app.clock.now())


async def show_segment(app: App, call: Call) -> Any:
    """Get a segment."""
    return await app.read(_one, path_id(call, "segment"), app.clock.now())


async def add_segment(app: App, call: Call) -> Any:
    """Create a segment. Its members are found soon after; they get no events for it."""
    body: SegmentBody = call.body

    def add(tx: Tx) -> responses.OneSegment:
        new = segments.create(tx, body.name, body.filter, call.changer.by, call.address)
        return _one(tx, new.id, tx.now)

    return await app.write(add)


async def change_segment(app: App, call: Call) -> Any:
    """Rename a segment, or change its filter."""
    body: SegmentChange = call.body
    segment_id = path_id(call, "segment")

    def change(tx: Tx) -> responses.OneSegment:
        segments.change(
            tx,
            segment_id,
            call.changer.by,
            name=body.name,
            raw_filter=body.filter,
            version=body.version,
            address=call.address,
        )
        return _one(tx, segment_id, tx.now)

    return await app.write(change)


async def remove_segment(app: App, call: Call) -> Any:
    """Delete a segment; its members stay contacts. Refused while other segments ask for it."""
    await app.write(segments.remove, path_id(call, "segment"), call.changer.by, call.address)
    return {}


async def segment_members(app: App, call: Call) -> Any:
    """List the members of a segment, the newest contacts first."""
    segment_id = path_id(call, "segment")
    await app.read(segments.by_id, segment_id)
    limit, after = whole_number(call, "limit", PAGE, MAX_PAGE), call.query.get("after", "")
    return await members_page(app, f"segment:{segment_id}", segments.members_page, segment_id, after, limit)


async def why(app: App, call: Call) -> Any:
    """Say why a contact is in a segment or not, and when the clock will change that."""
    return await app.read(_why, path_id(call, "segment"), path_id(call, "contact"), app.clock.now())


def _why(conn: Conn, segment_id: int, contact: int, now: datetime) -> responses.WhyOut:
    found = counting.explain(conn, segments.by_id(conn, segment_id).filter, contact, now)
    return responses.WhyOut(
        contact=found.contact,
        member=segments.is_member(conn, segment_id, found.contact),
        matches=found.matches,
        changes_at=_time(found.changes_at),
        groups=[
            responses.GroupWhy(
                holds=any(each.holds for each in group),
                conditions=[
                    responses.ConditionWhy(holds=each.holds, changes_at=_time(each.changes_at)) for each in group
                ],
            )
            for group in found.groups
        ],
    )


# --- filters that are not stored ------------------------------------------------------------------


async def count(app: App, call: Call) -> Any:
    """Count who matches a filter. A newer count of the same builder interrupts an older one."""
    tree = filters.parse_tree(call.body.filter)
    found = await LatestReads.of(app).read(
        _key(call, "count"), counting.count, tree, app.clock.now(), call.body.segment
    )
    return found._asdict()


async def funnel(app: App, call: Call) -> Any:
    """Count how many people each group of a filter leaves, and how many each condition finds alone."""
    tree = filters.parse_tree(call.body.filter)
    steps = await LatestReads.of(app).read(_key(call, "funnel"), counting.funnel, tree, app.clock.now())
    return {"steps": [step._asdict() for step in steps]}


async def sample(app: App, call: Call) -> Any:
    """Show some people who match a filter; invented ones to roles that may not see contacts."""
    tree = filters.parse_tree(call.body.filter)
    if not may(call.actor, Can.CONTACTS_SEE):
        found = await LatestReads.of(app).read(
            _key(call, "sample"), counting.count, tree, app.clock.now(), call.body.segment
        )
        return {"people": INVENTED[: found.matching], "invented": True}
    people = await LatestReads.of(app).read(_key(call, "sample"), counting.sample, tree, app.clock.now())
    return {"people": [row._asdict() for row in people], "invented": False}


def _key(call: Call, what: str) -> tuple[str, int, str]:
    """Reads with the same key interrupt each other: those of one builder of one user."""
    return what, call.agent.id if isinstance(call.actor, Agent) else 0, call.body.window


async def options(app: App, call: Call) -> Any:
    """List what a filter may ask for, and the filters to start from."""
    return await app.read(_options)


def _options(conn: Conn) -> responses.FilterOptions:
    stored = segments.every(conn)
    return responses.FilterOptions(
        properties=[property_out(each, stored) for each in properties.definitions(conn)],
        lists=[responses.SegmentName(id=each.id, name=each.name) for each in lists.every(conn)],
        segments=named(stored),
        metrics=counting.metrics(conn),
        consents=[responses.ConsentOption(purpose=purpose, name=None) for purpose in Purpose]
        + [responses.ConsentOption(purpose=each.purpose, name=each.name) for each in definitions.defined(conn)],
        regions={name: sorted(countries) for name, countries in REGIONS.items()},
        postal_codes=catalogue.load(conn).postal_codes,
        presets=[responses.Preset.model_validate({"name": name, "filter": tree}) for name, tree in PRESETS.items()],
    )


async def groups_of_contact(app: App, call: Call) -> Any:
    """List the lists and segments that a contact is in."""
    found = await app.read(_groups, path_id(call, "contact"))
    if found is None:
        raise NotFound()
    return found


def _groups(conn: Conn, contact: int) -> dict[str, Any] | None:
    if not merging.members(conn, contact):
        return None

    def out(rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [{"id": row.id, "name": row.name, "joined_at": rfc3339(row.at)} for row in rows]

    return {"lists": out(lists.lists_of(conn, contact)), "segments": out(segments.segments_of(conn, contact))}


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/segments", list_segments, Can.LISTS_SEE, response=responses.Segments),
    Endpoint("POST", "/api/segments", add_segment, Can.LISTS_EDIT, SegmentBody, response=responses.OneSegment),
    Endpoint("GET", "/api/segments/{segment}", show_segment, Can.LISTS_SEE, response=responses.OneSegment),
    Endpoint(
        "PUT", "/api/segments/{segment}", change_segment, Can.LISTS_EDIT, SegmentChange, response=responses.OneSegment
    ),
    Endpoint("DELETE", "/api/segments/{segment}", remove_segment, Can.LISTS_EDIT, response=Done),
    Endpoint(
        "GET",
        "/api/segments/{segment}/members",
        segment_members,
        Can.CONTACTS_SEE,
        response=responses.Members,
        query=MEMBERS_QUERY,
    ),
    Endpoint("GET", "/api/segments/{segment}/why/{contact}", why, Can.CONTACTS_SEE, response=responses.WhyOut),
    Endpoint("GET", "/api/filters/options", options, Can.LISTS_SEE, response=responses.FilterOptions),
    Endpoint("POST", "/api/filters/count", count, Can.LISTS_SEE, AudienceBody, response=responses.CountOut),
    Endpoint("POST", "/api/filters/funnel", funnel, Can.LISTS_SEE, AudienceBody, response=responses.Funnel),
    Endpoint("POST", "/api/filters/sample", sample, Can.LISTS_SEE, AudienceBody, response=responses.Sample),
    Endpoint(
        "GET", "/api/contacts/{contact}/groups", groups_of_contact, Can.CONTACTS_SEE, response=responses.GroupsOfContact
    ),
]
