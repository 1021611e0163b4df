"""Checks and stores the events that programs send, in batches. A bad event does not affect the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import bindparam, func, select

from server.accounts.rules import Agent, ApiKey
from server.contacts import actions as people
from server.contacts.rules import BadPhone, Identifiers, Phone, clean_email, normal_phone
from server.events import rules
from server.events.recording import record
from server.events.rules import NewEvent
from server.kernel.sql import Statement, Tx
from server.schema import contacts
from server.text import is_blank, one_line

MAX_DATA = 4_096  # bytes of `data` as JSON
NAME_CHARS = 80


class EventIn(BaseModel):
    """One event of a program. At least one of `contact`, `email`, `phone` and `crm_id` says whose it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    metric: str = Field(min_length=1, max_length=rules.METRIC_CHARS)
    contact: int | None = Field(None, ge=1, le=2**53)
    email: str | None = Field(None, max_length=1000)
    phone: str | None = Field(None, max_length=1000)
    crm_id: str | None = Field(None, min_length=1, max_length=200)
    name: str = Field("", max_length=1000)
    happened_at: str | None = Field(None, max_length=40)
    data: dict[str, Any] | None = None
    value: int | float | str | None = None
    currency: str | None = Field(None, max_length=10)
    key: str | None = Field(None, min_length=1, max_length=200)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A checked event. `person` and `contact`: whose it is, by identifiers or by id."""

    person: Identifiers | None
    contact: int | None
    event: NewEvent  # its `contact` is filled in when the person is found


@dataclass(frozen=True, slots=True)
class BadEvent:
    """Why an event is refused: a stable `code`, the field, and a sentence."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Stored:
    """`new` False: an event with this key is stored already. `others`: other contacts with the same address (AMB-33)."""

    contact: int
    new: bool
    others: tuple[int, ...] = ()


NO_PERSON = "Say whose event it is: contact, email, phone or crm_id."
UNKNOWN_CONTACT = BadEvent("unknown_contact", "contact", "There is no contact with this id.")


# Programs send many events of the same people, and parsing a number or an address takes as long as storing an event.
@lru_cache(maxsize=8192)
def _phone(raw: str) -> Phone | BadPhone:
    return normal_phone(raw)


@lru_cache(maxsize=8192)
def _email(raw: str) -> str | None:
    return clean_email(raw.strip())


def check(raw: Any, key: int, now: datetime) -> Incoming | BadEvent:
    """Checks one event of the API key with this id."""
    try:
        event = EventIn.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return BadEvent("invalid", str(first["loc"][0]) if first["loc"] else "", str(first["msg"]))
    metric = rules.metric_name(event.metric)
    if metric is None:
        return BadEvent(
            "bad_metric", "metric", "Use letters, digits, _ . : -, and no name that Threadline records itself."
        )
    person = _identifiers(event)
    if isinstance(person, BadEvent):
        return person
    happened_at = _moment(event.happened_at, now)
    if isinstance(happened_at, BadEvent):
        return happened_at
    money = _money(event)
    if isinstance(money, BadEvent):
        return money
    if event.data is not None and len(orjson.dumps(event.data)) > MAX_DATA:
        return BadEvent("too_large", "data", f"data may have {MAX_DATA:,} bytes.")
    dedupe = None if event.key is None else f"key:{key}:{event.key}"
    new = NewEvent(0, metric, f"key:{key}", happened_at, event.data or None, *money, dedupe)
    return Incoming(person, event.contact, new)


