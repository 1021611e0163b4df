"""Every page of the console, opened by its address: accessible, and usable on a phone and with large letters."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser import pages
from tests.browser.axe import serious
from tests.browser.people import Desk, People, open_people
from tests.browser.phone import connect_carrier, phone
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
PLACES = [*pages.signed_in(), "chat", "text"]

# Returns the controls that do not fit the width of the window or stay covered after scrolling to them. Ignores controls in
# a horizontally scrolling strip.
OUT_OF_REACH = """() => {
  const found = []
  const fields = 'a[href]:not([href^="#"]), button, input, textarea, select, [role=tab]'
  const isCut = part => getComputedStyle(part).overflowX === 'hidden' && part.clientWidth > 1
    && part.scrollWidth > part.clientWidth + 1
  const wide = document.documentElement.scrollWidth - innerWidth
  if (wide > 0) found.push(`the page is ${wide} px wider than the window`)
  const strip = element => {
    for (let parent = element.parentElement; parent && parent !== document.body; parent = parent.parentElement) {
      if (!/auto|scroll/.test(getComputedStyle(parent).overflowX)) continue
      if (parent.scrollWidth > parent.clientWidth + 1 && parent.scrollHeight <= parent.clientHeight + 1) return true
    }
    return false
  }
  for (const element of document.querySelectorAll(fields)) {
    const shown = element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    const { width, height } = element.getBoundingClientRect()
    if (!shown || width < 2 || height < 2 || element.closest('[aria-hidden=true], .sr-only') || strip(element)) continue
    const name = element.getAttribute('aria-label') ?? (element.textContent.trim() || element.outerHTML).slice(0, 120)
    element.scrollIntoView({ block: 'center' })
    const { left, right, top, bottom } = element.getBoundingClientRect()
    if (left < -1 || right > innerWidth + 1)
      found.push(`${name}: from ${Math.round(left)} to ${Math.round(right)} px`)
    if (element.matches('.mantine-Button-root, [role=tab]') && [element, ...element.querySelectorAll('*')].some(isCut))
      found.push(`${name}: its words are cut`)
    if (element.matches('button, a') && !element.disabled) {
      const [x, y] = [(left + right) / 2, (top + bottom) / 2]
      const hit = document.elementFromPoint(x, y)
      const label = element.closest('label')
      const reached = hit && (element.contains(hit) || hit.contains(element) || label?.contains(hit))
      if (!reached) found.push(`${name}: covered by ${hit?.outerHTML.slice(0, 120) ?? 'an edge'}`)
    }
  }
  scrollTo(0, 0)
  return found
}"""


class Tour:
    """An owner who opens every page of a site with one open chat and one barred SMS ticket."""

    def __init__(self, desk: Desk, addresses: dict[str, str]) -> None:
        self.desk, self.page, self._addresses = desk, desk.page, addresses

    async def opens(self, place: str) -> None:
        await self.page.goto(self.desk.site.console + self._addresses.get(place, place))
        await pages.settled(self.page)
        if place == "chat":
            await expect(self.desk.box).to_be_visible()
        elif place == "text":
            await expect(self.page.get_by_text("They are not subscribed to SMS.")).to_be_visible()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tour(browser: Browser, site: Site) -> AsyncIterator[Tour]:
    async with open_people(browser, site) as people:
        desk = await people.agent("olga", viewport=DESK)
        addresses = {"chat": await _open_chat_address(people, desk), "text": await _open_sms_address(people, desk)}
        yield Tour(desk, addresses)


async def _open_chat_address(people: People, desk: Desk) -> str:
    visitor = await people.visitor()
    await visitor.says("pages: a chat about https://shop.example/a-very-long-address/" + "kettle-" * 20)
    await desk.opens("pages: a chat about")
    await visitor.page.context.close()
    return desk.page.url.removeprefix(people.site.console)


async def _open_sms_address(people: People, desk: Desk) -> str:
    await connect_carrier(people)
    maya = await phone(people, "maya")
    await maya.texts("pages: a text")
    await desk.row("pages: a text").click()
    await desk.page.wait_for_url(lambda url: "/inbox/" in url)
    await expect(desk.bubble("pages: a text")).to_be_visible()
    await maya.page.context.close()
    return desk.page.url.removeprefix(people.site.console)


@pytest.mark.parametrize("place", PLACES)
async def test_every_page_is_accessible(tour: Tour, place: str) -> None:
    await tour.page.set_viewport_size(DESK)
    await tour.opens(place)
    async for tab in pages.tabs(tour.desk):
        assert await serious(tour.page) == [], tab


async def double_font_size(page: Page) -> None:
    """Doubles the browser's font size."""
    control = await page.context.new_cdp_session(page)
    await control.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    await page.wait_for_function("() => getComputedStyle(document.documentElement).fontSize === '32px'")


@pytest.mark.parametrize("place", PLACES)
async def test_every_page_is_usable_on_a_phone(tour: Tour, place: str) -> None:
    await tour.page.set_viewport_size(PHONE)
    await tour.opens(place)
    async for tab in pages.tabs(tour.desk):
        assert await tour.page.evaluate(OUT_OF_REACH) == [], tab
    if place == "chat":
        await expect(tour.page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)
    if place == "text":
        await expect(tour.page.get_by_role("button", name="Record consent…")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("place", PLACES)
async def test_every_page_is_usable_with_doubled_font_size(tour: Tour, place: str) -> None:
    page = tour.page
    await page.set_viewport_size(DESK)
    await tour.opens(place)
    await double_font_size(page)
    async for tab in pages.tabs(tour.desk):
        assert await page.evaluate(OUT_OF_REACH) == [], tab
