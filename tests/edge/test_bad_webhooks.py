"""Every odd or bad webhook gets the answer that BAD_INPUTS 3.3 names, and the next text of a customer arrives.

The cases are data, in `cases/webhooks.py`.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from twilio.request_validator import RequestValidator
from yarl import URL

from server.delivery import rules
from server.delivery.rules import State
from server.delivery.settings import SMS
from server.inbox.webhooks import TEXTS
from server.kernel.sealing import PURPOSE, seal
from server.schema import (
    attachments,
    carrier_inbound,
    carrier_reports,
    contacts,
    outbound,
    suppressions,
    threads,
    timeline,
)
from server.web.webhooks import EMPTY
from tests.channels import payloads
from tests.edge.cases import webhooks
from tests.edge.cases.webhooks import Case
from tests.edge.test_bad_frames import leaks
from tests.online import Online
from tests.sms import ACCOUNT, TOKEN, of, open_sms, person, queue

FLOOR = 130  # cases below which this suite proves nothing
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
SHARED_KEY = "shared-key-of-the-tests"


def test_the_cases_are_many_and_each_has_a_name_of_its_own() -> None:
    names = [case.id for case in (*webhooks.ALL, *webhooks.REPORTS)]
    assert len(names) >= FLOOR and len(set(names)) == len(names)
    assert {name.partition("-")[0] for name in names} == {
        f"S{n}" for n in (2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 18, 20, 21, 23)
    }


class Multi(dict[str, list[str]]):
    def getlist(self, name: str) -> list[str]:
        return self[name]


def sid_of(case: Case) -> str:
    return "SM" + hashlib.sha256(case.id.encode()).hexdigest()[:32]


async def post(online: Online, case: Case, number: int, path: str = TEXTS, good: dict[str, str] | None = None) -> int:
    """As Twilio sends it but for what the case says; the status, of an answer that is never sent on as a text."""
    laid = {**(good or payloads.text(sid=sid_of(case), From=f"+1202556{number:04d}")), **case.params}
    pairs = [*((name, value) for name, value in laid.items() if value is not None), *case.more]
    signed = (
        [] if case.raw is not None else [*pairs][: len(pairs) - (len(case.more) if case.sign == "as it stands" else 0)]
    )
    form = Multi()
    for name, value in signed:
        form.setdefault(name, []).append(value)
    host = online.url.partition("://")[2]
    address = case.address.format(url=online.url, path=path, rest=f"://{host}", portless=online.url.rpartition(":")[0])
    if case.address == "{url}{path}" and case.method == "GET":
        address, form = f"{online.url}{path}?{urlencode(pairs)}", Multi()
    key, algorithm = {
        "other token": ("another token", "HMAC_SHA1"),
        "shared": (SHARED_KEY, "HMAC_SHA256"),
        "shared with token": (TOKEN, "HMAC_SHA256"),
    }.get(case.sign, (TOKEN, "HMAC_SHA1"))
    signature = RequestValidator(key).compute_signature(address, form, algorithm)
    headers = {"content-type": FORM}
    if case.sign != "missing":
        headers["X-Twilio-Signature"] = signature[: len(signature) - case.cut]
    where = f"{online.url}{path}{case.query}" if case.method != "GET" else address
    data = None if case.method == "GET" else case.raw if case.raw is not None else urlencode(pairs).encode()
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.request(case.method, URL(where, encoded=True), data=data, headers=headers | case.headers) as answer,
    ):
        body = await answer.read()
        assert body == EMPTY and answer.content_type == "text/xml" and not leaks(dict(answer.headers))
        return answer.status


async def test_a_bad_webhook_gets_its_answer_and_the_next_text_arrives(
    online: Online, subtests: pytest.Subtests
) -> None:
    world = online.world
    await open_sms(world, shared_keys_sealed={"hooks": seal(online.app.key(PURPOSE), SHARED_KEY)})
    for number, case in enumerate(webhooks.ALL):
        with subtests.test(case.id):
            online.app.parts.pop("webhook_alerts", None)
            before = await world.count(carrier_inbound)
            assert await post(online, case, number) == case.status
            alerts = " ".join(online.app.parts.get("webhook_alerts", ()))
            assert (case.alert or "") in alerts and (case.alert is not None or not alerts), alerts
            assert await world.count(carrier_inbound) == before + (case.status == 200), "stored once, or not at all"
            if case.status == 200:
                (row,) = await world.rows(carrier_inbound, carrier_inbound.c.sid == sid_of(case))
                await kept(online, case, row)
        if number % 10 == 0:
            assert await post(online, Case(f"good {number}"), 9_000 + number) == 200


async def kept(online: Online, case: Case, row: Any) -> None:
    world = online.world
    assert row.meaning == case.meaning
    (thread,) = await world.rows(threads, threads.c.id == row.thread_id)
    (who,) = await world.rows(contacts, contacts.c.id == row.contact_id)
    assert (who.phone is not None) is case.phone, "what is no telephone never becomes one"
    entries = await world.rows(timeline, timeline.c.thread_id == thread.id, timeline.c.kind == "message")
    said = next(one for one in entries if one.data.get("sid") == row.sid)
    if case.body is not None:
        assert said.body == case.body
    files = await world.rows(attachments, attachments.c.owner == f"sms:{row.sid}")
    assert len(files) == case.files == len(said.data.get("files", ()))
    assert not any(file.public for file in files)
    if case.meaning == "stop":
        assert await world.rows(suppressions, suppressions.c.address == who.phone)


async def test_nothing_that_was_sent_is_a_consent_and_nobody_unreachable_is_answered(online: Online) -> None:
    """S8, S15: and no file was asked for at an address that is not the provider's."""
    await open_sms(online.world)
    for number, case in enumerate([*webhooks.SENDERS, *webhooks.MEANINGS]):
        assert await post(online, case, number) == case.status
    ana = await online.agent("ana", socket=False)
    tickets = (await ana.get("/api/tickets?channel=sms&limit=100")).json()["tickets"]
    assert {one["barred"] for one in tickets} <= {"unreachable", "not_subscribed"}
    for one in tickets:
        reply = await ana.post(f"/api/tickets/{one['id']}/reply", {"key": f"key-{one['id']:08d}", "text": "Hello"})
        assert (reply.status, reply.json()["error"]["code"]) == (409, one["barred"])


