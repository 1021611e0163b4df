"""Positions of elements on the screen, in windows of three widths."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import FloatRect, Locator, expect

from tests.browser.axe import serious
from tests.browser.people import People, keep_toasts

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WIDTHS = (1440, 1024, 390)


async def box(part: Locator) -> FloatRect:
    result = await part.bounding_box()
    assert result is not None
    return result


def overlap(a: FloatRect, b: FloatRect) -> bool:
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


async def test_all_pages_of_the_settings_begin_at_one_left_edge(people: People) -> None:
    desk = await people.agent("olga", "/settings", viewport={"width": 1440, "height": 900})
    links = desk.page.get_by_role("navigation", name="Settings").get_by_role("link")
    edges = set()
    for number in range(await links.count()):
        await links.nth(number).click()
        await expect(links.nth(number)).to_have_attribute("aria-current", "page")
        heading = desk.page.get_by_role("heading", level=1)
        await expect(heading).to_be_visible()
        edges.add((await box(heading))["x"])
    assert len(edges) == 1


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_toast_never_covers_the_composer_or_its_send_button(people: People, width: int) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await desk.page.set_viewport_size({"width": width, "height": 800})
    await visitor.says(f"toast {width}: first")
    second_visitor = await people.visitor()
    await second_visitor.says(f"toast {width}: second")
    await desk.opens(f"toast {width}: first")
    await keep_toasts(desk.page)
    await desk.page.get_by_role("button", name="Close", exact=True).click()
    toast = desk.page.get_by_role("alert").filter(has_text="Ticket closed")
    await expect(toast).to_be_visible()
    # On a phone the list is shown now, otherwise the next ticket of the list.
    await desk.opens(f"toast {width}: second")
    await desk.box.fill("is seen while it is written")
    send = desk.page.get_by_role("button", name="Send", exact=True)
    assert not overlap(await box(toast), await box(send))


async def test_the_avatars_menu_leads_to_the_users_account(people: People) -> None:
    desk = await people.agent("ana")
    await desk.page.get_by_role("button", name="Account menu").click()
    await desk.page.get_by_role("menuitem", name="My account").click()
    await expect(desk.page.get_by_role("heading", level=1, name="My account")).to_be_visible()


async def test_an_emptied_inbox_is_not_called_a_new_one(own_people: People) -> None:
    desk = await own_people.agent("ana")
    await expect(desk.page.get_by_role("heading", name="No conversations yet")).to_be_visible()
    visitor = await own_people.visitor()
    await visitor.says("layout: only one")
    await desk.opens("layout: only one")
    await visitor.frame.get_by_role("button", name="More options").click()
    await visitor.frame.get_by_role("menuitem", name="End chat").click()
    await visitor.frame.get_by_role("button", name="End chat").click()
    await expect(desk.page.get_by_role("heading", name="All caught up")).to_be_visible()


async def test_pictures_are_shown_above_their_text_on_both_sides_and_open_large(people: People, tmp_path: Path) -> None:
    Image.new("RGB", (1200, 800), "teal").save(tmp_path / "kettle.png")
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("large: show me?")
    await desk.opens("large: show me?")
    await desk.page.locator("input[type=file]").set_input_files(tmp_path / "kettle.png")
    await expect(desk.page.get_by_role("button", name="Remove kettle.png")).to_be_visible()
    await desk.box.fill("large: here it is")
    await desk.page.get_by_role("button", name="Send", exact=True).click()
    for bubble, words in (
        (desk.bubble("large: here it is"), desk.page.get_by_text("large: here it is", exact=True).last),
        (visitor.bubble("large: here it is"), visitor.frame.get_by_text("large: here it is", exact=True)),
    ):
        picture = await box(bubble.locator("img"))
        assert picture["y"] + picture["height"] <= (await box(words))["y"]

    link = visitor.frame.get_by_role("link", name="Image: kettle.png")
    await link.click()
    large = visitor.frame.get_by_role("dialog", name="Image: kettle.png")
    await expect(large.get_by_role("button", name="Close image")).to_be_visible()
    picture_box = await box(large.get_by_role("img"))
    panel = await box(visitor.page.locator("body"))
    assert picture_box["width"] > (await box(link))["width"] and picture_box["x"] >= panel["x"]
    assert await serious(visitor.frame) == []
    await visitor.page.keyboard.press("Escape")
    await expect(large).to_have_count(0)
    await expect(visitor.box).to_be_visible()  # the chat stays open
    await expect(link).to_be_focused()


async def test_the_contact_card_is_one_line_while_the_keyboard_is_open(people: People) -> None:
    visitor = await people.visitor(viewport={"width": 390, "height": 844})
    await visitor.says("card: hello?")
    field = visitor.frame.get_by_role("textbox", name="Where can we reach you?")
    await expect(field).to_be_visible()
    card = visitor.frame.locator(".card")
    assert (await box(card))["height"] > 100
    await visitor.page.set_viewport_size({"width": 390, "height": 460})
    await expect(visitor.frame.get_by_role("button", name="Save")).to_be_in_viewport()
    assert (await box(card))["height"] < 60
    await field.fill("not an address")
    await field.press("Enter")
    await expect(visitor.frame.get_by_text("Please enter a valid e-mail address.")).to_be_visible()


async def test_the_preview_of_the_widget_is_the_real_chat_and_stores_nothing(people: People) -> None:
    desk = await people.agent("olga", "/settings/widget", viewport={"width": 1440, "height": 900})
    page, requests = desk.page, []
    chat = page.frame_locator("iframe[title='Preview']")
    await expect(chat.get_by_text("Hi! How can we help?")).to_be_visible()
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))
    await page.get_by_role("textbox", name="Name", exact=True).fill("Preview & Sons")
    await expect(chat.get_by_text("Preview & Sons").first).to_be_visible()
    assert not [url for url in requests if "/widget/" in url or "/ws/" in url]
    stored_keys = await page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    assert not [name for name in stored_keys if name.startswith("tl:")]


async def test_rows_follow_the_density_and_the_browsers_font_size(people: People) -> None:
    desk, visitor, second_visitor = await people.agent("ana"), await people.visitor(), await people.visitor()
    await visitor.says("density: above")
    await second_visitor.says("density: below")

    async def row_distance() -> float:
        await expect(desk.row("density: above")).to_be_visible()
        rows = [await box(desk.row(f"density: {which}")) for which in ("above", "below")]
        assert all(row["height"] == abs(rows[0]["y"] - rows[1]["y"]) - 2 for row in rows)
        return abs(rows[0]["y"] - rows[1]["y"])

    await desk.goes("/settings/account")
    await desk.page.get_by_role("radio", name="Compact").check()
    await desk.goes("/inbox")
    assert await row_distance() == 52
    await desk.page.reload()  # the choice is kept
    assert await row_distance() == 52
    # Somebody whose browser shows large letters.
    await desk.page.add_init_script(
        "document.addEventListener('DOMContentLoaded', () => (document.documentElement.style.fontSize = '20px'))"
    )
    await desk.page.reload()
    assert await row_distance() == 65
    preview = desk.row("density: above").get_by_text("density: above").first
    assert await preview.evaluate("element => getComputedStyle(element).fontSize") == "16.25px"
    await desk.goes("/settings/account")
    await desk.page.get_by_role("radio", name="Comfortable").check()
    await desk.goes("/inbox")
    assert await row_distance() == 80
