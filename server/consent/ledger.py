"""The consent ledger: one row for every word, chained, and the standing it leaves. Steps.

Locks, in this order, so that the gate sees a STOP or comes before it: the number (`hold`), the contacts' heads from
the smallest id, their standings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.consent import chain, rules
from server.consent.queries import litigator, suppression
from server.consent.rules import Changed, Method, Standing, Status
from server.errors import Refused
from server.kernel.sql import Row, Statement, Tx
from server.schema import consent_heads, consent_ledger, consent_register, consents, contacts

# --- the ledger ---------------------------------------------------------------------------------

_NEW_HEAD = Statement(
    insert(consent_heads)
    .values(contact_id=bindparam("contact"), length=0, mac="", seal=bindparam("seal"))
    .on_conflict_do_nothing(index_elements=["contact_id"])
)
_HEAD = Statement(
    select(consent_heads.c.length, consent_heads.c.mac)
    .where(consent_heads.c.contact_id == bindparam("contact"))
    .with_for_update()
)
_MOVE_HEAD = Statement(
    update(consent_heads)
    .where(consent_heads.c.contact_id == bindparam("contact"))
    .values(length=bindparam("n"), mac=bindparam("new_mac"), seal=bindparam("new_seal"))
)
_FIELDS = [column.name for column in consent_ledger.columns if column.name != "id"]
_WRITE = Statement(insert(consent_ledger).values({name: bindparam(name) for name in _FIELDS}))
_NEW_REGISTER = Statement(
    insert(consent_register).values(id=1, chains=0, total="0", seal="").on_conflict_do_nothing(index_elements=["id"])
)
_REGISTER = Statement(select(consent_register).where(consent_register.c.id == 1).with_for_update())
_COUNT_CHAIN = Statement(
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
    """One more row of this contact's chain. Its head is locked until the end of the transaction."""
    key = tx.key(chain.PURPOSE)
    head = lock(tx, contact)
    salt = tx.token(16)
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
        commitment=chain.commit(key, salt, address, wording, reason),
        happened_at=happened_at,
        recorded_at=tx.now,
    )
    mac = chain.mac(key, head.mac, entry)
    tx.run(_WRITE, mac=mac, **{name: getattr(entry, name) for name in _FIELDS if name != "mac"})
    tx.run(_MOVE_HEAD, contact=contact, n=entry.n, new_mac=mac, new_seal=chain.seal(key, contact, entry.n, mac))


def lock(tx: Tx, contact: int) -> Row:
    """The head of this contact's chain, which is begun where there is none; nobody else writes to it until the end."""
    key = tx.key(chain.PURPOSE)
    if tx.run(_NEW_HEAD, contact=contact, seal=chain.seal(key, contact, 0, "")):
        _count_chain(tx, key, contact)
    return tx.one(_HEAD, contact=contact)


def _count_chain(tx: Tx, key: bytes, contact: int) -> None:
    tx.run(_NEW_REGISTER)
    register = tx.one(_REGISTER)
    chains = register.chains + 1
    total = f"{(int(register.total, 16) + chain.born(key, contact)) % chain.MODULUS:x}"
    tx.run(_COUNT_CHAIN, n=chains, sum=total, new_seal=chain.register_seal(key, chains, total))


# --- one word on one purpose --------------------------------------------------------------------

STANDING = Statement(
    select(consents.c.status, consents.c.method, consents.c.happened_at, consents.c.taken, consents.c.paused_at)
    .where(consents.c.contact_id == bindparam("contact"), consents.c.purpose == bindparam("purpose"))
    .with_for_update()
)
_put = insert(consents).values({column.name: bindparam(column.name) for column in consents.columns})
_STAND = Statement(
    _put.on_conflict_do_update(
        index_elements=["contact_id", "purpose"],
        set_={
            name: _put.excluded[name]
            for name in ("status", "method", "source", "happened_at", "recorded_at", "paused_at", "taken")
        },
    )
)
ADDRESS = Statement(select(contacts.c.phone, contacts.c.email).where(contacts.c.id == bindparam("contact")))


@dataclass(frozen=True, slots=True)
class Change:
    """A word on one purpose. `happened_at` None: now. `address` None: the contact's own for that channel."""

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
class Recorded:
    """`applied` False: kept as evidence, nothing changed; `why`: older | opted_out | litigator | same."""

    applied: bool
    before: str
    status: str  # as it stands now
    why: str | None = None


def write_down(tx: Tx, change: Change) -> tuple[Recorded, Changed | None]:
    """One row of the ledger, and the standing where it counts. What changed is for the caller to announce.

    Raises `Refused` "invalid" for a date in the future.
    """
    texts = is_sms(change.purpose)
    address = address_of(tx, change.contact, texts) if change.address is None else change.address
    opted_out = listed = False
    if texts and address:
        tx.hold(f"sms:{address}", shared=change.status is Status.SUBSCRIBED)
        stands = suppression(tx, "sms", address)
        opted_out = stands is not None and stands.reason in rules.OPTED_OUT
        listed = change.status is Status.SUBSCRIBED and litigator(tx, address)
    lock(tx, change.contact)
    row = tx.first(STANDING, contact=change.contact, purpose=change.purpose)
    current = None if row is None else Standing(row.status, row.method, row.happened_at, row.taken)
    before = Status.NEVER_SUBSCRIBED if current is None else Status(current.status)
    verdict = rules.on_change(
        current,
        change.status,
        change.method,
        change.happened_at,
        number_opted_out=opted_out,
        litigator=listed,
        now=tx.now,
    )
    if isinstance(verdict, rules.Impossible):
        raise Refused("invalid", verdict.message, field="happened_at")
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
    if isinstance(verdict, rules.KeptOnly):
        return Recorded(False, before, before, verdict.why), None
    taken = rules.takes(change.status, change.method, before, current is not None and current.taken)
    paused = None if row is None or change.method in rules.LIFTS_PAUSE else row.paused_at
    stand(tx, change, verdict.happened_at, taken, paused)
    changed = Changed(change.purpose, before, change.status, change.method, change.source)
    return Recorded(True, before, change.status), None if before == change.status else changed


def stand(tx: Tx, change: Change, happened_at: datetime, taken: bool, paused_at: datetime | None) -> None:
    tx.run(
        _STAND,
        contact_id=change.contact,
        purpose=change.purpose,
        status=change.status,
        method=change.method,
        source=change.source,
        happened_at=happened_at,
        recorded_at=tx.now,
        paused_at=paused_at,
        taken=taken,
    )


def is_sms(purpose: str) -> bool:
    return purpose in rules.SMS_PURPOSES


def address_of(tx: Tx, contact: int, texts: bool) -> str:
    row = tx.one(ADDRESS, contact=contact)
    return (row.phone if texts else row.email) or ""


# --- erasure --------------------------------------------------------------------------------------

# Their own words, where we were told in a text; a form's wording is ours and stays as proof.
_BLANK = Statement(
    update(consent_ledger)
    .where(consent_ledger.c.contact_id == bindparam("contact"))
    .values(
        address="",
        reason="",
        wording=case(
            (consent_ledger.c.method.in_((Method.KEYWORD, Method.REQUEST)), ""), else_=consent_ledger.c.wording
        ),
    )
)


def erase(tx: Tx, contact: int, *, source: str) -> None:
    """Blanks what is personal in this contact's chain. A last row says so; what was committed to stays proven."""
    lock(tx, contact)
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
    tx.run(_BLANK, contact=contact)
