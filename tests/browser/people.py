"""People at real browsers: a visitor in the demo shop, an agent at the console, and the errors in their consoles."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Error,
    Frame,
    Locator,
    Page,
    Request,
    expect,
)

from tests.browser.site import Site
from tests.world import PASSWORD, email_of

PATIENCE_MS = 45_000  # a busy machine may take long; no test waits for it when all is well
expect.set_options(timeout=PATIENCE_MS)

# Errors that Chromium logs when a connection breaks. Ignored only in tests that break connections.
BROKEN_LINE = r"net::ERR_|WebSocket connection to|ERR_CONNECTION|Failed to load resource"

# Records the texts and `data-found` marks a page shows, because a test on a busy machine may miss a text that is shown briefly.
_RECORDER = """(() => {
  const texts = window.shownTexts = []
  const record = text => {
    if (text) texts.push(text.slice(0, 400))
    if (texts.length > 2000) texts.shift()
  }
  const recordChange = ({ type, target, addedNodes }) => {
    if (type === 'childList') for (const node of addedNodes) {
      record(node.textContent)
      for (const marked of node.querySelectorAll?.('[data-found]') ?? []) record('found: ' + marked.textContent)
      if (node.dataset?.found !== undefined) record('found: ' + node.textContent)
    }
    else if (type === 'characterData') record(target.data)
    else if (target.dataset.found !== undefined) record('found: ' + target.textContent)
  }
  const options = { childList: true, characterData: true, subtree: true, attributeFilter: ['data-found'] }
  new MutationObserver(changes => changes.forEach(recordChange)).observe(document, options)
})()"""

_CLICK_ONCE_SHOWN = """name => {
  const clickIfShown = () => {
    const button = [...document.querySelectorAll('button')].findLast(button => button.innerText.trim() === name)
    if (!button) return
    observer.disconnect()
    button.click()
  }
  const observer = new MutationObserver(clickIfShown)
  observer.observe(document.body, { childList: true, subtree: true })
}"""


# The chat says the first while an agent is online, the second while nobody is.
WELCOME = re.compile(r"Hi! (How can we help\?|Leave us a message, and we will get back to you\.)")


async def was_shown(window: Page | Frame, text: str) -> None:
    """Waits until the page has shown this text, even if it no longer does."""
    await window.wait_for_function("text => shownTexts.some(shown => shown.includes(text))", arg=text)


async def click_once_shown(page: Page, name: str) -> None:
    """Makes the page itself click the next button of this name that appears, however slow the test is."""
    await page.evaluate(_CLICK_ONCE_SHOWN, name)


async def keep_toasts(page: Page) -> None:
    """Makes toasts stay until they are dismissed."""
    await page.evaluate("""() => {
      const original = window.setTimeout
      window.setTimeout = (run, ms, ...args) => original(run, ms >= 3000 && ms <= 8000 ? 600_000 : ms, ...args)
    }""")


class Watch:
    """Collects errors and warnings of pages."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._forgiven: list[str] = []

    def follow(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._note(f"exception: {error}"))
        page.on("requestfailed", self._failed)
        page.on("dialog", self._dialog)

    def forgive(self, pattern: str) -> None:
        self._forgiven.append(pattern)

    def complaints(self) -> list[str]:
        return [line for line in self.problems if not any(re.search(pattern, line) for pattern in self._forgiven)]

    def _note(self, line: str) -> None:
        self.problems.append(line)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Request) -> None:
        # A request that a page aborts when it is left is not a failure.
        if request.failure != "net::ERR_ABORTED":
            self._note(f"request: {request.url} {request.failure}")

    async def _dialog(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.message}")
        await dialog.dismiss()


def is_ours(frame: Frame) -> bool:
    return "/widget/frame" in frame.url


class Visitor:
    """A visitor in the demo shop. `frame` is our frame on the shop's page, once the chat was opened."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page

    async def goes(self, path: str = "") -> Visitor:
        async with self.page.expect_response("**/widget/config"):  # the launcher is drawn after this response
            await self.page.goto(self.site.shop + path)
        return self

    async def opens_chat(self) -> Visitor:
        await self.page.evaluate("Threadline.open()")
        await self.finds_frame()
        await expect(self.box).to_be_visible()
        return self

    async def clicks_launcher(self) -> None:
        """Clicks the launcher by its position on the screen, because its shadow root is closed."""
        size = self.page.viewport_size
        assert size is not None
        x, y = size["width"] - 48, size["height"] - 48
        # The launcher is drawn shortly after its configuration arrives, on top of the page.
        await self.page.wait_for_function(
            "([x, y]) => document.elementFromPoint(x, y)?.style.zIndex === '2147483000'", arg=[x, y]
        )
        await self.page.mouse.click(x, y)

    async def finds_frame(self) -> Frame:
        result = next(filter(is_ours, self.page.frames), None)
        self.frame: Frame = result or await self.page.wait_for_event("framenavigated", is_ours)
        return self.frame

    @property
    def box(self) -> Locator:
        return self.frame.get_by_role("textbox", name="Write a message…")

    async def says(self, *texts: str) -> None:
        for text in texts:
            await self.box.fill(text)
            await self.box.press("Enter")

    @property
    def bubbles(self) -> Locator:
        return self.frame.locator(".row .text")

    def bubble(self, text: str) -> Locator:
        return self.frame.locator(".row").filter(has=self.frame.get_by_text(text, exact=True))

    async def marked(self, text: str, mark: str) -> None:
        """Waits until the visitor's message with this text has this mark: waiting, offline, sent, seen."""
        await expect(self.bubble(text)).to_have_attribute("data-mark", mark)

    async def texts(self) -> list[str]:
        return await self.bubbles.all_inner_texts()


