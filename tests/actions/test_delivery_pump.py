"""The pump, with a provider in memory: what leaves, what waits, what is never sent twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from server import reactions
from server.channels.base import Accepted, Listed, NotSent, Rejected, Report, Unclear, Verdict
from server.consent import actions as consent
from server.delivery import actions, claiming, jobs, pump, settling
from server.delivery import senders as numbers
from server.delivery.actions import Send
from server.delivery.rules import OutboundSettled, SenderKind, State
from server.delivery.senders import Wanted
from server.delivery.settings import SMS
from server.kernel import metrics
from server.kernel.sql import Tx
from server.schema import credits, outbound, suppressions
from server.schema import senders as senders_table
from tests.sms import PHONE, TOLL_FREE, of, open_sms, person, queue
from tests.world import World


def rejected(code: int, verdict: Verdict, retry_after: float | None = None) -> Rejected:
    return Rejected(code, "words", verdict, retry_after)


async def test_a_reply_leaves_at_once_and_carries_an_address_of_its_own_attempt(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    await world.advance()
    row = await of(world, sent)
    assert row.state is State.ACCEPTED and row.sid == "SM" + "1".rjust(32, "0") and row.sender == TOLL_FREE
    [text] = fake.texts
    assert text.callback == f"http://localhost:8000/webhooks/twilio/status?m={sent.token}.1"
    assert (text.recipient, text.sender, text.body) == (PHONE, TOLL_FREE, "Hello")


async def test_the_gate_is_asked_when_it_leaves_and_not_when_it_was_written(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    await world.app.write(lambda tx: consent.stop(tx, PHONE, [contact]))
    await world.advance()
    row = await of(world, sent)
    assert (row.state, row.reason, fake.texts) == (State.SKIPPED, "opted_out", [])


async def test_an_answer_to_a_keyword_needs_no_consent(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world, subscribed=False)
    await queue(world, contact, "no", kind="reply")
    await queue(world, contact, "yes", kind="keyword", purpose="compliance", body="Help is near.")
    await world.advance()
    assert [text.body for text in fake.texts] == ["Help is near."]


async def test_no_number_sends_faster_than_its_rate_and_urgent_ones_go_first(world: World) -> None:
    fake = await open_sms(world, Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=2))
    contact = await person(world)
    for n in range(6):
        await queue(world, contact, f"c{n}", priority=20, body=f"campaign {n}")
    await queue(world, contact, "r", priority=0, body="reply")
    await world.advance()
    assert [text.body for text in fake.texts] == ["reply", "campaign 0"]
    for second in range(1, 6):
        await world.advance(seconds=1)
        assert len(fake.texts) <= 2 + 2 * second
    assert len(fake.texts) == 7


async def test_a_long_text_pays_for_all_its_parts(world: World) -> None:
    fake = await open_sms(world, Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1))
    contact = await person(world)
    await queue(world, contact, "long", body="x" * 450)  # three parts
    await queue(world, contact, "short")
    await world.advance()
    assert len(fake.texts) == 1
    await world.advance(seconds=2)
    assert len(fake.texts) == 1
    await world.advance(seconds=1.1)
    assert len(fake.texts) == 2


async def test_what_is_unclear_is_never_sent_again_and_a_callback_settles_it(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.append(Unclear("no answer"))
    sent = await queue(world, contact)
    await world.advance()
    assert (await of(world, sent)).state is State.UNKNOWN
    await world.advance(minutes=30)
    assert len(fake.texts) == 1
    await world.app.write(settling.report, Report("SM9", "delivered"), sent.token, 1)
    row = await of(world, sent)
    assert (row.state, row.sid) == (State.DELIVERED, "SM9")


async def test_what_is_unclear_is_looked_up_and_each_finds_its_own(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([Unclear("no answer"), Unclear("no answer")])
    one, two = await queue(world, contact, "1"), await queue(world, contact, "2")
    await world.advance()
    for n in range(2):
        fake.listed.append(Listed(f"SM{n}", "sent", None, "Hello", TOLL_FREE, PHONE, "outbound", world.now))
    await world.advance(seconds=3)
    assert {(await of(world, each)).sid for each in (one, two)} == {"SM0", "SM1"}
    assert [(await of(world, each)).state for each in (one, two)] == [State.SENT, State.SENT]


async def test_what_no_listing_shows_waits_for_a_person(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.append(Unclear("no answer"))
    sent = await queue(world, contact)
    for _ in range(8):
        await world.advance(hours=1)
    assert (await of(world, sent)).state is State.UNKNOWN
    assert not [job for job in await world.rows(jobs_table()) if job.kind == settling.RECONCILE]


def jobs_table() -> Any:
    from server.schema import jobs as table

    return table


async def test_what_surely_did_not_leave_is_tried_again_with_growing_pauses(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([NotSent("no connection"), rejected(20429, Verdict.RETRY, 3.0)])
    sent = await queue(world, contact)
    await world.advance()
    assert (await of(world, sent)).state is State.QUEUED
    await world.advance(seconds=3)
    assert len(fake.texts) == 2
    await world.advance(seconds=3)
    assert len(fake.texts) == 2, "not before the provider's own Retry-After and a pause"
    await world.advance(seconds=5)
    row = await of(world, sent)
    assert (row.state, row.attempts) == (State.ACCEPTED, 3)
    assert [text.callback[-2:] for text in fake.texts] == [".1", ".2", ".3"]


async def test_what_is_never_taken_fails_after_some_tries_with_words(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([rejected(30001, Verdict.RETRY)] * 20)
    sent = await queue(world, contact)
    for _ in range(20):
        await world.advance(minutes=10)
    row = await of(world, sent)
    assert (row.state, row.reason, len(fake.texts)) == (State.FAILED, "30001", 8)


async def test_the_carrier_s_opt_out_takes_consent_away_and_bars_the_number(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.append(rejected(21610, Verdict.SUPPRESS))
    sent = await queue(world, contact)
    await world.advance()
    row = await of(world, sent)
    assert (row.state, row.reason) == (State.FAILED, "21610")
    again = await queue(world, contact, "again")
    await world.advance()
    assert ((await of(world, again)).state, len(fake.texts)) == (State.SKIPPED, 1)


async def test_a_landline_is_remembered_and_not_texted_again(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.append(rejected(21614, Verdict.INVALID))
    await queue(world, contact)
    await world.advance()
    assert [(row.address, row.reason) for row in await world.rows(suppressions)] == [(PHONE, "landline")]


async def test_a_refused_account_stops_everything_once_and_burns_no_campaign(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([rejected(20003, Verdict.STOP_ALL)] * 3)
    sent = [await queue(world, contact, f"c{n}", priority=20) for n in range(3)]
    await world.advance()
    await world.advance(minutes=5)
    assert [(await of(world, one)).state for one in sent] == [State.QUEUED] * 3
    assert len(fake.texts) == 3, "those on their way at that moment, and none after"
    reply = await queue(world, contact, "reply")
    await world.advance()
    row = await of(world, reply)
    assert (row.state, row.reason) == (State.FAILED, "sender_stopped")
    await world.app.write(numbers.start_all)
    await world.advance()
    assert [(await of(world, one)).state for one in sent] == [State.ACCEPTED] * 3


async def test_a_stopped_number_s_work_goes_to_another_of_the_country(world: World) -> None:
    toll_free = Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=10)
    fake = await open_sms(world, toll_free, Wanted("+12025550100", SenderKind.LONG_CODE, "US", rate=10))
    contact = await person(world)
    fake.answers.append(rejected(30032, Verdict.STOP_SENDER))
    first = await queue(world, contact, "1", priority=20)
    await world.advance()
    second = await queue(world, contact, "2", priority=20)
    await world.advance()
    assert (await of(world, first)).state is State.FAILED
    row = await of(world, second)
    assert (row.state, row.sender) == (State.ACCEPTED, "+12025550100")
    [stopped] = [row for row in await world.rows(senders_table) if row.stopped]
    assert stopped.address == TOLL_FREE and stopped.stopped.startswith("30032")


async def test_a_country_that_is_off_at_the_carrier_is_paused_and_the_others_are_not(world: World) -> None:
    british = Wanted("+447700900123", SenderKind.LONG_CODE, "GB", rate=50)
    fake = await open_sms(world, Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=50), british)
    fake.answers.append(rejected(21408, Verdict.STOP_COUNTRY))
    uk = await person(world, "+447400123456")
    us = await person(world)
    await queue(world, uk, "1", recipient="+447400123456")
    await world.advance()
    again = await queue(world, uk, "2", recipient="+447400123456")
    other = await queue(world, us, "3")
    await world.advance()
    row = await of(world, again)
    assert (row.state, row.reason) == (State.SKIPPED, "country_paused")
    assert (await of(world, other)).state is State.ACCEPTED
    assert list((await world.app.read(SMS.load)).paused_countries) == ["GB"]


async def test_nobody_can_be_texted_where_no_number_of_ours_serves(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world, "+447400123456")
    sent = await queue(world, contact, recipient="+447400123456")
    await world.advance()
    row = await of(world, sent)
    assert (row.state, row.reason, fake.texts) == (State.SKIPPED, "no_sender", [])


async def test_two_pumps_never_send_the_same_and_a_sleeper_s_claim_is_worth_nothing(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    asleep = (await world.app.write(claiming.claim, 10)).claims
    assert (await world.app.write(claiming.claim, 10)).claims == []
    world.clock.advance(timedelta(seconds=16))
    awake = (await world.app.write(claiming.claim, 10)).claims
    assert [one.id for one in awake] == [sent.id] and awake[0].turn == asleep[0].turn + 1
    assert await world.app.write(claiming.begin, asleep, "http://x") == []
    assert len(await world.app.write(claiming.begin, awake, "http://x")) == 1
    assert await world.app.write(claiming.begin, awake, "http://x") == [], "and not twice"


async def test_who_was_sending_when_the_process_died_is_unknown_and_not_sent_again(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    claims = (await world.app.write(claiming.claim, 10)).claims
    await world.app.write(claiming.begin, claims, "http://x")
    await world.advance(seconds=45)
    assert ((await of(world, sent)).state, fake.texts) == (State.UNKNOWN, [])


async def test_a_restart_frees_what_was_claimed_and_marks_what_was_on_its_way(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    on_its_way, claimed = await queue(world, contact, "1"), await queue(world, contact, "2")
    first, _ = (await world.app.write(claiming.claim, 10)).claims
    await world.app.write(claiming.begin, [first], "http://x")
    if world.database == "postgres":
        world.clock.advance(timedelta(seconds=45))  # other processes may live: only time tells
    await world.app.write(jobs.start)
    await world.advance(seconds=1)
    await world.advance(seconds=1)
    assert (await of(world, claimed)).state is State.ACCEPTED
    assert len(fake.texts) == 1
    if world.database == "postgres":
        await world.advance(seconds=45)
    assert (await of(world, on_its_way)).state is State.UNKNOWN


async def test_an_answer_that_comes_after_it_was_given_up_still_settles_it(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    claims = (await world.app.write(claiming.claim, 10)).claims
    [ready] = await world.app.write(claiming.begin, claims, "http://x")
    world.clock.advance(timedelta(seconds=45))
    await world.app.write(claiming.lost)
    outcome = settling.Outcome(ready.id, ready.turn, ready.attempt, Accepted("SM7", "queued"))
    await world.app.write(settling.outcomes, [outcome])
    row = await of(world, sent)
    assert (row.state, row.sid) == (State.ACCEPTED, "SM7")


async def test_two_answers_to_one_attempt_are_not_hidden_by_their_batch(world: World) -> None:
    await open_sms(world)
    sent = await queue(world, await person(world))
    claims = (await world.app.write(claiming.claim, 10)).claims
    [ready] = await world.app.write(claiming.begin, claims, "http://x")
    before = metrics.SMS_TWICE._value.get()
    both = [settling.Outcome(ready.id, ready.turn, ready.attempt, Accepted(sid, "queued")) for sid in ("SMa", "SMb")]
    await world.app.write(settling.outcomes, both)
    row = await of(world, sent)
    assert (row.state, row.sid) == (State.ACCEPTED, "SMa")
    assert metrics.SMS_TWICE._value.get() == before + 1
    assert len(await world.rows(credits)) == 1


async def test_an_answer_that_cannot_be_written_holds_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of ours by one sid: a clash, for ever. The others of the batch have their outcome all the same."""
    monkeypatch.setattr(pump, "PAUSES", (0.0, 0.0))
    await open_sms(world)
    contact = await person(world)
    for number in range(4):
        await queue(world, contact, f"reply:{number}", priority=20)
    claims = (await world.app.write(claiming.claim, 10)).claims
    ready = await world.app.write(claiming.begin, claims, "http://x")
    sids = ("SMa", "SMb", "SMa", "SMc")
    await pump.of(world.app)._settle(
        [
            settling.Outcome(one.id, one.turn, one.attempt, Accepted(sid, "queued"))
            for one, sid in zip(ready, sids, strict=True)
        ],
        pump.PAUSES,
    )
    states = [(row.state, row.sid) for row in await world.rows(outbound)]
    assert states == [("accepted", "SMa"), ("accepted", "SMb"), ("sending", None), ("accepted", "SMc")]


