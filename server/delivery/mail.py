"""Queues mail and composes queued mail for sending.

A queued mail contains a template and its arguments. It is composed in the transaction that begins the send. Sign-in
links are created at that time, so that only their hashes are stored (G18).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update

from server.channels.dkim import DkimKey
from server.channels.mail import Mail
from server.consent import queries as consent
from server.consent import rules as consent_rules
from server.delivery import actions, claiming, mail_copies, settling
from server.delivery.actions import Queued
from server.delivery.claiming import Claim, Claimed
from server.delivery.mail_domain import signing_key
from server.delivery.mail_settings import MAIL, MailSettings, save
from server.delivery.rules import LANES, Lane, State
from server.errors import Refused
from server.kernel.sql import Row, Statement, Tx
from server.schema import outbound
from server.threads.mails import append_mail

log = structlog.get_logger()

SENDER = "mail"  # the `sender` of every mail, because there is one mail server
PURPOSE = "mail"  # purpose of the key derived for message ids and return paths


@dataclass(frozen=True, slots=True)
class Mailing:
    """One mail to queue. `data`: the template's arguments, without secrets. `contact` None: the recipient is a user."""

    key: str
    kind: str  # a kind of `rules.LANES`
    recipient: str
    template: str
    data: Mapping[str, Any] = field(default_factory=dict)
    purpose: str = "transactional"  # a `consent.rules.SendPurpose`
    contact: int | None = None
    thread: int | None = None
    seq: int | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MailRow:
    """A queued mail, as input of its composer."""

    id: int
    token: str
    kind: str
    template: str
    recipient: str
    contact: int | None
    data: Mapping[str, Any]
    public_url: str  # of the console, for links


