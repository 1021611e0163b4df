"""Settings → General: the account's time zone."""

from __future__ import annotations

import pytest

from server.accounts.account_settings import ACCOUNT, time_zone
from server.operations.doctor import examine_one
from server.schema import audit
from tests.online import Online
from tests.saving import save
from tests.world import World

PATH = "/api/settings/account"


async def test_an_account_without_a_zone_uses_utc_and_the_doctor_asks(world: World) -> None:
    assert (await world.app.read(time_zone)).key == "UTC"
    [finding] = await examine_one(world.app, "time_zone")
    assert finding.state == "warn" and "Settings → General" in finding.advice


async def test_the_zone_is_chosen_by_managers_and_shown_to_everybody(online: Online) -> None:
    mona, ana = await online.agent("mona", socket=False), await online.agent("ana", socket=False)
    assert (await ana.get("/api/session")).json()["time_zone"] is None
    assert (await save(mona, PATH, {"time_zone": "Asia/Seoul"})).json()["time_zone"] == "Asia/Seoul"
    assert (await ana.get("/api/session")).json()["time_zone"] == "Asia/Seoul"
    assert (await online.app.read(time_zone)).key == "Asia/Seoul"
    [finding] = await examine_one(online.app, "time_zone")
    assert finding.state == "ok"
    changes = [row.detail for row in await online.world.rows(audit) if row.action == "account_changed"]
    assert changes == [{"settings": ["time_zone"]}]
    stale = await mona.send("PUT", PATH, {"time_zone": "UTC", "version": "0.0"})
    assert stale.json()["error"]["code"] == "stale_version"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "europe/warsaw", "Europe/Warsaw\n", "../UTC", "localtime", "x" * 65])
async def test_a_zone_that_does_not_exist_is_refused(online: Online, zone: str) -> None:
    mona = await online.agent("mona", socket=False)
    answer = await save(mona, PATH, {"time_zone": zone})
    assert answer.status == 422 and answer.json()["errors"][0]["field"] == "time_zone"


async def test_a_stored_zone_that_no_longer_exists_becomes_utc(world: World) -> None:
    def store(tx: object) -> None:
        ACCOUNT.save(tx, ACCOUNT.model.model_construct(time_zone="Mars/Olympus"))  # type: ignore[arg-type]

    await world.app.write(store)
    assert (await world.app.read(ACCOUNT.load)).time_zone == "Mars/Olympus"
    assert (await world.app.read(time_zone)).key == "UTC"