async def test_a_bad_report_gets_its_answer_and_moves_nothing_back(online: Online, subtests: pytest.Subtests) -> None:
    await open_sms(online.world)
    sent = await queue(online.world, await person(online.world))
    await online.world.advance(seconds=1)
    row = await of(online.world, sent)
    assert row.state is State.ACCEPTED
    good = {"AccountSid": ACCOUNT, "MessageSid": row.sid or "", "MessageStatus": "sent"}
    count = 0
    for number, one in enumerate(webhooks.REPORTS):
        with subtests.test(one.id):
            case = Case(one.id, one.status, one.params)
            assert await post(online, case, number, rules.STATUS_PATH, good) == one.status
            count += one.kept
            assert len(await online.world.rows(carrier_reports)) == count
            state = (await of(online.world, sent)).state
            assert state in (one.moves, State.ACCEPTED, State.SENT) if one.moves is None else state == one.moves


async def test_a24_a_reply_to_somebody_who_just_said_stop_is_refused_and_its_words_are_kept(online: Online) -> None:
    """By the route where they were faster, and at the door where the agent was."""
    fake = await open_sms(online.world)
    ana = await online.agent("ana")
    assert await post(online, Case("a24"), 1) == 200
    (thread,) = await online.world.rows(threads)
    ticket = (await ana.get("/api/tickets?channel=sms")).json()["tickets"][0]
    olga = await online.agent("olga", socket=False)
    yes = {"purpose": "sms_transactional", "status": "subscribed", "reason": "at the counter"}
    assert (await olga.post(f"/api/contacts/{ticket['contact']['id']}/consents", yes)).status == 200
    said = {"key": "key-a24-one", "text": "It leaves today"}
    assert (await ana.post(f"/api/tickets/{ticket['id']}/reply", said)).status == 200
    stop = payloads.text("STOP", "SM" + "5" * 32, From="+12025560001")
    assert await post(online, Case("a24 stop"), 1, TEXTS, stop) == 200
    await ana.send("PUT", f"/api/tickets/{ticket['id']}/draft", {"text": "And tomorrow?", "mode": "reply"})
    late = await ana.post(f"/api/tickets/{ticket['id']}/reply", {"key": "key-a24-two", "text": "And tomorrow?"})
    assert (late.status, late.json()["error"]["code"]) == (409, "opted_out")
    drafts = (await ana.get("/api/drafts")).json()["drafts"]
    assert [one["text"] for one in drafts] == ["And tomorrow?"], "nothing they wrote is lost"
    await online.world.advance(seconds=5)
    assert [text.body for text in fake.texts if "leaves" in text.body] == [], "the gate is asked once more at the door"
    (row,) = [one for one in await online.world.rows(outbound) if one.kind == "reply"]
    assert (row.state, row.reason) == ("skipped", "opted_out")
    entries = (await ana.get(f"/api/threads/{thread.id}/entries")).json()["entries"]
    (tick,) = [one for one in entries if one["kind"] == "delivery"]
    assert tick["data"]["state"] == "skipped" and tick["data"]["reason"] == "opted_out"


async def test_a_key_that_is_taken_away_signs_nothing_any_more(online: Online) -> None:
    await open_sms(online.world, shared_keys_sealed={"hooks": seal(online.app.key(PURPOSE), SHARED_KEY)})
    case = next(one for one in webhooks.SIGNATURES if one.id == "S3-shared-key")
    assert await post(online, case, 1) == 200
    known = await online.app.read(SMS.load)
    await online.app.write(SMS.save, known.model_copy(update={"shared_keys_sealed": {}}))
    SMS.cached(online.app).heard("", None)
    assert await post(online, Case("S3-again", 403, sign="shared", headers=case.headers), 2) == 403
