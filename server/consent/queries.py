"""Reads of consent, for the gate and for the contact panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Text, bindparam, cast, func, literal, or_, select

from server.consent import rules
from server.consent.erased_addresses import forms_of
from server.consent.rules import ConsentFacts, Purpose
from server.consent.settings import LITIGATORS
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Row, Statement, chunks
from server.schema import (
    addresses,
    consent_kinds,
    consent_ledger,
    consents,
    contacts,
    litigators,
    merged_set,
    opt_ins,
    suppressions,
    users,
)

PHONE = "phone"  # in `addresses.kind`
# The consents of some contacts and of all contacts merged with them. `asked`: the contact.
_asked = (
    select(contacts.c.id.label("asked"), func.coalesce(contacts.c.merged_into, contacts.c.id).label("root"))
    .where(contacts.c.id.in_(bindparam("contacts", expanding=True)))
    .cte("asked")
)
_merged = contacts.alias("merged")
_members = (
    select(_asked.c.asked, _asked.c.root.label("member"))
    .union_all(select(_asked.c.asked, _merged.c.id).join(_merged, _merged.c.merged_into == _asked.c.root))
    .cte("members")
)
_consents = select(
    _members.c.asked,
    consents.c.purpose,
    consents.c.status,
    consents.c.method,
    consents.c.happened_at,
    consents.c.paused_at,
).join(consents, consents.c.contact_id == _members.c.member)
_CONSENTS = Statement(_consents, uses=("pk_consents", "pk_contacts", "ix_contacts_merged_into"))
_LOCK_CONSENTS = Statement(_consents.with_for_update(read=True, of=consents), uses=("pk_consents", "pk_contacts"))
# One statement for the rest of the gate's facts: suppressions, pauses of any contact with the number, required consents
# and litigators.
_addresses: BindParameter[Any] = bindparam("addresses", expanding=True)
_SUPPRESSIONS_AND_PAUSES = Statement(
    select(
        literal("suppressed").label("kind"),
        suppressions.c.address,
        suppressions.c.reason.label("word"),
        suppressions.c.at.label("at"),
    )
    .where(suppressions.c.channel == bindparam("channel"), suppressions.c.address.in_(_addresses))
    .union_all(
        select(literal("paused"), addresses.c.value, consents.c.purpose, consents.c.paused_at)
        .join(addresses, addresses.c.contact_id == consents.c.contact_id)
        .where(
            addresses.c.kind == PHONE,
            addresses.c.value.in_(_addresses),
            consents.c.purpose == Purpose.SMS_MARKETING.value,
            consents.c.paused_at.is_not(None),
        ),
        select(
            literal("required"),
            literal("consent:") + cast(consent_kinds.c.id, Text),
            consent_kinds.c.name,
            consent_kinds.c.created_at,
        ).where(
            consent_kinds.c.required,
            consent_kinds.c.deleted_at.is_(None),
            or_(consent_kinds.c.channel == "general", consent_kinds.c.channel == bindparam("channel")),
        ),
        select(literal("litigator"), litigators.c.phone, literal(""), litigators.c.added_at).where(
            litigators.c.phone.in_(_addresses)
        ),
    ),
    uses=("pk_suppressions", "uq_addresses_kind_value_contact_id", "pk_litigators"),
)


def facts(
    conn: Conn, contact: int, recipient: str, *, channel: rules.Channel = "sms", lock: bool = False
) -> ConsentFacts:
    """The gate's facts about this contact at this address."""
    return facts_of(conn, [(contact, recipient)], channel=channel, lock=lock)[0]


