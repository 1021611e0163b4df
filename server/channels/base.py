"""The interface of an SMS provider. Pure: no SDK, no network, no database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol


class Verdict(StrEnum):
    """What the provider's refusal of a message means (the table is in `twilio_errors.py`)."""

    FAIL = "fail"  # this message only; a retry cannot help
    RETRY = "retry"  # nothing was sent; retry later
    SUPPRESS = "suppress"  # the recipient opted out at the provider
    INVALID = "invalid"  # the number cannot receive texts
    STOP_SENDER = "stop_sender"  # every message from this number would fail the same way
    STOP_ALL = "stop_all"  # the account itself is refused
    STOP_COUNTRY = "stop_country"  # every message to this country would fail the same way


@dataclass(frozen=True, slots=True)
class Text:
    """One outgoing message. `media`: URLs that the provider fetches; with at least one, the text is an MMS."""

    recipient: str
    sender: str  # E.164, short code or letters; "" lets the messaging service choose
    body: str
    media: tuple[str, ...] = ()
    callback: str = ""  # where status reports go
    validity_s: int | None = None  # None: the provider's own


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider accepted the message. `status`: the provider's word."""

    sid: str
    status: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused the message. `message`: for people, without phone numbers."""

    code: int | None
    message: str
    verdict: Verdict
    retry_after: float | None = None  # seconds the provider asked for


@dataclass(frozen=True, slots=True)
class Unclear:
    """The message may have been sent: a timeout after the request left, a 5xx, a cut connection. Never retried."""

    message: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly did not leave (no connection): a retry is safe."""

    message: str


Sent = Accepted | Rejected | Unclear | NotSent


@dataclass(frozen=True, slots=True)
class Report:
    """A status callback, or one message of the provider's list. `params`: all parameters, raw."""

    sid: str
    status: str
    error: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    url: str
    type: str  # as the provider names it; the bytes decide


class InboundText(NamedTuple):
    """An incoming text. `sender`, `to`: as the carrier names them. `opt_out`: STOP, START or HELP that the carrier answered.

    `superseded`: read late from the provider's list, after a newer text of the same sender. The newer text decides which
    of our numbers the sender uses.
    """

    sid: str
    idempotency_token: str | None
    params: dict[str, str]  # all, raw
    account: str
    sender: str
    to: str
    body: str
    media: tuple[Media, ...] = ()
    country: str = ""  # of the sender, as the provider determines it; never proof of residence
    opt_out: str | None = None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in the provider's list."""

    sid: str
    status: str
    error: int | None
    body: str
    sender: str
    recipient: str
    direction: Literal["inbound", "outbound"]
    created_at: datetime
    media: int = 0  # number of files


@dataclass(frozen=True, slots=True)
class Number:
    """One of the account's numbers, with its webhook URL."""

    address: str
    sms_url: str
    sms: bool
    mms: bool
    sms_method: str = "POST"


@dataclass(frozen=True, slots=True)
class Checked:
    """The provider's view of our account. `problem`: "" if the credentials work."""

    problem: str
    status: str = ""
    name: str = ""
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True)
class DeactivatedNumbers:
    """Numbers that carriers deactivated on a day, as digits of E.164. `unread`: how many lines were not numbers."""

    numbers: Sequence[int]
    unread: int = 0


@dataclass(frozen=True, slots=True)
class NoList:
    """There is no list for that day."""


@dataclass(frozen=True, slots=True)
class BadList:
    """The response is not a valid list; an immediate retry cannot help."""

    message: str


class SmsChannel(Protocol):
    """One account at a provider, connected until closed."""

    async def send(self, text: Text) -> Sent:
        """Never raises for an error of the provider or the network: the result says so."""
        ...

    async def list_messages(
        self,
        *,
        to: str | None = None,
        from_: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 200,
    ) -> list[Listed]:
        """Newest first; the provider selects by whole days (UTC). Raises `ChannelError`."""
        ...

    def pages(self, *, to: str, since: datetime) -> AsyncIterator[list[Listed]]:
        """All messages to one address since the day (UTC) of `since`, newest first, page by page. Raises `ChannelError`."""
        ...

    async def media_of(self, sid: str) -> list[Media]:
        """The files of one message. Raises `ChannelError`."""
        ...

    async def fetch_media(self, url: str, max_bytes: int) -> tuple[bytes, str]:
        """Bytes, and the type that the provider names; from the provider's hosts only. Raises `ChannelError`."""
        ...

    async def deactivated_numbers(self, day: date) -> DeactivatedNumbers | NoList | BadList:
        """The numbers deactivated on that day (UTC). Raises `ChannelError`; `permanent`: the account has no access."""
        ...

    async def check(self) -> Checked:
        """Checks the credentials and reads the numbers. Never raises: `problem` describes a refusal."""
        ...

    async def close(self) -> None: ...
