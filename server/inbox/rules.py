"""The inbox's decisions: pure, over facts and a time (SPEC 2.1-2.4).

The whole state machine of SPEC 2.3 stands here; what has no button yet (snooze, block) is decided
all the same, so that later code only has to ask.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from server.accounts.rules import HIDDEN
from server.accounts.rules import is_blank as is_blank  # asked under these names, too
from server.contacts.rules import clean_email as clean_email

Channel = Literal["webchat", "sms"]
Status = Literal["open", "snoozed", "closed"]

HOLD_CLOSE = timedelta(seconds=5)  # INB-26
MAX_TEXT = 8_000  # characters
PREVIEW = 140  # characters
ONLINE_TTL = timedelta(seconds=45)  # presence older than this is gone


# --- events other features may react to (reactions.py) ------------------------------------------


@dataclass(frozen=True, slots=True)
class TicketOpened:
    ticket: int
    thread: int
    contact: int
    channel: Channel
    first: bool  # born now, rather than reopened


class MessageReceived(NamedTuple):
    ticket: int
    thread: int
    contact: int
    seq: int
    channel: Channel


# --- the state machine (SPEC 2.3) ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """A ticket as a decision sees it."""

    channel: Channel
    status: Status
    closing_at: datetime | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A thread and a ticket are born with this message."""


@dataclass(frozen=True, slots=True)
class Continue:
    """The message joins the ticket, which is then open and unread; a pending close is called off."""

    reopens: bool


@dataclass(frozen=True, slots=True)
class Hidden:
    """Stored out of sight: a blocked sender opens and reopens nothing (INB-42, AMB-5)."""


def on_inbound(ticket: Facts | None) -> NewTicket | Continue | Hidden:
    """What a customer's message does. A closed chat never comes back: its next message starts a new one (INB-22)."""
    if ticket is None:
        return NewTicket()
    if ticket.blocked:
        return Hidden()
    if ticket.status == "closed":
        return NewTicket() if ticket.channel == "webchat" else Continue(reopens=True)
    return Continue(reopens=ticket.status == "snoozed")


@dataclass(frozen=True, slots=True)
class Change:
    """The ticket's next state. `hold_until`: only then, and only if nothing came between (INB-26)."""

    status: Status
    hold_until: datetime | None = None
    snoozed_until: datetime | None = None
    unread: bool | None = None  # None leaves it


@dataclass(frozen=True, slots=True)
class NoChange:
    """Already so; asking again is harmless."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """Not from here: a stable code and the sentence for the person who asked."""

    code: str
    message: str


Verdict = Change | NoChange | Impossible

CHAT_ENDED = Impossible("chat_ended", "This chat has ended; a new one starts when the visitor writes.")


def may_carry_over(ticket: Facts, own: str | None) -> bool:
    """May an anonymous visitor's chat become the customer's they turned out to be (AMB-37)? `own`: the status of the
    chat the customer has, if any; two open ones would break INB-23."""
    return ticket.status != "closed" and own in (None, "closed")


def on_close(ticket: Facts, by: Literal["agent", "visitor", "system"], now: datetime) -> Verdict:
    """An agent's close of a chat is held for five seconds, for there is no way back; SMS closes at once."""
    if ticket.status == "closed":
        return NoChange()
    if ticket.channel == "webchat" and by == "agent":
        return NoChange() if ticket.closing_at else Change(ticket.status, hold_until=now + HOLD_CLOSE)
    return Change("closed")


def on_close_due(ticket: Facts, now: datetime) -> Verdict:
    """The held close's alarm: closes only if it is still wanted and its time has come."""
    if ticket.status == "closed" or ticket.closing_at is None or ticket.closing_at > now:
        return NoChange()
    return Change("closed")


def on_reopen(ticket: Facts) -> Verdict:
    if ticket.status == "open":
        return NoChange()
    if ticket.status == "closed" and ticket.channel == "webchat":
        return CHAT_ENDED
    return Change("open")


def on_snooze(ticket: Facts, until: datetime, now: datetime) -> Verdict:
    if until <= now:
        return Impossible("in_the_past", "Choose a time in the future.")
    if ticket.status == "closed":
        return CHAT_ENDED if ticket.channel == "webchat" else Impossible("closed", "Reopen the ticket to snooze it.")
    return Change("snoozed", snoozed_until=until)


def on_snooze_due(ticket: Facts, snoozed_until: datetime | None, now: datetime) -> Verdict:
    if ticket.status != "snoozed" or snoozed_until is None or snoozed_until > now:
        return NoChange()
    return Change("open", unread=True)


def on_wake(ticket: Facts) -> Verdict:
    return Change("open") if ticket.status == "snoozed" else NoChange()


def on_agent_message(ticket: Facts, *, reopen_snoozed: bool = False) -> Verdict:
    """A reply leaves a snoozed ticket snoozed, reopens a closed SMS ticket, and cannot enter a closed chat (INB-25)."""
    if ticket.status == "closed":
        return CHAT_ENDED if ticket.channel == "webchat" else Change("open")
    if ticket.status == "snoozed" and reopen_snoozed:
        return Change("open")
    return NoChange()


def on_block(ticket: Facts) -> Verdict:
    return NoChange() if ticket.status == "closed" else Change("closed")


# --- automatic answers (SET-5..7, S17) ----------------------------------------------------------

MOST_ANSWERS = 5  # of a machine in one thread and hour: two robots must not talk for ever
ANSWERS_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Respond:
    pass


@dataclass(frozen=True, slots=True)
class Silent:
    pass


@dataclass(frozen=True, slots=True)
class Loop:
    """Enough was answered by machine; a person should look."""


