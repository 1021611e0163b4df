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
from server.delivery.senders import SenderInput
from server.kernel.sql import Tx
from server.schema import outbound
from tests.sms import PHONE, TOLL_FREE, FakeChannel, new_person, new_thread, of, open_sms, person, queue
from tests.world import World

FAST = SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000)
TOO_MANY = Rejected(20429, "too many", Verdict.RETRY)


async def talk(world: World, *bodies: str) -> list[Queued]:
    """Queues replies to one person in one transaction, in this order."""
    contact = await person(world)
    thread = await world.app.write(new_thread, contact, PHONE)

    def write(tx: Tx) -> list[Queued]:
        return [
            actions.queue(tx, Send(f"r{n}", "reply", "conversation", contact, PHONE, body, thread))
            for n, body in enumerate(bodies)
        ]

    return await world.app.write(write)


def bodies_sent(fake: FakeChannel) -> list[str]:
    return [text.body for text in fake.texts]


def one_at_a_time(fake: FakeChannel, turns: int, answer: Sent) -> Callable[[Text], Awaitable[Sent]]:
    """A provider that responds after `turns` turns of the event loop and fails if two texts are being sent at once."""

    async def respond_slowly(text: Text) -> Sent:
        sent_before = len(fake.texts)
        for _ in range(turns):
            await asyncio.sleep(0)
        assert len(fake.texts) == sent_before, "another reply was sent before this one was settled"
        return answer

    return respond_slowly


async def test_six_replies_leave_in_order_however_slow_each_response_is(world: World) -> None:
    fake = await open_sms(world, FAST)
    random_source = Random(6)
    fake.answers.extend(
        one_at_a_time(fake, random_source.randrange(400), Accepted(f"SM{n}", "queued")) for n in range(6)
    )
    sent = await talk(world, *"012345")
    await world.advance()
    assert bodies_sent(fake) == [*"012345"]
    assert {(await of(world, item)).state for item in sent} == {State.ACCEPTED}


async def test_a_reply_waiting_for_a_retry_delays_the_replies_behind_it(world: World) -> None:
    fake = await open_sms(world, FAST)
    fake.answers.extend([TOO_MANY, TOO_MANY, one_at_a_time(fake, 50, Unclear("no answer"))])
    sent = await talk(world, *"012345")
    await world.advance()
    await world.advance(seconds=0.9)
    assert bodies_sent(fake) == ["0"], "the later replies must wait for the second attempt of the first"
    for _ in range(8):
        await world.advance(seconds=1)
    assert bodies_sent(fake) == [*"000", *"12345"], "after an unclear outcome the next replies are sent"
    assert [(await of(world, item)).state for item in sent] == [State.UNKNOWN] + [State.ACCEPTED] * 5


async def test_an_unclear_reply_does_not_delay_the_replies_behind_it(world: World) -> None:
    fake = await open_sms(world, FAST)
    fake.answers.extend(
        [TOO_MANY, *(one_at_a_time(fake, 30, Accepted(f"SM{n}", "queued")) for n in range(2)), Unclear("cut")]
    )
    sent = await talk(world, *"012345")
    for _ in range(6):
        await world.advance(seconds=1)
    assert bodies_sent(fake) == [*"0012345"]
    assert [(await of(world, item)).state.value for item in sent].index("unknown") == 2


async def test_after_a_kill_the_remaining_replies_leave_in_order(world: World) -> None:
    fake = await open_sms(world, FAST)
    sent = await talk(world, *"0123")
    [first] = (await world.app.write(claiming.claim, 100)).claims
    assert first.id == sent[0].id, "only one reply of a thread is claimed at a time"
    assert len(await world.app.write(claiming.begin, [first], "http://x")) == 1
    assert (await world.app.write(claiming.claim, 100)).claims == [], (
        "the other replies wait for the outcome of the claimed one"
    )
    if world.database == "postgres":
        world.clock.advance(timedelta(seconds=45))  # other processes might be alive, so only time frees their rows
    await world.app.write(jobs.start)
    await world.advance(seconds=1)
    if world.database == "postgres":
        await world.advance(seconds=45)
    assert bodies_sent(fake) == [*"123"]
    assert [(await of(world, item)).state for item in sent] == [State.UNKNOWN] + [State.ACCEPTED] * 3


