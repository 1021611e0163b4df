"""Opt-in questions that wait for a confirmation, by text or by the link of a mail, as transaction steps (CON-9..11).

A confirmation by text also confirms what was asked by mail; one by mail confirms e-mail only. A list is joined only then:
`OptInConfirmed` names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.consent.actions import lift_suppression_of_sender, record_many
from server.consent.ledger import ConsentChange, is_sms
from server.consent.queries import opt_in, suppression
from server.consent.rules import Method, OptInConfirmed, Purpose, Status, Suppressed
from server.consent.suppressing import unsuppress
from server.kernel.columns import Instant
from server.kernel.sql import Row, Statement, Tx
from server.schema import merged_set, opt_ins

EXPIRES_AFTER = timedelta(days=7)
ASKED_AGAIN_AFTER = timedelta(days=1)  # a repeated wish to join within this time sends no second mail

_insert = insert(opt_ins).values({column.name: bindparam(column.name) for column in opt_ins.columns})
_UPSERT = Statement(
    _insert.on_conflict_do_update(
        index_elements=["contact_id", "channel", "list_id"],
        set_={
            column.name: _insert.excluded[column.name]
            for column in opt_ins.columns
            if column.name not in ("contact_id", "channel", "list_id")
        },
    )
)
_PENDING = Statement(
    select(opt_ins).where(
        opt_ins.c.contact_id == bindparam("contact"),
        opt_ins.c.channel == bindparam("channel"),
        opt_ins.c.list_id == bindparam("list"),
        opt_ins.c.expires_at > bindparam("now", type_=Instant),
    )
)
_TAKE_ALL = Statement(
    delete(opt_ins)
    .where(
        opt_ins.c.contact_id.in_(merged_set(bindparam("contact"))),
        opt_ins.c.expires_at > bindparam("now", type_=Instant),
    )
    .returning(*opt_ins.columns)
)
_TAKE_BY_LINK = Statement(
    delete(opt_ins)
    .where(opt_ins.c.link_hash == bindparam("hash"), opt_ins.c.expires_at > bindparam("now", type_=Instant))
    .returning(*opt_ins.columns)
)
_SET_LINK = Statement(
    update(opt_ins)
    .where(
        opt_ins.c.contact_id == bindparam("contact"),
        opt_ins.c.channel == "email",
        opt_ins.c.list_id == bindparam("list"),
        opt_ins.c.expires_at > bindparam("now", type_=Instant),
    )
    .values(link_hash=bindparam("hash"), outbound_id=bindparam("outbound"), wording=bindparam("shown"))
)


class Pending(NamedTuple):
    """A question by mail that waits. `list` 0: none."""

    address: str
    asked_at: datetime


def ask_opt_in(
    tx: Tx,
    contact: int,
    *,
    wording: str,
    source: str,
    keyword: str = "",
    purposes: Sequence[str] = (Purpose.SMS_MARKETING,),
    channel: str = "sms",
    list_id: int = 0,
    address: str = "",
) -> None:
    """Stores a question until it is confirmed or expires. `wording`: the question as sent, kept as proof; of a mail it is
    set when the mail is written."""
    tx.run(
        _UPSERT,
        contact_id=contact,
        channel=channel,
        list_id=list_id,
        purposes=list(purposes),
        keyword=keyword,
        source=source,
        wording=wording,
        address=address,
        link_hash=None,
        outbound_id=None,
        asked_at=tx.now,
        expires_at=tx.now + EXPIRES_AFTER,
    )


def asked_by_mail(tx: Tx, contact: int, list_id: int) -> Pending | None:
    """The question by mail that waits for this contact's confirmation; None: there is none, or it expired."""
    row = tx.first(_PENDING, contact=contact, channel="email", list=list_id, now=tx.now)
    return None if row is None else Pending(row.address, row.asked_at)


def set_link(tx: Tx, contact: int, list_id: int, link_hash: str, outbound: int, wording: str) -> bool:
    """Stores the hash of a mail's link and the text of the mail. Returns False if the question no longer waits."""
    return (
        tx.run(_SET_LINK, contact=contact, list=list_id, hash=link_hash, outbound=outbound, shown=wording, now=tx.now)
        > 0
    )


def confirm_opt_in(
    tx: Tx, contact: int, phone: str, *, source: str, received_text: str, language: str = ""
) -> tuple[str, ...] | None:
    """Records consent to all purposes of the pending questions, also of those by mail, and returns the purposes; None if no
    question by text is pending."""
    tx.lock_names(f"sms:{phone}")
    if opt_in(tx, contact, tx.now) is None:
        return None
    rows = tx.all(_TAKE_ALL, contact=contact, now=tx.now)
    if not any(row.channel == "sms" for row in rows):
        return None
    lift_suppression_of_sender(tx, phone)
    reason = f"answered {received_text[:40]!r}"
    purposes = _record(tx, contact, rows, source, language, reason, phone)
    _announce_lists(tx, contact, rows, source)
    return purposes


def confirm_by_link(tx: Tx, link_hash: str) -> Row | None:
    """Records consent to the e-mail purposes of the question whose mail had this link. Returns the question; None if the
    link is unknown, used or expired."""
    row = tx.first(_TAKE_BY_LINK, hash=link_hash, now=tx.now)
    if row is None:
        return None
    if row.address:
        _lift_erasure(tx, row.address)
    source = f"mail:{row.outbound_id}"
    _record(tx, row.contact_id, [row], source, "", "pressed the button of the confirmation mail", None)
    _announce_lists(tx, row.contact_id, [row], source)
    return row


def _lift_erasure(tx: Tx, email: str) -> None:
    """Somebody who was erased wants mail again."""
    present = suppression(tx, "email", email)
    if present is not None and present.reason == Suppressed.ERASED:
        unsuppress(tx, "email", email)


def _record(
    tx: Tx, contact: int, rows: Sequence[Row], source: str, language: str, reason: str, phone: str | None
) -> tuple[str, ...]:
    """`phone` None: texts are not confirmed."""
    wordings: dict[str, tuple[str, str]] = {}
    for row in sorted(rows, key=lambda row: row.asked_at):
        wordings |= {purpose: (row.wording, row.address) for purpose in row.purposes if phone or not is_sms(purpose)}
    changes = [
        ConsentChange(
            contact,
            purpose,
            Status.SUBSCRIBED,
            Method.DOUBLE_OPT_IN,
            source,
            wording,
            language,
            None,
            reason,
            phone if is_sms(purpose) else address or None,
        )
        for purpose, (wording, address) in sorted(wordings.items())
    ]
    record_many(tx, changes)
    return tuple(change.purpose for change in changes)


def _announce_lists(tx: Tx, contact: int, rows: Sequence[Row], source: str) -> None:
    joined = sorted({row.list_id for row in rows if row.list_id})
    if joined:
        tx.announce(OptInConfirmed(contact, tuple(joined), source))
