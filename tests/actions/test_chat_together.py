"""Visitors' messages that wait together are stored together, and it makes no difference to anybody."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import update

from server.errors import Conflict, Refused
from server.inbox import visitor_actions
from server.inbox.timeline import Written, thread_topic
from server.inbox.visitor_actions import Inbound
from server.kernel.sql import TOGETHER, Tx
from server.kernel.writing import Work, units
from server.schema import threads
from tests.actions.test_writer import Held
from tests.world import Guest, World, at_once, is_dense, numbered, publicly_numbered

Told = list[Written | BaseException]


async def together(world: World, *said: Inbound) -> Told:
    """In one call, whatever the machine does."""
    async with Held(world) as held:
        waiting = [
            asyncio.ensure_future(world.app.write_joined(visitor_actions.receive, one, lane="held")) for one in said
        ]
        await asyncio.sleep(0)
        held.release()
        return await at_once(*waiting)


async def one_by_one(world: World, *said: Inbound) -> Told:
    told: Told = []
    for one in said:
        told += await at_once(world.app.write_joined(visitor_actions.receive, one))
    return told


class People:
    """A few visitors in as many situations, and what they write."""

    async def meet(self, world: World, ana: Any) -> People:
        self.world = world
        names = "open closed ended closing new quiet files twice other".split()
        self.by_name = {name: await world.visitor() for name in names}
        for name in names:
            if name != "new":
                await self.by_name[name].says("Hello", key=f"hello-{name}")
        await ana.replies(self.by_name["open"], "Hello to you")
        await ana.closes_for_good(self.by_name["closed"])
        await self.by_name["ended"].ends()
        self.by_name["new"].welcome = "Welcome!"
        self.token = await self.by_name["files"].uploads(b"%PDF-1.4 a file", "a.pdf")
        return self

    def words(self) -> list[Inbound]:
        who = self.by_name
        first = who["twice"].words("Only once", key="once")
        return [
            who["open"].words("Where is my parcel?"),
            who["new"].words("Do you have this in red?"),
            who["closed"].words("One more thing"),
            who["quiet"].words(" \u200b "),
            who["files"].words("Look", files=(self.token,)),
            first,
            who["ended"].words("I am back"),
            who["closing"].words("Wait!"),
            first,
            who["twice"].words("Another text with the same key", key="once"),
            who["other"].words("Hello", key="hello-other"),
            who["open"].words("And my other parcel?\x00"),
            who["new"].words("Or in blue?"),
            who["quiet"].words("x" * 20_000),
            who["quiet"].words("Now I say something"),
        ]

    async def state(self) -> list[Any]:
        """All that can be seen of each of them, but for ids."""
        found: list[Any] = []
        for name, who in self.by_name.items():
            ticket = await who.ticket()
            entries = await self.world.entries(ticket.thread)
            assert is_dense(numbered(entries)) and is_dense(publicly_numbered(entries)), entries
            said = [(e.kind, e.author_type, e.body, sorted(e.data), e.data.get("to"), e.public_seq) for e in entries]
            seen = (
                ticket.status, ticket.unread, ticket.preview, ticket.preview_by, ticket.last_seq, ticket.last_public_seq,
                ticket.last_inbound_seq, ticket.rev, ticket.closing_at is None, ticket.closed_at is None,
                ticket.waiting_since is None,
            )  # fmt: skip
            found.append((name, said, seen))
        return found


def outline(told: Told) -> list[Any]:
    return [
        (one.repeated, one.entry.seq, one.entry.public_seq, one.entry.body, one.ticket.rev, one.ticket.unread)
        if isinstance(one, Written) and one.entry is not None
        else (type(one), getattr(one, "code", None))
        for one in told
    ]


async def test_what_visitors_say_together_is_what_they_say_one_by_one(world: World) -> None:
    ana = await world.agent("ana")
    some, others = await People().meet(world, ana), await People().meet(world, ana)
    for people in (some, others):
        await ana.closes(people.by_name["closing"])  # until somebody writes
    told, wanted = await together(world, *some.words()), await one_by_one(world, *others.words())
    assert outline(told) == outline(wanted)
    assert await some.state() == await others.state()
    refused = [one.code for one in told if isinstance(one, Refused)]
    assert refused == ["empty_message", "idempotency_conflict", "too_long"]
    assert sum(isinstance(one, Written) and one.repeated for one in told) == 2
    await world.advance(seconds=30)
    assert (await some.by_name["closing"].ticket()).status == "open", "what was held is called off"
    for one in told:
        if isinstance(one, Written):
            assert (
                one.ticket == await world.ticket(one.ticket.id)
                or one.ticket.rev < (await world.ticket(one.ticket.id)).rev
            ), "what is told is what stands there"


async def test_a_crowd_larger_than_a_statement_is_stored_in_order(world: World) -> None:
    people = [await world.visitor() for _ in range(TOGETHER + 6)]
    await together(world, *[who.words("Hello") for who in people])
    told = await together(world, *[who.words(f"{n} of {place}") for n in range(3) for place, who in enumerate(people)])
    assert all(isinstance(one, Written) for one in told) and len(told) == 3 * len(people)
    for place, who in enumerate(people):
        entries = await who.entries()
        assert [entry.body for entry in entries] == ["Hello", *(f"{n} of {place}" for n in range(3))]
        assert is_dense(publicly_numbered(entries))


async def test_a_file_that_is_gone_costs_only_its_message(world: World) -> None:
    people = [await world.visitor() for _ in range(4)]
    for who in people:
        await who.says("Hello")
    said = [who.words("Look", files=("gone",) if place == 2 else ()) for place, who in enumerate(people)]
    told = await together(world, *said)
    assert [getattr(one, "code", None) for one in told] == [None, None, "not_found", None]
    for place, who in enumerate(people):
        assert [entry.body for entry in await who.entries()] == ["Hello"] + ["Look"] * (place != 2)


async def test_a_refusal_costs_the_others_no_second_try(world: World, monkeypatch: Any) -> None:
    people = [await world.visitor() for _ in range(6)]
    for who in people:
        await who.says("Hello", key="hello")
    calls: list[int] = []
    real = visitor_actions.receive

    def counted(tx: Tx, asked: Any) -> Any:
        calls.append(len(asked))
        return real(tx, asked)

    said = [who.words("Again" if n == 3 else "Fine", key="hello" if n == 3 else None) for n, who in enumerate(people)]
    async with Held(world) as held:
        waiting = [asyncio.ensure_future(world.app.write_joined(counted, one, lane="held")) for one in said]
        await asyncio.sleep(0)
        held.release()
        told = await at_once(*waiting)
    assert isinstance(told[3], Conflict) and sum(isinstance(one, Written) for one in told) == 5
    assert calls == [6]


class Ear:
    def __init__(self) -> None:
        self.heard_seqs: list[int] = []

    def heard(self, topic: str, hint: Any) -> None:
        self.heard_seqs.append(hint.seq)

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...


async def test_nothing_rings_for_what_was_undone(world: World) -> None:
    """The first of a call is refused, and somebody else's failure undoes the transaction: what is told at once is the
    refusal alone."""
    first, second, third = [await world.visitor() for _ in range(3)]
    for who in (first, second, third):
        await who.says("Hello", key="hello")
    ear, thread = Ear(), (await second.ticket()).thread
    world.app.bus.watch(thread_topic(thread), ear)

    def breaks(tx: Tx) -> None:
        tx.run(update(threads).where(threads.c.id == thread).values(visitor_seen=0))
        raise LookupError("after it has written")

    async with Held(world) as held:
        said = [first.words("Another", key="hello"), second.words("Fine"), third.words("Fine")]
        waiting = [
            asyncio.ensure_future(world.app.write_joined(visitor_actions.receive, one, lane="held")) for one in said
        ]
        waiting.append(asyncio.ensure_future(world.app.write(breaks, lane="held")))
        await asyncio.sleep(0)
        held.release()
        told = await at_once(*waiting)
    assert [type(one) for one in told] == [Conflict, Written, Written, LookupError]
    assert ear.heard_seqs == [2]


async def test_somebody_who_ends_between_two_messages_begins_a_new_chat(world: World) -> None:
    """One lane keeps its order, whatever is joined in it."""
    zoe, others = await world.visitor(), [await world.visitor() for _ in range(5)]
    for who in (zoe, *others):
        await who.says("Hello")
    before = await zoe.ticket()

    async def say(who: Guest, text: str) -> Any:
        return await world.app.write_joined(visitor_actions.receive, who.words(text), lane="held")

    async with Held(world) as held:
        waiting = [asyncio.ensure_future(say(others[0], "First"))]
        waiting += [asyncio.ensure_future(say(zoe, "Bye"))]
        waiting += [
            asyncio.ensure_future(world.app.write(visitor_actions.visitor_end, zoe.key, world.key(), lane="held"))
        ]
        waiting += [asyncio.ensure_future(say(zoe, "One more thing"))]
        waiting += [asyncio.ensure_future(say(who, "Next")) for who in others]
        await asyncio.sleep(0)
        held.release()
        await asyncio.gather(*waiting)
    assert [entry.body for entry in await zoe.entries()] == ["One more thing"]
    assert (await world.ticket(before.id)).status == "closed"
    assert [e.body for e in await world.entries(before.thread) if e.kind == "message"] == ["Hello", "Bye"]
    for who in others:
        assert [entry.body for entry in await who.entries()][-1] == "Next"


def test_a_lane_is_never_overtaken() -> None:
    def say(tx: Any, calls: Any) -> Any: ...
    def text(tx: Any, calls: Any) -> Any: ...
    def end(tx: Any) -> Any: ...

    def made(*plan: tuple[Any, str | None]) -> list[list[str]]:
        works = [
            Work(step, (f"{step.__name__}-{lane}-{n}",), lambda result, error: None, lane, step is not end)
            for n, (step, lane) in enumerate(plan)
        ]
        return [[work.args[0] for work in unit] for unit in units(works)]

    assert made((say, "a"), (end, "b"), (say, "c"), (say, None)) == [["say-a-0", "say-c-2", "say-None-3"], ["end-b-1"]]
    assert made((say, "a"), (end, "a"), (say, "b"), (say, "a"), (say, "b"), (say, "a")) == [
        ["say-a-0", "say-b-2"], ["end-a-1"], ["say-a-3", "say-b-4", "say-a-5"],
    ]  # fmt: skip
    assert made((say, "a"), (end, "b"), (say, "b"), (say, "c")) == [["say-a-0"], ["end-b-1"], ["say-b-2", "say-c-3"]]
    assert made((say, "a"), (text, "b"), (say, "b"), (text, "a"), (text, "b")) == [
        ["say-a-0"], ["text-b-1", "text-a-3"], ["say-b-2"], ["text-b-4"],
    ]  # fmt: skip
    assert made((end, None), (say, "a"), (end, None), (say, "a")) == [
        ["end-None-0"],
        ["say-a-1", "say-a-3"],
        ["end-None-2"],
    ]
