"""Deletes expired events and carriers' reports every night, in slices.

Rows are deleted from the oldest id on and stop at the first that has not expired, so the job needs no index by time and
reads nothing that stays. The consent ledger, messages, orders and episodes are never deleted here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, Table, bindparam, delete, select

from server.kernel import jobs
from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.jobs import Handler, Job
from server.kernel.slices import in_slices
from server.kernel.sql import Conn, Statement, Tx
from server.schema import carrier_reports, events, notifications, shop_webhooks

log = structlog.get_logger()

JOB = "events.delete_expired"
NIGHT_HOUR = 3  # UTC
PAGE = 2_000  # rows read at a time
MAX_PAGES = 200  # in one run; the next run follows at once if there are more
# A report is evidence until its message has an outcome and the carrier no longer answers questions about it.
MIN_DAYS = 30


class RetentionSettings(BaseModel):
    """The document "retention". Days are counted from the time of storing; None: kept until a person is erased."""

    events_days: int | None = Field(730, ge=MIN_DAYS, le=3_650)
    reports_days: int | None = Field(400, ge=MIN_DAYS, le=3_650)


RETENTION: Document[RetentionSettings] = Document("retention", RetentionSettings)


class _Expiring:
    """A table whose old rows are deleted."""

    def __init__(self, table: Table, at: str) -> None:
        self.oldest = Statement(
            select(table.c.id, table.c[at].label("at"))
            .where(table.c.id > bindparam("after", type_=BigInteger))
            .order_by(table.c.id)
            .limit(bindparam("n")),
            uses=(f"pk_{table.name}",),
        )
        self.delete = Statement(delete(table).where(table.c.id.in_(bindparam("ids", expanding=True))))


_DELETE_OF_SOURCE = Statement(
    delete(events).where(events.c.contact_id == bindparam("contact"), events.c.source == bindparam("origin"))
)
_DELETE_KEYS = Statement(delete(events).where(events.c.dedupe.in_(bindparam("keys", expanding=True))))
EVENTS, REPORTS = _Expiring(events, "recorded_at"), _Expiring(carrier_reports, "at")
SHOP_WEBHOOKS, NOTIFICATIONS = _Expiring(shop_webhooks, "at"), _Expiring(notifications, "at")
WEBHOOKS_DAYS = 30  # a shop repeats a webhook for some hours
NOTIFICATIONS_DAYS = 90


def delete_of_source(tx: Tx, contact: int | None, source: str, keys: list[str]) -> None:
    """Deletes the events of a contact that came from this source, and those with these keys, whoever has them."""
    if contact is not None:
        tx.run(_DELETE_OF_SOURCE, contact=contact, origin=source)
    tx.run(_DELETE_KEYS, keys=keys)


def expired_page(conn: Conn, table: _Expiring, after: int, before: datetime) -> list[int]:
    """The next ids with an older time than `before`, up to the first row that is newer."""
    ids: list[int] = []
    for row in conn.all(table.oldest, after=after, n=PAGE):
        if row.at >= before:
            break
        ids.append(row.id)
    return ids


def delete_slice(tx: Tx, ids: list[int], statement: Statement) -> int:
    return tx.run(statement, ids=list(ids))


async def delete_expired(app: App, table: _Expiring, before: datetime) -> tuple[int, bool]:
    """Deletes rows older than `before`. Returns the number of deleted rows, and whether there may be more."""
    deleted, after = 0, 0
    for _ in range(MAX_PAGES):
        ids = await app.read_slowly(expired_page, table, after, before)
        if not ids:
            return deleted, False
        deleted += sum(await in_slices(app, delete_slice, ids, table.delete))
        after = ids[-1]
    return deleted, True


async def run(app: App, job: Job) -> None:
    """Nightly. If a run is killed, the next one continues, because deleting is repeated safely."""
    settings = await app.read(RETENTION.load)
    more = False
    for name, table, days in (
        ("events", EVENTS, settings.events_days),
        ("reports", REPORTS, settings.reports_days),
        ("shop_webhooks", SHOP_WEBHOOKS, WEBHOOKS_DAYS),
        ("notifications", NOTIFICATIONS, NOTIFICATIONS_DAYS),
    ):
        if days is None:
            continue
        deleted, unfinished = await delete_expired(app, table, app.clock.now() - timedelta(days=days))
        more = more or unfinished
        if deleted:
            log.info("expired_deleted", table=name, rows=deleted)
    await app.write(_schedule_next, job, more)


def _schedule_next(tx: Tx, job: Job, soon: bool) -> None:
    jobs.reschedule(tx, job, {}, run_at=tx.now if soon else next_night(tx.now))


def next_night(now: datetime) -> datetime:
    night = now.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night > now else night + timedelta(days=1)


def start(tx: Tx) -> None:
    """Schedules the job; called when a worker starts."""
    jobs.enqueue(tx, JOB, {}, run_at=next_night(tx.now), key=JOB)


HANDLERS: dict[str, Handler] = {JOB: run}
