"""Whom a notice concerns, which notices become one, and when a mail is sent as well (AMB-9). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

# `opened`: a new ticket. `unread`: a reminder of tickets that nobody has read.
Kind = Literal["opened", "reopened", "snooze_ended", "assigned", "unread"]
Scope = Literal["all", "mine", "none"]

BUNDLE_FOR = timedelta(minutes=1)  # a notice joins an unseen one of its kind that is not older
SINGLE_MAILS = 10  # more tickets than this at once are one mail
REMINDER_MINUTES = (0, 15, 30, 60, 240)  # what a user may choose; 0: no reminders


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to a ticket. `user`: the only one who is told; None: everybody whom the ticket concerns."""

    kind: Kind
    ticket: int
    user: int | None = None
    count: int = 1  # tickets; `ticket` is the newest


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user wants to be told. `tickets`: of which tickets that open or reopen. `mail`: by e-mail as well."""

    tickets: Scope = "all"
    mail: bool = False
    reminder_minutes: int = 0


def concerns(wishes: Wishes, user: int, only_for: int | None, assignee: int | None) -> bool:
    """Whether the user gets this notice. A notice for one user ignores `wishes.tickets`: they asked for it by snoozing,
    or a colleague meant them. An assigned ticket is not news for others who chose "mine"."""
    if only_for is not None:
        return only_for == user
    return wishes.tickets == "all" or (wishes.tickets == "mine" and assignee in (None, user))


def still_true(kind: Kind, status: str) -> bool:
    """Whether the notice is worth telling, although the ticket may have changed since: a closed ticket needs nobody."""
    return status == "open" or (kind == "assigned" and status == "snoozed")


def notices_topic(user: int) -> str:
    """Published when the user's notifications or wishes change."""
    return f"notices:{user}"
