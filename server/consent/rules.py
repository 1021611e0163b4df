"""Who may be sent what, what a change of consent does, why an agent cannot answer. Pure (SPEC CON-1..11, INB-8..11, AMB-23, 25).

Consent is held for each contact and purpose; a suppression belongs to a number, whoever has it now. Both must
allow a send. What each role may change is `accounts.rules`; what a text means is `keywords`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

Channel = Literal["sms", "email"]


class Purpose(StrEnum):
    """What somebody agreed to (CON-1). Consents an owner defines are "consent:<id>" (CIM-4)."""

    EMAIL_MARKETING = "email_marketing"
    SMS_MARKETING = "sms_marketing"
    SMS_TRANSACTIONAL = "sms_transactional"


SMS_PURPOSES = (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL)


class SendPurpose(StrEnum):
    """What a message is for: what the gate is asked."""

    CONVERSATION = "conversation"  # an agent's answer
    AUTO_REPLY = "auto_reply"  # "nobody reads this number" (SET-5)
    COMPLIANCE = "compliance"  # what a keyword is answered with, the question of a double opt-in
    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"


class Status(StrEnum):
    """CON-2."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    NEVER_SUBSCRIBED = "never_subscribed"


class Method(StrEnum):
    """How a change came about (CON-2)."""

    KEYWORD = "keyword"  # the person's own text
    REQUEST = "request"  # the person asked in their own words, and somebody here said that it was a STOP (AMB-1)
    DOUBLE_OPT_IN = "double_opt_in"  # the person's own YES to our question
    GATEWAY = "gateway"  # the carrier says so (21610, OptOutType)
    DEACTIVATION = "deactivation"  # their carrier says the number was given up (CON-8)
    LITIGATOR = "litigator"  # put on the owner's list of people known for suing over texts (CON-8)
    AGENT = "agent"
    IMPORT = "import"
    FORM = "form"
    API = "api"


OWN_WORD = frozenset({Method.KEYWORD, Method.DOUBLE_OPT_IN})  # came from the person's own phone
OWN_NO = frozenset({Method.KEYWORD, Method.REQUEST, Method.GATEWAY})
START_UNDOES = OWN_NO | {Method.DEACTIVATION}  # whoever has the number now may say START, and then it is theirs
LIFTS_PAUSE = OWN_WORD | OWN_NO  # they have said it clearly themselves; nobody need decide any more


class Suppressed(StrEnum):
    """Why an address is not sent to."""

    STOP = "stop"  # opted out by text from this number
    GATEWAY = "gateway"  # the carrier says they opted out there
    AGENT = "agent"  # somebody here put it on the list
    DEACTIVATED = "deactivated"  # given up, and perhaps somebody else's soon: until a newer yes, or START
    INVALID = "invalid"
    LANDLINE = "landline"
    DEAD = "dead"


OPTED_OUT = frozenset({Suppressed.STOP, Suppressed.GATEWAY, Suppressed.AGENT})
UNREACHABLE = frozenset({Suppressed.INVALID, Suppressed.LANDLINE, Suppressed.DEAD})

# What carriers put for somebody who hides their number: "ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN" … on a dial.
ANONYMOUS = frozenset(("+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+865966"))
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def textable(address: str) -> bool:
    """Can this be sent a text at all? Short codes, names, other channels and hidden numbers cannot (S8)."""
    return _E164.fullmatch(address) is not None and address not in ANONYMOUS


# --- the gate -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate needs to know about one contact at one address, on one channel.

    `queries.facts` loads it; `answerable` (a sender of ours serves their country and hears their answer) and
    `quiet_until` are known to whoever asks and put in with `dataclasses.replace`.
    """

    statuses: Mapping[str, str]  # by purpose; what is missing was never subscribed
    methods: Mapping[str, str] = field(default_factory=dict)  # by purpose: how it came to stand so
    paused: bool = False  # asked to stop in their own words; an agent decides (AMB-1)
    suppressed: str | None = None  # of the address
    suppressed_at: datetime | None = None
    litigator: bool = False  # on the owner's list of people known for suing over texts, while that counts
    reachable: bool = True  # the address can be texted at all
    answerable: bool = True
    missing: tuple[str, ...] = ()  # consents required for the channel that are not given, by name (CIM-5)
    quiet_until: datetime | None = None  # end of the quiet hours that hold now

    def status(self, purpose: str) -> str:
        return self.statuses.get(purpose, Status.NEVER_SUBSCRIBED)

    def no(self, purposes: Iterable[str]) -> str:
        """Why none of these counts: the person's own no is the firmest, since only their START takes it back."""
        refused = [purpose for purpose in purposes if self.status(purpose) == Status.UNSUBSCRIBED]
        if any(self.methods.get(purpose) in START_UNDOES for purpose in refused):
            return "opted_out"
        return "taken_off" if refused else "not_subscribed"


