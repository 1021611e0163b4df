"""The table and the page of a contact over HTTP: who may read them, and what each role sees of the timeline (ROL-3, ROL-8)."""

from __future__ import annotations

from typing import Any

import pytest

from server.audiences import lists
from server.contacts import properties
from server.events.recording import record
from server.events.rules import NewEvent
from server.inbox import merging
from tests.online import Agent, Online

READERS = ["olga", "adam", "mona", "ana", "nils", "cora"]


async def person(online: Online) -> int:
    """Somebody with a chat by SMS: two texts, a reply, a note, a closed ticket, an order and a merged contact."""
    world = online.world
    ana, maria = await world.agent("ana"), await world.texter(agreed=True)
    await maria.says("Where is my parcel?")
    ticket = await maria.ticket()
    assert ticket is not None
    await ana.notes(ticket, "Check with the carrier.")
    await ana.replies(ticket, "On its way.")
    await world.advance(minutes=1)
    await ana.closes_for_good(ticket)
    await world.app.write(
        lambda tx: record(
            tx,
            [
                NewEvent(ticket.contact, "order_placed", "shopify", data={"name": "#1"}, value=199_000, currency="EUR"),
                NewEvent(ticket.contact, "quiz_finished", "key:1", data={"score": 3}),
            ],
        )
    )
    other = await world.texter()
    await other.says("Me too")
    others = await other.ticket()
    assert others is not None
    await world.app.write(merging.merge, ana.agent, ticket.contact, others.contact, "")
    return ticket.contact


async def items(agent: Agent, contact: int, query: str = "") -> list[dict[str, Any]]:
    answer = await agent.get(f"/api/people/{contact}/timeline?limit=100{query}")
    assert answer.status == 200
    return list(answer.json()["items"])


async def test_rol_8_those_who_may_see_contacts_read_the_table_and_a_content_creator_is_refused(online: Online) -> None:
    contact = await person(online)
    for name in READERS:
        reader = await online.agent(name, socket=False)
        answer = (await reader.post("/api/people", {})).json()
        assert [row["id"] for row in answer["people"]] == [contact] and answer["after"] is None
        assert (await reader.post("/api/people/count", {})).json() == {"count": 1}
        assert (await reader.get(f"/api/people/{contact}")).json()["id"] == contact
    kurt = await online.agent("kurt", socket=False)
    for answer in (
        await kurt.post("/api/people", {}),
        await kurt.post("/api/people/count", {}),
        await kurt.get(f"/api/people/{contact}"),
        await kurt.get(f"/api/people/{contact}/timeline"),
    ):
        assert answer.status == 403
    nils = await online.agent("nils", socket=False)
    assert (await nils.send("PUT", f"/api/contacts/{contact}", {"name": "X"})).status == 403


async def test_rol_3_an_analyst_sees_that_something_happened_and_not_what_was_written(online: Online) -> None:
    contact = await person(online)
    ana, nils = await online.agent("ana", socket=False), await online.agent("nils", socket=False)
    all_items, visible = await items(ana, contact), await items(nils, contact)
    texts = [item["written"]["text"] for item in all_items if item["written"]]
    assert {"Where is my parcel?", "Check with the carrier.", "On its way.", "Me too"} <= set(texts)
    assert {item["kind"] for item in all_items} - {item["kind"] for item in visible} == {
        "note",
        "ticket_opened",
        "ticket_closed",
    }
    assert {item["kind"] for item in visible} >= {"message_received", "message_sent", "order_placed", "merged"}
    for item in visible:
        assert item["written"] is None and item["ticket"] is None
        assert not {"thread", "seq", "ticket"} & item["data"].keys()
    assert await items(nils, contact, "&kind=notes") == [] == await items(nils, contact, "&kind=tickets")
    assert (await nils.get(f"/api/people/{contact}")).json()["tickets"] == []
    assert len((await ana.get(f"/api/people/{contact}")).json()["tickets"]) == 2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("messages", {"message_received", "message_sent"}),
        ("consents", {"subscribed"}),
        ("orders", {"order_placed"}),
        ("tickets", {"ticket_opened", "ticket_closed"}),
        ("notes", {"note"}),
        ("merges", {"merged"}),
        ("other", {"quiz_finished", "contact_changed"}),
    ],
)
async def test_the_timeline_is_filtered_by_kind(online: Online, kind: str, expected: set[str]) -> None:
    contact = await person(online)
    ana = await online.agent("ana", socket=False)
    assert {item["kind"] for item in await items(ana, contact, f"&kind={kind}")} == expected


