"""SMS over HTTP: settings whose secrets nobody reads back, numbers, credits, status reports, pictures for the carrier."""

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
from server.operations.sms import round_trip
from server.schema import carrier_reports, settings
from tests.online import Online
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
    saved = (await olga.send("PUT", "/api/sms/settings", SETTINGS)).json()
    assert saved["auth_token"] == {"set": True} and saved["secondary_token"] == {"set": False}
    assert saved["webhooks"]["sms"] == f"{online.url}/webhooks/twilio/sms#rc=5&rp=all"
    again = await olga.send("PUT", "/api/sms/settings", {**SETTINGS, "auth_token": None, "monthly_credits": 500})
    assert again.json()["auth_token"] == {"set": True}, "null keeps it"
    stored = str([row.value for row in await online.world.rows(settings)])
    assert "s3cret" not in stored + again.body.decode() + (await olga.get("/api/sms/settings")).body.decode()
    document = await online.app.read(SMS.load)
    assert account(document, online.app.key(PURPOSE)).tokens == ("s3cret-of-twilio",)
    gone = await olga.send("PUT", "/api/sms/settings", {**SETTINGS, "on": False, "auth_token": ""})
    assert gone.json()["auth_token"] == {"set": False}


async def test_a_manager_sets_sms_up_but_for_its_secrets(online: Online) -> None:
    mona, ana = await online.agent("mona", socket=False), await online.agent("ana", socket=False)
    assert (await mona.send("PUT", "/api/sms/settings", SETTINGS)).status == 403
    assert (await mona.send("PUT", "/api/sms/settings", {"on": False, "account_sid": ACCOUNT})).status == 200
    assert (await ana.get("/api/sms/settings")).status == 403


async def test_it_is_not_switched_on_without_an_account(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await olga.send("PUT", "/api/sms/settings", {"on": True, "account_sid": ACCOUNT})
    assert (answer.status, answer.json()["error"]["field"]) == (422, "auth_token")


@pytest.mark.parametrize("wrong", [{"prices": {"US": {"sms": 1}, "XX": {"sms": 1}}}, {"paused_countries": ["XX"]}])
async def test_a_price_and_a_pause_are_of_a_country_that_exists(online: Online, wrong: dict[str, Any]) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await olga.send("PUT", "/api/sms/settings", {**SETTINGS, **wrong})
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["field"]) == (422, "unknown_country", next(iter(wrong)))
    assert error["message"] == "There is no country XX."
    assert (await olga.get("/api/sms/settings")).json()["auth_token"] == {"set": False}, "nothing of it is kept"


