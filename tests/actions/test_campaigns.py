"""Campaigns from the draft to the receipts, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.audiences import lists
from server.campaigns import actions, preparing, queries, sending
from server.campaigns.actions import Approval
from server.campaigns.audience import Groups
from server.channels.base import Accepted, Rejected, Report, Unclear, Verdict
from server.consent import actions as consent
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.contacts import merging
from server.delivery import settling
from server.delivery.bulk_rules import Smart
from server.delivery.bulk_settings import CAMPAIGNS, CampaignSettings
from server.delivery.pump import Pump
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Tx
from server.schema import audit, credits, outbound, receipts, smart_timers
from server.templates.sandbox import TemplateError
from tests.campaigns import Campaigns, audience, campaigns, stop_pump, us
from tests.sms import PHONE, TOLL_FREE, new_person, open_sms
from tests.texters import Texter
from tests.world import World


async def opened(world: World, **values: Any) -> tuple[Any, Campaigns]:
    fake = await open_sms(world, **values)
    return fake, await campaigns(world)


# --- the whole way ----------------------------------------------------------------------------------


async def test_out_1_a_campaign_reaches_everybody_once_and_ends_sent(world: World) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(n) for n in range(5)])
    campaign = await team.send(await team.draft(people))
    assert campaign.state == "sent", campaign
    assert sorted(text.recipient for text in fake.texts) == [us(n) for n in range(5)]
    assert await team.outcomes(campaign) == {"sent": 5}
    assert len({row.key for row in await team.texts()}) == 5


async def test_out_1_every_member_ends_with_one_outcome_and_its_reason(world: World) -> None:
    fake, team = await opened(world)
    agreed = await audience(world, [us(n) for n in range(4)])
    never = await audience(world, [us(10), us(11)], name="Never asked", subscribed=False)
    excluded = await audience(world, [us(20)], name="Excluded")
    desk = team.desk

    def more(tx: Tx) -> None:
        without_number = new_person(tx, "")
        lists.add_members(tx, agreed, [without_number, new_person(tx, "+4915112345678")], desk.agent.by)
        consent.record(
            tx, ConsentChange(1, Purpose.SMS_MARKETING, Status.UNSUBSCRIBED, Method.AGENT, "test", address=us(0))
        )

    await world.app.write(more)
    draft = await team.draft(Groups((agreed, never, excluded)), exclude=Groups((excluded,)))
    fake.answers.append(Rejected(21614, "not a mobile number", Verdict.INVALID))
    fake.answers.append(Unclear("no response"))
    campaign = await team.send(draft)
    counts = await team.outcomes(campaign)
    assert sum(counts.values()) == 9
    assert counts == {
        "sent": 1, "failed invalid_mobile_number": 1, "unknown unclear": 1, "skipped taken_off": 1,
        "skipped not_subscribed": 2, "skipped no_phone": 1, "skipped no_sender": 1, "skipped excluded": 1,
    }  # fmt: skip
    assert campaign.state == "sent"
    assert campaign.review is not None and campaign.review["reasons"] == {
        "excluded": 1, "no_phone": 1, "no_sender": 1, "not_subscribed": 2, "taken_off": 1,
    }  # fmt: skip


async def test_a_report_of_the_carrier_settles_the_receipt(world: World) -> None:
    _, team = await opened(world)
    campaign = await team.send(await team.draft(await audience(world, [us(1), us(2)])))
    first, second = await team.texts()
    await world.app.write(settling.apply_report, Report(first.sid, "delivered", None, {}))
    await world.app.write(settling.apply_report, Report(second.sid, "undelivered", 30005, {}))
    assert await team.outcomes(campaign) == {"delivered": 1, "failed device_disconnected": 1}
    (failed,) = [row for row in await team.receipts(campaign) if row.state == "failed"]
    assert failed.detail.startswith("30005: ")


# --- the audience -----------------------------------------------------------------------------------


async def test_cam_5_people_with_one_number_get_one_text_and_merged_contacts_are_one(world: World) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1), us(1), us(2), us(3)])
    contacts = sorted(row.id for row in await world.rows(receipts.metadata.tables["contacts"]))
    await world.app.write(merging.merge, team.desk.agent, contacts[3], contacts[2], "")
    campaign = await team.send(await team.draft(people))
    assert sorted(text.recipient for text in fake.texts) == [us(1), us(3)]
    assert await team.outcomes(campaign) == {"sent": 2, "skipped duplicate_address": 1}


async def test_cam_5_a_person_in_two_lists_gets_one_text_and_exclusion_wins(world: World) -> None:
    fake, team = await opened(world)
    first = await audience(world, [us(1), us(2)])
    second = await audience(world, [], name="Second")
    out = await audience(world, [], name="Out")
    everybody = [row.contact_id for row in await world.rows(receipts.metadata.tables["list_members"])]

    def add(tx: Tx) -> None:
        lists.add_members(tx, second, everybody, team.desk.agent.by)
        lists.add_members(tx, out, everybody[:1], team.desk.agent.by)

    await world.app.write(add)
    campaign = await team.send(await team.draft(Groups((first, second)), exclude=Groups((out,))))
    assert [text.recipient for text in fake.texts] == [us(2)]
    assert await team.outcomes(campaign) == {"sent": 1, "skipped excluded": 1}


async def test_cam_49_the_audience_is_that_of_the_approval_or_of_the_send(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "WINDOW", 1)  # so that later contacts are outside the windows of the approval
    fake, team = await opened(world)
    people = await audience(world, [us(1)])
    at = world.now + timedelta(hours=2)
    for place, audience_at in enumerate(("approval", "send")):
        draft = await team.draft(people, audience_at=audience_at, smart=Smart.OFF)
        await team.reviewed(draft, at)
        await team.approve(draft, at)
        await world.advance(seconds=1)
        assert (await team.now(draft)).state == "scheduled"
        assert len(await team.receipts(draft)) == (1 if audience_at == "approval" else 0)

        def join(tx: Tx, number: str = us(5 + place)) -> None:
            lists.add_members(tx, people, [new_person(tx, number)], team.desk.agent.by)

        await world.app.write(join)
    await world.advance(hours=2)
    await team.run(draft)
    assert sorted(text.recipient for text in fake.texts) == [us(1), us(1), us(5), us(6)]


async def test_opt_outs_always_win_over_the_snapshot(world: World) -> None:
    _fake, team = await opened(world)
    people = await audience(world, [us(1), us(2)])
    at = world.now + timedelta(hours=2)
    draft = await team.draft(people)
    await team.reviewed(draft, at)
    await team.approve(draft, at)
    await world.advance(seconds=1)
    await Texter(world, us(1), to=TOLL_FREE).says("STOP")
    await world.advance(hours=2)
    campaign = await team.run(draft)
    assert await team.outcomes(campaign) == {"sent": 1, "skipped opted_out": 1}


async def test_a_campaign_whose_lists_are_deleted_fails_and_an_empty_one_is_cancelled(world: World) -> None:
    _, team = await opened(world)
    people = await audience(world, [us(1)])
    at = world.now + timedelta(hours=2)
    draft = await team.draft(people, audience_at="send")
    await team.reviewed(draft, at)
    await team.approve(draft, at)
    other = await audience(world, [us(2)], name="Other")
    empty = await team.draft(other, audience_at="send")
    await team.reviewed(empty, at)
    await team.approve(empty, at)

    def change(tx: Tx) -> None:
        lists.remove(tx, people, team.desk.agent.by)
        (row,) = tx.all(
            receipts.metadata.tables["list_members"]
            .select()
            .where(receipts.metadata.tables["list_members"].c.list_id == other)
        )
        lists.remove_members(tx, other, [row.contact_id], team.desk.agent.by)

    await world.app.write(change)
    await world.advance(hours=2)
    failed, cancelled = await team.run(draft), await team.run(empty)
    assert (failed.state, failed.reason) == ("failed", "audience_gone")
    assert (cancelled.state, cancelled.reason) == ("cancelled", "no_recipients")


# --- states -----------------------------------------------------------------------------------------


async def test_cst_6_a_paused_scheduled_campaign_is_a_draft_with_a_new_snapshot_at_the_next_approval(
    world: World,
) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1)])
    at = world.now + timedelta(hours=2)
    draft = await team.draft(people)
    await team.reviewed(draft, at)
    await team.approve(draft, at)
    await world.advance(seconds=1)
    await actions.pause(world.app, team.desk.agent, draft.id)
    draft = await team.now(draft)
    assert draft.state == "draft"
    await world.advance(hours=3)
    assert fake.texts == []
    gone = (await team.receipts(draft))[0]

    def swap(tx: Tx) -> None:
        lists.remove_members(tx, people, [gone.contact_id], team.desk.agent.by)
        lists.add_members(tx, people, [new_person(tx, us(2))], team.desk.agent.by)

    await world.app.write(swap)
    campaign = await team.send(draft)
    assert [text.recipient for text in fake.texts] == [us(2)]
    assert await team.outcomes(campaign) == {"sent": 1}


async def test_cst_7_a_scheduled_campaign_moves_but_keeps_its_time_zone(world: World) -> None:
    fake, team = await opened(world)
    draft = await team.draft(await audience(world, [us(1)]))
    at = world.now + timedelta(hours=2)
    await team.reviewed(draft, at)
    await team.approve(draft, at, time_zone="Europe/Warsaw")
    await world.advance(seconds=1)
    later = at + timedelta(hours=1)
    move = actions.reschedule
    with pytest.raises(Refused) as refusal:
        await world.app.write(move, team.desk.agent, draft.id, later, "Asia/Seoul")
    assert refusal.value.code == "zone_fixed"
    await world.app.write(move, team.desk.agent, draft.id, later)
    await world.advance(hours=2, minutes=30)
    assert fake.texts == []
    await world.advance(minutes=20)
    with pytest.raises(Conflict) as locked:
        await world.app.write(move, team.desk.agent, draft.id, later + timedelta(hours=1))
    assert locked.value.code == "starts_soon"
    await world.advance(minutes=10)
    assert (await team.run(draft)).state == "sent"


async def test_cst_3_a_cancelled_campaign_sends_nothing_and_can_be_cloned(world: World) -> None:
    fake, team = await opened(world)
    draft = await team.draft(await audience(world, [us(1), us(2)]))
    at = world.now + timedelta(hours=2)
    await team.reviewed(draft, at)
    await team.approve(draft, at)
    await world.advance(seconds=1)
    await actions.cancel(world.app, team.desk.agent, draft.id)
    await world.advance(hours=3)
    campaign = await team.now(draft)
    assert (campaign.state, fake.texts) == ("cancelled", [])
    assert await team.outcomes(campaign) == {"skipped cancelled": 2}
    copy = await world.app.write(actions.clone, team.desk.agent, campaign.id)
    assert (copy.state, copy.form) == ("draft", {**campaign.form, "name": "Sale (2)"})


async def test_pause_and_cancel_stop_queued_texts_and_resume_sends_each_once(world: World) -> None:
    fake, team = await opened(world)
    draft = await team.draft(await audience(world, [us(n) for n in range(6)]))
    await team.reviewed(draft)
    await team.approve(draft)
    stop_pump(world)
    await world.advance(seconds=1)
    assert len(await team.texts()) == 6
    paused = await actions.pause(world.app, team.desk.agent, draft.id)
    await team.run(draft)
    assert (paused.state, fake.texts) == ("paused", [])
    await actions.resume(world.app, team.desk.agent, draft.id)
    campaign = await team.run(draft)
    assert campaign.state == "sent" and sorted(text.recipient for text in fake.texts) == [us(n) for n in range(6)]


async def test_a_claimed_text_does_not_leave_after_a_pause(world: World) -> None:
    from server.delivery import claiming

    _, team = await opened(world)
    draft = await team.draft(await audience(world, [us(1)]))
    await team.reviewed(draft)
    await team.approve(draft)
    stop_pump(world)
    await world.advance(seconds=1)
    claimed = await world.app.write(claiming.claim, 10)
    assert len(claimed.claims) == 1
    await actions.pause(world.app, team.desk.agent, draft.id)
    assert await world.app.write(claiming.begin, claimed.claims, "http://desk.example") == []


async def test_cst_4_a_cancel_during_the_send_keeps_what_was_sent(world: World) -> None:
    _fake, team = await opened(
        world,
    )
    draft = await team.draft(await audience(world, [us(n) for n in range(4)]))
    await team.reviewed(draft)
    await team.approve(draft)
    stop_pump(world)
    await world.advance(seconds=1)
    sent = (await team.texts())[0]

    def leaves(tx: Tx) -> None:
        tx.run(outbound.update().where(outbound.c.id == sent.id).values(state="sending", attempts=1, turn=1))
        settling.settle_outcomes(tx, [settling.Outcome(sent.id, 1, 1, Accepted("SM" + "1" * 32, "queued"))])

    await world.app.write(leaves)
    cancelled = await actions.cancel(world.app, team.desk.agent, draft.id)
    assert cancelled.state == "cancelled_during_send"
    await world.advance(seconds=1)
    assert await team.outcomes(cancelled) == {"sent": 1, "skipped cancelled": 3}
    with pytest.raises(Conflict) as refusal:
        await actions.cancel(world.app, team.desk.agent, draft.id)
    assert refusal.value.code == "finished"


async def test_a_stale_queueing_stores_nothing_after_a_pause(world: World) -> None:
    _, team = await opened(world)
    draft = await team.draft(await audience(world, [us(1)]))
    await team.reviewed(draft)
    await team.approve(draft)
    await world.app.write(actions.wake, draft.id, world.now + timedelta(hours=1))
    await preparing.prepare(world.app, await team.now(draft))
    campaign = await world.app.write(actions.start, draft.id)
    found = await world.app.read(sending.decide, campaign, "http://desk.example", lambda: "AbCd1234", world.now)
    await world.app.write(actions.pause_step, team.desk.agent, draft.id)
    assert await world.app.write(sending.store, found.made, draft.id) is False
    assert await team.texts() == []


# --- Smart Sending ----------------------------------------------------------------------------------


async def with_fresh(world: World, people: int, place: int) -> Groups:
    """The list and somebody who got no message yet, so that the campaign reaches somebody."""
    return Groups((people, await audience(world, [us(900 + place)], name=f"Fresh {place}")))


async def test_sma_4_and_8_a_recent_campaign_skips_the_number_and_off_sends_and_restarts_the_timer(
    world: World,
) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1)])
    twin = await audience(world, [us(1)], name="Twin")  # another person with the number
    await team.send(await team.draft(people))
    skipped = {"sent": 1, "skipped smart_sending": 1}
    assert await team.outcomes(await team.send(await team.draft(await with_fresh(world, twin, 1)))) == skipped
    await world.advance(hours=20)
    await team.send(await team.draft(people, smart=Smart.OFF))
    assert [text.recipient for text in fake.texts].count(us(1)) == 2
    await world.advance(hours=20)  # 40 hours after the first text, 20 after the second
    assert await team.outcomes(await team.send(await team.draft(await with_fresh(world, people, 2)))) == skipped
    await world.advance(hours=5)
    assert await team.outcomes(await team.send(await team.draft(people))) == {"sent": 1}


async def test_sma_6_a_shorter_window_does_not_shorten_running_timers(world: World) -> None:
    _, team = await opened(world)
    people = await audience(world, [us(1)])
    await team.send(await team.draft(people))
    await world.app.write(CAMPAIGNS.save, CampaignSettings(smart_campaign_hours=1))
    await world.advance(hours=2)
    campaign = await team.send(await team.draft(await with_fresh(world, people, 1)))
    assert await team.outcomes(campaign) == {"sent": 1, "skipped smart_sending": 1}


async def test_sma_5_skipped_people_start_no_timer_and_refused_sends_do(world: World) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1)])
    await audience(world, [us(2)], name="No", subscribed=False)
    fake.answers.append(Rejected(30007, "filtered", Verdict.FAIL))
    await team.send(await team.draft(Groups((people, people + 1))))
    assert [row.address for row in await world.rows(smart_timers)] == [us(1)]


async def test_a_retry_is_not_blocked_by_its_own_timer(world: World) -> None:
    fake, team = await opened(world)
    fake.answers.append(Rejected(20429, "too many requests", Verdict.RETRY))
    campaign = await team.send(await team.draft(await audience(world, [us(1)])))
    await team.run(campaign, 6)
    assert await team.outcomes(campaign) == {"sent": 1}


async def test_two_campaigns_at_once_text_a_number_once(world: World) -> None:
    fake, team = await opened(world)
    people = await audience(world, [us(1)])
    drafts = [await team.draft(people) for _ in range(2)]
    for draft in drafts:
        await team.reviewed(draft)
        await team.approve(draft)
    first, second = [await team.run(draft) for draft in drafts]
    assert len(fake.texts) == 1
    assert (first.state, second.state, second.reason) == ("sent", "cancelled", "smart_sending")


# --- credits, time, problems ------------------------------------------------------------------------


async def test_cam_45_too_few_credits_need_a_confirmation_and_skip_the_rest(world: World) -> None:
    _fake, team = await opened(world, monthly_credits=3)
    draft = await team.draft(await audience(world, [us(n) for n in range(5)]))
    review = await team.reviewed(draft)
    assert review["recipients"] == 3 and review["reasons"] == {"no_funds": 2}
    with pytest.raises(Conflict) as refusal:
        await team.approve(draft)
    assert refusal.value.code == "not_enough_credits" and "2 of 5" in refusal.value.message
    await team.approve(draft, confirmed_shortage=True)
    campaign = await team.run(draft)
    assert await team.outcomes(campaign) == {"sent": 3, "skipped no_funds": 2}
    assert sum(row.total for row in await world.rows(credits)) == 3


async def test_cam_44_replies_never_stop_for_credits(world: World) -> None:
    from tests.sms import person, queue

    fake, _ = await opened(world, monthly_credits=0)
    await queue(world, await person(world))
    await world.app.part(Pump).run()
    assert [text.recipient for text in fake.texts] == [PHONE]


async def test_cam_48_people_who_are_not_reached_in_time_are_skipped(world: World) -> None:
    fake, team = await opened(world)
    draft = await team.draft(await audience(world, [us(n) for n in range(3)]))
    await team.reviewed(draft)
    await team.approve(draft)
    stop_pump(world)
    await world.advance(seconds=1)
    await world.advance(hours=4)
    campaign = await team.run(draft)
    assert (campaign.state, fake.texts) == ("sent", [])
    assert await team.outcomes(campaign) == {"skipped timed_out": 3}


async def test_too_many_failures_pause_once_and_resume_forgives_them(world: World) -> None:
    slow = SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=12)  # 60 texts are queued at a time
    fake = await open_sms(world, slow)
    team = await campaigns(world)
    fake.answers.extend(Rejected(30007, "filtered", Verdict.FAIL) for _ in range(60))
    draft = await team.draft(await audience(world, [us(n) for n in range(80)]))
    await team.reviewed(draft)
    await team.approve(draft)
    campaign = await team.run(draft, 12)
    assert (campaign.state, campaign.reason) == ("paused", "errors")
    failed = (await team.outcomes(campaign))["failed carrier_violation"]
    assert 50 <= failed <= 60
    await actions.resume(world.app, team.desk.agent, campaign.id)
    campaign = await team.run(campaign, 12)
    assert campaign.state == "sent" and (await team.outcomes(campaign))["sent"] == 20


async def test_a_refused_account_pauses_the_campaign_once_and_nobody_is_skipped(world: World) -> None:
    fake, team = await opened(world)
    fake.answers.append(Rejected(20003, "bad credentials", Verdict.STOP_ALL))
    draft = await team.draft(await audience(world, [us(1)]))
    await team.reviewed(draft)
    await team.approve(draft)
    campaign = await team.run(draft)
    assert (campaign.state, campaign.reason) == ("paused", "senders_stopped")
    assert await team.outcomes(campaign) == {"queued": 1}
    rows = [row for row in await world.rows(audit) if row.action == "campaign_paused"]
    assert len(rows) == 1 and rows[0].detail == {"reason": "senders_stopped"}
    from server.delivery import senders

    await world.app.write(senders.start_all)
    await actions.resume(world.app, team.desk.agent, campaign.id)
    assert (await team.run(campaign)).state == "sent" and len(fake.texts) == 2


async def test_back_pressure_keeps_a_slow_number_from_filling_the_queue(world: World) -> None:
    slow = SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1)
    await open_sms(world, slow)
    team = await campaigns(world)
    draft = await team.draft(await audience(world, [us(n) for n in range(50)]))
    await team.reviewed(draft)
    await team.approve(draft)
    stop_pump(world)
    await world.advance(seconds=1)
    assert len(await team.texts()) == sending.LEAST_AHEAD


async def test_cam_5_a_shared_number_is_named_also_after_the_first_text_started_its_timer(world: World) -> None:
    slow = SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=1)  # 20 texts are queued at a time
    await open_sms(world, slow)
    team = await campaigns(world)
    campaign = await team.send(await team.draft(await audience(world, [*(us(n) for n in range(25)), us(0)])))
    campaign = await team.run(campaign, 30)
    assert await team.outcomes(campaign) == {"sent": 25, "skipped duplicate_address": 1}


# --- approval ---------------------------------------------------------------------------------------


async def test_an_approval_needs_a_text_an_audience_a_review_and_sms(world: World) -> None:
    _, team = await opened(world)
    people = await audience(world, [us(1)])
    nobody = await audience(world, [us(2)], name="Nobody", subscribed=False)

    async def code(draft: Any) -> str:
        with pytest.raises(Refused) as refusal:
            await team.approve(draft)
        return str(refusal.value.code)

    assert await code(await team.draft(Groups())) == "invalid"
    assert await code(await team.draft(people, text=" ")) == "invalid"
    draft = await team.draft(people)
    assert await code(draft) == "review_first"
    await team.reviewed(draft)
    edited = await team.edit(draft, text="Another text")
    assert await code(edited) == "review_first"  # the review was of the older text
    none = await team.draft(nobody)
    await team.reviewed(none)
    assert await code(none) == "nobody_to_text"
    await world.app.write(lambda tx: SMS.save(tx, SMS.load(tx).model_copy(update={"on": False})))
    assert await code(edited) == "sms_off"


async def test_an_approval_or_save_of_an_older_version_is_refused(world: World) -> None:
    _, team = await opened(world)
    draft = await team.draft(await audience(world, [us(1)]))
    version = await world.app.read(actions.version_of, draft)
    await team.edit(draft, text="Changed by a colleague")
    with pytest.raises(Conflict) as stale:
        await world.app.write(actions.approve, team.desk.agent, draft.id, Approval(None), version)
    assert stale.value.code == "stale_version"
    assert stale.value.conflict is not None and stale.value.conflict["changes"][0]["fields"] == ["content"]
    with pytest.raises(Conflict):
        await team.edit(draft, text="Mine")


async def test_cam_47_scheduling_into_frances_quiet_hours_is_refused(world: World) -> None:
    french = SenderInput("+33700000001", SenderKind.LONG_CODE, "FR", rate=10)
    await open_sms(world, french)
    team = await campaigns(world)
    draft = await team.draft(await audience(world, ["+33612345678"]))
    sunday = world.now + timedelta(days=1)
    await team.reviewed(draft, world.now + timedelta(hours=1))
    with pytest.raises(Conflict) as refusal:
        await team.approve(draft, sunday)
    assert refusal.value.code == "quiet_hours"
    await team.approve(draft, world.now + timedelta(hours=1))


async def test_t11_a_text_with_an_unknown_variable_is_not_saved(world: World) -> None:
    _, team = await opened(world)
    with pytest.raises(TemplateError) as refusal:
        await team.draft(Groups(), text="Hi {{ nickname }}")
    assert refusal.value.code == "template_error" and refusal.value.line == 1


async def test_an_unknown_list_is_refused_by_its_field(world: World) -> None:
    _, team = await opened(world)
    with pytest.raises(Refused) as refusal:
        await team.draft(Groups((999,)))
    assert refusal.value.faults[0].field == "include.lists.0"
    with pytest.raises(NotFound):
        await world.app.read(queries.by_id, 999)