async def test_a_reply_overtakes_a_campaign_whose_answers_are_slow(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    started, overtook = asyncio.Event(), asyncio.Event()

    async def slow(text: Any) -> Accepted:
        started.set()
        await overtook.wait()
        return Accepted("SM-slow", "queued")

    def quick(text: Any) -> Accepted:
        overtook.set()
        return Accepted("SM-quick", "queued")

    fake.answers.extend([slow, quick])
    await queue(world, contact, "campaign", priority=20)
    await world.worker.step()
    await started.wait()
    await queue(world, contact, "reply", priority=0)
    async with asyncio.timeout(10):
        await overtook.wait()
    await world.worker.idle()
    assert [row.state for row in await world.rows(outbound)] == ["accepted", "accepted"]


async def test_a_reply_waits_for_few_of_a_long_campaign_s_texts(world: World) -> None:
    """Those on their way, those begun ahead, those in hand: not for all that is due."""
    fake = await open_sms(world, Wanted(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000))
    contact = await person(world)
    full, answered = asyncio.Event(), asyncio.Event()

    async def slow(text: Any) -> Accepted:
        if len(fake.texts) == pump.CONNECTIONS + pump.AHEAD:
            full.set()
        await answered.wait()
        return Accepted(f"SM-{text.body}", "queued")

    def campaign(tx: Tx) -> None:
        for n in range(500):
            actions.queue(tx, Send(f"c{n}", "reply", "conversation", contact, PHONE, f"campaign {n}", priority=20))

    fake.answers.extend([slow] * 501)
    await world.app.write(campaign)
    await world.worker.step()
    async with asyncio.timeout(10):
        await full.wait()
    await queue(world, contact, "reply", priority=0, body="reply")
    assert len(fake.texts) == pump.CONNECTIONS + pump.AHEAD, "no more than these may be unclear after a kill"
    answered.set()
    await world.worker.idle()
    await world.advance()
    place = [text.body for text in fake.texts].index("reply")
    assert place <= pump.CONNECTIONS + pump.AHEAD + pump.CLAIMS
    assert {row.state for row in await world.rows(outbound)} == {"accepted"} and len(fake.texts) == 501


async def test_what_the_carrier_took_is_charged_once_and_answers_to_keywords_are_free(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    await queue(world, contact, "a", body="x" * 161)
    await queue(world, contact, "b", kind="keyword", purpose="compliance")
    await queue(world, contact, "c", kind="auto_reply", purpose="auto_reply")
    await world.advance()
    rows = await world.rows(credits)
    assert [(row.kind, row.country, row.segments, row.total) for row in rows] == [
        ("reply", "US", 2, 2),
        ("auto_reply", "US", 1, 1),
    ]


async def test_switched_off_nothing_leaves_and_switched_on_it_does(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    document = await world.app.read(SMS.load)
    await world.app.write(SMS.save, document.model_copy(update={"on": False}))
    sent = await queue(world, contact)
    await world.advance()
    assert ((await of(world, sent)).state, fake.texts) == (State.QUEUED, [])
    await world.app.write(SMS.save, document)
    await world.app.write(jobs.start)
    await world.advance()
    assert (await of(world, sent)).state is State.ACCEPTED


async def test_whoever_listens_hears_of_every_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    heard: list[OutboundSettled] = []
    # Put back afterwards: the table is the product's own, for every test of this process.
    monkeypatch.setitem(reactions.REACTIONS, OutboundSettled, [lambda tx, event: heard.append(event)])  # type: ignore[arg-type]
    sent = await queue(world, contact, thread=None)
    await world.advance()
    await world.app.write(settling.report, Report(fake_sid(fake), "sent"))
    await world.app.write(settling.report, Report(fake_sid(fake), "undelivered", 30003))
    assert [(event.outbound, event.state, event.reason) for event in heard] == [
        (sent.id, State.ACCEPTED, ""),
        (sent.id, State.SENT, ""),
        (sent.id, State.UNDELIVERED, "30003"),
    ]
    assert "could not be reached" in heard[-1].detail


def fake_sid(fake: Any) -> str:
    return f"SM{len(fake.texts):032d}"


async def test_a_row_changed_by_hand_is_left_alone(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    await world.app.write(lambda tx: tx.run(update(outbound).values(state="cancelled")))
    await world.advance()
    assert ((await of(world, sent)).state, fake.texts) == (State.CANCELLED, [])
