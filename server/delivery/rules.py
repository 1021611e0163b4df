"""What delivery decides: how states move, which number sends, how fast, what it costs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

MAX_TEXT = 1_600  # characters of one message (CAM-21, CAM-31)
MAX_MEDIA = 10
MAX_MMS_BYTES = 600_000  # the safe figure for every carrier (CAM-30)
MMS_TYPES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}


# --- states -----------------------------------------------------------------------------------------


class State(StrEnum):
    """Where one message stands. Up to `sending` it is ours; from `accepted` on the carrier tells."""

    QUEUED = "queued"
    CLAIMED = "claimed"  # a pump has it; safe to claim again
    SENDING = "sending"  # dispatch began: the request may have left
    ACCEPTED = "accepted"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    DELIVERED = "delivered"
    UNKNOWN = "unknown"  # it may have been sent: no machine sends it again
    SKIPPED = "skipped"  # a rule said no; `reason` says which
    CANCELLED = "cancelled"


# The carrier's words only ever move a message forward here, in whatever order they come (G10). A total order, so
# that the end is the same for every order; `delivered` beats `failed`: somebody's phone has it.
_RANK: dict[State, int] = {
    State.ACCEPTED: 1,
    State.SENT: 2,
    State.UNDELIVERED: 3,
    State.FAILED: 4,
    State.DELIVERED: 5,
}
OPEN = frozenset({State.QUEUED, State.CLAIMED, State.SENDING, State.UNKNOWN})  # the carrier's first word decides
HERE = frozenset({State.QUEUED, State.CLAIMED, State.SENDING})  # no outcome yet: replies behind it in its thread wait
TERMINAL = frozenset({State.UNDELIVERED, State.FAILED, State.DELIVERED, State.SKIPPED, State.CANCELLED})
LEFT_US = frozenset({State.ACCEPTED, State.SENT, State.UNDELIVERED, State.DELIVERED})

# The carrier's words (INTEGRATIONS 1.3). `read` is later than delivered and means no less.
TOLD: dict[str, State] = {
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


def settle(current: State, told: State) -> State:
    """Where a message stands after the carrier said `told`: forward only. What a person or rule ended stays ended,
    unless the carrier proves that it was sent after all."""
    if told not in _RANK:
        return current
    if current not in _RANK:
        return told
    return told if _RANK[told] > _RANK[current] else current


def may_retry(state: State) -> bool:
    """May a person send it again (AMB-34)? Only what surely did not arrive."""
    return state in (State.FAILED, State.UNDELIVERED, State.SKIPPED)


@dataclass(frozen=True, slots=True)
class OutboundSettled:
    """A message moved on. Announced; `reason` is the rule or the carrier's code, `detail` the words for people."""

    outbound: int
    thread: int | None
    seq: int | None
    contact: int
    kind: str
    state: State
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class SendersChanged:
    """A number was added, changed, started or removed. Announced."""


# --- pace -------------------------------------------------------------------------------------------

SCALE = 1_000  # tokens are thousandths of a segment
LEASE = timedelta(seconds=15)  # of a claim; a stuck one is claimed again
MAX_TRIES = 8  # network calls that surely sent nothing
LOST_AFTER = timedelta(seconds=30)  # twice as long as a request may take: who was `sending` then has died
STALE_S = 10.0  # after `sending` was written a request leaves within this or not at all: whoever slept does not send


def filled(tokens: int, filled_at: datetime, rate: int, now: datetime) -> int:
    """Tokens of a bucket now: `rate` segments a second, at most one second's worth kept."""
    gained = max(0.0, (now - filled_at).total_seconds()) * rate * SCALE
    return min(rate * SCALE, int(tokens + gained))


def allowed_at(tokens: int, rate: int, now: datetime) -> datetime:
    """When the next message of this sender may leave. A bucket above zero lets one go, however many parts it has:
    it pays by going below zero."""
    if tokens > 0:
        return now
    return now + timedelta(seconds=(1 - tokens) / (rate * SCALE) + 0.001)


def pause(attempt: int, asked: float | None, luck: float) -> timedelta:
    """How long after attempt n that sent nothing: 2, 4, 8 … 300 s, half of it chance (`luck` 0 to 1), so that many do not
    come back together; never sooner than the provider asked."""
    longest = min(300.0, 2.0**attempt)
    return timedelta(seconds=max(asked or 0.0, 0.0) + longest * (0.5 + 0.5 * luck))


# --- senders ----------------------------------------------------------------------------------------


class SenderKind(StrEnum):
    LONG_CODE = "long_code"
    TOLL_FREE = "toll_free"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"


# Short code beats toll-free beats long code beats letters (CAM-50).
_PREFERENCE = [SenderKind.SHORT_CODE, SenderKind.TOLL_FREE, SenderKind.LONG_CODE, SenderKind.ALPHANUMERIC]
CHECKED_ON = date(2026, 4, 30)  # the tables below; carriers change, error 21612 tells at run time

