"""Contacts that programs and users enter, over HTTP. Contract: PROTOCOL.md 3, 'Contacts'."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Agent, ApiKey, Can, authorise, person_name
from server.consent import opting_in
from server.consent.http import contact_consents_out
from server.consent.responses import ContactConsents
from server.consent.rules import Status
from server.contact_data import by_hand, entering, erasing
from server.contact_data.by_hand import WantedStatus
from server.contact_data.entering import BadEntry, Entry, Stored
from server.contact_data.joining import Joined
from server.contacts import identity, queries
from server.contacts.http import OneContact, person_out
from server.contacts.identity import IdentityChange
from server.contacts.rules import clean_email
from server.errors import NotFound, RateLimited, Refused
from server.kernel.context import App
from server.kernel.ids import digest
from server.kernel.slices import Slices
from server.kernel.sql import Tx
from server.text import one_line
from server.web.http import PUBLIC, Call, Done, Endpoint, path_id
from server.web.limits import Rate

MAX_BODY = 2 * 1024 * 1024
CHECKED_AT_ONCE = 20  # entries checked before other tasks run
REASON_CHARS = 500


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


# --- entries of programs ------------------------------------------------------------------------------


class ContactsBody(BaseModel):
    """Each entry is checked on its own, so that a bad one does not affect the others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    contacts: list[Any] = Field(min_length=1, max_length=entering.MAX_ENTRIES)


class EntryError(BaseModel):
    code: str
    field: str
    message: str


class StatementResult(BaseModel):
    """`status`: the consent's status now. `reason`: why the statement changed nothing; "recorded_before": it is a repetition."""

    purpose: str
    applied: bool
    status: str | None
    reason: Literal["older", "opted_out", "litigator", "same", "recorded_before"] | None


class ListResult(BaseModel):
    """`asked`: the list has double opt-in, and the person joins by pressing the button of a mail. `no_email`: they cannot be
    asked."""

    list: int
    result: Joined


class EntryResult(BaseModel):
    """`index`: place in the list, from 0. With an `error` nothing of the entry is stored. `others`: other contacts with the
    same e-mail address or number."""

    index: int
    contact: int | None
    created: bool
    others: list[int]
    consents: list[StatementResult]
    lists: list[ListResult]
    error: EntryError | None


class EnteredContacts(BaseModel):
    created: int
    updated: int
    refused: int
    results: list[EntryResult]


async def enter_contacts(app: App, call: Call) -> Any:
    """Create or update up to 500 contacts, with properties and consents; a result for each."""
    actor, now = call.changer, app.clock.now()
    checked: list[Entry | BadEntry] = []
    for raw in call.body.contacts:
        checked.append(entering.check(raw, actor, now))
        if len(checked) % CHECKED_AT_ONCE == 0:
            await asyncio.sleep(0)
    valid = [entry for entry in checked if isinstance(entry, Entry)]
    stored = iter(
        result for part in await Slices(app).write(entering.store, valid, actor, call.address) for result in part
    )
    results = [
        _result(index, entry, next(stored) if isinstance(entry, Entry) else entry)
        for index, entry in enumerate(checked)
    ]
    refused = sum(result.error is not None for result in results)
    created = sum(result.created for result in results)
    return EnteredContacts(created=created, updated=len(results) - created - refused, refused=refused, results=results)


def _result(index: int, entry: Entry | BadEntry, stored: Stored | BadEntry) -> EntryResult:
    if isinstance(stored, BadEntry) or isinstance(entry, BadEntry):
        bad = stored if isinstance(stored, BadEntry) else entry
        assert isinstance(bad, BadEntry)
        error = EntryError(code=bad.code, field=bad.field, message=bad.message)
        return EntryResult(index=index, contact=None, created=False, others=[], consents=[], lists=[], error=error)
    consents = [
        StatementResult(
            purpose=statement.purpose,
            applied=result is not None and result.applied,
            status=None if result is None else result.status,
            reason="recorded_before" if result is None else result.reason_not_applied,
        )
        for statement, result in zip(entry.consents, stored.consents, strict=True)
    ]
    return EntryResult(
        index=index,
        contact=stored.contact,
        created=stored.created,
        others=list(stored.others),
        consents=consents,
        lists=_lists(entry, stored),
        error=None,
    )


