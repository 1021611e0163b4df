"""A visitor over several pages: reading back, and signing in while the chat is open."""

from __future__ import annotations

import asyncio
import time

import jwt
import pytest
from playwright.async_api import Route, expect

from tests.browser.people import WELCOME, People, is_ours

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_visitor_reads_back_to_the_first_message(people: People) -> None:
    visitor = await people.visitor()
    # The welcome message is stored only for somebody who saw it before writing.
    await expect(visitor.frame.get_by_text(WELCOME)).to_be_visible()
    await visitor.says(*(f"back: {n}" for n in range(130)))
    await visitor.marked("back: 129", "sent")
    # A tab stores its newest fifty entries a moment after they arrived; later entries reach the next tab live.
    await visitor.frame.wait_for_function("() => localStorage['tl:anon:chat']?.includes('back: 129')")
    new_tab = await people.visitor(context=visitor.page.context)
    await expect(new_tab.bubble("back: 129")).to_be_in_viewport()
    await expect(new_tab.bubbles).to_have_count(50)

    scroller = new_tab.frame.get_by_role("log")
    reading = new_tab.bubble("back: 90")
    await reading.scroll_into_view_if_needed()
    for _ in range(20):
        if await new_tab.bubble("back: 0").count():
            break
        # Counted and scrolled in one script: the page may already have requested more.
        count = await scroller.evaluate(
            "log => { log.scrollTop = 120; return log.querySelectorAll('.row .text').length }"
        )
        await expect(new_tab.bubbles.nth(count)).to_be_attached()
        # The scroll position does not change.
        assert await scroller.evaluate("log => log.scrollTop") > 120
    texts = await new_tab.texts()
    assert texts[-130:] == [f"back: {n}" for n in range(130)]
    assert len(texts) == len(set(texts))
    await expect(new_tab.frame.get_by_text(WELCOME)).to_have_count(1)

    await new_tab.says("back: and on")
    await expect(new_tab.bubble("back: and on")).to_be_in_viewport()


async def test_signing_in_with_the_chat_open_continues_it(people: People) -> None:
    olga = await people.agent("olga")
    answer = await olga.page.request.get(f"{people.site.console}/api/settings/widget/identity")
    claims = {
        "sub": "customer-41",
        "name": "Petra Carried",
        "email": "petra@example.com",
        "exp": int(time.time()) + 600,
    }
    identity = jwt.encode(claims, (await answer.json())["secret"], algorithm="HS256")

    visitor = await people.visitor()
    await visitor.says("carry: before I signed in")
    await visitor.marked("carry: before I signed in", "sent")
    await olga.opens("carry: before I signed in")
    bystander = await people.visitor(context=visitor.page.context)  # a tab in which the shop has not signed in yet
    await expect(bystander.bubble("carry: before I signed in")).to_be_visible()
    await visitor.box.fill("carry: half a")

    await visitor.page.evaluate(f"Threadline.identify('{identity}')")
    await expect(olga.row("Petra Carried")).to_be_visible()
    await expect(olga.log.get_by_text("The visitor signed in as Petra Carried, petra@example.com")).to_be_visible()
    await expect(visitor.bubble("carry: before I signed in")).to_be_visible()
    await expect(visitor.box).to_have_value("carry: half a")
    await visitor.says("carry: after")
    await expect(olga.bubble("carry: after")).to_be_visible()
    await olga.replies("carry: hello Petra")
    await expect(visitor.bubble("carry: hello Petra")).to_be_visible()
    assert (await visitor.texts())[1:] == ["carry: before I signed in", "carry: after", "carry: hello Petra"]

    # The other tab is anonymous until the shop signs in there; a new tab of the customer shows everything.
    await expect(bystander.bubble("carry: before I signed in")).to_have_count(0)
    await bystander.page.evaluate(f"Threadline.identify('{identity}')")
    await expect(bystander.bubble("carry: hello Petra")).to_be_visible()
    assert people.site.stored("carry:") == [
        "carry: before I signed in", "carry: after", "carry: hello Petra",
    ]  # fmt: skip


