"""The console in Chromium: a thread of 3,000 messages (open, open at a search hit, scroll, process one frame) and the list of
100,000 tickets (scroll, throw)."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.bench import inbox
from tests.bench.product import Product
from tests.bench.report import Line, middle, spread
from tests.bench.setting import Setting
from tests.services import Chromium

TICKET = inbox.OPEN_TICKET_EVERY  # an open ticket
LENGTH = 3_000
FRAMES = 15

# The console's own socket, so that frames can be passed to the console as if the server had sent them.
CATCH = """(() => {
  const Real = window.WebSocket
  window.WebSocket = class extends Real {
    constructor(...args) {
      super(...args)
      window.consoleSocket = this
    }
  }
})()"""

# Gives the console frames and returns the median time until a frame's change is laid out.
TAKE = """async ({ thread, seq, kind, count }) => {
  const author = { type: kind === 'seen' ? 'agent' : 'visitor', id: kind === 'seen' ? 1 : null, name: '' }
  const durations = []
  for (let n = 0; n < count; n++) {
    const entry = { seq: seq + n, kind, author, text: kind === 'seen' ? '' : `news ${n}`, key: null, at: new Date().toISOString(),
      ref: kind === 'seen' ? seq - 1 : null, data: kind === 'seen' ? { by: 'agent' } : { origin: 'chat' } }
    const begun = performance.now()
    consoleSocket.dispatchEvent(new MessageEvent('message', { data: JSON.stringify({ type: 'entry', thread, entry }) }))
    await new Promise(resolve => setTimeout(resolve))
    document.querySelector('[role=log]').getBoundingClientRect()
    durations.push(performance.now() - begun)
    await new Promise(requestAnimationFrame)
  }
  return durations.sort((a, b) => a - b)[count >> 1]
}"""

# Scrolls by `by` pixels a frame, and measures the time of each frame.
SCROLL = """async ({ selector, by, ms }) => {
  const box = document.querySelector(selector)
  const frames = []
  let last = await new Promise(requestAnimationFrame)
  const begun = last
  while (last - begun < ms) {
    box.scrollTop += by
    const now = await new Promise(requestAnimationFrame)
    frames.push(now - last)
    last = now
  }
  return { fps: 1000 * frames.length / (last - begun), longest: Math.max(...frames) }
}"""

LAST = "async thread => (await (await fetch(`/api/threads/${thread}/entries?limit=1`)).json()).last_seq"


def lengthen(database: sqlite3.Connection) -> None:
    """Adds messages to the ticket's thread until it has `LENGTH`."""
    database.executemany(
        "INSERT INTO timeline(thread_id, seq, public_seq, kind, author_type, body, data, dedupe, body_hash, at)"
        " VALUES(?, ?, ?, 'message', ?, ?, '{\"origin\":\"chat\"}', ?, ?, ?)",
        (
            (TICKET, seq, seq, "visitor" if seq % 3 else "agent", f"message {seq}: when does my parcel arrive?",
             f"web:long:{seq}", "0" * 32, inbox.BEGIN + seq * 60 * inbox.SECOND)
            for seq in range(inbox.PER_TICKET + 1, LENGTH + 1)
        ),
    )  # fmt: skip
    database.execute(
        "UPDATE threads SET last_seq = ?, last_public_seq = ?, rev = ? WHERE id = ?", (LENGTH,) * 3 + (TICKET,)
    )


async def _measure(product: Product, endpoint: str) -> dict[str, Any]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(endpoint)
        page = await _console(browser, product, "/inbox")
        result = {"hit_ms": await _opened_at_hit(page)}
        await page.goto(f"{product.origin}/inbox")
        row = page.locator(f"[data-id='{TICKET}']")
        await row.wait_for()
        result["open_ms"] = await _opened(page, row)
        result |= await _scrolled(page, "[role=log]", -60)
        await page.get_by_role("button", name="Newest messages").click()
        await page.get_by_text(f"message {LENGTH}:").first.wait_for()
        # Not the last seq, because the console may already have recorded the last message as read.
        after = 1 + await page.evaluate(LAST, TICKET)
        result["mark_ms"] = await page.evaluate(TAKE, {"thread": TICKET, "seq": after, "kind": "seen", "count": FRAMES})
        after += FRAMES
        result["news_ms"] = await page.evaluate(
            TAKE, {"thread": TICKET, "seq": after, "kind": "message", "count": FRAMES}
        )
        await page.get_by_text(f"news {FRAMES - 1}", exact=True).first.wait_for()
        await page.context.close()
        return result


async def _console(browser: Browser, product: Product, path: str) -> Page:
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    name, _, value = product.cookie.partition("=")
    await context.add_cookies([{"name": name, "value": value, "url": product.origin}])
    page = await context.new_page()
    await page.add_init_script(CATCH)
    await page.goto(product.origin + path)
    await page.locator("[data-id]").first.wait_for()
    return page


