"""A thread of 3,000 messages in the console: only messages near the view are loaded and drawn, and visible messages do
not move."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import Desk, People, Visitor, was_shown
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LENGTH = 3_000

# The number and the vertical position of each visible message, from the top.
IN_VIEW = """() => {
  const log = document.querySelector('[role=log]')
  const { top, bottom } = log.getBoundingClientRect()
  return [...log.querySelectorAll('[data-side]')].flatMap(row => {
    const rect = row.getBoundingClientRect()
    const number = /long \\w+ (\\d+):/.exec(row.textContent)
    return number && rect.bottom > top && rect.top < bottom ? [[Number(number[1]), rect.top]] : []
  })
}"""
DRAWN = "() => document.querySelectorAll('[role=log] [data-key]').length"
STILL = """async () => {
  const log = document.querySelector('[role=log]')
  let [before, same] = ['', 0]
  while (same < 3) {
    await new Promise(requestAnimationFrame)
    const now = `${log.scrollTop} ${log.scrollHeight} ${log.querySelectorAll('[data-hole]').length}`
    same = now === before ? same + 1 : 0
    before = now
  }
}"""


async def long_thread(people: People, site: Site, name: str) -> tuple[Desk, Visitor]:
    """An agent, and a visitor whose chat has 3,000 messages: "long <name> 17: …". The chat is open in no browser."""
    visitor = await people.visitor()
    await visitor.says(f"long {name} 1: hello")
    await site.has_stored(f"long {name} 1:")
    with closing(sqlite3.connect(site.folder / "data" / "threadline.db", timeout=20)) as db, db:
        (thread, last), *_ = db.execute(
            "SELECT thread_id, seq FROM timeline WHERE body = ?", (f"long {name} 1: hello",)
        ).fetchall()
        db.executemany(
            "INSERT INTO timeline(thread_id, seq, public_seq, kind, author_type, body, data, dedupe, body_hash, at)"
            " VALUES(?, ?, ?, 'message', ?, ?, '{\"origin\":\"chat\"}', ?, '', ?)",
            (
                (thread, last + n - 1, last + n - 1, "visitor" if n % 3 else "agent", f"long {name} {n}: {words(n)}",
                 f"web:{name}:{n:08d}", 1_700_000_000_000_000 + n * 60_000_000)
                for n in range(2, LENGTH + 1)
            ),
        )  # fmt: skip
        total = last + LENGTH - 1
        db.execute(
            "UPDATE threads SET last_seq = ?, last_public_seq = ?, rev = rev + 1 WHERE id = ?", (total, total, thread)
        )
    return await people.agent("ana"), visitor


def words(number: int) -> str:
    """The text of a message. Lengths differ, so that no height can be guessed; one message has a unique word."""
    return "quincemarker" if number == 1_200 else "when does my parcel arrive? " * (number % 7)


async def in_view(page: Page) -> dict[int, float]:
    await page.evaluate(STILL)
    return {number: top for number, top in await page.evaluate(IN_VIEW)}


async def scrolls(desk: Desk, by: int) -> None:
    await desk.log.hover()
    await desk.page.mouse.wheel(0, by)


async def opens_the_hit(desk: Desk, name: str) -> None:
    await desk.page.keyboard.press("Control+k")
    await desk.page.get_by_role("combobox", name="Search or run a command…").fill(f"{name} quincemarker")
    await desk.page.get_by_role("dialog").get_by_role("option").filter(has_text="quincemarker").click()
    await expect(desk.bubble(f"long {name} 1200: quincemarker")).to_be_in_viewport()


async def test_an_old_hit_opens_at_its_message_without_loading_the_pages_between(people: People, site: Site) -> None:
    desk, visitor = await long_thread(people, site, "hit")
    pages: list[str] = []
    desk.page.on("request", lambda request: pages.append(request.url) if "/entries?" in request.url else None)
    await opens_the_hit(desk, "hit")
    await was_shown(desk.page, "found: ")
    visible = await in_view(desk.page)
    assert 1_200 in visible and all(abs(number - 1_200) < 40 for number in visible)
    assert len([url for url in pages if "around=" in url]) == 1 and len(pages) <= 3, pages
    assert await desk.page.evaluate(DRAWN) < 400

    # A new message does not move the visible messages; one click returns to the newest message.
    await visitor.says("long hit 3001: are you there?")
    await desk.page.get_by_role("button", name="1 new message").click()
    await expect(desk.bubble("long hit 3001: are you there?")).to_be_in_viewport()
    await desk.page.wait_for_load_state("networkidle")
    assert max(await in_view(desk.page)) == 3_001
    assert len(pages) <= 5, pages


async def test_scrolling_through_unloaded_ranges_shows_each_message_once_and_moves_nothing(
    people: People, site: Site
) -> None:
    desk, _ = await long_thread(people, site, "holes")
    await opens_the_hit(desk, "holes")
    seen_numbers = set(await in_view(desk.page))
    for direction in (-500, 500):
        for _ in range(22):
            rows_before = await in_view(desk.page)
            await scrolls(desk, direction)
            await desk.page.wait_for_function(
                "top => { const [first] = (" + IN_VIEW + ")(); return first && first[1] !== top }",
                arg=next(iter(rows_before.values())),
            )
            rows_after = await in_view(desk.page)
            numbers = list(rows_after)
            assert numbers == sorted(numbers) and numbers == list(range(numbers[0], numbers[-1] + 1)), numbers
            in_both = rows_before.keys() & rows_after.keys()
            moved = {round(rows_after[number] - rows_before[number]) for number in in_both}
            assert not moved or max(moved) - min(moved) <= 2, "the distances between visible rows changed"
            assert all(0 < -shift * (1 if direction > 0 else -1) <= 502 for shift in moved), moved
            seen_numbers |= set(numbers)
    assert min(seen_numbers) < 1_130 and max(seen_numbers) >= 1_200
    assert await desk.page.evaluate(DRAWN) < 200, "rows far from the view are drawn"


async def test_a_new_message_moves_nothing_above_the_end_and_is_scrolled_into_view_at_the_end(
    people: People, site: Site
) -> None:
    desk, visitor = await long_thread(people, site, "live")
    await desk.row("long live").first.click()
    await expect(desk.bubble(f"long live {LENGTH}: {words(LENGTH)}".strip())).to_be_in_viewport()

    await visitor.says("long live 3001: at the end")
    await expect(desk.bubble("long live 3001: at the end")).to_be_in_viewport()
    await expect(desk.page.get_by_role("button", name=re.compile("new message"))).to_have_count(0)

    for _ in range(6):
        await scrolls(desk, -600)
        await in_view(desk.page)
    rows_before = await in_view(desk.page)
    assert max(rows_before) < 3_000
    await visitor.says("long live 3002: while you read")
    await expect(desk.page.get_by_role("button", name="1 new message")).to_be_visible()
    assert await in_view(desk.page) == rows_before
    await visitor.says("long live 3003: and again")
    await desk.page.get_by_role("button", name="2 new messages").click()
    await expect(desk.bubble("long live 3003: and again")).to_be_in_viewport()
    await expect(desk.page.get_by_role("button", name=re.compile("new message"))).to_have_count(0)