async def test_the_pages_of_a_timeline_have_every_row_once_newest_first(online: Online) -> None:
    contact = await person(online)
    ana = await online.agent("ana", socket=False)
    whole = await items(ana, contact)
    for limit in (1, 2, 3):
        rows: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            answer = (await ana.get(f"/api/people/{contact}/timeline?limit={limit}&after={after}")).json()
            rows, after = rows + answer["items"], answer["after"]
        assert rows == whole
    assert [row["at"] for row in whole] == sorted((row["at"] for row in whole), reverse=True)
    assert len({row["key"] for row in whole}) == len(whole)


async def test_inb_54_the_timeline_can_begin_with_one_event(online: Online) -> None:
    contact = await person(online)
    ana = await online.agent("ana", socket=False)
    whole = await items(ana, contact)
    place, event = next((n, item["event"]) for n, item in enumerate(whole) if item["kind"] == "order_placed")
    answer = (await ana.get(f"/api/people/{contact}/timeline?limit=100&event={event}")).json()
    assert answer["from_event"] and answer["items"] == whole[place:]
    answer = (await ana.get(f"/api/people/{contact}/timeline?limit=100&event=999999")).json()
    assert not answer["from_event"] and answer["items"] == whole
    assert (await ana.get("/api/people/999999/timeline")).status == 404 == (await ana.get("/api/people/999999")).status


async def test_amb_5_what_a_blocked_person_wrote_is_not_in_the_timeline(online: Online) -> None:
    ana, maria = await online.world.agent("ana"), await online.world.texter()
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    await ana.blocks(ticket.contact)
    await maria.says("You will regret this")
    reader = await online.agent("ana", socket=False)
    answer = await reader.get(f"/api/people/{ticket.contact}/timeline?limit=100")
    assert b"regret" not in answer.body and b"Hello" in answer.body
    assert b"regret" not in (await reader.get(f"/api/people/{ticket.contact}")).body


async def test_a_profile_has_the_addresses_times_and_zone_of_all_merged_contacts(online: Online) -> None:
    contact = await person(online)
    ana = await online.agent("ana", socket=False)
    shown = (await ana.get(f"/api/people/{contact}")).json()
    assert [address["kind"] for address in shown["addresses"]] == ["phone", "phone"]
    assert all(address["verified"] and " " in address["shown"] for address in shown["addresses"])
    assert shown["country"] == "US" and shown["first_active"] < shown["last_active"]
    merged = next(item for item in await items(ana, contact) if item["kind"] == "merged")["data"]["contact"]
    assert (await ana.get(f"/api/people/{merged}")).json() == shown


