"""The command palette's search for contacts and tickets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, or_, select

from server.contacts.rules import AddressKind
from server.inbox.details import ContactBrief, brief
from server.inbox.rules import phone_digits
from server.kernel.sql import Conn, Statement
from server.schema import addresses, contacts, tickets, visitors
from server.text import search_key
from server.threads.tickets import Ticket, by_id, select_tickets

RESULTS_PER_KIND = 8  # results of each kind
NOTHING = " "  # a pattern that matches no name: a search key never begins or ends with a space

_name_begins: tuple[BindParameter[Any], ...] = (bindparam("name_begins"), bindparam("word_begins"))


def _like(column: ColumnElement[Any], *patterns: BindParameter[Any]) -> ColumnElement[bool]:
    return or_(*(column.like(pattern, escape="\\") for pattern in patterns))


_with_address = select(addresses.c.contact_id).where(
    or_(
        and_(addresses.c.kind == AddressKind.EMAIL.value, _like(addresses.c.value, bindparam("email_begins"))),
        and_(
            addresses.c.kind.in_((AddressKind.PHONE.value, AddressKind.PEER.value)),
            addresses.c.value.like(bindparam("digits")),
        ),
    )
)
_any_address = select(addresses.c.id).where(
    addresses.c.kind.in_((AddressKind.EMAIL.value, AddressKind.PHONE.value, AddressKind.PEER.value))
)
# A merged contact is found as the one that remains.
_merged = contacts.alias("merged")
_merged_match = select(_merged.c.merged_into).where(
    _merged.c.merged_into.is_not(None),
    or_(_like(_merged.c.name_key, *_name_begins), _merged.c.id.in_(_with_address)),
)
_FIND = Statement(
    select(contacts.c.id, contacts.c.name, contacts.c.email, contacts.c.phone, contacts.c.verified)
    .where(
        contacts.c.merged_into.is_(None),
        or_(
            _like(contacts.c.name_key, *_name_begins),
            contacts.c.id.in_(_with_address),
            contacts.c.id.in_(_merged_match),
        ),
    )
    .order_by(contacts.c.id.desc())
    .limit(RESULTS_PER_KIND)
)
_FIND_TICKETS = Statement(
    select_tickets()
    .where(
        or_(
            _like(func.coalesce(func.nullif(contacts.c.name_key, ""), visitors.c.name_key), *_name_begins),
            and_(contacts.c.email.is_(None), _like(visitors.c.email, bindparam("email_begins"))),
            contacts.c.id.in_(_with_address),
        )
    )
    .order_by(tickets.c.last_message_at.desc(), tickets.c.id.desc())
    .limit(RESULTS_PER_KIND),
    into=Ticket,
)
# Tickets of people without name, address and number. The console shows them by ticket number.
_FIND_NAMELESS = Statement(
    select_tickets()
    .where(
        contacts.c.name == "",
        func.coalesce(visitors.c.name, "") == "",
        visitors.c.email.is_(None),
        ~_any_address.where(addresses.c.contact_id == contacts.c.id).exists(),
    )
    .order_by(tickets.c.last_message_at.desc(), tickets.c.id.desc())
    .limit(RESULTS_PER_KIND),
    into=Ticket,
)


def find(conn: Conn, text: str, nameless: bool = False) -> tuple[list[ContactBrief], list[Ticket]]:
    """Finds contacts and tickets by ticket number, by the beginning of a name, of a word in a name or of an e-mail address,
    or by consecutive digits of a phone number. `nameless`: also the newest tickets of people who have none of these."""
    query, key = text.strip(), search_key(text)
    digits = phone_digits(text)
    number = query.lstrip("#")
    ticket_by_number = None
    if number.isascii() and number.isdecimal() and len(number) < 15:
        ticket_by_number = by_id(conn, int(number))
    if query.startswith("#"):
        return [], [] if ticket_by_number is None else [ticket_by_number]
    patterns = {
        "name_begins": f"{_escaped(key)}%" if key else NOTHING,
        "word_begins": f"% {_escaped(key)}%" if key else NOTHING,
        "email_begins": _escaped(query.lower()) + "%",
        "digits": "" if digits is None else f"%{digits}%",  # "" matches no number
    }
    people = [brief(row) for row in conn.all(_FIND, **patterns)]
    ticket_rows = [] if ticket_by_number is None else [ticket_by_number]
    ticket_rows += conn.all(_FIND_TICKETS, **patterns)
    if nameless:
        ticket_rows += conn.all(_FIND_NAMELESS)
    return people, [*{ticket.id: ticket for ticket in ticket_rows}.values()]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
