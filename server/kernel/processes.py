"""Who works on this database: on PostgreSQL each process says so every few seconds.

A worker that falls silent loses its jobs within `LOST_S`, long before their leases end (DESIGN 8); `turn` fences it
should it only have slept. All times are the database server's, so that a machine with a wrong clock is not taken
for dead. On SQLite there is one process and nothing to say.
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

BEAT_S = 3.0
LOST_S = 10.0
FORGOTTEN_S = 3600.0

_now = literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", BigInteger)
_seen = type_coerce(processes.c.seen_at, BigInteger)
_age = bindparam("micros", type_=BigInteger)

_put = insert(processes).values(
    node=bindparam("node"),
    web=bindparam("web"),
    worker=bindparam("worker"),
    version=bindparam("version"),
    seen_at=type_coerce(_now, Instant),
)
_BEAT = Statement(_put.on_conflict_do_update(index_elements=["node"], set_={"seen_at": _put.excluded.seen_at}))
_FORGET = Statement(delete(processes).where(_seen < _now - _age))
_LEAVE = Statement(delete(processes).where(processes.c.node == bindparam("which")))
# A job without a name was claimed by an older version; its lease simply ends.
_RECLAIM = Statement(
    update(jobs)
    .where(
        jobs.c.running,
        jobs.c.node.is_not(None),
        jobs.c.node.not_in(select(processes.c.node).where(_seen >= _now - _age)),
    )
    .values(running=False, node=null(), run_at=bindparam("at", type_=Instant))
)
_ALL = Statement(
    select(
        processes.c.node,
        processes.c.web,
        processes.c.worker,
        processes.c.version,
        (_now - _seen).label("silent"),
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
    tx.run(_FORGET, micros=int(FORGOTTEN_S * 1e6))


def reclaim(tx: Tx) -> int:
    """Frees what silent processes were running; how many jobs that were."""
    return tx.run(_RECLAIM, micros=int(LOST_S * 1e6), at=tx.now)


def leave(tx: Tx, node: str) -> None:
    tx.run(_LEAVE, which=node)


def seen(conn: Conn) -> list[Process]:
    """Everybody of the last hour, the liveliest first."""
    return [Process(row.node, row.web, row.worker, row.version, row.silent / 1e6) for row in conn.all(_ALL)]


class Heart:
    """Beats as long as the process lives; a worker's also looks for those that no longer do."""

    def __init__(self, app: App, *, web: bool, worker: bool) -> None:
        self._app, self._web, self._worker = app, web, worker
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The first beat is on disk before the first job is claimed, or others would take it away again."""
        if self._app.settings.database_url is not None:
            await self.turn()
            self._task = asyncio.create_task(self._beat(), name="heart")

    async def turn(self) -> int:
        """One beat; how many jobs of silent processes it freed."""
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
                await self._app.write(leave, self._app.node)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self.turn()
            except Refused as refusal:
                log.info("heart_busy", code=refusal.code)
            except Exception:  # a database that is away must not stop the heart
                log.exception("heart_failed")
