"""Rules of delivery: states of a message, which number sends it, at which rate and price. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache

from server.events.rules import Metric

MAX_TEXT = 1_600  # characters of one message (CAM-21, CAM-31)
MAX_MEDIA = 10
MAX_MMS_BYTES = 600_000  # accepted by every carrier (CAM-30)
MMS_TYPES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}


# --- lanes ------------------------------------------------------------------------------------------


class Lane(IntEnum):
    """Which messages leave first. Stored as a number."""

    REPLY = 0  # of an agent
    KEYWORD = 1  # automatic answers to a text
    SERVICE = 2  # opt-in questions, account mail, follow-ups, transcripts, alerts
    FLOW = 3
    CAMPAIGN = 4

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for the message. Such a message fails at once if no number can send it, and leaves in turn within
        its thread; others wait until the numbers are repaired."""
        return self <= Lane.SERVICE

    @property
    def label(self) -> str:
        return self.name.lower()


LANES: dict[str, Lane] = {
    "reply": Lane.REPLY,
    "keyword": Lane.KEYWORD,
    "auto_reply": Lane.KEYWORD,
    "opt_in": Lane.SERVICE,
    "follow_up": Lane.SERVICE,
    "transcript": Lane.SERVICE,
    "account": Lane.SERVICE,
    "alert": Lane.SERVICE,
    "flow": Lane.FLOW,
    "campaign": Lane.CAMPAIGN,
    "test": Lane.SERVICE,  # of a campaign or flow, to a colleague's phone
}  # by the kind of a message
URGENT = tuple(lane for lane in Lane if lane.urgent)


# --- states -----------------------------------------------------------------------------------------


class State(StrEnum):
    """The state of one message. From `accepted` on the carrier reports it."""

    QUEUED = "queued"
    CLAIMED = "claimed"  # leased by a pump; safe to claim again
    SENDING = "sending"  # the request may have left
    ACCEPTED = "accepted"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    DELIVERED = "delivered"
    UNKNOWN = "unknown"  # may have been sent, so it is never sent again automatically
    SKIPPED = "skipped"  # blocked by the rule in `reason`
    CANCELLED = "cancelled"


# Reports only move a message to a higher rank, so the result does not depend on their order (G10). `delivered` ranks above
# `failed`, because a phone received the message.
_RANK: dict[State, int] = {
    State.ACCEPTED: 1,
    State.SENT: 2,
    State.UNDELIVERED: 3,
    State.FAILED: 4,
    State.DELIVERED: 5,
}
OPEN = frozenset({State.QUEUED, State.CLAIMED, State.SENDING, State.UNKNOWN})  # any report of the carrier settles these
UNFINISHED = frozenset({State.QUEUED, State.CLAIMED, State.SENDING})  # no outcome yet: later replies in the thread wait
WAITING = frozenset({State.QUEUED, State.CLAIMED})  # nothing was sent yet
TERMINAL = frozenset({State.UNDELIVERED, State.FAILED, State.DELIVERED, State.SKIPPED, State.CANCELLED})
LEFT_US = frozenset({State.ACCEPTED, State.SENT, State.UNDELIVERED, State.DELIVERED})

# The carrier's statuses. `read` implies `delivered`.
CARRIER_STATES: dict[str, State] = {
    "accepted": State.ACCEPTED,
    "scheduled": State.ACCEPTED,
    "queued": State.ACCEPTED,
    "sending": State.ACCEPTED,
    "sent": State.SENT,
    "partially_delivered": State.SENT,
    "undelivered": State.UNDELIVERED,
    "failed": State.FAILED,
    "canceled": State.FAILED,
    "delivered": State.DELIVERED,
    "read": State.DELIVERED,
}


def settle(current: State, reported: State) -> State:
    """The state after the carrier reported `reported`; moves forward only. A report replaces every state that the carrier
    did not report, because it proves that the message was sent."""
    if reported not in _RANK:
        return current
    if current not in _RANK:
        return reported
    return reported if _RANK[reported] > _RANK[current] else current


