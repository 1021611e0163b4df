"""The HTTP routes of actions on all tickets of a list. Contract: PROTOCOL.md 3, 'Inbox'."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from server.accounts.rules import Can
from server.errors import Refused
from server.inbox import bulk_matching, responses
from server.inbox.bulk_matching import MatchingChange, TicketFilter
from server.inbox.http import CHOICES, Body, Keyed, choice
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.sql import Row
from server.web.http import Call, EmptyBody, Endpoint, path_id


class FilterBody(Body):
    """A list of tickets. `waiting`: only tickets whose customer waits for an answer."""

    status: Literal["open", "snoozed", "closed"] = "open"
    view: Literal["all", "mine", "unassigned"] = "all"
    channel: Literal["", "webchat", "sms"] = ""
    waiting: bool = False


class MatchingBody(Keyed):
    """`as_of`: when the agent saw the list; tickets with a newer message are not changed. `except_`: tickets to leave out."""

    action: Literal["close", "reopen", "snooze", "assign", "read"]
    filter: FilterBody
    except_: list[int] = Field(default_factory=list, alias="except", max_length=bulk_matching.MAX_EXCEPT)
    as_of: str = Field(max_length=40)
    user: int | None = Field(None, ge=1, le=2**53)  # for `assign`; null: nobody
    until: str | None = Field(None, max_length=40)  # for `snooze`


def _moment(text: str) -> datetime:
    """The end of the millisecond that `text` names, because stored times are more precise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 2000 < at.year < 9000:
        raise Refused("invalid", "as_of must be a time such as 2026-12-01T09:00:00.000Z.", field="as_of")
    return at.astimezone(UTC) + timedelta(microseconds=999)


async def count(app: App, call: Call) -> Any:
    """Count the tickets of a list, at the time `as_of`."""
    wanted = TicketFilter(
        choice(call, "status"),
        choice(call, "channel") or None,
        choice(call, "view"),
        choice(call, "sort") == "waiting",
    )
    now = app.clock.now()
    found = await app.read_slowly(bulk_matching.count, wanted, call.agent.id, now)
    return {"count": found, "as_of": rfc3339(now)}


async def change_matching(app: App, call: Call) -> Any:
    """Close, reopen, snooze, assign or mark read all tickets of a list. A job does it; ask for its progress."""
    body: MatchingBody = call.body
    wanted = TicketFilter(body.filter.status, body.filter.channel or None, body.filter.view, body.filter.waiting)
    change = MatchingChange(
        body.action, body.key, wanted, frozenset(body.except_), _moment(body.as_of), body.user, body.until or ""
    )
    return _wire(await app.write(bulk_matching.start, call.agent, change))


async def show(app: App, call: Call) -> Any:
    """Show the progress of your action on many tickets."""
    return _wire(await app.read(bulk_matching.own, call.agent, path_id(call, "bulk")))


async def undo(app: App, call: Call) -> Any:
    """Undo your action on many tickets, within ten minutes; one that still runs is stopped first."""
    return _wire(await app.write(bulk_matching.undo, call.agent, path_id(call, "bulk")))


def _wire(row: Row) -> dict[str, Any]:
    undoing = row.state in ("undoing", "undone")
    results = row.undo_results if undoing else row.results
    return {
        "id": row.id,
        "state": row.state,
        "action": row.action,
        "done": sum(results.values()),
        "total": row.results.get("done", 0) if undoing else row.total,
        "results": [{"code": code, "count": count} for code, count in sorted(results.items())],
    }


LIST_QUERY: dict[str, dict[str, Any]] = {
    name: {"type": "string", "enum": list(words)} for name, words in CHOICES.items()
}

ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/ticket-count", count, Can.INBOX, response=responses.TicketCount, query=LIST_QUERY),
    Endpoint("POST", "/api/bulk-changes", change_matching, Can.INBOX, MatchingBody, response=responses.BulkProgress),
    Endpoint("GET", "/api/bulk-changes/{bulk}", show, Can.INBOX, response=responses.BulkProgress),
    Endpoint("POST", "/api/bulk-changes/{bulk}/undo", undo, Can.INBOX, EmptyBody, response=responses.BulkProgress),
]
