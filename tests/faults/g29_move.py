"""G29: `threadline move` to PostgreSQL loses and doubles nothing, also if it is killed in the middle; the moved
installation continues where the old one stopped."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from server import migrate
from server.app import build, close
from server.delivery import actions, senders
from server.delivery.actions import Send
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.kernel.bus import LocalBus
from server.kernel.sql import Tx
from server.schema import metadata
from server.settings import Settings
from tests.bench.inbox import fill
from tests.faults.carrier import Running, carrier
from tests.faults.crowd import Crowd
from tests.faults.site import SECRET, Node, Site, threadline
from tests.faults.tally import Tally
from tests.services import create_database
from tests.sms import TOKEN, TOLL_FREE, new_person, settings_of

# Failpoints, and the visit at which each kills. A run that is killed at one of the last has copied everything.
EARLY = {"move_claimed": 1, "move_prepared": 1}
LATE = {"move_copying": 3, "move_copied": 2, "move_indexed": 2, "move_comparing": 9, "move_finishing": 1}
SHORT = {name: LATE[name] for name in ("move_copying", "move_indexed", "move_comparing")}
PER_STEP = 500  # people written in one transaction
TEXTS_PER_S = 10


async def run(tally: Tally) -> None:
    await _move_much(tally)
    await _move_a_busy_site(tally)


# --- much data, kills ---------------------------------------------------------------------------------


async def _move_much(tally: Tally) -> None:
    """Kills moves into one database at random moments and at failpoints, then lets one finish."""
    tickets, people = (100_000, 20_000) if tally.full else (400, 100)
    folder = Path(tempfile.mkdtemp(prefix="g29-"))
    try:
        settings = Settings(_env_file=None, data_dir=folder, secret_key=SECRET)
        await asyncio.to_thread(_fill, settings, tickets)
        await _add_people(settings, people)
        environment = _environment(folder)
        kill_after_s, slowed = (0.5, 1.5), {"THREADLINE_FAILPOINTS": "move_copying=sleep:60-100"}
        if tally.full:
            usual_s = await _move_undisturbed(tally, environment)
            kill_after_s, slowed = (usual_s * 0.1, usual_s * 0.4), {}
        target = create_database()

        async def kill_at(points: dict[str, int]) -> int:
            killed = 0
            for name, visit in points.items():
                ordered = {**environment, "THREADLINE_FAILPOINTS": f"{name}=kill@{visit}"}
                killed += (await threadline(ordered, "move", target))[0] < 0
            return killed

        early, late = (EARLY, LATE) if tally.full else ({}, SHORT)
        killed = await kill_at(early)
        for _ in range(3 if tally.full else 1):
            # Little data is copied slowly here: on a fast machine the move would finish before the kill.
            code, _ = await threadline(
                {**environment, **slowed}, "move", target, kill_after=tally.random.uniform(*kill_after_s)
            )
            killed += code < 0
        killed += await kill_at(late)
        code, output = await threadline(environment, "move", target)
        tally.zero("moves that did not finish after the kills", code, output[-600:])
        tally.floor("moves killed", killed, len(early) + len(late) + (3 if tally.full else 1))
        compared = await asyncio.to_thread(_compare, settings.sqlite_path(), target)
        differing = [name for name, equal in compared["equal"].items() if not equal]
        tally.floor("messages moved", compared["rows"]["timeline"], tickets * 10)
        tally.floor("tickets moved", compared["rows"]["tickets"], tickets)
        tally.floor("rows of the consent ledger moved", compared["rows"]["consent_ledger"], people * 2)
        tally.floor("tables compared", len(compared["equal"]), len(metadata.tables))
        tally.zero("tables whose content differs", len(differing), differing)
        code, output = await threadline({**environment, "DATABASE_URL": target}, "verify")
        tally.zero("errors in the moved ledger", code, output[-300:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _move_undisturbed(tally: Tally, environment: dict[str, str]) -> float:
    """Measures a move without an interruption. Returns its seconds."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    code, output = await threadline(environment, "move", create_database())
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    tally.zero("moves without an interruption that failed", code, output[-400:])
    tally.note("seconds of a move without an interruption", seconds)
    tally.note("processor seconds of the command", after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    tally.at_most("memory of the command, MB", after.ru_maxrss / 1024, 300)
    return seconds


def _environment(folder: Path) -> dict[str, str]:
    """An environment without DATABASE_URL, with the program of this tree."""
    inherited = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    paths = {"THREADLINE_DATA_DIR": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])}
    return {**inherited, **paths, "THREADLINE_SECRET_KEY": SECRET, "THREADLINE_LOG_LEVEL": "error"}


def _fill(settings: Settings, tickets: int) -> None:
    migrate.run(settings)
    with closing(sqlite3.connect(settings.sqlite_path(), isolation_level=None)) as database:
        fill(database, tickets)


async def _add_people(settings: Settings, count: int) -> None:
    """Adds people who agreed to texts, with their rows in the ledger."""

    def add(tx: Tx, numbers: Iterable[int]) -> None:
        for number in numbers:
            new_person(tx, f"+1202{number:07d}")

    app = await build(settings, bus=LocalBus())
    try:
        for first in range(0, count, PER_STEP):
            await app.write(add, range(first, min(first + PER_STEP, count)))
    finally:
        await close(app)


