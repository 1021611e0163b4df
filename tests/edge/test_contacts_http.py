"""Contacts over HTTP: which roles may edit a contact, and which names and email addresses are refused (ROL-8)."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

import pytest

from tests.online import Online
from tests.texters import OURS


async def test_support_can_name_a_contact_and_an_analyst_cannot(online: Online) -> None:
    ticket = await online.world.sms_ticket()
    path = f"/api/contacts/{ticket.contact}"
    ana, nils = await online.agent("ana", socket=False), await online.agent("nils", "analyst", socket=False)
    contact = (await ana.send("PUT", path, {"name": "Maria Silva"})).json()["contact"]
    assert UUID(contact.pop("guid"))
    assert contact == {
        "id": ticket.contact, "name": "Maria Silva", "email": None, "phone": ticket.contact_phone, "country": "US",
    }  # fmt: skip
    assert (await ana.send("PUT", path, {"email": "MARIA@shop.example"})).json()["contact"]["name"] == "Maria Silva"
    shown = (await ana.get(f"/api/tickets/{ticket.id}")).json()["details"]["contact"]
    assert (shown["name"], shown["email"]) == ("Maria Silva", "maria@shop.example")
    assert (await nils.send("PUT", path, {"name": "X"})).status == 403
    assert (await ana.send("PUT", "/api/contacts/999999", {"name": "X"})).status == 404


async def test_every_contact_has_its_number_both_canonical_and_formatted(online: Online) -> None:
    maria = await online.world.texter("+12025550150")
    await maria.says("Hello")
    ana = await online.agent("ana", socket=False)
    (listed,) = (await ana.get("/api/tickets")).json()["tickets"]
    opened = (await ana.get(f"/api/tickets/{listed['id']}")).json()["details"]
    result = (await ana.get("/api/find?q=%2B1%20202-555-0150")).json()
    for contact in (listed["contact"], opened["contact"], result["contacts"][0], result["tickets"][0]["contact"]):
        assert (contact["phone"], contact["phone_shown"]) == ("+12025550150", "+1 202-555-0150")
    assert opened["sms"]["sender_shown"] == "+1 888-555-0199" and opened["sms"]["sender"] == OURS
    for typed in ("2025550150", "(202) 555-0150", "+1 202.555.0150", "202 555", "0150"):
        answer = (await ana.get("/api/find?q=" + quote(typed))).json()
        assert [item["id"] for item in answer["contacts"]] == [listed["contact"]["id"]], typed


async def test_the_nameless_are_found_only_when_they_are_asked_for(online: Online) -> None:
    _, ticket = await online.world.conversation("Hello")
    ana = await online.agent("ana", socket=False)
    for query, result in (("q=visitor&nameless=1", [ticket.id]), ("q=visitor", []), (f"q=%23{ticket.id}", [ticket.id])):
        assert [item["id"] for item in (await ana.get(f"/api/find?{query}")).json()["tickets"]] == result, query


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "\u202e\u2066"),
        ("name", "\u200f\u200b"),
        ("name", "\x00\x07"),
        ("name", "x" * 81),
        ("name", 7),
        ("email", "maria"),
        ("email", "maria@"),
        ("email", "ma\u202eria@shop.example"),
        ("email", f"{'x' * 250}@shop.example"),
        ("email", ["maria@shop.example"]),
    ],
)
async def test_an_invalid_name_or_email_is_refused_with_its_field(online: Online, field: str, value: object) -> None:
    ticket = await online.world.sms_ticket()
    ana = await online.agent("ana", socket=False)
    refused = await ana.send("PUT", f"/api/contacts/{ticket.contact}", {field: value})
    assert (refused.status, refused.json()["error"]["field"]) == (422, field)
    assert (await online.world.ticket(ticket)).contact_name == ""


async def test_support_merges_contacts_and_undoes_it_and_an_analyst_only_sees_it(online: Online) -> None:
    first, second = await online.world.sms_ticket(), await online.world.sms_ticket()
    ana, nils = await online.agent("ana", socket=False), await online.agent("nils", "analyst", socket=False)
    path = f"/api/contacts/{first.contact}"
    assert (await nils.post(f"{path}/merge", {"contact": second.contact})).status == 403
    merged = (await ana.post(f"{path}/merge", {"contact": second.contact})).json()
    assert merged["contact"]["id"] == first.contact
    assert {address["value"] for address in merged["addresses"]} == {first.contact_phone, second.contact_phone}
    [merge] = merged["merges"]
    assert (merge["contact"]["id"], merge["survivor"], merge["by"]) == (second.contact, first.contact, "Ana")
    assert (await nils.get(f"/api/contacts/{second.contact}")).json() == merged
    shown = (await ana.get(f"/api/tickets/{first.id}")).json()["details"]
    assert shown["merged"] and [ticket["id"] for ticket in shown["other_tickets"]] == [second.id]
    assert (await nils.post(f"/api/merges/{merge['id']}/undo", {})).status == 403
    assert (await ana.post(f"/api/merges/{merge['id']}/undo", {})).json()["merges"] == []
    assert not (await ana.get(f"/api/tickets/{first.id}")).json()["details"]["merged"]
    for missing in ("/api/contacts/999999/merge", "/api/merges/999999/undo"):
        assert (await ana.post(missing, {"contact": second.contact})).status == 404
    assert (await ana.post(f"{path}/merge", {"contact": 999_999})).status == 404
    assert (await ana.get("/api/contacts/999999")).status == 404
