"""Quick replies, from the settings to the customer's phone (SET-8)."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import People
from tests.browser.phone import connect_carrier, phone
from tests.browser.test_sms import record_consent

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_quick_reply_is_added_found_with_a_slash_edited_and_sent_by_text(people: People) -> None:
    await connect_carrier(people)
    people.watch.forgive(r"status of 422")  # of the wrong shortcut
    sam = await people.agent("ana", "/settings/inbox#quick")
    page = sam.page
    await page.get_by_role("button", name="Add quick reply").first.click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Shortcut").fill("two words")
    await form.get_by_label("Text").fill("Hello ")
    await form.get_by_role("button", name="First name").click()
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_text("Use letters, digits, - and _, without spaces.")).to_be_visible()
    await form.get_by_label("Shortcut").fill("hours")
    await expect(form.get_by_label("Text")).to_have_value('Hello {{ first_name|default("there") }}')
    await form.get_by_label("Text").press_sequentially("! We open at nine.")
    assert await serious(page) == []
    await form.get_by_role("button", name="Save").click()
    row = page.get_by_role("list", name="Quick replies").get_by_role("listitem")
    await expect(row.filter(has_text="/hours")).to_be_visible()

    maya, desk = await phone(people, "maya"), await people.agent("ana")
    await maya.texts("quick: when do you open?")
    await desk.row("quick: when do you open?").click()
    await expect(desk.bubble("quick: when do you open?")).to_be_visible()
    await record_consent(people, desk, "maya")
    await expect(desk.box).to_be_visible()
    menu = desk.page.get_by_role("listbox", name="Quick replies")
    await desk.box.press_sequentially("/ho")
    await expect(menu.get_by_role("option", name="/hours")).to_have_attribute("aria-selected", "true")
    preview = desk.page.locator("[data-quick-preview]")
    await expect(preview).to_have_text(re.compile(r"^Hello \w+! We open at nine\.$"))
    await expect(desk.page.get_by_text(re.compile(r"^(29|3\d)\s/\s160\s·\s1\ssegment"))).to_be_visible()
    assert await serious(desk.page) == []
    await desk.box.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(desk.box).to_have_value("/ho")
    await desk.box.fill("")
    await desk.box.press_sequentially("/zzz")
    await expect(desk.page.get_by_text("No quick reply matches “zzz”.")).to_be_visible()
    await desk.box.fill("")
    await desk.box.press_sequentially("/HO")
    await expect(menu).to_be_visible()
    await desk.box.press("Enter")
    await expect(desk.box).to_have_value(re.compile(r"^Hello \w+! We open at nine\.$"))
    await expect(menu).to_have_count(0)
    await desk.box.press_sequentially(" See you!")
    await desk.box.press("Enter")
    sent = re.compile(r"^Hello \w+! We open at nine\. See you!$")
    await expect(desk.log.get_by_text(sent)).to_be_visible()
    await expect(maya.page.get_by_text(sent)).to_be_visible()

    # The button inserts at the cursor of a text that has begun.
    await desk.box.fill("PS: ")
    await desk.page.get_by_role("button", name="Quick replies", exact=True).click()
    await menu.get_by_role("option", name="/hours").click()
    await expect(desk.box).to_have_value(re.compile(r"^PS: Hello \w+! We open at nine\.$"))
    await desk.box.fill("")


async def test_web_chat_offers_quick_replies_only_after_its_setting_is_on(people: People) -> None:
    console = people.site.console
    olga = await people.agent("olga", "/settings/account")
    api, origin = olga.page.context.request, {"origin": console}
    added = await api.post(
        f"{console}/api/quick-replies", data={"shortcut": "chat-only", "text": "From the list"}, headers=origin
    )
    assert added.ok, await added.text()
    visitor, desk = await people.visitor(), await people.agent("ana")
    await visitor.says("quick chat: hello")
    await desk.opens("quick chat: hello")
    option = desk.page.get_by_role("option", name="/chat-only")
    async with desk.page.expect_response("**/api/quick-replies"):
        await desk.box.press_sequentially("/chat")
    await expect(option).to_have_count(0)

    async def switch(on: bool) -> None:
        form = await (await api.get(f"{console}/api/inbox/settings")).json()
        saved = await api.put(
            f"{console}/api/inbox/settings", data=form | {"quick_replies_webchat": on}, headers=origin
        )
        assert saved.ok, await saved.text()

    await switch(True)
    try:
        await expect(option).to_be_visible()
        await desk.box.press("Tab")
        await expect(desk.box).to_have_value("From the list")
    finally:
        await switch(False)
        await desk.box.fill("")
