"""Response models of the consent routes, for the OpenAPI description and its tests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from server.consent.definitions import CountedConsent, VersionedConsent
from server.consent.settings import KeywordSettings


class SuppressedOut(BaseModel):
    reason: str
    at: str


class ConsentOut(BaseModel):
    purpose: str
    name: str | None
    channel: str
    required: bool
    status: Literal["subscribed", "unsubscribed", "never_subscribed"]
    method: str | None
    source: str | None
    happened_at: str | None
    recorded_at: str | None
    paused_at: str | None


class LedgerLine(BaseModel):
    n: int
    purpose: str
    before: str
    status: str
    applied: bool
    method: str
    source: str
    who: str | None
    wording: str
    language: str
    reason: str
    address: str
    happened_at: str
    recorded_at: str


class ContactConsents(BaseModel):
    contact: int
    phone: str | None
    suppressed: SuppressedOut | None
    barred: str | None
    consents: list[ConsentOut]
    history: list[LedgerLine]


class Kinds(BaseModel):
    consents: list[CountedConsent]


class OneKind(BaseModel):
    consent: VersionedConsent


class Evidence(BaseModel):
    message: dict[str, Any]
    contact: dict[str, Any]
    basis: dict[str, Any]
    complete: bool
    ledger: list[dict[str, Any]]
    chain: dict[str, Any]


class CountryOut(BaseModel):
    country: str
    languages: list[str]
    editable: list[str]


class LanguageOut(BaseModel):
    language: str
    texts: dict[str, str]


class Keywords(KeywordSettings):
    version: str
    countries: list[CountryOut]
    defaults: list[LanguageOut]


class KeywordCheck(BaseModel):
    ok: bool
    word: str | None
    code: str | None
    reason: str | None
