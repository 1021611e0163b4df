"""Writes mails to visitors when they are sent."""

from __future__ import annotations

from typing import Any

from server.chat_mail import follow_ups, rules
from server.chat_mail.texts import FOLLOW_UP
from server.delivery.mail import Composed, Composer, MailRow, Withdrawn
from server.kernel.ids import digest
from server.kernel.sql import Row, Tx
from server.sms.settings import INBOX
from server.templates.mail_layout import Look, MailText, write
from server.threads import tickets
from server.webchat.settings import WIDGET

MAX_REPLIES = 50  # in one mail; the chat shows the others

_RETURNED = Withdrawn("returned", "The visitor came back before the mail was sent.")
_SEEN = Withdrawn("seen", "The visitor had seen the replies before the mail was sent.")


def link_url(public_url: str, token: str) -> str:
    """The return link. The token is in the fragment, which browsers send to no server."""
    return f"{public_url}/chat#{token}"


def compose_follow_up(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    """Composes a mail with the replies that the visitor missed and a link back to the chat. Withdraws it if the visitor
    returned meanwhile (FUP-6)."""
    follow_up = follow_ups.lock_follow_up(tx, row.data["follow_up"])
    ticket = None if follow_up is None else tickets.by_thread(tx, follow_up.thread_id)
    if follow_up is None or ticket is None:
        return Withdrawn("gone", "The conversation no longer exists.")
    wrote_since = ticket.last_inbound_seq > follow_up.first_seq
    came_back = rules.has_returned(ticket.visitor_seen_at, follow_up.absent_since)
    if follow_up.returned_at is not None or wrote_since or came_back:
        follow_ups.end_absence(tx, ticket.thread)
        return _RETURNED
    replies = follow_ups.missed_replies(tx, ticket, follow_up.id, MAX_REPLIES)
    if not replies:
        return _SEEN
    settings = INBOX.load(tx)
    if not settings.support_from:
        return Withdrawn("no_address", "The support address was removed before the mail was sent.")
    token = tx.token(32)
    follow_ups.note_mailed(tx, follow_up.id, replies[-1].seq, digest(token))
    reply_to = settings.support_reply_to or settings.support_from
    language = follow_ups.locale_of(tx, ticket.thread)[:2].lower()
    widget = WIDGET.load(tx)
    look = Look(widget.brand, widget.color, language if language in FOLLOW_UP else "en")
    source, values = _source(look.language, replies)
    url = link_url(row.public_url, token)
    mail = write(source, values | {"reply_to": reply_to}, look, url)
    return Composed(
        mail.subject,
        mail.text,
        mail.html,
        secrets=[url],
        sender=settings.support_from,
        sender_name=settings.support_name or widget.brand,
        reply_to=reply_to,
    )


def _source(language: str, replies: list[Row]) -> tuple[MailText, dict[str, Any]]:
    """The mail's template and its values. The texts of agents are values, so they are never evaluated as templates (G21)."""
    texts = FOLLOW_UP[language]
    values: dict[str, Any] = {}
    paragraphs = [texts.lead]
    for number, reply in enumerate(replies):
        values[f"name{number}"], values[f"text{number}"] = reply.author_name, reply.body
        paragraphs.append(f"{{{{ name{number} }}}}:" + (f"\n{{{{ text{number} }}}}" if reply.body else ""))
        for place, file in enumerate(reply.data.get("files", [])):
            name = f"file{number}_{place}"
            values[name] = file["name"]
            paragraphs.append(texts.file.replace("{{ file }}", f"{{{{ {name} }}}}"))
    return MailText(texts.subject, paragraphs, texts.button, [texts.reply, texts.link], link_hint=texts.hint), values


COMPOSERS: dict[str, Composer] = {follow_ups.TEMPLATE: compose_follow_up}
