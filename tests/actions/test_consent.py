"""Consent as it is kept: the ledger, keywords, who may bring back what (SPEC CON-1..11, KEY-1..4, AMB-1, 32, 33; G12, G14)."""

from __future__ import annotations

from typing import Any

from server.consent import actions, queries, rules
from server.consent.actions import Change
from server.consent.rules import Allowed, Blocked, Method, Purpose, SendPurpose, Status
from server.contacts import actions as contacts
from server.schema import suppressions
from tests.world import World, at_once

MARKETING, TRANSACTIONAL = Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL
NUMBER = "+14155550123"


async def person(world: World, number: str = NUMBER) -> int:
    found = await world.app.write(contacts.by_phone, number, number, "US")
    return int(found.contact)


async def grant(world: World, contact: int, *purposes: str, **values: Any) -> list[actions.Recorded]:
    values = {"method": Method.FORM, "source": "https://shop.example/join", "wording": "Text me offers", **values}
    return [
        await world.app.write(actions.record, Change(contact, purpose, Status.SUBSCRIBED, **values))
        for purpose in purposes or (MARKETING,)
    ]


async def statuses(world: World, contact: int) -> dict[str, str]:
    found = await world.app.read(queries.facts, contact, NUMBER)
    return dict(found.statuses)


async def verdict(world: World, contact: int, purpose: SendPurpose, number: str = NUMBER) -> rules.Verdict:
    found = await world.app.read(queries.facts, contact, number)
    return rules.may_send(purpose, "sms", found, world.now)


async def test_idn_1_two_first_texts_of_a_stranger_at_once_make_one_contact(world: World) -> None:
    found = await at_once(*(world.app.write(contacts.by_phone, NUMBER, NUMBER, "US") for _ in range(8)))
    assert len({one.contact for one in found}) == 1
    assert sum(one.created for one in found) == 1


async def test_key_1_stop_takes_both_consents_and_amb_32_start_brings_back_what_it_took(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, TRANSACTIONAL)
    assert await verdict(world, anna, SendPurpose.CONVERSATION) == Allowed()
    stopped = await world.app.write(actions.stop, NUMBER, [anna])
    assert stopped.first
    assert isinstance(await verdict(world, anna, SendPurpose.CONVERSATION), Blocked)
    started = await world.app.write(actions.start, NUMBER, [anna])
    assert started.lifted and started.restored
    assert await statuses(world, anna) == {MARKETING: Status.NEVER_SUBSCRIBED, TRANSACTIONAL: Status.SUBSCRIBED}
    assert await world.count(suppressions) == 0
