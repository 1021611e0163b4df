"""Stores new texts in their threads and updates their tickets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from server.channels.base import InboundText
from server.consent import keywords
from server.consent.keywords import Meaning
from server.consent.settings import KeywordSettings
from server.kernel.sql import Tx
from server.receipts import settling
from server.sms import eligibility, media
from server.sms.meaning import name_of
from server.sms.settings import InboxSettings
from server.sms.threads import SmsThread
from server.threads import changes, rules, ticket_rules
from server.threads import tickets as ticket_queries
from server.threads.changes import Appended
from server.threads.tickets import Ticket, status_entry
from server.threads.timeline import Author, NewMessage, append_messages


class NewText(NamedTuple):
    """A new text with everything needed to act on it. A named tuple for speed, like `tickets.Ticket`."""

    text: InboundText
    body: str  # cleaned
    phone: str
    is_phone: bool
    contacts: list[int]  # contacts to which a keyword applies: all with this number
    thread: SmsThread
    ticket: Ticket | None
    sender_kind: str
    words: KeywordSettings
    inbox: InboxSettings
    meaning: Meaning
    verdict: ticket_rules.NewTicket | ticket_rules.Continue | ticket_rules.Hidden
    opens_ticket: bool

    @property
    def speaker(self) -> int:
        """The contact whose number this is: the thread's contact, or one that is merged with it."""
        return self.contacts[0]

    @property
    def source(self) -> str:
        return f"sms:{self.text.sid}"

    @property
    def hidden(self) -> bool:
        """Whether the sender is blocked: agents do not see the text and it opens nothing, but keywords take effect."""
        return isinstance(self.verdict, ticket_rules.Hidden)


def store(tx: Tx, new: Sequence[NewText]) -> list[Appended]:
    """Appends an entry per text. If the text reopens a ticket, a status entry comes first."""
    entries: list[NewMessage] = []
    files: list[list[dict[str, Any]]] = []
    replies = settling.answered(tx, [each.phone for each in new if each.opens_ticket and not each.hidden])
    for new_text in new:
        reopens = new_text.opens_ticket and not new_text.hidden
        if reopens and new_text.ticket is not None and new_text.ticket.status == "closed":
            status_entry(tx, new_text.ticket, Author("contact"), "open", None)
        data: dict[str, Any] = {"origin": "sms", "sid": new_text.text.sid}
        if not isinstance(new_text.meaning, keywords.Plain | keywords.StopRequest):
            data["keyword"] = name_of(new_text.meaning)
        if new_text.hidden:
            data["hidden"] = True
        elif new_text.opens_ticket and (answered := replies.get(new_text.phone)) is not None:
            data["answers"] = answered.cause
        expected = media.insert_placeholders(tx, new_text.thread.id, new_text.text)
        if expected:
            data["files"] = expected
        files.append(expected)
        author = Author("contact", None, new_text.thread.name)
        entries.append(NewMessage(new_text.thread.id, author, new_text.body, data))
    stored = append_messages(tx, entries, public=False)
    for new_text, expected, (entry, _) in zip(new, files, stored, strict=True):
        if "answers" in entry.data:
            settling.credit(tx, replies[new_text.phone].receipt, new_text.thread.id, entry.seq)
        media.enqueue_fetch(tx, new_text.thread.id, entry.seq, new_text.text, expected)
    return stored


def touch_tickets(tx: Tx, touched: Sequence[tuple[NewText, int, Appended | None]]) -> None:
    """Opens the tickets of texts, or creates them, and marks them unread and waiting. `touched`: (text, seq of its entry,
    the thread's newest entry if this transaction appended it)."""
    on_tickets = [
        changes.Inbound(
            new.ticket or _open_ticket(tx, new.thread), appended, seq, rules.preview(new.body, len(new.text.media))
        )
        for new, seq, appended in touched
    ]
    for (new, seq, _), after in zip(touched, changes.apply_inbound(tx, on_tickets, "contact"), strict=True):
        first = new.ticket is None
        if first or (isinstance(new.verdict, ticket_rules.Continue) and new.verdict.reopens):
            tx.announce(rules.TicketOpened(after.id, after.thread, after.contact, "sms", first=first))
        tx.announce(rules.MessageReceived(after.id, after.thread, after.contact, seq, "sms"))


def _open_ticket(tx: Tx, thread: SmsThread) -> Ticket:
    changes.open_ticket(tx, thread.id, thread.contact, "sms", eligibility.reason(tx, thread))
    ticket = ticket_queries.by_thread(tx, thread.id)
    assert ticket is not None
    return ticket
