"""Texts that wait at the same moment are stored by one joined call, with the same result as separate calls."""

from __future__ import annotations

import asyncio
from typing import Any

from server.channels.base import InboundText
from server.consent import queries as consents
from server.consent.rules import Purpose
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.kernel.sql import ROWS_PER_STATEMENT, Tx
from server.schema import carrier_inbound, threads
from server.sms import receiving
from server.sms.receiving import Call, Outcome, Received
from server.sms.settings import INBOX, InboxSettings
from tests.actions.test_writer import OccupiedWriter
from tests.people import add_contact
from tests.texters import Texter
from tests.world import World, at_once, is_dense, numbered

Results = list[Received | BaseException]


async def receive_together(world: World, *texts: InboundText) -> Results:
    """Receives all texts in one joined call."""
    async with OccupiedWriter(world) as occupied:
        words, inbox = await KEYWORDS.latest(world.app), await INBOX.latest(world.app)
        waiting = [
            asyncio.ensure_future(world.app.write_joined(receiving.receive_texts, text, words, inbox, lane="held"))
            for text in texts
        ]
        await asyncio.sleep(0)
        occupied.release()
        return await at_once(*waiting)


async def receive_one_by_one(world: World, *texts: InboundText) -> Results:
    return [await texts_of(world).sends(text) for text in texts]


def texts_of(world: World) -> Texter:
    return Texter(world, "")


class People:
    """A dozen people in different situations, and the texts they send."""

    async def meet(self, world: World, ana: Any) -> People:
        self.world = world
        self.open, self.closed, self.stranger, self.stopped, self.joins, self.pictures, self.asks, self.twice = [
            await world.texter() for _ in range(8)
        ]
        self.robot = Texter(world, f"BOT{self.open.number[-4:]}")
        self.merged = await world.texter()
        for texter in (self.open, self.closed, self.stopped, self.pictures, self.asks, self.twice):
            await texter.agrees(Purpose.SMS_MARKETING)
            await texter.says("Hello")
        ticket = await self.closed.ticket()
        assert ticket is not None
        await ana.closes(ticket)
        survivor = await self.open.contact()

        def merge(tx: Tx) -> None:
            add_contact(tx, phone=self.merged.number, merged_into=survivor)

        await world.app.write(merge)
        return self

    def texts(self) -> list[InboundText]:
        first = self.twice.text("Only once", idempotency_token=f"token of {self.twice.number}")
        repeated_text = self.twice.text("Only once", idempotency_token=f"token of {self.twice.number}")
        return [
            self.open.text("Where is my parcel?"),
            self.closed.text("One more thing"),
            self.stranger.text("Do you have this in red?"),
            self.stopped.text("STOP"),
            first,
            self.merged.text("From my other number"),
            first,
            self.stranger.text("Somebody else's id", sid=first.sid),
            self.joins.text("JOIN"),
            self.pictures.text("Look", media=[("https://carrier.example/1", "image/jpeg")]),
            repeated_text,
            self.open.text("And my other parcel?"),
            self.stopped.text("Why do I still get an answer?"),
            self.robot.text("1000 points for you"),
            self.asks.text("please stop texting me"),
            self.stranger.text("Or in blue?"),
            self.stopped.text("START"),
            Texter(self.world, self.open.number, to="+18885550000").text("Wrong number"),
        ]

    async def state(self) -> list[Any]:
        """Everything visible about each person, without ids."""
        results: list[Any] = []
        everybody = [
            self.open,
            self.closed,
            self.stranger,
            self.stopped,
            self.joins,
            self.pictures,
            self.asks,
            self.twice,
        ]
        for texter in [*everybody, self.robot]:
            entries = await texter.entries()
            assert is_dense(numbered(entries)), entries
            queued = [
                (e.kind, e.author_type, e.body, sorted(e.data), e.data.get("keyword"), e.data.get("to"), e.public_seq)
                for e in entries
            ]
            ticket = await texter.ticket()
            ticket_state = ticket and (
                ticket.status, ticket.unread, ticket.preview, ticket.last_seq, ticket.last_inbound_seq, ticket.rev,
                ticket.barred, ticket.stop_asked, ticket.waiting_since is None,
            )  # fmt: skip
            facts = await self.world.app.read(consents.facts, await texter.contact(), texter.number)
            results.append(
                (queued, ticket_state, facts.statuses, facts.suppressed, facts.paused, await texter.texts_queued())
            )
        return results


