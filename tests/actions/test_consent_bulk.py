"""Statements about consent in bulk: the rules, the chain and the events of single ones, in a few statements (G14)."""

from __future__ import annotations

import functools
import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from server.consent import actions, chain, proof, revocation, suppressing
from server.consent.ledger import ConsentChange, ConsentResult
from server.consent.rules import Method, Purpose, Status, Suppressed
from server.kernel.sql import Conn, Tx
from server.schema import consent_ledger, consent_register, consents, events, litigators, opt_ins, suppressions
from tests.people import add_contact
from tests.world import World, open_world

MARKETING, TRANSACTIONAL, EMAIL = Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL, Purpose.EMAIL_MARKETING
LEDGER = "contact_id n purpose before status applied method source wording address happened_at".split()
CONSENTS = "contact_id purpose status method source happened_at paused_at taken".split()
EVENTS = "contact_id metric data".split()


def add_people(tx: Tx, count: int, first: int = 0) -> list[int]:
    return [
        add_contact(tx, phone=f"+48501{number:06d}", email=f"person{number}@mail.example")
        for number in range(first, first + count)
    ]


async def verify(world: World) -> tuple[proof.Finding, ...]:
    return (await world.app.read(proof.verify, world.app.key(chain.PURPOSE))).findings


def one_by_one(tx: Tx, changes: list[ConsentChange]) -> list[ConsentResult]:
    return [actions.record_many(tx, [change])[0] for change in changes]


async def prepare(world: World) -> list[int]:
    """Eight people: one opted out by text, one on the list of litigators, one with a deactivated number."""
    people = await world.app.write(add_people, 8)
    await world.app.write(functools.partial(actions.stop, source="sms:SM1"), "+48501000000", [people[0]])
    await world.app.write(suppressing.suppress, "sms", "+48501000002", Suppressed.DEACTIVATED, "", world.now)

    def list_one(tx: Tx) -> None:
        tx.run(insert(litigators).values(phone="+48501000001", added_at=tx.now))

    await world.app.write(list_one)
    return people


