"""Business hours: when the team is available, and when it is next (AMB-8, HRS-1)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from server.webchat import hours, hours_rules
from server.webchat.hours import HoursSettings
from server.webchat.hours_rules import Schedule, is_open, next_opening

DAYS = "mon tue wed thu fri sat sun".split()


def schedule(zone: str, closed: str = "", holidays: str = "", **days: str) -> Schedule:
    """`schedule("Europe/Berlin", mon="09:00-12:00 13:00-17:00")`."""
    week = [
        [dict(zip(("start", "end"), one.split("-"), strict=True)) for one in days.get(day, "").split()] for day in DAYS
    ]
    settings = HoursSettings.model_validate(
        {"hours_on": True, "week": week, "closed_dates": closed.split(), "holidays": holidays}
    )
    result = hours.schedule(settings, ZoneInfo(zone))
    assert result is not None
    return result


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WORKDAYS = dict.fromkeys(DAYS[:5], "09:00-12:00 13:00-17:00")
BERLIN = schedule("Europe/Berlin", **WORKDAYS)
EVERY_NIGHT = schedule("Europe/Berlin", **dict.fromkeys(DAYS, "01:30-03:30"))
IN_THE_GAP = schedule("Europe/Berlin", **dict.fromkeys(DAYS, "02:10-02:40"))
CASES = {
    # name: (schedule, now in UTC, next opening in UTC; "open" if it is open)
    "start is inclusive": (BERLIN, "2026-11-30T08:00", "open"),
    "a second before": (BERLIN, "2026-11-30T07:59:59", "2026-11-30T08:00"),
    "end is exclusive": (BERLIN, "2026-11-30T11:00", "2026-11-30T12:00"),
    "the last moment": (BERLIN, "2026-11-30T10:59:59", "open"),
    "lunch": (BERLIN, "2026-11-30T11:30", "2026-11-30T12:00"),
    "evening": (BERLIN, "2026-11-30T16:00", "2026-12-01T08:00"),
    "weekend": (BERLIN, "2026-11-27T20:00", "2026-11-30T08:00"),
    "summer time": (BERLIN, "2026-07-01T07:00", "open"),
    "weekend of the change to winter time": (BERLIN, "2026-10-24T12:00", "2026-10-26T08:00"),
    "weekend of the change to summer time": (BERLIN, "2026-03-28T12:00", "2026-03-30T07:00"),
    "closed date": (schedule("Europe/Berlin", closed="2026-11-30", **WORKDAYS), "2026-11-30T09:00", "2026-12-01T08:00"),
    "public holiday": (
        schedule("Europe/Berlin", holidays="DE", **WORKDAYS),
        "2026-12-24T20:00",
        "2026-12-28T08:00",  # the 25th is a holiday on a Friday
    ),
    "no public holiday without a country": (BERLIN, "2026-12-25T09:00", "open"),
    "until midnight": (schedule("UTC", mon="22:00-24:00", tue="00:00-02:00"), "2026-11-30T23:59:59", "open"),
    "after midnight": (schedule("UTC", mon="22:00-24:00", tue="00:00-02:00"), "2026-12-01T01:59", "open"),
    "one day a year": (
        schedule("UTC", closed=" ".join(f"2026-{m:02}-01" for m in (11, 12)), mon="10:00-11:00"),
        "2026-11-30T11:00",
        "2026-12-07T10:00",
    ),
    # 2026-03-29: the clock goes from 02:00 to 03:00 (UTC 01:00). 2026-10-25: from 03:00 back to 02:00 (UTC 01:00).
    "opened before the gap": (EVERY_NIGHT, "2026-03-29T00:45", "open"),
    "03:15 after the gap": (EVERY_NIGHT, "2026-03-29T01:15", "open"),
    "03:30 after the gap": (EVERY_NIGHT, "2026-03-29T01:30", "2026-03-29T23:30"),
    "hours inside the gap are left out": (IN_THE_GAP, "2026-03-29T00:30", "2026-03-30T00:10"),
    "02:20 for the first time": (IN_THE_GAP, "2026-10-25T00:20", "open"),
    "02:45 for the first time": (IN_THE_GAP, "2026-10-25T00:45", "2026-10-25T01:10"),
    "02:20 for the second time": (IN_THE_GAP, "2026-10-25T01:20", "open"),
    "02:45 for the second time": (IN_THE_GAP, "2026-10-25T01:45", "2026-10-26T01:10"),
    "a zone whose clock changes at midnight": (
        schedule("Africa/Cairo", fri="00:00-03:00"),
        "2026-04-23T21:59",  # 2026-04-24 begins at 01:00
        "2026-04-23T22:00",
    ),
    "a zone 13 hours ahead": (schedule("Pacific/Auckland", **WORKDAYS), "2026-11-29T20:00", "open"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_next_opening_follows_the_wall_clock(name: str) -> None:
    times, now, expected = CASES[name]
    assert is_open(times, at(now)) == (expected == "open")
    assert next_opening(times, at(now)) == at(now if expected == "open" else expected)


def test_a_shop_that_never_opens_has_no_next_opening() -> None:
    assert next_opening(schedule("UTC"), at("2026-11-30T09:00")) is None


def test_without_business_hours_the_team_is_always_available() -> None:
    assert hours.schedule(HoursSettings(), ZoneInfo("UTC")) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"week": [[{"start": "9:00", "end": "17:00"}], *[[]] * 6]}, "bad_time"),
        ({"week": [[{"start": "09:00", "end": "24:30"}], *[[]] * 6]}, "bad_time"),
        ({"week": [[{"start": "٠٩:٠٠", "end": "17:00"}], *[[]] * 6]}, "bad_time"),
        ({"week": [[{"start": "22:00", "end": "02:00"}], *[[]] * 6]}, "hours_order"),
        ({"week": [[{"start": "09:00", "end": "09:00"}], *[[]] * 6]}, "hours_order"),
        ({"week": [[{"start": "09:00", "end": "12:00"}, {"start": "11:59", "end": "13:00"}], *[[]] * 6]}, "hours_overlap"),
        ({"closed_dates": ["2026-02-31"]}, "bad_date"),
        ({"closed_dates": ["9999-99-99"]}, "bad_date"),
        ({"holidays": "ZZ"}, "no_holidays"),
    ],
)  # fmt: skip
def test_hours_that_cannot_be_kept_are_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HoursSettings.model_validate(change)
    assert caught.value.errors()[0]["ctx"]["code"] == code


def test_closed_dates_and_intervals_are_sorted() -> None:
    week = [[{"start": "13:00", "end": "17:00"}, {"start": "09:00", "end": "13:00"}], *[[]] * 6]
    settings = HoursSettings.model_validate({"week": week, "closed_dates": ["2026-12-31", "2026-12-24", "2026-12-24"]})
    assert [hours.start for hours in settings.week[0]] == ["09:00", "13:00"]
    assert settings.closed_dates == ["2026-12-24", "2026-12-31"]


def test_the_holidays_of_a_country_are_known_by_its_code() -> None:
    assert date(2026, 11, 11) in hours_rules.public_holidays("PL", 2026)
    assert hours_rules.public_holidays("ZZ", 2026) == frozenset()
    assert {"DE", "KR", "PL", "US"} <= hours_rules.holiday_countries()
