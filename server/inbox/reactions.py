"""Reacts to a changed contact in the contact's conversations. Called by `server/reactions.py`."""

from __future__ import annotations

from server.audit.rules import ActorType
from server.contacts.rules import ContactChanged
from server.kernel.sql import Tx
from server.threads import tickets
from server.threads.tickets import publish_summary
from server.threads.timeline import Author, append

# Actors whose changes of a contact the conversations show.
SHOWN = frozenset((ActorType.AGENT, ActorType.API_KEY))


def note_contact(tx: Tx, event: ContactChanged) -> None:
    """Appends a line to the contact's newest conversations and publishes their tickets to every list. Only agents see
    the line: visitors must not see how the team names them. A change that the customer or another system made has no
    line."""
    if not event.fields:
        return
    if event.by.type not in SHOWN:
        tickets.publish_tickets_of_contact(tx, event.contact)
        return
    data = {field: getattr(event, field) for field in event.fields}
    # In the order of their threads, so that two transactions cannot deadlock.
    for ticket in sorted(tickets.tickets_of_contact(tx, event.contact), key=lambda ticket: ticket.thread):
        author = Author(event.by.type.value, event.by.id, event.by.name)
        append(tx, ticket.thread, "contact", author, data=data, public=False)
        publish_summary(tx, ticket.thread)
