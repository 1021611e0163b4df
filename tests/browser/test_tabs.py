"""One visitor with many tabs, with sleeping tabs, and in a browser that forbids storage (F26)."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.people import BROKEN_LINE, People, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# As in a browser whose owner forbids storage for embedded sites.
NO_STORAGE = """
if (location.pathname === '/widget/frame')
  for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError') } })
"""


# The test freezes the tab itself: Chromium freezes only hidden tabs, a tab under test is never hidden, and the driver
# loses a frame that returns from the back/forward cache.
SLEEPS = {
    "frozen": ("document.dispatchEvent(new Event('freeze'))", "document.dispatchEvent(new Event('resume'))"),
    "put aside": (
        "window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))",
        "window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
    ),
}


async def test_ten_tabs_are_one_visitor_and_show_everything_once(people: People) -> None:
    context = await people.context()
    pages = [await Visitor(people.site, await context.new_page()).goes() for _ in range(10)]
    # All at once, so that each asks the server for its identity before another has the answer.
    tabs = await asyncio.gather(*(tab.opens_chat() for tab in pages))
    first, last = tabs[0], tabs[-1]

    await first.says("tabs: from the first")
    for tab in tabs:
        await expect(tab.bubble("tabs: from the first")).to_have_count(1)
    await last.says("tabs: from the last")
    desk = await people.agent("ana")
    await desk.opens("tabs: from the last")
    await desk.replies("tabs: from the desk")

    texts = ["tabs: from the first", "tabs: from the last", "tabs: from the desk"]
    for tab in tabs:
        await expect(tab.bubble("tabs: from the desk")).to_have_count(1)
        assert (await tab.texts())[1:] == texts
        await tab.marked("tabs: from the last", "seen")
    assert await desk.texts() == texts
    assert people.site.stored("tabs:") == texts
    await expect(desk.row("tabs:")).to_have_count(1)


async def test_a_message_one_tab_could_not_send_is_sent_once_by_another(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    context = await people.context()
    first, second = await people.visitor(context=context), await people.visitor(context=context)
    await first.says("handover: before")
    await expect(second.bubble("handover: before")).to_be_visible()

    people.site.line.cut()
    await first.says("handover: written in the dark")
    await expect(second.bubble("handover: written in the dark")).to_be_visible()
    await first.page.close()
    await people.mends_line()

    await second.marked("handover: written in the dark", "sent")
    assert people.site.stored("handover:") == ["handover: before", "handover: written in the dark"]
    assert (await second.texts())[1:] == ["handover: before", "handover: written in the dark"]


@pytest.mark.parametrize("how", SLEEPS)
async def test_a_tab_that_was_frozen_catches_up_in_order(people: People, how: str) -> None:
    sleep, wake = SLEEPS[how]
    tag = f"sleep {how}:"
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says(f"{tag} good night")
    await desk.opens(f"{tag} good night")
    await visitor.marked(f"{tag} good night", "seen")

    await visitor.frame.evaluate(sleep)
    await desk.replies(*(f"{tag} {number}" for number in range(4)))
    await people.site.has_stored(f"{tag} 3")
    assert (await visitor.texts())[1:] == [f"{tag} good night"]
    await visitor.frame.evaluate(wake)

    await expect(visitor.bubble(f"{tag} 3")).to_be_visible()
    assert (await visitor.texts())[1:] == [f"{tag} good night", *(f"{tag} {number}" for number in range(4))]
    await visitor.says(f"{tag} good morning")
    await expect(desk.bubble(f"{tag} good morning")).to_be_visible()


async def test_without_storage_the_chat_works_and_says_how_long_it_lasts(people: People) -> None:
    context = await people.context()
    await context.add_init_script(NO_STORAGE)
    visitor = await people.visitor(context=context)
    await expect(
        visitor.frame.get_by_text("Your browser blocks storage. This chat will be gone when you leave the page.")
    ).to_be_visible()

    await visitor.says("memory: hello?")
    desk = await people.agent("ana")
    await desk.opens("memory: hello?")
    await desk.replies("memory: hello!")
    await expect(visitor.bubble("memory: hello!")).to_be_visible()
    await visitor.says("memory: thank you")
    await expect(desk.bubble("memory: thank you")).to_be_visible()
    await visitor.marked("memory: thank you", "seen")
