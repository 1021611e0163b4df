"""The wizard of imports, end to end: a file with problems, its result, undo; a file of consents; a small screen."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# A real-shaped export of Klaviyo: a byte order mark, statuses with times, a damaged number, a repeated person.
EXPORT = """\ufeffEmail,Klaviyo ID,First Name,Last Name,Phone Number,Country,Email Marketing Consent,Email Marketing Consent Timestamp,Date Added,Last Open,Favourite colour
wizard.ann@example.com,01H,Ann,Smith,+14155550161,US,SUBSCRIBED,2024-03-01 10:00:00,2024-03-01 10:00:00,2024-06-01 08:00:00,red
wizard.bob@example.com,02H,Bob,Jones,1.41556E+10,US,SUBSCRIBED,2024-03-01 10:00:00,2024-03-01 10:00:00,,blue
wizard.cy@example.com,03H,Cy,,,,UNSUBSCRIBED,2024-04-01 10:00:00,2024-03-01 10:00:00,,green
wizard.ann@example.com,01H,Anna,,,,,,,,
not-an-address,04H,Dee,,,,,,,,
"""


async def imports(people: People, name: str = "olga", **options: object) -> Desk:
    return await people.agent(name, "/contacts/imports", **options)


async def begin(page: Page, name: str, text: str) -> None:
    """Begins an import of contacts with this file, up to the preview."""
    await page.get_by_role("link", name="New import").first.click()
    await page.get_by_role("button", name="Next", exact=True).click()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Choose a file").click()
    await (await chooser.value).set_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})
    await expect(page.get_by_role("button", name="This is right")).to_be_enabled()


async def count_of(page: Page, verdict: str) -> str:
    return await page.get_by_role("listitem").filter(has_text=verdict).first.inner_text()


async def test_a_real_shaped_export_with_problems_is_rehearsed_imported_and_undone(people: People) -> None:
    desk = await imports(people)
    page = desk.page
    await begin(page, "klaviyo.csv", EXPORT)
    await expect(page.get_by_role("region", name="The first rows")).to_contain_text("wizard.cy@example.com")
    await page.get_by_role("button", name="This is right").click()
    await expect(page.get_by_text("This is an export of Klaviyo.")).to_be_visible()
    await expect(page.get_by_role("combobox", name="Meaning of Email Marketing Consent", exact=True)).to_have_value(
        "E-mail marketing"
    )
    assert await serious(page) == []
    await page.get_by_role("button", name="Next", exact=True).click()
    # The file says something about consent, so nobody is asked.
    await expect(page.get_by_text("Nothing has been written yet.")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="Refused").first).to_contain_text("2")
    await expect(page.get_by_role("listitem").filter(has_text="Duplicate").first).to_contain_text("1")
    await expect(page.get_by_text("A spreadsheet has rounded this number.").first).to_be_visible()
    assert await serious(page) == []
    # A reload continues with what the server has.
    await page.reload()
    await page.get_by_role("button", name="Import 2").click()
    await expect(page.get_by_text("Rows handled: 5")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download rows to correct").click()
    problems = (await (await download.value).path()).read_text("utf-8-sig")
    assert "wizard.bob@example.com" in problems and "rounded this number" in problems
    assert await serious(page) == []
    await page.get_by_role("button", name="Undo this import").click()
    await page.get_by_role("dialog").get_by_role("button", name="Undo this import").click()
    await expect(page.get_by_text("Contacts removed: 2.")).to_be_visible()
    await page.get_by_role("link", name="Imports").click()
    row = page.get_by_role("row").filter(has_text="klaviyo.csv").first
    await expect(row).to_contain_text("Undone")


async def test_a_file_that_says_nothing_asks_for_consent_and_grants_none_by_default(people: People) -> None:
    desk = await imports(people)
    page = desk.page
    await begin(page, "plain.csv", "Email,First Name\nplain.ann@example.com,Ann\n")
    await page.get_by_role("button", name="This is right").click()
    await page.get_by_role("button", name="Next", exact=True).click()
    await expect(page.get_by_role("button", name="Continue without consent")).to_be_visible()
    await page.get_by_role("checkbox", name="Everybody in the file agreed to e-mail marketing").check()
    # Nobody is subscribed without a sentence that the user vouches for.
    await expect(page.get_by_role("button", name="Continue with these consents")).to_be_disabled()
    await page.get_by_role("textbox", name="How did they agree?").fill("They ticked a box in our shop.")
    await page.get_by_role("button", name="Continue with these consents").click()
    await expect(page.get_by_text("E-mail marketing: subscribed")).to_be_visible()


async def test_a_file_that_is_no_table_is_refused_with_what_to_do(people: People) -> None:
    desk = await imports(people)
    page = desk.page
    people.watch.forgive("415")
    await page.get_by_role("link", name="New import").first.click()
    await page.get_by_role("button", name="Next", exact=True).click()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Choose a file").click()
    await (await chooser.value).set_files({"name": "a.xlsx", "mimeType": "text/csv", "buffer": b"%PDF-1.7 x"})
    await expect(page.get_by_text("This is not a table.").first).to_be_visible()


async def test_the_wizard_works_on_a_phone(people: People) -> None:
    desk = await imports(people, viewport={"width": 390, "height": 844})
    page = desk.page
    await begin(page, "phone.csv", "Email;First Name\nphone.ann@example.com;Ann\n")
    await expect(page.get_by_text("This file separates its columns by")).to_be_visible()
    await page.get_by_role("button", name="This is right").click()
    await page.get_by_role("button", name="Next", exact=True).click()
    await page.get_by_role("button", name="Continue without consent").click()
    await page.get_by_role("button", name="Import 1").click()
    await expect(page.get_by_text("Rows handled: 1")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="Undo this import").click()
    await page.get_by_role("dialog").get_by_role("button", name="Undo this import").click()
    await expect(page.get_by_text("Contacts removed: 1.")).to_be_visible()


async def test_support_sees_no_imports(people: People) -> None:
    ana = await people.agent("ana", "/contacts/imports")
    await expect(ana.page.get_by_role("heading", level=1, name="Contacts")).to_be_visible()
    await expect(ana.page.get_by_role("link", name="Imports")).to_have_count(0)
    await expect(ana.page).to_have_url(f"{people.site.console}/contacts")
