"""Revokes consent of deactivated numbers and known litigators automatically, as transaction steps (CON-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Text, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import record, settings_changed
from server.consent import rules
from server.consent.actions import suppress
from server.consent.ledger import LOCK_CONSENT, ConsentChange, lock_head, record_consent
from server.consent.queries import PHONE, contacts_with_number
from server.consent.rules import AddressChanged, ConsentChanged, Method, Status, Suppressed
from server.consent.settings import LITIGATORS, LitigatorSettings
from server.kernel.documents import publish_change
from server.kernel.sql import Conn, Statement, Tx
from server.schema import addresses, consent_ledger, litigators, opt_ins

_SOURCE_SEEN = Statement(
    select(consent_ledger.c.id)
    .where(consent_ledger.c.contact_id == bindparam("contact"), consent_ledger.c.source == bindparam("source"))
    .limit(1)
)
_DELETE_OPT_IN = Statement(
    delete(opt_ins).where(opt_ins.c.contact_id == bindparam("contact"), opt_ins.c.asked_at <= bindparam("until"))
)


def revoke_deactivated(tx: Tx, phone: str, day: date) -> bool:
    """Revokes consent for a number on the carriers' deactivation list of that day. Returns False if that was done before
    or no contact has the number.

    The revocation is dated to the end of that day, because a newer consent is by the number's next owner. A repeat
    changes nothing.
    """
    source = f"deactivation:{day.isoformat()}"
    day_end = datetime.combine(day + timedelta(days=1), time(), UTC)
    happened_at = min(day_end, tx.now)
    tx.lock_names(f"sms:{phone}")
    contact_ids = contacts_with_number(tx, phone)
    new_contacts = [
        contact for contact in contact_ids if tx.first(_SOURCE_SEEN, contact=contact, source=source) is None
    ]
    for contact in new_contacts:
        _revoke(tx, contact, phone, Method.DEACTIVATION, source, happened_at)
    if new_contacts and not any(_subscribed(tx, contact) for contact in contact_ids):
        suppress(tx, "sms", phone, Suppressed.DEACTIVATED, source, happened_at)
    return bool(new_contacts)


def _subscribed(tx: Tx, contact: int) -> bool:
    rows = [tx.first(LOCK_CONSENT, contact=contact, purpose=purpose) for purpose in rules.SMS_PURPOSES]
    return any(row is not None and row.status == Status.SUBSCRIBED for row in rows)


def _revoke(tx: Tx, contact: int, phone: str, method: Method, source: str, happened: datetime | None) -> None:
    lock_head(tx, contact)
    changes = []
    for purpose in rules.SMS_PURPOSES:
        change = ConsentChange(
            contact, purpose, Status.UNSUBSCRIBED, method, source, happened_at=happened, address=phone
        )
        _, changed = record_consent(tx, change)
        if changed is not None:
            changes.append(changed)
    tx.run(_DELETE_OPT_IN, contact=contact, until=happened or tx.now)
    if changes:
        tx.announce(ConsentChanged(contact, tuple(changes)))


# --- litigators -----------------------------------------------------------------------------------

SOURCE = "litigators"
SETTING_LOCK = "litigators"  # taken before the locks of numbers
LISTED_NUMBERS = 50  # returned by one search of the list
_INSERT_LITIGATOR = Statement(
    insert(litigators)
    .values(phone=bindparam("phone"), added_at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=["phone"])
)
_DELETE_LITIGATOR = Statement(delete(litigators).where(litigators.c.phone == bindparam("phone")))
_DELETE_ALL_LITIGATORS = Statement(delete(litigators))
_COUNT_LITIGATORS = Statement(select(func.count().label("n")).select_from(litigators))
_NEWEST_LITIGATORS = Statement(
    select(litigators.c.phone)
    .where(litigators.c.phone.contains(bindparam("digits", type_=Text), autoescape=False))
    .order_by(litigators.c.added_at.desc(), litigators.c.phone)
    .limit(LISTED_NUMBERS)
)
_LISTED_CONTACTS = Statement(
    select(addresses.c.value.label("phone"))
    .distinct()
    .join(litigators, litigators.c.phone == addresses.c.value)
    .where(addresses.c.kind == PHONE)
    .order_by(addresses.c.value)
)


@dataclass(frozen=True, slots=True)
class LitigatorList:
    """`numbers`: the newest `LISTED_NUMBERS` that contain the digits searched for."""

    on: bool
    count: int
    numbers: tuple[str, ...]
    version: str  # of the switch


def litigator_list(conn: Conn, digits: str = "") -> LitigatorList:
    rows = conn.all(_NEWEST_LITIGATORS, digits=digits)
    settings = versions.load(conn, LITIGATORS)
    numbers = tuple(row.phone for row in rows)
    return LitigatorList(settings.values.on, conn.value(_COUNT_LITIGATORS), numbers, settings.version)


def add_litigators(tx: Tx, agent: Agent, phones: Sequence[str], address: str) -> int:
    """Adds numbers (E.164) to the list and returns how many are new. While the setting is on, revokes SMS consent of
    their contacts."""
    tx.lock_names(SETTING_LOCK, shared=True)  # the setting must not change during this transaction
    on = LITIGATORS.load(tx).on
    if on:
        tx.lock_names(*(f"sms:{phone}" for phone in phones))
    added = 0
    for phone in sorted(set(phones)):
        if tx.run(_INSERT_LITIGATOR, phone=phone, now=tx.now):
            added += 1
            if on:
                _revoke_listed(tx, phone)
    if added:
        publish_change(tx, LITIGATORS.name)
        record(tx, agent.id, "litigators_added", str(added), address)
    return added


def _revoke_listed(tx: Tx, phone: str) -> None:
    """Revokes SMS consent of all contacts with this listed number. The caller has locked the number."""
    for contact in contacts_with_number(tx, phone):
        _revoke(tx, contact, phone, Method.LITIGATOR, SOURCE, None)
    tx.announce(AddressChanged("sms", phone, Method.LITIGATOR))


def remove_litigator(tx: Tx, agent: Agent, phone: str, address: str) -> bool:
    """Removes a number from the list; revoked consent stays revoked. Returns False if it was not on the list."""
    tx.lock_names(f"sms:{phone}")
    if not tx.run(_DELETE_LITIGATOR, phone=phone):
        return False
    publish_change(tx, LITIGATORS.name)
    record(tx, agent.id, "litigator_removed", phone, address)
    tx.announce(AddressChanged("sms", phone, None))
    return True


def clear_litigators(tx: Tx, agent: Agent, address: str) -> int:
    listed = [row.phone for row in tx.all(_LISTED_CONTACTS)]
    if listed:
        tx.lock_names(*(f"sms:{phone}" for phone in listed))
    removed = tx.run(_DELETE_ALL_LITIGATORS)
    if removed:
        publish_change(tx, LITIGATORS.name)
        record(tx, agent.id, "litigators_cleared", str(removed), address)
    for phone in listed:
        tx.announce(AddressChanged("sms", phone, None))
    return removed


def switch_litigators(tx: Tx, agent: Agent, on: bool, version: str | None, address: str) -> None:
    """Changes whether texts to litigators are blocked. On: also revokes SMS consent of all listed contacts. Off: revoked
    consent stays revoked. Raises `Conflict` "stale_version"."""
    tx.lock_names(SETTING_LOCK)
    before = LITIGATORS.load(tx)
    versions.check(tx, version, (LITIGATORS.name,), before.model_dump(mode="json"), {"on": before.on})
    settings_changed(tx, agent.id, LITIGATORS, LitigatorSettings(hold_litigators=on), address)
    if before.on == on:
        return
    listed = [row.phone for row in tx.all(_LISTED_CONTACTS)]
    if on:
        tx.lock_names(*(f"sms:{phone}" for phone in listed))
    for phone in listed:
        if on:
            _revoke_listed(tx, phone)
        else:
            tx.announce(AddressChanged("sms", phone, None))
