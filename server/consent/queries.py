"""Reads of consent: what the gate asks, what the panel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Text, bindparam, cast, literal, or_, select

from server.consent import rules
from server.consent.rules import Facts, Purpose
from server.consent.settings import LITIGATORS
from server.kernel.sql import Conn, Row, Statement
from server.schema import consent_kinds, consent_ledger, consents, contacts, litigators, opt_ins, suppressions, users

_consents = select(
    consents.c.contact_id, consents.c.purpose, consents.c.status, consents.c.method, consents.c.paused_at
).where(consents.c.contact_id.in_(bindparam("contacts", expanding=True)))
_CONSENTS = Statement(_consents)
_CONSENTS_SHARED = Statement(_consents.with_for_update(read=True))
_SUPPRESSION = Statement(
    select(suppressions.c.reason, suppressions.c.detail, suppressions.c.at).where(
        suppressions.c.channel == bindparam("channel"), suppressions.c.address == bindparam("address")
    )
)
# What else decides, in one statement: the number, a pause of anybody who has it, what every message needs.
_addresses: BindParameter[Any] = bindparam("addresses", expanding=True)
_AROUND = Statement(
    select(
        literal("suppressed").label("kind"),
        suppressions.c.address,
        suppressions.c.reason.label("word"),
        suppressions.c.at.label("at"),
    )
    .where(suppressions.c.channel == bindparam("channel"), suppressions.c.address.in_(_addresses))
    .union_all(
        select(literal("paused"), contacts.c.phone, consents.c.purpose, consents.c.paused_at)
        .join(contacts, contacts.c.id == consents.c.contact_id)
        .where(
            contacts.c.phone.in_(_addresses),
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
    )
)


def facts(conn: Conn, contact: int, recipient: str, *, channel: rules.Channel = "sms", lock: bool = False) -> Facts:
    """What the gate needs to know about this contact at this address."""
    return facts_of(conn, [(contact, recipient)], channel=channel, lock=lock)[0]


def facts_of(
    conn: Conn, whom: Sequence[tuple[int, str]], *, channel: rules.Channel = "sms", lock: bool = False
) -> list[Facts]:
    """As `facts` for several contacts, each at its address, in that order; two statements however many there are.

    `lock`: in the transaction that marks the sends; until its end no STOP from these numbers and no change of these
    contacts' consent can be committed, so one that came before is seen and one that comes after finds it sent.
    """
    addresses = list({address for _, address in whom})
    if lock:
        conn.hold(*(f"{channel}:{address}" for address in addresses), shared=True)
    statuses: dict[int, dict[str, str]] = {contact: {} for contact, _ in whom}
    methods: dict[int, dict[str, str]] = {contact: {} for contact, _ in whom}
    paused: set[int | str] = set()  # contacts, and numbers
    suppressed: dict[str, tuple[str, datetime]] = {}
    required: list[tuple[str, str]] = []
    listed: set[str] = set()
    for row in conn.all(_CONSENTS_SHARED if lock else _CONSENTS, contacts=list(statuses)):
        statuses[row.contact_id][row.purpose] = row.status
        methods[row.contact_id][row.purpose] = row.method
        if row.paused_at is not None and row.purpose == Purpose.SMS_MARKETING:
            paused.add(row.contact_id)
    for row in conn.all(_AROUND, channel=channel, addresses=addresses):
        if row.kind == "suppressed":
            suppressed[row.address] = row.word, row.at
        elif row.kind == "paused":
            paused.add(row.address)
        elif row.kind == "litigator":
            listed.add(row.address)
        else:
            required.append((row.address, row.word))
    if listed and not (channel == "sms" and LITIGATORS.load(conn).on):
        listed.clear()
    found = []
    for contact, address in whom:
        stands = statuses[contact]
        word, at = suppressed.get(address, (None, None))
        found.append(
            Facts(
                statuses=stands,
                methods=methods[contact],
                paused=contact in paused or address in paused,
                suppressed=word,
                suppressed_at=at,
                litigator=address in listed,
                reachable=rules.textable(address) if channel == "sms" else bool(address),
                missing=tuple(name for kind, name in required if stands.get(kind) != rules.Status.SUBSCRIBED),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Suppression:
    reason: str
    detail: str
    at: datetime


def suppression(conn: Conn, channel: str, address: str) -> Suppression | None:
    row = conn.first(_SUPPRESSION, channel=channel, address=address)
    return None if row is None else Suppression(row.reason, row.detail, row.at)


_LISTED = Statement(select(litigators.c.phone).where(litigators.c.phone == bindparam("phone")))


def litigator(conn: Conn, phone: str) -> bool:
    """Does this number stand on the owner's list, and does that count now?"""
    return conn.first(_LISTED, phone=phone) is not None and LITIGATORS.load(conn).on


_WORDS = Statement(
    select(consent_ledger.c.status, consent_ledger.c.method, consent_ledger.c.wording)
    .where(
        consent_ledger.c.contact_id == bindparam("contact"),
        consent_ledger.c.purpose == Purpose.SMS_MARKETING.value,
        consent_ledger.c.applied,
    )
    .order_by(consent_ledger.c.n.desc())
    .limit(50)
)


def stops(conn: Conn, contact: int) -> list[tuple[str, str]]:
    """Their own opt-outs since they last came back, newest first: by which method, in which words."""
    found = []
    for row in conn.all(_WORDS, contact=contact):
        if row.status == rules.Status.UNSUBSCRIBED and row.method in rules.OWN_NO:
            found.append((row.method, row.wording))
        elif row.status in set(rules.Status) and row.method in rules.OWN_WORD:
            break
    return found