async def test_a_wrong_cursor_order_or_limit_is_refused(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    await person(online)
    assert (await ana.post("/api/people", {"after": "nonsense"})).code == "bad_cursor"
    assert (await ana.post("/api/people", {"sort": "shoe_size"})).status == 422
    assert (await ana.post("/api/people", {"limit": 0})).status == 422
    assert (await ana.post("/api/people", {"search": "x" * 101})).status == 422


async def test_cim_41_details_and_consents_are_saved_together_with_a_reason_and_an_audit_line_each(
    online: Online,
) -> None:
    contact = await person(online)
    mona = await online.agent("mona", socket=False)
    kind = (await mona.post("/api/consents", {"name": "News"})).json()["consent"]["id"]
    news = f"consent:{kind}"
    body = {
        "name": "Maria",
        "email": "maria@shop.example",
        "consents": [
            {"purpose": news, "status": "subscribed"},
            {"purpose": "sms_transactional", "status": "unsubscribed"},
        ],
    }
    refused = await mona.send("PUT", f"/api/people/{contact}", body)
    assert refused.code == "reason_needed"
    unknown = [{"purpose": "consent:999", "status": "subscribed"}]
    wrong = {**body, "consents": [*body["consents"], *unknown], "reason": "By phone"}  # type: ignore[misc]
    assert (await mona.send("PUT", f"/api/people/{contact}", wrong)).status == 422
    twice = {**body, "consents": [*body["consents"], *body["consents"]], "reason": "By phone"}  # type: ignore[misc]
    assert (await mona.send("PUT", f"/api/people/{contact}", twice)).status == 422
    consents = (await mona.get(f"/api/contacts/{contact}/consents")).json()
    assert {each["purpose"]: each["status"] for each in consents["consents"]}[news] == "never_subscribed"
    assert (await mona.get(f"/api/people/{contact}")).json()["name"] == "", "a refused save changes nothing"

    saved = await mona.send("PUT", f"/api/people/{contact}", {**body, "reason": "By phone"})
    assert saved.status == 200 and saved.json()["name"] == "Maria" and saved.json()["email"] == "maria@shop.example"
    consents = (await mona.get(f"/api/contacts/{contact}/consents")).json()
    statuses = {each["purpose"]: each["status"] for each in consents["consents"]}
    assert (statuses[news], statuses["sms_transactional"]) == ("subscribed", "unsubscribed")
    lines = [line for line in consents["history"] if line["reason"] == "By phone"]
    assert {line["purpose"] for line in lines} == {news, "sms_transactional"}
    assert all((line["who"], line["method"]) == ("Mona", "agent") for line in lines)
    olga = await online.agent("olga", socket=False)
    logged = (await olga.get("/api/audit")).json()["lines"]
    assert {line["action"] for line in logged} >= {"consent_given", "consent_withdrawn", "contact_changed"}


async def test_rol_8_support_may_withdraw_a_consent_and_not_give_one(online: Online) -> None:
    contact = await person(online)
    ana, cora = await online.agent("ana", socket=False), await online.agent("cora", socket=False)
    path = f"/api/people/{contact}"

    def decided(status: str) -> dict[str, Any]:
        return {"consents": [{"purpose": "sms_transactional", "status": status}], "reason": "By phone"}

    assert (await ana.send("PUT", path, decided("subscribed"))).status == 403
    assert (await ana.send("PUT", path, decided("unsubscribed"))).status == 200
    assert (await cora.send("PUT", path, {"name": "X"})).status == 403


async def test_properties_are_edited_shown_listed_and_filtered_by(online: Online) -> None:
    contact = await person(online)
    mona = await online.agent("mona", socket=False)
    olga = await online.world.agent("olga")

    def define(tx: Any) -> list[int]:
        kinds = (("Plan", "text"), ("Orders", "number"), ("Born", "date"), ("VIP", "boolean"), ("Sizes", "list"))
        return [properties.define(tx, "", name, kind, olga.agent.by).id for name, kind in kinds]

    plan, orders, *_ = await online.world.app.write(define)
    values = {"plan": "Gold", "orders": "3.50", "born": "2000-01-02", "vip": True, "sizes": ["S", "M"]}
    saved = (await mona.send("PUT", f"/api/people/{contact}", {"properties": values})).json()["properties"]
    assert {each["key"]: each["value"] for each in saved} == {
        **values,
        "orders": "3.5",
        "born": "2000-01-02T00:00:00.000Z",
    }
    wrong = await mona.send("PUT", f"/api/people/{contact}", {"name": "X", "properties": {"orders": "many"}})
    assert wrong.json()["errors"][0]["field"] == "properties.orders"
    assert wrong.status == 422 and (await mona.get(f"/api/people/{contact}")).json()["name"] == ""
    body = {"properties": [plan, orders], "filter": {"groups": [[text_is(plan, "gold")]]}}
    (row,) = (await mona.post("/api/people", body)).json()["people"]
    assert row["properties"] == {str(plan): "Gold", str(orders): "3.5"}
    other = {"filter": {"groups": [[text_is(plan, "silver")]]}}
    assert (await mona.post("/api/people", other)).json()["people"] == []
    assert (await mona.post("/api/people/count", other)).json() == {"count": 0}
    gone = {"filter": {"groups": [[text_is(999, "gold")]]}}
    assert (await mona.post("/api/people", gone)).code == "bad_filter"
    await mona.send("PUT", f"/api/people/{contact}", {"properties": {"plan": None}})
    assert (await mona.post("/api/people", body)).json()["people"] == []


def text_is(property_id: int, word: str) -> dict[str, Any]:
    return {"kind": "text", "property": property_id, "op": "is", "values": [word]}


async def test_a_profile_has_the_lists_of_all_merged_contacts(online: Online) -> None:
    contact = await person(online)
    ana, olga = await online.agent("ana", socket=False), await online.world.agent("olga")
    merged = next(item for item in await items(ana, contact) if item["kind"] == "merged")["data"]["contact"]

    def fill(tx: Any) -> None:
        for name, member in (("Newsletter", contact), ("VIP", merged)):
            created = lists.create(tx, name, olga.agent.by)
            lists.add_members(tx, created.id, [member], olga.agent.by)

    await online.world.app.write(fill)
    shown = (await ana.get(f"/api/people/{contact}")).json()
    assert [each["name"] for each in shown["lists"]] == ["Newsletter", "VIP"] and shown["segments"] == []
    assert len(await items(ana, contact, "&kind=lists")) == 2