def may_retry(state: State) -> bool:
    """Whether an agent may send the message again (AMB-34): only if it certainly did not arrive."""
    return state in (State.FAILED, State.UNDELIVERED, State.SKIPPED)


@dataclass(frozen=True, slots=True)
class OutboundSettled:
    """Announced when a message changed its state. `reason`: rule or carrier's code. `detail`: for people."""

    outbound: int
    thread: int | None
    seq: int | None
    contact: int | None
    kind: str
    state: State
    reason: str
    detail: str
    channel: str = "sms"

    @property
    def metric(self) -> Metric | None:
        """The event of this outcome; None for a state that is none. A mail bounces when a report says so after its server
        had accepted it."""
        if self.state is State.UNDELIVERED and self.channel == "email":
            return Metric.MESSAGE_BOUNCED
        return _METRICS.get(self.state)


_METRICS = {
    State.DELIVERED: Metric.MESSAGE_DELIVERED,
    State.FAILED: Metric.MESSAGE_FAILED,
    State.UNDELIVERED: Metric.MESSAGE_FAILED,
    State.SKIPPED: Metric.MESSAGE_SKIPPED,
}


# --- rate limits and retries ------------------------------------------------------------------------

SCALE = 1_000  # tokens are thousandths of a segment
LEASE = timedelta(seconds=15)  # of a claim
MAX_ATTEMPTS = 8  # that certainly sent nothing
LOST_AFTER = timedelta(
    seconds=30
)  # twice the request timeout: a message `sending` for longer belongs to a dead process
MAIL_LOST_AFTER = timedelta(seconds=200)  # a mail server may take its time at each step
MAX_MAIL_ATTEMPTS = 14  # over about eight hours
STALE_S = 10.0  # a request leaves within this after `sending` was committed, or not at all


def tokens_at(tokens: int, filled_at: datetime, rate: int, now: datetime) -> int:
    """Tokens of a bucket now: it gains `rate` segments per second and holds at most one second's worth."""
    gained = max(0.0, (now - filled_at).total_seconds()) * rate * SCALE
    return min(rate * SCALE, int(tokens + gained))


def allowed_at(tokens: int, rate: int, now: datetime) -> datetime:
    """When the next message of this sender may leave. A bucket above zero allows one message of any length and may go
    below zero."""
    if tokens > 0:
        return now
    return now + timedelta(seconds=(1 - tokens) / (rate * SCALE) + 0.001)


def retry_delay(attempt: int, asked_s: float | None, jitter: float) -> timedelta:
    """The delay after failed attempt n: 2, 4, 8 … 300 s, half of it random (`jitter` 0 to 1), plus `asked_s`, the seconds
    that the provider asked for."""
    longest = min(300.0, 2.0**attempt)
    return timedelta(seconds=max(asked_s or 0.0, 0.0) + longest * (0.5 + 0.5 * jitter))


def mail_retry_delay(attempt: int, jitter: float) -> timedelta:
    """The delay after failed attempt n of a mail: 1, 2, 4 … 60 minutes, a quarter more or less at random."""
    return timedelta(minutes=min(60.0, 2.0 ** (attempt - 1)) * (0.75 + 0.5 * jitter))


# --- senders ----------------------------------------------------------------------------------------


class SenderKind(StrEnum):
    LONG_CODE = "long_code"
    TOLL_FREE = "toll_free"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"


# In order of preference (CAM-50).
_PREFERENCE = [SenderKind.SHORT_CODE, SenderKind.TOLL_FREE, SenderKind.LONG_CODE, SenderKind.ALPHANUMERIC]
CHECKED_ON = date(2026, 4, 30)  # when the tables below were checked; error 21612 reveals outdated entries

