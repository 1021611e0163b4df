"""Numbers that were given up: consent to texts ends, once, and comes back by a newer word only (CON-8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from server.channels.base import BadList, GivenUp, NoList
from server.consent import actions, losses, queries, rules
from server.consent.actions import Change
from server.consent.rules import Method, Purpose, SendPurpose, Status
from server.delivery import deactivations, jobs
from server.delivery.deactivations import LISTS
from server.delivery.rules import State
from server.delivery.settings import SMS
from server.errors import ChannelError
from server.kernel.sql import Tx
from server.operations.sms import given_up as finding
from server.schema import consent_ledger, contacts, suppressions, tickets, timeline
from server.schema import jobs as jobs_table
from tests.sms import PHONE, FakeChannel, of, open_sms, person, queue
from tests.world import World

MARKETING, TRANSACTIONAL = Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL
DIGITS = int(PHONE[1:])


async def told(world: World, *days_ago: int) -> None:
    for ago in days_ago:
        await world.app.write(losses.given_up, PHONE, (world.now - timedelta(days=ago)).date())


async def says_yes(world: World, contact: int, method: Method = Method.FORM, **values: Any) -> bool:
    change = Change(contact, MARKETING, Status.SUBSCRIBED, method, "test", **values)
    return bool((await world.app.write(actions.record, change)).applied)


async def blocked(world: World, contact: int, purpose: SendPurpose = SendPurpose.CONVERSATION) -> str | None:
    found = await world.app.read(queries.facts, contact, PHONE)
    said = rules.may_send(purpose, "sms", found, world.now)
    return said.reason if isinstance(said, rules.Blocked) else None


async def alarm(world: World) -> datetime:
    (job,) = [one for one in await world.rows(jobs_table) if one.kind == deactivations.JOB]
    assert isinstance(job.run_at, datetime)
    return job.run_at


async def test_con_8_whoever_has_the_number_loses_both_consents_and_the_number_is_sent_to_no_more(world: World) -> None:
    await open_sms(world)
    one, two = await person(world), await person(world, "+12025550999")
    await world.app.write(lambda tx: tx.run(_move(two)))
    await world.advance(hours=48)
    waiting = await queue(world, one, due_at=world.now + timedelta(hours=2))
    await told(world, 1)
    for contact in (one, two):
        found = await world.app.read(queries.contact_consents, contact)
        assert found is not None and found.barred == "deactivated"
        assert {c.status for c in found.consents if c.channel == "sms"} == {Status.UNSUBSCRIBED}
        assert {(c.method, c.source) for c in found.consents if c.channel == "sms"} == {
            ("deactivation", "deactivation:2026-11-22")
        }
    (row,) = await world.rows(suppressions)
    assert (row.address, row.reason, row.at) == (PHONE, "deactivated", datetime(2026, 11, 23, tzinfo=UTC))
    for purpose in SendPurpose:
        assert await blocked(world, one, purpose) == (None if purpose is SendPurpose.COMPLIANCE else "deactivated")
    await world.advance(hours=3)
    stopped = await of(world, waiting)
    assert (stopped.state, stopped.reason) == (State.SKIPPED, "deactivated")


def _move(contact: int) -> Any:
    return update(contacts).where(contacts.c.id == contact).values(phone=PHONE)


async def test_the_thread_says_so_once_and_its_composer_is_barred(world: World) -> None:
    fake = await open_sms(world)
    maria = await world.texter()
    await maria.says("Where is my parcel?")
    (ticket,) = await world.rows(tickets)
    for purpose in (MARKETING, TRANSACTIONAL):
        await world.app.write(
            actions.record, Change(ticket.contact_id, purpose, Status.SUBSCRIBED, Method.FORM, address=maria.number)
        )
    day = (world.now - timedelta(days=2)).date()
    fake.given[day] = GivenUp([int(maria.number[1:])])
    # The consents above are of today, and newer than the list: whoever said yes today has the number today.
    await world.app.write(jobs.start)
    await world.advance()
    (ticket,) = await world.rows(tickets)
    assert ticket.barred is None and await world.count(suppressions) == 0
    fake.given[(world.now - timedelta(days=0)).date()] = GivenUp([int(maria.number[1:])])
    await world.advance(hours=25)
    (ticket,) = await world.rows(tickets)
    assert ticket.barred == "deactivated"
    lines = [row.data for row in await world.rows(timeline, timeline.c.kind == "consent")]
    assert [(one["purpose"], one["status"], one["method"]) for one in lines[-2:]] == [
        (MARKETING, "unsubscribed", "deactivation"), (TRANSACTIONAL, "unsubscribed", "deactivation"),
    ]  # fmt: skip
    await world.advance(hours=25)
    assert len(await world.rows(timeline, timeline.c.kind == "consent")) == len(lines), "told again, said once"


async def test_repeating_a_day_changes_nothing_whatever_was_said_since(world: World) -> None:
    contact = await person(world)
    await told(world, 1)
    rows = await world.count(consent_ledger)
    await told(world, 1, 1)
    assert await world.count(consent_ledger) == rows
    await world.app.write(actions.start, PHONE, [contact])
    assert await blocked(world, contact) is None
    await told(world, 1)
    assert await blocked(world, contact) is None and await world.count(suppressions) == 0


async def test_start_from_the_phone_that_has_the_number_brings_back_what_was_there(world: World) -> None:
    contact = await person(world, subscribed=False)
    await world.app.write(actions.record, Change(contact, TRANSACTIONAL, Status.SUBSCRIBED, Method.FORM, address=PHONE))
    await world.advance(hours=48)
    await told(world, 1)
    started = await world.app.write(actions.start, PHONE, [contact])
    assert started.lifted and started.restored
    found = await world.app.read(queries.facts, contact, PHONE)
    assert found.statuses == {MARKETING: Status.NEVER_SUBSCRIBED, TRANSACTIONAL: Status.SUBSCRIBED}


async def test_a_newer_yes_stands_and_an_older_one_does_not(world: World) -> None:
    contact = await person(world, subscribed=False)
    await world.advance(hours=24 * 6)
    await told(world, 3)
    assert not await says_yes(world, contact, happened_at=world.now - timedelta(days=4))
    assert await blocked(world, contact) == "deactivated"
    assert await says_yes(world, contact, happened_at=world.now - timedelta(days=1))
    assert await blocked(world, contact) is None and await world.count(suppressions) == 0
    # A list that names an earlier day than this yes is evidence, and no more.
    await told(world, 2)
    assert await blocked(world, contact) is None and await world.count(suppressions) == 0
    # One of a later day ends it again.
    await told(world, 0)
    assert await blocked(world, contact) == "deactivated"


async def test_a_file_does_not_free_the_number_and_neither_does_an_older_yes_of_somebody_new(world: World) -> None:
    contact = await person(world)
    await world.advance(hours=48)
    await told(world, 1)
    assert await says_yes(world, contact, Method.IMPORT)
    assert await blocked(world, contact) == "deactivated"
    other = await person(world, "+12025550999", subscribed=False)
    await world.app.write(lambda tx: tx.run(_move(other)))
    assert await says_yes(world, other, happened_at=world.now - timedelta(days=5))
    assert await blocked(world, other) == "deactivated"


async def test_their_own_stop_stays_on_top(world: World) -> None:
    contact = await person(world)
    await world.app.write(actions.stop, PHONE, [contact])
    await world.advance(hours=48)
    await told(world, 1)
    (row,) = await world.rows(suppressions)
    assert row.reason == "stop"
    assert not await says_yes(world, contact), "only their own text takes it back"
    assert (await world.app.write(actions.start, PHONE, [contact])).restored


async def test_a_question_the_old_holder_was_asked_is_not_answered_by_the_new_one(world: World) -> None:
    contact = await person(world, subscribed=False)
    await world.app.write(lambda tx: actions.ask_opt_in(tx, contact, wording="Reply YES", source="form"))
    await world.advance(hours=48)
    await told(world, 1)
    assert (
        await world.app.write(lambda tx: actions.confirm_opt_in(tx, contact, PHONE, source="sms:SM2", said="YES"))
        is None
    )


# --- the job ------------------------------------------------------------------------------------


async def opened(world: World) -> FakeChannel:
    fake = await open_sms(world)
    await world.app.write(jobs.start)
    await world.advance()
    return fake


async def test_lists_are_read_daily_and_days_that_were_missed_later(world: World) -> None:
    fake = await opened(world)
    today = world.now.date()
    assert fake.asked_for == [today - timedelta(days=n) for n in range(7, -1, -1)]
    assert await alarm(world) == world.now + timedelta(days=1)
    # None of those days had a list: they are asked for again. Those that had one are not.
    fake.given = {today - timedelta(days=n): GivenUp([]) for n in range(-30, 5)}
    fake.asked_for.clear()
    await world.advance(hours=24)
    today = world.now.date()
    assert len(fake.asked_for) == 8 and (await world.app.read(LISTS.load)).days == [today - timedelta(days=n) for n in range(5, 0, -1)]  # fmt: skip
    fake.asked_for.clear()
    await world.advance(hours=24 * 3)
    assert fake.asked_for[-3:] == [world.now.date() - timedelta(days=n) for n in (2, 1, 0)]


async def test_only_numbers_of_people_we_know_are_written_about(world: World) -> None:
    contact = await person(world)
    await world.advance(hours=48)
    fake = await open_sms(world)
    fake.given[world.now.date() - timedelta(days=1)] = GivenUp([*range(13125550000, 13125552000), DIGITS], 3)
    await world.app.write(jobs.start)
    await world.advance()
    assert [row.address for row in await world.rows(suppressions)] == [PHONE]
    assert await blocked(world, contact) == "deactivated"


async def test_an_account_that_may_not_ask_is_asked_once_a_day_and_a_start_hurries_nothing(world: World) -> None:
    fake = await open_sms(world)

    async def refused(day: object) -> NoList:
        fake.asked_for.append(day)  # type: ignore[arg-type]
        raise ChannelError("Twilio does not allow this. (403)", permanent=True)

    fake.given_up = refused  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    for _ in range(20):
        await world.app.write(jobs.start)
        await world.advance(hours=1)
    assert len(fake.asked_for) == 1
    await world.advance(hours=4)
    assert len(fake.asked_for) == 2
    found = finding(await world.app.read(LISTS.load), world.now)
    assert found.state == "warn" and "does not allow" in found.message and "permission" in found.advice


async def test_after_a_network_that_failed_it_is_an_hour(world: World) -> None:
    fake = await open_sms(world)
    fake.given[world.now.date()] = GivenUp([])

    async def away(day: object) -> NoList:
        raise ChannelError("Twilio could not be reached.")

    fake.given_up = away  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    assert await alarm(world) == world.now + timedelta(hours=1)
    del fake.given_up
    await world.advance(hours=1)
    assert (await world.app.read(LISTS.load)).problem == "" and len(fake.asked_for) == 8


async def test_a_list_that_is_none_is_said_and_the_other_days_are_read(world: World) -> None:
    contact = await person(world)
    await world.advance(hours=24 * 8)
    fake = await open_sms(world)
    today = world.now.date()
    fake.given = {
        today - timedelta(days=3): BadList("What came is none."),
        today - timedelta(days=2): GivenUp([DIGITS]),
    }
    await world.app.write(jobs.start)
    await world.advance()
    lists = await world.app.read(LISTS.load)
    assert lists.days == [today - timedelta(days=2)] and lists.problem == "What came is none."
    assert await blocked(world, contact) == "deactivated"


async def test_the_doctor_warns_when_the_last_list_is_older_than_three_days(world: World) -> None:
    fake = await opened(world)
    assert finding(await world.app.read(LISTS.load), world.now).state == "ok"
    await world.advance(hours=73)
    assert "no list" in finding(await world.app.read(LISTS.load), world.now).message
    fake.given[world.now.date()] = GivenUp([])
    await world.advance(hours=23.9)
    fake.given[world.now.date()] = GivenUp([])
    await world.advance(hours=24)
    assert finding(await world.app.read(LISTS.load), world.now).state == "ok"
    later = finding(await world.app.read(LISTS.load), world.now + timedelta(days=4))
    assert later.state == "warn" and "was read on" in later.message


async def test_a_list_that_takes_longer_than_a_run_goes_on_where_it_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deactivations, "SLICE_S", 0.0)  # one number a run
    monkeypatch.setattr(deactivations, "SLICE", 2)
    for number in (143, 100, 999, 555):
        await person(world, f"+1202555{number:04}")
    numbers = [*range(12025550000, 12025550010), 12025550999, 12025550143, 13125550000, 12025550555, 12025550100]
    await world.advance(hours=48)
    fake = await open_sms(world)
    yesterday = world.now.date() - timedelta(days=1)
    told: list[str] = []
    given_up = losses.given_up

    def once(tx: Tx, phone: str, day: date) -> bool:
        told.append(phone)
        return given_up(tx, phone, day)

    async def shuffled(day: date) -> GivenUp | NoList:
        fake.asked_for.append(day)
        numbers.reverse()  # nobody promises that a list comes in the same order again
        return GivenUp(numbers) if day == yesterday else NoList()

    monkeypatch.setattr(losses, "given_up", once)
    fake.given_up = shuffled  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    assert told == [f"+1202555{number:04}" for number in (100, 143, 555, 999)]
    assert await world.count(suppressions) == 4
    assert fake.asked_for.count(yesterday) == 4 and len(fake.asked_for) == 8 + 3
    assert (await world.app.read(LISTS.load)).days == [yesterday]
    assert await alarm(world) == world.now + timedelta(days=1)


async def test_a_list_that_was_begun_before_midnight_is_read_again_though_it_ended_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deactivations, "SLICE_S", 0.0)
    for number in (100, 143):
        await person(world, f"+1202555{number:04}")
    await world.advance(hours=24 * 8)
    fake = await open_sms(world)
    today = world.now.date()

    async def over_midnight(day: date) -> GivenUp | NoList:
        if day != today:
            return NoList()
        fake.asked_for.append(day)
        if len(fake.asked_for) == 1:
            world.clock.advance(timedelta(hours=24))
        return GivenUp([12025550143, 12025550100])

    fake.given_up = over_midnight  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    assert len(fake.asked_for) == 2 and await world.count(suppressions) == 2
    assert today not in (await world.app.read(LISTS.load)).days


@pytest.mark.parametrize("refused", [True, False])
async def test_who_asks_while_a_round_is_ending_has_one_at_once(world: World, refused: bool) -> None:
    fake = await open_sms(world)

    async def changed_meanwhile(day: date) -> NoList:
        fake.asked_for.append(day)
        if refused or day == world.now.date():
            del fake.given_up  # the account was changed: from here on the new one is asked
            await world.app.write(deactivations.ask_now)
        if refused:
            raise ChannelError("Twilio does not allow this. (403)", permanent=True)
        return NoList()

    fake.given_up = changed_meanwhile  # type: ignore[method-assign, assignment]
    fake.given[world.now.date()] = GivenUp([])
    await world.app.write(jobs.start)
    await world.worker.step()
    await world.worker.idle()
    while "given_up" in vars(fake):
        await world.worker.step()
        await world.worker.idle()
    asked = len(fake.asked_for)
    assert asked == (1 if refused else 8) and await alarm(world) == world.now
    # Neither does a start before that run put it off.
    await world.app.write(jobs.start)
    assert await alarm(world) == world.now
    await world.advance()
    assert len(fake.asked_for) == asked + 8 and (await world.app.read(LISTS.load)).problem == ""
    assert await alarm(world) == world.now + timedelta(days=1)


async def test_a_look_for_lost_texts_that_is_asked_for_during_another_is_had_at_once(world: World) -> None:
    fake = await open_sms(world)
    hours: list[float] = []

    async def listed(**asked: Any) -> list[Any]:
        hours.append((world.now - asked["since"]) / timedelta(hours=1))
        if len(hours) == 2:
            await world.app.write(jobs.look_now)
        return []

    fake.list_messages = listed  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.look_now)
    await world.advance()
    assert hours == [jobs.LONGEST_H]
    await world.advance(hours=1)
    assert hours == [jobs.LONGEST_H, jobs.USUAL_H, jobs.LONGEST_H]


@pytest.mark.parametrize("on", [True, False])
async def test_while_sms_is_off_nobody_is_asked(world: World, on: bool) -> None:
    fake = await open_sms(world)
    await world.app.write(lambda tx: SMS.save(tx, SMS.load(tx).model_copy(update={"on": on})))
    await world.app.write(deactivations.ask_now)
    await world.app.write(jobs.start)
    await world.advance()
    assert bool(fake.asked_for) is on
