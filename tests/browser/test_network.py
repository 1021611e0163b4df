"""Whatever breaks between browser and server, each message stands exactly once, in order, on both sides (G1, G2, F26)."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.people import BROKEN_LINE, Desk, People, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def conversation(people: People, first: str) -> tuple[Desk, Visitor]:
    desk, visitor = await people.agent("ana"), await people.visitor()
    await visitor.says(first)
    await desk.opens(first)
    await desk.replies(f"{first} yes?")
    await expect(visitor.bubble(f"{first} yes?")).to_be_visible()
    return desk, visitor


async def both_say(desk: Desk, visitor: Visitor, tag: str, numbers: range) -> None:
    for number in numbers:
        await visitor.says(f"{tag} visitor {number}")
        await desk.replies(f"{tag} agent {number}")


async def nothing_waits(desk: Desk, visitor: Visitor) -> None:
    await expect(visitor.frame.locator(".row.mine[data-mark=waiting], .row.mine[data-mark=offline]")).to_have_count(0)
    await expect(desk.log.locator("[data-state]")).to_have_count(0)


async def everything_stands_once(people: People, desk: Desk, visitor: Visitor, tag: str) -> None:
    said = [f"{tag} {who} {number}" for who in ("visitor", "agent") for number in range(10)]
    for text in said:
        await expect(visitor.bubble(text)).to_have_count(1)
        await expect(desk.bubble(text)).to_have_count(1)
    await nothing_waits(desk, visitor)

    stored = people.site.stored(tag)
    assert sorted(stored) == sorted([*said, tag, f"{tag} yes?"])
    for who in ("visitor", "agent"):
        assert [text for text in stored if who in text] == [text for text in said if who in text]
    assert [text for text in await visitor.texts() if text.startswith(tag)] == stored
    assert [text for text in await desk.texts() if text.startswith(tag)] == stored


async def test_a_cut_in_the_middle_of_ten_messages_loses_and_doubles_none(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "cut")
    line = people.site.line

    await both_say(desk, visitor, "cut", range(3))
    await nothing_waits(desk, visitor)
    # First the answers go missing: what is written now is stored, and neither side knows.
    line.mute()
    await both_say(desk, visitor, "cut", range(3, 5))
    await people.site.has_stored("cut visitor 3", "cut agent 3")
    line.cut()
    await both_say(desk, visitor, "cut", range(5, 7))
    await visitor.marked("cut visitor 6", "offline")
    await expect(visitor.frame.get_by_text("Reconnecting…")).to_be_visible()
    await expect(desk.page.get_by_text("Reconnecting… your drafts are safe")).to_be_visible()
    assert people.site.stored("cut visitor 6") == []
    line.mend()
    await both_say(desk, visitor, "cut", range(7, 10))

    await everything_stands_once(people, desk, visitor, "cut")
    await expect(visitor.frame.get_by_text("Reconnecting…")).to_be_hidden()
    await expect(desk.page.get_by_text("Reconnecting… your drafts are safe")).to_be_hidden()


async def test_a_server_that_dies_in_the_middle_loses_and_doubles_none(own_people: People) -> None:
    people = own_people
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "kill")

    await both_say(desk, visitor, "kill", range(4))
    people.site.kill()
    await both_say(desk, visitor, "kill", range(4, 7))
    await visitor.marked("kill visitor 6", "offline")
    await people.site.start()
    await both_say(desk, visitor, "kill", range(7, 10))

    await everything_stands_once(people, desk, visitor, "kill")


async def test_what_waits_survives_a_reload_while_the_line_is_cut(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "outbox")

    people.site.line.cut()
    await visitor.says("outbox one", "outbox two")
    await desk.replies("outbox answer")
    await visitor.marked("outbox two", "offline")
    await expect(desk.log.locator("[data-state]", has_text="outbox answer")).to_be_visible()
    people.site.line.mend()
    # Both go at once, so that what is sent is sent by the next page.
    await visitor.page.reload()
    await desk.page.reload()
    await visitor.opens_chat()

    for text in ("outbox one", "outbox two", "outbox answer"):
        await expect(visitor.bubble(text)).to_have_count(1)
        await expect(desk.bubble(text)).to_have_count(1)
    await visitor.marked("outbox two", "seen")
    assert sorted(people.site.stored("outbox ")) == ["outbox answer", "outbox one", "outbox two", "outbox yes?"]


async def test_who_goes_offline_is_told_at_once_and_sends_when_back(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "offline")
    frame, context = visitor.frame, visitor.page.context
    await expect(frame.locator(".presence")).to_be_visible()
    await context.set_offline(True)
    await expect(frame.get_by_text("You are offline.")).to_be_visible(timeout=1_500)
    await expect(frame.locator(".presence")).to_be_hidden()
    await visitor.says("offline later")
    await visitor.marked("offline later", "offline")
    await context.set_offline(False)
    await expect(desk.bubble("offline later")).to_be_visible()
    await expect(frame.get_by_text("You are offline.")).to_be_hidden()


async def test_without_websockets_the_chat_works_both_ways(people: People) -> None:
    people.watch.forgive(r"WebSocket connection to .* failed")
    desk = await people.agent("ana")
    people.site.line.refuses_sockets = True
    visitor = await people.visitor()
    await visitor.says("poll: hello?")

    await desk.opens("poll: hello?")
    await visitor.marked("poll: hello?", "seen")
    await desk.box.press_sequentially("poll: I")
    await expect(visitor.frame.get_by_text("Ana is typing")).to_be_attached()
    await desk.replies("poll: I hear you")
    await expect(visitor.bubble("poll: I hear you")).to_be_visible()
    await visitor.says("poll: me too")
    await expect(desk.bubble("poll: me too")).to_be_visible()
    await visitor.marked("poll: me too", "seen")

    assert people.site.line.sockets_refused >= 2
    assert await visitor.texts() == ["Hi! How can we help?", "poll: hello?", "poll: I hear you", "poll: me too"]
