"""The one door out: one row for each cause, and a pump that is woken in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from server.delivery import actions, queries
from server.delivery.actions import Send
from server.delivery.rules import State
from server.errors import Refused
from server.kernel.sql import Tx
from server.schema import contacts, jobs
from tests.world import World, at_once

PHONE = "+15550100123"


def person(tx: Tx, phone: str = PHONE) -> int:
    row = insert(contacts).values(phone=phone, country="US", created_at=tx.now).returning(contacts.c.id)
    return int(tx.value(row))


def text(contact: int, key: str = "reply:1:1", **values: object) -> Send:
    wanted = {"kind": "reply", "purpose": "conversation", "recipient": PHONE, "body": "Hello", **values}
    return Send(key, contact=contact, **wanted)  # type: ignore[arg-type]


async def test_a_message_is_a_row_that_waits_for_the_pump(world: World) -> None:
    contact = await world.app.write(person)
    queued = await world.app.write(actions.queue, text(contact, body="é" * 161))
    found = await world.app.read(queries.one, queued.id)
    assert found is not None
    assert (found.state, found.segments, found.attempts) == (State.QUEUED, 2, 0)
    assert [job.kind for job in await world.rows(jobs)] == [actions.PUMP]


async def test_the_same_cause_is_queued_once_however_often_and_however_many_at_once(world: World) -> None:
    contact = await world.app.write(person)
    made = await at_once(*(world.app.write(actions.queue, text(contact)) for _ in range(12)))
    assert len({one.id for one in made}) == 1
    assert sum(not one.repeated for one in made) == 1


async def test_what_is_due_later_has_an_alarm_of_its_own_that_a_reply_does_not_move(world: World) -> None:
    contact = await world.app.write(person)
    later = world.now + timedelta(hours=3)
    await world.app.write(actions.queue, text(contact, "a", due_at=later))
    await world.app.write(actions.queue, text(contact, "b"))
    assert sorted(job.run_at for job in await world.rows(jobs)) == [world.now, later]


async def test_too_much_text_is_refused_before_anything_is_stored(world: World) -> None:
    contact = await world.app.write(person)
    with pytest.raises(Refused, match="at most 1,600"):
        await world.app.write(actions.queue, text(contact, body="x" * 1601))
