"""Lanes, stopped numbers, bulk queueing and daily credits behave the same with a long queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from server.channels.base import Accepted, Rejected, Sent, Text, Verdict
from server.delivery import actions, claiming, moving, queries, rules, settling
from server.delivery import senders as numbers
from server.delivery.actions import Send
from server.delivery.rules import LANES, Lane, SenderKind, State
from server.delivery.senders import SenderInput
from server.errors import Refused
from server.kernel import metrics, slices
from server.kernel.sql import Tx
from server.operations import metrics_http
from server.schema import credit_days, credits, outbound, senders
from tests.sms import PHONE, TOLL_FREE, of, open_sms, person, queue
from tests.world import World

OTHER = "+12025550100"
FIRST = SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1_000)
SECOND = SenderInput(OTHER, SenderKind.LONG_CODE, "US", rate=1_000)
BRITISH = SenderInput("+447700900123", SenderKind.LONG_CODE, "GB", rate=50)
IN_ORDER = ("reply", "keyword", "opt_in", "flow", "campaign")


def purpose_of(kind: str) -> str:
    return {"keyword": "compliance", "opt_in": "compliance", "campaign": "marketing"}.get(kind, "conversation")


def campaign(contact: int, count: int, start: int = 0) -> list[Send]:
    return [Send(f"c{n}", "campaign", "marketing", contact, PHONE, f"offer {n}") for n in range(start, start + count)]


async def by_sender(world: World, *states: str) -> Counter[Any]:
    rows = await world.rows(outbound)
    return Counter(row.sender for row in rows if not states or row.state in states)


# --- lanes ------------------------------------------------------------------------------------------


async def test_messages_are_sent_in_the_order_of_their_lanes(world: World) -> None:
    fake = await open_sms(world, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1))
    contact = await person(world)
    for kind in reversed(IN_ORDER):
        await queue(world, contact, kind, kind=kind, purpose=purpose_of(kind), body=kind)
    for _ in range(len(IN_ORDER)):
        await world.advance(seconds=1.1)
    assert [text.body for text in fake.texts] == list(IN_ORDER)


async def test_the_lanes_of_all_numbers_are_served_before_the_next_lane(world: World) -> None:
    """A number with a long campaign must not fill a claim while another one has a reply."""
    await open_sms(world, FIRST, BRITISH)
    contact, uk_contact = await person(world), await person(world, "+447400123456")
    await world.app.write(actions.queue_many, campaign(contact, 10))
    reply = await queue(world, uk_contact, "r", recipient="+447400123456")
    [first, *_] = (await world.app.write(claiming.claim, 4)).claims
    assert (first.id, first.lane) == (reply.id, Lane.REPLY)


async def test_a_claim_of_urgent_lanes_takes_no_messages_of_other_lanes(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    await world.app.write(actions.queue_many, campaign(contact, 3))
    assert (await world.app.write(claiming.claim, 10, rules.URGENT)).claims == []
    reply = await queue(world, contact)
    assert [claim.id for claim in (await world.app.write(claiming.claim, 10, rules.URGENT)).claims] == [reply.id]


async def test_a_claim_never_takes_mail(world: World) -> None:
    fake = await open_sms(world)
    sent = await queue(world, await person(world))
    await world.app.write(lambda tx: tx.run(update(outbound).values(channel="email")))
    await world.advance()
    assert (fake.texts, (await of(world, sent)).state) == ([], State.QUEUED)


def test_every_kind_has_a_lane_and_people_are_served_first() -> None:
    assert [lane.label for lane in Lane] == ["reply", "keyword", "service", "flow", "campaign"]
    assert set(LANES.values()) == set(Lane)
    assert [lane for lane in Lane if lane.urgent] == [Lane.REPLY, Lane.KEYWORD, Lane.SERVICE]


# --- numbers that stop and start --------------------------------------------------------------------


async def test_waiting_messages_move_from_a_stopped_number_and_return_when_it_starts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "PAGE", 7)
    await open_sms(world, FIRST, SECOND)
    contact = await person(world)
    later = world.now + timedelta(hours=1)
    await world.app.write(actions.queue_many, [_later(send, later) for send in campaign(contact, 30)])
    assert await by_sender(world) == {TOLL_FREE: 30}

    await _stop(world, TOLL_FREE)
    assert await by_sender(world) == {OTHER: 30}
    new = await queue(world, contact, "new", kind="campaign", due_at=later)
    assert (await of(world, new)).sender == OTHER

    await world.app.write(numbers.start_all)
    await world.advance()
    assert await by_sender(world) == {TOLL_FREE: 30, OTHER: 1}, "a text that was queued for OTHER must stay there"
    assert {row.moved_from for row in await world.rows(outbound)} == {None}


def _later(send: Send, due_at: Any) -> Send:
    from dataclasses import replace

    return replace(send, due_at=due_at)


async def _stop(world: World, address: str, reason: str = "30032: words") -> None:
    def stop(tx: Tx) -> None:
        tx.run(update(senders).where(senders.c.address == address).values(stopped=reason))
        actions.move_messages(tx, [address])

    await world.app.write(stop)
    await world.advance()
    await world.advance(seconds=16)  # the job checks the number once more


async def test_a_message_that_only_a_stopped_number_can_send_waits_with_it(world: World) -> None:
    fake = await open_sms(world, FIRST)
    contact = await person(world)
    before = await queue(world, contact, "before", kind="campaign", due_at=world.now + timedelta(minutes=1))
    await _stop(world, TOLL_FREE)
    after = await queue(world, contact, "after", kind="campaign")
    await world.advance(minutes=2)
    for item in (before, after):
        row = await of(world, item)
        assert (row.state, row.sender) == (State.QUEUED, TOLL_FREE)
    await world.app.write(numbers.start_all)
    await world.advance()
    assert len(fake.texts) == 2


async def test_an_added_number_gets_the_waiting_messages_of_a_stopped_number(world: World) -> None:
    fake = await open_sms(world, FIRST)
    contact = await person(world)
    await _stop(world, TOLL_FREE)
    await queue(world, contact, "waits", kind="campaign")
    await world.app.write(numbers.add, SECOND)
    await world.advance()
    await world.advance()
    assert [text.sender for text in fake.texts] == [OTHER]


async def test_a_removed_number_s_messages_move_or_are_skipped(world: World) -> None:
    fake = await open_sms(world, FIRST, SECOND, BRITISH)
    us_contact, uk_contact = await person(world), await person(world, "+447400123456")
    later = world.now + timedelta(minutes=5)
    moved = await queue(world, us_contact, "us", kind="campaign", due_at=later)
    skipped = await queue(world, uk_contact, "gb", kind="campaign", recipient="+447400123456", due_at=later)
    reply = await queue(world, uk_contact, "reply", recipient="+447400123456", due_at=later)
    for row in await world.app.read(queries.all_senders):
        if row.address != OTHER:
            await world.app.write(numbers.remove, row.id)
    await world.advance()
    assert (await of(world, moved)).sender == OTHER
    for item in (skipped, reply):
        row = await of(world, item)
        assert (row.state, row.reason) == (State.SKIPPED, "no_sender")
    await world.advance(minutes=6)
    assert [text.sender for text in fake.texts] == [OTHER]


async def test_after_a_number_is_refused_only_texts_already_being_sent_are_sent_from_it(world: World) -> None:
    """F33. A text that is claimed but not yet being sent is not sent if its number stops."""
    fake = await open_sms(world, FIRST)
    contact = await person(world)
    await world.app.write(actions.queue_many, campaign(contact, 150))
    fake.answers.extend([Rejected(30032, "not verified", Verdict.STOP_SENDER)] * 150)
    await world.advance()
    await world.advance(minutes=1)
    states = Counter(row.state for row in await world.rows(outbound))
    assert len(fake.texts) == states["failed"] < 150 and states["queued"] == 150 - len(fake.texts)
    assert {row.sender for row in await world.rows(outbound)} == {TOLL_FREE}


async def test_an_urgent_message_fails_immediately_when_its_number_stops(world: World) -> None:
    await open_sms(world, FIRST)
    contact = await person(world)
    reply = await queue(world, contact, due_at=world.now + timedelta(minutes=1))
    await _stop(world, TOLL_FREE)
    row = await of(world, reply)
    assert (row.state, row.reason) == (State.FAILED, "sender_stopped")


async def test_a_move_that_runs_out_of_time_continues_where_it_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "PAGE", 4)
    monkeypatch.setattr(moving, "RUN_S", 0.0)
    await open_sms(world, FIRST, SECOND)
    contact = await person(world)
    later = world.now + timedelta(hours=1)
    # Half of the messages can be moved and half must stay; the job has to pass the messages that stay.
    sends = [_later(send, later) for send in campaign(contact, 20)]
    await world.app.write(actions.queue_many, sends)
    await world.app.write(
        lambda tx: tx.run(
            update(outbound).where(outbound.c.id % 2 == 0).values(recipient="+447400123456", sender=TOLL_FREE)
        )
    )
    await world.app.write(
        lambda tx: tx.run(update(senders).where(senders.c.address == TOLL_FREE).values(countries=["US", "GB"]))
    )
    await _stop(world, TOLL_FREE)
    for _ in range(12):
        await world.advance()
    assert await by_sender(world) == {TOLL_FREE: 10, OTHER: 10}


async def test_all_unassigned_messages_are_settled_even_if_they_exceed_one_claim(world: World) -> None:
    await open_sms(world)
    uk_contact = await person(world, "+447400123456")
    sends = [
        Send(f"u{n}", "reply", "conversation", uk_contact, "+447400123456", "Hello")
        for n in range(3 * claiming.UNASSIGNED_AT_ONCE + 1)
    ]
    await world.app.write(actions.queue_many, sends)
    await world.advance()
    await world.advance()
    assert {(row.state, row.reason) for row in await world.rows(outbound)} == {("skipped", "no_sender")}


# --- bulk -------------------------------------------------------------------------------------------


async def test_many_messages_are_queued_in_slices_once_each_and_one_job_wakes_the_pump(world: World) -> None:
    fake = await open_sms(world, FIRST)
    contact = await person(world)
    sends = campaign(contact, 300)
    queued = await actions.queue_in_slices(world.app, sends)
    assert len({item.id for item in queued}) == 300 and not any(item.repeated for item in queued)
    repeated = await actions.queue_in_slices(world.app, sends + campaign(contact, 5, start=300))
    assert [item.id for item in repeated[:300]] == [item.id for item in queued]
    assert [item.repeated for item in repeated] == [True] * 300 + [False] * 5
    await world.advance()
    assert len(fake.texts) == 305


async def test_a_slice_with_one_bad_message_stores_no_message(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    too_long = Send("bad", "campaign", "marketing", contact, PHONE, "x" * 1_601)
    with pytest.raises(Refused, match="at most 1,600"):
        await world.app.write(actions.queue_many, [*campaign(contact, 3), too_long])
    assert await world.count(outbound) == 0


def test_slices_grow_slowly_and_shrink_immediately() -> None:
    assert slices.next_size(16, 0.0001) == 32, "a slice is at most twice as large as the one before"
    assert slices.next_size(400, 0.012) == 100
    assert slices.next_size(1, 1.0) == 1 and slices.next_size(10_000, 1e-9) == slices.MAX_ROWS
    assert slices.TARGET_S < 0.005


async def test_slices_of_changing_size_keep_all_rows_in_order(world: World) -> None:
    async def write(step: Any, part: Sequence[int]) -> tuple[list[int], float]:
        sizes.append(len(part))
        return list(part), len(part) * 0.0001  # 30 rows fit

    sizes: list[int] = []
    app: Any = type("Bulk", (), {"write_bulk": staticmethod(write)})()
    result = await slices.in_slices(app, lambda tx, part: part, range(500))
    assert [row for part in result for row in part] == list(range(500))
    assert sizes[0] == slices.FIRST and set(sizes[2:-1]) <= {29, 30}


async def test_slices_with_few_statements_stay_large_on_postgresql() -> None:
    """A woken ticket costs no statement of its own, so smaller slices would only repeat the round trips."""

    async def write(step: Any, part: Sequence[int]) -> tuple[int, float]:
        return len(part), 0.1  # a slow connection

    for url, least in (("postgresql://host/db", 64), (None, 1)):
        parts = {"write_bulk": staticmethod(write), "settings": SimpleNamespace(database_url=url)}
        app: Any = type("Bulk", (), parts)()
        sizes = await slices.Slices(app, few_statements=True).write(lambda tx, part: part, range(200))
        assert min(sizes[:-1]) == least


async def test_later_messages_of_one_second_share_a_job_that_runs_after_the_last(world: World) -> None:
    fake = await open_sms(world, FIRST)
    contact = await person(world)
    base = world.now + timedelta(minutes=1)
    for n, later in enumerate((0.8, 0.2)):
        await queue(world, contact, f"k{n}", kind="campaign", due_at=base + timedelta(seconds=later))
    await world.advance(minutes=1)
    await world.advance(seconds=1)
    assert len(fake.texts) == 2


# --- order in a thread, seen by the index -----------------------------------------------------------


async def test_an_expired_claim_is_queued_again_and_its_old_holder_sends_nothing(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    sent = await queue(world, contact)
    [old] = (await world.app.write(claiming.claim, 10)).claims
    world.clock.advance(timedelta(seconds=16))
    await world.app.write(claiming._release_expired)
    assert (await of(world, sent)).state is State.QUEUED
    assert await world.app.write(claiming.begin, [old], "http://x") == []


# --- credits by day ---------------------------------------------------------------------------------


async def test_credits_by_day_equal_the_sum_of_the_messages_charges(world: World) -> None:
    fake = await open_sms(world, FIRST, BRITISH)
    us_contact, uk_contact = await person(world), await person(world, "+447400123456")
    for day in range(3):
        for n in range(4):
            await queue(world, us_contact, f"us{day}-{n}", body="x" * (161 if n else 10))
        await queue(world, uk_contact, f"gb{day}", recipient="+447400123456", kind="campaign")
        fake.answers.append(twice_reported)
        await world.advance(hours=24)
    charged: Counter[Any] = Counter()
    counted: Counter[Any] = Counter()
    for row in await world.rows(credits):
        key = rules.day_start(row.at), row.kind, row.country
        charged[key] += row.total
        counted[key] += 1
    days = await world.rows(credit_days)
    assert {(row.day, row.kind, row.country): row.credits for row in days} == charged and len(charged) >= 6
    assert {(row.day, row.kind, row.country): row.messages for row in days} == counted
    used = await world.app.read(queries.credits_used, rules.month_start(world.now))
    assert sum(item.credits for item in used) == sum(charged.values())


async def twice_reported(text: Text) -> Sent:
    return Accepted("SM-" + text.callback[-12:], "queued")


async def test_a_message_that_is_charged_twice_counts_once(world: World) -> None:
    await open_sms(world)
    sent = await queue(world, await person(world))
    await world.advance()
    row = await of(world, sent)
    await world.app.write(lambda tx: settling._charge(tx, [row, row]))
    [day] = await world.rows(credit_days)
    assert (day.messages, day.credits) == (1, 1)


# --- metrics ----------------------------------------------------------------------------------------


async def test_metrics_have_the_count_and_age_of_waiting_messages_for_each_lane(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    await world.app.write(actions.queue_many, campaign(contact, 3))
    await queue(world, contact)
    world.clock.advance(timedelta(seconds=90))
    await metrics_http.refresh(world.app)

    def value(gauge: Any, lane: str) -> float:
        return float(gauge.labels("sms", lane)._value.get())

    assert [value(metrics.OUTBOUND_WAITING, lane) for lane in ("reply", "campaign")] == [1, 3]
    assert value(metrics.OUTBOUND_LATE_SECONDS, "campaign") == 90
    accepted_before = metrics.OUTBOUND.labels("sms", "campaign", "accepted")._value.get()
    await world.advance()
    assert metrics.OUTBOUND.labels("sms", "campaign", "accepted")._value.get() == accepted_before + 3
    await metrics_http.refresh(world.app)
    assert ("sms", "campaign") not in metrics.OUTBOUND_WAITING._metrics
