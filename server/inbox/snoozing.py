"""Snoozes tickets and wakes them when they are due (AMB-3, AMB-4).

One job wakes every due ticket. The times are a column of `tickets`; the job is due at the earliest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from server.accounts.account_settings import time_zone
from server.accounts.rules import Agent
from server.audit.actions import record
from server.errors import Conflict, Refused
from server.events.recording import record as record_events
from server.events.rules import Metric, NewEvent
from server.inbox.actions import agent_key
from server.kernel import failpoints, jobs
from server.kernel.clock import rfc3339
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.slices import Slices
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Statement, Tx
from server.schema import tickets
from server.threads import rules, ticket_rules
from server.threads import tickets as ticket_queries
from server.threads.changes import AWAKE, Change, change_ticket, change_tickets
from server.threads.tickets import Ticket, close_key, facts_of, lock_ticket, status_entry
from server.threads.timeline import SYSTEM, append_to_each, by, written_before

WAKE_JOB = "inbox.wake"
PAGE = 500  # due tickets read at a time
MAX_PAGES = 40  # in one run; the next run follows at once if more are due
_OPEN = ticket_rules.TicketFacts("sms", "open")
OPEN_AGAIN: dict[str, Any] = {"status": "open", **AWAKE}

_DUE = Statement(
    select(tickets.c.id)
    .where(tickets.c.snoozed_until <= bindparam("now", type_=Instant))
    .order_by(tickets.c.snoozed_until, tickets.c.id)
    .limit(bindparam("n")),
    uses=("ix_tickets_snoozed",),
)
_NEXT = Statement(
    select(tickets.c.snoozed_until)
    .where(tickets.c.snoozed_until.is_not(None))
    .order_by(tickets.c.snoozed_until, tickets.c.id)
    .limit(1),
    uses=("ix_tickets_snoozed",),
)


def snooze(tx: Tx, agent: Agent, ticket_id: int, choice: str, client_key: str, address: str = "") -> Ticket:
    """Snoozes a ticket that is not closed, or moves its time; a delayed close of it is cancelled.

    `choice`: as in `ticket_rules.snooze_time`. Raises `Refused` for a time that is invalid, past or too far, and `Conflict`
    for a closed ticket.
    """
    dedupe, fingerprint = agent_key(agent, client_key), rules.action_hash("snooze", ticket_id, choice)
    repeated = written_before(tx, dedupe, fingerprint) is not None
    ticket = lock_ticket(tx, ticket_id)
    if repeated:
        return ticket
    until = check_time(tx, choice, tx.now)
    verdict = ticket_rules.on_snooze(facts_of(ticket), until, tx.now)
    if isinstance(verdict, ticket_rules.Refusal):
        raise Conflict(verdict.code, verdict.message)
    if ticket.closing_at is not None:
        jobs.cancel(tx, close_key(ticket.id))
    appended = status_entry(
        tx,
        ticket,
        by(agent),
        "snoozed",
        dedupe,
        fingerprint,
        public=False,
        metric=Metric.TICKET_SNOOZED,
        until=rfc3339(until),
    )
    record(tx, agent.id, "ticket_snoozed", f"#{ticket.id}", address, until=rfc3339(until))
    _wake_by(tx, until)
    return change_ticket(
        tx,
        ticket,
        appended,
        status="snoozed",
        snoozed_until=until,
        snoozed_by=agent.id,
        woken_for=None,
        closing_at=None,
    )


def check_time(conn: Conn, choice: str, now: datetime) -> datetime:
    """The moment that `choice` names. Raises `Refused` for a time that is invalid, past or too far."""
    until = ticket_rules.snooze_time(choice, now, time_zone(conn))
    if isinstance(until, datetime) and isinstance(
        late := ticket_rules.on_snooze(_OPEN, until, now), ticket_rules.Refusal
    ):
        until = late
    if isinstance(until, ticket_rules.Refusal):
        raise Refused(until.code, until.message, field="until")
    return until


def wake(tx: Tx, agent: Agent, ticket_id: int, client_key: str) -> Ticket:
    """Opens a snoozed ticket now. Does nothing with any other ticket."""
    dedupe, fingerprint = agent_key(agent, client_key), rules.action_hash("wake", ticket_id)
    repeated = written_before(tx, dedupe, fingerprint) is not None
    ticket = lock_ticket(tx, ticket_id)
    if repeated or not isinstance(ticket_rules.on_wake(facts_of(ticket)), ticket_rules.TicketChange):
        return ticket
    appended = status_entry(tx, ticket, by(agent), "open", dedupe, fingerprint, public=False, was="snoozed")
    return change_ticket(tx, ticket, appended, **OPEN_AGAIN)


def offered_times(conn: Conn, now: datetime) -> tuple[str, dict[str, datetime]]:
    """The account's time zone and the times that the console offers, by their names."""
    zone = time_zone(conn)
    return zone.key, ticket_rules.snooze_times(now, zone)


# --- the wake-up ----------------------------------------------------------------------------------


def _wake_by(tx: Tx, at: datetime) -> None:
    jobs.enqueue_no_later(tx, WAKE_JOB, {}, run_at=at, key=WAKE_JOB, priority=0)


def plan_next(tx: Tx) -> None:
    """Enqueues the job that wakes due tickets, at the time of the ticket that is due first. Without snoozed tickets it does
    nothing. A worker also calls it when it starts."""
    due_at = tx.value(_NEXT)
    if due_at is not None:
        _wake_by(tx, due_at)


def due_page(conn: Conn, now: datetime) -> list[int]:
    return [row.id for row in conn.all(_DUE, now=now, n=PAGE)]


def wake_slice(tx: Tx, ticket_ids: Sequence[int]) -> int:
    """Reopens, as unread, those tickets that are still snoozed and due. Each change names the agent to notify: the
    assignee, or else whoever snoozed the ticket. Returns how many tickets were reopened."""
    woken = 0
    for start in range(0, len(ticket_ids), ROWS_PER_STATEMENT):
        locked = ticket_queries.lock_many(tx, list(ticket_ids[start : start + ROWS_PER_STATEMENT]))
        due = [
            ticket
            for ticket in locked.values()
            if isinstance(
                ticket_rules.on_snooze_due(facts_of(ticket), ticket.snoozed_until, tx.now), ticket_rules.TicketChange
            )
        ]
        if not due:
            continue
        data = {"to": "open", "by": "system", "was": "snoozed"}
        appended = append_to_each(tx, [ticket.thread for ticket in due], "status", SYSTEM, data)
        changes = [
            Change(ticket, appended[ticket.thread], {"woken_for": ticket.assignee or ticket.snoozed_by})
            for ticket in due
        ]
        after = change_tickets(tx, changes, status="open", unread=True, snoozed_until=None, snoozed_by=None)
        record_events(
            tx,
            [NewEvent(each.contact, Metric.SNOOZE_ENDED, each.channel, data={"ticket": each.id}) for each in after],
        )
        ended = (
            rules.SnoozeEnded(ticket.id, ticket.thread, ticket.contact, ticket.channel, ticket.woken_for)  # type: ignore[arg-type]
            for ticket in after
        )
        tx.announce(rules.SnoozesEnded(tuple(ended)))
        woken += len(due)
    failpoints.reach("wake_slice")
    return woken


async def wake_due(app: App, job: Job) -> None:
    """Wakes all due tickets in slices. A run that is interrupted leaves the other tickets due for the next run."""
    slices = Slices(app, few_statements=True)
    for _ in range(MAX_PAGES):
        page = await app.read(due_page, app.clock.now())
        if not page or not sum(await slices.write(wake_slice, page)):
            break
    await app.write(plan_next)
