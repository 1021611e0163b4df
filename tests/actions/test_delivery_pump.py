"""The pump with a provider in memory: which texts are sent, which wait, and which must never be sent twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from server import reactions
from server.channels.base import Accepted, Listed, NotSent, Rejected, Report, Unclear, Verdict
from server.consent import actions as consent
from server.delivery import actions, claiming, jobs, pump, rules, settings_actions, settling
from server.delivery import senders as numbers
from server.delivery.actions import Send
from server.delivery.rules import OutboundSettled, SenderKind, State
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.kernel import metrics
from server.kernel.sql import Tx
from server.schema import credits, outbound, suppressions
from server.schema import senders as senders_table
from tests.sms import PHONE, TOLL_FREE, of, open_sms, person, queue
from tests.world import World


def rejected(code: int, verdict: Verdict, retry_after: float | None = None) -> Rejected:
    return Rejected(code, "words", verdict, retry_after)


async def test_a_reply_leaves_immediately_with_a_report_address_for_its_attempt(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    await world.advance()
    row = await of(world, sent)
    assert row.state is State.ACCEPTED and row.sid == "SM" + "1".rjust(32, "0") and row.sender == TOLL_FREE
    [text] = fake.texts
    assert text.callback == f"http://localhost:8000/webhooks/twilio/status?m={sent.token}.1"
    assert (text.recipient, text.sender, text.body) == (PHONE, TOLL_FREE, "Hello")


async def test_consent_is_checked_when_a_text_is_sent_not_when_it_is_queued(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    await world.app.write(lambda tx: consent.stop(tx, PHONE, [contact]))
    await world.advance()
    row = await of(world, sent)
    assert (row.state, row.reason, fake.texts) == (State.SKIPPED, "opted_out", [])


async def test_a_keyword_reply_needs_no_consent(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world, subscribed=False)
    await queue(world, contact, "no", kind="reply")
    await queue(world, contact, "yes", kind="keyword", purpose="compliance", body="Help is near.")
    await world.advance()
    assert [text.body for text in fake.texts] == ["Help is near."]


async def test_no_number_exceeds_its_rate_and_urgent_texts_go_first(world: World) -> None:
    fake = await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=2))
    contact = await person(world)
    for n in range(6):
        await queue(world, contact, f"c{n}", kind="campaign", body=f"campaign {n}")
    await queue(world, contact, "r", body="reply")
    await world.advance()
    assert [text.body for text in fake.texts] == ["reply", "campaign 0"]
    for second in range(1, 6):
        await world.advance(seconds=1)
        assert len(fake.texts) <= 2 + 2 * second
    assert len(fake.texts) == 7


async def test_a_long_text_counts_each_of_its_segments(world: World) -> None:
    fake = await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1))
    contact = await person(world)
    await queue(world, contact, "long", body="x" * 450)  # three segments
    await queue(world, contact, "short")
    await world.advance()
    assert len(fake.texts) == 1
    await world.advance(seconds=2)
    assert len(fake.texts) == 1
    await world.advance(seconds=1.1)
    assert len(fake.texts) == 2


async def test_an_unclear_text_is_never_sent_again_and_a_report_settles_it(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.append(Unclear("no answer"))
    sent = await queue(world, contact)
    await world.advance()
    assert (await of(world, sent)).state is State.UNKNOWN
    await world.advance(minutes=30)
    assert len(fake.texts) == 1
    await world.app.write(settling.apply_report, Report("SM9", "delivered"), sent.token, 1)
    row = await of(world, sent)
    assert (row.state, row.sid) == (State.DELIVERED, "SM9")


async def test_unclear_texts_are_looked_up_and_each_matches_its_own_message(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([Unclear("no answer"), Unclear("no answer")])
    first, second = await queue(world, contact, "1"), await queue(world, contact, "2")
    await world.advance()
    for n in range(2):
        fake.listed.append(Listed(f"SM{n}", "sent", None, "Hello", TOLL_FREE, PHONE, "outbound", world.now))
    await world.advance(seconds=3)
    assert {(await of(world, outbound_id)).sid for outbound_id in (first, second)} == {"SM0", "SM1"}
    assert [(await of(world, outbound_id)).state for outbound_id in (first, second)] == [State.SENT, State.SENT]


async def test_an_unclear_text_missing_in_the_listing_waits_for_a_person(world: World) -> None:
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


async def test_a_text_that_was_certainly_not_sent_is_retried_after_growing_pauses(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([NotSent("no connection"), rejected(20429, Verdict.RETRY, 3.0)])
    sent = await queue(world, contact)
    await world.advance()
    assert (await of(world, sent)).state is State.QUEUED
    await world.advance(seconds=3)
    assert len(fake.texts) == 2
    await world.advance(seconds=3)
    assert len(fake.texts) == 2, "the next attempt must wait for the provider's Retry-After and a pause"
    await world.advance(seconds=5)
    row = await of(world, sent)
    assert (row.state, row.attempts) == (State.ACCEPTED, 3)
    assert [text.callback[-2:] for text in fake.texts] == [".1", ".2", ".3"]


async def test_a_text_that_is_always_refused_fails_with_a_reason(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([rejected(30001, Verdict.RETRY)] * 20)
    sent = await queue(world, contact)
    for _ in range(20):
        await world.advance(minutes=10)
    row = await of(world, sent)
    assert (row.state, row.reason, len(fake.texts)) == (State.FAILED, "30001", 8)


async def test_the_carriers_opt_out_revokes_consent_and_suppresses_the_number(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.append(rejected(21610, Verdict.SUPPRESS))
    sent = await queue(world, contact)
    await world.advance()
    row = await of(world, sent)
    assert (row.state, row.reason) == (State.FAILED, "21610")
    later_text = await queue(world, contact, "again")
    await world.advance()
    assert ((await of(world, later_text)).state, len(fake.texts)) == (State.SKIPPED, 1)


async def test_a_landline_is_recorded_and_not_texted_again(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.append(rejected(21614, Verdict.INVALID))
    await queue(world, contact)
    await world.advance()
    assert [(row.address, row.reason) for row in await world.rows(suppressions)] == [(PHONE, "landline")]


async def test_a_refused_account_stops_all_numbers_once_and_fails_no_waiting_text(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    fake.answers.extend([rejected(20003, Verdict.STOP_ALL)] * 3)
    sent = [await queue(world, contact, f"c{n}", kind="campaign") for n in range(3)]
    await world.advance()
    await world.advance(minutes=5)
    assert [(await of(world, item)).state for item in sent] == [State.QUEUED] * 3
    assert len(fake.texts) == 3, "only the texts that were already being sent may be sent"
    reply = await queue(world, contact, "reply")
    await world.advance()
    row = await of(world, reply)
    assert (row.state, row.reason) == (State.FAILED, "sender_stopped")
    await world.app.write(numbers.start_all)
    await world.advance()
    assert [(await of(world, item)).state for item in sent] == [State.ACCEPTED] * 3


@pytest.mark.parametrize(
    ("code", "verdict"), [(20003, Verdict.STOP_ALL), (21606, Verdict.STOP_SENDER), (21408, Verdict.STOP_COUNTRY)]
)
async def test_a_late_refusal_of_old_credentials_does_not_stop_numbers_with_new_ones(
    world: World, code: int, verdict: Verdict
) -> None:
    fake = await open_sms(world)
    contact, olga = await person(world), await world.agent("olga")

    async def refuses_late(text: Any) -> Rejected:
        secrets = {"auth_token": "the new token"}
        version = (await world.app.read(settings_actions.load)).version
        change = (olga.agent, {}, secrets, None, version, lambda document: {}, "203.0.113.7")
        await world.app.write(settings_actions.change_settings, *change)
        return rejected(code, verdict)

    fake.answers.append(refuses_late)
    reply = await queue(world, contact)
    await world.advance()
    assert [row.stopped for row in await world.rows(senders_table)] == [None]
    assert not (await SMS.latest(world.app)).paused_countries
    assert (await of(world, reply)).state is State.QUEUED, "the text must be tried again with the new credentials"
    await world.advance(minutes=1)
    assert (await of(world, reply)).state is State.ACCEPTED and len(fake.texts) == 2

    fake.answers.append(rejected(code, verdict))
    refused = await queue(world, contact, "reply:2")
    await world.advance()
    assert (await of(world, refused)).state is State.FAILED, "a refusal of the new credentials must count"


async def test_texts_of_a_stopped_number_move_to_another_number_of_the_country(world: World) -> None:
    toll_free = SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=10)
    fake = await open_sms(world, toll_free, SenderInput("+12025550100", SenderKind.LONG_CODE, "US", rate=10))
    contact = await person(world)
    fake.answers.append(rejected(30032, Verdict.STOP_SENDER))
    first = await queue(world, contact, "1", kind="campaign")
    await world.advance()
    second = await queue(world, contact, "2", kind="campaign")
    await world.advance()
    assert (await of(world, first)).state is State.FAILED
    row = await of(world, second)
    assert (row.state, row.sender) == (State.ACCEPTED, "+12025550100")
    [stopped] = [row for row in await world.rows(senders_table) if row.stopped]
    assert stopped.address == TOLL_FREE and stopped.stopped.startswith("30032")


async def test_a_country_disabled_at_the_carrier_is_paused_and_others_are_not(world: World) -> None:
    british = SenderInput("+447700900123", SenderKind.LONG_CODE, "GB", rate=50)
    fake = await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=50), british)
    fake.answers.append(rejected(21408, Verdict.STOP_COUNTRY))
    uk_contact = await person(world, "+447400123456")
    us_contact = await person(world)
    await queue(world, uk_contact, "1", recipient="+447400123456")
    await world.advance()
    later_text = await queue(world, uk_contact, "2", recipient="+447400123456")
    other_row = await queue(world, us_contact, "3")
    await world.advance()
    row = await of(world, later_text)
    assert (row.state, row.reason) == (State.SKIPPED, "country_paused")
    assert (await of(world, other_row)).state is State.ACCEPTED
    assert list((await world.app.read(SMS.load)).paused_countries) == ["GB"]


async def test_a_text_to_a_country_without_a_number_of_ours_is_refused(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world, "+447400123456")
    sent = await queue(world, contact, recipient="+447400123456")
    await world.advance()
    row = await of(world, sent)
    assert (row.state, row.reason, fake.texts) == (State.SKIPPED, "no_sender", [])


async def test_two_pumps_never_send_the_same_message_and_an_expired_claim_sends_nothing(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    paused_claims = (await world.app.write(claiming.claim, 10)).claims
    assert (await world.app.write(claiming.claim, 10)).claims == []
    world.clock.advance(timedelta(seconds=16))
    second_claims = (await world.app.write(claiming.claim, 10)).claims
    assert [item.id for item in second_claims] == [sent.id] and second_claims[0].turn == paused_claims[0].turn + 1
    assert await world.app.write(claiming.begin, paused_claims, "http://x") == []
    assert len(await world.app.write(claiming.begin, second_claims, "http://x")) == 1
    assert await world.app.write(claiming.begin, second_claims, "http://x") == [], "a text must not be dispatched twice"


@pytest.mark.parametrize(("slept", "leaves"), [(rules.STALE_S - 0.1, True), (rules.STALE_S + 0.1, False)])
async def test_a_process_that_paused_after_recording_the_dispatch_does_not_send(
    world: World, monkeypatch: pytest.MonkeyPatch, slept: float, leaves: bool
) -> None:
    """F38. Another process may have marked the row as unclear meanwhile; a text sent after that could be the second
    one."""
    fake = await open_sms(world)
    contact = await person(world)
    begin = claiming.begin

    def begins(tx: Tx, *args: Any) -> Any:
        result = begin(tx, *args)
        world.clock.advance(timedelta(seconds=slept))
        return result

    sent = await queue(world, contact)
    with monkeypatch.context() as patch:
        patch.setattr(claiming, "begin", begins)
        await world.advance()
    row = await of(world, sent)
    assert (len(fake.texts), row.state) == ((1, State.ACCEPTED) if leaves else (0, State.QUEUED))
    await world.advance(minutes=1)
    assert len(fake.texts) == 1 and (await of(world, sent)).state is State.ACCEPTED


def test_a_sending_process_is_not_considered_dead_while_it_may_still_send() -> None:
    assert rules.STALE_S < rules.LOST_AFTER.total_seconds()


async def test_a_message_whose_process_died_while_sending_is_unknown_and_not_resent(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    claims = (await world.app.write(claiming.claim, 10)).claims
    await world.app.write(claiming.begin, claims, "http://x")
    await world.advance(seconds=45)
    assert ((await of(world, sent)).state, fake.texts) == (State.UNKNOWN, [])


async def test_a_restart_frees_claimed_texts_and_marks_sending_texts_unknown(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sending, claimed = await queue(world, contact, "1"), await queue(world, contact, "2")
    first, _ = (await world.app.write(claiming.claim, 10)).claims
    await world.app.write(claiming.begin, [first], "http://x")
    if world.database == "postgres":
        world.clock.advance(timedelta(seconds=45))  # other processes might be alive, so only time frees their rows
    await world.app.write(jobs.start)
    await world.advance(seconds=1)
    await world.advance(seconds=1)
    assert (await of(world, claimed)).state is State.ACCEPTED
    assert len(fake.texts) == 1
    if world.database == "postgres":
        await world.advance(seconds=45)
    assert (await of(world, sending)).state is State.UNKNOWN


async def test_a_response_after_the_lease_expired_still_settles_the_text(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    claims = (await world.app.write(claiming.claim, 10)).claims
    [ready] = await world.app.write(claiming.begin, claims, "http://x")
    world.clock.advance(timedelta(seconds=45))
    await world.app.write(claiming.mark_lost)
    outcome = settling.Outcome(ready.id, ready.turn, ready.attempt, Accepted("SM7", "queued"))
    await world.app.write(settling.settle_outcomes, [outcome])
    row = await of(world, sent)
    assert (row.state, row.sid) == (State.ACCEPTED, "SM7")


async def test_two_outcomes_of_one_attempt_in_a_batch_are_both_noticed(world: World) -> None:
    await open_sms(world)
    sent = await queue(world, await person(world))
    claims = (await world.app.write(claiming.claim, 10)).claims
    [ready] = await world.app.write(claiming.begin, claims, "http://x")
    duplicates_before = metrics.SMS_TWICE._value.get()
    outcomes = [
        settling.Outcome(ready.id, ready.turn, ready.attempt, Accepted(sid, "queued")) for sid in ("SMa", "SMb")
    ]
    await world.app.write(settling.settle_outcomes, outcomes)
    row = await of(world, sent)
    assert (row.state, row.sid) == (State.ACCEPTED, "SMa")
    assert metrics.SMS_TWICE._value.get() == duplicates_before + 1
    assert len(await world.rows(credits)) == 1


async def test_an_outcome_that_cannot_be_stored_does_not_block_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider returns one sid for two texts: the second outcome cannot be stored, but the other outcomes of the
    batch are stored."""
    monkeypatch.setattr(pump, "RETRY_PAUSES_S", (0.0, 0.0))
    await open_sms(world)
    contact = await person(world)
    for number in range(4):
        await queue(world, contact, f"reply:{number}", kind="campaign")
    claims = (await world.app.write(claiming.claim, 10)).claims
    ready = await world.app.write(claiming.begin, claims, "http://x")
    sids = ("SMa", "SMb", "SMa", "SMc")
    await pump.of(world.app)._settle(
        [
            settling.Outcome(item.id, item.turn, item.attempt, Accepted(sid, "queued"))
            for item, sid in zip(ready, sids, strict=True)
        ],
        pump.RETRY_PAUSES_S,
    )
    states = [(row.state, row.sid) for row in await world.rows(outbound)]
    assert states == [("accepted", "SMa"), ("accepted", "SMb"), ("sending", None), ("accepted", "SMc")]