class Desk:
    """An agent at the console."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page

    async def signs_in(self, name: str) -> Desk:
        """Signs in without the form; another test signs in with the form."""
        answer = await self.page.context.request.post(
            f"{self.site.console}/api/login",
            data={"email": email_of(name), "password": PASSWORD},
            headers={"origin": self.site.console},
        )
        assert answer.ok, await answer.text()
        return self

    async def goes(self, path: str = "/inbox") -> Desk:
        await self.page.goto(self.site.console + path)
        await expect(self.page.get_by_role("navigation").first).to_be_visible()
        return self

    @property
    def list(self) -> Locator:
        return self.page.get_by_role("list", name="Tickets")

    def row(self, text: str) -> Locator:
        """The row whose name or last message begins with this text; other tests' tickets may contain it."""
        name_or_message = self.page.locator("[dir=auto], bdi").filter(has_text=re.compile(rf"^\s*{re.escape(text)}"))
        return self.list.get_by_role("link").filter(has=name_or_message)

    async def opens(self, text: str) -> None:
        """Opens the ticket whose row contains this text."""
        await self.row(text).click()
        await expect(self.box).to_be_visible()

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Reply")

    async def replies(self, *texts: str) -> None:
        for text in texts:
            await self.box.fill(text)
            await self.box.press("Enter")

    @property
    def bubbles(self) -> Locator:
        return self.log.locator("[data-side] > [title] > [dir=auto]")

    def bubble(self, text: str) -> Locator:
        return self.log.locator("[data-side]").filter(has=self.page.get_by_text(text, exact=True))

    async def texts(self) -> list[str]:
        return await self.bubbles.all_inner_texts()


class People:
    """Opens browser windows on a site and closes them; at the end no window may have logged an error."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self.browser, self.site = browser, site
        self.watch = Watch()
        self._contexts: list[BrowserContext] = []

    async def context(self, *, recorder: bool = True, **options: Any) -> BrowserContext:
        """A separate browser context, with its own cookies and storage.

        `recorder`: its pages record the texts they show, for `was_shown`. Switch it off for pages that replace functions
        which the recorder needs.
        """
        options = {
            "viewport": {"width": 1280, "height": 800},
            "locale": "en-US",
            "reduced_motion": "reduce",  # no element is half faded in when a test looks
            **options,
        }
        context = await self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", self.watch.follow)
        if recorder:
            await context.add_init_script(_RECORDER)
        self._contexts.append(context)
        return context

    async def visitor(
        self, path: str = "", *, open: bool = True, context: BrowserContext | None = None, **options: Any
    ) -> Visitor:
        """A visitor in the shop. `open`: with the chat open. `context`: in a new tab of an existing browser."""
        context = context or await self.context(**options)
        visitor = await Visitor(self.site, await context.new_page()).goes(path)
        return await visitor.opens_chat() if open else visitor

    async def agent(self, name: str = "ana", path: str = "/inbox", **options: Any) -> Desk:
        context = await self.context(**options)
        desk = await Desk(self.site, await context.new_page()).signs_in(name)
        return await desk.goes(path)

    async def mends_line(self) -> None:
        """Mends the line and tells every page, as a browser does when its network is back; back-off may last half a minute."""
        self.site.line.mend()
        pages = [page for context in self._contexts for page in context.pages]
        for frame in (frame for page in pages for frame in page.frames):
            with contextlib.suppress(Error):  # a frame that is leaving its page
                await frame.evaluate("dispatchEvent(new Event('online'))")

    async def pictures(self, folder: Path) -> list[Path]:
        pages = [page for context in self._contexts for page in context.pages]
        paths = []
        for number, page in enumerate(pages):
            path = folder / f"window-{number}.png"
            # A background tab may never be drawn; a missing screenshot must not hide the test's own failure.
            with contextlib.suppress(Error):
                await page.bring_to_front()
                await page.screenshot(path=path)
                paths.append(path)
        return paths

    async def leave(self) -> None:
        await asyncio.gather(*(context.close() for context in self._contexts))


@asynccontextmanager
async def open_people(browser: Browser, site: Site) -> AsyncIterator[People]:
    people = People(browser, site)
    try:
        yield people
        complaints = people.watch.complaints()
        assert not complaints, "the browsers logged errors:\n" + "\n".join(complaints)
    finally:
        site.line.mend()
        site.line.refuses_sockets = False
        await people.leave()
