"""Tickets on both databases: closing and undo, ending, assigning, reading."""

from __future__ import annotations

import pytest

from server.errors import Conflict, NotFound, Refused
from server.schema import jobs, tickets
from server.threads.tickets import CLOSE_JOB
from tests.world import CAST, Guest, World, at_once, is_dense, numbered, publicly_numbered


async def close_jobs(world: World) -> int:
    return sum(job.kind == CLOSE_JOB for job in await world.rows(jobs))


# --- the delayed close of a chat (INB-26) ------------------------------------------------------------


async def test_inb_26_closing_a_chat_is_delayed_for_five_seconds(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    closing = await ana.closes(zoe)
    assert closing.status == "open" and closing.closing_at is not None
    assert (closing.closing_at - world.now).total_seconds() == 5
    await world.advance(seconds=4.9)
    assert (await world.ticket(ticket)).status == "open"
    await world.advance(seconds=0.1)
    closed = await world.ticket(ticket)
    assert (closed.status, closed.closed_at, closed.closing_at) == ("closed", world.now, None)
    assert (await zoe.entries())[-1].for_visitor()["data"] == {"to": "closed", "by": "agent"}


async def test_inb_26_undo_within_five_seconds_leaves_it_open_for_good(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes(zoe)
    await world.advance(seconds=3)
    assert (await ana.undoes_close(zoe)).closing_at is None
    await world.advance(minutes=10)
    assert (await world.ticket(ticket)).status == "open"
    assert [entry.kind for entry in await zoe.entries()] == ["message"], "the visitor must not see the undone close"


async def test_a_close_or_an_undo_that_is_repeated_late_does_nothing_again(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes(zoe, key="close-01")
    await ana.undoes_close(zoe, key="undo-001")
    assert (await ana.closes(zoe, key="close-01")).closing_at is None, "a late repeat must not start the close again"
    closing_at = (await ana.closes(zoe, key="close-02")).closing_at
    assert closing_at is not None and (await ana.undoes_close(zoe, key="undo-001")).closing_at == closing_at
    with pytest.raises(Conflict, match="key"):
        await ana.closes((await world.conversation())[1], key="close-02")
    await world.advance(minutes=1)
    assert (await world.ticket(ticket)).status == "closed"
    assert [entry.kind for entry in await zoe.entries()] == ["message", "status"], (
        "the visitor must see only the final close"
    )


async def test_inb_26_a_message_of_the_visitor_within_five_seconds_cancels_the_close(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes(zoe)
    await world.advance(seconds=4)
    assert (await zoe.says("One more thing")).ticket.id == ticket.id
    assert await close_jobs(world) == 0, "the job of the cancelled close must be deleted"
    await world.advance(minutes=10)
    ticket_after = await world.ticket(ticket)
    assert (ticket_after.status, ticket_after.unread, ticket_after.closing_at) == ("open", True, None)


async def test_inb_26_a_second_close_does_not_prolong_the_first(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, ticket = await world.conversation()
    first = await ana.closes(zoe)
    await world.advance(seconds=3)
    assert (await ben.closes(zoe)).closing_at == first.closing_at
    await world.advance(seconds=2)
    assert (await world.ticket(ticket)).status == "closed"


async def test_inb_26_closed_undone_and_closed_again_closes_five_seconds_after_the_last(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes(zoe)
    await world.advance(seconds=3)
    await ana.undoes_close(zoe)
    await ana.closes(zoe)
    await world.advance(seconds=3)
    assert (await world.ticket(ticket)).status == "open"
    await world.advance(seconds=2)
    assert (await world.ticket(ticket)).status == "closed"
    assert [entry.kind for entry in await zoe.entries()].count("status") == 1


async def test_inb_26_undo_after_the_close_is_committed_is_too_late(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    await ana.closes_for_good(ticket)
    with pytest.raises(Conflict) as refused:
        await ana.undoes_close(ticket)
    assert refused.value.code == "chat_ended"


async def test_inb_26_an_agents_own_reply_does_not_cancel_the_close(world: World) -> None:
    """ "Goodbye" and close: the ticket stays closed."""
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes(zoe)
    await ana.replies(zoe, "Goodbye!")
    await world.advance(seconds=5)
    assert (await world.ticket(ticket)).status == "closed"


async def test_inb_26_an_sms_ticket_closes_at_once_and_undo_reopens_it(world: World) -> None:
    ana = await world.agent("ana")
    sms = await world.sms_ticket()
    assert (await ana.closes(sms)).status == "closed"
    assert (await ana.undoes_close(sms)).status == "open"
    assert await close_jobs(world) == 0


async def test_a_visitors_message_and_a_due_close_at_the_same_moment_lose_nothing(world: World) -> None:
    """The later of the two sees the result of the earlier: either the close is cancelled, or a new chat begins."""
    ana = await world.agent("ana")
    for n in range(6):
        zoe, ticket = await world.conversation()
        await ana.closes(zoe)
        world.clock.advance(__import__("datetime").timedelta(seconds=5))
        written, _ = await at_once(zoe.says(f"Wait {n}"), world.worker.claim_batch())
        await world.worker.idle()
        old, current = await world.ticket(ticket), await zoe.ticket()
        assert await zoe.sees(f"Wait {n}") and current.status == "open" and written.entry
        assert (old.status == "closed") == (current.id != old.id)


# --- a closed chat stays closed (INB-22, INB-25) ----------------------------------------------------


async def closed_chat(world: World) -> tuple[Guest, int]:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("First chat")
    await ana.closes_for_good(zoe)
    return zoe, ticket.id


async def test_inb_22_the_next_message_after_a_close_starts_a_new_ticket(world: World) -> None:
    zoe, old = await closed_chat(world)
    written = await zoe.says("Second chat")
    assert written.ticket.id != old and written.entry is not None and written.entry.public_seq == 1
    assert (await world.ticket(old)).status == "closed"
    assert [entry.body for entry in await zoe.entries()] == ["Second chat"]


async def test_inb_22_both_chats_belong_to_the_same_contact(world: World) -> None:
    zoe, old = await closed_chat(world)
    written = await zoe.says("Second chat")
    assert written.ticket.contact == (await world.ticket(old)).contact


async def test_inb_23_of_several_chats_of_one_visitor_at_most_one_is_not_closed(world: World) -> None:
    """This holds even if several servers receive the first message of the next chat at the same moment."""
    for _ in range(3):
        zoe, _old = await closed_chat(world)
        results = await at_once(*(zoe.says(f"Again {n}") for n in range(8)))
        assert len({written.ticket.id for written in results}) == 1, results
        own_tickets = await world.rows(tickets, tickets.c.contact_id == results[0].ticket.contact)
        assert sorted(ticket.status for ticket in own_tickets) == ["closed", "open"]
        assert is_dense(publicly_numbered(await zoe.entries()))


async def test_inb_25_a_closed_chat_can_neither_be_reopened_nor_written_into(world: World) -> None:
    ana = await world.agent("ana")
    _zoe, old = await closed_chat(world)
    entries_before = await world.entries((await world.ticket(old)).thread)
    for act in (ana.reopens(old), ana.replies(old, "Hello?"), ana.undoes_close(old)):
        with pytest.raises(Conflict) as refused:
            await act
        assert refused.value.code == "chat_ended"
    assert await world.entries((await world.ticket(old)).thread) == entries_before


async def test_a_note_may_still_be_written_on_a_closed_chat(world: World) -> None:
    ana = await world.agent("ana")
    zoe, old = await closed_chat(world)
    assert (await ana.notes(old, "For the record")).ticket.status == "closed"
    assert not await zoe.sees("For the record")


async def test_closing_a_closed_ticket_changes_nothing(world: World) -> None:
    ana = await world.agent("ana")
    _, old = await closed_chat(world)
    ticket_before = await world.ticket(old)
    assert await ana.closes(old) == ticket_before


async def test_closing_takes_a_ticket_out_of_waiting_and_unread(world: World) -> None:
    _, old = await closed_chat(world)
    ticket = await world.ticket(old)
    assert (ticket.unread, ticket.waiting_since) == (False, None)


# --- the visitor ends the chat (INB-24) -------------------------------------------------------------


async def test_inb_24_the_visitor_can_end_the_chat_at_any_time(world: World) -> None:
    zoe, ticket = await world.conversation()
    entry = await zoe.ends()
    assert entry is not None and entry.for_visitor()["data"] == {"to": "closed", "by": "visitor"}
    assert (await world.ticket(ticket)).status == "closed"
    assert (await zoe.says("New")).ticket.id != ticket.id


async def test_inb_24_ending_a_chat_during_a_delayed_close_closes_it_once(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes(zoe)
    await zoe.ends()
    await world.advance(minutes=1)
    statuses = [entry.data["to"] for entry in await world.entries(ticket.thread) if entry.kind == "status"]
    assert statuses == ["closing", "closed"] and [entry.kind for entry in await zoe.entries()] == ["message", "status"]
    assert await close_jobs(world) == 0


async def test_ending_a_chat_twice_with_one_key_ends_it_once_and_ending_no_chat_does_nothing(world: World) -> None:
    zoe, _ = await world.conversation()
    first = await zoe.ends(key="key-aaaa")
    assert await zoe.ends(key="key-aaaa") == first and await zoe.ends() is None
    assert await (await world.visitor()).ends() is None


async def test_a_late_repeat_of_an_end_does_not_end_the_next_chat(world: World) -> None:
    zoe, _ = await world.conversation()
    await zoe.ends(key="key-aaaa")
    await zoe.says("Next chat")
    await zoe.ends(key="key-aaaa")
    assert (await zoe.ticket()).status == "open"


# --- SMS keeps one thread for life (INB-20, INB-21) -----------------------------------------------


async def test_inb_21_closing_and_reopening_sms_keeps_one_thread(world: World) -> None:
    ana = await world.agent("ana")
    sms = await world.sms_ticket()
    await ana.closes(sms)
    reopened = await ana.reopens(sms)
    assert (reopened.id, reopened.thread, reopened.status, reopened.closed_at) == (sms.id, sms.thread, "open", None)
    entries = await world.entries(sms.thread)
    assert [entry.data.get("to") for entry in entries] == [None, "closed", "open"] and is_dense(numbered(entries))


async def test_inb_20_sms_and_chat_tickets_are_separate_rows_of_the_list(world: World) -> None:
    ana = await world.agent("ana")
    sms, (_, chat) = await world.sms_ticket(), await world.conversation()
    assert {ticket.id for ticket in await ana.lists()} == {sms.id, chat.id}
    assert sms.thread != chat.thread
    assert [ticket.id for ticket in await ana.lists(channel="sms")] == [sms.id]
    assert [ticket.id for ticket in await ana.lists(channel="webchat")] == [chat.id]


# --- assigning --------------------------------------------------------------------------------------


async def test_a_ticket_can_be_assigned_to_a_colleague_and_unassigned(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, ticket = await world.conversation()
    assert (await ana.assigns(zoe, ben)).assignee == ben.id
    assert (await ana.assigns(zoe, None)).assignee is None
    results = [entry.data for entry in await world.entries(ticket.thread) if entry.kind == "assigned"]
    assert results == [{"user": ben.id, "user_name": "Ben"}, {"user": None, "user_name": ""}]
    assert [entry.kind for entry in await zoe.entries()] == ["message"], "the visitor must not see who is assigned"


@pytest.mark.parametrize("name", sorted(CAST))
async def test_only_agents_with_access_to_the_inbox_can_be_assigned_a_ticket(world: World, name: str) -> None:
    ana, colleague = await world.agent("ana"), await world.agent(name)
    _, ticket = await world.conversation()
    if CAST[name] in ("owner", "admin", "manager", "support"):
        assert (await ana.assigns(ticket, colleague)).assignee == colleague.id
    else:
        with pytest.raises(Refused) as refused:
            await ana.assigns(ticket, colleague)
        assert refused.value.field == "user" and (await world.ticket(ticket)).assignee is None


async def test_a_disabled_or_unknown_agent_cannot_be_assigned_a_ticket(world: World) -> None:
    from server.accounts import team

    ana, olga, zed = await world.agent("ana"), await world.agent("olga"), await world.agent("zed", "support")
    _, ticket = await world.conversation()
    await team.change_user(world.app, olga.agent, zed.id, team.UserChange(disabled=True), "")
    for user in (zed.id, 4711):
        with pytest.raises(Refused):
            await ana.assigns(ticket, user)
    with pytest.raises(NotFound):
        await ana.assigns(4711, ana)


async def test_assigning_to_the_current_assignee_writes_nothing(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    await ana.assigns(ticket, ana)
    entries_before = await world.entries(ticket.thread)
    await ana.assigns(ticket, ana)
    assert await world.entries(ticket.thread) == entries_before


async def test_an_assignment_does_not_move_the_ticket_in_the_list(world: World) -> None:
    ana = await world.agent("ana")
    _, first = await world.conversation()
    await world.advance(minutes=1)
    _, second = await world.conversation()
    await world.advance(minutes=1)
    await ana.assigns(first, ana)
    assert [ticket.id for ticket in await ana.lists()] == [second.id, first.id]


# --- read and unread (INB-32, INB-33, INB-57) -------------------------------------------------------


async def test_inb_33_reading_a_ticket_marks_it_read_and_an_agent_can_mark_it_unread(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    assert ticket.unread
    assert not (await ana.reads(zoe)).unread
    assert (await ana.marks_unread(zoe)).unread
    assert not (await ana.reads(zoe)).unread, "reading the ticket again must mark it read"


async def test_inb_33_reading_does_not_mark_a_newer_message_read(world: World) -> None:
    """The console sends the number of the last entry it read; newer entries stay unread."""
    ana = await world.agent("ana")
    zoe, _ticket = await world.conversation()
    await zoe.says("And another")
    assert (await ana.reads(zoe, seq=1)).unread
    assert not (await ana.reads(zoe, seq=2)).unread
    assert (await zoe.says("A third")).ticket.unread


async def test_inb_33_a_late_read_mark_of_another_window_does_not_undo_mark_unread(world: World) -> None:
    ana = await world.agent("ana")
    _zoe, ticket = await world.conversation()
    assert not (await ana.reads(ticket, rev=ticket.rev)).unread
    marked = await ana.marks_unread(ticket)
    assert (await ana.reads(ticket, rev=ticket.rev)).unread, "the other window had not seen that it was marked"
    assert not (await ana.reads(ticket, rev=marked.rev)).unread


async def test_inb_33_a_read_mark_of_a_new_message_counts_also_when_the_ticket_has_changed_since(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.assigns(zoe, ana)
    assert not (await ana.reads(zoe, rev=ticket.rev)).unread


async def test_inb_32_read_and_unread_leave_the_status_alone(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.reads(zoe)
    assert (await world.ticket(ticket)).status == "open"
    _, old = await closed_chat(world)
    assert (await ana.marks_unread(old)).status == "closed"


async def test_reading_beyond_the_last_entry_reads_up_to_it(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    assert not (await ana.reads(zoe, seq=2**50)).unread
    assert (await world.ticket(ticket)).team_seen == 1


async def test_reading_twice_or_backwards_writes_nothing(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.reads(zoe)
    state_before = await world.entries(ticket.thread), (await world.ticket(ticket)).rev
    await ana.reads(zoe)
    await ana.reads(zoe, seq=0)
    assert (await world.entries(ticket.thread), (await world.ticket(ticket)).rev) == state_before


async def test_the_visitor_learns_how_far_the_team_has_read_by_public_sequence(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation("1")
    await ana.notes(zoe, "hidden")
    await zoe.says("2")
    await ana.reads(zoe)
    tick = (await zoe.entries())[-1].for_visitor()
    assert (tick["kind"], tick["ref"]) == ("seen", 2)
    view = await zoe.view()
    assert view is not None and view.team_seen_public == 2


async def test_inb_57_the_agent_sees_how_far_the_visitor_has_read(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("1")
    await ana.notes(zoe, "hidden")
    await ana.replies(zoe, "2")
    await zoe.has_seen(2)
    assert (await world.ticket(ticket)).visitor_seen == 3, (
        "visitor_seen uses the agents' numbering, which counts the note"
    )
    tick = (await world.entries(ticket.thread))[-1]
    assert (tick.kind, tick.ref_seq, tick.public_seq) == ("seen", 3, None)


async def test_a_visitors_seen_sequence_is_bounded_and_never_decreases(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("1")
    await ana.replies(zoe, "2")
    await zoe.has_seen(10**12)
    assert (await world.ticket(ticket)).visitor_seen == 2
    entries_before = await world.entries(ticket.thread)
    await zoe.has_seen(1)
    await zoe.has_seen(0)
    await (await world.visitor()).has_seen(5)
    assert await world.entries(ticket.thread) == entries_before


async def test_a_read_and_a_new_message_at_the_same_moment_leave_the_ticket_unread(world: World) -> None:
    ana = await world.agent("ana")
    for _ in range(5):
        zoe, ticket = await world.conversation()
        results = await at_once(ana.reads(ticket, seq=1), zoe.says("Newer"))
        assert not [error for error in results if isinstance(error, BaseException)]
        assert (await world.ticket(ticket)).unread
