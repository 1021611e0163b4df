"""The simulated carrier on a real socket, and a shop that records the webhooks it receives, for tests with the real SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aiohttp import web
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from server.simulator import account, carrier
from server.simulator.carrier import Carrier, Pace
from tests.online import Online, open_online

FAST = Pace(sent=0.01, delivered=0.02, slow=20.0)


@dataclass
class ReceivedWebhook:
    """One webhook, as a shop gets it."""

    path: str
    params: dict[str, str]
    key: str
    signed: bool  # by the SDK's own validator


@dataclass
class Shop:
    """A shop's server that receives webhooks. `answers`: statuses to return first; later ones are 200 with `twiml`."""

    url: str = ""
    token: str = ""
    received: list[ReceivedWebhook] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    twiml: str = "<Response/>"
    type: str = "text/xml"
    hold_s: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        params = {name: str(value) for name, value in (await request.post()).items()}
        valid = RequestValidator(self.token).validate(
            self.url + request.raw_path, params, request.headers.get("X-Twilio-Signature", "")
        )
        key = request.headers.get("I-Twilio-Idempotency-Token", "")
        self.received.append(ReceivedWebhook(request.path, params | dict(request.query), key, valid))
        self._news.set()
        if self.hold_s:
            await asyncio.sleep(self.hold_s)
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, text=self.twiml if status == 200 else "no", content_type=self.type)

    async def receives(self, count: int) -> list[ReceivedWebhook]:
        async with asyncio.timeout(10):
            while len(self.received) < count:
                self._news.clear()
                await self._news.wait()
        return self.received


@asynccontextmanager
async def open_shop(token: str) -> AsyncIterator[Shop]:
    shop = Shop(token=token)
    server = web.Application()
    server.router.add_route("*", "/{rest:.*}", shop.take)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield shop
    finally:
        await runner.cleanup()


class _BaseUrl(TwilioHttpClient):
    """Replaces only the base URL in the SDK's requests."""

    def __init__(self, base: str, **options: Any) -> None:
        super().__init__(**options)
        self._base = base

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        return super().request(method, with_base_url(url, self._base), *args, **options)


class _AsyncBaseUrl(AsyncTwilioHttpClient):
    def __init__(self, base: str, **options: Any) -> None:
        super().__init__(**options)
        self._base = base

    async def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        # The asynchronous SDK client ignores the timeout it was created with and would wait for ever.
        options["timeout"] = options.get("timeout") or self.timeout
        return await super().request(method, with_base_url(url, self._base), *args, **options)


def with_base_url(url: str, base: str) -> str:
    base_parts, url_parts = urlsplit(base), urlsplit(url)
    return urlunsplit(
        (base_parts.scheme, base_parts.netloc, base_parts.path + url_parts.path, url_parts.query, url_parts.fragment)
    )


@dataclass
class Simulated:
    online: Online
    shop: Shop

    @property
    def carrier(self) -> Carrier:
        return carrier.of(self.online.app)

    @property
    def base(self) -> str:
        return account.base_url(self.online.app.settings)

    def client(self, token: str | None = None) -> Client:
        """The real SDK, synchronous: call it in a thread, or it would block the loop that serves it."""
        own_account = self.carrier.account
        return Client(own_account.sid, token or own_account.token, http_client=_BaseUrl(self.base, timeout=5))

    @asynccontextmanager
    async def async_client(self, within: float = 5.0) -> AsyncIterator[Client]:
        own_account = self.carrier.account
        async with _AsyncBaseUrl(self.base, timeout=within) as http:
            yield Client(own_account.sid, own_account.token, http_client=http)

    async def switch(self, **values: Any) -> None:
        state = self.carrier.state
        state.switches = state.switches.model_copy(update=values)

    async def text(self, person: str, body: str, to: str = "+18885550199", pictures: list[Any] | None = None) -> str:
        fields = {"person": person, "to": to, "body": body, "pictures": pictures or []}
        answer = await self.online.send("POST", "/phone/text", fields)
        assert answer.status == 201, answer.body
        return str(answer.json()["sid"])

    async def phone(self, person: str) -> dict[str, Any]:
        state = (await self.online.get("/phone/state")).json()
        return next(item for item in state["people"] if item["id"] == person)


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[Simulated]:
    """A development server with its stand-in carrier, whose numbers report to a shop of the test."""
    async with open_online(folder, mode="development", demo_url="http://demo.test") as online:
        stand_in = carrier.of(online.app)
        stand_in._pace = FAST
        async with open_shop(stand_in.account.token) as shop:
            for number in stand_in.state.numbers.values():
                number.sms_url = f"{shop.url}/texts#rc=3&rp=all"
            yield Simulated(online, shop)