async def test_a_reply_overtakes_a_campaign_with_slow_responses(world: World) -> None:
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
    await queue(world, contact, "campaign", kind="campaign")
    await world.worker.claim_batch()
    await started.wait()
    await queue(world, contact, "reply")
    async with asyncio.timeout(10):
        await overtook.wait()
    await world.worker.idle()
    assert [row.state for row in await world.rows(outbound)] == ["accepted", "accepted"]


async def test_a_reply_waits_for_few_texts_of_a_long_campaign(world: World) -> None:
    """A reply waits only for texts that are being sent, begun or claimed, not for all that are due."""
    fake = await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000))
    contact = await person(world)
    full, answered = asyncio.Event(), asyncio.Event()

    async def slow(text: Any) -> Accepted:
        if len(fake.texts) == pump.CONNECTIONS + pump.BEGUN_AHEAD:
            full.set()
        await answered.wait()
        return Accepted(f"SM-{text.body}", "queued")

    def campaign(tx: Tx) -> None:
        for n in range(500):
            actions.queue(tx, Send(f"c{n}", "campaign", "conversation", contact, PHONE, f"campaign {n}"))

    fake.answers.extend([slow] * 501)
    await world.app.write(campaign)
    await world.worker.claim_batch()
    async with asyncio.timeout(10):
        await full.wait()
    await queue(world, contact, "reply", body="reply")
    assert len(fake.texts) == pump.CONNECTIONS + pump.BEGUN_AHEAD, "after a kill at most these texts may be unclear"
    answered.set()
    await world.worker.idle()
    await world.advance()
    position = [text.body for text in fake.texts].index("reply")
    assert position <= pump.CONNECTIONS + pump.BEGUN_AHEAD + pump.MAX_CLAIMS
    assert {row.state for row in await world.rows(outbound)} == {"accepted"} and len(fake.texts) == 501


