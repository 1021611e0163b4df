"""Hostile shops and hostile visitors (F49, C9, C10, C11)."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from playwright.async_api import CDPSession, Frame, Locator, Page, expect

from tests.browser.payloads import UNRULY, XSS
from tests.browser.people import Desk, People, Visitor, is_ours

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Scripts and styles that a hostile shop loads before ours. (They are not a page made by the test, because the browser
# treats responses of the driver as remote and forbids them to load anything from this machine.)
HOSTILE = """
if (location.pathname === '/demo/hostile') {
  const no = () => { throw new Error('replaced by the page') }
  const { getOwnPropertyNames } = Object
  const style = document.createElement('style')
  style.textContent = `
    * { all: unset !important; display: none !important; opacity: 0 !important; transform: scale(0) !important }
    html, body { display: block !important; opacity: 1 !important; transform: none !important }
    div { pointer-events: none !important; position: static !important; width: 1px !important }`
  const stranger = document.createElement('iframe')
  stranger.srcdoc = "<script>setInterval(() => top.postMessage({threadline: 1, type: 'close'}, '*'), 20)</" + "script>"
  addEventListener('DOMContentLoaded', () => document.body.append(style, stranger))
  let frame = null
  window.heard = ''
  addEventListener('message', event => {
    if (event.source !== window && event.source !== stranger.contentWindow) {
      frame = event.source
      for (const name in event.data) window.heard += ' ' + name + '=' + event.data[name]
    }
  })
  const junk = [null, 0, 'x', [], {}, { threadline: 1 }, { threadline: 1, type: 'say', text: 'forged' },
    { threadline: 1, type: 'page', page: { url: 5, title: {}, referrer: [] } },
    { threadline: 1, type: 'page', page: { url: 'https://flood.example/', title: 'x'.repeat(5000), referrer: '' } },
    { threadline: 1, type: 'language', language: { a: 1 } }, { threadline: 1, type: 'toString' },
    { threadline: 2, type: 'close' }, { threadline: 1, type: 'frame', frame: { type: 'entry' } }]
  setInterval(() => {
    for (let i = 0; i < 8; i++) {
      postMessage({ threadline: 1, type: 'close' }, '*')
      postMessage({ threadline: 1, type: 'unread', count: 1e9, text: '<img src=x onerror=alert(1)>' }, '*')
      if (frame) for (let k = 0; k < junk.length; k++) frame.postMessage(junk[k], '*')
    }
  }, 50)
  const names = getOwnPropertyNames(Array.prototype)
  for (let i = 0; i < names.length; i++)
    if (names[i] !== 'constructor' && names[i] !== 'length') Array.prototype[names[i]] = no
  JSON.parse = JSON.stringify = window.fetch = Object.assign = Object.keys = Object.entries = no
  String.prototype.split = String.prototype.replace = String.prototype.match = String.prototype.includes = no
  Object.prototype.threadline = 1
  Object.prototype.type = 'close'
}
"""


class HostileShop:
    """A hostile page. Scripts run through the debugger, because the page replaces functions that the driver's own scripts need."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    async def evaluate(self, script: str) -> Any:
        answer = await self._session.send("Runtime.evaluate", {"expression": script, "returnByValue": True})
        return answer["result"].get("value")


async def fits(bubbles: Locator, within: Page | Frame) -> None:
    """Checks that each box is inside the window and nothing scrolls sideways."""
    width = await within.evaluate("document.documentElement.clientWidth")
    boxes = await bubbles.evaluate_all(
        "all => all.map(e => { const b = e.getBoundingClientRect(); return [b.left, b.right] })"
    )
    assert boxes, "no bubble is on the page"
    assert [box for box in boxes if box[0] < 0 or box[1] > width] == []
    wide = "[...document.querySelectorAll('[role=log], [role=log] *')].filter(e => e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)).map(e => e.className)"
    assert await within.evaluate(wide) == []
    assert await within.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_hostile_page_neither_breaks_nor_reads_the_chat(people: People) -> None:
    desk, context = await people.agent("ana"), await people.context(recorder=False)
    await context.add_init_script(HOSTILE)
    visitor = await Visitor(people.site, await context.new_page()).goes("/hostile")
    shop = HostileShop(await context.new_cdp_session(visitor.page))
    await shop.evaluate("Threadline.open()")
    await visitor.finds_frame()
    await visitor.says("hostile: my card ends in 4242")
    await desk.opens("hostile: my card ends in 4242")
    await desk.replies("hostile: thank you")
    await expect(visitor.bubble("hostile: thank you")).to_be_visible()
    assert await visitor.frame.evaluate("[innerWidth, innerHeight]") == [380, 640]

    # The page removes the widget's nodes while the chat is open: the widget comes back with the conversation.
    async with visitor.page.expect_event("framenavigated", is_ours) as back:
        await shop.evaluate("document.documentElement.lastElementChild.remove()")
    visitor.frame = await back.value
    await expect(visitor.bubble("hostile: my card ends in 4242")).to_be_visible()
    await visitor.says("hostile: still here")
    await expect(desk.bubble("hostile: still here")).to_be_visible()
    await expect(visitor.frame.get_by_text("Online")).to_be_visible()
    assert await desk.texts() == ["hostile: my card ends in 4242", "hostile: thank you", "hostile: still here"]

    overheard = await shop.evaluate("window.heard")
    assert (
        await shop.evaluate("(() => { try { [].map() } catch (error) { return error.message } })()")
        == "replaced by the page"
    )
    assert "type=ready" in overheard
    assert "4242" not in overheard and "thank you" not in overheard


