"""The bell lists what happened, follows what arrives, and each person chooses what they are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import serious
from tests.browser.people import People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def save_screenshot(page: Page, name: str) -> None:
    """Saves a screenshot if the environment variable SHOTS names a folder."""
    if folder := os.environ.get("SHOTS"):
        await page.screenshot(path=str(Path(folder) / f"{name}.png"))


async def test_the_bell_shows_a_new_ticket_at_once_and_opens_it(own_people: People) -> None:
    desk = await own_people.agent("ana", "/settings/account")
    bell = desk.page.get_by_role("button", name="Notifications")
    visitor = await own_people.visitor()
    await visitor.says("bell: is anybody there?")
    await expect(bell).to_contain_text("1 new notification")
    await bell.click()
    opened = desk.page.get_by_role("dialog", name="Notifications")
    row = opened.get_by_role("link", name="New ticket")
    await expect(row).to_contain_text("Chat")
    await expect(bell).not_to_contain_text("new notification")
    await expect(row).to_contain_text("New"), "it stays marked while the list is open"
    assert await serious(desk.page) == []
    await save_screenshot(desk.page, "bell")
    await desk.page.emulate_media(color_scheme="dark")
    await save_screenshot(desk.page, "bell-dark")
    await row.click()
    await expect(desk.page.get_by_text("bell: is anybody there?").first).to_be_visible()
    await expect(opened).to_be_hidden()
    await desk.page.set_viewport_size({"width": 390, "height": 844})
    await desk.goes("/settings/account")
    await bell.click()
    await expect(row).to_be_in_viewport(ratio=1)
    await save_screenshot(desk.page, "bell-phone")


async def test_what_a_person_wants_to_be_told_is_the_same_after_a_reload(own_people: People) -> None:
    desk = await own_people.agent("ben", "/settings/account")
    page = desk.page
    tickets = page.get_by_role("combobox", name="Tell me about new and reopened tickets")
    await tickets.click()
    async with page.expect_response("**/api/notifications/wishes"):
        await page.get_by_role("option", name="Mine and those of nobody").click()
    reminder = page.get_by_role("combobox", name="Remind me of unread tickets")
    await reminder.click()
    async with page.expect_response("**/api/notifications/wishes"):
        await page.get_by_role("option", name="After 30 minutes").click()
    await tickets.scroll_into_view_if_needed()
    await save_screenshot(page, "wishes")
    await page.reload()
    await expect(tickets).to_have_value("Mine and those of nobody")
    await expect(reminder).to_have_value("After 30 minutes")
