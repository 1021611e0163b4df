"""Every unusual or invalid webhook gets the response listed in `tests/bad_inputs.md`, and the next text arrives.

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
from server.sms.webhooks import TEXTS
from server.web.webhooks import EMPTY, Alerts
from tests.channels import payloads
from tests.edge.cases import webhooks
from tests.edge.cases.webhooks import Case
from tests.edge.test_bad_frames import leaks
from tests.online import Online
from tests.sms import ACCOUNT, TOKEN, of, open_sms, person, queue

FLOOR = 130  # fewer cases prove nothing
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
SHARED_KEY = "shared-key-of-the-tests"


def test_there_are_many_cases_with_unique_names() -> None:
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
    """Posts the case as Twilio would; returns the status, after checking that Twilio would send no text because of the
    response."""
    fields = {**(good or payloads.text(sid=sid_of(case), From=f"+1202556{number:04d}")), **case.params}
    pairs = [*((name, value) for name, value in fields.items() if value is not None), *case.more]
    signed = [] if case.raw is not None else [*pairs][: len(pairs) - (len(case.more) if case.sign == "as given" else 0)]
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
    url = f"{online.url}{path}{case.query}" if case.method != "GET" else address
    data = None if case.method == "GET" else case.raw if case.raw is not None else urlencode(pairs).encode()
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.request(case.method, URL(url, encoded=True), data=data, headers=headers | case.headers) as answer,
    ):
        body = await answer.read()
        assert body == EMPTY and answer.content_type == "text/xml" and not leaks(dict(answer.headers))
        return answer.status


async def test_a_bad_webhook_gets_its_response_and_the_next_text_arrives(
    online: Online, subtests: pytest.Subtests
) -> None:
    world = online.world
    await open_sms(world, shared_keys_sealed={"hooks": seal(online.app.key(PURPOSE), SHARED_KEY)})
    for number, case in enumerate(webhooks.ALL):
        with subtests.test(case.id):
            alert_listener = online.app.register(Alerts())
            count_before = await world.count(carrier_inbound)
            assert await post(online, case, number) == case.status
            alerts = " ".join(alert_listener)
            assert (case.alert or "") in alerts and (case.alert is not None or not alerts), alerts
            assert await world.count(carrier_inbound) == count_before + (case.status == 200), (
                "an accepted text is stored once and a refused one is not"
            )
            if case.status == 200:
                (row,) = await world.rows(carrier_inbound, carrier_inbound.c.sid == sid_of(case))
                await check_stored_text(online, case, row)
        if number % 10 == 0:
            assert await post(online, Case(f"good {number}"), 9_000 + number) == 200


async def check_stored_text(online: Online, case: Case, row: Any) -> None:
    world = online.world
    assert row.meaning == case.meaning
    (thread,) = await world.rows(threads, threads.c.id == row.thread_id)
    (sender,) = await world.rows(contacts, contacts.c.id == row.contact_id)
    assert (sender.phone is not None) is case.phone, "a sender that is not a phone must not get a phone number"
    entries = await world.rows(timeline, timeline.c.thread_id == thread.id, timeline.c.kind == "message")
    entry_of_text = next(entry for entry in entries if entry.data.get("sid") == row.sid)
    if case.body is not None:
        assert entry_of_text.body == case.body
    files = await world.rows(attachments, attachments.c.owner == f"sms:{row.sid}")
    assert len(files) == case.files == len(entry_of_text.data.get("files", ()))
    assert not any(file.public for file in files)
    if case.meaning == "stop":
        assert await world.rows(suppressions, suppressions.c.address == sender.phone)


async def test_no_case_creates_a_consent_or_a_reply_to_a_sender_without_a_phone(online: Online) -> None:
    """S8, S15: and the server fetches no file from an address that is not the provider's."""
    await open_sms(online.world)
    for number, case in enumerate([*webhooks.SENDERS, *webhooks.MEANINGS]):
        assert await post(online, case, number) == case.status
    ana = await online.agent("ana", socket=False)
    tickets = (await ana.get("/api/tickets?channel=sms&limit=100")).json()["tickets"]
    assert {ticket["barred"] for ticket in tickets} <= {"unreachable", "not_subscribed"}
    for ticket in tickets:
        reply = await ana.post(
            f"/api/tickets/{ticket['id']}/reply", {"key": f"key-{ticket['id']:08d}", "text": "Hello"}
        )
        assert (reply.status, reply.json()["error"]["code"]) == (409, ticket["barred"])


