"""People known for suing over texts: listed, nothing is sent to them and nothing is promised (CON-8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.accounts.rules import Agent
from server.consent import actions, losses, queries, rules
from server.consent.actions import Change, Wish
from server.consent.rules import Method, Purpose, SendPurpose, Status
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.delivery.rules import State
from server.errors import Conflict
from server.schema import consent_ledger, litigators, outbound, tickets, timeline
from tests.sms import PHONE, of, open_sms, person, queue
from tests.world import World

MARKETING, TRANSACTIONAL = Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL


async def olga(world: World) -> Agent:
    return (await world.agent("olga")).agent  # type: ignore[no-any-return]


async def add(world: World, *phones: str) -> int:
    return int(await world.app.write(losses.add_litigators, await olga(world), phones, "203.0.113.7"))


async def switch(world: World, on: bool) -> None:
    await world.app.write(losses.switch_litigators, await olga(world), on, "203.0.113.7")


async def blocked(world: World, contact: int, purpose: SendPurpose = SendPurpose.CONVERSATION) -> str | None:
    found = await world.app.read(queries.facts, contact, PHONE)
    said = rules.may_send(purpose, "sms", found, world.now)
    return said.reason if isinstance(said, rules.Blocked) else None


async def statuses(world: World, contact: int) -> dict[str, Any]:
    return dict((await world.app.read(queries.facts, contact, PHONE)).statuses)


async def test_who_is_listed_loses_both_consents_and_every_send_is_refused(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    waiting = await queue(world, contact, due_at=world.now + timedelta(hours=1))
    assert await add(world, PHONE, PHONE, "+12025550777") == 2 and await add(world, PHONE) == 0
    assert set((await statuses(world, contact)).values()) == {Status.UNSUBSCRIBED}
    rows = await world.rows(consent_ledger, consent_ledger.c.method == "litigator")
    assert [(row.purpose, row.applied, row.source, row.address) for row in rows] == [
        (MARKETING, True, "litigators", PHONE),
        (TRANSACTIONAL, True, "litigators", PHONE),
    ]
    for purpose in SendPurpose:
        assert await blocked(world, contact, purpose) == "litigator"
    await world.advance(hours=2)
    stopped = await of(world, waiting)
    assert (stopped.state, stopped.reason) == (State.SKIPPED, "litigator")


@pytest.mark.parametrize("method", [Method.KEYWORD, Method.DOUBLE_OPT_IN, Method.FORM, Method.IMPORT, Method.API])
async def test_no_yes_counts_while_the_number_is_listed_and_it_is_kept_as_evidence(
    world: World, method: Method
) -> None:
    contact = await person(world, subscribed=False)
    await add(world, PHONE)
    said = await world.app.write(actions.record, Change(contact, MARKETING, Status.SUBSCRIBED, method, "test"))
    assert (said.applied, said.why) == (False, "litigator")
    assert (await statuses(world, contact))[MARKETING] == Status.UNSUBSCRIBED
    with pytest.raises(Conflict) as refused:
        await world.app.write(
            actions.decide, await olga(world), Wish(contact, MARKETING, Status.SUBSCRIBED, "by telephone")
        )
    assert refused.value.code == "litigator"


async def test_a_subscribe_keyword_grants_nothing_and_neither_start_nor_help_is_answered(world: World) -> None:
    await open_sms(world)
    words = [SubscribeKeyword(word="JOIN", opt_in="single"), SubscribeKeyword(word="TEA", opt_in="double")]
    await world.app.write(KEYWORDS.save, KeywordSettings(brand="Kettle", gateway="off", subscribe=words))
    maria = await world.texter()
    await maria.says("JOIN")
    contact = await maria.known()
    sent = await world.count(outbound)
    assert sent == 1
    await maria.says("STOP")
    sent = await world.count(outbound)
    await add(world, maria.number)
    for said in ("START", "JOIN", "TEA", "YES", "HELP"):
        await maria.says(said)
    assert await world.count(outbound) == sent
    found = await world.app.read(queries.facts, contact, maria.number)
    assert Status.SUBSCRIBED not in found.statuses.values()


async def test_off_holds_nothing_and_gives_nothing_back_and_on_takes_anew(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    await switch(world, False)
    await add(world, PHONE)
    assert await blocked(world, contact) is None, "listed while that does not count"
    await switch(world, True)
    assert await blocked(world, contact) == "litigator"
    await switch(world, False)
    assert await blocked(world, contact) == "taken_off"
    assert Status.SUBSCRIBED not in (await statuses(world, contact)).values()
    yes = Change(contact, MARKETING, Status.SUBSCRIBED, Method.FORM, "test")
    assert (await world.app.write(actions.record, yes)).applied
    assert await blocked(world, contact) is None


async def test_the_ticket_shows_it_at_once_and_no_more_when_the_number_is_taken_off(world: World) -> None:
    await open_sms(world)
    maria = await world.texter(agreed=True)
    await maria.says("Where is my parcel?")

    async def barred() -> str | None:
        (ticket,) = await world.rows(tickets)
        return ticket.barred  # type: ignore[no-any-return]

    assert await barred() is None
    await add(world, maria.number)
    assert await barred() == "litigator"
    lines = [row.data for row in await world.rows(timeline, timeline.c.kind == "consent")]
    assert {line["method"] for line in lines[-1:]} == {"litigator"}
    await switch(world, False)
    assert await barred() == "taken_off"
    await switch(world, True)
    who = await olga(world)
    assert await world.app.write(losses.remove_litigator, who, maria.number, "203.0.113.7")
    assert not await world.app.write(losses.remove_litigator, who, maria.number, "203.0.113.7")
    assert await barred() == "taken_off"
    await add(world, maria.number, "+12025550777")
    assert await world.app.write(losses.clear_litigators, who, "203.0.113.7") == 2
    assert await barred() == "taken_off" and await world.count(litigators) == 0
    assert await world.app.write(losses.clear_litigators, who, "203.0.113.7") == 0
