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
from server.consent.actions import record_many
from server.consent.ledger import LOCK_CONSENT, ConsentChange
from server.consent.queries import PHONE, contacts_with_number, litigators_among
from server.consent.rules import AddressChanged, Method, Status, Suppressed
from server.consent.settings import LITIGATORS, LitigatorSettings
from server.consent.suppressing import suppress
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.documents import publish_change
from server.kernel.jobs import Handler, Job
from server.kernel.slices import Slices
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Statement, Tx, chunks
from server.schema import addresses, consent_ledger, litigators, opt_ins

_SOURCE_SEEN = Statement(
    select(consent_ledger.c.id)
    .where(consent_ledger.c.contact_id == bindparam("contact"), consent_ledger.c.source == bindparam("source"))
    .limit(1)
)
_DELETE_OPT_INS = Statement(
    delete(opt_ins).where(
        opt_ins.c.contact_id.in_(bindparam("contacts", expanding=True)),
        opt_ins.c.channel == "sms",
        opt_ins.c.asked_at <= bindparam("until"),
    )
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
    _revoke(tx, [(contact, phone) for contact in new_contacts], Method.DEACTIVATION, source, happened_at)
    if new_contacts and not any(_subscribed(tx, contact) for contact in contact_ids):
        suppress(tx, "sms", phone, Suppressed.DEACTIVATED, source, happened_at)
    return bool(new_contacts)


def _subscribed(tx: Tx, contact: int) -> bool:
    rows = [tx.first(LOCK_CONSENT, contact=contact, purpose=purpose) for purpose in rules.SMS_PURPOSES]
    return any(row is not None and row.status == Status.SUBSCRIBED for row in rows)


def _revoke(tx: Tx, people: Sequence[tuple[int, str]], method: Method, source: str, happened: datetime | None) -> None:
    """Revokes both SMS consents of these contacts, each with the number it concerns."""
    record_many(
        tx,
        [
            ConsentChange(contact, purpose, Status.UNSUBSCRIBED, method, source, happened_at=happened, address=phone)
            for contact, phone in people
            for purpose in rules.SMS_PURPOSES
        ],
    )
    for some in chunks(sorted({contact for contact, _ in people}), ROWS_PER_STATEMENT):
        tx.run(_DELETE_OPT_INS, contacts=list(some), until=happened or tx.now)


# --- litigators -----------------------------------------------------------------------------------

SOURCE = "litigators"
SETTING_LOCK = "litigators"  # taken before the locks of numbers
SWITCHED_JOB = "consent.litigators_switched"
NUMBERS_AT_ONCE = 500  # in one transaction: PostgreSQL can hold only some thousand locks
RUN_S = 40.0  # a job's lease is a minute
LISTED_NUMBERS = 50  # returned by one search of the list
_INSERT_LITIGATORS = Statement(
    insert(litigators)
    .values(phone=bindparam("phone"), added_at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=["phone"])
    .returning(litigators.c.phone)
)
_DELETE_LITIGATOR = Statement(delete(litigators).where(litigators.c.phone == bindparam("phone")))
_FIRST_LITIGATORS = Statement(select(litigators.c.phone).order_by(litigators.c.phone).limit(bindparam("most")))
_DELETE_LITIGATORS = Statement(delete(litigators).where(litigators.c.phone.in_(bindparam("phones", expanding=True))))
_COUNT_LITIGATORS = Statement(select(func.count().label("n")).select_from(litigators))
_NEWEST_LITIGATORS = Statement(
    select(litigators.c.phone)
    .where(litigators.c.phone.contains(bindparam("digits", type_=Text), autoescape=False))
    .order_by(litigators.c.added_at.desc(), litigators.c.phone)
    .limit(LISTED_NUMBERS)
)
# Listed numbers that contacts have, from one number on.
_LISTED_CONTACTS = Statement(
    select(addresses.c.value.label("phone"))
    .distinct()
    .join(litigators, litigators.c.phone == addresses.c.value)
    .where(addresses.c.kind == PHONE, addresses.c.value > bindparam("after"))
    .order_by(addresses.c.value)
    .limit(bindparam("most"))
)
_CONTACTS_WITH_NUMBERS = Statement(
    select(addresses.c.contact_id, addresses.c.value.label("phone"))
    .where(addresses.c.kind == PHONE, addresses.c.value.in_(bindparam("phones", expanding=True)))
    .order_by(addresses.c.contact_id, addresses.c.value)
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
    rows = [{"phone": phone, "now": tx.now} for phone in sorted(set(phones))]
    new = [row.phone for row in tx.all_many(_INSERT_LITIGATORS, rows)]
    if on:
        _revoke_listed(tx, new)
    if new:
        publish_change(tx, LITIGATORS.name)
        record(tx, agent.id, "litigators_added", str(len(new)), address)
    return len(new)


def _revoke_listed(tx: Tx, phones: Sequence[str]) -> None:
    """Revokes SMS consent of all contacts with these listed numbers. The caller has locked the numbers."""
    people = [
        (row.contact_id, row.phone)
        for some in chunks(phones, ROWS_PER_STATEMENT)
        for row in tx.all(_CONTACTS_WITH_NUMBERS, phones=list(some))
    ]
    _revoke(tx, people, Method.LITIGATOR, SOURCE, None)
    for phone in sorted({phone for _, phone in people}):
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
    """Removes some hundred numbers from the list and returns how many; 0: the list is empty. Called until then: one
    transaction cannot lock all numbers of a long list."""
    phones = [row.phone for row in tx.all(_FIRST_LITIGATORS, most=NUMBERS_AT_ONCE)]
    if not phones:
        return 0
    tx.lock_names(*(f"sms:{phone}" for phone in phones))
    for some in chunks(phones, ROWS_PER_STATEMENT):
        tx.run(_DELETE_LITIGATORS, phones=list(some))
        for phone in sorted({row.phone for row in tx.all(_CONTACTS_WITH_NUMBERS, phones=list(some))}):
            tx.announce(AddressChanged("sms", phone, None))
    publish_change(tx, LITIGATORS.name)
    record(tx, agent.id, "litigators_cleared", str(len(phones)), address)
    return len(phones)


def switch_litigators(tx: Tx, agent: Agent, on: bool, version: str | None, address: str) -> None:
    """Changes whether texts to litigators are blocked. On: a job also revokes SMS consent of all listed contacts. Off:
    revoked consent stays revoked. Raises `Conflict` "stale_version"."""
    tx.lock_names(SETTING_LOCK)
    before = LITIGATORS.load(tx)
    versions.check(tx, version, (LITIGATORS.name,), before.model_dump(mode="json"), {"on": before.on})
    settings_changed(tx, agent.id, LITIGATORS, LitigatorSettings(hold_litigators=on), address)
    if before.on != on:
        jobs.enqueue(tx, SWITCHED_JOB, {}, run_at=tx.now, key=SWITCHED_JOB)


async def apply_switch(app: App, job: Job) -> None:
    """Applies the changed setting to listed contacts, some at a time: revokes their consent, or shows that they may be
    texted again. Begins anew after a crash; what is done already is skipped or changes nothing."""
    after, until, slices = str(job.payload.get("after", "")), app.clock.monotonic() + RUN_S, Slices(app)
    while phones := await app.read_slowly(_listed_after, after, NUMBERS_AT_ONCE):
        await slices.write(_apply_to, phones)
        after = phones[-1]
        if app.clock.monotonic() >= until:
            await app.write(_continue_later, job, after)
            return


def _listed_after(conn: Conn, after: str, most: int) -> list[str]:
    return [row.phone for row in conn.all(_LISTED_CONTACTS, after=after, most=most)]


def _apply_to(tx: Tx, phones: Sequence[str]) -> None:
    tx.lock_names(SETTING_LOCK, shared=True)
    on = LITIGATORS.load(tx).on
    tx.lock_names(*(f"sms:{phone}" for phone in phones))
    if on:
        _revoke_listed(tx, _still_listed(tx, phones))
        return
    for phone in phones:
        tx.announce(AddressChanged("sms", phone, None))


def _still_listed(tx: Tx, phones: Sequence[str]) -> list[str]:
    listed = litigators_among(tx, phones)
    return [phone for phone in phones if phone in listed]


def _continue_later(tx: Tx, job: Job, after: str) -> None:
    jobs.reschedule(tx, job, {"after": after}, run_at=tx.now)


HANDLERS: dict[str, Handler] = {SWITCHED_JOB: apply_switch}
