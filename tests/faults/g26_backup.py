"""G26: a backup taken under load and kills restores into a new server; a migration survives kill -9."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from pathlib import Path

from tests.faults import oracle
from tests.faults.crowd import Crowd
from tests.faults.oracle import Stored
from tests.faults.site import Site, open_site
from tests.faults.tally import Tally
from tests.services import create_database


async def run(tally: Tally) -> None:
    backups, kills = (10, 20) if tally.full else (2, 3)
    missing = lost = done = 0
    bad: list[str] = []
    async with open_site(tally.database, seed=tally.seed) as site:
        crowd = Crowd(site, visitors=15, agents=2, seed=tally.seed)
        await crowd.start()
        made: list[tuple[Path, set[str]]] = []

        async def save_and_kill() -> None:
            for number in range(backups):
                await asyncio.sleep(10.0 if tally.full else 2.0)
                before = set(crowd.acked_at)
                folder = site.folder / f"backup-{number}"
                code, said = await _threadline(site.env, "backup", str(folder))
                if code:
                    bad.append(f"backup {number}: {said[-400:]}")
                else:
                    made.append((folder, before))
                node = tally.random.choice(site.nodes)
                node.kill()
                node.start()
                await node.ready()

        await crowd.talk_while(25, save_and_kill())
        await crowd.settle(40)
        for folder, before in made:
            stored, problem = await _restore(site, folder)
            if problem:
                bad.append(f"{folder.name}: {problem}")
                continue
            done += 1
            keys = {row.key for row in stored}
            missing += len(before - keys)
            lost += sum(row.seq != n for rows in _threads(stored) for n, row in enumerate(rows, 1))
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=backups * 30)
    tally.floor("backups restored into a new server", done, backups)
    tally.zero("backups or restores that failed", len(bad), bad)
    tally.zero("acknowledged before a backup began and missing in it", missing)
    tally.zero("holes in a restored thread", lost)
    await _killed_migrations(tally, kills)


def _threads(stored: list[Stored]) -> list[list[Stored]]:
    by_thread: dict[int, list[Stored]] = {}
    for row in stored:
        by_thread.setdefault(row.thread, []).append(row)
    return list(by_thread.values())


async def _threadline(env: dict[str, str], *words: str, kill_after: float | None = None) -> tuple[int, str]:
    """One run of the command line; SIGKILL after a while where the test wants that."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", *words, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    if kill_after is not None:
        await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=kill_after)
        if process.returncode is None:
            process.kill()
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode(errors="replace")


async def _restore(site: Site, backup: Path) -> tuple[list[Stored], str]:
    """Into an empty folder or database, then a real server on it; what it then holds, or what went wrong."""
    data = site.folder / f"restored-{backup.name}"
    env = {**site.env, "THREADLINE_DATA_DIR": str(data)}
    if site.kind == "postgres":
        env["DATABASE_URL"] = create_database()
    code, said = await _threadline(env, "restore", str(backup))
    if code:
        return [], f"restore: {said[-400:]}"
    node = site.nodes[0]
    await node.stop()
    node.start(THREADLINE_DATA_DIR=str(data), DATABASE_URL=env.get("DATABASE_URL", ""))
    try:
        await node.ready()
        status, _ = await site.call("owner", "GET", "/api/tickets")
        if status != 200:
            return [], f"the restored server answers {status}"
        if site.kind == "postgres":
            return await asyncio.to_thread(oracle.read_postgres, env["DATABASE_URL"]), ""
        path = data / "threadline.db"
        state = await asyncio.to_thread(oracle.integrity, path)
        return await asyncio.to_thread(
            oracle.read_sqlite, path
        ), "" if state == "ok" else f"integrity_check: {state[:200]}"
    finally:
        node.kill()


async def _killed_migrations(tally: Tally, kills: int) -> None:
    """Killed at a random moment, run again: it finishes without a person."""
    stuck: list[str] = []
    interrupted = 0
    async with Site(tally.database, seed=tally.seed) as site:
        usual = 0.0  # seconds a migration takes, which depends on who else is at work
        for number in range(kills):
            for attempt in range(9):
                folder = site.folder / f"fresh-{number}-{attempt}"
                env = {**site.env, "THREADLINE_DATA_DIR": str(folder)}
                if site.kind == "postgres":
                    env["DATABASE_URL"] = create_database()
                began = time.monotonic()
                patience = tally.random.uniform(usual * 0.4, usual * 0.9) if usual else None
                code, _ = await _threadline(env, "migrate", kill_after=patience)
                if code:
                    interrupted += 1
                    break
                usual = time.monotonic() - began
            code, said = await _threadline(env, "migrate")
            if code:
                stuck.append(f"{number}: {said[-300:]}")
            elif site.kind == "sqlite":
                with sqlite3.connect(folder / "threadline.db") as db:
                    db.execute("SELECT count(*) FROM timeline").fetchone()
    tally.floor("migrations killed in the middle", interrupted, kills)
    tally.floor("migrations run again", kills, kills)
    tally.zero("migrations that need a person", len(stuck), stuck)