async def test_two_signed_out_visitors_with_an_undefined_identity_have_separate_chats(people: People) -> None:
    olga = await people.agent("olga")
    answer = await olga.page.request.get(f"{people.site.console}/api/settings/widget/identity")
    claims = {"sub": "undefined", "exp": int(time.time()) + 600}
    nobody = jwt.encode(claims, (await answer.json())["secret"], algorithm="HS256")
    script = f"window.threadline = {{identity: '{nobody}'}}"

    first = (await people.visitor()).page.context
    await first.add_init_script(script)
    visitor = await people.visitor(context=first)
    await visitor.says("nobody: my parcel")
    await visitor.marked("nobody: my parcel", "sent")

    second = (await people.visitor()).page.context
    await second.add_init_script(script)
    second_visitor = await people.visitor(context=second)
    await second_visitor.says("nobody: another person")
    await second_visitor.marked("nobody: another person", "sent")
    await expect(second_visitor.bubble("nobody: my parcel")).to_have_count(0)

    await olga.opens("nobody: my parcel")
    await olga.replies("nobody: on its way")
    new_tab = await people.visitor(context=first)
    await expect(new_tab.bubble("nobody: on its way")).to_be_visible()
    await expect(new_tab.bubble("nobody: another person")).to_have_count(0)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_text_typed_while_the_widget_first_opens_is_in_the_box(people: People, motion: str) -> None:
    visitor = await people.visitor(open=False, reduced_motion=motion)
    await visitor.clicks_launcher()
    # Before the frame has loaded, a space must not press the close button.
    await visitor.page.keyboard.type("first words")
    await visitor.finds_frame()
    await expect(visitor.box).to_be_focused()
    await visitor.page.keyboard.type(" and more")
    await expect(visitor.box).to_have_value("first words and more")
    assert await visitor.frame.evaluate("document.hasFocus()")


# The frame receives what the loader says 300 ms later, as on a busy device.
LATE = """
if (location.pathname === '/widget/frame') addEventListener('message', (event) => {
  const { data, origin, source } = event
  if (data.type !== 'open' || data.late) return
  event.stopImmediatePropagation()
  setTimeout(() => dispatchEvent(new MessageEvent('message', { data: { ...data, late: true }, origin, source })), 300)
})
"""


async def test_no_key_is_lost_while_the_frame_takes_the_focus(people: People) -> None:
    context = await people.context()
    await context.add_init_script(LATE)
    visitor = await people.visitor(open=False, context=context)
    text = "words that are typed without a pause from the first moment until the box has the focus, and on"
    await visitor.clicks_launcher()
    await visitor.page.keyboard.type(text, delay=20)
    await visitor.finds_frame()
    await expect(visitor.box).to_have_value(text)
    await visitor.page.evaluate("Threadline.close()")
    await visitor.clicks_launcher()  # the frame is loaded already
    await visitor.page.keyboard.type(text, delay=20)
    await expect(visitor.box).to_have_value(text + text)


async def test_text_typed_before_the_frame_loads_arrives_even_if_the_focus_has_moved_on(people: People) -> None:
    visitor = await people.visitor(open=False)
    page, loads = visitor.page, asyncio.Event()

    async def waits(route: Route) -> None:
        await loads.wait()
        await route.continue_()

    await page.route("**/widget/frame", waits)
    await visitor.clicks_launcher()
    await page.keyboard.type("for the chat")
    field = "document.body.append(Object.assign(document.createElement('input'), { id: 'field' })), field.focus()"
    await page.evaluate(field)
    loads.set()
    await visitor.finds_frame()
    await expect(visitor.box).to_have_value("for the chat")
    await page.keyboard.type("to the shop")
    await expect(page.locator("#field")).to_have_value("to the shop")
    await expect(visitor.box).to_have_value("for the chat")


async def test_text_typed_beside_every_control_of_the_chat_is_in_the_box(people: People) -> None:
    visitor = await people.visitor()
    await visitor.frame.get_by_role("heading", level=1).click()
    await expect(visitor.box).not_to_be_focused()
    await visitor.page.keyboard.type("typed beside")
    await expect(visitor.box).to_have_value("typed beside")


async def test_typing_elsewhere_while_the_chat_loads_keeps_the_focus(people: People) -> None:
    visitor = await people.visitor(open=False)
    field = "document.body.append(Object.assign(document.createElement('input'), { id: 'field' })), Threadline.open(), field.focus()"
    await visitor.page.evaluate(field)
    await visitor.finds_frame()
    await expect(visitor.box).to_be_visible()
    await visitor.page.keyboard.type("to the shop")
    await expect(visitor.page.locator("#field")).to_have_value("to the shop")
    await expect(visitor.box).to_have_value("")


REBUILDS = {
    "the chat's element removed": "document.documentElement.lastElementChild.remove()",
    "the document replaced": "document.replaceChild(document.createElement('html'), document.documentElement)",
}


@pytest.mark.parametrize("rebuild", REBUILDS.values(), ids=REBUILDS.keys())
async def test_after_many_rebuilds_of_the_page_the_chat_comes_back_when_opened(people: People, rebuild: str) -> None:
    # The page removes the frame while its socket is being opened; how often depends on the machine's load.
    people.watch.forgive("WebSocket is closed before the connection is established")
    visitor = await people.visitor()
    text = f"rebuilt: {len(rebuild)}"
    await visitor.says(text)
    await visitor.marked(text, "sent")
    for _ in range(8):
        # The observer runs after the page's own scripts.
        await visitor.page.evaluate(f"new Promise(done => {{ {rebuild}; setTimeout(done) }})")
    await expect(visitor.page.locator("html > div")).to_have_count(0)

    async with visitor.page.expect_event("framenavigated", is_ours) as back:
        await visitor.page.evaluate("Threadline.open()")
    visitor.frame = await back.value
    await expect(visitor.bubble(text)).to_be_visible()


