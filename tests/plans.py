"""Fills a database with a long queue and reads the plans of our statements on it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import create_engine, text

import server
from server.kernel.sql import POSTGRES, SQLITE, Statement
from server.settings import Settings

SENDERS = 3  # numbers with waiting messages; the last number is stopped
# Small tables, and row sets inside a statement: a scan of these is correct.
SMALL = {"senders", "consent_kinds", "processes", "lanes", "next_of_each", "asked", "members", "settings", "unseen"}

# SQL that both databases accept.
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :rows)"
_STATE = """CASE WHEN i % 100 < :queued THEN 'queued' WHEN i % 1000 = 999 THEN 'claimed' WHEN i % 1000 = 998 THEN 'sending'
WHEN i % 1000 = 997 THEN 'unknown' WHEN i % 100 < 90 THEN 'delivered' ELSE 'failed' END"""
FILL = (
    f"INSERT INTO contacts (guid, name, country, language, phone, created_at) {_NUMBERS} SELECT 'guid-' || i, '', 'US', '', '+1' || (2020000000 + i), 0 FROM n",
    "INSERT INTO addresses (contact_id, kind, value, verified, created_at, active_at) SELECT id, 'phone', phone, true, 0, 0 FROM contacts",
    "INSERT INTO threads (token, channel, contact_id, changed_at, created_at) SELECT 'big-' || id, 'sms', id, 0, 0 FROM contacts",
    """INSERT INTO tickets (thread_id, contact_id, channel, status, unread, snoozed_until, last_message_at, opened_at)
    SELECT id, contact_id, 'sms', CASE WHEN id % 20 = 0 THEN 'snoozed' ELSE 'closed' END, false,
    CASE WHEN id % 20 = 0 THEN 1000000 + id ELSE NULL END, 1000000 + id, 0 FROM threads""",
    f"""INSERT INTO outbound (token, key, channel, kind, purpose, contact_id, thread_id, recipient, sender, body, media,
    segments, lane, state, due_at, claimed_until, dispatched_at, sid, moved_from, created_at) {_NUMBERS}
    SELECT 'token-' || (i * 7919 % 10000019), 'key-' || i, 'sms', 'campaign', 'marketing', base.contact + i % :people,
    base.thread + (i / 1000 * 3 + i % 1000) % :people, '+1' || (2020000000 + i), CASE WHEN i % 10000 = 0 THEN NULL ELSE '+1888555000' || (i % {SENDERS}) END,
    'Hello', '[]', 1, CASE WHEN i % 1000 = 1 THEN 0 WHEN i % 1000 = 2 THEN 1 WHEN i % 1000 = 3 THEN 2 WHEN i % 10 = 4 THEN 3 ELSE 4 END,
    {_STATE}, 1000000 + i, 1000000, 1000000, CASE WHEN i % 100 < :queued THEN NULL ELSE 'SM' || i END,
    CASE WHEN i % 1000 = 7 THEN '+18885550009' ELSE NULL END, 1000000 + i
    FROM n, (SELECT (SELECT min(id) FROM contacts) AS contact, (SELECT min(id) FROM threads) AS thread) AS base""",
    f"""INSERT INTO jobs (kind, key, payload, priority, run_at, running, dead, node, created_at) {_NUMBERS} SELECT 'x', 'x:' || i, '{{}}',
    (i % 4) * 10, 1000000 + i, i % 5000 = 1, i % 5000 = 2, 'node', 0 FROM n""",
    "INSERT INTO consents (contact_id, purpose, status, method, source, happened_at, recorded_at) SELECT id, 'sms_marketing', 'subscribed', 'agent', '', 0, 0 FROM contacts",
    "UPDATE consents SET paused_at = 0 WHERE contact_id % 100 = 0",
    "INSERT INTO properties (id, key, name, type, created_at) VALUES (1, 'plan', 'Plan', 'text', 0)",
    "INSERT INTO property_values (contact_id, property_id, n, text, text_key) SELECT id, 1, 0, 'Gold', 'gold' FROM contacts",
    f"INSERT INTO lists (id, name, name_key, created_at) {_NUMBERS} SELECT i, 'L' || i, 'l' || i, 0 FROM n WHERE i <= 10",
    "INSERT INTO list_members (list_id, contact_id, joined_at) SELECT 1 + id % 10, id, 0 FROM contacts",
    f"""INSERT INTO segments (id, name, name_key, filter, created_at, changed_at) {_NUMBERS}
    SELECT i, 'S' || i, 's' || i, '{{"groups": []}}', 0, 0 FROM n WHERE i <= 10""",
    "INSERT INTO segment_members (segment_id, contact_id, joined_at) SELECT 1 + id % 10, id, 0 FROM contacts",
    f"INSERT INTO postal_codes (country, code, latitude, longitude) {_NUMBERS} SELECT 'US', 'c' || i, 0, 0 FROM n",
    # one import of many rows; one row in 50 has a problem
    f"""INSERT INTO import_rows (import_id, n, file, line, verdict, reason, problem) {_NUMBERS} SELECT 1, i, 0, i + 1,
    CASE WHEN i % 50 = 0 THEN 'refused' ELSE 'new' END, '', i % 50 = 0 FROM n""",
    "INSERT INTO suppressions (channel, address, reason, detail, at) SELECT 'sms', phone, 'stop', '', 0 FROM contacts WHERE id % 3 = 0",
    "INSERT INTO litigators (phone, added_at) SELECT phone, 0 FROM contacts WHERE id % 2 = 0",
    "INSERT INTO carrier_reports (sid, outbound_id, status, error, params, at) SELECT sid, CASE WHEN id % 20 = 19 THEN NULL ELSE id END, 'delivered', '', '{}', 0 FROM outbound WHERE sid IS NOT NULL",
    f"INSERT INTO events (contact_id, metric, happened_at, recorded_at, source, data) {_NUMBERS} SELECT i % 5000, 'metric_' || (i % 20), i * 1000, i * 1000, 'sms', '{{}}' FROM n",
    """INSERT INTO follow_ups (thread_id, first_seq, state, due_at, check_at, returned_at, created_at) SELECT id, 1, 'queued',
    1000000 + id, 1000000 + id, CASE WHEN id % 2 = 0 THEN 1000000 + id ELSE NULL END, 0 FROM threads""",
    f"INSERT INTO notifications (user_id, kind, ticket_id, count, at) {_NUMBERS} SELECT i % 50, 'opened', i, 1, i * 1000 FROM n",
    """INSERT INTO receipts (cause, contact_id, address, country, state, at, sent_at, outbound_id)
    SELECT 'campaign:' || (id % 7), id, recipient, CASE WHEN id % 3 = 0 THEN 'CA' ELSE 'US' END,
    CASE WHEN id % 4 = 0 THEN 'waiting' WHEN id % 100 = 1 THEN 'queued' ELSE 'delivered' END, 0,
    CASE WHEN id % 4 = 0 THEN NULL ELSE id * 1000 END, CASE WHEN id % 4 = 0 THEN NULL ELSE id END FROM outbound""",
    "INSERT INTO smart_timers (channel, address, kind, until, outbound_id) SELECT 'sms', phone, 'campaign', 0, id FROM contacts",
    f"INSERT INTO credit_days (day, kind, country, messages, credits) {_NUMBERS} SELECT i * 86400000000, 'campaign', 'C' || (i % 20), 1, 1 FROM n WHERE i % 25 = 0",
)  # fmt: skip
ADD_SENDERS = f"""INSERT INTO senders (address, kind, country, countries, mms, inbound, rate, enabled, stopped, tokens, filled_at, created_at)
{_NUMBERS} SELECT '+1888555000' || (i - 1), 'toll_free', 'US', '["US"]', false, true, 1000000, true,
CASE WHEN i = {SENDERS} THEN '30032: stopped' ELSE NULL END, 1000000000, 0, 0 FROM n WHERE i <= {SENDERS}"""


def fill(settings: Settings, rows: int, queued: int = 60) -> None:
    """Fills a migrated database with `rows` messages and jobs, and analyses it. `queued`: the percentage of messages
    that wait."""
    engine = create_engine(settings.sqlalchemy_url())
    people = max(rows // 10, 100)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # disables the foreign keys
        connection.execute(text(ADD_SENDERS), {"rows": SENDERS})
        for statement in FILL:
            params = {"rows": people if "INTO contacts" in statement else rows, "people": people, "queued": queued}
            connection.execute(
                text(statement), {name: value for name, value in params.items() if f":{name}" in statement}
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


def statements_with_indexes() -> Iterator[tuple[str, Statement]]:
    """Every statement of the product that names the indexes it uses."""
    for module in pkgutil.walk_packages(server.__path__, "server."):
        if module.name.endswith("__main__"):
            continue
        result = vars(importlib.import_module(module.name))
        for name, value in result.items():
            items = value.items() if isinstance(value, dict) else [("", value)]
            for key, item in items:
                if isinstance(item, Statement) and item.uses:
                    yield f"{module.name}.{name}{f'[{key}]' if key else ''}", item


def plan(statement: Statement, execute: Any, *, postgres: bool) -> list[str]:
    """The lines of the plan for unknown parameters: PostgreSQL's generic plan, which it uses from the sixth execution
    on."""
    compiled = statement.on(POSTGRES if postgres else SQLITE)
    sql, values = compiled.bind({name: [None, None] if name in compiled.lists else None for name in compiled.names})
    if not postgres:
        return [row[3] for row in execute("EXPLAIN QUERY PLAN " + sql, values).fetchall()]
    numbers = iter(range(1, len(values) + 1))
    sql = re.sub(r"%s", lambda _: f"${next(numbers)}", sql).replace("%%", "%")
    return [row[0] for row in execute("EXPLAIN (GENERIC_PLAN, COSTS OFF) " + sql, None).fetchall()]


_SQLITE_LINE = re.compile(
    r"(?P<how>SCAN|SEARCH) (?P<table>\S+)(?: USING (?:COVERING )?(?:INDEX (?P<index>\S+)|(?P<rowid>INTEGER PRIMARY KEY)))?"
)
_POSTGRES_LINE = re.compile(
    r"(?:Index Scan|Index Only Scan)(?: Backward)? using (?P<index>\S+)|Bitmap Index Scan on (?P<bitmap>\S+)"
    r"|Seq Scan on (?P<table>\S+)"
)


def plan_faults(statement: Statement, lines: list[str], *, postgres: bool) -> list[str]:
    """The faults of a plan: it reads all of a large table, sorts before a limit, or does not use an index that the
    statement names."""
    result, used = [], set()
    for line in lines:
        if postgres:
            match = _POSTGRES_LINE.search(line)
            index = match and (match["index"] or match["bitmap"])
            if match and match["table"] and match["table"] not in SMALL:
                result.append(f"reads all of {match['table']}")
        else:
            match = _SQLITE_LINE.match(line)
            index = match and (match["index"] or (match["rowid"] and "pk_" + match["table"].strip('"')))
            if (
                match
                and match["how"] == "SCAN"
                and match["table"] not in SMALL
                and "CONSTANT ROW" not in line  # the rows of VALUES are no table
                and index not in statement.uses
            ):
                result.append(f"reads all of {match['table']}")
        if index:
            used.add(index)
    limited = "LIMIT" in statement.on(POSTGRES).sql
    if limited and any("TEMP B-TREE FOR ORDER BY" in line or line.strip().removeprefix("->  ").startswith("Sort") for line in lines):  # fmt: skip
        result.append("sorts before it limits")
    result += [f"does not use {name}" for name in statement.uses if not any(_same(name, item) for item in used)]
    return result


def _same(named: str, used: str) -> bool:
    """Whether both are the same index: SQLite numbers the indexes of constraints, so `sqlite_autoindex_outbound_2` may
    be `uq_outbound_key`."""
    table = re.match(r"sqlite_autoindex_(\w+)_\d+", used)
    return named == used or (table is not None and re.match(rf"(uq|pk)_{table[1]}", named) is not None)
