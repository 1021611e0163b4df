"""Contacts over HTTP: who may write down who somebody is, and what is no name and no address (SPEC ROL-8)."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.online import Online
from tests.texters import OURS


async def test_support_names_a_contact_and_whoever_may_only_look_does_not(online: Online) -> None:
    ticket = await online.world.sms_ticket()
    path = f"/api/contacts/{ticket.contact}"
    ana, nils = await online.agent("ana", socket=False), await online.agent("nils", "analyst", socket=False)
    named = await ana.send("PUT", path, {"name": "Maria Silva"})
    assert named.json()["contact"] == {
        "id": ticket.contact, "name": "Maria Silva", "email": None, "phone": ticket.contact_phone, "country": "US",
    }  # fmt: skip
    assert (await ana.send("PUT", path, {"email": "MARIA@shop.example"})).json()["contact"]["name"] == "Maria Silva"
    shown = (await ana.get(f"/api/tickets/{ticket.id}")).json()["details"]["contact"]
    assert (shown["name"], shown["email"]) == ("Maria Silva", "maria@shop.example")
    assert (await nils.send("PUT", path, {"name": "X"})).status == 403
    assert (await ana.send("PUT", "/api/contacts/999999", {"name": "X"})).status == 404


async def test_a_number_comes_as_it_is_dialled_and_as_people_read_it_wherever_people_are_named(online: Online) -> None:
    maria = await online.world.texter("+12025550150")
    await maria.says("Hello")
    ana = await online.agent("ana", socket=False)
    (listed,) = (await ana.get("/api/tickets")).json()["tickets"]
    opened = (await ana.get(f"/api/tickets/{listed['id']}")).json()["details"]
    found = (await ana.get("/api/find?q=%2B1%20202-555-0150")).json()
    for contact in (listed["contact"], opened["contact"], found["contacts"][0], found["tickets"][0]["contact"]):
        assert (contact["phone"], contact["phone_shown"]) == ("+12025550150", "+1 202-555-0150")
    assert opened["sms"]["sender_shown"] == "+1 888-555-0199" and opened["sms"]["sender"] == OURS
    for typed in ("2025550150", "(202) 555-0150", "+1 202.555.0150", "202 555", "0150"):
        answer = (await ana.get("/api/find?q=" + quote(typed))).json()
        assert [one["id"] for one in answer["contacts"]] == [listed["contact"]["id"]], typed


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
async def test_what_is_no_name_or_address_is_refused_by_its_field(online: Online, field: str, value: object) -> None:
    ticket = await online.world.sms_ticket()
    ana = await online.agent("ana", socket=False)
    refused = await ana.send("PUT", f"/api/contacts/{ticket.contact}", {field: value})
    assert (refused.status, refused.json()["error"]["field"]) == (422, field)
    assert (await online.world.ticket(ticket)).contact_name == ""
