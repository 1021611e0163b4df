"""SMS over HTTP: settings with secrets that cannot be read back, numbers, credits, status reports, pictures for the
carrier."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from server.channels.base import Unclear
from server.channels.twilio_webhooks import sign
from server.delivery import media, rules
from server.delivery.rules import State
from server.delivery.settings import SMS, account, current
from server.kernel.sealing import PURPOSE
from server.operations import sms as doctor
from server.operations.sms import round_trip
from server.schema import carrier_reports, settings
from tests.online import Online
from tests.saving import save
from tests.sms import ACCOUNT, TOKEN, TOLL_FREE, of, open_sms, person, queue
from tests.world import upload

SETTINGS = {"on": True, "account_sid": ACCOUNT, "auth_token": "s3cret-of-twilio"}
NUMBER = {"address": TOLL_FREE, "kind": "toll_free", "country": "US"}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


async def test_secrets_are_written_and_never_read_back(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    saved = (await save(olga, "/api/sms/settings", SETTINGS)).json()
    assert saved["auth_token"] == {"set": True} and saved["secondary_token"] == {"set": False}
    assert saved["webhooks"]["sms"] == f"{online.url}/webhooks/twilio/sms#rc=5&rp=all"
    changed = await save(olga, "/api/sms/settings", {**SETTINGS, "auth_token": None, "monthly_credits": 500})
    assert changed.json()["auth_token"] == {"set": True}, "null must keep the stored token"
    stored = str([row.value for row in await online.world.rows(settings)])
    assert "s3cret" not in stored + changed.body.decode() + (await olga.get("/api/sms/settings")).body.decode()
    document = await online.app.read(SMS.load)
    assert account(document, online.app.key(PURPOSE)).tokens == ("s3cret-of-twilio",)
    cleared = await save(olga, "/api/sms/settings", {**SETTINGS, "on": False, "auth_token": ""})
    assert cleared.json()["auth_token"] == {"set": False}


async def test_a_manager_can_set_up_sms_except_its_secrets(online: Online) -> None:
    mona, ana = await online.agent("mona", socket=False), await online.agent("ana", socket=False)
    assert (await save(mona, "/api/sms/settings", SETTINGS)).status == 403
    assert (await save(mona, "/api/sms/settings", {"on": False, "account_sid": ACCOUNT})).status == 200
    assert (await ana.get("/api/sms/settings")).status == 403


async def test_sms_cannot_be_turned_on_without_an_account(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await save(olga, "/api/sms/settings", {"on": True, "account_sid": ACCOUNT})
    assert (answer.status, answer.json()["error"]["field"]) == (422, "auth_token")


@pytest.mark.parametrize("wrong", [{"prices": {"US": {"sms": 1}, "XX": {"sms": 1}}}, {"paused_countries": ["XX"]}])
async def test_a_price_or_pause_needs_an_existing_country(online: Online, wrong: dict[str, Any]) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await save(olga, "/api/sms/settings", {**SETTINGS, **wrong})
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["field"]) == (422, "unknown_country", next(iter(wrong)))
    assert error["message"] == "These countries do not exist: XX."
    assert (await olga.get("/api/sms/settings")).json()["auth_token"] == {"set": False}, (
        "a refused form must not be stored in part"
    )


async def test_a_number_gets_the_abilities_of_its_kind_and_alphanumeric_senders_need_an_allowing_country(
    online: Online,
) -> None:
    olga = await online.agent("olga", socket=False)
    sender = (await olga.post("/api/sms/senders", NUMBER)).json()["sender"]
    assert (sender["countries"], sender["mms"], sender["inbound"], sender["rate"]) == (["US", "CA"], True, True, 3)
    assert (await olga.post("/api/sms/senders", NUMBER)).json()["error"]["code"] == "sender_exists"
    letters = {"address": "HARBOUR", "kind": "alphanumeric", "country": "US"}
    assert (await olga.post("/api/sms/senders", letters)).json()["error"]["code"] == "no_letters_there"
    german = (await olga.post("/api/sms/senders", {**letters, "country": "DE", "mms": True, "inbound": True})).json()
    assert (german["sender"]["mms"], german["sender"]["inbound"]) == (False, False)
    for bad in ({**NUMBER, "address": "8885550199"}, {**NUMBER, "kind": "short_code"}, {**letters, "address": "12345"}):
        assert (await olga.post("/api/sms/senders", bad)).status == 422
    for address, kind in (("+1٢٠٢٥٥٥٠١٥٠", "long_code"), ("١٢٣٤٥", "short_code")):
        other = {"address": address, "kind": kind, "country": "US"}
        assert (await olga.post("/api/sms/senders", other)).json()["error"]["code"] == "bad_sender"
    unknown_country = (await olga.post("/api/sms/senders", {**NUMBER, "country": "XX"})).json()["error"]
    assert (unknown_country["code"], unknown_country["field"]) == ("unknown_country", "country")
    changed = await olga.send(
        "PUT",
        f"/api/sms/senders/{sender['id']}",
        {**NUMBER, "rate": 20, "enabled": False, "version": sender["version"]},
    )
    assert (changed.json()["sender"]["rate"], changed.json()["sender"]["enabled"]) == (20, False)
    assert (await olga.send("DELETE", f"/api/sms/senders/{sender['id']}")).status == 200
    assert (await olga.send("DELETE", f"/api/sms/senders/{sender['id']}")).status == 404


async def test_credits_used_this_month_are_shown_beside_the_plan(online: Online) -> None:
    await open_sms(online.world, monthly_credits=10)
    contact = await person(online.world)
    sent = await queue(online.world, contact, body="x" * 161)
    await settled(online, sent)
    olga = await online.agent("olga", socket=False)
    result = (await olga.get("/api/sms/credits")).json()
    assert (result["used"], result["plan"], result["left"]) == (2, 10, 8)
    assert result["by"] == [{"kind": "reply", "country": "US", "messages": 1, "credits": 2}]


async def test_an_unclear_text_costs_credits_once_it_is_known_to_be_sent(online: Online) -> None:
    fake = await open_sms(online.world)
    contact = await person(online.world)
    ana, olga = await online.agent("ana", socket=False), await online.agent("olga", socket=False)

    async def used() -> Any:
        return (await olga.get("/api/sms/credits")).json()["used"]

    fake.answers.extend([Unclear("no answer")] * 3)
    lost_text, arrived_text, late_text = [
        await queue(online.world, contact, key, body="x" * 161) for key in ("a", "b", "c")
    ]
    for item in (lost_text, arrived_text, late_text):
        await settled(online, item, State.UNKNOWN)
    assert await used() == 0
    detail = (await ana.post(f"/api/outbound/{lost_text.id}/decide", {"outcome": "not_sent"})).json()["outbound"][
        "detail"
    ]
    assert "was not charged" in detail and await used() == 0
    await ana.post(f"/api/outbound/{arrived_text.id}/decide", {"outcome": "sent"})
    assert await used() == 2
    status_report = {"AccountSid": ACCOUNT, "MessageSid": "SM77", "MessageStatus": "delivered"}
    assert await report(online, status_report, f"?m={late_text.token}.1") == 200
    assert await used() == 4
    assert await report(online, {**status_report, "MessageSid": "SM78"}, f"?m={lost_text.token}.1") == 200
    assert await used() == 6, "a delivery report overrides the colleague's decision"


async def settled(online: Online, sent: Any, state: State = State.ACCEPTED) -> None:
    for _ in range(20):
        await online.world.advance(seconds=1)
        if (await of(online.world, sent)).state is state:
            return
    raise AssertionError(await of(online.world, sent))


async def report(online: Online, params: dict[str, str], query: str = "", token: str = TOKEN) -> int:
    path = rules.STATUS_PATH + query
    pairs = list(params.items())
    headers: dict[str, str | None] = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": sign(token, online.url + path, pairs),
        "origin": None,
    }
    return (await online.send("POST", path, raw=urlencode(pairs).encode(), headers=headers)).status


async def test_a_signed_report_moves_a_message_and_keeps_every_parameter(online: Online) -> None:
    await open_sms(online.world)
    sent = await queue(online.world, await person(online.world))
    await settled(online, sent)
    row = await of(online.world, sent)
    status_report = {
        "AccountSid": ACCOUNT,
        "MessageSid": row.sid or "",
        "MessageStatus": "delivered",
        "Blank": "",
        "New": "1",
    }
    assert await report(online, status_report, f"?m={sent.token}.1") == 200
    assert (await of(online.world, sent)).state is State.DELIVERED
    assert [row.params for row in await online.world.rows(carrier_reports)] == [status_report]


async def test_a_report_that_is_forged_or_of_another_account_is_refused(online: Online) -> None:
    await open_sms(online.world)
    status_report = {"AccountSid": ACCOUNT, "MessageSid": "SM1", "MessageStatus": "delivered"}
    assert await report(online, status_report, token="not the token") == 403
    assert await report(online, {**status_report, "AccountSid": "AC" + "9" * 32}) == 403
    assert await report(online, {**status_report, "MessageStatus": ""}) == 400
    assert await report(online, {**status_report, "MessageStatus": "levitating"}) == 200, (
        "a report with an unknown status must be accepted"
    )
    assert [row.status for row in await online.world.rows(carrier_reports)] == ["levitating"]


async def test_a_person_settles_an_unclear_text_and_a_failed_one_is_sent_again_once(online: Online) -> None:
    fake = await open_sms(online.world)
    contact = await person(online.world)
    ana = await online.agent("ana", socket=False)
    fake.answers.append(Unclear("no answer"))
    sent = await queue(online.world, contact)
    await settled(online, sent, State.UNKNOWN)
    assert "1 text may or may not have been sent. Twilio does not say." in [
        item.message for item in await doctor.check_sms(online.app)
    ]
    listed = (await ana.get("/api/outbound?state=unknown")).json()["outbound"]
    assert [item["id"] for item in listed] == [sent.id]
    assert (await ana.post(f"/api/outbound/{sent.id}/retry", {})).json()["error"]["code"] == "cannot_retry"
    decided = await ana.post(f"/api/outbound/{sent.id}/decide", {"outcome": "not_sent"})
    assert decided.json()["outbound"]["state"] == "failed"
    second = await ana.post(f"/api/outbound/{sent.id}/decide", {"outcome": "sent"})
    assert (second.status, second.json()["error"]["code"]) == (409, "not_unknown")
    retried = (await ana.post(f"/api/outbound/{sent.id}/retry", {})).json()["outbound"]
    retried_again = (await ana.post(f"/api/outbound/{sent.id}/retry", {})).json()["outbound"]
    assert retried == retried_again != sent.id
    assert (await ana.get("/api/outbound?state=flying")).status == 422


async def test_a_picture_url_for_the_carrier_works_for_some_hours_and_for_its_own_message_only(
    online: Online,
) -> None:
    world = online.world
    contact = await person(world)
    own_file, other = [await upload(online.app, "agent:1", PNG, "spring.png") for _ in range(2)]
    sent = await queue(world, contact, media=(own_file,))
    [address] = await online.app.write(media.signed_urls, online.url, sent.token, (own_file,))
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}"
    result = await online.get(path)
    assert (result.status, result.headers["content-type"]) == (200, "image/png")
    for wrong in (path.replace(own_file, other), path.replace("&s=", "&s=A"), path.replace(".png", ".gif"), parts.path):
        assert (await online.get(wrong)).status == 404, wrong
    [foreign] = await online.app.write(media.signed_urls, online.url, sent.token, (other,))
    assert (await online.get(foreign.removeprefix(online.url))).status == 404, (
        "a valid signature must not open a file of another message"
    )


async def test_the_doctors_signed_test_request_arrives_and_a_wrong_public_url_is_found(online: Online) -> None:
    await open_sms(online.world)
    [finding] = await round_trip(online.app, await current(online.app))
    assert finding.state == "ok", finding
    assert await online.world.rows(carrier_reports) == [], "the refused report must not be stored"
    olga = await online.agent("olga", socket=False)
    findings = (await olga.post("/api/sms/test", {})).json()["findings"]
    assert {finding["area"] for finding in findings} == {"sms"}
    assert any("is not among the numbers" in finding["message"] for finding in findings)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://x.example/webhooks/twilio/sms#rc=5&rp=all", True),
        ("https://x.example/webhooks/twilio/sms#ct=2000&rp=all&rc=3", True),
        ("https://x.example/webhooks/twilio/sms", False),
        ("https://x.example/webhooks/twilio/sms#rc=1&rp=all", False),
        ("https://x.example/webhooks/twilio/sms#rc=5&rp=ct", False),
    ],
)
def test_missing_retry_settings_in_a_webhook_url_are_found(url: str, good: bool) -> None:
    assert rules.asks_for_retries(url) is good
