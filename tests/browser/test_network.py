"""Whatever fails between browser and server, each message is shown exactly once and in order on both sides (G1, G2,
F26)."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.people import BROKEN_LINE, WELCOME, Desk, People, Visitor, was_shown

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


async def everything_is_shown_once(people: People, desk: Desk, visitor: Visitor, tag: str) -> None:
    texts = [f"{tag} {author} {number}" for author in ("visitor", "agent") for number in range(10)]
    for text in texts:
        await expect(visitor.bubble(text)).to_have_count(1)
        await expect(desk.bubble(text)).to_have_count(1)
    await nothing_waits(desk, visitor)

    stored = people.site.stored(tag)
    assert sorted(stored) == sorted([*texts, tag, f"{tag} yes?"])
    for author in ("visitor", "agent"):
        assert [text for text in stored if author in text] == [text for text in texts if author in text]
    assert [text for text in await visitor.texts() if text.startswith(tag)] == stored
    assert [text for text in await desk.texts() if text.startswith(tag)] == stored


async def test_a_cut_in_the_middle_of_ten_messages_loses_and_doubles_none(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "cut")
    line = people.site.line

    await both_say(desk, visitor, "cut", range(3))
    await nothing_waits(desk, visitor)
    # First only the responses are lost: messages are stored, and neither side knows.
    line.mute()
    await both_say(desk, visitor, "cut", range(3, 5))
    await people.site.has_stored("cut visitor 3", "cut agent 3")
    line.cut()
    await both_say(desk, visitor, "cut", range(5, 7))
    await visitor.marked("cut visitor 6", "offline")
    await expect(visitor.frame.get_by_text("Reconnecting…")).to_be_visible()
    await expect(desk.page.get_by_text("Reconnecting… your drafts are safe")).to_be_visible()
    assert people.site.stored("cut visitor 6") == []
    await people.mends_line()
    await both_say(desk, visitor, "cut", range(7, 10))

    await everything_is_shown_once(people, desk, visitor, "cut")
    await expect(visitor.frame.get_by_text("Reconnecting…")).to_be_hidden()
    await expect(desk.page.get_by_text("Reconnecting… your drafts are safe")).to_be_hidden()


async def test_a_server_killed_in_the_middle_of_ten_messages_loses_and_doubles_none(own_people: People) -> None:
    people = own_people
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "kill")

    await both_say(desk, visitor, "kill", range(4))
    people.site.kill()
    await both_say(desk, visitor, "kill", range(4, 7))
    await visitor.marked("kill visitor 6", "offline")
    await people.site.start()
    await both_say(desk, visitor, "kill", range(7, 10))

    await everything_is_shown_once(people, desk, visitor, "kill")


async def test_unsent_messages_survive_a_reload_while_offline(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "outbox")

    people.site.line.cut()
    await visitor.says("outbox one", "outbox two")
    await desk.replies("outbox answer")
    await visitor.marked("outbox two", "offline")
    await expect(desk.log.locator("[data-state]", has_text="outbox answer")).to_be_visible()
    await people.mends_line()
    # Both windows reload immediately, so the messages are sent after the reload.
    await visitor.page.reload()
    await desk.page.reload()
    await visitor.opens_chat()

    for text in ("outbox one", "outbox two", "outbox answer"):
        await expect(visitor.bubble(text)).to_have_count(1)
        await expect(desk.bubble(text)).to_have_count(1)
    await visitor.marked("outbox two", "seen")
    assert sorted(people.site.stored("outbox ")) == ["outbox answer", "outbox one", "outbox two", "outbox yes?"]


# The wall clock is corrected; monotonic time (`performance.now()`) continues.
SET_BACK = """() => {
  const Real = Date
  window.Date = class extends Real {
    constructor(...given) { super(...(given.length ? given : [Real.now() - 3_600_000])) }
    static now() { return Real.now() - 3_600_000 }
  }
}"""


async def test_a_clock_that_is_set_back_neither_reorders_nor_delays_unsent_messages(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "clock")

    people.site.line.cut()
    await visitor.says("clock visitor 1")
    await desk.replies("clock agent 1")
    await visitor.marked("clock visitor 1", "offline")
    for window in (visitor.frame, desk.page):
        await window.evaluate(SET_BACK)
    await visitor.says("clock visitor 2", "clock visitor 3")
    await desk.replies("clock agent 2", "clock agent 3")
    await people.mends_line()

    for author in ("visitor", "agent"):
        texts = [f"clock {author} {number}" for number in (1, 2, 3)]
        await people.site.has_stored(*texts)
        assert people.site.stored(f"clock {author}") == texts
    await nothing_waits(desk, visitor)


# The wall clock is wrong; monotonic time and timers are right.
WRONG = """(() => {
  const Real = Date
  window.Date = class extends Real {
    constructor(...given) { super(...(given.length ? given : [Real.now() + OFFSET])) }
    static now() { return Real.now() + OFFSET }
  }
})()"""


@pytest.mark.parametrize("hours", [1, -1])
async def test_with_a_clock_that_is_wrong_by_an_hour_chat_and_times_are_right(people: People, hours: int) -> None:
    people.watch.forgive(BROKEN_LINE)
    tag = f"skew {hours}:"
    wrong_clock = WRONG.replace("OFFSET", str(hours * 3_600_000))
    agent_context, visitor_context = await people.context(), await people.context()
    for context in (agent_context, visitor_context):
        await context.add_init_script(wrong_clock)
    desk = Desk(people.site, await agent_context.new_page())
    await desk.signs_in("ana")
    await desk.goes()
    visitor = await Visitor(people.site, await visitor_context.new_page()).goes()
    await visitor.opens_chat()

    await visitor.says(f"{tag} hello")
    await expect(desk.row(f"{tag} hello").locator("time")).to_have_text("now")
    await desk.opens(f"{tag} hello")
    await desk.replies(f"{tag} hi")
    await expect(visitor.bubble(f"{tag} hi")).to_be_visible()
    await visitor.marked(f"{tag} hello", "seen")

    people.site.line.cut()
    await expect(desk.page.get_by_text("Reconnecting…")).to_be_visible()
    await desk.replies(f"{tag} one", f"{tag} two")
    await visitor.says(f"{tag} three")
    await visitor.marked(f"{tag} three", "offline")
    await people.mends_line()
    texts = [f"{tag} one", f"{tag} two"]
    for text in (*texts, f"{tag} three"):
        await expect(desk.bubble(text)).to_have_count(1)
        await expect(visitor.bubble(text)).to_have_count(1)
    await expect(desk.log.locator("[data-state]")).to_have_count(0)
    stored = people.site.stored(tag)
    assert [text for text in stored if text in texts] == texts
    assert await desk.texts() == stored and (await visitor.texts())[1:] == stored
    await expect(desk.log.get_by_text("Today")).to_have_count(1)


async def test_going_offline_is_shown_at_once_and_messages_are_sent_when_back(people: People) -> None:
    people.watch.forgive(BROKEN_LINE)
    desk, visitor = await conversation(people, "offline")
    frame, context = visitor.frame, visitor.page.context
    await expect(frame.locator(".presence")).to_be_visible()
    await context.set_offline(True)
    # shown before a ping could time out, which takes 45 s
    await expect(frame.get_by_text("You are offline.")).to_be_visible(timeout=20_000)
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
    await was_shown(visitor.frame, "Ana is typing")
    await desk.replies("poll: I hear you")
    await expect(visitor.bubble("poll: I hear you")).to_be_visible()
    await visitor.says("poll: me too")
    await expect(desk.bubble("poll: me too")).to_be_visible()
    await visitor.marked("poll: me too", "seen")

    assert people.site.line.sockets_refused >= 2
    texts = await visitor.texts()
    assert WELCOME.fullmatch(texts[0]) and texts[1:] == ["poll: hello?", "poll: I hear you", "poll: me too"]
