"""G3: each conversation is numbered 1, 2, 3 … without gaps, whatever clients write at the same time; every reader sees
that order."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select

from server.kernel.postgres import PostgresReaders
from server.kernel.sql import Conn, Statement
from server.kernel.sqlite import open_reader
from server.schema import tickets, timeline, visitors
from server.threads import entries
from tests.faults.crowd import Crowd
from tests.faults.site import SECRET, Site, open_site
from tests.faults.tally import Tally

_BY_ID = Statement(
    select(timeline.c.id, timeline.c.thread_id, timeline.c.seq)
    .where(timeline.c.id > bindparam("last"))
    .order_by(timeline.c.id)
    .limit(500)
)

Read = Callable[..., Any]


@dataclass
class Follower:
    """A reader that repeatedly resumes each thread after the last `seq` it has read."""

    public: bool
    rows_read: dict[int, list[tuple[int, str]]] = field(default_factory=dict)

    async def turn(self, read: Read, threads: list[int]) -> None:
        for thread in threads:
            read_rows = self.rows_read.setdefault(thread, [])
            after = read_rows[-1][0] if read_rows else 0
            for entry in await read(entries.since, thread, self.public, after, 50):
                read_rows.append((entry.public_seq if self.public else entry.seq, entry.body))


@dataclass
class MutantFollower:
    """A wrong reader that G3 must catch: it has one global bookmark over an auto-increment id."""

    last: int = 0
    rows_read: dict[int, list[int]] = field(default_factory=dict)

    async def turn(self, read: Read, threads: list[int]) -> None:
        for row in await read(lambda conn: conn.all(_BY_ID, last=self.last)):
            self.last = row.id
            self.rows_read.setdefault(row.thread_id, []).append(row.seq)


async def run(tally: Tally) -> None:
    # SQLite belongs to one process, so one process runs all its writers; PostgreSQL's run in four.
    processes = 4 if tally.database == "postgres" else 1
    each = (250 if tally.full else 40) if processes > 1 else (500 if tally.full else 80)
    writers = 4 if processes > 1 else 8
    async with open_site(tally.database, seed=tally.seed) as site:
        threads = await _conversations(site, 50, tally)
        for node in site.nodes:
            await node.stop()
        orders = [
            {
                "folder": str(site.folder / "data"), "url": site.database_url or None, "secret": SECRET, "seed": tally.seed + number,
                "threads": [(key, ticket) for key, ticket, _ in threads], "agent": site.ids["helper"],
                "writers": writers, "each": each, "pause_ms": 50 if processes > 1 else 4,
            }
            for number in range(processes)
        ]  # fmt: skip
        followers = [Follower(public=number % 2 == 1) for number in range(8)]
        mutant = MutantFollower()
        totals = await _race(site, orders, [*followers, mutant], [thread for _, _, thread in threads])
        stored = await asyncio.to_thread(Crowd(site, visitors=0, agents=0).stored)
    tally.floor("transactions written", totals["written"], int(processes * writers * each * 0.8))
    tally.floor("rolled back on purpose", totals["rolled_back"], processes * writers * each // 25)
    tally.note("refused as busy", totals["busy"])
    truth: dict[int, list[tuple[int, str]]] = {}
    public: dict[int, list[tuple[int, str]]] = {}
    for row in stored:
        truth.setdefault(row.thread, []).append((row.seq, row.body))
        if row.public_seq is not None:
            public.setdefault(row.thread, []).append((row.public_seq, row.body))
    holes = sum(
        [seq for seq, _ in rows] != list(range(1, len(rows) + 1)) for rows in (*truth.values(), *public.values())
    )
    tally.floor("conversations", len(truth), 50)
    tally.zero("threads with holes at the end", holes)
    skipped = disordered = read_total = 0
    for follower in followers:
        for thread, rows in (public if follower.public else truth).items():
            read_rows = follower.rows_read.get(thread, [])
            read_total += len(read_rows)
            skipped += len(set(rows) - set(read_rows))
            disordered += read_rows != rows
    tally.floor("entries read by 8 readers", read_total, 8 * len(stored) // 2)
    tally.zero("entries skipped by a reader", skipped)
    tally.zero("threads in another order", disordered)
    lost = sum(len({seq for seq, _ in rows} - set(mutant.rows_read.get(thread, []))) for thread, rows in truth.items())
    if tally.database == "postgres":
        tally.floor("entries skipped when read by `id >` instead (self-test)", lost, 1)
    else:
        tally.note(
            "entries skipped when read by `id >` instead (self-test)", f"{lost} (one writer: nothing to catch here)"
        )


async def _conversations(site: Site, count: int, tally: Tally) -> list[tuple[str, int, int]]:
    """Returns (visitor key, ticket, thread) of conversations that visitors began over their sockets."""
    crowd = Crowd(site, visitors=count, agents=0, seed=tally.seed)
    await crowd.start()
    for visitor in crowd.visitors:
        await visitor.say("the first")
    await crowd.settle()

    def conversations_in(conn: Conn) -> list[tuple[str, int, int]]:
        joined = select(visitors.c.key, tickets.c.id, tickets.c.thread_id).join(
            tickets, tickets.c.thread_id == visitors.c.thread_id
        )
        return [tuple(row) for row in conn.all(joined)]  # type: ignore[misc]

    read, close = await _reader(site)
    try:
        rows: list[tuple[str, int, int]] = await read(conversations_in)
    finally:
        await close()
    return rows


async def _reader(site: Site) -> tuple[Read, Callable[[], Any]]:
    """Opens the product's own reader in this process. It only reads, so it needs no lock."""
    if site.kind == "sqlite":
        lite = await open_reader(site.sqlite_path())
        return lambda fn, *args: lite.run(fn, args), lite.close
    readers = PostgresReaders(site.database_url.replace("+psycopg", ""), count=4, prepare=True)

    async def close() -> None:
        await asyncio.to_thread(readers.close)

    return lambda fn, *args: readers.run(fn, args), close


async def _race(site: Site, orders: list[dict[str, Any]], followers: list[Any], threads: list[int]) -> dict[str, int]:
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.writers", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=site.env,
        )
        for _ in orders
    ]  # fmt: skip
    work = asyncio.gather(
        *(process.communicate(json.dumps(order).encode()) for process, order in zip(running, orders, strict=True))
    )
    read, close = await _reader(site)

    async def follow(follower: Any) -> None:
        while not work.done():
            await follower.turn(read, threads)
            await asyncio.sleep(0.01)

    try:
        await asyncio.gather(*(follow(follower) for follower in followers))
        answers = await work
        for _ in range(30):  # all writers have ended: every follower catches up
            for follower in followers:
                await follower.turn(read, threads)
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
        await close()
    totals: dict[str, int] = {}
    for (out, err), process in zip(answers, running, strict=True):
        if process.returncode:
            raise RuntimeError(f"a writing process failed: {err.decode()[-2000:]}")
        for name, value in json.loads(out.splitlines()[-1]).items():  # log lines precede the result
            totals[name] = totals.get(name, 0) + value
    return totals
