"""Replies to one person leave one after the other, in the order they were written; campaigns and other people do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

from server.channels.base import Accepted, Rejected, Report, Sent, Text, Unclear, Verdict
from server.delivery import actions, claiming, jobs, pump, settling
from server.delivery.actions import Queued, Send
from server.delivery.rules import SenderKind, State
from server.delivery.senders import Wanted
from server.kernel.sql import Tx
from server.schema import outbound
from tests.sms import PHONE, TOLL_FREE, FakeChannel, new_person, new_thread, of, open_sms, person, queue
from tests.world import World

FAST = Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000)
TOO_MANY = Rejected(20429, "too many", Verdict.RETRY)


async def talk(world: World, *bodies: str) -> list[Queued]:
    """Replies to one person, queued in one moment."""
    contact = await person(world)
    thread = await world.app.write(new_thread, contact, PHONE)

    def write(tx: Tx) -> list[Queued]:
        return [
            actions.queue(tx, Send(f"r{n}", "reply", "conversation", contact, PHONE, body, thread))
            for n, body in enumerate(bodies)
        ]

    return await world.app.write(write)


def heard(fake: FakeChannel) -> list[str]:
    return [text.body for text in fake.texts]


def alone(fake: FakeChannel, turns: int, answer: Sent) -> Callable[[Text], Awaitable[Sent]]:
    """Answers after so many turns of the loop; nobody else may be on the way meanwhile."""

    async def slowly(text: Text) -> Sent:
        begun = len(fake.texts)
        for _ in range(turns):
            await asyncio.sleep(0)
        assert len(fake.texts) == begun, "another reply overtook it"
        return answer

    return slowly


async def test_six_replies_in_a_row_are_heard_in_their_order_however_slow_each_answer_is(world: World) -> None:
    fake = await open_sms(world, FAST)
    luck = Random(6)
    fake.answers.extend(alone(fake, luck.randrange(400), Accepted(f"SM{n}", "queued")) for n in range(6))
    sent = await talk(world, *"012345")
    await world.advance()
    assert heard(fake) == [*"012345"]
    assert {(await of(world, one)).state for one in sent} == {State.ACCEPTED}


async def test_a_reply_that_waits_to_be_tried_again_holds_those_behind_it(world: World) -> None:
    fake = await open_sms(world, FAST)
    fake.answers.extend([TOO_MANY, TOO_MANY, alone(fake, 50, Unclear("no answer"))])
    sent = await talk(world, *"012345")
    await world.advance()
    await world.advance(seconds=0.9)
    assert heard(fake) == ["0"], "and waits for its second try"
    for _ in range(8):
        await world.advance(seconds=1)
    assert heard(fake) == [*"000", *"12345"], "unclear is an outcome: the next go on"
    assert [(await of(world, one)).state for one in sent] == [State.UNKNOWN] + [State.ACCEPTED] * 5


async def test_an_unclear_reply_in_the_middle_holds_nobody(world: World) -> None:
    fake = await open_sms(world, FAST)
    fake.answers.extend([TOO_MANY, *(alone(fake, 30, Accepted(f"SM{n}", "queued")) for n in range(2)), Unclear("cut")])
    sent = await talk(world, *"012345")
    for _ in range(6):
        await world.advance(seconds=1)
    assert heard(fake) == [*"0012345"]
    assert [(await of(world, one)).state.value for one in sent].index("unknown") == 2


async def test_after_a_kill_the_rest_follows_in_its_order(world: World) -> None:
    fake = await open_sms(world, FAST)
    sent = await talk(world, *"0123")
    [first] = (await world.app.write(claiming.claim, 100)).claims
    assert first.id == sent[0].id, "one of a thread at a time"
    assert len(await world.app.write(claiming.begin, [first], "http://x")) == 1
    assert (await world.app.write(claiming.claim, 100)).claims == [], "the others wait for what became of it"
    if world.database == "postgres":
        world.clock.advance(timedelta(seconds=45))  # other processes may live: only time tells
    await world.app.write(jobs.start)
    await world.advance(seconds=1)
    if world.database == "postgres":
        await world.advance(seconds=45)
    assert heard(fake) == [*"123"]
    assert [(await of(world, one)).state for one in sent] == [State.UNKNOWN] + [State.ACCEPTED] * 3


async def test_a_claim_whose_process_died_is_claimed_again_before_those_behind_it(world: World) -> None:
    fake = await open_sms(world, FAST)
    sent = await talk(world, *"012")
    await world.app.write(claiming.claim, 100)
    world.clock.advance(timedelta(seconds=16))
    again = (await world.app.write(claiming.claim, 100)).claims
    assert [one.id for one in again] == [sent[0].id]
    await world.advance(seconds=60)
    assert heard(fake) == [*"012"]


async def test_what_a_dead_process_settled_last_is_not_waited_for_for_ever(world: World) -> None:
    """It died between the outcome's commit and its look for the next."""
    fake = await open_sms(world, FAST)
    await talk(world, *"01")
    [ready] = await world.app.write(claiming.begin, (await world.app.write(claiming.claim, 100)).claims, "http://x")
    await world.advance()
    outcome = settling.Outcome(ready.id, ready.turn, ready.attempt, Accepted("SM0", "queued"), thread=ready.thread)
    await world.app.write(settling.outcomes, [outcome])
    await world.advance(seconds=45)
    assert heard(fake) == ["1"]


