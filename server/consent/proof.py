"""What can be proven: that nobody edited the ledger, and why a message could be sent (G14). Reads that need the key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, select

from server.consent import chain, rules
from server.consent.rules import Method, Status
from server.kernel.clock import rfc3339
from server.kernel.sql import Conn, Row, Statement
from server.schema import (
    carrier_inbound,
    consent_heads,
    consent_ledger,
    consent_register,
    consents,
    contacts,
    outbound,
)

SLICE = 500  # contacts read at a time
_FIELDS = tuple(chain.Entry.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Tampering:
    """One thing that does not fit. `n`: which row of that contact's chain; None: the chain as a whole.

    `kind`: altered | missing | added | field | head | standing | chain | register.
    """

    kind: str
    contact: int | None
    n: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Verified:
    contacts: int
    rows: int
    findings: tuple[Tampering, ...]

    def wire(self) -> dict[str, Any]:
        return asdict(self)


# --- every chain ----------------------------------------------------------------------------------

# Contacts that have anything of it, in slices; a chain whose head was deleted is met by its rows.
_WHO = Statement(
    select(
        consent_heads.c.contact_id.label("contact"),
    )
    .where(consent_heads.c.contact_id > bindparam("after"))
    .union(
        select(consent_ledger.c.contact_id).where(consent_ledger.c.contact_id > bindparam("after")),
        select(consents.c.contact_id).where(consents.c.contact_id > bindparam("after")),
    )
    .order_by("contact")
    .limit(bindparam("most"))
)


def _of(table: Any, *order: Any) -> Statement:
    who = table.c.contact_id
    return Statement(select(table).where(who >= bindparam("first"), who <= bindparam("last")).order_by(who, *order))


_HEADS = _of(consent_heads)
_ROWS = _of(consent_ledger, consent_ledger.c.n)
_STANDINGS = _of(consents, consents.c.purpose)
_CHAIN = Statement(
    select(consent_ledger).where(consent_ledger.c.contact_id == bindparam("contact")).order_by(consent_ledger.c.n)
)
_HEAD = Statement(select(consent_heads).where(consent_heads.c.contact_id == bindparam("contact")))
_STANDING = Statement(select(consents).where(consents.c.contact_id == bindparam("contact")))
_CONTACTS = Statement(
    select(contacts.c.id).where(contacts.c.id > bindparam("after")).order_by(contacts.c.id).limit(bindparam("most"))
)
_REGISTER = Statement(select(consent_register))


def verify(conn: Conn, key: bytes) -> Verified:
    """Every chain, every head, every standing, and that no chain is missing. `key`: `app.key(chain.PURPOSE)`."""
    findings: list[Tampering] = []
    seen: list[int] = []
    rows = after = 0
    while who := [row.contact for row in conn.all(_WHO, after=after, most=SLICE)]:
        first, after = who[0], who[-1]
        heads = {row.contact_id: row for row in conn.all(_HEADS, first=first, last=after)}
        chains = _by_contact(conn.all(_ROWS, first=first, last=after))
        standings = _by_contact(conn.all(_STANDINGS, first=first, last=after))
        for contact in who:
            mine = chains.get(contact, [])
            rows += len(mine)
            findings += _chain(key, contact, mine, heads.get(contact), standings.get(contact, []))
        seen += heads
    findings += _register(conn, key, seen)
    return Verified(len(seen), rows, tuple(findings))


def _by_contact(rows: Sequence[Row]) -> dict[int, list[Row]]:
    return {contact: list(mine) for contact, mine in groupby(rows, key=lambda row: row.contact_id)}


def _entry(row: Row) -> chain.Entry:
    return chain.Entry(**{name: getattr(row, name) for name in _FIELDS})


def _chain(
    key: bytes, contact: int, rows: Sequence[Row], head: Row | None, standing: Sequence[Row]
) -> Iterator[Tampering]:
    """What does not fit in one contact's chain. A row that was altered is named, not those after it."""
    if head is None:
        what = "is gone, with its rows still there" if rows else "is gone, and so are its rows"
        yield Tampering("head", contact, None, f"The head of this chain {what}.")
    elif head.seal != chain.seal(key, contact, head.length, head.mac):
        yield Tampering("head", contact, None, "The head of this chain was altered.")
    previous = {""}
    expected = 1
    erased = max((row.n for row in rows if row.status == chain.ERASED), default=0)
    for row in rows:
        if row.n > expected:
            missing = f"Row {expected} is" if row.n == expected + 1 else f"Rows {expected} to {row.n - 1} are"
            yield Tampering("missing", contact, expected, f"{missing} gone; row {row.n} cannot be checked for that.")
        entry = _entry(row)
        right = {chain.mac(key, before, entry) for before in previous}
        # What stood before a missing row is unknown, so the row after a gap can only be asked about its own fields.
        if row.mac not in right and row.n == expected:
            if head is not None and row.n > head.length:
                yield Tampering("added", contact, row.n, "This row was added behind the end of the chain.")
            else:
                yield Tampering("altered", contact, row.n, "This row was altered, or put in another's place.")
        yield from _personal(key, contact, row, row.n < erased)
        # After an altered row the next one fits to what was altered or to what it was before: either proves it.
        previous = {row.mac, *right}
        expected = row.n + 1
    if head is not None and head.length > expected - 1 and chain.seal(key, contact, head.length, head.mac) == head.seal:
        gone = head.length - expected + 1
        yield Tampering(
            "missing",
            contact,
            expected,
            f"The end of the chain is cut: {gone} row{'s are' if gone > 1 else ' is'} gone.",
        )
    elif head is not None and rows and rows[-1].n == head.length and rows[-1].mac != head.mac:
        yield Tampering("head", contact, None, "The head of this chain ends in another row than the last.")
    yield from _standings(contact, rows, standing)


