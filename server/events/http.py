"""Events over HTTP: programs send them, and the console reads those of one contact."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import ApiKey, Can
from server.audit import versions
from server.contacts import queries as people
from server.errors import Forbidden, NotFound
from server.events import incoming, queries
from server.events.incoming import BadEvent, Incoming, Stored
from server.events.queries import Activity
from server.events.retention import RETENTION, RetentionSettings
from server.events.rules import METRIC_CHARS, shown_amount
from server.kernel.clock import rfc3339
from server.kernel.columns import from_micros, to_micros
from server.kernel.context import App
from server.kernel.sql import Conn, chunks
from server.web.http import WHOLE_NUMBER, Call, Endpoint, path_id, whole_number
from server.web.paging import Paging

MAX_EVENTS = 1_000  # in one call
MAX_BODY = 2 * 1024 * 1024
PER_MINUTE = 180_000  # calls of one key
FEW = 16  # events that are stored together with the events of other calls
# Events in one transaction of a large call. Slices that adapt to the duration shrink to one event while the disk is slow, and
# then each event waits for its own commit.
SLICE = 50
CHECKED_AT_ONCE = 20  # events checked before other tasks run; checking one takes up to 0.2 ms


class EventsBody(BaseModel):
    """Each event is checked on its own, so that a bad one does not affect the others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    events: list[Any] = Field(min_length=1, max_length=MAX_EVENTS)


class BadEventOut(BaseModel):
    """`index`: place in the list, from 0."""

    index: int
    code: str
    field: str
    message: str


class Shared(BaseModel):
    """Other contacts with the same e-mail address or phone number as the `contact` that got the event."""

    index: int
    contact: int
    others: list[int]


class StoredEvents(BaseModel):
    """`stored`: new events. `repeated`: events whose key was stored before."""

    stored: int
    repeated: int
    errors: list[BadEventOut]
    shared: list[Shared]


class EventOut(BaseModel):
    id: int
    metric: str
    happened_at: str
    source: str
    data: dict[str, Any]
    value: str | None
    currency: str | None


class Events(BaseModel):
    """`after`: the cursor of the next page; null on the last one."""

    events: list[EventOut]
    after: str | None


async def receive(app: App, call: Call) -> Any:
    """Store up to 1,000 events, and report bad ones one by one."""
    if not isinstance(call.actor, ApiKey):
        raise Forbidden("Send events with an API key.")
    key, now = call.actor, app.clock.now()
    checked: list[Incoming | BadEvent] = []
    for raw in call.body.events:
        checked.append(incoming.check(raw, key.id, now))
        if len(checked) % CHECKED_AT_ONCE == 0:
            await asyncio.sleep(0)
    valid = [event for event in checked if isinstance(event, Incoming)]
    results: list[Stored | BadEvent] = []
    if 0 < len(valid) <= FEW:
        results = await app.write_joined(incoming.store, valid, key)
    elif valid:
        for chunk in chunks(valid, SLICE):
            stored_chunk, _ = await app.write_bulk(incoming.store_slice, chunk, key)
            results += stored_chunk
    stored = iter(results)
    return _response([next(stored) if isinstance(event, Incoming) else event for event in checked])


def _response(results: list[Stored | BadEvent]) -> dict[str, Any]:
    errors, shared, new = [], [], 0
    for index, result in enumerate(results):
        if isinstance(result, BadEvent):
            errors.append({"index": index, "code": result.code, "field": result.field, "message": result.message})
            continue
        new += result.new
        if result.others:
            shared.append({"index": index, "contact": result.contact, "others": list(result.others)})
    return {"stored": new, "repeated": len(results) - len(errors) - new, "errors": errors, "shared": shared}


async def activity(app: App, call: Call) -> Any:
    """Read a contact's events, newest first, of one metric or of all."""
    contact = path_id(call, "contact")
    limit = whole_number(call, "limit", queries.PAGE, 200)
    metric = call.query.get("metric", "")[:METRIC_CHARS] or None
    paging = Paging(app, f"events:{contact}", 2)
    cursor_sent = call.query.get("after", "")
    after = paging.decode(cursor_sent, "after") if cursor_sent else None
    before = None if after is None else (from_micros(after[0]), after[1])
    found = await app.read(_activity, contact, metric, before, limit + 1)
    if found is None:
        raise NotFound()
    page, more = found[:limit], len(found) > limit
    cursor = paging.encode((to_micros(page[-1].happened_at), page[-1].id)) if more else None
    return {"events": [_event(event) for event in page], "after": cursor}


def _activity(conn: Conn, contact: int, metric: str | None, before: Any, limit: int) -> list[Activity] | None:
    if people.brief(conn, contact) is None:
        return None
    return queries.activity(conn, contact, metric, before, limit)


def _event(event: Activity) -> dict[str, Any]:
    return {
        "id": event.id,
        "metric": event.metric,
        "happened_at": rfc3339(event.happened_at),
        "source": event.source,
        "data": event.data or {},
        "value": None if event.value is None else shown_amount(event.value),
        "currency": event.currency,
    }


class RetentionBody(RetentionSettings):
    model_config = ConfigDict(extra="ignore", strict=True)

    version: str | None = Field(None, max_length=100)


class Retention(RetentionSettings):
    version: str


async def show_retention(app: App, call: Call) -> Any:
    """Show how long events and carriers' reports are kept."""
    return (await app.read(versions.load, RETENTION)).json()


async def change_retention(app: App, call: Call) -> Any:
    """Change how long events and carriers' reports are kept."""
    body: RetentionBody = call.body
    settings = RetentionSettings(events_days=body.events_days, reports_days=body.reports_days)
    saved = await app.write(versions.save, call.agent.id, RETENTION, settings, body.version, call.address)
    return saved.json()


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/settings/retention", show_retention, Can.ERASE, response=Retention),
    Endpoint("PUT", "/api/settings/retention", change_retention, Can.ERASE, RetentionBody, response=Retention),
    Endpoint(
        "POST",
        "/api/events",
        receive,
        Can.CONTACTS_EDIT,
        EventsBody,
        response=StoredEvents,
        keys=True,
        max_body=MAX_BODY,
        key_rate=PER_MINUTE,
    ),
    Endpoint(
        "GET",
        "/api/contacts/{contact}/events",
        activity,
        Can.CONTACTS_SEE,
        response=Events,
        keys=True,
        query={
            "metric": {"type": "string"},
            "after": {"type": "string", "description": "The cursor of the page before."},
            "limit": WHOLE_NUMBER,
        },
    ),
]
