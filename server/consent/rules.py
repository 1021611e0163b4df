"""Decides which messages may be sent, what a consent change does and why an agent cannot reply. Pure (CON-1..11,
INB-8..11, AMB-23, 25).

Consent belongs to a contact and a purpose; a suppression belongs to an address, whoever has it now. A send needs both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

Channel = Literal["sms", "email"]


class Purpose(StrEnum):
    """What a contact agreed to (CON-1). Consents that an owner defines are "consent:<id>" (CIM-4)."""

    EMAIL_MARKETING = "email_marketing"
    SMS_MARKETING = "sms_marketing"
    SMS_TRANSACTIONAL = "sms_transactional"


SMS_PURPOSES = (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL)


class SendPurpose(StrEnum):
    """What a message is for."""

    CONVERSATION = "conversation"  # an agent's reply
    AUTO_REPLY = "auto_reply"  # the automatic reply to a customer's text (SET-5)
    COMPLIANCE = "compliance"  # the reply to a keyword, the question of a double opt-in
    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"
    TEST = "test"  # a test of a campaign, to a number that a colleague typed (CAM-34)


class Status(StrEnum):
    """The status of a consent (CON-2)."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    NEVER_SUBSCRIBED = "never_subscribed"


class Method(StrEnum):
    """How a change was made (CON-2)."""

    KEYWORD = "keyword"  # the contact texted a keyword
    REQUEST = "request"  # the contact asked in other words, and an agent confirmed that it means STOP (AMB-1)
    DOUBLE_OPT_IN = "double_opt_in"  # the contact texted YES to our question
    GATEWAY = "gateway"  # the carrier reported an opt-out (21610, OptOutType)
    DEACTIVATION = "deactivation"  # the carrier reported that the number was given up (CON-8)
    LITIGATOR = "litigator"  # the owner put the number on the list of litigators (CON-8)
    AGENT = "agent"
    IMPORT = "import"
    FORM = "form"
    API = "api"


OPT_IN_TEXT_METHODS = frozenset({Method.KEYWORD, Method.DOUBLE_OPT_IN})  # texts from the contact's own phone
OPT_OUT_METHODS = frozenset({Method.KEYWORD, Method.REQUEST, Method.GATEWAY})
UNDONE_BY_START = OPT_OUT_METHODS | {Method.DEACTIVATION}  # START from a deactivated number is by its new owner
# The ledger's `wording` is text that we showed the contact. With other methods it may be the contact's own words.
OUR_WORDING = frozenset({Method.DOUBLE_OPT_IN, Method.FORM, Method.IMPORT, Method.API})
ENDS_PAUSE = OPT_IN_TEXT_METHODS | OPT_OUT_METHODS  # clear decisions of the contact


class Suppressed(StrEnum):
    """Why nothing is sent to an address."""

    STOP = "stop"  # opt-out by text from this number
    GATEWAY = "gateway"  # the carrier reported an opt-out
    AGENT = "agent"  # an agent suppressed it
    DEACTIVATED = "deactivated"  # given up by its owner; lifted by a newer opt-in or START
    INVALID = "invalid"
    LANDLINE = "landline"
    DEAD = "dead"
    ERASED = "erased"  # the person was erased; stored as a hash, lifted by a text or a confirmation of the same address
    SOFT_BOUNCES = "soft_bounces"  # e-mail: more than `MAX_SOFT_BOUNCES` in a row


MAX_SOFT_BOUNCES = 7  # in a row (SUP-3)
OPTED_OUT = frozenset({Suppressed.STOP, Suppressed.GATEWAY, Suppressed.AGENT, Suppressed.ERASED})
UNREACHABLE = frozenset({Suppressed.INVALID, Suppressed.LANDLINE, Suppressed.DEAD})


def suppression_replaces(
    channel: Channel, present: str | None, new: str, *, present_at: datetime | None, at: datetime | None
) -> bool:
    """Whether a new reason replaces the present one of an address. `at`: when the new reason arose; None: now.

    An opt-out stays an opt-out when the number later turns out to be dead: only START lifts it. A dead e-mail address
    gets no mail at all, a suppressed one only no marketing, so "dead" replaces every other reason of an e-mail address
    and nothing replaces it.
    """
    if present is None:
        return True
    if present == new or (at is not None and present_at is not None and present_at > at):
        return False
    if channel == "email":
        return present not in UNREACHABLE and (new in UNREACHABLE or present not in OPTED_OUT)
    return present not in OPTED_OUT


