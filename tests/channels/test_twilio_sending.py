"""The request that sends a text equals the one the SDK would send; responses are classified."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from server.channels.base import Accepted, Sent, Text, Unclear
from server.channels.twilio_sms import TwilioSms, connect

SID, SERVICE = "AC" + "1" * 32, "MG" + "2" * 32
TEXT = Text("+12025550143", "+18885550199", "Zażółć & 100 % 🫖\n", (), "https://desk.example/webhooks?m=a.1", 600)
WITH_PICTURES = Text(TEXT.recipient, "", "", ("https://desk.example/files/1", "https://desk.example/files/2"))


@asynccontextmanager
async def recording_channel(answer: bytes, service: str = "") -> AsyncIterator[tuple[TwilioSms, list[Any]]]:
    """Returns a channel and a list that collects its requests: method, address, headers and form."""
    received: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        form = parse_qsl(await request.text(), keep_blank_values=True)
        received.append((request.method, request.raw_path, sorted(request.headers.items()), sorted(form)))
        return web.Response(status=201, body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    channel = connect(SID, SID, "token", service, f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield channel, received
    finally:
        await channel.close()
        await runner.cleanup()


def without_length(request: Any) -> Any:
    """Removes the content length, because the SDK may write the form's fields in another order."""
    method, path, headers, form = request
    return method, path, [header for header in headers if header[0].lower() != "content-length"], form


@pytest.mark.parametrize(
    ("text", "service", "expected"),
    [
        (
            TEXT,
            "",
            {
                "to": TEXT.recipient,
                "from_": TEXT.sender,
                "body": TEXT.body,
                "status_callback": TEXT.callback,
                "validity_period": 600,
            },
        ),
        (
            WITH_PICTURES,
            SERVICE,
            {
                "to": TEXT.recipient,
                "body": "",
                "media_url": list(WITH_PICTURES.media),
                "messaging_service_sid": SERVICE,
            },
        ),
    ],
)
async def test_a_text_is_sent_as_the_sdk_would_send_it(text: Text, service: str, expected: dict[str, Any]) -> None:
    async with recording_channel(b'{"sid": "SM1", "status": "accepted"}', service) as (channel, received):
        assert await channel.send(text) == Accepted("SM1", "accepted")
        await channel._sdk().messages.create_async(**expected)
    own_request, sdk_request = map(without_length, received)
    assert own_request == sdk_request


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (b'{"sid": "SM1", "status": null, "date_created": "no date"}', Accepted("SM1", "queued")),
        (b'{"status": "queued"}', Unclear("Twilio's answer named no message.")),
        (b'{"sid": 7}', Unclear("Twilio's answer named no message.")),
        (b"[]", Unclear("Twilio's answer could not be read (AttributeError).")),
        (b"<html>", Unclear("Twilio's answer could not be read (JSONDecodeError).")),
        (b"", Unclear("Twilio's answer could not be read (JSONDecodeError).")),
    ],
)
async def test_a_success_that_names_no_message_is_unclear(answer: bytes, sent: Sent) -> None:
    async with recording_channel(answer) as (channel, _):
        assert await channel.send(TEXT) == sent