@dataclass(frozen=True, slots=True)
class Composed:
    subject: str
    text: str
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    automatic: bool = True
    secrets: Sequence[str] = ()  # parts of the text, such as links that sign somebody in; never stored
    # "": as in Settings → E-mail
    sender: str = ""
    sender_name: str = ""
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The reason not to send a queued mail any more: a code and a sentence."""

    reason: str
    message: str


Composer = Callable[[Tx, MailRow], Composed | Withdrawn]


def queue_mail(tx: Tx, mailing: Mailing) -> Queued:
    """Stores a mail and wakes the pump when it is due. A repeated key returns the first row."""
    return actions.store(tx, [_row(tx, mailing)], "email")[0]


def _row(tx: Tx, mailing: Mailing) -> dict[str, Any]:
    return actions.new_row(
        tx,
        key=mailing.key,
        channel="email",
        kind=mailing.kind,
        purpose=mailing.purpose,
        contact_id=mailing.contact,
        thread_id=mailing.thread,
        seq=mailing.seq,
        recipient=mailing.recipient,
        sender=SENDER,
        template=mailing.template,
        data=dict(mailing.data),
        lane=int(LANES[mailing.kind]),
        due_at=mailing.due_at,
    )


def configure(tx: Tx, new_settings: MailSettings, password: str | None = None) -> MailSettings:
    """Stores the settings of mail and wakes the pump for waiting mail."""
    saved = save(tx, new_settings, password)
    actions.wake_pump(tx, tx.now, "email")
    return saved


# --- the pump's steps -------------------------------------------------------------------------------

_LOCK_CLAIMED = Statement(
    select(
        outbound.c.id,
        outbound.c.turn,
        outbound.c.token,
        outbound.c.kind,
        outbound.c.purpose,
        outbound.c.contact_id,
        outbound.c.recipient,
        outbound.c.template,
        outbound.c.data,
        outbound.c.lane,
        outbound.c.attempts,
        outbound.c.sid,
        outbound.c.thread_id,
    )
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)), outbound.c.state == State.CLAIMED.value)
    .with_for_update(),
    uses=("pk_outbound",),
)
_SET_MESSAGE_ID = Statement(
    update(outbound).where(outbound.c.id == bindparam("outbound")).values(sid=bindparam("message_id"))
)


@dataclass(frozen=True, slots=True)
class ReadyMail:
    """A mail marked `sending`: send it now or never."""

    id: int
    turn: int
    attempt: int
    mail: Mail
    thread: None = None  # mail does not wait for other mail of its thread


def claim(tx: Tx, room: int, lanes: Sequence[Lane] = tuple(Lane)) -> Claimed:
    """Leases at most `room` due mails of these lanes, the most urgent first."""
    if not MAIL.load(tx).usable:
        return Claimed([])
    return claiming.claim_of(tx, "email", SENDER, room, lanes)


def begin(tx: Tx, claims: Sequence[Claim], composers: Mapping[str, Composer], public_url: str) -> list[ReadyMail]:
    """Asks the gate for each claim, composes the allowed mails and marks them `sending`."""
    document = MAIL.load(tx)
    turns = {claimed.id: claimed.turn for claimed in claims}
    rows = [row for row in tx.all(_LOCK_CLAIMED, ids=list(turns)) if row.turn == turns[row.id]]
    if not document.usable:
        for row in rows:
            claiming.requeue(tx, row, tx.now)
        return []
    if not rows:
        return []
    ready = []
    dkim = signing_key(tx, document)
    people = [(row.contact_id or 0, row.recipient.lower()) for row in rows]
    for row, facts in zip(rows, consent.facts_of(tx, people, channel="email", lock=True), strict=True):
        match consent_rules.may_send(row.purpose, "email", facts, tx.now):
            case consent_rules.Blocked(reason, message):
                settling.skip(tx, row.id, reason, message)
            case consent_rules.Held(until):
                claiming.requeue(tx, row, until, "email")
            case _:
                mail = _compose(tx, row, document, composers, public_url, dkim)
                if mail is not None:
                    ready.append(ReadyMail(row.id, row.turn, row.attempts + 1, mail))
    if ready:
        claiming.mark_sending(tx, [ready_mail.id for ready_mail in ready])
    return ready


def _compose(
    tx: Tx,
    row: Row,
    document: MailSettings,
    composers: Mapping[str, Composer],
    public_url: str,
    dkim: DkimKey | None,
) -> Mail | None:
    """Composes the mail. Returns None if the mail was withdrawn or its template is broken; the other mails are still
    sent."""
    try:
        composed = composers[row.template](
            tx,
            MailRow(
                row.id, row.token, row.kind, row.template, row.recipient, row.contact_id, row.data or {}, public_url
            ),
        )
    except Refused as refused:
        composed = Withdrawn(refused.code, refused.message)
    except Exception:
        log.exception("mail_not_composed", outbound=row.id, template=row.template)
        settling.fail(tx, row.id, "not_composed", "This mail could not be written. See the server's log.")
        return None
    if isinstance(composed, Withdrawn):
        settling.skip(tx, row.id, composed.reason, composed.message)
        return None
    key = tx.key(PURPOSE)
    message_id = row.sid or _message_id(key, row.id, document.from_address)
    if row.sid is None:
        tx.run(_SET_MESSAGE_ID, outbound=row.id, message_id=message_id)
    if row.contact_id is not None:
        _keep_copy(tx, row, composed)
    return Mail(
        recipient=row.recipient,
        sender=composed.sender or document.from_address,
        sender_name=composed.sender_name or document.from_name,
        subject=composed.subject,
        text=composed.text,
        html=composed.html,
        message_id=message_id,
        return_path=return_path(key, row.id, document),
        at=tx.now,
        reply_to=composed.reply_to or document.reply_to,
        automatic=composed.automatic,
        headers=composed.headers,
        urgent=Lane(row.lane).urgent,
        dkim=dkim,
    )


def _keep_copy(tx: Tx, row: Row, composed: Composed) -> None:
    """Shows the mail in the contact's mail thread, without its secrets."""
    subject, text, html = (
        mail_copies.without(composed.secrets, part) for part in (composed.subject, composed.text, composed.html)
    )
    mail_copies.store(tx, row.id, text, html)
    if row.thread_id is None:  # not at a later attempt
        entry = append_mail(tx, row.contact_id, row.id, row.kind, subject, row.recipient, text)
        actions.set_entry(tx, row.id, *entry)


# --- return paths and message ids -------------------------------------------------------------------


def _tag(key: bytes, purpose: str, outbound_id: int) -> str:
    return hmac.digest(key, f"{purpose}:{outbound_id}".encode(), "sha256").hex()[:20]


def _message_id(key: bytes, outbound_id: int, from_address: str) -> str:
    return f"{outbound_id}.{_tag(key, 'id', outbound_id)}@{from_address.rpartition('@')[2]}"


def return_path(key: bytes, outbound_id: int, document: MailSettings) -> str:
    """The address that receives the bounces of this mail (VERP): the From address if the settings have no return path."""
    if not document.return_path:
        return document.from_address
    local, _, domain = document.return_path.rpartition("@")
    return f"{local}+{outbound_id}-{_tag(key, 'bounce', outbound_id)}@{domain}"


def bounced(key: bytes, address: str) -> int | None:
    """The id of the message with this return path; None if our signature in the address is missing or invalid. Ignores
    case, because servers change the case of addresses."""
    local = address.rpartition("@")[0].lower()
    number, dash, tag = local.rpartition("+")[2].partition("-")
    if not dash or not number.isascii() or not number.isdecimal() or len(number) > 18:
        return None
    return int(number) if hmac.compare_digest(tag.encode(), _tag(key, "bounce", int(number)).encode()) else None


def identified(key: bytes, message_id: str) -> int | None:
    """The id of the message with this Message-ID (without < and >); None if the signature in it is missing or invalid."""
    number, _, tag = message_id.partition("@")[0].partition(".")
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        return None
    return int(number) if hmac.compare_digest(tag.encode(), _tag(key, "id", int(number)).encode()) else None
