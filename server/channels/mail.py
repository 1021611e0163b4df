"""Builds mails and interprets the refusals of mail servers. Pure: no network, no database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal, Protocol

from server.channels.base import Rejected, Sent, Verdict
from server.errors import Refused

if TYPE_CHECKING:
    from server.channels.dkim import DkimKey

MAX_SUBJECT = 250  # characters
_POLICY = SMTP.clone(cte_type="7bit")  # every server accepts 7-bit mail

Security = Literal["starttls", "tls", "plain"]
Stage = Literal["sender", "recipient", "data"]


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server that sends our mail. `plain`: passwords and mail go to it unencrypted, for a server on the same
    machine."""

    host: str
    port: int
    security: Security = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    name: str = "localhost"  # our host name, sent in EHLO

    @property
    def login(self) -> tuple[str, str, str]:
        """Identifies the account, to remember that the server refused it. Secret."""
        return f"{self.host}:{self.port}", self.user, self.password


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient. `message_id` is the same at every attempt; `return_path` receives bounces."""

    recipient: str
    sender: str
    sender_name: str
    subject: str
    text: str
    html: str
    message_id: str  # without < and >
    return_path: str
    at: datetime
    reply_to: str = ""
    automatic: bool = True  # written by the system: automatic responders should not answer
    headers: Mapping[str, str] = field(default_factory=dict)  # additional headers
    urgent: bool = True  # may use the reserved connections
    dkim: DkimKey | None = None  # signs the mail; None: the relay does, or nobody


class MailChannel(Protocol):
    """One mail server, connected until closed."""

    async def send(self, mail: Mail) -> Sent:
        """Does not raise on an error of the server or the network; the result contains the error."""
        ...

    async def check(self) -> str:
        """Connects and signs in. Returns the problem as a sentence; "" if there is none."""
        ...

    async def close(self) -> None: ...


# --- the message ------------------------------------------------------------------------------------

_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def one_line(text: str) -> str:
    """`text` as a header's value: line breaks and control characters become spaces, so it cannot begin another header."""
    return " ".join(_INVISIBLE.sub(" ", text).split())


def address(text: str) -> tuple[str, str]:
    """Local part and domain (in ASCII) of an e-mail address. Raises `Refused` `bad_address`."""
    local, separator, domain = text.rpartition("@")
    plain = local.isascii() and local and domain and not re.search(r'[\s<>()\[\]\\,;:"@\x00-\x1f\x7f]', local + domain)
    if not separator or not plain or len(text) > 254 or local.startswith(".") or local.endswith(".") or ".." in local:
        raise Refused("bad_address", "This is not an e-mail address.")
    try:
        return local, domain.encode("idna").decode().lower()
    except UnicodeError:
        raise Refused("bad_address", "This is not an e-mail address.") from None


def envelope(text: str) -> str:
    """The address for MAIL and RCPT, its domain in ASCII. Raises `Refused` `bad_address`."""
    return "@".join(address(text))


def build(mail: Mail) -> bytes:
    """The mail as bytes: text and HTML as alternatives, every header on lines of its own. Raises `Refused`
    `bad_address`."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(one_line(mail.sender_name), *address(mail.sender))
    message["To"] = Address("", *address(mail.recipient))
    if mail.reply_to:
        message["Reply-To"] = Address("", *address(mail.reply_to))
    message["Subject"] = one_line(mail.subject)[:MAX_SUBJECT]
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{one_line(mail.message_id)}>"
    if mail.automatic:
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834
        message["X-Auto-Response-Suppress"] = "All"
    for name, value in mail.headers.items():
        message[one_line(name)] = one_line(value)
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    return message.as_bytes()


# --- refusals ---------------------------------------------------------------------------------------

_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
DEAD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.10"})  # the address does not exist
UNKNOWN_USER = re.compile(
    r"user unknown|unknown (?:user|recipient)|no such (?:user|recipient|mailbox)|(?:recipient|mailbox|user|address)"
    r" (?:not found|does not exist|doesn't exist)|invalid recipient|recipient address rejected: undeliverable",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[^\s<>\"'()]+@[^\s<>\"'()]+")


def enhanced_code(text: str) -> str:
    """The status code of RFC 3463 in a server's answer, such as 5.1.1; "" if there is none."""
    code = _ENHANCED.search(text)
    return "" if code is None else code[0]


def without_addresses(text: str) -> str:
    """A server's error text for people and the log: one short line with masked addresses."""
    return _ADDRESS.sub("…", one_line(text))[:200]


def meaning(code: int, text: str, stage: Stage) -> Rejected:
    """Interprets a server's refusal. 4xx: try again later. A missing address is remembered; a full mailbox or a policy
    fails only this mail; a refused sender fails every mail."""
    enhanced = enhanced_code(text)
    sentence = f"{code} {without_addresses(text)}".strip()
    if enhanced.startswith("4") or (400 <= code < 500 and not enhanced.startswith("5")):
        return Rejected(code, sentence, Verdict.RETRY)
    if stage == "sender" and enhanced.split(".")[:2] not in (["5", "3"], ["5", "2"]) and code != 552:
        return Rejected(code, sentence, Verdict.STOP_ALL)
    dead = enhanced in DEAD_CODES or (not enhanced and UNKNOWN_USER.search(text) is not None)
    return Rejected(code, sentence, Verdict.INVALID if stage != "sender" and dead else Verdict.FAIL)