async def test_a_report_that_comes_before_the_answer_lets_the_next_go(world: World) -> None:
    fake = await open_sms(world, FAST)
    first, _ = await talk(world, *"01")
    await world.app.write(claiming.begin, (await world.app.write(claiming.claim, 100)).claims, "http://x")
    await world.advance()
    assert heard(fake) == [], "it has been looked for, and waits"
    await world.app.write(settling.report, Report("SM9", "sent"), first.token, 1)
    await world.advance()
    assert heard(fake) == ["1"]


async def test_a_reply_that_no_number_can_send_ends_and_the_next_goes(world: World) -> None:
    fake = await open_sms(world, Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000, mms=False))
    contact = await person(world)
    thread = await world.app.write(new_thread, contact, PHONE)
    picture = await queue(world, contact, "picture", thread=thread, media=("a-file",))
    await queue(world, contact, "words", thread=thread)
    await world.advance()
    assert (await of(world, picture)).state is State.FAILED
    assert heard(fake) == ["Hello"]


async def test_an_answer_to_a_keyword_waits_for_no_reply(world: World) -> None:
    """It has five minutes, and a reply may wait as long between two tries."""
    fake = await open_sms(world, FAST)
    contact = await person(world)
    thread = await world.app.write(new_thread, contact, PHONE)
    fake.answers.append(TOO_MANY)
    await queue(world, contact, "r", thread=thread, body="reply")
    await world.advance()
    await queue(world, contact, "k", thread=thread, kind="keyword", purpose="compliance", body="Stopped.")
    await world.advance(seconds=0.6)
    assert heard(fake) == ["reply", "Stopped."]


async def test_texts_of_a_campaign_wait_neither_for_a_reply_nor_for_each_other(world: World) -> None:
    fake = await open_sms(world, FAST)
    contact = await person(world)
    thread = await world.app.write(new_thread, contact, PHONE)
    together = asyncio.Event()

    async def wait_for_all(text: Text) -> Sent:
        if len(fake.texts) == 4:
            together.set()
        await together.wait()
        return Accepted(f"SM-{text.body}", "queued")

    fake.answers.extend([wait_for_all] * 5)
    for n in range(3):
        await queue(world, contact, f"c{n}", thread=thread, priority=20, body=f"campaign {n}")
    for n in range(2):
        await queue(world, contact, f"r{n}", thread=thread, body=f"reply {n}")
    async with asyncio.timeout(20):
        await world.advance()
    assert heard(fake)[-1] == "reply 1" and len(fake.texts) == 5


async def test_128_people_are_answered_at_the_same_time(world: World) -> None:
    fake = await open_sms(world, FAST)
    together = asyncio.Event()

    async def wait_for_all(text: Text) -> Sent:
        if len(fake.texts) >= pump.CONNECTIONS:
            together.set()
        await together.wait()
        return Accepted(f"SM-{text.recipient}-{text.body}", "queued")

    def everybody(tx: Tx) -> None:
        for n in range(pump.CONNECTIONS):
            phone = f"+1202555{n:04d}"
            contact = new_person(tx, phone)
            thread = new_thread(tx, contact, phone)
            for body in ("first", "second"):
                actions.queue(tx, Send(f"{n}:{body}", "reply", "conversation", contact, phone, body, thread))

    fake.answers.extend([wait_for_all] * 2 * pump.CONNECTIONS)
    await world.app.write(everybody)
    async with asyncio.timeout(30):
        await world.advance()
    assert {text.body for text in fake.texts[: pump.CONNECTIONS]} == {"first"}
    assert len(fake.texts) == 2 * pump.CONNECTIONS
    assert {row.state for row in await world.rows(outbound)} == {"accepted"}