# Where a picture can be sent: the recipient's country and the kind of number (CAM-32, CAM-51).
MMS_WHERE = frozenset(
    {
        ("US", SenderKind.TOLL_FREE),
        ("US", SenderKind.SHORT_CODE),
        ("CA", SenderKind.TOLL_FREE),
        ("AU", SenderKind.LONG_CODE),
    }
)
# Countries whose networks refuse letters as a sender (INTEGRATIONS 5).
NO_LETTERS = frozenset("US CA PR CN BR MX AR CO CL KR".split())


@dataclass(frozen=True, slots=True)
class Sender:
    """One number or name we send from, as the rules see it."""

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


# Islands whose phones are on the networks, and at the prices, of another country.
_SAME_NETWORKS = {"GG": "GB", "JE": "GB", "IM": "GB", "AX": "FI", "SJ": "NO"}


_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def country_of(phone: str) -> str:
    """ISO 3166 of an E.164 number, by its area code where several countries share a calling code; "" where there is none."""
    if _E164.fullmatch(phone) is None:
        return ""
    # Of North America's twenty-five countries a number's first six digits say which (a test asks the library); whole audiences
    # live there, and six digits have often been asked for before.
    return _country(phone[:8] + "0000" if phone[1] == "1" and len(phone) == 12 else phone)


@lru_cache(32_768)
def _country(phone: str) -> str:
    import phonenumbers  # 20 MB of tables: not at start

    # Taken apart by hand: the library's `parse` is for numbers in any writing, and twice the rest.
    for end in (2, 3, 4):
        if (code := int(phone[1:end])) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            national = phone[end:]
            zero = national.startswith("0") or None
            number = phonenumbers.PhoneNumber(code, int(national), italian_leading_zero=zero)
            found = phonenumbers.region_code_for_number(number) or ""
            return _SAME_NETWORKS.get(found, found)
    return ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    mms: bool
    inbound: bool
    rate: int  # segments a second, by default
    countries: tuple[str, ...]  # that it serves, by default


def capabilities(kind: SenderKind, country: str) -> Capabilities:
    """What a number of this kind can do at home (CAM-51, INTEGRATIONS 2.2)."""
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
_LETTERS = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")


def no_countries(codes: Iterable[str]) -> str:
    """Which of these are the codes of no country, as a sentence; "" where all are (ISO 3166, two capitals)."""
    import phonenumbers  # 20 MB of tables: not at start

    nowhere = [code for code in codes if code not in phonenumbers.SUPPORTED_REGIONS]
    return f"There is no country {', '.join(nowhere)}." if nowhere else ""


def check_sender(address: str, kind: SenderKind, country: str, countries: Iterable[str]) -> BadSender | None:
    """Does the address fit its kind and country, and do the countries that it serves exist and take it?"""
    shape = {SenderKind.SHORT_CODE: _SHORT, SenderKind.ALPHANUMERIC: _LETTERS}.get(kind, _E164)
    if not shape.fullmatch(address) or address != address.strip():
        said = {
            SenderKind.SHORT_CODE: "A short code is 3 to 8 digits.",
            SenderKind.ALPHANUMERIC: "A sender name has 1 to 11 letters, digits and spaces, and at least one letter.",
        }.get(kind, "Write the number with + and its country code, for example +18885550199.")
        return BadSender("bad_sender", said)
    for field, places in (("country", [country]), ("countries", sorted(countries))):
        nowhere = no_countries(places)
        if nowhere:
            return BadSender("unknown_country", nowhere, field)
    refused = sorted(NO_LETTERS.intersection(countries)) if kind is SenderKind.ALPHANUMERIC else []
    if refused:
        return BadSender("no_letters_there", f"Networks of {', '.join(refused)} accept no sender name.", "countries")
    return _contradicted(address, kind, country) if shape is _E164 else None


def _contradicted(address: str, kind: SenderKind, country: str) -> BadSender | None:
    """What the numbering plans know of a number against what is said of it. Of one that they do not know: nothing."""
    import phonenumbers

    if not country_of(address):
        return None
    number = phonenumbers.parse(address)
    types = phonenumbers.PhoneNumberType
    found = phonenumbers.number_type(number)
    if found == types.UNKNOWN:
        return None
    free = found == types.TOLL_FREE
    if free != (kind is SenderKind.TOLL_FREE):
        said = "This is a toll-free number." if free else "This is not a toll-free number."
        return BadSender("wrong_kind", said, "kind")
    # A toll-free number belongs to all who share its calling code, as +1 is of the US and of Canada.
    shared = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[number.country_code or 0]
    homes = set(shared) if free else {country_of(address)}
    if "001" not in shared and not homes & {country, _SAME_NETWORKS.get(country, country)}:
        return BadSender("wrong_country", f"This is not a number of {country}.", "country")
    return None


