"""Settings of SMS: the account at the provider with sealed secrets, the plan and the prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from pydantic import BaseModel, Field

from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.sealing import PURPOSE, Unsealable, unseal
from server.kernel.sql import Tx


class Price(BaseModel):
    """Credits per segment and per MMS. None: no MMS (AMB-13)."""

    sms: int = Field(ge=0, le=1_000)
    mms: int | None = Field(None, ge=0, le=10_000)


class SmsSettings(BaseModel):
    """The document "sms". Fields that end in `_sealed` hold ciphertext and are never returned."""

    on: bool = False
    account_sid: str = ""
    auth_token_sealed: str = ""
    secondary_token_sealed: str = ""  # accepted too, while a token is being replaced
    shared_keys_sealed: dict[str, str] = {}  # name → key of SHA-256 signed webhooks
    api_key: str = ""  # empty: requests authenticate with the auth token
    api_secret_sealed: str = ""
    messaging_service: str = ""  # MG…; empty: the number itself sends
    monthly_credits: int | None = Field(None, ge=0)  # None: no limit (CAM-43)
    prices: dict[str, Price] = {}  # country → price in place of the built-in one (CAM-42)
    paused_countries: dict[str, str] = {}  # country → why sending there was paused automatically (21408)


SMS: Document[SmsSettings] = Document("sms", SmsSettings)
ACCOUNT_LOCK = "sms:account"  # locked while the account is changed or its refusal by the provider is handled


@dataclass(frozen=True, slots=True)
class Account:
    """The account with its secrets unsealed. In memory only; never logged."""

    sid: str
    tokens: tuple[str, ...] = field(repr=False)  # primary first; webhooks may be signed with either
    shared_keys: tuple[tuple[str, str], ...] = field(repr=False)  # name and key
    user: str  # of Basic auth
    password: str = field(repr=False)
    service: str = ""

    @property
    def login(self) -> tuple[str, str, str]:
        """The credentials of requests. Secret."""
        return self.sid, self.user, self.password

    @property
    def usable(self) -> bool:
        return bool(self.sid and self.user and self.password)


def account(document: SmsSettings, key: bytes) -> Account:
    """Unseals the account. `key`: `app.key(sealing.PURPOSE)`. A secret sealed with another key counts as not set."""

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
        tokens=tuple(secret for secret in (token, opened(document.secondary_token_sealed)) if secret),
        shared_keys=tuple((name, opened(sealed)) for name, sealed in document.shared_keys_sealed.items()),
        user=document.api_key if by_key else document.account_sid,
        password=secret if by_key else token,
        service=document.messaging_service,
    )


def account_in(tx: Tx) -> Account:
    """Returns the result of `account` inside a transaction."""
    return account(SMS.load(tx), tx.key(PURPOSE))


@dataclass(frozen=True, slots=True)
class _UnsealedAccount:
    """The account of one version of the document."""

    document: SmsSettings
    account: Account


async def current(app: App) -> Account:
    """The account, at most three seconds old; unsealed once per change of the settings."""
    document = await SMS.latest(app)
    if not app.has(_UnsealedAccount) or app.part(_UnsealedAccount).document is not document:
        app.register(_UnsealedAccount(document, account(document, app.key(PURPOSE))))
    return app.part(_UnsealedAccount).account


CHECKED_ON = date(2026, 4, 30)
# Credits per segment and per MMS, April 2026 (CAM-42). None: no MMS.
PRICES: dict[str, Price] = {
    country: Price(sms=sms, mms=mms)
    for country, sms, mms in (
        ("US", 1, 3), ("CA", 3, 5), ("AU", 4, 15), ("NZ", 10, None), ("GB", 5, None), ("IE", 9, None), ("DE", 12, None),
        ("NL", 12, None), ("FR", 7, None), ("BE", 11, None), ("AT", 4, None), ("ES", 5, None), ("CH", 5, None),
        ("DK", 7, None), ("SE", 6, None), ("NO", 8, None), ("FI", 9, None), ("IT", 7, None), ("PL", 3, None),
        ("PT", 3, None), ("LU", 11, None), ("HU", 8, None),
    )
}  # fmt: skip
DEFAULT_PRICE = Price(sms=10, mms=None)  # for countries that are not in the table


def price(document: SmsSettings, country: str) -> Price:
    return document.prices.get(country) or PRICES.get(country, DEFAULT_PRICE)
