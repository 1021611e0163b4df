"""Uploaded files that were never sent are removed: visitors' after a day, agents' after thirty."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from server.errors import NotFound
from server.files import jobs as file_jobs
from server.files import storage
from server.schema import attachments, jobs
from tests.world import World


async def run_sweep(world: World, **later: float) -> None:
    """Starts a worker and advances the clock."""
    await world.app.write(file_jobs.start)
    await world.advance(**later)


async def remaining_files(world: World) -> set[str]:
    """Files that still have a row; checks that exactly their bytes are on the disk."""
    tokens = {row.token for row in await world.rows(attachments)}
    folder = world.app.settings.files_dir()
    assert {path.name for path in folder.rglob("*") if path.is_file()} == tokens
    return tokens


async def test_a_visitors_unsent_file_is_removed_after_a_day(world: World) -> None:
    zoe, ana = await world.visitor(), await world.agent("ana")
    sent, unsent = await zoe.uploads(b"sent"), await zoe.uploads(b"unsent")
    await zoe.says("See", files=[sent])
    of_agent = await ana.uploads(b"in a draft")
    await run_sweep(world, hours=23.9)
    assert await remaining_files(world) == {sent, unsent, of_agent}
    await run_sweep(world, hours=0.2)
    assert await remaining_files(world) == {sent, of_agent}
    with pytest.raises(NotFound):
        await zoe.says("And this", files=[unsent])


async def test_an_agents_unsent_file_is_kept_for_thirty_days(world: World) -> None:
    ana = await world.agent("ana")
    token = await ana.uploads(b"in a draft")
    await run_sweep(world, hours=30 * 24 - 0.1)
    assert await remaining_files(world) == {token}
    await run_sweep(world, hours=0.2)
    assert await remaining_files(world) == set()


async def test_a_file_that_is_sent_is_kept_for_ever(world: World) -> None:
    zoe, ana = await world.visitor(), await world.agent("ana")
    token = await zoe.uploads(b"sent")
    await zoe.says("See", files=[token])
    reply = await ana.uploads(b"answer")
    await ana.replies(await zoe.ticket(), "There", files=[reply])
    await run_sweep(world, hours=400 * 24)
    assert await remaining_files(world) == {token, reply}


async def test_the_sweep_runs_hourly_and_never_concurrently(world: World) -> None:
    await run_sweep(world)
    await run_sweep(world)
    zoe = await world.visitor()
    await zoe.uploads(b"unsent")
    (job,) = [row for row in await world.rows(jobs) if row.kind == file_jobs.SWEEP_JOB]
    assert (job.run_at - world.now).total_seconds() == 3_600
    for _ in range(26):
        await world.advance(hours=1)
    assert await remaining_files(world) == set()


async def test_many_files_are_removed_in_runs_of_bounded_size(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_jobs, "SWEEP_BATCH", 2)
    zoe = await world.visitor()
    for n in range(5):
        await zoe.uploads(b"%d" % n)
    await run_sweep(world, hours=25)
    assert await remaining_files(world) == set()


async def test_a_sweep_that_is_killed_is_finished_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep may be killed at any moment: bytes without a row would never be removed."""
    zoe = await world.visitor()
    token = await zoe.uploads(b"unsent")

    async def dies(*args: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(storage, "remove_bytes", dies)
    await run_sweep(world, hours=25)
    assert await remaining_files(world) == {token}
    with pytest.raises(NotFound):  # its row is deleted: a file that the next run removes must not be sent
        await zoe.says("See", files=[token])
    monkeypatch.undo()
    await world.advance(minutes=1)
    assert await remaining_files(world) == set()


async def test_partial_files_of_killed_uploads_are_removed_within_a_day(
    world: World,
) -> None:
    ana = await world.agent("ana")
    token = await ana.uploads(b"in a draft")
    folder = world.app.settings.files_dir() / token[:2]

    def part(name: str, **ago: float) -> Path:
        path = folder / name
        path.write_bytes(b"half")
        modified_at = (world.now - timedelta(**ago)).timestamp()
        os.utime(path, (modified_at, modified_at))
        return path

    killed, decoding = part(f"{token}.aaaaaa.part", hours=2), part(f"{token}.aaaaaa.new.part", hours=2)
    recent_part = part("another.bbbbbb.part", minutes=59)
    await run_sweep(world)
    assert not killed.exists() and not decoding.exists() and recent_part.exists()
    await world.advance(hours=24)
    assert await remaining_files(world) == {token}
