"""Consent that ends without a word of theirs (CON-8). Steps, through the same verb as every other change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import bindparam, delete, select

from server.consent import rules
from server.consent.actions import suppress
from server.consent.ledger import STANDING, Change, lock, write_down
from server.consent.queries import contacts_at
from server.consent.rules import ConsentChanged, Method, Status, Suppressed
from server.kernel.sql import Statement, Tx
from server.schema import consent_ledger, opt_ins

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
        lock(tx, contact)
        changes = []
        for purpose in rules.SMS_PURPOSES:
            change = Change(
                contact, purpose, Status.UNSUBSCRIBED, Method.DEACTIVATION, source, happened_at=happened, address=phone
            )
            _, changed = write_down(tx, change)
            if changed is not None:
                changes.append(changed)
        tx.run(_FORGET_QUESTION, contact=contact, until=happened)
        if changes:
            tx.announce(ConsentChanged(contact, tuple(changes)))
    if fresh and not any(_subscribed(tx, contact) for contact in everybody):
        suppress(tx, "sms", phone, Suppressed.DEACTIVATED, source, happened)
    return bool(fresh)


def _subscribed(tx: Tx, contact: int) -> bool:
    rows = [tx.first(STANDING, contact=contact, purpose=purpose) for purpose in rules.SMS_PURPOSES]
    return any(row is not None and row.status == Status.SUBSCRIBED for row in rows)
