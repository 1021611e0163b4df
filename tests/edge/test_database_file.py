"""F9, F10: the server reports a damaged, missing or replaced database file and acknowledges nothing into it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from server.app import build
from server.errors import Busy, Refused
from server.kernel.bus import LocalBus
from tests.online import Online
from tests.world import lay_out, open_world


async def test_nothing_is_acknowledged_into_a_file_that_was_deleted_or_replaced(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        guest, _ = await world.conversation("before")
        path, moved_path = world.app.settings.sqlite_path(), tmp_path / "aside.db"
        path.rename(moved_path)
        with pytest.raises(Busy):
            await guest.says("into nowhere")
        assert not path.exists(), "the server must not create a new empty database"
        path.write_bytes(b"")  # another file under the same name
        with pytest.raises(Busy):
            await guest.says("into nowhere")
        moved_path.rename(path)
        await guest.says("after")
        assert [entry.body for entry in await guest.entries() if entry.kind == "message"] == ["before", "after"]


async def test_a_server_whose_file_is_gone_is_not_ready_and_says_so_to_visitors(online: Online) -> None:
    zoe = await online.visitor()
    path = online.app.settings.sqlite_path()
    path.rename(path.with_suffix(".aside"))
    assert (await online.get("/readyz")).status == 503
    await zoe.wire.says({"type": "say", "id": "key-00000001", "text": "Anybody?"})
    refused = await zoe.wire.receives("refused", id="key-00000001")
    assert refused["code"] == "busy" and str(path) not in refused["message"]
    path.with_suffix(".aside").rename(path)
    assert (await online.get("/readyz")).status == 200


async def test_a_damaged_file_is_named_at_start_and_left_alone(tmp_path: Path) -> None:
    settings = lay_out(tmp_path / "data", "sqlite")
    path = settings.sqlite_path()
    data = bytearray(path.read_bytes())
    for page in range(6, len(data) // 4096, 2):
        data[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    path.write_bytes(data)
    with pytest.raises(Refused) as refused:
        await build(settings, bus=LocalBus())
    assert refused.value.code == "database_damaged" and "restore" in refused.value.message
    assert path.read_bytes() == data
    # The folder is not locked, so a restore can use it.
    path.unlink()
    lay_out(tmp_path / "data", "sqlite")
    app = await build(settings, bus=LocalBus())
    await app.db.close()


async def test_writes_to_a_read_only_file_are_refused_and_recover(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        guest, _ = await world.conversation("before")
        # Root ignores a read-only mode; the pragma makes SQLite raise the same error.
        writer: Any = world.app.db._writer
        writer._db.execute("PRAGMA query_only=ON")
        with pytest.raises(Busy):
            await guest.says("refused")
        writer._db.execute("PRAGMA query_only=OFF")
        await guest.says("after")


async def test_another_process_that_holds_the_lock_delays_writes_and_no_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F5. Here the other process is a person with the sqlite3 shell."""
    from server.kernel import sqlite

    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 300)
    async with open_world(tmp_path / "data") as world:
        guest, _ = await world.conversation("before")
        with sqlite3.connect(os.fspath(world.app.settings.sqlite_path()), isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Busy):
                await guest.says("refused")
            assert await guest.sees("before")
            other.execute("ROLLBACK")
        await guest.says("after")
