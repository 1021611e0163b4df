"""A step may decide on data that another commit has changed: its write notices that, and the step runs again.

Here each read is outdated on purpose: its first call in a step returns what it returned before another commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from server.schema import threads
from server.threads import tickets
from server.webchat import receiving, signing_in, visitors
from server.webchat.actions import VisitorInfo, visitor_dedupe
from tests.actions.test_writer import OccupiedWriter
from tests.world import Guest, World, at_once, is_dense, numbered, publicly_numbered

Look = Callable[..., Any]


class OutdatedReads:
    """Makes reads return outdated data. `runs`: how often the step has read since."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch, self.runs = monkeypatch, 0

    def patch(self, module: ModuleType, name: str, outdated: Callable[..., Any], times: int = 1) -> None:
        """The module's function `name` returns `outdated(current, *args)` at its first `times` calls, where `current` is its
        real result."""
        original: Look = getattr(module, name)
        calls = 0

        def read_outdated(conn: Any, *args: Any) -> Any:
            nonlocal calls
            calls += 1
            self.runs = max(self.runs, calls)
            result = original(conn, *args)
            return outdated(result, *args) if calls <= times else result

        self._monkeypatch.setattr(module, name, read_outdated)


@pytest.fixture
def outdated(monkeypatch: pytest.MonkeyPatch) -> OutdatedReads:
    return OutdatedReads(monkeypatch)


async def test_a_client_key_stored_by_another_commit_makes_the_message_a_repeat(
    world: World, outdated: OutdatedReads
) -> None:
    """Without this rule the message would be acknowledged and use up a number, but its row would be missing."""
    zoe = await world.visitor()
    first = await zoe.says("Only once", key="key-once")
    outdated.patch(visitors, "lock_current_chats", lambda item, *_: (item[0], set()))
    repeat = await zoe.says("Only once", key="key-once")
    assert repeat.repeated and repeat.entry.seq == first.entry.seq and outdated.runs == 2
    entries = await world.entries(first.entry.thread)
    assert [entry.body for entry in entries if entry.kind == "message"] == ["Only once"]
    assert is_dense(numbered(entries)) and (await world.ticket(first.ticket)).last_seq == len(entries)


async def test_a_client_key_stored_by_another_commit_makes_a_joined_message_a_repeat(
    world: World, outdated: OutdatedReads
) -> None:
    zoe, yan = await world.visitor(), await world.visitor()
    first = await zoe.says("Only once", key="key-once")
    await yan.says("Hello")
    outdated.patch(visitors, "lock_current_chats", lambda item, *_: (item[0], set()))
    async with OccupiedWriter(world) as occupied:
        messages = [zoe.words("Only once", key="key-once"), yan.words("And now?")]
        waiting = [
            asyncio.ensure_future(world.app.write_joined(receiving.receive, item, lane="held")) for item in messages
        ]
        await asyncio.sleep(0)
        occupied.release()
        repeat, new = await at_once(*waiting)
    assert repeat.repeated and repeat.entry.seq == first.entry.seq and not new.repeated
    for guest, bodies in ((zoe, ["Only once"]), (yan, ["Hello", "And now?"])):
        entries = await guest.entries()
        assert [entry.body for entry in entries if entry.kind == "message"] == bodies
        assert is_dense(publicly_numbered(entries))


async def test_a_file_deleted_meanwhile_fails_only_its_own_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new chat is rolled back together with the message."""
    monkeypatch.setattr(receiving, "check_attachable", lambda *_: None)  # the file still existed then
    zoe, yan, new = [await world.visitor() for _ in range(3)]
    for visitor in (zoe, yan):
        await visitor.says("Hello")
    messages = [zoe.words("Look", files=("gone",)), yan.words("And now?"), new.words("Look", files=("gone",))]
    async with OccupiedWriter(world) as occupied:
        waiting = [
            asyncio.ensure_future(world.app.write_joined(receiving.receive, item, lane="held")) for item in messages
        ]
        await asyncio.sleep(0)
        occupied.release()
        results = await at_once(*waiting)
    assert [getattr(result, "code", None) for result in results] == ["not_found", None, "not_found"]
    assert [entry.body for entry in await zoe.entries()] == ["Hello"]
    assert [entry.body for entry in await yan.entries()] == ["Hello", "And now?"]
    assert await new.view() is None


async def test_a_message_joins_the_chat_that_another_commit_began(world: World, outdated: OutdatedReads) -> None:
    """Of two processes that begin the next chat one wins (INB-23); the other's message does not end up in a chat of its
    own."""
    zoe, closed = await ended(world)
    view_before = await world.app.read(visitors.visitor_view, zoe.key)
    dedupe = visitor_dedupe(zoe.key, "x")
    chats, _ = await world.app.write(lambda tx: visitors.lock_current_chats(tx, [zoe.key], [dedupe]))
    assert chats[zoe.key].thread == closed and view_before is not None and view_before.thread == closed
    first_message = await zoe.says("Begins the next")
    outdated.patch(visitors, "lock_current_chats", lambda *_: (chats, set()))
    outdated.patch(visitors, "visitor_view", lambda *_: view_before)
    written = await zoe.says("Thinks it begins the next")
    assert written.ticket.id == first_message.ticket.id
    bodies = [entry.body for entry in await zoe.entries() if entry.kind == "message"]
    assert bodies == ["Begins the next", "Thinks it begins the next"]
    assert len(await world.rows(threads)) == 2


async def ended(world: World) -> tuple[Guest, int]:
    """A visitor whose chat has ended, and its thread."""
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes_for_good(zoe)
    return zoe, ticket.thread


async def carry(world: World, guest: Guest, customer: Guest) -> bool:
    carried: bool = await world.app.write(signing_in.carry_over, guest.key, customer.key, VisitorInfo(name="Zoe"))
    return carried


async def test_a_chat_that_ended_meanwhile_is_not_carried_over(world: World, outdated: OutdatedReads) -> None:
    """Another tab of the visitor began the next chat while the visitor signed in."""
    guest, first = await world.conversation("The first")
    view_before = await world.app.read(visitors.visitor_view, guest.key)
    await (await world.agent("ana")).closes_for_good(guest)
    second = (await guest.says("The second")).ticket
    # The outdated view: that chat, still open.
    outdated.patch(visitors, "visitor_view", lambda item, key: view_before if key == guest.key else item)
    outdated.patch(tickets, "lock_by_thread", lambda item, *_: first)
    customer = await world.visitor(identity="c-17")
    assert await carry(world, guest, customer)
    assert (await customer.ticket()).id == second.id and not await guest.entries()


async def test_a_customer_keeps_a_chat_that_another_commit_began(world: World, outdated: OutdatedReads) -> None:
    guest, guest_ticket = await world.conversation("As somebody")
    customer = await world.visitor(identity="c-17")
    await customer.says("Hello")
    await (await world.agent("ana")).closes_for_good(customer)
    view_before = await world.app.read(visitors.visitor_view, customer.key)
    customer_ticket = (await customer.says("As a customer, in another window")).ticket

    # `carry` reads both chats; its read of the customer's chat is outdated.
    outdated.patch(visitors, "visitor_view", lambda item, key: view_before if key == customer.key else item, times=2)
    assert not await carry(world, guest, customer), "the customer already has an open chat"
    assert (await customer.ticket()).id == customer_ticket.id and (await guest.ticket()).id == guest_ticket.id