@dataclass(frozen=True, slots=True)
class Allowed:
    pass


@dataclass(frozen=True, slots=True)
class Held:
    """Not now: ask again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Blocked:
    """Never for this message. `reason` is stable, `message` for people."""

    reason: str
    message: str


Verdict = Allowed | Held | Blocked

CONFIRM_WITHIN = timedelta(minutes=5)  # the one confirmation of a STOP (47 CFR 64.1200(a)(12))

SENTENCES = {
    "unreachable": "This number cannot receive texts.",
    "deactivated": "The carrier says that this number was given up. Whoever has it next has agreed to nothing.",
    "litigator": "This number is on your list of people known for suing over texts; nothing is sent to it.",
    "opted_out": "They opted out of texts. Only they can change that: by texting START.",
    "taken_off": "They were taken off texts here, not by a text of their own.",
    "no_sender": "None of your numbers can text this country and hear the answer.",
    "not_subscribed": "They have not agreed to texts.",
    "too_late": "A confirmation may be sent within five minutes of an opt-out only.",
    "paused": "They asked to stop in their own words; somebody has to decide first.",
    "consent_missing": "A consent that every message needs is missing: {missing}.",
}


def _blocked(reason: str, **values: str) -> Blocked:
    return Blocked(reason, SENTENCES[reason].format(**values))


def may_send(purpose: SendPurpose | str, channel: Channel, facts: Facts, now: datetime) -> Verdict:
    """The gate: asked in the transaction that marks a message as being sent, whoever wants to send it."""
    purpose = SendPurpose(purpose)
    return _may_text(purpose, facts, now) if channel == "sms" else _may_mail(purpose, facts)


def _may_text(purpose: SendPurpose, facts: Facts, now: datetime) -> Verdict:
    if not facts.reachable or facts.suppressed in UNREACHABLE:
        return _blocked("unreachable")
    if facts.litigator:
        return _blocked("litigator")
    if purpose is SendPurpose.COMPLIANCE:
        return _may_confirm(facts, now)
    if facts.suppressed == Suppressed.DEACTIVATED:
        return _blocked("deactivated")
    if facts.suppressed is not None:
        return _blocked("opted_out")
    marketing = facts.status(Purpose.SMS_MARKETING)
    either = {marketing, facts.status(Purpose.SMS_TRANSACTIONAL)}
    if purpose is SendPurpose.AUTO_REPLY:
        # Anybody who wrote may be told that nobody reads this (SET-5); not who has said no, nor who may have.
        if Status.SUBSCRIBED not in either and Status.UNSUBSCRIBED in either:
            return _blocked(facts.no(SMS_PURPOSES))
        return _blocked("paused") if facts.paused else Allowed()
    # A promotion needs the marketing consent; an answer or a transactional text either (AMB-23, AMB-25, CON-4).
    counted = SMS_PURPOSES[:1] if purpose is SendPurpose.MARKETING else SMS_PURPOSES
    if all(facts.status(one) != Status.SUBSCRIBED for one in counted):
        return _blocked(facts.no(counted))
    if purpose is SendPurpose.CONVERSATION:
        return Allowed()
    if facts.missing:
        return _blocked("consent_missing", missing=", ".join(facts.missing))
    if purpose is SendPurpose.MARKETING:
        if facts.paused:
            return _blocked("paused")
        if facts.quiet_until is not None and facts.quiet_until > now:
            return Held(facts.quiet_until)
    return Allowed()


def _may_confirm(facts: Facts, now: datetime) -> Verdict:
    """A keyword is answered whatever was agreed to; who opted out gets one confirmation, and soon.

    A number that was given up and now texts us is somebody's again, and their question is answered.
    """
    if facts.suppressed in (None, Suppressed.DEACTIVATED):
        return Allowed()
    if facts.suppressed != Suppressed.STOP:
        return _blocked("opted_out")  # the carrier would refuse it, or somebody here decided
    if facts.suppressed_at is None or now - facts.suppressed_at > CONFIRM_WITHIN:
        return _blocked("too_late")
    return Allowed()


def _may_mail(purpose: SendPurpose, facts: Facts) -> Verdict:
    """Never having subscribed does not block e-mail (CON-5); a suppression blocks marketing, bounces everything (CON-6)."""
    if not facts.reachable or facts.suppressed in UNREACHABLE:
        return _blocked("unreachable")
    if purpose is not SendPurpose.MARKETING:
        return Allowed()
    if facts.suppressed is not None or facts.status(Purpose.EMAIL_MARKETING) == Status.UNSUBSCRIBED:
        return Blocked("opted_out", "They opted out of marketing e-mail.")
    if facts.missing:
        return _blocked("consent_missing", missing=", ".join(facts.missing))
    return Allowed()


# --- why an agent cannot answer -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Barred:
    """Why the composer is off (INB-8, INB-9): what stands in `tickets.barred`, in words, and the way out."""

    code: str
    message: str
    hint: str


HINTS = {
    "unreachable": "Ask for another number, or answer by e-mail.",
    "deactivated": "Ask for another number, or answer by e-mail. If the number is theirs, they can text START.",
    "litigator": "Answer by e-mail. An owner, admin or manager can take the number off the list under Settings → SMS.",
    "opted_out": "When they text START, you can answer again.",
    "taken_off": "START does not bring that back: they can text a subscribe keyword, if you have one, or an owner, admin or "
    "manager records their new yes.",
    "no_sender": "Add a number for this country under Settings → SMS.",
    "not_subscribed": "They can text a subscribe keyword, if you have one, or an owner, admin or manager records their consent.",
}


def barred(facts: Facts) -> Barred | None:
    """None: an agent may answer. The firmest reason counts: what consent could mend is said last."""
    verdict = may_send(SendPurpose.CONVERSATION, "sms", facts, datetime.min.replace(tzinfo=UTC))
    code = verdict.reason if isinstance(verdict, Blocked) else None
    if not facts.answerable and code in (None, "not_subscribed"):
        code = "no_sender"
    return None if code is None else Barred(code, SENTENCES[code], HINTS[code])


def barred_by(code: str) -> Barred:
    """From what stands in `tickets.barred`."""
    return Barred(code, SENTENCES[code], HINTS[code])


# --- what a change does -------------------------------------------------------------------------

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # CON-7
AHEAD = timedelta(minutes=5)  # clocks of other machines


@dataclass(frozen=True, slots=True)
class Standing:
    """The last word on one purpose of one contact."""

    status: str
    method: str
    happened_at: datetime
    taken: bool = False  # a STOP took it (AMB-32)


@dataclass(frozen=True, slots=True)
class Applied:
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class KeptOnly:
    """Kept in the ledger as evidence, and nothing changes. `why`: older | opted_out | litigator | same."""

    happened_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Impossible:
    """Not even evidence."""

    code: str
    message: str


def on_change(
    current: Standing | None,
    status: str,
    method: str,
    happened_at: datetime | None,
    *,
    number_opted_out: bool,
    litigator: bool = False,
    now: datetime,
) -> Applied | KeptOnly | Impossible:
    """What a word on a purpose does: an older one never beats a newer one, and of two at one moment the no counts (IMP-76).

    `number_opted_out`: the purpose is about texts and their number is suppressed by an opt-out. Then only the person's
    own text brings a yes back, whoever types it here and however new it is (G12). `happened_at` None: it is said right
    now, so it is newer than what stands here, even where the clock was set back in between (G23).
    """
    at_once = happened_at is None
    if happened_at is None:
        happened_at = now if current is None else max(now, current.happened_at)
    if not at_once and happened_at > now + AHEAD:
        return Impossible("future", "A consent cannot have been given in the future.")
    if not at_once:
        happened_at = max(min(happened_at, now), EARLIEST)
    yes = status == Status.SUBSCRIBED
    if yes and litigator:
        return KeptOnly(happened_at, "litigator")  # also their own word: that is how such a suit begins
    if yes and method not in OWN_WORD and (number_opted_out or (current is not None and said_no_by_text(current))):
        return KeptOnly(happened_at, "opted_out")
    if not yes and method not in OWN_NO and current is not None and said_no_by_text(current):
        # Their own no stays on top: under somebody else's, a yes could be typed over it and START would not reach it.
        return KeptOnly(happened_at, "same")
    if at_once or current is None or current.status == Status.NEVER_SUBSCRIBED:
        return Applied(happened_at)
    if happened_at < current.happened_at:
        return KeptOnly(happened_at, "older")
    if happened_at == current.happened_at and yes and current.status == Status.UNSUBSCRIBED:
        return KeptOnly(happened_at, "older")
    return Applied(happened_at)


def settles_pause(purpose: str, status: str, happened_at: datetime | None, paused_at: datetime | None) -> bool:
    """Does what a colleague writes down also answer "please stop" (AMB-1)? A yes that was said after it does: somebody
    has decided, with a reason and by a right that is harder to have than the tap. An older yes, a form found in a drawer,
    does not; nor does a no, which leaves open whether the number is to be opted out. Nor does a file: nobody looked."""
    if paused_at is None or purpose != Purpose.SMS_MARKETING or status != Status.SUBSCRIBED:
        return False
    return happened_at is None or happened_at >= paused_at


def said_no_by_text(current: Standing) -> bool:
    """Their own opt-out: by keyword, or as the carrier tells it. Only their own text takes it back."""
    return current.status == Status.UNSUBSCRIBED and current.method in OWN_NO


def takes(status: str, method: str, before: str, taken: bool) -> bool:
    """Does this change leave something that START gives back? `taken`: what it replaces already did (a second STOP)."""
    if status != Status.UNSUBSCRIBED or method not in START_UNDOES:
        return False
    return before == Status.SUBSCRIBED or (before == Status.UNSUBSCRIBED and taken)


def given_back(current: Standing | None) -> Status | None:
    """What START makes of this: what stood there before STOP, and nothing more (AMB-32, S15). None: leaves it.

    As STOP counts that the number was given up: START comes from the phone that has it now.
    """
    if current is None or current.status != Status.UNSUBSCRIBED or current.method not in START_UNDOES:
        return None
    return Status.SUBSCRIBED if current.taken else Status.NEVER_SUBSCRIBED


# --- what is announced --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changed:
    """One purpose that now stands otherwise."""

    purpose: str
    before: str
    status: str
    method: str
    source: str


@dataclass(frozen=True, slots=True)
class ConsentChanged:
    """Announced for each contact whose consent changed. `paused`: True just paused, False lifted, None neither."""

    contact: int
    changes: tuple[Changed, ...] = ()
    paused: bool | None = None

    @property
    def purposes(self) -> tuple[str, ...]:
        return tuple(change.purpose for change in self.changes)


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """Announced when an address became suppressed, or no longer is (`reason` None), whoever has it."""

    channel: Channel
    address: str
    reason: str | None


def lifts_number(reason: str | None, method: str, happened_at: datetime, suppressed_at: datetime) -> bool:
    """Does a yes that counts also free the number? Only one that was given up, and from whoever has it since then: a
    yes from before was another person's, and a file is nobody's word."""
    return reason == Suppressed.DEACTIVATED and method != Method.IMPORT and happened_at > suppressed_at


def user_in(source: str) -> int | None:
    """The colleague in a ledger row's `source` "user:3"."""
    kind, _, number = source.partition(":")
    return int(number) if kind == "user" and number.isascii() and number.isdecimal() else None


REFUSALS = {
    "litigator": "This number is on your list of people known for suing over texts; it gets no consent while it stands there.",
    "opted_out": "This number has opted out by text. Only its owner can come back, by texting START.",
    "older": "Something newer is on record; what was said before it does not count any more.",
}
