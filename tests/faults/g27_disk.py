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
from tests.faults.site import PASSWORD, Site
from tests.faults.tally import Tally

RESERVE_MB = 4


@contextlib.asynccontextmanager
async def _small_disk(tally: Tally, size_mb: int) -> AsyncIterator[Path | None]:
    """A file system of its own, some megabytes large; None where this machine does not allow one."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    made = await asyncio.to_thread(
        subprocess.run,
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)],
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
    async with _small_disk(tally, 64 if tally.full else 24) as disk:
        if disk is None:
            tally.floor("nothing could be tried", 1, 1)
            return
        more = {"THREADLINE_DATA_DIR": str(disk), "THREADLINE_RESERVE_MB": str(RESERVE_MB)}
        async with Site(tally.database, seed=tally.seed, **more) as site:
            shutil.copy(site.folder / "data" / "threadline.db", disk / "threadline.db")
            site.sqlite_path = lambda: disk / "threadline.db"  # type: ignore[method-assign]
            await site.start()
            await _fill_and_free(site, disk, tally)
    await _others_full(tally)


async def _fill_and_free(site: Site, disk: Path, tally: Tally) -> None:
    hold = 30.0 if tally.full else 4.0
    crowd = Crowd(site, visitors=10, agents=2, seed=tally.seed, ack_wait=0.5)
    await crowd.start()
    await crowd.talk(25, _for(2))
    acked_before = crowd.acks
    ballast = disk / "ballast"
    _fill(ballast)
    # Pages that are already the log's own can still be written; after these the disk is really full, and the reserve
    # is given up. Nothing but the product may use that room, so the ballast grows no more.
    patience = _for(30)
    await crowd.talk(40, lambda: patience() or not (disk / "reserve").exists(), replies=0.3)
    full_since, acked_full = time.monotonic(), crowd.acks
    await crowd.talk(25, _for(hold), replies=0.3)
    acked_while_full = crowd.acks - acked_full
    codes = {frame["code"] for visitor in crowd.visitors for frame in visitor.frames if frame["type"] == "refused"}
    status, answer = await site.call(
        "owner", "POST", "/api/tickets/1/notes", {"key": "while-full-01", "text": "x" * 5_000}
    )
    read, _ = await site.call("owner", "GET", "/api/tickets")
    upload, told = await site.call("owner", "POST", "/api/files", os.urandom(200_000))
    inside = await _an_admin_gets_in(site, disk, tally)
    leftovers = list((disk / "files").rglob("*.part")) if (disk / "files").exists() else []
    site.nodes[0].kill()  # and a start on a full disk is a start
    site.nodes[0].start()
    await site.nodes[0].ready()
    again = await _sign_in(site)
    freed = time.monotonic()
    ballast.unlink()
    key = await crowd.visitors[0].say("is there space again?")
    while crowd.visitors[0].receipts[key] is None and time.monotonic() - freed < 30:
        await asyncio.sleep(0.02)
    recovery = time.monotonic() - freed
    while not (disk / "reserve").exists() and time.monotonic() - freed < 30:
        await asyncio.sleep(0.1)
    tally.at_most("the reserve is there again, s", time.monotonic() - freed, 10)
    calm = await crowd.settle(40)
    tally.floor("acknowledged before", acked_before, 30)
    tally.floor("an admin gets in and does, on the full disk", inside, 4)
    tally.floor("… also after a restart on it", int(again == 200), 1)
    tally.note("full for, s", freed - full_since)
    tally.zero("acknowledged from the room of the reserve", acked_while_full)
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


async def _an_admin_gets_in(site: Site, disk: Path, tally: Tally) -> int:
    """What the reserve is for: signing in, looking, ending sessions; and nobody else may spend it."""
    assert not (disk / "reserve").exists(), "the disk is full and the reserve is still kept"
    done = int(await _sign_in(site) == 200)
    done += (await site.call("admin", "GET", "/api/doctor", within=30))[0] == 200
    done += (await site.call("admin", "DELETE", "/api/sessions"))[0] == 200
    status, made = await site.call("admin", "POST", "/api/invites", {"email": "x@shop.example", "role": "support"})
    assert status == 200, made
    done += (await site.call("admin", "DELETE", f"/api/invites/{made['invite']['id']}"))[0] == 200
    status, _ = await site.call("support", "POST", "/api/tickets/1/notes", {"key": "not-theirs-01", "text": "x"})
    tally.zero("the reserve spent by others", int(status != 503))
    return done


async def _sign_in(site: Site) -> int:
    body = {"email": "owner@shop.example", "password": PASSWORD}
    return (await site.call(None, "POST", "/api/login", body))[0]


async def _others_full(tally: Tally) -> None:
    """Attachments and the log on disks of their own, both full: what is said goes on, an attachment is refused."""
    async with (
        _small_disk(tally, 2) as files,
        _small_disk(tally, 1) as logs,
        Site(tally.database, seed=tally.seed) as site,
    ):
        if files is None or logs is None:
            return
        site.nodes[0].log = logs / "server.log"
        (site.folder / "data" / "files").symlink_to(files)
        await site.start()
        crowd = Crowd(site, visitors=5, agents=1, seed=tally.seed)
        await crowd.start()
        _fill(files / "ballast")
        _fill(logs / "ballast")
        for number in range(50):  # each is a line in the log, or would be
            await site.call(None, "POST", "/api/login", {}, headers={"origin": f"http://evil-{number}.test"})
        began = crowd.acks
        await crowd.talk(25, _for(3))
        upload, told = await site.call("owner", "POST", "/api/files", os.urandom(100_000))
        tally.floor("said while files and log were full", crowd.acks - began, 30)
        tally.zero("an upload on its full disk: not storage_full", int(upload != 503), f"{upload} {told}")
        for ballast in (files / "ballast", logs / "ballast"):
            ballast.unlink()
        upload, told = await site.call("owner", "POST", "/api/files", os.urandom(100_000))
        tally.zero("an upload when there is space again: not 200", int(upload != 200), f"{upload} {told}")
        calm = await crowd.settle(20)
        tally.zero("not calm beside full disks of files and log", int(not calm))
        verdict = await asyncio.to_thread(crowd.verdict)
        tally.zero("lost beside full disks of files and log", verdict.classes["lost"] + verdict.classes["unsettled"])


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
