"""The panel beside a thread: consents of every channel, where the customer is, and what they did."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People
from tests.browser.phone import phone
from tests.browser.test_notifications import save_screenshot
from tests.browser.test_sms import open_ticket

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def subscribe(people: People, desk: Desk) -> None:
    """The owner records a consent of the customer whose ticket is open."""
    ticket = desk.page.url.rpartition("/")[2].partition("?")[0]
    found = await desk.page.request.get(f"{desk.site.console}/api/tickets/{ticket}")
    contact = (await found.json())["ticket"]["contact"]["id"]
    olga = await people.agent("olga", "/settings/account")
    recorded = await olga.page.request.post(
        f"{desk.site.console}/api/contacts/{contact}/consents",
        data={"purpose": "sms_marketing", "status": "subscribed", "reason": "asked at the counter"},
        headers={"origin": desk.site.console},
    )
    assert recorded.ok, await recorded.text()


async def test_inb_54_activity_is_filtered_by_kind_and_opens_its_details(people: People) -> None:
    maya = await phone(people, "maya")
    await maya.texts("activity: does the kettle whistle?")
    desk = await open_ticket(people, "activity: does the kettle whistle?")
    await subscribe(people, desk)
    await desk.page.reload()
    side = desk.page.get_by_role("region", name="Details")
    await expect(side.get_by_role("heading", name="Activity")).to_be_visible()
    events = side.locator("details")
    await expect(events.filter(has_text="Wrote to us").first).to_be_visible()
    await side.get_by_role("combobox", name="Show").select_option("Subscribed")
    subscribed = events.filter(has_text="Subscribed").first
    await expect(subscribed).to_contain_text("SMS marketing")
    await expect(events.filter(has_text="Wrote to us")).to_have_count(0)
    await subscribed.locator("summary").click()
    await expect(subscribed.get_by_text("How", exact=True)).to_be_visible()
    await subscribed.scroll_into_view_if_needed()
    await save_screenshot(desk.page, "activity")
    assert await serious(desk.page) == []

    await side.get_by_role("combobox", name="Show").select_option("Wrote to us")
    wrote = events.filter(has_text="Wrote to us").first
    await wrote.locator("summary").click()
    await wrote.get_by_role("link", name="Open in the conversation").click()
    await expect(desk.log.get_by_text("activity: does the kettle whistle?")).to_be_visible()
    await desk.page.emulate_media(color_scheme="dark")
    await save_screenshot(desk.page, "activity-dark")


async def test_inb_53_a_chat_shows_consents_and_the_visitors_local_time(people: People) -> None:
    visitor = await people.visitor()
    await visitor.says("panel: what time is it there?")
    desk = await people.agent("ana")
    await desk.opens("panel: what time is it there?")
    side = desk.page.get_by_role("region", name="Details")
    await expect(side.get_by_text("SMS marketing").first).to_be_visible()
    await expect(side.get_by_text("Local time")).to_be_attached()
