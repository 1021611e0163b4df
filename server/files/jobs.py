"""Jobs that remove files which were never sent, and partial files of killed uploads."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import and_, bindparam, delete, or_, select, update

from server.files import storage
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.sql import Statement, Tx
from server.schema import attachments

log = structlog.get_logger()

VISITORS_UNSENT_KEPT = timedelta(days=1)  # files that were uploaded and not sent
AGENTS_UNSENT_KEPT = timedelta(days=30)  # drafts and outboxes in agents' browsers refer to them
UNSENT = "unsent"  # owner of a file that is about to be removed, so that nobody can send it meanwhile

_MARK_UNSENT = Statement(
    update(attachments)
    .where(
        attachments.c.id.in_(
            select(attachments.c.id)
            .where(
                attachments.c.thread_id.is_(None),
                or_(
                    and_(
                        attachments.c.owner.like("web:%"),
                        attachments.c.created_at < bindparam("visitors_before", type_=Instant),
                    ),
                    and_(
                        attachments.c.owner.like("agent:%"),
                        attachments.c.created_at < bindparam("agents_before", type_=Instant),
                    ),
                ),
            )
            .order_by(attachments.c.id)
            .limit(bindparam("n"))
        ),
        attachments.c.thread_id.is_(None),
    )
    .values(owner=UNSENT)
)
_SELECT_UNSENT = Statement(
    select(attachments.c.token)
    .where(attachments.c.thread_id.is_(None), attachments.c.owner == UNSENT)
    .order_by(attachments.c.id)
    .limit(bindparam("n"))
)
_DELETE_ROWS = Statement(
    delete(attachments).where(
        attachments.c.token.in_(bindparam("tokens", expanding=True)), attachments.c.owner == UNSENT
    )
)


def mark_unsent(tx: Tx, limit: int) -> list[str]:
    """Marks old files that were never sent, so that nobody can send them any more. Returns the tokens of up to `limit`
    marked files, also of earlier calls. The caller removes their bytes, then their rows."""
    tx.run(
        _MARK_UNSENT, visitors_before=tx.now - VISITORS_UNSENT_KEPT, agents_before=tx.now - AGENTS_UNSENT_KEPT, n=limit
    )
    return [row.token for row in tx.all(_SELECT_UNSENT, n=limit)]


def delete_rows(tx: Tx, tokens: list[str]) -> None:
    """Deletes the rows of marked files whose bytes are removed."""
    tx.run(_DELETE_ROWS, tokens=tokens)


SWEEP_JOB = "inbox.sweep_files"
SWEEP_EVERY = timedelta(hours=1)
SWEEP_BATCH = 200  # files per run


async def sweep_files(app: App, job: Job) -> None:
    """Hourly: removes files that were uploaded and never sent. If a run is killed, the next one continues."""
    unsent = await app.write(mark_unsent, SWEEP_BATCH)
    if unsent:
        await storage.remove_bytes(app, unsent)
        await app.write(delete_rows, unsent)
        log.info("unsent_files_removed", files=len(unsent))
    await app.write(_sweep_again, job, len(unsent) == SWEEP_BATCH)


def _sweep_again(tx: Tx, job: Job, soon: bool) -> None:
    jobs.reschedule(tx, job, {}, run_at=tx.now if soon else tx.now + SWEEP_EVERY)


PARTIAL_JOB = "inbox.sweep_partial_files"
PARTIAL_EVERY = timedelta(days=1)  # each run lists the whole folder
PARTIAL_KEPT = timedelta(hours=1)  # a live upload writes every few seconds


async def sweep_partial_files(app: App, job: Job) -> None:
    """Daily: removes partial files that uploads left when their process was killed."""
    removed = await storage.remove_partial(app, app.clock.now() - PARTIAL_KEPT)
    if removed:
        log.info("partial_files_removed", files=removed)
    await app.write(_sweep_partial_again, job)


def _sweep_partial_again(tx: Tx, job: Job) -> None:
    jobs.reschedule(tx, job, {}, run_at=tx.now + PARTIAL_EVERY)


def start(tx: Tx) -> None:
    """Enqueues the periodic jobs; called when a worker starts."""
    jobs.enqueue(tx, SWEEP_JOB, {}, run_at=tx.now, key=SWEEP_JOB)
    jobs.enqueue(tx, PARTIAL_JOB, {}, run_at=tx.now, key=PARTIAL_JOB)


HANDLERS: dict[str, Handler] = {SWEEP_JOB: sweep_files, PARTIAL_JOB: sweep_partial_files}
