"""`python -m tests.browser.gallery FOLDER`: pictures of every page and state, in three widths, light and dark. A person
looks at them after a change of the front end; no program compares them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from tests.browser import pages
from tests.browser.axe import SETTLED
from tests.browser.people import Desk, People, Visitor
from tests.browser.phone import phone
from tests.browser.screens import SHOP, console, morning
from tests.browser.site import Site, open_site
from tests.services import Chromium

WIDTHS = {1440: 900, 1024: 768, 390: 844}


class Gallery:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def save(self, name: str, page: Page, *, widths: tuple[int, ...] = tuple(WIDTHS)) -> None:
        """Takes pictures of this state in each width, light and dark."""
        previous_size = page.viewport_size
        for width in widths:
            await page.set_viewport_size({"width": width, "height": WIDTHS[width]})
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                await page.evaluate(SETTLED, scheme)
                await page.wait_for_timeout(500)  # text changes its colour later than its box, and no event tells when
                await page.screenshot(path=self._folder / f"{name}-{width}-{scheme}.png")
        await page.emulate_media(color_scheme="light")
        if previous_size is not None:
            await page.set_viewport_size(previous_size)
        print(name, flush=True)


async def main(folder: Path) -> None:
    with Chromium("--hide-scrollbars") as endpoint, tempfile.TemporaryDirectory(prefix="gallery-") as data:
        async with async_playwright() as playwright, open_site(Path(data), demo=True) as site:
            people = People(await playwright.chromium.connect_over_cdp(endpoint), site)
            try:
                await take(Gallery(folder), people, site)
            finally:
                await people.leave()


async def take(gallery: Gallery, people: People, site: Site) -> None:
    zone = morning()
    signed_out = await (await people.context(timezone_id=zone)).new_page()
    await signed_out.goto(site.console)
    await expect(signed_out.get_by_role("button", name="Sign in")).to_be_visible()
    await gallery.save("login", signed_out)
    desk = await console(people, site, zone)
    await inbox(gallery, desk)
    await first_texts(gallery, people, desk, zone)
    await settings(gallery, desk)
    await widget(gallery, people, site, zone)
    await cut(gallery, people, desk)


async def inbox(gallery: Gallery, desk: Desk) -> None:
    page = desk.page
    await gallery.save("list", page)
    await desk.list.get_by_role("link").filter(has_text="Priya Natarajan").click()
    await expect(desk.box).to_be_visible()
    await gallery.save("thread", page)
    await chosen(gallery, desk)
    await density(gallery, desk)
    await page.keyboard.press("Control+k")
    search = page.get_by_placeholder("Search")
    await gallery.save("palette", page)
    await search.fill("oolong")
    await expect(page.get_by_role("dialog").get_by_text("oolong").first).to_be_visible()
    await page.wait_for_load_state("networkidle")
    await gallery.save("palette-found", page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await gallery.save("shortcuts", page)
    await page.keyboard.press("Escape")


async def chosen(gallery: Gallery, desk: Desk) -> None:
    """Tickets chosen for a bulk action, and a pointer above another row."""
    page = desk.page
    await desk.goes("/inbox")
    await desk.row("Rosa Delgado").focus()
    await page.keyboard.press("x")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Shift+X")
    await expect(page.get_by_role("toolbar").get_by_text("3 selected")).to_be_visible()
    await desk.row("Jamal Price").hover()
    await gallery.save("chosen", page)
    await page.keyboard.press("Escape")
    await gallery.save("row-hovered", page, widths=(1440,))
    await desk.list.get_by_role("link").filter(has_text="Priya Natarajan").click()
    await expect(desk.box).to_be_visible()


async def density(gallery: Gallery, desk: Desk) -> None:
    """The list, a thread and a page of rows in the compact density, then with the browser's letters at 20 px."""
    page = desk.page
    await desk.goes("/settings/account")
    await page.get_by_role("radio", name="Compact").check()
    await gallery.save("account-compact", page)
    for scale in ("compact", "compact-large", "large"):
        if scale == "large":
            await desk.goes("/settings/account")
            await page.get_by_role("radio", name="Comfortable").check()
        for address, name in (("/inbox", "list"), (None, "thread"), ("/settings/team", "team")):
            if address is None:
                await desk.list.get_by_role("link").filter(has_text="Priya Natarajan").click()
                await expect(desk.box).to_be_visible()
            else:
                await desk.goes(address)
                await pages.settled(page)
            if scale != "compact":
                await page.evaluate("document.documentElement.style.fontSize = '20px'")
            await gallery.save(f"{name}-{scale}", page)
    await desk.goes("/inbox")
    await desk.list.get_by_role("link").filter(has_text="Priya Natarajan").click()
    await expect(desk.box).to_be_visible()


