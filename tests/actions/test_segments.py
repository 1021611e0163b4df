"""Segments: their definitions, who is in them, when the clock moves people, and the events of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from server.audiences import counting, keeping, lists, segments
from server.audiences.filters import parse_tree
from server.audiences.segments import Segment
from server.audit.rules import ActedBy, ActorType
from server.consent import actions as consent
from server.consent import definitions, suppressing
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status, Suppressed
from server.contacts import merging, properties
from server.contacts.property_rules import FIXED
from server.errors import Conflict, NotFound, Refused
from server.events import readers
from server.events.recording import record
from server.events.rules import NewEvent
from server.kernel.sql import Conn
from server.schema import audit, events, segment_members
from tests.people import add_contact
from tests.world import World

BY = ActedBy(ActorType.SYSTEM)
OPENED = FIXED[1].id
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
OPENED_LATELY = {"kind": "date", "property": OPENED, "op": "within_last", "days": 120}


def tree(*groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"groups": [list(group) for group in groups]}


async def contact(world: World, **values: Any) -> int:
    return await world.app.write(lambda tx: add_contact(tx, **values))


async def create(world: World, name: str, *groups: Sequence[dict[str, Any]]) -> Segment:
    """A new segment, filled."""
    segment = await world.app.write(segments.create, name, tree(*groups), BY)
    await world.advance()
    return await world.app.read(segments.by_id, segment.id)


async def put(world: World, person: int, values: dict[int, Any], cause: str = "") -> None:
    await world.app.write(lambda tx: properties.set_values(tx, [(person, values)], BY, cause))


async def members(world: World, segment: Segment) -> set[int]:
    rows = await world.rows(segment_members, segment_members.c.segment_id == segment.id)
    current = await world.app.read(segments.by_id, segment.id)
    assert current.members == len(rows), "the stored number of members is wrong"
    return {row.contact_id for row in rows}


async def changes(world: World) -> list[tuple[int, str, Any]]:
    """Who entered or left a segment, and why."""
    rows = await world.rows(events, events.c.source == "segment")
    return [(row.contact_id, row.metric.removeprefix("segment_"), row.cause) for row in rows]


async def settle(world: World) -> None:
    """Lets the job follow what has happened. On PostgreSQL a transaction of any database delays the readers of events."""

    def behind(conn: Conn) -> bool:
        place = readers.place(conn, keeping.READER)
        newest = conn.value(select(func.max(events.c.id))) or 0
        return place is None or place.event_id < newest

    await world.advance(seconds=5)
    while await world.app.read(behind):
        await world.advance(seconds=5)


async def test_the_first_filling_finds_everybody_and_makes_no_events(world: World) -> None:
    maria, tom = await contact(world, country="US"), await contact(world, country="PL")
    american = await create(world, "American", [{"kind": "place", "countries": ["US"]}])
    assert american.filled and not american.stale
    assert await members(world, american) == {maria}
    everybody = await create(world, "Everybody")
    assert await members(world, everybody) == {maria, tom}
    assert await changes(world) == []


async def test_a_changed_person_enters_and_leaves_with_the_cause(world: World) -> None:
    plan = (await world.app.write(properties.define, "plan", "Plan", "text", BY)).id
    maria = await contact(world)
    gold = await create(world, "Gold", [{"kind": "text", "property": plan, "op": "is", "values": ["gold"]}])
    await put(world, maria, {plan: "Gold"}, "import:7")
    await settle(world)
    assert await members(world, gold) == {maria}
    await put(world, maria, {plan: "silver"})
    await settle(world)
    assert await members(world, gold) == set()
    entered, left = await changes(world)
    assert entered == (maria, "entered", "import:7")
    assert left[:2] == (maria, "left")
    assert left[2].startswith("event:")  # nothing else caused it: the event of the change


async def test_lists_events_consents_and_suppressions_move_people(world: World) -> None:
    maria = await contact(world, phone="+12025550142")
    news = await world.app.write(lists.create, "News", BY)
    by_list = await create(world, "Listed", [{"kind": "list", "list": news.id}])
    buyers = await create(world, "Buyers", [{"kind": "event", "metric": "bought", "times": 2}])
    textable = await create(world, "Textable", [{"kind": "channel", "channel": "sms"}])
    await world.app.write(lists.add_members, news.id, [maria], BY)
    await world.app.write(record, [NewEvent(maria, "bought", "key:1"), NewEvent(maria, "bought", "key:1")])
    await subscribe(world, maria)
    await settle(world)
    assert [await members(world, each) for each in (by_list, buyers, textable)] == [{maria}] * 3
    await world.app.write(lists.remove_members, news.id, [maria], BY)
    await world.app.write(suppressing.suppress, "sms", "+12025550142", Suppressed.INVALID)
    await settle(world)
    assert [await members(world, each) for each in (by_list, buyers, textable)] == [set(), {maria}, set()]


async def subscribe(world: World, person: int) -> None:
    change = ConsentChange(person, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.FORM, "https://shop.example", "Yes")
    await world.app.write(consent.record, change)


async def test_the_clock_moves_people_at_the_exact_moment(world: World) -> None:
    maria, tom = await contact(world), await contact(world)
    opened = world.now - 119 * DAY
    await put(world, maria, {OPENED: opened})
    engaged = await create(world, "Engaged", [OPENED_LATELY])
    inactive = await create(world, "Inactive", [{**OPENED_LATELY, "negate": True}])
    assert (await members(world, engaged), await members(world, inactive)) == ({maria}, {tom})
    assert engaged.changes_at == inactive.changes_at == opened + 120 * DAY
    why = await world.app.read(counting.explain, engaged.filter, maria, world.now)
    assert (why.matches, why.changes_at) == (True, opened + 120 * DAY)
    world.clock.advance(DAY - MICROSECOND)
    await world.advance()
    assert await members(world, engaged) == {maria}
    world.clock.advance(MICROSECOND)
    await world.advance()
    assert (await members(world, engaged), await members(world, inactive)) == (set(), {maria, tom})
    assert await changes(world) == [(maria, "left", "clock"), (maria, "entered", "clock")]


async def test_an_event_that_becomes_too_old_moves_people_too(world: World) -> None:
    maria = await contact(world)
    await world.app.write(record, [NewEvent(maria, "bought", "key:1", world.now - 29 * DAY)])
    recent = await create(world, "Recent", [{"kind": "event", "metric": "bought", "days": 30}])
    assert await members(world, recent) == {maria}
    await world.app.write(record, [NewEvent(maria, "bought", "key:1", world.now - 28 * DAY)])
    await world.advance(hours=24)
    assert await members(world, recent) == {maria}  # the second one still counts
    world.clock.advance(DAY - MICROSECOND)
    await world.advance()
    assert await members(world, recent) == {maria}
    world.clock.advance(MICROSECOND)
    await world.advance()
    assert await members(world, recent) == set()


async def test_a_date_set_later_is_watched_too(world: World) -> None:
    """The segment knew of no date when it was filled."""
    maria = await contact(world)
    engaged = await create(world, "Engaged", [OPENED_LATELY])
    assert engaged.changes_at is None
    await put(world, maria, {OPENED: world.now - 119 * DAY})
    await settle(world)
    assert await members(world, engaged) == {maria}
    await world.advance(hours=24)
    assert await members(world, engaged) == set()


async def test_many_people_at_the_same_moment_are_found_by_one_statement(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MANY", 3)
    monkeypatch.setattr(keeping, "RANGE", 4)
    plan = (await world.app.write(properties.define, "plan", "Plan", "text", BY)).id
    people = [await contact(world) for _ in range(10)]
    for person in people[:8]:
        await put(world, person, {OPENED: world.now - 119 * DAY})
    engaged = await create(world, "Engaged", [OPENED_LATELY])
    gold = await create(world, "Gold", [{"kind": "text", "property": plan, "op": "is", "values": ["gold"]}])
    assert await members(world, engaged) == set(people[:8])
    await world.advance(hours=24)
    assert await members(world, engaged) == set()
    assert {cause for _, _, cause in await changes(world)} == {"clock"}
    rows = [(person, {plan: "gold"}) for person in people]
    await world.app.write(lambda tx: properties.set_values(tx, rows, BY, "import:7"))
    await settle(world)
    assert await members(world, gold) == set(people)
    assert [change for change in await changes(world) if change[2] == "import:7"] == [
        (person, "entered", "import:7") for person in people
    ]


async def test_a_changed_filter_finds_its_members_again(world: World) -> None:
    maria, tom = await contact(world, country="US"), await contact(world, country="PL")
    place = await create(world, "Place", [{"kind": "place", "countries": ["US"]}])
    outer = await create(world, "Not there", [{"kind": "segment", "segment": place.id, "negate": True}])
    assert await members(world, outer) == {tom}
    polish = tree([{"kind": "place", "countries": ["PL"]}])
    await world.app.write(lambda tx: segments.change(tx, place.id, BY, raw_filter=polish, version=place.version))
    assert (await world.app.read(segments.by_id, outer.id)).stale
    await world.advance()
    assert (await members(world, place), await members(world, outer)) == ({tom}, {maria})
    assert {cause for _, _, cause in await changes(world)} == {"refresh"}
    with pytest.raises(Conflict) as stale:
        await world.app.write(lambda tx: segments.change(tx, place.id, BY, name="X", version=place.version))
    assert stale.value.code == "stale_version"


async def test_merged_people_are_one_member_without_entering_again(world: World) -> None:
    olga = (await world.agent("olga")).agent
    maria, other = await contact(world), await contact(world, country="US")
    american = await create(world, "American", [{"kind": "place", "countries": ["US"]}])
    merge = await world.app.write(merging.merge, olga, maria, other, "")
    await settle(world)
    assert await members(world, american) == {maria}
    assert await changes(world) == []  # the person was in it before
    assert merge is not None
    await world.app.write(merging.undo, olga, merge.id, "")
    await settle(world)
    assert await members(world, american) == {other}


async def test_a_new_required_consent_moves_people(world: World) -> None:
    olga = (await world.agent("olga")).agent
    maria = await contact(world, phone="+12025550142")
    await subscribe(world, maria)
    textable = await create(world, "Textable", [{"kind": "channel", "channel": "sms"}])
    await settle(world)
    assert await members(world, textable) == {maria}
    required = definitions.ConsentDefinition(name="Terms", channel="sms", required=True)
    await world.app.write(definitions.add, olga, required, "")
    await settle(world)
    assert await members(world, textable) == set()


async def test_everything_is_found_again_every_night(world: World) -> None:
    maria = await contact(world)
    await world.app.write(record, [NewEvent(maria, "bought", "key:1")])
    buyers = await create(world, "Buyers", [{"kind": "event", "metric": "bought"}])
    assert await members(world, buyers) == {maria}
    # Deleting expired events is no event.
    await world.app.write(lambda tx: tx.run(delete(events).where(events.c.metric == "bought")))
    await settle(world)
    assert await members(world, buyers) == {maria}
    await world.advance(hours=24)
    assert await members(world, buyers) == set()


async def test_only_segments_that_ask_are_touched_and_their_own_events_change_nothing(world: World) -> None:
    maria = await contact(world, country="US")
    american = await create(world, "American", [{"kind": "place", "countries": ["US"]}])
    for _ in range(3):
        await world.app.write(record, [NewEvent(maria, "visited", "key:1")])
        await settle(world)
    assert await members(world, american) == {maria}
    assert await changes(world) == []


async def test_what_is_used_cannot_be_deleted(world: World) -> None:
    plan = (await world.app.write(properties.define, "plan", "Plan", "text", BY)).id
    news = await world.app.write(lists.create, "News", BY)
    gold = await create(world, "Gold", [{"kind": "text", "property": plan, "op": "set"}])
    outer = await create(
        world, "Gold readers", [{"kind": "segment", "segment": gold.id}], [{"kind": "list", "list": news.id}]
    )
    assert [each.name for each in await world.app.read(segments.using_property, plan)] == ["Gold"]
    assert [each.name for each in await world.app.read(segments.using_list, news.id)] == ["Gold readers"]
    with pytest.raises(Conflict, match="Gold is used by: Gold readers") as refused:
        await world.app.write(segments.remove, gold.id, BY)
    assert refused.value.conflict == {"segments": [{"id": outer.id, "name": "Gold readers"}]}
    await world.app.write(segments.remove, outer.id, BY)
    await world.app.write(segments.remove, gold.id, BY)
    await world.advance(seconds=10)
    assert await world.rows(segment_members) == []
    with pytest.raises(NotFound):
        await world.app.read(segments.by_id, gold.id)
    actions = [row.action for row in await world.rows(audit) if row.action.startswith("segment_")]
    assert actions == ["segment_added", "segment_added", "segment_deleted", "segment_deleted"]


async def test_a_segment_never_asks_for_itself(world: World) -> None:
    first = await create(world, "First")
    second = await create(world, "Second", [{"kind": "segment", "segment": first.id}])
    for inner in (first, second):
        with pytest.raises(Refused, match="cannot ask for itself"):
            await world.app.write(
                lambda tx, inner=inner: segments.change(
                    tx, first.id, BY, raw_filter=tree([{"kind": "segment", "segment": inner.id}])
                )
            )


async def test_segments_inside_segments_have_a_limit(world: World) -> None:
    previous = await world.app.write(segments.create, "0", tree(), BY)
    for depth in range(1, 20):
        inner = tree([{"kind": "segment", "segment": previous.id}])
        previous = await world.app.write(segments.create, str(depth), inner, BY)
    with pytest.raises(Refused, match="at most 20 deep"):
        await world.app.write(segments.create, "too deep", tree([{"kind": "segment", "segment": previous.id}]), BY)
    sample = {"kind": "sample", "percent": 50}
    large = await world.app.write(segments.create, "large", tree(*[[sample] * 15] * 10), BY)
    twice = tree([{"kind": "segment", "segment": large.id}], [{"kind": "segment", "segment": large.id}])
    with pytest.raises(Refused, match="more than 300 conditions"):
        await world.app.write(segments.create, "too large", twice, BY)


async def test_counts_samples_and_the_funnel_agree(world: World) -> None:
    people = [await contact(world, country="US" if n % 2 else "PL", name=f"P{n}") for n in range(10)]
    for person in people[:5]:
        await put(world, person, {OPENED: world.now})
    asked = parse_tree(
        tree([{"kind": "place", "countries": ["US"]}, {"kind": "place", "countries": ["KR"]}], [OPENED_LATELY])
    )
    count = await world.app.read(counting.count, asked, world.now)
    assert (count.matching, count.people, count.beyond_days) == (2, 10, None)
    steps = await world.app.read(counting.funnel, asked, world.now)
    assert [(step.left, step.alone) for step in steps] == [(5, [5, 0]), (2, [5])]
    sample = await world.app.read(counting.sample, asked, world.now)
    assert [row.id for row in sample] == [people[3], people[1]]


async def test_a_filter_that_looks_further_back_than_events_are_kept_says_so(world: World) -> None:
    for days, beyond in ((730, None), (731, 730), (None, 730)):
        asked = parse_tree(tree([{"kind": "event", "metric": "bought", "days": days}]))
        assert (await world.app.read(counting.count, asked, world.now)).beyond_days == beyond


async def test_names_of_events_are_found_without_reading_all_events(world: World) -> None:
    maria = await contact(world)
    await world.app.write(record, [NewEvent(maria, name, "key:1") for name in ("bought", "visited", "bought")])
    assert await world.app.read(counting.metrics) == ["bought", "visited"]
