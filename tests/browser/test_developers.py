"""Settings → Developers: an owner creates an API key, copies it once and revokes it."""

from __future__ import annotations

import aiohttp
import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def status(people: People, secret: str, path: str) -> int:
    """Returns the status of a program's request with this API key."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}) as http:
        async with http.get(people.site.console + path) as answer:
            return answer.status


async def test_a_key_is_created_copied_once_and_revoked(people: People) -> None:
    desk = await people.agent("olga", "/settings/developers")
    page, dialog = desk.page, desk.page.get_by_role("dialog")
    await expect(page.get_by_role("heading", level=1, name="Developers")).to_be_visible()
    await expect(page.get_by_text("No API keys yet")).to_be_visible()
    assert await serious(page) == []

    await page.get_by_role("button", name="Create key").click()
    create = dialog.get_by_role("button", name="Create key")
    await dialog.get_by_role("textbox", name="Name").fill("Shop sync")
    await expect(create).to_be_disabled()
    await dialog.get_by_role("checkbox", name="See contacts and their consents").check()
    await dialog.get_by_role("checkbox", name="Record consent").check()
    await expect(dialog.get_by_role("checkbox", name="Record opt-outs")).to_be_checked()
    assert await serious(page) == []
    await create.click()

    await expect(dialog.get_by_text("You will not see this key again.")).to_be_visible()
    secret = await dialog.get_by_label("API key", exact=True).inner_text()
    assert secret.startswith("tl_") and await serious(page) == []
    assert await status(people, secret, "/api/consents") == 200
    assert await status(people, secret, "/api/sms/senders") == 403
    await dialog.get_by_role("button", name="I have stored the key").click()
    await expect(dialog).to_have_count(0)
    await page.reload()
    row = page.get_by_role("button", name="Revoke Shop sync").locator("xpath=..")
    await expect(row).to_contain_text("See contacts and their consents")
    await expect(row).to_contain_text(f"tl_…{secret[-4:]}")
    await expect(row).to_contain_text("Last used")
    assert secret not in await page.content()

    await page.get_by_role("button", name="Revoke Shop sync").click()
    await expect(dialog.get_by_text("Programs that use this key stop working at once.")).to_be_visible()
    await dialog.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("No API keys yet")).to_be_visible()
    assert await status(people, secret, "/api/consents") == 401


async def test_only_owners_and_admins_have_the_page(people: People) -> None:
    desk = await people.agent("mona", "/settings/developers")
    await expect(desk.page.get_by_role("heading", level=1, name="Inbox")).to_be_visible()
    await expect(desk.page.get_by_role("link", name="Developers")).to_have_count(0)
