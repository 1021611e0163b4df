"""Pure rules of the simulated carrier: refusals, keyword replies, and repeats of webhooks.

Codes and messages are Twilio's; numbers of +1500555 act as Twilio's test credentials do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

E164 = re.compile(r"\+[1-9]\d{6,14}")
SHORT = re.compile(r"\d{3,8}")
LETTERS = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
MAX_BODY, MAX_MEDIA = 1_600, 10
LONGEST_VALIDITY_S = 36_000

# --- statuses ------------------------------------------------------------------------------------

FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "received"})
CANCELABLE = frozenset({"accepted", "scheduled", "queued"})

MORE_INFO = "https://www.twilio.com/docs/errors/"


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal with Twilio's code and message."""

    code: int
    message: str
    status: int = 400

    def body(self) -> dict[str, object]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"{MORE_INFO}{self.code}",
            "status": self.status,
        }


UNAUTHORISED = Problem(20003, "Authenticate", 401)
TOO_MANY = Problem(20429, "Too Many Requests", 429)
BROKEN = Problem(20500, "An internal server error has occurred", 500)


def not_found(path: str) -> Problem:
    return Problem(20404, f"The requested resource {path} was not found", 404)


# --- creating a message ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendRequest:
    """The parameters of one create request. A parameter that was not sent is None."""

    to: str | None = None
    sender: str | None = None
    service: str | None = None
    body: str | None = None
    media: tuple[str, ...] = ()
    callback: str | None = None
    validity: str | None = None
    send_at: str | None = None
    schedule: str | None = None


@dataclass(frozen=True, slots=True)
class SenderAbilities:
    """What one of the account's senders can send."""

    address: str
    sms: bool = True
    mms: bool = False


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account's state against which a create request is checked."""

    senders: Mapping[str, SenderAbilities]
    service: str
    opted_out: frozenset[tuple[str, str]] = field(default_factory=frozenset)  # (our number, theirs)


_TO = {
    "+15005550001": (21211, "The 'To' number {to} is not a valid phone number."),
    "+15005550002": (21612, "The 'To' phone number {to} is not currently reachable using the 'From' phone number {sender} via SMS."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}"),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number {to} is not a valid mobile number"),
}  # fmt: skip
_FROM = {
    "+15005550001": (21212, "The 'From' number {sender} is not a valid phone number, shortcode, or alphanumeric sender ID."),
    "+15005550007": (21606, "The 'From' phone number provided ({sender}) is not a valid message-capable Twilio phone number for this destination/account"),
    "+15005550008": (21611, "This 'From' number {sender} has exceeded the maximum number of queued messages"),
}  # fmt: skip


def check_request(request: SendRequest, account: AccountState, now: datetime) -> Problem | None:
    """Returns the first problem, in Twilio's order of checks; None: the request is accepted."""
    to, sender = request.to or "", request.sender or ""
    if not to:
        return Problem(21604, "A 'To' phone number is required.")
    if not sender and not request.service:
        return Problem(21603, "A 'From' phone number is required.")
    if not request.body and not request.media:
        return Problem(21602, "Message body is required.")
    error = _TO.get(to)
    if error is not None:
        return Problem(error[0], error[1].format(to=to, sender=sender))
    error = _FROM.get(sender)
    if error is not None:
        return Problem(error[0], error[1].format(sender=sender))
    return _check_parties(request, account, to, sender) or _check_content(request) or _check_times(request, now)


def _check_parties(request: SendRequest, account: AccountState, to: str, sender: str) -> Problem | None:
    if not E164.fullmatch(to):
        return Problem(21211, f"The 'To' number {to} is not a valid phone number.")
    if request.service and request.service != account.service:
        return Problem(21705, f"The Messaging Service Sid {request.service} is invalid.", 404)
    if not sender:
        return None
    if not (E164.fullmatch(sender) or SHORT.fullmatch(sender) or LETTERS.fullmatch(sender)):
        return Problem(
            21212, f"The 'From' number {sender} is not a valid phone number, shortcode, or alphanumeric sender ID."
        )
    abilities = account.senders.get(sender)
    if abilities is None and sender != "+15005550006":
        code = 21659 if sender.startswith("+") else 21660
        return Problem(code, f"'From' {sender} is not a Twilio phone number or Short Code country mismatch")
    if to == sender:
        return Problem(21266, "'To' and 'From' number cannot be the same")
    if not sender.startswith("+") and not sender.isdecimal() and to.startswith("+1"):
        return Problem(
            21612, f"The 'To' phone number {to} is not currently reachable using the 'From' {sender} via SMS."
        )
    if (sender, to) in account.opted_out:
        return Problem(21610, "Attempt to send to unsubscribed recipient")
    if request.media and abilities is not None and not (abilities.mms and to.startswith("+1")):
        return Problem(
            21612, f"The 'To' phone number {to} is not currently reachable using the 'From' number {sender} via MMS."
        )
    return None


