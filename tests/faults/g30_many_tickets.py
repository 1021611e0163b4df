"""G30: a snoozed ticket wakes exactly once and its agent is told once; an action on all tickets of a list changes each of
them once. The process that does the work is killed with SIGKILL in the middle of it, again and again.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, update

from server import migrate
from server.accounts.rules import Agent, Role
from server.inbox import bulk_matching, snoozing
from server.inbox.bulk_matching import MatchingChange, TicketFilter
from server.kernel.context import App
from server.kernel.sql import Statement, Tx
from server.schema import bulk_changes, events, notifications, pending_notices, tickets, timeline, users
from server.settings import Settings
from server.threads.changes import open_ticket
from tests.faults.g11_once_out import SECRET, _is_alive, _kill_one, _until, _with_app
from tests.faults.sender import Nursery, nursery
from tests.faults.tally import Tally
from tests.services import create_database, free_port
from tests.sms import new_person, new_thread

WAKE_CPU_S = 4.0  # for 10,000 tickets, without consoles; about 1 s on SQLite and 2 s on PostgreSQL


async def run(tally: Tally) -> None:
    count, kills = (10_000, 30) if tally.full else (600, 2)
    url = create_database() if tally.database == "postgres" else None
    with tempfile.TemporaryDirectory(prefix="g30-") as name:
        folder, port = Path(name), free_port()
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=url, secret_key=SECRET, public_url=f"http://127.0.0.1:{port}"
        )
        await asyncio.to_thread(migrate.run, settings)
        agents: list[Agent] = await _with_app(settings, _fill, count)
        orders = {
            "folder": name,
            "url": url,
            "secret": SECRET,
            "public_url": settings.public_url,
            "twilio_url": "https://127.0.0.1:9",
            "full": tally.full,
            "log": str(folder / "failpoints"),
        }
        (folder / "failpoints").touch()
        with nursery(**orders) as processes:
            await _storm(tally, processes, settings, port, "wake_slice", kills, _count_asleep)
            await _with_app(settings, _check_woken, tally, agents, count)
            await _with_app(settings, _start_close, agents[0])
            await _storm(tally, processes, settings, port, "bulk_slice", kills, _count_open)
        await _with_app(settings, _check_closed, tally, count)
        if tally.full:  # a few tickets on a busy machine measure the start of the statements, not their cost
            await _with_app(settings, _measure, tally, agents[0])


async def _fill(app: App, count: int) -> list[Agent]:
    """Snoozed tickets that are due, half of them assigned to one agent, and snoozed by another one."""

    def team(tx: Tx) -> list[Agent]:
        roles = {"Olga": Role.OWNER, "Ana": Role.SUPPORT}
        people = []
        for name, role in roles.items():
            row = {"email": f"{name.lower()}@shop.example", "name": name, "role": role, "created_at": tx.now}
            user = tx.value(insert(users).values(**row).returning(users.c.id))
            people.append(Agent(user, name, row["email"], role, 0))
        return people

    agents: list[Agent] = await app.write(team)

    def some(tx: Tx, first: int, n: int) -> None:
        for number in range(first, first + n):
            phone = f"+1202{number:07d}"
            contact = new_person(tx, phone, subscribed=False)
            thread = new_thread(tx, contact, phone)
            open_ticket(tx, thread, contact, "sms")
        asleep = {"status": "snoozed", "unread": False, "snoozed_by": agents[0].id}
        tx.run(
            update(tickets)
            .where(tickets.c.status == "open")
            .values(**asleep, snoozed_until=tx.now - timedelta(seconds=1))
        )

    for first in range(0, count, 25):
        await app.write(some, first, min(25, count - first))
    await app.write(lambda tx: tx.run(update(tickets).where(tickets.c.id % 2 == 0).values(assignee_id=agents[1].id)))
    return agents


async def _storm(
    tally: Tally, processes: Nursery, settings: Settings, port: int, place: str, kills: int, left: Any
) -> None:
    """Starts a process that dies at its n-th slice, as often as `kills`; then one that finishes the work."""
    killed = 0
    for _ in range(kills):
        pid = processes.start(port, f"{place}=kill@{tally.random.randint(1, 3)}")
        killed += await _until(lambda pid=pid: not _is_alive(pid), 60)
        await _kill_one(pid)
    tally.floor(f"kills at {place}", killed, kills)
    tally.floor(f"tickets left after the kills at {place}", await _with_app(settings, left), 1)
    pid = processes.start(port)
    began = time.monotonic()
    while True:
        await asyncio.sleep(1 if settings.database_url else 4)
        if not settings.database_url:
            await _kill_one(pid)  # one process at a time opens a SQLite database
        remaining = await _with_app(settings, left)
        if not remaining or time.monotonic() - began > 240:
            break
        if not settings.database_url:
            pid = processes.start(port)
    await _kill_one(pid)
    tally.zero(f"tickets left at the end of {place}", remaining)


async def _count_asleep(app: App) -> int:
    asleep = select(func.count()).select_from(tickets).where(tickets.c.status == "snoozed")
    waiting = select(func.count()).select_from(pending_notices)
    return int(await app.read(lambda conn: conn.value(asleep) + conn.value(waiting)))


async def _count_open(app: App) -> int:
    still_open = select(func.count()).select_from(tickets).where(tickets.c.status != "closed")
    unfinished = select(func.count()).select_from(bulk_changes).where(bulk_changes.c.state == "running")
    return int(await app.read(lambda conn: conn.value(still_open) + conn.value(unfinished)))


async def _statuses(app: App, to: str) -> Counter[int]:
    """The number of entries with this new status, by thread."""
    rows = await app.read(
        lambda conn: conn.all(
            select(timeline.c.thread_id.label("thread"), timeline.c.data).where(timeline.c.kind == "status")
        )
    )
    return Counter(row.thread for row in rows if row.data["to"] == to)


async def _check_woken(app: App, tally: Tally, agents: list[Agent], count: int) -> None:
    woken = await _statuses(app, "open")
    tally.floor("tickets that woke", len(woken), count)
    tally.zero("tickets that woke twice", sum(n > 1 for n in woken.values()))
    rows = await app.read(lambda conn: conn.all(select(tickets.c.status, tickets.c.unread, tickets.c.snoozed_until)))
    wrong = [row for row in rows if (row.status, row.unread, row.snoozed_until) != ("open", True, None)]
    tally.zero("tickets that woke in another state", len(wrong), wrong[:3])
    ended = select(func.count()).select_from(events).where(events.c.metric == "snooze_ended")
    tally.zero("events missing or doubled", abs(await app.read(lambda conn: conn.value(ended)) - count))
    told = await app.read(
        lambda conn: conn.all(
            select(
                notifications.c.user_id.label("user"),
                func.sum(notifications.c.count).label("n"),
                func.count().label("rows"),
            ).group_by(notifications.c.user_id)
        )
    )
    expected = {agents[0].id: count - count // 2, agents[1].id: count // 2}
    tally.zero("agents told another number of tickets", int({row.user: row.n for row in told} != expected), told)
    tally.at_most("notifications of one agent", max(row.rows for row in told), 1)


async def _start_close(app: App, agent: Agent) -> None:
    change = MatchingChange("close", "g30-close-all", TicketFilter("open"), frozenset(), app.clock.now())
    await app.write(bulk_matching.start, agent, change)


async def _check_closed(app: App, tally: Tally, count: int) -> None:
    closed = await _statuses(app, "closed")
    tally.floor("tickets closed", len(closed), count)
    tally.zero("tickets closed twice", sum(n > 1 for n in closed.values()))
    (row,) = await app.read(lambda conn: conn.all(select(bulk_changes.c.results)))
    tally.zero("results missing or counted twice", int(row.results != {"done": count}), row.results)


async def _measure(app: App, tally: Tally, agent: Agent) -> None:
    """Processor time of this process for the wake-up of all tickets, without consoles."""
    asleep = {"status": "snoozed", "snoozed_until": app.clock.now() - timedelta(seconds=1), "snoozed_by": agent.id}
    count = await app.write(lambda tx: tx.run(Statement(update(tickets).values(**asleep))))
    began = time.process_time()
    await snoozing.wake_due(app, None)  # type: ignore[arg-type]
    tally.at_most(
        "processor time to wake 10,000 tickets, s", (time.process_time() - began) * 10_000 / count, WAKE_CPU_S
    )
