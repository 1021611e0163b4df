"""Texts that wait together are read, stored and answered together, and it makes no difference to anybody."""

from __future__ import annotations

import asyncio
from typing import Any

from server.channels.base import InboundText
from server.consent import queries as consents
from server.consent.rules import Purpose
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.inbox import sms
from server.inbox.settings import INBOX, InboxSettings
from server.inbox.sms import Call, Outcome, Received
from server.kernel.sql import TOGETHER, Tx
from server.schema import carrier_inbound, contacts, threads
from tests.actions.test_writer import Held
from tests.texters import Texter
from tests.world import World, at_once, is_dense, numbered

Told = list[Received | BaseException]


async def together(world: World, *texts: InboundText) -> Told:
    """In one call, whatever the machine does."""
    async with Held(world) as held:
        words, inbox = await KEYWORDS.latest(world.app), await INBOX.latest(world.app)
        waiting = [
            asyncio.ensure_future(world.app.write_joined(sms.receive_texts, text, words, inbox, lane="held"))
            for text in texts
        ]
        await asyncio.sleep(0)
        held.release()
        return await at_once(*waiting)


async def one_by_one(world: World, *texts: InboundText) -> Told:
    return [await texts_of(world).sends(text) for text in texts]


def texts_of(world: World) -> Texter:
    return Texter(world, "")


class People:
    """A dozen people in as many situations, and what they text."""

    async def meet(self, world: World, ana: Any) -> People:
        self.world = world
        self.open, self.closed, self.stranger, self.stopped, self.joins, self.pictures, self.asks, self.twice = [
            await world.texter() for _ in range(8)
        ]
        self.robot = Texter(world, f"BOT{self.open.number[-4:]}")
        self.merged = await world.texter()
        for known in (self.open, self.closed, self.stopped, self.pictures, self.asks, self.twice):
            await known.agrees(Purpose.SMS_MARKETING)
            await known.says("Hello")
        ticket = await self.closed.ticket()
        assert ticket is not None
        await ana.closes(ticket)
        survivor = await self.open.known()

        def merge(tx: Tx) -> None:
            row = {"phone": self.merged.number, "created_at": tx.now, "active_at": tx.now, "merged_into": survivor}
            tx.run(contacts.insert().values(row))

        await world.app.write(merge)
        return self

    def texts(self) -> list[InboundText]:
        first = self.twice.text("Only once", idempotency_token=f"token of {self.twice.number}")
        again = self.twice.text("Only once", idempotency_token=f"token of {self.twice.number}")
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
            again,
            self.open.text("And my other parcel?"),
            self.stopped.text("Why do I still get an answer?"),
            self.robot.text("1000 points for you"),
            self.asks.text("please stop texting me"),
            self.stranger.text("Or in blue?"),
            self.stopped.text("START"),
            Texter(self.world, self.open.number, to="+18885550000").text("Wrong number"),
        ]

    async def state(self) -> list[Any]:
        """All that can be seen of each of them, but for ids."""
        found: list[Any] = []
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
        for who in [*everybody, self.robot]:
            entries = await who.entries()
            assert is_dense(numbered(entries)), entries
            said = [
                (e.kind, e.author_type, e.body, sorted(e.data), e.data.get("keyword"), e.data.get("to"), e.public_seq)
                for e in entries
            ]
            ticket = await who.ticket()
            seen = ticket and (
                ticket.status, ticket.unread, ticket.preview, ticket.last_seq, ticket.last_inbound_seq, ticket.rev,
                ticket.barred, ticket.stop_asked, ticket.waiting_since is None,
            )  # fmt: skip
            facts = await self.world.app.read(consents.facts, await who.known(), who.number)
            found.append((said, seen, facts.statuses, facts.suppressed, facts.paused, await who.told()))
        return found


async def set_up(world: World) -> Any:
    await world.app.write(KEYWORDS.save, KeywordSettings(subscribe=[SubscribeKeyword(word="JOIN", opt_in="single")]))
    KEYWORDS.cached(world.app).heard("", None)
    await world.app.write(INBOX.save, InboxSettings(auto_response_on=True, auto_response="We read this at nine."))
    INBOX.cached(world.app).heard("", None)
    return await world.agent("ana")


async def test_what_texts_do_together_is_what_they_do_one_by_one(world: World) -> None:
    ana = await set_up(world)
    some, others = await People().meet(world, ana), await People().meet(world, ana)
    told, wanted = await together(world, *some.texts()), await one_by_one(world, *others.texts())
    assert [(one.outcome, one.meaning, one.seq) for one in told] == [  # type: ignore[union-attr]
        (one.outcome, one.meaning, one.seq)
        for one in wanted  # type: ignore[union-attr]
    ]
    assert await some.state() == await others.state()
    repeated = [one for one in told if isinstance(one, Received) and one.outcome is Outcome.REPEATED]
    assert len(repeated) == 3, "by its id, by its idempotency token, and by an id of somebody else's text"


async def test_a_crowd_larger_than_a_statement_is_stored_in_order(world: World) -> None:
    people = [await world.texter() for _ in range(TOGETHER + 6)]
    texts = [who.text(f"{who.number} says {n}") for n in range(3) for who in people]
    told = await together(world, *texts)
    assert {one.outcome for one in told if isinstance(one, Received)} == {Outcome.STORED} and len(told) == len(texts)
    for who in people[:5] + people[-5:]:
        assert [entry.body for entry in await who.entries()] == [f"{who.number} says {n}" for n in range(3)]
    assert len(await world.rows(carrier_inbound)) == len(texts)
    assert len(await world.rows(threads, threads.c.channel == "sms")) == len(people)


async def test_one_that_breaks_costs_only_itself(world: World, monkeypatch: Any) -> None:
    people = [await world.texter() for _ in range(6)]
    for who in people:
        await who.says("Hello")
    real = sms._act

    def act(tx: Tx, came: Any) -> Any:
        if any(one.body == "breaks" for one in came):
            raise LookupError("a text that breaks us")
        return real(tx, came)

    monkeypatch.setattr(sms, "_act", act)
    texts = [who.text("breaks" if number == 2 else "fine") for number, who in enumerate(people)]
    told = await together(world, *texts)
    assert [isinstance(one, LookupError) for one in told] == [number == 2 for number in range(6)]
    for number, who in enumerate(people):
        assert [entry.body for entry in await who.entries()] == ["Hello"] + ["fine"] * (number != 2)
    monkeypatch.undo()
    (again,) = await together(world, texts[2])
    assert isinstance(again, Received) and again.outcome is Outcome.STORED, "its id was not kept"


async def test_calls_are_joined_at_all(world: World) -> None:
    sizes: list[int] = []

    def step(tx: Tx, calls: list[Call]) -> list[int]:
        sizes.append(len(calls))
        return [number for (number,) in calls]

    async with Held(world) as held:
        waiting = [asyncio.ensure_future(world.app.write_joined(step, n, lane="held")) for n in range(9)]
        apart = asyncio.ensure_future(world.app.write(lambda tx: "apart", lane="held"))
        await asyncio.sleep(0)
        held.release()
        assert await asyncio.gather(*waiting) == list(range(9)) and await apart == "apart"
    assert sizes == [9]
