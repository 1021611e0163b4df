"""The simulated carrier on a real socket, and a shop that writes down what it is told, for tests with the real SDK."""

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
class Heard:
    """One webhook, as a shop gets it."""

    path: str
    params: dict[str, str]
    key: str
    signed: bool  # the SDK's own validator says so


@dataclass
class Shop:
    """A server of its own that takes webhooks. `answers`: statuses to give first; then 200 with `twiml`."""

    url: str = ""
    token: str = ""
    heard: list[Heard] = field(default_factory=list)
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
        self.heard.append(Heard(request.path, params | dict(request.query), key, valid))
        self._news.set()
        if self.hold_s:
            await asyncio.sleep(self.hold_s)
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, text=self.twiml if status == 200 else "no", content_type=self.type)

    async def hears(self, count: int) -> list[Heard]:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        return self.heard


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


class _Here(TwilioHttpClient):
    """As INTEGRATIONS 9 says: another base, everything else as the SDK does it."""

    def __init__(self, base: str, **options: Any) -> None:
        super().__init__(**options)
        self._base = base

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        return super().request(method, moved(url, self._base), *args, **options)


class _AsyncHere(AsyncTwilioHttpClient):
    def __init__(self, base: str, **options: Any) -> None:
        super().__init__(**options)
        self._base = base

    async def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        # The asynchronous client forgets the time-out it was made with, and then waits for ever.
        options["timeout"] = options.get("timeout") or self.timeout
        return await super().request(method, moved(url, self._base), *args, **options)


def moved(url: str, base: str) -> str:
    here, there = urlsplit(base), urlsplit(url)
    return urlunsplit((here.scheme, here.netloc, here.path + there.path, there.query, there.fragment))


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
        """The real SDK, synchronous: call it in a thread, or it would wait for the loop it stands on."""
        mine = self.carrier.account
        return Client(mine.sid, token or mine.token, http_client=_Here(self.base, timeout=5))

    @asynccontextmanager
    async def async_client(self, within: float = 5.0) -> AsyncIterator[Client]:
        mine = self.carrier.account
        async with _AsyncHere(self.base, timeout=within) as http:
            yield Client(mine.sid, mine.token, http_client=http)

    async def switch(self, **values: Any) -> None:
        state = self.carrier.state
        state.switches = state.switches.model_copy(update=values)

    async def text(self, person: str, body: str, to: str = "+18885550199", pictures: list[Any] | None = None) -> str:
        said = {"person": person, "to": to, "body": body, "pictures": pictures or []}
        answer = await self.online.send("POST", "/phone/text", said)
        assert answer.status == 201, answer.body
        return str(answer.json()["sid"])

    async def phone(self, person: str) -> dict[str, Any]:
        state = (await self.online.get("/phone/state")).json()
        return next(one for one in state["people"] if one["id"] == person)


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[Simulated]:
    """A development server with its carrier, whose numbers report to a shop of the test's."""
    async with open_online(folder, mode="development", demo_url="http://demo.test") as online:
        one = carrier.of(online.app)
        one._pace = FAST
        async with open_shop(one.account.token) as shop:
            for number in one.state.numbers.values():
                number.sms_url = f"{shop.url}/texts#rc=3&rp=all"
            yield Simulated(online, shop)
