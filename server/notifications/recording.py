"""Stores notices, which a job then distributes to users. Other packages notify users only through this module.

It only inserts rows and locks nothing, so that it may be called anywhere in a transaction. `delivering.py` decides which
users get a notice, and whether by mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import bindparam, insert

from server.kernel import jobs
from server.kernel.sql import Statement, Tx
from server.notifications.rules import Notice
from server.schema import pending_notices
from server.threads.rules import SnoozesEnded, TicketOpened

DELIVER_JOB = "notifications.deliver"
_PRIORITY = 0  # the same as for replies, because people wait for notices

_INSERT = Statement(
    insert(pending_notices).values(
        kind=bindparam("kind"), ticket_id=bindparam("ticket"), user_id=bindparam("user"), count=bindparam("count")
    )
)


def notify(tx: Tx, notices: Sequence[Notice]) -> None:
    """Stores the notices; a job distributes them after COMMIT."""
    if notices:
        tx.run_many(_INSERT, [asdict(notice) for notice in notices])
        jobs.enqueue_deferred(tx, DELIVER_JOB, {}, run_at=tx.now, key=DELIVER_JOB, priority=_PRIORITY)


def notify_opened(tx: Tx, event: TicketOpened) -> None:
    """Notifies users that a customer opened or reopened a ticket. If an agent reopened it, nobody is notified."""
    if event.by_agent is None:
        notify(tx, [Notice("opened" if event.first else "reopened", event.ticket)])


def notify_snoozes_ended(tx: Tx, event: SnoozesEnded) -> None:
    """Notifies the assignee of each ticket whose snooze ended, or else the agent who snoozed it."""
    notify(tx, [Notice("snooze_ended", woken.ticket, woken.user) for woken in event.tickets if woken.user is not None])
