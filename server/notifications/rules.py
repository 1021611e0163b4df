"""Rules of notices: which users get one, which notices are joined, and when a mail is sent as well (AMB-9). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

# `opened`: a new ticket. `unread`: a reminder of tickets that nobody has read.
Kind = Literal["opened", "reopened", "snooze_ended", "assigned", "unread"]
Scope = Literal["all", "mine", "none"]

BUNDLE_FOR = timedelta(minutes=1)  # a notice is joined to an unseen one of its kind that is not older than this
SINGLE_MAILS = 10  # one mail for each of so many tickets at once; for more tickets there is one mail in all
REMINDER_MINUTES = (0, 15, 30, 60, 240)  # what a user may choose; 0: no reminders


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to a ticket. `user`: the only user who gets the notice; None: every user whom the ticket concerns."""

    kind: Kind
    ticket: int
    user: int | None = None
    count: int = 1  # of tickets; `ticket` is the newest of them


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which notices a user chose. `tickets`: for which opened and reopened tickets. `mail`: also by e-mail."""

    tickets: Scope = "all"
    mail: bool = False
    reminder_minutes: int = 0


def concerns(wishes: Wishes, user: int, only_for: int | None, assignee: int | None) -> bool:
    """Whether the user gets this notice. A notice for one user ignores `wishes.tickets`, because the user asked for
    it by snoozing or a colleague assigned the ticket to them. A user who chose "mine" gets no notice of a colleague's
    ticket."""
    if only_for is not None:
        return only_for == user
    return wishes.tickets == "all" or (wishes.tickets == "mine" and assignee in (None, user))


def still_relevant(kind: Kind, status: str) -> bool:
    """Whether users still need the notice, as the ticket may have changed since. A closed ticket needs no attention."""
    return status == "open" or (kind == "assigned" and status == "snoozed")


def notices_topic(user: int) -> str:
    """Published when the user's notifications or wishes change."""
    return f"notices:{user}"
