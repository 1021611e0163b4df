"""An agent names a contact: what the form refuses, and where the name appears."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from server.contacts.rules import shown_phone
from tests.browser.axe import serious
from tests.browser.people import People
from tests.browser.phone import phone
from tests.browser.test_sms import open_ticket

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_agent_names_a_contact_and_every_console_shows_it_immediately(people: People) -> None:
    people.watch.forgive(r"status of 422")
    arthur = await phone(people, "arthur")
    await arthur.texts("sms name: guess who")
    desk, colleague = await open_ticket(people, "sms name: guess who"), await people.agent("ben")
    side = desk.page.get_by_role("region", name="Details")
    # The number is shown formatted and copied in canonical form.
    shown_number = shown_phone(arthur.number)
    assert shown_number and shown_number != arthur.number
    await expect(side.get_by_text(shown_number).last).to_be_visible()
    await desk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await side.get_by_role("button", name="Copy: Phone").click()
    assert await desk.page.evaluate("navigator.clipboard.readText()") == arthur.number
    await side.get_by_role("button", name=re.compile("Add a name|Edit contact")).click()
    dialog = desk.page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("\u202e\u200f")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Enter a readable name.")).to_be_visible()
    await dialog.get_by_role("textbox", name="Name").fill("Arthur Dent")
    await dialog.get_by_role("textbox", name="E-mail").fill("arthur")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Enter a valid e-mail address.")).to_be_visible()
    assert await serious(desk.page) == []
    await dialog.get_by_role("textbox", name="E-mail").fill("arthur@shop.example")
    await dialog.get_by_role("button", name="Save").click()

    await expect(side.get_by_role("heading", name="Arthur Dent")).to_be_visible()
    await expect(side.get_by_text("arthur@shop.example")).to_be_visible()
    await expect(desk.log.get_by_text("Ana updated the contact: Arthur Dent, arthur@shop.example")).to_be_visible()
    # A colleague who looks at the list sees the name without a reload.
    await expect(colleague.row("sms name: guess who")).to_contain_text("Arthur Dent")
    # The audit log names the contact and links to it.
    boss = await people.agent("olga", "/settings/audit")
    line = boss.page.get_by_role("listitem").filter(has_text="Contact changed: Arthur Dent").first
    await expect(line).to_contain_text("name, e-mail")
    assert await serious(boss.page) == []
    await line.get_by_role("link", name="Arthur Dent").click()
    await expect(boss.log.get_by_text("sms name: guess who")).to_be_visible()
