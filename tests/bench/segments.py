"""Segments at a million contacts, ten million events and five million values of properties: counts, a full refresh with
1 % of changes, and one changed person in a hundred segments."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import uvloop
from sqlalchemy import create_engine, text

from server import migrate
from server.app import build, close
from server.audiences import catalogue, counting, keeping, membership, people_facts, segments
from server.audiences.conditions import KINDS
from server.audiences.filters import FilterTree, parse_tree
from server.audiences.membership import Scope
from server.audit.rules import ActedBy, ActorType
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.kernel.columns import to_micros
from server.kernel.context import App
from server.kernel.jobs import Job
from server.settings import Settings
from tests.bench.report import Line
from tests.bench.setting import Setting
from tests.services import create_database

ROW = "7 segments"
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PEOPLE, QUICK_PEOPLE = 1_000_000, 50_000
PER_PERSON = 10  # events
SEGMENTS = 100  # in which one changed person is decided
BY = ActedBy(ActorType.SYSTEM)
DAY_US = 86_400_000_000
_N = "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :{}) "
# Of each person: dates within 720 days, more of them recent; a country; five values; a list; two consents; ten events.
FILL = (
    "INSERT INTO contacts (guid, name, email, phone, country, language, date_added, last_open, last_click, created_at) "
    + _N.format("people")
    + "SELECT 'guid-' || i, 'Person ' || i, 'p' || i || '@mail.example', '+1' || (2020000000 + i), "
    "CASE i % 5 WHEN 0 THEN 'PL' WHEN 1 THEN 'KR' ELSE 'US' END, '', "
    ":now - (i * 7919 % 720) * :day, "
    "CASE WHEN i % 3 = 0 THEN NULL ELSE :now - (i * 104729 % 720) * (i % 7) / 7 * :day - i % 1000 END, "
    "CASE WHEN i % 5 = 0 THEN :now - (i * 1299709 % 720) * :day - i % 1000 END, :now - (i * 7919 % 720) * :day FROM n",
    "INSERT INTO properties (id, key, name, type, created_at) VALUES (1, 'plan', 'Plan', 'text', 0), "
    "(2, 'orders', 'Orders', 'number', 0), (3, 'member', 'Member', 'boolean', 0), (4, 'renewal', 'Renewal', 'date', 0), "
    "(5, 'tags', 'Tags', 'list', 0)",
    "INSERT INTO property_values (contact_id, property_id, n, text, text_key) SELECT id, 1, 0, 'Plan ' || (id % 20), 'plan ' || (id % 20) FROM contacts",
    "INSERT INTO property_values (contact_id, property_id, n, number) SELECT id, 2, 0, (id % 50) * 1000000 FROM contacts",
    "INSERT INTO property_values (contact_id, property_id, n, number) SELECT id, 3, 0, id % 2 FROM contacts",
    "INSERT INTO property_values (contact_id, property_id, n, at) SELECT id, 4, 0, :now + (id % 400 - 200) * :day FROM contacts",
    "INSERT INTO property_values (contact_id, property_id, n, text, text_key) SELECT id, 5, 0, 'tag' || (id % 30), 'tag' || (id % 30) FROM contacts",
    "INSERT INTO lists (id, name, name_key, rows, created_at) VALUES (1, 'Main', 'main', 0, 0)",
    "INSERT INTO list_members (list_id, contact_id, joined_at) SELECT 1, id, 0 FROM contacts WHERE id % 2 = 0",
    "INSERT INTO consents (contact_id, purpose, status, method, happened_at, recorded_at) "
    "SELECT id, 'sms_marketing', CASE WHEN id % 10 = 0 THEN 'unsubscribed' ELSE 'subscribed' END, 'form', 0, 0 FROM contacts",
    "INSERT INTO consents (contact_id, purpose, status, method, happened_at, recorded_at) "
    "SELECT id, 'email_marketing', CASE WHEN id % 7 = 0 THEN 'unsubscribed' ELSE 'subscribed' END, 'form', 0, 0 FROM contacts",
    "INSERT INTO suppressions (channel, address, reason, detail, at) SELECT 'sms', phone, 'invalid', '', 0 FROM contacts WHERE id % 50 = 0",
    "INSERT INTO postal_codes (country, code, latitude, longitude) VALUES ('US', 'plan1', 4000000, -7000000)",
    "INSERT INTO events (contact_id, metric, happened_at, recorded_at, source, data) "
    + _N.format("rows")
    + "SELECT 1 + i * 48271 % :people, CASE i % 10 WHEN 0 THEN 'order_placed' WHEN 1 THEN 'link_clicked' WHEN 2 THEN 'visited' "
    "ELSE 'opened' END, :now - (:rows - i) * (720 * :day / :rows), :now, 'key:1', '{\"sku\":\"a\"}' FROM n",
)  # fmt: skip

LIST = {"kind": "list", "list": 1}
CONSENT = {"kind": "consent", "purpose": "sms_marketing"}
ORDERS = {"kind": "number", "property": 2, "op": "more_than", "value": 3}
OPENED = {"kind": "date", "property": -2, "op": "within_last", "days": 120}
TWICE = {"kind": "event", "metric": "opened", "op": "at_least", "times": 2, "days": 120}
FIVE = [[LIST], [CONSENT], [ORDERS], [OPENED], [TWICE]]
SINGLE: dict[str, dict[str, Any]] = {
    "list": LIST,
    "segment": {"kind": "segment", "segment": 1},
    "event": {"kind": "event", "metric": "opened", "op": "at_least", "times": 3},
    "channel": {"kind": "channel", "channel": "sms"},
    "consent": CONSENT,
    "suppressed": {"kind": "suppressed", "channel": "sms"},
    "text": {"kind": "text", "property": 1, "op": "contains", "values": ["an 1"]},
    "number": ORDERS,
    "boolean": {"kind": "boolean", "property": 3, "value": True},
    "date": OPENED,
    "items": {"kind": "items", "property": 5, "op": "has", "values": ["tag3"]},
    "place": {"kind": "place", "regions": ["us"]},
    "distance": {"kind": "distance", "property": 1, "country": "US", "code": "plan1", "km": 100},
    "sample": {"kind": "sample", "percent": 10},
    "never clicked": {"kind": "event", "metric": "link_clicked", "days": 180, "negate": True},
}


def run(setting: Setting) -> list[Line]:
    lines: list[Line] = []
    for database in ("SQLite", "PostgreSQL"):
        lines += uvloop.run(_measured(setting, database))
    return lines


def filled(setting: Setting, database: str) -> tuple[Settings, int]:
    people = QUICK_PEOPLE if setting.quick else PEOPLE
    url = create_database() if database == "PostgreSQL" else None
    folder = setting.folder / f"segments-{database}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        _env_file=None, data_dir=folder, secret_key="k3y-of-the-bench-0123456789abcdefgh", database_url=url
    )
    migrate.run(settings)
    now = to_micros(START)
    engine = create_engine(settings.sqlalchemy_url())
    with engine.begin() as connection:
        for statement in FILL:
            values = {"people": people, "rows": people * PER_PERSON, "now": now, "day": DAY_US}
            connection.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return settings, people


async def _timed(rounds: int, call: Callable[[], Awaitable[Any]]) -> float:
    """The median of the seconds that the call takes."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]


