"""Contacts → Lists and Segments: lists with members, the builder of segments with its count, and why somebody is in one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def call(desk: Desk, path: str, body: dict[str, Any]) -> Any:
    console = desk.site.console
    answer = await desk.page.context.request.post(console + path, data=body, headers={"origin": console})
    assert answer.ok, await answer.text()
    return await answer.json()


async def add(desk: Desk, name: str) -> int:
    body = {"email": f"{name.lower().replace(' ', '.')}@people.example", "name": name}
    return int((await call(desk, "/api/contacts/quick", body))["contact"]["id"])


async def test_a_list_gets_a_name_and_people_and_loses_one_with_undo(people: People) -> None:
    desk = await people.agent("cora", "/contacts")
    mona = await people.agent("mona", "/settings/account")
    await add(mona, "Lena List")
    page = desk.page
    await page.get_by_role("link", name="Lists", exact=True).click()
    await page.get_by_role("button", name="New list").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("Newsletter")
    await expect(dialog.get_by_role("switch", name="Double opt-in")).to_be_checked()
    assert await serious(page) == []
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("link", name="Newsletter").click()
    await expect(page.get_by_role("heading", name="Nobody is in this list")).to_be_visible()
    await page.get_by_role("textbox", name="Add a person").fill("lena.list@")
    await page.get_by_role("button", name="Lena List").click()
    member = page.get_by_role("link", name="Lena List")
    await expect(member).to_be_visible()
    await expect(page.get_by_text("1 person", exact=True)).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("button", name="Remove Lena List from the list").click()
    await expect(member).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(member).to_be_visible()

    # A content creator sees how many people are in a list, and not who (ROL-8).
    kurt = await people.agent("kurt", "/contacts")
    await kurt.page.get_by_role("link", name="Newsletter").click()
    await expect(kurt.page.get_by_role("heading", name="Your role sees how many people are in a list")).to_be_visible()
    await expect(kurt.page.get_by_text("Lena List")).to_have_count(0)
    await expect(kurt.page.get_by_role("link", name="People", exact=True)).to_have_count(0)


async def test_amb_15_the_engaged_segment_is_built_from_its_preset_and_says_why_somebody_is_in_it(
    people: People,
) -> None:
    desk = await people.agent("mona", "/contacts/segments")
    page = desk.page
    contact = await add(desk, "Wanda Why")
    await page.get_by_role("button", name="New segment").click()
    await page.get_by_role("menuitem", name="Engaged, 120 days").click()
    await expect(page.get_by_role("textbox", name="Name of the segment")).to_have_value("Engaged, 120 days")
    # OR inside a group, AND between groups (AMB-24).
    group = page.get_by_role("region", name="Group 1")
    await expect(group.get_by_text("or", exact=True)).to_have_count(2)
    now = page.get_by_role("region", name="People now")
    await expect(now).to_contain_text(re.compile(r"[1-9]\d* of [1-9]\d* (person|people)"))
    await expect(now.get_by_role("link", name="Wanda Why")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("button", name="Create the segment").click()
    await page.wait_for_url(re.compile(r"/contacts/segments/\d+$"))

    why = page.get_by_role("region", name="Why is somebody in it, or not?")
    await why.get_by_role("textbox", name="Find a person").fill("wanda.why@")
    await why.get_by_role("button", name="Wanda Why").click()
    await expect(why).to_contain_text("Wanda Why is in this segment.")
    await expect(why).to_contain_text("The clock changes this")
    await expect(group.get_by_text("Holds for this person.")).to_have_count(1)
    await expect(group.get_by_text("Does not hold for this person.")).to_have_count(2)

    # Another group narrows it down: nobody has done this event.
    await page.get_by_role("button", name="Add an “and”").click()
    second = page.get_by_role("region", name="Group 2")
    await expect(page.get_by_text("and", exact=True)).to_be_visible()
    await second.get_by_role("combobox", name="What to ask for").select_option("consent")
    await second.get_by_role("combobox", name="Answer").select_option("unsubscribed")
    await expect(now).to_contain_text(re.compile(r"now0 of [1-9]"))
    await expect(second).to_contain_text("0 people are left")
    await page.get_by_role("button", name="Save").click()
    await expect(why).to_contain_text("Wanda Why is not in this segment.")
    assert await serious(page) == []
    await desk.goes(f"/contacts/{contact}")
    await expect(page.get_by_role("heading", level=1, name="Wanda Why")).to_be_visible()

    # An analyst sees the conditions and cannot change them; a phone shows one column.
    nils = await people.agent("nils", "/contacts/segments", viewport={"width": 390, "height": 844})
    await nils.page.get_by_role("link", name="Engaged, 120 days").click()
    await expect(nils.page.get_by_role("combobox", name="What to ask for").first).to_be_disabled()
    await expect(nils.page.get_by_role("button", name="Save")).to_have_count(0)
    assert await nils.page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_a_property_is_defined_filled_in_a_profile_and_deleted_with_the_person_who_has_it(
    people: People,
) -> None:
    desk = await people.agent("olga", "/settings/contacts")
    page = desk.page
    await page.get_by_role("button", name="Add a property").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("Plan")
    assert await serious(page) == []
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Text · plan", exact=True)).to_be_visible()
    assert await serious(page) == []

    contact = await add(desk, "Greta Gone")
    await desk.goes(f"/contacts/{contact}")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_role("dialog").get_by_role("textbox", name="Plan").fill("Gold")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    properties = page.locator("section").filter(has=page.get_by_role("heading", name="Properties"))
    await expect(properties).to_contain_text("PlanGold")

    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Erase this person…").click()
    dialog = page.get_by_role("dialog", name="Erase this person")
    await expect(dialog).to_contain_text("Properties: 1")
    await expect(dialog).to_contain_text("The consent ledger without personal fields")
    erase = dialog.get_by_role("button", name="Erase for good")
    await expect(erase).to_be_disabled()
    label = await dialog.get_by_text("to confirm").inner_text()
    await dialog.get_by_role("textbox").fill(label.removeprefix("Type ").removesuffix(" to confirm"))
    assert await serious(page) == []
    await erase.click()
    await page.wait_for_url("**/contacts")
    await page.get_by_role("searchbox").fill("greta.gone@")
    await expect(page.get_by_role("heading", name="Nothing found for “greta.gone@”")).to_be_visible()

    await desk.goes("/settings/contacts")
    await page.get_by_role("button", name="More actions for Plan").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No properties of your own yet")).to_be_visible()
    # A manager may define properties and not erase people (ROL-8).
    mona = await people.agent("mona", "/settings/contacts")
    await expect(mona.page.get_by_role("button", name="Add a property")).to_be_visible()
