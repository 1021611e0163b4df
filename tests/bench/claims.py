"""Row 5, the queue: claims among a million waiting messages, plans of statements that name their indexes, and replies beside a long campaign."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import uvloop
from sqlalchemy import text

from server import migrate
from server.app import build, close
from server.channels.base import Accepted, Sent, Text
from server.delivery import actions, claiming
from server.delivery import pump as pumps
from server.delivery.actions import Send
from server.delivery.settings import SMS
from server.kernel import jobs
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.kernel.sql import Tx
from server.settings import Settings
from tests.bench.report import Line
from tests.bench.setting import Setting
from tests.plans import fill, plan, plan_faults, statements_with_indexes
from tests.services import create_database
from tests.sms import new_thread, settings_of

CLAIM_SIZE = pumps.MAX_CLAIMS
REPLY_EVERY_S = 0.02
ROW = "5 queue"


class NullCarrier:
    """Accepts every text immediately and records when each was sent."""

    def __init__(self) -> None:
        self.sent_at: dict[str, float] = {}
        self.count, self.enough = 0, 0
        self.done = asyncio.Event()  # set when `enough` texts were sent
        self._sids = itertools.count()

    async def send(self, text: Text) -> Sent:
        self.count += 1
        if self.count == self.enough:
            self.done.set()
        if text.body.startswith("reply"):
            self.sent_at[text.body] = time.perf_counter()
        return Accepted(f"SMnull{next(self._sids)}", "queued")

    async def close(self) -> None: ...


@asynccontextmanager
async def _opened(settings: Settings, carrier: NullCarrier) -> AsyncIterator[App]:
    app = await build(settings, bus=LocalBus())
    await app.part(pumps.Pump).close()
    app.register(pumps.Pump(app, lambda account, url: carrier))
    try:
        await app.write(_switch_on, settings_of(app))
        yield app
    finally:
        await close(app)


def _switch_on(tx: Tx, document: Any) -> None:
    SMS.save(tx, document)
    for table in ("suppressions", "litigators"):  # no phone number is blocked
        tx.run(text(f"DELETE FROM {table}"))


def _claim(tx: Tx) -> float:
    """Returns the seconds of one claim, without its commit."""
    began = time.perf_counter()
    claiming.claim(tx, CLAIM_SIZE)
    return time.perf_counter() - began


def _milliseconds(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)] * 1e3


async def _measure(settings: Settings, sends: int) -> dict[str, float]:
    carrier = NullCarrier()
    async with _opened(settings, carrier) as app:
        claims = [await app.write_bulk(_claim) for _ in range(60)]
        nexts = [await _timed(app.read(jobs.next_due)) for _ in range(60)]
        slices = await _queue_campaign(app)
        replies, rate = await _replies_beside_campaign(app, carrier, sends)
        return {
            "claim": _milliseconds([alone for alone, _ in claims], 0.5),
            "committed": _milliseconds([seconds for _, seconds in claims], 0.5),
            "next": _milliseconds(nexts, 0.5),
            "slice": _milliseconds(slices, 0.95),
            "reply99": _milliseconds(replies, 0.99),
            "rate": rate,
        }


async def _timed(work: Any) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _queue_campaign(app: App) -> list[float]:
    """Queues 5,000 messages in slices and returns the seconds of each slice."""
    durations: list[float] = []
    write_bulk = app.db.write_bulk

    async def watched(step: Any, *args: Any) -> tuple[Any, float]:
        result, seconds = await write_bulk(step, *args)
        durations.append(seconds)
        return result, seconds

    app.db.write_bulk = watched  # type: ignore[method-assign]
    contact = await app.read(lambda conn: conn.value(text("SELECT min(id) FROM contacts").columns()))
    sends = [Send(f"more:{n}", "campaign", "marketing", contact, f"+1202{3_000_000 + n}", "More") for n in range(5_000)]
    await actions.queue_in_slices(app, sends)
    app.db.write_bulk = write_bulk  # type: ignore[method-assign]
    return durations


async def _replies_beside_campaign(app: App, carrier: NullCarrier, sends: int) -> tuple[list[float], float]:
    """Sends `sends` campaign texts and, beside them, replies. Returns the seconds from each reply's commit until it was
    sent, and the texts per second."""
    queued: dict[str, float] = {}

    def reply(tx: Tx, number: int) -> None:
        phone = f"+1202{5_000_000 + number}"
        contact = tx.value(
            text("INSERT INTO contacts (guid, name, country, language, phone, created_at) VALUES (:p, '', 'US', '', :p, 0) RETURNING id").columns(),
            p=phone,
        )  # fmt: skip
        tx.run(
            text(
                "INSERT INTO consents (contact_id, purpose, status, method, source, happened_at, recorded_at) "
                "VALUES (:c, 'sms_marketing', 'subscribed', 'agent', '', 0, 0)"
            ),
            c=contact,
        )
        thread = new_thread(tx, contact, phone)
        actions.queue(tx, Send(f"r:{number}", "reply", "conversation", contact, phone, f"reply {number}", thread))

    async def answer() -> None:
        for number in itertools.count():
            await app.write(reply, number)
            queued[f"reply {number}"] = time.perf_counter()
            await asyncio.sleep(REPLY_EVERY_S)

    carrier.enough = sends

    async def send() -> None:
        while not carrier.done.is_set():
            await app.part(pumps.Pump).run()  # returns after a limited time

    began = time.perf_counter()
    answering, sending = asyncio.create_task(answer()), asyncio.create_task(send())
    await carrier.done.wait()
    rate = carrier.count / (time.perf_counter() - began)
    answering.cancel()
    sending.cancel()
    await asyncio.gather(answering, sending, return_exceptions=True)
    delays = [carrier.sent_at.get(body, time.perf_counter()) - queued_at for body, queued_at in queued.items()]
    return [max(seconds, 0.0) for seconds in delays], rate


def _wrong_plans(settings: Settings) -> int:
    postgres = settings.database_url is not None
    connection: Any = (
        psycopg.connect(settings.postgres_dsn(), autocommit=True)
        if postgres
        else sqlite3.connect(settings.sqlite_path())
    )
    try:
        faults_by_name = {
            name: plan_faults(statement, plan(statement, connection.execute, postgres=postgres), postgres=postgres)
            for name, statement in statements_with_indexes()
            if postgres or not name.endswith(("_RECLAIM", "_SKIP_LOCKED"))
        }
    finally:
        connection.close()
    faults = {name: problems for name, problems in faults_by_name.items() if problems}
    for name, problems in faults.items():
        print(f"{name}: {'; '.join(problems)}")
    return len(faults)


def run(setting: Setting) -> list[Line]:
    lines = []
    rows = setting.few(1_000_000)
    for database, gate in (("SQLite", 3.0), ("PostgreSQL", 10.0)):
        folder = setting.folder / f"queue-{database}"
        url = create_database() if database == "PostgreSQL" else None
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=url, secret_key="k3y-of-the-bench-0123456789abcdefgh"
        )
        migrate.run(settings)
        fill(settings, rows + rows // 10, queued=92)
        faults = _wrong_plans(settings)
        measured = uvloop.run(_measure(settings, setting.few(100_000)))
        shutil.rmtree(folder, ignore_errors=True)
        where = f"{database}, {rows:,} queued"
        for name, label, bound in (
            ("claim", f"a claim of {CLAIM_SIZE}, {where}, p50", gate),
            ("committed", f"a claim of {CLAIM_SIZE}, {where}, p50 with its commit", None),
            ("next", f"the next due job of {rows:,}, {database}, p50", 1.0),
            ("slice", f"a slice of bulk queueing, {database}, p95 with its commit", 5.0),
            ("reply99", f"a reply beside {setting.few(100_000):,} campaign texts, {database}, p99", 1_000.0),
        ):
            lines.append(Line(ROW, label, "ms", measured[name], better="less", gate=bound, absolute=True))
        lines.append(Line(ROW, f"campaign texts to a null carrier, {database}", "/s", measured["rate"]))
        lines.append(Line(ROW, f"statements with a wrong plan, {where}", "", faults, better="less", gate=0, absolute=True))  # fmt: skip
    return lines
