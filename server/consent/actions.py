"""Writes of consent: one ledger row for every word, and what keywords, carriers and agents change. Steps.

Locks, in this order, so that the gate sees a STOP or comes before it: the number (`hold`), the contacts' heads from
the smallest id, their standings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.consent import chain, rules
from server.consent.queries import contacts_at, opt_in, suppression
from server.consent.rules import (
    AddressChanged,
    Changed,
    ConsentChanged,
    Method,
    Purpose,
    Standing,
    Status,
    Suppressed,
)
from server.errors import Refused
from server.kernel.sql import Row, Statement, Tx
from server.schema import (
    consent_heads,
    consent_ledger,
    consent_register,
    consents,
    contacts,
    opt_ins,
    suppressions,
)

OPT_IN_LIFE = timedelta(days=7)  # a question nobody answered is forgotten


# --- the ledger ---------------------------------------------------------------------------------

_NEW_HEAD = Statement(
    insert(consent_heads)
    .values(contact_id=bindparam("contact"), length=0, mac="", seal="")
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


def _append(
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
    head = _lock(tx, contact)
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


def _lock(tx: Tx, contact: int) -> Row:
    """The head of this contact's chain, which is begun where there is none; nobody else writes to it until the end."""
    if tx.run(_NEW_HEAD, contact=contact):
        _count_chain(tx, tx.key(chain.PURPOSE), contact)
    return tx.one(_HEAD, contact=contact)


def _count_chain(tx: Tx, key: bytes, contact: int) -> None:
    tx.run(_NEW_REGISTER)
    register = tx.one(_REGISTER)
    chains = register.chains + 1
    total = f"{(int(register.total, 16) + chain.born(key, contact)) % chain.MODULUS:x}"
    tx.run(_COUNT_CHAIN, n=chains, sum=total, new_seal=chain.register_seal(key, chains, total))


# --- one word on one purpose --------------------------------------------------------------------

