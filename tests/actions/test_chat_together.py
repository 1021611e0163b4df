"""Visitors' messages that wait at the same moment are stored by one joined call, with the same result as separate
calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from server.errors import Conflict, RateLimited, Refused
from server.kernel.sql import ROWS_PER_STATEMENT, Tx
from server.kernel.writing import Statements, Work, units
from server.schema import threads
from server.threads.tickets import Written
from server.threads.timeline import thread_topic
from server.webchat import actions, receiving
from server.webchat.receiving import Inbound
from tests.actions.test_writer import OccupiedWriter
from tests.world import Guest, World, at_once, is_dense, numbered, publicly_numbered

Results = list[Written | BaseException]


class Counted:
    """Wraps `receiving.receive` and records how many messages each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, tx: Tx, calls: Any) -> list[Written | Refused]:
        self.calls.append(len(calls))
        return receiving.receive(tx, calls)


async def together(world: World, *messages: Inbound, step: Any = receiving.receive) -> Results:
    """Stores all messages in one joined call."""
    async with OccupiedWriter(world) as occupied:
        waiting = [asyncio.ensure_future(world.app.write_joined(step, item, lane="held")) for item in messages]
        await asyncio.sleep(0)
        occupied.release()
        return await at_once(*waiting)


def outcome(results: Written | BaseException) -> str:
    """What happened to a message: repeated, opened, stored, or the code of the refusal."""
    if isinstance(results, Written):
        return "repeated" if results.repeated else "opened" if results.opened else "stored"
    return results.code if isinstance(results, Refused) else repr(results)


async def test_one_call_stores_messages_of_visitors_in_every_situation(world: World) -> None:
    ana = await world.agent("ana")
    names = "open closed ended closing new quiet files twice other".split()
    people = {name: await world.visitor() for name in names}
    for name in names:
        if name != "new":
            await people[name].says("Hello", key=f"key-hello-{name}")
    await ana.replies(people["open"], "Hello to you")
    await ana.closes_for_good(people["closed"])
    await people["ended"].ends()
    await ana.closes(people["closing"])  # the close is committed unless the visitor writes within five seconds
    people["new"].welcome = "Welcome!"
    token = await people["files"].uploads(b"%PDF-1.4 a file", "a.pdf")
    repeated_call = people["twice"].words("Only once", key="key-once")
    messages = [
        (people["open"].words("Where is my parcel?"), "stored"),
        (people["new"].words("Do you have this in red?"), "opened"),
        (people["closed"].words("One more thing"), "opened"),
        (people["quiet"].words(" \u200b "), "empty_message"),
        (people["files"].words("Look", files=(token,)), "stored"),
        (repeated_call, "stored"),
        (people["ended"].words("I am back"), "opened"),
        (people["closing"].words("Wait!"), "stored"),
        (repeated_call, "repeated"),
        (people["twice"].words("Another text with the same key", key="key-once"), "idempotency_conflict"),
        (people["other"].words("Hello", key="key-hello-other"), "repeated"),
        (people["open"].words("And my other parcel?\x00"), "stored"),
        (people["new"].words("Or in blue?"), "stored"),
        (people["quiet"].words("x" * 20_000), "too_long"),
        (people["quiet"].words("Now I say something"), "stored"),
    ]
    counted = Counted()
    results = await together(world, *[item for item, _ in messages], step=counted)
    assert [outcome(result) for result in results] == [expected for _, expected in messages]
    assert counted.calls == [len(messages)]

    bodies = {
        "open": ["Hello", "Hello to you", "Where is my parcel?", "And my other parcel?"],
        "closed": ["One more thing"],
        "ended": ["I am back"],
        "closing": ["Hello", "Wait!"],
        "new": ["Welcome!", "Do you have this in red?", "Or in blue?"],
        "quiet": ["Hello", "Now I say something"],
        "files": ["Hello", "Look"],
        "twice": ["Hello", "Only once"],
        "other": ["Hello"],
    }
    last = {item.key: place for place, (item, expected) in enumerate(messages) if expected in ("stored", "opened")}
    await world.advance(seconds=30)
    for name, guest in people.items():
        entries = await guest.entries()
        assert [entry.body for entry in entries if entry.kind == "message"] == bodies[name], name
        assert is_dense(publicly_numbered(entries)), name
        ticket = await guest.ticket()
        all_entries = await world.entries(ticket.thread)
        assert is_dense(numbered(all_entries)) and ticket.last_seq == len(all_entries), name
        assert (ticket.status, ticket.unread, ticket.closing_at, ticket.closed_at) == ("open", True, None, None), name
        assert (ticket.preview, ticket.preview_by) == (bodies[name][-1], "visitor"), name
        if guest.key in last:
            written = results[last[guest.key]]
            assert isinstance(written, Written) and written.ticket == ticket, f"{name}: the summary as it is stored"
    (look,) = [entry for entry in await people["files"].entries() if entry.body == "Look"]
    assert [file["token"] for file in look.data["files"]] == [token]