async def test_a_reply_claimed_by_a_dead_process_is_claimed_before_the_replies_behind_it(world: World) -> None:
    fake = await open_sms(world, FAST)
    sent = await talk(world, *"012")
    await world.app.write(claiming.claim, 100)
    world.clock.advance(timedelta(seconds=16))
    claimed = (await world.app.write(claiming.claim, 100)).claims
    assert [item.id for item in claimed] == [sent[0].id]
    await world.advance(seconds=60)
    assert bodies_sent(fake) == [*"012"]


async def test_a_reply_settled_by_a_dying_process_does_not_block_the_next(world: World) -> None:
    """The process died between committing the outcome and waking the next reply."""
    fake = await open_sms(world, FAST)
    await talk(world, *"01")
    [ready] = await world.app.write(claiming.begin, (await world.app.write(claiming.claim, 100)).claims, "http://x")
    await world.advance()
    outcome = settling.Outcome(ready.id, ready.turn, ready.attempt, Accepted("SM0", "queued"), thread=ready.thread)
    await world.app.write(settling.settle_outcomes, [outcome])
    await world.advance(seconds=45)
    assert bodies_sent(fake) == ["1"]


async def test_a_report_before_the_create_response_releases_the_next_reply(world: World) -> None:
    fake = await open_sms(world, FAST)
    first, _ = await talk(world, *"01")
    await world.app.write(claiming.begin, (await world.app.write(claiming.claim, 100)).claims, "http://x")
    await world.advance()
    assert bodies_sent(fake) == [], "the first reply is unclear, so the second must wait"
    await world.app.write(settling.apply_report, Report("SM9", "sent"), first.token, 1)
    await world.advance()
    assert bodies_sent(fake) == ["1"]


async def test_a_reply_that_no_number_can_send_fails_and_the_next_leaves(world: World) -> None:
    fake = await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000, mms=False))
    contact = await person(world)
    thread = await world.app.write(new_thread, contact, PHONE)
    picture = await queue(world, contact, "picture", thread=thread, media=("a-file",))
    await queue(world, contact, "words", thread=thread)
    await world.advance()
    assert (await of(world, picture)).state is State.FAILED
    assert bodies_sent(fake) == ["Hello"]


async def test_a_keyword_reply_does_not_wait_for_agents_replies(world: World) -> None:
    """A keyword reply must be sent within five minutes, and an agent's reply may wait that long between two attempts."""
    fake = await open_sms(world, FAST)
    contact = await person(world)
    thread = await world.app.write(new_thread, contact, PHONE)
    fake.answers.append(TOO_MANY)
    await queue(world, contact, "r", thread=thread, body="reply")
    await world.advance()
    await queue(world, contact, "k", thread=thread, kind="keyword", purpose="compliance", body="Stopped.")
    await world.advance(seconds=0.6)
    assert bodies_sent(fake) == ["reply", "Stopped."]


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
        await queue(world, contact, f"c{n}", thread=thread, kind="campaign", body=f"campaign {n}")
    for n in range(2):
        await queue(world, contact, f"r{n}", thread=thread, body=f"reply {n}")
    async with asyncio.timeout(20):
        await world.advance()
    assert bodies_sent(fake)[-1] == "reply 1" and len(fake.texts) == 5


async def test_replies_to_128_people_are_sent_concurrently(world: World) -> None:
    fake = await open_sms(world, FAST)
    together = asyncio.Event()

    async def wait_for_all(text: Text) -> Sent:
        if len(fake.texts) >= pump.CONNECTIONS:
            together.set()
        await together.wait()
        return Accepted(f"SM-{text.recipient}-{text.body}", "queued")

    def queue_for_everybody(tx: Tx) -> None:
        for n in range(pump.CONNECTIONS):
            phone = f"+1202555{n:04d}"
            contact = new_person(tx, phone)
            thread = new_thread(tx, contact, phone)
            for body in ("first", "second"):
                actions.queue(tx, Send(f"{n}:{body}", "reply", "conversation", contact, phone, body, thread))

    fake.answers.extend([wait_for_all] * 2 * pump.CONNECTIONS)
    await world.app.write(queue_for_everybody)
    async with asyncio.timeout(30):
        await world.advance()
    assert {text.body for text in fake.texts[: pump.CONNECTIONS]} == {"first"}
    assert len(fake.texts) == 2 * pump.CONNECTIONS
    assert {row.state for row in await world.rows(outbound)} == {"accepted"}
