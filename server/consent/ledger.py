"""Writes the consent ledger, one chained row per change, and the current consent in `consents`, as transaction steps.

Lock order: the number (`lock_names`), then the contacts' heads by ascending id, then their consents. A send therefore
either sees a STOP or begins before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, bindparam, case, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.consent import chain, rules
from server.consent.queries import litigators_among, suppressions_of
from server.consent.rules import CurrentConsent, Method, PurposeChange, Status
from server.errors import Refused
from server.kernel.columns import storable
from server.kernel.sql import ROWS_PER_STATEMENT, Row, Statement, Tx, chunks
from server.schema import consent_heads, consent_ledger, consent_register, consents, contacts

# --- the ledger ---------------------------------------------------------------------------------

_contacts: BindParameter[Any] = bindparam("contacts", expanding=True)
_insert_head = insert(consent_heads).values(
    contact_id=bindparam("contact"), length=bindparam("n"), mac=bindparam("mac"), seal=bindparam("seal")
)
_INSERT_HEAD = Statement(
    _insert_head.on_conflict_do_nothing(index_elements=["contact_id"]).returning(consent_heads.c.contact_id)
)
_LOCK_HEADS = Statement(
    select(consent_heads.c.contact_id, consent_heads.c.length, consent_heads.c.mac)
    .where(consent_heads.c.contact_id.in_(_contacts))
    .order_by(consent_heads.c.contact_id)
    .with_for_update()
)
_UPDATE_HEAD = Statement(
    _insert_head.on_conflict_do_update(
        index_elements=["contact_id"],
        set_={name: _insert_head.excluded[name] for name in ("length", "mac", "seal")},
    )
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


class Head(NamedTuple):
    """The end of a contact's chain."""

    length: int
    mac: str


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to append to a contact's chain."""

    contact: int
    purpose: str
    before: str
    status: str
    applied: bool
    method: str
    happened_at: datetime
    source: str = ""
    wording: str = ""
    language: str = ""
    reason: str = ""
    address: str = ""


def append(tx: Tx, row: NewRow) -> None:
    """Appends a row to its contact's chain and locks the chain's head until the end of the transaction."""
    append_many(tx, lock_heads(tx, [row.contact]), [row])


def append_many(tx: Tx, heads: dict[int, Head], rows: Sequence[NewRow]) -> None:
    """Appends rows to the chains of their contacts, in order. `heads`: what `lock_heads` returned; brought up to date."""
    key = tx.key(chain.PURPOSE)
    stored = []
    for row in rows:
        head = heads[row.contact]
        salt = tx.token(16)
        # The MAC must cover the texts as the database will return them.
        source, wording, language, reason, address = map(
            storable, (row.source, row.wording, row.language, row.reason, row.address)
        )
        entry = chain.Entry(
            contact_id=row.contact,
            n=head.length + 1,
            purpose=row.purpose,
            before=row.before,
            status=row.status,
            applied=row.applied,
            method=row.method,
            source=source,
            wording=wording,
            language=language,
            reason=reason,
            address=address,
            salt=salt,
            commitment=chain.commitments(key, salt, address, wording, reason),
            happened_at=row.happened_at,
            recorded_at=tx.now,
        )
        mac = chain.mac(key, head.mac, entry)
        stored.append({name: getattr(entry, name) for name in _FIELDS if name != "mac"} | {"mac": mac})
        heads[row.contact] = Head(entry.n, mac)
    tx.run_many(_INSERT_ROW, stored)
    ends = [
        {"contact": contact, "n": n, "mac": mac, "seal": chain.seal(key, contact, n, mac)}
        for contact, (n, mac) in sorted((contact, heads[contact]) for contact in {row.contact for row in rows})
    ]
    tx.run_many(_UPDATE_HEAD, ends)


def lock_head(tx: Tx, contact: int) -> None:
    """Locks this contact's chain until the end of the transaction; creates it if there is none."""
    lock_heads(tx, [contact])


