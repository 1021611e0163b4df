"""The console: drafts, shortcuts, palette, phone, languages."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.people import BROKEN_LINE, Desk, People, was_shown

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BANNER = "Reconnecting… your drafts are safe"
# Texts and labels of the interface, without texts that people wrote.
WORDS = """() => {
  const texts = [document.title, document.body.innerText]
  for (const element of document.querySelectorAll('*'))
    for (const name of ['aria-label', 'title', 'placeholder', 'alt'])
      if (element.getAttribute(name)) texts.push(element.getAttribute(name))
  return texts.join('\\n')
}"""
# Visibility is set by hand, because a window under test is never in the background.
GLANCE = """state => {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
}"""
KEY = re.compile(
    r"\b(?:common|time|frame|palette|shortcuts|problem|auth|errors|inbox|settings)\.[a-z]\w*(?:\.\w+)*|\{\{"
)


async def test_a_draft_survives_a_lost_connection_and_a_reload(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("draft: hello?")
    await desk.opens("draft: hello?")
    await desk.box.fill("draft: half a")

    people.site.line.cut()
    await expect(desk.page.get_by_text(BANNER)).to_be_visible()
    await desk.box.press("End")
    await desk.box.press_sequentially(" sentence")
    await people.mends_line()
    await expect(desk.page.get_by_text(BANNER)).to_be_hidden()
    await expect(desk.box).to_have_value("draft: half a sentence")

    await desk.page.reload()
    await expect(desk.box).to_have_value("draft: half a sentence")
    await desk.box.press("Enter")
    await expect(visitor.bubble("draft: half a sentence")).to_be_visible()
    await expect(desk.box).to_have_value("")


async def test_two_tabs_and_two_devices_share_a_draft_until_it_is_sent(people: People) -> None:
    first, visitor = await people.agent("ana"), await people.visitor()
    second = await Desk(people.site, await first.page.context.new_page()).goes()
    phone = await people.agent("ana")
    await visitor.says("shared draft: hello?")
    for desk in (first, second, phone):
        await desk.opens("shared draft: hello?")

    await first.box.fill("shared draft: from the first tab")
    await expect(second.box).to_have_value("shared draft: from the first tab")
    async with second.page.expect_response("**/draft") as saved:  # the tab in which the agent types saves the draft
        await second.box.press("End")
        await second.box.press_sequentially(", on in the second")
    full_text = "shared draft: from the first tab, on in the second"
    await expect(first.box).to_have_value(full_text)
    assert (await (await saved.value).json())["draft"]["text"] == full_text
    await phone.page.evaluate(GLANCE, "visible")
    await expect(phone.box).to_have_value(full_text)

    async with first.page.expect_response("**/draft"):
        await first.box.press("Enter")
    await expect(visitor.bubble(full_text)).to_be_visible()
    await expect(first.box).to_have_value("")
    await expect(second.box).to_have_value("")
    async with phone.page.expect_response("**/api/drafts"):
        await phone.page.evaluate(GLANCE, "visible")
    await expect(phone.box).to_have_value("")
    for desk in (second, phone):
        await desk.page.reload()
        await expect(desk.bubble(full_text)).to_be_visible()
        await expect(desk.box).to_have_value("")
    assert people.site.stored("shared draft: from") == [full_text]


async def test_two_tabs_of_an_agent_show_the_same_and_send_once(people: People) -> None:
    people.watch.forgive(BROKEN_LINE + r"|status of 401")
    visitor = await people.visitor()
    await visitor.says("two tabs: hello")
    context = await people.context()
    first = Desk(people.site, await context.new_page())
    await first.signs_in("ben")
    await first.goes()
    await first.opens("two tabs: hello")
    second = await Desk(people.site, await context.new_page()).goes()
    await second.opens("two tabs: hello")

    # The agent replies in both tabs while offline. Each reply is sent once.
    people.site.line.cut()
    for desk in (first, second):
        await expect(desk.page.get_by_text("Reconnecting…")).to_be_visible()
    await first.replies("two tabs: from the first")
    await second.box.fill("two tabs: from the second")
    await second.box.press("Enter")
    await people.mends_line()
    for text in ("two tabs: from the first", "two tabs: from the second"):
        for desk in (first, second):
            await expect(desk.bubble(text)).to_have_count(1)
        await expect(visitor.bubble(text)).to_have_count(1)
    await expect(first.log.locator("[data-state]")).to_have_count(0)
    await expect(second.log.locator("[data-state]")).to_have_count(0)
    assert sorted(people.site.stored("two tabs: from")) == ["two tabs: from the first", "two tabs: from the second"]

    await (
        second.page.get_by_role("button", name="More actions")
        .or_(second.page.get_by_role("button", name="More", exact=True))
        .first.click()
    )
    await second.page.get_by_role("menuitem", name="Mark unread").click()
    await expect(first.row("two tabs: from")).to_contain_text("Unread")
    await first.page.get_by_role("button", name="Close", exact=True).click()
    await expect(second.row("two tabs: from")).to_have_count(0)

    await first.page.get_by_role("button", name="Account menu").click()
    await first.page.get_by_role("menuitem", name="Sign out").click()
    for desk in (first, second):
        await expect(desk.page.get_by_role("button", name="Sign in")).to_be_visible()
    stored_keys = await second.page.evaluate("Object.keys(localStorage).filter(name => /outbox|draft/.test(name))")
    assert stored_keys == []


# Events about the storage arrive only when a test releases them.
HOLD_STORAGE_EVENTS = """(() => {
  const held = []
  let holding = false
  window.holdStorageEvents = () => { holding = true }
  window.releaseStorageEvents = () => {
    holding = false
    for (const deliver of held.splice(0)) deliver()
  }
  const listen = window.addEventListener
  window.addEventListener = function (type, listener, ...more) {
    const later = event => holding ? held.push(() => listener(event)) : listener(event)
    return listen.call(window, type, type === 'storage' ? later : listener, ...more)
  }
})()"""
# Holds the lock without which no tab writes or removes this draft.
HOLD_DRAFT = """() => new Promise(held => {
  const name = Object.keys(localStorage).find(name => name.startsWith('threadline.draft.'))
  window.draftName = name
  navigator.locks.request(name, () => {
    held()
    return new Promise(release => { window.releaseDraft = release })
  })
})"""
# Resolves when the tab has had the lock of its own, waiting write.
DRAFT_WRITTEN = "() => { releaseDraft(); return navigator.locks.request(draftName, () => {}) }"


async def test_a_reply_typed_in_a_second_tab_survives_late_news_that_the_first_has_sent(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    visitor = await people.visitor()
    await visitor.says("late news: hello")
    context = await people.context()
    await context.add_init_script(HOLD_STORAGE_EVENTS)
    first = Desk(people.site, await context.new_page())
    await first.signs_in("ben")
    await first.goes()
    await first.opens("late news: hello")
    second = await Desk(people.site, await context.new_page()).goes()
    await second.opens("late news: hello")

    people.site.line.cut()
    await first.box.fill("late news: from the first")
    await expect(second.box).to_have_value("late news: from the first")
    await first.page.evaluate(HOLD_DRAFT)
    for desk in (first, second):
        await desk.page.evaluate("holdStorageEvents()")
    await first.box.press("Enter")
    await second.box.fill("late news: from the second")
    await first.page.evaluate(DRAFT_WRITTEN)
    for desk in (second, first):
        await desk.page.evaluate("releaseStorageEvents()")
    await expect(first.box).to_have_value("late news: from the second")
    await expect(second.box).to_have_value("late news: from the second")
    await second.box.press("Enter")
    await people.mends_line()

    texts = ["late news: from the first", "late news: from the second"]
    for text in texts:
        await expect(first.bubble(text)).to_have_count(1)
        await expect(second.bubble(text)).to_have_count(1)
        await expect(visitor.bubble(text)).to_have_count(1)
    for desk in (first, second):
        await expect(desk.box).to_have_value("")
        await expect(desk.log.locator("[data-state]")).to_have_count(0)
    assert sorted(people.site.stored("late news: from")) == texts


async def test_everything_can_be_done_by_keyboard(people: People) -> None:
    desk, first, second = await people.agent("ana"), await people.visitor(), await people.visitor()
    await first.says("keys: first")
    await expect(desk.row("keys: first")).to_be_visible()
    await second.says("keys: second")
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
    # The keys come faster than the screen is drawn; each key acts on the result of the previous key.
    await asyncio.gather(*map(press, ("k", "Enter", "r", *"yes", "Enter")))
    await expect(second.bubble("yes")).to_be_visible()
    await expect(desk.bubble("keys: second")).to_be_visible()
    await press("Escape")
    await asyncio.gather(*map(press, ("j", "Enter", "r", *"zulu", "Enter")))
    await expect(first.bubble("zulu")).to_be_visible()
    # the ticket that was answered last comes first
    await expect(desk.list.get_by_role("link").first).to_contain_text("zulu")
    await press("Escape")
    await asyncio.gather(*map(press, ("j", "Enter", "r")))
    await expect(desk.box).to_be_focused()
    await desk.page.keyboard.type("keys: r is for reply")
    await press("Enter")
    await expect(second.bubble("keys: r is for reply")).to_be_visible()
    assert (await second.texts())[1:] == ["keys: second", "yes", "keys: r is for reply"]
    assert (await first.texts())[1:] == ["keys: first", "zulu"]
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
    await expect(second.frame.get_by_text("This chat has ended")).to_be_visible()
    await press("g")
    await press("s")
    await expect(desk.page).to_have_url(re.compile(r"/settings"))
    await press("g")
    await press("i")
    await expect(desk.page).to_have_url(re.compile(r"/inbox"))
    assert "keys: n is for note" not in await second.texts()


async def test_the_palette_finds_a_contact_and_a_sentence(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("palette: about the marmalade")
    email = visitor.frame.get_by_role("textbox", name="Where can we reach you?")
    await email.fill("paddington@example.com")
    await email.press("Enter")
    await expect(desk.row("paddington@example.com")).to_be_visible()

    await desk.page.keyboard.press("Control+k")
    search = desk.page.get_by_role("combobox", name="Search or run a command…")
    await search.fill("padding")
    result = desk.page.get_by_role("dialog").get_by_role("option")
    await result.filter(has_text="paddington@example.com").first.click()
    await expect(desk.bubble("palette: about the marmalade")).to_be_visible()

    # Text typed before the palette is visible goes into the palette and triggers no shortcut behind it.
    await desk.page.reload()
    await expect(desk.box).to_be_visible()
    await desk.page.keyboard.press("Control+k")
    await desk.page.keyboard.type("eaurmal")
    await expect(search).to_have_value("eaurmal")
    await expect(desk.page.get_by_role("button", name="Undo")).to_have_count(0)
    await search.fill("marmal")
    await expect(result.locator("mark", has_text="marmal")).to_be_visible()
    await search.fill("settings chat widget nothing like this")
    await expect(desk.page.get_by_text("Nothing found")).to_be_visible()


async def test_the_palette_finds_nameless_visitors_by_ticket_number_and_shows_the_part_with_the_hit(
    people: People,
) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("long hit: " + "first this and that " * 12 + "then the persimmon " + "and so on " * 12)
    await visitor.says("我的订单还没有到")
    await desk.row("我的订单还没有到").click()
    await expect(desk.page.locator("header h2[title]")).to_have_text(re.compile(r"^Visitor \d+$"))
    name = await desk.page.locator("header h2[title]").inner_text()
    number = desk.page.url.rsplit("/", 1)[1]
    assert name == f"Visitor {number}"
    await expect(desk.row("我的订单还没有到")).to_contain_text(name)
    await desk.page.keyboard.press("Escape")
    await expect(desk.page).to_have_url(re.compile(r"/inbox$"))

    search = desk.page.get_by_role("combobox", name="Search or run a command…")
    options = desk.page.get_by_role("option")
    for typed in (f"#{number}", number, name, "visi"):
        await desk.page.keyboard.press("Control+k")
        await search.fill(typed)
        await expect(options.filter(has_text=name).first).to_be_visible()
        await expect(options.first).to_have_attribute("aria-selected", "true")
        await desk.page.keyboard.press("Escape")
    await desk.page.keyboard.press("Control+k")
    await search.fill("persimmon")
    mark = options.locator("mark")
    await expect(mark).to_have_text("persimmon")
    hint = mark.locator("xpath=..")
    box, room = await mark.bounding_box(), await hint.bounding_box()
    assert box and room and box["x"] + box["width"] <= room["x"] + room["width"], (
        "the hit is outside the visible part of the row"
    )
    assert (await hint.inner_text()).startswith("…") and await hint.evaluate("it => it.scrollWidth > it.clientWidth")
    assert await hint.evaluate("it => getComputedStyle(it).textOverflow") == "ellipsis"
    await search.fill("订单还")
    await expect(options.locator("mark")).to_have_text("订单还")
    await desk.page.keyboard.press("Enter")
    await expect(desk.bubble("我的订单还没有到")).to_be_visible()

    await desk.page.keyboard.press("Control+k")
    await search.fill("assign to me")
    await desk.page.keyboard.press("Enter")
    await expect(desk.row("我的订单还没有到")).to_contain_text("Assigned to Me")
    await desk.page.keyboard.press("Control+k")
    await search.fill("add note")
    await desk.page.keyboard.press("Enter")
    await expect(desk.page.get_by_role("textbox", name="Note")).to_be_focused()


async def test_unloaded_rows_are_skeletons_until_their_page_arrives(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("skeletons: the only real ticket")
    await expect(desk.row("skeletons: the only real ticket")).to_be_visible()
    page = await (await desk.page.request.get(f"{people.site.console}/api/tickets?limit=1")).json()
    ticket, page_released = page["tickets"][0], asyncio.Event()

    async def answer(route: Route) -> None:
        second = "after=more" in route.request.url
        if second:
            await page_released.wait()
        rows = [ticket | {"id": 9_000 + n, "thread": 9_000 + n, "preview": f"row {n}"} for n in range(50)]
        if second:
            rows = [row | {"id": row["id"] + 50, "preview": "further down"} for row in rows]
        await route.fulfill(json=page | {"tickets": rows, "before": None, "after": None if second else "more"})

    await desk.page.route("**/api/tickets?*", answer)
    await desk.page.reload()
    await expect(desk.row("row 0").first).to_be_visible()
    bottom = "list => { const box = list.parentElement; box.scrollTop = box.scrollHeight }"
    await desk.list.evaluate(bottom)
    skeletons = desk.list.locator("[data-ahead]")
    await expect(skeletons.last).to_be_in_viewport()
    page_released.set()
    await expect(skeletons).to_have_count(0)
    await desk.list.evaluate(bottom)
    await expect(desk.row("further down").last).to_be_in_viewport()


async def test_a_search_hit_opens_at_its_message(people: People) -> None:
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
    await desk.page.get_by_role("combobox", name="Search or run a command…").fill("quince")
    await desk.page.get_by_role("dialog").get_by_role("option").filter(has_text="quince jam").click()
    result = desk.bubble("hit: the quince jam of last week")
    await expect(result).to_be_in_viewport()
    await was_shown(desk.page, "found: ")
    await expect(desk.log.locator("[data-found]")).to_have_count(0)
    await expect(result).to_be_in_viewport()


async def test_the_address_of_a_search_hit_can_be_reloaded_and_shared(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("shared: the fig jam of last week")
    for n in range(120):
        await visitor.says(f"shared: filler {n}")
    await visitor.marked("shared: filler 119", "sent")
    await visitor.page.close()
    await desk.page.keyboard.press("Control+k")
    await desk.page.get_by_role("combobox", name="Search or run a command…").fill("shared fig")
    await desk.page.get_by_role("dialog").get_by_role("option").filter(has_text="fig jam").click()
    hit = desk.bubble("shared: the fig jam of last week")
    await expect(hit).to_be_in_viewport()
    address = desk.page.url
    assert re.search(r"/inbox/\d+#\d+$", address)

    await desk.page.reload()
    await expect(hit).to_be_in_viewport()
    await expect(desk.bubble("shared: filler 119")).not_to_be_in_viewport()

    colleague = await people.agent("ben")
    await colleague.page.goto(address)
    await expect(colleague.bubble("shared: the fig jam of last week")).to_be_in_viewport()
    await expect(colleague.bubble("shared: filler 119")).not_to_be_in_viewport()


async def no_sideways_scroll(page: Page) -> None:
    excess_px = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert excess_px <= 0, f"{excess_px} px too wide at {page.url}"


async def test_on_a_phone_one_pane_is_shown_at_a_time(people: People) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visitor = await people.visitor(**phone)
    frame = await visitor.frame.frame_element()
    box = await frame.bounding_box()
    assert box is not None and (box["width"], box["height"]) == (390, 844)  # the panel covers the page
    await visitor.frame.get_by_role("button", name="Close chat").click()
    # the frame only asks the page to open the chat, and the page may be opening it already
    await frame.wait_for_element_state("hidden")
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


async def test_a_missing_ticket_and_one_that_cannot_be_loaded_look_different_on_a_phone(people: People) -> None:
    people.watch.forgive(r"status of (404|503)")
    desk = await people.agent("ana", viewport={"width": 390, "height": 844})
    page = desk.page
    await page.goto(f"{people.site.console}/inbox/999999")
    await expect(page.get_by_role("heading", name="Ticket not found")).to_be_visible()
    await page.get_by_role("button", name="Back to the list").click()
    await expect(page.get_by_role("navigation", name="Main menu")).to_be_visible()

    await page.route("**/api/tickets/999998", lambda route: route.fulfill(status=503, body="{}"))
    await page.goto(f"{people.site.console}/inbox/999998")
    await expect(page.get_by_role("heading", name="The server cannot be reached")).to_be_visible()
    await page.unroute("**/api/tickets/999998")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Ticket not found")).to_be_visible()


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
async def test_no_language_shows_message_keys(people: People, locale: str, inbox: str, hello: str) -> None:
    short = locale[:2]
    visitor = await people.visitor(open=False, locale=locale)
    # The shop's page is English; the widget may be asked for another language.
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
    texts = [await desk.page.evaluate(WORDS)]
    await desk.page.keyboard.press("Escape")
    await desk.page.keyboard.press("Shift+?")
    await expect(desk.page.get_by_role("dialog")).to_be_visible()
    texts.append(await desk.page.evaluate(WORDS))
    for path in ("/settings/inbox", "/settings/widget", "/settings/sms", "/settings/team", "/settings/account"):
        await desk.page.goto(people.site.console + path)
        await expect(desk.page.get_by_role("heading", level=1)).to_be_visible()
        texts.append(await desk.page.evaluate(WORDS))
    texts.append(await visitor.frame.evaluate(WORDS))

    assert KEY.findall("\n".join(texts)) == []
    assert await desk.page.locator("html").get_attribute("lang") == short


async def test_support_sees_why_the_chats_switch_in_the_inboxs_settings_is_locked(people: People) -> None:
    for name, locked in (("ana", True), ("olga", False)):
        desk = await people.agent(name)
        await desk.page.goto(people.site.console + "/settings/inbox")
        await desk.page.get_by_role("tab", name="Inbound messages").click()
        switch = desk.page.get_by_role("switch", name=re.compile("^Chat When off"))
        await expect(switch).to_be_enabled(enabled=not locked)
        await expect(desk.page.get_by_role("switch", name=re.compile("^SMS When off"))).to_be_enabled()
        await expect(desk.page.get_by_text("Only the owner, admins and managers can change this.")).to_be_visible(
            visible=locked
        )


async def test_two_agents_at_one_ticket_see_each_other_and_who_replies(people: People) -> None:
    ana, olga = await people.agent("ana"), await people.agent("olga")
    visitor = await people.visitor()
    await visitor.says("together: who answers?")
    await ana.opens("together: who answers?")
    await olga.opens("together: who answers?")
    await expect(ana.page.get_by_text("Olga is also viewing")).to_be_visible()
    await expect(olga.page.get_by_text("Ana is also viewing")).to_be_visible()
    await olga.page.evaluate(GLANCE, "hidden")
    await expect(ana.page.get_by_text("Olga is also viewing")).to_be_hidden()
    await olga.page.evaluate(GLANCE, "visible")
    await expect(ana.page.get_by_text("Olga is also viewing")).to_be_visible()
    await olga.box.press_sequentially("I am")
    await was_shown(ana.page, "Olga is replying")
    await olga.page.keyboard.press("Escape")
    await olga.page.keyboard.press("Escape")
    await expect(ana.page.get_by_text("Olga is also viewing")).to_be_hidden()