def facts_of(
    conn: Conn, recipients: Sequence[tuple[int, str]], *, channel: rules.Channel = "sms", lock: bool = False
) -> list[ConsentFacts]:
    """The gate's facts about several (contact, address) pairs, in their order. Runs two statements. The words of merged
    contacts count together (`rules.word_of_all`).

    `lock`: for the transaction that marks messages as being sent. Until it ends, no STOP from these numbers and no
    consent change of these contacts can commit.
    """
    addresses = list({address for _, address in recipients})
    if lock:
        conn.lock_names(*(f"{channel}:{address}" for address in addresses), shared=True)
    words: dict[int, dict[str, list[rules.Word]]] = {contact: {} for contact, _ in recipients}
    paused: set[int | str] = set()  # ids of contacts, and numbers
    suppressed: dict[str, tuple[str, datetime]] = {}
    required: list[tuple[str, str]] = []
    listed: set[str] = set()
    for row in conn.all(_LOCK_CONSENTS if lock else _CONSENTS, contacts=list(words)):
        word = rules.Word(row.status, row.method, row.happened_at)
        words[row.asked].setdefault(row.purpose, []).append(word)
        if row.paused_at is not None and row.purpose == Purpose.SMS_MARKETING:
            paused.add(row.asked)
    forms = forms_of(conn, channel, addresses)
    for row in conn.all(_SUPPRESSIONS_AND_PAUSES, channel=channel, addresses=[*addresses, *forms]):
        if row.kind == "suppressed":
            suppressed[forms.get(row.address, row.address)] = row.word, row.at
        elif row.kind == "paused":
            paused.add(row.address)
        elif row.kind == "litigator":
            listed.add(row.address)
        else:
            required.append((row.address, row.word))
    if listed and not (channel == "sms" and LITIGATORS.load(conn).on):
        listed.clear()
    facts_in_order = []
    for contact, address in recipients:
        current = {purpose: rules.word_of_all(said) for purpose, said in words[contact].items()}
        status_by_purpose = {purpose: word.status for purpose, word in current.items()}
        reason, suppressed_at = suppressed.get(address, (None, None))
        facts_in_order.append(
            ConsentFacts(
                statuses=status_by_purpose,
                methods={purpose: word.method for purpose, word in current.items()},
                paused=contact in paused or address in paused,
                suppressed=reason,
                suppressed_at=suppressed_at,
                litigator=address in listed,
                reachable=rules.textable(address) if channel == "sms" else bool(address),
                missing=tuple(
                    name for kind, name in required if status_by_purpose.get(kind) != rules.Status.SUBSCRIBED
                ),
            )
        )
    return facts_in_order


@dataclass(frozen=True, slots=True)
class Suppression:
    reason: str
    detail: str
    at: datetime


def suppression(conn: Conn, channel: str, address: str) -> Suppression | None:
    return suppressions_of(conn, channel, [address]).get(address)


_SUPPRESSIONS_OF = Statement(
    select(suppressions.c.address, suppressions.c.reason, suppressions.c.detail, suppressions.c.at).where(
        suppressions.c.channel == bindparam("channel"), suppressions.c.address.in_(_addresses)
    ),
    uses=("pk_suppressions",),
)


def suppressions_of(conn: Conn, channel: str, addresses: Sequence[str]) -> dict[str, Suppression]:
    """The suppressions of these addresses, by address; in a transaction also those of erased people."""
    forms = forms_of(conn, channel, addresses)
    return {
        forms.get(row.address, row.address): Suppression(row.reason, row.detail, row.at)
        for some in chunks([*addresses, *forms], ROWS_PER_STATEMENT)
        for row in conn.all(_SUPPRESSIONS_OF, channel=channel, addresses=list(some))
    }


_LISTED = Statement(select(litigators.c.phone).where(litigators.c.phone.in_(_addresses)), uses=("pk_litigators",))


def litigators_among(conn: Conn, phones: Sequence[str]) -> set[str]:
    """The numbers among these that are on the list of litigators; none while the setting is off."""
    listed = {
        row.phone for some in chunks(phones, ROWS_PER_STATEMENT) for row in conn.all(_LISTED, addresses=list(some))
    }
    return listed if listed and LITIGATORS.load(conn).on else set()


_NEWEST_MARKETING_ROWS = Statement(
    select(consent_ledger.c.status, consent_ledger.c.method, consent_ledger.c.wording)
    .where(
        consent_ledger.c.contact_id.in_(merged_set(bindparam("contact"))),
        consent_ledger.c.purpose == Purpose.SMS_MARKETING.value,
        consent_ledger.c.applied,
    )
    .order_by(consent_ledger.c.id.desc())
    .limit(50)
)


