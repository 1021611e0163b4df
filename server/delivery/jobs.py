"""Alarms of delivery. A job only wakes; the rows decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

from server.channels.base import InboundText, Listed
from server.delivery import actions, claiming, deactivations, pump, queries, settling
from server.delivery.rules import State
from server.delivery.settings import SMS, current
from server.errors import ChannelError
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.sql import Tx

log = structlog.get_logger()

CATCH_UP = "delivery.catch_up"
CATCH_UP_EVERY = timedelta(hours=1)
# How far back a look goes: what was on its way when we last looked, and one hour more for each look that failed. When
# a server starts, it may have been away for long.
USUAL_H, LONGEST_H = 3, 168
MOST_LISTED = 2_000  # of one number

Receive = Callable[[Tx, InboundText], Any]


async def run_pump(app: App, job: Job) -> None:
    """Something is due to be sent."""
    await pump.of(app).run()


async def watch(app: App, job: Job) -> None:
    """What was claimed or dispatched half a minute ago has ended by now, or its process has."""
    await app.write(claiming.look_after)


async def reconcile(app: App, job: Job) -> None:
    """Asks the provider for a message whose outcome is unclear."""
    row = await app.read(queries.one, job.payload["outbound"])
    if row is None or row.state is not State.UNKNOWN:
        return
    channel = await pump.of(app).channel()
    listing: list[Listed] | None = None
    if channel is not None:
        try:
            listing = await channel.list_messages(to=row.recipient, limit=100)
        except ChannelError as error:
            log.warning("sms_listing_failed", outbound=row.id, error=str(error))
    await app.write(settling.seek, row.id, listing, job.payload["looks"])


async def catch_up(app: App, job: Job) -> None:
    """Hourly and at start: texts that the provider has and we have not. A webhook that was answered 503, or not at all,
    is repeated a few times at most (INTEGRATIONS 1.1)."""
    hours = int(job.payload.get("hours", USUAL_H))
    try:
        await fetch_missing(app, hours)
        hours = USUAL_H
    except ChannelError as error:
        log.warning("sms_catch_up_failed", error=str(error))
        hours = min(hours + 1, LONGEST_H)
    await app.write(_next_catch_up, job, hours)


async def fetch_missing(app: App, hours: int) -> int:
    """Receives what the provider lists of the last hours and no webhook has brought; how many. Raises `ChannelError`."""
    channel = await pump.of(app).channel()
    if channel is None:
        return 0
    account = await current(app)
    since = app.clock.now() - timedelta(hours=hours)
    inbound: dict[str, Listed] = {}
    for sender in await app.read(queries.all_senders):
        if sender.inbound:
            listed = await channel.list_messages(to=sender.address, since=since, limit=MOST_LISTED)
            inbound |= {one.sid: one for one in listed if one.direction == "inbound" and one.created_at >= since}
    missing = await app.read(queries.not_received, list(inbound))
    receive: Receive = app.parts["receive_text"]
    for one in sorted((inbound[sid] for sid in missing), key=lambda each: (each.created_at, each.sid)):
        files = tuple(await channel.media_of(one.sid)) if one.media else ()
        text = InboundText(one.sid, None, {}, account.sid, one.sender, one.recipient, one.body, files)
        await app.write(receive, text)
        log.warning("sms_caught_up", sid=one.sid)
    return len(missing)


def _next_catch_up(tx: Tx, job: Job, hours: int) -> None:
    if SMS.load(tx).on:
        jobs.go_on(tx, job, {"hours": hours}, run_at=tx.now + CATCH_UP_EVERY)


def look_now(tx: Tx) -> None:
    """When SMS is set up, and when a worker starts: what waited is sent, what came meanwhile is fetched."""
    if SMS.load(tx).on:
        actions.wake(tx, tx.now)
        jobs.enqueue(tx, CATCH_UP, {"hours": LONGEST_H}, run_at=tx.now, key=CATCH_UP)


def start(tx: Tx) -> None:
    """When a worker starts."""
    if not tx.postgres:
        claiming.free_all(tx)
    if SMS.load(tx).on:
        # Without a key: the shared one may be held by a process that died, until its lease ends.
        jobs.enqueue(tx, actions.PUMP, {}, run_at=tx.now, priority=0)
    look_now(tx)
    deactivations.look(tx)


HANDLERS: dict[str, Handler] = {
    actions.PUMP: run_pump,
    claiming.WATCH: watch,
    settling.RECONCILE: reconcile,
    CATCH_UP: catch_up,
    deactivations.JOB: deactivations.run,
}