async def test_a_number_gets_what_its_kind_can_and_letters_are_refused_where_networks_do(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    made = (await olga.post("/api/sms/senders", NUMBER)).json()["sender"]
    assert (made["countries"], made["mms"], made["inbound"], made["rate"]) == (["US", "CA"], True, True, 3)
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
    nowhere = (await olga.post("/api/sms/senders", {**NUMBER, "country": "XX"})).json()["error"]
    assert (nowhere["code"], nowhere["field"]) == ("unknown_country", "country")
    changed = await olga.send("PUT", f"/api/sms/senders/{made['id']}", {**NUMBER, "rate": 20, "enabled": False})
    assert (changed.json()["sender"]["rate"], changed.json()["sender"]["enabled"]) == (20, False)
    assert (await olga.send("DELETE", f"/api/sms/senders/{made['id']}")).status == 200
    assert (await olga.send("DELETE", f"/api/sms/senders/{made['id']}")).status == 404


async def test_a_month_s_credits_stand_beside_the_plan(online: Online) -> None:
    await open_sms(online.world, monthly_credits=10)
    contact = await person(online.world)
    sent = await queue(online.world, contact, body="x" * 161)
    await settled(online, sent)
    olga = await online.agent("olga", socket=False)
    found = (await olga.get("/api/sms/credits")).json()
    assert (found["used"], found["plan"], found["left"]) == (2, 10, 8)
    assert found["by"] == [{"kind": "reply", "country": "US", "messages": 1, "credits": 2}]


async def test_an_unclear_text_is_charged_when_it_is_known_that_it_was_sent(online: Online) -> None:
    fake = await open_sms(online.world)
    contact = await person(online.world)
    ana, olga = await online.agent("ana", socket=False), await online.agent("olga", socket=False)

    async def used() -> Any:
        return (await olga.get("/api/sms/credits")).json()["used"]

    fake.answers.extend([Unclear("no answer")] * 3)
    lost, arrived, late = [await queue(online.world, contact, key, body="x" * 161) for key in ("a", "b", "c")]
    for one in (lost, arrived, late):
        await settled(online, one, State.UNKNOWN)
    assert await used() == 0
    words = (await ana.post(f"/api/outbound/{lost.id}/decide", {"outcome": "not_sent"})).json()["outbound"]["detail"]
    assert "was not charged" in words and await used() == 0
    await ana.post(f"/api/outbound/{arrived.id}/decide", {"outcome": "sent"})
    assert await used() == 2
    told = {"AccountSid": ACCOUNT, "MessageSid": "SM77", "MessageStatus": "delivered"}
    assert await report(online, told, f"?m={late.token}.1") == 200
    assert await used() == 4
    assert await report(online, {**told, "MessageSid": "SM78"}, f"?m={lost.token}.1") == 200
    assert await used() == 6, "the carrier has it after all: the colleague was wrong"


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
    told = {"AccountSid": ACCOUNT, "MessageSid": row.sid or "", "MessageStatus": "delivered", "Blank": "", "New": "1"}
    assert await report(online, told, f"?m={sent.token}.1") == 200
    assert (await of(online.world, sent)).state is State.DELIVERED
    assert [one.params for one in await online.world.rows(carrier_reports)] == [told]


async def test_a_report_that_is_forged_or_of_another_account_is_refused(online: Online) -> None:
    await open_sms(online.world)
    told = {"AccountSid": ACCOUNT, "MessageSid": "SM1", "MessageStatus": "delivered"}
    assert await report(online, told, token="not the token") == 403
    assert await report(online, {**told, "AccountSid": "AC" + "9" * 32}) == 403
    assert await report(online, {**told, "MessageStatus": ""}) == 400
    assert await report(online, {**told, "MessageStatus": "levitating"}) == 200, "a word of next year is kept"
    assert [one.status for one in await online.world.rows(carrier_reports)] == ["levitating"]


async def test_a_person_decides_what_nobody_can_tell_and_a_failed_one_is_sent_again_once(online: Online) -> None:
    fake = await open_sms(online.world)
    contact = await person(online.world)
    ana = await online.agent("ana", socket=False)
    fake.answers.append(Unclear("no answer"))
    sent = await queue(online.world, contact)
    await settled(online, sent, State.UNKNOWN)
    listed = (await ana.get("/api/outbound?state=unknown")).json()["outbound"]
    assert [one["id"] for one in listed] == [sent.id]
    assert (await ana.post(f"/api/outbound/{sent.id}/retry", {})).json()["error"]["code"] == "cannot_retry"
    decided = await ana.post(f"/api/outbound/{sent.id}/decide", {"outcome": "not_sent"})
    assert decided.json()["outbound"]["state"] == "failed"
    again = await ana.post(f"/api/outbound/{sent.id}/decide", {"outcome": "sent"})
    assert (again.status, again.json()["error"]["code"]) == (409, "not_unknown")
    one = (await ana.post(f"/api/outbound/{sent.id}/retry", {})).json()["outbound"]
    two = (await ana.post(f"/api/outbound/{sent.id}/retry", {})).json()["outbound"]
    assert one == two != sent.id
    assert (await ana.get("/api/outbound?state=flying")).status == 422


async def test_the_carrier_fetches_a_picture_of_its_message_for_some_hours_and_nobody_fetches_another(
    online: Online,
) -> None:
    world = online.world
    contact = await person(world)
    mine, other = [await upload(online.app, "agent:1", PNG, "spring.png") for _ in range(2)]
    sent = await queue(world, contact, media=(mine,))
    [address] = await online.app.write(media.addresses, online.url, sent.token, (mine,))
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}"
    found = await online.get(path)
    assert (found.status, found.headers["content-type"]) == (200, "image/png")
    for wrong in (path.replace(mine, other), path.replace("&s=", "&s=A"), path.replace(".png", ".gif"), parts.path):
        assert (await online.get(wrong)).status == 404, wrong
    [foreign] = await online.app.write(media.addresses, online.url, sent.token, (other,))
    assert (await online.get(foreign.removeprefix(online.url))).status == 404, "signed, but not of this message"


async def test_the_doctor_s_signed_message_comes_back_and_a_wrong_public_address_shows(online: Online) -> None:
    await open_sms(online.world)
    [finding] = await round_trip(online.app, await current(online.app))
    assert finding.state == "ok", finding
    assert await online.world.rows(carrier_reports) == [], "and is kept nowhere"
    olga = await online.agent("olga", socket=False)
    findings = (await olga.post("/api/sms/test", {})).json()["findings"]
    assert {one["area"] for one in findings} == {"sms"}
    assert any("is not among the numbers" in one["message"] for one in findings)


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
def test_repetitions_are_seen_in_an_address(url: str, good: bool) -> None:
    assert rules.repeats(url) is good