def _compare(path: Path, url: str) -> dict[str, Any]:
    """Reads every table of both databases with the plain drivers, and compares rows in any order."""
    rows: dict[str, int] = {}
    equal: dict[str, bool] = {}
    with closing(sqlite3.connect(path)) as old, psycopg.connect(url) as new:
        for name, table in metadata.tables.items():
            columns = [column.name for column in table.columns]
            listed = ", ".join(f'"{column}"' for column in columns)
            before = _sum(old.execute(f'SELECT {listed} FROM "{name}"'))
            with new.cursor(name="rows") as cursor:
                cursor.itersize = 5_000
                fields = sql.SQL(", ").join(map(sql.Identifier, columns))
                cursor.execute(sql.SQL("SELECT {} FROM {}").format(fields, sql.Identifier(name)))
                after = _sum(cursor)
            rows[name], equal[name] = after[0], before == after
    return {"rows": rows, "equal": equal}


def _sum(rows: Iterable[Any]) -> tuple[int, int]:
    """The number of rows and the sum of their hashes. True and 1 have the same hash."""
    count = total = 0
    for row in rows:
        count += 1
        total += hash(tuple(row))
    return count, total


# --- a site in use ------------------------------------------------------------------------------------


async def _move_a_busy_site(tally: Tally) -> None:
    """Kills the server while people write and texts leave, moves with another kill, and starts servers on PostgreSQL
    while the same people go on writing."""
    texts, talk_s = (400, 15.0) if tally.full else (70, 2.5)
    orders = {"token": TOKEN, "seed": tally.seed, "delay_s": 0.02}
    with carrier(**orders) as provider:
        async with Site("sqlite", seed=tally.seed, THREADLINE_TWILIO_URL=provider.url) as site:
            await _queue_texts(site, texts)
            await site.start()
            crowd = Crowd(site, visitors=12, agents=2, seed=tally.seed)
            await crowd.start()
            await crowd.talk_while(20, asyncio.sleep(talk_s))
            clients = (*crowd.visitors, *crowd.agents)
            tokens = {visitor.name: visitor.token for visitor in crowd.visitors}
            (server,) = site.nodes
            server.kill()
            before = Counter(message["body"] for message in provider.journal()["messages"])
            resets = sum(client.resets for client in clients)
            target = create_database()
            problems: list[str] = []

            async def move() -> None:
                killed, _ = await threadline(
                    {**site.env, "THREADLINE_FAILPOINTS": "move_copied=kill@25"}, "move", target
                )
                code, output = await threadline(site.env, "move", target)
                if code or killed >= 0:
                    problems.append(f"{killed}, {code}: {output[-600:]}")

            await crowd.talk_while(10, move())
            tally.zero("moves of the site that failed", len(problems), problems)
            site.kind, site.database_url = "postgres", target
            site.env["DATABASE_URL"] = target
            site.worker = Node(site, 99, ("-m", "server", "worker"))
            server.start()
            site.worker.start()
            await server.ready()
            await crowd.talk_while(20, asyncio.sleep(talk_s))
            await _all_sent(target, texts / TEXTS_PER_S + 60)
            tally.zero("clients not up to date at the end", int(not await crowd.settle(60)))
            (await asyncio.to_thread(crowd.verdict)).into(tally, floor=30)
            tally.zero("screens that were loaded again", sum(client.resets for client in clients) - resets)
            other = [visitor.name for visitor in crowd.visitors if visitor.token != tokens[visitor.name] is not None]
            tally.zero("visitors who got another token", len(other), other)
            _judge_texts(tally, provider, target, texts, before)


async def _queue_texts(site: Site, count: int) -> None:
    def queue(tx: Tx) -> None:
        SMS.save(tx, settings_of(app))
        senders.add(tx, SenderInput(TOLL_FREE, SenderKind.TOLL_FREE, "US", rate=TEXTS_PER_S))
        for n in range(count):
            number = f"+1202555{n:04d}"
            actions.queue(tx, Send(f"reply:{n}", "reply", "conversation", new_person(tx, number), number, f"text {n}"))

    app = await build(Settings(_env_file=None, data_dir=site.folder / "data", secret_key=SECRET), bus=LocalBus())
    try:
        await app.write(queue)
    finally:
        await close(app)


def _states(url: str) -> dict[str, str]:
    with psycopg.connect(url) as database:
        return dict(database.execute("SELECT body, state FROM outbound WHERE channel = 'sms'").fetchall())


async def _all_sent(url: str, within: float) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        states = await asyncio.to_thread(_states, url)
        if not {"queued", "claimed"} & set(states.values()):
            return
        await asyncio.sleep(0.5)


def _judge_texts(tally: Tally, provider: Running, url: str, texts: int, before: Counter[str]) -> None:
    accepted = Counter(message["body"] for message in provider.journal()["messages"])
    states = _states(url)
    twice = {body: count for body, count in accepted.items() if count > 1}
    # A text whose request was cut by the kill is unclear: it is never sent again, and a person decides.
    lost = [body for body, state in states.items() if body not in accepted and state not in ("sending", "unknown")]
    tally.floor("texts sent before the move", len(before), 5)
    tally.floor("texts sent after the move", len(accepted) - len(before), 5)
    tally.zero("texts missing in the moved queue", texts - len(states))
    tally.zero("texts sent twice", len(twice), twice)
    tally.zero("texts neither sent nor unclear", len(lost), lost[:5])
    tally.note(
        "texts that are unclear after the kill", sum(state in ("sending", "unknown") for state in states.values())
    )
