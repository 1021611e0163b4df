"""Properties, lists and segments over HTTP: a team's work from definition to members, rights, and hostile filters."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from server.accounts.rules import TABLE, Can
from server.audiences import counting
from server.contacts import properties
from server.contacts.property_rules import FIXED
from server.events.recording import record
from server.events.rules import NewEvent
from server.kernel.clock import rfc3339
from tests.online import Agent, Answer, Online, open_online
from tests.people import add_contact
from tests.world import CAST

ADDED, OPENED, CLICKED = (fixed.id for fixed in FIXED)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    async with open_online(tmp_path / "data", request.param) as online:
        yield online


async def contact(online: Online, values: dict[int, Any] | None = None, **columns: Any) -> int:
    def add(tx: Any) -> int:
        made = add_contact(tx, **columns)
        if values:
            properties.set_values(tx, [(made, values)], None)  # type: ignore[arg-type]
        return made

    return await online.app.write(add)


async def ok(agent: Agent, method: str, path: str, body: Any = None) -> Any:
    answer = await (agent.get(path) if method == "GET" else agent.send(method, path, body))
    assert answer.status == 200, answer
    return answer.json()


async def count(agent: Agent, *groups: list[dict[str, Any]], **more: Any) -> Answer:
    return await agent.send("POST", "/api/filters/count", {"filter": {"groups": [*groups]}, **more})


async def members_of(agent: Agent, path: str) -> list[int]:
    """All members, read in pages of two."""
    found: list[int] = []
    after = ""
    while True:
        page = await ok(agent, "GET", f"{path}/members?limit=2" + (f"&after={after}" if after else ""))
        found += [member["id"] for member in page["members"]]
        if page["after"] is None:
            return sorted(found)
        after = page["after"]


async def test_imported_dates_make_the_engaged_and_inactive_segments(both: Online) -> None:
    """IMP-4, IMP-5, IMP-12, AMB-15: exactly 120 × 24 hours ago is not within the last 120 days."""
    now = both.world.now
    old = now - 200 * DAY
    boundary = now - 120 * DAY
    at_boundary = await contact(both, {ADDED: old, OPENED: boundary})
    just_inside = await contact(both, {ADDED: old, OPENED: boundary + timedelta(microseconds=1)})
    clicked = await contact(both, {ADDED: old, CLICKED: now})
    added = await contact(both, {ADDED: now - DAY})
    silent = await contact(both, {ADDED: boundary})
    created = await contact(both)  # without an imported date, the day of joining counts
    cora = await both.agent("cora", socket=False)
    options = await ok(cora, "GET", "/api/filters/options")
    presets = {preset["name"]: preset["filter"] for preset in options["presets"]}
    segments = {}
    for name in ("engaged", "inactive"):
        made = await ok(cora, "POST", "/api/segments", {"name": name, "filter": presets[name]})
        segments[name] = f"/api/segments/{made['segment']['id']}"
    await both.world.advance()
    assert await members_of(cora, segments["engaged"]) == sorted([just_inside, clicked, added, created])
    assert await members_of(cora, segments["inactive"]) == sorted([at_boundary, silent])
    why = await ok(cora, "GET", f"{segments['engaged']}/why/{just_inside}")
    moment = boundary + timedelta(microseconds=1) + 120 * DAY
    assert (why["member"], why["matches"], why["changes_at"]) == (True, True, rfc3339(moment))
    assert [condition["holds"] for condition in why["groups"][0]["conditions"]] == [True, False, False]
    why_not = await ok(cora, "GET", f"{segments['engaged']}/why/{silent}")
    assert (why_not["member"], why_not["matches"], why_not["changes_at"]) == (False, False, None)
    both.world.clock.advance(timedelta(microseconds=1))
    await both.world.advance()
    assert just_inside in await members_of(cora, segments["inactive"])


async def test_own_clicks_count_like_imported_ones(both: Online) -> None:
    """IMP-12: the later of the imported last click and our own."""
    from server.links.rules import ContactClick, LinksClicked

    now = both.world.now
    maria = await contact(both, {ADDED: now - 300 * DAY, CLICKED: now - 200 * DAY})
    click = LinksClicked((ContactClick(maria, 1, now),))
    await both.app.write(lambda tx: tx.announce(click))
    cora = await both.agent("cora", socket=False)
    lately = {"kind": "date", "property": CLICKED, "op": "within_last", "days": 120}
    assert (await count(cora, [lately])).json()["matching"] == 1


async def test_main_engaged_and_inactive_as_lists(both: Online) -> None:
    """IMP-3, IMP-5: people in three lists, and a segment that leaves some of them out."""
    cora = await both.agent("cora", socket=False)
    people = [await contact(both, name=f"P{n}") for n in range(5)]
    lists = {}
    for name, members in (("Main", people), ("Engaged", people[:2]), ("Inactive", people[2:])):
        made = await ok(cora, "POST", "/api/lists", {"name": name})
        lists[name] = made["list"]["id"]
        changed = await ok(cora, "POST", f"/api/lists/{lists[name]}/members", {"contacts": members})
        assert changed == {"changed": len(members)}
    assert await members_of(cora, f"/api/lists/{lists['Main']}") == people
    asked = [[{"kind": "list", "list": lists["Main"]}], [{"kind": "list", "list": lists["Engaged"], "negate": True}]]
    assert (await count(cora, *asked)).json()["matching"] == 3
    await ok(cora, "POST", f"/api/lists/{lists['Inactive']}/members/remove", {"contacts": people[3:]})
    shown = {each["name"]: each["members"] for each in (await ok(cora, "GET", "/api/lists"))["lists"]}
    assert shown == {"Main": 5, "Engaged": 2, "Inactive": 1}
    groups = await ok(cora, "GET", f"/api/contacts/{people[0]}/groups")
    assert [each["name"] for each in groups["lists"]] == ["Engaged", "Main"]


async def test_properties_are_defined_used_and_protected(both: Online) -> None:
    mona, ana = await both.agent("mona", socket=False), await both.agent("ana", socket=False)
    made = await ok(mona, "POST", "/api/properties", {"name": "Favourite colour", "type": "text"})
    colour = made["property"]
    assert (colour["key"], colour["fixed"]) == ("favourite_colour", False)
    assert (await ana.send("POST", "/api/properties", {"name": "X", "type": "text"})).status == 403
    condition = {"kind": "text", "property": colour["id"], "op": "is", "values": ["Blue"]}
    segment = await ok(mona, "POST", "/api/segments", {"name": "Blue", "filter": {"groups": [[condition]]}})
    refused = await mona.send("DELETE", f"/api/properties/{colour['id']}", {})
    assert refused.status == 409 and refused.code == "in_use"
    assert refused.json()["conflict"]["segments"] == [{"id": segment["segment"]["id"], "name": "Blue"}]
    renamed = await ok(mona, "PUT", f"/api/properties/{colour['id']}", {"name": "Colour"})
    assert renamed["property"]["used_by"] == [{"id": segment["segment"]["id"], "name": "Blue"}]
    await ok(mona, "DELETE", f"/api/segments/{segment['segment']['id']}", {})
    await ok(mona, "DELETE", f"/api/properties/{colour['id']}", {})
    keys = [each["key"] for each in (await ok(mona, "GET", "/api/properties"))["properties"]]
    assert keys == ["date_added", "last_open", "last_click"]
    for body, status in (
        ({"name": "x", "type": "text", "key": "__proto__"}, 422),
        ({"name": "x", "type": "text", "key": "last_active"}, 422),
        ({"name": "x", "type": "text", "key": "email"}, 409),
        ({"name": "x", "type": "money"}, 422),
    ):
        assert (await mona.send("POST", "/api/properties", body)).status == status, body


async def test_content_creators_get_counts_and_invented_people_only(online: Online) -> None:
    await contact(online, name="Real Maria", email="maria@mail.example")
    kurt, nils = await online.agent("kurt", socket=False), await online.agent("nils", socket=False)
    body = {"filter": {"groups": []}}
    assert (await count(kurt)).json()["matching"] == 1
    sample = await ok(kurt, "POST", "/api/filters/sample", body)
    assert sample["invented"] and [person["id"] for person in sample["people"]] == [None]
    assert "Maria" not in json.dumps(sample)
    shown = await ok(nils, "POST", "/api/filters/sample", body)
    assert [person["name"] for person in shown["people"]] == ["Real Maria"]
    segment = await ok(await online.agent("cora", socket=False), "POST", "/api/segments", {"name": "All", **body})
    path = f"/api/segments/{segment['segment']['id']}"
    for refused in ("/members", "/why/1"):
        assert (await kurt.get(path + refused)).status == 403
    assert (await kurt.send("PUT", path, {"name": "Mine"})).status == 403


async def test_only_the_roles_of_the_table_may_change_lists(online: Online) -> None:
    for name, role in CAST.items():
        agent = await online.agent(name, socket=False)
        allowed = role in TABLE[Can.LISTS_EDIT]
        answer = await agent.send("POST", "/api/lists", {"name": name})
        assert answer.status == (200 if allowed else 403), name
        assert (await agent.get("/api/lists")).status == 200


async def test_a_newer_count_interrupts_an_older_one(both: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    cora = await both.agent("cora", socket=False)
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    real, calls = counting.count, 0

    def slow_first(conn: Any, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            return real(conn, *args)
        loop.call_soon_threadsafe(began.set)
        from sqlalchemy import text

        # Only an interruption ends it in time.
        return conn.all(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) FROM n"
            )
        )

    monkeypatch.setattr(counting, "count", slow_first)
    first = asyncio.create_task(count(cora, window="w"))
    await began.wait()
    newer = await count(cora, window="w")
    assert newer.status == 200
    older = await first
    assert (older.status, older.code) == (409, "superseded")


WRONG: list[tuple[Any, str]] = [
    ({"kind": "sql", "text": "1; DROP TABLE contacts"}, "groups.0.0"),
    ({"kind": "text", "property": 1, "op": "is", "values": ["x"], "sort": "id;drop"}, "sort"),
    ({"kind": "text", "property": "id;drop", "op": "is", "values": ["x"]}, "property"),
    ({"kind": "text", "property": 10**18, "op": "is", "values": ["x"]}, "property"),
    ({"kind": "text", "property": 1, "op": "like", "values": ["x"]}, "op"),
    ({"kind": "text", "property": 1, "op": "is", "values": ["x"] * 101}, "values"),
    ({"kind": "text", "property": 1, "op": "is", "values": ["x" * 501]}, "values"),
    ({"kind": "text", "property": 1, "op": "is", "values": []}, "text"),
    ({"kind": "number", "property": 2, "op": "equals", "value": "3"}, "value"),
    ({"kind": "number", "property": 2, "op": "equals", "value": 1e300}, "value"),
    ({"kind": "boolean", "property": 3, "value": "yes"}, "value"),
    ({"kind": "date", "property": 4, "op": "before", "at": "9999-12-31"}, "at"),
    ({"kind": "date", "property": 4, "op": "before", "at": "0000-01-01"}, "at"),
    ({"kind": "date", "property": 4, "op": "before", "at": "2026-02-31"}, "at"),
    ({"kind": "date", "property": 4, "op": "before", "at": -86400}, "at"),
    ({"kind": "date", "property": 4, "op": "within_last", "days": 0}, "days"),
    ({"kind": "date", "property": 4, "op": "within_last", "days": 10**9}, "days"),
    ({"kind": "date", "property": 0, "op": "set"}, "date"),
    ({"kind": "items", "property": 5, "op": "has", "values": "red"}, "values"),
    ({"kind": "event", "metric": "x", "times": -1}, "times"),
    ({"kind": "event", "metric": "x", "days": 1, "since": "2026-01-01"}, "event"),
    ({"kind": "event", "metric": "x", "data": [{"key": "a') OR 1=1 --", "op": "is", "value": "x"}]}, "key"),
    ({"kind": "event", "metric": "x", "data": [{"key": "__proto__.x[0]", "op": "is", "value": "x"}]}, "key"),
    ({"kind": "sample", "percent": 100}, "percent"),
    ({"kind": "place", "countries": ["us"]}, "countries"),
    ({"kind": "consent", "purpose": "consent:1; DROP"}, "purpose"),
    (["kind", "list"], "0.0"),
    (None, "0.0"),
]


@pytest.mark.parametrize(("condition", "field"), WRONG)
async def test_hostile_conditions_are_refused_and_name_the_field(online: Online, condition: Any, field: str) -> None:
    """A5, A32; impossible dates too."""
    cora = await online.agent("cora", socket=False)
    answer = await count(cora, [condition])
    assert (answer.status, answer.code) == (422, "bad_filter"), answer
    assert any(field in fault["field"] for fault in answer.json()["errors"]), answer.json()


async def test_a_property_of_each_wrong_type_is_refused_with_what_to_do(online: Online) -> None:
    mona = await online.agent("mona", socket=False)
    ids = {}
    for type in ("text", "number", "boolean", "date", "list"):
        made = await ok(mona, "POST", "/api/properties", {"name": f"My {type}", "type": type})
        ids[type] = made["property"]["id"]
    asks: dict[str, dict[str, Any]] = {
        "text": {"kind": "text", "op": "set"},
        "number": {"kind": "number", "op": "set"},
        "boolean": {"kind": "boolean"},
        "date": {"kind": "date", "op": "set"},
        "list": {"kind": "items", "op": "set"},
    }
    for asked, condition in asks.items():
        for type, property_id in ids.items():
            answer = await count(mona, [{**condition, "property": property_id}])
            if asked == type:
                assert answer.status == 200, answer
                continue
            error = answer.json()["error"]
            assert (answer.status, error["field"]) == (422, "filter.groups.0.0")
            assert error["message"] == f"My {type} is a {type} property. Compare it as {type}, not as {asked}."
    gone = await count(mona, [{"kind": "list", "list": 99}], [{"kind": "segment", "segment": 99}])
    assert [fault["field"] for fault in gone.json()["errors"]] == ["filter.groups.0.0", "filter.groups.1.0"]
    assert (
        (await count(mona, [{"kind": "place", "regions": ["mars"]}]))
        .json()["error"]["message"]
        .startswith("There is no region mars. Choose one of asia_pacific, eea, eu")
    )
    near = {"kind": "distance", "property": ids["text"], "country": "US", "code": "90210", "km": 10}
    assert "Upload a table" in (await count(mona, [near])).json()["error"]["message"]


async def test_large_and_deep_filters_are_refused(online: Online) -> None:
    cora = await online.agent("cora", socket=False)
    sample = {"kind": "sample", "percent": 50}
    for groups in ([[sample]] * 21, [[sample] * 31], [[]], "all", {"a": 1}):
        answer = await cora.send("POST", "/api/filters/count", {"filter": {"groups": groups}})
        assert (answer.status, answer.code) == (422, "bad_filter"), answer
    deep: Any = sample
    for _ in range(100):
        deep = [deep]
    answer = await cora.send("POST", "/api/filters/count", {"filter": {"groups": deep}})
    assert answer.status in (400, 422), answer
    huge = {"kind": "text", "property": 1, "op": "is", "values": ["x" * 500] * 100}
    answer = await cora.send("POST", "/api/filters/count", {"filter": {"groups": [[huge] * 30] * 20}})
    assert answer.status == 413, answer


async def test_pages_of_members_refuse_wrong_limits_and_cursors(online: Online) -> None:
    """A6."""
    cora = await online.agent("cora", socket=False)
    first = (await ok(cora, "POST", "/api/lists", {"name": "First"}))["list"]["id"]
    second = (await ok(cora, "POST", "/api/lists", {"name": "Second"}))["list"]["id"]
    people = [await contact(online) for _ in range(3)]
    for list_id in (first, second):
        await ok(cora, "POST", f"/api/lists/{list_id}/members", {"contacts": people})
    path = f"/api/lists/{first}/members"
    for limit in ("0", "-1", "all", "1e3", "1000000000"):
        answer = await cora.get(f"{path}?limit={limit}")
        assert answer.status in (200, 400, 422), answer
        assert answer.status != 200 or len(answer.json()["members"]) <= 200
    cursor = (await ok(cora, "GET", f"{path}?limit=1"))["after"]
    assert (await cora.get(f"/api/lists/{second}/members?after={cursor}")).code == "bad_cursor"
    assert (await cora.get(f"{path}?after={cursor[:-2]}xx")).code == "bad_cursor"


async def test_the_audit_log_encodes_names(online: Online) -> None:
    """A27."""
    olga = await online.agent("olga", socket=False)
    await ok(olga, "POST", "/api/lists", {"name": "News\r\n\x1b[31mred\u202e"})
    lines = (await ok(olga, "GET", "/api/audit"))["lines"]
    (line,) = [line for line in lines if line["action"] == "list_added"]
    assert line["target"] == "News [31mred"


async def test_a_filter_that_looks_too_far_back_says_so(online: Online) -> None:
    cora = await online.agent("cora", socket=False)
    maria = await contact(online)
    await online.app.write(record, [NewEvent(maria, "bought", "key:1")])
    ever = [{"kind": "event", "metric": "bought"}]
    assert (await count(cora, ever)).json() == {"matching": 1, "people": 1, "beyond_days": 730}
    made = await ok(cora, "POST", "/api/segments", {"name": "Buyers", "filter": {"groups": [ever]}})
    assert made["segment"]["beyond_days"] == 730
    assert (await ok(cora, "GET", "/api/filters/options"))["metrics"] == ["bought"]
    steps = await ok(cora, "POST", "/api/filters/funnel", {"filter": {"groups": [ever]}})
    assert steps == {"steps": [{"left": 1, "alone": [1]}]}


async def test_distances_are_offered_after_a_table_of_postal_codes_was_uploaded(both: Online) -> None:
    mona, ana = await both.agent("mona", socket=False), await both.agent("ana", socket=False)
    home = (await ok(mona, "POST", "/api/properties", {"name": "Postal code", "type": "text"}))["property"]["id"]
    assert not (await ok(mona, "GET", "/api/filters/options"))["postal_codes"]
    geonames = "US\t10451\tBronx\tNew York\tNY\tBronx\t005\t\t\t40.8222\t-73.9217\t4"
    lines = ["US,90210,34.0901,-118.4065", "us; 10001; 40.7484; -73.9967", geonames, "", "US,1,95,0", "US,1", "=1+1"]
    assert (await ana.send("POST", "/api/postal-codes", {"lines": lines})).status == 403
    added = await ok(mona, "POST", "/api/postal-codes", {"lines": lines})
    assert (added["stored"], [bad["line"] for bad in added["bad"]]) == (3, [5, 6, 7])
    assert await ok(mona, "GET", "/api/postal-codes") == {"countries": [{"country": "US", "codes": 3}]}
    assert (await ok(mona, "GET", "/api/filters/options"))["postal_codes"]
    bronx, manhattan = await contact(both, {home: "10451"}), await contact(both, {home: "1000-1"})
    await contact(both, {home: "90210"})
    near = {"kind": "distance", "property": home, "country": "US", "code": "10001", "km": 5}
    counts = [(await count(mona, [{**near, "km": km}])).json()["matching"] for km in (5, 20, 1_000)]
    assert counts == [1, 2, 2]
    made = await ok(mona, "POST", "/api/segments", {"name": "Near", "filter": {"groups": [[{**near, "km": 20}]]}})
    await both.world.advance()
    path = f"/api/segments/{made['segment']['id']}"
    assert await members_of(mona, path) == [bronx, manhattan]
    unknown = await count(mona, [{**near, "code": "99999"}])
    assert "99999 is not in your table" in unknown.json()["error"]["message"]
    assert (await mona.send("DELETE", "/api/postal-codes/US", {})).code == "in_use"
    # A better position counts at once.
    await ok(mona, "POST", "/api/postal-codes", {"lines": ["US,10451,34.1,-118.4"]})
    await both.world.advance()
    assert await members_of(mona, path) == [manhattan]
    await ok(mona, "DELETE", path, {})
    await ok(mona, "DELETE", "/api/postal-codes/US", {})
    assert await ok(mona, "GET", "/api/postal-codes") == {"countries": []}
