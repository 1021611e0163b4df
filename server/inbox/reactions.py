"""What happens elsewhere and shows in a thread: a message moved on, a consent changed, a number was barred. Steps that
`server/reactions.py` runs inside the transaction of the event."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select, update

from server.consent import queries as consents
from server.consent.rules import AddressChanged, ConsentChanged, Purpose, Status
from server.contacts.rules import ContactChanged
from server.delivery.rules import LEFT_US, OutboundSettled, SendersChanged, State, may_retry
from server.inbox import entries, queries, standing
from server.inbox.timeline import INBOX_TOPIC, SYSTEM, Author, append
from server.kernel import jobs
from server.kernel.jobs import Job
from server.kernel.sql import Statement, Tx
from server.schema import tickets, users

# States of a message that show in the thread; what comes before is ours alone.
SHOWN = LEFT_US | {State.FAILED, State.UNKNOWN, State.SKIPPED}
ON_THEIR_WAY = {State.ACCEPTED, State.SENT}

_STOP_ASKED = Statement(
    update(tickets).where(tickets.c.thread_id == bindparam("thread")).values(stop_asked=bindparam("asked"))
)
_NAME = Statement(select(users.c.name).where(users.c.id == bindparam("user")))


def note_delivery(tx: Tx, event: OutboundSettled) -> None:
    """A tick under the message: one when it left, one when that ended (DESIGN 5). A failure leaves the ticket's status
    (AMB-34)."""
    if event.thread is None or event.seq is None or event.state not in SHOWN:
        return
    if event.state in ON_THEIR_WAY:
        last = entries.last_delivery(tx, event.thread, event.seq)
        if last is not None and last.data.get("state") in ON_THEIR_WAY:
            return
    data: dict[str, Any] = {"state": event.state.value, "outbound": event.outbound}
    if event.reason.isdecimal():
        data["code"] = int(event.reason)
    elif event.reason:
        data["reason"] = event.reason
    if event.detail:
        data["words"] = event.detail
    if may_retry(event.state) and event.kind == "reply":
        data["can_retry"] = True
    append(tx, event.thread, "delivery", SYSTEM, data=data, public=False, ref=event.seq)
    _ring(tx, event.thread)


def note_consent(tx: Tx, event: ConsentChanged) -> None:
    """A grey line for each purpose in the contact's SMS thread, and the ticket as it stands now."""
    thread = standing.thread_of(tx, event.contact, lock=True)
    if thread is None:
        return
    for change in event.changes:
        # START found nothing to bring back: no news, and it reads as a loss.
        if change.status == Status.NEVER_SUBSCRIBED:
            continue
        data: dict[str, Any] = {"purpose": change.purpose, "status": change.status, "method": change.method}
        name = consents.name_of(tx, change.purpose)
        if name is not None:
            data["name"] = name
        append(tx, thread.id, "consent", _who(tx, change.source), data=data, public=False)
    if event.paused is not None:
        if not event.changes:
            data = {"purpose": Purpose.SMS_MARKETING.value, "paused": event.paused}
            append(tx, thread.id, "consent", SYSTEM, data=data, public=False)
        tx.run(_STOP_ASKED, thread=thread.id, asked=event.paused)
    standing.keep_barred(tx, thread)


def _who(tx: Tx, source: str) -> Author:
    """Who brought the change about: a colleague is named, their own text is the contact's."""
    kind, _, which = source.partition(":")
    if kind == "user" and which.isdecimal():
        return Author("agent", int(which), tx.value(_NAME, user=int(which)) or "")
    return Author("contact") if kind == "sms" else SYSTEM


def note_address(tx: Tx, event: AddressChanged) -> None:
    """A number may no longer be texted, or may again: everybody who has it is shown so (AMB-33)."""
    if event.channel == "sms":
        for thread in standing.with_number(tx, event.address):
            standing.keep_barred(tx, thread)


def note_contact(tx: Tx, event: ContactChanged) -> None:
    """A grey line in their newest conversations, and every list shows who it is now. Never to the visitor: what the
    desk calls somebody is the desk's."""
    data = {field: getattr(event, field) for field in event.fields}
    # In the order of their threads, so that two colleagues at once wait for each other and not in a circle.
    for ticket in sorted(queries.tickets_with(tx, event.contact), key=lambda ticket: ticket.thread):
        author = Author("agent", event.user, event.user_name)
        append(tx, ticket.thread, "contact", author, data=data, public=False)
        _ring(tx, ticket.thread)


NUMBERS_JOB = "inbox.numbers"


def note_numbers(tx: Tx, event: SendersChanged) -> None:
    """Our own numbers changed: whom they reach is looked at again, in slices."""
    jobs.enqueue(tx, NUMBERS_JOB, {"after": 0}, run_at=tx.now, key=NUMBERS_JOB)


def look_again(tx: Tx, job: Job) -> None:
    further = standing.look_again(tx, job.payload["after"])
    if further is not None:
        jobs.go_on(tx, job, {"after": further}, run_at=tx.now)


def _ring(tx: Tx, thread: int) -> None:
    ticket = queries.ticket_of(tx, thread)
    if ticket is not None:
        tx.ring(INBOX_TOPIC, ticket)
