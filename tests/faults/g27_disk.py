"""G27: the disk can fill. Reads go on, writes are refused clearly, nothing acknowledged is lost, and it recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.faults import oracle
from tests.faults.crowd import Crowd
from tests.faults.site import Site
from tests.faults.tally import Tally

SIZE_MB = 24


@contextlib.asynccontextmanager
async def _small_disk(tally: Tally) -> AsyncIterator[Path | None]:
    """A file system of its own, a few megabytes large; None where this machine does not allow one."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    made = await asyncio.to_thread(
        subprocess.run,
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        tally.lacks(
            f"a disk that is full: no tmpfs can be mounted here ({made.stderr.decode().strip()[:80]}); run as root"
        )
        shutil.rmtree(folder)
        yield None
        return
    try:
        yield folder
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


async def run(tally: Tally) -> None:
    async with _small_disk(tally) as disk:
        if disk is None:
            tally.floor("nothing could be tried", 1, 1)
            return
        async with Site(tally.database, seed=tally.seed, THREADLINE_DATA_DIR=str(disk)) as site:
            shutil.copy(site.folder / "data" / "threadline.db", disk / "threadline.db")
            site.sqlite_path = lambda: disk / "threadline.db"  # type: ignore[method-assign]
            await site.start()
            await _fill_and_free(site, disk, tally)


async def _fill_and_free(site: Site, disk: Path, tally: Tally) -> None:
    hold = 30.0 if tally.full else 4.0
    crowd = Crowd(site, visitors=10, agents=2, seed=tally.seed, ack_wait=0.5)
    await crowd.start()
    await crowd.talk(25, _for(2))
    acked_before = crowd.acks
    ballast = disk / "ballast"
    _fill(ballast)
    # Pages that are already the log's own can still be written; after these the disk is really full.
    await crowd.talk(40, _for(2.0), replies=0.3)
    _fill(ballast)
    full_since, acked_full = time.monotonic(), crowd.acks
    await crowd.talk(25, _for(hold), replies=0.3)
    acked_while_full = crowd.acks - acked_full
    codes = {frame["code"] for visitor in crowd.visitors for frame in visitor.frames if frame["type"] == "refused"}
    status, answer = await site.call(
        "owner", "POST", "/api/tickets/1/notes", {"key": "while-full-01", "text": "x" * 5_000}
    )
    read, _ = await site.call("owner", "GET", "/api/tickets")
    upload, told = await site.call("owner", "POST", "/api/files", os.urandom(200_000))
    leftovers = list((disk / "files").rglob("*.part")) if (disk / "files").exists() else []
    freed = time.monotonic()
    ballast.unlink()
    key = await crowd.visitors[0].say("is there space again?")
    while crowd.visitors[0].receipts[key] is None and time.monotonic() - freed < 30:
        await asyncio.sleep(0.02)
    recovery = time.monotonic() - freed
    calm = await crowd.settle(40)
    tally.floor("acknowledged before", acked_before, 30)
    tally.note("full for, s", freed - full_since)
    tally.note("acknowledged while full", acked_while_full)
    tally.floor("told `storage_full` over the socket", int("storage_full" in codes), 1)
    tally.zero("other refusals while full", len(codes - {"storage_full", "busy"}), sorted(codes))
    tally.zero("a write by HTTP: not 503", int(status != 503), f"{status} {answer}")
    tally.zero("an upload: not 503", int(upload != 503), f"{upload} {told}")
    tally.zero("half-written files left", len(leftovers), leftovers)
    tally.zero("a read: not 200", int(read != 200))
    tally.at_most("recovery without restart, s", recovery, 10)
    tally.zero("process died", int(not site.nodes[0].alive))
    tally.zero("integrity_check not ok", int(await asyncio.to_thread(oracle.integrity, site.sqlite_path()) != "ok"))
    tally.zero("not calm after", int(not calm))
    (await asyncio.to_thread(crowd.verdict)).into(tally, floor=100)


def _for(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _fill(path: Path) -> None:
    """Takes every block that is left."""
    with path.open("ab", buffering=0) as file:
        for size in (65_536, 512):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
