"""Writes the consent ledger, one chained row per change, and the current consent in `consents`, as transaction steps.

Lock order: the number (`lock_names`), then the contacts' heads by ascending id, then their consents. A send therefore
either sees a STOP or begins before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.consent import chain, rules
from server.consent.queries import litigator, suppression
from server.consent.rules import CurrentConsent, Method, PurposeChange, Status
from server.errors import Refused
from server.kernel.columns import storable
from server.kernel.sql import Row, Statement, Tx
from server.schema import consent_heads, consent_ledger, consent_register, consents, contacts

# --- the ledger ---------------------------------------------------------------------------------

_INSERT_HEAD = Statement(
    insert(consent_heads)
    .values(contact_id=bindparam("contact"), length=0, mac="", seal=bindparam("seal"))
    .on_conflict_do_nothing(index_elements=["contact_id"])
)
_LOCK_HEAD = Statement(
    select(consent_heads.c.length, consent_heads.c.mac)
    .where(consent_heads.c.contact_id == bindparam("contact"))
    .with_for_update()
)
_UPDATE_HEAD = Statement(
    update(consent_heads)
    .where(consent_heads.c.contact_id == bindparam("contact"))
    .values(length=bindparam("n"), mac=bindparam("new_mac"), seal=bindparam("new_seal"))
)
_FIELDS = [column.name for column in consent_ledger.columns if column.name != "id"]
_INSERT_ROW = Statement(insert(consent_ledger).values({name: bindparam(name) for name in _FIELDS}))
_INSERT_REGISTER = Statement(
    insert(consent_register).values(id=1, chains=0, total="0", seal="").on_conflict_do_nothing(index_elements=["id"])
)
_LOCK_REGISTER = Statement(select(consent_register).where(consent_register.c.id == 1).with_for_update())
_UPDATE_REGISTER = Statement(
    update(consent_register)
    .where(consent_register.c.id == 1)
    .values(chains=bindparam("n"), total=bindparam("sum"), seal=bindparam("new_seal"))
)


def append(
    tx: Tx,
    contact: int,
    *,
    purpose: str,
    before: str,
    status: str,
    applied: bool,
    method: str,
    source: str,
    wording: str,
    language: str,
    reason: str,
    address: str,
    happened_at: datetime,
) -> None:
    """Appends a row to this contact's chain and locks its head until the end of the transaction."""
    key = tx.key(chain.PURPOSE)
    head = lock_head(tx, contact)
    salt = tx.token(16)
    # The MAC must cover the texts as the database will return them.
    source, wording, language, reason, address = map(storable, (source, wording, language, reason, address))
    entry = chain.Entry(
        contact_id=contact,
        n=head.length + 1,
        purpose=purpose,
        before=before,
        status=status,
        applied=applied,
        method=method,
        source=source,
        wording=wording,
        language=language,
        reason=reason,
        address=address,
        salt=salt,
        commitment=chain.commitments(key, salt, address, wording, reason),
        happened_at=happened_at,
        recorded_at=tx.now,
    )
    mac = chain.mac(key, head.mac, entry)
    tx.run(_INSERT_ROW, mac=mac, **{name: getattr(entry, name) for name in _FIELDS if name != "mac"})
    tx.run(_UPDATE_HEAD, contact=contact, n=entry.n, new_mac=mac, new_seal=chain.seal(key, contact, entry.n, mac))


def lock_head(tx: Tx, contact: int) -> Row:
    """Locks and returns the head of this contact's chain; creates the chain if there is none."""
    key = tx.key(chain.PURPOSE)
    if tx.run(_INSERT_HEAD, contact=contact, seal=chain.seal(key, contact, 0, "")):
        _register_chain(tx, key, contact)
    return tx.one(_LOCK_HEAD, contact=contact)


def _register_chain(tx: Tx, key: bytes, contact: int) -> None:
    tx.run(_INSERT_REGISTER)
    register = tx.one(_LOCK_REGISTER)
    chains = register.chains + 1
    total = f"{(int(register.total, 16) + chain.register_share(key, contact)) % chain.MODULUS:x}"
    tx.run(_UPDATE_REGISTER, n=chains, sum=total, new_seal=chain.register_seal(key, chains, total))


# --- one change of one purpose ------------------------------------------------------------------