def machine_answer(recent: int) -> Respond | Loop:
    """May a machine answer once more? `recent`: its answers in this thread within `ANSWERS_WITHIN`."""
    return Respond() if recent < MOST_ANSWERS else Loop()


def auto_response(on: bool, to: Literal["non_consented", "all"], consented: bool) -> Respond | Silent:
    """Is a text without a keyword answered by machine? `consented`: to marketing or transactional texts."""
    return Respond() if on and (to == "all" or not consented) else Silent()


# --- text from strangers ------------------------------------------------------------------------

# What no name may hold, and the single marks of direction, which a stranger's line does not need either.
UNSEEN = dict.fromkeys([*map(ord, HIDDEN), 0x200E, 0x200F, 0x061C])
CLUSTER_CAP = 8  # combining marks kept on one character (W13)
RESERVED_NAMES = {
    "support", "admin", "administrator", "agent", "system", "team", "staff", "moderator", "threadline", "bot",
}  # fmt: skip
# Cyrillic and Greek letters that pass for Latin ones, small or capital.
LOOK_ALIKES = str.maketrans("аеорсухіјѕԁһӏвмнктαβεζηικμνορτυχ", "aeopcyxijsdhlbmhktabezhikmnoptyx")


def clean_text(text: str) -> str:
    """What is stored of a message: exact but for NULs, other control characters and floods of combining marks."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept: list[str] = []
    marks = 0
    for char in text:
        code = ord(char)
        if (code < 32 and char not in "\n\t") or 0x7F <= code < 0xA0:
            continue
        if code >= 0x300 and unicodedata.combining(char):
            marks += 1
            if marks > CLUSTER_CAP:
                continue
        else:
            marks = 0
        kept.append(char)
    return "".join(kept)


def body_hash(text: str, files: list[str]) -> str:
    """Tells a repeat from a reuse of the same client key. Over the text as it was sent."""
    raw = text if not files else text + "\0" + "\0".join(files)
    return hashlib.sha256(raw.encode()).hexdigest()[:32]


def act_hash(act: str, *about: object) -> str:
    """As `body_hash`, for what has no text: a key spent on one act is refused for any other."""
    return body_hash(f"{act}:{about!r}", [])


def preview(text: str, files: int) -> str:
    """One line for the list; a picture without words is shown by its mark."""
    line = " ".join(text[: PREVIEW * 4].split())
    if len(line) > PREVIEW:
        line = line[: PREVIEW - 1] + "…"
    return line or ("📎" * min(files, 3))


def clean_line(text: str, limit: int) -> str:
    """One inert line: no line breaks, control, zero-width or direction-changing characters, cut to `limit`."""
    text = clean_text(text[: limit * 4].translate(UNSEEN))
    return " ".join(text.split())[:limit].strip()


@dataclass(frozen=True, slots=True)
class Name:
    value: str


_NUMBER_LIKE = re.compile(r"\+?[0-9 ().\-/\u00a0]+")
FEWEST_DIGITS = 3  # fewer are in nearly every number
LAST_DIGITS = 5  # so many may be a number's last ones, and a zero in front of them counts


def phone_digits(text: str) -> str | None:
    """The digits to look for in phone numbers, however they are written or cut; None: this is no part of a number."""
    text = unicodedata.normalize("NFKC", text).strip()
    if _NUMBER_LIKE.fullmatch(text) is None:
        return None
    digits = re.sub(r"[^0-9]", "", text.replace("(0)", ""))  # "+44 (0)20 …"
    number = digits.lstrip("0")  # "020 …" and "0044 …": such zeros are no part of the number as it is kept
    found = number if len(number) > LAST_DIGITS else digits
    return found if len(found) >= FEWEST_DIGITS else None


def folded_name(name: str) -> str:
    """How names are compared: what looks the same is the same, and what cannot be seen does not count."""
    shown = "".join(char for char in name if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", shown).casefold().translate(LOOK_ALIKES).split())


def visitor_name(raw: str, agents: frozenset[str]) -> Name | Impossible:
    """A visitor's own name for themselves; not one that could pass for the team's (W34). `agents`: folded names."""
    name = clean_line(raw, 80)
    if not name or is_blank(name):
        return Impossible("invalid", "Please give a name with letters in it.")
    folded = folded_name(name)
    # "Ana (Support)" is Ana as well, and "Support Team" nobody else.
    words = re.findall(r"[^\W_]+", folded)
    own = [word for word in words if word not in RESERVED_NAMES]
    if (words and not own) or " ".join(own) in agents or folded in agents:
        return Impossible("reserved_name", "This name is taken by the team; please use your own.")
    return Name(name)


TOKEN_PARAMETERS = re.compile(
    r"(?i)^(.*(token|password|passwd|secret|api_?key|auth|signature|session).*|code|key|sig|jwt|sid)$"
)


def clean_url(raw: str) -> str:
    """An http(s) address without credentials and without parameters that look like secrets; else nothing (W35)."""
    raw = clean_line(raw, 4_000)
    try:
        parts = urlsplit(raw)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)[:50]
        query = urlencode([(name, "hidden" if TOKEN_PARAMETERS.match(name) else value) for name, value in pairs])
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, host + port, parts.path, query, ""))[:2_000]


def clean_locale(raw: str) -> str:
    return raw if re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", raw) else ""


def clean_time_zone(raw: str) -> str:
    return raw if re.fullmatch(r"[A-Za-z]+(/[A-Za-z0-9_+\-]+){0,2}", raw) and len(raw) <= 40 else ""


def is_online(seen_at: datetime | None, now: datetime) -> bool:
    return seen_at is not None and now - seen_at < ONLINE_TTL
