"""Decides for many people at once who gets a text, and composes it. Writes nothing.

The queueing of a campaign and its review call `decide`, which asks `delivery.bulk_rules.verdict` as the start of each send
does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from server.consent import queries as consents
from server.consent.rules import Blocked, Held
from server.delivery import bulk, bulk_rules
from server.delivery import rules as delivery
from server.delivery.bulk_rules import BulkFacts, Smart
from server.delivery.rules import MAX_TEXT, Sender
from server.delivery.segments import segments
from server.delivery.settings import SmsSettings
from server.errors import Refused
from server.kernel.sql import Conn
from server.receipts import variables
from server.receipts.rules import Reason


class Person(NamedTuple):
    """One member of an audience. `receipt`: 0 before receipts exist."""

    receipt: int
    contact: int
    address: str
    country: str


class Composed(NamedTuple):
    """A text as it will be sent, with the code and target of each of its short links."""

    body: str
    links: tuple[tuple[str, str], ...] = ()


# Composes the text for a person with these variables. Raises `Refused` if a value is missing.
Compose = Callable[[Mapping[str, Any], str], Composed]


class Go(NamedTuple):
    """The person gets this text."""

    person: Person
    sender: str
    text: Composed
    segments: int
    cost: int


class No(NamedTuple):
    """The person gets none."""

    person: Person
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for everybody. `source`: the text as written, to find its variables. `media`: it is an MMS."""

    compose: Compose
    source: str
    smart: Smart
    expires_at: datetime | None
    document: SmsSettings
    senders: Sequence[Sender]
    media: bool = False


class Deciding:
    """Decides page after page. `credits_left`: None: no limit, or the start of each send checks it."""

    def __init__(self, terms: Terms, credits_left: int | None = None) -> None:
        self.terms, self.credits_left = terms, credits_left

    def sender_of(self, country: str) -> Sender | tuple[str, str]:
        """The number that texts this country, or that its texts wait for; else the reason and its value."""
        senders, mms = self.terms.senders, self.terms.media
        sender = delivery.choose_sender(senders, country, mms=mms) or delivery.choose_stopped(senders, country, mms=mms)
        if sender is None:
            return delivery.no_sender(senders, country, mms)
        if not sender.inbound:
            return Reason.NO_OPT_OUT.value, sender.address
        return sender

    def page(self, conn: Conn, people: Sequence[Person], now: datetime, taken: set[str]) -> list[Go | No]:
        """A decision for each person, in order. `taken`: numbers that get a text already; the numbers of this page that
        get one are added."""
        terms = self.terms
        facts_of = consents.facts_of(conn, [(person.contact, person.address) for person in people])
        timers = bulk.timers_of(conn, [person.address for person in people]) if terms.smart is not Smart.OFF else {}
        values = variables.values_of(conn, [person.contact for person in people], terms.source)
        decided: list[Go | No] = []
        for person, consent in zip(people, facts_of, strict=True):
            decision = self._decide(person, consent, timers.get(person.address, {}), values, now, taken)
            if isinstance(decision, Go):
                taken.add(person.address)
                if self.credits_left is not None:
                    self.credits_left -= decision.cost
            decided.append(decision)
        return decided

    def _decide(
        self,
        person: Person,
        consent: Any,
        timers: Mapping[str, tuple[datetime, int]],
        values: Mapping[int, Mapping[str, Any]],
        now: datetime,
        taken: set[str],
    ) -> Go | No:
        terms = self.terms
        facts = BulkFacts(
            person.address,
            person.country,
            consent,
            terms.smart,
            {kind: until for kind, (until, _) in timers.items()},
            expires_at=terms.expires_at,
            paused_countries=terms.document.paused_countries,
        )
        verdict = bulk_rules.verdict(facts, now)
        own_text = isinstance(verdict, Blocked) and verdict.reason == Reason.SMART_SENDING and person.address in taken
        if isinstance(verdict, Blocked) and not own_text:  # the text to somebody with the same number started the timer
            return No(person, verdict.reason, verdict.message)
        assert not isinstance(verdict, Held)  # nothing sets `quiet_until` for campaigns
        if person.address in taken:
            return No(person, Reason.DUPLICATE_ADDRESS, person.address)
        sender = self.sender_of(person.country)
        if not isinstance(sender, Sender):
            return No(person, *sender)
        try:
            text = terms.compose(values.get(person.contact, {}), person.country)
        except Refused as refused:
            return No(person, Reason.MISSING_VALUE, refused.message)
        if len(text.body) > MAX_TEXT:
            return No(person, Reason.TOO_LONG, f"{len(text.body):,} characters")
        count = 1 if terms.media else segments(text.body)
        cost = bulk.cost(terms.document, person.country, count, terms.media)
        if self.credits_left is not None and cost > self.credits_left:
            return No(person, Reason.NO_FUNDS, f"{cost} credits")
        return Go(person, sender.address, text, count, cost)
