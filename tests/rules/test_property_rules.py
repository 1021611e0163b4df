"""Which keys and values of properties are accepted, and how values are stored (IMP-25..31)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from server.contacts import property_rules as rules
from server.contacts.property_rules import PropertyType, parse_date, parse_value
from server.errors import Refused

NOON = datetime(2026, 3, 9, 12, 5, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-03-09 12:05:07", NOON),
        ("03/09/2026 12:05:07", NOON),
        ("3/9/26 12:05:07", NOON),
        ("03/09/2026 12:05", NOON.replace(second=0)),
        ("03/09/26 12:05", NOON.replace(second=0)),
        ("2026-03-09T12:05:07", NOON),
        ("2026-03-09T14:05:07+02:00", NOON),
        ("2026-03-09T06:05:07-0600", NOON),
        ("2026-03-09T12:05:07Z", NOON),
        ("2026-03-09 12:05:07.250001", NOON.replace(microsecond=250001)),
        ("2026-03-09T12:05:07.123456789Z", NOON.replace(microsecond=123456)),
        (str(int(NOON.timestamp())), NOON),
        (int(NOON.timestamp()), NOON),
        ("2026-03-09", NOON.replace(hour=0, minute=0, second=0)),  # midnight, UTC
        ("03/09/2026", NOON.replace(hour=0, minute=0, second=0)),
        ("01/02/68", datetime(2068, 1, 2, tzinfo=UTC)),
        ("01/02/69", datetime(1969, 1, 2, tzinfo=UTC)),
        (date(2026, 3, 9), NOON.replace(hour=0, minute=0, second=0)),
        (datetime(2026, 3, 9, 14, 5, 7, tzinfo=timezone(timedelta(hours=2))), NOON),
    ],
)
def test_a_date_is_an_instant_in_every_accepted_form(raw: Any, expected: datetime) -> None:
    assert parse_value("date", raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "09-03-2026",  # IMP-27
        "2026-02-31",
        "13/09/2026",
        "0000-01-01",
        "9999-12-31",
        "1899-12-31",
        "-86400",
        "2026",  # a year is no number of seconds
        "2026-03-09 25:00:00",
        "2026-03-09 12:61",
        "٢٠٢٦-٠٣-٠٩",
        "yesterday",
        "2026-03-09'; DROP TABLE contacts",
        True,
        1.5,
        [],
    ],
)
def test_other_dates_are_refused_with_an_example(raw: Any) -> None:
    with pytest.raises(Refused) as refused:
        parse_value("date", raw)
    assert refused.value.code == "invalid_date_format"
    assert "2026-11-21" in refused.value.message


def test_dates_with_slashes_are_read_day_first_only_on_request() -> None:
    assert parse_date("13/09/2026", day_first=True) == datetime(2026, 9, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("12.50", "12.5"),
        (" -7 ", "-7"),
        (3, "3"),
        (0.1, "0.1"),
        ("1e3", "1000"),
        ("0.1234567", "0.123457"),
        ("+4", "4"),
    ],
)
def test_a_number_keeps_six_decimals(raw: Any, expected: str) -> None:
    assert parse_value("number", raw) == Decimal(expected)


@pytest.mark.parametrize(
    "raw", ["$5", "1,234", "1_000", "Infinity", "nan", float("nan"), "1e13", 10**12, "1e99", "１２", True, [1], {}]
)
def test_other_numbers_are_refused(raw: Any) -> None:
    with pytest.raises(Refused, match=r"like 1234\.5") as refused:
        parse_value("number", raw)
    assert refused.value.code == "invalid_number_format"


def test_a_boolean_is_a_word() -> None:
    assert [parse_value("boolean", raw) for raw in (True, "TRUE", "yes", "1", 1, "t")] == [True] * 6
    assert [parse_value("boolean", raw) for raw in (False, "false", "No", "0", 0, "n")] == [False] * 6
    for raw in ("maybe", 2, 1.0, []):
        with pytest.raises(Refused, match="true or false"):
            parse_value("boolean", raw)


def test_a_list_is_a_json_array_of_single_values() -> None:
    assert parse_value("list", '["red", " blue ", "", "red", 7]') == ("red", "blue", "7")
    assert parse_value("list", ["a"]) == ("a",)
    for raw in ("red, blue", '{"a": 1}', [["a"]], [None], [True], ["x"] * 101, "[" * 5_000, ["x" * 2_001], 5):
        with pytest.raises(Refused, match="JSON array"):
            parse_value("list", raw)


def test_a_text_keeps_its_letters_and_loses_control_characters() -> None:
    assert parse_value("text", " Zoë\0\x07 \n") == "Zoë"
    for raw in ("x" * 2_001, 5, ["a"], {"a": 1}):
        with pytest.raises(Refused, match="Send a text"):
            parse_value("text", raw)


@pytest.mark.parametrize("type", PropertyType)
def test_a_blank_is_no_value(type: PropertyType) -> None:
    assert [parse_value(type, raw) for raw in (None, "", "  ", "\u200b")] == [None] * 4


@pytest.mark.parametrize(
    ("type", "raw"),
    [("text", "Łódź"), ("number", "-12.000001"), ("boolean", "no"), ("date", "2026-03-09"), ("list", ["b", "a"])],
)
def test_a_value_is_stored_and_read_unchanged(type: str, raw: Any) -> None:
    value = parse_value(type, raw)
    assert rules.value_of(PropertyType(type), rules.value_rows(value)) == value


def test_texts_compare_without_case_and_accents() -> None:
    assert rules.text_key("ZOË  Ström") == rules.text_key("zoe strom")
    assert len(rules.text_key("ﷺ" * 2_000)) == rules.KEY_CHARS  # the index of PostgreSQL has a limit


def test_a_key_comes_from_the_name() -> None:
    assert rules.property_key("Favourite colour?") == "favourite_colour"
    assert rules.property_key("constructor") == "constructor"
    for name in ("__proto__", "Zoë's Plan"):
        assert rules.property_key(name) in ("proto", "zoe_s_plan")


@pytest.mark.parametrize("key", ["__proto__", "", "1st", "a b", "a" * 61, "id;drop", "Plan", "имя"])
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(Refused, match="starts with a letter"):
        rules.checked_key(key)


@pytest.mark.parametrize("key", ["email", "last_open", "lists", "created", "last_active", "first_active"])
def test_fixed_and_computed_fields_are_no_new_properties(key: str) -> None:
    with pytest.raises(Refused, match="Choose another key"):
        rules.checked_key(key)
