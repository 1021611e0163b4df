"""Response models of the notifications' routes, for the OpenAPI description and its tests."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from server.notifications.rules import Kind, Scope


class NotificationOut(BaseModel):
    """`ticket`: the newest of `count` tickets. `name`: of its customer. `channel`, `status`: of that ticket."""

    id: int
    kind: Kind
    count: int
    ticket: int
    name: str
    channel: Literal["sms", "webchat"]
    status: Literal["open", "snoozed", "closed"]
    at: str
    seen: bool


class Notifications(BaseModel):
    """The newest 50 notifications. `unseen`: the number of unseen ones, at most 100."""

    notifications: list[NotificationOut]
    unseen: int


class NotificationWishes(BaseModel):
    """`mail_possible`: whether the owner has set up e-mail."""

    tickets: Scope
    mail: bool
    reminder_minutes: int
    email: str
    mail_possible: bool
