"""Snoozing and blocking in the console."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import serious
from tests.browser.people import People, keep_toasts

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def picture(page: Page, name: str) -> None:
    """Saves pictures of this state in the folder DESK_PICTURES, for a person who changes the page."""
    folder = os.environ.get("DESK_PICTURES")
    if not folder:
        return
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await page.screenshot(path=Path(folder) / f"{name}-{scheme}.png")
    await page.emulate_media(color_scheme="light")


async def test_a_ticket_is_snoozed_with_the_keyboard_undone_and_woken(people: People) -> None:
    desk = await people.agent("ana")
    visitor = await people.visitor()
    await visitor.says("snooze me")
    page = desk.page
    await desk.opens("snooze me")
    await keep_toasts(page)
    await desk.log.click()
    await page.keyboard.press("s")
    menu = page.get_by_role("dialog", name="Snooze")
    await expect(menu.get_by_text("Times in")).to_be_visible()
    assert await serious(page) == []
    await picture(page, "snooze-menu")
    await menu.get_by_role("button", name="Tomorrow").click()
    await expect(desk.row("snooze me")).to_have_count(0)
    toast = page.get_by_role("alert").filter(has_text="Snoozed until")
    await toast.get_by_role("button", name="Undo").click()
    await expect(desk.row("snooze me")).to_be_visible()
    await desk.opens("snooze me")
    await page.get_by_role("button", name="Snooze", exact=True).click()
    await menu.get_by_role("button", name="Pick a time").click()
    await picture(page, "snooze-pick")
    await menu.get_by_label("Until").press("Enter")
    await expect(desk.row("snooze me")).to_have_count(0)
    await desk.goes("/inbox?status=snoozed")
    await expect(desk.row("snooze me").get_by_text("until")).to_be_visible()
    await desk.opens("snooze me")
    await expect(desk.log.get_by_text("snoozed this ticket until").last).to_be_visible()
    await expect(page.get_by_role("button", name="Send and reopen")).to_be_visible()
    await picture(page, "snoozed-ticket")
    await page.get_by_role("button", name="Wake now").click()
    await expect(desk.row("snooze me")).to_have_count(0)
    await expect(page.get_by_role("button", name="Wake now")).to_have_count(0)


async def test_a_person_is_blocked_by_an_agent_and_unblocked_by_the_owner(people: People) -> None:
    desk = await people.agent("ana")
    owner = await people.agent("olga")
    visitor = await people.visitor()
    await visitor.says("block me")
    page = desk.page
    await desk.opens("block me")
    await owner.opens("block me")
    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Block").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("Their tickets close")).to_be_visible()
    assert await serious(page) == []
    await picture(page, "block-dialog")
    await dialog.get_by_role("button", name="Block").click()
    for window in (desk, owner):
        await expect(window.page.get_by_text("This person is blocked.")).to_be_visible()
        await expect(window.bubble("block me")).to_have_count(0)
    await page.get_by_role("button", name="More actions").click()
    await expect(page.get_by_role("menuitem", name="Mark unread")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="Unblock")).to_have_count(0)
    await owner.page.get_by_role("button", name="More actions").click()
    await owner.page.get_by_role("menuitem", name="Unblock").click()
    await expect(owner.bubble("block me")).to_be_visible()
    await owner.goes("/settings/inbox")
    await expect(owner.page.get_by_text("Nobody is blocked.")).to_be_visible()
    await picture(owner.page, "blocked-list")