_STANDING = Statement(
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
_ADDRESS = Statement(select(contacts.c.phone, contacts.c.email).where(contacts.c.id == bindparam("contact")))


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
    """`applied` False: kept as evidence, nothing changed; `why`: older | opted_out."""

    applied: bool
    before: str
    status: str  # as it stands now
    why: str | None = None


def record(tx: Tx, change: Change) -> Recorded:
    """Writes it down, and lets it count where it may. Raises `Refused` "invalid" for a date in the future."""
    result, changed = _record(tx, change)
    if changed is not None:
        tx.announce(ConsentChanged(change.contact, (changed,)))
    return result


def _record(tx: Tx, change: Change, *, taken: bool = False, unpause: bool = False) -> tuple[Recorded, Changed | None]:
    texts = is_sms(change.purpose)
    address = _address(tx, change.contact, texts) if change.address is None else change.address
    opted_out = False
    if texts and address:
        tx.hold(f"sms:{address}", shared=change.status is Status.SUBSCRIBED)
        stands = suppression(tx, "sms", address)
        opted_out = stands is not None and stands.reason in rules.OPTED_OUT
    _lock(tx, change.contact)
    row = tx.first(_STANDING, contact=change.contact, purpose=change.purpose)
    current = None if row is None else Standing(row.status, row.method, row.happened_at, row.taken)
    before = Status.NEVER_SUBSCRIBED if current is None else Status(current.status)
    verdict = rules.on_change(
        current,
        change.status,
        change.method,
        change.happened_at,
        number_opted_out=opted_out,
        now=tx.now,
    )
    if isinstance(verdict, rules.Impossible):
        raise Refused("invalid", verdict.message, field="happened_at")
    applied = isinstance(verdict, rules.Applied)
    _append(
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
    paused = None if row is None or unpause or change.method in rules.OWN_WORD else row.paused_at
    _stand(tx, change, verdict.happened_at, taken, paused)
    changed = Changed(change.purpose, before, change.status, change.method, change.source)
    return Recorded(True, before, change.status), None if before == change.status else changed


def _stand(tx: Tx, change: Change, happened_at: datetime, taken: bool, paused_at: datetime | None) -> None:
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


def _address(tx: Tx, contact: int, texts: bool) -> str:
    row = tx.one(_ADDRESS, contact=contact)
    return (row.phone if texts else row.email) or ""


# --- suppressions -------------------------------------------------------------------------------

_put_suppression = insert(suppressions).values({column.name: bindparam(column.name) for column in suppressions.columns})
_SUPPRESS = Statement(
    _put_suppression.on_conflict_do_update(
        index_elements=["channel", "address"],
        set_={name: _put_suppression.excluded[name] for name in ("reason", "detail", "at")},
    )
)
_UNSUPPRESS = Statement(
    delete(suppressions).where(
        suppressions.c.channel == bindparam("channel"), suppressions.c.address == bindparam("address")
    )
)


def suppress(tx: Tx, channel: rules.Channel, address: str, reason: Suppressed, detail: str = "") -> bool:
    """This address is not sent to any more, whoever has it. False: it was not before either, for a reason as firm."""
    tx.hold(f"{channel}:{address}")
    found = suppression(tx, channel, address)
    # Who opted out stays opted out, also when the number later turns out to be dead: only START lifts that.
    if found is not None and (found.reason == reason or found.reason in rules.OPTED_OUT):
        return False
    tx.run(_SUPPRESS, channel=channel, address=address, reason=reason, detail=detail, at=tx.now)
    tx.announce(AddressChanged(channel, address, reason))
    return True


def unsuppress(tx: Tx, channel: rules.Channel, address: str) -> bool:
    """False: it was not suppressed."""
    tx.hold(f"{channel}:{address}")
    lifted = tx.run(_UNSUPPRESS, channel=channel, address=address) > 0
    if lifted:
        tx.announce(AddressChanged(channel, address, None))
    return lifted


# --- what texts do ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopped:
    """`first`: the number had not opted out before, so that one confirmation is due."""

    first: bool


def stop(
    tx: Tx, phone: str, contact_ids: Iterable[int], *, language: str = "", source: str = "", wording: str = ""
) -> Stopped:
    """Takes both SMS consents from everybody with this number, and the number itself off the table (KEY-1, AMB-33)."""
    return _stop(tx, phone, contact_ids, Method.KEYWORD, Suppressed.STOP, language, source, wording)


def gateway_stop(tx: Tx, phone: str, contact_ids: Iterable[int], *, source: str = "", wording: str = "") -> Stopped:
    """The carrier says they opted out there: 21610, or `OptOutType` (KEY-13). Recorded; nobody answers it."""
    return _stop(tx, phone, contact_ids, Method.GATEWAY, Suppressed.GATEWAY, "", source, wording)


def _stop(
    tx: Tx,
    phone: str,
    contact_ids: Iterable[int],
    method: Method,
    why: Suppressed,
    language: str,
    source: str,
    wording: str,
    reason: str = "",
) -> Stopped:
    tx.hold(f"sms:{phone}")
    found = suppression(tx, "sms", phone)
    first = found is None or found.reason not in rules.OPTED_OUT
    if first:
        tx.run(_SUPPRESS, channel="sms", address=phone, reason=why, detail=source, at=tx.now)
        tx.announce(AddressChanged("sms", phone, why))
    for contact in _everybody(tx, phone, contact_ids):
        _lock(tx, contact)
        changes = []
        lifted = False
        for purpose in rules.SMS_PURPOSES:
            row = tx.first(_STANDING, contact=contact, purpose=purpose)
            took = row is not None and (
                row.status == Status.SUBSCRIBED or (row.taken and row.status == Status.UNSUBSCRIBED)
            )
            lifted |= row is not None and row.paused_at is not None
            change = Change(
                contact, purpose, Status.UNSUBSCRIBED, method, source, wording, language, None, reason, phone
            )
            _, changed = _record(tx, change, taken=took, unpause=True)
            if changed is not None:
                changes.append(changed)
        tx.run(_FORGET_OPT_IN, contact=contact)
        if changes or lifted:
            tx.announce(ConsentChanged(contact, tuple(changes), False if lifted else None))
    return Stopped(first)


@dataclass(frozen=True, slots=True)
class Started:
    """`lifted`: the number had opted out; `restored`: some consent stands again."""

    lifted: bool
    restored: bool


def start(
    tx: Tx, phone: str, contact_ids: Iterable[int], *, language: str = "", source: str = "", wording: str = ""
) -> Started:
    """Brings back what STOP took, with a new time, and nothing more (KEY-3, AMB-32, S15)."""
    tx.hold(f"sms:{phone}")
    lifted = _lift_number(tx, phone)
    restored = False
    for contact in _everybody(tx, phone, contact_ids):
        _lock(tx, contact)
        changes = []
        for purpose in rules.SMS_PURPOSES:
            row = tx.first(_STANDING, contact=contact, purpose=purpose)
            current = None if row is None else Standing(row.status, row.method, row.happened_at, row.taken)
            status = rules.given_back(current)
            if status is None:
                continue
            change = Change(contact, purpose, status, Method.KEYWORD, source, wording, language, None, "", phone)
            _, changed = _record(tx, change, unpause=True)
            restored |= status is Status.SUBSCRIBED
            if changed is not None:
                changes.append(changed)
        if changes:
            tx.announce(ConsentChanged(contact, tuple(changes)))
    return Started(lifted, restored)


def _lift_number(tx: Tx, phone: str) -> bool:
    """Their own text lifts an opt-out from the number; not that it is dead, and not what somebody here decided."""
    found = suppression(tx, "sms", phone)
    if found is None or found.reason not in (Suppressed.STOP, Suppressed.GATEWAY):
        return False
    return unsuppress(tx, "sms", phone)


def _everybody(tx: Tx, phone: str, contact_ids: Iterable[int]) -> list[int]:
    return sorted({*contact_ids, *contacts_at(tx, phone)})


# --- "please stop texting me" (AMB-1) -------------------------------------------------------------

_PAUSE = Statement(
    update(consents)
    .where(consents.c.contact_id == bindparam("contact"), consents.c.purpose == bindparam("purpose"))
    .values(paused_at=bindparam("at"))
)


def ask_to_stop(tx: Tx, phone: str, contact_ids: Iterable[int], *, source: str, wording: str) -> bool:
    """Pauses marketing to everybody with this number until somebody decides. False: it was paused or stopped already."""
    tx.hold(f"sms:{phone}")
    found = suppression(tx, "sms", phone)
    if found is not None and found.reason in rules.OPTED_OUT:
        return False
    paused = [_pause(tx, contact, phone, source, wording) for contact in _everybody(tx, phone, contact_ids)]
    return any(paused)


def _pause(tx: Tx, contact: int, phone: str, source: str, wording: str) -> bool:
    purpose = Purpose.SMS_MARKETING
    _lock(tx, contact)
    row = tx.first(_STANDING, contact=contact, purpose=purpose)
    if row is not None and row.paused_at is not None:
        return False
    if row is None:
        _stand(
            tx, Change(contact, purpose, Status.NEVER_SUBSCRIBED, Method.KEYWORD, source), rules.EARLIEST, False, None
        )
    before = Status.NEVER_SUBSCRIBED if row is None else row.status
    _mark(tx, contact, before, "paused", Method.KEYWORD, source, wording, phone)
    tx.run(_PAUSE, contact=contact, purpose=purpose, at=tx.now)
    tx.announce(ConsentChanged(contact, (), True))
    return True


def _mark(
    tx: Tx, contact: int, before: str, status: str, method: Method, source: str, wording: str, address: str
) -> None:
    """A row of the chain that tells of something else than a status."""
    _append(
        tx,
        contact,
        purpose=Purpose.SMS_MARKETING,
        before=before,
        status=status,
        applied=True,
        method=method,
        source=source,
        wording=wording,
        language="",
        reason="",
        address=address,
        happened_at=tx.now,
    )


def confirm_stop(tx: Tx, phone: str, contact_ids: Iterable[int], *, user: int, wording: str = "") -> Stopped:
    """The one tap: an agent agrees that they asked to stop. As their own STOP, with who decided."""
    return _stop(
        tx, phone, contact_ids, Method.KEYWORD, Suppressed.STOP, "", f"user:{user}", wording, "confirmed by an agent"
    )


def lift_pause(tx: Tx, phone: str, contact_ids: Iterable[int], *, user: int) -> bool:
    """The other tap: it was no wish to stop. False: nothing was paused."""
    tx.hold(f"sms:{phone}")
    lifted = False
    for contact in _everybody(tx, phone, contact_ids):
        row = tx.first(_STANDING, contact=contact, purpose=Purpose.SMS_MARKETING)
        if row is None or row.paused_at is None:
            continue
        _mark(tx, contact, row.status, "resumed", Method.AGENT, f"user:{user}", "", phone)
        tx.run(_PAUSE, contact=contact, purpose=Purpose.SMS_MARKETING, at=None)
        tx.announce(ConsentChanged(contact, (), False))
        lifted = True
    return lifted


# --- opting in ----------------------------------------------------------------------------------

_put_opt_in = insert(opt_ins).values({column.name: bindparam(column.name) for column in opt_ins.columns})
_ASK_OPT_IN = Statement(
    _put_opt_in.on_conflict_do_update(
        index_elements=["contact_id"],
        set_={
            name: _put_opt_in.excluded[name]
            for name in ("purposes", "keyword", "source", "wording", "asked_at", "expires_at")
        },
    )
)
_FORGET_OPT_IN = Statement(delete(opt_ins).where(opt_ins.c.contact_id == bindparam("contact")))


def subscribe(tx: Tx, contact: int, phone: str, *, source: str, wording: str, language: str = "") -> Recorded:
    """A subscribe keyword with single opt-in: marketing texts, by their own text (KEY-10)."""
    tx.hold(f"sms:{phone}")
    _lift_number(tx, phone)
    return record(
        tx,
        Change(
            contact,
            Purpose.SMS_MARKETING,
            Status.SUBSCRIBED,
            Method.KEYWORD,
            source,
            wording,
            language,
            None,
            "",
            phone,
        ),
    )


def ask_opt_in(
    tx: Tx,
    contact: int,
    *,
    wording: str,
    source: str,
    keyword: str = "",
    purposes: Sequence[str] = (Purpose.SMS_MARKETING,),
) -> None:
    """Remembers what was asked until they say YES (CON-9). `wording`: the question as they see it; the proof later."""
    tx.run(
        _ASK_OPT_IN,
        contact_id=contact,
        purposes=list(purposes),
        keyword=keyword,
        source=source,
        wording=wording,
        asked_at=tx.now,
        expires_at=tx.now + OPT_IN_LIFE,
    )


def confirm_opt_in(
    tx: Tx, contact: int, phone: str, *, source: str, said: str, language: str = ""
) -> tuple[str, ...] | None:
    """YES: what was asked now stands; a YES by text also to e-mail, where that was asked (CON-9). None: nothing was."""
    tx.hold(f"sms:{phone}")
    asked = opt_in(tx, contact, tx.now)
    if asked is None or not tx.run(_FORGET_OPT_IN, contact=contact):
        return None
    _lift_number(tx, phone)
    changes = []
    for purpose in sorted(asked.purposes):
        change = Change(
            contact,
            purpose,
            Status.SUBSCRIBED,
            Method.DOUBLE_OPT_IN,
            source,
            asked.wording,
            language,
            None,
            f"answered {said[:40]!r}",
            phone if is_sms(purpose) else None,
        )
        _, changed = _record(tx, change)
        if changed is not None:
            changes.append(changed)
    if changes:
        tx.announce(ConsentChanged(contact, tuple(changes)))
    return tuple(asked.purposes)
