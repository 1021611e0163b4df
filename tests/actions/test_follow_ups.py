"""Follow-up mail: when it is sent, what it contains, what cancels it, and where its link leads (FUP-1 to FUP-9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.channels.base import Rejected, Verdict
from server.chat_mail import follow_ups, return_links
from server.errors import Conflict, NotFound
from server.kernel.ids import digest
from server.kernel.sql import Tx
from server.schema import events, mail_copies, outbound, suppressions, timeline, visitors
from server.schema import follow_ups as rows_of_follow_ups
from server.sms.settings import INBOX, InboxSettings
from server.webchat import presence, receiving
from tests.mails import FakeServer, connect_mail_server, token_in
from tests.world import Desk, Guest, World

SUPPORT = InboxSettings(
    support_from="help@shop.example", support_name="Shop care", support_reply_to="desk@shop.example"
)


async def open_chat_and_leave(world: World, **settings: Any) -> tuple[FakeServer, Guest, Desk]:
    """A visitor with an e-mail address who has written and left for a minute, and an agent."""
    fake = await connect_mail_server(world.app)
    await world.app.write(INBOX.save, SUPPORT.model_copy(update=settings))
    ana = await world.agent("ana")
    zoe, _ = await world.conversation("Where is my parcel?")
    await zoe.introduces(email="zoe@customer.example")
    await world.advance(minutes=1)
    return fake, zoe, ana


async def let_time_pass(world: World, seconds: float) -> None:
    """Advances the clock in steps, because a visitor counts as away only after two checks."""
    while seconds > 0:
        await world.advance(seconds=min(seconds, 5))
        seconds -= 5


async def return_to_chat(world: World, zoe: Guest) -> None:
    """Brings the visitor back, as the hello of a socket does."""

    def step(tx: Tx, key: str, thread: int) -> None:
        presence.touch_visitors(tx, [key])
        follow_ups.end_absence(tx, thread)

    await world.app.write(step, zoe.key, (await zoe.ticket()).thread)


async def banner(world: World, zoe: Guest) -> dict[str, Any]:
    return await world.app.read(follow_ups.banner, await zoe.ticket())


async def test_missed_replies_are_mailed_together_three_minutes_after_the_last(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "It is on its way.")
    await let_time_pass(world, 120)
    await ana.replies(zoe, "It arrives <b>tomorrow</b> {{ 7777 * 11 }}.")
    await let_time_pass(world, 179)
    assert fake.mails == []
    await world.advance(seconds=2)
    [mail] = fake.mails
    assert mail.recipient == "zoe@customer.example"
    assert (mail.sender, mail.sender_name, mail.reply_to) == ("help@shop.example", "Shop care", "desk@shop.example")
    assert "It is on its way." in mail.text and "It arrives <b>tomorrow</b> {{ 7777 * 11 }}." in mail.text
    assert "&lt;b&gt;tomorrow" in mail.html and "85547" not in mail.text
    # Where an answer goes (AMB-12).
    assert "desk@shop.example" in mail.text


async def test_one_mail_for_one_absence(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "One.")
    await let_time_pass(world, 300)
    await ana.replies(zoe, "Two.")
    await let_time_pass(world, 600)
    assert len(fake.mails) == 1


@pytest.mark.parametrize("returns", ["by a socket", "by writing"])
async def test_a_new_absence_gets_a_mail_of_its_own(world: World, returns: str) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "One.")
    await let_time_pass(world, 300)
    if returns == "by writing":
        await zoe.says("Thanks, and the invoice?")
    else:
        await return_to_chat(world, zoe)
    await let_time_pass(world, 60)
    await ana.replies(zoe, "Two.")
    await let_time_pass(world, 300)
    assert ["One." in mail.text for mail in fake.mails] == [True, False]
    assert "Two." in fake.mails[1].text


async def test_a_visitor_who_is_back_before_the_mail_is_due_gets_none(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "On its way.")
    await let_time_pass(world, 179)
    await return_to_chat(world, zoe)
    await zoe.has_seen((await zoe.entries())[-1].public_seq or 0)
    await let_time_pass(world, 600)
    assert fake.mails == [] and await world.count(rows_of_follow_ups) == 0


async def test_a_visitor_who_is_back_before_a_refused_mail_is_repeated_gets_none(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    fake.answers.append(Rejected(450, "450 later", Verdict.RETRY))
    await ana.replies(zoe, "On its way.")
    await let_time_pass(world, 185)
    assert len(fake.mails) == 1
    await return_to_chat(world, zoe)
    await let_time_pass(world, 600)
    assert len(fake.mails) == 1
    [mail] = await world.rows(outbound)
    assert (mail.state, mail.reason) == ("skipped", "returned")


async def test_a_visitor_who_is_there_gets_the_mail_after_leaving_with_an_unseen_reply(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "On its way.")
    for _ in range(20):  # there, but the panel is closed
        await return_to_chat(world, zoe)
        await world.advance(seconds=30)
    assert fake.mails == []
    await let_time_pass(world, 120)
    assert len(fake.mails) == 1


async def test_a_jump_of_the_clock_mails_nobody_who_is_there(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await return_to_chat(world, zoe)
    await ana.replies(zoe, "On its way.")
    await world.advance(hours=2)  # the presence of before looks old now
    await return_to_chat(world, zoe)
    await world.advance(seconds=26)
    assert fake.mails == []


@pytest.mark.parametrize("missing", ["address", "support address"])
async def test_without_an_address_nothing_is_mailed_and_the_banner_says_so(world: World, missing: str) -> None:
    fake, zoe, ana = await open_chat_and_leave(world, **({"support_from": ""} if missing == "support address" else {}))
    if missing == "address":
        zoe, _ = await world.conversation("No address.")
        await let_time_pass(world, 60)
    await ana.replies(zoe, "On its way.")
    await let_time_pass(world, 600)
    assert fake.mails == []
    assert (await banner(world, zoe))["state"] == ("no_email" if missing == "address" else "no_address")


async def test_the_banner_follows_the_mail(world: World) -> None:
    _, zoe, ana = await open_chat_and_leave(world)
    ready = await banner(world, zoe)
    assert (ready["state"], ready["to"], ready["minutes"]) == ("ready", "z…@customer.example", 3)
    await ana.replies(zoe, "On its way.")
    waiting = await banner(world, zoe)
    assert waiting["state"] == "waiting" and (waiting["at"] - world.clock.now()).total_seconds() == 180
    await let_time_pass(world, 240)
    assert (await banner(world, zoe))["state"] == "sent"
    await return_to_chat(world, zoe)
    assert (await banner(world, zoe))["state"] == "ready"


async def test_a_failed_mail_is_shown_with_the_reason(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    fake.answers.append(Rejected(550, "550 5.1.1 no such user", Verdict.INVALID))
    await ana.replies(zoe, "On its way.")
    await let_time_pass(world, 240)
    failed = await banner(world, zoe)
    assert failed["state"] == "failed" and "550" in failed["words"]
    # FUP-8: the address does not exist, so it gets no further mail.
    assert await world.count(suppressions) == 1
    await zoe.says("Hello again.")
    await let_time_pass(world, 60)
    await ana.replies(zoe, "Two.")
    await let_time_pass(world, 300)
    assert len(fake.mails) == 1


async def test_the_mail_is_in_the_contacts_mail_thread_and_an_event(world: World) -> None:
    _, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "On its way.")
    await let_time_pass(world, 240)
    ticket = await zoe.ticket()
    [mail] = [entry for entry in await world.rows(timeline) if entry.kind == "mail"]
    assert mail.data["mail"] == "follow_up" and mail.thread_id != ticket.thread
    assert any(event.source == "email" and event.metric == "message_sent" for event in await world.rows(events))


async def test_notes_are_never_mailed(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.notes(zoe, "SECRET NOTE")
    await let_time_pass(world, 600)
    assert fake.mails == []
    await ana.replies(zoe, "On its way.")
    await ana.notes(zoe, "SECRET NOTE")
    await let_time_pass(world, 300)
    assert "SECRET" not in fake.mails[0].text + fake.mails[0].html


async def test_a_closed_chat_still_delivers_its_last_reply(world: World) -> None:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "Done.")
    await ana.closes(zoe)
    await let_time_pass(world, 300)
    assert len(fake.mails) == 1


# --- the return link --------------------------------------------------------------------------------


async def open_link_as_guest(world: World, link: str, own_key: str | None = None) -> Guest:
    device = await world.visitor()
    assert await world.app.write(return_links.open_link, digest(link), own_key, device.key)
    return device


async def mail_a_link(world: World) -> tuple[str, Guest, Desk]:
    fake, zoe, ana = await open_chat_and_leave(world)
    await ana.replies(zoe, "On its way.")
    await let_time_pass(world, 240)
    return token_in(fake.mails[0]), zoe, ana


async def test_the_link_leads_into_the_same_conversation_on_another_device(world: World) -> None:
    link, zoe, _ = await mail_a_link(world)
    phone = await open_link_as_guest(world, link)
    assert (await phone.ticket()).id == (await zoe.ticket()).id
    assert await phone.sees("On its way.")
    await phone.says("Thank you!")
    assert await zoe.sees("Thank you!")
    assert (await zoe.ticket()).contact_email == "zoe@customer.example"


async def test_only_the_hash_of_the_link_is_stored(world: World) -> None:
    link, _, _ = await mail_a_link(world)
    stored = [await world.rows(table) for table in (rows_of_follow_ups, outbound, timeline, events, mail_copies)]
    assert link not in str(stored) and digest(link) in str(stored)
    assert len(link) >= 43  # 256 bits


async def test_the_link_opens_no_later_chat_of_the_visitor(world: World) -> None:
    link, zoe, _ = await mail_a_link(world)
    phone = await open_link_as_guest(world, link)
    first = await zoe.ticket()
    await zoe.ends()
    await zoe.says("Something private.")
    assert (await zoe.ticket()).id != first.id
    assert (await phone.ticket()).id == first.id and not await phone.sees("Something private.")
    with pytest.raises(Conflict):
        await world.app.write_joined(receiving.receive, replace(phone.words("A new chat in their name."), guest=True))


async def test_an_unknown_and_an_expired_link_get_the_same_answer(world: World) -> None:
    link, _, _ = await mail_a_link(world)
    answers = []
    for token in (link, "x" * 43):
        await world.advance(hours=24 * 31)
        with pytest.raises(NotFound) as refused:
            await world.app.write(return_links.open_link, digest(token), None, "key-" + token[:5])
        answers.append((refused.value.code, refused.value.message))
    assert answers[0] == answers[1]
    assert await world.count(visitors) == 1


async def test_a_browser_that_is_in_the_conversation_needs_no_guest(world: World) -> None:
    link, zoe, _ = await mail_a_link(world)
    assert not await world.app.write(return_links.open_link, digest(link), zoe.key, "another-key")
    assert await world.count(visitors) == 1
