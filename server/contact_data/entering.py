"""Creates and updates contacts as programs and users enter them: identifiers, typed properties and consents.

An entry is stored whole or not at all. Repeating it is safe: a contact that exists is found again, and a statement about
consent that the ledger has is not recorded twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import bindparam, select

from server.accounts.rules import Agent, ApiKey, Can, may
from server.audiences import lists
from server.consent import actions as consent
from server.consent import rules as consent_rules
from server.consent.ledger import ConsentChange, ConsentResult
from server.consent.queries import known_purposes
from server.consent.rules import Method, Status
from server.contact_data import joining
from server.contact_data.joining import Joined
from server.contacts import actions as people
from server.contacts import properties
from server.contacts.property_rules import Value
from server.contacts.rules import NAME_CHARS, BadPhone, Identifiers, Phone, clean_email, normal_phone
from server.errors import Conflict, Refused
from server.events.recording import record
from server.events.rules import Metric, NewEvent
from server.kernel.sql import ROWS_PER_STATEMENT, Statement, Tx, chunks
from server.schema import consent_ledger, contacts
from server.text import is_blank, one_line

MAX_ENTRIES = 500  # in one call
MAX_CONSENTS = 20  # of one entry
MAX_PROPERTIES = 250
MAX_LISTS = 20
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


class ConsentIn(BaseModel):
    """A statement of the person. `source`: where they made it, such as the address of a form."""

    model_config = ConfigDict(extra="forbid", strict=True)

    purpose: str = Field(min_length=1, max_length=40)
    status: Literal["subscribed", "unsubscribed"]
    happened_at: str = Field(min_length=1, max_length=40)
    source: str = Field(min_length=1, max_length=500)
    wording: str = Field("", max_length=4_000)
    language: str = Field("", max_length=10)


class ContactIn(BaseModel):
    """One entry. At least one of `email`, `phone` and `crm_id` says who it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: str | None = Field(None, max_length=1_000)
    phone: str | None = Field(None, max_length=100)
    crm_id: str | None = Field(None, min_length=1, max_length=200)
    name: str = Field("", max_length=1_000)
    properties: dict[str, Any] = Field(default_factory=dict, max_length=MAX_PROPERTIES)
    consents: list[ConsentIn] = Field(default_factory=list, max_length=MAX_CONSENTS)
    lists: list[Annotated[int, Field(ge=1, le=2**53)]] = Field(default_factory=list, max_length=MAX_LISTS)


@dataclass(frozen=True, slots=True)
class Stated:
    """A checked statement about consent."""

    purpose: str
    status: Status
    happened_at: datetime
    source: str
    wording: str
    language: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A checked entry. The values of properties are parsed when it is stored."""

    person: Identifiers
    properties: dict[str, Any] = field(default_factory=dict)
    consents: tuple[Stated, ...] = ()
    lists: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BadEntry:
    """Why an entry is refused: a stable `code`, the field, and a sentence."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Stored:
    """`others`: other contacts with the same address (AMB-33). `consents`: a result for each statement; None: recorded before.
    `lists`: what became of each list."""

    contact: int
    created: bool
    others: tuple[int, ...] = ()
    consents: tuple[ConsentResult | None, ...] = ()
    lists: tuple[Joined, ...] = ()


NO_PERSON = BadEntry("no_person", "", "Say who it is: email, phone or crm_id.")
NOT_E164 = "Write the number in E.164: + and digits, without spaces, like +12025550150."