async def test_many_messages_take_as_many_statements_as_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [await world.visitor() for _ in range(16)]
    for person in people:
        await person.says("Hello")
    executed: list[str] = []
    original = Statements.__call__

    def noted(self: Statements, sql: str, values: Any) -> Any:
        executed.append(sql)
        return original(self, sql, values)

    monkeypatch.setattr(Statements, "__call__", noted)

    async def statements(*messages: Inbound) -> int:
        executed.clear()
        results = await together(world, *messages)
        assert [outcome(result) for result in results] == ["stored"] * len(messages)
        return len([sql for sql in executed if "timeline" in sql or "threads" in sql or "tickets" in sql])

    statements_alone = await statements(people[0].words("Alone"))
    assert await statements(*[person.words("Together") for person in people]) == statements_alone


async def test_more_messages_than_a_statement_takes_are_stored_in_order(world: World) -> None:
    people = [await world.visitor() for _ in range(ROWS_PER_STATEMENT + 6)]
    await together(world, *[person.words("Hello") for person in people])
    results = await together(
        world, *[visitor.words(f"{n} of {place}") for n in range(3) for place, visitor in enumerate(people)]
    )
    assert all(isinstance(result, Written) for result in results) and len(results) == 3 * len(people)
    for place, visitor in enumerate(people):
        entries = await visitor.entries()
        assert [entry.body for entry in entries] == ["Hello", *(f"{n} of {place}" for n in range(3))]
        assert is_dense(publicly_numbered(entries))


async def test_a_refused_message_does_not_make_the_others_run_again(world: World) -> None:
    people = [await world.visitor() for _ in range(7)]
    for person in people[:6]:
        await person.says("Hello", key="key-hello")
    uploaded_file = await people[0].uploads(b"%PDF-1.4 a file", "a.pdf")
    messages = [
        (people[0].words("Fine"), "stored"),
        (people[1].words("Again", key="key-hello"), "idempotency_conflict"),
        (people[2].words(" "), "empty_message"),
        (people[3].words("Look", files=("gone",)), "not_found"),
        (people[4].words("Look", files=(uploaded_file,)), "not_found"),
        (replace(people[6].words("A chat too many"), chat_wait=2.5), "rate_limited"),
        (people[5].words("Fine"), "stored"),
    ]
    counted = Counted()
    results = await together(world, *[item for item, _ in messages], step=counted)
    assert [outcome(result) for result in results] == [expected for _, expected in messages]
    assert counted.calls == [len(messages)]
    for person in people[:6]:
        bodies = [entry.body for entry in await person.entries()]
        assert bodies == (["Hello", "Fine"] if person in (people[0], people[5]) else ["Hello"])
    assert await people[6].view() is None


class Listener:
    def __init__(self) -> None:
        self.heard_seqs: list[int] = []

    def on_published(self, topic: str, hint: Any) -> None:
        self.heard_seqs.append(hint.seq)

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


async def test_a_rolled_back_message_publishes_nothing(world: World) -> None:
    """The first message is refused and another caller's failure rolls the transaction back: only the refusal is
    returned, nothing is published."""
    first, second, third = [await world.visitor() for _ in range(3)]
    for visitor in (first, second, third):
        await visitor.says("Hello", key="hello")
    listener, thread = Listener(), (await second.ticket()).thread
    world.app.bus.watch(thread_topic(thread), listener)

    def breaks(tx: Tx) -> None:
        tx.run(update(threads).where(threads.c.id == thread).values(visitor_seen=0))
        raise LookupError("after it has written")

    async with OccupiedWriter(world) as occupied:
        messages = [first.words("Another", key="hello"), second.words("Fine"), third.words("Fine")]
        waiting = [
            asyncio.ensure_future(world.app.write_joined(receiving.receive, item, lane="held")) for item in messages
        ]
        waiting.append(asyncio.ensure_future(world.app.write(breaks, lane="held")))
        await asyncio.sleep(0)
        occupied.release()
        results = await at_once(*waiting)
    assert [type(result) for result in results] == [Conflict, Written, Written, LookupError]
    assert listener.heard_seqs == [2]


