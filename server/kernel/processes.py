"""Heartbeats: on PostgreSQL every process writes one to the database every few seconds.

A worker without a heartbeat for `DEAD_AFTER_S` loses its jobs before their leases end; `turn` fences it if it was only paused.
All times are the database server's, so a wrong clock on one machine does not matter. SQLite has one process and no
heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import structlog
from sqlalchemy import BigInteger, bindparam, delete, literal_column, null, select, type_coerce, update
from sqlalchemy.dialects.postgresql import insert

from server import __version__
from server.errors import Refused
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.sql import Conn, Statement, Tx
from server.schema import jobs, processes

log = structlog.get_logger()

HEARTBEAT_S = 3.0
DEAD_AFTER_S = 10.0
DELETE_AFTER_S = 3600.0

_now = literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", BigInteger)
_seen_at = type_coerce(processes.c.seen_at, BigInteger)
_age = bindparam("micros", type_=BigInteger)

_insert = insert(processes).values(
    node=bindparam("node"),
    web=bindparam("web"),
    worker=bindparam("worker"),
    version=bindparam("version"),
    seen_at=type_coerce(_now, Instant),
)
_BEAT = Statement(_insert.on_conflict_do_update(index_elements=["node"], set_={"seen_at": _insert.excluded.seen_at}))
_DELETE_OLD = Statement(delete(processes).where(_seen_at < _now - _age))
_DELETE = Statement(delete(processes).where(processes.c.node == bindparam("which")))
# Jobs without a node were claimed by an older version; their leases expire.
_RECLAIM = Statement(
    update(jobs)
    .where(
        jobs.c.running,
        jobs.c.node.is_not(None),
        jobs.c.node.not_in(select(processes.c.node).where(_seen_at >= _now - _age)),
    )
    .values(running=False, node=null(), run_at=bindparam("at", type_=Instant)),
    uses=("ix_jobs_running",),
)
_ALL = Statement(
    select(
        processes.c.node,
        processes.c.web,
        processes.c.worker,
        processes.c.version,
        (_now - _seen_at).label("silent"),
    ).order_by(processes.c.seen_at.desc())
)


@dataclass(frozen=True, slots=True)
class Process:
    node: str
    web: bool
    worker: bool
    version: str
    silent_s: float


def beat(tx: Tx, node: str, web: bool, worker: bool) -> None:
    tx.run(_BEAT, node=node, web=web, worker=worker, version=__version__)
    tx.run(_DELETE_OLD, micros=int(DELETE_AFTER_S * 1e6))


def reclaim(tx: Tx) -> int:
    """Releases the jobs of processes without a heartbeat; returns their number."""
    return tx.run(_RECLAIM, micros=int(DEAD_AFTER_S * 1e6), at=tx.now)


def remove(tx: Tx, node: str) -> None:
    tx.run(_DELETE, which=node)


def list_recent(conn: Conn) -> list[Process]:
    """The processes of the last hour, newest heartbeat first."""
    return [Process(row.node, row.web, row.worker, row.version, row.silent / 1e6) for row in conn.all(_ALL)]


class Heartbeat:
    """Sends the heartbeat of this process; a worker also reclaims the jobs of dead processes."""

    def __init__(self, app: App, *, web: bool, worker: bool) -> None:
        self._app, self._web, self._worker = app, web, worker
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Writes the first heartbeat before the worker claims jobs, or other workers would reclaim them."""
        if self._app.settings.database_url is not None:
            await self.beat_once()
            self._task = asyncio.create_task(self._beat(), name="heart")

    async def beat_once(self) -> int:
        """Sends one heartbeat; returns the number of jobs reclaimed."""
        await self._app.write(beat, self._app.node, self._web, self._worker)
        freed = await self._app.write(reclaim) if self._worker else 0
        if freed:
            log.warning("jobs_reclaimed", count=freed)
        return freed

    async def close(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(2):
                await self._app.write(remove, self._app.node)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await self.beat_once()
            except Refused as refusal:
                log.info("heart_busy", code=refusal.code)
            except Exception:  # continue while the database is away
                log.exception("heart_failed")
