"""Settings → Consents: an owner adds, renames, requires and removes consents, and a ticket shows the customer's."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People
from tests.browser.phone import connect_carrier, phone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def row_of(page: Page, name: str) -> Locator:
    """The row of one consent."""
    return page.get_by_role("button", name=f"More actions for {name}", exact=True).locator("xpath=..")


async def chooses(page: Page, name: str, what: str) -> None:
    await page.get_by_role("button", name=f"More actions for {name}", exact=True).click()
    await page.get_by_role("menuitem", name=what).click()


async def test_consents_are_added_renamed_required_and_removed_unless_in_use(
    people: People,
) -> None:
    people.watch.forgive(r"status of (409|422)")
    desk = await people.agent("mona", "/settings/consents")
    page = desk.page
    dialog = page.get_by_role("dialog")
    await expect(page.get_by_role("heading", level=1, name="Consents")).to_be_visible()
    await expect(page.get_by_text("No consents of your own yet")).to_be_visible()
    for built_in in ("E-mail marketing", "SMS marketing", "SMS service messages"):
        await expect(page.get_by_text(built_in, exact=True)).to_be_visible()
    assert await serious(page) == []

    await page.get_by_role("button", name="Add a consent").click()
    name = dialog.get_by_role("textbox", name="Name")
    await name.fill("Profiling")
    await dialog.get_by_role("textbox", name="Description").fill("We may look at what you buy to suggest things.")
    await dialog.get_by_role("combobox", name="Applies to").click()
    await page.get_by_role("option", name="SMS").click()
    assert await serious(page) == []
    await dialog.get_by_role("button", name="Save").click()
    await expect(row_of(page, "Profiling")).to_contain_text("SMS · 0 people agreed")
    await expect(row_of(page, "Profiling")).to_contain_text("We may look at what you buy")

    # A second consent of the same name is refused with a message, and the typed name stays.
    await page.get_by_role("button", name="Add a consent").click()
    await name.fill("Profiling")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Another consent has or had this name.")).to_be_visible()
    await expect(name).to_have_value("Profiling")
    await name.fill("\u202e\u200f")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Enter a readable name.")).to_be_visible()
    assert await serious(page) == []
    await page.keyboard.press("Escape")

    await chooses(page, "Profiling", "Edit")
    await name.fill("Taste")
    await dialog.get_by_role("switch", name="Required for every message").check(force=True)
    await expect(
        dialog.get_by_text("Nobody has given this consent yet, so from now on nobody gets these messages.")
    ).to_be_visible()
    await dialog.get_by_role("button", name="Save").click()
    await expect(row_of(page, "Taste")).to_contain_text("Required for every message")

    await chooses(page, "Taste", "Remove")
    await expect(dialog.get_by_text("people who have not agreed would get messages")).to_be_visible()
    assert await serious(page) == []
    await dialog.get_by_role("button", name="Close").last.click()
    await chooses(page, "Taste", "Edit")
    await dialog.get_by_role("switch", name="Required for every message").uncheck(force=True)
    await dialog.get_by_role("button", name="Save").click()
    await expect(row_of(page, "Taste")).not_to_contain_text("Required for every message")
    await chooses(page, "Taste", "Remove")
    await expect(dialog.get_by_text("the name cannot be used again")).to_be_visible()
    await dialog.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No consents of your own yet")).to_be_visible()
    # The audit log has each change and who made it.
    boss = await people.agent("olga", "/settings/audit")
    lines = boss.page.get_by_role("listitem")
    await expect(lines.filter(has_text="Profiling → Taste")).to_contain_text("Mona")
    await expect(lines.filter(has_text="Consent removed")).to_contain_text("Taste")


async def test_a_named_consent_is_shown_beside_the_ticket_and_in_the_thread_with_its_name(people: People) -> None:
    await connect_carrier(people)
    boss = await people.agent("olga", "/settings/consents")
    api, console = boss.page.context.request, people.site.console
    origin = {"origin": console}
    created = await api.post(f"{console}/api/consents", data={"name": "Advice by phone"}, headers=origin)
    purpose = (await created.json())["consent"]["purpose"]
    maya = await phone(people, "maya")
    await maya.texts("consents: may I ask something?")
    desk: Desk = await people.agent("ana")
    await desk.row("consents: may I ask something?").click()
    side = desk.page.get_by_role("region", name="Details")
    await expect(side.get_by_text(re.compile("Advice by phone not subscribed"))).to_be_visible()

    ticket = re.search(r"/inbox/(\d+)", desk.page.url)
    assert ticket is not None
    result = await (await api.get(f"{console}/api/tickets/{ticket[1]}")).json()
    consent = {"purpose": purpose, "status": "subscribed", "reason": "said so at the counter"}
    contact = result["ticket"]["contact"]["id"]
    assert (await api.post(f"{console}/api/contacts/{contact}/consents", data=consent, headers=origin)).ok
    # Shown immediately, with time and method; the grey line names the consent, too.
    await expect(side.get_by_text(re.compile(r"Advice by phone subscribed · .+ · by hand"))).to_be_visible()
    await expect(desk.log.get_by_text(re.compile("Advice by phone: subscribed"))).to_be_visible()
    await boss.page.reload()
    await expect(row_of(boss.page, "Advice by phone")).to_contain_text("1 person agreed")


async def test_a_user_who_may_not_record_consent_has_no_page_for_it(people: People) -> None:
    desk = await people.agent("ana", "/settings")
    await expect(desk.page.get_by_role("link", name="Inbox").first).to_be_visible()
    await expect(desk.page.get_by_role("link", name="Consents")).not_to_be_attached()
    await desk.page.goto(f"{people.site.console}/settings/consents")
    await desk.page.wait_for_url("**/settings/inbox")
