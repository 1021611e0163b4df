"""Notices reach the right users: in the bell's list, and by mail those who want it and are not online (SET-4, AMB-9)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.channels.mail import Mail
from server.errors import Refused
from server.kernel.sql import Tx
from server.notifications import actions, queries
from server.notifications.queries import Notification
from server.notifications.recording import notify
from server.notifications.rules import SINGLE_MAILS, Notice, Wishes
from server.schema import notifications, outbound, pending_notices
from server.sms.settings import INBOX, InboxSettings, TicketMail
from tests.mails import FakeServer, connect_mail_server
from tests.world import Desk, World, email_of


async def read_bell(world: World, desk: Desk) -> list[Notification]:
    rows, _ = await world.app.read(queries.notifications_of, desk.id)
    return rows


async def kinds_and_counts(world: World, desk: Desk) -> list[tuple[str, int]]:
    return [(row.kind, row.count) for row in await read_bell(world, desk)]


async def save_wishes(world: World, desk: Desk, **values: Any) -> None:
    await world.app.write(actions.save_wishes, desk.agent, Wishes(**values))


async def come_online(world: World, *desks: Desk) -> None:
    from server.accounts import presence

    await world.app.write(presence.touch_agents, [desk.id for desk in desks])


# --- the bell's list ------------------------------------------------------------------------------


async def test_a_new_ticket_is_listed_for_everybody_with_the_inbox_and_nobody_else(world: World) -> None:
    _, ticket = await world.conversation()
    await world.advance()
    for name in ("olga", "adam", "mona", "ana", "ben"):
        [row] = await read_bell(world, await world.agent(name))
        assert (row.kind, row.ticket, row.count, row.seen) == ("opened", ticket.id, 1, False)
    for name in ("nils", "cora", "kurt"):
        assert await read_bell(world, await world.agent(name)) == []
    assert await world.count(pending_notices) == 0


async def test_another_message_on_an_open_ticket_is_no_notification(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    await world.advance()
    await zoe.says("Are you there?")
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("opened", 1)]


async def test_a_text_that_reopens_a_ticket_is_a_notification_and_an_agents_reopening_is_not(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter(agreed=True)
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    await world.advance(minutes=5)
    await ana.closes(ticket)
    await ana.reopens(ticket)
    await world.advance()
    await ana.closes(ticket)
    await world.advance(minutes=5)
    assert await kinds_and_counts(world, ana) == [("opened", 1)]
    await maria.says("One more thing")
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("reopened", 1), ("opened", 1)]


async def test_notices_of_one_kind_within_a_minute_are_one_row_until_it_is_seen(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    for _ in range(3):
        await world.conversation()
    await world.advance()
    await world.conversation()
    await world.advance(seconds=50)
    assert await kinds_and_counts(world, ana) == [("opened", 4)]
    await world.app.write(actions.mark_seen, ana.agent, world.now)
    _, ticket = await world.conversation()
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("opened", 1), ("opened", 4)]
    [row] = await read_bell(world, ben)
    assert (row.count, row.ticket) == (5, ticket.id), "the newest ticket is named"
    await world.conversation()
    await world.advance(seconds=61)
    assert await kinds_and_counts(world, ben) == [("opened", 1), ("opened", 5)], (
        "a minute later it is a notification of its own"
    )


async def test_only_what_was_shown_is_marked_as_seen_and_only_for_oneself(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    await world.conversation()
    await world.advance()
    shown = (await read_bell(world, ana))[0].at
    await world.conversation()
    await world.advance(minutes=2)
    await world.app.write(actions.mark_seen, ana.agent, shown)
    assert [row.seen for row in await read_bell(world, ana)] == [False, True]
    assert await world.app.read(queries.count_unseen, ana.id) == 1
    assert await world.app.read(queries.count_unseen, ben.id) == 2


async def test_a_user_who_wants_only_their_own_tickets_is_not_told_of_a_colleagues(world: World) -> None:
    ana, ben, maria = await world.agent("ana"), await world.agent("ben"), await world.texter(agreed=True)
    await save_wishes(world, ana, tickets="mine")
    await save_wishes(world, ben, tickets="none")
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    await world.advance(minutes=5)
    assert await kinds_and_counts(world, ana) == [("opened", 1)], "a ticket of nobody may become theirs"
    assert await kinds_and_counts(world, ben) == []
    await ben.assigns(ticket, ben)
    await ben.closes(ticket)
    await maria.says("One more thing")
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("opened", 1)]


async def test_a_notice_for_one_user_reaches_only_them_whatever_they_chose(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    await save_wishes(world, ana, tickets="none")
    _, ticket = await world.conversation()
    await world.app.write(notify, [Notice("snooze_ended", ticket.id, ana.id)])
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("snooze_ended", 1)] and await kinds_and_counts(world, ben) == [
        ("opened", 1)
    ]


async def test_a_ticket_that_was_closed_meanwhile_is_no_notification(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter(agreed=True)
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    await ana.closes(ticket)
    await world.advance()
    assert await read_bell(world, ana) == [] and await world.count(pending_notices) == 0


async def test_ten_thousand_notices_at_once_are_one_row(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    await world.advance(minutes=2)

    def step(tx: Tx) -> None:
        notify(tx, [Notice("snooze_ended", ticket.id, ana.id)] * 10_000)

    await world.app.write(step)
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("snooze_ended", 10_000), ("opened", 1)]


async def test_a_step_that_fails_notifies_nobody(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    await world.advance(minutes=2)

    def step(tx: Tx) -> None:
        notify(tx, [Notice("assigned", ticket.id, ana.id)])
        raise Refused("invalid", "No.")

    with pytest.raises(Refused):
        await world.app.write(step)
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("opened", 1)]


async def test_a_colleague_who_assigns_a_ticket_notifies_the_assignee_and_nobody_notifies_themselves(
    world: World,
) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    _, ticket = await world.conversation()
    await world.advance(minutes=2)
    await ana.assigns(ticket, ana)
    await ana.assigns(ticket, ben)
    await world.advance()
    assert await kinds_and_counts(world, ana) == [("opened", 1)]
    assert await kinds_and_counts(world, ben) == [("assigned", 1), ("opened", 1)]


# --- mail -----------------------------------------------------------------------------------------


async def wait_for_mails(server: FakeServer, count: int) -> list[Mail]:
    """Waits until `count` mails were sent, because the pump may still send when no job is due, and returns them."""
    async with asyncio.timeout(30):
        while len(server.mails) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return server.mails


async def test_a_user_who_asked_for_mail_gets_one_for_a_new_ticket(world: World) -> None:
    server, ana = await connect_mail_server(world.app), await world.agent("ana")
    await save_wishes(world, ana, mail=True)
    zoe, ticket = await world.conversation("Where is my {{ 7*7 }} parcel?")
    await zoe.introduces(name="Zoe")
    await world.advance()
    await zoe.says("Hello??")
    await world.advance()
    [message] = await wait_for_mails(server, 1)
    assert message.recipient == email_of("ana") and "Zoe" in message.subject
    assert "{{ 7*7 }}" not in message.subject and "parcel" in message.text
    assert f"/inbox/{ticket.id}" in message.text and message.automatic
    [row] = await world.rows(outbound)
    assert row.kind == "alert" and row.lane == 2, "the service lane"


async def test_nobody_gets_mail_who_did_not_ask_for_it(world: World) -> None:
    server = await connect_mail_server(world.app)
    await world.conversation()
    await world.advance()
    assert server.mails == []


async def test_a_user_who_is_online_gets_no_mail_and_one_who_is_away_does(world: World) -> None:
    from server.accounts import team

    server, ana, ben = await connect_mail_server(world.app), await world.agent("ana"), await world.agent("ben")
    for desk in (ana, ben):
        await save_wishes(world, desk, mail=True)
    await team.change_me(world.app, ben.agent, None, True, "")
    await come_online(world, ana, ben)
    await world.conversation()
    await world.advance()
    assert [message.recipient for message in await wait_for_mails(server, 1)] == [email_of("ben")]


async def test_a_user_who_comes_online_before_the_mail_is_sent_gets_none(world: World) -> None:
    from server.delivery import mail
    from tests.mails import SETTINGS

    server, ana = await connect_mail_server(world.app), await world.agent("ana")
    await save_wishes(world, ana, mail=True)
    await world.app.write(mail.configure, SETTINGS)
    await world.conversation()
    from server.notifications.delivering import deliver_page

    await world.app.write(deliver_page)
    await come_online(world, ana)
    await world.advance()
    [row] = await world.rows(outbound)
    assert server.mails == [] and (row.state, row.reason) == ("skipped", "online")


@pytest.mark.parametrize("channel", ["sms", "webchat"])
async def test_the_owner_turns_mail_off_for_a_channel(world: World, channel: str) -> None:
    server, ana = await connect_mail_server(world.app), await world.agent("ana")
    await save_wishes(world, ana, mail=True)
    await world.app.write(INBOX.save, InboxSettings(ticket_mail=TicketMail(**{channel: False})))
    await world.conversation("A chat")
    await world.sms_ticket("A text")
    await world.advance()
    [message] = await wait_for_mails(server, 1)
    assert ("A text" in message.text) is (channel == "webchat")


async def test_a_reopened_ticket_is_another_mail(world: World) -> None:
    server, ana, maria = await connect_mail_server(world.app), await world.agent("ana"), await world.texter(agreed=True)
    await save_wishes(world, ana, mail=True)
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    await world.advance()
    await ana.closes(ticket)
    await maria.says("One more thing")
    await world.advance()
    assert len(await wait_for_mails(server, 2)) == 2 and server.mails[0].subject != server.mails[1].subject


async def test_many_tickets_at_once_are_one_mail(world: World) -> None:
    server, ana = await connect_mail_server(world.app), await world.agent("ana")
    await save_wishes(world, ana, mail=True)
    for _ in range(SINGLE_MAILS + 1):
        await world.conversation()
    await world.advance()
    [message] = await wait_for_mails(server, 1)
    assert str(SINGLE_MAILS + 1) in message.subject


@pytest.mark.parametrize("language", ["en", "ko", "pl", "ru"])
async def test_mails_about_tickets_are_in_the_users_language(world: World, language: str) -> None:
    from server.accounts import team
    from server.notifications.texts import TEXTS

    server, ana = await connect_mail_server(world.app), await world.agent("ana")
    await team.change_me(world.app, ana.agent, None, None, "", language)
    await save_wishes(world, ana, mail=True, reminder_minutes=15)
    await world.conversation()
    await run_reminders(world, 20)
    for message in await wait_for_mails(server, 2):
        assert any(texts[language].button in message.text for texts in TEXTS.values())
    assert len(server.mails) == 2


# --- reminders ------------------------------------------------------------------------------------


async def run_reminders(world: World, minutes: int) -> None:
    from server.notifications import reminding

    await world.app.write(reminding.start)
    for _ in range(minutes):
        await world.advance(minutes=1)


async def test_unread_tickets_are_in_one_reminder_after_the_time_the_user_chose(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    await save_wishes(world, ana, tickets="none", reminder_minutes=15)
    await save_wishes(world, ben, tickets="none")
    await world.conversation()
    await world.conversation()
    read, _ = await world.conversation()
    await ana.reads(read)
    await run_reminders(world, 14)
    assert await read_bell(world, ana) == []
    await run_reminders(world, 30)
    assert await kinds_and_counts(world, ana) == [("unread", 2)], "once, and not of tickets that somebody has read"
    assert await read_bell(world, ben) == []


async def test_a_reminder_by_mail_leaves_out_channels_whose_mail_is_off(world: World) -> None:
    ana = await world.agent("ana")
    await connect_mail_server(world.app)
    await save_wishes(world, ana, tickets="none", mail=True, reminder_minutes=15)
    await world.app.write(lambda tx: INBOX.save(tx, InboxSettings(ticket_mail=TicketMail(webchat=False))))
    for _ in range(2):
        await world.conversation()
    await run_reminders(world, 20)
    assert await kinds_and_counts(world, ana) == [("unread", 2)]
    assert await world.rows(outbound, outbound.c.template == "alert.reminder") == []
    await world.sms_ticket()
    await world.conversation()
    await run_reminders(world, 20)
    (queued,) = await world.rows(outbound, outbound.c.template == "alert.reminder")
    assert queued.data["count"] == 1, "only the ticket by SMS"


async def test_a_colleagues_ticket_is_in_no_reminder(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    await save_wishes(world, ana, tickets="none", reminder_minutes=15)
    _, ticket = await world.conversation()
    await ben.assigns(ticket, ben)
    await run_reminders(world, 20)
    assert await read_bell(world, ana) == []


async def test_a_reminder_time_that_is_not_offered_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="minutes"):
        await save_wishes(world, await world.agent("ana"), reminder_minutes=7)


async def test_a_disabled_user_is_not_notified(world: World) -> None:
    from server.accounts import team

    olga, ben = await world.agent("olga"), await world.agent("ben")
    await team.change_user(world.app, olga.agent, ben.id, team.UserChange(None, None, True), "")
    await world.conversation()
    await world.advance()
    assert len(await world.rows(notifications, notifications.c.user_id == ben.id)) == 0
    assert len(await read_bell(world, olga)) == 1