def liftable(channel: str, reason: str) -> bool:
    """Whether a user may lift this suppression. The owner of a number lifts an opt-out by texting START."""
    return not (channel == "sms" and reason in (Suppressed.STOP, Suppressed.GATEWAY))


def soft_bounces_in_a_row(run: int, accepted_since: int, *, was_accepted: bool) -> int:
    """The length of a run of soft bounces with one more. `accepted_since`: mails to the address that a server accepted
    since the last bounce, of which the returned one is one if it `was_accepted`. Another of them that did not come back
    ends the run."""
    return 1 if accepted_since > int(was_accepted) else run + 1


# Numbers that carriers report for a hidden sender: "ANONYMOUS", "RESTRICTED", "BLOCKED" or "UNKNOWN" in keypad digits.
ANONYMOUS = frozenset(("+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+865966"))
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def textable(address: str) -> bool:
    """Whether this address can receive texts. Short codes, names, other channels and hidden numbers cannot (S8)."""
    return _E164.fullmatch(address) is not None and address not in ANONYMOUS


# --- the gate -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """The gate's facts about one contact at one address on one channel.

    `queries.facts` loads them; the caller adds `quiet_until`.
    """

    statuses: Mapping[str, str]  # status by purpose; a missing purpose is "never subscribed"
    methods: Mapping[str, str] = field(default_factory=dict)  # method of the current status, by purpose
    paused: bool = False  # asked to stop in other words; an agent must decide (AMB-1)
    suppressed: str | None = None  # reason of the address's suppression
    suppressed_at: datetime | None = None
    litigator: bool = False  # on the list of litigators, and the setting is on
    reachable: bool = True  # the address can receive messages of this channel
    missing: tuple[str, ...] = ()  # consents required for the channel that are not given, by name (CIM-5)
    quiet_until: datetime | None = None  # end of the current quiet hours

    def status(self, purpose: str) -> str:
        return self.statuses.get(purpose, Status.NEVER_SUBSCRIBED)

    def block_reason(self, purposes: Iterable[str]) -> str:
        """Why none of these purposes is subscribed. The contact's own opt-out comes first, because only START undoes it."""
        refused = [purpose for purpose in purposes if self.status(purpose) == Status.UNSUBSCRIBED]
        if any(self.methods.get(purpose) in UNDONE_BY_START for purpose in refused):
            return "opted_out"
        return "taken_off" if refused else "not_subscribed"


@dataclass(frozen=True, slots=True)
class Allowed:
    pass


@dataclass(frozen=True, slots=True)
class Held:
    """Not allowed before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not allowed at all. `reason`: a stable code. `message`: for people."""

    reason: str
    message: str


Verdict = Allowed | Held | Blocked

CONFIRM_WITHIN = timedelta(minutes=5)  # the one confirmation of a STOP (47 CFR 64.1200(a)(12))

BLOCK_MESSAGES = {
    "unreachable": "This number cannot receive texts.",
    "deactivated": "The carrier has deactivated this number. Its next owner has not agreed to texts.",
    "litigator": "This number is on your list of known litigators. Nothing is sent to it.",
    "opted_out": "This contact opted out of texts. Only they can opt back in, by texting START.",
    "taken_off": "Somebody on your team opted this contact out of texts. The contact did not ask by text.",
    "merged": "This conversation continues in the contact's other SMS ticket.",
    "no_sender": "None of your numbers can text this country and receive replies.",
    "not_subscribed": "This contact has not agreed to texts.",
    "too_late": "A confirmation may only be sent within five minutes of an opt-out.",
    "paused": "This contact seems to be asking you to stop. An agent has to decide first.",
    "consent_missing": "A consent that every message needs is missing: {missing}.",
}


def _blocked(reason: str, **values: str) -> Blocked:
    return Blocked(reason, BLOCK_MESSAGES[reason].format(**values))


