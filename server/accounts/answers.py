"""What the routes of accounts answer, as models: for the OpenAPI description and the tests that hold us to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

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


class Session(BaseModel):
    setup_needed: bool
    user: User | None
    capabilities: list[str]


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
    invite: Invite
    url: str


class IdentitySecret(BaseModel):
    secret: str
    previous_valid_until: str | None


class Person(BaseModel):
    id: int
    name: str


class AuditContact(BaseModel):
    """As they are called now. `ticket`: their newest."""

    id: int
    name: str
    email: str | None
    phone: str | None
    phone_shown: str | None
    ticket: int | None


class AuditLine(BaseModel):
    id: int
    at: str
    who: Person | None
    action: str
    target: str
    whom: Person | None
    contact: AuditContact | None
    detail: dict[str, Any]
    address: str


class AuditPage(BaseModel):
    lines: list[AuditLine]
    before: int | None
