"""Before anybody writes, the widget leaves nothing on a shop's page and stores nothing on the server."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.people import WELCOME, People, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

COUNT_SHIFTS = """
window.shifts = []
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.shifts.push(entry.value) })
  .observe({ type: 'layout-shift', buffered: true })
"""

# The server stores only that this shop embeds the widget, not who looks at it: Settings shows it as "we saw it".
SEEN = {"sites_seen": None}


async def test_looking_at_the_shop_stores_nothing_on_the_server(own_people: People) -> None:
    site = own_people.site
    await site.has_started()
    counts_before = site.counts() | SEEN
    visitor = await own_people.visitor("/oolong")
    await visitor.box.fill("I am only thinking aloud")
    await expect(visitor.frame.get_by_text(WELCOME)).to_be_visible()
    await visitor.goes("/plants")
    await visitor.opens_chat()
    await expect(visitor.box).to_have_value("I am only thinking aloud")
    assert site.counts() | SEEN == counts_before

    await visitor.box.press("Enter")
    await site.has_stored("I am only thinking aloud")
    counts_after = site.counts()
    assert {name for name in counts_after if name not in SEEN and counts_after[name] > counts_before[name]} >= {
        "contacts",
        "visitors",
        "threads",
        "timeline",
    }


async def test_no_cookie_and_no_key_of_ours_on_the_shop(people: People) -> None:
    visitor = await people.visitor()
    await visitor.says("cookies: hello?")
    await visitor.marked("cookies: hello?", "sent")

    assert await visitor.page.context.cookies() == []
    stored = await visitor.page.evaluate("({...localStorage})")
    assert stored == {"threadline:active": "1"}  # only that a chat is open: no identity, no text
    assert await visitor.page.evaluate("Object.keys(sessionStorage).length") <= 1
    assert await visitor.frame.evaluate("document.cookie") == ""


async def test_the_widget_moves_nothing_on_the_page(people: People) -> None:
    context = await people.context()
    await context.add_init_script(COUNT_SHIFTS)
    visitor = await Visitor(people.site, await context.new_page()).goes()
    await visitor.clicks_launcher()
    await visitor.finds_frame()
    await visitor.says("shift: hello?")
    await visitor.marked("shift: hello?", "sent")
    await visitor.page.evaluate("Threadline.close()")
    await visitor.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    assert await visitor.page.evaluate("window.shifts") == []


async def test_the_policy_lets_only_our_own_scripts_run_and_only_listed_sites_embed(people: People) -> None:
    desk, visitor = await people.agent("ana"), await people.visitor()
    site = people.site
    console = (await desk.page.request.get(f"{site.console}/inbox")).headers
    frame = (await desk.page.request.get(f"{site.console}/widget/frame")).headers
    for headers in (console, frame):
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["base-uri"] == "'none'"
        assert "unsafe" not in policy["script-src"] and "*" not in policy["script-src"]
        assert "'unsafe-inline'" not in policy["style-src"]
        assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in console["content-security-policy"]
    assert console["cross-origin-opener-policy"] == "same-origin"
    assert f"frame-ancestors 'self' {site.shop.removesuffix('/demo')}" in frame["content-security-policy"]

    # The browser enforces the policy: an injected script is refused.
    desk_violations = len(people.watch.problems)
    people.watch.forgive("Content Security Policy")
    for place in (desk.page, visitor.frame):
        await place.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
        )
        assert await place.evaluate("window.ran") is None
    assert len(people.watch.problems) >= desk_violations + 2
