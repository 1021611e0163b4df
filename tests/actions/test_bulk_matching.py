"""Actions on all tickets of a list, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from server.errors import Conflict, NotFound, Refused
from server.inbox import bulk_matching
from server.inbox.bulk_matching import MatchingChange, TicketFilter
from server.kernel.sql import Statement
from server.schema import bulk_items, jobs, users
from server.threads.tickets import Ticket
from tests.world import Desk, World

OPEN = TicketFilter("open")


async def start(
    world: World,
    desk: Desk,
    action: Any,
    wanted: TicketFilter = OPEN,
    *,
    excepted: tuple[Ticket, ...] = (),
    as_of: datetime | None = None,
    user: int | None = None,
    until: str = "",
    key: str = "",
) -> Any:
    ids = frozenset(ticket.id for ticket in excepted)
    change = MatchingChange(action, key or world.key(), wanted, ids, as_of or world.now, user, until)
    return await world.app.write(bulk_matching.start, desk.agent, change)


async def finished(world: World, bulk: Any) -> tuple[str, dict[str, int], dict[str, int]]:
    """The state and the results of the action and of its undo, after its job ran."""
    await world.advance()
    (row,) = await world.rows(bulk_matching.bulk_changes, bulk_matching.bulk_changes.c.id == bulk.id)
    return row.state, row.results, row.undo_results


async def undo(world: World, desk: Desk, bulk: Any) -> Any:
    return await world.app.write(bulk_matching.undo, desk.agent, bulk.id)


async def statuses(world: World, *tickets: Ticket) -> list[str]:
    return [(await world.ticket(ticket)).status for ticket in tickets]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_matching, "PAGE", 2)


async def test_all_tickets_of_a_list_are_closed_except_chosen_ones_and_newer_messages(world: World) -> None:
    ana = await world.agent("ana")
    texts = [await world.sms_ticket(f"text {n}") for n in range(5)]
    zoe, newer = await world.conversation()
    _, chat = await world.conversation()
    seen = world.now
    await world.advance(seconds=1)
    await zoe.says("Are you there?")
    later = await world.sms_ticket("later")
    bulk = await start(world, ana, "close", excepted=(texts[1],), as_of=seen)
    assert (bulk.state, bulk.total) == ("running", 5)
    assert await finished(world, bulk) == ("done", {"done": 5}, {})
    assert await statuses(world, *texts, newer, later) == ["closed", "open"] + ["closed"] * 3 + ["open", "open"]
    # A chat closes when the undo is over.
    assert (await world.ticket(chat)).closing_at is not None and (await world.ticket(chat)).status == "open"
    await undo(world, ana, bulk)
    assert await finished(world, bulk) == ("undone", {"done": 5}, {"done": 5})
    assert await statuses(world, *texts, chat) == ["open"] * 6
    await world.advance(minutes=9)
    assert (await world.ticket(chat)).status == "open"


async def test_a_list_is_narrowed_by_status_view_channel_and_waiting(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    mine, theirs, nobodys = [await world.sms_ticket(f"text {n}") for n in range(3)]
    _, chat = await world.conversation()
    await ana.assigns(mine, ana)
    await ana.assigns(theirs, ben)
    await ana.replies(chat, "Answered")  # assigned to Ana, and nobody waits

    async def found(**wanted: Any) -> int:
        return await world.app.read(
            bulk_matching.count, TicketFilter(**{"status": "open", **wanted}), ana.id, world.now
        )

    assert [await found(), await found(view="mine"), await found(view="unassigned")] == [4, 2, 1]
    assert [await found(channel="sms"), await found(waiting=True), await found(status="closed")] == [3, 3, 0]
    waiting_mine = await start(world, ana, "close", TicketFilter("open", "sms", "mine", waiting=True))
    assert await finished(world, waiting_mine) == ("done", {"done": 1}, {})
    assert await statuses(world, mine, theirs, nobodys, chat) == ["closed", "open", "open", "open"]


async def test_each_action_is_undone_where_nobody_changed_the_ticket_since(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    first, second = [await world.sms_ticket(f"text {n}") for n in range(2)]
    await ana.assigns(first, ana)

    bulk = await start(world, ana, "assign", user=ben.id)
    assert (await finished(world, bulk))[1] == {"done": 2}
    await ana.assigns(second, ana)
    await undo(world, ana, bulk)
    assert (await finished(world, bulk))[2] == {"done": 1, "changed_since": 1}
    assert [(await world.ticket(ticket)).assignee for ticket in (first, second)] == [ana.id, ana.id]

    bulk = await start(world, ana, "snooze", until="later")
    assert (await finished(world, bulk))[1] == {"done": 2}
    await ana.wakes(second)
    await undo(world, ana, bulk)
    assert (await finished(world, bulk))[2] == {"done": 1, "changed_since": 1}
    assert await statuses(world, first, second) == ["open", "open"]

    bulk = await start(world, ana, "read")
    assert (await finished(world, bulk))[1] == {"done": 2}
    await ana.marks_unread(second)
    await undo(world, ana, bulk)
    assert (await finished(world, bulk))[2] == {"done": 1, "changed_since": 1}

    for ticket in (first, second):
        await ana.closes(ticket)
    bulk = await start(world, ana, "reopen", TicketFilter("closed"))
    assert (await finished(world, bulk))[1] == {"done": 2}
    await undo(world, ana, bulk)
    assert (await finished(world, bulk))[2] == {"done": 2}
    assert await statuses(world, first, second) == ["closed", "closed"]


async def test_an_undone_close_snoozes_again_and_a_closed_chat_is_counted(world: World) -> None:
    ana = await world.agent("ana")
    text = await world.sms_ticket()
    _, chat = await world.conversation()
    for ticket in (text, chat):
        await ana.snoozes(ticket, "tomorrow")
    until = (await world.ticket(text)).snoozed_until
    bulk = await start(world, ana, "close", TicketFilter("snoozed"))
    await finished(world, bulk)
    await world.advance(minutes=1)
    assert await statuses(world, text, chat) == ["closed", "closed"]
    await undo(world, ana, bulk)
    assert (await finished(world, bulk))[2] == {"done": 1, "chat_ended": 1}
    again = await world.ticket(text)
    assert (again.status, again.snoozed_until) == ("snoozed", until)


async def test_a_running_action_can_be_undone_and_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await world.agent("ana")
    texts = [await world.sms_ticket(f"text {n}") for n in range(4)]
    bulk = await start(world, ana, "close")
    page = await world.app.read(bulk_matching._page, bulk)
    await world.app.write(bulk_matching.change_page, page, bulk.id)
    await undo(world, ana, bulk)
    await world.app.write(bulk_matching.change_page, page, bulk.id)
    assert await finished(world, bulk) == ("undone", {"done": 2}, {"done": 2})
    assert await statuses(world, *texts) == ["open"] * 4


async def test_a_slice_that_runs_twice_counts_and_changes_nothing_twice(world: World) -> None:
    ana = await world.agent("ana")
    texts = [await world.sms_ticket(f"text {n}") for n in range(3)]
    bulk = await start(world, ana, "read")
    page = await world.app.read(bulk_matching._page, bulk)
    for _ in range(2):
        await world.app.write(bulk_matching.change_page, page, bulk.id)
    await ana.marks_unread(page[0])
    assert await finished(world, bulk) == ("done", {"done": 3}, {})
    unread = [(await world.ticket(ticket)).unread for ticket in texts]
    assert unread.count(True) == 1, "the ticket that was marked unread meanwhile is not read again"


async def test_a_repeat_is_the_same_action_and_only_one_runs_at_a_time(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    await world.sms_ticket()
    bulk = await start(world, ana, "close", key="bulk-key-1")
    assert (await start(world, ana, "close", key="bulk-key-1")).id == bulk.id
    with pytest.raises(Conflict, match="still running"):
        await start(world, ana, "close")
    assert (await start(world, ben, "close", key="bulk-key-1")).id != bulk.id
    for call in (bulk_matching.own, bulk_matching.undo):
        with pytest.raises(NotFound):
            await world.app.write(call, ben.agent, bulk.id)
    await finished(world, bulk)
    assert (await start(world, ana, "close")).id != bulk.id


async def test_an_action_that_cannot_be_carried_out_is_refused_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, nils = await world.agent("ana"), await world.agent("nils", "analyst")
    for _ in range(2):
        await world.sms_ticket()
    with pytest.raises(Refused) as refused:
        await start(world, ana, "assign", user=nils.id)
    assert refused.value.field == "user"
    with pytest.raises(Refused) as refused:
        await start(world, ana, "snooze", until="yesterday")
    assert refused.value.field == "until"
    monkeypatch.setattr(bulk_matching, "MAX_MATCHING", 1)
    with pytest.raises(Refused) as refused:
        await start(world, ana, "close")
    assert refused.value.code == "too_many_tickets"


async def test_an_agent_who_loses_the_inbox_changes_no_further_ticket(world: World) -> None:
    ana = await world.agent("ana")
    text = await world.sms_ticket()
    bulk = await start(world, ana, "close")
    demotion = users.update().where(users.c.id == ana.id).values(role="analyst")
    await world.app.write(lambda tx: tx.run(Statement(demotion)))
    assert (await finished(world, bulk))[1] == {"forbidden": 1}
    assert await statuses(world, text) == ["open"]


async def test_after_ten_minutes_the_undo_is_over_and_its_data_is_deleted(world: World) -> None:
    ana = await world.agent("ana")
    for n in range(3):
        await world.sms_ticket(f"text {n}")
    bulk = await start(world, ana, "close")
    await finished(world, bulk)
    assert await world.count(bulk_items) == 3
    await world.advance(seconds=bulk_matching.UNDO_FOR / timedelta(seconds=1))
    assert await world.count(bulk_items) == 0
    assert await world.rows(jobs, jobs.c.kind == bulk_matching.JOB) == []
    with pytest.raises(Conflict, match="no longer"):
        await undo(world, ana, bulk)
