"""The job of a campaign: does what its state asks for, and runs again until the campaign is finished."""

from __future__ import annotations

from datetime import datetime, timedelta

from server.campaigns import actions, audience, mails, preparing, queries, sending
from server.campaigns.actions import REMIND, RUN, outcomes
from server.campaigns.queries import Campaign
from server.campaigns.rules import Reason, State, too_many_failures
from server.delivery import queries as delivery
from server.delivery.bulk_settings import CAMPAIGNS
from server.delivery.settings import SMS
from server.errors import NotFound
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.sql import Conn, Tx
from server.receipts.rules import Reason as Why

EVERY = timedelta(seconds=1)  # while a campaign is being sent
CHECK_FAILURES_EVERY = 5  # runs: counting all receipts takes longer than queueing


async def run(app: App, job: Job) -> None:
    """Continues a campaign. The row of the campaign decides what is done; a repeated or late run is harmless."""
    try:
        campaign = await app.read(queries.by_id, job.payload["campaign"])
    except NotFound:
        return
    if campaign.state is State.SCHEDULED:
        campaign = await app.write(actions.begin_scheduled, campaign.id)
    done = True
    if campaign.state is State.PREPARING:
        done = await _prepare(app, campaign)
        if done:
            campaign = await app.write(actions.start, campaign.id)
    match campaign.state:
        case State.SENDING:
            done = not await _send(app, campaign, job.payload.get("runs", 0))
        case State.PAUSED:
            await sending.hold_queued(app, campaign)
        case State.CANCELLED | State.CANCELLED_DURING_SEND:
            done = await sending.drop(app, campaign, Why.CANCELLED)
        case _:
            pass
    if not done:
        await app.write(_again, job)


def _again(tx: Tx, job: Job) -> None:
    payload = {"campaign": job.payload["campaign"], "runs": job.payload.get("runs", 0) + 1}
    jobs.reschedule(tx, job, payload, run_at=tx.now + EVERY)


async def _prepare(app: App, campaign: Campaign) -> bool:
    if not any((await app.read(audience.names, campaign.include)).values()):
        await app.write(actions.fail, campaign.id, Reason.AUDIENCE_GONE)
        return True
    return await preparing.prepare(app, campaign)


async def _send(app: App, campaign: Campaign, runs: int) -> bool:
    """Queues the next texts. Returns whether the campaign goes on."""
    if campaign.ends_at is not None and app.clock.now() >= campaign.ends_at:
        if not await sending.drop(app, campaign, Why.TIMED_OUT):
            return True
    elif problem := await app.read_slowly(_problem, campaign, runs):
        paused = await app.write(_pause, campaign.id, problem)
        if paused is not None:
            await sending.hold_queued(app, paused)
        return False
    elif not await sending.queue_more(app, campaign):
        return True  # its state changed: the next run follows it
    finished = await app.write(actions.finish, campaign.id)
    return finished.state is State.SENDING


def _problem(conn: Conn, campaign: Campaign, runs: int) -> Reason | None:
    """Why the campaign must not go on now."""
    if not SMS.load(conn).on:
        return Reason.SMS_OFF
    if not any(sender.usable for sender in delivery.all_senders(conn)):
        return Reason.SENDERS_STOPPED
    if runs % CHECK_FAILURES_EVERY == 0:
        now = outcomes(conn, campaign.cause).since(campaign.forgiven)
        if too_many_failures(now, CAMPAIGNS.load(conn).pause_at_failed_percent):
            return Reason.ERRORS
    return None


def _pause(tx: Tx, campaign_id: int, reason: Reason) -> Campaign | None:
    paused = actions.pause_automatically(tx, campaign_id, reason)
    if paused is not None:
        mails.queue_paused(tx, paused)
    return paused


async def remind(app: App, job: Job) -> None:
    """Reminds of a campaign that was scheduled, became a draft and was not scheduled again (CST-6)."""
    await app.write(_remind, job.payload["campaign"], datetime.fromisoformat(job.payload["at"]))


def _remind(tx: Tx, campaign_id: int, at: datetime) -> None:
    campaign = queries.by_id(tx, campaign_id)
    if campaign.state is State.DRAFT and campaign.scheduled_at == at:
        mails.queue_reminder(tx, campaign)


HANDLERS: dict[str, Handler] = {RUN: run, REMIND: remind}
