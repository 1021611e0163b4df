"""States of a campaign and which changes each allows (CST-1 to CST-7), and when failures pause it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from server.errors import Conflict, Refused

EDIT_LOCK = timedelta(minutes=15)  # before the start (CST-7)
REMINDERS = (timedelta(hours=24), timedelta(hours=3))  # before the old time of a campaign that is a draft again (CST-6)
MIN_OUTCOMES = 50  # fewer outcomes pause no campaign
MAX_NAME = 120
MAX_GROUPS = 50  # lists and segments that a campaign includes or excludes
DISTANT = timedelta(days=365)


class State(StrEnum):
    DRAFT = "draft"
    PREPARING = "preparing"  # the receipts are being written
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELLED = "cancelled"
    CANCELLED_DURING_SEND = "cancelled_during_send"
    FAILED = "failed"


FINISHED = frozenset({State.SENT, State.CANCELLED, State.CANCELLED_DURING_SEND, State.FAILED})
STARTED = frozenset({State.SENDING, State.PAUSED, State.SENT, State.CANCELLED_DURING_SEND})


class Reason(StrEnum):
    """Why a campaign is paused, cancelled or failed."""

    BY_HAND = "by_hand"
    ERRORS = "errors"  # too many messages failed
    SENDERS_STOPPED = "senders_stopped"  # the carrier refused the account or every number
    SMS_OFF = "sms_off"
    NO_RECIPIENTS = "no_recipients"
    SMART_SENDING = "smart_sending"  # skipped everybody
    AUDIENCE_GONE = "audience_gone"  # every list and segment was deleted


def locked(scheduled_at: datetime | None, now: datetime) -> bool:
    """Whether the start is too near for an edit."""
    return scheduled_at is not None and scheduled_at - now <= EDIT_LOCK


_LOCKED = "This campaign starts within 15 minutes, so it can only be cancelled."


def check_edit(state: State) -> Refused | None:
    """Why the content cannot be edited; None if it can."""
    if state is State.DRAFT:
        return None
    if state is State.SCHEDULED:
        return Conflict("not_a_draft", "Pause this campaign first. It then becomes a draft that you can edit.")
    return Conflict("not_a_draft", "This campaign is not a draft any more. Clone it to send it again.")


def check_approve(state: State, at: datetime | None, now: datetime) -> Refused | None:
    """Why the draft cannot be sent or scheduled. `at` None: now."""
    if state is not State.DRAFT:
        return Conflict("not_a_draft", "This campaign was scheduled, sent or cancelled already.")
    return None if at is None else _check_time(at, now)


def _check_time(at: datetime, now: datetime) -> Refused | None:
    if at <= now:
        return Refused("in_past", "This time has passed. Choose a later one, or send now.", field="at")
    if at > now + DISTANT:
        return Refused("too_late", "A campaign can be scheduled up to a year ahead.", field="at")
    return None


def check_reschedule(state: State, scheduled_at: datetime | None, at: datetime, now: datetime) -> Refused | None:
    """Why the start cannot be moved."""
    if state is not State.SCHEDULED:
        return Conflict("not_scheduled", "Only a scheduled campaign can be moved to another time.")
    if locked(scheduled_at, now):
        return Conflict("starts_soon", _LOCKED)
    return _check_time(at, now)


def after_pause(state: State, scheduled_at: datetime | None, now: datetime) -> State | Refused:
    """A scheduled campaign becomes a draft (CST-6); one that is being sent stops and can go on."""
    if state is State.SENDING:
        return State.PAUSED
    if state is State.SCHEDULED:
        return Conflict("starts_soon", _LOCKED) if locked(scheduled_at, now) else State.DRAFT
    return Conflict("cannot_pause", "Only a scheduled campaign, or one that is being sent, can be paused.")


def after_cancel(state: State) -> State | Refused:
    """Sent messages stay; the others are dropped (CST-3, CST-4)."""
    if state in (State.SENDING, State.PAUSED):
        return State.CANCELLED_DURING_SEND
    if state in FINISHED:
        return Conflict("finished", "This campaign is finished, so it cannot be cancelled.")
    return State.CANCELLED


def check_resume(state: State) -> Refused | None:
    if state is State.PAUSED:
        return None
    return Conflict("not_paused", "Only a campaign that was paused while it was being sent can be resumed.")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many messages have an outcome, and how many of them failed."""

    settled: int = 0
    failed: int = 0

    def since(self, forgiven: Outcomes) -> Outcomes:
        return Outcomes(self.settled - forgiven.settled, self.failed - forgiven.failed)


def too_many_failures(outcomes: Outcomes, percent: int) -> bool:
    """Whether failures pause the campaign. `outcomes`: since it was started or last resumed."""
    return outcomes.settled >= MIN_OUTCOMES and outcomes.failed * 100 > outcomes.settled * percent


def reminders(scheduled_at: datetime, now: datetime) -> list[datetime]:
    """When to remind of a scheduled campaign that became a draft."""
    return [at for before in REMINDERS if (at := scheduled_at - before) > now]


def cause_of(campaign: int) -> str:
    """The campaign as the cause of receipts."""
    return f"campaign:{campaign}"


def campaign_of(cause: str) -> int | None:
    kind, _, number = cause.partition(":")
    return int(number) if kind == "campaign" and number.isascii() and number.isdecimal() else None
