"""Job handlers of delivery. A job only wakes the pump; the rows of `outbound` decide what is sent."""

from __future__ import annotations

import structlog

from server.channels.base import Listed
from server.delivery import actions, claiming, deactivations, moving, pump, queries, settling
from server.delivery.mail_settings import MAIL
from server.delivery.rules import State
from server.delivery.settings import SMS
from server.errors import ChannelError
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.sql import Tx

log = structlog.get_logger()

CATCH_UP = "delivery.catch_up"
MAX_CATCH_UP_H = 168  # how far back the catch-up after a start lists texts


async def run_pump(app: App, job: Job) -> None:
    """Sends the due messages."""
    await pump.of(app).run()


async def run_mail_pump(app: App, job: Job) -> None:
    """Sends the due mail."""
    await app.part(pump.MailPump).run()


async def watch(app: App, job: Job) -> None:
    """Recovers messages that were claimed or begun by a process that has died."""
    await app.write(claiming.recover_stuck)


async def reconcile(app: App, job: Job) -> None:
    """Looks for a message with an unclear outcome in the provider's list."""
    row = await app.read(queries.by_id, job.payload["outbound"])
    if row is None or row.state is not State.UNKNOWN:
        return
    channel = await pump.of(app).channel()
    listing: list[Listed] | None = None
    if channel is not None:
        try:
            listing = await channel.list_messages(to=row.recipient, limit=100)
        except ChannelError as error:
            log.warning("sms_listing_failed", outbound=row.id, error=str(error))
    await app.write(settling.reconcile, row.id, listing, job.payload["looks"])


def wake_and_catch_up(tx: Tx) -> None:
    """Sends waiting messages and fetches missed texts, when SMS is set up and when a worker starts."""
    if SMS.load(tx).on:
        actions.wake_pump(tx, tx.now)
        jobs.enqueue(tx, CATCH_UP, {"hours": MAX_CATCH_UP_H}, run_at=tx.now, key=CATCH_UP)


def start(tx: Tx) -> None:
    """Starts delivery in a new worker: releases the previous process's claims, wakes both pumps, schedules the catch-up."""
    if not tx.postgres:  # SQLite has one process, so every claim belongs to one that has ended
        claiming.release_all(tx)
    if SMS.load(tx).on:
        # Without a job key: the job that has it may still be leased to a process that died, and would absorb this one.
        jobs.enqueue(tx, actions.PUMP, {}, run_at=tx.now, priority=0)
    if MAIL.load(tx).usable:
        jobs.enqueue(tx, actions.MAIL_PUMP, {}, run_at=tx.now, priority=0)
    wake_and_catch_up(tx)
    deactivations.schedule_next(tx)


HANDLERS: dict[str, Handler] = {
    actions.PUMP: run_pump,
    actions.MAIL_PUMP: run_mail_pump,
    actions.MOVE: moving.run,
    claiming.WATCH: watch,
    settling.RECONCILE: reconcile,
    deactivations.JOB: deactivations.run,
}