def _check_content(request: SendRequest) -> Problem | None:
    if request.body and len(request.body) > MAX_BODY:
        return Problem(
            21617, "The concatenated message body exceeds the 1600 character limit. Please shorten your message."
        )
    if len(request.media) > MAX_MEDIA:
        return Problem(21623, "Number of media files exceeds allowed limit")
    for address in request.media:
        if not _is_web(address):
            return Problem(21620, f"Invalid media URL(s): {address}")
    if request.callback and not (_is_web(request.callback) and "_" not in (urlsplit(request.callback).hostname or "")):
        return Problem(21609, f"The StatusCallback URL {request.callback} is not a valid URL.")
    return None


def _check_times(request: SendRequest, now: datetime) -> Problem | None:
    if request.validity is not None:
        is_whole_number = request.validity.isascii() and request.validity.isdecimal() and len(request.validity) < 9
        if not is_whole_number or not 1 <= int(request.validity) <= LONGEST_VALIDITY_S:
            return Problem(21624, "Invalid ValidityPeriod value")
    if request.schedule is None and request.send_at is None:
        return None
    if not request.service:
        return Problem(35118, "MessagingServiceSid is required to schedule a message")
    if request.schedule != "fixed":
        return Problem(35116, "ScheduleType value provided is not supported")
    send_at = parse_time(request.send_at or "")
    if send_at is None:
        return Problem(35111, "SendAt parameter is required and must be an ISO 8601 time")
    if not timedelta(minutes=5) < send_at - now <= timedelta(days=35):
        return Problem(35114, "SendAt time must be between 300 seconds and 35 days in the future")
    return None


def parse_time(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


# --- keywords that the carrier answers itself (KEY-13) --------------------------------

_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START = frozenset({"START", "YES", "UNSTOP"})
_HELP = frozenset({"HELP", "INFO"})


@dataclass(frozen=True, slots=True)
class KeywordResult:
    """The carrier's own reaction to a keyword. `blocks` None: no change. `answer` "": no reply."""

    blocks: bool | None
    answer: str


def handle_keyword(kind: str, body: str, blocked: bool) -> KeywordResult | None:
    """Returns None for an ordinary text. `kind`: of our number; on short codes the application handles keywords."""
    word = body.strip().upper()
    if kind == "toll_free":
        # On toll-free numbers the network handles three keywords before Twilio, with fixed replies.
        if word == "STOP":
            return KeywordResult(
                True,
                ""
                if blocked
                else 'NETWORK MSG: You replied with the word "stop" which blocks all texts sent from this '
                'number. Text back "unstop" to receive messages again.',
            )
        if word in ("START", "UNSTOP"):
            return KeywordResult(
                False,
                'NETWORK MSG: You have replied "unstop" and will begin receiving messages again from this number.'
                if blocked
                else "",
            )
        return None
    if kind != "long_code":
        return None
    if word in _STOP:
        return KeywordResult(
            True,
            ""
            if blocked
            else "You have successfully been unsubscribed. You will not receive any more messages from this number. "
            "Reply START to resubscribe.",
        )
    if word in _START:
        return KeywordResult(
            False,
            "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
            "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
            if blocked
            else "",
        )
    if word in _HELP:
        return KeywordResult(None, "" if blocked else "Reply STOP to unsubscribe. Msg&Data Rates May Apply.")
    return None


# --- webhooks: time limits and repeats ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Override:
    """Options in the fragment of a webhook's address. Times in seconds; `retry_on`: the failures that are retried."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    times: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})


def override(url: str) -> Override:
    """Parses `#ct=2000&rt=5000&tt=15000&rc=3&rp=all`. Invalid values are ignored."""
    options = dict(part.partition("=")[::2] for part in url.partition("#")[2].split("&") if "=" in part)

    def number(name: str, least: int, most: int, default: int) -> int:
        text = options.get(name, "")
        return min(max(int(text), least), most) if text.isascii() and text.isdecimal() and len(text) < 7 else default

    failures = frozenset(part.strip() for part in options.get("rp", "ct").split(","))
    return Override(
        number("ct", 100, 10_000, 5_000) / 1000,
        number("rt", 100, 15_000, 15_000) / 1000,
        number("tt", 100, 15_000, 15_000) / 1000,
        number("rc", 0, 5, 1),
        frozenset({"ct", "rt", "4xx", "5xx"}) if "all" in failures else failures & {"ct", "rt", "4xx", "5xx"},
    )


def failure(status: int) -> str | None:
    """The failure class of a response's status; None: no failure."""
    return "4xx" if 400 <= status < 500 else "5xx" if status >= 500 else None
