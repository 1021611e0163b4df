"""Decides whether an agent may text a contact.

A ticket's `barred` stores only reasons of consent and of the contact's number. Whether our numbers can text the country is
decided when the ticket is shown, so that a change of our numbers changes no ticket. The gate decides again at each send.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from server.consent import queries as consents
from server.consent import rules as consent_rules
from server.consent.rules import Barred
from server.delivery import queries as delivery
from server.kernel.context import App
from server.kernel.documents import TOPIC as SETTINGS_TOPIC
from server.kernel.sql import Conn, Tx
from server.sms import rules
from server.sms.rules import OurNumbers
from server.sms.threads import SmsThread
from server.threads import tickets
from server.threads.changes import change_ticket
from server.threads.tickets import INBOX_TOPIC, Ticket

CACHE_S = 3.0


def our_numbers(conn: Conn) -> OurNumbers:
    """The numbers of ours that receive texts, and the countries they serve."""
    usable = [sender for sender in delivery.all_senders(conn) if sender.enabled and sender.inbound]
    return OurNumbers(
        frozenset(sender.address for sender in usable),
        frozenset(country for sender in usable for country in sender.countries),
    )


def concerns_numbers(settings: str | None) -> bool:
    """Whether a publication of `SETTINGS_TOPIC` may be about our numbers. None: any settings may have changed."""
    return settings in ("senders", None)


class CachedNumbers:
    """Caches the result of `our_numbers` for at most `CACHE_S`. A change in the same process shows at once."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._until: float | None = None
        self.latest = OurNumbers()  # the last result of `get`; no numbers before the first `get`
        app.bus.watch(SETTINGS_TOPIC, self)

    def on_published(self, topic: str, hint: Any) -> None:
        if concerns_numbers(hint):
            self._until = None

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    async def get(self) -> OurNumbers:
        if self._until is None or self._app.clock.monotonic() >= self._until:
            self._until = self._app.clock.monotonic() + CACHE_S
            self.latest = await self._app.read(our_numbers)
        return self.latest


def cached_numbers(app: App) -> CachedNumbers:
    return app.part(CachedNumbers, CachedNumbers)


def ticket_json(ticket: Ticket, now: datetime, numbers: OurNumbers) -> dict[str, Any]:
    """The summary as the console gets it."""
    return ticket.wire(now, shown_reason(ticket, numbers))


async def ticket_answer(app: App, ticket: Ticket) -> dict[str, Any]:
    """The response to a change of one ticket."""
    return {"ticket": ticket_json(ticket, app.clock.now(), await cached_numbers(app).get())}


def shown_reason(ticket: Ticket, numbers: OurNumbers) -> str | None:
    """Why an agent cannot reply; in web chat only a block."""
    if ticket.blocked:
        return "blocked"
    if ticket.channel != "sms":
        return None
    if ticket.continued_in is not None:
        return "merged"
    return rules.shown_reason(ticket.barred, numbers.serve(ticket.country, ticket.sender))


def reason(conn: Conn, thread: SmsThread) -> str | None:
    """Why consent or the contact's number bars texts, as `tickets.barred` stores it; None: nothing does."""
    bar = consent_rules.barred(consents.facts(conn, thread.contact, thread.peer or ""))
    return None if bar is None else bar.code


def barred(conn: Conn, thread: SmsThread) -> Barred | None:
    """Why an agent cannot reply now: because of consent, the contact's number or our numbers. None if the agent can."""
    if thread.continued_in is not None:
        return consent_rules.barred_with_code("merged")
    code = rules.shown_reason(reason(conn, thread), our_numbers(conn).serve(thread.country, thread.sender))
    return None if code is None else consent_rules.barred_with_code(code)


def update_ticket(tx: Tx, thread: SmsThread, stop_asked: bool | None = None) -> None:
    """Updates `barred` of the thread's ticket, if it has one, and publishes the ticket. `stop_asked`: whether an agent
    must decide on a "please stop"; None: unchanged."""
    ticket = tickets.lock_by_thread(tx, thread.id)
    if ticket is None:
        return
    asked_to_stop = ticket.stop_asked if stop_asked is None else stop_asked
    new_reason = reason(tx, thread)
    if (new_reason, asked_to_stop) != (ticket.barred, ticket.stop_asked):
        change_ticket(tx, ticket, barred=new_reason, stop_asked=asked_to_stop)
    else:
        tx.publish(INBOX_TOPIC, ticket)
