"""The time zone of a phone number, where a number has one."""

from __future__ import annotations

import pytest

from server.contacts.time_zones import time_zone_of


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+14155552671", "America/Los_Angeles"),
        ("+48600100200", "Europe/Warsaw"),
        ("+82105551234", "Asia/Seoul"),
        ("+18005550100", ""),  # toll-free: all of North America
        ("+79161234567", ""),  # a mobile network of several zones
        ("72345", ""),
        ("whatsapp:+48600100200", ""),
        ("+999", ""),
        ("+", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_inb_53_a_number_names_its_zone_only_if_it_has_one(phone: str | None, zone: str) -> None:
    assert time_zone_of(phone) == zone
