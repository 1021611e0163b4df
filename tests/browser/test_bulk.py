"""Several tickets of the list at once."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People, keep_toasts

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def open_chats(people: People, name: str, count: int) -> Desk:
    """Opens the console with `count` chats on top of the list, "name: 1" the newest."""
    desk = await people.agent("ana")
    for n in range(count, 0, -1):
        visitor = await people.visitor()
        await visitor.says(f"{name}: {n}")
        await expect(desk.row(f"{name}: {n}")).to_be_visible()
    await keep_toasts(desk.page)
    return desk


async def test_tickets_are_chosen_with_the_keyboard_closed_together_and_reopened(people: People) -> None:
    desk = await open_chats(people, "bulk keys", 3)
    page = desk.page
    await desk.row("bulk keys: 1").focus()
    await page.keyboard.press("x")
    await expect(page.get_by_role("toolbar").get_by_text("1 selected")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Shift+X")
    toolbar = page.get_by_role("toolbar", name="Selected tickets")
    await expect(toolbar.get_by_text("3 selected")).to_be_visible()
    assert await serious(page) == []
    await page.keyboard.press("e")
    toast = page.get_by_role("alert").filter(has_text="3 tickets closed.")
    await expect(toast).to_be_visible()
    await expect(toolbar).to_have_count(0)
    for n in (1, 2, 3):
        await expect(desk.row(f"bulk keys: {n}")).to_have_count(0)
    await toast.get_by_role("button", name="Undo").click()
    for n in (1, 2, 3):
        await expect(desk.row(f"bulk keys: {n}")).to_be_visible()


async def test_the_open_ticket_stays_untouched_while_others_are_chosen(people: People) -> None:
    desk = await open_chats(people, "bulk mouse", 3)
    page = desk.page
    await desk.opens("bulk mouse: 3")
    first, second = (desk.row(f"bulk mouse: {n}") for n in (1, 2))
    boxes = page.get_by_role("list", name="Tickets").get_by_role("checkbox")
    await boxes.nth(0).click(force=True)
    await boxes.nth(1).click(force=True, modifiers=["Shift"])
    await page.get_by_role("button", name="Assign", exact=True).first.click()
    await page.get_by_role("menuitem", name="Ana").click()
    await expect(page.get_by_role("alert").filter(has_text="2 tickets assigned.")).to_be_visible()
    for row in (first, second):
        await expect(row.get_by_text("Assigned to")).to_have_count(1)
    await boxes.nth(0).click(force=True)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("toolbar")).to_have_count(0)
    await expect(desk.box).to_be_visible()  # Escape ended the selection, not the open ticket


async def test_all_tickets_that_match_are_closed_except_one_and_reopened(own_people: People) -> None:
    desk = await own_people.agent("ana")
    page = desk.page

    chosen = asyncio.Event()

    async def three_rows(route: Route) -> None:
        if "after=" in route.request.url:
            await chosen.wait()  # the list is not loaded further before all are chosen
        await route.continue_(url=re.sub(r"limit=\d+", "limit=3", route.request.url))

    await page.route("**/api/tickets?*", three_rows)
    for n in range(8, 0, -1):
        visitor = await own_people.visitor()
        await visitor.says(f"match: {n}")
        await expect(desk.row(f"match: {n}")).to_be_visible()
        await visitor.page.close()
    await page.reload()
    await keep_toasts(page)
    await expect(desk.row("match: 1")).to_be_visible()
    await desk.row("match: 1").focus()
    await page.keyboard.press("x")
    toolbar = page.get_by_role("toolbar", name="Selected tickets")
    await toolbar.get_by_role("checkbox", name="Select all loaded tickets").click()
    await toolbar.get_by_role("button", name="Select all 8 tickets that match").click()
    await expect(toolbar.get_by_text("8 selected")).to_be_visible()
    await desk.list.get_by_role("checkbox").nth(1).click(force=True)
    await expect(toolbar.get_by_text("7 selected")).to_be_visible()
    assert await serious(page) == []
    chosen.set()
    await toolbar.get_by_role("button", name="Close").click()
    toast = page.get_by_role("alert").filter(has_text="7 tickets closed.")
    await expect(toast).to_be_visible()
    await expect(desk.list.get_by_role("listitem")).to_have_count(1)
    await expect(desk.row("match: 2")).to_be_visible()
    await toast.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("alert").filter(has_text="7 tickets are as they were.")).to_be_visible()
    await expect(desk.row("match: 1")).to_be_visible()
