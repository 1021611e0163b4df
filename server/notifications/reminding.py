"""Reminds users of tickets that have been unread for as long as the user chose."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, or_, select, update

from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Statement, Tx
from server.notifications.queries import reminded_users
from server.notifications.recording import notify
from server.notifications.rules import Notice
from server.schema import notification_wishes, tickets

JOB = "notifications.remind"
EVERY = timedelta(minutes=1)
_BEFORE_ALL_TICKETS = datetime.fromisoformat("1990-01-01T00:00:00+00:00")

_WAITING = Statement(
    select(func.count().label("count"), func.max(tickets.c.id).label("newest"))
    .where(
        tickets.c.status == "open",
        tickets.c.unread,
        tickets.c.waiting_since > bindparam("after", type_=Instant),
        tickets.c.waiting_since <= bindparam("until", type_=Instant),
        or_(tickets.c.assignee_id.is_(None), tickets.c.assignee_id == bindparam("user")),
    )
    .group_by(tickets.c.channel)
)
_SET_REMINDED = Statement(
    update(notification_wishes)
    .where(notification_wishes.c.user_id == bindparam("user"))
    .values(reminded_to=bindparam("until", type_=Instant))
)


def remind(tx: Tx) -> None:
    """Notifies each user of unread tickets that have waited as long as the user chose and were in no reminder yet: tickets
    assigned to the user or to nobody."""
    for person in reminded_users(tx, tx.now):
        until = tx.now - timedelta(minutes=person.wishes.reminder_minutes)
        after = person.reminded_to or _BEFORE_ALL_TICKETS
        if until <= after:  # the user chose a longer time since the last reminder
            continue
        # One notice for each channel, because mail can be off for one of them; the bell joins them.
        waiting = tx.all(_WAITING, user=person.id, after=after, until=until)
        notify(tx, [Notice("unread", row.newest, person.id, row.count) for row in waiting])
        tx.run(_SET_REMINDED, user=person.id, until=until)


async def run(app: App, job: Job) -> None:
    """Runs every minute."""
    await app.write(_run, job)


def _run(tx: Tx, job: Job) -> None:
    remind(tx)
    jobs.reschedule(tx, job, {}, run_at=tx.now + EVERY)


def start(tx: Tx) -> None:
    """Schedules the job; called when a worker starts."""
    jobs.enqueue(tx, JOB, {}, run_at=tx.now + EVERY, key=JOB)
