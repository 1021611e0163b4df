"""Contacts that programs and users enter: entries with a result each, quick-add, identity, consents in one save (IMP-43,
IMP-63, CIM-40..42, ROL-8)."""

from __future__ import annotations

from typing import Any

import pytest

from server.accounts.rules import Can
from server.consent import actions as consent
from server.contacts import properties
from server.kernel.sql import Tx
from server.schema import addresses, audit, consent_ledger, consents, contacts
from tests.online import Online

AT = "2026-11-20T10:00:00Z"


async def program(online: Online, *scopes: Can) -> Any:
    """Calls the API with a new key of these scopes."""
    olga = await online.agent("olga", socket=False)
    made = await olga.post("/api/keys", {"name": "Shop sync", "scopes": [scope.value for scope in scopes]})
    secret = made.json()["secret"]

    async def call(method: str, path: str, body: Any) -> Any:
        return await online.send(method, path, body, headers={"Authorization": f"Bearer {secret}", "origin": None})

    return call


def agreed(purpose: str = "email_marketing", **values: Any) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "status": "subscribed",
        "happened_at": AT,
        "source": "https://shop.example/join",
        **values,
    }


async def define(online: Online) -> None:
    def plan(tx: Tx) -> None:
        from server.audit.rules import ActedBy, ActorType

        properties.define(tx, "plan", "Plan", "text", ActedBy(ActorType.SYSTEM))
        properties.define(tx, "orders", "Orders", "number", ActedBy(ActorType.SYSTEM))

    await online.app.write(plan)


async def test_entries_are_stored_one_by_one_with_properties_and_consents(online: Online) -> None:
    await define(online)
    call = await program(online, Can.CONTACTS_EDIT, Can.CONSENT_GRANT)
    entries = [
        {
            "email": "Anna@Mail.Example",
            "name": "Anna",
            "properties": {"plan": "gold", "orders": 3},
            "consents": [agreed()],
        },
        {"phone": "+12025550142", "consents": [agreed("sms_marketing", wording="Text me offers")]},
        {"email": "no address"},
        {"phone": "(202) 555-0143"},
        {"name": "Nobody"},
        {"email": "ben@mail.example", "properties": {"orders": "many"}},
        {"email": "ben@mail.example", "properties": {"colour": "red"}},
        {"email": "ben@mail.example", "consents": [agreed("consent:77")]},
        {"email": "ben@mail.example", "consents": [agreed(source="  ")]},
        {
            "email": "ben@mail.example",
            "consents": [{"purpose": "email_marketing", "status": "subscribed", "source": "x"}],
        },
        {"email": "ben@mail.example", "consents": [agreed(happened_at="2027-01-01T00:00:00Z")]},
        {"crm_id": "c-1", "properties": {"__proto__": 1}},
        "text",
    ]
    answer = (await call("POST", "/api/contacts", {"contacts": entries})).json()
    assert (answer["created"], answer["updated"], answer["refused"]) == (2, 0, 11), answer
    assert [result["error"] and (result["error"]["code"], result["error"]["field"]) for result in answer["results"]] == [
        None, None, ("bad_email", "email"), ("phone_not_e164", "phone"), ("no_person", ""),
        ("invalid_number_format", "properties.orders"), ("unknown_property", "properties.colour"),
        ("unknown_consent", "consents.0.purpose"), ("invalid", "consents.0.source"), ("invalid", "consents.0.happened_at"),
        ("in_future", "consents.0.happened_at"), ("unknown_property", "properties.__proto__"), ("invalid", ""),
    ]  # fmt: skip
    assert len(await online.world.rows(contacts)) == 2
    anna, maria = (result["contact"] for result in answer["results"][:2])
    values = await online.app.read(properties.values_of, [anna])
    assert sorted(map(str, values[anna].values())) == ["3", "gold"]
    ledger = await online.world.rows(consent_ledger)
    assert {(row.contact_id, row.purpose, row.method, row.reason, row.address) for row in ledger} == {
        (anna, "email_marketing", "api", "https://shop.example/join", "anna@mail.example"),
        (maria, "sms_marketing", "api", "https://shop.example/join", "+12025550142"),
    }


