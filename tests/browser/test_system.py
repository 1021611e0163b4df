"""Settings → System and Settings → Audit log: the doctor's findings, failed jobs, and who did what."""

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


def dead_job(site: Site, kind: str) -> None:
    failed_at = 1_795_000_000_000_000
    with closing(sqlite3.connect(site.folder / "data" / "threadline.db")) as db, db:
        db.execute(GAVE_UP, (kind, failed_at, "ConnectionError: the mail server hung up", failed_at))


async def settled(page: Page) -> None:
    await expect(page.get_by_role("button", name="Check again")).to_be_enabled()


async def test_the_system_page_shows_the_doctors_findings_and_advice(people: People) -> None:
    desk = await people.agent("olga", "/settings/system")
    page = desk.page
    await expect(page.get_by_role("heading", level=1, name="System")).to_be_visible()
    await settled(page)
    await expect(
        page.get_by_role("heading", level=2, name=re.compile(r"error|warning|All checks passed"))
    ).to_be_visible()
    # The tests run in demo mode, which causes a warning with advice.
    await expect(page.get_by_text("The mode is development: the demo shop is public.")).to_be_visible()
    await expect(page.get_by_text("Set THREADLINE_MODE=production on a real server.")).to_be_visible()
    for area in ("Database", "Disk space", "Redis", "Workers", "Secret key"):
        await expect(page.get_by_role("heading", level=3, name=area, exact=True).first).to_be_visible()
    assert await serious(page) == []
    async with page.expect_response("**/api/doctor"):
        await page.get_by_role("button", name="Check again").click()
    await settled(page)


async def test_a_dead_job_is_shown_and_retried(people: People) -> None:
    dead_job(people.site, "browser.gone")
    desk = await people.agent("adam", "/settings/system")
    page = desk.page
    kind = page.get_by_text("browser.gone", exact=True)  # the doctor's sentence names the job, too
    row = kind.locator("xpath=ancestor::div[1]")
    await expect(row).to_contain_text("12 attempts")
    await expect(row).to_contain_text("the mail server hung up")
    await row.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("The job is running again")).to_be_visible()
    await expect(kind).not_to_be_attached()
    # The audit log records the click and who made it.
    await page.goto(f"{people.site.console}/settings/audit")
    line = page.get_by_role("listitem").filter(has_text="Job retried").first
    await expect(line).to_contain_text("Adam")


async def test_when_the_checks_fail_the_page_says_so_and_tries_again(people: People) -> None:
    people.watch.forgive(r"status of 503")
    desk = await people.agent("olga", "/settings/account")
    page = desk.page
    refusal = {"error": {"code": "busy", "message": "busy", "ref": "x"}}
    for path in ("**/api/doctor", "**/api/jobs/dead", "**/api/audit*"):
        await page.route(path, lambda route: route.fulfill(status=503, json=refusal))
    await page.goto(f"{people.site.console}/settings/system")
    await expect(page.get_by_role("status", name="Running the checks…")).to_be_visible()
    await expect(page.get_by_text("The checks could not be run")).to_be_visible()
    await expect(page.get_by_text("The list could not be loaded.")).to_be_visible()
    assert await serious(page) == []
    await page.unroute("**/api/doctor")
    await page.get_by_role("button", name="Try again").first.click()
    await settled(page)

    await page.goto(f"{people.site.console}/settings/audit")
    await expect(page.get_by_role("status", name="Loading the audit log…")).to_be_visible()
    await expect(page.get_by_text("The audit log could not be loaded")).to_be_visible()
    await page.unroute("**/api/audit*")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("listitem").first).to_be_visible()


async def test_the_audit_log_shows_who_did_what_and_loads_older_entries(people: People) -> None:
    desk = await people.agent("olga", "/settings/audit")
    page, console = desk.page, people.site.console
    users = (await (await page.request.get(f"{console}/api/users")).json())["users"]
    kurt = next(user["id"] for user in users if user["name"] == "Kurt")
    for role in ("analyst", "creator") * 30:  # more entries than one page
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
        items_before = await page.get_by_role("listitem").count()
        await page.get_by_role("button", name="Show older").click()
        await expect(page.get_by_role("listitem").nth(items_before)).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="Account set up")).to_have_count(1)


async def test_pages_without_permission_are_not_in_the_menu(people: People) -> None:
    desk = await people.agent("mona", "/settings")
    page = desk.page
    await expect(page.get_by_role("link", name="System")).to_be_visible()
    await expect(page.get_by_role("link", name="Audit log")).not_to_be_attached()
    await page.goto(f"{people.site.console}/settings/system")
    await settled(page)
    await expect(page.get_by_text("Failed jobs")).not_to_be_attached()
    await page.goto(f"{people.site.console}/settings/audit")
    await page.wait_for_url("**/settings/inbox")


@pytest.mark.parametrize("path", ["/nowhere", "/settings/nowhere", "/inbox/1/nowhere", "/nowhere/at/all?x=1"])
async def test_an_unknown_address_of_the_console_says_so(people: People, path: str) -> None:
    people.watch.forgive(r"status of 404")
    desk = await people.agent("olga", "/inbox")
    page = desk.page
    await page.goto(people.site.console + path)
    await expect(page.get_by_text("Page not found")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("link", name="Go to the start page").click()
    await page.wait_for_url("**/inbox")