async def test_a_visitor_who_ends_the_chat_between_two_messages_begins_a_new_one(world: World) -> None:
    """A lane keeps the order of its calls, even if some of them are joined."""
    zoe, other_visitors = await world.visitor(), [await world.visitor() for _ in range(5)]
    for other in (zoe, *other_visitors):
        await other.says("Hello")
    ticket_before = await zoe.ticket()

    async def say(guest: Guest, text: str) -> Any:
        return await world.app.write_joined(receiving.receive, guest.words(text), lane="held")

    async with OccupiedWriter(world) as occupied:
        waiting = [asyncio.ensure_future(say(other_visitors[0], "First"))]
        waiting += [asyncio.ensure_future(say(zoe, "Bye"))]
        waiting += [asyncio.ensure_future(world.app.write(actions.visitor_end, zoe.key, world.key(), lane="held"))]
        waiting += [asyncio.ensure_future(say(zoe, "One more thing"))]
        waiting += [asyncio.ensure_future(say(other, "Next")) for other in other_visitors]
        await asyncio.sleep(0)
        occupied.release()
        await asyncio.gather(*waiting)
    assert [entry.body for entry in await zoe.entries()] == ["One more thing"]
    assert (await world.ticket(ticket_before.id)).status == "closed"
    assert [e.body for e in await world.entries(ticket_before.thread) if e.kind == "message"] == ["Hello", "Bye"]
    for other in other_visitors:
        assert [entry.body for entry in await other.entries()][-1] == "Next"


def test_calls_of_one_lane_never_overtake_each_other() -> None:
    def say(tx: Any, calls: Any) -> Any: ...
    def text(tx: Any, calls: Any) -> Any: ...
    def end(tx: Any) -> Any: ...

    def unit_names(*plan: tuple[Any, str | None]) -> list[list[str]]:
        works = [
            Work(step, (f"{step.__name__}-{lane}-{n}",), lambda result, error: None, lane, step is not end)
            for n, (step, lane) in enumerate(plan)
        ]
        return [[work.args[0] for work in unit] for unit in units(works)]

    assert unit_names((say, "a"), (end, "b"), (say, "c"), (say, None)) == [
        ["say-a-0", "say-c-2", "say-None-3"],
        ["end-b-1"],
    ]
    assert unit_names((say, "a"), (end, "a"), (say, "b"), (say, "a"), (say, "b"), (say, "a")) == [
        ["say-a-0", "say-b-2"], ["end-a-1"], ["say-a-3", "say-b-4", "say-a-5"],
    ]  # fmt: skip
    assert unit_names((say, "a"), (end, "b"), (say, "b"), (say, "c")) == [
        ["say-a-0"],
        ["end-b-1"],
        ["say-b-2", "say-c-3"],
    ]
    assert unit_names((say, "a"), (text, "b"), (say, "b"), (text, "a"), (text, "b")) == [
        ["say-a-0"], ["text-b-1", "text-a-3"], ["say-b-2"], ["text-b-4"],
    ]  # fmt: skip
    assert unit_names((end, None), (say, "a"), (end, None), (say, "a")) == [
        ["end-None-0"],
        ["say-a-1", "say-a-3"],
        ["end-None-2"],
    ]


async def test_a_chat_over_the_limit_is_refused_alone_and_accepted_later(world: World) -> None:
    open_visitor, new = await world.visitor(), await world.visitor()
    await open_visitor.says("Hello")
    first_message = replace(new.words("Hello?", key="key-new-chat"), chat_wait=2.5)
    results = await together(world, first_message, replace(open_visitor.words("And on"), chat_wait=2.5))
    assert isinstance(results[0], RateLimited) and results[0].retry_after == 2.5
    assert isinstance(results[1], Written) and not results[1].opened and not results[1].repeated
    assert await new.view() is None
    later = await together(world, replace(first_message, chat_wait=0.0), replace(first_message, chat_wait=2.5))
    assert isinstance(later[0], Written) and later[0].opened
    assert isinstance(later[1], Written) and later[1].repeated, "a repeated message must not begin a new chat"
