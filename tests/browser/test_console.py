"""The console at work: drafts, shortcuts, palette, phone, languages (UX 3, 3.1)."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import BROKEN_LINE, People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BANNER = "Reconnecting… your drafts are safe"
# Everything a person can read or hear, and nothing that people wrote.
WORDS = """() => {
  const said = [document.title, document.body.innerText]
  for (const element of document.querySelectorAll('*'))
    for (const name of ['aria-label', 'title', 'placeholder', 'alt'])
      if (element.getAttribute(name)) said.push(element.getAttribute(name))
  return said.join('\\n')
}"""
# Told by hand: a driven window is never in the background.
GLANCE = """state => {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
}"""
KEY = re.compile(
    r"\b(?:common|time|frame|palette|shortcuts|problem|auth|errors|inbox|settings)\.[a-z]\w*(?:\.\w+)*|\{\{"
)


async def test_a_draft_outlives_a_cut_line_and_a_reload(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("draft: hello?")
    await desk.opens("draft: hello?")
    await desk.box.fill("draft: half a")

    people.site.line.cut()
    await expect(desk.page.get_by_text(BANNER)).to_be_visible()
    await desk.box.press("End")
    await desk.box.press_sequentially(" sentence")
    people.site.line.mend()
    # The longest wait between two tries is half a minute, and the cut lasts as long as the machine takes for it.
    await expect(desk.page.get_by_text(BANNER)).to_be_hidden(timeout=45_000)
    await expect(desk.box).to_have_value("draft: half a sentence")

    await desk.page.reload()
    await expect(desk.box).to_have_value("draft: half a sentence")
    await desk.box.press("Enter")
    await expect(visitor.bubble("draft: half a sentence")).to_be_visible()
    await expect(desk.box).to_have_value("")


async def test_everything_can_be_done_by_keyboard(people: People) -> None:
    desk, one, two = await people.agent("ana"), await people.visitor(), await people.visitor()
    await one.says("keys: first")
    await expect(desk.row("keys: first")).to_be_visible()
    await two.says("keys: second")
    await expect(desk.list.get_by_role("link").first).to_contain_text("keys: second")
    press = desk.page.keyboard.press

    await press("?")
    await expect(desk.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await press("Escape")
    await expect(desk.page.get_by_role("dialog")).not_to_be_attached()

    await press("j")
    await expect(desk.list.get_by_role("link").nth(0)).to_be_focused()
    await press("j")
    await expect(desk.list.get_by_role("link").nth(1)).to_be_focused()
    # Faster than any screen is drawn: each key acts on what the one before it did.
    await asyncio.gather(*map(press, ("k", "Enter", "r", *"yes", "Enter")))
    await expect(two.bubble("yes")).to_be_visible()
    await expect(desk.bubble("keys: second")).to_be_visible()
    await press("Escape")
    await asyncio.gather(*map(press, ("j", "Enter", "r", *"zulu", "Enter")))
    await expect(one.bubble("zulu")).to_be_visible()
    await expect(desk.list.get_by_role("link").first).to_contain_text("zulu")  # what was answered last stands first
    await press("Escape")
    await asyncio.gather(*map(press, ("j", "Enter", "r")))
    await expect(desk.box).to_be_focused()
    await desk.page.keyboard.type("keys: r is for reply")
    await press("Enter")
    await expect(two.bubble("keys: r is for reply")).to_be_visible()
    assert (await two.texts())[1:] == ["keys: second", "yes", "keys: r is for reply"]
    assert (await one.texts())[1:] == ["keys: first", "zulu"]
    await press("Escape")
    await press("n")
    await expect(desk.page.get_by_role("textbox", name="Note")).to_be_focused()
    await desk.page.keyboard.type("keys: n is for note")
    await press("Enter")
    await expect(desk.bubble("keys: n is for note")).to_be_visible()
    await press("Escape")
    await press("u")
    await expect(desk.row("keys: r is for reply")).to_have_attribute("data-unread", "true")
    await expect(desk.page).to_have_url(re.compile(r"/inbox$"))
    await desk.row("keys: r is for reply").press("Enter")
    await expect(desk.bubble("keys: n is for note")).to_be_visible()
    await press("e")
    await expect(two.frame.get_by_text("This chat has ended")).to_be_visible()
    await press("g")
    await press("s")
    await expect(desk.page).to_have_url(re.compile(r"/settings"))
    await press("g")
    await press("i")
    await expect(desk.page).to_have_url(re.compile(r"/inbox"))
    assert "keys: n is for note" not in await two.texts()


async def test_the_palette_finds_a_contact_and_a_sentence(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("palette: about the marmalade")
    email = visitor.frame.get_by_role("textbox", name="Where can we reach you?")
    await email.fill("paddington@example.com")
    await email.press("Enter")
    await expect(desk.row("paddington@example.com")).to_be_visible()

    await desk.page.keyboard.press("Control+k")
    search = desk.page.get_by_role("textbox", name="Search or run a command…")
    await search.fill("padding")
    found = desk.page.get_by_role("dialog").get_by_role("button")
    await found.filter(has_text="paddington@example.com").first.click()
    await expect(desk.bubble("palette: about the marmalade")).to_be_visible()

    # However fast: what is typed before the palette stands there is its own, and closes no ticket behind it.
    await desk.page.reload()
    await expect(desk.box).to_be_visible()
    await desk.page.keyboard.press("Control+k")
    await desk.page.keyboard.type("eaurmal")
    await expect(search).to_have_value("eaurmal")
    await expect(desk.page.get_by_role("button", name="Undo")).to_have_count(0)
    await search.fill("marmal")
    await expect(found.locator("mark", has_text="marmal")).to_be_visible()
    await search.fill("settings chat widget nothing like this")
    await expect(desk.page.get_by_text("Nothing found")).to_be_visible()


async def test_a_search_hit_opens_at_the_very_message(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("hit: the quince jam of last week")
    for n in range(120):
        await visitor.says(f"hit: filler {n}")
    await visitor.marked("hit: filler 119", "sent")
    await visitor.page.close()
    await desk.row("hit: filler 119").click()
    await expect(desk.bubble("hit: filler 119")).to_be_in_viewport()
    await expect(desk.bubble("hit: the quince jam of last week")).to_have_count(0)

    await desk.page.keyboard.press("Control+k")
    await desk.page.get_by_role("textbox", name="Search or run a command…").fill("quince")
    await desk.page.get_by_role("dialog").get_by_role("button").filter(has_text="quince jam").click()
    found = desk.bubble("hit: the quince jam of last week")
    await expect(found).to_be_in_viewport()
    await expect(found).to_have_attribute("data-found", "")
    await expect(found).not_to_have_attribute("data-found", "")
    await expect(found).to_be_in_viewport()


async def no_sideways_scroll(page: Page) -> None:
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{wide} px too wide at {page.url}"


async def test_on_a_phone_one_pane_is_shown_at_a_time(people: People) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visitor = await people.visitor(**phone)
    frame = await visitor.frame.frame_element()
    box = await frame.bounding_box()
    assert box is not None and (box["width"], box["height"]) == (390, 844)  # the panel covers the page
    await visitor.frame.get_by_role("button", name="Close chat").click()
    await frame.wait_for_element_state("hidden")  # the frame only asks the page, which may be opening meanwhile
    await no_sideways_scroll(visitor.page)
    await visitor.page.evaluate("Threadline.open()")
    await visitor.box.fill("phone: a question that is long enough to fill more than one line on this screen")
    await visitor.frame.get_by_role("button", name="Send").click()

    desk = await people.agent("olga", **phone)
    await expect(desk.row("phone: a question")).to_be_visible()
    await expect(desk.page.get_by_role("main", name="Conversation")).to_be_hidden()
    await no_sideways_scroll(desk.page)

    await desk.opens("phone: a question")
    await expect(desk.list).to_be_hidden()
    await no_sideways_scroll(desk.page)
    await desk.box.fill("phone: an answer")
    await desk.page.get_by_role("button", name="Send").click()
    await expect(visitor.bubble("phone: an answer")).to_be_visible()

    await desk.page.get_by_role("button", name="Details", exact=True).click()
    await expect(desk.page.get_by_role("region", name="Details")).to_be_visible()
    await no_sideways_scroll(desk.page)
    await desk.page.get_by_role("button", name="Hide details").click()
    await desk.page.get_by_role("button", name="Back to the list").click()
    await expect(desk.list).to_be_visible()
    for path in ("/settings", "/settings/widget", "/settings/account"):
        await desk.page.goto(people.site.console + path)
        await expect(desk.page.get_by_role("heading").first).to_be_visible()
        await no_sideways_scroll(desk.page)


async def test_a_ticket_that_is_not_there_and_one_that_cannot_be_had_are_told_apart_on_a_phone(people: People) -> None:
    people.watch.forgive(r"status of (404|503)")
    desk = await people.agent("ana", viewport={"width": 390, "height": 844})
    page = desk.page
    await page.goto(f"{people.site.console}/inbox/999999")
    await expect(page.get_by_role("heading", name="There is no such ticket")).to_be_visible()
    await page.get_by_role("button", name="Back to the list").click()
    await expect(page.get_by_role("navigation", name="Main menu")).to_be_visible()

    await page.route("**/api/tickets/999998", lambda route: route.fulfill(status=503, body="{}"))
    await page.goto(f"{people.site.console}/inbox/999998")
    await expect(page.get_by_role("heading", name="The server cannot be reached")).to_be_visible()
    await page.unroute("**/api/tickets/999998")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="There is no such ticket")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "inbox", "hello"),
    [
        ("en-GB", "Inbox", "Write a message…"),
        ("ko-KR", "문의함", "메시지를 입력하세요…"),
        ("pl-PL", "Skrzynka", "Napisz wiadomość…"),
        ("ru-RU", "Входящие", "Напишите сообщение…"),
    ],
    ids=["en", "ko", "pl", "ru"],
)
async def test_every_language_speaks_in_words(people: People, locale: str, inbox: str, hello: str) -> None:
    short = locale[:2]
    visitor = await people.visitor(open=False, locale=locale)
    # The shop's page is English; it may ask for another language.
    await visitor.page.evaluate(f"Threadline.language('{short}'); Threadline.open()")
    await visitor.finds_frame()
    writing = visitor.frame.get_by_placeholder(hello)
    await writing.fill(f"language {short}")
    await writing.press("Enter")
    await expect(visitor.frame.locator("html")).to_have_attribute("lang", short)

    desk = await people.agent("olga", locale=locale)
    await expect(desk.page.get_by_role("link", name=inbox).first).to_be_visible()
    await desk.page.locator("[data-id]", has_text=f"language {short}").click()
    await expect(desk.page.get_by_role("log").get_by_text(f"language {short}")).to_be_visible()
    said = [await desk.page.evaluate(WORDS)]
    await desk.page.keyboard.press("Escape")
    await desk.page.keyboard.press("Shift+?")
    await expect(desk.page.get_by_role("dialog")).to_be_visible()
    said.append(await desk.page.evaluate(WORDS))
    for path in ("/settings/inbox", "/settings/widget", "/settings/sms", "/settings/team", "/settings/account"):
        await desk.page.goto(people.site.console + path)
        await expect(desk.page.get_by_role("heading", level=1)).to_be_visible()
        said.append(await desk.page.evaluate(WORDS))
    said.append(await visitor.frame.evaluate(WORDS))

    assert KEY.findall("\n".join(said)) == []
    assert await desk.page.locator("html").get_attribute("lang") == short


async def test_support_is_told_why_the_chats_switch_in_the_inboxs_settings_is_locked(people: People) -> None:
    for who, locked in (("ana", True), ("olga", False)):
        desk = await people.agent(who)
        await desk.page.goto(people.site.console + "/settings/inbox")
        await desk.page.get_by_role("tab", name="Inbound messages").click()
        switch = desk.page.get_by_role("switch", name=re.compile("^Chat Off"))
        await expect(switch).to_be_enabled(enabled=not locked)
        await expect(desk.page.get_by_role("switch", name=re.compile("^SMS Off"))).to_be_enabled()
        await expect(desk.page.get_by_text("Owner, admins and managers change this.")).to_be_visible(visible=locked)


async def test_two_at_one_ticket_see_each_other_and_who_replies(people: People) -> None:
    ana, olga = await people.agent("ana"), await people.agent("olga")
    visitor = await people.visitor()
    await visitor.says("together: who answers?")
    await ana.opens("together: who answers?")
    await olga.opens("together: who answers?")
    await expect(ana.page.get_by_text("Also open for Olga")).to_be_visible()
    await expect(olga.page.get_by_text("Also open for Ana")).to_be_visible()
    await olga.page.evaluate(GLANCE, "hidden")
    await expect(ana.page.get_by_text("Also open for Olga")).to_be_hidden()
    await olga.page.evaluate(GLANCE, "visible")
    await expect(ana.page.get_by_text("Also open for Olga")).to_be_visible()
    await olga.box.press_sequentially("I am")
    await expect(ana.page.get_by_text("Replying: Olga")).to_be_visible()
    await olga.page.keyboard.press("Escape")
    await olga.page.keyboard.press("Escape")
    await expect(ana.page.get_by_text("Also open for Olga")).to_be_hidden()
