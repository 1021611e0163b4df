"""Adds, changes, restarts and removes the numbers and names that we send from (CAM-50, CAM-51)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.delivery import queries, rules
from server.delivery.actions import move_messages, wake_pump
from server.delivery.rules import Sender, SenderKind
from server.errors import Conflict, NotFound, Refused
from server.kernel.documents import publish_change
from server.kernel.sql import Statement, Tx
from server.schema import senders


@dataclass(frozen=True, slots=True)
class SenderInput:
    """A sender as the owner enters it. None: the default of its kind and country."""

    address: str
    kind: SenderKind
    country: str
    countries: tuple[str, ...] | None = None
    mms: bool | None = None
    inbound: bool | None = None
    rate: int | None = None
    enabled: bool = True


_INSERT_SENDER = Statement(
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
_UPDATE_SENDER = Statement(
    update(senders)
    .where(senders.c.id == bindparam("sender_id"))
    .values({name: bindparam(f"new_{name}") for name in "kind country countries mms inbound rate enabled".split()})
)
_CLEAR_STOPPED = Statement(update(senders).where(senders.c.id == bindparam("sender_id")).values(stopped=None))
_CLEAR_ALL_STOPPED = Statement(update(senders).where(senders.c.stopped.is_not(None)).values(stopped=None))
_DELETE_SENDER = Statement(delete(senders).where(senders.c.id == bindparam("sender_id")))


def _with_defaults(entered: SenderInput) -> Sender:
    """The sender with all defaults. Raises `Refused` if the address does not match its kind or its countries."""
    defaults = rules.capabilities(entered.kind, entered.country)
    countries = tuple(dict.fromkeys(entered.countries)) if entered.countries else defaults.countries
    refusal = rules.check_sender(entered.address, entered.kind, entered.country, countries)
    if refusal is not None:
        raise Refused(refusal.code, refusal.message, field=refusal.field)
    alphanumeric = entered.kind is SenderKind.ALPHANUMERIC
    return Sender(
        0,
        entered.address,
        entered.kind,
        entered.country,
        countries,
        # An alphanumeric sender can neither send MMS nor receive texts.
        defaults.mms if entered.mms is None else entered.mms and not alphanumeric,
        defaults.inbound if entered.inbound is None else entered.inbound and not alphanumeric,
        defaults.rate if entered.rate is None else entered.rate,
        entered.enabled,
    )


def add(tx: Tx, entered: SenderInput) -> Sender:
    """Raises `Refused` `bad_sender`, `wrong_kind`, `wrong_country`, `unknown_country` or `no_letters_there`, `Conflict`
    `sender_exists`."""
    sender = _with_defaults(entered)
    sender_id = tx.value(
        _INSERT_SENDER,
        address=sender.address,
        kind=sender.kind.value,
        country=sender.country,
        countries=list(sender.countries),
        mms=sender.mms,
        inbound=sender.inbound,
        rate=sender.rate,
        enabled=sender.enabled,
        tokens=sender.rate * rules.SCALE,
        filled_at=tx.now,
        created_at=tx.now,
    )
    if sender_id is None:
        raise Conflict("sender_exists", "This number is already in the list.")
    _move_all(tx)
    publish_change(tx, "senders")
    return existing(tx, sender_id)


def change(tx: Tx, sender_id: int, entered: SenderInput, start: bool = False) -> Sender:
    """Changes a sender. `start`: a stopped one sends again. Raises `NotFound`, `Refused` as `add`, and `Conflict`
    `address_fixed`."""
    before = existing(tx, sender_id)
    if entered.address != before.address:
        raise Conflict("address_fixed", "A sender's number cannot be changed. Add the other number instead.")
    sender = _with_defaults(entered)
    tx.run(
        _UPDATE_SENDER,
        sender_id=sender_id,
        new_kind=sender.kind.value,
        new_country=sender.country,
        new_countries=list(sender.countries),
        new_mms=sender.mms,
        new_inbound=sender.inbound,
        new_rate=sender.rate,
        new_enabled=sender.enabled,
    )
    if start:
        tx.run(_CLEAR_STOPPED, sender_id=sender_id)
    _move_all(tx)
    publish_change(tx, "senders")
    return existing(tx, sender_id)


def remove(tx: Tx, sender_id: int) -> Sender:
    """Removes a sender; another number of the country sends its waiting messages, or they are skipped."""
    sender = existing(tx, sender_id)
    tx.run(_DELETE_SENDER, sender_id=sender_id)
    move_messages(tx, [sender.address])
    wake_pump(tx, tx.now)
    publish_change(tx, "senders")
    return sender


def start_all(tx: Tx) -> int:
    """Restarts all stopped senders, after the account was repaired."""
    started = tx.run(_CLEAR_ALL_STOPPED)
    _move_all(tx)
    publish_change(tx, "senders")
    return started


def _move_all(tx: Tx) -> None:
    """Moves messages away from unusable numbers, and back to usable ones."""
    move_messages(tx, [sender.address for sender in queries.all_senders(tx)])
    wake_pump(tx, tx.now)


def existing(tx: Tx, sender_id: int) -> Sender:
    """Raises `NotFound`."""
    sender = next((sender for sender in queries.all_senders(tx) if sender.id == sender_id), None)
    if sender is None:
        raise NotFound("This sender does not exist.")
    return sender