def opt_outs(conn: Conn, contact: int) -> list[tuple[str, str]]:
    """The contact's own opt-outs since their last opt-in, newest first: (method, wording)."""
    statements = []
    for row in conn.all(_NEWEST_MARKETING_ROWS, contact=contact):
        if row.status == rules.Status.UNSUBSCRIBED and row.method in rules.OPT_OUT_METHODS:
            statements.append((row.method, row.wording))
        elif row.status in set(rules.Status) and row.method in rules.OPT_IN_TEXT_METHODS:
            break
    return statements


_CONTACTS_WITH_NUMBER = Statement(
    select(addresses.c.contact_id)
    .where(addresses.c.kind == PHONE, addresses.c.value == bindparam("phone"))
    .order_by(addresses.c.contact_id)
)


def contacts_with_number(conn: Conn, phone: str) -> list[int]:
    """All contacts with this number, including merged ones, because an opt-out concerns the number."""
    return [row.contact_id for row in conn.all(_CONTACTS_WITH_NUMBER, phone=phone)]


@dataclass(frozen=True, slots=True)
class OptIn:
    """A pending question of a double opt-in. `contact`: who was asked."""

    contact: int
    purposes: tuple[str, ...]
    keyword: str
    source: str
    wording: str
    asked_at: datetime


_OPT_IN = Statement(
    select(opt_ins)
    .where(
        opt_ins.c.contact_id.in_(merged_set(bindparam("contact"))),
        opt_ins.c.channel == "sms",
        opt_ins.c.expires_at > bindparam("now"),
    )
    .order_by(opt_ins.c.asked_at.desc())
    .limit(1)
)


def opt_in(conn: Conn, contact: int, now: datetime) -> OptIn | None:
    """The double opt-in that waits for a confirmation by text, of this contact or of one merged with it, if it has not expired."""
    row = conn.first(_OPT_IN, contact=contact, now=now)
    return (
        None
        if row is None
        else OptIn(row.contact_id, tuple(row.purposes), row.keyword, row.source, row.wording, row.asked_at)
    )


# --- the panel ------------------------------------------------------------------------------------

HISTORY_ROWS = 200  # newest rows of the history