def lock_heads(tx: Tx, contact_ids: Iterable[int]) -> dict[int, Head]:
    """Locks and returns the heads of these contacts' chains; creates chains that do not exist."""
    key = tx.key(chain.PURPOSE)
    ids = sorted(set(contact_ids))
    empty = [{"contact": contact, "n": 0, "mac": "", "seal": chain.seal(key, contact, 0, "")} for contact in ids]
    created = [row.contact_id for row in tx.all_many(_INSERT_HEAD, empty)]
    if created:
        _register_chains(tx, key, created)
    return {
        row.contact_id: Head(row.length, row.mac)
        for some in chunks(ids, ROWS_PER_STATEMENT)
        for row in tx.all(_LOCK_HEADS, contacts=list(some))
    }


def _register_chains(tx: Tx, key: bytes, contact_ids: Sequence[int]) -> None:
    tx.run(_INSERT_REGISTER)
    register = tx.one(_LOCK_REGISTER)
    chains = register.chains + len(contact_ids)
    shares = sum(chain.register_share(key, contact) for contact in contact_ids)
    total = f"{(int(register.total, 16) + shares) % chain.MODULUS:x}"
    tx.run(_UPDATE_REGISTER, n=chains, sum=total, new_seal=chain.register_seal(key, chains, total))


# --- changes of purposes --------------------------------------------------------------------------