def _lists(entry: Entry, stored: Stored) -> list[ListResult]:
    return [ListResult(list=wanted, result=result) for wanted, result in zip(entry.lists, stored.lists, strict=True)]


# --- one contact, by hand -----------------------------------------------------------------------------


class QuickAddBody(Body):
    """`agreed`: the person agreed to marketing mail; then `reason` says how the user knows. `list`: a list to join."""

    email: str = Field(min_length=1, max_length=1_000)
    name: str = Field("", max_length=1_000)
    agreed: bool = False
    reason: str = Field("", max_length=REASON_CHARS)
    list: int | None = Field(None, ge=1, le=2**53)


class QuickAdded(OneContact):
    """`created` false: the person was a contact before. `list`: what became of the list; null: none was chosen."""

    created: bool
    list: Joined | None


async def quick_add(app: App, call: Call) -> Any:
    """Add one person by e-mail address; consent is recorded only if the user ticked that the person agreed."""
    body: QuickAddBody = call.body
    email = clean_email(body.email.strip())
    if email is None:
        raise Refused("invalid", "Enter a valid e-mail address.", field="email", fault="bad_email")
    agreed = one_line(body.reason) if body.agreed else ""
    if body.agreed:
        authorise(call.actor, Can.CONSENT_GRANT)
        if not agreed:
            raise Refused("reason_needed", "Say how you know that this person agreed.", field="reason")
    if body.list is not None:
        authorise(call.actor, Can.LISTS_EDIT)
    name = person_name(body.name) if body.name.strip() else ""
    return await app.write(_quick_add, call.agent, email, name, agreed, body.list, call.address)


def _quick_add(
    tx: Tx, agent: Agent, email: str, name: str, agreed: str, list_id: int | None, address: str
) -> dict[str, Any]:
    stored = by_hand.quick_add(tx, agent, email, name, agreed, list_id, address)
    person = queries.brief(tx, stored.contact)
    assert person is not None
    joined = stored.lists[0] if stored.lists else None
    return {"contact": person_out(person), "created": stored.created, "list": joined}


class IdentityBody(Body):
    """A missing field is not changed, an empty text removes it."""

    name: str | None = Field(None, max_length=1_000)
    email: str | None = Field(None, max_length=1_000)
    phone: str | None = Field(None, max_length=100)
    crm_id: str | None = Field(None, max_length=200)
    language: str | None = Field(None, max_length=3)


async def change_identity(app: App, call: Call) -> Any:
    """Change what identifies a contact."""
    wanted = IdentityChange(**call.body.model_dump())
    return await app.write(_change_identity, call.changer, path_id(call, "contact"), wanted, call.address)


def _change_identity(
    tx: Tx, actor: Agent | ApiKey, contact: int, wanted: IdentityChange, address: str
) -> dict[str, Any]:
    person = queries.brief(tx, identity.change(tx, actor, contact, wanted, address))
    assert person is not None
    return {"contact": person_out(person)}


class WantedConsent(Body):
    purpose: str = Field(min_length=1, max_length=40)
    status: Literal["subscribed", "unsubscribed"]


class SaveConsentsBody(Body):
    """The consents as they should be; those left out are not changed. `reason`: how the user knows."""

    consents: list[WantedConsent] = Field(min_length=1, max_length=200)
    reason: str = Field(max_length=REASON_CHARS)


async def save_consents(app: App, call: Call) -> Any:
    """Save several consents of a contact at once, all or none; the support role may only withdraw them."""
    body: SaveConsentsBody = call.body
    wanted = [WantedStatus(item.purpose, Status(item.status)) for item in body.consents]
    if any(item.status is Status.SUBSCRIBED for item in wanted):
        authorise(call.actor, Can.CONSENT_GRANT)
    if len({item.purpose for item in wanted}) < len(wanted):
        raise Refused("invalid", "A consent appears twice.", field="consents", fault="repeated")
    contact = path_id(call, "contact")
    return contact_consents_out(
        await app.write(by_hand.save_consents, call.agent, contact, wanted, body.reason, call.address)
    )