def may_send(purpose: SendPurpose | str, channel: Channel, facts: ConsentFacts, now: datetime) -> Verdict:
    """The gate: decides whether a message may be sent. Called for every message, in the transaction that marks it
    `sending`."""
    purpose = SendPurpose(purpose)
    return _may_text(purpose, facts, now) if channel == "sms" else _may_email(purpose, facts)


def _may_text(purpose: SendPurpose, facts: ConsentFacts, now: datetime) -> Verdict:
    if not facts.reachable or facts.suppressed in UNREACHABLE:
        return _blocked("unreachable")
    if facts.litigator:
        return _blocked("litigator")
    if purpose is SendPurpose.COMPLIANCE:
        return _may_send_compliance(facts, now)
    if facts.suppressed == Suppressed.DEACTIVATED:
        return _blocked("deactivated")
    if facts.suppressed is not None:
        return _blocked("opted_out")
    marketing = facts.status(Purpose.SMS_MARKETING)
    either = {marketing, facts.status(Purpose.SMS_TRANSACTIONAL)}
    if purpose in (SendPurpose.AUTO_REPLY, SendPurpose.TEST):
        # Anybody who texts may get this reply (SET-5), and any number a test, except after an opt-out or a possible one.
        if Status.SUBSCRIBED not in either and Status.UNSUBSCRIBED in either:
            return _blocked(facts.block_reason(SMS_PURPOSES))
        return _blocked("paused") if facts.paused else Allowed()
    # Marketing needs the marketing consent; replies and transactional texts need either (AMB-23, AMB-25, CON-4).
    sufficient = SMS_PURPOSES[:1] if purpose is SendPurpose.MARKETING else SMS_PURPOSES
    if all(facts.status(sms_purpose) != Status.SUBSCRIBED for sms_purpose in sufficient):
        return _blocked(facts.block_reason(sufficient))
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


def _may_send_compliance(facts: ConsentFacts, now: datetime) -> Verdict:
    """Replies to keywords need no consent. After an opt-out one confirmation may be sent, within `CONFIRM_WITHIN`.

    A deactivated number that texts us has a new owner, so it gets a reply; so does a person who was erased and writes again.
    """
    if facts.suppressed in (None, Suppressed.DEACTIVATED, Suppressed.ERASED):
        return Allowed()
    if facts.suppressed != Suppressed.STOP:
        return _blocked("opted_out")  # the carrier would refuse it, or an agent suppressed the number
    if facts.suppressed_at is None or now - facts.suppressed_at > CONFIRM_WITHIN:
        return _blocked("too_late")
    return Allowed()


def _may_email(purpose: SendPurpose, facts: ConsentFacts) -> Verdict:
    """E-mail is allowed without a subscription (CON-5). A bounced address blocks everything, any other suppression only
    marketing (CON-6)."""
    if not facts.reachable or facts.suppressed in UNREACHABLE:
        return Blocked("unreachable", "This address cannot receive e-mail.")
    if purpose is not SendPurpose.MARKETING:
        return Allowed()
    if facts.suppressed is not None or facts.status(Purpose.EMAIL_MARKETING) == Status.UNSUBSCRIBED:
        return Blocked("opted_out", "This contact opted out of marketing e-mail.")
    if facts.missing:
        return _blocked("consent_missing", missing=", ".join(facts.missing))
    return Allowed()


# --- why an agent cannot reply ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Barred:
    """Why the composer is off (INB-8, INB-9). `code`: stored in `tickets.barred`, except "no_sender". `hint`: what would help."""

    code: str
    message: str
    hint: str


BARRED_HINTS = {
    "unreachable": "Ask for another number, or reply by e-mail.",
    "deactivated": "Ask for another number, or reply by e-mail. If the number is still theirs, they can text START.",
    "litigator": "Reply by e-mail. An owner, admin or manager can remove the number from the list under Settings → SMS.",
    "opted_out": "When they text START, you can reply again.",
    "taken_off": "START will not undo this. They can text a subscribe keyword, if you have one, or an owner, admin or "
    "manager records their new consent.",
    "merged": "Reply in the other ticket: it is in the contact's details.",
    "no_sender": "Add a number for this country under Settings → SMS.",
    "not_subscribed": "They can text a subscribe keyword, if you have one, or an owner, admin or manager can record their consent.",
}


