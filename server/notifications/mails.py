"""Mails to users about new, reopened and unread tickets: queues them, and composes them when they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.delivery.mail import Composed, Composer, Mailing, MailRow, Withdrawn, queue_mail
from server.kernel.sql import Tx
from server.notifications.queries import NotifiedUser, notified_user, tickets_by_id
from server.notifications.rules import SINGLE_MAILS
from server.notifications.texts import CHANNELS, REMINDER, TEXTS, TICKET, TICKETS
from server.templates.mail_layout import Look, write
from server.webchat.settings import WIDGET


def queue_tickets(tx: Tx, person: NotifiedUser, opened: Sequence[tuple[int, str, int]]) -> None:
    """Queues one mail for each ticket, or one mail in all for more than `SINGLE_MAILS`. `opened`: (notice, kind, ticket), with
    ids."""
    if len(opened) > SINGLE_MAILS:
        _queue(tx, person, opened[-1][0], TICKETS, count=len(opened))
        return
    for notice, kind, ticket in opened:
        _queue(tx, person, notice, TICKET, kind=kind, ticket=ticket)


def queue_reminder(tx: Tx, person: NotifiedUser, notice: int, count: int) -> None:
    _queue(tx, person, notice, REMINDER, count=count)


def _queue(tx: Tx, person: NotifiedUser, notice: int, template: str, **data: Any) -> None:
    # The key has a random part, because SQLite may reuse the id of a deleted notice.
    key = f"alert:{person.id}:{notice}:{tx.token(9)}"
    queue_mail(tx, Mailing(key, "alert", person.email, template, {"user": person.id, **data}))


def compose(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    """Withdraws the mail if the user is online by now, no longer wants mail, or may no longer read tickets."""
    person = notified_user(tx, row.data["user"], tx.now)
    if person is None or person.email != row.recipient:
        return Withdrawn(
            "account_disabled", "The account was disabled, may not read tickets, or has another address now."
        )
    if not person.wishes.mail:
        return Withdrawn("unwanted", "The user has turned off mail about tickets.")
    if person.online:
        return Withdrawn("online", "The user is online by now and sees the ticket in the inbox.")
    language = person.language if person.language in CHANNELS else "en"
    values: dict[str, Any] = {"count": row.data.get("count", 1)}
    path = "/inbox"
    template = f"{row.template}.{row.data['kind']}" if row.template == TICKET else row.template
    if row.template == TICKET:
        ticket = tickets_by_id(tx, {row.data["ticket"]}).get(row.data["ticket"])
        if ticket is None or ticket.status == "closed":
            return Withdrawn("ticket_closed", "The ticket was closed before the mail could be sent.")
        name = ticket.contact_name or ticket.contact_phone or ticket.contact_email or CHANNELS[language]["nobody"]
        values |= {"name": name, "channel": CHANNELS[language][ticket.channel], "preview": ticket.preview}
        path = f"/inbox/{ticket.id}"
    widget = WIDGET.load(tx)
    look = Look(widget.brand, widget.color, language)
    mail = write(TEXTS[template][language], values, look, f"{row.public_url}{path}")
    return Composed(mail.subject, mail.text, mail.html)


COMPOSERS: dict[str, Composer] = dict.fromkeys((TICKET, TICKETS, REMINDER), compose)