async def _opened_at_hit(page: Page) -> float:
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox", name="Search or run a command…").fill(f"message {LENGTH // 2}")
    hit = page.get_by_role("dialog").get_by_role("option").filter(has_text=f"{LENGTH // 2}").first
    await hit.wait_for()
    started = await page.evaluate("performance.now()")
    await hit.click()
    await page.get_by_text(f"message {LENGTH // 2}:").first.wait_for()
    return float(await page.evaluate("performance.now()") - started)


async def _scrolled(page: Page, selector: str, by: int) -> dict[str, float]:
    frames = await page.evaluate(SCROLL, {"selector": selector, "by": by, "ms": 3_000})
    return {"fps": frames["fps"], "longest_ms": frames["longest"]}


async def _opened(page: Page, row: Any) -> float:
    started = await page.evaluate("performance.now()")
    await row.click()
    await page.get_by_text(f"message {LENGTH}:").first.wait_for()
    return float(await page.evaluate("performance.now()") - started)


# Scrolls the list to its end at once (a throw), and waits until the next page has arrived and rows fill the view.
THROW = """async () => {
  const box = document.querySelector('[role=list]').parentElement
  const list = box.querySelector('[role=list]')
  const { left, top, width, height } = box.getBoundingClientRect()
  const rowsFillView = () => [0.1, 0.5, 0.9].every(part =>
    document.elementFromPoint(left + width / 2, top + height * part)?.closest('[data-id]'))
  const before = list.offsetHeight
  const begun = performance.now()
  box.scrollTop = box.scrollHeight
  do await new Promise(requestAnimationFrame)
  while (list.offsetHeight === before || !rowsFillView())
  return performance.now() - begun
}"""
THROWS = 10


async def _measure_list(product: Product, endpoint: str) -> dict[str, Any]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(endpoint)
        page = await _console(browser, product, "/inbox?status=closed")
        figures = await _scrolled(page, "div:has(> [role=list])", 60)
        throws = sorted([await page.evaluate(THROW) for _ in range(THROWS)])
        figures |= {"throw_ms": throws[THROWS // 2], "longest_throw_ms": throws[-1]}
        await page.context.close()
        return figures


def _run_list(setting: Setting) -> list[Line]:
    tickets = setting.few(100_000 * inbox.OPEN_TICKET_EVERY // (inbox.OPEN_TICKET_EVERY - 1))
    closed = tickets - tickets // inbox.OPEN_TICKET_EVERY
    with Product(setting.folder, name="list") as product, Chromium() as endpoint:
        assert product.child is not None
        product.child.stop()
        database = sqlite3.connect(product.database, isolation_level=None)
        inbox.fill(database, tickets, messages=1)
        database.close()
        product.start().wait_until_listening()
        product.sign_in()
        rounds = [asyncio.run(_measure_list(product, endpoint)) for _ in range(setting.rounds)]
    return [
        _line(rounds, f"list of {closed:,}", "frames a second while scrolling", "fps", 30, 55, unit="1/s"),
        _line(rounds, f"list of {closed:,}", "longest frame", "longest_ms", 250, 100),
        _line(rounds, f"list of {closed:,}", "a throw until rows fill the view", "throw_ms", 1_000, 300),
        _line(rounds, f"list of {closed:,}", "the longest throw", "longest_throw_ms", 2_000, 600),
    ]


def _line(
    rounds: list[dict[str, Any]], row: str, what: str, name: str, gate: float, stretch: float, *, unit: str = "ms"
) -> Line:
    return Line(
        row, what, unit, middle(rounds, name), better="more" if unit == "1/s" else "less", gate=gate, stretch=stretch,
        absolute=True, spread=spread(rounds, name),
    )  # fmt: skip


def run(setting: Setting) -> list[Line]:
    with Product(setting.folder, name="thread") as product, Chromium() as endpoint:
        assert product.child is not None
        product.child.stop()
        database = sqlite3.connect(product.database, isolation_level=None)
        inbox.fill(database, TICKET)
        lengthen(database)
        database.close()
        product.start().wait_until_listening()
        product.sign_in()
        rounds = [asyncio.run(_measure(product, endpoint)) for _ in range(setting.rounds)]

    row = "thread of 3,000"
    return [
        _line(rounds, row, "opened", "open_ms", 1_000, 500),
        _line(rounds, row, "opened at a search hit", "hit_ms", 1_000, 500),
        _line(rounds, row, "frames a second while scrolling back", "fps", 30, 55, unit="1/s"),
        _line(rounds, row, "longest frame", "longest_ms", 250, 100),
        _line(rounds, row, "a read mark that nobody sees", "mark_ms", 50, 20),
        _line(rounds, row, "a new message", "news_ms", 50, 20),
        *_run_list(setting),
    ]
