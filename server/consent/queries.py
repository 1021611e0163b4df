"""Reads of consent: what the gate asks, what the panel shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from server.consent import rules
from server.consent.rules import Facts, Purpose
from server.kernel.sql import Conn, Statement
from server.schema import consent_kinds, consents, contacts, opt_ins, suppressions

_consents = select(consents.c.purpose, consents.c.status, consents.c.paused_at).where(
    consents.c.contact_id == bindparam("contact")
)
_CONSENTS = Statement(_consents)
_CONSENTS_SHARED = Statement(_consents.with_for_update(read=True))
_SUPPRESSION = Statement(
    select(suppressions.c.reason, suppressions.c.detail, suppressions.c.at).where(
        suppressions.c.channel == bindparam("channel"), suppressions.c.address == bindparam("address")
    )
)
_REQUIRED = Statement(
    select(consent_kinds.c.id, consent_kinds.c.name)
    .where(
        consent_kinds.c.required,
        consent_kinds.c.deleted_at.is_(None),
        consent_kinds.c.channel.in_(("general", bindparam("channel"))),
    )
    .order_by(consent_kinds.c.id)
)


def facts(conn: Conn, contact: int, recipient: str, *, channel: rules.Channel = "sms", lock: bool = False) -> Facts:
    """What the gate needs to know about this contact at this address.

    `lock`: in the transaction that marks the send; until its end no STOP from this number and no change of this
    contact's consent can be committed, so one that came before is seen and one that comes after finds it sent.
    """
    if lock:
        conn.hold(f"{channel}:{recipient}", shared=True)
    rows = conn.all(_CONSENTS_SHARED if lock else _CONSENTS, contact=contact)
    stands = suppression(conn, channel, recipient)
    statuses = {row.purpose: row.status for row in rows}
    required = conn.all(_REQUIRED, channel=channel)
    return Facts(
        statuses=statuses,
        paused=any(row.paused_at is not None for row in rows if row.purpose == Purpose.SMS_MARKETING),
        suppressed=None if stands is None else stands.reason,
        suppressed_at=None if stands is None else stands.at,
        reachable=rules.textable(recipient) if channel == "sms" else bool(recipient),
        missing=tuple(kind.name for kind in required if statuses.get(f"consent:{kind.id}") != "subscribed"),
    )


@dataclass(frozen=True, slots=True)
class Suppression:
    reason: str
    detail: str
    at: datetime


def suppression(conn: Conn, channel: str, address: str) -> Suppression | None:
    row = conn.first(_SUPPRESSION, channel=channel, address=address)
    return None if row is None else Suppression(row.reason, row.detail, row.at)


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
