"""Receives texts that are in the provider's list but that no webhook delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import structlog

from server.channels.base import InboundText, Listed, SmsChannel
from server.delivery import pump, queries
from server.delivery.jobs import MAX_CATCH_UP_H
from server.delivery.settings import SMS, current
from server.errors import ChannelError
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Tx
from server.sms import receiving

log = structlog.get_logger()

INTERVAL = timedelta(hours=1)
# How many hours back a catch-up lists texts. Each failed catch-up adds an hour to the next one.
CATCH_UP_H = 3
MAX_PAGES = 10_000  # of the list, per number


async def catch_up(app: App, job: Job) -> None:
    """Runs hourly and at start, because the provider retries a failed webhook only a few times."""
    hours = int(job.payload.get("hours", CATCH_UP_H))
    try:
        await fetch_missing(app, hours)
        hours = CATCH_UP_H
    except ChannelError as error:
        log.warning("sms_catch_up_failed", error=str(error))
        hours = min(hours + 1, MAX_CATCH_UP_H)
    await app.write(_next_catch_up, job, hours)


async def fetch_missing(app: App, hours: int) -> int:
    """Receives the missing texts of the last `hours` and returns their number. Raises `ChannelError`."""
    channel = await pump.of(app).channel()
    if channel is None:
        return 0
    account = await current(app)
    since = app.clock.now() - timedelta(hours=hours)
    missing: dict[str, Listed] = {}
    newest: dict[str, Listed] = {}  # newest text by sender
    for sender in await app.read(queries.all_senders):
        if sender.inbound:
            async for inbound in _since(channel, sender.address, since):
                for text in inbound.values():
                    newest[text.sender] = max(text, newest.get(text.sender, text), key=_order)
                missing |= {sid: inbound[sid] for sid in await app.read(queries.not_received, list(inbound))}
    for listed in sorted(missing.values(), key=_order):
        inbound_text = InboundText(
            listed.sid,
            None,
            {},
            account.sid,
            listed.sender,
            listed.recipient,
            listed.body,
            tuple(await channel.media_of(listed.sid)) if listed.media else (),
            superseded=newest[listed.sender] is not listed,
        )
        await app.write(receiving.receive_listed, inbound_text)
        log.warning("sms_caught_up", sid=listed.sid)
    return len(missing)


def _order(text: Listed) -> tuple[datetime, str]:
    return text.created_at, text.sid


async def _since(channel: SmsChannel, address: str, since: datetime) -> AsyncIterator[dict[str, Listed]]:
    """The texts to one of our numbers, page by page. The provider selects by day, so this filters by time."""
    pages = 0
    async for page in channel.pages(to=address, since=since):
        yield {text.sid: text for text in page if text.direction == "inbound" and text.created_at >= since}
        pages += 1
        if page and max(text.created_at for text in page) < since:
            return
        if pages == MAX_PAGES:
            raise ChannelError(f"The list of texts to one number did not end after {pages:,} pages.")


def _next_catch_up(tx: Tx, job: Job, hours: int) -> None:
    if SMS.load(tx).on:
        jobs.reschedule(tx, job, {"hours": hours}, run_at=tx.now + INTERVAL)
