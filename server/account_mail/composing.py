"""Queues the mails to users (invitation, sign-in link, new password), and writes them when they are sent.

The queued row holds no link: the link is created here, in the transaction that begins the send (G18).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from server.account_mail.texts import INVITATION, RESET, SIGN_IN, TEXTS
from server.accounts.mailed_links import add_mailed_invite, add_mailed_link
from server.accounts.rules import MAILED_LIFE, Invited, LinkRequested, Purpose
from server.accounts.single_use_links import link_url
from server.delivery.mail import Composed, Composer, Mailing, MailRow, Withdrawn, queue_mail
from server.delivery.mail_settings import MAIL
from server.kernel.clock import rfc3339
from server.kernel.sql import Conn, Tx
from server.templates.mail_layout import Look, write
from server.webchat.settings import WIDGET

_PURPOSES: dict[str, Purpose] = {RESET: "reset", SIGN_IN: "signin"}
_TEMPLATES: dict[Purpose, str] = {"reset": RESET, "signin": SIGN_IN}


# --- reactions ------------------------------------------------------------------------------------


def mail_invitation(tx: Tx, invited: Invited) -> None:
    """Queues the invitation if mail is set up. Otherwise the admin passes on the link."""
    if MAIL.load(tx).usable:
        data = {"invite": invited.invite_id, "inviter": invited.inviter, "language": invited.language}
        key = f"invite:{tx.token(12)}"  # not the id: SQLite gives that of a deleted invitation again
        queue_mail(tx, Mailing(key, "account", invited.email, INVITATION, data))


def mail_link(tx: Tx, requested: LinkRequested) -> None:
    """Queues the mail that a user asked for. A repeated announcement queues nothing."""
    if MAIL.load(tx).usable:
        at = rfc3339(requested.requested_at)
        data = {
            "user": requested.user_id,
            "language": requested.language,
            "address": requested.address,
            "requested_at": at,
        }
        key = f"{requested.purpose}:{requested.user_id}:{at}"
        queue_mail(tx, Mailing(key, "account", requested.email, _TEMPLATES[requested.purpose], data))


# --- composers --------------------------------------------------------------------------------------


def brand_look(conn: Conn, language: str) -> Look:
    """Name and colours of the brand, from Settings → Chat widget."""
    widget = WIDGET.load(conn)
    return Look(widget.brand, widget.color, language)


def _written(tx: Tx, row: MailRow, url: str, **values: Any) -> Composed:
    texts = TEXTS[row.template]
    language = row.data.get("language", "en")
    language = language if language in texts else "en"
    mail = write(texts[language], values, brand_look(tx, language), url)
    return Composed(mail.subject, mail.text, mail.html, secrets=[url])


def compose_invitation(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    token = tx.token(32)
    if add_mailed_invite(tx, row.data["invite"], row.recipient, token) is None:
        return Withdrawn("invite_closed", "The invitation was withdrawn, accepted, or has expired.")
    return _written(tx, row, link_url(row.public_url, "invite", token), inviter=row.data["inviter"])


def compose_link(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    if tx.now - datetime.fromisoformat(row.data["requested_at"]) > MAILED_LIFE:
        return Withdrawn("link_outdated", "The link was requested more than an hour before it could be sent.")
    purpose, token = _PURPOSES[row.template], tx.token(32)
    user = add_mailed_link(tx, purpose, row.data["user"], token)
    if user is None or user.email != row.recipient:
        return Withdrawn("account_disabled", "The account was disabled or has another address now.")
    return _written(
        tx, row, link_url(row.public_url, purpose, token), email=user.email, address=row.data["address"] or "–"
    )


COMPOSERS: dict[str, Composer] = {
    INVITATION: compose_invitation,
    RESET: compose_link,
    SIGN_IN: compose_link,
}
