"""What the routes of delivery answer, as models: for the OpenAPI description and the tests that hold us to it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from server.delivery.settings import Price

Kind = Literal["long_code", "toll_free", "short_code", "alphanumeric"]


class Secret(BaseModel):
    """Write-only: nobody reads one back."""

    set: bool


class Webhooks(BaseModel):
    """Addresses to enter at the provider. Status reports need no entry: each message names its own."""

    sms: str


class SmsOut(BaseModel):
    on: bool
    account_sid: str
    auth_token: Secret
    secondary_token: Secret
    shared_keys: list[str]
    api_key: str
    api_secret: Secret
    messaging_service: str
    monthly_credits: int | None
    prices: dict[str, Price]  # what the owner changed
    list_prices: dict[str, Price]  # the built-in table
    prices_checked_on: str
    paused_countries: dict[str, str]
    webhooks: Webhooks


class SenderOut(BaseModel):
    id: int
    address: str
    shown: str  # as people read it
    kind: Kind
    country: str
    countries: list[str]
    mms: bool
    inbound: bool
    rate: int
    enabled: bool
    stopped: str | None


class Senders(BaseModel):
    senders: list[SenderOut]


class OneSender(BaseModel):
    sender: SenderOut


class SpentOn(BaseModel):
    kind: str
    country: str
    messages: int
    credits: int


class Credits(BaseModel):
    month: str  # 2026-11
    used: int
    plan: int | None
    left: int | None
    by: list[SpentOn]


class OutboundOut(BaseModel):
    id: int
    kind: str
    contact: int
    thread: int | None
    seq: int | None
    recipient: str
    sender: str | None
    body: str
    segments: int
    mms: bool
    state: str
    reason: str
    detail: str
    attempts: int
    created_at: str
    dispatched_at: str | None


class Outbounds(BaseModel):
    outbound: list[OutboundOut]


class OneOutbound(BaseModel):
    outbound: OutboundOut


class Again(BaseModel):
    outbound: int  # of the new message


class RefusedLine(BaseModel):
    line: int
    text: str
    code: str
    reason: str


class Litigators(BaseModel):
    on: bool
    count: int
    numbers: list[str]  # the newest 50 that hold the digits looked for


class ListedNow(Litigators):
    added: int
    known: int  # were there before, or twice in what was sent
    refused: list[RefusedLine]
