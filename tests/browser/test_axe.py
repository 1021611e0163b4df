"""axe-core finds nothing serious on any screen, in light and dark."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import serious
from tests.browser.people import BROKEN_LINE, Desk, People, keep_toasts

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# The launcher's shadow root is closed to axe; here it is created open instead.
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
    await desk.page.get_by_role("combobox", name="Search or run a command…").fill("axe")
    await expect(desk.page.get_by_role("dialog").get_by_text("axe: hello?").first).to_be_visible()
    assert await serious(desk.page) == []
    await desk.page.keyboard.press("Escape")

    await keep_toasts(desk.page)
    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await expect(desk.page.get_by_text("Ticket closed")).to_be_visible()
    assert await serious(desk.page) == []


async def test_a_missing_ticket_is_accessible(people: People) -> None:
    people.watch.forgive("/api/tickets/999999")
    desk = await people.agent("olga", "/inbox/999999")
    await expect(desk.page.get_by_role("heading", name="Ticket not found")).to_be_visible()
    assert await serious(desk.page) == []


async def test_the_start_page_of_roles_without_the_inbox_is_accessible(people: People) -> None:
    desk = await people.agent("nils", "/")
    await expect(desk.page.get_by_role("heading", level=1)).to_be_visible()
    assert await serious(desk.page) == []


async def test_the_dialogs_of_the_settings_are_accessible(people: People) -> None:
    desk = await people.agent("olga", "/settings/team")
    page = desk.page
    dialog = page.get_by_role("dialog")

    async def is_accessible() -> None:
        await expect(dialog).to_be_visible()
        assert await serious(page) == []
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)

    await page.keyboard.press("?")
    await is_accessible()
    await page.get_by_role("button", name="Invite a colleague").click()
    await dialog.get_by_label("E-mail").fill("axe@shop.example")
    assert await serious(page) == []
    await dialog.get_by_role("button", name="Create an invitation link").click()
    await expect(dialog.get_by_text("/invite#")).to_be_visible()
    await is_accessible()
    await page.get_by_role("button", name="More actions for Ben").click()
    await page.get_by_role("menuitem", name="Disable").click()
    await is_accessible()

    for path, button in (("consents", "Add a consent"), ("sms", "Add a number"), ("widget", "Create a new secret")):
        await desk.goes(f"/settings/{path}")
        if path == "sms":
            await page.get_by_role("tab", name="Numbers").click()
        await page.get_by_role("button", name=button).click()
        await is_accessible()


async def test_the_pages_of_links_are_accessible(people: People) -> None:
    """Set-up and invitation are checked where they are used, in `test_accounts`."""
    people.watch.forgive(r"status of 4\d\d .*api/links")
    desk = await people.agent("olga", "/settings/team")
    await desk.page.get_by_role("button", name="More actions for Ben").click()
    await desk.page.get_by_role("menuitem", name="Create a password reset link").click()
    link = await desk.page.get_by_text("/reset#").inner_text()

    page = await (await people.context()).new_page()
    await page.goto(link)
    await expect(page.get_by_role("button", name="Save")).to_be_visible()
    assert await serious(page) == []
    for path in ("signin", "invite", "reset"):
        await page.goto(f"{people.site.console}/{path}#no-such-link")
        await expect(page.get_by_role("heading", name="This link does not work")).to_be_visible()
        assert await serious(page) == []


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


async def test_the_widget_is_accessible_while_offline(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    visitor = await people.visitor()
    await visitor.says("axe offline: hello?")
    await visitor.marked("axe offline: hello?", "sent")
    await visitor.page.context.set_offline(True)
    people.site.line.cut()
    await visitor.says("axe offline: are you there?")
    await visitor.marked("axe offline: are you there?", "offline")
    assert await serious(visitor.frame) == []