def barred(facts: ConsentFacts) -> Barred | None:
    """Why consent or the contact's number bars an agent's reply; None if neither does."""
    verdict = may_send(SendPurpose.CONVERSATION, "sms", facts, datetime.min.replace(tzinfo=UTC))
    return barred_with_code(verdict.reason) if isinstance(verdict, Blocked) else None


def barred_with_code(code: str) -> Barred:
    """The reason with this code."""
    return Barred(code, BLOCK_MESSAGES[code], BARRED_HINTS[code])


# --- merged contacts ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """The current status of one purpose of one contact, as the gate reads it."""

    status: str
    method: str
    happened_at: datetime


# A refusal that a newer consent of another merged contact does not end: only its own contact ends it, by text.
HOLDS_FOR_ALL = OPT_OUT_METHODS | {Method.LITIGATOR}


def word_of_all(words: Sequence[Word]) -> Word:
    """The status of merged contacts for one purpose: anybody's own no, otherwise the newest word; of two at the same time,
    the opt-out.

    A deactivation is about one number, whose suppression bars it, and not about the person.
    """
    if len(words) == 1:
        return words[0]
    own_no = [word for word in words if word.status == Status.UNSUBSCRIBED and word.method in HOLDS_FOR_ALL]
    spoken = [word for word in words if word.status != Status.NEVER_SUBSCRIBED]
    by_people = [word for word in spoken if word.method != Method.DEACTIVATION]
    candidates = own_no or by_people or spoken or words
    return max(candidates, key=lambda word: (word.happened_at, word.status == Status.UNSUBSCRIBED))


# --- what a change does -------------------------------------------------------------------------

EARLIEST_CONSENT = datetime(1990, 1, 1, tzinfo=UTC)  # CON-7
IN_FUTURE = "in_future"
IN_FUTURE_MESSAGE = "A consent cannot have been given in the future."
CLOCK_TOLERANCE = timedelta(minutes=5)  # a time that is at most this far in the future counts as now


@dataclass(frozen=True, slots=True)
class CurrentConsent:
    """The current status of one purpose of one contact."""

    status: str
    method: str
    happened_at: datetime
    start_restores: bool = False  # a STOP revoked it, so START restores it (AMB-32)


@dataclass(frozen=True, slots=True)
class Applied:
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class NotApplied:
    """Stored in the ledger as evidence; changes nothing. `reason_not_applied`: older | opted_out | litigator | same."""

    happened_at: datetime
    reason_not_applied: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """Refused: not even kept as evidence."""

    code: str
    message: str


def on_change(
    current: CurrentConsent | None,
    status: str,
    method: str,
    happened_at: datetime | None,
    *,
    number_opted_out: bool,
    litigator: bool = False,
    now: datetime,
) -> Applied | NotApplied | Invalid:
    """Decides what a change of one purpose does. A newer change wins; of two at the same time, the opt-out wins (IMP-76).

    `number_opted_out`: an SMS purpose whose number is suppressed by an opt-out; then only the contact's own text can
    subscribe again (G12). `happened_at` None: now; counts as newer than the current status even if the clock went back (G23).
    """
    is_now = happened_at is None
    if happened_at is None:
        happened_at = now if current is None else max(now, current.happened_at)
    if not is_now and happened_at > now + CLOCK_TOLERANCE:
        return Invalid("future", IN_FUTURE_MESSAGE)
    if not is_now:
        happened_at = max(min(happened_at, now), EARLIEST_CONSENT)
    subscribes = status == Status.SUBSCRIBED
    if subscribes and litigator:
        return NotApplied(happened_at, "litigator")  # also if the contact's own text subscribes
    if (
        subscribes
        and method not in OPT_IN_TEXT_METHODS
        and (number_opted_out or (current is not None and opted_out_by_text(current)))
    ):
        return NotApplied(happened_at, "opted_out")
    if not subscribes and method not in OPT_OUT_METHODS and current is not None and opted_out_by_text(current):
        # The contact's own opt-out stays current. Otherwise an agent's opt-in could replace it, and START could not undo it.
        return NotApplied(happened_at, "same")
    if is_now or current is None or current.status == Status.NEVER_SUBSCRIBED:
        return Applied(happened_at)
    if happened_at < current.happened_at:
        return NotApplied(happened_at, "older")
    if happened_at == current.happened_at and subscribes and current.status == Status.UNSUBSCRIBED:
        return NotApplied(happened_at, "older")
    return Applied(happened_at)


