"""The emergency reserve (G27): on a full disk owner and admins still get in, and nobody else eats the last room."""

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
    """How much the disk has left, as a test wants it."""
    left = [100 * MB]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000 * MB, 0, left[0]))
    return left


def test_it_is_there_whole_is_given_up_once_and_taken_back_when_twice_its_size_is_free(
    tmp_path: Path, free: list[int]
) -> None:
    kept = Reserve(tmp_path, 2 * MB)
    assert kept.take() and not kept.spent
    assert os.stat(kept.path).st_blocks * 512 >= 2 * MB, "a hole in a file reserves nothing"
    kept.give_up()
    assert kept.spent and not kept.path.exists()
    kept.give_up()
    free[0] = 3 * MB
    assert not kept.take() and kept.spent
    free[0] = 4 * MB
    assert kept.take() and not kept.spent and kept.path.stat().st_size == 2 * MB


def test_half_a_reserve_of_a_killed_start_is_made_anew(tmp_path: Path, free: list[int]) -> None:
    kept = Reserve(tmp_path, 2 * MB)
    kept.path.write_bytes(b"half")
    assert kept.take() and kept.path.stat().st_size == 2 * MB


def test_a_start_on_a_full_disk_makes_room_to_open_the_database(tmp_path: Path, free: list[int]) -> None:
    kept = Reserve(tmp_path, 2 * MB)
    kept.take()
    free[0] = 100_000
    kept.make_room()
    assert kept.spent and not kept.path.exists()


def test_without_a_size_there_is_none_and_nothing_is_ever_spent(tmp_path: Path) -> None:
    kept = Reserve(tmp_path, 0)
    kept.give_up()
    kept.make_room()
    assert not kept.spent and not list(tmp_path.iterdir())


async def test_while_it_is_spent_only_who_may_use_it_writes(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data", reserve_mb=1) as world:
        guest, _ = await world.conversation("before")
        world.app.db.reserve.give_up()
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


async def test_owner_and_admin_sign_in_and_act_everybody_else_is_told_that_the_disk_is_full(full: Online) -> None:
    adam, ana = await full.agent("adam", socket=False), await full.agent("ana", socket=False)
    zoe = await full.visitor()
    await zoe.says("before")
    ticket = (await ana.get("/api/tickets")).json()["tickets"][0]["id"]
    full.app.db.reserve.give_up()

    signed_in = await full.send("POST", "/api/login", {"email": email_of("olga"), "password": PASSWORD})
    assert signed_in.status == 200
    assert (await adam.send("DELETE", "/api/sessions")).status == 200
    assert (await adam.get("/api/doctor")).status == 200
    for agent in (adam, ana):  # conversations are what filled it
        answer = await agent.post(f"/api/tickets/{ticket}/notes", {"key": full.key(), "text": "x"})
        assert answer.status == 503 and answer.json()["error"]["code"] == "storage_full"
    assert (await ana.send("PATCH", "/api/me", {"away": True})).status == 503
    await zoe.wire.says({"type": "say", "id": "key-00000009", "text": "while it is full"})
    assert (await zoe.wire.hears("refused", id="key-00000009"))["code"] == "storage_full"
    assert (await ana.get("/api/tickets")).status == 200

    full.app.db.reserve.spent = False
    await zoe.says("after")