@dataclass(frozen=True, slots=True)
class Consent:
    """A contact's consent for one purpose. `method` None: nothing is recorded. `name`: only of a consent that the owner
    defined."""

    purpose: str
    name: str | None
    channel: str
    required: bool
    status: str
    method: str | None = None
    source: str | None = None
    happened_at: datetime | None = None
    recorded_at: datetime | None = None
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of the ledger. `who`: the name of the user who recorded it."""

    n: int
    purpose: str
    before: str
    status: str
    applied: bool
    method: str
    source: str
    who: str | None
    wording: str
    language: str
    reason: str
    address: str
    happened_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ContactConsents:
    """`barred`: why consent or the contact's number bars an agent's text; our own numbers are not considered."""

    contact: int
    phone: str | None
    suppressed: Suppression | None
    barred: str | None
    consents: tuple[Consent, ...]
    history: tuple[LedgerRow, ...]


_peer = (
    select(addresses.c.value)
    .where(addresses.c.contact_id == contacts.c.id, addresses.c.kind == "peer")
    .order_by(addresses.c.active_at.desc())
    .limit(1)
    .scalar_subquery()
)
_CONTACT_ADDRESSES = Statement(
    select(contacts.c.phone, _peer.label("peer")).where(contacts.c.id == bindparam("contact"))
)
_DEFINED_CONSENTS = Statement(
    select(consent_kinds).where(consent_kinds.c.deleted_at.is_(None)).order_by(consent_kinds.c.id)
)
_CONSENTS_OF_CONTACT = Statement(select(consents).where(consents.c.contact_id.in_(merged_set(bindparam("contact")))))
_HISTORY = Statement(
    select(consent_ledger)
    .where(consent_ledger.c.contact_id.in_(merged_set(bindparam("contact"))))
    .order_by(consent_ledger.c.id.desc())
    .limit(HISTORY_ROWS)
)
_BUILT_IN: tuple[tuple[Purpose, rules.Channel], ...] = (
    (Purpose.SMS_MARKETING, "sms"),
    (Purpose.SMS_TRANSACTIONAL, "sms"),
    (Purpose.EMAIL_MARKETING, "email"),
)


def contact_consents(conn: Conn, contact: int) -> ContactConsents | None:
    """The consents and their history for the contact panel, of the contact and of all contacts merged with it. None: no
    such contact."""
    row = conn.first(_CONTACT_ADDRESSES, contact=contact)
    if row is None:
        return None
    address = row.phone or row.peer or ""
    barred = rules.barred(facts(conn, contact, address))
    purposes = [(str(purpose), None, channel, False) for purpose, channel in _BUILT_IN]
    purposes += [(f"consent:{kind.id}", kind.name, kind.channel, kind.required) for kind in conn.all(_DEFINED_CONSENTS)]
    current = _current_of_all(conn.all(_CONSENTS_OF_CONTACT, contact=contact))
    return ContactConsents(
        contact,
        row.phone,
        suppression(conn, "sms", address),
        None if barred is None else barred.code,
        tuple(_consent(*purpose, current.get(purpose[0])) for purpose in purposes),
        _history(conn, contact),
    )


def _current_of_all(rows: Sequence[Row]) -> dict[str, Row]:
    """The row that decides, by purpose."""
    of_purpose: dict[str, list[Row]] = {}
    for row in rows:
        of_purpose.setdefault(row.purpose, []).append(row)
    current = {}
    for purpose, said in of_purpose.items():
        words = [rules.Word(row.status, row.method, row.happened_at) for row in said]
        current[purpose] = said[words.index(rules.word_of_all(words))]
        paused = max((row.paused_at for row in said if row.paused_at is not None), default=None)
        current[purpose] = current[purpose]._replace(paused_at=paused)
    return current


def _consent(purpose: str, name: str | None, channel: str, required: bool, row: Row | None) -> Consent:
    if row is None:
        return Consent(purpose, name, channel, required, rules.Status.NEVER_SUBSCRIBED)
    # A row can exist without a consent: a pause creates one, and START can reset one to "never subscribed".
    recorded = row.status != rules.Status.NEVER_SUBSCRIBED
    return Consent(
        purpose,
        name,
        channel,
        required,
        row.status,
        row.method if recorded else None,
        row.source if recorded else None,
        row.happened_at if recorded else None,
        row.recorded_at if recorded else None,
        row.paused_at,
    )


def _history(conn: Conn, contact: int) -> tuple[LedgerRow, ...]:
    rows = conn.all(_HISTORY, contact=contact)
    ids = {user_id for row in rows if (user_id := rules.user_of_source(row.source)) is not None}
    user_rows = conn.all(select(users.c.id, users.c.name).where(users.c.id.in_(sorted(ids)))) if ids else []
    names = {row.id: row.name for row in user_rows}
    fields = [name for name in LedgerRow.__dataclass_fields__ if name != "who"]
    return tuple(
        LedgerRow(**{name: getattr(row, name) for name in fields}, who=names.get(rules.user_of_source(row.source)))
        for row in rows
    )


_DEFINED_CONSENT_NAME = Statement(select(consent_kinds.c.name).where(consent_kinds.c.id == bindparam("kind")))


def purpose_name(conn: Conn, purpose: str) -> str | None:
    """The name of a consent that the owner defined, also a removed one; None for a built-in purpose."""
    kind = purpose.removeprefix("consent:")
    return None if kind == purpose else conn.value(_DEFINED_CONSENT_NAME, kind=int(kind))


_DEFINED_CONSENT = Statement(
    select(consent_kinds.c.id).where(consent_kinds.c.id == bindparam("kind"), consent_kinds.c.deleted_at.is_(None))
)


def known_purpose(conn: Conn, purpose: str) -> bool:
    """Whether this is a built-in purpose, or "consent:<id>" of a definition that is not removed."""
    if purpose in set(Purpose):
        return True
    kind = purpose.removeprefix("consent:")
    if kind == purpose or not (kind.isascii() and kind.isdecimal()) or len(kind) > 15:
        return False
    return conn.first(_DEFINED_CONSENT, kind=int(kind)) is not None


_DEFINED_IDS = Statement(select(consent_kinds.c.id).where(consent_kinds.c.deleted_at.is_(None)))


def known_purposes(conn: Conn) -> set[str]:
    """The built-in purposes, and "consent:<id>" of each definition that is not removed."""
    return {*map(str, Purpose), *(f"consent:{row.id}" for row in conn.all(_DEFINED_IDS))}