async def test_a_bad_report_gets_its_response_and_moves_no_state_back(
    online: Online, subtests: pytest.Subtests
) -> None:
    await open_sms(online.world)
    sent = await queue(online.world, await person(online.world))
    await online.world.advance(seconds=1)
    row = await of(online.world, sent)
    assert row.state is State.ACCEPTED
    valid_form = {"AccountSid": ACCOUNT, "MessageSid": row.sid or "", "MessageStatus": "sent"}
    count = 0
    for number, item in enumerate(webhooks.REPORTS):
        with subtests.test(item.id):
            case = Case(item.id, item.status, item.params)
            assert await post(online, case, number, rules.STATUS_PATH, valid_form) == item.status
            count += item.kept
            assert len(await online.world.rows(carrier_reports)) == count
            state = (await of(online.world, sent)).state
            assert state in (item.moves, State.ACCEPTED, State.SENT) if item.moves is None else state == item.moves


async def test_a24_a_reply_during_a_stop_is_refused_and_its_draft_is_kept(online: Online) -> None:
    """The route refuses the reply if STOP is first; the consent check refuses it if the agent is first."""
    fake = await open_sms(online.world)
    ana = await online.agent("ana")
    assert await post(online, Case("a24"), 1) == 200
    (thread,) = await online.world.rows(threads)
    ticket = (await ana.get("/api/tickets?channel=sms")).json()["tickets"][0]
    olga = await online.agent("olga", socket=False)
    yes = {"purpose": "sms_transactional", "status": "subscribed", "reason": "at the counter"}
    assert (await olga.post(f"/api/contacts/{ticket['contact']['id']}/consents", yes)).status == 200
    reply = {"key": "key-a24-one", "text": "It leaves today"}
    assert (await ana.post(f"/api/tickets/{ticket['id']}/reply", reply)).status == 200
    stop = payloads.text("STOP", "SM" + "5" * 32, From="+12025560001")
    assert await post(online, Case("a24 stop"), 1, TEXTS, stop) == 200
    await ana.send("PUT", f"/api/tickets/{ticket['id']}/draft", {"text": "And tomorrow?", "mode": "reply", "rev": 0})
    late_reply = await ana.post(f"/api/tickets/{ticket['id']}/reply", {"key": "key-a24-two", "text": "And tomorrow?"})
    assert (late_reply.status, late_reply.json()["error"]["code"]) == (409, "opted_out")
    drafts = (await ana.get("/api/drafts")).json()["drafts"]
    assert [draft["text"] for draft in drafts] == ["And tomorrow?"], "the agent's draft must not be lost"
    await online.world.advance(seconds=5)
    assert [text.body for text in fake.texts if "leaves" in text.body] == [], "consent is checked again before sending"
    (row,) = [row for row in await online.world.rows(outbound) if row.kind == "reply"]
    assert (row.state, row.reason) == ("skipped", "opted_out")
    entries = (await ana.get(f"/api/threads/{thread.id}/entries")).json()["entries"]
    (tick,) = [entry for entry in entries if entry["kind"] == "delivery"]
    assert tick["data"]["state"] == "skipped" and tick["data"]["reason"] == "opted_out"


async def test_a_removed_signing_key_is_no_longer_accepted(online: Online) -> None:
    await open_sms(online.world, shared_keys_sealed={"hooks": seal(online.app.key(PURPOSE), SHARED_KEY)})
    case = next(signature for signature in webhooks.SIGNATURES if signature.id == "S3-shared-key")
    assert await post(online, case, 1) == 200
    loaded = await online.app.read(SMS.load)
    await online.app.write(SMS.save, loaded.model_copy(update={"shared_keys_sealed": {}}))
    SMS.cached(online.app).on_published("", None)
    assert await post(online, Case("S3-again", 403, sign="shared", headers=case.headers), 2) == 403