async def test_a_repeated_call_changes_nothing(online: Online) -> None:
    call = await program(online, Can.CONTACTS_EDIT, Can.CONSENT_GRANT)
    body = {"contacts": [{"email": "anna@mail.example", "name": "Anna", "consents": [agreed()]}]}
    await call("POST", "/api/contacts", body)
    before = [len(await online.world.rows(table)) for table in (contacts, addresses, consent_ledger, audit)]
    again = (await call("POST", "/api/contacts", body)).json()
    assert (again["created"], again["updated"]) == (0, 1)
    assert again["results"][0]["consents"][0]["reason"] == "recorded_before"
    assert before == [len(await online.world.rows(table)) for table in (contacts, addresses, consent_ledger, audit)]


async def test_consents_need_their_own_scope_and_never_undo_a_stop(online: Online) -> None:
    call = await program(online, Can.CONTACTS_EDIT)
    entry = {"phone": "+12025550142", "consents": [agreed("sms_marketing")]}
    refused = (await call("POST", "/api/contacts", {"contacts": [entry]})).json()["results"][0]
    assert refused["error"]["code"] == "missing_scope" and not await online.world.rows(contacts)
    granting = await program(online, Can.CONTACTS_EDIT, Can.CONSENT_GRANT)
    await online.app.write(consent.stop, "+12025550142", [])
    result = (await granting("POST", "/api/contacts", {"contacts": [entry]})).json()["results"][0]
    assert result["error"] is None
    assert [(row["applied"], row["reason"]) for row in result["consents"]] == [(False, "opted_out")]


async def test_a_call_is_limited_and_open_only_to_who_may_edit_contacts(online: Online) -> None:
    call = await program(online, Can.CONTACTS_EDIT)
    assert (await call("POST", "/api/contacts", {"contacts": [{}] * 501})).status == 422
    assert (await call("POST", "/api/contacts", {"contacts": []})).status == 422
    assert (await call("POST", "/api/contacts", {"contacts": [{}], "more": 1})).status == 422
    seeing = await program(online, Can.CONTACTS_SEE)
    assert (await seeing("POST", "/api/contacts", {"contacts": [{}]})).status == 403
    nils = await online.agent("nils", socket=False)
    assert (await nils.post("/api/contacts", {"contacts": [{}]})).status == 403


async def test_imp_43_quick_add_records_consent_only_with_the_tick(online: Online) -> None:
    mona, ana = await online.agent("mona", socket=False), await online.agent("ana", socket=False)
    plain = await ana.post("/api/contacts/quick", {"email": "Anna@Mail.Example", "name": "Anna"})
    assert plain.status == 200 and plain.json()["created"] and not await online.world.rows(consents)
    ticked = {"email": "anna@mail.example", "agreed": True, "reason": "signed the guest book"}
    assert (await ana.post("/api/contacts/quick", ticked)).status == 403
    assert (await mona.post("/api/contacts/quick", {**ticked, "reason": " "})).json()["error"][
        "code"
    ] == "reason_needed"
    added = (await mona.post("/api/contacts/quick", ticked)).json()
    assert not added["created"] and added["contact"]["id"] == plain.json()["contact"]["id"]
    (row,) = await online.world.rows(consents)
    assert (row.purpose, row.status, row.method) == ("email_marketing", "subscribed", "agent")
    (line,) = await online.world.rows(audit, audit.c.action == "consent_given")
    assert line.detail["status"] == ["never_subscribed", "subscribed"]
    assert (await mona.post("/api/contacts/quick", {"email": "anna"})).status == 422


@pytest.fixture
async def anna(online: Online) -> int:
    mona = await online.agent("mona", socket=False)
    added = await mona.post("/api/contacts/quick", {"email": "anna@mail.example"})
    return int(added.json()["contact"]["id"])


