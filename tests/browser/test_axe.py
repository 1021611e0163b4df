"""axe-core finds nothing serious on any screen, in light and dark (UX 1)."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import Desk, People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# The launcher's shadow root is closed, to axe as to the shop's scripts; here it is opened before it is made.
OPEN_SHADOWS = """
const attach = Element.prototype.attachShadow
Element.prototype.attachShadow = function (init) { return attach.call(this, { ...init, mode: 'open' }) }
"""


async def test_signing_in_is_accessible(people: People) -> None:
    context = await people.context()
    desk = Desk(people.site, await context.new_page())
    await desk.page.goto(people.site.console)
    await expect(desk.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert await serious(desk.page) == []


async def test_the_inbox_is_accessible(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("axe: hello?", "axe: https://example.com/a-link and 😀")
    await expect(desk.row("axe:")).to_be_visible()
    assert await serious(desk.page) == []

    await desk.opens("axe:")
    await desk.replies("axe: hello!")
    await desk.page.get_by_role("radiogroup").get_by_text("Note", exact=True).click()
    note = desk.page.get_by_role("textbox", name="Note")
    await note.fill("axe: a note")
    await note.press("Enter")
    await expect(desk.page.get_by_role("region", name="Details")).to_be_visible()
    await expect(desk.bubble("axe: a note")).to_be_visible()
    assert await serious(desk.page) == []

    await (
        desk.page.get_by_role("button", name="Assigned to").or_(desk.page.get_by_role("button", name="Assign")).click()
    )
    await expect(desk.page.get_by_placeholder("Find a colleague")).to_be_visible()
    assert await serious(desk.page) == []
    await desk.page.keyboard.press("Escape")

    await desk.page.keyboard.press("Control+k")
    await desk.page.get_by_role("textbox", name="Search or run a command…").fill("axe")
    await expect(desk.page.get_by_role("dialog").get_by_text("axe: hello?").first).to_be_visible()
    assert await serious(desk.page) == []
    await desk.page.keyboard.press("Escape")

    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await expect(desk.page.get_by_text("Ticket closed")).to_be_visible()
    assert await serious(desk.page) == []


@pytest.mark.parametrize(
    "path",
    [
        "/settings",
        "/settings/inbox",
        "/settings/widget",
        "/settings/consents",
        "/settings/team",
        "/settings/account",
        "/inbox/999999",
    ],
)
async def test_the_settings_are_accessible(people: People, path: str) -> None:
    people.watch.forgive("/api/tickets/999999")
    desk = await people.agent("olga", "/settings")
    await desk.page.goto(people.site.console + path)
    await expect(desk.page.get_by_role("heading", level=1)).to_be_visible()
    await desk.page.wait_for_load_state("networkidle")
    assert await serious(desk.page) == []


async def test_the_widget_is_accessible_in_every_state(people: People) -> None:
    context = await people.context()
    await context.add_init_script(OPEN_SHADOWS)
    visitor = await people.visitor(open=False, context=context)
    assert await serious(visitor.page) == []

    await visitor.opens_chat()
    assert await serious(visitor.page) == []
    assert await serious(visitor.frame) == []

    await visitor.says("axe widget: hello? https://example.com/")
    desk = await people.agent("ana")
    await desk.opens("axe widget: hello?")
    await desk.replies("axe widget: hello!")
    await expect(visitor.bubble("axe widget: hello!")).to_be_visible()
    await expect(visitor.frame.get_by_text("Where can we reach you?")).to_be_visible()
    assert await serious(visitor.frame) == []

    await visitor.frame.get_by_role("button", name="More options").click()
    await expect(visitor.frame.get_by_role("menu")).to_be_visible()
    assert await serious(visitor.frame) == []
    await visitor.frame.get_by_role("menuitem", name="End chat").click()
    assert await serious(visitor.frame) == []
    await visitor.frame.get_by_role("button", name="End chat").click()
    await expect(visitor.frame.get_by_role("button", name="Start a new chat")).to_be_visible()
    assert await serious(visitor.frame) == []
