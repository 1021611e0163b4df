"""Contacts over HTTP: who may write down who somebody is, and what is no name and no address (SPEC ROL-8)."""

from __future__ import annotations

import pytest

from tests.online import Online


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