async def _measured(setting: Setting, database: str) -> list[Line]:
    settings, people = filled(setting, database)
    app = await build(settings, bus=LocalBus(), clock=ManualClock(START))
    lines: list[Line] = []

    def line(what: str, unit: str, figure: float, gate: float | None) -> None:
        lines.append(
            Line(ROW, f"{what}, {people:,} people, {database}", unit, figure, better="less", gate=gate, absolute=True)
        )

    def tree(*groups: list[dict[str, Any]]) -> FilterTree:
        return parse_tree({"groups": list(groups)})

    async def count(asked: FilterTree) -> int:
        return (await app.read_slowly(counting.count, asked, START)).matching

    try:
        everybody = await app.write(segments.create, "0", {"groups": [[CONSENT]]}, BY)
        assert everybody.id == 1
        assert 0 < await count(tree(*FIVE)) < people
        line("count of five conditions", "ms", 1000 * await _timed(setting.rounds, lambda: count(tree(*FIVE))), 1_000)
        funnel = await _timed(setting.rounds, lambda: app.read_slowly(counting.funnel, tree(*FIVE), START))
        line("funnel of five conditions", "ms", 1000 * funnel, None)
        assert set(KINDS) <= set(SINGLE)
        alone = {
            name: await _timed(setting.rounds, lambda asked=asked: count(tree([asked])))  # type: ignore[misc]
            for name, asked in SINGLE.items()
        }
        slowest = max(alone, key=lambda name: alone[name])
        line(f"count of one condition, the slowest ({slowest})", "ms", 1000 * alone[slowest], 3_000)
        await _refreshes(app, line, people)
        line("one changed person in 100 segments", "ms", 1000 * await _one_person(app), 10)
    finally:
        await close(app)
    return lines


