"""The time zone of a phone number, from the library's own tables."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(4_096)
def time_zone_of(phone: str | None) -> str:
    """The IANA time zone of an E.164 number; "" if its country or area has several, or for anything else.

    A mobile number may be anywhere: this is where it was issued.
    """
    if not phone or not phone.startswith("+"):
        return ""
    import phonenumbers  # 14 MB of tables: not at start
    from phonenumbers import timezone

    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return ""
    return zones[0] if len(zones) == 1 and zones[0] != timezone.UNKNOWN_TIMEZONE else ""