def can_mms(sender: Sender, country: str) -> bool:
    """May this number send a picture to that country?"""
    return sender.mms and (country, sender.kind) in MMS_WHERE


def choose(
    senders: Iterable[Sender], country: str, *, mms: bool = False, preferred: str | None = None
) -> Sender | None:
    """The number that sends to a recipient of this country (CAM-50). `preferred`: the one they texted, which wins if it
    can send at all; for a picture only if it can send that."""
    can = [one for one in senders if one.usable and (not mms or can_mms(one, country))]
    for one in can:
        if preferred is not None and one.address == preferred and one.kind is not SenderKind.ALPHANUMERIC:
            return one
    serving = [one for one in can if country in one.countries]
    return min(serving, key=lambda one: (_PREFERENCE.index(one.kind), one.id), default=None)


def reachable(senders: Iterable[Sender], country: str) -> bool:
    """Would some number serve this country if it were started again? Then messages wait; else they are skipped."""
    return any(one.enabled and country in one.countries for one in senders)


def no_sender(senders: Iterable[Sender], country: str, mms: bool) -> tuple[str, str]:
    """Why nobody can send it: reason and words (AMB-13, INB-11)."""
    if mms and choose(senders, country) is not None:
        return "mms_not_supported", "Pictures cannot be sent to this country from any of your numbers."
    return "no_sender", "None of your numbers can text this country."


SENDER_STOPPED = "The sending number is stopped; see Settings → SMS."

# --- what it costs ----------------------------------------------------------------------------------

# Answers to keywords and opt-ins are free (CAM-44); everything else the carrier took is charged, delivered or not.
FREE_KINDS = frozenset({"keyword", "opt_in"})


def charged(kind: str) -> bool:
    return kind not in FREE_KINDS


def credits(kind: str, segments: int, mms: bool, each: int) -> int:
    """Credits of one message (CAM-41): per segment; an MMS is one, however long."""
    if not charged(kind):
        return 0
    return each if mms else each * segments


# --- settling what is unclear -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message the provider lists to the same recipient on the same day."""

    sid: str
    body: str
    sender: str
    created_at: datetime


def found_in(
    listing: Iterable[Candidate], body: str, sender: str, begun: datetime, taken: frozenset[str]
) -> str | None:
    """The sid of our unclear send in a listing: same words, same number, made around the time it began (clocks differ),
    and not another of our messages. Of several the earliest: each unclear send finds one of its own."""
    near = [
        one
        for one in listing
        if one.sid not in taken
        and one.body.strip() == body.strip()
        and (not sender or one.sender == sender)
        and begun - timedelta(minutes=2) <= one.created_at <= begun + timedelta(minutes=5)
    ]
    return min(near, key=lambda one: (one.created_at, one.sid)).sid if near else None


# Looked for after 2 s, 10 s, 30 s, 2 min, 10 min, 1 h; then it waits for a person. A listing may lag behind.
LOOK_AGAIN_S = (2, 10, 30, 120, 600, 3_600)


def look_again(looks: int) -> timedelta | None:
    return timedelta(seconds=LOOK_AGAIN_S[looks]) if looks < len(LOOK_AGAIN_S) else None


INBOUND_PATH = "/webhooks/twilio/sms"
STATUS_PATH = "/webhooks/twilio/status"
# Twilio's connection overrides, in the fragment: five repetitions after every kind of failure. Without them a 503 is
# not repeated at all (INTEGRATIONS 1.1).
RETRIES = "#rc=5&rp=all"


def webhook_url(public_url: str) -> str:
    """What to enter at the provider for texts that come in."""
    return f"{public_url}{INBOUND_PATH}{RETRIES}"


def repeats(url: str) -> bool:
    """Does this address ask for repetitions after every kind of failure?"""
    said = dict(part.partition("=")[::2] for part in url.partition("#")[2].split("&"))
    return said.get("rc", "").isdecimal() and int(said["rc"]) >= 3 and said.get("rp") == "all"


_DIGITS = re.compile(r"\d(?=\d{2})")


def masked(address: str) -> str:
    """A number for the log: its last two digits."""
    return _DIGITS.sub("·", address)


def month_start(now: datetime) -> datetime:
    """Credits renew with the calendar month, UTC, and do not roll over (CAM-43)."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def totals(rows: Iterable[tuple[str, str, int, int]]) -> Mapping[tuple[str, str], tuple[int, int]]:
    """(kind, country) → (messages, credits) of ledger rows (kind, country, messages, credits)."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for kind, country, messages, total in rows:
        before = found.get((kind, country), (0, 0))
        found[kind, country] = (before[0] + messages, before[1] + total)
    return found