async def _refreshes(app: App, line: Callable[..., None], people: int) -> None:
    """The first filling, and a refresh after 1 % has changed, of the segment with five conditions and of one that contains
    most people."""
    slices: list[float] = []
    write_bulk = app.db.write_bulk

    async def watched(*args: Any) -> Any:
        result, seconds = await write_bulk(*args)
        slices.append(seconds)
        return result, seconds

    app.db.write_bulk = watched  # type: ignore[method-assign]
    new = await app.write(segments.create, "Engaged", {"groups": [[OPENED, CONSENT]]}, BY)
    run = keeping._Run(app, Job(0, "segments.keep", {}, 0, 0))
    run._ends_at += 3_600
    await run.begin_reading()

    async def refresh() -> float:
        began = time.perf_counter()
        await run.refresh_stale()
        return time.perf_counter() - began

    first = await refresh()
    line("first filling", "s", first, None)
    stored = await app.read(segments.by_id, new.id)
    assert stored.filled and stored.members > people // 2
    slices.clear()

    def change(tx: Any) -> None:
        tx.run(
            text(
                "UPDATE consents SET status = 'never_subscribed' WHERE purpose = 'sms_marketing' AND contact_id % 100 = 1"
            )
        )
        tx.run(text("UPDATE contacts SET last_open = NULL WHERE id % 100 = 1"))
        segments.refresh_later(tx, [new.id])

    await app.write(change)
    again = await refresh()
    changed = stored.members - (await app.read(segments.by_id, new.id)).members
    assert changed > people // 200, changed
    gate = 8 if app.settings.database_url else 3
    line("refresh with 1 % of changes", "s", again, gate)
    slices.sort()
    line("a slice of the refresh, p95", "ms", 1000 * slices[int(len(slices) * 0.95)], 5)


async def _one_person(app: App) -> float:
    """Deciding one person in a hundred segments with two to five conditions, and writing what differs."""
    trees = [parse_tree({"groups": [*FIVE[: n % 4 + 1], [{**ORDERS, "value": n}]]}) for n in range(SEGMENTS)]
    known = await app.read(catalogue.load)
    kept = []
    for n, asked in enumerate(trees):
        made = await app.write(segments.create, f"S{n}", asked.json_form(), BY)
        kept.append(membership.Kept(made.id, asked, START, True))
    scope = Scope(known, kept, people_facts.Needs.of(trees, known, START))
    taken = []
    for person in range(1_000, 1_100):
        _, seconds = await app.write_bulk(membership.settle, [person], {}, scope)
        taken.append(seconds)
    return sorted(taken)[50]
