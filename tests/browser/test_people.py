"""Contacts: the table, quick search, the page of one contact, and consents edited by hand (CIM-40, CIM-41)."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People
from tests.browser.phone import connect_carrier, phone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


async def contacts(people: People, name: str, path: str = "/contacts", **options: object) -> Desk:
    """An agent at the table of contacts."""
    desk = await people.agent(name, path, **options)
    await expect(desk.page.get_by_role("heading", level=1, name="Contacts")).to_be_visible()
    return desk


async def texter(people: People, person: str, text: str) -> str:
    """Somebody who texts. Returns the path of their page."""
    await connect_carrier(people)
    customer = await phone(people, person)
    await customer.texts(text)
    desk = await people.agent("olga", "/settings/account")
    number = re.sub(r"\D", "", customer.number)
    answer = await desk.page.context.request.post(
        f"{people.site.console}/api/people", data={"search": number}, headers={"origin": people.site.console}
    )
    (found,) = (await answer.json())["people"]
    return f"/contacts/{found['id']}"


async def test_cim_40_a_contact_is_found_by_email_and_consents_are_ticked_with_a_reason(people: People) -> None:
    path = await texter(people, "maya", "people: is this the shop?")
    mona = await people.agent("mona", "/settings/consents")
    await mona.page.get_by_role("button", name="Add a consent").click()
    await mona.page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("Invitations")
    await mona.page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(mona.page.get_by_text("Invitations")).to_be_visible()

    # The details get an e-mail address; nothing is asked for, because no consent changes.
    await mona.page.goto(people.site.console + path)
    await mona.page.get_by_role("button", name="Edit", exact=True).click()
    dialog = mona.page.get_by_role("dialog", name="Edit contact")
    await dialog.get_by_role("textbox", name="Name").fill("Maya Brooks")
    await dialog.get_by_role("textbox", name="E-mail").fill("Maya@Shop.example")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    await expect(mona.page.get_by_role("heading", level=1, name="Maya Brooks")).to_be_visible()

    await mona.goes("/contacts")
    await mona.page.get_by_role("searchbox", name="Search by e-mail, name or phone").fill("maya@shop")
    row = row_of(mona.page, "Maya Brooks")
    await expect(row).to_contain_text("maya@shop.example")
    await expect(mona.page.get_by_text("1 contact", exact=True)).to_be_visible()
    await row.get_by_role("link", name="Open the profile of Maya Brooks").click()
    await mona.page.wait_for_url("**" + path)

    await mona.page.get_by_role("button", name="Edit", exact=True).click()
    await dialog.get_by_role("checkbox", name="Invitations").check()
    await dialog.get_by_role("checkbox", name="E-mail marketing").check()
    await expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    assert await serious(mona.page) == []
    # Nothing changes before Save.
    await mona.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    consents = mona.page.locator("section").filter(has=mona.page.get_by_role("heading", name="Consents", exact=True))
    await expect(consents).to_contain_text("Invitations" + "not subscribed")
    await mona.page.get_by_role("button", name="Edit", exact=True).click()
    await expect(dialog.get_by_role("checkbox", name="Invitations")).not_to_be_checked()
    await dialog.get_by_role("checkbox", name="Invitations").check()
    await dialog.get_by_role("textbox", name="Why do the consents change?").fill("Asked at the counter")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    await expect(consents).to_contain_text(re.compile(r"Invitationssubscribed · .+ · by hand"))
    await consents.get_by_role("button", name="Show history").click()
    history = consents.get_by_role("list", name="Show history").get_by_role("listitem")
    await expect(history.filter(has_text="Asked at the counter")).to_contain_text("Mona")

    # CIM-41: unticking withdraws it.
    await mona.page.get_by_role("button", name="Edit", exact=True).click()
    await dialog.get_by_role("checkbox", name="Invitations").uncheck()
    await dialog.get_by_role("textbox", name="Why do the consents change?").fill("Changed her mind")
    await dialog.get_by_role("button", name="Save").click()
    await expect(consents).to_contain_text(re.compile(r"Invitationsunsubscribed · .+ · by hand"))
    timeline = mona.page.get_by_role("region", name="Timeline")
    await expect(timeline).to_contain_text("Unsubscribed · Invitations")
    assert await serious(mona.page) == []


async def test_inb_54_an_activity_row_leads_to_its_event_in_the_profile(people: People) -> None:
    path = await texter(people, "arthur", "people: profile, please")
    desk = await people.agent("ana")
    await desk.row("people: profile, please").click()
    side = desk.page.get_by_role("region", name="Details")
    await side.locator("summary").filter(has_text="Wrote to us").first.click()
    await side.get_by_role("link", name="Open in the profile").first.click()
    await desk.page.wait_for_url(re.compile(re.escape(path) + r"\?event=\d+"))
    timeline = desk.page.get_by_role("region", name="Timeline")
    await expect(timeline.locator("[data-marked]")).to_contain_text("people: profile, please")
    await timeline.get_by_role("link", name="Show newer activity").click()
    await expect(timeline).to_contain_text("Ticket opened")
    await timeline.get_by_role("link", name="Open in the conversation").first.click()
    await side.get_by_role("link", name="Open profile").click()
    await desk.page.wait_for_url("**" + path)

    # An analyst sees that something happened, and not what was written (ROL-3).
    nils = await people.agent("nils", path)
    timeline = nils.page.get_by_role("region", name="Timeline")
    await expect(timeline).to_contain_text("Wrote to us")
    await expect(timeline).not_to_contain_text("people: profile, please")
    await expect(nils.page.get_by_role("heading", name="Tickets")).to_have_count(0)
    await expect(nils.page.get_by_role("button", name="Edit", exact=True)).to_have_count(0)


async def test_the_table_is_sorted_its_columns_are_chosen_and_the_palette_finds_people(people: People) -> None:
    await texter(people, "zofia", "people: table")
    desk = await contacts(people, "cora")
    page = desk.page
    assert await serious(page) == []
    heading = page.get_by_role("columnheader", name="Created")
    await expect(heading).to_have_attribute("aria-sort", "descending")
    await heading.get_by_role("button").click()
    await expect(heading).to_have_attribute("aria-sort", "ascending")
    await page.wait_for_url("**/contacts?descending=false")
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Country").check()
    assert await serious(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("columnheader", name="Country")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("columnheader", name="Country")).to_be_visible()

    await page.get_by_role("searchbox").fill("nobody@nowhere")
    await expect(page.get_by_role("heading", name="Nothing found for “nobody@nowhere”")).to_be_visible()
    await page.get_by_role("button", name="Clear the search").last.click()
    await expect(page.get_by_role("row").nth(1)).to_be_visible()
    await expect(page.get_by_role("searchbox")).to_have_value("")

    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox").fill("48512345")
    group = page.get_by_role("group", name="Contacts")
    await group.get_by_role("option").first.click()
    await page.wait_for_url(re.compile(r"/contacts/\d+$"))


async def test_on_a_phone_contacts_are_cards_and_roles_without_contacts_have_no_table(people: People) -> None:
    await texter(people, "maya", "people: phone")
    desk = await contacts(people, "ana", viewport={"width": 390, "height": 844})
    page = desk.page
    await expect(page.get_by_role("columnheader", name="Created")).not_to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await serious(page) == []
    await page.get_by_role("table").get_by_role("link").first.click()
    await expect(page.get_by_role("region", name="Timeline")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await serious(page) == []
    assert "/api/people" not in str((await people.agent("kurt", "/")).page.url)


async def test_imp_43_a_person_is_added_with_an_explicit_tick_for_consent(people: People) -> None:
    desk = await contacts(people, "mona")
    page = desk.page
    await page.get_by_role("button", name="Add a contact").first.click()
    dialog = page.get_by_role("dialog", name="Add a contact")
    add = dialog.get_by_role("button", name="Add", exact=True)
    await expect(add).to_be_disabled()
    await dialog.get_by_role("textbox", name="E-mail").fill("no address")
    await add.click()
    await expect(dialog.get_by_text("Enter a valid e-mail address.")).to_be_visible()
    await dialog.get_by_role("textbox", name="E-mail").fill("Iris@Shop.example")
    await dialog.get_by_role("textbox", name="Name").fill("Iris Wood")
    await expect(dialog.get_by_role("checkbox")).not_to_be_checked()
    await dialog.get_by_role("checkbox").check()
    await expect(add).to_be_disabled()
    assert await serious(page) == []
    await dialog.get_by_role("textbox", name="How do you know?").fill("Signed the list at the fair")
    await add.click()
    await expect(page.get_by_role("heading", level=1, name="Iris Wood")).to_be_visible()
    consents = page.locator("section").filter(has=page.get_by_role("heading", name="Consents", exact=True))
    await expect(consents).to_contain_text(re.compile(r"E-mail marketingsubscribed · .+ · by hand"))

    # Support may add somebody, and not say that they agreed; who is known already is opened.
    ana = await contacts(people, "ana")
    await ana.page.get_by_role("button", name="Add a contact").first.click()
    dialog = ana.page.get_by_role("dialog", name="Add a contact")
    await expect(dialog.get_by_role("checkbox")).to_have_count(0)
    await dialog.get_by_role("textbox", name="E-mail").fill("iris@shop.example")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(ana.page.get_by_text("This person was a contact already")).to_be_visible()
    await expect(ana.page.get_by_role("heading", level=1, name="Iris Wood")).to_be_visible()
    people.watch.forgive(r"status of 422 .*api/contacts/quick")


async def test_sup_1_addresses_are_suppressed_by_hand_and_lifted_with_a_reason(people: People) -> None:
    desk = await contacts(people, "olga")
    page = desk.page
    await page.get_by_role("link", name="Suppressed", exact=True).click()
    await page.get_by_role("button", name="Suppress addresses").first.click()
    dialog = page.get_by_role("dialog", name="Suppress addresses")
    await dialog.get_by_role("textbox", name="E-mail addresses").fill(
        "One@old.example\nnot an address\n\ntwo@old.example\none@old.example"
    )
    await dialog.get_by_role("textbox", name="Why?").fill("Bounced at the old sender")
    assert await serious(page) == []
    await dialog.get_by_role("button", name="Suppress 4 addresses").click()
    await expect(dialog.get_by_text("2 addresses are suppressed now.")).to_be_visible()
    await expect(dialog.get_by_text("Line 2: not an address")).to_be_visible()
    await dialog.get_by_role("button", name="Close").last.click()
    rows = page.get_by_role("listitem")
    await expect(rows.filter(has_text="one@old.example")).to_contain_text("Bounced at the old sender")
    assert await serious(page) == []

    await page.get_by_role("searchbox", name="Search addresses").fill("two@")
    await expect(rows).to_have_count(1)
    await page.get_by_role("button", name="Lift the suppression of two@old.example").click()
    dialog = page.get_by_role("dialog", name="Lift a suppression")
    lift = dialog.get_by_role("button", name="Lift", exact=True)
    await expect(lift).to_be_disabled()
    await dialog.get_by_role("textbox").fill("The mailbox works again")
    await lift.click()
    await expect(page.get_by_role("heading", name="No suppressed address found")).to_be_visible()
    await page.get_by_role("button", name="Show all").click()
    await expect(rows.filter(has_text="one@old.example")).to_be_visible()

    # A manager may suppress and not lift, support may do neither (ROL-8).
    mona = await people.agent("mona", "/contacts/suppressed")
    await expect(mona.page.get_by_role("listitem").filter(has_text="one@old.example")).to_be_visible()
    await expect(mona.page.get_by_role("button", name="Suppress addresses")).to_be_visible()
    await expect(mona.page.get_by_role("button", name=re.compile("Lift"))).to_have_count(0)
    ana = await people.agent("ana", "/contacts/suppressed", viewport={"width": 390, "height": 844})
    await expect(ana.page.get_by_role("listitem").filter(has_text="one@old.example")).to_be_visible()
    await expect(ana.page.get_by_role("button", name="Suppress addresses")).to_have_count(0)
    assert await ana.page.evaluate("document.documentElement.scrollWidth") <= 390
