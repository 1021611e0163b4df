"""A visitor over more than one page: reading back, and signing in while the chat is open."""

from __future__ import annotations

import time

import jwt
import pytest
from playwright.async_api import expect

from tests.browser.people import People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_visitor_reads_back_to_the_first_word(people: People) -> None:
    visitor = await people.visitor()
    await visitor.says(*(f"back: {n}" for n in range(130)))
    await visitor.marked("back: 129", "sent")
    # A tab keeps its newest fifty a moment after they came; what is newer than that comes to the next tab live, as one more.
    await visitor.frame.wait_for_function("() => localStorage['tl:anon:chat']?.includes('back: 129')")
    again = await people.visitor(context=visitor.page.context)
    await expect(again.bubble("back: 129")).to_be_in_viewport()
    await expect(again.bubbles).to_have_count(50)

    scroller = again.frame.get_by_role("log")
    reading = again.bubble("back: 90")
    await reading.scroll_into_view_if_needed()
    for _ in range(20):
        if await again.bubble("back: 0").count():
            break
        # Counted and scrolled in one go: the page before may have asked for more already.
        held = await scroller.evaluate(
            "log => { log.scrollTop = 120; return log.querySelectorAll('.row .text').length }"
        )
        await expect(again.bubbles.nth(held)).to_be_attached()
        # What was read stays where it was.
        assert await scroller.evaluate("log => log.scrollTop") > 120
    texts = await again.texts()
    assert texts[-130:] == [f"back: {n}" for n in range(130)]
    assert len(texts) == len(set(texts))
    await expect(again.frame.get_by_text("Hi! How can we help?")).to_have_count(1)

    await again.says("back: and on")
    await expect(again.bubble("back: and on")).to_be_in_viewport()


async def test_who_signs_in_with_the_chat_open_goes_on_in_it(people: People) -> None:
    olga = await people.agent("olga")
    answer = await olga.page.request.get(f"{people.site.console}/api/settings/widget/identity")
    claims = {
        "sub": "customer-41",
        "name": "Petra Carried",
        "email": "petra@example.com",
        "exp": int(time.time()) + 600,
    }
    identity = jwt.encode(claims, (await answer.json())["secret"], algorithm="HS256")

    visitor = await people.visitor()
    await visitor.says("carry: before I signed in")
    await visitor.marked("carry: before I signed in", "sent")
    await olga.opens("carry: before I signed in")
    bystander = await people.visitor(context=visitor.page.context)  # a tab that the shop has not told yet
    await expect(bystander.bubble("carry: before I signed in")).to_be_visible()
    await visitor.box.fill("carry: half a")

    await visitor.page.evaluate(f"Threadline.identify('{identity}')")
    await expect(olga.row("Petra Carried")).to_be_visible()
    await expect(olga.log.get_by_text("The visitor signed in as Petra Carried, petra@example.com")).to_be_visible()
    await expect(visitor.bubble("carry: before I signed in")).to_be_visible()
    await expect(visitor.box).to_have_value("carry: half a")
    await visitor.says("carry: after")
    await expect(olga.bubble("carry: after")).to_be_visible()
    await olga.replies("carry: hello Petra")
    await expect(visitor.bubble("carry: hello Petra")).to_be_visible()
    assert (await visitor.texts())[1:] == ["carry: before I signed in", "carry: after", "carry: hello Petra"]

    # The other tab is nobody's until the shop says who is there; the customer finds everything in a new one.
    await expect(bystander.bubble("carry: before I signed in")).to_have_count(0)
    await bystander.page.evaluate(f"Threadline.identify('{identity}')")
    await expect(bystander.bubble("carry: hello Petra")).to_be_visible()
    assert people.site.stored("carry:") == [
        "carry: before I signed in", "carry: after", "carry: hello Petra",
    ]  # fmt: skip
