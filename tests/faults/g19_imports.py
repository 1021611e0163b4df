"""G19: an import accounts for every row, and a crash neither loses nor repeats one.

The process that works is killed with SIGKILL while it parses, decides and writes: at random moments, and at a failpoint just
after a slice is committed. Two people import the same file at the same time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg

from tests.faults.site import Node, Site, open_site
from tests.faults.tally import Tally

WORKING = ("rehearsing", "running")
AFTER_SLICE = "import_slice_written"


async def run(tally: Tally) -> None:
    rows, kills = (200_000, 60) if tally.full else (1_500, 4)
    async with open_site(tally.database, seed=tally.seed, nodes=1, worker=True) as site:
        file = _file(rows)
        ids = [await _prepare(site, file) for _ in range(2)]
        killed = await _work_under_kills(tally, site, ids, "rehearse", "rehearsed", kills // 2)
        for import_id in ids:
            await _call(site, "POST", f"/api/imports/{import_id}/run", {})
        killed += await _work_under_kills(tally, site, ids, "run", "done", kills - kills // 2)
        tally.floor("kills", killed, kills)
        await _check(tally, site, ids, rows)


def _file(rows: int) -> bytes:
    """People with consents; every 10th row is faulty, every 15th repeats the first one."""
    lines = ["Email,Name,Phone Number,Email Marketing Consent"]
    for n in range(rows):
        email = "p0@faults.example" if n % 15 == 14 else f"p{n}@faults.example"
        phone = "12" if n % 10 == 9 else ""
        lines.append(f"{email},Person {n},{phone},{'Subscribed' if n % 2 else 'Unsubscribed'}")
    return "\n".join(lines).encode()


async def _call(site: Site, method: str, path: str, body: Any = None, **options: Any) -> Any:
    status, answer = await site.call("owner", method, path, body, within=60, **options)
    assert status == 200, f"{method} {path}: {status} {answer}"
    return answer["import"]


async def _prepare(site: Site, file: bytes) -> int:
    new = await _call(site, "POST", "/api/imports", {"kind": "contacts", "source": ""})
    path = f"/api/imports/{new['id']}"
    read = await _call(site, "POST", f"{path}/file", file, headers={"x-file-name": "people.csv"})
    await _call(site, "PUT", f"{path}/mapping", {"mapping": read["mapping"]})
    await _call(site, "POST", f"{path}/rehearse", {})
    return int(new["id"])


async def _work_under_kills(tally: Tally, site: Site, ids: list[int], what: str, end: str, kills: int) -> int:
    """Kills the working process until all imports have reached this state; returns how often."""
    victim: Node = site.worker or site.nodes[0]
    killed = 0
    deadline = time.monotonic() + (1_800 if tally.full else 150)
    while time.monotonic() < deadline:
        # At half of the kills the process dies just after a commit, before it knows.
        at_failpoint = what == "run" and killed % 2 == 0 and killed < kills
        if killed < kills:
            await asyncio.sleep(tally.random.uniform(0.2, 1.2))
            victim.kill()
            killed += 1
            victim.start(f"{AFTER_SLICE}=kill@{tally.random.randint(1, 4)}" if at_failpoint else "")
        if not victim.alive:
            victim.start()
        if victim is not site.worker:
            try:
                await victim.ready()
            except RuntimeError:  # it reached the failpoint already
                continue
        if killed >= kills and await _all_reached(site, ids, end):
            return killed
        await asyncio.sleep(0.3)
    raise AssertionError(f"the imports did not get {end}: {victim.tail()}")


async def _all_reached(site: Site, ids: list[int], end: str) -> bool:
    try:
        states = [(await _call(site, "GET", f"/api/imports/{each}"))["state"] for each in ids]
    except OSError:  # the process was killed at its failpoint
        return False
    assert all(state == end or state in WORKING for state in states), states
    return all(state == end for state in states)


async def _check(tally: Tally, site: Site, ids: list[int], rows: int) -> None:
    people = {0} | {n for n in range(rows) if n % 15 != 14 and n % 10 != 9}
    unaccounted, details = 0, []
    for import_id in ids:
        shown = await _call(site, "GET", f"/api/imports/{import_id}")
        counted = sum(count for name, count in shown["counts"].items() if ":" not in name)
        stored = _count(site, f"SELECT count(*) FROM import_rows WHERE import_id = {import_id}")
        unaccounted += abs(rows - counted) + abs(rows - stored)
        details.append(shown["counts"])
    tally.zero("rows unaccounted for", unaccounted, details)
    emails = _count(site, "SELECT count(*) FROM contacts WHERE email LIKE '%@faults.example'")
    distinct = _count(site, "SELECT count(DISTINCT email) FROM contacts WHERE email LIKE '%@faults.example'")
    tally.zero("contacts duplicated", emails - distinct)
    tally.zero("contacts missing", abs(len(people) - distinct))
    right = _count(
        site,
        "SELECT count(*) FROM consents JOIN contacts ON contacts.id = consents.contact_id "
        "WHERE contacts.email LIKE '%@faults.example' AND consents.status = "
        "CASE WHEN CAST(replace(contacts.name, 'Person ', '') AS INTEGER) % 2 = 1 THEN 'subscribed' ELSE 'unsubscribed' END",
    )
    tally.zero("consents wrong", abs(len(people) - right))
    once = _count(
        site,
        "SELECT count(*) FROM (SELECT contact_id, source FROM consent_ledger GROUP BY contact_id, source "
        "HAVING count(*) > 1) AS repeated",
    )
    tally.zero("statements recorded twice by one import", once)


def _count(site: Site, sql: str) -> int:
    if site.kind == "postgres":
        with psycopg.connect(site.database_url) as connection:
            row = connection.execute(sql).fetchone()  # type: ignore[call-overload]
    else:
        import sqlite3

        with sqlite3.connect(f"file:{site.sqlite_path()}?mode=ro", uri=True) as connection:
            row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
