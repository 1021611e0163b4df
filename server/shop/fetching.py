"""Fetches the orders of the last 60 days with the Admin token, a page at a time, in a job that continues where it stopped."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from server.channels.shopify_admin import AdminApi, Throttled
from server.errors import ChannelError
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.sealing import PURPOSE
from server.kernel.slices import in_slices
from server.kernel.sql import Tx
from server.shop import storing
from server.shop.settings import FETCH, SHOP, Connection, FetchState, connection

log = structlog.get_logger()

JOB = "shop.fetch"
DAYS = 60  # what Shopify lets an app read without a special permission
PAGES_PER_RUN = 10


def admin_api(app: App, shop: Connection) -> AdminApi:
    return AdminApi(app.settings.shopify_url or f"https://{shop.domain}", shop.token)


def start(tx: Tx) -> None:
    """Schedules the fetch; called when the shop or its token changes."""
    since = tx.now - timedelta(days=DAYS)
    FETCH.save(tx, FetchState(since=since))
    payload = {"since": since.isoformat(), "after": None}
    jobs.enqueue(tx, JOB, payload, run_at=tx.now, key=JOB, priority=30)


def cancel(tx: Tx) -> None:
    """Ends fetching; what was fetched stays known."""
    jobs.cancel(tx, JOB)


def stop(tx: Tx) -> None:
    """Ends the fetch, because there is no token. Known orders then begin with the first webhook."""
    cancel(tx)
    FETCH.save(tx, FetchState())


async def run(app: App, job: Job) -> None:
    """Fetches some pages and schedules the rest. A permanent refusal is shown in Settings and ends the job."""
    shop = connection(await app.read(SHOP.load), app.key(PURPOSE), app.clock.now())
    if not shop.token:
        return
    since, after = datetime.fromisoformat(job.payload["since"]), job.payload["after"]
    api = admin_api(app, shop)
    try:
        for _ in range(PAGES_PER_RUN):
            page = await api.orders(since, after)
            if page.unreadable:
                log.warning("shopify_orders_unreadable", orders=page.unreadable)
            stored = sum(await in_slices(app, storing.store_orders, page.orders))
            after = page.after
            await app.write(_note_page, job, stored, after)
            if after is None:
                return
        await app.write(_continue, job, after, 0.0)
    except Throttled as throttled:
        await app.write(_continue, job, after, throttled.wait_s)
    except ChannelError as error:
        await app.write(_note_error, str(error))
        if not error.permanent:
            raise
    finally:
        await api.close()


def _note_page(tx: Tx, job: Job, stored: int, after: str | None) -> None:
    state = FETCH.load(tx)
    done_at = tx.now if after is None else None
    FETCH.save(tx, state.model_copy(update={"orders": state.orders + stored, "done_at": done_at, "error": ""}))


def _continue(tx: Tx, job: Job, after: str | None, wait_s: float) -> None:
    payload = {**job.payload, "after": after}
    jobs.reschedule(tx, job, payload, run_at=tx.now + timedelta(seconds=wait_s))


def _note_error(tx: Tx, error: str) -> None:
    FETCH.save(tx, FETCH.load(tx).model_copy(update={"error": error}))


HANDLERS: dict[str, Handler] = {JOB: run}