LOCK_CONSENT = Statement(
    select(consents.c.status, consents.c.method, consents.c.happened_at, consents.c.taken, consents.c.paused_at)
    .where(consents.c.contact_id == bindparam("contact"), consents.c.purpose == bindparam("purpose"))
    .with_for_update()
)
_insert_consent = insert(consents).values({column.name: bindparam(column.name) for column in consents.columns})
_UPSERT_CONSENT = Statement(
    _insert_consent.on_conflict_do_update(
        index_elements=["contact_id", "purpose"],
        set_={
            name: _insert_consent.excluded[name]
            for name in ("status", "method", "source", "happened_at", "recorded_at", "paused_at", "taken")
        },
    )
)
CONTACT_ADDRESSES = Statement(select(contacts.c.phone, contacts.c.email).where(contacts.c.id == bindparam("contact")))


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """A change of one purpose. `happened_at` None: now. `address` None: the contact's address on that channel."""

    contact: int
    purpose: str
    status: Status
    method: Method
    source: str = ""  # "sms:SM…", "user:3", "import:7", a form's address
    wording: str = ""
    language: str = ""
    happened_at: datetime | None = None
    reason: str = ""
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ConsentResult:
    """`applied` False: kept as evidence only; `reason_not_applied`: older | opted_out | litigator | same."""

    applied: bool
    before: str
    status: str  # the status after the change
    reason_not_applied: str | None = None


def record_consent(tx: Tx, change: ConsentChange) -> tuple[ConsentResult, PurposeChange | None]:
    """Writes a ledger row, and the current consent if the change applies. The caller announces the returned change.

    Raises `Refused` "invalid" for a date in the future.
    """
    by_sms = is_sms(change.purpose)
    address = address_of(tx, change.contact, by_sms) if change.address is None else change.address
    opted_out = is_litigator = False
    if by_sms and address:
        tx.lock_names(f"sms:{address}", shared=change.status is Status.SUBSCRIBED)
        suppressed = suppression(tx, "sms", address)
        opted_out = suppressed is not None and suppressed.reason in rules.OPTED_OUT
        is_litigator = change.status is Status.SUBSCRIBED and litigator(tx, address)
    lock_head(tx, change.contact)
    row = tx.first(LOCK_CONSENT, contact=change.contact, purpose=change.purpose)
    current = None if row is None else CurrentConsent(row.status, row.method, row.happened_at, row.taken)
    before = Status.NEVER_SUBSCRIBED if current is None else Status(current.status)
    verdict = rules.on_change(
        current,
        change.status,
        change.method,
        change.happened_at,
        number_opted_out=opted_out,
        litigator=is_litigator,
        now=tx.now,
    )
    if isinstance(verdict, rules.Invalid):
        raise Refused("invalid", verdict.message, field="happened_at", fault="in_future")
    applied = isinstance(verdict, rules.Applied)
    append(
        tx,
        change.contact,
        purpose=change.purpose,
        before=before,
        status=change.status,
        applied=applied,
        method=change.method,
        source=change.source,
        wording=change.wording,
        language=change.language,
        reason=change.reason,
        address=address,
        happened_at=verdict.happened_at,
    )
    if isinstance(verdict, rules.NotApplied):
        return ConsentResult(False, before, before, verdict.reason_not_applied), None
    start_restores = rules.restored_by_start(
        change.status, change.method, before, current is not None and current.start_restores
    )
    paused = None if row is None or change.method in rules.ENDS_PAUSE else row.paused_at
    store_consent(tx, change, verdict.happened_at, start_restores, paused)
    changed = PurposeChange(change.purpose, before, change.status, change.method, change.source)
    return ConsentResult(True, before, change.status), None if before == change.status else changed


def store_consent(
    tx: Tx, change: ConsentChange, happened_at: datetime, start_restores: bool, paused_at: datetime | None
) -> None:
    tx.run(
        _UPSERT_CONSENT,
        contact_id=change.contact,
        purpose=change.purpose,
        status=change.status,
        method=change.method,
        source=change.source,
        happened_at=happened_at,
        recorded_at=tx.now,
        paused_at=paused_at,
        taken=start_restores,
    )


def is_sms(purpose: str) -> bool:
    return purpose in rules.SMS_PURPOSES


def address_of(tx: Tx, contact: int, texts: bool) -> str:
    row = tx.one(CONTACT_ADDRESSES, contact=contact)
    return (row.phone if texts else row.email) or ""


# --- erasure --------------------------------------------------------------------------------------

# Erases the contact's own words. Wording that we showed to the contact stays as proof.
_BLANK_PERSONAL_FIELDS = Statement(
    update(consent_ledger)
    .where(consent_ledger.c.contact_id == bindparam("contact"))
    .values(
        address="",
        reason="",
        wording=case((consent_ledger.c.method.in_(sorted(rules.OUR_WORDING)), consent_ledger.c.wording), else_=""),
    )
)


def erase(tx: Tx, contact: int, *, source: str) -> None:
    """Blanks the personal fields in this contact's chain and appends a row that records the erasure. The chain stays valid."""
    lock_head(tx, contact)
    append(
        tx,
        contact,
        purpose="",
        before="",
        status=chain.ERASED,
        applied=True,
        method=Method.AGENT,
        source=source,
        wording="",
        language="",
        reason="",
        address="",
        happened_at=tx.now,
    )
    tx.run(_BLANK_PERSONAL_FIELDS, contact=contact)
