"""The Phone page: a text arrives in the console within a second; the page works by keyboard, at any width, in light and
dark."""

from __future__ import annotations

import asyncio
import io
import re

import pytest
from PIL import Image
from playwright.async_api import Page, Route, expect

from tests.browser.axe import serious
from tests.browser.people import People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def opened(people: People, who: str = "maya", **options: object) -> Page:
    context = await people.context(**options)
    page = await context.new_page()
    await page.goto(f"{people.site.shop.removesuffix('/demo')}/phone#{who}")
    await expect(page.get_by_role("heading", level=1)).not_to_be_empty()
    return page


async def test_a_text_from_the_phone_is_a_ticket_immediately(people: People) -> None:
    desk = await people.agent("ana")
    page = await opened(people)
    box = page.get_by_role("textbox", name="Text message")
    await box.fill("phone: do you ship to Alaska?")
    await box.press("Enter")
    await expect(page.get_by_role("log").get_by_text("phone: do you ship")).to_be_visible()
    await expect(box).to_have_value("")
    # Faster than the sweep of every 20 s, so a notification brought it.
    await expect(desk.row("phone: do you ship to Alaska?")).to_be_visible(timeout=12_000)


async def test_the_composer_is_locked_until_a_number_is_chosen(people: People) -> None:
    """Regression test: the page showed "the server does not answer" until the numbers arrived."""
    numbers_known = asyncio.Event()

    async def answer_later(route: Route) -> None:
        await numbers_known.wait()
        await route.continue_()

    page = await (await people.context()).new_page()
    await page.route("**/phone/state", answer_later)
    await page.goto(people.site.phone)
    box = page.get_by_role("textbox", name="Text message")
    await expect(box).to_be_disabled()
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    numbers_known.set()
    await expect(box).to_be_enabled()


async def test_the_page_is_used_with_the_keyboard_alone(people: People) -> None:
    page = await opened(people, "arthur")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the message box")).to_be_focused()
    people_there = page.get_by_role("radio")
    await people_there.nth(1).focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Zofia Wrona")
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Arthur Hale")
    switch = page.get_by_role("switch", name="Status reports twice")
    await switch.focus()
    await page.keyboard.press("Space")
    await expect(switch).to_be_checked()
    other_phone = await opened(people, "zofia")
    await expect(other_phone.get_by_role("switch", name="Status reports twice")).to_be_checked()
    await page.keyboard.press("Space")
    await expect(other_phone.get_by_role("switch", name="Status reports twice")).not_to_be_checked()


async def test_a_picture_is_attached_seen_and_sent(people: People) -> None:
    page = await opened(people)
    picture = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(picture, "PNG")
    file = {"name": "cup.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    await page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    await expect(page.get_by_role("img", name="The picture you attached")).to_be_visible()
    await page.get_by_role("textbox", name="Text message").fill("phone: broken, see?")
    await page.get_by_role("button", name="Send").click()
    sent = page.get_by_role("log").get_by_role("img", name="A picture you sent").last
    await expect(sent).to_be_visible()
    assert await sent.evaluate("img => img.decode().then(() => img.naturalWidth)") == 256
    # The picture made the list longer after it was scrolled; the next message must be visible all the same.
    await page.get_by_role("textbox", name="Text message").fill("phone: and one more thing")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("log").get_by_text("phone: and one more thing")).to_be_in_viewport()
    british = await opened(people, "arthur")
    await expect(british.get_by_role("button", name="Attach a picture")).to_be_disabled()


async def test_the_page_is_accessible_and_fits_every_width(people: People) -> None:
    page = await opened(people, "zofia")
    await page.get_by_role("button", name="Czy wysyłacie").click()
    await page.get_by_role("textbox", name="Text message").press("Enter")
    await expect(page.get_by_role("log").get_by_text("Czy wysyłacie")).to_be_visible()
    assert await serious(page) == []
    last = page.get_by_role("log").locator(".said").last
    await page.reload()
    await expect(last.locator("time")).to_be_in_viewport(ratio=1)
    for width in (320, 390, 768, 1024, 1440):
        await page.set_viewport_size({"width": width, "height": 800})
        await expect(last).to_be_in_viewport(ratio=0.9)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert await serious(page) == [], width
        await expect(last.locator("time")).to_be_in_viewport(ratio=1)
    assert re.fullmatch(r"[1-9]\d?:\d\d [AP]M", (await last.locator("time").inner_text()).replace("\u202f", " "))


async def test_the_unread_count_is_beside_the_name_and_does_not_cover_it(people: People) -> None:
    page = await opened(people, "maya")
    await page.evaluate(
        """() => {
          for (const badge of document.querySelectorAll('.unread')) {
            badge.hidden = false
            badge.textContent = '12'
          }
        }"""
    )
    for width in (320, 390, 768, 1440):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate(
            """() => [...document.querySelectorAll('.person')].every((one) => {
              const range = document.createRange()
              range.selectNodeContents(one.querySelector('b').firstChild)
              const [name, badge] = [range.getBoundingClientRect(), one.querySelector('.unread').getBoundingClientRect()]
              return badge.right <= name.left || badge.left >= name.right || badge.bottom <= name.top
            })"""
        ), width