def _personal(key: bytes, contact: int, row: Row, erased: bool) -> Iterator[Tampering]:
    """Personal fields hold what was committed to. `erased`: a later row says that they may be blank."""
    committed = row.commitment.split(".")
    found = chain.commit(key, row.salt, row.address, row.wording, row.reason).split(".")
    if len(committed) != len(found):
        return  # the MAC has said so
    for name, was, now in zip(chain.PERSONAL, committed, found, strict=True):
        if was != now and not (erased and getattr(row, name) == ""):
            yield Tampering("field", contact, row.n, f"The {name} in this row is not the one that was written.")


@dataclass(frozen=True, slots=True)
class _Stands:
    status: str
    method: str
    source: str
    happened_at: datetime
    taken: bool


def _standings(contact: int, rows: Sequence[Row], standing: Sequence[Row]) -> Iterator[Tampering]:
    """Where somebody stands is the last word of the ledger, pauses too."""
    told: dict[str, _Stands] = {}
    paused = False
    for row in rows:
        if row.status in ("paused", "resumed"):
            paused = row.status == "paused"
        elif row.applied and row.status != chain.ERASED:
            before = told.get(row.purpose)
            taken = rules.takes(row.status, row.method, row.before, before is not None and before.taken)
            told[row.purpose] = _Stands(row.status, row.method, row.source, row.happened_at, taken)
            if row.purpose == rules.Purpose.SMS_MARKETING and row.method in rules.LIFTS_PAUSE:
                paused = False
    stands = {row.purpose: row for row in standing}
    for purpose in sorted(set(told) | set(stands)):
        row, last = stands.get(purpose), told.get(purpose)
        if row is None:
            words = "is missing, though the ledger tells it"
        elif last is None:
            words = "" if row.status == Status.NEVER_SUBSCRIBED else "stands there, and the ledger tells of nothing"
        elif _Stands(row.status, row.method, row.source, row.happened_at, row.taken) != last:
            words = "is not what the ledger tells"
        else:
            words = ""
        if row is not None and not words and purpose == rules.Purpose.SMS_MARKETING:
            words = "" if (row.paused_at is not None) == paused else "is paused or not, against the ledger"
        if words:
            yield Tampering("standing", contact, None, f"The standing on {purpose} {words}.")


def _register(conn: Conn, key: bytes, seen: Sequence[int]) -> Iterator[Tampering]:
    """Is every chain there that was ever begun? A missing one is named by trying who it could be."""
    row = conn.first(_REGISTER)
    if row is None:
        if seen:
            yield Tampering("register", None, None, "The register of chains is gone.")
        return
    if row.seal != chain.register_seal(key, row.chains, row.total):
        yield Tampering("register", None, None, "The register of chains was altered.")
        return
    total = sum(chain.born(key, contact) for contact in seen) % chain.MODULUS
    lacking = (int(row.total, 16) - total) % chain.MODULUS
    if lacking == 0 and row.chains == len(seen):
        return
    count = row.chains - len(seen)
    named = _who_lacks(conn, key, lacking, set(seen)) if count == 1 else None
    if named is not None:
        yield Tampering("chain", named, None, "This contact's whole chain is gone.")
    elif count > 0:
        yield Tampering("chain", None, None, f"{count} whole chain{'s are' if count > 1 else ' is'} gone.")
    else:
        yield Tampering("chain", None, None, "There are chains that were never begun here.")


def _who_lacks(conn: Conn, key: bytes, lacking: int, seen: set[int]) -> int | None:
    after: int = 0
    while some := [int(row.id) for row in conn.all(_CONTACTS, after=after, most=SLICE)]:
        after = some[-1]
        for contact in some:
            if contact not in seen and chain.born(key, contact) == lacking:
                return contact
    return None


# --- one message ----------------------------------------------------------------------------------

