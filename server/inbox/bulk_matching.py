"""Actions on all tickets of a list, however many: a job carries them out in slices, reports its progress and can undo them.

A ticket is changed if it is in the list and got no message after `as_of`, when the agent looked at the list. The job keeps
its place in the transaction that changes the tickets, so a job that is killed continues and changes no ticket twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from server.accounts.rules import Agent, Role
from server.errors import Conflict, NotFound, Refused
from server.inbox import actions, lists, snoozing
from server.inbox.bulk import FIRST_SLICE, BulkAction, BulkChange, Chosen, Result, change_slice
from server.inbox.lists import ListQuery
from server.kernel import failpoints, jobs
from server.kernel.clock import rfc3339
from server.kernel.columns import to_micros
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.slices import Slices
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import bulk_changes, bulk_items, users
from server.threads import tickets as ticket_queries
from server.threads.ticket_rules import CLOSE_DELAY
from server.threads.tickets import Ticket
from server.web.paging import Place

JOB = "inbox.bulk"
MAX_EXCEPT = 500
MAX_MATCHING = 100_000
PAGE = 500
RUN_S = 20.0  # of one run of the job; the next run follows at once
UNDO_FOR = timedelta(minutes=10)
# Chats close when the undo is over, so their delay grows with the number of tickets.
DELAY_PER_TICKET = timedelta(milliseconds=10)


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """The list of an agent: as in `lists.ListQuery`. `waiting`: only tickets whose customer waits."""

    status: str
    channel: str | None = None
    view: str = "all"
    waiting: bool = False

    def query(self, user: int, place: Place | None = None) -> ListQuery:
        return ListQuery(self.status, self.channel, self.view, "newest", user, PAGE, place or Place())

    def contains(self, ticket: Ticket, user: int) -> bool:
        return (
            ticket.status == self.status
            and self.channel in (None, ticket.channel)
            and (self.view != "mine" or ticket.assignee == user)
            and (self.view != "unassigned" or ticket.assignee is None)
            and (not self.waiting or ticket.waiting_since is not None)
        )


@dataclass(frozen=True, slots=True)
class MatchingChange:
    """What to do with the tickets of a list. `assignee`, `until`: as in `BulkChange`."""

    action: BulkAction
    client_key: str
    filter: TicketFilter
    excepted: frozenset[int]
    as_of: datetime
    assignee: int | None = None
    until: str = ""


class Before(NamedTuple):
    """What a ticket was before the change. `until`: RFC 3339."""

    status: str
    assignee: int | None
    until: str | None
    inbound: int


_COLUMNS = (
    bulk_changes.c.id,
    bulk_changes.c.user_id,
    bulk_changes.c.client_key,
    bulk_changes.c.state,
    bulk_changes.c.action,
    bulk_changes.c.request,
    bulk_changes.c.as_of,
    bulk_changes.c.place,
    bulk_changes.c.total,
    bulk_changes.c.results,
    bulk_changes.c.undo_results,
    bulk_changes.c.created_at,
)
_ONE = Statement(select(*_COLUMNS).where(bulk_changes.c.id == bindparam("bulk")))
_LOCK = Statement(
    update(bulk_changes)
    .where(bulk_changes.c.id == bindparam("bulk"))
    .values(total=bulk_changes.c.total)
    .returning(*_COLUMNS)
)
_REPEATED = Statement(
    select(bulk_changes.c.id).where(
        bulk_changes.c.user_id == bindparam("user"), bulk_changes.c.client_key == bindparam("key")
    )
)
_RUNNING = Statement(
    select(bulk_changes.c.id).where(
        bulk_changes.c.user_id == bindparam("user"), bulk_changes.c.state.in_(("running", "undoing"))
    )
)
_NEW = "user_id client_key state action request as_of place total results undo_results created_at".split()
_INSERT = Statement(insert(bulk_changes).values({name: bindparam(name) for name in _NEW}).returning(bulk_changes.c.id))
_SAVE = Statement(
    update(bulk_changes)
    .where(bulk_changes.c.id == bindparam("bulk"))
    .values({name: bindparam(f"new_{name}") for name in ("state", "place", "results", "undo_results")})
)
_INSERT_ITEM = Statement(
    insert(bulk_items).values(bulk_id=bindparam("bulk"), ticket_id=bindparam("ticket"), before=bindparam("before"))
)
_ITEMS = Statement(
    select(bulk_items.c.ticket_id, bulk_items.c.before)
    .where(bulk_items.c.bulk_id == bindparam("bulk"), bulk_items.c.ticket_id > bindparam("after"))
    .order_by(bulk_items.c.ticket_id)
    .limit(bindparam("n"))
)
_DELETE_ITEMS = Statement(
    delete(bulk_items).where(
        bulk_items.c.bulk_id == bindparam("bulk"), bulk_items.c.ticket_id.in_(bindparam("ids", expanding=True))
    )
)
_USER = Statement(select(users.c.name, users.c.email, users.c.role).where(users.c.id == bindparam("user")))


def count(conn: Conn, wanted: TicketFilter, user: int, as_of: datetime) -> int:
    """How many tickets an action on the whole list would find."""
    query = ListQuery(wanted.status, wanted.channel, wanted.view, "waiting" if wanted.waiting else "newest", user, PAGE)
    return lists.count_tickets(conn, query, as_of)


# --- begin and undo ----------------------------------------------------------------------------------


def start(tx: Tx, agent: Agent, change: MatchingChange) -> Row:
    """Stores the action and enqueues its job. A repeat with the same key returns the first.

    Raises `Conflict` `bulk_running` while an action of this agent runs, and `Refused` for too many tickets, an assignee
    without the inbox or a bad time.
    """
    tx.lock_names(f"bulk:{agent.id}")
    repeated = tx.value(_REPEATED, user=agent.id, key=change.client_key)
    if repeated is not None:
        return tx.one(_ONE, bulk=repeated)
    if tx.first(_RUNNING, user=agent.id) is not None:
        raise Conflict("bulk_running", "Your last change of many tickets is still running. Wait until it is done.")
    if change.action == "assign":
        actions.check_assignee(tx, change.assignee)
    # One moment for all tickets, also for those that the job reaches later.
    until = rfc3339(snoozing.check_time(tx, change.until, tx.now)) if change.action == "snooze" else ""
    as_of = min(change.as_of, tx.now)
    total = count(tx, change.filter, agent.id, as_of)
    if total > MAX_MATCHING:
        raise Refused(
            "too_many_tickets",
            f"At most {MAX_MATCHING:,} tickets can be changed at once. Choose a channel or a view.",
            params={"max": MAX_MATCHING},
        )
    bulk = tx.value(
        _INSERT,
        user_id=agent.id,
        client_key=change.client_key,
        state="running",
        action=change.action,
        request={
            "status": change.filter.status,
            "channel": change.filter.channel,
            "view": change.filter.view,
            "waiting": change.filter.waiting,
            "except": sorted(change.excepted),
            "assignee": change.assignee,
            "until": until,
        },
        as_of=as_of,
        place=None,
        total=max(0, total - len(change.excepted)),
        results={},
        undo_results={},
        created_at=tx.now,
    )
    _enqueue(tx, bulk, tx.now)
    return tx.one(_ONE, bulk=bulk)


def undo(tx: Tx, agent: Agent, bulk_id: int) -> Row:
    """Begins to undo an action; one that still runs stops first. A second call changes nothing. Raises `NotFound` for
    somebody else's, and `Conflict` `undo_over`."""
    row = own(tx, agent, bulk_id)
    row = tx.one(_LOCK, bulk=bulk_id)
    if row.state in ("undoing", "undone"):
        return row
    if tx.now >= row.created_at + UNDO_FOR:
        raise Conflict("undo_over", "This can no longer be undone.")
    tx.run(_SAVE, bulk=bulk_id, new_state="undoing", new_place=None, new_results=row.results, new_undo_results={})
    _enqueue(tx, bulk_id, tx.now)
    return tx.one(_ONE, bulk=bulk_id)