async def first_texts(gallery: Gallery, people: People, desk: Desk, zone: str) -> None:
    """The first minute with texts: the Phone page, a customer who can be texted, and a customer who cannot."""
    maya = await phone(people, timezone_id=zone)
    await gallery.save("phone", maya.page)
    await maya.texts("Is the Moss teapot back in stock?")
    await gallery.save("phone-texted", maya.page)
    await desk.row("Is the Moss teapot back").click()
    await expect(desk.box).to_be_visible()
    await desk.box.fill("It is! I’ll put one aside — https://shop.example/moss-teapot")
    await gallery.save("text", desk.page)
    arthur = await phone(people, "arthur", timezone_id=zone)
    await arthur.texts("Do you ship to Leeds?")
    await desk.goes("/inbox")
    await desk.row("Do you ship to Leeds?").click()
    await expect(desk.page.get_by_text("They are not subscribed to SMS.")).to_be_visible()
    await gallery.save("barred", desk.page)
    await desk.page.get_by_role("button", name="Record consent…").click()
    await expect(desk.page.get_by_role("dialog", name="Record consent")).to_be_visible()
    await gallery.save("record-consent", desk.page)
    await desk.page.keyboard.press("Escape")


async def settings(gallery: Gallery, desk: Desk) -> None:
    page = desk.page
    for address in pages.signed_in():
        if address.count("/") < 2:
            continue
        await desk.goes(address)
        await pages.settled(page)
        async for tab in pages.tabs(desk):
            name = f"{address.strip('/')} {tab}".strip().lower().replace("/", "-").replace(" ", "-")
            await gallery.save(name, page)
            main_part = page.get_by_role("main")
            await main_part.evaluate("main => main.scrollTo(0, main.scrollHeight)")
            if await main_part.evaluate("main => main.scrollTop > 40"):
                await gallery.save(f"{name}-end", page)
    await desk.goes("/settings/team")
    await page.get_by_role("button", name="Invite a colleague").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await gallery.save("invite", page)
    await page.keyboard.press("Escape")


async def widget(gallery: Gallery, people: People, site: Site, zone: str) -> None:
    context = await people.context(viewport=SHOP, timezone_id=zone)
    visitor = await Visitor(site, await context.new_page()).goes("/night-kettle")
    await gallery.save("widget-closed", visitor.page, widths=(1024, 390))
    await visitor.opens_chat()
    await gallery.save("widget", visitor.page, widths=(1024, 390))
    await visitor.says("Does the night kettle whistle?")
    await visitor.marked("Does the night kettle whistle?", "sent")
    await gallery.save("widget-said", visitor.page, widths=(1024, 390))
    await context.set_offline(True)
    await visitor.says("Are you there?")
    await visitor.marked("Are you there?", "offline")
    await gallery.save("widget-offline", visitor.page, widths=(1024, 390))
    await context.set_offline(False)


async def cut(gallery: Gallery, people: People, desk: Desk) -> None:
    await desk.goes("/inbox")
    await desk.list.get_by_role("link").filter(has_text="Priya Natarajan").click()
    await expect(desk.box).to_be_visible()
    people.site.line.cut()
    await expect(desk.page.get_by_text("Reconnecting…")).to_be_visible()
    await desk.replies("Written without a line.")
    await gallery.save("offline", desk.page)
    await people.mends_line()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(where))
