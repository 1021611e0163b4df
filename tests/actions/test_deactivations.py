"""Deactivated numbers: consent to texts is revoked once, and only a newer opt-in restores it (CON-8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from server.channels.base import BadList, DeactivatedNumbers, NoList
from server.consent import actions, opting_in, queries, revocation, rules
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, SendPurpose, Status
from server.delivery import deactivations, jobs
from server.delivery.deactivations import DEACTIVATIONS
from server.delivery.rules import State
from server.delivery.settings import SMS
from server.errors import ChannelError
from server.kernel.sql import Tx
from server.operations.sms import deactivation_lists
from server.schema import addresses, consent_ledger, suppressions, tickets, timeline
from server.schema import jobs as jobs_table
from server.sms import catch_up
from tests.sms import PHONE, FakeChannel, of, open_sms, person, queue
from tests.world import World

MARKETING, TRANSACTIONAL = Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL
DIGITS = int(PHONE[1:])


async def deactivate(world: World, *days_ago: int) -> None:
    for ago in days_ago:
        await world.app.write(revocation.revoke_deactivated, PHONE, (world.now - timedelta(days=ago)).date())


async def opt_in(world: World, contact: int, method: Method = Method.FORM, **values: Any) -> bool:
    change = ConsentChange(contact, MARKETING, Status.SUBSCRIBED, method, "test", **values)
    return bool((await world.app.write(actions.record, change)).applied)


async def blocked(world: World, contact: int, purpose: SendPurpose = SendPurpose.CONVERSATION) -> str | None:
    result = await world.app.read(queries.facts, contact, PHONE)
    verdict = rules.may_send(purpose, "sms", result, world.now)
    return verdict.reason if isinstance(verdict, rules.Blocked) else None


async def next_run_at(world: World) -> datetime:
    (job,) = [row for row in await world.rows(jobs_table) if row.kind == deactivations.JOB]
    assert isinstance(job.run_at, datetime)
    return job.run_at


async def test_con_8_a_deactivated_number_loses_both_consents_and_is_suppressed(world: World) -> None:
    await open_sms(world)
    first_contact, second_contact = await person(world), await person(world)
    await world.advance(hours=48)
    waiting = await queue(world, first_contact, due_at=world.now + timedelta(hours=2))
    await deactivate(world, 1)
    for contact in (first_contact, second_contact):
        result = await world.app.read(queries.contact_consents, contact)
        assert result is not None and result.barred == "deactivated"
        assert {c.status for c in result.consents if c.channel == "sms"} == {Status.UNSUBSCRIBED}
        assert {(c.method, c.source) for c in result.consents if c.channel == "sms"} == {
            ("deactivation", "deactivation:2026-11-22")
        }
    (row,) = await world.rows(suppressions)
    assert (row.address, row.reason, row.at) == (PHONE, "deactivated", datetime(2026, 11, 23, tzinfo=UTC))
    for purpose in SendPurpose:
        assert await blocked(world, first_contact, purpose) == (
            None if purpose is SendPurpose.COMPLIANCE else "deactivated"
        )
    await world.advance(hours=3)
    stopped = await of(world, waiting)
    assert (stopped.state, stopped.reason) == (State.SKIPPED, "deactivated")


def _move(contact: int) -> Any:
    return update(addresses).where(addresses.c.contact_id == contact).values(value=PHONE)


async def test_the_thread_shows_the_deactivation_once_and_its_composer_is_barred(world: World) -> None:
    fake = await open_sms(world)
    maria = await world.texter()
    await maria.says("Where is my parcel?")
    (ticket,) = await world.rows(tickets)
    for purpose in (MARKETING, TRANSACTIONAL):
        await world.app.write(
            actions.record,
            ConsentChange(ticket.contact_id, purpose, Status.SUBSCRIBED, Method.FORM, address=maria.number),
        )
    day = (world.now - timedelta(days=2)).date()
    fake.deactivation_lists[day] = DeactivatedNumbers([int(maria.number[1:])])
    # The consents above are newer than the list: a person who agreed today has the number today.
    await world.app.write(jobs.start)
    await world.advance()
    (ticket,) = await world.rows(tickets)
    assert ticket.barred is None and await world.count(suppressions) == 0
    fake.deactivation_lists[(world.now - timedelta(days=0)).date()] = DeactivatedNumbers([int(maria.number[1:])])
    await world.advance(hours=25)
    (ticket,) = await world.rows(tickets)
    assert ticket.barred == "deactivated"
    lines = [row.data for row in await world.rows(timeline, timeline.c.kind == "consent")]
    assert [(line["purpose"], line["status"], line["method"]) for line in lines[-2:]] == [
        (MARKETING, "unsubscribed", "deactivation"), (TRANSACTIONAL, "unsubscribed", "deactivation"),
    ]  # fmt: skip
    await world.advance(hours=25)
    assert len(await world.rows(timeline, timeline.c.kind == "consent")) == len(lines), (
        "a repeated report adds no second entry"
    )


async def test_reading_a_days_list_again_changes_nothing(world: World) -> None:
    contact = await person(world)
    await deactivate(world, 1)
    rows = await world.count(consent_ledger)
    await deactivate(world, 1, 1)
    assert await world.count(consent_ledger) == rows
    await world.app.write(actions.start, PHONE, [contact])
    assert await blocked(world, contact) is None
    await deactivate(world, 1)
    assert await blocked(world, contact) is None and await world.count(suppressions) == 0


async def test_start_from_the_numbers_new_holder_restores_the_consents(world: World) -> None:
    contact = await person(world, subscribed=False)
    await world.app.write(
        actions.record, ConsentChange(contact, TRANSACTIONAL, Status.SUBSCRIBED, Method.FORM, address=PHONE)
    )
    await world.advance(hours=48)
    await deactivate(world, 1)
    started = await world.app.write(actions.start, PHONE, [contact])
    assert started.lifted and started.restored
    result = await world.app.read(queries.facts, contact, PHONE)
    assert result.statuses == {MARKETING: Status.NEVER_SUBSCRIBED, TRANSACTIONAL: Status.SUBSCRIBED}


async def test_an_opt_in_newer_than_the_list_counts_and_an_older_one_does_not(world: World) -> None:
    contact = await person(world, subscribed=False)
    await world.advance(hours=24 * 6)
    await deactivate(world, 3)
    assert not await opt_in(world, contact, happened_at=world.now - timedelta(days=4))
    assert await blocked(world, contact) == "deactivated"
    assert await opt_in(world, contact, happened_at=world.now - timedelta(days=1))
    assert await blocked(world, contact) is None and await world.count(suppressions) == 0
    # A list of a day before the opt-in is stored as evidence only.
    await deactivate(world, 2)
    assert await blocked(world, contact) is None and await world.count(suppressions) == 0
    # A list of a later day revokes the consent again.
    await deactivate(world, 0)
    assert await blocked(world, contact) == "deactivated"


async def test_an_import_or_an_older_opt_in_does_not_lift_a_deactivation(world: World) -> None:
    contact = await person(world)
    await world.advance(hours=48)
    await deactivate(world, 1)
    assert await opt_in(world, contact, Method.IMPORT)
    assert await blocked(world, contact) == "deactivated"
    other_contact = await person(world, "+12025550999", subscribed=False)
    await world.app.write(lambda tx: tx.run(_move(other_contact)))
    assert await opt_in(world, other_contact, happened_at=world.now - timedelta(days=5))
    assert await blocked(world, other_contact) == "deactivated"


async def test_a_deactivation_does_not_replace_the_persons_own_stop(world: World) -> None:
    contact = await person(world)
    await world.app.write(actions.stop, PHONE, [contact])
    await world.advance(hours=48)
    await deactivate(world, 1)
    (row,) = await world.rows(suppressions)
    assert row.reason == "stop"
    assert not await opt_in(world, contact), "only a text of the person restores the consent"
    assert (await world.app.write(actions.start, PHONE, [contact])).restored


async def test_the_new_holder_of_a_number_cannot_answer_the_old_holders_question(world: World) -> None:
    contact = await person(world, subscribed=False)
    await world.app.write(lambda tx: opting_in.ask_opt_in(tx, contact, wording="Reply YES", source="form"))
    await world.advance(hours=48)
    await deactivate(world, 1)
    assert (
        await world.app.write(
            lambda tx: opting_in.confirm_opt_in(tx, contact, PHONE, source="sms:SM2", received_text="YES")
        )
        is None
    )


# --- the job ------------------------------------------------------------------------------------


async def start_jobs(world: World) -> FakeChannel:
    fake = await open_sms(world)
    await world.app.write(jobs.start)
    await world.advance()
    return fake


async def test_lists_are_read_daily_and_missed_days_are_read_later(world: World) -> None:
    fake = await start_jobs(world)
    today = world.now.date()
    assert fake.asked_for == [today - timedelta(days=n) for n in range(7, -1, -1)]
    assert await next_run_at(world) == world.now + timedelta(days=1)
    # Days without a list are asked for again; days with one are not.
    fake.deactivation_lists = {today - timedelta(days=n): DeactivatedNumbers([]) for n in range(-30, 5)}
    fake.asked_for.clear()
    await world.advance(hours=24)
    today = world.now.date()
    assert len(fake.asked_for) == 8 and (await world.app.read(DEACTIVATIONS.load)).days == [today - timedelta(days=n) for n in range(5, 0, -1)]  # fmt: skip
    fake.asked_for.clear()
    await world.advance(hours=24 * 3)
    assert fake.asked_for[-3:] == [world.now.date() - timedelta(days=n) for n in (2, 1, 0)]


async def test_only_numbers_of_known_contacts_are_recorded(world: World) -> None:
    contact = await person(world)
    await world.advance(hours=48)
    fake = await open_sms(world)
    fake.deactivation_lists[world.now.date() - timedelta(days=1)] = DeactivatedNumbers(
        [*range(13125550000, 13125552000), DIGITS], 3
    )
    await world.app.write(jobs.start)
    await world.advance()
    assert [row.address for row in await world.rows(suppressions)] == [PHONE]
    assert await blocked(world, contact) == "deactivated"


async def test_an_account_without_access_to_lists_is_retried_once_a_day_even_after_a_restart(world: World) -> None:
    fake = await open_sms(world)

    async def refuses(day: object) -> NoList:
        fake.asked_for.append(day)  # type: ignore[arg-type]
        raise ChannelError("Twilio does not allow this. (403)", permanent=True)

    fake.deactivated_numbers = refuses  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    for _ in range(20):
        await world.app.write(jobs.start)
        await world.advance(hours=1)
    assert len(fake.asked_for) == 1
    await world.advance(hours=4)
    assert len(fake.asked_for) == 2
    result = deactivation_lists(await world.app.read(DEACTIVATIONS.load), world.now)
    assert result.state == "warn" and "does not allow" in result.message and "permission" in result.advice


async def test_after_a_network_failure_the_lists_are_requested_again_in_an_hour(world: World) -> None:
    fake = await open_sms(world)
    fake.deactivation_lists[world.now.date()] = DeactivatedNumbers([])

    async def unreachable(day: object) -> NoList:
        raise ChannelError("Twilio could not be reached.")

    fake.deactivated_numbers = unreachable  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    assert await next_run_at(world) == world.now + timedelta(hours=1)
    del fake.deactivated_numbers
    await world.advance(hours=1)
    assert (await world.app.read(DEACTIVATIONS.load)).problem == "" and len(fake.asked_for) == 8


async def test_an_invalid_list_is_reported_and_the_other_days_are_read(world: World) -> None:
    contact = await person(world)
    await world.advance(hours=24 * 8)
    fake = await open_sms(world)
    today = world.now.date()
    fake.deactivation_lists = {
        today - timedelta(days=3): BadList("What came is none."),
        today - timedelta(days=2): DeactivatedNumbers([DIGITS]),
    }
    await world.app.write(jobs.start)
    await world.advance()
    lists = await world.app.read(DEACTIVATIONS.load)
    assert lists.days == [today - timedelta(days=2)] and lists.problem == "What came is none."
    assert await blocked(world, contact) == "deactivated"


async def test_the_doctor_warns_when_the_last_list_is_older_than_three_days(world: World) -> None:
    fake = await start_jobs(world)
    assert deactivation_lists(await world.app.read(DEACTIVATIONS.load), world.now).state == "ok"
    await world.advance(hours=73)
    assert "no list" in deactivation_lists(await world.app.read(DEACTIVATIONS.load), world.now).message
    fake.deactivation_lists[world.now.date()] = DeactivatedNumbers([])
    await world.advance(hours=23.9)
    fake.deactivation_lists[world.now.date()] = DeactivatedNumbers([])
    await world.advance(hours=24)
    assert deactivation_lists(await world.app.read(DEACTIVATIONS.load), world.now).state == "ok"
    later = deactivation_lists(await world.app.read(DEACTIVATIONS.load), world.now + timedelta(days=4))
    assert later.state == "warn" and "was read on" in later.message


async def test_a_list_longer_than_one_run_is_continued_where_it_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deactivations, "SLICE_S", 0.0)  # each run handles one number
    monkeypatch.setattr(deactivations, "SLICE", 2)
    for number in (143, 100, 999, 555):
        await person(world, f"+1202555{number:04}")
    numbers = [*range(12025550000, 12025550010), 12025550999, 12025550143, 13125550000, 12025550555, 12025550100]
    await world.advance(hours=48)
    fake = await open_sms(world)
    yesterday = world.now.date() - timedelta(days=1)
    phones: list[str] = []
    revoke = revocation.revoke_deactivated

    def record_revocation(tx: Tx, phone: str, day: date) -> bool:
        phones.append(phone)
        return revoke(tx, phone, day)

    async def shuffled(day: date) -> DeactivatedNumbers | NoList:
        fake.asked_for.append(day)
        numbers.reverse()  # a list may arrive in another order the next time
        return DeactivatedNumbers(numbers) if day == yesterday else NoList()

    monkeypatch.setattr(revocation, "revoke_deactivated", record_revocation)
    fake.deactivated_numbers = shuffled  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    assert phones == [f"+1202555{number:04}" for number in (100, 143, 555, 999)]
    assert await world.count(suppressions) == 4
    assert fake.asked_for.count(yesterday) == 4 and len(fake.asked_for) == 8 + 3
    assert (await world.app.read(DEACTIVATIONS.load)).days == [yesterday]
    assert await next_run_at(world) == world.now + timedelta(days=1)


async def test_a_list_requested_before_midnight_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deactivations, "SLICE_S", 0.0)
    for number in (100, 143):
        await person(world, f"+1202555{number:04}")
    await world.advance(hours=24 * 8)
    fake = await open_sms(world)
    today = world.now.date()

    async def over_midnight(day: date) -> DeactivatedNumbers | NoList:
        if day != today:
            return NoList()
        fake.asked_for.append(day)
        if len(fake.asked_for) == 1:
            world.clock.advance(timedelta(hours=24))
        return DeactivatedNumbers([12025550143, 12025550100])

    fake.deactivated_numbers = over_midnight  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.start)
    await world.advance()
    assert len(fake.asked_for) == 2 and await world.count(suppressions) == 2
    assert today not in (await world.app.read(DEACTIVATIONS.load)).days


@pytest.mark.parametrize("refused", [True, False])
async def test_a_request_during_the_end_of_a_run_starts_another_run(world: World, refused: bool) -> None:
    fake = await open_sms(world)

    async def changed_meanwhile(day: date) -> NoList:
        fake.asked_for.append(day)
        if refused or day == world.now.date():
            del fake.deactivated_numbers  # the account was changed: later requests go to the new one
            await world.app.write(deactivations.run_now)
        if refused:
            raise ChannelError("Twilio does not allow this. (403)", permanent=True)
        return NoList()

    fake.deactivated_numbers = changed_meanwhile  # type: ignore[method-assign, assignment]
    fake.deactivation_lists[world.now.date()] = DeactivatedNumbers([])
    await world.app.write(jobs.start)
    await world.worker.claim_batch()
    await world.worker.idle()
    while "deactivated_numbers" in vars(fake):
        await world.worker.claim_batch()
        await world.worker.idle()
    requests_before = len(fake.asked_for)
    assert requests_before == (1 if refused else 8) and await next_run_at(world) == world.now
    # A restart before that run does not delay it.
    await world.app.write(jobs.start)
    assert await next_run_at(world) == world.now
    await world.advance()
    assert len(fake.asked_for) == requests_before + 8 and (await world.app.read(DEACTIVATIONS.load)).problem == ""
    assert await next_run_at(world) == world.now + timedelta(days=1)


async def test_a_catch_up_requested_during_another_starts_immediately_after_it(world: World) -> None:
    fake = await open_sms(world)
    hours: list[float] = []

    async def listed(**asked: Any) -> AsyncIterator[list[Any]]:
        hours.append((world.now - asked["since"]) / timedelta(hours=1))
        if len(hours) == 2:
            await world.app.write(jobs.wake_and_catch_up)
        yield []

    fake.pages = listed  # type: ignore[method-assign, assignment]
    await world.app.write(jobs.wake_and_catch_up)
    await world.advance()
    assert hours == [jobs.MAX_CATCH_UP_H]
    await world.advance(hours=1)
    assert hours == [jobs.MAX_CATCH_UP_H, catch_up.CATCH_UP_H, jobs.MAX_CATCH_UP_H]


@pytest.mark.parametrize("on", [True, False])
async def test_while_sms_is_off_no_list_is_requested(world: World, on: bool) -> None:
    fake = await open_sms(world)
    await world.app.write(lambda tx: SMS.save(tx, SMS.load(tx).model_copy(update={"on": on})))
    await world.app.write(deactivations.run_now)
    await world.app.write(jobs.start)
    await world.advance()
    assert bool(fake.asked_for) is on