async def test_a_reply_is_claimed_and_begun_without_campaign_texts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions with many campaign texts take long, so a reply shares neither its claim nor its begin with them."""
    fake = await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000))
    contact = await person(world)
    full, answered = asyncio.Event(), asyncio.Event()

    async def slow(text: Any) -> Accepted:
        if len(fake.texts) == pump.CONNECTIONS + pump.BEGUN_AHEAD:
            full.set()
        await answered.wait()
        return Accepted(f"SM-{text.body}", "queued")

    sends = [Send(f"c{n}", "campaign", "conversation", contact, PHONE, f"campaign {n}") for n in range(500)]
    fake.answers.extend([slow] * 501)
    await world.app.write(actions.queue_many, sends)
    await world.worker.claim_batch()
    async with asyncio.timeout(10):
        await full.wait()
    running, steps = world.app.part(pump.Pump), list[Any]()
    claim, begin = running.claim, running.begin

    async def watched_claim(room: int, lanes: Any) -> Any:
        steps.append(tuple(lanes))
        return await claim(room, lanes)

    async def watched_begin(claims: Any) -> Any:
        steps.append([one.id for one in claims])
        return await begin(claims)

    monkeypatch.setattr(running, "claim", watched_claim)
    monkeypatch.setattr(running, "begin", watched_begin)
    reply = await queue(world, contact, "reply", body="reply")
    answered.set()
    await world.worker.idle()
    await world.advance()
    assert steps[:2] == [rules.URGENT, [reply.id]]
    sizes = [len(step) for step in steps[2:] if isinstance(step, list)]
    assert max(sizes) > 1, "campaign texts are still begun together"
    assert len(fake.texts) == 501


async def test_an_accepted_text_costs_credits_once_and_keyword_replies_are_free(world: World) -> None:
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


async def test_texts_wait_while_sms_is_off_and_leave_when_it_is_on(world: World) -> None:
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


async def test_listeners_get_an_event_for_every_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    events: list[OutboundSettled] = []
    # Restored afterwards: all tests of this process share the table of listeners.
    monkeypatch.setitem(reactions.REACTIONS, OutboundSettled, [lambda tx, event: events.append(event)])  # type: ignore[arg-type]
    sent = await queue(world, contact, thread=None)
    await world.advance()
    await world.app.write(settling.apply_report, Report(fake_sid(fake), "sent"))
    await world.app.write(settling.apply_report, Report(fake_sid(fake), "undelivered", 30003))
    assert [(event.outbound, event.state, event.reason) for event in events] == [
        (sent.id, State.ACCEPTED, ""),
        (sent.id, State.SENT, ""),
        (sent.id, State.UNDELIVERED, "30003"),
    ]
    assert "could not be reached" in events[-1].detail


def fake_sid(fake: Any) -> str:
    return f"SM{len(fake.texts):032d}"


async def test_a_row_changed_by_hand_is_left_alone(world: World) -> None:
    fake = await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    await world.app.write(lambda tx: tx.run(update(outbound).values(state="cancelled")))
    await world.advance()
    assert ((await of(world, sent)).state, fake.texts) == (State.CANCELLED, [])
