"""Blocking people, on both databases (INB-40..42, AMB-5)."""

from __future__ import annotations

from typing import Any

import pytest

from server.errors import Conflict, NotFound
from server.inbox import blocking, merging
from server.inbox.search import find
from server.schema import audit, consents, events, notifications, outbound
from server.sms.settings import INBOX, InboxSettings
from server.threads.entries import page
from tests.world import HOME, World


async def shown(world: World, thread: int) -> list[str]:
    """The texts of a thread as the console gets them."""
    entries = await world.app.read(lambda conn: page(conn, thread, 50).entries)
    assert [entry.for_agents() for entry in entries] == [
        entry.for_agents() for entry in await world.entries(thread) if entry.kind != "seen"
    ], "a page and the live stream hide the same"
    return [entry.for_agents()["text"] for entry in entries if entry.kind == "message"]


async def test_inb_40_blocking_closes_the_tickets_and_hides_what_the_person_writes(world: World) -> None:
    ana, olga = await world.agent("ana"), await world.agent("olga")
    zoe, chat = await world.conversation("Something rude")
    await ana.replies(chat, "Please be polite.")
    await ana.blocks(chat.contact)
    blocked = await world.ticket(chat)
    assert (blocked.status, blocked.unread, blocked.blocked, blocked.closing_at) == ("closed", False, True, None)
    await world.advance(seconds=1)
    before = [row.count for row in await world.rows(notifications)]
    written = await zoe.says("Something ruder")
    await world.advance(minutes=1)
    assert (written.ticket.status, written.ticket.unread) == ("closed", False), "a blocked visitor opens nothing"
    now = await world.ticket(chat)
    assert (now.status, now.unread, now.wire(world.now, None)["preview"]) == ("closed", False, "Please be polite.")
    assert [row.count for row in await world.rows(notifications)] == before, "nobody is told"
    assert await shown(world, chat.thread) == ["", "Please be polite."]
    assert await shown(world, written.ticket.thread) == [""]
    assert [hit.seq for hit in await find(world.app, "something", None, 10)] == []
    assert "Something ruder" in [entry.body for entry in await zoe.entries()], "the visitor sees their own words"
    await olga.unblocks(chat.contact)
    assert await shown(world, chat.thread) == ["Something rude", "Please be polite."]
    assert await shown(world, written.ticket.thread) == ["Something ruder"]
    assert len(await find(world.app, "something", None, 10)) == 2
    assert (await world.ticket(chat)).status == "closed"


async def test_inb_42_a_blocked_number_can_still_opt_out_and_gets_no_automatic_answer(world: World) -> None:
    ana = await world.agent("ana")
    await world.app.write(
        lambda tx: INBOX.save(
            tx, InboxSettings(auto_response_on=True, auto_response="We are away.", auto_response_to="all")
        )
    )
    maria = await world.texter(agreed=True)
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    granted = [(row.purpose, row.status) for row in await world.rows(consents)]
    await ana.blocks(ticket.contact)
    assert [(row.purpose, row.status) for row in await world.rows(consents)] == granted, "blocking changes no consent"
    sent = await world.count(outbound)
    await maria.says("Where are you?")
    assert await world.count(outbound) == sent
    now = await world.ticket(ticket)
    assert (now.status, now.unread) == ("closed", False)
    await maria.says("STOP")
    assert {row.status for row in await world.rows(consents)} == {"unsubscribed"}
    assert (await world.ticket(ticket)).status == "closed"
    assert await shown(world, ticket.thread) != [] and not any(
        "Where" in text or "STOP" == text for text in await shown(world, ticket.thread)
    )


async def test_a_blocked_customer_who_signs_in_begins_a_chat_that_is_closed(world: World) -> None:
    ana = await world.agent("ana")
    zoe = await world.visitor(identity="customer-7")
    first = (await zoe.says("Hello")).ticket
    await ana.closes_for_good(first)
    await ana.blocks(first.contact)
    again = (await zoe.says("Again")).ticket
    assert (again.status, again.unread) == ("closed", False)
    assert await shown(world, again.thread) == [""]