def statements(world: World, people: list[int], seed: int) -> list[ConsentChange]:
    rng = random.Random(seed)
    times = [None, *(world.now + timedelta(hours=hours) for hours in (-400_000, -48, -2, -2, -1, 0, 1))]
    return [
        ConsentChange(
            rng.choice(people),
            rng.choice([MARKETING, TRANSACTIONAL, EMAIL]),
            rng.choice(list(Status)),
            rng.choice([Method.IMPORT, Method.FORM, Method.AGENT, Method.KEYWORD, Method.GATEWAY, Method.API]),
            f"import:{number}",
            "Yes, text me.",
            happened_at=rng.choice(times),
            address=rng.choice([None, None, None, "+48501000000"]),
        )
        for number in range(120)
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_many_statements_have_the_results_of_single_ones(world: World, tmp_path: Any, seed: int) -> None:
    found = []
    async with open_world(tmp_path / "other", world.database) as other:
        for place, step in ((world, actions.record_many), (other, one_by_one)):
            people = await prepare(place)
            results = await place.app.write(step, statements(place, people, seed))
            # The events of one step are stored together, so only their order may differ.
            stored = [
                sorted(repr([getattr(row, name) for name in names]) for row in await place.rows(table, *only))
                for table, names, only in (
                    (consent_ledger, LEDGER, ()),
                    (consents, CONSENTS, ()),
                    # Changes that are no events of the person are noted once in a step.
                    (events, EVENTS, (events.c.metric.in_(("subscribed", "unsubscribed")),)),
                )
            ]
            suppressed = [(row.address, row.reason) for row in await place.rows(suppressions)]
            found.append((results, stored, suppressed))
            assert await verify(place) == ()
    assert found[0] == found[1]
    reasons = {result.reason_not_applied for result in found[0][0]}
    assert reasons >= {None, "older", "opted_out", "in_future"}, reasons


async def test_the_number_of_statements_does_not_grow_with_each_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await world.app.write(add_people, 64)
    ran: list[int] = []
    original = Conn._run

    def count(self: Conn, *args: Any) -> Any:
        ran.append(1)
        return original(self, *args)

    def record(tx: Tx, contacts: list[int]) -> int:
        ran.clear()
        monkeypatch.setattr(Conn, "_run", count)
        changes = [ConsentChange(who, MARKETING, Status.SUBSCRIBED, Method.IMPORT, "import:1") for who in contacts]
        actions.record_many(tx, changes)
        monkeypatch.setattr(Conn, "_run", original)
        return len(ran)

    alone = await world.app.write(record, people[:1])
    assert await world.app.write(record, people[1:]) <= alone + 4


async def test_an_older_yes_is_kept_as_evidence_and_a_newer_no_stays(world: World) -> None:
    anna, maria = await world.app.write(add_people, 2)
    no = ConsentChange(anna, MARKETING, Status.UNSUBSCRIBED, Method.AGENT, "user:1", happened_at=world.now)
    await world.app.write(actions.record, no)
    yes = [
        ConsentChange(who, MARKETING, Status.SUBSCRIBED, Method.IMPORT, "import:1", happened_at=before)
        for who, before in ((anna, world.now - timedelta(days=1)), (maria, world.now + timedelta(days=1)))
    ]
    older, future = await world.app.write(actions.record_many, yes, "import:1")
    other = ConsentChange(maria, EMAIL, Status.SUBSCRIBED, Method.IMPORT, "import:1")
    await world.app.write(actions.record_many, [other], "import:1")
    causes = [(row.contact_id, row.cause) for row in await world.rows(events)]
    assert causes == [(anna, None), (maria, "import:1")]
    assert (older.applied, older.status, older.reason_not_applied) == (False, Status.UNSUBSCRIBED, "older")
    assert (future.applied, future.reason_not_applied) == (False, "in_future")
    rows = await world.rows(consent_ledger, consent_ledger.c.purpose == MARKETING)
    assert [(row.contact_id, row.status, row.applied) for row in rows] == [
        (anna, "unsubscribed", True),
        (anna, "subscribed", False),
    ]
    (current,) = await world.rows(consents, consents.c.purpose == MARKETING)
    assert (current.contact_id, current.status) == (anna, Status.UNSUBSCRIBED)


async def test_new_chains_of_one_step_are_registered_with_one_update(world: World) -> None:
    people = await world.app.write(add_people, 30)
    changes = [ConsentChange(who, EMAIL, Status.SUBSCRIBED, Method.IMPORT, "import:1") for who in people]
    await world.app.write(actions.record_many, changes)
    (register,) = await world.rows(consent_register)
    assert register.chains == 30 and await verify(world) == ()

    def edit(tx: Tx) -> None:
        tx._execute(f"UPDATE consent_ledger SET source = 'import:2' WHERE contact_id = {people[17]}", ())

    await world.app.write(edit)
    findings = await verify(world)
    assert {finding.contact for finding in findings} == {people[17]}
    assert ("altered", 1) in [(finding.kind, finding.n) for finding in findings]


async def test_switching_the_list_of_litigators_locks_few_numbers_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await world.app.write(add_people, 20)
    yes = [ConsentChange(who, MARKETING, Status.SUBSCRIBED, Method.FORM, "form:1") for who in people]
    await world.app.write(actions.record_many, yes)
    owner = (await world.agent("olga")).agent

    async def switch(on: bool) -> None:
        version = (await world.app.read(revocation.litigator_list)).version
        await world.app.write(revocation.switch_litigators, owner, on, version, "203.0.113.7")
        await world.advance()

    def list_all(tx: Tx) -> None:
        for number in range(20):
            tx.run(insert(litigators).values(phone=f"+48501{number:06d}", added_at=tx.now))

    await switch(False)
    await world.app.write(list_all)
    locked: list[int] = []
    original = Conn.lock_names
    monkeypatch.setattr(revocation, "NUMBERS_AT_ONCE", 3)

    def lock_names(self: Conn, *names: str, shared: bool = False) -> None:
        locked.append(len(names))
        original(self, *names, shared=shared)

    monkeypatch.setattr(Conn, "lock_names", lock_names)
    await switch(True)
    current = await world.rows(consents, consents.c.purpose == MARKETING)
    assert {(row.status, row.method) for row in current} == {("unsubscribed", "litigator")} and len(current) == 20
    removed = []
    while count := await world.app.write(revocation.clear_litigators, owner, "203.0.113.7"):
        removed.append(count)
    assert removed == [3] * 6 + [2] and max(locked) == 3
    assert await world.count(litigators) == 0 and await world.count(opt_ins) == 0 and await verify(world) == ()