def own(conn: Conn, agent: Agent, bulk_id: int) -> Row:
    """The agent's own action. Raises `NotFound`."""
    row = conn.first(_ONE, bulk=bulk_id)
    if row is None or row.user_id != agent.id:
        raise NotFound()
    return row


def _enqueue(tx: Tx, bulk_id: int, at: datetime) -> None:
    jobs.enqueue(tx, JOB, {"bulk": bulk_id}, run_at=at, key=f"{JOB}:{bulk_id}", priority=10)


# --- the job -----------------------------------------------------------------------------------------


async def run(app: App, job: Job) -> None:
    """Changes the tickets or undoes it; ten minutes after the start deletes what the undo needs."""
    bulk_id = job.payload["bulk"]
    ends = app.clock.monotonic() + RUN_S
    slices = Slices(app, FIRST_SLICE)
    while app.clock.monotonic() < ends:
        row = await app.read(_row, bulk_id)
        if row is None:
            return
        if row.state == "running":
            page: Sequence[Any] = await app.read(_page, row)
            step: Any = change_page
        elif row.state == "undoing":
            page, step = await app.read(_items, bulk_id, row.place or 0), undo_page
        elif app.clock.now() < row.created_at + UNDO_FOR:
            await app.write(_again, job, row.created_at + UNDO_FOR)
            return
        else:
            page, step = await app.read(_items, bulk_id, 0), _delete_page
            if not page:
                return
        if page:
            await slices.write(step, page, bulk_id)
        else:
            await app.write(_finish, bulk_id)
    await app.write(_again, job, app.clock.now())


