"""Texts that came in, in one transaction: whose they are, stored once, what they mean, and then either what a keyword
asks or the ticket (SPEC KEY-15, INB-3, 4, 7, 21). Nothing is sent here: answers are queued at the one door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.channels.base import InboundText
from server.consent import actions as consent
from server.consent import keywords
from server.consent import queries as consents
from server.consent.keywords import Meaning
from server.consent.rules import SMS_PURPOSES, Method, Status
from server.consent.settings import KEYWORDS, KeywordSettings
from server.consent.texts import answer, carrier_blocks
from server.consent.wordings import Kind
from server.contacts import actions as people
from server.contacts import rules as phones
from server.delivery import actions as delivery
from server.delivery.actions import Send
from server.inbox import entries, media, queries, rules, standing, widget
from server.inbox.queries import Ticket
from server.inbox.settings import INBOX, InboxSettings
from server.inbox.standing import SmsThread
from server.inbox.timeline import (
    INBOUND,
    INBOX_TOPIC,
    SYSTEM,
    Author,
    Said,
    append,
    append_messages,
    as_heard,
    facts_of,
    status_entry,
)
from server.kernel.columns import Instant
from server.kernel.sql import TOGETHER, Clash, Statement, Tx
from server.schema import carrier_inbound, outbound, senders, threads, tickets, timeline


class Outcome(StrEnum):
    STORED = "stored"
    REPEATED = "repeated"  # it had been stored before; nothing was done
    NOT_OURS = "not_ours"  # sent to a number that is none of ours (S6)


class Received(NamedTuple):
    outcome: Outcome
    thread: int | None = None
    meaning: str = ""
    seq: int | None = None  # of its entry; a blocked sender's has none


class _From(NamedTuple):
    """Whose text it is."""

    phone: str  # E.164, or the carrier's name for whoever has none
    is_phone: bool
    thread: SmsThread
    ticket: Ticket | None  # before this text
    sender_kind: str  # of our number


class _Came(NamedTuple):
    """A new text and everything known about it when its meaning is acted on. A named tuple for the reason of `Ticket`."""

    text: InboundText
    body: str  # cleaned
    phone: str
    is_phone: bool
    everybody: list[int]  # with this number, where a keyword speaks for all of them
    thread: SmsThread
    ticket: Ticket | None
    sender_kind: str
    words: KeywordSettings
    inbox: InboxSettings
    meaning: Meaning
    verdict: rules.NewTicket | rules.Continue | rules.Hidden
    opens_ticket: bool

    @property
    def source(self) -> str:
        return f"sms:{self.text.sid}"

    @property
    def hidden(self) -> bool:
        """A blocked sender's words stand in `carrier_inbound` only; keywords count all the same."""
        return isinstance(self.verdict, rules.Hidden)


Call = tuple[InboundText, KeywordSettings, InboxSettings]

_OURS = Statement(
    select(senders.c.address, senders.c.kind).where(senders.c.address.in_(bindparam("addresses", expanding=True)))
)
_KEEP = Statement(
    insert(carrier_inbound)
    .values({name: bindparam(name) for name in "sid idempotency_token contact_id thread_id meaning params at".split()})
    .on_conflict_do_nothing()
    .returning(carrier_inbound.c.sid)
)
_NEW_THREAD = Statement(
    insert(threads)
    .values(
        token=bindparam("token"),
        channel="sms",
        contact_id=bindparam("contact"),
        peer=bindparam("peer"),
        sender=bindparam("sender"),
        changed_at=bindparam("now"),
        created_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
)
_NUMBERS = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(peer=bindparam("new_peer"), sender=bindparam("new_sender"))
)
_NEW_TICKET = Statement(
    insert(tickets).values(
        thread_id=bindparam("thread"),
        contact_id=bindparam("contact"),
        channel="sms",
        status="open",
        unread=True,
        barred=bindparam("barred"),
        waiting_since=bindparam("now"),
        last_message_at=bindparam("now"),
        last_inbound_seq=bindparam("seq"),
        preview=bindparam("preview"),
        preview_by="contact",
        opened_at=bindparam("now"),
    )
)
_LAST_TEXT = Statement(
    select(func.max(timeline.c.seq)).where(
        timeline.c.thread_id == bindparam("thread"), timeline.c.kind == "message", timeline.c.author_type == "contact"
    )
)
_MACHINE_ANSWERS = Statement(
    select(func.count().label("n")).where(
        outbound.c.thread_id == bindparam("thread"),
        outbound.c.kind.in_(("auto_reply", "keyword", "opt_in")),
        outbound.c.created_at > bindparam("after", type_=Instant),
    )
)