def ends_pause(purpose: str, status: str, happened_at: datetime | None, paused_at: datetime | None) -> bool:
    """Whether an agent's entry also decides a pending "please stop" (AMB-1). Only an opt-in dated after the pause does.
    An opt-out does not decide whether the number opted out. Nobody has reviewed an imported opt-in."""
    if paused_at is None or purpose != Purpose.SMS_MARKETING or status != Status.SUBSCRIBED:
        return False
    return happened_at is None or happened_at >= paused_at


def opted_out_by_text(current: CurrentConsent) -> bool:
    """Whether the contact opted out by text or the carrier reported an opt-out. Only the contact's own text undoes it."""
    return current.status == Status.UNSUBSCRIBED and current.method in OPT_OUT_METHODS


def restored_by_start(status: str, method: str, before: str, restored_before: bool) -> bool:
    """Whether START restores the consent that this change revokes. `restored_before`: START would restore the
    status before the change."""
    if status != Status.UNSUBSCRIBED or method not in UNDONE_BY_START:
        return False
    return before == Status.SUBSCRIBED or (before == Status.UNSUBSCRIBED and restored_before)


def status_after_start(current: CurrentConsent | None) -> Status | None:
    """The status before STOP, to which START returns (AMB-32, S15). None: START changes nothing.

    A deactivation counts as a STOP: START comes from the number's current owner.
    """
    if current is None or current.status != Status.UNSUBSCRIBED or current.method not in UNDONE_BY_START:
        return None
    return Status.SUBSCRIBED if current.start_restores else Status.NEVER_SUBSCRIBED


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PurposeChange:
    """A changed status of one purpose."""

    purpose: str
    before: str
    status: str
    method: str
    source: str


@dataclass(frozen=True, slots=True)
class ConsentChanged:
    """What changed for one contact. `paused`: True: now paused, False: pause lifted, None: neither."""

    contact: int
    changes: tuple[PurposeChange, ...] = ()
    paused: bool | None = None

    @property
    def purposes(self) -> tuple[str, ...]:
        return tuple(change.purpose for change in self.changes)


@dataclass(frozen=True, slots=True)
class ConsentsChanged:
    """Announced for all contacts whose consent one step changed. `cause`: what changed them, such as "import:7"; "" if
    somebody did it by hand or the contact itself."""

    contacts: tuple[ConsentChanged, ...]
    cause: str = ""


@dataclass(frozen=True, slots=True)
class OptInConfirmed:
    """Announced when a contact confirmed that they want to join lists. `source`: the text or the mail."""

    contact: int
    lists: tuple[int, ...]
    source: str


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """Announced when an address became suppressed, or is no longer (`reason` None)."""

    channel: Channel
    address: str
    reason: str | None


def lifts_deactivation(reason: str | None, method: str, happened_at: datetime, suppressed_at: datetime) -> bool:
    """Whether an opt-in also lifts the suppression of its number. That must be a deactivation, and the opt-in
    must be newer, because an older opt-in is by the former owner. An import does not count."""
    return reason == Suppressed.DEACTIVATED and method != Method.IMPORT and happened_at > suppressed_at


def user_of_source(source: str) -> int | None:
    """The user's id in a ledger row's `source`, such as "user:3"; None for other sources."""
    kind, _, number = source.partition(":")
    return int(number) if kind == "user" and number.isascii() and number.isdecimal() else None


NOT_APPLIED_MESSAGES = {
    "litigator": "This number is on your list of known litigators, so it cannot be subscribed.",
    "opted_out": "This number opted out by text. Only its owner can opt back in, by texting START.",
    "older": "A newer decision is on record, so this one does not count.",
}
