"""What the table of contacts can be sorted by and searched for, and the groups of a contact's timeline. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from server.inbox.rules import phone_digits
from server.text import search_key

PAGE = 50
MAX_PAGE = 100
SEARCH_CHARS = 100


class Sort(StrEnum):
    """Columns with an index, so that a page at any place of a million rows takes milliseconds."""

    CREATED = "created"
    NAME = "name"
    EMAIL = "email"
    ADDED = "added"  # date_added: when the contact joined, maybe in another system
    OPENED = "opened"  # last_open
    CLICKED = "clicked"  # last_click


@dataclass(frozen=True, slots=True)
class Search:
    """What a typed text looks for. `email` and `name` are beginnings; `digits` are consecutive digits of a number. ""
    looks for nothing of that kind."""

    email: str = ""
    name: str = ""
    digits: str = ""

    @property
    def empty(self) -> bool:
        return not (self.email or self.name or self.digits)


def search_for(text: str) -> Search:
    """An e-mail address is told by its @, a number by its digits; anything else may begin a name or an address."""
    typed = text[:SEARCH_CHARS].strip()
    if "@" in typed:
        return Search(email=typed.lower())
    if (digits := phone_digits(typed)) is not None:
        return Search(digits=digits)
    return Search(email=typed.lower() if " " not in typed else "", name=search_key(typed))


class Group(StrEnum):
    """The filter of the timeline. A program's own events are `OTHER`."""

    MESSAGES = "messages"
    RECEIPTS = "receipts"
    CONSENTS = "consents"
    ORDERS = "orders"
    TICKETS = "tickets"
    LISTS = "lists"
    NOTES = "notes"
    MERGES = "merges"
    OTHER = "other"


METRICS: dict[Group, tuple[str, ...]] = {
    Group.MESSAGES: ("message_received", "message_sent"),
    Group.RECEIPTS: (
        "message_delivered",
        "message_failed",
        "message_bounced",
        "message_skipped",
        "link_clicked",
        "mail_opened",
    ),
    Group.CONSENTS: ("subscribed", "unsubscribed"),
    Group.ORDERS: ("checkout_started", "order_placed", "order_cancelled", "order_fulfilled", "order_refunded"),
    Group.TICKETS: ("ticket_opened", "ticket_closed", "ticket_snoozed", "snooze_ended", "blocked", "unblocked"),
    Group.LISTS: ("list_joined", "list_left", "segment_entered", "segment_left"),
}
ALL_METRICS = tuple(metric for metrics in METRICS.values() for metric in metrics)
# What only those see who may open the inbox: tickets and notes (ROL-3). Bodies are left out of the other rows.
INBOX_ONLY = frozenset({Group.TICKETS, Group.NOTES})