# --- erasing ------------------------------------------------------------------------------------------


class RemovedData(BaseModel):
    """How much of each kind an erasure removes. `sent`: mails and texts to the person."""

    addresses: int
    properties: int
    conversations: int
    messages: int
    files: int
    sent: int
    visitors: int
    events: int
    orders: int


class ErasurePreview(BaseModel):
    """`confirm`: what the user must type. `contacts`: how many merged contacts are erased together. `remains`: what stays:
    rows of the consent ledger without personal fields, hashes that keep the addresses suppressed, costs, the line of the audit
    log, an empty row of the contact, and backups. `ledger_rows`, `numbers`, `emails`: how many."""

    contact: int
    contacts: int
    confirm: str
    removes: RemovedData
    remains: list[erasing.Remaining]
    ledger_rows: int
    numbers: int
    emails: int


class EraseBody(Body):
    confirm: str = Field(min_length=1, max_length=1_000)


async def preview_erasure(app: App, call: Call) -> Any:
    """Show what erasing a contact removes, and what remains and why."""
    return _erasure(await app.read(erasing.preview, path_id(call, "contact")))


async def erase(app: App, call: Call) -> Any:
    """Erase a person with everything that names them. This cannot be undone."""
    agent, confirm = call.agent, call.body.confirm
    source = entering.source_of(agent)
    erased = await app.write(
        erasing.erase, path_id(call, "contact"), agent.by, source, confirm, call.address, bulk=True
    )
    return _erasure(erased)


def _erasure(erasure: erasing.Erasure) -> ErasurePreview:
    return ErasurePreview(
        contact=erasure.contacts[0],
        contacts=len(erasure.contacts),
        confirm=erasure.confirm,
        removes=RemovedData(**erasure.removes),
        remains=list(erasing.REMAINS),
        ledger_rows=erasure.ledger_rows,
        numbers=erasure.numbers,
        emails=erasure.emails,
    )


# --- confirming an opt-in by mail ---------------------------------------------------------------------


class ConfirmBody(Body):
    token: str = Field(min_length=20, max_length=100)  # the fragment of the link


class _Confirmations:
    """Limits how often one address may try links."""

    def __init__(self, app: App) -> None:
        self.rate = Rate(app.clock, 30, 60)


async def confirm_opt_in(app: App, call: Call) -> Any:
    """Confirm a subscription: sent by the page's button, because mail scanners open pages."""
    retry_after = app.part(_Confirmations, _Confirmations).rate.take(call.address)
    if retry_after:
        raise RateLimited("Too many attempts from this address.", retry_after)
    if await app.write(opting_in.confirm_by_link, digest(call.body.token)) is None:
        raise NotFound("This link was used already or has expired.")
    return {}


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/contacts/{contact}/erasure", preview_erasure, Can.ERASE, response=ErasurePreview),
    Endpoint("POST", "/api/contacts/{contact}/erase", erase, Can.ERASE, EraseBody, response=ErasurePreview),
    Endpoint("POST", "/confirm", confirm_opt_in, PUBLIC, ConfirmBody, response=Done),
    Endpoint(
        "POST", "/api/contacts", enter_contacts, Can.CONTACTS_EDIT, ContactsBody, response=EnteredContacts,
        keys=True, max_body=MAX_BODY,
    ),
    Endpoint("POST", "/api/contacts/quick", quick_add, Can.CONTACTS_EDIT, QuickAddBody, response=QuickAdded),
    Endpoint(
        "PATCH", "/api/contacts/{contact}", change_identity, Can.CONTACTS_EDIT, IdentityBody, response=OneContact, keys=True
    ),
    # The route needs only CONSENT_WITHDRAW; `save_consents` also checks CONSENT_GRANT for a grant.
    Endpoint(
        "PUT", "/api/contacts/{contact}/consents", save_consents, Can.CONSENT_WITHDRAW, SaveConsentsBody,
        response=ContactConsents,
    ),
]  # fmt: skip
