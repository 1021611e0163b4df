"""Texts that no webhook brought: after an outage they are listed and received as if they had come (G9)."""

from __future__ import annotations

from datetime import timedelta

from server.channels.base import Listed
from server.delivery import jobs
from server.errors import ChannelError
from server.schema import carrier_inbound, tickets
from server.schema import jobs as jobs_table
from tests.sms import PHONE, TOLL_FREE, open_sms
from tests.world import World


def came(world: World, sid: str, body: str, *, hours_ago: float = 0.5, inbound: bool = True) -> Listed:
    sender, to = (PHONE, TOLL_FREE) if inbound else (TOLL_FREE, PHONE)
    at = world.now - timedelta(hours=hours_ago)
    return Listed(sid, "received", None, body, sender, to, "inbound" if inbound else "outbound", at)


async def test_what_no_webhook_brought_is_fetched_once_oldest_first(world: World) -> None:
    fake = await open_sms(world)
    fake.listed = [came(world, "SM2", "second", hours_ago=0.4), came(world, "SM1", "first"), came(world, "SM0", "ours", inbound=False)]  # fmt: skip
    assert await jobs.fetch_missing(world.app, 3) == 2
    assert await jobs.fetch_missing(world.app, 3) == 0
    assert [row.sid for row in await world.rows(carrier_inbound)] == ["SM1", "SM2"]
    [ticket] = await world.rows(tickets)
    assert ticket.preview == "second"


async def test_it_is_looked_for_hourly_and_further_back_after_a_look_that_failed(world: World) -> None:
    fake = await open_sms(world)
    await world.app.write(jobs.start)
    await world.advance()
    assert await hours(world) == jobs.USUAL_H

    async def away(**_: object) -> list[Listed]:
        raise ChannelError("Twilio has a problem.")

    fake.list_messages = away  # type: ignore[method-assign]
    await world.advance(hours=1)
    await world.advance(hours=1)
    assert await hours(world) == jobs.USUAL_H + 2
    del fake.list_messages
    fake.listed = [came(world, "SM9", "while you were away", hours_ago=4)]
    await world.advance(hours=1)
    assert [row.sid for row in await world.rows(carrier_inbound)] == ["SM9"]
    assert await hours(world) == jobs.USUAL_H


async def hours(world: World) -> int:
    [job] = [job for job in await world.rows(jobs_table) if job.kind == jobs.CATCH_UP]
    return int(job.payload["hours"])