_OUTBOUND = Statement(select(outbound).where(outbound.c.id == bindparam("outbound")))
_CONTACT = Statement(select(contacts.c.id, contacts.c.name).where(contacts.c.id == bindparam("contact")))
_last = (
    select(carrier_inbound)
    .where(carrier_inbound.c.contact_id == bindparam("contact"), carrier_inbound.c.at <= bindparam("at"))
    .order_by(carrier_inbound.c.at.desc(), carrier_inbound.c.sid)
    .limit(1)
)
_ANSWERED = Statement(_last)
_BY_SID = Statement(select(carrier_inbound).where(carrier_inbound.c.sid == bindparam("sid")))

# What allows a message, by `outbound.purpose`: consents, any of which is enough, or a text they sent.
CONSENTED: dict[str, tuple[str, ...]] = {
    rules.SendPurpose.CONVERSATION: rules.SMS_PURPOSES,
    rules.SendPurpose.TRANSACTIONAL: rules.SMS_PURPOSES,
    rules.SendPurpose.MARKETING: (rules.Purpose.SMS_MARKETING,),
}


def evidence(conn: Conn, key: bytes, outbound_id: int) -> dict[str, Any] | None:
    """Why this message could be sent: who agreed, to what wording, when, how, where, and that nobody edited it since.

    `complete`: the rows that allowed it are there and their chain is sound. JSON for a person outside. None: no such
    message.
    """
    sent = conn.first(_OUTBOUND, outbound=outbound_id)
    if sent is None:
        return None
    began = sent.dispatched_at or sent.created_at
    rows = conn.all(_CHAIN, contact=sent.contact_id)
    head = conn.first(_HEAD, contact=sent.contact_id)
    findings = list(_chain(key, sent.contact_id, rows, head, conn.all(_STANDING, contact=sent.contact_id)))
    if not rows and head is None:
        findings = []  # no chain was begun: nobody agreed to anything, and an answer to their text needs none
    until = [row for row in rows if row.recorded_at <= began]
    allowed = _allowed_by(until, CONSENTED.get(sent.purpose, ()))
    answered = conn.first(_ANSWERED, contact=sent.contact_id, at=sent.created_at)
    needs_consent = sent.purpose in CONSENTED
    who = conn.one(_CONTACT, contact=sent.contact_id)
    basis: dict[str, Any] = {"kind": "consent" if needs_consent else "their_text"}
    if needs_consent:
        basis["consents"] = [_row(row) | {"text": _their_text(conn, row)} for row in allowed]
    else:
        basis["text"] = _inbound(answered)
    return {
        "message": {
            "id": sent.id,
            "carrier_id": sent.sid,
            "kind": sent.kind,
            "purpose": sent.purpose,
            "recipient": sent.recipient,
            "sender": sent.sender,
            "body": sent.body,
            "state": sent.state,
            "created_at": rfc3339(sent.created_at),
            "dispatched_at": rfc3339(sent.dispatched_at) if sent.dispatched_at else None,
        },
        "contact": {"id": who.id, "name": who.name},
        "basis": basis,
        "complete": bool(allowed if needs_consent else answered is not None) and not findings,
        "ledger": [_row(row) for row in until],
        "chain": {
            "length": head.length if head is not None else 0,
            "head": head.mac if head is not None else None,
            "sound": not findings,
            "findings": [asdict(finding) for finding in findings],
        },
    }


def _allowed_by(rows: Sequence[Row], purposes: Sequence[str]) -> list[Row]:
    """The last word on each purpose before the send, where it was a yes."""
    last = {row.purpose: row for row in rows if row.applied and row.status in set(Status)}
    return [last[purpose] for purpose in purposes if purpose in last and last[purpose].status == Status.SUBSCRIBED]


def _row(row: Row) -> dict[str, Any]:
    return {
        "n": row.n,
        "purpose": row.purpose,
        "before": row.before,
        "status": row.status,
        "applied": row.applied,
        "method": row.method,
        "source": row.source,
        "wording": row.wording,
        "language": row.language,
        "reason": row.reason,
        "address": row.address,
        "salt": row.salt,
        "commitment": dict(zip(chain.PERSONAL, row.commitment.split("."), strict=False)),
        "happened_at": rfc3339(row.happened_at),
        "recorded_at": rfc3339(row.recorded_at),
        "mac": row.mac,
    }


def _their_text(conn: Conn, row: Row) -> dict[str, Any] | None:
    """The text by which they agreed, where it was one."""
    if row.method not in (Method.KEYWORD, Method.DOUBLE_OPT_IN) or not row.source.startswith("sms:"):
        return None
    return _inbound(conn.first(_BY_SID, sid=row.source.removeprefix("sms:")))


def _inbound(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    params = row.params if isinstance(row.params, dict) else {}
    return {
        "carrier_id": row.sid,
        "meaning": row.meaning,
        "at": rfc3339(row.at),
        "from": str(params.get("From", "")),
        "to": str(params.get("To", "")),
        "body": str(params.get("Body", "")),
    }
