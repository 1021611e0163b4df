"""The nightly job deletes expired events and carriers' reports in slices, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from server.audit import versions
from server.events import retention
from server.events.recording import record
from server.events.retention import RETENTION, RetentionSettings
from server.events.rules import NewEvent
from server.kernel.sql import Tx
from server.schema import carrier_reports, consent_ledger, episodes, events, notifications, outbound, shop_webhooks
from tests.world import World

DAY = timedelta(days=1)


async def fill(world: World, count: int) -> None:
    """Stores `count` events and one report."""

    def step(tx: Tx) -> None:
        # An old event that is stored today stays, because programs send their history.
        record(tx, [NewEvent(n, "viewed", "key:1", tx.now - 4000 * DAY) for n in range(count)])
        tx.run(insert(shop_webhooks).values(webhook_id=tx.token(8), topic="orders/create", at=tx.now))
        tx.run(insert(carrier_reports).values(sid="SM1", status="sent", params={}, at=tx.now))

    await world.app.write(step)


async def set_retention(world: World, **days: Any) -> None:
    olga = (await world.agent("olga")).agent
    version = (await world.app.read(versions.load, RETENTION)).version
    await world.app.write(versions.save, olga.id, RETENTION, RetentionSettings(**days), version, "")


async def night(world: World, days: int) -> None:
    world.clock.advance(days * DAY)
    await world.app.write(retention.start)
    await world.advance(hours=24)


async def test_only_rows_older_than_the_setting_are_deleted_at_night(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 7)
    maria = await world.texter(agreed=True)
    await maria.says("Hello")
    counts_before = {table.name: await world.rows(table) for table in (consent_ledger, episodes, outbound)}
    await fill(world, 50)
    await set_retention(world, events_days=60, reports_days=100)
    await night(world, 30)
    assert await world.count(events) > 50 and await world.count(carrier_reports) == 1
    await fill(world, 5)
    await night(world, 30)
    assert await world.count(events) == 5, "61 days and 31 days old"
    assert await world.count(notifications) > 0, "kept for 90 days"
    assert await world.count(carrier_reports) == 2
    await night(world, 40)
    assert await world.count(carrier_reports) == 1
    assert await world.count(shop_webhooks) == 0, "all are more than 30 days old"
    for table in (consent_ledger, episodes, outbound):
        assert await world.rows(table) == counts_before[table.name]
    await night(world, 20)
    assert await world.count(notifications) == 0


async def test_a_run_that_cannot_finish_is_continued_immediately(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE", 5)
    monkeypatch.setattr(retention, "MAX_PAGES", 2)
    await fill(world, 43)
    await night(world, 731)
    assert await world.count(events) == 0


async def test_without_a_limit_nothing_is_deleted(world: World) -> None:
    await fill(world, 3)
    await set_retention(world, events_days=None, reports_days=None)
    await night(world, 4000)
    assert await world.count(events) == 3 and await world.count(carrier_reports) == 1
