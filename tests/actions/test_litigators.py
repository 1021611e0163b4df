"""Litigators, people known for suing over texts: no text is sent to them and no consent of theirs counts (CON-8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.accounts.rules import Agent
from server.consent import actions, queries, revocation, rules
from server.consent.actions import AgentEntry
from server.consent.ledger import ConsentChange
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


async def add_litigators(world: World, *phones: str) -> int:
    return int(await world.app.write(revocation.add_litigators, await olga(world), phones, "203.0.113.7"))


async def switch_list(world: World, on: bool) -> None:
    version = (await world.app.read(revocation.litigator_list)).version
    await world.app.write(revocation.switch_litigators, await olga(world), on, version, "203.0.113.7")
    await world.advance()


async def blocked(world: World, contact: int, purpose: SendPurpose = SendPurpose.CONVERSATION) -> str | None:
    result = await world.app.read(queries.facts, contact, PHONE)
    verdict = rules.may_send(purpose, "sms", result, world.now)
    return verdict.reason if isinstance(verdict, rules.Blocked) else None


async def statuses(world: World, contact: int) -> dict[str, Any]:
    return dict((await world.app.read(queries.facts, contact, PHONE)).statuses)


async def test_listing_a_number_revokes_both_consents_and_blocks_every_send(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    waiting = await queue(world, contact, due_at=world.now + timedelta(hours=1))
    assert await add_litigators(world, PHONE, PHONE, "+12025550777") == 2 and await add_litigators(world, PHONE) == 0
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
async def test_an_opt_in_of_a_listed_number_does_not_count_and_is_kept_as_evidence(
    world: World, method: Method
) -> None:
    contact = await person(world, subscribed=False)
    await add_litigators(world, PHONE)
    recorded = await world.app.write(
        actions.record, ConsentChange(contact, MARKETING, Status.SUBSCRIBED, method, "test")
    )
    assert (recorded.applied, recorded.reason_not_applied) == (False, "litigator")
    assert (await statuses(world, contact))[MARKETING] == Status.UNSUBSCRIBED
    with pytest.raises(Conflict) as refused:
        await world.app.write(
            actions.record_agent_entry,
            await olga(world),
            AgentEntry(contact, MARKETING, Status.SUBSCRIBED, "by telephone"),
        )
    assert refused.value.code == "litigator"


async def test_keywords_of_a_listed_number_grant_nothing_and_get_no_reply(world: World) -> None:
    await open_sms(world)
    words = [SubscribeKeyword(word="JOIN", opt_in="single"), SubscribeKeyword(word="TEA", opt_in="double")]
    await world.app.write(KEYWORDS.save, KeywordSettings(brand="Kettle", gateway="off", subscribe=words))
    maria = await world.texter()
    await maria.says("JOIN")
    contact = await maria.contact()
    sent = await world.count(outbound)
    assert sent == 1
    await maria.says("STOP")
    sent = await world.count(outbound)
    await add_litigators(world, maria.number)
    for keyword in ("START", "JOIN", "TEA", "YES", "HELP"):
        await maria.says(keyword)
    assert await world.count(outbound) == sent
    result = await world.app.read(queries.facts, contact, maria.number)
    assert Status.SUBSCRIBED not in result.statuses.values()


async def test_turning_the_list_off_restores_nothing_and_on_revokes_again(world: World) -> None:
    await open_sms(world)
    contact = await person(world)
    await switch_list(world, False)
    await add_litigators(world, PHONE)
    assert await blocked(world, contact) is None, "numbers added while the list is off must not be blocked"
    await switch_list(world, True)
    assert await blocked(world, contact) == "litigator"
    await switch_list(world, False)
    assert await blocked(world, contact) == "taken_off"
    assert Status.SUBSCRIBED not in (await statuses(world, contact)).values()
    yes = ConsentChange(contact, MARKETING, Status.SUBSCRIBED, Method.FORM, "test")
    assert (await world.app.write(actions.record, yes)).applied
    assert await blocked(world, contact) is None


async def test_the_ticket_shows_a_litigator_until_the_number_is_removed(world: World) -> None:
    await open_sms(world)
    maria = await world.texter(agreed=True)
    await maria.says("Where is my parcel?")

    async def barred() -> str | None:
        (ticket,) = await world.rows(tickets)
        return ticket.barred  # type: ignore[no-any-return]

    assert await barred() is None
    await add_litigators(world, maria.number)
    assert await barred() == "litigator"
    lines = [row.data for row in await world.rows(timeline, timeline.c.kind == "consent")]
    assert {line["method"] for line in lines[-1:]} == {"litigator"}
    await switch_list(world, False)
    assert await barred() == "taken_off"
    await switch_list(world, True)
    owner = await olga(world)
    assert await world.app.write(revocation.remove_litigator, owner, maria.number, "203.0.113.7")
    assert not await world.app.write(revocation.remove_litigator, owner, maria.number, "203.0.113.7")
    assert await barred() == "taken_off"
    await add_litigators(world, maria.number, "+12025550777")
    assert await world.app.write(revocation.clear_litigators, owner, "203.0.113.7") == 2
    assert await barred() == "taken_off" and await world.count(litigators) == 0
    assert await world.app.write(revocation.clear_litigators, owner, "203.0.113.7") == 0
