"""Queues an agent's reply by SMS with short links and pictures, and applies an agent's decision on "please stop"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.accounts.rules import Agent
from server.audit.actions import record
from server.consent import actions as consent
from server.consent.keyword_replies import reply_text
from server.consent.settings import KEYWORDS
from server.delivery import actions as delivery
from server.delivery import media
from server.delivery import queries as senders
from server.delivery.actions import Queued, Send
from server.errors import Conflict, Refused
from server.kernel.sql import Tx
from server.links import actions as links
from server.sms import eligibility, threads
from server.sms.settings import INBOX
from server.sms.threads import SmsThread
from server.threads import rules, tickets
from server.threads.tickets import Ticket, lock_ticket, publish_ticket, ticket_not_found
from server.threads.timeline import SYSTEM, append, written_before
from server.webchat.settings import WIDGET


@dataclass(frozen=True, slots=True)
class QueuedReply:
    """A queued reply: the text as sent, and the data of its entry."""

    queued: Queued
    body: str
    data: dict[str, Any]


def send(tx: Tx, ticket: Ticket, text: str, files: list[dict[str, Any]], dedupe: str, base: str) -> QueuedReply:
    """Queues a reply. `files`: as in its entry. `base`: our public URL, for short links.

    Raises `Conflict` opted_out, taken_off, not_subscribed, unreachable, deactivated, litigator or no_sender (INB-9), also
    to API clients, and `Refused` too_long, mms_not_supported (in that country), mms_wrong_type or mms_too_large.
    """
    thread = threads.by_id(tx, ticket.thread)
    assert thread is not None
    barred = eligibility.barred(tx, thread)
    if barred is not None:
        raise Conflict(barred.code, f"{barred.message} {barred.hint}")
    tokens = tuple(file["token"] for file in files)
    if tokens:
        _check_pictures(tx, thread, tokens)
    codes: list[str] = []
    if INBOX.load(tx).shorten_links:
        text, codes = links.shorten(tx, text, thread.contact, None, base)
    queued = delivery.queue(
        tx,
        Send(
            key=f"reply:{dedupe}",
            kind="reply",
            purpose="conversation",
            contact=thread.contact,
            recipient=thread.peer or "",
            body=text,
            thread=thread.id,
            sender=thread.sender,
            media=tokens,
        ),
    )
    links.attach(tx, codes, queued.id)
    data: dict[str, Any] = {"origin": "sms", "outbound": queued.id, "segments": queued.segments}
    if files:
        data["mms"] = True
    return QueuedReply(queued, text, data)


def _check_pictures(tx: Tx, thread: SmsThread, tokens: tuple[str, ...]) -> None:
    """Checks type and size of the pictures, and that a number can send MMS to the country (CAM-30, CAM-32)."""
    media.check_mms(tx, tokens)
    if senders.sender_for(tx, thread.country, mms=True, preferred=thread.sender) is None:
        raise Refused("mms_not_supported", "Your numbers cannot send pictures to this country.", field="files")


def decide_stop_request(
    tx: Tx, agent: Agent, ticket_id: int, confirm: bool, client_key: str, address: str = ""
) -> Ticket:
    """Applies an agent's decision whether a contact asked to stop (AMB-1). `confirm`: opts the number out like STOP, with
    one confirmation; otherwise lifts the pause. Does nothing if no decision is pending."""
    thread = _thread(tx, ticket_id)
    # The number's lock before the thread's, as for an incoming text.
    tx.lock_names(f"sms:{thread.peer}")
    dedupe, fingerprint = f"agent:{agent.id}:{client_key}", rules.action_hash("opt-out", ticket_id, confirm)
    repeated = written_before(tx, dedupe, fingerprint) is not None
    ticket = lock_ticket(tx, ticket_id)
    if repeated or not ticket.stop_asked or not thread.peer:
        return ticket
    if not confirm:
        record(tx, agent.id, "stop_declined", str(thread.contact), address)
        consent.lift_pause(tx, thread.peer, [thread.contact], user=agent.id)
        return publish_ticket(tx, ticket_id)
    record(tx, agent.id, "stop_confirmed", str(thread.contact), address)
    stopped = consent.confirm_stop(tx, thread.peer, [thread.contact], user=agent.id)
    if stopped.first:
        _queue_stop_confirmation(tx, thread)
    return publish_ticket(tx, ticket_id)


def _thread(tx: Tx, ticket_id: int) -> SmsThread:
    ticket = tickets.by_id(tx, ticket_id)
    thread = None if ticket is None else threads.by_id(tx, ticket.thread)
    if thread is None:
        if ticket is not None:
            raise Conflict("no_sms", "Only an SMS conversation can have a request to stop.")
        raise ticket_not_found()
    return thread


def _queue_stop_confirmation(tx: Tx, thread: SmsThread) -> None:
    settings = KEYWORDS.load(tx)
    body = reply_text("stop", thread.country, thread.language, WIDGET.load(tx).brand, settings)
    if body is None or not thread.peer:
        return
    queued = delivery.queue(
        tx,
        Send(
            key=f"keyword:stop:{thread.id}:{tx.token(9)}",
            kind="keyword",
            purpose="compliance",
            contact=thread.contact,
            recipient=thread.peer,
            body=body,
            thread=thread.id,
            sender=thread.sender,
        ),
    )
    data = {"origin": "keyword", "keyword": "stop", "outbound": queued.id, "segments": queued.segments}
    entry, _ = append(tx, thread.id, "message", SYSTEM, body=body, data=data, public=False)
    delivery.set_entry(tx, queued.id, thread.id, entry.seq)
