"""Changes consent and suppressions for keywords, carriers and agents, as transaction steps. `ledger` writes the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, update

from server.accounts.rules import Agent, ApiKey
from server.consent import rules
from server.consent.ledger import (
    CONTACT_ADDRESSES,
    LOCK_CONSENT,
    ConsentChange,
    ConsentResult,
    NewRow,
    append,
    is_sms,
    lock_head,
    record_consent,
    record_consents,
    store_consent,
)
from server.consent.queries import contacts_with_number, known_purpose, suppression, suppressions_of
from server.consent.rules import (
    ConsentChanged,
    ConsentsChanged,
    CurrentConsent,
    Method,
    Purpose,
    PurposeChange,
    Status,
    Suppressed,
)
from server.consent.suppressing import store_suppression, unsuppress
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Statement, Tx
from server.schema import consents, opt_ins
from server.text import one_line

_DELETE_OPT_IN = Statement(
    delete(opt_ins).where(opt_ins.c.contact_id == bindparam("contact"), opt_ins.c.channel == "sms")
)


def record(tx: Tx, change: ConsentChange) -> ConsentResult:
    """Records a change and announces it if it takes effect. Raises `Refused` "invalid" for a date in the future."""
    (result,) = record_many(tx, [change])
    if result.reason_not_applied == rules.IN_FUTURE:
        raise Refused("invalid", rules.IN_FUTURE_MESSAGE, field="happened_at", fault=rules.IN_FUTURE)
    return result


def record_many(tx: Tx, changes: Sequence[ConsentChange], cause: str = "") -> list[ConsentResult]:
    """Records changes of several contacts under the rules of a single one, and announces those that take effect together.

    Returns one result for each change, in order. A change that is dated in the future is not recorded
    (`reason_not_applied` "in_future"). `cause`: what the events name as their cause, such as "import:7". At most some
    hundred changes at once (`ledger.record_consents`).
    """
    results = record_consents(tx, changes)
    changed: dict[int, list[PurposeChange]] = {}
    for change, result in zip(changes, results, strict=True):
        if result.changed is not None:
            changed.setdefault(change.contact, []).append(result.changed)
    if changed:
        tx.announce(ConsentsChanged(tuple(ConsentChanged(who, tuple(what)) for who, what in changed.items()), cause))
    _lift_deactivations(tx, changes, results)
    return results


def _lift_deactivations(tx: Tx, changes: Sequence[ConsentChange], results: Sequence[ConsentResult]) -> None:
    """Lifts the suppression of numbers that their former owners gave up, when the new owners opt in (CON-8)."""
    subscribed = [
        (change, result)
        for change, result in zip(changes, results, strict=True)
        if result.applied and change.status is Status.SUBSCRIBED and is_sms(change.purpose)
    ]
    present = suppressions_of(tx, "sms", sorted({result.address for _, result in subscribed}))
    for change, result in subscribed:
        item = present.get(result.address)
        happened_at = change.happened_at or tx.now
        if item is not None and rules.lifts_deactivation(item.reason, change.method, happened_at, item.at):
            unsuppress(tx, "sms", result.address)


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """A consent change that an agent enters for a customer. `happened_at` None: now."""

    contact: int
    purpose: str
    status: Status
    reason: str
    happened_at: datetime | None = None


def record_agent_entry(tx: Tx, actor: Agent | ApiKey, entry: AgentEntry) -> ConsentResult:
    """Records an entry by an agent or by one of the owner's programs. An agent's entry may also end a pause.

    Raises `Refused` `reason_needed` or `invalid`, `NotFound`, and `Conflict` with a code of `rules.NOT_APPLIED_MESSAGES`.

    The caller has checked the agent's permission (`Can.CONSENT_GRANT`, `Can.CONSENT_WITHDRAW`).
    """
    reason = one_line(entry.reason)
    if not reason:
        raise Refused("reason_needed", "Say how you know: a call, an e-mail, a signed form.", field="reason")
    addresses = tx.first(CONTACT_ADDRESSES, contact=entry.contact)
    if addresses is None:
        raise NotFound()
    if not known_purpose(tx, entry.purpose):
        raise Refused("invalid", "This consent does not exist.", field="purpose", fault="no_choice")
    change = ConsentChange(
        entry.contact,
        entry.purpose,
        entry.status,
        Method.AGENT if isinstance(actor, Agent) else Method.API,
        source=f"user:{actor.id}" if isinstance(actor, Agent) else f"key:{actor.id}",
        reason=reason,
        happened_at=entry.happened_at,
    )
    if addresses.phone and entry.purpose == Purpose.SMS_MARKETING:
        # Takes the exclusive lock before any shared one: two transactions that upgrade a shared lock would deadlock.
        tx.lock_names(f"sms:{addresses.phone}")
    result = record(tx, change)
    if not result.applied and result.reason_not_applied in rules.NOT_APPLIED_MESSAGES:
        raise Conflict(result.reason_not_applied, rules.NOT_APPLIED_MESSAGES[result.reason_not_applied])
    if result.applied and addresses.phone and isinstance(actor, Agent):
        row = tx.first(LOCK_CONSENT, contact=entry.contact, purpose=Purpose.SMS_MARKETING)
        paused_at = None if row is None else row.paused_at
        if rules.ends_pause(entry.purpose, entry.status, entry.happened_at, paused_at):
            lift_pause(tx, addresses.phone, [entry.contact], user=actor.id)
    return result


def store_missing(tx: Tx, contact: int) -> None:
    """Stores "never subscribed" for each SMS purpose about which the contact has said nothing, so that it can be locked."""
    lock_head(tx, contact)
    for purpose in rules.SMS_PURPOSES:
        if tx.first(LOCK_CONSENT, contact=contact, purpose=purpose) is None:
            change = ConsentChange(contact, purpose, Status.NEVER_SUBSCRIBED, Method.AGENT)
            store_consent(tx, change, rules.EARLIEST_CONSENT, False, None)


# --- STOP and START -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopped:
    """`first`: the number had not opted out before, so one confirmation is due."""

    first: bool


def stop(
    tx: Tx, phone: str, contact_ids: Iterable[int], *, language: str = "", source: str = "", wording: str = ""
) -> Stopped:
    """Revokes both SMS consents of all contacts with this number, and suppresses the number (KEY-1, AMB-33)."""
    return _stop(tx, phone, contact_ids, Method.KEYWORD, Suppressed.STOP, language, source, wording)


def gateway_stop(tx: Tx, phone: str, contact_ids: Iterable[int], *, source: str = "", wording: str = "") -> Stopped:
    """Records an opt-out that the carrier reports: 21610, or `OptOutType` (KEY-13). It gets no confirmation."""
    return _stop(tx, phone, contact_ids, Method.GATEWAY, Suppressed.GATEWAY, "", source, wording)


def _stop(
    tx: Tx,
    phone: str,
    contact_ids: Iterable[int],
    method: Method,
    suppression_reason: Suppressed,
    language: str,
    source: str,
    wording: str,
    reason: str = "",
) -> Stopped:
    tx.lock_names(f"sms:{phone}")
    present = suppression(tx, "sms", phone)
    first = present is None or present.reason not in rules.OPTED_OUT
    if first:
        store_suppression(tx, "sms", phone, suppression_reason, source)
    for contact in _contacts_concerned(tx, phone, contact_ids):
        lock_head(tx, contact)
        changes = []
        pause_lifted = False
        for purpose in rules.SMS_PURPOSES:
            row = tx.first(LOCK_CONSENT, contact=contact, purpose=purpose)
            pause_lifted |= row is not None and row.paused_at is not None
            change = ConsentChange(
                contact, purpose, Status.UNSUBSCRIBED, method, source, wording, language, None, reason, phone
            )
            _, changed = record_consent(tx, change)
            if changed is not None:
                changes.append(changed)
        tx.run(_DELETE_OPT_IN, contact=contact)  # a later YES must not undo the STOP
        if changes or pause_lifted:
            tx.announce(ConsentsChanged((ConsentChanged(contact, tuple(changes), False if pause_lifted else None),)))
    return Stopped(first)


@dataclass(frozen=True, slots=True)
class Started:
    """`lifted`: the number was suppressed; `restored`: at least one consent is subscribed again."""

    lifted: bool
    restored: bool


def start(
    tx: Tx, phone: str, contact_ids: Iterable[int], *, language: str = "", source: str = "", wording: str = ""
) -> Started:
    """Restores only the consents that STOP revoked, with a new time (KEY-3, AMB-32, S15)."""
    tx.lock_names(f"sms:{phone}")
    lifted = lift_suppression_of_sender(tx, phone)
    restored = False
    for contact in _contacts_concerned(tx, phone, contact_ids):
        lock_head(tx, contact)
        changes = []
        for purpose in rules.SMS_PURPOSES:
            row = tx.first(LOCK_CONSENT, contact=contact, purpose=purpose)
            current = None if row is None else CurrentConsent(row.status, row.method, row.happened_at, row.taken)
            status = rules.status_after_start(current)
            if status is None:
                continue
            change = ConsentChange(contact, purpose, status, Method.KEYWORD, source, wording, language, None, "", phone)
            result, changed = record_consent(tx, change)
            restored |= result.applied and status is Status.SUBSCRIBED
            if changed is not None:
                changes.append(changed)
        if changes:
            tx.announce(ConsentsChanged((ConsentChanged(contact, tuple(changes)),)))
    return Started(lifted, restored)


LIFTED_BY_A_TEXT = (Suppressed.STOP, Suppressed.GATEWAY, Suppressed.DEACTIVATED, Suppressed.ERASED)


def lift_suppression_of_sender(tx: Tx, phone: str) -> bool:
    """Lifts an opt-out by text, and a deactivation, because the number has just sent a text. Suppressions of dead numbers
    and by agents stay."""
    present = suppression(tx, "sms", phone)
    if present is None or present.reason not in LIFTED_BY_A_TEXT:
        return False
    return unsuppress(tx, "sms", phone)


def _contacts_concerned(tx: Tx, phone: str, contact_ids: Iterable[int]) -> list[int]:
    return sorted({*contact_ids, *contacts_with_number(tx, phone)})


# --- "please stop texting me" (AMB-1) -------------------------------------------------------------

_SET_PAUSED_AT = Statement(
    update(consents)
    .where(consents.c.contact_id == bindparam("contact"), consents.c.purpose == bindparam("purpose"))
    .values(paused_at=bindparam("at"))
)


def pause_marketing(tx: Tx, phone: str, contact_ids: Iterable[int], *, source: str, wording: str) -> bool:
    """Pauses marketing to all contacts with this number until an agent decides. Returns False if the number has opted
    out or was paused before."""
    tx.lock_names(f"sms:{phone}")
    present = suppression(tx, "sms", phone)
    if present is not None and present.reason in rules.OPTED_OUT:
        return False
    paused = [
        _pause_contact(tx, contact, phone, source, wording) for contact in _contacts_concerned(tx, phone, contact_ids)
    ]
    return any(paused)


def _pause_contact(tx: Tx, contact: int, phone: str, source: str, wording: str) -> bool:
    purpose = Purpose.SMS_MARKETING
    lock_head(tx, contact)
    row = tx.first(LOCK_CONSENT, contact=contact, purpose=purpose)
    if row is not None and row.paused_at is not None:
        return False
    if row is None:
        store_consent(
            tx,
            ConsentChange(contact, purpose, Status.NEVER_SUBSCRIBED, Method.KEYWORD, source),
            rules.EARLIEST_CONSENT,
            False,
            None,
        )
    before = Status.NEVER_SUBSCRIBED if row is None else row.status
    _append_pause_row(tx, contact, before, "paused", Method.KEYWORD, source, wording, phone)
    tx.run(_SET_PAUSED_AT, contact=contact, purpose=purpose, at=tx.now)
    tx.announce(ConsentsChanged((ConsentChanged(contact, (), True),)))
    return True


def _append_pause_row(
    tx: Tx, contact: int, before: str, status: str, method: Method, source: str, wording: str, address: str
) -> None:
    """Appends a ledger row for a pause; it changes no consent."""
    append(
        tx,
        NewRow(contact, Purpose.SMS_MARKETING, before, status, True, method, tx.now, source, wording, address=address),
    )


def confirm_stop(tx: Tx, phone: str, contact_ids: Iterable[int], *, user: int, wording: str = "") -> Stopped:
    """Opts the customer out like STOP, because an agent confirmed the request; the ledger names the agent."""
    return _stop(
        tx, phone, contact_ids, Method.REQUEST, Suppressed.STOP, "", f"user:{user}", wording, "confirmed by an agent"
    )


def lift_pause(tx: Tx, phone: str, contact_ids: Iterable[int], *, user: int) -> bool:
    """Ends the pause, because an agent decided that the customer did not ask to stop. Returns False if nothing was paused."""
    tx.lock_names(f"sms:{phone}")
    lifted = False
    for contact in _contacts_concerned(tx, phone, contact_ids):
        row = tx.first(LOCK_CONSENT, contact=contact, purpose=Purpose.SMS_MARKETING)
        if row is None or row.paused_at is None:
            continue
        _append_pause_row(tx, contact, row.status, "resumed", Method.AGENT, f"user:{user}", "", phone)
        tx.run(_SET_PAUSED_AT, contact=contact, purpose=Purpose.SMS_MARKETING, at=None)
        tx.announce(ConsentsChanged((ConsentChanged(contact, (), False),)))
        lifted = True
    return lifted


# --- opting in ----------------------------------------------------------------------------------


def subscribe(tx: Tx, contact: int, phone: str, *, source: str, wording: str, language: str = "") -> ConsentResult:
    """Records marketing consent by a subscribe keyword with single opt-in (KEY-10)."""
    tx.lock_names(f"sms:{phone}")
    lift_suppression_of_sender(tx, phone)
    return record(
        tx,
        ConsentChange(
            contact,
            Purpose.SMS_MARKETING,
            Status.SUBSCRIBED,
            Method.KEYWORD,
            source,
            wording,
            language,
            address=phone,
        ),
    )