def receive_texts(tx: Tx, calls: Sequence[Call]) -> list[Received]:
    """Stores texts, each exactly once, and does what they ask. A repeat, by its id or its idempotency token, does nothing.

    A statement serves all of them. Of one person it is one text at a time: the next finds what that one left.
    """
    done: dict[int, Received] = {}
    waiting = dict(enumerate(calls))
    while waiting:
        done |= _receive(tx, _of_different_senders(waiting))
        waiting = {place: call for place, call in waiting.items() if place not in done}
    return [done[place] for place in range(len(calls))]


def receive_listed(tx: Tx, text: InboundText) -> Received:
    """As `receive_texts`, for a text that no webhook brought and the provider lists."""
    (done,) = receive_texts(tx, [(text, KEYWORDS.load(tx), INBOX.load(tx))])
    return done


def _of_different_senders(waiting: Mapping[int, Call]) -> dict[int, Call]:
    """The first text of each, of as many as one statement takes."""
    first: dict[str, int] = {}
    for place, (text, _, _) in waiting.items():
        first.setdefault(text.sender, place)
    return {place: waiting[place] for place in list(first.values())[:TOGETHER]}


def _receive(tx: Tx, turn: Mapping[int, Call]) -> dict[int, Received]:
    """Of texts of different senders, those of different people; what is not in the answer waits for the next turn."""
    done: dict[int, Received] = {}
    heard: dict[int, tuple[int, _From, Meaning]] = {}  # by thread
    rows: list[dict[str, Any]] = []
    for place, whose in _whose(tx, turn).items():
        text, words, _ = turn[place]
        if whose is None:
            done[place] = Received(Outcome.NOT_OURS)
            continue
        thread = whose.thread
        if thread.id in heard:  # by another of their numbers
            continue
        if (thread.peer, thread.sender) != (whose.phone, text.to):
            tx.run(_NUMBERS, thread=thread.id, new_peer=whose.phone, new_sender=text.to)
            whose = whose._replace(thread=thread._replace(peer=whose.phone, sender=text.to))
        meaning = _meaning(tx, text, thread.contact, words)
        heard[thread.id] = place, whose, meaning
        rows.append(
            {
                "sid": text.sid,
                "idempotency_token": text.idempotency_token,
                "contact_id": thread.contact,
                "thread_id": thread.id,
                "meaning": _name(meaning),
                "params": text.params,
                "at": tx.now,
            }
        )
    new = {row.sid for row in tx.all_many(_KEEP, rows)}
    came = []
    for place, (phone, is_phone, thread, ticket, kind), meaning in heard.values():
        text, words, inbox = turn[place]
        if text.sid not in new:
            done[place] = Received(Outcome.REPEATED)
            continue
        new.discard(text.sid)  # whoever else brings it repeats it
        everybody = [thread.contact]
        if is_phone and not isinstance(meaning, keywords.Plain):
            everybody = people.everybody(tx, phone)
        verdict = rules.on_inbound(None if ticket is None else facts_of(ticket))
        body = rules.clean_text(text.body)
        opens = _opens_ticket(meaning)
        came.append(
            _Came(text, body, phone, is_phone, everybody, thread, ticket, kind, words, inbox, meaning, verdict, opens)
        )
    stored = _act(tx, came)
    for one in came:
        thread_id = one.thread.id
        done[heard[thread_id][0]] = Received(Outcome.STORED, thread_id, _name(one.meaning), stored.get(thread_id))
    return done


def _whose(tx: Tx, turn: Mapping[int, Call]) -> dict[int, _From | None]:
    """Whose text each is; None: it was not sent to a number of ours.

    Nearly every text is from somebody who has a ticket, by exactly this number. Such a number is not read, which costs
    more than storing the text.
    """
    texts = [text for text, _, _ in turn.values()]
    ours = dict(tx.all(_OURS, addresses=list({_address(text.to) for text in texts})))
    numbers = [text.sender for text in texts if text.sender.startswith("+") and _address(text.to) in ours]
    meant = people.texted(tx, numbers) if numbers else {}
    known = queries.sms_tickets(tx, sorted(set(meant.values()))) if meant else {}
    found: dict[int, _From | None] = {}
    for place, (text, _, _) in turn.items():
        kind = ours.get(_address(text.to))
        if kind is None:
            found[place] = None
        elif (one := known.get(meant.get(text.sender, 0))) is not None:
            ticket, country, language = one
            about = (ticket.thread, ticket.contact, ticket.contact_name, country, language, ticket.peer, ticket.sender)
            found[place] = _From(text.sender, True, SmsThread(*about), ticket, kind)
        else:
            found[place] = _looked_for(tx, text, kind)
    return found


