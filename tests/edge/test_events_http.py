"""Events over HTTP: identified people, batches with bad events, repeats, clocks, scopes, and a contact's activity."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from server.kernel.clock import rfc3339
from server.schema import addresses, contacts, events
from tests.edge.test_api_keys import call, create_key
from tests.online import Online, open_online


async def event_sender(online: Online, *scopes: str) -> Any:
    olga = await online.agent("olga", socket=False)
    secret = (await create_key(olga, *(scopes or ("contacts_edit", "contacts_see"))))["secret"]

    async def send(*new: Any) -> dict[str, Any]:
        answer = await call(online, secret, "POST", "/api/events", {"events": list(new)})
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.json()
        return body

    return send


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_of_a_thousand_events_three_bad_ones_are_reported_and_the_others_stored(
    tmp_path: Path, database: str
) -> None:
    async with open_online(tmp_path / "data", database) as online:
        send = await event_sender(online)
        batch: list[dict[str, Any]] = [
            {"metric": "viewed", "email": f"person{n % 50}@mail.example", "key": f"k{n}"} for n in range(1_000)
        ]
        batch[3]["email"] = "nobody"
        batch[500] = {"metric": "viewed", "email": "a@mail.example", "kee": "typo"}
        batch[999]["happened_at"] = rfc3339(online.world.now + timedelta(hours=1))
        answer = await send(*batch)
        assert (answer["stored"], answer["repeated"]) == (997, 0)
        assert [(error["index"], error["code"], error["field"]) for error in answer["errors"]] == [
            (3, "bad_email", "email"),
            (500, "invalid", "kee"),
            (999, "in_the_future", "happened_at"),
        ]
        assert all(error["message"] for error in answer["errors"])
        repeated = await send(*batch)
        assert (repeated["stored"], repeated["repeated"], len(repeated["errors"])) == (0, 997, 3)
        rows = await online.world.rows(events)
        assert len(rows) == 997 and len({row.contact_id for row in rows}) == 50
        assert len(await online.world.rows(contacts)) == 50, "a repeated call makes no further people"


async def test_an_event_creates_a_person_once_and_finds_them_by_every_identifier(online: Online) -> None:
    send = await event_sender(online)
    await send({"metric": "Signed Up", "email": "Maria@Mail.example", "phone": "+1 202-555-0142", "name": "Maria"})
    await send({"metric": "viewed", "phone": "+12025550142"}, {"metric": "viewed", "email": "maria@mail.example"})
    (maria,) = await online.world.rows(contacts)
    assert (maria.name, maria.email, maria.phone) == ("Maria", "maria@mail.example", "+12025550142")
    await send({"metric": "viewed", "contact": maria.id})
    rows = await online.world.rows(events)
    assert [row.metric for row in rows] == ["signed_up", "viewed", "viewed", "viewed"]
    assert {row.contact_id for row in rows} == {maria.id}
    assert not any(row.verified for row in await online.world.rows(addresses)), "a program's word proves no address"


async def test_the_answer_names_other_people_with_a_shared_number(online: Online) -> None:
    send = await event_sender(online)
    await send({"metric": "viewed", "phone": "+12025550142", "crm_id": "A"})
    await send({"metric": "viewed", "phone": "+12025550142", "crm_id": "B"})
    first, second = await online.world.rows(contacts)
    answer = await send({"metric": "viewed", "phone": "+12025550142"})
    assert answer["shared"] == [{"index": 0, "contact": second.id, "others": [first.id]}]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"metric": "viewed"}, "no_person"),
        ({"metric": "viewed", "contact": 999_999}, "unknown_contact"),
        ({"metric": "viewed", "contact": 1, "email": "a@mail.example"}, "invalid"),
        ({"metric": "viewed", "contact": True}, "invalid"),
        ({"metric": "viewed", "email": "a@mail.example\r\nBcc: x@y.example"}, "bad_email"),
        ({"metric": "viewed", "phone": "12"}, "phone_no_country"),
        ({"metric": "viewed", "crm_id": "a\u0000b"}, "invalid"),
        ({"metric": "message_delivered", "email": "a@mail.example"}, "bad_metric"),
        ({"metric": "Subscribed ", "email": "a@mail.example"}, "bad_metric"),
        ({"metric": "<script>", "email": "a@mail.example"}, "bad_metric"),
        ({"metric": "viewed", "email": "a@mail.example", "happened_at": "2026-11-21"}, "bad_time"),
        ({"metric": "viewed", "email": "a@mail.example", "happened_at": "0001-01-01T00:00:00Z"}, "bad_time"),
        ({"metric": "viewed", "email": "a@mail.example", "value": "1e400"}, "bad_value"),
        ({"metric": "viewed", "email": "a@mail.example", "value": 0.00001}, "bad_value"),
        ({"metric": "viewed", "email": "a@mail.example", "value": 1, "currency": "€"}, "bad_currency"),
        ({"metric": "viewed", "email": "a@mail.example", "data": {"x": "y" * 5_000}}, "too_large"),
        ({"metric": "viewed", "email": "a@mail.example", "data": [1]}, "invalid"),
        ("viewed", "invalid"),
        (None, "invalid"),
    ],
)
async def test_a_bad_event_is_reported_and_nothing_is_stored(online: Online, event: Any, code: str) -> None:
    send = await event_sender(online)
    answer = await send(event)
    assert [(error["index"], error["code"]) for error in answer["errors"]] == [(0, code)]
    assert answer["stored"] == 0 and not await online.world.rows(events) and not await online.world.rows(contacts)


async def test_a_clock_that_is_a_little_ahead_counts_as_now_and_old_events_keep_their_time(online: Online) -> None:
    send, now = await event_sender(online), online.world.now
    times = [rfc3339(now + timedelta(minutes=9)), rfc3339(now - timedelta(days=400)), "2026-11-21T12:00:00+09:00"]
    await send(*({"metric": "viewed", "email": "a@mail.example", "happened_at": at} for at in times))
    rows = await online.world.rows(events)
    assert rows[0].happened_at == rows[0].recorded_at and rows[1].happened_at == now - timedelta(days=400)
    assert rfc3339(rows[2].happened_at) == "2026-11-21T03:00:00.000Z"


async def test_only_a_key_with_the_scope_sends_events(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    body = {"events": [{"metric": "viewed", "email": "a@mail.example"}]}
    refused = await call(online, (await create_key(olga, "contacts_see"))["secret"], "POST", "/api/events", body)
    assert (refused.status, refused.code) == (403, "missing_scope")
    refused = await olga.post("/api/events", body)
    assert (refused.status, refused.code) == (403, "forbidden")
    key = (await create_key(olga, "contacts_edit", name="Other"))["secret"]
    for wrong in ({"events": []}, {"events": [{}] * 1_001}, {"events": {}}, {}):
        assert (await call(online, key, "POST", "/api/events", wrong)).status == 422
    large = {"events": [{"metric": "viewed", "email": "a@mail.example", "data": {"x": "y" * 2_200_000}}]}
    assert (await call(online, key, "POST", "/api/events", large)).status == 413
    assert not await online.world.rows(events)


async def test_two_keys_may_use_the_same_deduplication_key(online: Online) -> None:
    """Otherwise two programs that count from 1 would lose each other's events."""
    olga = await online.agent("olga", socket=False)
    for name in ("Shop", "Site"):
        secret = (await create_key(olga, "contacts_edit", name=name))["secret"]
        body = {"events": [{"metric": "viewed", "email": "a@mail.example", "key": "1"}] * 2}
        answer = (await call(online, secret, "POST", "/api/events", body)).json()
        assert (answer["stored"], answer["repeated"]) == (1, 1)
    assert len(await online.world.rows(events)) == 2


async def test_a_contact_s_activity_is_read_page_by_page(online: Online) -> None:
    send = await event_sender(online)
    await send(*({"metric": "bought", "email": "a@mail.example", "value": "19.9", "currency": "eur"} for _ in range(5)))
    await send({"metric": "viewed", "email": "a@mail.example", "data": {"page": "/tea"}})
    (person,) = await online.world.rows(contacts)
    ana = await online.agent("ana", socket=False)
    path, pages, after = f"/api/contacts/{person.id}/events?limit=4", [], ""
    while after is not None:
        answer = (await ana.get(path + (f"&after={after}" if after else ""))).json()
        pages.append(answer["events"])
        after = answer["after"]
    assert [len(page) for page in pages] == [4, 2]
    assert pages[0][0]["data"] == {"page": "/tea"} and pages[0][0]["value"] is None
    assert (pages[1][0]["value"], pages[1][0]["currency"]) == ("19.90", "EUR")
    assert len((await ana.get(path + "&metric=viewed")).json()["events"]) == 1
    assert (await ana.get("/api/contacts/999999/events")).status == 404
    kurt = await online.agent("kurt", socket=False)
    assert (await kurt.get(path)).status == 403
