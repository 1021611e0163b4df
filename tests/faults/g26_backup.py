"""G26: a backup taken under load and kills restores into a new server; a migration survives SIGKILL."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

from tests.faults import oracle
from tests.faults.crowd import Crowd
from tests.faults.oracle import Stored
from tests.faults.site import Site, open_site, threadline
from tests.faults.tally import Tally
from tests.services import create_database


async def run(tally: Tally) -> None:
    backups, kills = (10, 20) if tally.full else (2, 3)
    missing = holes = restored = 0
    errors: list[str] = []
    async with open_site(tally.database, seed=tally.seed) as site:
        crowd = Crowd(site, visitors=15, agents=2, seed=tally.seed)
        await crowd.start()
        backups_made: list[tuple[Path, set[str]]] = []

        async def save_and_kill() -> None:
            for number in range(backups):
                await asyncio.sleep(10.0 if tally.full else 2.0)
                acked_before = set(crowd.acked_at)
                folder = site.folder / f"backup-{number}"
                code, output = await threadline(site.env, "backup", str(folder))
                if code:
                    errors.append(f"backup {number}: {output[-400:]}")
                else:
                    backups_made.append((folder, acked_before))
                node = tally.random.choice(site.nodes)
                node.kill()
                node.start()
                await node.ready()

        await crowd.talk_while(25, save_and_kill())
        await crowd.settle(40)
        for folder, acked_before in backups_made:
            stored, problem = await _restore(site, folder)
            if problem:
                errors.append(f"{folder.name}: {problem}")
                continue
            restored += 1
            keys = {row.key for row in stored}
            missing += len(acked_before - keys)
            holes += sum(row.seq != n for rows in _threads(stored) for n, row in enumerate(rows, 1))
        (await asyncio.to_thread(crowd.verdict)).into(tally, floor=backups * 30)
    tally.floor("backups restored into a new server", restored, backups)
    tally.zero("backups or restores that failed", len(errors), errors)
    tally.zero("acknowledged before a backup began and missing in it", missing)
    tally.zero("holes in a restored thread", holes)
    await _killed_migrations(tally, kills)


def _threads(stored: list[Stored]) -> list[list[Stored]]:
    by_thread: dict[int, list[Stored]] = {}
    for row in stored:
        by_thread.setdefault(row.thread, []).append(row)
    return list(by_thread.values())


async def _restore(site: Site, backup: Path) -> tuple[list[Stored], str]:
    """Restores into an empty folder or database and starts a real server on it; returns the restored rows and ""; or
    no rows and the error."""
    data = site.folder / f"restored-{backup.name}"
    env = {**site.env, "THREADLINE_DATA_DIR": str(data)}
    if site.kind == "postgres":
        env["DATABASE_URL"] = create_database()
    code, output = await threadline(env, "restore", str(backup))
    if code:
        return [], f"restore: {output[-400:]}"
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
    """Kills a migration at a random moment and runs it again: it must finish without manual repair."""
    failed: list[str] = []
    interrupted = 0
    async with Site(tally.database, seed=tally.seed) as site:
        usual_s = 0.0  # seconds that a migration takes on this machine now
        for number in range(kills):
            for attempt in range(9):
                folder = site.folder / f"fresh-{number}-{attempt}"
                env = {**site.env, "THREADLINE_DATA_DIR": str(folder)}
                if site.kind == "postgres":
                    env["DATABASE_URL"] = create_database()
                began = time.monotonic()
                kill_after_s = tally.random.uniform(usual_s * 0.4, usual_s * 0.9) if usual_s else None
                code, _ = await threadline(env, "migrate", kill_after=kill_after_s)
                if code:
                    interrupted += 1
                    break
                usual_s = time.monotonic() - began
            code, output = await threadline(env, "migrate")
            if code:
                failed.append(f"{number}: {output[-300:]}")
            elif site.kind == "sqlite":
                with sqlite3.connect(folder / "threadline.db") as db:
                    db.execute("SELECT count(*) FROM timeline").fetchone()
    tally.floor("migrations killed in the middle", interrupted, kills)
    tally.floor("migrations run again", kills, kills)
    tally.zero("migrations that need manual repair", len(failed), failed)
