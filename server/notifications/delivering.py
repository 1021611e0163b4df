"""Distributes notices: to the bell's list of each user, and by mail to those who want it and are not online (AMB-9).

The row of a notice is deleted in the transaction that distributes it, so each notice is distributed once. Notices that wait
at the same moment become one row for each user and kind.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from server.delivery.mail_settings import MAIL
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Row, Statement, Tx
from server.notifications import mails
from server.notifications.queries import NotifiedUser, notified_users, tickets_by_id
from server.notifications.rules import BUNDLE_FOR, Kind, concerns, notices_topic, still_relevant
from server.schema import notifications, pending_notices
from server.sms.settings import INBOX
from server.threads.tickets import Ticket

PAGE = 200  # notices in one transaction

_NEXT = Statement(
    select(
        pending_notices.c.id,
        pending_notices.c.kind,
        pending_notices.c.ticket_id.label("ticket"),
        pending_notices.c.user_id.label("user"),
        pending_notices.c.count,
    )
    .order_by(pending_notices.c.id)
    .limit(PAGE)
    .with_for_update()
)
_DELETE = Statement(delete(pending_notices).where(pending_notices.c.id.in_(bindparam("ids", expanding=True))))
_JOINABLE = Statement(
    select(
        notifications.c.id,
        notifications.c.user_id.label("user"),
        notifications.c.kind,
        notifications.c.count,
    )
    .where(
        notifications.c.user_id.in_(bindparam("users", expanding=True)),
        notifications.c.at >= bindparam("since", type_=Instant),
        notifications.c.seen_at.is_(None),
    )
    .order_by(notifications.c.at, notifications.c.id)
)
_JOIN = Statement(
    update(notifications)
    .where(notifications.c.id == bindparam("notification"))
    .values(count=bindparam("new_count"), ticket_id=bindparam("ticket"), at=bindparam("now", type_=Instant))
)
_INSERT = Statement(
    insert(notifications).values(
        user_id=bindparam("user"),
        kind=bindparam("kind"),
        ticket_id=bindparam("ticket"),
        count=bindparam("count"),
        at=bindparam("now", type_=Instant),
    )
)


async def deliver(app: App, job: Job) -> None:
    """Distributes all waiting notices."""
    while await app.write(deliver_page) == PAGE:
        pass


def deliver_page(tx: Tx) -> int:
    """Distributes the oldest waiting notices and returns their number, at most `PAGE`."""
    rows = tx.all(_NEXT)
    if not rows:
        return 0
    tickets = tickets_by_id(tx, {row.ticket for row in rows})
    by_user_and_kind: dict[tuple[int, Kind], list[Row]] = {}
    people = {person.id: person for person in notified_users(tx, tx.now)}
    for row in rows:
        ticket = tickets[row.ticket]
        if still_relevant(row.kind, ticket.status):
            for person in people.values():
                if concerns(person.wishes, person.id, row.user, ticket.assignee):
                    by_user_and_kind.setdefault((person.id, row.kind), []).append(row)
    _store(tx, by_user_and_kind)
    _queue_mails(tx, by_user_and_kind, people, tickets)
    for user in sorted({user for user, _ in by_user_and_kind}):
        tx.publish(notices_topic(user))
    tx.run(_DELETE, ids=[row.id for row in rows])
    return len(rows)


def _store(tx: Tx, by_user_and_kind: dict[tuple[int, Kind], list[Row]]) -> None:
    if not by_user_and_kind:
        return
    users = sorted({user for user, _ in by_user_and_kind})
    joinable = {
        (row.user, row.kind): row for row in tx.all(_JOINABLE, users=users, since=tx.now - BUNDLE_FOR)
    }  # the newest of each
    new: list[dict[str, Any]] = []
    for (user, kind), rows in sorted(by_user_and_kind.items()):
        count, newest = sum(row.count for row in rows), rows[-1].ticket
        earlier = joinable.get((user, kind))
        if earlier is not None:
            tx.run(_JOIN, notification=earlier.id, new_count=earlier.count + count, ticket=newest, now=tx.now)
        else:
            new.append({"user": user, "kind": kind, "ticket": newest, "count": count, "now": tx.now})
    if new:
        tx.run_many(_INSERT, new)


def _queue_mails(
    tx: Tx,
    by_user_and_kind: dict[tuple[int, Kind], list[Row]],
    people: dict[int, NotifiedUser],
    tickets: dict[int, Ticket],
) -> None:
    """Queues a mail for each new or reopened ticket and for reminders."""
    if not MAIL.load(tx).usable:
        return
    channels = INBOX.load(tx).ticket_mail.channels
    for (user, kind), rows in sorted(by_user_and_kind.items()):
        person = people[user]
        if person.online or not person.wishes.mail:
            continue
        wanted = [row for row in rows if tickets[row.ticket].channel in channels]
        if kind == "unread" and wanted:
            mails.queue_reminder(tx, person, wanted[-1].id, sum(row.count for row in wanted))
        elif kind in ("opened", "reopened"):
            mails.queue_tickets(tx, person, [(row.id, row.kind, row.ticket) for row in wanted])
