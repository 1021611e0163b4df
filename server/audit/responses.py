"""Responses of the audit log's routes, as models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class AuditUser(BaseModel):
    id: int
    name: str


class AuditContact(BaseModel):
    """The contact's current data. `ticket`: the newest one."""

    id: int
    name: str
    email: str | None
    phone: str | None
    phone_shown: str | None
    ticket: int | None


class AuditLine(BaseModel):
    id: int
    at: str
    actor: Literal["agent", "visitor", "contact", "system", "flow", "import", "api_key"]
    who: AuditUser | None
    action: str
    target: str
    whom: AuditUser | None
    contact: AuditContact | None
    detail: dict[str, Any]
    address: str


class AuditPage(BaseModel):
    lines: list[AuditLine]
    before: str | None
    after: str | None
