"""What an owner sets for SMS: the account at the provider, with sealed secrets; the plan and what a text costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from pydantic import BaseModel, Field

from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.sealing import PURPOSE, Unsealable, unseal
from server.kernel.sql import Tx


class Price(BaseModel):
    """Credits of one segment, and of one MMS. None: there is no MMS (AMB-13)."""

    sms: int = Field(ge=0, le=1_000)
    mms: int | None = Field(None, ge=0, le=10_000)


class SmsSettings(BaseModel):
    """The document "sms". Fields that end in `_sealed` hold ciphertext; nobody reads them back."""

    on: bool = False
    account_sid: str = ""
    auth_token_sealed: str = ""
    secondary_token_sealed: str = ""  # both are accepted while a token is being replaced
    shared_keys_sealed: dict[str, str] = {}  # name → key of SHA-256 signed webhooks
    api_key: str = ""  # empty: requests are signed with account and auth token
    api_secret_sealed: str = ""
    messaging_service: str = ""  # MG…; empty: the number itself sends
    monthly_credits: int | None = Field(None, ge=0)  # None: no plan, nothing runs out (CAM-43)
    prices: dict[str, Price] = {}  # country → what replaces the built-in table (CAM-42)
    paused_countries: dict[str, str] = {}  # country → why the machine stopped sending there (21408)


SMS: Document[SmsSettings] = Document("sms", SmsSettings)


@dataclass(frozen=True, slots=True)
class Account:
    """The account, opened: what sends and what verifies. Lives in memory only; never logged."""

    sid: str
    tokens: tuple[str, ...] = field(repr=False)  # primary first; webhooks may be signed with either
    shared_keys: tuple[tuple[str, str], ...] = field(repr=False)  # name and key
    user: str  # of Basic auth
    password: str = field(repr=False)
    service: str = ""

    @property
    def usable(self) -> bool:
        return bool(self.sid and self.user and self.password)


def account(document: SmsSettings, key: bytes) -> Account:
    """`key`: `app.key(sealing.PURPOSE)`. What cannot be opened (another secret key) counts as not set."""

    def opened(sealed: str) -> str:
        try:
            return unseal(key, sealed)
        except Unsealable:
            return ""

    token = opened(document.auth_token_sealed)
    secret = opened(document.api_secret_sealed)
    by_key = bool(document.api_key and secret)
    return Account(
        sid=document.account_sid,
        tokens=tuple(found for found in (token, opened(document.secondary_token_sealed)) if found),
        shared_keys=tuple((name, opened(sealed)) for name, sealed in document.shared_keys_sealed.items()),
        user=document.api_key if by_key else document.account_sid,
        password=secret if by_key else token,
        service=document.messaging_service,
    )


def account_in(tx: Tx) -> Account:
    """As `account`, inside a step."""
    return account(SMS.load(tx), tx.key(PURPOSE))


async def current(app: App) -> Account:
    """The account as of at most three seconds ago; opened once a change. For webhooks, which ask it at every request."""
    document = await SMS.latest(app)
    found = app.parts.get("sms_account")
    if found is None or found[0] is not document:
        found = app.parts["sms_account"] = (document, account(document, app.key(PURPOSE)))
    opened: Account = found[1]
    return opened


CHECKED_ON = date(2026, 4, 30)
# Credits of one segment and of one MMS, April 2026 (CAM-42). None: no MMS there.
PRICES: dict[str, Price] = {
    country: Price(sms=sms, mms=mms)
    for country, sms, mms in (
        ("US", 1, 3), ("CA", 3, 5), ("AU", 4, 15), ("NZ", 10, None), ("GB", 5, None), ("IE", 9, None), ("DE", 12, None),
        ("NL", 12, None), ("FR", 7, None), ("BE", 11, None), ("AT", 4, None), ("ES", 5, None), ("CH", 5, None),
        ("DK", 7, None), ("SE", 6, None), ("NO", 8, None), ("FI", 9, None), ("IT", 7, None), ("PL", 3, None),
        ("PT", 3, None), ("LU", 11, None), ("HU", 8, None),
    )
}  # fmt: skip
ELSEWHERE = Price(sms=10, mms=None)  # a country without a line: the dearest ordinary one, until the owner says better


def price(document: SmsSettings, country: str) -> Price:
    return document.prices.get(country) or PRICES.get(country, ELSEWHERE)
