"""Verifies the ledger and collects the evidence for one message (G14). Both reads need the ledger's key."""

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
from server.schema import carrier_inbound, consent_heads, consent_ledger, consent_register, consents, contacts, outbound

SLICE = 500  # contacts read at a time
_FIELDS = tuple(chain.Entry.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Finding:
    """One error in the ledger. `n`: the row in the contact's chain; None: the whole chain.

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
    findings: tuple[Finding, ...]

    def wire(self) -> dict[str, Any]:
        return asdict(self)


# --- every chain ----------------------------------------------------------------------------------

# Contacts with a head, a row or a consent, so that a chain whose head was deleted is found by its rows.
_CONTACT_IDS = Statement(
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


def _by_contact_range(table: Any, *order: Any) -> Statement:
    contact_id = table.c.contact_id
    return Statement(
        select(table)
        .where(contact_id >= bindparam("first"), contact_id <= bindparam("last"))
        .order_by(contact_id, *order)
    )


_HEADS_OF_SLICE = _by_contact_range(consent_heads)
_ROWS_OF_SLICE = _by_contact_range(consent_ledger, consent_ledger.c.n)
_CONSENTS_OF_SLICE = _by_contact_range(consents, consents.c.purpose)
_ROWS_OF_CONTACT = Statement(
    select(consent_ledger).where(consent_ledger.c.contact_id == bindparam("contact")).order_by(consent_ledger.c.n)
)
_HEAD = Statement(select(consent_heads).where(consent_heads.c.contact_id == bindparam("contact")))
_CONSENTS_OF_CONTACT = Statement(select(consents).where(consents.c.contact_id == bindparam("contact")))
_CONTACTS = Statement(
    select(contacts.c.id).where(contacts.c.id > bindparam("after")).order_by(contacts.c.id).limit(bindparam("most"))
)
_REGISTER = Statement(select(consent_register))


def verify(conn: Conn, key: bytes) -> Verified:
    """Checks all chains, heads, consents and the register. `key`: `app.key(chain.PURPOSE)`."""
    findings: list[Finding] = []
    chained_contacts: list[int] = []
    rows = after = 0
    while contacts_of_slice := [row.contact for row in conn.all(_CONTACT_IDS, after=after, most=SLICE)]:
        first, after = contacts_of_slice[0], contacts_of_slice[-1]
        heads = {row.contact_id: row for row in conn.all(_HEADS_OF_SLICE, first=first, last=after)}
        chains = _by_contact(conn.all(_ROWS_OF_SLICE, first=first, last=after))
        consents_by_contact = _by_contact(conn.all(_CONSENTS_OF_SLICE, first=first, last=after))
        for contact in contacts_of_slice:
            rows_of_contact = chains.get(contact, [])
            rows += len(rows_of_contact)
            findings += _check_chain(
                key, contact, rows_of_contact, heads.get(contact), consents_by_contact.get(contact, [])
            )
        chained_contacts += heads
    findings += _check_register(conn, key, chained_contacts)
    return Verified(len(chained_contacts), rows, tuple(findings))


def _by_contact(rows: Sequence[Row]) -> dict[int, list[Row]]:
    return {contact: list(group) for contact, group in groupby(rows, key=lambda row: row.contact_id)}


def _entry(row: Row) -> chain.Entry:
    return chain.Entry(**{name: getattr(row, name) for name in _FIELDS})


def _check_chain(
    key: bytes, contact: int, rows: Sequence[Row], head: Row | None, consents: Sequence[Row]
) -> Iterator[Finding]:
    """The errors in one contact's chain. Reports an altered row, but not the intact rows after it."""
    if head is None:
        problem = "is missing; its rows exist" if rows else "is missing, and so are its rows"
        yield Finding("head", contact, None, f"The head of this chain {problem}.")
    elif head.seal != chain.seal(key, contact, head.length, head.mac):
        yield Finding("head", contact, None, "The head of this chain was altered.")
    previous = {""}
    expected = 1
    erased = max((row.n for row in rows if row.status == chain.ERASED), default=0)
    for row in rows:
        if row.n > expected:
            missing = f"Row {expected} is" if row.n == expected + 1 else f"Rows {expected} to {row.n - 1} are"
            yield Finding("missing", contact, expected, f"{missing} missing, so row {row.n} cannot be checked.")
        entry = _entry(row)
        valid = {chain.mac(key, before, entry) for before in previous}
        # The MAC before a gap is unknown, so after a gap only the row's own fields can be checked.
        if row.mac not in valid and row.n == expected:
            if head is not None and row.n > head.length:
                yield Finding("added", contact, row.n, "This row was added after the end of the chain.")
            else:
                yield Finding("altered", contact, row.n, "This row was altered or replaced.")
        yield from _check_personal_fields(key, contact, row, row.n < erased)
        # The row after an altered one is valid if it follows the stored MAC or the correct one.
        previous = {row.mac, *valid}
        expected = row.n + 1
    if head is not None and head.length > expected - 1 and chain.seal(key, contact, head.length, head.mac) == head.seal:
        missing_rows = head.length - expected + 1
        yield Finding(
            "missing",
            contact,
            expected,
            f"The end of the chain is cut off: {missing_rows} row{'s are' if missing_rows > 1 else ' is'} missing.",
        )
    elif head is not None and rows and rows[-1].n == head.length and rows[-1].mac != head.mac:
        yield Finding("head", contact, None, "The head of this chain does not match its last row.")
    yield from _check_consents(contact, rows, consents)


def _check_personal_fields(key: bytes, contact: int, row: Row, erased: bool) -> Iterator[Finding]:
    """Compares personal fields with their commitments. `erased`: a later row records an erasure, so blank fields are valid."""
    committed = row.commitment.split(".")
    computed = chain.commitments(key, row.salt, row.address, row.wording, row.reason).split(".")
    if len(committed) != len(computed):
        return  # the MAC check has reported this row
    for name, stored, recomputed in zip(chain.PERSONAL, committed, computed, strict=True):
        if stored != recomputed and not (erased and getattr(row, name) == ""):
            yield Finding("field", contact, row.n, f"The {name} in this row was altered.")


@dataclass(frozen=True, slots=True)
class _ExpectedConsent:
    status: str
    method: str
    source: str
    happened_at: datetime
    start_restores: bool


def _check_consents(contact: int, rows: Sequence[Row], consents: Sequence[Row]) -> Iterator[Finding]:
    """Compares the current consents and pauses with the ledger."""
    expected_consents: dict[str, _ExpectedConsent] = {}
    paused = False
    for row in rows:
        if row.status in ("paused", "resumed"):
            paused = row.status == "paused"
        elif row.applied and row.status != chain.ERASED:
            previous = expected_consents.get(row.purpose)
            start_restores = rules.restored_by_start(
                row.status, row.method, row.before, previous is not None and previous.start_restores
            )
            expected_consents[row.purpose] = _ExpectedConsent(
                row.status, row.method, row.source, row.happened_at, start_restores
            )
            if row.purpose == rules.Purpose.SMS_MARKETING and row.method in rules.ENDS_PAUSE:
                paused = False
    stored = {row.purpose: row for row in consents}
    for purpose in sorted(set(expected_consents) | set(stored)):
        row, last = stored.get(purpose), expected_consents.get(purpose)
        if row is None:
            problem = "is missing, but is in the ledger"
        elif last is None:
            problem = "" if row.status == Status.NEVER_SUBSCRIBED else "is not in the ledger"
        elif _ExpectedConsent(row.status, row.method, row.source, row.happened_at, row.taken) != last:
            problem = "differs from the ledger"
        else:
            problem = ""
        if row is not None and not problem and purpose == rules.Purpose.SMS_MARKETING:
            problem = "" if (row.paused_at is not None) == paused else "has a pause that differs from the ledger"
        if problem:
            yield Finding("standing", contact, None, f"The current consent for {purpose} {problem}.")


def _check_register(conn: Conn, key: bytes, chained_contacts: Sequence[int]) -> Iterator[Finding]:
    """Checks that no chain is missing. If exactly one is missing, finds its contact by trying all contacts."""
    row = conn.first(_REGISTER)
    if row is None:
        if chained_contacts:
            yield Finding("register", None, None, "The register of chains is missing.")
        return
    if row.seal != chain.register_seal(key, row.chains, row.total):
        yield Finding("register", None, None, "The register of chains was altered.")
        return
    total = sum(chain.register_share(key, contact) for contact in chained_contacts) % chain.MODULUS
    missing_share = (int(row.total, 16) - total) % chain.MODULUS
    if missing_share == 0 and row.chains == len(chained_contacts):
        return
    count = row.chains - len(chained_contacts)
    missing_contact = _find_missing_contact(conn, key, missing_share, set(chained_contacts)) if count == 1 else None
    if missing_contact is not None:
        yield Finding("chain", missing_contact, None, "This contact's whole chain is missing.")
    elif count > 0:
        yield Finding("chain", None, None, f"{count} whole chain{'s are' if count > 1 else ' is'} missing.")
    else:
        yield Finding("chain", None, None, "There are chains that this server did not create.")


def _find_missing_contact(conn: Conn, key: bytes, missing_share: int, checked: set[int]) -> int | None:
    after: int = 0
    while batch := [int(row.id) for row in conn.all(_CONTACTS, after=after, most=SLICE)]:
        after = batch[-1]
        for contact in batch:
            if contact not in checked and chain.register_share(key, contact) == missing_share:
                return contact
    return None


# --- one message ----------------------------------------------------------------------------------

_OUTBOUND = Statement(select(outbound).where(outbound.c.id == bindparam("outbound")))
_CONTACT = Statement(select(contacts.c.id, contacts.c.name).where(contacts.c.id == bindparam("contact")))
_last_inbound = (
    select(carrier_inbound)
    .where(carrier_inbound.c.contact_id == bindparam("contact"), carrier_inbound.c.at <= bindparam("at"))
    .order_by(carrier_inbound.c.at.desc(), carrier_inbound.c.sid)
    .limit(1)
)
_LAST_INBOUND = Statement(_last_inbound)
_BY_SID = Statement(select(carrier_inbound).where(carrier_inbound.c.sid == bindparam("sid")))

# Consents that allow a message, by `outbound.purpose`; one of them is enough. Messages with other purposes answer a text of
# the contact and need no consent.
CONSENT_NEEDED: dict[str, tuple[str, ...]] = {
    rules.SendPurpose.CONVERSATION: rules.SMS_PURPOSES,
    rules.SendPurpose.TRANSACTIONAL: rules.SMS_PURPOSES,
    rules.SendPurpose.MARKETING: (rules.Purpose.SMS_MARKETING,),
}


def evidence(conn: Conn, key: bytes, outbound_id: int) -> dict[str, Any] | None:
    """The evidence for one message as JSON: who agreed, to which wording, when and how, and whether the chain is intact.

    `complete`: the rows that allowed the message exist and their chain has no errors. None: no such message.
    """
    sent = conn.first(_OUTBOUND, outbound=outbound_id)
    if sent is None:
        return None
    begun_at = sent.dispatched_at or sent.created_at
    rows = conn.all(_ROWS_OF_CONTACT, contact=sent.contact_id)
    head = conn.first(_HEAD, contact=sent.contact_id)
    findings = list(
        _check_chain(key, sent.contact_id, rows, head, conn.all(_CONSENTS_OF_CONTACT, contact=sent.contact_id))
    )
    if not rows and head is None:
        findings = []  # a contact without consent has no chain, and a reply to the contact's text needs no consent
    rows_before_send = [row for row in rows if row.recorded_at <= begun_at]
    allowed = _allowed_by(rows_before_send, CONSENT_NEEDED.get(sent.purpose, ()))
    answered_text = conn.first(_LAST_INBOUND, contact=sent.contact_id, at=sent.created_at)
    needs_consent = sent.purpose in CONSENT_NEEDED
    contact = conn.one(_CONTACT, contact=sent.contact_id)
    basis: dict[str, Any] = {"kind": "consent" if needs_consent else "their_text"}
    if needs_consent:
        basis["consents"] = [_row(row) | {"text": _opt_in_text(conn, row)} for row in allowed]
    else:
        basis["text"] = _inbound(answered_text)
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
        "contact": {"id": contact.id, "name": contact.name},
        "basis": basis,
        "complete": bool(allowed if needs_consent else answered_text is not None) and not findings,
        "ledger": [_row(row) for row in rows_before_send],
        "chain": {
            "length": head.length if head is not None else 0,
            "head": head.mac if head is not None else None,
            "sound": not findings,
            "findings": [asdict(finding) for finding in findings],
        },
    }


def _allowed_by(rows: Sequence[Row], purposes: Sequence[str]) -> list[Row]:
    """The last row of each purpose, if that row subscribed the contact. `rows`: the contact's rows before the send."""
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


def _opt_in_text(conn: Conn, row: Row) -> dict[str, Any] | None:
    """The text by which the contact agreed; None if the contact agreed in another way."""
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
