"""Adds contacts to lists as users and programs ask, or asks them first if the list has double opt-in (CON-9)."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import bindparam, select

from server.account_mail.composing import brand_look
from server.accounts.rules import Agent, ApiKey
from server.audiences import lists
from server.consent import opting_in
from server.consent.rules import Purpose
from server.contact_data.texts import CONFIRMATION
from server.delivery.mail import Composed, Composer, Mailing, MailRow, Withdrawn, queue_mail
from server.kernel.columns import to_micros
from server.kernel.ids import digest
from server.kernel.sql import Statement, Tx
from server.schema import contacts, list_members, merged_set
from server.templates.mail_layout import write

TEMPLATE = "opt_in"
Joined = Literal["joined", "already", "asked", "no_email"]

_CONTACT = Statement(
    select(contacts.c.id, contacts.c.email, contacts.c.language).where(contacts.c.id == bindparam("contact"))
)
_IN_LIST = Statement(
    select(list_members.c.contact_id)
    .where(
        list_members.c.list_id == bindparam("list"),
        list_members.c.contact_id.in_(merged_set(bindparam("contact"))),
    )
    .limit(1)
)


def join(tx: Tx, contact: int, list_id: int, actor: Agent | ApiKey, source: str) -> Joined:
    """Adds the contact to the list. With double opt-in, asks by mail instead, and the contact joins by confirming: `asked`.

    A contact who was asked within a day gets no second mail. `no_email`: the contact cannot be asked. Raises `NotFound`
    for a list that does not exist.
    """
    wanted = lists.by_id(tx, list_id)
    if tx.first(_IN_LIST, list=list_id, contact=contact) is not None:
        return "already"
    if not wanted.double_opt_in:
        return "joined" if lists.add_members(tx, list_id, [contact], actor.by) else "already"
    person = tx.one(_CONTACT, contact=contact)
    if not person.email:
        return "no_email"
    asked = opting_in.asked_by_mail(tx, contact, list_id)
    if asked is not None and asked.address == person.email and tx.now - asked.asked_at < opting_in.ASKED_AGAIN_AFTER:
        return "asked"
    opting_in.ask_opt_in(
        tx,
        contact,
        wording="",
        source=source,
        purposes=(Purpose.EMAIL_MARKETING,),
        channel="email",
        list_id=list_id,
        address=person.email,
    )
    key = f"opt_in:{contact}:{list_id}:{to_micros(tx.now)}"
    data: dict[str, Any] = {"list": list_id, "language": person.language}
    queue_mail(tx, Mailing(key, "opt_in", person.email, TEMPLATE, data, contact=contact))
    return "asked"


# --- the mail -----------------------------------------------------------------------------------------


def link_url(public_url: str, token: str) -> str:
    """The token is in the fragment, which browsers send to no server."""
    return f"{public_url}/confirm#{token}"


def compose(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    """The question with its link. Only the hash of the link is stored."""
    contact, list_id = row.contact, row.data["list"]
    asked = None if contact is None else opting_in.asked_by_mail(tx, contact, list_id)
    if contact is None or asked is None or asked.address != row.recipient:
        return Withdrawn("confirmed", "The question was answered, or has expired, before the mail was sent.")
    language = str(row.data.get("language", ""))
    language = language if language in CONFIRMATION else "en"
    token = tx.token(32)
    url = link_url(row.public_url, token)
    mail = write(CONFIRMATION[language], {}, brand_look(tx, language), url)
    opting_in.set_link(tx, contact, list_id, digest(token), row.id, mail.text.replace(url, "…"))
    return Composed(mail.subject, mail.text, mail.html, secrets=[url])


COMPOSERS: dict[str, Composer] = {TEMPLATE: compose}
