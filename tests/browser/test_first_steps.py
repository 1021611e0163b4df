"""The owner's first steps in the empty inbox."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import People
from tests.browser.test_notifications import save_screenshot

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_owner_sees_what_is_still_to_be_set_up_and_tests_it(own_people: People) -> None:
    desk = await own_people.agent("olga", "/inbox")
    steps = desk.page.get_by_role("region", name="First steps")
    await expect(steps.get_by_role("link", name="Set business hours")).to_be_visible()
    team = steps.get_by_role("listitem").filter(has_text="Invite your team")
    await expect(team).to_contain_text("done")
    async with desk.page.expect_response("**/api/mail/test") as answered:
        await steps.get_by_role("button", name="Test: Connect e-mail").click()
    findings = (await (await answered.value).json())["findings"]
    bad = [finding for finding in findings if finding["state"] != "ok"]
    await expect(steps).to_contain_text(bad[0]["message"] if bad else "It works.")
    assert await serious(desk.page) == []
    await save_screenshot(desk.page, "steps")
    await steps.get_by_role("button", name="Hide this list").click()
    await expect(steps).to_be_hidden()


async def test_an_agent_sees_no_first_steps(own_people: People) -> None:
    desk = await own_people.agent("ana", "/inbox")
    await expect(desk.page.get_by_role("heading", name="Choose a conversation")).to_be_visible()
    await expect(desk.page.get_by_role("region", name="First steps")).to_have_count(0)
