"""Decides whether a campaign or flow text may go to one person now. Pure.

The review of a campaign, the queueing of its texts and the start of each send ask the same `verdict`, so that a forecast
and the real outcome differ only if facts changed in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from server.consent import rules as consent
from server.consent.rules import Allowed, Blocked, ConsentFacts, Held, SendPurpose, Verdict

BULK_KINDS = frozenset({"campaign", "flow"})


class Smart(StrEnum):
    """The kinds of messages whose recent receipt makes a message skip a person (SMA-2)."""

    OFF = "off"
    CAMPAIGN = "campaign"
    FLOW = "flow"
    BOTH = "both"

    @property
    def kinds(self) -> tuple[str, ...]:
        return {"off": (), "both": ("campaign", "flow")}.get(self.value, (self.value,))


class Skip(StrEnum):
    """Why a person gets no text, besides the reasons of `consent.rules.BLOCK_MESSAGES`."""

    TIMED_OUT = "timed_out"
    NO_PHONE = "no_phone"
    INVALID_PHONE = "invalid_phone"
    COUNTRY_PAUSED = "country_paused"
    NO_SENDER = "no_sender"
    MMS_NOT_SUPPORTED = "mms_not_supported"
    QUIET_HOURS = "quiet_hours"
    SMART_SENDING = "smart_sending"
    NO_FUNDS = "no_funds"


MESSAGES = {
    Skip.TIMED_OUT: "The time limit of the campaign had passed.",
    Skip.NO_PHONE: "This person has no phone number.",
    Skip.INVALID_PHONE: "This is not a phone number that can receive texts.",
    Skip.QUIET_HOURS: "Texts to France may only be sent from 8:00 to 22:00 on working days.",
    Skip.SMART_SENDING: "This person got a message recently.",
    Skip.NO_FUNDS: "The credits of this month are used up.",
}


@dataclass(frozen=True, slots=True)
class BulkFacts:
    """`timers`: until when other messages block the address, by kind. `credits_left`: None: no limit."""

    address: str
    country: str
    consent: ConsentFacts
    smart: Smart = Smart.OFF
    timers: Mapping[str, datetime] = field(default_factory=dict)
    kind: str = "campaign"
    purpose: str = SendPurpose.MARKETING
    expires_at: datetime | None = None
    paused_countries: Mapping[str, str] = field(default_factory=dict)  # country → why
    cost: int = 0  # credits
    credits_left: int | None = None


def verdict(facts: BulkFacts, now: datetime) -> Verdict:
    """Whether the text may leave now. Quiet hours come before Smart Sending (SMA-10), credits last."""
    if facts.expires_at is not None and now >= facts.expires_at:
        return _skip(Skip.TIMED_OUT)
    if not facts.address:
        return _skip(Skip.NO_PHONE)
    if not facts.country or not consent.textable(facts.address):
        return _skip(Skip.INVALID_PHONE)
    if facts.country in facts.paused_countries:
        return Blocked(Skip.COUNTRY_PAUSED, facts.paused_countries[facts.country])
    allowed = consent.may_send(facts.purpose, "sms", facts.consent, now)
    if not isinstance(allowed, Allowed):
        return allowed
    if facts.kind == "campaign" and (opens_at := quiet(facts.country, now)):
        return _skip(Skip.QUIET_HOURS, opens_at)
    blocked_until = [facts.timers[kind] for kind in facts.smart.kinds if facts.timers.get(kind, now) > now]
    if blocked_until:
        return Blocked(
            Skip.SMART_SENDING, f"{MESSAGES[Skip.SMART_SENDING]} Until {max(blocked_until):%Y-%m-%d %H:%M} UTC."
        )
    if facts.kind == "campaign" and facts.credits_left is not None and facts.cost > facts.credits_left:
        return _skip(Skip.NO_FUNDS)
    return Allowed()


def _skip(reason: Skip, value: str = "") -> Blocked:
    return Blocked(reason, f"{MESSAGES[reason]} {value}".rstrip())


# --- quiet hours that block campaigns (CAM-47) -------------------------------------------------------

_PARIS = ZoneInfo("Europe/Paris")
_OPEN, _CLOSE = time(8), time(22)


def quiet(country: str, now: datetime) -> str:
    """The local time if campaigns may not be sent to this country now; "" if they may. Only France forbids them: at
    night, on Sundays and on public holidays."""
    if country != "FR":
        return ""
    local = now.astimezone(_PARIS)
    if _OPEN <= local.time() < _CLOSE and local.weekday() != 6 and local.date() not in _french_holidays(local.year):
        return ""
    return f"It was {local:%A, %Y-%m-%d %H:%M} there."


@lru_cache(8)
def _french_holidays(year: int) -> frozenset[object]:
    import holidays  # 10 MB: not at start

    return frozenset(holidays.country_holidays("FR", years=year))


__all__ = ["Allowed", "Blocked", "BulkFacts", "Held", "Skip", "Smart", "quiet", "verdict"]
