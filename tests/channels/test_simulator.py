"""The stand-in carrier against the real Twilio SDK: requests, responses, signatures, and every fault that it can
simulate."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from twilio.base.exceptions import TwilioRestException
from twilio.rest.api.v2010.account.message import MessageInstance

from server.channels import twilio_sms
from server.simulator import webhooks
from tests.channels.carrier import Simulated, simulated

MAYA, ARTHUR, ZOFIA = "+12025550143", "+447400987654", "+48512345678"
US, GB, NAME = "+18885550199", "+447400123456", "FernKettle"


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[Simulated]:
    async with simulated(tmp_path / "data") as opened:
        yield opened


def png(color: str = "green") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 8), color).save(buffer, "PNG")
    return buffer.getvalue()


async def send(
    sim: Simulated, to: str = MAYA, body: str = "On its way.", sender: str = US, **more: object
) -> MessageInstance:
    async with sim.async_client() as client:
        return await client.messages.create_async(to=to, from_=sender, body=body, **more)


# --- the SDK and the stand-in carrier ----------------------------------------------------------------


async def test_a_message_made_by_the_asynchronous_client_reaches_the_phone_and_is_reported(sim: Simulated) -> None:
    message = await send(sim, status_callback=f"{sim.shop.url}/status?m=abc.1")
    assert (message.status, message.to, message.from_, message.body) == ("queued", MAYA, US, "On its way.")
    assert (
        message.sid.startswith("SM")
        and len(message.sid) == 34
        and message.num_segments == "1"
        and message.num_media == "0"
    )
    assert message.error_code is None and message.direction == "outbound-api"
    assert isinstance(message.date_created, datetime) and message.date_sent is None
    received = await sim.shop.receives(2)
    assert [item.params["MessageStatus"] for item in received] == ["sent", "delivered"], (
        "the status `queued` must not be reported"
    )
    assert all(
        item.signed and item.params["m"] == "abc.1" and item.params["MessageSid"] == message.sid for item in received
    )
    assert received[1].params["RawDlrDoneDate"].isdecimal()
    async with sim.async_client() as client:
        fetched = await client.messages(message.sid).fetch_async()
    assert fetched.status == "delivered" and fetched.date_sent is not None
    (talk,) = (await sim.phone("maya"))["talks"]
    assert talk["with"] == US and [item["body"] for item in talk["messages"]] == ["On its way."]


async def test_the_synchronous_client_reads_account_numbers_and_messages(sim: Simulated) -> None:
    client = sim.client()

    def work() -> None:
        account = client.api.v2010.accounts(sim.carrier.account.sid).fetch()
        assert (account.status, account.type, account.sid) == ("active", "Full", sim.carrier.account.sid)
        numbers = client.incoming_phone_numbers.list(limit=10)
        assert {number.phone_number: number.capabilities["mms"] for number in numbers} == {US: True, GB: False}
        (result,) = client.incoming_phone_numbers.list(phone_number=US, limit=10)
        changed = result.update(sms_url="https://shop.example/texts#rc=3", sms_method="GET")
        assert (changed.sms_url, changed.sms_method) == ("https://shop.example/texts#rc=3", "GET")
        assert client.incoming_phone_numbers(result.sid).fetch().sms_url == "https://shop.example/texts#rc=3"
        message = client.messages.create(to=ARTHUR, from_=GB, body="Zażółć 🫖" + "x" * 70)
        assert message.num_segments == "2"

    await asyncio.to_thread(work)


async def test_lists_are_filtered_paged_and_newest_first(sim: Simulated) -> None:
    for number in range(7):
        await send(sim, body=f"to Maya {number}")
    for number in range(3):
        await send(sim, to=ARTHUR, sender=GB, body=f"to Arthur {number}")
    await sim.text("maya", "from Maya")
    client = sim.client()
    now = datetime.now(UTC)
    sim.online.world.clock._now = now  # the SDK's dates are of today

    def work() -> None:
        assert [item.body for item in client.messages.list(to=MAYA, from_=US, page_size=3, limit=50)] == [
            f"to Maya {number}" for number in reversed(range(7))
        ]
        assert len(client.messages.list(page_size=4, limit=6)) == 6
        assert [item.direction for item in client.messages.list(to=US, limit=5)] == ["inbound"]
        page = client.messages.page(to=ARTHUR, page_size=2)
        first = list(page)
        following = page.next_page()
        assert following is not None and len(first) == 2 and len(list(following)) == 1

    await asyncio.to_thread(work)


async def test_every_page_of_a_list_is_read(sim: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_sms, "PAGE", 3)
    for number in range(8):
        await sim.text("maya", f"from Maya {number}")
    account = sim.carrier.account
    channel = twilio_sms.connect(account.sid, account.sid, account.token, "", sim.base)
    try:
        pages = [page async for page in channel.pages(to=US, since=sim.online.world.now - timedelta(days=7))]
    finally:
        await channel.close()
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [item.body for page in pages for item in page] == [f"from Maya {number}" for number in reversed(range(8))]


@pytest.mark.parametrize("days", [-1, 0, 1])
async def test_lists_are_bounded_by_day_and_by_moment(sim: Simulated, days: int) -> None:
    await send(sim)
    await asyncio.sleep(0)
    sent = sim.online.world.now
    day = (sent + timedelta(days=days)).date()
    moment = sent + timedelta(days=days, seconds=1)
    client = sim.client()

    def work() -> list[int]:
        messages = client.messages
        return [
            len(messages.list(date_sent=day, limit=5)),
            len(messages.list(date_sent_after=day, limit=5)),
            len(messages.list(date_sent_before=day, limit=5)),
            len(messages.list(date_sent_after=moment, limit=5)),
            len(messages.list(date_sent_before=moment, limit=5)),
        ]

    assert await asyncio.to_thread(work) == {-1: [0, 1, 0, 1, 0], 0: [1, 1, 0, 0, 1], 1: [0, 0, 1, 0, 1]}[days]


async def test_a_wrong_token_and_another_account_are_refused(sim: Simulated) -> None:
    with pytest.raises(TwilioRestException) as refused:
        await asyncio.to_thread(sim.client("wrong").messages.create, to=MAYA, from_=US, body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    for headers in ({}, {"authorization": "Basic !"}, {"authorization": "Bearer x"}, {"authorization": "Basic eDp5"}):
        path = f"/simulator/twilio/2010-04-01/Accounts/{sim.carrier.account.sid}/Messages.json"
        answer = await sim.online.get(path, headers=headers)
        assert (answer.status, answer.json()["code"]) == (401, 20003)
    assert not sim.carrier.state.messages


@pytest.mark.parametrize(
    ("faulty", "code"),
    [
        ({"to": "+15005550001"}, 21211),
        ({"to": "12"}, 21211),
        ({"to": "+15005550002"}, 21612),
        ({"to": "+15005550003"}, 21408),
        ({"to": "+15005550004"}, 21610),
        ({"to": "+15005550009"}, 21614),
        ({"from_": "+15005550001"}, 21212),
        ({"from_": "+15005550007"}, 21606),
        ({"from_": "+15005550008"}, 21611),
        ({"from_": "+12025550100"}, 21659),
        ({"from_": "Somebody"}, 21660),
        ({"from_": "!"}, 21212),
        ({"from_": NAME}, 21612),
        ({"to": US}, 21266),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"from_": ""}, 21603),
        ({"to": ""}, 21604),
        ({"media_url": ["ftp://a.example/x"]}, 21620),
        ({"media_url": [f"https://a.example/{n}" for n in range(11)]}, 21623),
        ({"to": ARTHUR, "media_url": ["https://a.example/x"]}, 21612),
        ({"status_callback": "https://my_host.example/x"}, 21609),
        ({"validity_period": 36_001}, 21624),
        ({"validity_period": 0}, 21624),
        ({"schedule_type": "fixed", "send_at": datetime(2030, 1, 1, tzinfo=UTC)}, 35118),
        ({"messaging_service_sid": "MG" + "0" * 32}, 21705),
    ],
)
async def test_what_twilio_refuses_is_refused_with_its_code(
    sim: Simulated, faulty: dict[str, object], code: int
) -> None:
    fields = {"to": MAYA, "from_": US, "body": "Hello"} | faulty
    async with sim.async_client() as client:
        with pytest.raises(TwilioRestException) as refused:
            await client.messages.create_async(**fields)
    assert refused.value.code == code and refused.value.status in (400, 404) and refused.value.msg
    assert not sim.carrier.state.messages, "a refused request must not create a message"


async def test_a_messaging_service_accepts_schedules_and_cancels(sim: Simulated) -> None:
    service = sim.carrier.account.service
    callback = f"{sim.shop.url}/status"
    async with sim.async_client() as client:
        message = await client.messages.create_async(
            to=MAYA, messaging_service_sid=service, body="Hi", status_callback=callback
        )
        assert (message.status, message.num_segments, message.messaging_service_sid) == ("accepted", "0", service)
        received = await sim.shop.receives(3)
        assert [item.params["MessageStatus"] for item in received] == ["queued", "sent", "delivered"]
        assert received[0].params["MessagingServiceSid"] == service and received[0].params["From"] == US
        later = await client.messages.create_async(
            to=MAYA, messaging_service_sid=service, body="Later", status_callback=callback, schedule_type="fixed",
            send_at=sim.online.world.now + timedelta(hours=1),
        )  # fmt: skip
        assert later.status == "scheduled"
        cancelled = await client.messages(later.sid).update_async(status="canceled")
        assert cancelled.status == "canceled"
        with pytest.raises(TwilioRestException) as refused:
            await client.messages(later.sid).update_async(status="canceled")
        assert refused.value.status == 409
        for early in (timedelta(minutes=4), timedelta(days=36)):
            with pytest.raises(TwilioRestException) as refused:
                await client.messages.create_async(
                    to=MAYA, messaging_service_sid=service, body="x", schedule_type="fixed",
                    send_at=sim.online.world.now + early,
                )  # fmt: skip
            assert refused.value.code == 35114
    received = await sim.shop.receives(4)
    assert received[3].params["MessageStatus"] == "canceled"


async def test_bodies_are_emptied_and_messages_removed_on_request(sim: Simulated) -> None:
    message = await send(sim, status_callback=f"{sim.shop.url}/status")
    await sim.shop.receives(2)
    async with sim.async_client() as client:
        assert (await client.messages(message.sid).update_async(body="")).body == ""
        assert await client.messages(message.sid).delete_async()
        with pytest.raises(TwilioRestException) as error:
            await client.messages(message.sid).fetch_async()
    assert (error.value.status, error.value.code) == (404, 20404)


# --- inbound texts -------------------------------------------------------------------------------------


async def test_a_text_from_a_phone_is_reported_signed_with_everything_twilio_names(sim: Simulated) -> None:
    body = "Dzień dobry! 🫖 a=b&c=d  "
    sid = await sim.text("zofia", body, GB)
    (received,) = await sim.shop.receives(1)
    assert received.signed and received.key and received.path == "/texts"
    assert received.params["MessageSid"] == received.params["SmsSid"] == received.params["SmsMessageSid"] == sid
    expected = {"From": ZOFIA, "To": GB, "Body": body, "NumMedia": "0", "SmsStatus": "received", "FromCountry": "PL"}
    assert expected.items() <= received.params.items()
    assert received.params["AccountSid"] == sim.carrier.account.sid and received.params["ApiVersion"] == "2010-04-01"
    assert "OptOutType" not in received.params


async def test_a_picture_from_a_phone_can_be_fetched_by_the_account_only(sim: Simulated) -> None:
    data = png()
    sid = await sim.text("maya", "", US, [{"type": "image/png", "data": b64encode(data).decode()}])
    (received,) = await sim.shop.receives(1)
    assert sid.startswith("MM") and received.params["NumMedia"] == "1"
    assert received.params["MediaContentType0"] == "image/png"
    url = received.params["MediaUrl0"]
    assert url.startswith(sim.base + "/2010-04-01/Accounts/")
    path = url.removeprefix(sim.online.url)
    assert (await sim.online.get(path)).status == 401
    account = sim.carrier.account
    basic = {"authorization": "Basic " + b64encode(f"{account.sid}:{account.token}".encode()).decode()}
    moved = await sim.online.get(path, headers=basic)
    assert moved.status == 307
    response = await sim.online.get(moved.headers["location"].removeprefix(sim.online.url))
    assert response.body == data and response.headers["content-type"] == "image/png"
    client = sim.client()

    def work() -> None:
        (media,) = client.messages(sid).media.list(limit=5)
        assert (media.content_type, media.parent_sid) == ("image/png", sid)
        assert client.messages(sid).media(media.sid).fetch().sid == media.sid
        assert client.messages(sid).media(media.sid).delete()
        assert client.messages(sid).media.list(limit=5) == []

    await asyncio.to_thread(work)
    assert (await sim.online.get(moved.headers["location"].removeprefix(sim.online.url))).status == 404


@pytest.mark.parametrize(
    ("type", "twiml", "texts"),
    [
        ("text/xml", "<Response/>", []),
        ("text/xml", "<Response><Message><Body>One</Body></Message><Message>Two</Message></Response>", ["One", "Two"]),
        ("text/plain", "ok", ["ok"]),  # a common mistake: a plain-text response is sent to the customer
        ("text/plain", "", []),
        ("text/html", "<p>ok</p>", []),
        ("text/xml", "<Broken", []),
        ("text/xml", "<Other><Message>No</Message></Other>", []),
    ],
)
async def test_the_carrier_does_what_the_webhook_responds(
    sim: Simulated, type: str, twiml: str, texts: list[str]
) -> None:
    sim.shop.type, sim.shop.twiml = type, twiml
    await sim.text("maya", "Hello?")
    await sim.shop.receives(1)
    async with asyncio.timeout(5):
        while not sim.carrier.calls:
            await sim.carrier.wait_for_change(sim.carrier.state.version, 5)
    (talk,) = (await sim.phone("maya"))["talks"]
    assert [item["body"] for item in talk["messages"] if not item["mine"]] == texts


async def test_a_failing_webhook_is_retried_as_its_address_asks(
    sim: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "RETRY_PAUSE_S", 0.01)
    sim.shop.answers = [503, 500, 200]
    await sim.text("maya", "Hello?")
    received = await sim.shop.receives(3)
    assert len({item.key for item in received}) == 1 and len({item.params["MessageSid"] for item in received}) == 1
    assert all(item.signed for item in received)
    sim.carrier.state.numbers[US].sms_url = f"{sim.shop.url}/texts"  # without an override a 500 is not retried
    sim.shop.answers = [500]
    await sim.text("maya", "Lost")
    await sim.shop.receives(4)
    async with asyncio.timeout(5):
        while sim.carrier.calls[-1].ok:
            await sim.carrier.wait_for_change(sim.carrier.state.version, 5)
    assert len(sim.shop.received) == 4


async def test_a_webhook_by_get_is_signed_over_its_address(sim: Simulated) -> None:
    sim.carrier.state.numbers[US].sms_method = "GET"
    sim.carrier.state.numbers[US].sms_url = f"{sim.shop.url}/texts?a=1"
    await sim.text("maya", "Hello & goodbye?")
    (received,) = await sim.shop.receives(1)
    assert received.signed and received.params["Body"] == "Hello & goodbye?" and received.params["a"] == "1"


# --- keywords that the carrier handles ------------------------------------------------------------------


async def test_the_carrier_answers_stop_and_blocks_texts_until_start(sim: Simulated) -> None:
    await sim.text("maya", "stop")
    (received,) = await sim.shop.receives(1)
    assert received.params["Body"] == "stop", "the shop must receive the keyword, too"
    phone = await sim.phone("maya")
    reply = phone["talks"][0]["messages"][-1]["body"]
    assert phone["blocked"] == [US] and reply.startswith("NETWORK MSG:") and reply.endswith("receive messages again.")
    with pytest.raises(TwilioRestException) as refused:
        await send(sim)
    assert (refused.value.code, refused.value.status) == (21610, 400)
    await send(sim, sender=GB)  # the block is for one number only
    await sim.text("maya", "UNSTOP")
    assert (await sim.phone("maya"))["blocked"] == []
    assert (await send(sim)).status == "queued"


async def test_each_kind_of_number_has_its_own_keywords(sim: Simulated) -> None:
    await sim.text("arthur", "Unsubscribe ", GB)
    await sim.text("arthur", "HELP", GB)  # no response to somebody who opted out
    assert [item["mine"] for item in (await sim.phone("arthur"))["talks"][0]["messages"]] == [True, False, True]
    await sim.text("arthur", "yes", GB)
    await sim.text("arthur", "info", GB)
    messages = (await sim.phone("arthur"))["talks"][0]["messages"]
    assert [message["mine"] for message in messages] == [True, False, True, True, False, True, False]
    assert (await sim.phone("arthur"))["blocked"] == []
    for word in ("UNSUBSCRIBE", "HELP", "please stop", "STOP!"):
        await sim.text("maya", word)
    assert (await sim.phone("maya"))["blocked"] == [], "only three exact words must be keywords of toll-free numbers"
    assert all(item["mine"] for item in (await sim.phone("maya"))["talks"][0]["messages"])


# --- every fault switch ---------------------------------------------------------------------------------


async def test_switch_undelivered_and_filtered(sim: Simulated) -> None:
    for outcome, code in (("undelivered", "30003"), ("filtered", "30007")):
        await sim.switch(outcome=outcome)
        sim.shop.received.clear()
        message = await send(sim, status_callback=f"{sim.shop.url}/status")
        received = await sim.shop.receives(2)
        assert [(item.params["MessageStatus"], item.params.get("ErrorCode")) for item in received] == [
            ("sent", None),
            ("undelivered", code),
        ]
        async with sim.async_client() as client:
            fetched = await client.messages(message.sid).fetch_async()
        assert (fetched.status, fetched.error_code, bool(fetched.error_message)) == ("undelivered", int(code), True)
    assert (await sim.phone("maya"))["talks"] == [], "an undelivered text must not reach the phone"


async def test_switch_no_report_after_sent(sim: Simulated) -> None:
    await sim.switch(outcome="sent")
    message = await send(sim, status_callback=f"{sim.shop.url}/status")
    (received,) = await sim.shop.receives(1)
    assert received.params["MessageStatus"] == "sent" and sim.carrier.state.messages[message.sid].status == "sent"
    assert (await sim.phone("maya"))["talks"][0]["messages"]


async def test_switch_slow(sim: Simulated) -> None:
    await sim.switch(pace="slow")
    loop = asyncio.get_running_loop()
    started = loop.time()
    await send(sim, status_callback=f"{sim.shop.url}/status")
    await sim.shop.receives(2)
    assert loop.time() - started >= 20 * 0.03


async def test_switch_429_accepts_nothing(sim: Simulated) -> None:
    await sim.switch(answer="too_many")
    with pytest.raises(TwilioRestException) as refused:
        await send(sim)
    assert (refused.value.status, refused.value.code) == (429, 20429)
    assert not sim.carrier.state.messages
    path = f"/simulator/twilio/2010-04-01/Accounts/{sim.carrier.account.sid}/Messages.json"
    account = sim.carrier.account
    basic = {"authorization": "Basic " + b64encode(f"{account.sid}:{account.token}".encode()).decode()}
    assert (await sim.online.send("POST", path, raw=b"To=x", headers=basic)).headers["retry-after"] == "1"


async def test_switches_timeout_and_500_accept_the_message_anyway(sim: Simulated) -> None:
    await sim.switch(answer="timeout")
    async with sim.async_client(within=0.3) as client:
        with pytest.raises(TimeoutError):
            await client.messages.create_async(to=MAYA, from_=US, body="taken 1")
    await sim.switch(answer="broken")
    with pytest.raises(TwilioRestException) as broken:
        await send(sim, body="taken 2")
    assert broken.value.status == 500
    message_count = len(sim.carrier.state.messages)
    await sim.switch(answer="lost")
    with pytest.raises(TwilioRestException) as error:
        await send(sim, body="lost")
    assert error.value.status == 500 and len(sim.carrier.state.messages) == message_count
    assert [message.body for message in sim.carrier.state.messages.values()] == ["taken 1", "taken 2"]


async def test_switch_reports_twice(sim: Simulated) -> None:
    await sim.switch(callbacks_twice=True)
    await send(sim, status_callback=f"{sim.shop.url}/status")
    received = await sim.shop.receives(4)
    assert [item.params["MessageStatus"] for item in received] == ["sent", "sent", "delivered", "delivered"]


async def test_switch_reports_out_of_order_one_before_the_response(sim: Simulated) -> None:
    await sim.switch(callbacks_shuffled=True)
    before: list[int] = []
    async with sim.async_client() as client:
        message = await client.messages.create_async(
            to=MAYA, from_=US, body="x", status_callback=f"{sim.shop.url}/status"
        )
        before.append(len(sim.shop.received))
    received = await sim.shop.receives(3)
    assert before == [1] and [item.params["MessageStatus"] for item in received] == ["sent", "delivered", "sent"]
    assert {item.params["MessageSid"] for item in received} == {message.sid}
    await sim.switch(outcome="undelivered")
    sim.shop.received.clear()
    await send(sim, status_callback=f"{sim.shop.url}/status")
    assert [receive.params["MessageStatus"] for receive in await sim.shop.receives(3)] == [
        "sent",
        "undelivered",
        "sent",
    ]


async def test_switch_texts_reported_twice_with_one_idempotency_token(sim: Simulated) -> None:
    await sim.switch(webhooks_twice=True)
    await sim.text("maya", "Hello?")
    first, second = await sim.shop.receives(2)
    assert first.params == second.params and first.key == second.key and first.signed and second.signed


async def test_a_late_message_expires(sim: Simulated) -> None:
    sim.carrier._pace = type(sim.carrier._pace)(sent=0.05, delivered=0.01, slow=1)
    await send(
        sim,
        validity_period=5,
        status_callback=f"{sim.shop.url}/status",
        messaging_service_sid=sim.carrier.account.service,
    )
    await sim.online.world.advance(seconds=10)
    received = await sim.shop.receives(2)
    assert (received[1].params["MessageStatus"], received[1].params["ErrorCode"]) == ("failed", "30036")


# --- the shop's pictures ---------------------------------------------------------------------------------


async def test_the_carrier_fetches_a_picture_only_from_the_shop(sim: Simulated) -> None:
    await sim.switch()
    for url, code in (
        ("https://stranger.example/x.png", "63019"),
        (f"{sim.online.url}/nothing.png", "63019"),
        (f"{sim.online.url}/healthz", "12300"),
    ):
        sim.shop.received.clear()
        await send(sim, media_url=[url], status_callback=f"{sim.shop.url}/status")
        (received,) = await sim.shop.receives(1)
        assert (received.params["MessageStatus"], received.params["ErrorCode"]) == ("failed", code)
    sid = await sim.text("maya", "look", US, [{"type": "image/png", "data": b64encode(png()).decode()}])
    picture = sim.carrier.state.messages[sid].pictures[0].sid
    sim.shop.received.clear()
    message = await send(sim, media_url=[f"{sim.base}/cdn/{sid}/{picture}"], status_callback=f"{sim.shop.url}/status")
    assert message.sid.startswith("MM") and message.num_media == "1"
    await sim.shop.receives(2)
    (talk,) = (await sim.phone("maya"))["talks"]
    (shown,) = talk["messages"][-1]["pictures"]
    response = await sim.online.get(f"/phone/pictures/{shown}")
    assert response.body == png() and response.headers["content-type"] == "image/png"