# Recipient's country and kind of number that support MMS (CAM-32, CAM-51).
MMS_WHERE = frozenset(
    {
        ("US", SenderKind.TOLL_FREE),
        ("US", SenderKind.SHORT_CODE),
        ("CA", SenderKind.TOLL_FREE),
        ("AU", SenderKind.LONG_CODE),
    }
)
# Countries whose networks refuse alphanumeric senders.
NO_ALPHANUMERIC = frozenset("US CA PR CN BR MX AR CO CL KR".split())


@dataclass(frozen=True, slots=True)
class Sender:
    """One number or name that we send from."""

    id: int
    address: str
    kind: SenderKind
    country: str
    countries: tuple[str, ...]
    mms: bool
    inbound: bool
    rate: int
    enabled: bool = True
    stopped: str | None = None

    @property
    def usable(self) -> bool:
        return self.enabled and not self.stopped


# Territories that use the networks and prices of another country.
_SAME_NETWORKS = {"GG": "GB", "JE": "GB", "IM": "GB", "AX": "FI", "SJ": "NO"}


_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def country_of(phone: str) -> str:
    """The ISO 3166 code of an E.164 number's country, by area code for shared calling codes; "" if there is none."""
    if _E164.fullmatch(phone) is None:
        return ""
    # In North America the first six digits determine the country (a test checks it); they make the cache effective.
    return _country(phone[:8] + "0000" if phone[1] == "1" and len(phone) == 12 else phone)


@lru_cache(32_768)
def _country(phone: str) -> str:
    import phonenumbers  # 20 MB of tables: not at start

    # Not the library's `parse`, which accepts any format and is slow.
    for end in (2, 3, 4):
        if (code := int(phone[1:end])) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            national = phone[end:]
            zero = national.startswith("0") or None
            number = phonenumbers.PhoneNumber(code, int(national), italian_leading_zero=zero)
            region = phonenumbers.region_code_for_number(number) or ""
            return _SAME_NETWORKS.get(region, region)
    return ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    mms: bool
    inbound: bool
    rate: int  # default segments per second
    countries: tuple[str, ...]  # served by default


def capabilities(kind: SenderKind, country: str) -> Capabilities:
    """Defaults of a number of this kind in its own country (CAM-51)."""
    north_america = country in ("US", "CA")
    if kind is SenderKind.SHORT_CODE:
        return Capabilities((country, kind) in MMS_WHERE, True, 100, (country,))
    if kind is SenderKind.TOLL_FREE:
        countries = ("US", "CA") if north_america else (country,)
        return Capabilities((country, kind) in MMS_WHERE, True, 3, countries)
    if kind is SenderKind.LONG_CODE:
        return Capabilities((country, kind) in MMS_WHERE, True, 1 if north_america else 10, (country,))
    return Capabilities(False, False, 10, (country,))


@dataclass(frozen=True, slots=True)
class BadSender:
    code: str
    message: str
    field: str = "address"


_SHORT = re.compile(r"[0-9]{3,8}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")


def unknown_countries(codes: Iterable[str]) -> str:
    """A sentence that names the codes that are not ISO 3166 country codes in capitals; "" if there are none."""
    import phonenumbers  # 20 MB of tables: not at start

    unknown = [code for code in codes if code not in phonenumbers.SUPPORTED_REGIONS]
    return f"These countries do not exist: {', '.join(unknown)}." if unknown else ""


def check_sender(address: str, kind: SenderKind, country: str, countries: Iterable[str]) -> BadSender | None:
    """Checks that the address matches its kind and country, and that the countries served exist and accept it."""
    shape = {SenderKind.SHORT_CODE: _SHORT, SenderKind.ALPHANUMERIC: _ALPHANUMERIC}.get(kind, _E164)
    if not shape.fullmatch(address) or address != address.strip():
        sentences = {
            SenderKind.SHORT_CODE: "A short code is 3 to 8 digits.",
            SenderKind.ALPHANUMERIC: "A sender name has 1 to 11 letters, digits and spaces, and at least one letter.",
        }.get(kind, "Enter the number with + and its country code, for example +18885550199.")
        return BadSender("bad_sender", sentences)
    for field, places in (("country", [country]), ("countries", sorted(countries))):
        unknown = unknown_countries(places)
        if unknown:
            return BadSender("unknown_country", unknown, field)
    refused = sorted(NO_ALPHANUMERIC.intersection(countries)) if kind is SenderKind.ALPHANUMERIC else []
    if refused:
        return BadSender(
            "no_letters_there",
            f"Networks in these countries do not accept sender names: {', '.join(refused)}.",
            "countries",
        )
    return _check_numbering_plan(address, kind, country) if shape is _E164 else None


