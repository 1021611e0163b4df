"""Acts on the meaning of a text: changes consent and queues the reply to a keyword or the automatic reply."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, select

from server.consent import actions as consent
from server.consent import keywords, opting_in
from server.consent import queries as consents
from server.consent.default_replies import ReplyKind
from server.consent.keyword_replies import carrier_blocks, reply_text
from server.consent.rules import OPTED_OUT, SMS_PURPOSES, Method, OptInConfirmed, Status
from server.delivery import actions as delivery
from server.delivery.actions import Send
from server.kernel.columns import Instant
from server.kernel.sql import Statement, Tx
from server.schema import outbound, timeline
from server.sms import rules
from server.sms.storing import NewText, touch_tickets
from server.threads import entries, ticket_rules, tickets
from server.threads.tickets import facts_of
from server.threads.timeline import SYSTEM, append
from server.webchat.settings import WIDGET

_LAST_INBOUND_SEQ = Statement(
    select(func.max(timeline.c.seq)).where(
        timeline.c.thread_id == bindparam("thread"), timeline.c.kind == "message", timeline.c.author_type == "contact"
    )
)
_COUNT_AUTOMATIC_REPLIES = Statement(
    select(func.count().label("n")).where(
        outbound.c.thread_id == bindparam("thread"),
        outbound.c.kind.in_(("auto_reply", "keyword", "opt_in")),
        outbound.c.created_at > bindparam("after", type_=Instant),
    ),
    uses=("ix_outbound_thread",),
)


def act_on(tx: Tx, new: NewText) -> None:
    """Acts on the meaning of a new text."""
    if new.text.superseded and isinstance(new.meaning, _OPT_IN_MEANINGS) and _opted_out(tx, new):
        return  # a late text: the STOP may be newer
    match new.meaning:
        case keywords.Plain(tapback):
            if not tapback and not new.hidden and new.is_phone:
                _auto_respond(tx, new)
        case keywords.Stop(language):
            _stop(tx, new, language)
        case keywords.StopRequest():
            consent.pause_marketing(tx, new.phone, new.contacts, source=new.source, wording=new.body)
        case keywords.Start(language):
            blocked = _carrier_had_blocked(tx, new)
            started = consent.start(tx, new.phone, new.contacts, language=language, source=new.source, wording=new.body)
            if started.restored:
                _reply(tx, new, "start", language, blocked=blocked)
        case keywords.Confirm(language):
            blocked = _carrier_had_blocked(tx, new)
            purposes = opting_in.confirm_opt_in(
                tx, new.speaker, new.phone, source=new.source, received_text=new.body, language=language
            )
            if purposes is not None:
                _reply(tx, new, "confirmed", language, blocked=blocked)
        case keywords.Help(language):
            _reply(tx, new, "help", language)
        case keywords.Subscribe(keyword):
            _subscribe(tx, new, keyword)


def _stop(tx: Tx, new: NewText, language: str) -> None:
    if new.text.opt_out == "STOP":
        consent.gateway_stop(tx, new.phone, new.contacts, source=new.source, wording=new.body)
        return
    stopped = consent.stop(tx, new.phone, new.contacts, language=language, source=new.source, wording=new.body)
    if stopped.first:  # only one confirmation
        _reply(tx, new, "stop", language)


def _subscribe(tx: Tx, new: NewText, keyword: str) -> None:
    subscribe_keyword = new.words.keyword(keyword)
    if subscribe_keyword is None or not new.is_phone:
        return
    contact = new.speaker
    facts = consents.facts(tx, contact, new.phone)
    if facts.litigator:
        return
    subscribed = facts.status(SMS_PURPOSES[0]) == Status.SUBSCRIBED and facts.suppressed is None
    if subscribe_keyword.opt_in == "single" or subscribed:
        if not subscribed:
            consent.subscribe(tx, contact, new.phone, source=new.source, wording=new.body)
        if subscribe_keyword.list is not None:
            tx.announce(OptInConfirmed(contact, (subscribe_keyword.list,), new.source))
        _reply(tx, new, "subscribed", "", word=keyword)
        return
    question = _reply_text(tx, new, "confirm_ask", "")
    if question is not None:
        opting_in.ask_opt_in(
            tx, contact, wording=question, source=new.source, keyword=keyword, list_id=subscribe_keyword.list or 0
        )
        _send(tx, new, question, "opt_in", "compliance", keyword="confirm_ask")


_OPT_IN_MEANINGS = (keywords.Start, keywords.Confirm, keywords.Subscribe)


def _opted_out(tx: Tx, new: NewText) -> bool:
    return consents.facts(tx, new.thread.contact, new.phone).suppressed in OPTED_OUT


def _carrier_had_blocked(tx: Tx, new: NewText) -> bool:
    """Whether the carrier had blocked the sender; then the carrier itself replies to START. A STOP word that the carrier
    does not know, such as "ARRET", blocks nobody."""
    return any(
        method == Method.GATEWAY or (method == Method.KEYWORD and carrier_blocks(new.words, new.sender_kind, wording))
        for method, wording in consents.opt_outs(tx, new.thread.contact)
    )


def _reply_text(
    tx: Tx, new: NewText, kind: ReplyKind, language: str, word: str = "", *, blocked: bool = True
) -> str | None:
    return reply_text(
        kind,
        new.thread.country,
        language or new.thread.language,
        WIDGET.load(tx).brand,
        new.words,
        word=word,
        sender_kind=new.sender_kind,
        received_text=new.text.body,
        opt_out=new.text.opt_out,
        blocked=blocked,
    )


def _reply(tx: Tx, new: NewText, kind: ReplyKind, language: str, word: str = "", *, blocked: bool = True) -> None:
    if not new.is_phone or consents.litigators_among(tx, [new.phone]):
        return
    text = _reply_text(tx, new, kind, language, word, blocked=blocked)
    if text is not None:
        _send(tx, new, text, "keyword", "compliance", keyword=kind)


def _auto_respond(tx: Tx, new: NewText) -> None:
    """Queues the automatic reply, such as "Nobody reads this number" (SET-5..7). The gate blocks it after an opt-out."""
    inbox = new.inbox
    if not inbox.auto_response_on:
        return
    facts = consents.facts(tx, new.thread.contact, new.phone)
    if facts.litigator:
        return
    consented = any(facts.status(purpose) == Status.SUBSCRIBED for purpose in SMS_PURPOSES)
    if isinstance(rules.auto_response(True, inbox.auto_response_to, consented), rules.Respond):
        _send(tx, new, inbox.auto_response, "auto_reply", "auto_reply")


def _send(tx: Tx, new: NewText, body: str, kind: str, purpose: str, keyword: str | None = None) -> None:
    """Queues an automatic reply and shows it in the thread, unless too many were sent (S17)."""
    thread = new.thread
    recent = tx.value(_COUNT_AUTOMATIC_REPLIES, thread=thread.id, after=tx.now - rules.REPLY_WINDOW)
    # The confirmation of an opt-out is always sent: it is sent only once and ends a loop.
    if keyword != "stop" and isinstance(rules.automatic_reply(recent), rules.Loop):
        _note_loop(tx, new)
        return
    queued = delivery.queue(
        tx,
        Send(
            key=f"{kind}:{new.text.sid}",
            kind=kind,
            purpose=purpose,
            contact=thread.contact,
            recipient=new.phone,
            body=body,
            thread=thread.id,
            sender=new.text.to,
        ),
    )
    origin = {"auto_reply": "auto"}.get(kind, kind)
    data: dict[str, Any] = {"origin": origin, "outbound": queued.id, "segments": queued.segments}
    if keyword is not None:
        data["keyword"] = keyword
    entry, _ = append(tx, thread.id, "message", SYSTEM, body=body, data=data, public=False)
    delivery.set_entry(tx, queued.id, thread.id, entry.seq)


LOOP = "No more automatic replies to this number for an hour: more than {most} were sent. Perhaps another machine is texting."


def _note_loop(tx: Tx, new: NewText) -> None:
    """Opens the ticket and adds a note for the team, at most once an hour, so that a person looks (S17)."""
    thread = new.thread
    dedupe = f"loop:{thread.id}-{int(tx.now.timestamp()) // 3600}"
    if entries.by_dedupe(tx, dedupe) is not None:
        return
    ticket = tickets.lock_by_thread(tx, thread.id)
    if not new.hidden and (ticket is None or ticket.status != "open"):
        seq = tx.value(_LAST_INBOUND_SEQ, thread=thread.id)
        verdict = ticket_rules.on_inbound(None if ticket is None else facts_of(ticket))
        touch_tickets(tx, [(new._replace(ticket=ticket, verdict=verdict), seq, None)])
    append(
        tx,
        thread.id,
        "note",
        SYSTEM,
        body=LOOP.format(most=rules.MAX_AUTOMATIC_REPLIES),
        data={"origin": "loop"},
        public=False,
        dedupe=dedupe,
    )
