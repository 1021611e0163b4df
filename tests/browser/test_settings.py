"""Settings keep what people type: while a save runs, when another admin saves meanwhile, and when the page is left."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.axe import serious
from tests.browser.people import People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WIDGET = "/settings/widget"


async def save(page: Page) -> None:
    await page.get_by_role("region", name="Unsaved changes").get_by_role("button", name="Save").click()


async def test_two_admins_at_the_same_settings_decide_what_both_changed(own_people: People) -> None:
    own_people.watch.forgive(r"status of 409")
    olga, adam = await own_people.agent("olga", WIDGET), await own_people.agent("adam", WIDGET)
    # Adam's console does not learn of Olga's save, as behind a line that was just cut.
    await adam.page.route_web_socket("**/ws/agent", lambda socket: None)
    await adam.page.reload()
    names = [desk.page.get_by_role("textbox", name="Name", exact=True) for desk in (olga, adam)]
    for name in names:
        await expect(name).to_be_visible()
    await names[1].fill("Adam's kettles")
    await adam.page.get_by_role("textbox", name="Terms").fill("https://adam.example/terms")
    await names[0].fill("Olga's kettles")
    await save(olga.page)
    await expect(olga.page.get_by_role("region", name="Unsaved changes")).to_be_hidden()

    await save(adam.page)
    dialog = adam.page.get_by_role("dialog", name="Somebody else changed these settings")
    await expect(dialog.get_by_text("Olga, ")).to_contain_text("brand name")
    choice = dialog.get_by_role("group", name="brand name")
    await expect(choice.get_by_role("button", name="Keep mine")).to_contain_text("Adam's kettles")
    await expect(choice.get_by_role("button", name="Take theirs")).to_contain_text("Olga's kettles")
    await expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    assert await serious(adam.page) == []
    await choice.get_by_role("button", name="Take theirs").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()
    await expect(names[1]).to_have_value("Olga's kettles")

    await olga.page.reload()
    await expect(names[0]).to_have_value("Olga's kettles")
    await expect(olga.page.get_by_role("textbox", name="Terms")).to_have_value("https://adam.example/terms")


async def test_what_is_typed_while_a_save_runs_stays_and_leaving_asks(people: People) -> None:
    desk = await people.agent("olga", WIDGET)
    page = desk.page
    held, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        if route.request.method == "PUT":
            held.set()
            await go_on.wait()
        await route.continue_()

    await page.route("**/api/settings/widget", slowly)
    name = page.get_by_role("textbox", name="Name", exact=True)
    terms = page.get_by_role("textbox", name="Terms")
    await name.fill("Fern & Kettle")
    await save(page)
    await held.wait()
    await terms.fill("https://typed.example/meanwhile")
    go_on.set()
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    await expect(terms).to_have_value("https://typed.example/meanwhile")
    await expect(name).to_have_value("Fern & Kettle")

    await page.get_by_role("link", name="Team").click()
    question = page.get_by_role("dialog", name="Leave without saving?")
    await question.get_by_role("button", name="Keep editing").click()
    await expect(terms).to_have_value("https://typed.example/meanwhile")
    await page.get_by_role("link", name="Team").click()
    await question.get_by_role("button", name="Discard and leave").click()
    await expect(page.get_by_role("heading", level=1, name="Team")).to_be_visible()
    await page.get_by_role("link", name="Chat widget").click()
    await expect(name).to_have_value("Fern & Kettle")
    await expect(terms).not_to_have_value("https://typed.example/meanwhile")


async def test_the_first_wrong_field_is_shown_and_has_the_focus(people: People) -> None:
    people.watch.forgive(r"status of 422")
    desk = await people.agent("olga", WIDGET)
    page = desk.page
    privacy = page.get_by_role("textbox", name="Privacy policy")
    await privacy.fill("/privacy")
    await save(page)
    await expect(page.get_by_text("Enter the full address, starting with https://.")).to_be_visible()
    await expect(privacy).to_be_focused()


async def test_the_inbox_has_three_tabs_and_the_welcome_is_changed_there(own_people: People) -> None:
    tabs = ["General", "Inbound messages", "Quick replies"]
    ana = await own_people.agent("ana", "/settings/inbox")
    await expect(ana.page.get_by_role("tab")).to_have_text(tabs)
    await expect(ana.page.get_by_role("heading", name="Support address · Chat")).to_be_visible()
    await ana.page.get_by_role("tab", name="Inbound messages").click()
    await expect(ana.page.get_by_role("heading", name="Welcome message · Chat")).to_be_visible()
    await expect(ana.page.get_by_role("heading", name="Business hours")).to_have_count(0)
    await ana.page.get_by_role("textbox", name="While somebody is online").fill("Welcome from Ana!")
    await save(ana.page)
    await expect(ana.page.get_by_text("Saved", exact=True)).to_be_visible()

    olga = await own_people.agent("olga", WIDGET)
    await expect(olga.page.get_by_role("textbox", name="While somebody is online")).to_have_count(0)
    await olga.page.get_by_role("link", name="Settings → Inbox → Inbound messages").click()
    await expect(olga.page.get_by_role("tab")).to_have_text(tabs)
    welcome = olga.page.get_by_role("textbox", name="While somebody is online")
    await expect(welcome).to_have_value("Welcome from Ana!")
    await expect(olga.page.get_by_role("heading", name="Business hours")).to_be_visible()
    assert await serious(olga.page) == []
