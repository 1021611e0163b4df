"""Getting in and out of the console: first run, invitation, sign-in, revoked sessions."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People, open_people
from tests.browser.site import open_site
from tests.services import overbooked
from tests.world import PASSWORD, email_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

REFUSED = r"status of 401"  # Chromium's own message for a wrong password or an ended session


def password(page: Page, label: str = "Password"):
    return page.get_by_role("textbox", name=label, exact=True)


async def test_the_first_run_makes_the_owner_and_shows_how_to_install(browser: Browser, tmp_path: Path) -> None:
    async with open_site(tmp_path, empty=True) as site, open_people(browser, site) as people:
        page = await (await people.context()).new_page()
        await page.goto(site.setup_link())
        await expect(page.get_by_role("heading", name="Welcome to Threadline")).to_be_visible()
        assert await serious(page) == []

        await page.get_by_label("Your name").fill("Olga Owner")
        await page.get_by_label("E-mail").fill("olga@shop.example")
        await password(page).fill("three kettles on a shelf")
        await page.get_by_role("button", name="Create account").click()

        await page.wait_for_url("**/settings/widget")
        await expect(page.get_by_text(f'src="{site.console}/widget/loader.js"')).to_be_visible()
        await page.goto(site.console)
        await expect(page.get_by_role("heading", name="No conversations yet")).to_be_visible()
        assert await serious(page) == []


async def test_a_wrong_password_says_so_and_the_right_one_opens_the_inbox(people: People) -> None:
    people.watch.forgive(REFUSED)
    page = await (await people.context()).new_page()
    await page.goto(f"{people.site.console}/settings/account")
    await page.get_by_label("E-mail").fill(email_of("ben"))
    await password(page).fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Wrong e-mail or password.")).to_be_visible()

    await password(page).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/settings/account")  # the page that was requested before signing in
    await page.get_by_role("button", name=re.compile("Account menu")).click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await page.wait_for_url("**/login")
    await page.goto(f"{people.site.console}/inbox")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_a_session_that_is_revoked_is_signed_out_within_five_seconds(people: People) -> None:
    people.watch.forgive(REFUSED)
    first, second = await people.agent("ben", "/settings/account"), await people.agent("ben")
    await expect(
        second.list.or_(second.page.get_by_text(re.compile("No conversations yet|All caught up")))
    ).to_be_visible()

    await first.page.reload()
    await first.page.get_by_role("button", name="End all other sessions").click()
    started = time.monotonic()
    await expect(second.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert time.monotonic() - started < 5 * overbooked()
    await expect(first.page.get_by_role("button", name="End all other sessions")).not_to_be_attached()
    await expect(first.page.get_by_text("This session")).to_be_visible()


async def test_an_invited_colleague_joins_and_answers(people: People) -> None:
    owner = await people.agent("olga", "/settings/team")
    await owner.page.get_by_role("button", name="Invite a colleague").click()
    await owner.page.get_by_role("dialog").get_by_label("E-mail").fill("nora@shop.example")
    await owner.page.get_by_role("button", name="Create an invitation link").click()
    link = await owner.page.get_by_text(re.compile(r"/invite#")).inner_text()

    page = await (await people.context()).new_page()
    await page.goto(link.strip())
    await page.get_by_label("Your name").fill("Nora New")
    await password(page).fill("a lantern in the harbour")
    assert await serious(page) == []
    await page.get_by_role("button", name="Join").click()
    await page.wait_for_url("**/inbox")

    nora = Desk(people.site, page)
    visitor = await people.visitor()
    await visitor.says("invited: who is there?")
    await nora.opens("invited: who is there?")
    await nora.replies("invited: Nora")
    await expect(visitor.frame.locator(".row.theirs .name", has_text="Nora New")).to_be_visible()

    other_browser = await (await people.context()).new_page()
    people.watch.forgive(r"status of 4\d\d .*api/links")
    await other_browser.goto(link.strip())
    await expect(other_browser.get_by_text("This link does not work")).to_be_visible()
