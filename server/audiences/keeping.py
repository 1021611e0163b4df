"""Keeps the members of all segments right, in one job.

A run does, in this order: find the members of new and changed segments; follow the events of all people since the last run;
apply what the clock has changed. Only this job writes members, so no two decisions about a person can overtake each other. It
runs again at the next moment when the clock changes a membership, and otherwise every `EVERY`, as long as there are segments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel
from sqlalchemy import bindparam, delete, func, select, update

from server.audiences import catalogue as catalogues
from server.audiences import clock
from server.audiences.conditions import CanReceive
from server.audiences.filters import Catalogue, FilterTree, expanded
from server.audiences.keeping_job import JOB, run_soon
from server.audiences.membership import (
    OWN_METRICS,
    Difference,
    Kept,
    Scope,
    apply,
    differences,
    merged_members,
    settle,
)
from server.audiences.people_facts import Needs
from server.audiences.segments import DELETE_JOB
from server.events import readers
from server.events.readers import Place
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.documents import Document, publish_change
from server.kernel.jobs import Handler, Job
from server.kernel.slices import FIRST, Slices, next_size
from server.kernel.sql import Conn, Statement, Tx, chunks
from server.schema import contacts, segment_members, segments

READER = "segments"
EVERY = timedelta(seconds=5)
RUN_S = 40.0  # less than the job's lease; what is left continues in the next run
# More changed people than this: finding everybody at once is faster than deciding one by one.
MANY = 5_000
PIECE = 10_000  # differences that are written before the time is looked at
RANGE = 250_000  # contacts whose differences are read at a time
PAGE = 2_000  # members of a deleted segment that are read at a time
NIGHT_HOUR = 4  # UTC: after expired events are deleted, everything is found again

_KEPT = Statement(
    select(
        segments.c.id,
        segments.c.filter,
        segments.c.changed_at,
        segments.c.stale,
        segments.c.refreshed_at,
        segments.c.changes_at,
    )
    .where(segments.c.deleted_at.is_(None))
    .order_by(segments.c.id)
)
_LAST_CONTACT = Statement(select(func.coalesce(func.max(contacts.c.id), 0)))
_SET_REFRESHED = Statement(
    update(segments)
    .where(segments.c.id == bindparam("segment"), segments.c.changed_at == bindparam("of_change", type_=Instant))
    .values(
        stale=False,
        refreshed_at=bindparam("at", type_=Instant),
        changes_at=bindparam("next_change", type_=Instant),
    )
)
_SET_CLOCK = Statement(
    update(segments)
    .where(segments.c.id == bindparam("segment"), segments.c.stale.is_(False))
    .values(refreshed_at=bindparam("at", type_=Instant), changes_at=bindparam("next_change", type_=Instant))
)
_MARK_STALE = Statement(update(segments).where(segments.c.id.in_(bindparam("ids", expanding=True))).values(stale=True))


class KeepingState(BaseModel):
    """The document "keeping", which only the job writes. `night`: of the last full refresh. `gate`: on what every message
    depended then."""

    night: str = ""
    gate: list[str] = []


KEEPING: Document[KeepingState] = Document("keeping", KeepingState)


class State(NamedTuple):
    """A segment as a run finds it."""

    kept: Kept
    stale: bool
    refreshed_at: datetime | None
    changes_at: datetime | None


def _states(conn: Conn) -> list[State]:
    return [
        State(
            Kept(row.id, FilterTree.model_validate(row.filter), row.changed_at, row.refreshed_at is not None),
            row.stale,
            row.refreshed_at,
            row.changes_at,
        )
        for row in conn.all(_KEPT)
    ]


async def keep(app: App, job: Job) -> None:
    """The job. If it is killed, the next run continues: every step finds what still differs."""
    run = _Run(app, job)
    states = await app.read(_states)
    if not states:
        return
    await run.begin_reading()
    await run.refresh_stale()
    await run.follow_events()
    await run.follow_clock()
    if await run.mark_stale(states):
        await run.refresh_stale()
    await app.write(run.reschedule)


class _Run:
    def __init__(self, app: App, job: Job) -> None:
        self._app, self._job = app, job
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + RUN_S
        self._slices = Slices(app, few_statements=True)
        self._unfinished = False

    def _time_is_up(self) -> bool:
        if self._loop.time() >= self._ends_at:
            self._unfinished = True
        return self._unfinished

    # --- what must be found again

    async def mark_stale(self, states: Sequence[State]) -> bool:
        """Marks segments for which something else than a person changed: once a night all, because events expire; and those
        that ask who can receive a channel, after a change of the consents that every message needs."""
        known = await self._app.read(catalogues.load)
        before = await self._app.read(KEEPING.load)
        night = (self._app.clock.now() - timedelta(hours=NIGHT_HOUR)).date().isoformat()
        gate = [*known.required["sms"], "|", *known.required["email"], "|", str(known.litigators)]
        ids: set[int] = set()
        if before.night and before.night != night:
            ids |= {state.kept.id for state in states}
        if before.gate and before.gate != gate:
            ids |= {state.kept.id for state in states if _asks(state.kept.filter, known, CanReceive)}
        if (before.night, before.gate) != (night, gate):
            await self._app.write(_mark_stale, sorted(ids), KeepingState(night=night, gate=gate))
        return bool(ids)

    async def begin_reading(self) -> None:
        """The reader begins with the first segment: older events are in the first filling."""

        def begin(tx: Tx) -> None:
            if readers.place(tx, READER) is None:
                readers.move(tx, READER, readers.end(tx))

        await self._app.write(begin)

    async def refresh_stale(self) -> None:
        for state in await self._app.read(_states):
            if state.stale and not self._time_is_up():
                await self._refresh(state.kept, "refresh" if state.kept.filled else None)

    async def _refresh(self, kept: Kept, cause: str | None, since: Place | None = None) -> bool:
        """Finds all members again and writes the differences in slices. Returns False if it did not finish: the time is up,
        or the definition changed meanwhile. The next run then finds what still differs."""
        now = self._app.clock.now()
        last = await self._app.read(_last_contact)
        for start in range(0, last, RANGE):
            if not await self._apply(kept, _find, (now, (start, start + RANGE)), cause, since):
                return False
        if kept.filled and not await self._apply(kept, merged_members, (), None, None):
            return False
        next_change = await self._app.read_slowly(_next_change, kept.filter, now)
        await self._app.write(_finish, kept, now, next_change)
        return True

    async def _apply(
        self, kept: Kept, find: Any, args: tuple[Any, ...], cause: str | None, since: Place | None
    ) -> bool:
        found: list[Difference] = await self._app.read_slowly(find, kept, *args)
        for piece in chunks(found, PIECE):
            if self._time_is_up() or not all(await self._slices.write(apply, piece, kept, cause, since)):
                return False
        return True

    # --- people who changed

    async def follow_events(self) -> None:
        waiting, end = await self._app.read(lambda conn: (readers.waiting(conn, READER, MANY + 1), readers.end(conn)))
        if not waiting:
            return
        if waiting > MANY:
            await self._follow_by_refresh(end)
            if self._unfinished:
                return
        scope = await self._app.read(_scope, self._app.clock.now())
        size = FIRST
        while not self._time_is_up():
            handled, seconds = await self._app.write_bulk(_follow, size, scope)
            if handled < size:
                return
            size = next_size(size, seconds)

    async def _follow_by_refresh(self, end: Place) -> None:
        """For very many events: everybody is decided by SQL, which sees all events up to `end`."""
        since = await self._app.read(readers.place, READER)
        for state in await self._app.read(_states):
            if state.kept.filled and not await self._refresh(state.kept, "event", since):
                return
        await self._app.write(readers.move, READER, end)

    # --- the clock

    async def follow_clock(self) -> None:
        now = self._app.clock.now()
        due_states = [
            state
            for state in await self._app.read(_states)
            if state.changes_at is not None and state.changes_at <= now and not state.stale
        ]
        if not due_states or self._time_is_up():
            return
        scope = await self._app.read(_scope, self._app.clock.now())
        for state in due_states:
            assert state.refreshed_at is not None
            people = await self._app.read_slowly(
                clock.due, state.kept.filter, scope.catalogue, state.refreshed_at, now, MANY + 1
            )
            if len(people) > MANY:
                await self._refresh(state.kept, "clock")
                continue
            only = scope._replace(segments=[state.kept], needs=Needs.of([state.kept.filter], scope.catalogue, now))
            await Slices(self._app).write(_settle_by_clock, people, only)
            next_change = await self._app.read_slowly(_next_change, state.kept.filter, now)
            await self._app.write(_finish_clock, state.kept, now, next_change)

    def reschedule(self, tx: Tx) -> None:
        changes = [state.changes_at for state in _states(tx) if state.changes_at is not None]
        at = tx.now if self._unfinished else min([tx.now + EVERY, *changes])
        jobs.reschedule(tx, self._job, {}, run_at=max(at, tx.now))


def start(tx: Tx) -> None:
    """Enqueues the job if there are segments; called when a worker starts."""
    if tx.first(_KEPT) is not None:
        run_soon(tx)


def _mark_stale(tx: Tx, ids: Sequence[int], state: KeepingState) -> None:
    if ids:
        tx.run(_MARK_STALE, ids=list(ids))
    KEEPING.save(tx, state)


def _last_contact(conn: Conn) -> int:
    return int(conn.value(_LAST_CONTACT))


def _asks(tree: FilterTree, known: Catalogue, kind: type[Any]) -> bool:
    return any(isinstance(condition, kind) for condition in expanded(tree, known))


def _find(conn: Conn, kept: Kept, now: datetime, between: tuple[int, int]) -> list[Difference]:
    return differences(conn, kept, now, catalogues.load(conn), between)


def _next_change(conn: Conn, tree: FilterTree, now: datetime) -> datetime | None:
    return clock.next_change(conn, tree, catalogues.load(conn), now)


def _finish(tx: Tx, kept: Kept, at: datetime, next_change: datetime | None) -> None:
    tx.run(_SET_REFRESHED, segment=kept.id, of_change=kept.changed_at, at=at, next_change=next_change)
    publish_change(tx, "audiences")


def _finish_clock(tx: Tx, kept: Kept, at: datetime, next_change: datetime | None) -> None:
    tx.run(_SET_CLOCK, segment=kept.id, at=at, next_change=next_change)
    publish_change(tx, "audiences")


def _scope(conn: Conn, now: datetime) -> Scope:
    known = catalogues.load(conn)
    filled = [state.kept for state in _states(conn) if state.kept.filled]
    return Scope(known, filled, Needs.of([kept.filter for kept in filled], known, now))


def _follow(tx: Tx, size: int, scope: Scope) -> int:
    """Handles the next events of the reader; returns their number."""
    found = readers.read(tx, READER, size)
    causes = {event.contact: event.cause or f"event:{event.id}" for event in found if event.metric not in OWN_METRICS}
    if causes and settle(tx, sorted(causes), causes, scope):
        publish_change(tx, "audiences")
    return len(found)


def _settle_by_clock(tx: Tx, people: Sequence[int], scope: Scope) -> None:
    settle(tx, people, dict.fromkeys(people, "clock"), scope)


# --- members of deleted segments ------------------------------------------------------------------

_ROWS = Statement(
    select(segment_members.c.contact_id)
    .where(segment_members.c.segment_id == bindparam("segment"))
    .limit(bindparam("n"))
)
_DELETE_ROWS = Statement(
    delete(segment_members).where(
        segment_members.c.segment_id == bindparam("segment"),
        segment_members.c.contact_id.in_(bindparam("people", expanding=True)),
    )
)


def _page(conn: Conn, segment_id: int) -> list[int]:
    return [row.contact_id for row in conn.all(_ROWS, segment=segment_id, n=PAGE)]


def _delete_slice(tx: Tx, people: Sequence[int], segment_id: int) -> None:
    tx.run(_DELETE_ROWS, segment=segment_id, people=list(people))


async def _delete_members(app: App, job: Job) -> None:
    slices = Slices(app)
    while people := await app.read_slowly(_page, job.payload["segment"]):
        await slices.write(_delete_slice, people, job.payload["segment"])


HANDLERS: dict[str, Handler] = {JOB: keep, DELETE_JOB: _delete_members}
