"""A visitor who left gets the missed reply by e-mail, and its link leads back into the chat (FUP-3, FUP-4, FUP-7)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import serious
from tests.browser.people import People
from tests.browser.test_mail import mail_page, newest

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# The visitor counts as away after 45 s, and the shortest delay of the mail is a minute.
AWAY_MS, MAIL_MS = 120_000, 240_000
PICTURES = os.environ.get("FOLLOW_UP_PICTURES")


async def save_screenshot(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.mark.timeout(600)
async def test_a_missed_reply_is_mailed_and_its_link_leads_back_into_the_chat(own_people: People) -> None:
    people = own_people
    owner = await people.agent("olga", "/settings/inbox")
    await owner.page.get_by_label("From", exact=True).fill("shop@gmail.com")
    await expect(owner.page.get_by_text("free mailbox such as gmail.com")).to_be_visible()
    await save_screenshot(owner.page, "settings-general")
    await owner.page.get_by_label("From", exact=True).fill("help@shop.example")
    await owner.page.get_by_label("Reply-To", exact=True).fill("desk@shop.example")
    await owner.page.get_by_label("Minutes after the last reply").fill("1")
    await owner.page.get_by_role("button", name="Save").click()
    await expect(owner.page.get_by_text("Saved")).to_be_visible()

    zoe = await people.visitor()
    await zoe.opens_chat()
    await zoe.says("Where is my parcel?")
    await (await zoe.finds_frame()).get_by_placeholder("E-mail address").fill("zoe@customer.example")
    await (await zoe.finds_frame()).get_by_role("button", name="Save").click()
    ana = await people.agent("ana")
    await ana.opens("Where is my parcel?")
    await zoe.page.context.close()
    banner = ana.page.get_by_text("Left the site.")
    await expect(banner).to_be_visible(timeout=AWAY_MS)
    await expect(ana.page.get_by_text("Your reply will be e-mailed to z…@customer.example")).to_be_visible()
    await ana.replies("It arrives tomorrow.")
    await save_screenshot(ana.page, "banner-waiting")
    await expect(ana.page.get_by_text("Your reply was e-mailed to z…@customer.example")).to_be_visible(timeout=MAIL_MS)
    await save_screenshot(ana.page, "banner-sent")

    mails = await mail_page(people)
    await newest(mails, "zoe@customer.example")
    await save_screenshot(mails, "mail")
    link = str(await mails.get_by_role("article").get_by_text("/chat#").get_attribute("href"))
    phone = await (await people.context(viewport={"width": 390, "height": 844})).new_page()
    people.watch.follow(phone)
    await phone.goto(link)
    button = phone.get_by_role("button", name="Continue the chat")
    await expect(button).to_be_visible()
    await save_screenshot(phone, "return-gate")
    assert await serious(phone) == []
    # Opening the page is no return: the banner stays.
    await expect(banner).to_be_visible()
    assert "#" not in phone.url
    await button.click()
    await expect(phone.get_by_text("It arrives tomorrow.")).to_be_visible()
    await save_screenshot(phone, "returned")
    await expect(banner).to_be_hidden()
    await phone.get_by_placeholder("Write a message…").fill("Thank you!")
    await phone.keyboard.press("Enter")
    await expect(ana.bubble("Thank you!")).to_be_visible()