async def test_cim_41_consents_are_saved_together_or_not_at_all(online: Online, anna: int) -> None:
    mona = await online.agent("mona", socket=False)
    kind = await mona.post(
        "/api/consents", {"name": "Telephone advice", "description": "", "channel": "general", "required": False}
    )
    own = kind.json()["consent"]["purpose"]
    path = f"/api/contacts/{anna}/consents"
    assert own in [item["purpose"] for item in (await mona.get(path)).json()["consents"]]
    both = [{"purpose": own, "status": "subscribed"}, {"purpose": "email_marketing", "status": "subscribed"}]
    assert (await mona.send("PUT", path, {"consents": both, "reason": ""})).json()["error"]["code"] == "reason_needed"
    bad = [*both, {"purpose": "consent:99", "status": "subscribed"}]
    assert (await mona.send("PUT", path, {"consents": bad, "reason": "signed"})).status == 422
    assert not await online.world.rows(consent_ledger), "nothing may be saved if one consent is refused"
    assert (await mona.send("PUT", path, {"consents": [both[0], both[0]], "reason": "signed"})).status == 422
    saved = (await mona.send("PUT", path, {"consents": both, "reason": "signed a form"})).json()
    assert {item["purpose"]: item["status"] for item in saved["consents"]}[own] == "subscribed"
    withdrawn = [{"purpose": own, "status": "unsubscribed"}, both[1]]
    ana = await online.agent("ana", socket=False)
    assert (await ana.send("PUT", path, {"consents": withdrawn, "reason": "by telephone"})).status == 403
    await ana.send("PUT", path, {"consents": withdrawn[:1], "reason": "by telephone"})
    lines = [(row.action, row.detail["purpose"], row.detail["status"], row.user_id) for row in await online.world.rows(audit)
             if row.action.startswith("consent_") and "purpose" in row.detail]  # fmt: skip
    assert sorted(line[:3] for line in lines) == sorted([
        ("consent_given", "email_marketing", ["never_subscribed", "subscribed"]),
        ("consent_given", own, ["never_subscribed", "subscribed"]),
        ("consent_withdrawn", own, ["subscribed", "unsubscribed"]),
    ])  # fmt: skip
    assert len(await online.world.rows(consent_ledger)) == 3


async def test_what_identifies_a_contact_can_be_changed(online: Online, anna: int) -> None:
    ana = await online.agent("ana", socket=False)
    path = f"/api/contacts/{anna}"
    changed = await ana.send(
        "PATCH", path, {"phone": "(202) 555-0142", "name": "Anna", "crm_id": " c-7 ", "language": "pl"}
    )
    assert changed.status == 422, "a number without its country must be refused"
    changed = await ana.send(
        "PATCH", path, {"phone": "+1 202 555 0142", "name": "Anna", "crm_id": " c-7 ", "language": "pl"}
    )
    assert changed.json()["contact"] | {"guid": ""} == {
        "id": anna, "guid": "", "name": "Anna", "email": "anna@mail.example", "phone": "+12025550142", "country": "US",
    }  # fmt: skip
    whole = (await ana.get(path)).json()["addresses"]
    assert {(item["kind"], item["value"]) for item in whole} == {
        ("email", "anna@mail.example"), ("phone", "+12025550142"), ("crm", "c-7"),
    }  # fmt: skip
    await ana.send("PATCH", path, {"phone": "+48 501 228 855", "crm_id": "c-8"})
    whole = (await ana.get(path)).json()["addresses"]
    assert {item["value"] for item in whole} == {"anna@mail.example", "+48501228855", "c-8"}, "a typed number must go"
    mona = await online.agent("mona", socket=False)
    ben = (await mona.post("/api/contacts/quick", {"email": "ben@mail.example"})).json()["contact"]["id"]
    assert (await ana.send("PATCH", f"/api/contacts/{ben}", {"crm_id": "c-8"})).json()["error"]["code"] == "crm_taken"
    removed = await ana.send("PATCH", path, {"phone": "", "crm_id": "", "email": ""})
    assert removed.json()["contact"]["phone"] is None and not (await ana.get(path)).json()["addresses"]
    lines = [row.detail["settings"] for row in await online.world.rows(audit, audit.c.action == "contact_changed")]
    assert ["phone", "language", "crm_id"] in lines
    for bad in ({"language": "xx1"}, {"crm_id": "x" * 201}, {"phone": "12"}, {"name": 7}):
        assert (await ana.send("PATCH", path, bad)).status == 422, bad
    call = await program(online, Can.CONTACTS_EDIT)
    assert (await call("PATCH", path, {"phone": "+1 202 555 0142"})).status == 422
    assert (await call("PATCH", path, {"phone": "+12025550142"})).status == 200
    assert (await call("PATCH", "/api/contacts/999999", {"phone": "+12025550142"})).status == 404
