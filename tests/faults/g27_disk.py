"""G27: the disk may fill up. Reads work, writes are refused with a clear error, no acknowledged message is lost, and it
recovers by itself."""

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
    """Mounts a file system of some megabytes; returns None where this machine does not allow it."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mounted = await asyncio.to_thread(
        subprocess.run,
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        tally.lacks(
            f"a disk that is full: no tmpfs can be mounted here ({mounted.stderr.decode().strip()[:80]}); run as root"
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
        settings = {"THREADLINE_DATA_DIR": str(disk), "THREADLINE_RESERVE_MB": str(RESERVE_MB)}
        async with Site(tally.database, seed=tally.seed, **settings) as site:
            shutil.copy(site.folder / "data" / "threadline.db", disk / "threadline.db")
            site.sqlite_path = lambda: disk / "threadline.db"  # type: ignore[method-assign]
            await site.start()
            await _fill_and_free(site, disk, tally)
    await _others_full(tally)
    await _strangers_fill(tally)


async def _fill_and_free(site: Site, disk: Path, tally: Tally) -> None:
    full_s = 30.0 if tally.full else 4.0
    crowd = Crowd(site, visitors=10, agents=2, seed=tally.seed, ack_wait=0.5)
    await crowd.start()
    await crowd.talk(25, _elapsed(2))
    acked_before = crowd.acks
    ballast = disk / "ballast"
    _fill(ballast)
    # SQLite can still write pages that its log already has. After these writes the disk is really full, and the server
    # releases its reserve. Only the product may use that space, so the ballast stops growing.
    patience = _elapsed(30)
    await crowd.talk(40, lambda: patience() or not (disk / "reserve").exists(), replies=0.3)
    full_since, acked_full = time.monotonic(), crowd.acks
    await crowd.talk(25, _elapsed(full_s), replies=0.3)
    acked_while_full = crowd.acks - acked_full
    codes = {frame["code"] for visitor in crowd.visitors for frame in visitor.frames if frame["type"] == "refused"}
    status, answer = await site.call(
        "owner", "POST", "/api/tickets/1/notes", {"key": "while-full-01", "text": "x" * 5_000}
    )
    read, _ = await site.call("owner", "GET", "/api/tickets")
    upload, body = await site.call("owner", "POST", "/api/files", os.urandom(200_000))
    admin_requests = await _admin_uses_reserve(site, disk, tally)
    leftovers = list((disk / "files").rglob("*.part")) if (disk / "files").exists() else []
    site.nodes[0].kill()  # the server starts even on a full disk
    site.nodes[0].start()
    await site.nodes[0].ready()
    second_sign_in = await _sign_in(site)
    freed = time.monotonic()
    ballast.unlink()
    key = await crowd.visitors[0].say("is there space again?")
    while crowd.visitors[0].receipts[key] is None and time.monotonic() - freed < 30:
        await asyncio.sleep(0.02)
    recovery = time.monotonic() - freed
    while not (disk / "reserve").exists() and time.monotonic() - freed < 30:
        await asyncio.sleep(0.1)
    tally.at_most("reserve restored after, s", time.monotonic() - freed, 10)
    settled = await crowd.settle(40)
    tally.floor("messages acknowledged before the disk was full", acked_before, 30)
    tally.floor("requests of an admin that succeed on the full disk", admin_requests, 4)
    tally.floor("sign-ins after a restart on the full disk", int(second_sign_in == 200), 1)
    tally.note("seconds with a full disk", freed - full_since)
    tally.zero("messages acknowledged from the reserve's space", acked_while_full)
    tally.floor("`storage_full` received over the socket", int("storage_full" in codes), 1)
    tally.zero("other refusals while full", len(codes - {"storage_full", "busy"}), sorted(codes))
    tally.zero("a write by HTTP: not 503", int(status != 503), f"{status} {answer}")
    tally.zero("an upload: not 503", int(upload != 503), f"{upload} {body}")
    tally.zero("half-written files left", len(leftovers), leftovers)
    tally.zero("a read: not 200", int(read != 200))
    tally.at_most("recovery without restart, s", recovery, 10)
    tally.zero("processes that died", int(not site.nodes[0].alive))
    tally.zero("integrity_check not ok", int(await asyncio.to_thread(oracle.integrity, site.sqlite_path()) != "ok"))
    tally.zero("clients not up to date at the end", int(not settled))
    (await asyncio.to_thread(crowd.verdict)).into(tally, floor=100)


async def _admin_uses_reserve(site: Site, disk: Path, tally: Tally) -> int:
    """Checks that an admin can sign in, read and end sessions in the space of the reserve, and that nobody else can use it."""
    assert not (disk / "reserve").exists(), "the disk is full, but the reserve was not released"
    succeeded = int(await _sign_in(site) == 200)
    succeeded += (await site.call("admin", "GET", "/api/doctor", within=30))[0] == 200
    succeeded += (await site.call("admin", "DELETE", "/api/sessions"))[0] == 200
    status, created = await site.call("admin", "POST", "/api/invites", {"email": "x@shop.example", "role": "support"})
    assert status == 200, created
    succeeded += (await site.call("admin", "DELETE", f"/api/invites/{created['invite']['id']}"))[0] == 200
    status, _ = await site.call("support", "POST", "/api/tickets/1/notes", {"key": "not-theirs-01", "text": "x"})
    tally.zero("times others used the reserve", int(status != 503))
    return succeeded


async def _sign_in(site: Site) -> int:
    body = {"email": "owner@shop.example", "password": PASSWORD}
    return (await site.call(None, "POST", "/api/login", body))[0]


async def _others_full(tally: Tally) -> None:
    """Attachments and the log are on separate full disks: messages are still accepted, attachments are refused."""
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
        for number in range(50):  # each request tries to write a log line
            await site.call(None, "POST", "/api/login", {}, headers={"origin": f"http://evil-{number}.test"})
        began = crowd.acks
        await crowd.talk(25, _elapsed(3))
        upload, body = await site.call("owner", "POST", "/api/files", os.urandom(100_000))
        tally.floor("messages sent while the disks of files and log were full", crowd.acks - began, 30)
        tally.zero("an upload on its full disk: not storage_full", int(upload != 503), f"{upload} {body}")
        for ballast in (files / "ballast", logs / "ballast"):
            ballast.unlink()
        upload, body = await site.call("owner", "POST", "/api/files", os.urandom(100_000))
        tally.zero("an upload when there is space again: not 200", int(upload != 200), f"{upload} {body}")
        settled = await crowd.settle(20)
        tally.zero("clients not up to date with full disks of files and log", int(not settled))
        verdict = await asyncio.to_thread(crowd.verdict)
        tally.zero("lost beside full disks of files and log", verdict.classes["lost"] + verdict.classes["unsettled"])


async def _strangers_fill(tally: Tally) -> None:
    """Visitors upload as much as they can to a small disk that also holds the database: they fill only their share, and the
    chat works."""
    size = 64
    async with _small_disk(tally, size) as disk:
        if disk is None:
            return
        settings = {"THREADLINE_DATA_DIR": str(disk), "THREADLINE_RESERVE_MB": str(RESERVE_MB)}
        async with Site(tally.database, seed=tally.seed, **settings) as site:
            shutil.copy(site.folder / "data" / "threadline.db", disk / "threadline.db")
            site.sqlite_path = lambda: disk / "threadline.db"  # type: ignore[method-assign]
            await site.start()
            await site.allow_visitor_files()
            await asyncio.sleep(0.2)
            crowd = Crowd(site, visitors=5, agents=1, seed=tally.seed)
            await crowd.start()
            await crowd.talk(25, _elapsed(1))
            began = crowd.acks
            answers = await crowd.talk_while(25, _upload_all(site, [visitor.token for visitor in crowd.visitors]))
            await crowd.talk(25, _elapsed(2))
            stored_files = answers.count((200, ""))
            unexpected = [answer for answer in answers if answer not in ((200, ""), (503, "storage_full"))]
            refused = {
                frame["code"] for visitor in crowd.visitors for frame in visitor.frames if frame["type"] == "refused"
            }
            tally.floor("strangers' files stored on a small disk", stored_files, 4)
            tally.floor("strangers' files refused on a small disk", len(answers) - stored_files, 20)
            tally.zero("strangers' files refused with another code", len(unexpected), unexpected[:5])
            tally.floor("MB that strangers cannot fill", shutil.disk_usage(disk).free >> 20, size // 3)
            tally.floor("messages sent while strangers filled their share", crowd.acks - began, 20)
            tally.zero("messages refused meanwhile", len(refused), sorted(refused))
            tally.zero("reserve released although the disk was not full", int(not (disk / "reserve").exists()))
            settled = await crowd.settle(20)
            tally.zero("clients not up to date after strangers filled their share", int(not settled))
            verdict = await asyncio.to_thread(crowd.verdict)
            tally.zero("lost beside strangers' files", verdict.classes["lost"] + verdict.classes["unsettled"])


async def _upload_all(site: Site, tokens: list[str | None]) -> list[tuple[int, str]]:
    """Uploads forty files of 3 MB, four at a time; returns status and code of each response."""
    data = os.urandom(3 << 20)

    async def upload(token: str | None) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {token}"}
        status, body = await site.call(None, "POST", "/widget/files", data, headers=headers, within=30)
        return status, body["error"]["code"] if status != 200 else ""

    results: list[tuple[int, str]] = []
    for first in range(0, 40, 4):
        results += await asyncio.gather(*(upload(tokens[n % len(tokens)]) for n in range(first, first + 4)))
    return results


def _elapsed(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _fill(path: Path) -> None:
    """Allocates every block that is free."""
    with path.open("ab", buffering=0) as file:
        for size in (65_536, 512):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
