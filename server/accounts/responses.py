"""Response models of the accounts routes, for the OpenAPI description and its tests."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from server.accounts.account_settings import AccountSettings
from server.accounts.rules import Role


class User(BaseModel):
    id: int
    name: str
    email: str | None = None
    role: Role
    disabled: bool
    away: bool
    online: bool
    created_at: str
    language: str  # of mail to them; "" until they chose one


class Session(BaseModel):
    """`links_by_mail`: whether the sign-in page can mail links."""

    setup_needed: bool
    user: User | None
    capabilities: list[str]
    links_by_mail: bool
    time_zone: str | None  # of the account; null: not chosen


class VersionedAccount(AccountSettings):
    version: str


class SignedIn(BaseModel):
    user: User


class UsedLink(BaseModel):
    purpose: Literal["signin", "invite", "reset"]
    user: User | None = None
    email: str | None = None
    name: str | None = None


class OwnSession(BaseModel):
    id: int
    current: bool
    created_at: str
    seen_at: str
    user_agent: str
    address: str


class Sessions(BaseModel):
    sessions: list[OwnSession]


class Users(BaseModel):
    users: list[User]


class ResetLink(BaseModel):
    url: str
    expires_at: str


class Invite(BaseModel):
    id: int
    email: str
    role: Role
    expires_at: str


class Invites(BaseModel):
    invites: list[Invite]


class Invited(BaseModel):
    """`mailed`: whether a mail with a link of its own is on its way to the invited person."""

    invite: Invite
    url: str
    mailed: bool


class IdentitySecret(BaseModel):
    secret: str
    previous_valid_until: str | None


class ApiKeyOut(BaseModel):
    id: int
    name: str
    scopes: list[str]
    hint: str  # the last characters of the secret
    created_at: str
    created_by: str
    used_at: str | None


class ApiKeys(BaseModel):
    """`scopes`: those that a key may have."""

    keys: list[ApiKeyOut]
    scopes: list[str]


class NewApiKey(BaseModel):
    """`secret`: shown only here."""

    key: ApiKeyOut
    secret: str


class OwnKey(BaseModel):
    name: str
    scopes: list[str]
