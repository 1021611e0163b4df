"""Twilio's webhooks over the network: each text is stored and only then answered with `<Response/>` (G9)."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image
from twilio.request_validator import RequestValidator

from server.channels.base import Media
from server.channels.twilio_webhooks import NoText, parse_text
from server.consent import queries as consents
from server.errors import Busy, ChannelError
from server.schema import attachments, carrier_inbound, threads, timeline
from server.sms.settings import INBOX, InboxSettings, ShowMedia
from server.sms.webhooks import TEXTS
from server.web.webhooks import EMPTY
from tests.channels import payloads
from tests.online import Online
from tests.sms import PHONE, TOKEN, TOLL_FREE, open_sms

FORM = "application/x-www-form-urlencoded; charset=UTF-8"


async def post(online: Online, params: dict[str, str], *, token: str = TOKEN, **headers: str) -> int:
    """Posts the parameters as Twilio does; returns the status, after checking that Twilio would send no text because of
    the response."""
    signature = RequestValidator(token).compute_signature(online.url + TEXTS, params)
    sent = {"content-type": FORM, "x-twilio-signature": signature, **headers}
    async with online.http.post(online.url + TEXTS, data=urlencode(params), headers=sent) as answer:
        assert await answer.read() == EMPTY and answer.content_type == "text/xml"
        return answer.status


async def texts_shown(online: Online) -> list[str]:
    return [row.body for row in await online.world.rows(timeline, timeline.c.kind == "message")]


async def test_a_text_is_stored_with_every_parameter_and_shown_immediately(online: Online) -> None:
    await open_sms(online.world)
    ana = await online.agent("ana")
    assert await post(online, payloads.text()) == 200
    frame = await ana.receives("ticket")
    assert frame["ticket"]["channel"] == "sms" and frame["ticket"]["preview"] == "Where is my parcel?"
    assert frame["ticket"]["peer"] == PHONE and frame["ticket"]["sender"] == TOLL_FREE
    (row,) = await online.world.rows(carrier_inbound)
    assert row.params == payloads.text() and row.sid == payloads.SID and row.meaning == "plain"


async def test_a_repeat_and_a_replay_after_days_get_the_same_response_and_store_nothing(online: Online) -> None:
    await open_sms(online.world)
    token = {"i-twilio-idempotency-token": "b5c2f7a0-1111-4222-8333-444455556666"}
    assert await post(online, payloads.text("STOP"), **token) == 200
    entries_before = await online.world.count(timeline)
    await online.world.advance(hours=72)
    for headers in (token, {}):
        assert await post(online, payloads.text("STOP"), **headers) == 200
    assert await online.world.count(timeline) == entries_before


async def test_an_mms_has_a_placeholder_for_each_file_that_exists(online: Online) -> None:
    await open_sms(online.world)
    assert await post(online, payloads.mms(2)) == 200
    ninety_nine = payloads.mms(1, "MM" + "9" * 32, NumMedia="99") | {"MediaContentType0": ""}
    assert await post(online, ninety_nine) == 200
    rows = await online.world.rows(attachments)
    assert [(row.size, row.public, row.type) for row in rows] == [(0, False, "image/jpeg")] * 2 + [
        (0, False, "application/octet-stream")
    ]
    (entry, other) = await online.world.rows(timeline)
    assert [len(item.data["files"]) for item in (entry, other)] == [2, 1]


async def test_while_media_is_off_agents_see_only_that_files_exist(online: Online) -> None:
    await open_sms(online.world)
    ana = await online.agent("ana")
    assert await post(online, payloads.mms(2)) == 200
    (row,) = await online.world.rows(threads)
    page = (await ana.get(f"/api/threads/{row.id}/entries")).json()
    assert page["entries"][0]["data"] == {"origin": "sms", "media_hidden": 2}
    (file, _) = await online.world.rows(attachments)
    assert (await ana.get(f"/files/{file.token}")).status == 404


async def test_a_job_fetches_files_reencodes_them_and_shows_them_if_the_owner_wants(online: Online) -> None:
    """F28: a picture is shown after its text. A file that is no picture stays a placeholder; a failed fetch is
    retried."""
    fake = await open_sms(online.world)
    picture, fetches = _picture(), Counter[str]()

    async def fetch_media(url: str, max_bytes: int) -> tuple[bytes, str]:
        fetches[url] += 1
        if url.endswith("1"):
            return b"\xff\xd8\xff and no more", "image/jpeg"
        if url.endswith("2") and fetches[url] == 1:
            raise ChannelError("busy")
        return picture, "text/html"

    fake.fetch_media = fetch_media  # type: ignore[method-assign]
    assert await post(online, payloads.mms(3)) == 200
    await online.world.advance()
    await online.world.advance(minutes=1)
    assert list(fetches.values()) == [1, 1, 2], "a stored file must not be fetched again"
    rows = await online.world.rows(attachments)
    assert [(row.size > 0, row.type) for row in rows] == [
        (True, "image/png"),
        (False, "image/jpeg"),
        (True, "image/png"),
    ]
    media = [row for row in await online.world.rows(timeline) if row.kind == "media"]
    assert [(row.ref_seq, row.public_seq, len(row.data["files"])) for row in media] == [(1, None, 3)] * 2
    assert media[0].data["lost"] == [rows[1].token]
    ana = await online.agent("ana")
    await online.world.app.write(INBOX.save, InboxSettings(show_media=ShowMedia(sms=True)))
    response = await ana.get(f"/files/{rows[0].token}")
    assert response.status == 200 and response.headers["content-type"] == "image/png"
    assert (await ana.get(f"/files/{rows[1].token}")).status == 404
    guest = await online.visitor()
    assert (
        await online.send("GET", f"/files/{rows[0].token}", headers={"authorization": f"Bearer {guest.token}"})
    ).status == 404
    page = (await ana.get(f"/api/threads/{rows[0].thread_id}/entries")).json()
    assert len(page["entries"][0]["data"]["files"]) == 3


def _picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (9, 7), "green").save(buffer, "PNG")
    return buffer.getvalue()


async def test_the_carriers_own_opt_out_is_recorded(online: Online) -> None:
    await open_sms(online.world)
    assert await post(online, payloads.opt_out("STOP", "Stop")) == 200
    result = await online.app.read(consents.suppression, "sms", PHONE)
    assert result is not None and result.reason == "gateway"


async def test_whatsapp_is_stored_as_another_channel_and_is_no_phone(online: Online) -> None:
    await open_sms(online.world)
    assert await post(online, payloads.whatsapp()) == 200
    (row,) = await online.world.rows(threads)
    assert row.peer == f"whatsapp:{PHONE}" and await texts_shown(online) == ["Hola"]


# --- texts that cannot be stored (`tests/edge/cases/webhooks.py` has those that are refused) ----------------


async def test_a_text_that_cannot_be_stored_gets_503_and_is_stored_when_retried(
    online: Online, monkeypatch: Any
) -> None:
    await open_sms(online.world)
    original = online.app.write_joined

    async def busy(step: Any, *args: Any, **more: Any) -> Any:
        raise Busy()

    monkeypatch.setattr(online.app, "write_joined", busy)
    assert await post(online, payloads.text()) == 503
    monkeypatch.setattr(online.app, "write_joined", original)
    assert await texts_shown(online) == []
    assert await post(online, payloads.text()) == 200
    assert await texts_shown(online) == ["Where is my parcel?"]


async def test_a_wrong_signature_causes_no_database_query(online: Online, monkeypatch: Any) -> None:
    await open_sms(online.world)
    assert await post(online, payloads.text()) == 200  # this loads the settings into the cache
    statements: list[Any] = []
    monkeypatch.setattr(online.app.db, "read", lambda *args: statements.append(args))
    monkeypatch.setattr(online.app.db, "write", lambda *args, **more: statements.append(args))
    assert await post(online, payloads.text(), token="wrong") == 403
    assert statements == []


# --- parsing ----------------------------------------------------------------------------------------------


def test_files_are_ordered_by_number_and_not_by_name() -> None:
    params = payloads.text() | {f"MediaUrl{n}": f"https://api.twilio.com/{n}" for n in (0, 2, 9)}
    text = parse_text(params, {})
    assert not isinstance(text, NoText)
    assert text.media == tuple(Media(f"https://api.twilio.com/{n}", "") for n in (0, 2, 9))


@pytest.mark.parametrize(("raw", "country"), [("us", "US"), ("", ""), ("USA", ""), ("Ü1", "")])
def test_a_country_that_is_not_two_letters_is_dropped(raw: str, country: str) -> None:
    text = parse_text(payloads.text() | {"FromCountry": raw}, {})
    assert not isinstance(text, NoText) and text.country == country