def check(raw: Any, actor: Agent | ApiKey, now: datetime) -> Entry | BadEntry:
    """Checks one entry. Consents need the scope `consent_grant`, withdrawals that or `consent_withdraw`."""
    try:
        entry = ContactIn.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return BadEntry("invalid", ".".join(map(str, first["loc"]))[:200], str(first["msg"]))
    email: str | None = None
    phone: Phone | None = None
    if entry.email is not None and (email := clean_email(entry.email.strip())) is None:
        return BadEntry("bad_email", "email", "This is not an e-mail address.")
    if entry.phone is not None:
        parsed = checked_phone(entry.phone)
        if isinstance(parsed, BadEntry):
            return parsed
        phone = parsed
    if entry.crm_id is not None and (not entry.crm_id.isprintable() or is_blank(entry.crm_id)):
        return BadEntry("invalid", "crm_id", "This id has characters that cannot be printed.")
    if email is None and phone is None and entry.crm_id is None:
        return NO_PERSON
    name = one_line(entry.name)
    if len(name) > NAME_CHARS:
        return BadEntry("invalid", "name", f"A name can have at most {NAME_CHARS} characters.")
    statements = []
    for place, stated in enumerate(entry.consents):
        statement = _statement(stated, place, actor, now)
        if isinstance(statement, BadEntry):
            return statement
        statements.append(statement)
    if entry.lists and not may(actor, Can.LISTS_EDIT):
        return BadEntry("missing_scope", "lists", f"This API key does not have the scope {Can.LISTS_EDIT.value}.")
    person = Identifiers(
        email=email,
        phone=None if phone is None else phone.e164,
        crm=entry.crm_id,
        name="" if is_blank(name) else name,
        country="" if phone is None else phone.country,
    )
    return Entry(person, dict(entry.properties), tuple(statements), tuple(dict.fromkeys(entry.lists)))


def checked_phone(text: str) -> Phone | BadEntry:
    """A number that a program sends: in E.164 only (IMP-63)."""
    if _E164.fullmatch(text) is None:
        return BadEntry("phone_not_e164", "phone", NOT_E164)
    parsed = normal_phone(text)
    if isinstance(parsed, BadPhone):
        return BadEntry(f"phone_{parsed.code}", "phone", parsed.reason)
    return parsed


def _statement(stated: ConsentIn, place: int, actor: Agent | ApiKey, now: datetime) -> Stated | BadEntry:
    where = f"consents.{place}"
    grants = stated.status == "subscribed"
    if not may(actor, Can.CONSENT_GRANT) and (grants or not may(actor, Can.CONSENT_WITHDRAW)):
        scope = Can.CONSENT_GRANT if grants else Can.CONSENT_WITHDRAW
        return BadEntry("missing_scope", where, f"This API key does not have the scope {scope.value}.")
    source = one_line(stated.source)
    if is_blank(source):
        return BadEntry("invalid", f"{where}.source", "Say where the person agreed, such as the address of the form.")
    try:
        happened_at = datetime.fromisoformat(stated.happened_at)
    except ValueError:
        happened_at = None
    if happened_at is None or happened_at.tzinfo is None:
        advice = "Write the time with its zone, like 2026-11-21T09:00:00Z."
        return BadEntry("bad_time", f"{where}.happened_at", advice)
    if happened_at > now + consent_rules.CLOCK_TOLERANCE:
        return BadEntry("in_future", f"{where}.happened_at", consent_rules.IN_FUTURE_MESSAGE)
    return Stated(stated.purpose, Status(stated.status), happened_at, source, stated.wording, one_line(stated.language))


# --- storing ------------------------------------------------------------------------------------------

_NAMES = Statement(select(contacts.c.id, contacts.c.name).where(contacts.c.id.in_(bindparam("ids", expanding=True))))
_STATED_BEFORE = Statement(
    select(
        consent_ledger.c.contact_id,
        consent_ledger.c.purpose,
        consent_ledger.c.status,
        consent_ledger.c.happened_at,
        consent_ledger.c.reason,
    ).where(
        consent_ledger.c.contact_id.in_(bindparam("people", expanding=True)),
        consent_ledger.c.source == bindparam("source"),
    )
)


def store(tx: Tx, entries: Sequence[Entry], actor: Agent | ApiKey, address: str) -> list[Stored | BadEntry]:
    """Stores checked entries in order, each whole or not at all; a result for each."""
    purposes = known_purposes(tx)
    known_lists = {item.id for item in lists.every(tx)} if any(entry.lists for entry in entries) else set()
    typed = [_typed(tx, entry, purposes, known_lists) for entry in entries]
    valid = [(entry, values) for entry, values in zip(entries, typed, strict=True) if not isinstance(values, BadEntry)]
    found = people.find_or_create_many(tx, [entry.person for entry, _ in valid], actor.by)
    if isinstance(actor, ApiKey):
        # For the readers of events; a contact that a colleague creates has this event already.
        new = [match.contact for match in found if match.created]
        record(tx, [NewEvent(contact, Metric.CONTACT_CHANGED, "contact", data={"created": True}) for contact in new])
    _set_names(
        tx, [(match.contact, entry.person.name) for match, (entry, _) in zip(found, valid, strict=True)], actor, address
    )
    values_of = [(match.contact, values) for match, (_, values) in zip(found, valid, strict=True) if values]
    if values_of:
        properties.set_values(tx, values_of, actor.by)
    consents = _record(tx, [(match.contact, entry) for match, (entry, _) in zip(found, valid, strict=True)], actor)
    source = source_of(actor)
    stored = iter(
        [
            Stored(
                match.contact,
                match.created,
                tuple(match.others),
                results,
                tuple(joining.join(tx, match.contact, list_id, actor, source) for list_id in entry.lists),
            )
            for match, results, (entry, _) in zip(found, consents, valid, strict=True)
        ]
    )
    return [values if isinstance(values, BadEntry) else next(stored) for values in typed]