async def test_a_blocked_visitor_sees_their_new_chat_go_on_and_never_learns_of_the_block(world: World) -> None:
    ana, olga = await world.agent("ana"), await world.agent("olga")
    zoe, chat = await world.conversation()
    await ana.blocks(chat.contact)
    first = await zoe.says("Anybody there?")
    second = await zoe.says("Hello??")
    assert first.ticket.thread == second.ticket.thread != chat.thread, "the chat goes on"
    view = await zoe.view()
    assert view is not None and (view.thread, view.status) == (first.ticket.thread, "open")
    seen = [(entry.kind, entry.body) for entry in await zoe.entries()]
    assert seen == [("message", "Anybody there?"), ("message", "Hello??")], "no status tells of the block"
    assert (await world.ticket(first.ticket)).status == "closed" and await shown(world, first.ticket.thread) == ["", ""]
    # They may end it and begin another one.
    ended = await zoe.ends()
    assert ended is not None and ended.kind == "status" and ended.public_seq is not None
    assert (await zoe.view()).status == "closed"  # type: ignore[union-attr]
    third = await zoe.says("Again")
    assert third.ticket.thread != first.ticket.thread
    await olga.unblocks(chat.contact)
    fourth = await zoe.says("And now?")
    assert fourth.opened and fourth.ticket.status == "open"


async def test_replies_and_reopening_are_refused_and_notes_are_not(world: World) -> None:
    ana = await world.agent("ana")
    ticket = await world.sms_ticket()
    await ana.blocks(ticket.contact)
    refused: list[Any] = [lambda: ana.replies(ticket, "Hi"), lambda: ana.reopens(ticket)]
    for act in refused:
        with pytest.raises(Conflict) as conflict:
            await act()
        assert conflict.value.code == "blocked"
    await ana.notes(ticket, "Blocked after the third threat.")
    assert await world.shown_reason(ticket) == "blocked"


async def test_amb_5_a_block_is_recorded_listed_and_repeatable(world: World) -> None:
    ana, olga = await world.agent("ana"), await world.agent("olga")
    _, chat = await world.conversation()
    for _ in range(2):
        await ana.blocks(chat.contact)
    assert [person.id for person in await world.app.read(blocking.blocked_people)] == [chat.contact]
    for _ in range(2):
        await olga.unblocks(chat.contact)
    assert await world.app.read(blocking.blocked_people) == []
    lines = [row.action for row in await world.rows(audit) if row.action.startswith("contact_")]
    assert lines == ["contact_blocked", "contact_unblocked"]
    assert [row.metric for row in await world.rows(events) if "block" in row.metric] == ["blocked", "unblocked"]
    with pytest.raises(NotFound):
        await ana.blocks(999_999)


async def test_merged_contacts_are_blocked_together_and_a_blocked_one_is_not_merged(world: World) -> None:
    ana = await world.agent("ana")
    (_, one), (_, two), (_, three) = [await world.conversation() for _ in range(3)]
    await world.app.write(merging.merge, ana.agent, one.contact, two.contact, HOME.address)
    await ana.blocks(two.contact)
    assert [(await world.ticket(ticket)).blocked for ticket in (one, two, three)] == [True, True, False]
    with pytest.raises(Conflict) as conflict:
        await world.app.write(merging.merge, ana.agent, one.contact, three.contact, HOME.address)
    assert conflict.value.code == "one_blocked"


async def test_a_snooze_is_in_the_audit_log(world: World) -> None:
    ana = await world.agent("ana")
    ticket = await world.sms_ticket()
    snoozed = await ana.snoozes(ticket, "tomorrow")
    (line,) = await world.rows(audit, audit.c.action == "ticket_snoozed")
    assert (line.user_id, line.target) == (ana.id, f"#{ticket.id}")
    assert snoozed.snoozed_until is not None and line.detail["until"].startswith(f"{snoozed.snoozed_until:%Y-%m-%d}")
