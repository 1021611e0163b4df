"""Events of programs: many in one call, and one by one while visitors chat; and one person's activity among ten million."""

from __future__ import annotations

import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop
from sqlalchemy import create_engine, text

from server import migrate
from server.app import build, close
from server.events import queries
from server.kernel.bus import LocalBus
from server.kernel.context import App
from server.settings import Settings
from tests.bench.processes import drive
from tests.bench.product import Product
from tests.bench.report import Line
from tests.bench.setting import Setting
from tests.services import create_database

ROW = "6 events"
EVENTS = 10_000_000
PER_PERSON = 100
BATCH, BATCHES_PER_S, ONE_BY_ONE_PER_S = 100, 50, 1_500
PEOPLE = 2_000  # whose events are sent
CHAT_PER_S = 100
PEOPLE = """INSERT INTO contacts (guid, name, country, language, created_at)
WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :people)
SELECT 'guid-' || i, '', '', '', 0 FROM n"""
FILL = """INSERT INTO events (contact_id, metric, happened_at, recorded_at, source, data)
WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
SELECT 1 + i % :people, 'metric_' || (i % 12), i * 1000000, i * 1000000, 'key:1', '{"page":"/tea"}' FROM n"""


def run(setting: Setting) -> list[Line]:
    lines: list[Line] = []
    for database in ("SQLite", "PostgreSQL"):
        lines += _received(setting, database)
        lines += _activity(setting, database)
    return lines


def _received(setting: Setting, database: str) -> list[Line]:
    env = {"DATABASE_URL": create_database()} if database == "PostgreSQL" else None
    seconds = setting.few(9)
    with Product(setting.folder, env=env, name=f"events-{database}") as product, ThreadPoolExecutor(1) as chats:
        secret = product.request("POST", "/api/keys", {"name": "Bench", "scopes": ["contacts_edit"]})["secret"]

        def chat() -> dict[str, Any]:
            return drive("chat_rate", **product.target(), visitors=20, rate=CHAT_PER_S, seconds=seconds)

        def send(events: int, rate: int) -> dict[str, Any]:
            target = product.target(secret=secret, events=events, rate=rate, people=PEOPLE, connections=16)
            return drive("events", **target, seconds=seconds + 2)

        send(BATCH, BATCHES_PER_S)  # creates the people
        quiet = chat()
        lines = []
        for what, events, rate in (
            (f"{BATCH * BATCHES_PER_S:,}/s in batches of {BATCH}", BATCH, BATCHES_PER_S),
            (f"{ONE_BY_ONE_PER_S:,}/s one by one", 1, ONE_BY_ONE_PER_S),
        ):
            chatting = chats.submit(chat)
            sent = send(events, rate)
            loud = chatting.result()
            assert not (loud["lost"] or loud["twice"] or sent["lost"]), "messages or events were lost"
            wanted = events * rate
            label = f"{what}, {database}"
            lines += [
                Line(ROW, f"events stored, {label}", "/s", sent["per_s"] * events, gate=wanted * 0.98),
                Line(ROW, f"a call's p99, {label}", "ms", sent["p99_ms"], better="less"),
                Line(ROW, f"chat p99 beside {label}", "ms", loud["p99_ms"], better="less", gate=50.0, absolute=True),
                Line(ROW, f"chat p99 beside {label} ÷ quiet", "", loud["p99_ms"], quiet["p99_ms"], better="less", gate=3.0),
            ]  # fmt: skip
        return lines


def _activity(setting: Setting, database: str) -> list[Line]:
    folder = setting.folder / f"activity-{database}"
    url = create_database() if database == "PostgreSQL" else None
    settings = Settings(
        _env_file=None, data_dir=folder, database_url=url, secret_key="k3y-of-the-bench-0123456789abcdefgh"
    )
    migrate.run(settings)
    rows = setting.few(EVENTS)
    people = rows // PER_PERSON
    engine = create_engine(settings.sqlalchemy_url())
    with engine.begin() as connection:
        connection.execute(text(PEOPLE), {"people": people})
        connection.execute(text("DROP INDEX ix_events_contact"))
        connection.execute(text(FILL), {"rows": rows, "people": people})
        connection.execute(text("CREATE INDEX ix_events_contact ON events (contact_id, happened_at, id)"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE events"))
    engine.dispose()
    page, of_metric = uvloop.run(_read(settings, people))
    shutil.rmtree(folder, ignore_errors=True)
    label = f"one person's among {rows:,}, {database}"
    return [
        Line(ROW, f"a page of events, {label}, p50", "ms", page[0], better="less", gate=2.0, absolute=True),
        Line(ROW, f"a page of events, {label}, p99", "ms", page[1], better="less"),
        Line(ROW, f"events of one metric, {label}, p50", "ms", of_metric[0], better="less", gate=2.0, absolute=True),
        Line(ROW, f"events of one metric, {label}, p99", "ms", of_metric[1], better="less"),
    ]


async def _read(settings: Settings, people: int) -> tuple[tuple[float, float], tuple[float, float]]:
    app = await build(settings, bus=LocalBus())
    try:
        return await _timed(app, people, None), await _timed(app, people, "metric_7")
    finally:
        await close(app)


async def _timed(app: App, people: int, metric: str | None) -> tuple[float, float]:
    """Milliseconds of a read at p50 and at p99."""
    random_ = random.Random(5)
    durations = []
    for _ in range(1_000):
        contact = random_.randint(1, people)
        began = time.perf_counter()
        found = await app.read(queries.activity, contact, metric)
        assert found or metric, "each person has events, but not of each metric"
        durations.append(time.perf_counter() - began)
    durations.sort()
    return durations[500] * 1e3, durations[990] * 1e3
