"""Parts of the console that are loaded later: while offline and after an upgrade the rest of the page keeps working."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.people import BROKEN_LINE, Desk, People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# A browser that saves data loads no part before it is needed.
THRIFTY = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"


async def desk_with_a_draft(people: People, text: str, script: str = "") -> Desk:
    visitor = await people.visitor()
    await visitor.says(text)
    context = await people.context()
    if script:
        await context.add_init_script(script)
    desk = await Desk(people.site, await context.new_page()).signs_in("ana")
    await desk.goes()
    await desk.opens(text)
    await expect(desk.bubble(text)).to_be_visible()
    # The details are a part of their own: a test that cuts the line must not cut their loading.
    details = desk.page.get_by_role("region", name="Details")
    await expect(details.get_by_role("link", name="Open profile")).to_be_visible()
    await desk.box.fill(f"{text}: a draft")
    return desk


async def is_undisturbed(desk: Desk, text: str) -> None:
    await expect(desk.row(text)).to_be_visible()
    await expect(desk.bubble(text)).to_be_visible()
    await expect(desk.box).to_have_value(f"{text}: a draft")


def dialog(desk: Desk) -> Locator:
    return desk.page.get_by_role("dialog")


async def test_a_part_that_cannot_be_loaded_offline_shows_a_message_and_loads_later(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk = await desk_with_a_draft(people, "parts: cut", THRIFTY)
    page = desk.page
    people.site.line.cut()

    await page.keyboard.press("Control+k")
    await expect(dialog(desk)).to_contain_text("This part could not be loaded")
    await page.keyboard.press("Escape")
    await expect(dialog(desk)).to_have_count(0)
    await page.get_by_role("button", name="Emoji").click()
    await expect(page.get_by_role("dialog", name="Emoji")).to_contain_text("This part could not be loaded")
    await page.keyboard.press("Escape")
    await is_undisturbed(desk, "parts: cut")
    await page.get_by_role("link", name="Settings", exact=True).click()
    await expect(page.get_by_text("This part could not be loaded")).to_be_visible()
    await expect(page.get_by_role("link", name=re.compile("^Inbox")).first).to_be_visible()

    await people.mends_line()
    await expect(page.get_by_role("navigation", name="Settings")).to_be_visible()
    await page.get_by_role("link", name=re.compile("^Inbox")).first.click()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_placeholder("Search")).to_be_visible()


async def test_parts_loaded_in_advance_work_offline(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk = await desk_with_a_draft(people, "parts: quiet")
    page = desk.page
    loaded = "() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/MyAccount-'))"
    await page.wait_for_function(loaded)
    await page.wait_for_load_state("networkidle")
    people.site.line.cut()

    await page.keyboard.press("Control+k")
    await expect(page.get_by_placeholder("Search")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Emoji").click()
    await expect(page.get_by_role("button", name="😀")).to_be_visible()
    await page.keyboard.press("Escape")
    await is_undisturbed(desk, "parts: quiet")


async def test_after_an_upgrade_an_old_tab_offers_a_reload(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk = await desk_with_a_draft(people, "parts: upgrade", THRIFTY)
    page = desk.page

    reloading = asyncio.Event()

    async def answer_not_found(route: Route) -> None:
        if reloading.is_set():
            await route.continue_()
        else:
            await route.fulfill(status=404, content_type="text/plain", body="gone")

    async def answer_newer_page(route: Route) -> None:
        body = '<script type="module" src="/static/console/assets/index-newer000.js"></script>'
        await route.fulfill(content_type="text/html", body=body)

    async def reload(route: Route) -> None:
        # Not earlier: the old page would load its missing part after all, and the button would be gone.
        reloading.set()
        await route.continue_()

    await page.route("**/static/console/assets/*.js", answer_not_found)
    await page.route("**/login", answer_newer_page)
    await page.route(re.compile(r"^http://[^/]+/settings"), reload)
    await page.evaluate("window.same = true")

    await page.keyboard.press("Control+k")
    await expect(dialog(desk)).to_contain_text("A new version is here")
    await page.keyboard.press("Escape")
    await is_undisturbed(desk, "parts: upgrade")
    await page.get_by_role("link", name="Settings", exact=True).click()
    await expect(page.get_by_text("A new version is here")).to_be_visible()
    assert await page.evaluate("window.same")

    await page.get_by_role("button", name="Reload").click()
    await page.wait_for_function("() => window.same === undefined")
    await expect(page.get_by_role("navigation", name="Settings")).to_be_visible()
    await page.get_by_role("link", name=re.compile("^Inbox")).first.click()
    await desk.opens("parts: upgrade")
    await expect(desk.box).to_have_value("parts: upgrade: a draft")
