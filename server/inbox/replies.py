"""An agent's reply by SMS: the gate, short links, pictures, and the one door out. And the tap that answers "please stop"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.accounts.audit import record
from server.accounts.rules import Agent
from server.consent import actions as consent
from server.consent import rules as consent_rules
from server.consent.settings import KEYWORDS
from server.consent.texts import answer
from server.delivery import actions as delivery
from server.delivery import media
from server.delivery import queries as senders
from server.delivery.actions import Queued, Send
from server.errors import Conflict, Refused
from server.inbox import queries, rules, standing, widget
from server.inbox.queries import Ticket
from server.inbox.settings import INBOX
from server.inbox.standing import SmsThread
from server.inbox.timeline import SYSTEM, append, locked, no_ticket, settled, written_before
from server.kernel.sql import Tx
from server.links import actions as links


@dataclass(frozen=True, slots=True)
class Going:
    """A reply on its way: what is really sent, and what its entry says about it."""

    queued: Queued
    body: str
    data: dict[str, Any]


def send(tx: Tx, ticket: Ticket, text: str, files: list[dict[str, Any]], dedupe: str, base: str) -> Going:
    """Queues it. `files` as they stand in the entry; `base`: our public address, under which short links stand.

    Raises `Conflict` opted_out, taken_off, not_subscribed, unreachable, deactivated, litigator, no_sender (INB-9, also at the API), `Refused` too_long,
    mms_not_supported (there), mms_wrong_type, mms_too_large.
    """
    thread = standing.by_id(tx, ticket.thread)
    assert thread is not None
    barred = consent_rules.barred(standing.facts(tx, thread))
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
    return Going(queued, text, data)


def _check_pictures(tx: Tx, thread: SmsThread, tokens: tuple[str, ...]) -> None:
    """PNG, JPEG and GIF of 600 KB together, where country and number can (CAM-30, CAM-32)."""
    media.check(tx, tokens)
    if senders.sender_for(tx, thread.country, mms=True, preferred=thread.sender) is None:
        raise Refused("mms_not_supported", "None of your numbers can send pictures to this country.", field="files")


def answer_stop_wish(tx: Tx, agent: Agent, ticket_id: int, confirm: bool, client_key: str, address: str = "") -> Ticket:
    """They asked to stop in their own words: yes, as their STOP and with the one confirmation; or no, it meant
    something else (AMB-1). Where nothing is asked any more, nothing happens."""
    thread = _thread(tx, ticket_id)
    # The number before the thread, as a text that comes in takes them.
    tx.hold(f"sms:{thread.peer}")
    dedupe, mark = f"agent:{agent.id}:{client_key}", rules.act_hash("opt-out", ticket_id, confirm)
    repeated = written_before(tx, dedupe, mark) is not None
    ticket = locked(tx, ticket_id)
    if repeated or not ticket.stop_asked or not thread.peer:
        return ticket
    if not confirm:
        record(tx, agent.id, "stop_declined", str(thread.contact), address)
        consent.lift_pause(tx, thread.peer, [thread.contact], user=agent.id)
        return settled(tx, ticket_id)
    record(tx, agent.id, "stop_confirmed", str(thread.contact), address)
    done = consent.confirm_stop(tx, thread.peer, [thread.contact], user=agent.id)
    if done.first:
        _confirm(tx, thread)
    return settled(tx, ticket_id)


def _thread(tx: Tx, ticket_id: int) -> SmsThread:
    ticket = queries.ticket(tx, ticket_id)
    thread = None if ticket is None else standing.by_id(tx, ticket.thread)
    if thread is None:
        if ticket is not None:
            raise Conflict("no_sms", "Only a text message can ask to stop.")
        raise no_ticket()
    return thread


def _confirm(tx: Tx, thread: SmsThread) -> None:
    words = KEYWORDS.load(tx)
    said = answer("stop", thread.country, thread.language, widget.load(tx).brand, words)
    if said is None or not thread.peer:
        return
    queued = delivery.queue(
        tx,
        Send(
            key=f"keyword:stop:{thread.id}:{tx.token(9)}",
            kind="keyword",
            purpose="compliance",
            contact=thread.contact,
            recipient=thread.peer,
            body=said,
            thread=thread.id,
            sender=thread.sender,
        ),
    )
    data = {"origin": "keyword", "keyword": "stop", "outbound": queued.id, "segments": queued.segments}
    entry, _ = append(tx, thread.id, "message", SYSTEM, body=said, data=data, public=False)
    delivery.place(tx, queued.id, thread.id, entry.seq)
