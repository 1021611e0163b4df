"""Consent that ends without a word of theirs (CON-8). Steps, through the same verb as every other change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Text, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.audit import record, settings_changed
from server.accounts.rules import Agent
from server.consent import rules
from server.consent.actions import suppress
from server.consent.ledger import STANDING, Change, lock, write_down
from server.consent.queries import contacts_at
from server.consent.rules import AddressChanged, ConsentChanged, Method, Status, Suppressed
from server.consent.settings import LITIGATORS, LitigatorSettings
from server.kernel.sql import Conn, Statement, Tx
from server.schema import consent_ledger, contacts, litigators, opt_ins

_TOLD = Statement(
    select(consent_ledger.c.id)
    .where(consent_ledger.c.contact_id == bindparam("contact"), consent_ledger.c.source == bindparam("source"))
    .limit(1)
)
_FORGET_QUESTION = Statement(
    delete(opt_ins).where(opt_ins.c.contact_id == bindparam("contact"), opt_ins.c.asked_at <= bindparam("until"))
)


def given_up(tx: Tx, phone: str, day: date) -> bool:
    """The carriers' list of that day says this number was given up. False: that was known, or nobody here has it.

    It counts from the end of that day: a yes that is newer is by whoever has the number now, and stays. Told again,
    it changes nothing, whatever was said since.
    """
    source = f"deactivation:{day.isoformat()}"
    ended = datetime.combine(day + timedelta(days=1), time(), UTC)
    happened = min(ended, tx.now)
    tx.hold(f"sms:{phone}")
    everybody = contacts_at(tx, phone)
    fresh = [contact for contact in everybody if tx.first(_TOLD, contact=contact, source=source) is None]
    for contact in fresh:
        _take(tx, contact, phone, Method.DEACTIVATION, source, happened)
    if fresh and not any(_subscribed(tx, contact) for contact in everybody):
        suppress(tx, "sms", phone, Suppressed.DEACTIVATED, source, happened)
    return bool(fresh)


def _subscribed(tx: Tx, contact: int) -> bool:
    rows = [tx.first(STANDING, contact=contact, purpose=purpose) for purpose in rules.SMS_PURPOSES]
    return any(row is not None and row.status == Status.SUBSCRIBED for row in rows)


def _take(tx: Tx, contact: int, phone: str, method: Method, source: str, happened: datetime | None) -> None:
    lock(tx, contact)
    changes = []
    for purpose in rules.SMS_PURPOSES:
        change = Change(contact, purpose, Status.UNSUBSCRIBED, method, source, happened_at=happened, address=phone)
        _, changed = write_down(tx, change)
        if changed is not None:
            changes.append(changed)
    tx.run(_FORGET_QUESTION, contact=contact, until=happened or tx.now)
    if changes:
        tx.announce(ConsentChanged(contact, tuple(changes)))


# --- people known for suing over texts ------------------------------------------------------------

SOURCE = "litigators"
SETTING = "litigators"  # the lock of the setting, taken before those of numbers
SHOWN = 50
_LIST = Statement(
    insert(litigators)
    .values(phone=bindparam("phone"), added_at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=["phone"])
)
_UNLIST = Statement(delete(litigators).where(litigators.c.phone == bindparam("phone")))
_CLEAR = Statement(delete(litigators))
_COUNT = Statement(select(func.count().label("n")).select_from(litigators))
_NEWEST = Statement(
    select(litigators.c.phone)
    .where(litigators.c.phone.contains(bindparam("digits", type_=Text), autoescape=False))
    .order_by(litigators.c.added_at.desc(), litigators.c.phone)
    .limit(SHOWN)
)
_OURS = Statement(
    select(contacts.c.phone)
    .distinct()
    .join(litigators, litigators.c.phone == contacts.c.phone)
    .order_by(contacts.c.phone)
)


@dataclass(frozen=True, slots=True)
class Listing:
    """`numbers`: the newest `SHOWN` that hold the digits looked for."""

    on: bool
    count: int
    numbers: tuple[str, ...]


def listing(conn: Conn, digits: str = "") -> Listing:
    rows = conn.all(_NEWEST, digits=digits)
    return Listing(LITIGATORS.load(conn).on, conn.value(_COUNT), tuple(row.phone for row in rows))


def add_litigators(tx: Tx, agent: Agent, phones: Sequence[str], address: str) -> int:
    """Lists these numbers (E.164); while the setting is on, whoever has one loses consent to texts. How many are new."""
    tx.hold(SETTING, shared=True)  # the setting stays what it is while numbers are listed under it
    on = LITIGATORS.load(tx).on
    if on:
        tx.hold(*(f"sms:{phone}" for phone in phones))
    added = 0
    for phone in sorted(set(phones)):
        if tx.run(_LIST, phone=phone, now=tx.now):
            added += 1
            if on:
                _hold(tx, phone)
    if added:
        record(tx, agent.id, "litigators_added", str(added), address)
    return added


def _hold(tx: Tx, phone: str) -> None:
    """The number's lock is held."""
    for contact in contacts_at(tx, phone):
        _take(tx, contact, phone, Method.LITIGATOR, SOURCE, None)
    tx.announce(AddressChanged("sms", phone, Method.LITIGATOR))


def remove_litigator(tx: Tx, agent: Agent, phone: str, address: str) -> bool:
    """Takes one off; what it lost stays lost until somebody says yes anew. False: it was not there."""
    tx.hold(f"sms:{phone}")
    if not tx.run(_UNLIST, phone=phone):
        return False
    record(tx, agent.id, "litigator_removed", phone, address)
    tx.announce(AddressChanged("sms", phone, None))
    return True


def clear_litigators(tx: Tx, agent: Agent, address: str) -> int:
    ours = [row.phone for row in tx.all(_OURS)]
    if ours:
        tx.hold(*(f"sms:{phone}" for phone in ours))
    gone = tx.run(_CLEAR)
    if gone:
        record(tx, agent.id, "litigators_cleared", str(gone), address)
    for phone in ours:
        tx.announce(AddressChanged("sms", phone, None))
    return gone


def switch_litigators(tx: Tx, agent: Agent, on: bool, address: str) -> None:
    """On: whoever is on the list loses consent to texts now. Off: nothing is held any more, and nothing is given back."""
    tx.hold(SETTING)
    before = LITIGATORS.load(tx).on
    settings_changed(tx, agent, LITIGATORS, LitigatorSettings(hold_litigators=on), address)
    if before == on:
        return
    ours = [row.phone for row in tx.all(_OURS)]
    if on:
        tx.hold(*(f"sms:{phone}" for phone in ours))
    for phone in ours:
        if on:
            _hold(tx, phone)
        else:
            tx.announce(AddressChanged("sms", phone, None))