def _row(conn: Conn, bulk_id: int) -> Row | None:
    return conn.first(_ONE, bulk=bulk_id)


def _again(tx: Tx, job: Job, at: datetime) -> None:
    jobs.reschedule(tx, job, job.payload, run_at=at)


def _finish(tx: Tx, bulk_id: int) -> None:
    row = tx.one(_LOCK, bulk=bulk_id)
    state = {"running": "done", "undoing": "undone"}.get(row.state, row.state)
    _save(tx, row, state, row.place, row.results, row.undo_results)


def _save(tx: Tx, row: Row, state: str, place: Any, results: Any, undo_results: Any) -> None:
    values = {"state": state, "place": place, "results": results, "undo_results": undo_results}
    tx.run(_SAVE, bulk=row.id, **{f"new_{name}": value for name, value in values.items()})


def _filter(row: Row) -> TicketFilter:
    request = row.request
    return TicketFilter(request["status"], request["channel"], request["view"], request["waiting"])


def _key(ticket: Ticket) -> list[int]:
    return [to_micros(ticket.last_message_at), ticket.id]


def _page(conn: Conn, row: Row) -> list[Ticket]:
    """The next tickets of the list, newest first. The rows before `as_of` begin after the list's newest ones."""
    place = row.place or [to_micros(row.as_of) + 1, 0]
    return lists.list_tickets(conn, _filter(row).query(row.user_id, Place(after=tuple(place))))


def change_page(tx: Tx, page: Sequence[Ticket], bulk_id: int) -> None:
    """One slice of the action, its results and its place, in one transaction."""
    row = tx.one(_LOCK, bulk=bulk_id)
    ahead = [ticket for ticket in page if row.place is None or _key(ticket) < row.place]
    if row.state != "running" or not ahead:
        return  # it is being undone, or another worker was here
    request, wanted, excepted = row.request, _filter(row), set(row.request["except"])
    listed = [ticket.id for ticket in ahead if ticket.id not in excepted and wanted.contains(ticket, row.user_id)]
    locked = ticket_queries.lock_many(tx, listed)
    results: list[Result] = []
    chosen: list[Ticket] = []
    for ticket in locked.values():
        if ticket.last_message_at > row.as_of:
            results.append(Result(ticket.id, "newer_message"))
        elif not wanted.contains(ticket, row.user_id):
            results.append(Result(ticket.id, "changed_since"))
        else:
            chosen.append(ticket)
    agent = _agent(tx, row.user_id)
    delay = CLOSE_DELAY + row.total * DELAY_PER_TICKET
    change = BulkChange(row.action, row.client_key, request["assignee"], request["until"], delay)
    results += change_slice(tx, [Chosen(ticket.id, ticket.last_seq) for ticket in chosen], agent, change)
    done = {result.ticket for result in results if result.code == "done"}
    items = [
        {
            "bulk": bulk_id,
            "ticket": ticket.id,
            "before": list(_before(ticket)),
        }
        for ticket in chosen
        if ticket.id in done
    ]
    if items:
        tx.run_many(_INSERT_ITEM, items)
    _save(tx, row, row.state, _key(ahead[-1]), _added(row.results, results), row.undo_results)
    failpoints.reach("bulk_slice")


