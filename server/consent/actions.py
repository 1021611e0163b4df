"""Writes of consent: what keywords, carriers and agents change. Steps; the rows they leave are `ledger`'s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent, one_line
from server.consent import rules
from server.consent.ledger import (
    ADDRESS,
    STANDING,
    Change,
    Recorded,
    address_of,
    append,
    is_sms,
    lock,
    stand,
    write_down,
)
from server.consent.queries import contacts_at, known_purpose, opt_in, suppression
from server.consent.rules import AddressChanged, ConsentChanged, Method, Purpose, Standing, Status, Suppressed
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Statement, Tx
from server.schema import consents, opt_ins, suppressions

OPT_IN_LIFE = timedelta(days=7)  # a question nobody answered is forgotten


def record(tx: Tx, change: Change) -> Recorded:
    """Writes it down, and lets it count where it may. Raises `Refused` "invalid" for a date in the future."""
    result, changed = write_down(tx, change)
    if changed is not None:
        tx.announce(ConsentChanged(change.contact, (changed,)))
    if result.applied and change.status is Status.SUBSCRIBED and is_sms(change.purpose):
        _given_out_again(tx, change)
    return result


def _given_out_again(tx: Tx, change: Change) -> None:
    """Somebody says yes for a number that had been given up: it is theirs now (CON-8)."""
    address = address_of(tx, change.contact, True) if change.address is None else change.address
    found = suppression(tx, "sms", address)
    if found is not None and rules.lifts_number(found.reason, change.method, change.happened_at or tx.now, found.at):
        unsuppress(tx, "sms", address)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an agent writes down for a customer. `happened_at` None: now."""

    contact: int
    purpose: str
    status: Status
    reason: str
    happened_at: datetime | None = None


def decide(tx: Tx, agent: Agent, wish: Wish) -> Recorded:
    """An agent's entry, with its reason. Raises `Refused`: `reason_needed`, `opted_out`, `older`, "nothing here".

    Whether this agent may was asked before (`Can.CONSENT_GRANT`, `Can.CONSENT_WITHDRAW`).
    """
    reason = one_line(wish.reason)
    if not reason:
        raise Refused("reason_needed", "Say how you know: a call, an e-mail, a signed form.", field="reason")
    addresses = tx.first(ADDRESS, contact=wish.contact)
    if addresses is None:
        raise NotFound()
    if not known_purpose(tx, wish.purpose):
        raise Refused("invalid", "There is no such consent.", field="purpose")
    change = Change(
        wish.contact,
        wish.purpose,
        wish.status,
        Method.AGENT,
        source=f"user:{agent.id}",
        reason=reason,
        happened_at=wish.happened_at,
    )
    if addresses.phone and wish.purpose == Purpose.SMS_MARKETING:
        # Whole, and before anything shares it: two who share it and then both want it whole would wait for each other.
        tx.hold(f"sms:{addresses.phone}")
    result = record(tx, change)
    if not result.applied and result.why in rules.REFUSALS:
        raise Conflict(result.why, rules.REFUSALS[result.why])
    if result.applied and addresses.phone:
        row = tx.first(STANDING, contact=wish.contact, purpose=Purpose.SMS_MARKETING)
        paused_at = None if row is None else row.paused_at
        if rules.settles_pause(wish.purpose, wish.status, wish.happened_at, paused_at):
            lift_pause(tx, addresses.phone, [wish.contact], user=agent.id)
    return result


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


def suppress(
    tx: Tx, channel: rules.Channel, address: str, reason: Suppressed, detail: str = "", at: datetime | None = None
) -> bool:
    """This address is not sent to any more, whoever has it. False: it was not before either, for a reason as firm.

    `at`: when that came to be, where it was earlier than now; what was found out since then stays.
    """
    tx.hold(f"{channel}:{address}")
    found = suppression(tx, channel, address)
    # Who opted out stays opted out, also when the number later turns out to be dead: only START lifts that.
    if found is not None and (found.reason == reason or found.reason in rules.OPTED_OUT):
        return False
    if found is not None and at is not None and found.at > at:
        return False
    tx.run(_SUPPRESS, channel=channel, address=address, reason=reason, detail=detail, at=at or tx.now)
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
        lock(tx, contact)
        changes = []
        lifted = False
        for purpose in rules.SMS_PURPOSES:
            row = tx.first(STANDING, contact=contact, purpose=purpose)
            lifted |= row is not None and row.paused_at is not None
            change = Change(
                contact, purpose, Status.UNSUBSCRIBED, method, source, wording, language, None, reason, phone
            )
            _, changed = write_down(tx, change)
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
        lock(tx, contact)
        changes = []
        for purpose in rules.SMS_PURPOSES:
            row = tx.first(STANDING, contact=contact, purpose=purpose)
            current = None if row is None else Standing(row.status, row.method, row.happened_at, row.taken)
            status = rules.given_back(current)
            if status is None:
                continue
            change = Change(contact, purpose, status, Method.KEYWORD, source, wording, language, None, "", phone)
            result, changed = write_down(tx, change)
            restored |= result.applied and status is Status.SUBSCRIBED
            if changed is not None:
                changes.append(changed)
        if changes:
            tx.announce(ConsentChanged(contact, tuple(changes)))
    return Started(lifted, restored)


def _lift_number(tx: Tx, phone: str) -> bool:
    """Their own text lifts an opt-out from the number, or that it was given up (it is somebody's again); not that it is
    dead, and not what somebody here decided."""
    found = suppression(tx, "sms", phone)
    if found is None or found.reason not in (Suppressed.STOP, Suppressed.GATEWAY, Suppressed.DEACTIVATED):
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
    lock(tx, contact)
    row = tx.first(STANDING, contact=contact, purpose=purpose)
    if row is not None and row.paused_at is not None:
        return False
    if row is None:
        stand(
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
    append(
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
        tx, phone, contact_ids, Method.REQUEST, Suppressed.STOP, "", f"user:{user}", wording, "confirmed by an agent"
    )


def lift_pause(tx: Tx, phone: str, contact_ids: Iterable[int], *, user: int) -> bool:
    """The other tap: it was no wish to stop. False: nothing was paused."""
    tx.hold(f"sms:{phone}")
    lifted = False
    for contact in _everybody(tx, phone, contact_ids):
        row = tx.first(STANDING, contact=contact, purpose=Purpose.SMS_MARKETING)
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
        _, changed = write_down(tx, change)
        if changed is not None:
            changes.append(changed)
    if changes:
        tx.announce(ConsentChanged(contact, tuple(changes)))
    return tuple(asked.purposes)