async def test_a_customer_who_signs_out_leaves_nothing_behind(people: People) -> None:
    visitor = await people.visitor()
    await visitor.says("signs out: hello")
    await visitor.marked("signs out: hello", "sent")
    await visitor.box.press_sequentially("nobody else's business")
    # The widget has not stored the typed text yet. If it stored the text after the shutdown, the text would come back.
    await visitor.page.evaluate("Threadline.shutdown()")
    await expect(visitor.page.locator("html > div")).to_have_count(0)
    new_tab = await people.visitor(context=visitor.page.context)
    await expect(new_tab.box).to_have_value("")
    await expect(new_tab.bubble("signs out: hello")).to_have_count(0)
    assert await new_tab.frame.evaluate("Object.keys(localStorage).filter(key => !key.endsWith(':token'))") == []


# Counts the loader's running intervals and observers from outside; the driver has some of its own.
COUNTED = """
window.running = new Set()
const note = (it) => { if (new Error().stack.includes('/widget/loader.js')) window.running.add(it) }
const { setInterval: begin, clearInterval: end } = window
window.setInterval = (...given) => { const id = begin(...given); note(id); return id }
window.clearInterval = (id) => { window.running.delete(id); end(id) }
delete window.navigation
delete Window.prototype.navigation
const { observe, disconnect } = MutationObserver.prototype
MutationObserver.prototype.observe = function (...given) { note(this); return observe.apply(this, given) }
MutationObserver.prototype.disconnect = function () { window.running.delete(this); return disconnect.call(this) }
"""


async def test_a_chat_that_is_shut_down_leaves_no_listeners_or_timers(people: People) -> None:
    # Chromium warns if the socket was still being opened.
    people.watch.forgive("closed before the connection is established")
    context = await people.context()
    await context.add_init_script(COUNTED)
    visitor = await people.visitor(context=context, open=False)
    page = visitor.page
    session = await context.new_cdp_session(page)

    async def leftovers() -> int:
        total = int(await page.evaluate("window.running.size"))
        for name in ("window", "visualViewport"):
            result = await session.send("Runtime.evaluate", {"expression": name})
            listed = await session.send("DOMDebugger.getEventListeners", {"objectId": result["result"]["objectId"]})
            total += sum(item["type"] in ("message", "resize", "scroll") for item in listed["listeners"])
        return total

    async def opens_and_shuts_down() -> None:
        await page.evaluate("Threadline.open()")
        await visitor.finds_frame()
        await expect(visitor.box).to_be_visible()
        await page.evaluate("Threadline.shutdown()")
        await expect(page.locator("html > div")).to_have_count(0)

    source = await page.evaluate("document.querySelector('script[src*=\"/widget/loader.js\"]').src")
    await opens_and_shuts_down()
    assert await leftovers() == 0
    for _ in range(3):
        async with page.expect_response("**/widget/config"):
            await page.add_script_tag(url=source)
        await opens_and_shuts_down()
    assert await leftovers() == 0


async def test_the_chat_is_dark_as_the_settings_or_the_page_say(people: People) -> None:
    olga = await people.agent("olga")
    settings = f"{people.site.console}/api/settings/widget"
    now = await (await olga.page.request.get(settings)).json()

    async def saves(scheme: str) -> None:
        before = await (await olga.page.request.get(settings)).json()
        answer = await olga.page.request.put(
            settings, data={**before, "scheme": scheme}, headers={"origin": people.site.console}
        )
        assert answer.ok, await answer.text()

    background = "() => getComputedStyle(document.documentElement).getPropertyValue('--bg').trim()"
    try:
        await saves("page")
        visitor = await people.visitor()  # whose system is light
        assert await visitor.frame.evaluate(background) == "#fff"
        await visitor.page.evaluate("Threadline.scheme('dark')")
        await visitor.frame.wait_for_function(f"() => ({background})() === '#1b1d22'")
        await visitor.page.evaluate("Threadline.scheme('light')")
        await visitor.frame.wait_for_function(f"() => ({background})() === '#fff'")
        await saves("dark")
        visitor = await people.visitor()
        await visitor.frame.wait_for_function(f"() => ({background})() === '#1b1d22'")
        await visitor.page.evaluate("Threadline.scheme('light')")  # not left to the page
        await visitor.says("dark: hello")
        await visitor.marked("dark: hello", "sent")
        assert await visitor.frame.evaluate(background) == "#1b1d22"
    finally:
        await saves(now["scheme"])