LOCK_CONSENT = Statement(
    select(consents.c.status, consents.c.method, consents.c.happened_at, consents.c.taken, consents.c.paused_at)
    .where(consents.c.contact_id == bindparam("contact"), consents.c.purpose == bindparam("purpose"))
    .with_for_update()
)
_LOCK_CONSENTS = Statement(
    select(
        consents.c.contact_id,
        consents.c.purpose,
        consents.c.status,
        consents.c.method,
        consents.c.happened_at,
        consents.c.taken,
        consents.c.paused_at,
    )
    .where(consents.c.contact_id.in_(_contacts))
    .order_by(consents.c.contact_id, consents.c.purpose)
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
_ADDRESSES_OF = Statement(select(contacts.c.id, contacts.c.phone, contacts.c.email).where(contacts.c.id.in_(_contacts)))


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
    """`applied` False: kept as evidence only; `reason_not_applied`: older | opted_out | litigator | same. Or `in_future`:
    not even kept."""

    applied: bool
    before: str
    status: str  # the status after the change
    reason_not_applied: str | None = None
    changed: PurposeChange | None = None  # the change to announce
    address: str = ""  # as recorded


def record_consent(tx: Tx, change: ConsentChange) -> tuple[ConsentResult, PurposeChange | None]:
    """Writes a ledger row, and the current consent if the change applies. The caller announces the returned change.

    Raises `Refused` "invalid" for a date in the future.
    """
    (result,) = record_consents(tx, [change])
    if result.reason_not_applied == rules.IN_FUTURE:
        raise Refused("invalid", rules.IN_FUTURE_MESSAGE, field="happened_at", fault=rules.IN_FUTURE)
    return result, result.changed


@dataclass(slots=True)
class _Current:
    """The current consent for one purpose, kept up to date while changes are recorded."""

    consent: CurrentConsent | None = None
    paused_at: datetime | None = None


def record_consents(tx: Tx, changes: Sequence[ConsentChange]) -> list[ConsentResult]:
    """Writes a ledger row for each change, in order, and the current consents of those that apply; one result each.

    The rules are those of a single change, but the number of statements does not grow with the number of changes, and
    the register is updated once. The caller announces `changed` of the results. At most some hundred changes, because
    each number is locked.
    """
    if not changes:
        return []
    changes = _with_addresses(tx, changes)
    numbers = sorted({str(change.address) for change in changes if is_sms(change.purpose) and change.address})
    subscribes = all(change.status is Status.SUBSCRIBED for change in changes)
    tx.lock_names(*(f"sms:{number}" for number in numbers), shared=subscribes)
    opted_out = {
        number for number, item in suppressions_of(tx, "sms", numbers).items() if item.reason in rules.OPTED_OUT
    }
    subscribing = {change.address for change in changes if change.status is Status.SUBSCRIBED}
    listed = litigators_among(tx, [number for number in numbers if number in subscribing])
    heads = lock_heads(tx, (change.contact for change in changes))
    current = _lock_current(tx, list(heads))
    results: list[ConsentResult] = []
    rows: list[NewRow] = []
    stored: dict[tuple[int, str], dict[str, Any]] = {}
    for change in changes:
        state = current.setdefault((change.contact, change.purpose), _Current())
        by_sms = is_sms(change.purpose)
        before = Status.NEVER_SUBSCRIBED if state.consent is None else Status(state.consent.status)
        verdict = rules.on_change(
            state.consent,
            change.status,
            change.method,
            change.happened_at,
            number_opted_out=by_sms and change.address in opted_out,
            litigator=by_sms and change.address in listed,
            now=tx.now,
        )
        if isinstance(verdict, rules.Invalid):
            results.append(ConsentResult(False, before, before, rules.IN_FUTURE))
            continue
        applied = isinstance(verdict, rules.Applied)
        rows.append(_row(change, before, applied, verdict.happened_at))
        if isinstance(verdict, rules.NotApplied):
            refused = verdict.reason_not_applied
            results.append(ConsentResult(False, before, before, refused))
            continue
        start_restores = rules.restored_by_start(
            change.status, change.method, before, state.consent is not None and state.consent.start_restores
        )
        paused_at = None if change.method in rules.ENDS_PAUSE else state.paused_at
        state.consent = CurrentConsent(change.status, change.method, verdict.happened_at, start_restores)
        state.paused_at = paused_at
        stored[change.contact, change.purpose] = _stored(tx, change, verdict.happened_at, start_restores, paused_at)
        changed = PurposeChange(change.purpose, before, change.status, change.method, change.source)
        announced = None if before == change.status else changed
        results.append(ConsentResult(True, before, change.status, None, announced, change.address or ""))
    append_many(tx, heads, rows)
    tx.run_many(_UPSERT_CONSENT, [stored[key] for key in sorted(stored)])
    return results


def _with_addresses(tx: Tx, changes: Sequence[ConsentChange]) -> list[ConsentChange]:
    """The changes, each with an address: the one it names, or the contact's address on the channel, or ""."""
    unknown = sorted({change.contact for change in changes if change.address is None})
    known = {
        row.id: row
        for some in chunks(unknown, ROWS_PER_STATEMENT)
        for row in tx.all(_ADDRESSES_OF, contacts=list(some))
    }
    if len(known) < len(unknown):
        raise LookupError("a contact that must exist is missing")
    return [
        replace(change, address=_on_channel(known[change.contact], change.purpose))
        if change.address is None
        else change
        for change in changes
    ]


def _on_channel(contact: Row, purpose: str) -> str:
    return (contact.phone if is_sms(purpose) else contact.email) or ""


def _lock_current(tx: Tx, contact_ids: Sequence[int]) -> dict[tuple[int, str], _Current]:
    return {
        (row.contact_id, row.purpose): _Current(
            CurrentConsent(row.status, row.method, row.happened_at, row.taken), row.paused_at
        )
        for some in chunks(sorted(contact_ids), ROWS_PER_STATEMENT)
        for row in tx.all(_LOCK_CONSENTS, contacts=list(some))
    }


def _row(change: ConsentChange, before: str, applied: bool, happened_at: datetime) -> NewRow:
    return NewRow(
        change.contact,
        change.purpose,
        before,
        change.status,
        applied,
        change.method,
        happened_at,
        change.source,
        change.wording,
        change.language,
        change.reason,
        change.address or "",
    )


def store_consent(
    tx: Tx, change: ConsentChange, happened_at: datetime, start_restores: bool, paused_at: datetime | None
) -> None:
    tx.run(_UPSERT_CONSENT, **_stored(tx, change, happened_at, start_restores, paused_at))


def _stored(
    tx: Tx, change: ConsentChange, happened_at: datetime, start_restores: bool, paused_at: datetime | None
) -> dict[str, Any]:
    return {
        "contact_id": change.contact,
        "purpose": change.purpose,
        "status": change.status,
        "method": change.method,
        "source": change.source,
        "happened_at": happened_at,
        "recorded_at": tx.now,
        "paused_at": paused_at,
        "taken": start_restores,
    }


def is_sms(purpose: str) -> bool:
    return purpose in rules.SMS_PURPOSES


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
    append(tx, NewRow(contact, "", "", chain.ERASED, True, Method.AGENT, tx.now, source))
    tx.run(_BLANK_PERSONAL_FIELDS, contact=contact)
