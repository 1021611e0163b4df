"""People with phones: the Phone page of the simulated carrier, and a site that is connected to it."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

from server.simulator.carrier import NUMBERS
from server.simulator.state import BY_NUMBER, PEOPLE
from tests.browser.people import People
from tests.browser.site import Site

TOLL_FREE = next(number.address for number in NUMBERS if number.kind == "toll_free")


class Phone:
    """One of the three people. Tests share their numbers, so a test finds its texts by their words."""

    def __init__(self, site: Site, page: Page, person: str) -> None:
        self.site, self.page, self.person = site, page, person
        self.number = next(each_person.number for each_person in PEOPLE if each_person.id == person)

    async def picks_up(self) -> Phone:
        await self.page.goto(f"{self.site.phone}#{self.person}")
        await expect(self.box).to_be_enabled()
        return self

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Text message")

    @property
    def talk(self) -> Locator:
        return self.page.get_by_role("log", name="Messages")

    async def texts(self, *words: str) -> None:
        for text in words:
            await self.box.fill(text)
            await self.box.press("Enter")
            await expect(self.message(text).last).to_be_visible()

    def message(self, text: str) -> Locator:
        """A message of either side that contains this text."""
        return self.talk.locator(".said").filter(has_text=text)

    async def misbehaves(self, **switches: Any) -> None:
        """Sets the carrier's fault switches; all others are set to normal."""
        orderly = {"pace": "normal", "outcome": "delivered", "answer": "normal"}
        off = dict.fromkeys(("callbacks_twice", "callbacks_shuffled", "webhooks_twice"), False)
        answer = await self.page.context.request.put(
            f"{self.site.phone}/switches",
            data=orderly | off | switches,
            headers={"origin": self.site.console, "content-type": "application/json"},
        )
        assert answer.ok, await answer.text()


async def phone(people: People, person: str = "maya", **options: Any) -> Phone:
    context = await people.context(**options)
    return await Phone(people.site, await context.new_page(), person).picks_up()


def name_of(number: str) -> str:
    return BY_NUMBER[number].name


async def connect_carrier(people: People) -> None:
    """Connects the simulated carrier and its numbers, as an owner does in Settings → SMS. May be called again."""
    site = people.site
    desk = await people.agent("olga", "/settings/account")

    async def call(method: str, path: str, body: dict[str, Any] | None = None, *, repeatable: bool = False) -> Any:
        answer = await desk.page.context.request.fetch(
            site.console + path, method=method, data=body, headers={"origin": site.console}
        )
        assert answer.ok or (repeatable and answer.status == 409), await answer.text()
        return await answer.json()

    sid, token = site.carrier_account()
    version = (await call("GET", "/api/sms/settings"))["version"]
    settings = {"on": True, "account_sid": sid, "auth_token": token, "version": version}
    await call("PUT", "/api/sms/settings", settings)
    for number in NUMBERS:
        body = {"address": number.address, "kind": number.kind, "country": number.country}
        await call("POST", "/api/sms/senders", body, repeatable=True)
    await desk.page.context.close()
