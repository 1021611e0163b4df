"""Somebody with a telephone: the Phone page of the stand-in carrier, and a site that is connected to it."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

from server.simulator.carrier import NUMBERS
from server.simulator.state import BY_NUMBER, PEOPLE
from tests.browser.people import Desk, People
from tests.browser.site import Site

TOLL_FREE = next(one.address for one in NUMBERS if one.kind == "toll_free")


class Phone:
    """One of the three people. Their number is theirs for the whole run: a test finds its texts by its own words."""

    def __init__(self, site: Site, page: Page, person: str) -> None:
        self.site, self.page, self.person = site, page, person
        self.number = next(one.number for one in PEOPLE if one.id == person)

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
            await expect(self.said(text).last).to_be_visible()

    def said(self, text: str) -> Locator:
        """A message of either side, by its words."""
        return self.talk.locator(".said").filter(has_text=text)

    async def misbehaves(self, **switches: Any) -> None:
        """The carrier, as its switches say; what is not named is in order."""
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


async def owner(people: People) -> Desk:
    return await people.agent("olga", "/settings/sms")


async def connect(people: People) -> None:
    """As an owner does it in Settings → SMS: the account of the stand-in carrier, and its numbers. Again is harmless."""
    site = people.site
    desk = await people.agent("olga", "/settings/account")

    async def call(method: str, path: str, body: dict[str, Any]) -> None:
        answer = await desk.page.context.request.fetch(
            site.console + path, method=method, data=body, headers={"origin": site.console}
        )
        assert answer.ok or answer.status == 409, await answer.text()

    sid, token = site.carrier_account()
    await call("PUT", "/api/sms/settings", {"on": True, "account_sid": sid, "auth_token": token})
    for number in NUMBERS:
        body = {"address": number.address, "kind": number.kind, "country": number.country}
        await call("POST", "/api/sms/senders", body)
    await desk.page.context.close()