async def set_up(world: World) -> Any:
    await world.app.write(KEYWORDS.save, KeywordSettings(subscribe=[SubscribeKeyword(word="JOIN", opt_in="single")]))
    KEYWORDS.cached(world.app).on_published("", None)
    await world.app.write(INBOX.save, InboxSettings(auto_response_on=True, auto_response="We read this at nine."))
    INBOX.cached(world.app).on_published("", None)
    return await world.agent("ana")


async def test_texts_received_together_have_the_same_effect_as_one_by_one(world: World) -> None:
    ana = await set_up(world)
    joined_people, other_people = await People().meet(world, ana), await People().meet(world, ana)
    results, expected = (
        await receive_together(world, *joined_people.texts()),
        await receive_one_by_one(world, *other_people.texts()),
    )
    assert [(result.outcome, result.meaning, result.seq) for result in results] == [  # type: ignore[union-attr]
        (item.outcome, item.meaning, item.seq)
        for item in expected  # type: ignore[union-attr]
    ]
    assert await joined_people.state() == await other_people.state()
    repeated = [result for result in results if isinstance(result, Received) and result.outcome is Outcome.REPEATED]
    assert len(repeated) == 3, "expected repeats by sid, by idempotency token and by another text's sid"


async def test_more_texts_than_a_statement_takes_are_stored_in_order(world: World) -> None:
    people = [await world.texter() for _ in range(ROWS_PER_STATEMENT + 6)]
    texts = [person.text(f"{person.number} says {n}") for n in range(3) for person in people]
    results = await receive_together(world, *texts)
    assert {result.outcome for result in results if isinstance(result, Received)} == {Outcome.STORED} and len(
        results
    ) == len(texts)
    for texter in people[:5] + people[-5:]:
        assert [entry.body for entry in await texter.entries()] == [f"{texter.number} says {n}" for n in range(3)]
    assert len(await world.rows(carrier_inbound)) == len(texts)
    assert len(await world.rows(threads, threads.c.channel == "sms")) == len(people)


async def test_a_text_that_fails_does_not_fail_the_others(world: World, monkeypatch: Any) -> None:
    people = [await world.texter() for _ in range(6)]
    for person in people:
        await person.says("Hello")
    original = receiving._store_and_act

    def act(tx: Tx, texts_in_call: Any) -> Any:
        if any(item.body == "breaks" for item in texts_in_call):
            raise LookupError("a text that breaks us")
        return original(tx, texts_in_call)

    monkeypatch.setattr(receiving, "_store_and_act", act)
    texts = [person.text("breaks" if number == 2 else "fine") for number, person in enumerate(people)]
    results = await receive_together(world, *texts)
    assert [isinstance(result, LookupError) for result in results] == [number == 2 for number in range(6)]
    for number, person in enumerate(people):
        assert [entry.body for entry in await person.entries()] == ["Hello"] + ["fine"] * (number != 2)
    monkeypatch.undo()
    (retried,) = await receive_together(world, texts[2])
    assert isinstance(retried, Received) and retried.outcome is Outcome.STORED, (
        "the id of a text that failed must not be stored"
    )


async def test_waiting_calls_are_joined(world: World) -> None:
    sizes: list[int] = []

    def step(tx: Tx, calls: list[Call]) -> list[int]:
        sizes.append(len(calls))
        return [number for (number,) in calls]

    async with OccupiedWriter(world) as occupied:
        waiting = [asyncio.ensure_future(world.app.write_joined(step, n, lane="held")) for n in range(9)]
        separate_call = asyncio.ensure_future(world.app.write(lambda tx: "apart", lane="held"))
        await asyncio.sleep(0)
        occupied.release()
        assert await asyncio.gather(*waiting) == list(range(9)) and await separate_call == "apart"
    assert sizes == [9]
