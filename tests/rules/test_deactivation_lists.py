"""Parsing lists of deactivated numbers in pieces: which lines are numbers, which are not, and where the list ends
(CON-8)."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from server.channels import twilio_lists
from server.channels.base import BadList, DeactivatedNumbers
from server.channels.twilio_lists import Lines, sdk_answer
from server.delivery.deactivations import Deactivations, days_to_read


def read(data: bytes, size: int = 7) -> DeactivatedNumbers | BadList:
    lines = Lines()
    for start in range(0, len(data), size):
        if not lines.parse_chunk(data[start : start + size]):
            return BadList("too long")
    return lines.finish()


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b"+12025550143", 12025550143), (b"12025550143", 12025550143), (b"2025550143", 12025550143),
        (b"  +12025550143\t", 12025550143), (b'"+12025550143",', 12025550143), (b"\xef\xbb\xbf+12025550143", 12025550143),
        (b"+447400987654", 447400987654), (b"447400987654", None), (b"+0123456789", None), (b"1025550143", None),
        (b"+1202555014x", None), (b"PhoneNumber", None), ("+１２０２５５５０１４３".encode(), None), (b"+" + b"1" * 16, None),
    ],
)  # fmt: skip
def test_a_line_that_is_no_number_is_counted_as_invalid(line: bytes, number: int | None) -> None:
    result = read(b"+13125550100\n+13125550101\r\n\n" + line)
    assert isinstance(result, DeactivatedNumbers)
    assert list(result.numbers) == [13125550100, 13125550101, *([number] if number else [])]
    assert result.unread == (number is None)


def test_the_result_does_not_depend_on_how_the_file_is_split() -> None:
    dice = random.Random(8)
    lines = [
        dice.choice([b"+1202555%04d" % n, b"x" * dice.randint(1, 200), b"", b"1312555%04d" % n]) for n in range(400)
    ]
    data = b"\r\n".join([b"+12025550000"] * 300 + lines)
    expected = read(data, len(data))
    assert isinstance(expected, DeactivatedNumbers) and expected.unread > 50
    for size in (1, 2, 13, 63, 64, 65, 1000):
        result = read(data, size)
        assert isinstance(result, DeactivatedNumbers)
        assert (list(result.numbers), result.unread) == (list(expected.numbers), expected.unread), size


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><html>\n<body>Sign in\n</body></html>",
        b"<html>" + b"x" * 5_000,
        b'{"code": 20003}',
        bytes(range(256)) * 9,
    ],
)
def test_a_file_with_mostly_invalid_lines_is_no_list(page: bytes) -> None:
    assert isinstance(read(page, 4096), BadList)


def test_an_empty_file_is_a_valid_list() -> None:
    assert read(b"") == DeactivatedNumbers(Lines()._numbers) and read(b"\n\n") == DeactivatedNumbers(Lines()._numbers)


def test_an_endless_list_is_refused_after_a_limit_of_bytes_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_lists, "MAX_BYTES", 1_000)
    lines = Lines()
    assert lines.parse_chunk(b"x" * 1_000) and len(lines._rest) <= twilio_lists.MAX_LINE and not lines.parse_chunk(b"x")
    monkeypatch.setattr(twilio_lists, "MAX_LINES", 2)
    assert not Lines().parse_chunk(b"+12025550143\n" * 3)


def test_the_address_is_in_the_body_or_in_the_header() -> None:
    assert (
        sdk_answer('{"redirect_to": "https://a.example"}', "https://b.example")
        == '{"redirect_to": "https://a.example"}'
    )
    for body in ("", "<a href>", "[]", '{"redirect_to": null}'):
        assert sdk_answer(body, "https://b.example") == '{"redirect_to": "https://b.example"}'


def test_missed_days_are_requested_up_to_a_week_back_and_today_always() -> None:
    today = date(2026, 11, 26)
    ago = [today - timedelta(days=n) for n in range(10)]
    assert days_to_read(Deactivations(), today) == ago[7::-1]
    assert days_to_read(Deactivations(days=ago[1:8]), today) == [today]
    assert days_to_read(Deactivations(days=[ago[9], ago[8], ago[6], ago[5]]), today) == [
        ago[7],
        ago[4],
        ago[3],
        ago[2],
        ago[1],
        today,
    ]