def _check_numbering_plan(address: str, kind: SenderKind, country: str) -> BadSender | None:
    """Checks kind and country against the numbering plans; None if they do not know the number."""
    import phonenumbers

    if not country_of(address):
        return None
    number = phonenumbers.parse(address)
    types = phonenumbers.PhoneNumberType
    number_type = phonenumbers.number_type(number)
    if number_type == types.UNKNOWN:
        return None
    free = number_type == types.TOLL_FREE
    if free != (kind is SenderKind.TOLL_FREE):
        sentence = "This is a toll-free number." if free else "This is not a toll-free number."
        return BadSender("wrong_kind", sentence, "kind")
    # A toll-free number belongs to all countries with its calling code, such as the US and Canada.
    shared = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[number.country_code or 0]
    homes = set(shared) if free else {country_of(address)}
    if "001" not in shared and not homes & {country, _SAME_NETWORKS.get(country, country)}:
        return BadSender("wrong_country", f"This number does not belong to {country}.", "country")
    return None


def can_mms(sender: Sender, country: str) -> bool:
    """Whether this number can send MMS to that country."""
    return sender.mms and (country, sender.kind) in MMS_WHERE


def choose_sender(
    senders: Iterable[Sender], country: str, *, mms: bool = False, preferred: str | None = None
) -> Sender | None:
    """The number that sends to this country (CAM-50); None if there is none. `preferred`: the number that the contact
    texted; it wins if it is usable and, for MMS, supports it."""
    usable = [sender for sender in senders if sender.usable and (not mms or can_mms(sender, country))]
    for sender in usable:
        if preferred is not None and sender.address == preferred and sender.kind is not SenderKind.ALPHANUMERIC:
            return sender
    serving = [sender for sender in usable if country in sender.countries]
    return min(serving, key=lambda sender: (_PREFERENCE.index(sender.kind), sender.id), default=None)


def choose_stopped(senders: Iterable[Sender], country: str, *, mms: bool = False) -> Sender | None:
    """The stopped number that messages to this country wait for; None: no number serves it, so messages are skipped."""
    enabled = [replace(sender, stopped=None) for sender in senders if sender.enabled]
    return choose_sender(enabled, country, mms=mms)


def reachable(senders: Iterable[Sender], country: str) -> bool:
    """Whether an enabled number, usable or stopped, serves this country. If not, messages are skipped instead of waiting."""
    return any(sender.enabled and country in sender.countries for sender in senders)


@dataclass(frozen=True, slots=True)
class AssignedNumber:
    """The number that sends the message, or that it waits for."""

    sender: str


@dataclass(frozen=True, slots=True)
class NoNumber:
    """Why no number sends the message: a code and a sentence. `failed`: the message fails, because somebody waits for it
    and must see an error; otherwise it is skipped."""

    reason: str
    message: str
    failed: bool


def assign_number(senders: Sequence[Sender], recipient: str, lane: Lane, *, mms: bool) -> AssignedNumber | NoNumber:
    """The number for a message that has no usable number (CAM-50)."""
    country = country_of(recipient)
    sender = choose_sender(senders, country, mms=mms)
    if sender is not None:
        return AssignedNumber(sender.address)
    stopped = choose_stopped(senders, country, mms=mms)
    if stopped is None and not (lane.urgent and reachable(senders, country)):
        return NoNumber(*no_sender(senders, country, mms), failed=False)
    if lane.urgent:
        return NoNumber("sender_stopped", SENDER_STOPPED, failed=True)
    assert stopped is not None
    return AssignedNumber(stopped.address)


