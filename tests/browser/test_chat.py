"""A visitor on one site and an agent on another talk in real time (VIS, INB)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import FloatRect, Locator, expect

from tests.browser.axe import serious
from tests.browser.people import WELCOME, People, click_once_shown, was_shown

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_visitor_and_agent_talk_without_a_reload(people: People) -> None:
    desk = await people.agent("ana")
    visitor = await people.visitor("/moss-teapot", open=False)

    await visitor.clicks_launcher()
    await visitor.finds_frame()
    await visitor.says("Is the teapot dishwasher safe?")

    await desk.opens("Is the teapot dishwasher safe?")
    await expect(desk.bubble("Is the teapot dishwasher safe?")).to_have_attribute("data-side", "them")
    await expect(desk.page.locator("a[href$='/demo/moss-teapot']")).to_be_visible()  # the page that the visitor is on
    await desk.replies("It is, up to 60 degrees.")
    await expect(visitor.bubble("It is, up to 60 degrees.")).to_be_visible()
    await expect(visitor.frame.locator(".row.theirs .name", has_text="Ana")).to_be_visible()

    # Messages that arrive while the thread is open, both ways.
    await visitor.says("Wonderful, thank you!")
    await expect(desk.bubble("Wonderful, thank you!")).to_be_visible()
    await expect(desk.row("Wonderful, thank you!")).to_be_visible()
    assert await desk.texts() == [
        "Is the teapot dishwasher safe?",
        "It is, up to 60 degrees.",
        "Wonderful, thank you!",
    ]
    texts = await visitor.texts()
    assert WELCOME.fullmatch(texts[0]) and texts[1:] == await desk.texts()


async def test_an_invisible_message_is_not_sent(people: People) -> None:
    visitor = await people.visitor()
    send = visitor.frame.get_by_role("button", name="Send", exact=True)
    for nothing in ("\u200b\u200d\ufeff", " \u2060\n"):
        await visitor.says(nothing)
        await expect(send).to_be_disabled()
    await visitor.says("can be seen")
    await visitor.marked("can be seen", "sent")
    texts = await visitor.texts()
    assert WELCOME.fullmatch(texts[0]) and texts[1:] == ["can be seen"]


async def test_each_sees_the_other_typing(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("typing: hello?")
    await desk.opens("typing: hello?")
    # typing is sent once in three seconds, to agents connected at that moment
    await visitor.marked("typing: hello?", "seen")

    await visitor.box.press_sequentially("I have")
    await was_shown(desk.page, "is typing…")
    await desk.box.press_sequentially("Let me")
    await was_shown(visitor.frame, "Ana is typing")

    await desk.replies("Let me look.")
    await expect(visitor.bubble("Let me look.")).to_be_visible()
    await expect(visitor.frame.get_by_text("Ana is typing")).not_to_be_attached()


async def test_ticks_go_from_sent_to_seen_on_both_sides(people: People) -> None:
    visitor = await people.visitor()
    await visitor.says("ticks: one")
    await visitor.marked("ticks: one", "sent")

    desk = await people.agent("ana")
    await desk.opens("ticks: one")
    await visitor.marked("ticks: one", "seen")

    # The visitor's window is hidden, so the reply stays unread and the launcher shows it.
    await visitor.page.evaluate("Threadline.close()")
    await desk.replies("ticks: two")
    await expect(desk.bubble("ticks: two").locator("[data-tick=sent]")).to_be_attached()
    await expect(visitor.bubble("ticks: two")).to_be_attached()
    await expect(desk.bubble("ticks: two").locator("[data-tick=sent]")).to_be_attached()
    await visitor.page.evaluate("Threadline.open()")
    await expect(desk.bubble("ticks: two").locator("[data-tick=seen]")).to_be_attached()


async def test_closing_can_be_undone_for_five_seconds_and_then_ends_the_chat(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("ending: that was all")
    await desk.opens("ending: that was all")

    await click_once_shown(desk.page, "Undo")
    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await was_shown(desk.page, "Ticket closed")
    await desk.opens("ending: that was all")
    await desk.replies("ending: still open")
    await expect(visitor.bubble("ending: still open")).to_be_visible()
    await expect(visitor.frame.get_by_text("This chat has ended")).not_to_be_attached()

    await desk.page.get_by_role("button", name="Close", exact=True).click()
    await expect(visitor.frame.get_by_text("This chat has ended")).to_be_visible()
    await expect(visitor.box).not_to_be_attached()
    await expect(desk.row("ending: still open")).not_to_be_attached()

    await visitor.frame.get_by_role("button", name="Start a new chat").click()
    await visitor.says("ending: one more thing")
    await desk.opens("ending: one more thing")
    assert await desk.texts() == ["ending: one more thing"]
    assert "ending: still open" not in await visitor.texts()


async def test_the_visitor_ends_the_chat(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("visitor ends: bye")
    await desk.opens("visitor ends: bye")

    await visitor.frame.get_by_role("button", name="More options").click()
    await visitor.frame.get_by_role("menuitem", name="End chat").click()
    await visitor.frame.get_by_role("button", name="End chat").click()

    await expect(visitor.frame.get_by_text("You ended this chat")).to_be_visible()
    await expect(desk.log.get_by_text("The visitor ended the chat")).to_be_visible()
    await expect(desk.page.get_by_text("This chat has ended. A new one starts when they write.")).to_be_visible()


async def test_a_reload_and_another_page_keep_the_conversation(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("reload: before")
    await desk.opens("reload: before")
    await visitor.marked("reload: before", "seen")

    await visitor.page.reload()
    await visitor.opens_chat()
    await expect(visitor.bubble("reload: before")).to_be_visible()
    await visitor.goes("/plants")
    await visitor.opens_chat()
    await visitor.says("reload: after")

    await expect(desk.bubble("reload: after")).to_be_visible()
    assert await desk.texts() == ["reload: before", "reload: after"]


async def test_the_teams_files_reach_the_visitor_and_fit_a_phones_screen(people: People, tmp_path: Path) -> None:
    names = ("wide.png", "tall.png", "A very long name of a document about kettles, final version (3).pdf")
    Image.new("RGB", (240, 90), "green").save(tmp_path / names[0])
    Image.new("RGB", (30, 200), "brown").save(tmp_path / names[1])
    (tmp_path / names[2]).write_bytes(b"%PDF-1.4\n" + b"x" * 9_000)
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says("files: a picture, please?")
    await desk.opens("files: a picture, please?")
    await desk.page.locator("input[type=file]").set_input_files([tmp_path / name for name in names])
    await expect(desk.page.get_by_role("button", name=re.compile("^Remove"))).to_have_count(3)
    await desk.page.get_by_role("button", name="Send", exact=True).click()

    pictures, chip = desk.log.locator("button:has(img)"), desk.page.get_by_role("link", name=re.compile(r"\.pdf"))
    await expect(pictures).to_have_count(2)
    await expect(visitor.frame.locator(".media img")).to_have_count(2)
    await expect(visitor.frame.get_by_text(names[2])).to_be_visible()
    assert await serious(desk.page) == []
    for width in (1280, 768, 390):
        await desk.page.set_viewport_size({"width": width, "height": 844})
        a, b, c = await settled_positions(pictures.first, pictures.last, chip)
        bubble = await box(desk.log.locator("[data-side] > [title]").filter(has=chip))
        assert a["x"] + a["width"] <= b["x"] or a["y"] + a["height"] <= b["y"], "the pictures overlap"
        assert all(part["x"] + part["width"] <= bubble["x"] + bubble["width"] for part in (a, b, c))


async def settled_positions(*parts: Locator) -> list[FloatRect]:
    """The positions once nothing moves any more: the list scrolls after a change of size."""
    before: list[FloatRect] = []
    for _ in range(50):
        now = [await box(part) for part in parts]
        if now == before:
            break
        before = now
        await asyncio.sleep(0.1)
    return before


async def box(part: Locator) -> FloatRect:
    result = await part.bounding_box()
    assert result is not None
    return result
