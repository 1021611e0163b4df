"""What every SMS provider is to the rest of the product. Pure: no SDK, no network, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol


class Verdict(StrEnum):
    """What a provider's refusal means for us (INTEGRATIONS 2.1; the table is in `twilio_errors.py`)."""

    FAIL = "fail"  # this message only; repeating cannot help
    RETRY = "retry"  # nothing was sent; the same again later
    SUPPRESS = "suppress"  # the recipient opted out at the provider: never again
    INVALID = "invalid"  # the number cannot be texted: mark it
    STOP_SENDER = "stop_sender"  # every message from this number would fail the same way
    STOP_ALL = "stop_all"  # the account itself is refused
    STOP_COUNTRY = "stop_country"  # every message to this country would fail the same way


@dataclass(frozen=True, slots=True)
class Text:
    """One outgoing message. `media`: addresses the provider fetches; any makes it an MMS."""

    recipient: str
    sender: str  # E.164, short code or letters; "" lets the messaging service choose
    body: str
    media: tuple[str, ...] = ()
    callback: str = ""  # where status reports go
    validity_s: int | None = None  # None: the provider's own


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it. `status` in its own words."""

    sid: str
    status: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider answered that it did not take it. `message` is for people, without a phone number in it."""

    code: int | None
    message: str
    verdict: Verdict
    retry_after: float | None = None  # seconds the provider asked for


@dataclass(frozen=True, slots=True)
class Unclear:
    """The request may have been carried out: a time-out after it left, a 5xx, a cut connection. Never repeated."""

    message: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request surely did not leave (no connection): repeating is safe."""

    message: str


Sent = Accepted | Rejected | Unclear | NotSent


@dataclass(frozen=True, slots=True)
class Report:
    """A status callback, or one line of a listing. `params`: every parameter as it came."""

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
    """A text that came in. `sender`, `to` as the carrier names them; `opt_out`: STOP, START or HELP it has answered itself."""

    sid: str
    idempotency_token: str | None
    params: dict[str, str]  # every one, as it came
    account: str
    sender: str
    to: str
    body: str
    media: tuple[Media, ...] = ()
    country: str = ""  # of the sender, as the provider derives it; never proof of residence
    opt_out: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as the provider's own list shows it."""

    sid: str
    status: str
    error: int | None
    body: str
    sender: str
    recipient: str
    direction: Literal["inbound", "outbound"]
    created_at: datetime
    media: int = 0  # how many files


@dataclass(frozen=True, slots=True)
class Number:
    """One of the account's own numbers, and where it reports to."""

    address: str
    sms_url: str
    sms: bool
    mms: bool
    sms_method: str = "POST"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the provider says about our account. `problem` "": it lets us in."""

    problem: str
    status: str = ""
    name: str = ""
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Numbers their carriers took out of service on a day, each as its digits in E.164. `unread`: lines that were none."""

    numbers: Sequence[int]
    unread: int = 0


@dataclass(frozen=True, slots=True)
class NoList:
    """There is none of that day."""


@dataclass(frozen=True, slots=True)
class BadList:
    """What came is no such list, whole as it is; repeating it at once cannot help."""

    message: str


class SmsChannel(Protocol):
    """One account at a provider, connected until closed."""

    async def send(self, text: Text) -> Sent:
        """Never raises for what a provider or a network does: that is a value."""
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
        """Newest first; both bounds by the day (UTC), which is all the provider sorts by. Raises `ChannelError`."""
        ...

    async def media_of(self, sid: str) -> list[Media]:
        """The files of one message. Raises `ChannelError`."""
        ...

    async def fetch_media(self, url: str, most: int) -> tuple[bytes, str]:
        """Bytes and the type the provider names, from the provider's own hosts only. Raises `ChannelError`."""
        ...

    async def given_up(self, day: date) -> GivenUp | NoList | BadList:
        """The numbers that were given up that day (UTC). Raises `ChannelError`; `permanent`: we may not ask."""
        ...

    async def check(self) -> Checked:
        """Credentials and numbers. Raises nothing: a refusal is a problem in words."""
        ...

    async def close(self) -> None: ...
