"""How the simulated carrier judges: what it refuses, what it answers by itself, when it tries again. Pure.

Codes and sentences are Twilio's (INTEGRATIONS 2.1, 3); numbers of +1500555 act as those of Twilio's test credentials.
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
    """A refusal as Twilio words it."""

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
class Wanted:
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
class Sending:
    """What the carrier knows of one of its senders."""

    address: str
    sms: bool = True
    mms: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What a create request is judged by."""

    senders: Mapping[str, Sending]
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


def judge(wanted: Wanted, known: Known, now: datetime) -> Problem | None:
    """None: it is taken. Twilio asks in this order, and names the first thing that is wrong."""
    to, sender = wanted.to or "", wanted.sender or ""
    if not to:
        return Problem(21604, "A 'To' phone number is required.")
    if not sender and not wanted.service:
        return Problem(21603, "A 'From' phone number is required.")
    if not wanted.body and not wanted.media:
        return Problem(21602, "Message body is required.")
    told = _TO.get(to)
    if told is not None:
        return Problem(told[0], told[1].format(to=to, sender=sender))
    told = _FROM.get(sender)
    if told is not None:
        return Problem(told[0], told[1].format(sender=sender))
    return _parties(wanted, known, to, sender) or _content(wanted) or _time(wanted, now)


def _parties(wanted: Wanted, known: Known, to: str, sender: str) -> Problem | None:
    if not E164.fullmatch(to):
        return Problem(21211, f"The 'To' number {to} is not a valid phone number.")
    if wanted.service and wanted.service != known.service:
        return Problem(21705, f"The Messaging Service Sid {wanted.service} is invalid.", 404)
    if not sender:
        return None
    if not (E164.fullmatch(sender) or SHORT.fullmatch(sender) or LETTERS.fullmatch(sender)):
        return Problem(
            21212, f"The 'From' number {sender} is not a valid phone number, shortcode, or alphanumeric sender ID."
        )
    found = known.senders.get(sender)
    if found is None and sender != "+15005550006":
        code = 21659 if sender.startswith("+") else 21660
        return Problem(code, f"'From' {sender} is not a Twilio phone number or Short Code country mismatch")
    if to == sender:
        return Problem(21266, "'To' and 'From' number cannot be the same")
    if not sender.startswith("+") and not sender.isdecimal() and to.startswith("+1"):
        return Problem(
            21612, f"The 'To' phone number {to} is not currently reachable using the 'From' {sender} via SMS."
        )
    if (sender, to) in known.opted_out:
        return Problem(21610, "Attempt to send to unsubscribed recipient")
    if wanted.media and found is not None and not (found.mms and to.startswith("+1")):
        return Problem(
            21612, f"The 'To' phone number {to} is not currently reachable using the 'From' number {sender} via MMS."
        )
    return None


def _content(wanted: Wanted) -> Problem | None:
    if wanted.body and len(wanted.body) > MAX_BODY:
        return Problem(
            21617, "The concatenated message body exceeds the 1600 character limit. Please shorten your message."
        )
    if len(wanted.media) > MAX_MEDIA:
        return Problem(21623, "Number of media files exceeds allowed limit")
    for address in wanted.media:
        if not _is_web(address):
            return Problem(21620, f"Invalid media URL(s): {address}")
    if wanted.callback and not (_is_web(wanted.callback) and "_" not in (urlsplit(wanted.callback).hostname or "")):
        return Problem(21609, f"The StatusCallback URL {wanted.callback} is not a valid URL.")
    return None


def _time(wanted: Wanted, now: datetime) -> Problem | None:
    if wanted.validity is not None:
        whole = wanted.validity.isascii() and wanted.validity.isdecimal() and len(wanted.validity) < 9
        if not whole or not 1 <= int(wanted.validity) <= LONGEST_VALIDITY_S:
            return Problem(21624, "Invalid ValidityPeriod value")
    if wanted.schedule is None and wanted.send_at is None:
        return None
    if not wanted.service:
        return Problem(35118, "MessagingServiceSid is required to schedule a message")
    if wanted.schedule != "fixed":
        return Problem(35116, "ScheduleType value provided is not supported")
    at = moment(wanted.send_at or "")
    if at is None:
        return Problem(35111, "SendAt parameter is required and must be an ISO 8601 time")
    if not timedelta(minutes=5) < at - now <= timedelta(days=35):
        return Problem(35114, "SendAt time must be between 300 seconds and 35 days in the future")
    return None


def moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


# --- keywords that the carrier answers itself (INTEGRATIONS 3, KEY-13) --------------------------------

_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START = frozenset({"START", "YES", "UNSTOP"})
_HELP = frozenset({"HELP", "INFO"})


@dataclass(frozen=True, slots=True)
class Handled:
    """What the carrier does about a keyword by itself. `blocks`: None leaves it as it is. `answer` "": none."""

    blocks: bool | None
    answer: str


def handle_keyword(kind: str, body: str, blocked: bool) -> Handled | None:
    """None: just a text. `kind`: of our number; a short code's words are the application's own business."""
    word = body.strip().upper()
    if kind == "toll_free":
        # The network itself, before Twilio: three words, texts nobody can change.
        if word == "STOP":
            return Handled(
                True,
                ""
                if blocked
                else 'NETWORK MSG: You replied with the word "stop" which blocks all texts sent from this '
                'number. Text back "unstop" to receive messages again.',
            )
        if word in ("START", "UNSTOP"):
            return Handled(
                False,
                'NETWORK MSG: You have replied "unstop" and will begin receiving messages again from this number.'
                if blocked
                else "",
            )
        return None
    if kind != "long_code":
        return None
    if word in _STOP:
        return Handled(
            True,
            ""
            if blocked
            else "You have successfully been unsubscribed. You will not receive any more messages from this number. "
            "Reply START to resubscribe.",
        )
    if word in _START:
        return Handled(
            False,
            "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
            "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
            if blocked
            else "",
        )
    if word in _HELP:
        return Handled(None, "" if blocked else "Reply STOP to unsubscribe. Msg&Data Rates May Apply.")
    return None


# --- webhooks: time limits and repeats (INTEGRATIONS 1.1) ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Override:
    """What the fragment of a webhook's address asks for. Seconds; `again`: the failures that are tried again."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    times: int = 1
    again: frozenset[str] = frozenset({"ct"})


def override(url: str) -> Override:
    """`#ct=2000&rt=5000&tt=15000&rc=3&rp=all`. What cannot be read is as if it were not there."""
    said = dict(part.partition("=")[::2] for part in url.partition("#")[2].split("&") if "=" in part)

    def number(name: str, least: int, most: int, default: int) -> int:
        text = said.get(name, "")
        return min(max(int(text), least), most) if text.isascii() and text.isdecimal() and len(text) < 7 else default

    asked = frozenset(part.strip() for part in said.get("rp", "ct").split(","))
    return Override(
        number("ct", 100, 10_000, 5_000) / 1000,
        number("rt", 100, 15_000, 15_000) / 1000,
        number("tt", 100, 15_000, 15_000) / 1000,
        number("rc", 0, 5, 1),
        frozenset({"ct", "rt", "4xx", "5xx"}) if "all" in asked else asked & {"ct", "rt", "4xx", "5xx"},
    )


def failure(status: int) -> str | None:
    """The class of an answer that is none."""
    return "4xx" if 400 <= status < 500 else "5xx" if status >= 500 else None