def _before(ticket: Ticket) -> Before:
    until = rfc3339(ticket.snoozed_until) if ticket.snoozed_until else None
    return Before(ticket.status, ticket.assignee, until, ticket.last_inbound_seq)


def _added(counts: Mapping[str, int], results: Sequence[Result]) -> dict[str, int]:
    return dict(Counter(counts) + Counter(result.code for result in results))


def _agent(tx: Tx, user: int) -> Agent:
    """`change_slice` checks the current role again."""
    row = tx.one(_USER, user=user)
    return Agent(user, row.name, row.email, Role(row.role), 0)


# --- undo --------------------------------------------------------------------------------------------


def _items(conn: Conn, bulk_id: int, after: int) -> list[Row]:
    return conn.all(_ITEMS, bulk=bulk_id, after=after, n=PAGE)


def undo_page(tx: Tx, page: Sequence[Row], bulk_id: int) -> None:
    row = tx.one(_LOCK, bulk=bulk_id)
    ahead = [item for item in page if item.ticket_id > (row.place or 0)]
    if row.state != "undoing" or not ahead:
        return
    agent = _agent(tx, row.user_id)
    locked = ticket_queries.lock_many(tx, [item.ticket_id for item in ahead])
    results: list[Result] = []
    for item in ahead:
        ticket = locked.get(item.ticket_id)
        if ticket is None:
            results.append(Result(item.ticket_id, "not_found"))
            continue
        steps = undo_steps(row.action, row.request, ticket, Before(*item.before))
        parts = [
            change_slice(tx, [Chosen(ticket.id, ticket.last_seq)], agent, _undo_change(row, step))[0] for step in steps
        ]
        results.append(parts[0] if parts else Result(ticket.id, "changed_since"))
    _save(tx, row, row.state, ahead[-1].ticket_id, row.results, _added(row.undo_results, results))


class UndoStep(NamedTuple):
    """One step of an undo, as in `BulkChange`."""

    action: BulkAction
    assignee: int | None = None
    until: str = ""


def _undo_change(row: Row, step: UndoStep) -> BulkChange:
    return BulkChange(step.action, f"{row.client_key}:undo:{step.action}", step.assignee, step.until)


def undo_steps(action: str, request: Mapping[str, Any], ticket: Ticket, before: Before) -> list[UndoStep]:
    """How the ticket becomes what it was. Empty if somebody has changed it since: then it stays as it is."""
    until = rfc3339(ticket.snoozed_until) if ticket.snoozed_until else None
    match action:
        case "close" if ticket.status == "closed" and before.until is not None:
            return [UndoStep("undo_close"), UndoStep("snooze", until=before.until)]
        case "close" if ticket.status == "closed" or ticket.closing_at is not None:
            return [UndoStep("undo_close")]
        case "assign" if ticket.assignee == request["assignee"]:
            return [UndoStep("assign", before.assignee)]
        case "snooze" if ticket.status == "snoozed" and until == request["until"]:
            return [UndoStep("snooze", until=before.until) if before.until else UndoStep("wake")]
        case "read" if not ticket.unread:
            return [UndoStep("unread")]
        case "reopen" if ticket.status == "open" and ticket.last_inbound_seq == before.inbound:
            return [UndoStep("close")]
    return []


def _delete_page(tx: Tx, page: Sequence[Row], bulk_id: int) -> None:
    tx.run(_DELETE_ITEMS, bulk=bulk_id, ids=[item.ticket_id for item in page])
