"""Response models of the delivery routes, for the OpenAPI description and its tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from server.delivery.settings import Price
from server.kernel.json_schema import Named

SenderKind = Annotated[Literal["long_code", "toll_free", "short_code", "alphanumeric"], Named("SenderKind")]


class Secret(BaseModel):
    """Whether a write-only secret is set."""

    set: bool


class Webhooks(BaseModel):
    """URLs to enter at the provider. Status reports need none: each message has its own callback URL."""

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
    prices: dict[str, Price]  # changed by the owner
    list_prices: dict[str, Price]  # the built-in table
    prices_checked_on: str
    paused_countries: dict[str, str]
    webhooks: Webhooks
    version: str


class SenderOut(BaseModel):
    id: int
    address: str
    shown: str  # formatted for people
    kind: SenderKind
    country: str
    countries: list[str]
    mms: bool
    inbound: bool
    rate: int
    enabled: bool
    stopped: str | None
    version: str


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
    channel: str
    kind: str
    contact: int | None  # null: mail to a user
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
    numbers: list[str]  # the newest 50 that contain the digits searched for
    version: str  # of the switch


class ListedNow(Litigators):
    added: int
    known: int  # already listed, or repeated in the request
    refused: list[RefusedLine]
