"""Business hours of the web chat (AMB-8): whether the team is available, and when it is available next. Pure.

Hours are wall-clock times in the account's time zone. On the day that a clock is set forward or back, an hour that does not
exist is skipped, and an hour that exists twice counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

DAY_END = 24 * 60
LOOK_AHEAD_DAYS = 400  # for the next opening; more than a year, for a shop that opens on one day of the year
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Interval:
    """Minutes after midnight: open from `start`, closed from `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """`week`: the intervals of each weekday, Monday first. `closed`: whether a date is closed all day."""

    zone: ZoneInfo
    week: Sequence[Sequence[Interval]]
    closed: Callable[[date], bool]

    def intervals_on(self, day: date) -> Sequence[Interval]:
        return () if self.closed(day) else self.week[day.weekday()]


def minutes_after_midnight(text: str) -> int | None:
    """ "09:30" as minutes after midnight, up to "24:00"; None if `text` is not a time."""
    if not text.isascii() or not _TIME.fullmatch(text):
        return None
    return int(text[:2]) * 60 + int(text[3:])


def is_open(schedule: Schedule, now: datetime) -> bool:
    local = now.astimezone(schedule.zone)
    minute = local.hour * 60 + local.minute
    return any(interval.start <= minute < interval.end for interval in schedule.intervals_on(local.date()))


def next_opening(schedule: Schedule, now: datetime) -> datetime | None:
    """When the team is next available: `now` if it is open, None if it does not open within `LOOK_AHEAD_DAYS`."""
    if is_open(schedule, now):
        return now
    today = now.astimezone(schedule.zone).date()
    for number in range(LOOK_AHEAD_DAYS):
        day = today + timedelta(days=number)
        if not schedule.intervals_on(day):
            continue
        for moment in _possible_openings(schedule, day):
            if moment > now and is_open(schedule, moment):
                return moment
    return None


def _possible_openings(schedule: Schedule, day: date) -> Sequence[datetime]:
    """The moments of a day at which the team may become available, in order."""
    start, end = _midnight(schedule.zone, day), _midnight(schedule.zone, day + timedelta(days=1))
    if end - start == timedelta(days=1):
        return [
            start + interval.start * _MINUTE
            for interval in sorted(schedule.intervals_on(day), key=lambda one: one.start)
        ]
    # The clock changes on this day.
    return [start + number * _MINUTE for number in range((end - start) // _MINUTE)]


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


@cache
def public_holidays(country: str, year: int) -> frozenset[date]:
    """The public holidays of a country (ISO 3166); none for an unknown country."""
    import holidays  # slow to import

    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()


@cache
def holiday_countries() -> frozenset[str]:
    """The countries whose public holidays are known, as ISO 3166 codes of two letters."""
    import holidays

    return frozenset(code for code in holidays.list_supported_countries(include_aliases=False) if len(code) == 2)
