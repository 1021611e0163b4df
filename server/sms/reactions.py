"""Shows deliveries and consent changes in SMS threads, and keeps `tickets.barred`. Run by `server/reactions.py`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select

from server.accounts import api_keys
from server.consent import queries as consents
from server.consent.rules import AddressChanged, ConsentChanged, ConsentsChanged, Purpose, Status
from server.delivery.bulk_rules import BULK_KINDS
from server.delivery.rules import LANES, LEFT_US, OutboundSettled, State, may_retry
from server.kernel.sql import Statement, Tx
from server.schema import users
from server.sms import eligibility, threads
from server.threads import entries
from server.threads.tickets import publish_summary
from server.threads.timeline import SYSTEM, Author, append

# States of a message that the thread shows.
SHOWN_STATES = LEFT_US | {State.FAILED, State.UNKNOWN, State.SKIPPED}
IN_TRANSIT = {State.ACCEPTED, State.SENT}


_USER_NAME = Statement(select(users.c.name).where(users.c.id == bindparam("user")))


def note_delivery(tx: Tx, event: OutboundSettled) -> None:
    """Appends a delivery entry when the message leaves and when its delivery ends. A failure does not change
    the ticket's status (AMB-34)."""
    if event.thread is None or event.seq is None or event.state not in SHOWN_STATES:
        return
    if event.state in IN_TRANSIT and event.kind in BULK_KINDS:
        return  # the entry of the message itself says that it was sent
    if event.state in IN_TRANSIT:
        last = entries.last_delivery(tx, event.thread, event.seq)
        if last is not None and last.data.get("state") in IN_TRANSIT:
            return
    data: dict[str, Any] = {"state": event.state.value, "outbound": event.outbound}
    if event.reason.isdecimal():
        data["code"] = int(event.reason)
    elif event.reason:
        data["reason"] = event.reason
    if event.detail:
        data["words"] = event.detail
    if may_retry(event.state) and (event.kind == "reply" or (event.channel == "email" and LANES[event.kind].urgent)):
        data["can_retry"] = True
    append(tx, event.thread, "delivery", SYSTEM, data=data, public=False, ref=event.seq, metric=event.metric)
    publish_summary(tx, event.thread)


def note_consents(tx: Tx, event: ConsentsChanged) -> None:
    """Shows changed consents in the SMS threads of their contacts. Most contacts of an import have none."""
    with_threads = threads.contacts_with_threads(tx, [changed.contact for changed in event.contacts])
    for changed in event.contacts:
        if changed.contact in with_threads:
            _note_consent(tx, changed)


def _note_consent(tx: Tx, event: ConsentChanged) -> None:
    """Appends an entry per changed purpose to the contact's SMS thread and updates its ticket."""
    thread = threads.thread_of(tx, event.contact, lock=True) or threads.live_thread(tx, event.contact)
    if thread is None:
        return
    for change in event.changes:
        # START restored no consent; an entry for this change would look like an opt-out.
        if change.status == Status.NEVER_SUBSCRIBED:
            continue
        data: dict[str, Any] = {"purpose": change.purpose, "status": change.status, "method": change.method}
        name = consents.purpose_name(tx, change.purpose)
        if name is not None:
            data["name"] = name
        append(tx, thread.id, "consent", _author(tx, change.source), data=data, public=False)
    if event.paused is not None and not event.changes:
        data = {"purpose": Purpose.SMS_MARKETING.value, "paused": event.paused}
        append(tx, thread.id, "consent", SYSTEM, data=data, public=False)
    eligibility.update_ticket(tx, thread, stop_asked=event.paused)
    for other in threads.of_set(tx, event.contact):
        if other.id != thread.id:
            eligibility.update_ticket(tx, other)


def _author(tx: Tx, source: str) -> Author:
    """The author of a consent change: the agent, the API key, the contact whose text it was, or the system."""
    kind, _, number = source.partition(":")
    if kind == "user" and number.isdecimal():
        return Author("agent", int(number), tx.value(_USER_NAME, user=int(number)) or "")
    if kind == "key" and number.isdecimal():
        return Author("api_key", int(number), api_keys.name_of(tx, int(number)))
    return Author("contact") if kind == "sms" else SYSTEM


def note_address(tx: Tx, event: AddressChanged) -> None:
    """Updates the tickets of all contacts whose number was suppressed or unsuppressed (AMB-33)."""
    if event.channel == "sms":
        for thread in threads.by_phone(tx, event.address):
            eligibility.update_ticket(tx, thread)