def _looked_for(tx: Tx, text: InboundText, kind: str) -> _From:
    """Everybody else: strangers, who become contacts, and whoever has no ticket."""
    whose = phones.sender(text.sender)
    is_phone = isinstance(whose, phones.Phone)
    phone = whose.e164 if isinstance(whose, phones.Phone) else whose.address
    country = whose.country if isinstance(whose, phones.Phone) and whose.country else text.country
    meant = people.by_phone(tx, phone if is_phone else None, phone, country)
    thread = _first_text(tx, meant.contact, phone, text.to)
    return _From(phone, is_phone, thread, queries.locked_ticket_of(tx, thread.id), kind)


def _address(number: str) -> str:
    return number.rpartition(":")[2]


def _first_text(tx: Tx, contact: int, peer: str, sender: str) -> SmsThread:
    """The thread of somebody who has no ticket: keywords only so far, or nothing at all."""
    found = standing.thread_of(tx, contact, lock=True)
    if found is None:
        tx.run(_NEW_THREAD, token=tx.token(18), contact=contact, peer=peer, sender=sender, now=tx.now)
        found = standing.thread_of(tx, contact, lock=True)
        if found is None:
            raise Clash("this contact's thread was begun elsewhere")
    return found


def _meaning(tx: Tx, text: InboundText, contact: int, words: KeywordSettings) -> Meaning:
    """What they said, in our mode; a keyword that the carrier has acted on already is one whatever we would think."""
    said = keywords.classify(text.body, words.mode, keywords=words.words())
    if isinstance(said, keywords.Plain) and len(text.body) <= 20:
        yes = keywords.classify(text.body, words.mode, pending_opt_in=True)
        if isinstance(yes, keywords.Confirm) and consents.opt_in(tx, contact, tx.now) is not None:
            said = yes
    match text.opt_out:
        case "STOP" if not isinstance(said, keywords.Stop):
            return keywords.Stop("")
        case "START" if not isinstance(said, keywords.Start | keywords.Confirm):
            return keywords.Start("")
        case "HELP" if not isinstance(said, keywords.Help):
            return keywords.Help("")
    return said


def _opens_ticket(meaning: Meaning) -> bool:
    """A keyword alone opens none (INB-4, AMB-2); one among other words does (AMB-1)."""
    match meaning:
        case keywords.Plain() | keywords.StopRequest():
            return True
        case keywords.Stop(with_text=with_text):
            return with_text
        case _:
            return False


_NAMES: dict[type, str] = {
    keywords.Stop: "stop",
    keywords.StopRequest: "stop_request",
    keywords.Start: "start",
    keywords.Help: "help",
    keywords.Confirm: "confirm",
    keywords.Subscribe: "subscribe",
    keywords.Plain: "plain",
}


def _name(meaning: Meaning) -> str:
    return _NAMES[type(meaning)]


def _act(tx: Tx, came: Sequence[_Came]) -> dict[int, int]:
    """What new texts of different people do, in the order they came. Where the entry of each stands, by thread."""
    shown = [one for one in came if not (one.hidden and one.opens_ticket)]
    stored = _store(tx, shown)
    _touch_tickets(tx, [(one, *place) for one, place in zip(shown, stored, strict=True) if one.opens_ticket])
    for one in came:
        _do(tx, one)
        if not one.opens_ticket and one.ticket is not None:
            tx.ring(INBOX_TOPIC, queries.ticket_of(tx, one.thread.id))
    return {one.thread.id: seq for one, (seq, _) in zip(shown, stored, strict=True)}


def _do(tx: Tx, came: _Came) -> None:
    """What a text means beside its words."""
    match came.meaning:
        case keywords.Plain(tapback):
            if not tapback and not came.hidden and came.is_phone:
                _auto_respond(tx, came)
        case keywords.Stop(language):
            _stop(tx, came, language)
        case keywords.StopRequest():
            consent.ask_to_stop(tx, came.phone, came.everybody, source=came.source, wording=came.body)
        case keywords.Start(language):
            blocked = _blocked(tx, came)
            done = consent.start(
                tx, came.phone, came.everybody, language=language, source=came.source, wording=came.body
            )
            if done.restored:
                _answer(tx, came, "start", language, blocked=blocked)
        case keywords.Confirm(language):
            blocked = _blocked(tx, came)
            said = consent.confirm_opt_in(
                tx, came.thread.contact, came.phone, source=came.source, said=came.body, language=language
            )
            if said is not None:
                _answer(tx, came, "confirmed", language, blocked=blocked)
        case keywords.Help(language):
            _answer(tx, came, "help", language)
        case keywords.Subscribe(keyword):
            _subscribe(tx, came, keyword)


