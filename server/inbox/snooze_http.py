"""Snoozing over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Can
from server.frames import Key
from server.inbox import responses, snoozing
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.sms.eligibility import ticket_answer
from server.web.http import Call, Endpoint, path_id


class WakeBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    key: Key


class SnoozeBody(WakeBody):
    """`until`: later, tomorrow or week; a time with an offset; or a time on the clocks of the account's zone, such as
    2026-12-01T09:00."""

    until: str = Field(max_length=40)


async def snooze(app: App, call: Call) -> Any:
    """Snooze a ticket, or change until when it is snoozed."""
    body: SnoozeBody = call.body
    ticket = await app.write(snoozing.snooze, call.agent, path_id(call, "ticket"), body.until, body.key, call.address)
    return await ticket_answer(app, ticket)


async def wake(app: App, call: Call) -> Any:
    """Wake a snoozed ticket now."""
    ticket = await app.write(snoozing.wake, call.agent, path_id(call, "ticket"), call.body.key)
    return await ticket_answer(app, ticket)


async def times(app: App, call: Call) -> Any:
    """Show the times that a ticket can be snoozed until, and the account's time zone."""
    zone, offered = await app.read(snoozing.offered_times, app.clock.now())
    return {"time_zone": zone, **{name: rfc3339(moment) for name, moment in offered.items()}}


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/api/tickets/{ticket}/snooze", snooze, Can.INBOX, SnoozeBody, response=responses.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/wake", wake, Can.INBOX, WakeBody, response=responses.OneTicket),
    Endpoint("GET", "/api/inbox/snooze-times", times, Can.INBOX, response=responses.SnoozeTimes),
]
