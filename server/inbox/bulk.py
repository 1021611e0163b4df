"""Actions on many tickets at once: close, undo the close, reopen, snooze, wake, assign, mark read or unread.

Each slice of tickets is one short transaction, so that 500 tickets never hold the writer. Each ticket has its own result:
one that cannot be changed does not stop the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple

from sqlalchemy import bindparam, select

from server.accounts.rules import Agent, Can, Owned, Role, may
from server.errors import Refused
from server.inbox import actions, snoozing
from server.kernel.context import App
from server.kernel.slices import Slices
from server.kernel.sql import Conn, Statement, Tx
from server.schema import timeline, users
from server.threads import tickets as ticket_queries
from server.threads.ticket_rules import CLOSE_DELAY
from server.threads.tickets import Ticket

MAX_TICKETS = 500
FIRST_SLICE = 4  # a close needs about six statements

BulkAction = Literal["close", "undo_close", "reopen", "snooze", "wake", "assign", "read", "unread"]


class Chosen(NamedTuple):
    """A ticket to change. `seq`: the newest entry that the agent saw, for `read`."""

    ticket: int
    seq: int = 0


class Result(NamedTuple):
    """`code`: done | unchanged (it already had this state) | newer_message (it stays unread) | the error code of a refusal."""

    ticket: int
    code: str


@dataclass(frozen=True, slots=True)
class BulkChange:
    """`user`: the assignee, for `assign`. `until`: the time, for `snooze`, as in `ticket_rules.snooze_time`. A repeated `client_key` changes nothing and has the same results."""

    action: BulkAction
    client_key: str
    user: int | None = None
    until: str = ""
    close_delay: timedelta = CLOSE_DELAY  # of chats


_ROLE = Statement(select(users.c.role).where(users.c.id == bindparam("user"), users.c.disabled_at.is_(None)))
_USED_KEYS = Statement(select(timeline.c.dedupe).where(timeline.c.dedupe.in_(bindparam("keys", expanding=True))))


async def change_many(app: App, agent: Agent, change: BulkChange, chosen: Sequence[Chosen]) -> list[Result]:
    """Changes the tickets and returns one result for each, in their order. Raises `Refused` if no ticket
    can be assigned to this user or snoozed until this time."""
    if change.action == "assign":
        await app.read(actions.check_assignee, change.user)
    if change.action == "snooze":
        await app.read(snoozing.check_time, change.until, app.clock.now())
    parts = await Slices(app, FIRST_SLICE).write(change_slice, chosen, agent, change)
    return [result for part in parts for result in part]


def change_slice(tx: Tx, chosen: Sequence[Chosen], agent: Agent, change: BulkChange) -> list[Result]:
    """One slice of `change_many`. Checks for each ticket whether the agent may still change it, because role and access can
    change between two slices."""
    role = tx.first(_ROLE, user=agent.id)
    actor = None if role is None else Agent(agent.id, agent.name, agent.email, Role(role.role), agent.session)
    locked = ticket_queries.lock_many(tx, [ticket for ticket, _ in chosen])
    used_keys = _used_keys(tx, agent, change, locked)
    results = []
    for item in chosen:
        ticket = locked.get(item.ticket)
        if ticket is None:
            code = "not_found"
        elif actor is None or not may(actor, Can.INBOX, Owned(ticket.visitor_key)):
            code = "forbidden"
        else:
            try:
                after = _change(tx, actor, change, item)
                code = _code(change, ticket, after, _dedupe(agent, change, item.ticket) in used_keys)
            except Refused as refusal:  # raised before the first write of this ticket
                code = refusal.code
        results.append(Result(item.ticket, code))
    return results


def _change(tx: Tx, agent: Agent, change: BulkChange, item: Chosen) -> Ticket:
    key = _key(change, item.ticket)
    match change.action:
        case "close":
            return actions.close(tx, agent, item.ticket, key, change.close_delay)
        case "undo_close":
            return actions.undo_close(tx, agent, item.ticket, key)
        case "reopen":
            return actions.reopen(tx, agent, item.ticket, key)
        case "snooze":
            return snoozing.snooze(tx, agent, item.ticket, change.until, key)
        case "wake":
            return snoozing.wake(tx, agent, item.ticket, key)
        case "assign":
            return actions.assign(tx, agent, item.ticket, change.user, key)
        case "read":
            return actions.read(tx, agent, item.ticket, item.seq)
        case "unread":
            return actions.mark_unread(tx, item.ticket)


def _code(change: BulkChange, before: Ticket, after: Ticket, repeated: bool) -> str:
    if change.action == "read" and after.unread:
        return "newer_message"
    if change.action == "read":
        return "done" if before.unread else "unchanged"  # marking as read also increases `rev`
    return "done" if repeated or after.rev != before.rev else "unchanged"


def _key(change: BulkChange, ticket: int) -> str:
    return f"{change.client_key}:{ticket}"


def _dedupe(agent: Agent, change: BulkChange, ticket: int) -> str:
    return actions.agent_key(agent, _key(change, ticket))


def _used_keys(conn: Conn, agent: Agent, change: BulkChange, locked: dict[int, Ticket]) -> set[str]:
    """The keys of an earlier request with the same key: a repeat has the results of the first."""
    rows = conn.all(_USED_KEYS, keys=[_dedupe(agent, change, ticket) for ticket in locked])
    return {row.dedupe for row in rows}
