"""Applies the reports of mail servers to the mails that they are about.

A report names its mail by the return path or by the Message-ID. Both contain our signature, so a forged report cannot
name a mail that its author did not receive.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import bindparam, insert

from server.channels.bounces import Bounce, Fate
from server.consent import suppressing
from server.consent.rules import Suppressed
from server.delivery import mail, queries, settling
from server.delivery.queries import Outbound
from server.delivery.rules import State
from server.kernel.sql import Statement, Tx
from server.schema import carrier_reports

log = structlog.get_logger()

STATES = {Fate.HARD: State.UNDELIVERED, Fate.SOFT: State.UNDELIVERED, Fate.DELIVERED: State.DELIVERED}

_INSERT_REPORT = Statement(
    insert(carrier_reports).values({name: bindparam(name) for name in "sid outbound_id status error params at".split()})
)


@dataclass(frozen=True, slots=True)
class AppliedBounce:
    """`outbound`: the mail that the report is about; None if it names none of ours."""

    fate: Fate
    outbound: int | None
    suppressed: bool = False


def apply_bounce(tx: Tx, bounce: Bounce) -> AppliedBounce:
    """Stores the report and settles its mail. An address that does not exist gets no more mail."""
    outbound_id = _find_outbound(tx, bounce)
    if outbound_id is None or bounce.fate is Fate.OTHER:
        return AppliedBounce(bounce.fate, outbound_id)
    row = queries.by_id(tx, outbound_id, lock=True)
    if row is None or row.channel != "email":
        return AppliedBounce(bounce.fate, None)
    tx.run(
        _INSERT_REPORT,
        sid=row.sid or "",
        outbound_id=row.id,
        status=bounce.fate.value,
        error=bounce.status,
        params=dict(bounce.fields),
        at=tx.now,
    )
    state = STATES.get(bounce.fate)
    is_new = False
    if state is not None:
        failed = state is State.UNDELIVERED
        reason, detail = (bounce.status, bounce.detail) if failed else ("", "")
        is_new = settling.settle_by_report(tx, row, state, reason, detail)
    return AppliedBounce(bounce.fate, row.id, _suppress(tx, row, bounce, is_new))


def _find_outbound(tx: Tx, bounce: Bounce) -> int | None:
    key = tx.key(mail.PURPOSE)
    from_return_paths = (mail.bounced(key, address) for address in bounce.addresses)
    from_message_ids = (mail.identified(key, message_id) for message_id in bounce.message_ids)
    return next(
        (message for ids in (from_return_paths, from_message_ids) for message in ids if message is not None), None
    )


def _suppress(tx: Tx, row: Outbound, bounce: Bounce, is_new: bool) -> bool:
    """Suppresses an address that does not exist at once, another one after a run of failed mails (SUP-3). `is_new`: the
    report is the first one of its mail."""
    address = row.recipient.lower()
    if bounce.dead:
        words = f"{bounce.status} {bounce.detail}".strip() or "The address does not exist."
        suppressed = suppressing.suppress(tx, "email", address, Suppressed.DEAD, words)
        if suppressed:
            log.info("mail_address_dead", outbound=row.id, status=bounce.status)
        return suppressed
    if is_new and bounce.fate is Fate.DELIVERED:
        suppressing.note_delivered(tx, address)
    if not is_new or bounce.fate not in (Fate.SOFT, Fate.HARD):
        return False
    words = f"{bounce.status} {bounce.detail}".strip()
    return suppressing.note_soft_bounce(tx, address, words, was_accepted=True)
