"""What a text looks like on its way to Twilio: as the SDK's own function would send it; and what answers mean."""

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
async def listening(answer: bytes, service: str = "") -> AsyncIterator[tuple[TwilioSms, list[Any]]]:
    """A channel, and what it asks for: method, address, headers and form."""
    heard: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        form = parse_qsl(await request.text(), keep_blank_values=True)
        heard.append((request.method, request.raw_path, sorted(request.headers.items()), sorted(form)))
        return web.Response(status=201, body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    channel = connect(SID, SID, "token", service, f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield channel, heard
    finally:
        await channel.close()
        await runner.cleanup()


def but_length(request: Any) -> Any:
    """The SDK may write the form's fields in another order."""
    method, path, headers, form = request
    return method, path, [header for header in headers if header[0].lower() != "content-length"], form


@pytest.mark.parametrize(
    ("text", "service", "wanted"),
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
async def test_a_text_leaves_as_the_sdks_own_function_would_send_it(
    text: Text, service: str, wanted: dict[str, Any]
) -> None:
    async with listening(b'{"sid": "SM1", "status": "accepted"}', service) as (channel, heard):
        assert await channel.send(text) == Accepted("SM1", "accepted")
        await channel._opened().messages.create_async(**wanted)
    ours, theirs = map(but_length, heard)
    assert ours == theirs


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
    async with listening(answer) as (channel, _):
        assert await channel.send(TEXT) == sent
