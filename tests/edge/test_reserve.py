"""The emergency reserve (G27): on a full disk owner and admins can still work, and nobody else can use the reserved
space."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from server.errors import StorageFull
from server.kernel import reserve
from server.kernel.reserve import Reserve
from tests.online import Online, open_online
from tests.world import PASSWORD, email_of, open_world

Usage = namedtuple("Usage", "total used free")
MB = 1 << 20


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sets the free space of the disk as the product sees it."""
    free_bytes = [100 * MB]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000 * MB, 0, free_bytes[0]))
    return free_bytes


def test_the_reserve_is_created_released_once_and_created_again_when_space_is_free(
    tmp_path: Path, free: list[int]
) -> None:
    reserved = Reserve(tmp_path, 2 * MB)
    assert reserved.restore() and not reserved.spent
    assert os.stat(reserved.path).st_blocks * 512 >= 2 * MB, "the reserve must occupy real blocks"
    reserved.release()
    assert reserved.spent and not reserved.path.exists()
    reserved.release()
    free[0] = 3 * MB
    assert not reserved.restore() and reserved.spent
    free[0] = 4 * MB
    assert reserved.restore() and not reserved.spent and reserved.path.stat().st_size == 2 * MB


def test_an_incomplete_reserve_of_a_killed_start_is_completed(tmp_path: Path, free: list[int]) -> None:
    reserved = Reserve(tmp_path, 2 * MB)
    reserved.path.write_bytes(b"half")
    assert reserved.restore() and reserved.path.stat().st_size == 2 * MB


def test_a_start_on_a_full_disk_releases_the_reserve_to_open_the_database(tmp_path: Path, free: list[int]) -> None:
    reserved = Reserve(tmp_path, 2 * MB)
    reserved.restore()
    free[0] = 100_000
    reserved.release_if_full()
    assert reserved.spent and not reserved.path.exists()


def test_a_reserve_of_size_zero_is_never_created_or_released(tmp_path: Path) -> None:
    reserved = Reserve(tmp_path, 0)
    reserved.release()
    reserved.release_if_full()
    assert not reserved.spent and not list(tmp_path.iterdir())


async def test_while_the_reserve_is_released_only_owner_and_admins_can_write(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data", reserve_mb=1) as world:
        guest, _ = await world.conversation("before")
        world.app.db.reserve.release()
        with pytest.raises(StorageFull):
            await guest.says("refused")
        assert await guest.sees("before")
        token = reserve.allowed.set(True)
        await guest.says("allowed")
        reserve.allowed.reset(token)
        world.app.db.reserve.spent = False
        await guest.says("after")


@pytest.fixture
async def full(tmp_path: Path):
    async with open_online(tmp_path / "data", reserve_mb=1) as online:
        yield online


async def test_on_a_full_disk_owner_and_admin_can_work_and_others_get_storage_full(full: Online) -> None:
    adam, ana = await full.agent("adam", socket=False), await full.agent("ana", socket=False)
    zoe = await full.visitor()
    await zoe.says("before")
    ticket = (await ana.get("/api/tickets")).json()["tickets"][0]["id"]
    full.app.db.reserve.release()

    signed_in = await full.send("POST", "/api/login", {"email": email_of("olga"), "password": PASSWORD})
    assert signed_in.status == 200
    assert (await adam.send("DELETE", "/api/sessions")).status == 200
    assert (await adam.get("/api/doctor")).status == 200
    for agent in (adam, ana):  # conversations filled the disk
        answer = await agent.post(f"/api/tickets/{ticket}/notes", {"key": full.key(), "text": "x"})
        assert answer.status == 503 and answer.json()["error"]["code"] == "storage_full"
    assert (await ana.send("PATCH", "/api/me", {"away": True})).status == 503
    await zoe.wire.says({"type": "say", "id": "key-00000009", "text": "while it is full"})
    assert (await zoe.wire.receives("refused", id="key-00000009"))["code"] == "storage_full"
    assert (await ana.get("/api/tickets")).status == 200

    full.app.db.reserve.spent = False
    await zoe.says("after")
