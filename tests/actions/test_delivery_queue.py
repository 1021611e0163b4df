"""Queueing of outgoing texts: one row per idempotency key, and a job that wakes the pump in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.delivery import actions, queries
from server.delivery.actions import Send
from server.delivery.rules import State
from server.errors import Refused
from server.kernel.sql import Tx
from server.schema import jobs
from tests.people import add_contact
from tests.world import World, at_once

PHONE = "+15550100123"


def person(tx: Tx, phone: str = PHONE) -> int:
    return add_contact(tx, phone=phone, country="US")


def text(contact: int, key: str = "reply:1:1", **values: object) -> Send:
    fields = {"kind": "reply", "purpose": "conversation", "recipient": PHONE, "body": "Hello", **values}
    return Send(key, contact=contact, **fields)  # type: ignore[arg-type]


async def test_queueing_a_text_stores_a_row_and_wakes_the_pump(world: World) -> None:
    contact = await world.app.write(person)
    queued = await world.app.write(actions.queue, text(contact, body="é" * 161))
    result = await world.app.read(queries.by_id, queued.id)
    assert result is not None
    assert (result.state, result.segments, result.attempts) == (State.QUEUED, 2, 0)
    assert [job.kind for job in await world.rows(jobs)] == [actions.PUMP]


async def test_a_key_is_queued_once_even_when_repeated_concurrently(world: World) -> None:
    contact = await world.app.write(person)
    results = await at_once(*(world.app.write(actions.queue, text(contact)) for _ in range(12)))
    assert len({item.id for item in results}) == 1
    assert sum(not item.repeated for item in results) == 1


async def test_a_later_message_has_its_own_job_that_a_reply_does_not_reschedule(world: World) -> None:
    contact = await world.app.write(person)
    later = world.now + timedelta(hours=3)
    await world.app.write(actions.queue, text(contact, "a", due_at=later))
    await world.app.write(actions.queue, text(contact, "b"))
    assert sorted(job.run_at for job in await world.rows(jobs)) == [world.now, later]


async def test_a_text_that_is_too_long_is_refused_and_not_stored(world: World) -> None:
    contact = await world.app.write(person)
    with pytest.raises(Refused, match="at most 1,600"):
        await world.app.write(actions.queue, text(contact, body="x" * 1601))
