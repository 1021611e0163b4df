"""The ticket's state machine, pure: what each message, action and due job does to a ticket in each state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Literal

Channel = Literal["webchat", "sms"]
Status = Literal["open", "snoozed", "closed"]


CLOSE_DELAY = timedelta(seconds=5)  # INB-26


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """The fields of a ticket that a decision depends on."""

    channel: Channel
    status: Status
    closing_at: datetime | None = None
    blocked: bool = False
    # A chat that a blocked visitor began: it was closed at once, and the visitor does not know.
    begun_blocked: bool = False


@dataclass(frozen=True, slots=True)
class NewTicket:
    """The message creates a thread and a ticket."""


@dataclass(frozen=True, slots=True)
class Continue:
    """The message joins the ticket, which becomes open and unread; a pending close is cancelled."""

    reopens: bool


@dataclass(frozen=True, slots=True)
class Hidden:
    """The message is stored, but a blocked sender opens and reopens nothing (INB-42, AMB-5)."""


def on_inbound(ticket: TicketFacts | None) -> NewTicket | Continue | Hidden:
    """What a customer's message does. A closed chat is never reopened: the next message starts a new chat (INB-22)."""
    if ticket is None:
        return NewTicket()
    if ticket.blocked:
        # After the end of a chat that they know of, they begin another one, which they see and the team does not.
        ended = ticket.channel == "webchat" and ticket.status == "closed" and not ticket.begun_blocked
        return NewTicket() if ended else Hidden()
    if ticket.status == "closed":
        return NewTicket() if ticket.channel == "webchat" else Continue(reopens=True)
    return Continue(reopens=ticket.status == "snoozed")


@dataclass(frozen=True, slots=True)
class TicketChange:
    """The ticket's next state. `closes_at`: a close that is delayed until then, unless the close is cancelled (INB-26)."""

    status: Status
    closes_at: datetime | None = None
    snoozed_until: datetime | None = None
    unread: bool | None = None  # None: unchanged


@dataclass(frozen=True, slots=True)
class NoChange:
    """The ticket is already in the requested state."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The action is refused in this state: a stable error code and a message for the user."""

    code: str
    message: str


Verdict = TicketChange | NoChange | Refusal


CHAT_ENDED = Refusal("chat_ended", "This chat has ended. A new one starts when the visitor writes.")


def on_close(
    ticket: TicketFacts, by: Literal["agent", "visitor", "system"], now: datetime, delay: timedelta = CLOSE_DELAY
) -> Verdict:
    """An agent's close of a chat is delayed, because a closed chat cannot be reopened; SMS closes at once."""
    if ticket.status == "closed":
        # The visitor of a chat that was begun while blocked sees it as open and may end it.
        return TicketChange("closed") if ticket.begun_blocked and by == "visitor" else NoChange()
    if ticket.channel == "webchat" and by == "agent":
        return NoChange() if ticket.closing_at else TicketChange(ticket.status, closes_at=now + delay)
    return TicketChange("closed")


def on_close_due(ticket: TicketFacts, now: datetime) -> Verdict:
    """The job of a delayed close: closes only if the close was not cancelled and is due."""
    if ticket.status == "closed" or ticket.closing_at is None or ticket.closing_at > now:
        return NoChange()
    return TicketChange("closed")


def on_reopen(ticket: TicketFacts) -> Verdict:
    if ticket.status == "open":
        return NoChange()
    if ticket.status == "closed" and ticket.channel == "webchat":
        return CHAT_ENDED
    return TicketChange("open")


LATER_TODAY = timedelta(hours=3)
MORNING = time(9)
LONGEST_SNOOZE = timedelta(days=366)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?")


def snooze_times(now: datetime, zone: tzinfo) -> dict[str, datetime]:
    """The offered times (AMB-4): three hours from now, the next day at 9:00 and the same time in a week, on the clocks of
    the account's zone."""
    local = now.astimezone(zone)
    tomorrow = datetime.combine(local.date() + timedelta(days=1), MORNING, zone)
    in_a_week = datetime.combine(local.date() + timedelta(days=7), local.time(), zone)
    return {
        "later": now + LATER_TODAY,
        "tomorrow": tomorrow.astimezone(UTC),
        "week": in_a_week.astimezone(UTC),
    }


def snooze_time(choice: str, now: datetime, zone: tzinfo) -> datetime | Refusal:
    """The moment that `choice` names: a key of `snooze_times`, a time with an offset, or a time without one, which is on
    the clocks of the account's zone. A time that the clocks skip is one hour later."""
    offered = snooze_times(now, zone)
    if choice in offered:
        return offered[choice]
    try:
        moment = datetime.fromisoformat(choice) if _TIME.fullmatch(choice) else None
    except ValueError:
        moment = None
    if moment is None:
        words = ", ".join(offered)
        return Refusal("invalid", f"Choose one of {words}, or a time such as 2026-12-01T09:00.")
    if moment.year < now.year - 1:
        return IN_THE_PAST
    if moment.year > now.year + 2:
        return TOO_FAR
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


IN_THE_PAST = Refusal("in_the_past", "Choose a time in the future.")
TOO_FAR = Refusal("too_far", "A ticket can be snoozed for at most a year. Choose an earlier time.")


def on_snooze(ticket: TicketFacts, until: datetime, now: datetime) -> Verdict:
    if until <= now:
        return IN_THE_PAST
    if until > now + LONGEST_SNOOZE:
        return TOO_FAR
    if ticket.status == "closed":
        return CHAT_ENDED if ticket.channel == "webchat" else Refusal("closed", "Reopen the ticket to snooze it.")
    return TicketChange("snoozed", snoozed_until=until)


def on_snooze_due(ticket: TicketFacts, snoozed_until: datetime | None, now: datetime) -> Verdict:
    if ticket.status != "snoozed" or snoozed_until is None or snoozed_until > now:
        return NoChange()
    return TicketChange("open", unread=True)


def on_wake(ticket: TicketFacts) -> Verdict:
    return TicketChange("open") if ticket.status == "snoozed" else NoChange()


def on_agent_message(ticket: TicketFacts, *, reopen_snoozed: bool = False) -> Verdict:
    """A reply leaves a snoozed ticket snoozed, reopens a closed SMS ticket, and is refused in a closed chat (INB-25)."""
    if ticket.status == "closed":
        return CHAT_ENDED if ticket.channel == "webchat" else TicketChange("open")
    if ticket.status == "snoozed" and reopen_snoozed:
        return TicketChange("open")
    return NoChange()


def on_block(ticket: TicketFacts) -> Verdict:
    return NoChange() if ticket.status == "closed" else TicketChange("closed")
