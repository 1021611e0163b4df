"""People at real browsers: a visitor in the demo shop, an agent at the console, and what their browsers complain of."""

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

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

# What Chromium itself writes when a line breaks. Forgiven only where a test breaks lines.
BROKEN_LINE = r"net::ERR_|WebSocket connection to|ERR_CONNECTION|Failed to load resource"


class Watch:
    """Everything in a page's log that should not be there."""

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
        # What a page no longer wants when it goes away is no failure.
        if request.failure != "net::ERR_ABORTED":
            self._note(f"request: {request.url} {request.failure}")

    async def _dialog(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.message}")
        await dialog.dismiss()


def is_ours(frame: Frame) -> bool:
    return "/widget/frame" in frame.url


class Visitor:
    """In the demo shop. `frame` is our frame on their page, once the chat was opened."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page

    async def goes(self, path: str = "") -> Visitor:
        async with self.page.expect_response("**/widget/config"):  # then the launcher is drawn
            await self.page.goto(self.site.shop + path)
        return self

    async def opens_chat(self) -> Visitor:
        await self.page.evaluate("Threadline.open()")
        await self.finds_frame()
        await expect(self.box).to_be_visible()
        return self

    async def clicks_launcher(self) -> None:
        """By the eye: its shadow root is closed, so only the screen shows where it is."""
        size = self.page.viewport_size
        assert size is not None
        x, y = size["width"] - 48, size["height"] - 48
        # Drawn a moment after its configuration came: before all that is on the page.
        await self.page.wait_for_function(
            "([x, y]) => document.elementFromPoint(x, y)?.style.zIndex === '2147483000'", arg=[x, y]
        )
        await self.page.mouse.click(x, y)

    async def finds_frame(self) -> Frame:
        found = next(filter(is_ours, self.page.frames), None)
        self.frame: Frame = found or await self.page.wait_for_event("framenavigated", is_ours)
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
        """The tick beside what they wrote: waiting, offline, sent, seen."""
        await expect(self.bubble(text)).to_have_attribute("data-mark", mark)

    async def texts(self) -> list[str]:
        return await self.bubbles.all_inner_texts()


class Desk:
    """An agent at the console."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page

    async def signs_in(self, name: str) -> Desk:
        """Without the form, which has a test of its own."""
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
        return self.list.get_by_role("link").filter(has_text=text)

    async def opens(self, text: str) -> None:
        """The ticket whose row says this."""
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
    """Opens browsers' windows on a site and closes them; at the end nobody's log may hold a complaint."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self.browser, self.site = browser, site
        self.watch = Watch()
        self._contexts: list[BrowserContext] = []

    async def context(self, **options: Any) -> BrowserContext:
        """Somebody else's browser: their own cookies and storage."""
        options = {
            "viewport": {"width": 1280, "height": 800},
            "locale": "en-US",
            "reduced_motion": "reduce",  # nothing is half faded in when it is looked at
            **options,
        }
        context = await self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", self.watch.follow)
        self._contexts.append(context)
        return context

    async def visitor(
        self, path: str = "", *, open: bool = True, context: BrowserContext | None = None, **options: Any
    ) -> Visitor:
        """`open`: with the chat open. `context`: a tab more in a browser that is there already."""
        context = context or await self.context(**options)
        visitor = await Visitor(self.site, await context.new_page()).goes(path)
        return await visitor.opens_chat() if open else visitor

    async def agent(self, name: str = "ana", path: str = "/inbox", **options: Any) -> Desk:
        context = await self.context(**options)
        desk = await Desk(self.site, await context.new_page()).signs_in(name)
        return await desk.goes(path)

    async def pictures(self, folder: Path) -> list[Path]:
        pages = [page for context in self._contexts for page in context.pages]
        paths = []
        for number, page in enumerate(pages):
            path = folder / f"window-{number}.png"
            # A tab behind another may never be drawn; what failed is the test, not its picture.
            with contextlib.suppress(Error):
                await page.bring_to_front()
                await page.screenshot(path=path)
                paths.append(path)
        return paths

    async def leave(self) -> None:
        await asyncio.gather(*(context.close() for context in self._contexts))


@asynccontextmanager
async def invite(browser: Browser, site: Site) -> AsyncIterator[People]:
    people = People(browser, site)
    try:
        yield people
        complaints = people.watch.complaints()
        assert not complaints, "the browsers' logs hold:\n" + "\n".join(complaints)
    finally:
        site.line.mend()
        site.line.refuses_sockets = False
        await people.leave()
