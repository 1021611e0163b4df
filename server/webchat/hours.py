"""The settings of business hours (`HOURS`), and whether the team is available now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from server.accounts import account_settings
from server.accounts.account_settings import ACCOUNT
from server.accounts.rules import Agent
from server.audit import versions
from server.audit.versions import Versioned
from server.errors import Refused
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import STORED, Document, input_error
from server.kernel.sql import Tx
from server.text import clean_text
from server.webchat import hours_rules
from server.webchat.hours_rules import Interval, Schedule

MAX_INTERVALS = 12  # a day
MAX_CLOSED_DATES = 200


class OpenHours(BaseModel):
    """Open from `start` until `end`: "HH:MM" in the account's time zone. An interval ends on its day, at "24:00" at the
    latest."""

    model_config = ConfigDict(extra="ignore")

    start: str = Field(max_length=5)
    end: str = Field(max_length=5)


def _hours(start: str, end: str) -> list[OpenHours]:
    return [OpenHours(start=start, end=end)]


class HoursSettings(BaseModel):
    """`week`: the hours of each weekday, Monday first. `holidays`: the country on whose public holidays the team is away; "":
    none."""

    model_config = ConfigDict(extra="ignore")

    hours_on: bool = False
    week: list[list[OpenHours]] = Field(
        default_factory=lambda: [*([_hours("09:00", "17:00")] * 5), [], []], min_length=7, max_length=7
    )
    closed_dates: list[str] = Field(default_factory=list, max_length=MAX_CLOSED_DATES)
    holidays: str = Field("", max_length=2)
    out_of_hours: str = Field(
        "Thanks for your message. We are closed right now and will answer when we are back.", max_length=500
    )

    @field_validator("week")
    @classmethod
    def _week(cls, value: list[list[OpenHours]], info: ValidationInfo) -> list[list[OpenHours]]:
        if info.context == STORED:
            return value
        return [_checked_day(day) for day in value]

    @field_validator("closed_dates")
    @classmethod
    def _dates(cls, value: list[str]) -> list[str]:
        dates = set()
        for text in value:
            try:
                dates.add(date.fromisoformat(text.strip()).isoformat())
            except ValueError:
                raise input_error(
                    "bad_date", f"{text[:20]!r} is not a date. Enter it like 2026-12-24.", text=text[:20]
                ) from None
        return sorted(dates)

    @field_validator("holidays")
    @classmethod
    def _country(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip().upper()
        if value and info.context != STORED and value not in hours_rules.holiday_countries():
            raise input_error("no_holidays", "The public holidays of this country are not known. Add its closed dates.")
        return value

    @field_validator("out_of_hours")
    @classmethod
    def _text(cls, value: str) -> str:
        return clean_text(value).strip()


def _checked_day(day: list[OpenHours]) -> list[OpenHours]:
    if len(day) > MAX_INTERVALS:
        raise input_error("list_long", f"A day can have {MAX_INTERVALS} intervals.", max=MAX_INTERVALS)
    intervals = sorted(_checked(hours) for hours in day)
    for (_, end, earlier), (start, _, later) in pairwise(intervals):
        if start < end:
            raise input_error(
                "hours_overlap",
                f"{earlier.start}–{earlier.end} and {later.start}–{later.end} overlap. Make them one interval.",
                one=f"{earlier.start}–{earlier.end}",
                other=f"{later.start}–{later.end}",
            )
    return [hours for _, _, hours in intervals]


def _checked(hours: OpenHours) -> tuple[int, int, OpenHours]:
    start, end = hours_rules.minutes_after_midnight(hours.start), hours_rules.minutes_after_midnight(hours.end)
    if start is None or end is None:
        raise input_error("bad_time", "Enter times like 09:00. A day ends at 24:00.")
    if start >= end:
        raise input_error(
            "hours_order",
            f"{hours.start}–{hours.end} ends before it starts. Split hours over midnight: until 24:00, and from 00:00 on the next day.",
            hours=f"{hours.start}–{hours.end}",
        )
    return start, end, hours


HOURS = Document("hours", HoursSettings)


def change(
    tx: Tx, agent: Agent, new_settings: HoursSettings, version: str | None, address: str
) -> Versioned[HoursSettings]:
    """Raises `Conflict` "stale_version", and `Refused` if business hours without any interval are switched on."""
    if new_settings.hours_on and not any(new_settings.week):
        raise Refused("no_hours", "Enter hours for at least one day, or switch business hours off.", field="week")
    return versions.save(tx, agent.id, HOURS, new_settings, version, address)


def schedule(settings: HoursSettings, zone: ZoneInfo) -> Schedule | None:
    """The schedule of the settings; None if business hours are off, so that the team is always available (AMB-8)."""
    if not settings.hours_on:
        return None
    week = [[_interval(hours) for hours in day] for day in settings.week]
    closed = frozenset(settings.closed_dates)
    country = settings.holidays

    def is_closed(day: date) -> bool:
        return day.isoformat() in closed or bool(country and day in hours_rules.public_holidays(country, day.year))

    return Schedule(zone, week, is_closed)


def _interval(hours: OpenHours) -> Interval:
    return Interval(
        hours_rules.minutes_after_midnight(hours.start) or 0, hours_rules.minutes_after_midnight(hours.end) or 0
    )


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether the team is available. `opens_at`: when it is available next; None: not within a year."""

    open: bool
    opens_at: datetime | None = None
    text: str = ""  # the out-of-hours message

    def wire(self) -> dict[str, str]:
        """The field `opens_at` of a visitor's frame."""
        return {} if self.open else {"opens_at": rfc3339(self.opens_at) if self.opens_at else ""}


ALWAYS_OPEN = Availability(True)


class _Schedules:
    """The schedule of the current settings, and the availability until it may change."""

    def __init__(self) -> None:
        self.source: Sequence[object] = ()
        self.schedule: Schedule | None = None
        self.minute: datetime | None = None
        self.availability = ALWAYS_OPEN


async def refresh(app: App) -> None:
    """Rereads the settings that `availability` uses, if they may have changed."""
    await HOURS.latest(app)
    await ACCOUNT.latest(app)


def availability(app: App) -> Availability:
    """Whether the team is available now. Call `refresh` first; the answer is cached for the current minute."""
    settings, account = HOURS.cached(app).latest, ACCOUNT.cached(app).latest
    if not settings.hours_on:
        return ALWAYS_OPEN
    state = app.part(_Schedules, lambda app: _Schedules())
    if state.source != (settings, account):
        state.source, state.minute = (settings, account), None
        state.schedule = schedule(settings, account_settings.zone_of(account))
    minute = app.clock.now().replace(second=0, microsecond=0)
    if state.minute != minute:
        state.minute, state.availability = minute, _availability(state.schedule, minute, settings.out_of_hours)
    return state.availability


def _availability(hours: Schedule | None, now: datetime, text: str) -> Availability:
    if hours is None or hours_rules.is_open(hours, now):
        return ALWAYS_OPEN
    return Availability(False, hours_rules.next_opening(hours, now), text)
