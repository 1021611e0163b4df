"""Snoozing and waking, on both databases (SPEC: the status machine, AMB-3, AMB-4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.accounts import account_settings
from server.accounts.account_settings import AccountSettings
from server.errors import Conflict, Refused
from server.inbox import snoozing
from server.schema import events, jobs, notifications
from server.threads import changes
from server.threads.tickets import INBOX_TOPIC, Ticket
from tests.world import World


async def set_time_zone(world: World, name: str) -> None:
    await world.app.write(lambda tx: account_settings.ACCOUNT.save(tx, AccountSettings(time_zone=name)))


async def test_amb_4_the_offered_times_are_on_the_accounts_clocks(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    await set_time_zone(world, "America/New_York")  # Saturday 21 November 2026, 4:00 there
    zone, offered = await world.app.read(snoozing.offered_times, world.now)
    assert zone == "America/New_York"
    assert {name: moment.isoformat() for name, moment in offered.items()} == {
        "later": "2026-11-21T12:00:00+00:00",
        "tomorrow": "2026-11-22T14:00:00+00:00",
        "week": "2026-11-28T09:00:00+00:00",
    }
    for name, moment in offered.items():
        assert (await ana.snoozes(ticket, name)).snoozed_until == moment
    assert (await ana.snoozes(ticket, "2026-11-30T08:15")).snoozed_until.isoformat() == "2026-11-30T13:15:00+00:00"  # type: ignore[union-attr]


async def test_a_snoozed_ticket_wakes_open_and_unread_for_its_assignee_else_for_who_snoozed_it(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, mine = await world.conversation()
    texts = await world.sms_ticket()
    await ben.assigns(texts, ben)
    for ticket in (mine, texts):
        await ana.reads(ticket)
        snoozed = await ana.snoozes(ticket)
        assert (snoozed.status, snoozed.snoozed_until, snoozed.unread) == (
            "snoozed",
            world.now + timedelta(hours=3),
            False,
        )
    await world.advance(hours=2, minutes=59)
    assert (await world.ticket(mine)).status == "snoozed"
    await world.advance(minutes=1)
    for ticket, notified in ((mine, ana.id), (texts, ben.id)):
        woken = await world.ticket(ticket)
        assert (woken.status, woken.unread, woken.snoozed_until, woken.woken_for) == ("open", True, None, notified)
    last = (await world.entries(mine.thread))[-1]
    assert (last.kind, last.data, last.public_seq) == ("status", {"to": "open", "by": "system", "was": "snoozed"}, None)
    assert [entry.kind for entry in await zoe.entries() if entry.kind == "status"] == [], "visitors see no snooze"
    assert (await ana.reads(mine)).woken_for is None, "after a read the ticket names nobody to notify"
    for desk in (ana, ben):
        notices = await world.rows(
            notifications, notifications.c.user_id == desk.id, notifications.c.kind == "snooze_ended"
        )
        assert [row.count for row in notices] == [1]
    recorded = [row.metric for row in await world.rows(events) if "snooze" in row.metric]
    assert sorted(recorded) == ["snooze_ended", "snooze_ended", "ticket_snoozed", "ticket_snoozed"]


async def test_a_ticket_can_be_woken_at_once_and_does_not_wake_again(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    await ana.reads(ticket)
    await ana.snoozes(ticket)
    woken = await ana.wakes(ticket, key="wake-001")
    assert (woken.status, woken.unread, woken.woken_for) == ("open", False, None)
    await ana.snoozes(ticket, "tomorrow")
    assert (await ana.wakes(ticket, key="wake-001")).status == "snoozed", "a repeat of an earlier wake changes nothing"
    await world.advance(hours=4)
    assert (await world.ticket(ticket)).status == "snoozed", "the first snooze's time must not wake it"


async def test_amb_3_a_message_of_the_customer_wakes_the_ticket_and_its_time_is_gone(world: World) -> None:
    ana = await world.agent("ana")
    zoe, chat = await world.conversation()
    maria = await world.texter(agreed=True)
    await maria.says("Hi")
    text = await maria.ticket()
    assert text is not None
    for ticket in (chat, text):
        await ana.reads(ticket)
        await ana.snoozes(ticket)
    await zoe.says("Are you there?")
    await maria.says("Hello?")
    for ticket in (chat, text):
        now = await world.ticket(ticket)
        assert (now.status, now.unread, now.snoozed_until, now.woken_for) == ("open", True, None, None)
    before = [len(await world.entries(ticket.thread)) for ticket in (chat, text)]
    await world.advance(hours=5)
    assert [len(await world.entries(ticket.thread)) for ticket in (chat, text)] == before


async def test_a_reply_leaves_the_ticket_snoozed_unless_it_also_reopens(world: World) -> None:
    ana = await world.agent("ana")
    for ticket in ((await world.conversation())[1], await world.sms_ticket()):
        await ana.snoozes(ticket)
        assert (await ana.replies(ticket, "I will ask the warehouse.")).ticket.status == "snoozed"
        reopened = (await ana.replies(ticket, "They answered already.", reopen=True)).ticket
        assert (reopened.status, reopened.snoozed_until) == ("open", None)
        shown = [entry for entry in await world.public_entries(ticket.thread) if entry.kind == "status"]
        assert shown == [], "visitors see no status of a snooze"


async def test_a_snooze_cancels_a_delayed_close_and_a_close_ends_a_snooze(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.closes(zoe)
    assert (await ana.snoozes(zoe)).closing_at is None
    await world.advance(minutes=1)
    assert (await world.ticket(ticket)).status == "snoozed"
    closed = await ana.closes_for_good(ticket)
    assert (closed.status, closed.snoozed_until) == ("closed", None)
    await world.advance(hours=4)
    assert (await world.ticket(ticket)).status == "closed"


async def test_a_wrong_time_or_a_closed_ticket_is_refused(world: World) -> None:
    ana = await world.agent("ana")
    _, chat = await world.conversation()
    text = await world.sms_ticket()
    wrong = {
        "2026-11-21T08:59": "in_the_past", "1969-12-31T23:59:59Z": "in_the_past", "0001-01-01T00:00+14:00": "in_the_past",
        "9999-12-31T23:59:59-12:00": "too_far", "2027-11-23T09:00": "too_far",
        "2026-02-31T09:00": "invalid", "0000-01-01T00:00": "invalid", "2026-12-01T09:00:00.123456789Z": "invalid",
        "-1": "invalid", "": "invalid", "1764579600": "invalid", "٢٠٢٦-12-01T09:00": "invalid", "2026-12-01": "invalid",
        "2026-12-01T09:00+99:99": "invalid", "LATER": "invalid",
    }  # fmt: skip
    for until, code in wrong.items():
        with pytest.raises(Refused) as refusal:
            await ana.snoozes(chat, until)
        assert (refusal.value.code, refusal.value.field) == (code, "until"), until
    for ticket, code in ((chat, "chat_ended"), (text, "closed")):
        await ana.closes_for_good(ticket)
        with pytest.raises(Conflict) as conflict:
            await ana.snoozes(ticket)
        assert conflict.value.code == code
        assert (await ana.wakes(ticket)).status == "closed"


async def test_one_job_is_due_at_the_earliest_time_whatever_the_order(world: World) -> None:
    ana = await world.agent("ana")
    tickets = [await world.sms_ticket(f"text {n}") for n in range(3)]
    for ticket, until in zip(tickets, ("tomorrow", "later", "week"), strict=True):
        await ana.snoozes(ticket, until)
    (job,) = await world.rows(jobs, jobs.c.kind == snoozing.WAKE_JOB)
    assert job.run_at == world.now + timedelta(hours=3)
    await world.advance(hours=3)
    assert [(await world.ticket(ticket)).status for ticket in tickets] == ["snoozed", "open", "snoozed"]
    (job,) = await world.rows(jobs, jobs.c.kind == snoozing.WAKE_JOB)
    assert job.run_at == (await world.ticket(tickets[0])).snoozed_until, "the next one is planned"


async def test_a_snooze_during_the_wake_up_is_not_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await world.agent("ana")
    first, second = await world.sms_ticket("one"), await world.sms_ticket("two")
    await ana.snoozes(first, "later")
    soon = (world.now + timedelta(hours=3, minutes=1)).isoformat()

    async def wake_due(app: Any, job: Any) -> None:
        await snoozing.wake_due(app, job)
        await ana.snoozes(second, soon)  # after the run planned the next one and before the job is finished

    monkeypatch.setitem(world.worker._handlers, snoozing.WAKE_JOB, wake_due)  # type: ignore[index]
    await world.advance(hours=3)
    monkeypatch.setitem(world.worker._handlers, snoozing.WAKE_JOB, snoozing.wake_due)  # type: ignore[index]
    await world.advance(minutes=1)
    assert (await world.ticket(second)).status == "open"


async def test_an_interrupted_wake_up_wakes_each_ticket_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await world.agent("ana")
    tickets = [await world.sms_ticket(f"text {n}") for n in range(40)]
    for ticket in tickets:
        await ana.snoozes(ticket)
    real, failed = changes.change_tickets, []

    def fails_once(tx: Any, *args: Any, **same: Any) -> Any:
        if not failed and len(args[0]) > 0 and tickets[20].id in [change.ticket.id for change in args[0]]:
            failed.append(True)
            raise OSError("the process ends here")
        return real(tx, *args, **same)

    monkeypatch.setattr(snoozing, "change_tickets", fails_once)
    published: list[Ticket] = []

    class Watcher:
        def on_published(self, topic: str, hint: Any) -> None:
            published.append(hint)

        def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    world.app.bus.watch(INBOX_TOPIC, Watcher())
    await world.advance(hours=3)
    await world.advance(minutes=1)
    assert failed
    assert {(await world.ticket(ticket)).status for ticket in tickets} == {"open"}
    for ticket in tickets:
        ends = [entry for entry in await world.entries(ticket.thread) if entry.data.get("was") == "snoozed"]
        assert len(ends) == 1
    assert sorted(ticket.id for ticket in published) == sorted(ticket.id for ticket in tickets)