def no_sender(senders: Iterable[Sender], country: str, mms: bool) -> tuple[str, str]:
    """Why no number can send the message: code and sentence (AMB-13, INB-11)."""
    if mms and choose_sender(senders, country) is not None:
        return "mms_not_supported", "Your numbers cannot send pictures to this country."
    return "no_sender", "None of your numbers can text this country."


SENDER_STOPPED = "The sending number is stopped. See Settings → SMS."

# --- credits ----------------------------------------------------------------------------------------

# Replies to keywords and opt-ins are free, and tests (CAM-34, CAM-44); every other message that the carrier accepted is charged.
FREE_KINDS = frozenset({"keyword", "opt_in", "test"})


def charged(kind: str) -> bool:
    return kind not in FREE_KINDS


def credits(kind: str, segments: int, mms: bool, each: int) -> int:
    """Credits of one message (CAM-41): `each` per segment, or once for an MMS."""
    if not charged(kind):
        return 0
    return each if mms else each * segments


# --- reconciling unclear sends ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that the provider lists for the same recipient."""

    sid: str
    body: str
    sender: str
    created_at: datetime


def match_listed(
    listing: Iterable[Candidate], body: str, sender: str, begun_at: datetime, known_sids: frozenset[str]
) -> str | None:
    """The sid of an unclear send in the provider's list: same body and sender, created around `begun_at`, and not the sid of
    a message that we know. If several match, the earliest, so that each unclear send finds its own."""
    candidates = [
        listed
        for listed in listing
        if listed.sid not in known_sids
        and listed.body.strip() == body.strip()
        and (not sender or listed.sender == sender)
        and begun_at - timedelta(minutes=2) <= listed.created_at <= begun_at + timedelta(minutes=5)
    ]
    return min(candidates, key=lambda listed: (listed.created_at, listed.sid)).sid if candidates else None


# Seconds until each search in the provider's list, which may lag; after the last an agent must decide.
RECONCILE_DELAYS_S = (2, 10, 30, 120, 600, 3_600)


def reconcile_delay(looks: int) -> timedelta | None:
    return timedelta(seconds=RECONCILE_DELAYS_S[looks]) if looks < len(RECONCILE_DELAYS_S) else None


INBOUND_PATH = "/webhooks/twilio/sms"
STATUS_PATH = "/webhooks/twilio/status"
# Twilio's connection overrides in the fragment: five retries after every kind of failure. Without them Twilio does not
# retry after a 503.
RETRIES = "#rc=5&rp=all"


def webhook_url(public_url: str) -> str:
    """The URL to enter at the provider for incoming texts."""
    return f"{public_url}{INBOUND_PATH}{RETRIES}"


def asks_for_retries(url: str) -> bool:
    """Whether this URL asks for retries after every kind of failure."""
    options = dict(part.partition("=")[::2] for part in url.partition("#")[2].split("&"))
    return options.get("rc", "").isdecimal() and int(options["rc"]) >= 3 and options.get("rp") == "all"


_DIGITS = re.compile(r"\d(?=\d{2})")


def masked(address: str) -> str:
    """A number for the log: only its last two digits are shown."""
    return _DIGITS.sub("·", address)


def month_start(now: datetime) -> datetime:
    """Start of the credit period: the calendar month in UTC; credits do not roll over (CAM-43)."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def day_start(now: datetime) -> datetime:
    """Start of the UTC day: credits are summed by day; the credit period is the month (`month_start`)."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def totals(rows: Iterable[tuple[str, str, int, int]]) -> Mapping[tuple[str, str], tuple[int, int]]:
    """(kind, country) → (messages, credits) of ledger rows (kind, country, messages, credits)."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for kind, country, messages, total in rows:
        before = sums.get((kind, country), (0, 0))
        sums[kind, country] = (before[0] + messages, before[1] + total)
    return sums
