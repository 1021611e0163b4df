"""Consent over HTTP and from the command line: who may record what, keyword settings, proof (CON-1..7, KEY-7..10,
G14)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from server import schema
from server.__main__ import cli
from server.consent import actions, chain, proof, queries, rules
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.contacts import actions as contacts
from server.kernel.sql import Tx
from tests.online import Online
from tests.people import add_contact
from tests.saving import save
from tests.world import World, open_world

NUMBER = "+14155550123"


async def person(world: World, number: str = NUMBER) -> int:
    return int((await world.app.write(contacts.by_phone, number, number, "US")).contact)


def _sent(tx: Tx, contact: int) -> int:
    change = ConsentChange(
        contact, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.FORM, wording="Text me", source="form:1"
    )
    actions.record(tx, change)
    table = schema.outbound
    values: dict[str, Any] = {
        "token": tx.token(12), "channel": "sms", "kind": "reply", "purpose": "conversation", "contact_id": contact,
        "recipient": NUMBER, "body": "Hello", "media": [], "segments": 1, "lane": 0, "state": "sent",
        "due_at": tx.now, "created_at": tx.now, "dispatched_at": tx.now,
    }  # fmt: skip
    return int(tx.value(insert(table).values(**values).returning(table.c.id)))


def entry(status: str, **values: Any) -> dict[str, Any]:
    return {"purpose": "sms_marketing", "status": status, "reason": "said so on the phone", **values}


async def test_support_may_only_opt_out_and_a_manager_may_grant(online: Online) -> None:
    anna = await person(online.world)
    path = f"/api/contacts/{anna}/consents"
    ana, mona = await online.agent("ana", socket=False), await online.agent("mona", socket=False)
    assert (await ana.post(path, entry("subscribed"))).status == 403
    granted = (await mona.post(path, entry("subscribed"))).json()
    assert granted["barred"] is None
    [marketing] = [item for item in granted["consents"] if item["purpose"] == "sms_marketing"]
    assert (marketing["status"], marketing["method"], marketing["source"]) == (
        "subscribed", "agent", f"user:{mona.desk.id}",
    )  # fmt: skip
    opted_out = (await ana.post(path, entry("unsubscribed"))).json()
    assert opted_out["barred"] == "taken_off"
    assert [(line["status"], line["who"], line["reason"]) for line in opted_out["history"]] == [
        ("unsubscribed", "Ana", "said so on the phone"),
        ("subscribed", "Mona", "said so on the phone"),
    ]
    assert (await mona.get(path)).json() == opted_out
    for name in ("nils", "cora"):
        watcher = await online.agent(name, socket=False)
        assert (await watcher.get(path)).status == 200
        assert (await watcher.post(path, entry("unsubscribed"))).status == 403
    assert (await (await online.agent("kurt", socket=False)).get(path)).status == 403
    assert (await online.get(path)).status == 401


async def test_an_invalid_consent_is_refused_with_a_reason(online: Online) -> None:
    anna = await person(online.world)
    path = f"/api/contacts/{anna}/consents"
    mona = await online.agent("mona", socket=False)

    async def refused(body: dict[str, Any]) -> tuple[int, str, str | None]:
        answer = await mona.post(path, body)
        error = answer.json()["error"]
        return answer.status, error["code"], error.get("field")

    assert await refused(entry("subscribed", reason="  \u202e ")) == (422, "reason_needed", "reason")
    assert await refused(entry("never_subscribed")) == (422, "invalid", "status")
    assert await refused(entry("subscribed", happened_at="2030-01-01T00:00:00Z")) == (422, "invalid", "happened_at")
    assert await refused(entry("subscribed", happened_at="2026-01-01T00:00:00")) == (422, "invalid", "happened_at")
    for purpose in ("fax_marketing", "consent:1", "consent:x", "consent:", "consent:²"):
        assert await refused(entry("subscribed", purpose=purpose)) == (422, "invalid", "purpose"), purpose
    assert (await mona.post("/api/contacts/999/consents", entry("subscribed"))).status == 404
    await online.app.write(actions.stop, NUMBER, [anna])
    assert await refused(entry("subscribed")) == (409, "opted_out", None)
    assert (await mona.get(path)).json()["suppressed"]["reason"] == "stop"


async def test_cim_4_a_consent_is_defined_recorded_required_and_removed(online: Online) -> None:
    anna = await person(online.world)
    mona, ana = await online.agent("mona", socket=False), await online.agent("ana", socket=False)
    definition = {"name": " Profiling  ", "description": "To know what you like", "channel": "sms", "required": True}
    assert (await ana.post("/api/consents", definition)).status == 403
    consent = (await mona.post("/api/consents", definition)).json()["consent"]
    own = {"name": "Profiling", "id": consent["id"], "purpose": f"consent:{consent['id']}"}
    assert consent == {**definition, **own, "version": consent["version"]}
    for spelling in ("Profiling", "PROFILING", "ｐrofiling"):
        assert (await mona.post("/api/consents", definition | {"name": spelling})).json()["error"][
            "code"
        ] == "name_taken"
    for refused in (
        {"name": ""},
        {"name": "\u202e "},
        {"name": "\u200f\u200b"},
        {"name": "x" * 81},
        {"name": "a", "channel": "fax"},
        {"name": "a", "required": 2},
    ):
        assert (await mona.post("/api/consents", refused)).status == 422, refused
    assert (await ana.get("/api/consents")).json() == {"consents": [{**consent, "given": 0}]}

    await online.app.write(actions.record, ConsentChange(anna, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.FORM))
    facts = await online.app.read(queries.facts, anna, NUMBER)
    assert rules.may_send("marketing", "sms", facts, online.world.now) == rules.Blocked(
        "consent_missing", "A consent that every message needs is missing: Profiling."
    )
    path = f"/api/contacts/{anna}/consents"
    response = (await mona.post(path, entry("subscribed", purpose=consent["purpose"]))).json()
    [profiling] = [item for item in response["consents"] if item["purpose"] == consent["purpose"]]
    assert (profiling["name"], profiling["status"], profiling["required"]) == ("Profiling", "subscribed", True)
    facts = await online.app.read(queries.facts, anna, NUMBER)
    assert rules.may_send("marketing", "sms", facts, online.world.now) == rules.Allowed()

    assert (await ana.get("/api/consents")).json() == {"consents": [{**consent, "given": 1}]}

    refused = await mona.send("DELETE", f"/api/consents/{consent['id']}")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "in_use"), (
        "without this consent, texts to people who have not given it would be allowed"
    )
    changed = await mona.send(
        "PUT",
        f"/api/consents/{consent['id']}",
        {**definition, "name": "Taste", "required": False, "version": consent["version"]},
    )
    assert changed.json()["consent"]["name"] == "Taste"
    assert (await mona.send("DELETE", f"/api/consents/{consent['id']}")).status == 200
    for method in ("PUT", "DELETE"):
        assert (
            await mona.send(method, f"/api/consents/{consent['id']}", definition if method == "PUT" else None)
        ).status == 404
    assert (await mona.post(path, entry("subscribed", purpose=consent["purpose"]))).status == 422
    second = await mona.post("/api/consents", {"name": "Taste"})
    assert second.json()["error"]["code"] == "name_taken", "a new consent must not take the name of a deleted one"
    history = (await mona.get(path)).json()["history"]
    assert consent["purpose"] in [line["purpose"] for line in history]
    olga = await online.agent("olga", socket=False)
    lines = (await olga.get("/api/audit?limit=4")).json()["lines"]
    assert [line["action"] for line in lines] == [
        "consent_removed", "consent_changed", "consent_given", "consent_added",
    ]  # fmt: skip


async def test_other_contacts_with_the_number_are_listed(online: Online) -> None:
    anna = await person(online.world)
    await online.app.write(lambda tx: add_contact(tx, phone=NUMBER, name="Bob"))
    ana = await online.agent("ana", socket=False)
    result = (await ana.get(f"/api/contacts/{anna}/duplicates")).json()["contacts"]
    assert [(item["name"], item["phone"]) for item in result] == [("Bob", NUMBER)]
    assert (await ana.get("/api/contacts/999/duplicates")).status == 404


async def test_evidence_needs_the_right_to_export_and_is_logged(online: Online) -> None:
    anna = await person(online.world)
    sent = await online.app.write(_sent, anna)
    nils = await online.agent("nils", socket=False)
    result = (await nils.get(f"/api/outbound/{sent}/evidence")).json()
    assert result["complete"] and result["basis"]["consents"][0]["wording"] == "Text me"
    assert (await nils.get("/api/outbound/999/evidence")).status == 404
    for name in ("mona", "ana"):
        assert (await (await online.agent(name, socket=False)).get(f"/api/outbound/{sent}/evidence")).status == 403
    lines = (await (await online.agent("olga", socket=False)).get("/api/audit?limit=2")).json()["lines"]
    assert (lines[0]["action"], lines[0]["target"], lines[0]["who"]["name"]) == ("evidence_exported", str(sent), "Nils")


# --- keywords -------------------------------------------------------------------------------------


def answer_of(country: str, language: str, kind: str, text: str) -> dict[str, str]:
    return {"country": country, "language": language, "kind": kind, "text": text}


async def test_saved_keyword_settings_are_returned_with_the_editable_fields(online: Online) -> None:
    mona = await online.agent("mona", socket=False)
    keywords_before = (await mona.get("/api/sms/keywords")).json()
    assert keywords_before["mode"] == "smart" and keywords_before["subscribe"] == []
    canada = next(item for item in keywords_before["countries"] if item["country"] == "CA")
    assert canada["languages"] == ["en", "fr"] and canada["editable"] == [
        "help", "confirm_ask", "confirmed", "subscribed",
    ]  # fmt: skip
    keyword_settings = {
        "mode": "exact",
        "brand": "Kettle & Co",
        "help_contact": "care@kettle.example",
        "subscribe": [{"word": "join", "opt_in": "single", "text": "Welcome! 10 % off: https://kettle.example/hi"}],
        "texts": [{"country": "CA", "language": "fr", "kind": "help", "text": "Écrivez-nous, nous répondons."}],
    }
    saved = await save(mona, "/api/sms/keywords", keyword_settings)
    assert saved.status == 200
    keywords_after = (await mona.get("/api/sms/keywords")).json()
    assert (
        keywords_after == saved.json()
        and keywords_after["subscribe"][0]["word"] == "JOIN"
        and keywords_after["mode"] == "exact"
    )
    english = next(item for item in keywords_after["defaults"] if item["language"] == "en")["texts"]
    assert english["help"].startswith("Kettle & Co: ") and "care@kettle.example" in english["help"]
    assert (await (await online.agent("ana", socket=False)).get("/api/sms/keywords")).status == 403


@pytest.mark.parametrize(
    ("field", "value", "about", "code"),
    [
        ("mode", "clever", "mode", "invalid"),
        ("help_contact", "https://kettle.example", "help_contact", "link_forbidden"),
        ("help_contact", "kettle.example/help", "help_contact", "link_forbidden"),
        ("subscribe", [{"word": "STOP"}], "subscribe.0.word", "keyword_common"),
        ("subscribe", [{"word": "JOIN"}, {"word": "join"}], "subscribe", "keyword_twice"),
        ("texts", [answer_of("US", "en", "stop", "Bye")], "texts.0.kind", "answer_fixed"),
        ("texts", [answer_of("CA", "fr", "stop", "Au revoir")], "texts.0.kind", "answer_fixed"),
        ("texts", [answer_of("DE", "de", "start", "Hallo")], "texts.0.kind", "answer_fixed"),
        ("texts", [answer_of("DE", "fr", "help", "Bonjour")], "texts.0.language", "answer_place"),
        ("texts", [answer_of("KR", "ko", "help", "안녕하세요")], "texts.0.language", "answer_place"),
        ("texts", [answer_of("US", "en", "help", "See www.kettle.example")], "texts.0.text", "link_forbidden"),
        ("texts", [answer_of("US", "en", "confirm_ask", "YES? kettle.shop")], "texts.0.text", "link_forbidden"),
        ("texts", [answer_of("US", "en", "help", " \n ")], "texts.0.text", "answer_empty"),
        ("texts", [answer_of("US", "en", "help", "x" * 321)], "texts.0.text", "invalid"),
        ("texts", [answer_of("US", "en", "help", text) for text in "ab"], "texts", "answer_twice"),
    ],
)
async def test_key_7_a_reply_that_carriers_forbid_is_refused_with_its_field(
    online: Online, field: str, value: Any, about: str, code: str
) -> None:
    mona = await online.agent("mona", socket=False)
    keywords_before = (await mona.get("/api/sms/keywords")).json()
    answer = await save(mona, "/api/sms/keywords", {"mode": "contains", field: value})
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["field"]) == (422, code, about)
    assert "Value error" not in error["message"] and (code == "invalid" or about not in error["message"])
    assert (await mona.get("/api/sms/keywords")).json() == keywords_before


async def test_key_10_a_word_is_checked_while_it_is_typed(online: Online) -> None:
    mona = await online.agent("mona", socket=False)
    accepted = (await mona.post("/api/sms/keywords/check", {"word": " tea2026 "})).json()
    assert accepted == {"ok": True, "word": "TEA2026", "code": None, "reason": None}
    refused = (await mona.post("/api/sms/keywords/check", {"word": "wine"})).json()
    assert not refused["ok"] and "alcohol" in refused["reason"]


# --- from the terminal ----------------------------------------------------------------------------


async def _a_ledger(folder: Path, statement: str = "") -> int:
    """A data folder with one sent message and, if `statement` is given, a manual change to it."""
    async with open_world(folder) as world:
        sent = await world.app.write(_sent, await person(world))
        if statement:
            await world.app.write(lambda tx: tx._execute(statement, ()))
    return int(sent)


def _run(folder: Path, *args: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    from tests.world import SECRET

    monkeypatch.setenv("THREADLINE_DATA_DIR", str(folder))
    monkeypatch.setenv("THREADLINE_SECRET_KEY", SECRET)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return CliRunner().invoke(cli, list(args))


def test_g14_verify_reports_an_unchanged_ledger_or_names_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    run = functools.partial(_run, monkeypatch=monkeypatch)
    sent = asyncio.run(_a_ledger(tmp_path / "sound"))
    verified = run(tmp_path / "sound", "verify")
    assert (verified.exit_code, verified.stdout.strip()) == (0, "1 row about 1 contact: no errors.")
    shown = run(tmp_path / "sound", "evidence", str(sent))
    assert shown.exit_code == 0 and json.loads(shown.stdout)["complete"] is True
    completed = run(tmp_path / "sound", "evidence", str(sent), "--to", str(tmp_path / "proof.json"))
    assert completed.exit_code == 0 and json.loads((tmp_path / "proof.json").read_text())["message"]["id"] == sent
    assert run(tmp_path / "sound", "evidence", "99").exit_code == 1

    asyncio.run(_a_ledger(tmp_path / "edited", "UPDATE consent_ledger SET status = 'unsubscribed'"))
    edited = run(tmp_path / "edited", "verify")
    assert edited.exit_code == 1
    assert "contact 1, row 1" in edited.output and "1 row about 1 contact" in edited.output


async def test_a_running_server_verifies_for_the_command_line(online: Online) -> None:
    from server.consent import commands

    sent = await online.app.write(_sent, await person(online.world))
    assert (await commands.verify(online.app))["findings"] == ()
    assert (await commands.evidence(online.app, sent))["complete"]
    result = await online.app.read(proof.verify, online.app.key(chain.PURPOSE))
    assert (result.contacts, result.rows) == (1, 1)