def _store(tx: Tx, came: Sequence[_Came]) -> list[tuple[int, int]]:
    """The entries, each after the line that says their text reopened a closed ticket: their sequence, and the thread's
    new `rev`."""
    said: list[Said] = []
    files: list[list[dict[str, Any]]] = []
    for one in came:
        if one.opens_ticket and one.ticket is not None and one.ticket.status == "closed":
            status_entry(tx, one.ticket, Author("contact"), "open", None)
        data: dict[str, Any] = {"origin": "sms", "sid": one.text.sid}
        if not isinstance(one.meaning, keywords.Plain | keywords.StopRequest):
            data["keyword"] = _name(one.meaning)
        expected = media.expect(tx, one.thread.id, one.text)
        if expected:
            data["files"] = expected
        files.append(expected)
        author = Author("contact", None, one.thread.name)
        said.append(Said(one.thread.id, author, one.body, data))
    stored = [(entry.seq, rev) for entry, rev in append_messages(tx, said, public=False)]
    for one, expected, (seq, _) in zip(came, files, stored, strict=True):
        media.fetch_later(tx, one.thread.id, seq, one.text, expected)
    return stored


def _touch_tickets(tx: Tx, touched: Sequence[tuple[_Came, int, int | None]]) -> None:
    """Their tickets are open, unread and wait; a new one for whoever has none. With each the sequence of its entry, and
    its thread's new `rev` where that is the last thing that happened in it."""
    previews = [rules.preview(came.body, len(came.text.media)) for came, _, _ in touched]
    known: list[dict[str, Any]] = []
    for (came, seq, _), preview in zip(touched, previews, strict=True):
        if came.ticket is not None:
            known.append({"ticket": came.ticket.id, "seq": seq, "preview": preview})
        else:
            thread = came.thread
            of = {"thread": thread.id, "contact": thread.contact, "barred": standing.barred(tx, thread)}
            tx.run(_NEW_TICKET, **of, seq=seq, preview=preview, now=tx.now)
    tx.run_many(INBOUND, known, now=tx.now, preview_by="contact")
    for (came, seq, rev), preview in zip(touched, previews, strict=True):
        _tell(tx, came, seq, rev, preview)


def _tell(tx: Tx, came: _Came, seq: int, rev: int | None, preview: str) -> None:
    """Who reacts to a text in its ticket, and every list."""
    ticket, thread = came.ticket, came.thread
    if ticket is None or rev is None:
        after = queries.ticket_of(tx, thread.id)
        assert after is not None
    else:
        after = as_heard(tx, ticket, seq, rev, preview, "contact", sender=thread.sender, peer=thread.peer)
    if ticket is None or (isinstance(came.verdict, rules.Continue) and came.verdict.reopens):
        tx.announce(rules.TicketOpened(after.id, thread.id, thread.contact, "sms", first=ticket is None))
    tx.announce(rules.MessageReceived(after.id, thread.id, thread.contact, seq, "sms"))
    tx.ring(INBOX_TOPIC, after)


# --- what keywords are answered with ------------------------------------------------------------


def _stop(tx: Tx, came: _Came, language: str) -> None:
    if came.text.opt_out == "STOP":
        consent.gateway_stop(tx, came.phone, came.everybody, source=came.source, wording=came.body)
        return
    done = consent.stop(tx, came.phone, came.everybody, language=language, source=came.source, wording=came.body)
    if done.first:  # one confirmation, however often it is said
        _answer(tx, came, "stop", language)


def _subscribe(tx: Tx, came: _Came, keyword: str) -> None:
    wanted = came.words.keyword(keyword)
    if wanted is None or not came.is_phone:
        return
    contact = came.thread.contact
    facts = consents.facts(tx, contact, came.phone)
    if facts.litigator:  # no consent, no question and no promise
        return
    subscribed = facts.status(SMS_PURPOSES[0]) == Status.SUBSCRIBED and facts.suppressed is None
    if wanted.opt_in == "single" or subscribed:
        if not subscribed:
            consent.subscribe(tx, contact, came.phone, source=came.source, wording=came.body)
        _answer(tx, came, "subscribed", "", word=keyword)
        return
    question = _words(tx, came, "confirm_ask", "")
    if question is not None:
        consent.ask_opt_in(tx, contact, wording=question, source=came.source, keyword=keyword)
        _send(tx, came, question, "opt_in", "compliance", keyword="confirm_ask")


