"""Settings → System and Settings → Audit log: what an owner looks at when something is wrong, and who did what."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import serious
from tests.browser.people import People
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GAVE_UP = "INSERT INTO jobs (kind, payload, priority, run_at, attempts, last_error, dead, created_at) VALUES (?, '{}', 30, ?, 12, ?, 1, ?)"


def job_that_gave_up(site: Site, kind: str) -> None:
    at = 1_795_000_000_000_000
    with closing(sqlite3.connect(site.folder / "data" / "threadline.db")) as db, db:
        db.execute(GAVE_UP, (kind, at, "ConnectionError: the mail server hung up", at))


async def settled(page: Page) -> None:
    await expect(page.get_by_role("button", name="Look again")).to_be_enabled()


async def test_the_system_page_says_what_the_doctor_sees_and_what_to_do(people: People) -> None:
    desk = await people.agent("olga", "/settings/system")
    page = desk.page
    await expect(page.get_by_role("heading", level=1, name="System")).to_be_visible()
    await settled(page)
    await expect(page.get_by_role("heading", level=2, name=re.compile(r"thing|Everything is well"))).to_be_visible()
    # The demo mode of the tests is worth a warning, and the warning says what to do.
    await expect(page.get_by_text("The mode is development: the demo shop is public.")).to_be_visible()
    await expect(page.get_by_text("Set THREADLINE_MODE=production on a real server.")).to_be_visible()
    for area in ("Database", "Disk space", "Redis", "Workers", "Secret key"):
        await expect(page.get_by_role("heading", level=3, name=area, exact=True).first).to_be_visible()
    assert await serious(page) == []
    async with page.expect_response("**/api/doctor"):
        await page.get_by_role("button", name="Look again").click()
    await settled(page)


async def test_a_job_that_gave_up_is_shown_and_tried_again(people: People) -> None:
    job_that_gave_up(people.site, "browser.gone")
    desk = await people.agent("adam", "/settings/system")
    page = desk.page
    kind = page.get_by_text("browser.gone", exact=True)  # the doctor's sentence names it, too
    row = kind.locator("xpath=ancestor::div[1]")
    await expect(row).to_contain_text("12 attempts")
    await expect(row).to_contain_text("the mail server hung up")
    await row.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("It is being tried again")).to_be_visible()
    await expect(kind).not_to_be_attached()
    # And the press stands in the audit log, with who it was.
    await page.goto(f"{people.site.console}/settings/audit")
    line = page.get_by_role("listitem").filter(has_text="Job tried again").first
    await expect(line).to_contain_text("Adam")


async def test_when_the_server_cannot_look_the_page_says_so_and_tries_again(people: People) -> None:
    people.watch.forgive(r"status of 503")
    desk = await people.agent("olga", "/settings/account")
    page = desk.page
    refusal = {"error": {"code": "busy", "message": "busy", "ref": "x"}}
    for path in ("**/api/doctor", "**/api/jobs/dead", "**/api/audit*"):
        await page.route(path, lambda route: route.fulfill(status=503, json=refusal))
    await page.goto(f"{people.site.console}/settings/system")
    await expect(page.get_by_role("status", name="Looking at the system…")).to_be_visible()
    await expect(page.get_by_text("The system could not be looked at")).to_be_visible(timeout=30_000)
    await expect(page.get_by_text("The list could not be loaded.")).to_be_visible(timeout=30_000)
    assert await serious(page) == []
    await page.unroute("**/api/doctor")
    await page.get_by_role("button", name="Try again").first.click()
    await settled(page)

    await page.goto(f"{people.site.console}/settings/audit")
    await expect(page.get_by_role("status", name="Loading the audit log…")).to_be_visible()
    await expect(page.get_by_text("The audit log could not be loaded")).to_be_visible(timeout=30_000)
    await page.unroute("**/api/audit*")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("listitem").first).to_be_visible()


async def test_the_audit_log_tells_who_did_what_and_goes_on_to_older_lines(people: People) -> None:
    desk = await people.agent("olga", "/settings/audit")
    page, console = desk.page, people.site.console
    users = (await (await page.request.get(f"{console}/api/users")).json())["users"]
    kurt = next(user["id"] for user in users if user["name"] == "Kurt")
    for role in ("analyst", "creator") * 30:  # more than a page
        answer = await page.request.patch(
            f"{console}/api/users/{kurt}", data={"role": role}, headers={"origin": console}
        )
        assert answer.ok
    await page.reload()
    first = page.get_by_role("listitem").first
    await expect(first).to_contain_text("Account changed: Kurt")
    await expect(first).to_contain_text("Analyst → Content creator")
    await expect(first).to_contain_text("Olga")
    await expect(page.get_by_role("heading", level=2, name="Today")).to_be_visible()
    assert await serious(page) == []
    await expect(page.get_by_role("listitem")).to_have_count(50)
    while await page.get_by_role("button", name="Show older").is_visible():
        before = await page.get_by_role("listitem").count()
        await page.get_by_role("button", name="Show older").click()
        await expect(page.get_by_role("listitem").nth(before)).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="Account set up")).to_have_count(1)


async def test_who_may_not_see_them_is_not_offered_them(people: People) -> None:
    desk = await people.agent("mona", "/settings")
    page = desk.page
    await expect(page.get_by_role("link", name="System")).to_be_visible()
    await expect(page.get_by_role("link", name="Audit log")).not_to_be_attached()
    await page.goto(f"{people.site.console}/settings/system")
    await settled(page)
    await expect(page.get_by_text("Work that gave up")).not_to_be_attached()
    await page.goto(f"{people.site.console}/settings/audit")
    await page.wait_for_url("**/settings/inbox")


@pytest.mark.parametrize("path", ["/nowhere", "/settings/nowhere", "/inbox/1/nowhere", "/nowhere/at/all?x=1"])
async def test_an_unknown_address_of_the_console_says_so(people: People, path: str) -> None:
    people.watch.forgive(r"status of 404")
    desk = await people.agent("olga", "/inbox")
    page = desk.page
    await page.goto(people.site.console + path)
    await expect(page.get_by_text("There is nothing at this address")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("link", name="To the inbox").click()
    await page.wait_for_url("**/inbox")
