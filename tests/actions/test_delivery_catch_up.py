"""Texts that no webhook delivered: after an outage they are listed at the provider and received as usual (G9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from server.channels.base import Listed
from server.consent import queries as consents
from server.consent.rules import Suppressed
from server.delivery import jobs
from server.errors import ChannelError
from server.schema import carrier_inbound, tickets
from server.schema import jobs as jobs_table
from server.sms import catch_up, receiving
from tests.sms import PHONE, TOLL_FREE, open_sms
from tests.world import World


def listed_text(world: World, sid: str, body: str, *, hours_ago: float = 0.5, inbound: bool = True) -> Listed:
    sender, receiver = (PHONE, TOLL_FREE) if inbound else (TOLL_FREE, PHONE)
    received_at = world.now - timedelta(hours=hours_ago)
    return Listed(sid, "received", None, body, sender, receiver, "inbound" if inbound else "outbound", received_at)


async def test_texts_that_no_webhook_delivered_are_fetched_once_oldest_first(world: World) -> None:
    fake = await open_sms(world)
    fake.listed = [listed_text(world, "SM2", "second", hours_ago=0.4), listed_text(world, "SM1", "first"), listed_text(world, "SM0", "ours", inbound=False)]  # fmt: skip
    assert await catch_up.fetch_missing(world.app, 3) == 2
    assert await catch_up.fetch_missing(world.app, 3) == 0
    assert [row.sid for row in await world.rows(carrier_inbound)] == ["SM1", "SM2"]
    [ticket] = await world.rows(tickets)
    assert ticket.preview == "second"


async def test_catch_up_runs_hourly_and_goes_further_back_after_a_failure(world: World) -> None:
    fake = await open_sms(world)
    await world.app.write(jobs.start)
    await world.advance()
    assert await hours(world) == catch_up.CATCH_UP_H

    async def unreachable(**_: object) -> AsyncIterator[list[Listed]]:
        raise ChannelError("Twilio has a problem.")
        yield []

    fake.pages = unreachable  # type: ignore[method-assign]
    await world.advance(hours=1)
    await world.advance(hours=1)
    assert await hours(world) == catch_up.CATCH_UP_H + 2
    del fake.pages
    fake.listed = [listed_text(world, "SM9", "while you were away", hours_ago=4)]
    await world.advance(hours=1)
    assert [row.sid for row in await world.rows(carrier_inbound)] == ["SM9"]
    assert await hours(world) == catch_up.CATCH_UP_H


async def test_a_listing_of_several_pages_is_read_to_its_end(
    world: World,
) -> None:
    fake = await open_sms(world)
    fake.page = 50
    missed_texts = [listed_text(world, f"SM{n:04d}", f"text {n}", hours_ago=n / 100) for n in range(205)]
    older = [listed_text(world, f"SM{n:04d}", "long ago", hours_ago=n / 10) for n in range(205, 500)]
    fake.listed = [*missed_texts, *older]
    assert await catch_up.fetch_missing(world.app, 3) == 205
    [ticket] = await world.rows(tickets)
    assert ticket.preview == "text 0"
    assert fake.pages_read < 9, "pages older than the requested time must not be read"


async def test_an_incomplete_listing_is_discarded_and_the_next_catch_up_covers_its_time(world: World) -> None:
    """The whole listing is discarded: otherwise a STOP of its older half could be received after the START of its newer
    half."""
    fake = await open_sms(world)
    await world.app.write(jobs.start)
    await world.advance()
    listed = [listed_text(world, f"SM{n}", f"text {n}", hours_ago=n) for n in (0.1, 2)]

    async def breaks_off(**_: object) -> AsyncIterator[list[Listed]]:
        yield listed[:1]
        raise ChannelError("Twilio could not be reached.")

    fake.pages = breaks_off  # type: ignore[method-assign]
    await world.advance(hours=1)
    assert await hours(world) == catch_up.CATCH_UP_H + 1 and not await world.rows(carrier_inbound)
    del fake.pages
    fake.listed = listed
    await world.advance(hours=1)
    assert await hours(world) == catch_up.CATCH_UP_H and await world.count(carrier_inbound) == 2


async def test_an_endless_listing_is_a_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = await open_sms(world)
    monkeypatch.setattr(catch_up, "MAX_PAGES", 20)

    async def endless(**_: object) -> AsyncIterator[list[Listed]]:
        while True:
            yield [listed_text(world, "SM1", "again and again")]

    fake.pages = endless  # type: ignore[method-assign]
    with pytest.raises(ChannelError, match="did not end"):
        await catch_up.fetch_missing(world.app, 3)


async def test_a_late_listed_start_does_not_undo_a_newer_stop(world: World) -> None:
    await open_sms(world)
    maria = await world.texter(agreed=True)
    await maria.says("STOP")
    contact = await maria.contact()
    late = maria.text("START")._replace(superseded=True)
    await world.app.write(receiving.receive_listed, late)
    assert (await world.app.read(consents.facts, contact, maria.number)).suppressed == Suppressed.STOP
    assert [entry.body for entry in await maria.entries() if entry.kind == "message"] == ["STOP", "START"]
    await maria.says("START")
    assert (await world.app.read(consents.facts, contact, maria.number)).suppressed is None


async def hours(world: World) -> int:
    [job] = [job for job in await world.rows(jobs_table) if job.kind == jobs.CATCH_UP]
    return int(job.payload["hours"])
