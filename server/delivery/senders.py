"""Numbers and names we send from: add, change, start again, remove (CAM-50, CAM-51)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.delivery import queries, rules
from server.delivery.actions import wake
from server.delivery.rules import Sender, SenderKind, State
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Statement, Tx
from server.schema import outbound, senders


@dataclass(frozen=True, slots=True)
class Wanted:
    """None: what numbers of this kind can do at home."""

    address: str
    kind: SenderKind
    country: str
    countries: tuple[str, ...] | None = None
    mms: bool | None = None
    inbound: bool | None = None
    rate: int | None = None
    enabled: bool = True


_ADD = Statement(
    insert(senders)
    .values(
        {
            name: bindparam(name)
            for name in ("address kind country countries mms inbound rate enabled tokens filled_at created_at").split()
        }
    )
    .on_conflict_do_nothing(index_elements=[senders.c.address])
    .returning(senders.c.id)
)
_CHANGE = Statement(
    update(senders)
    .where(senders.c.id == bindparam("sender_id"))
    .values({name: bindparam(f"new_{name}") for name in "kind country countries mms inbound rate enabled".split()})
)
_START = Statement(update(senders).where(senders.c.id == bindparam("sender_id")).values(stopped=None))
_START_ALL = Statement(update(senders).where(senders.c.stopped.is_not(None)).values(stopped=None))
_REMOVE = Statement(delete(senders).where(senders.c.id == bindparam("sender_id")))
_ORPHAN = Statement(
    update(outbound)
    .where(outbound.c.sender == bindparam("by"), outbound.c.state.in_((State.QUEUED.value, State.CLAIMED.value)))
    .values(sender=None)
)


def _whole(wanted: Wanted) -> Sender:
    """With every default filled in. Raises `Refused` where the address does not fit its kind or its countries."""
    can = rules.capabilities(wanted.kind, wanted.country)
    countries = tuple(dict.fromkeys(wanted.countries)) if wanted.countries else can.countries
    bad = rules.check_sender(wanted.address, wanted.kind, wanted.country, countries)
    if bad is not None:
        raise Refused(bad.code, bad.message, field=bad.field)
    letters = wanted.kind is SenderKind.ALPHANUMERIC
    return Sender(
        0,
        wanted.address,
        wanted.kind,
        wanted.country,
        countries,
        # Nobody can answer letters, and no carrier takes a picture from them, whatever is ticked.
        can.mms if wanted.mms is None else wanted.mms and not letters,
        can.inbound if wanted.inbound is None else wanted.inbound and not letters,
        can.rate if wanted.rate is None else wanted.rate,
        wanted.enabled,
    )


def add(tx: Tx, wanted: Wanted) -> Sender:
    """Raises `Refused` `bad_sender`, `wrong_kind`, `wrong_country`, `unknown_country` or `no_letters_there`, `Conflict`
    `sender_exists`."""
    one = _whole(wanted)
    made = tx.value(
        _ADD,
        address=one.address,
        kind=one.kind.value,
        country=one.country,
        countries=list(one.countries),
        mms=one.mms,
        inbound=one.inbound,
        rate=one.rate,
        enabled=one.enabled,
        tokens=one.rate * rules.SCALE,
        filled_at=tx.now,
        created_at=tx.now,
    )
    if made is None:
        raise Conflict("sender_exists", "This number is already in the list.")
    wake(tx, tx.now)
    tx.announce(rules.SendersChanged())
    return _of(tx, made)


def change(tx: Tx, sender_id: int, wanted: Wanted, start: bool = False) -> Sender:
    """`start`: a stopped one sends again. Its address stays: another number is another sender."""
    before = _of(tx, sender_id)
    if wanted.address != before.address:
        raise Conflict("address_fixed", "A sender's number cannot be changed; add the other one.")
    one = _whole(wanted)
    tx.run(
        _CHANGE,
        sender_id=sender_id,
        new_kind=one.kind.value,
        new_country=one.country,
        new_countries=list(one.countries),
        new_mms=one.mms,
        new_inbound=one.inbound,
        new_rate=one.rate,
        new_enabled=one.enabled,
    )
    if start:
        tx.run(_START, sender_id=sender_id)
    wake(tx, tx.now)
    tx.announce(rules.SendersChanged())
    return _of(tx, sender_id)


def remove(tx: Tx, sender_id: int) -> Sender:
    """What waits for it is sent by another number of the country, or skipped."""
    one = _of(tx, sender_id)
    tx.run(_ORPHAN, by=one.address)
    tx.run(_REMOVE, sender_id=sender_id)
    wake(tx, tx.now)
    tx.announce(rules.SendersChanged())
    return one


def start_all(tx: Tx) -> int:
    """After the account was mended."""
    started = tx.run(_START_ALL)
    wake(tx, tx.now)
    tx.announce(rules.SendersChanged())
    return started


def _of(tx: Tx, sender_id: int) -> Sender:
    found = next((one for one in queries.all_senders(tx) if one.id == sender_id), None)
    if found is None:
        raise NotFound("There is no such sender.")
    return found