def _typed(tx: Tx, entry: Entry, purposes: set[str], known_lists: set[int]) -> dict[int, Value | None] | BadEntry:
    """The typed values of an entry's properties, or what is wrong with the entry."""
    for place, statement in enumerate(entry.consents):
        if statement.purpose not in purposes:
            return BadEntry(
                "unknown_consent", f"consents.{place}.purpose", "This consent does not exist. Define it first."
            )
    if not known_lists.issuperset(entry.lists):
        return BadEntry("unknown_list", "lists", "This list does not exist.")
    if not entry.properties:
        return {}
    try:
        return properties.parse_values(tx, entry.properties)
    except Refused as refused:
        return BadEntry(refused.code, f"properties.{refused.field or ''}"[:200], refused.message)


def _set_names(tx: Tx, wanted: Sequence[tuple[int, str]], actor: Agent | ApiKey, address: str) -> None:
    """Gives contacts the names of their entries. A name that the shop signs stays."""
    new_names = {contact: name for contact, name in wanted if name}
    current: dict[int, str] = {}
    for some in chunks(sorted(new_names), ROWS_PER_STATEMENT):
        current |= {row.id: row.name for row in tx.all(_NAMES, ids=list(some))}
    for contact, name in new_names.items():
        if current.get(contact) != name:
            try:
                people.set_name(tx, actor, contact, name, None, address)
            except Conflict:  # the shop's next message would restore its name
                continue


def _record(
    tx: Tx, wanted: Sequence[tuple[int, Entry]], actor: Agent | ApiKey
) -> list[tuple[ConsentResult | None, ...]]:
    """Records the statements of entries. A statement that the same source made before is left out."""
    source = source_of(actor)
    stating = sorted({contact for contact, entry in wanted if entry.consents})
    known = {
        (row.contact_id, row.purpose, row.status, row.happened_at, row.reason)
        for some in chunks(stating, ROWS_PER_STATEMENT)
        for row in tx.all(_STATED_BEFORE, people=list(some), source=source)
    }
    changes: list[ConsentChange] = []
    numbers: list[list[int | None]] = []  # of each entry: the places of its statements in `changes`
    for contact, entry in wanted:
        places: list[int | None] = []
        for statement in entry.consents:
            happened_at = max(min(statement.happened_at, tx.now), consent_rules.EARLIEST_CONSENT)
            identity = (contact, statement.purpose, statement.status, happened_at, statement.source)
            if identity in known:
                places.append(None)
                continue
            known.add(identity)
            places.append(len(changes))
            changes.append(
                ConsentChange(
                    contact,
                    statement.purpose,
                    statement.status,
                    Method.AGENT if isinstance(actor, Agent) else Method.API,
                    source,
                    statement.wording,
                    statement.language,
                    happened_at,
                    statement.source,
                    _address_of(entry.person, statement.purpose),
                )
            )
        numbers.append(places)
    results = consent.record_many(tx, changes)
    return [tuple(None if place is None else results[place] for place in places) for places in numbers]


def _address_of(person: Identifiers, purpose: str) -> str | None:
    """The address that the statement is about; None: the contact's address on the channel."""
    return person.phone if purpose in consent_rules.SMS_PURPOSES else person.email


def source_of(actor: Agent | ApiKey) -> str:
    """As in `consent_ledger.source`."""
    return f"user:{actor.id}" if isinstance(actor, Agent) else f"key:{actor.id}"
