"""Suppresses addresses and lifts suppressions, as transaction steps (SUP-1..6).

A suppression belongs to an address, also to one that no contact has, and changes no consent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, delete, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.audit.actions import record
from server.consent import rules
from server.consent.erased_addresses import erased_form
from server.consent.queries import suppression, suppressions_of
from server.consent.rules import AddressChanged, Suppressed
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import ROWS_PER_STATEMENT, Statement, Tx, chunks
from server.schema import soft_bounces, suppressions
from server.text import one_line

REASON_CHARS = 500
ADDRESSES_AT_ONCE = 500  # in one transaction: each is locked

_insert_suppression = insert(suppressions).values(
    {column.name: bindparam(column.name) for column in suppressions.columns}
)
_UPSERT_SUPPRESSION = Statement(
    _insert_suppression.on_conflict_do_update(
        index_elements=["channel", "address"],
        set_={name: _insert_suppression.excluded[name] for name in ("reason", "detail", "at", "source")},
    )
)
_DELETE_SUPPRESSION = Statement(
    delete(suppressions).where(
        suppressions.c.channel == bindparam("channel"),
        suppressions.c.address.in_(bindparam("addresses", expanding=True)),
    )
)


class Wanted(NamedTuple):
    """An address to suppress: E.164, or an e-mail address in lower case."""

    channel: rules.Channel
    address: str
    reason: Suppressed
    detail: str = ""


def suppress(
    tx: Tx,
    channel: rules.Channel,
    address: str,
    reason: Suppressed,
    detail: str = "",
    at: datetime | None = None,
) -> bool:
    """Stops sends to this address. Returns False if the present suppression stays (`rules.suppression_replaces`).
    `at`: when the reason arose; None: now."""
    return suppress_many(tx, [Wanted(channel, address, reason, detail)], at=at)[0]


def suppress_many(tx: Tx, wanted: Sequence[Wanted], source: str = "", at: datetime | None = None) -> list[bool]:
    """Suppresses some hundred addresses; returns for each, in order, whether it is suppressed anew.

    `source`: who wants it, such as "user:3" or "import:7"; "": Threadline itself.
    """
    tx.lock_names(*sorted({f"{item.channel}:{item.address}" for item in wanted}))
    present: dict[tuple[rules.Channel, str], tuple[str, datetime]] = {}
    channels: tuple[rules.Channel, ...] = ("email", "sms")
    for channel in channels:
        addresses = sorted({item.address for item in wanted if item.channel == channel})
        found = suppressions_of(tx, channel, addresses)
        present |= {(channel, address): (item.reason, item.at) for address, item in found.items()}
    results = []
    new: dict[tuple[rules.Channel, str], Wanted] = {}
    for item in wanted:
        key = (item.channel, item.address)
        reason, since = present.get(key, (None, None))
        replaces = rules.suppression_replaces(item.channel, reason, item.reason, present_at=since, at=at)
        results.append(replaces)
        if replaces:
            new[key] = item
            present[key] = (item.reason, at or tx.now)
    rows = [{**new[key]._asdict(), "at": at or tx.now, "source": source} for key in sorted(new)]
    tx.run_many(_UPSERT_SUPPRESSION, rows)
    for key in sorted(new):
        tx.announce(AddressChanged(new[key].channel, new[key].address, new[key].reason))
    return results


def store_suppression(tx: Tx, channel: rules.Channel, address: str, reason: Suppressed, detail: str) -> None:
    """Suppresses an address whatever the present reason is. The caller has locked the address."""
    tx.run(
        _UPSERT_SUPPRESSION,
        channel=channel,
        address=address,
        reason=reason,
        detail=detail,
        at=tx.now,
        source="",
    )
    tx.announce(AddressChanged(channel, address, reason))


def unsuppress(tx: Tx, channel: rules.Channel, address: str) -> bool:
    """Lifts the suppression of this address. Returns False if there was none."""
    tx.lock_names(f"{channel}:{address}")
    forms = [address, erased_form(tx, channel, address)]
    lifted = tx.run(_DELETE_SUPPRESSION, channel=channel, addresses=forms) > 0
    if lifted:
        tx.announce(AddressChanged(channel, address, None))
    return lifted


# --- by users ---------------------------------------------------------------------------------------


def suppress_by_hand(tx: Tx, agent: Agent, emails: Sequence[str], detail: str, address: str) -> list[bool]:
    """Suppresses e-mail addresses that a user entered; returns for each whether it is new. Marketing to them stops (SUP-2,
    SUP-4)."""
    detail = one_line(detail)[:REASON_CHARS]
    wanted = [Wanted("email", email, Suppressed.AGENT, detail) for email in emails]
    results = suppress_many(tx, wanted, f"user:{agent.id}")
    if any(results):
        record(tx, agent.id, "addresses_suppressed", str(sum(results)), address, channel="email", reason=detail)
    return results


def lift(tx: Tx, agent: Agent, channel: rules.Channel, suppressed: str, reason: str, address: str) -> None:
    """Lifts a suppression as a user decided; the audit log names the address and the reason.

    Raises `Refused` `reason_needed`, `NotFound`, and `Conflict` `opted_out` for an opt-out by text.
    """
    reason = one_line(reason)
    if not reason:
        raise Refused("reason_needed", "Say why this address may get messages again.", field="reason")
    tx.lock_names(f"{channel}:{suppressed}")
    present = suppression(tx, channel, suppressed)
    if present is None:
        raise NotFound()
    if not rules.liftable(channel, present.reason):
        raise Conflict("opted_out", rules.NOT_APPLIED_MESSAGES["opted_out"])
    unsuppress(tx, channel, suppressed)
    if channel == "email":
        tx.run(_DELETE_RUN, address=suppressed)
    record(tx, agent.id, "suppression_lifted", f"{channel}:{suppressed}", address, before=present.reason, reason=reason)


# --- soft bounces (SUP-3) -----------------------------------------------------------------------------

_insert_run = insert(soft_bounces).values(
    address=bindparam("address"), run=bindparam("run"), accepted_since=0, last_at=bindparam("now")
)
_UPSERT_RUN = Statement(
    _insert_run.on_conflict_do_update(
        index_elements=["address"],
        set_={"run": _insert_run.excluded.run, "accepted_since": 0, "last_at": _insert_run.excluded.last_at},
    )
)
_RUN = Statement(soft_bounces.select().where(soft_bounces.c.address == bindparam("address")))
_DELETE_RUN = Statement(delete(soft_bounces).where(soft_bounces.c.address == bindparam("address")))
_COUNT_ACCEPTED = Statement(
    update(soft_bounces)
    .where(soft_bounces.c.address.in_(bindparam("addresses", expanding=True)))
    .values(accepted_since=soft_bounces.c.accepted_since + 1)
)


def note_soft_bounce(tx: Tx, email: str, detail: str, *, was_accepted: bool) -> bool:
    """Counts a mail that was returned for a passing reason, such as a full mailbox, and suppresses its address after too
    many in a row. `was_accepted`: a server had accepted it. Returns whether the address is suppressed now."""
    tx.lock_names(f"email:{email}")
    row = tx.first(_RUN, address=email)
    run = 1 if row is None else rules.soft_bounces_in_a_row(row.run, row.accepted_since, was_accepted=was_accepted)
    tx.run(_UPSERT_RUN, address=email, run=run, now=tx.now)
    return run > rules.MAX_SOFT_BOUNCES and suppress(tx, "email", email, Suppressed.SOFT_BOUNCES, detail)


def note_accepted(tx: Tx, emails: Sequence[str]) -> None:
    """Notes that a server accepted mails to these addresses. If the next bounce is of another mail, they arrived."""
    for some in chunks(sorted({email.lower() for email in emails}), ROWS_PER_STATEMENT):
        tx.run(_COUNT_ACCEPTED, addresses=list(some))


def note_delivered(tx: Tx, email: str) -> None:
    """Ends a run of soft bounces: a server reported that a mail arrived."""
    tx.run(_DELETE_RUN, address=email)