def _blocked(tx: Tx, came: _Came) -> bool:
    """Had the carrier blocked them? Then it tells them itself that they are back; after "ARRET" it had not."""
    return any(
        method == Method.GATEWAY or (method == Method.KEYWORD and carrier_blocks(came.words, came.sender_kind, wording))
        for method, wording in consents.stops(tx, came.thread.contact)
    )


def _words(tx: Tx, came: _Came, kind: Kind, language: str, word: str = "", *, blocked: bool = True) -> str | None:
    return answer(
        kind,
        came.thread.country,
        language or came.thread.language,
        widget.load(tx).brand,
        came.words,
        word=word,
        sender_kind=came.sender_kind,
        said=came.text.body,
        opt_out=came.text.opt_out,
        blocked=blocked,
    )


def _answer(tx: Tx, came: _Came, kind: Kind, language: str, word: str = "", *, blocked: bool = True) -> None:
    if not came.is_phone or consents.litigator(tx, came.phone):
        return
    said = _words(tx, came, kind, language, word, blocked=blocked)
    if said is not None:
        _send(tx, came, said, "keyword", "compliance", keyword=kind)


def _auto_respond(tx: Tx, came: _Came) -> None:
    """ "Nobody reads this number" (SET-5..7). The gate decides when it is sent; who opted out gets none."""
    inbox = came.inbox
    if not inbox.auto_response_on:
        return
    facts = consents.facts(tx, came.thread.contact, came.phone)
    if facts.litigator:
        return
    consented = any(facts.status(purpose) == Status.SUBSCRIBED for purpose in SMS_PURPOSES)
    if isinstance(rules.auto_response(True, inbox.auto_response_to, consented), rules.Respond):
        _send(tx, came, inbox.auto_response, "auto_reply", "auto_reply")


def _send(tx: Tx, came: _Came, body: str, kind: str, purpose: str, keyword: str | None = None) -> None:
    """Queues a machine's answer and shows it in the thread; not one too many in an hour (S17)."""
    thread = came.thread
    recent = tx.value(_MACHINE_ANSWERS, thread=thread.id, after=tx.now - rules.ANSWERS_WITHIN)
    # The confirmation of an opt-out comes once, and ends a loop.
    if keyword != "stop" and isinstance(rules.machine_answer(recent), rules.Loop):
        _tell_of_loop(tx, came)
        return
    queued = delivery.queue(
        tx,
        Send(
            key=f"{kind}:{came.text.sid}",
            kind=kind,
            purpose=purpose,
            contact=thread.contact,
            recipient=came.phone,
            body=body,
            thread=thread.id,
            sender=came.text.to,
        ),
    )
    origin = {"auto_reply": "auto"}.get(kind, kind)
    data: dict[str, Any] = {"origin": origin, "outbound": queued.id, "segments": queued.segments}
    if keyword is not None:
        data["keyword"] = keyword
    entry, _ = append(tx, thread.id, "message", SYSTEM, body=body, data=data, public=False)
    delivery.place(tx, queued.id, thread.id, entry.seq)


LOOP = "No more automatic answers here for an hour: more than {most} were sent. Perhaps another machine is writing."


def _tell_of_loop(tx: Tx, came: _Came) -> None:
    """Once an hour, a line for the team on an open, unread ticket: a person should look (S17)."""
    thread = came.thread
    dedupe = f"loop:{thread.id}-{int(tx.now.timestamp()) // 3600}"
    if entries.by_dedupe(tx, dedupe) is not None:
        return
    ticket = queries.locked_ticket_of(tx, thread.id)
    if ticket is None or ticket.status != "open":
        seq = tx.value(_LAST_TEXT, thread=thread.id)
        verdict = rules.on_inbound(None if ticket is None else facts_of(ticket))
        _touch_tickets(tx, [(came._replace(ticket=ticket, verdict=verdict), seq, None)])
    append(
        tx,
        thread.id,
        "note",
        SYSTEM,
        body=LOOP.format(most=rules.MOST_ANSWERS),
        data={"origin": "loop"},
        public=False,
        dedupe=dedupe,
    )