_AT = Statement(select(contacts.c.id).where(contacts.c.phone == bindparam("phone")).order_by(contacts.c.id))


def contacts_at(conn: Conn, phone: str) -> list[int]:
    """Everybody with this number, whoever was merged into whom: an opt-out is about the number."""
    return [row.id for row in conn.all(_AT, phone=phone)]


@dataclass(frozen=True, slots=True)
class OptIn:
    """A question that waits for YES."""

    purposes: tuple[str, ...]
    keyword: str
    source: str
    wording: str
    asked_at: datetime


_OPT_IN = Statement(
    select(opt_ins).where(opt_ins.c.contact_id == bindparam("contact"), opt_ins.c.expires_at > bindparam("now"))
)


def opt_in(conn: Conn, contact: int, now: datetime) -> OptIn | None:
    row = conn.first(_OPT_IN, contact=contact, now=now)
    return None if row is None else OptIn(tuple(row.purposes), row.keyword, row.source, row.wording, row.asked_at)


# --- the panel ------------------------------------------------------------------------------------

SHOWN = 200  # newest rows of the history


@dataclass(frozen=True, slots=True)
class Consent:
    """Where somebody stands on one purpose; `method` None: no word stands. `name`: of a consent of the owner's."""

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
class Line:
    """One row of the ledger. `who`: the colleague who wrote it down, by name."""

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
    """`barred`: why an agent cannot text them, as far as consent and the number tell."""

    contact: int
    phone: str | None
    suppressed: Suppression | None
    barred: str | None
    consents: tuple[Consent, ...]
    history: tuple[Line, ...]


_ADDRESSES = Statement(select(contacts.c.phone, contacts.c.peer).where(contacts.c.id == bindparam("contact")))
_KINDS = Statement(select(consent_kinds).where(consent_kinds.c.deleted_at.is_(None)).order_by(consent_kinds.c.id))
_STANDINGS = Statement(select(consents).where(consents.c.contact_id == bindparam("contact")))
_HISTORY = Statement(
    select(consent_ledger)
    .where(consent_ledger.c.contact_id == bindparam("contact"))
    .order_by(consent_ledger.c.n.desc())
    .limit(SHOWN)
)
_BUILT_IN: tuple[tuple[Purpose, rules.Channel], ...] = (
    (Purpose.SMS_MARKETING, "sms"),
    (Purpose.SMS_TRANSACTIONAL, "sms"),
    (Purpose.EMAIL_MARKETING, "email"),
)


def contact_consents(conn: Conn, contact: int) -> ContactConsents | None:
    """What the contact panel shows. None: there is no such contact."""
    row = conn.first(_ADDRESSES, contact=contact)
    if row is None:
        return None
    address = row.phone or row.peer or ""
    barred = rules.barred(facts(conn, contact, address))
    known = [(str(purpose), None, channel, False) for purpose, channel in _BUILT_IN]
    known += [(f"consent:{kind.id}", kind.name, kind.channel, kind.required) for kind in conn.all(_KINDS)]
    stands = {standing.purpose: standing for standing in conn.all(_STANDINGS, contact=contact)}
    return ContactConsents(
        contact,
        row.phone,
        suppression(conn, "sms", address),
        None if barred is None else barred.code,
        tuple(_consent(*one, stands.get(one[0])) for one in known),
        _history(conn, contact),
    )


def _consent(purpose: str, name: str | None, channel: str, required: bool, row: Row | None) -> Consent:
    if row is None:
        return Consent(purpose, name, channel, required, rules.Status.NEVER_SUBSCRIBED)
    # A pause alone leaves a row on which nothing was ever said; START one on which nothing stands any more.
    said = row.status != rules.Status.NEVER_SUBSCRIBED
    return Consent(
        purpose,
        name,
        channel,
        required,
        row.status,
        row.method if said else None,
        row.source if said else None,
        row.happened_at if said else None,
        row.recorded_at if said else None,
        row.paused_at,
    )


def _history(conn: Conn, contact: int) -> tuple[Line, ...]:
    rows = conn.all(_HISTORY, contact=contact)
    ids = {found for row in rows if (found := rules.user_in(row.source)) is not None}
    named = conn.all(select(users.c.id, users.c.name).where(users.c.id.in_(sorted(ids)))) if ids else []
    names = {row.id: row.name for row in named}
    fields = [name for name in Line.__dataclass_fields__ if name != "who"]
    return tuple(
        Line(**{name: getattr(row, name) for name in fields}, who=names.get(rules.user_in(row.source))) for row in rows
    )


_NAME = Statement(select(consent_kinds.c.name).where(consent_kinds.c.id == bindparam("kind")))


def name_of(conn: Conn, purpose: str) -> str | None:
    """What the owner calls a consent of their own, also of one that was removed; None for a built-in one."""
    kind = purpose.removeprefix("consent:")
    return None if kind == purpose else conn.value(_NAME, kind=int(kind))


_KIND = Statement(
    select(consent_kinds.c.id).where(consent_kinds.c.id == bindparam("kind"), consent_kinds.c.deleted_at.is_(None))
)


def known_purpose(conn: Conn, purpose: str) -> bool:
    """A built-in purpose, or "consent:<id>" of a consent that exists."""
    if purpose in set(Purpose):
        return True
    kind = purpose.removeprefix("consent:")
    if kind == purpose or not (kind.isascii() and kind.isdecimal()) or len(kind) > 15:
        return False
    return conn.first(_KIND, kind=int(kind)) is not None