def _identifiers(event: EventIn) -> Identifiers | BadEvent | None:
    """None: the event names the contact by id."""
    if event.contact is not None:
        if event.email is not None or event.phone is not None or event.crm_id is not None:
            return BadEvent("invalid", "contact", "Send the contact's id, or addresses, not both.")
        return None
    email: str | None = None
    phone: Phone | None = None
    if event.email is not None and (email := _email(event.email)) is None:
        return BadEvent("bad_email", "email", "This is not an e-mail address.")
    if event.phone is not None:
        parsed = _phone(event.phone)
        if isinstance(parsed, BadPhone):
            return BadEvent(f"phone_{parsed.code}", "phone", parsed.reason)
        phone = parsed
    if event.crm_id is not None and not event.crm_id.isprintable():
        return BadEvent("invalid", "crm_id", "This id has characters that cannot be printed.")
    if email is None and phone is None and event.crm_id is None:
        return BadEvent("no_person", "", NO_PERSON)
    name = one_line(event.name)[:NAME_CHARS]
    return Identifiers(
        email=email,
        phone=None if phone is None else phone.e164,
        crm=event.crm_id,
        name="" if is_blank(name) else name,
        country="" if phone is None else phone.country,
    )


def _moment(text: str | None, now: datetime) -> datetime | BadEvent | None:
    if text is None:
        return None
    try:
        happened_at = datetime.fromisoformat(text)
    except ValueError:
        happened_at = None
    if happened_at is None or happened_at.tzinfo is None or happened_at.year < 2000:
        advice = "Write the time with its zone, like 2026-11-21T09:00:00Z."
        return BadEvent("bad_time", "happened_at", advice)
    moment = rules.moment(happened_at, now)
    return moment or BadEvent("in_the_future", "happened_at", "This time is in the future. Check the clock.")


def _money(event: EventIn) -> tuple[int | None, str | None] | BadEvent:
    if event.value is None:
        return None, None
    value = rules.amount(event.value)
    if value is None:
        return BadEvent("bad_value", "value", "A value is a number with at most four decimals.")
    currency = None if event.currency is None else rules.currency_code(event.currency)
    if event.currency is not None and currency is None:
        return BadEvent("bad_currency", "currency", "A currency has three letters, like EUR.")
    return value, currency


_SURVIVORS = Statement(
    select(contacts.c.id, func.coalesce(contacts.c.merged_into, contacts.c.id).label("survivor")).where(
        contacts.c.id.in_(bindparam("people", expanding=True))
    )
)


def store(tx: Tx, calls: Sequence[tuple[Sequence[Incoming], Agent | ApiKey]]) -> list[list[Stored | BadEvent]]:
    """Stores the checked events of several calls; returns a result for each event of each call."""
    return [_store(tx, events, actor) for events, actor in calls]


def store_slice(tx: Tx, events: Sequence[Incoming], actor: Agent | ApiKey) -> list[Stored | BadEvent]:
    return _store(tx, events, actor)


def _store(tx: Tx, events: Sequence[Incoming], actor: Agent | ApiKey) -> list[Stored | BadEvent]:
    identified = [event.person for event in events if event.person is not None]
    found_people = iter(people.find_or_create_many(tx, identified, actor.by) if identified else ())
    ids = sorted({event.contact for event in events if event.contact is not None})
    survivors: Mapping[int, int] = dict(tx.all(_SURVIVORS, people=ids)) if ids else {}
    owners: list[tuple[int, tuple[int, ...]] | None] = []
    for event in events:
        if event.person is not None:
            match = next(found_people)
            owners.append((match.contact, tuple(match.others)))
        else:
            survivor = survivors.get(event.contact or 0)
            owners.append(None if survivor is None else (survivor, ()))
    new = [
        NewEvent(
            owner[0],
            event.event.metric,
            event.event.source,
            event.event.happened_at,
            event.event.data,
            event.event.value,
            event.event.currency,
            event.event.dedupe,
        )
        for event, owner in zip(events, owners, strict=True)
        if owner is not None
    ]
    new_keys = record(tx, new)
    results: list[Stored | BadEvent] = []
    for event, owner in zip(events, owners, strict=True):
        if owner is None:
            results.append(UNKNOWN_CONTACT)
            continue
        dedupe = event.event.dedupe
        results.append(Stored(owner[0], dedupe is None or dedupe in new_keys, owner[1]))
        new_keys.discard(dedupe or "")  # a key that is sent twice in one call is new once
    return results
