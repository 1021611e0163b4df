"""Only one tab of a person plays the sound, and none while one of the tabs is visible."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from playwright.async_api import Frame, Page, expect

from tests.browser.people import Desk, People, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# A tab under test is always in front, so the tests set the visibility. The script counts tones instead of playing them; a
# ring has two tones.
SOUNDS = """
window.inFront = false
window.tones = 0
document.hasFocus = () => window.inFront
for (const [name, value] of [['hidden', () => !window.inFront], ['visibilityState', () => window.inFront ? 'visible' : 'hidden']])
  Object.defineProperty(document, name, { get: value, configurable: true })
Object.defineProperty(navigator, 'userActivation', { get: () => ({ hasBeenActive: true, isActive: false }) })
const start = OscillatorNode.prototype.start
OscillatorNode.prototype.start = function (at) { window.tones++; return start.call(this, at) }
Object.defineProperty(BaseAudioContext.prototype, 'state', { get: () => 'running' })
"""
SOUND_ON = (
    "if (location.protocol !== 'about:') localStorage.setItem('threadline.prefs', JSON.stringify({ sound: true }))"
)
SET_IN_FRONT = """(inFront) => {
  if (window.inFront === inFront) return
  window.inFront = inFront
  document.dispatchEvent(new Event('visibilitychange'))
  window.dispatchEvent(new Event(inFront ? 'focus' : 'blur'))
}"""

Window = Page | Frame


LOCK_PASSED_ON = """async () => {
  for (;;) {
    const { held, pending } = await navigator.locks.query()
    if (held.length === 1 && pending.length === 1) return
    await new Promise((passed) => setTimeout(passed, 20))
  }
}"""


async def set_visible_tab(visible: Window | None, windows: Sequence[Window]) -> None:
    for window in windows:
        if window is not visible:
            await window.evaluate(SET_IN_FRONT, False)
    if visible is not None:
        await visible.evaluate(SET_IN_FRONT, True)


async def rings(windows: Sequence[Window]) -> list[int]:
    return [await window.evaluate("window.tones") // 2 for window in windows]


async def have_rung(windows: Sequence[Window], times: int) -> None:
    async with asyncio.timeout(20):
        while sum(await rings(windows)) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_of_an_agents_three_tabs_only_the_last_used_one_plays_the_sound(people: People) -> None:
    visitor = await people.visitor()
    context = await people.context()
    await context.add_init_script(SOUNDS + SOUND_ON)
    desks = [await Desk(people.site, await context.new_page()).signs_in("ana") for _ in range(3)]
    for desk in desks:
        await desk.goes()
    tabs = [desk.page for desk in desks]

    await set_visible_tab(tabs[1], tabs)
    await visitor.says("alerts: while the second is looked at")
    for desk in desks:
        await expect(desk.row("alerts: while the second is looked at")).to_be_visible()
    await set_visible_tab(None, tabs)
    await visitor.says("alerts: while nobody looks")
    await have_rung(tabs, 1)
    for desk in desks:
        await expect(desk.row("alerts: while nobody looks")).to_be_visible()
    assert await rings(tabs) == [0, 1, 0]

    await tabs[1].close()
    # The browser passes the lock to another tab; nothing on the page shows it.
    await tabs[0].evaluate(LOCK_PASSED_ON)
    await visitor.says("alerts: after the second was closed")
    remaining_tabs = [tabs[0], tabs[2]]
    await have_rung(remaining_tabs, 1)
    for desk in (desks[0], desks[2]):
        await expect(desk.row("alerts: after the second was closed")).to_be_visible()
    assert sum(await rings(remaining_tabs)) == 1


async def test_a_visitors_tabs_play_one_sound_and_none_while_the_chat_is_read(people: People) -> None:
    context = await people.context()
    await context.add_init_script(SOUNDS)
    pages = [await Visitor(people.site, await context.new_page()).goes() for _ in range(3)]
    visitors = [await page.opens_chat() for page in pages]
    frames: list[Window] = [visitor.frame for visitor in visitors]
    await visitors[0].says("dings: hello")
    for visitor in visitors:
        await expect(visitor.bubble("dings: hello")).to_be_visible()
    desk = await people.agent("ana")
    await desk.opens("dings: hello")

    await set_visible_tab(frames[0], frames)
    await desk.replies("dings: read in the first")
    await expect(desk.bubble("dings: read in the first").locator("[data-tick=seen]")).to_be_attached()
    await set_visible_tab(None, frames)
    await desk.replies("dings: nobody looks")
    for visitor in visitors:
        await expect(visitor.bubble("dings: nobody looks")).to_be_visible()
    await have_rung(frames, 1)
    assert sum(await rings(frames)) == 1
