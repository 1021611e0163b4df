"""Actions on many tickets at once, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from server.errors import Refused
from server.inbox import bulk
from server.inbox.bulk import BulkChange, Chosen
from server.kernel.slices import TARGET_S
from server.kernel.sql import Statement
from server.schema import episodes, users
from server.threads.tickets import Ticket
from tests.world import Desk, World


async def change(
    world: World,
    desk: Desk,
    action: Any,
    *chosen: Ticket | int | Chosen,
    user: int | None = None,
    until: str = "",
    key: str = "",
) -> list[str]:
    """The code of each ticket, in the order of `chosen`."""
    items = [
        item if isinstance(item, Chosen) else Chosen(item if isinstance(item, int) else item.id) for item in chosen
    ]
    change = BulkChange(action, key or world.key(), user, until)
    results = await bulk.change_many(world.app, desk.agent, change, items)
    assert [result.ticket for result in results] == [item.ticket for item in items]
    return [result.code for result in results]


async def test_a_bulk_close_has_a_result_for_each_ticket(world: World) -> None:
    ana = await world.agent("ana")
    _, chat = await world.conversation()
    _, ended = await world.conversation()
    text = await world.sms_ticket()
    await ana.closes_for_good(ended)
    assert await change(world, ana, "close", text, 4711, ended, chat) == ["done", "not_found", "unchanged", "done"]
    assert (await world.ticket(text)).status == "closed"
    assert (await world.ticket(chat)).closing_at is not None, (
        "a chat's close is delayed, so that it can be undone (INB-26)"
    )
    await world.advance(seconds=5)
    assert (await world.ticket(chat)).status == "closed"
    closed_episodes = await world.rows(episodes, episodes.c.closed_by_id == ana.id)
    assert len(closed_episodes) == 3, "each close goes through threads/changes.py"


async def test_a_bulk_close_can_be_undone(world: World) -> None:
    ana = await world.agent("ana")
    texts = [await world.sms_ticket(f"text {n}") for n in range(3)]
    _, chat = await world.conversation()
    _, late = await world.conversation()
    await change(world, ana, "close", late)
    await world.advance(seconds=5)
    await change(world, ana, "close", *texts, chat)
    assert await change(world, ana, "undo_close", *texts, chat, late) == ["done"] * 4 + ["chat_ended"]
    assert {(await world.ticket(ticket)).status for ticket in [*texts, chat]} == {"open"}
    await world.advance(minutes=1)
    assert (await world.ticket(chat)).status == "open"


async def test_a_repeated_bulk_change_has_the_same_results_and_changes_nothing(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    tickets = [await world.sms_ticket(f"text {n}") for n in range(2)]
    await change(world, ana, "close", tickets[1])
    actions: list[tuple[str, int | None]] = [("close", None), ("assign", ben.id)]
    for action, user in actions:
        key = world.key()
        first = await change(world, ana, action, *tickets, user=user, key=key)
        entries = [await world.entries(ticket.thread) for ticket in tickets]
        assert await change(world, ana, action, *tickets, user=user, key=key) == first
        assert [await world.entries(ticket.thread) for ticket in tickets] == entries
        assert first == (["done", "unchanged"] if action == "close" else ["done", "done"])


async def test_tickets_are_assigned_together_only_to_somebody_with_the_inbox(world: World) -> None:
    ana, ben, nils = await world.agent("ana"), await world.agent("ben"), await world.agent("nils", "analyst")
    _, one = await world.conversation()
    _, other = await world.conversation()
    assert await change(world, ana, "assign", one, other, user=ben.id) == ["done", "done"]
    assert await change(world, ana, "assign", one, other, user=ben.id) == ["unchanged", "unchanged"]
    for user in (nils.id, 4711):
        with pytest.raises(Refused) as refusal:
            await change(world, ana, "assign", one, other, user=user)
        assert refusal.value.field == "user"
    assert {(await world.ticket(ticket)).assignee for ticket in (one, other)} == {ben.id}
    assert await change(world, ana, "assign", one, user=None) == ["done"]
    assert (await world.ticket(one)).assignee is None


async def test_a_bulk_read_leaves_a_ticket_with_a_newer_message_unread(world: World) -> None:
    ana = await world.agent("ana")
    zoe, first = await world.conversation("first")
    _, second = await world.conversation()
    chosen = [Chosen(ticket.id, (await world.ticket(ticket)).last_seq) for ticket in (first, second)]
    await zoe.says("second, not seen yet")
    assert await change(world, ana, "read", *chosen) == ["newer_message", "done"]
    assert (await world.ticket(first)).unread and not (await world.ticket(second)).unread
    assert await change(world, ana, "read", chosen[1]) == ["unchanged"]
    assert await change(world, ana, "unread", first, second) == ["unchanged", "done"]
    assert (await world.ticket(second)).unread


async def test_a_bulk_change_stops_when_its_agent_loses_the_inbox(world: World) -> None:
    ana, olga = await world.agent("ana"), await world.agent("olga")
    ticket = await world.sms_ticket()
    for values in ({"role": "analyst"}, {"role": "support", "disabled_at": world.now}):
        demotion = users.update().where(users.c.id == ana.id).values(**values)
        await world.app.write(lambda tx, demotion=demotion: tx.run(Statement(demotion)))
        assert await change(world, ana, "close", ticket) == ["forbidden"]
    assert (await world.ticket(ticket)).status == "open"
    assert await change(world, olga, "close", ticket) == ["done"]


async def test_a_slice_is_as_small_as_the_writer_needs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await world.agent("ana")
    tickets = [await world.sms_ticket(f"text {n}") for n in range(20)]
    real, sizes = world.app.write_bulk, []

    async def slow(step: Any, part: list[Chosen], *args: Any) -> Any:
        result, _ = await real(step, part, *args)
        sizes.append(len(part))
        return result, len(part) * 0.001  # a close that takes one millisecond

    monkeypatch.setattr(type(world.app), "write_bulk", lambda app, *args: slow(*args))
    assert await change(world, ana, "close", *tickets) == ["done"] * 20
    assert sizes[0] == bulk.FIRST_SLICE <= 5 and max(sizes[1:]) <= TARGET_S / 0.001


async def test_tickets_are_snoozed_and_woken_together(world: World) -> None:
    ana = await world.agent("ana")
    _, chat = await world.conversation()
    text, closed = await world.sms_ticket("text"), await world.sms_ticket("closed")
    await ana.closes(closed)
    assert await change(world, ana, "snooze", chat, text, closed, until="tomorrow") == ["done", "done", "closed"]
    assert {(await world.ticket(ticket)).status for ticket in (chat, text)} == {"snoozed"}
    assert await change(world, ana, "wake", chat, closed) == ["done", "unchanged"]
    with pytest.raises(Refused) as refusal:
        await change(world, ana, "snooze", chat, until="yesterday")
    assert refusal.value.field == "until"
