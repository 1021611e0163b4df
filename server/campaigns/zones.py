"""Whether it is a quiet hour where recipients are: before 9:00 or after 20:00 (CAM-46). Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

OPENS, CLOSES = time(9), time(20)


@lru_cache(16_384)
def zones_of(phone: str) -> tuple[str, ...]:
    """The time zones where an E.164 number was issued; () if they are unknown. A person may be elsewhere."""
    import phonenumbers  # 14 MB of tables: not at start
    from phonenumbers import timezone

    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(zone for zone in zones if zone != timezone.UNKNOWN_TIMEZONE and _known(zone))


def area(phone: str) -> str:
    """The part of a number that determines its zone in North America, for the cache; elsewhere the number itself."""
    return phone[:8] + "0000" if phone.startswith("+1") and len(phone) == 12 else phone


@lru_cache(512)
def _known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True


def quiet_people(zones: Counter[tuple[str, ...]], at: datetime) -> tuple[int, int]:
    """Of people with these zones: how many have a quiet hour at `at`, and how many of those for certain. Somebody whose
    number has several zones counts if any of them is quiet."""
    quiet = certain = 0
    for names, people in zones.items():
        closed = [not OPENS <= at.astimezone(ZoneInfo(name)).time() < CLOSES for name in names]
        if any(closed):
            quiet += people
            certain += people if all(closed) else 0
    return quiet, certain