async def test_visitors_input_is_shown_as_text_everywhere(people: People) -> None:
    owner = await people.agent("olga")
    answer = await owner.page.request.get(f"{people.site.console}/api/settings/widget/identity")
    claims = {"sub": "<b>7</b>", "name": XSS[2], "email": "eve@example.com", "exp": int(time.time()) + 600}
    identity = jwt.encode(claims, (await answer.json())["secret"], algorithm="HS256")
    context = await people.context()
    await context.add_init_script(
        f"window.threadline = {{ identity: '{identity}' }}; "
        "if (location.pathname.startsWith('/demo')) addEventListener('DOMContentLoaded', () => "
        "{ document.title = '<img src=x onerror=alert(1)>' })"
    )
    visitor = await people.visitor("/%22onmouseover=alert(1)%3E", context=context)
    await visitor.says(*XSS)
    await visitor.marked(XSS[-1], "sent")
    await expect(owner.row(XSS[2]).locator("bdi")).to_have_text(XSS[-1])

    await owner.opens(XSS[2])
    await owner.replies(*XSS[:6])
    await expect(visitor.frame.locator(".row.theirs", has_text=XSS[5])).to_be_visible()
    await expect(owner.page.get_by_role("heading", name=XSS[2]).first).to_be_visible()
    await expect(owner.page.get_by_role("region", name="Details").get_by_role("link", name=XSS[2])).to_be_visible()

    texts = [" ".join(text.split()) for text in (*XSS, *XSS[:6])]
    assert [" ".join(text.split()) for text in await owner.texts()] == texts
    assert [" ".join(text.split()) for text in (await visitor.texts())[1:]] == texts
    risky = (
        "script:not([src]):not([nonce]), img[src='x'], iframe, object, embed, form[action], base, [onerror], [onload]"
    )
    for place in (owner.log, visitor.frame.locator("[role=log]")):
        assert await place.locator(risky).count() == 0
        for href in await place.locator("a").evaluate_all("all => all.map(a => a.href)"):
            assert href.startswith("https://example.com"), href
    await owner.page.keyboard.press("Control+k")
    await owner.page.get_by_role("combobox", name="Search or run a command…").fill("eve@example")
    await expect(owner.page.get_by_role("dialog").get_by_text(XSS[2]).first).to_be_visible()


async def test_very_long_and_bidirectional_texts_break_no_layout(people: People) -> None:
    visitor = await people.visitor(viewport={"width": 320, "height": 640})
    await visitor.says("unruly: begin", *UNRULY.values())
    await expect(visitor.frame.locator(".row.mine[data-mark=sent]")).to_have_count(len(UNRULY) + 1)
    await fits(visitor.frame.locator(".row .body"), visitor.frame)
    await expect(visitor.box).to_be_in_viewport()

    for width in (1280, 390):
        desk: Desk = await people.agent("ana", viewport={"width": width, "height": 800})
        await desk.list.get_by_role("link").first.click()
        await expect(desk.bubble("unruly: begin")).to_be_attached()
        await expect(desk.bubbles).to_have_count(len(UNRULY) + 1)
        await fits(desk.log.locator("[data-side] > [title]"), desk.page)
        await expect(desk.box).to_be_in_viewport()
        for button in await desk.page.get_by_role("button", name="Show all", exact=True).all():
            await button.click()
            break
        await fits(desk.log.locator("[data-side] > [title]"), desk.page)
