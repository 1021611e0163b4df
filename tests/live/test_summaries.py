"""Every change of a ticket's summary reaches every open console, even if no entry of the thread reports it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

import pytest

from server.consent import revocation, suppressing
from server.consent.rules import Suppressed
from server.delivery import senders as numbers
from server.schema import senders
from tests.online import Online
from tests.texters import Texter


async def _dead(online: Online, maria: Texter) -> None:
    await online.app.write(suppressing.suppress, "sms", maria.number, Suppressed.DEAD)


async def _given_up(online: Online, maria: Texter) -> None:
    assert await online.app.write(revocation.revoke_deactivated, maria.number, date(2026, 11, 21))


async def _litigator(online: Online, maria: Texter) -> None:
    olga = await online.world.agent("olga")
    assert await online.app.write(revocation.add_litigators, olga.agent, [maria.number], "203.0.113.7")


@pytest.mark.parametrize(
    ("bars", "reason"),
    [
        (_dead, "unreachable"),
        (_given_up, "deactivated"),
        (_litigator, "litigator"),
    ],
)
async def test_open_consoles_learn_that_a_customer_can_no_longer_be_texted(
    online: Online, bars: Callable[[Online, Texter], Awaitable[None]], reason: str
) -> None:
    ana = await online.agent("ana")
    maria = await online.world.texter(agreed=True)
    await maria.says("Where is my parcel?")
    ticket = await maria.ticket()
    assert ticket is not None
    ticket_before = await ana.receives_ticket(ticket.id, barred=None)
    await bars(online, maria)
    ticket_after = await ana.receives_ticket(ticket.id, barred=reason)
    assert ticket_after["rev"] > ticket_before["rev"]


async def test_open_consoles_learn_that_an_opt_out_question_was_answered(online: Online) -> None:
    ana = await online.agent("ana")
    maria = await online.world.texter(agreed=True)
    await maria.says("please stop texting me")
    ticket = await maria.ticket()
    assert ticket is not None
    await ana.receives_ticket(ticket.id, stop_asked=True)
    answer = await ana.post(f"/api/tickets/{ticket.id}/opt-out", {"key": online.key(), "confirm": False})
    assert answer.status == 200, answer
    await ana.receives_ticket(ticket.id, stop_asked=False)


async def test_a_typed_name_is_shown_at_the_visitors_earlier_chats_too(online: Online) -> None:
    ana = await online.agent("ana")
    zoe = await online.world.visitor()
    first = (await zoe.says("Hello?")).ticket
    await zoe.ends()
    second = (await zoe.says("Hello again?")).ticket
    assert first.id != second.id
    await zoe.introduces(name="Zoe")
    for ticket in (first, second):
        summary = await ana.receives_ticket(ticket.id, rev=(await online.world.ticket(ticket)).rev)
        assert summary["contact"]["name"] == "Zoe"


async def test_open_consoles_learn_when_a_change_of_our_numbers_changes_who_can_be_answered(online: Online) -> None:
    maria = await online.world.texter(agreed=True)
    ana = await online.agent("ana")
    await maria.says("Where is my parcel?")
    ticket = await maria.ticket()
    assert ticket is not None
    await ana.receives_ticket(ticket.id, barred=None)
    for row in await online.world.rows(senders):
        await online.app.write(numbers.remove, row.id)
    await ana.receives("changed", what="tickets")
    (listed,) = (await ana.get("/api/tickets?channel=sms")).json()["tickets"]
    assert (listed["barred"], listed["rev"]) == ("no_sender", ticket.rev)
    await ana.notes(ticket.id, "Ask for an e-mail address")
    await ana.receives_ticket(ticket.id, barred="no_sender")


async def test_consoles_learn_of_changed_numbers_also_when_the_notification_is_lost(online: Online) -> None:
    await online.world.texter(agreed=True)
    ana = await online.agent("ana")
    await online.app.write(lambda tx: tx.run(senders.update().values(enabled=False)))
    online.hub.numbers.on_published("", None)  # as the hub does after three seconds
    await online.hub.tick(1)
    await ana.receives("changed", what="tickets")
