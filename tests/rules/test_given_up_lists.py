"""Lists of numbers that were given up, read from pieces: what is a number, what is none, and where it ends (CON-8)."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from server.channels import twilio_lists
from server.channels.base import BadList, GivenUp
from server.channels.twilio_lists import Lines, led_to
from server.delivery.deactivations import Lists, missing


def read(data: bytes, size: int = 7) -> GivenUp | BadList:
    lines = Lines()
    for start in range(0, len(data), size):
        if not lines.take(data[start : start + size]):
            return BadList("too long")
    return lines.end()


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b"+12025550143", 12025550143), (b"12025550143", 12025550143), (b"2025550143", 12025550143),
        (b"  +12025550143\t", 12025550143), (b'"+12025550143",', 12025550143), (b"\xef\xbb\xbf+12025550143", 12025550143),
        (b"+447400987654", 447400987654), (b"447400987654", None), (b"+0123456789", None), (b"1025550143", None),
        (b"+1202555014x", None), (b"PhoneNumber", None), ("+１２０２５５５０１４３".encode(), None), (b"+" + b"1" * 16, None),
    ],
)  # fmt: skip
def test_a_line_is_a_number_or_it_is_counted_as_none(line: bytes, number: int | None) -> None:
    found = read(b"+13125550100\n+13125550101\r\n\n" + line)
    assert isinstance(found, GivenUp)
    assert list(found.numbers) == [13125550100, 13125550101, *([number] if number else [])]
    assert found.unread == (number is None)


def test_however_the_file_is_cut_into_pieces_the_same_is_read() -> None:
    dice = random.Random(8)
    lines = [
        dice.choice([b"+1202555%04d" % n, b"x" * dice.randint(1, 200), b"", b"1312555%04d" % n]) for n in range(400)
    ]
    data = b"\r\n".join([b"+12025550000"] * 300 + lines)
    wanted = read(data, len(data))
    assert isinstance(wanted, GivenUp) and wanted.unread > 50
    for size in (1, 2, 13, 63, 64, 65, 1000):
        found = read(data, size)
        assert isinstance(found, GivenUp)
        assert (list(found.numbers), found.unread) == (list(wanted.numbers), wanted.unread), size


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><html>\n<body>Sign in\n</body></html>",
        b"<html>" + b"x" * 5_000,
        b'{"code": 20003}',
        bytes(range(256)) * 9,
    ],
)
def test_what_is_mostly_no_numbers_is_no_list(page: bytes) -> None:
    assert isinstance(read(page, 4096), BadList)


def test_a_day_on_which_nobody_gave_up_a_number_is_a_list() -> None:
    assert read(b"") == GivenUp(Lines()._numbers) and read(b"\n\n") == GivenUp(Lines()._numbers)


def test_a_list_without_end_is_left_after_so_many_bytes_and_so_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_lists, "MOST_BYTES", 1_000)
    lines = Lines()
    assert lines.take(b"x" * 1_000) and len(lines._rest) <= twilio_lists.LINE and not lines.take(b"x")
    monkeypatch.setattr(twilio_lists, "MOST_LINES", 2)
    assert not Lines().take(b"+12025550143\n" * 3)


def test_the_address_stands_in_the_body_or_in_the_header() -> None:
    assert led_to('{"redirect_to": "https://a.example"}', "https://b.example") == '{"redirect_to": "https://a.example"}'
    for body in ("", "<a href>", "[]", '{"redirect_to": null}'):
        assert led_to(body, "https://b.example") == '{"redirect_to": "https://b.example"}'


def test_missed_days_are_asked_for_up_to_a_week_back_and_today_every_time() -> None:
    today = date(2026, 11, 26)
    ago = [today - timedelta(days=n) for n in range(10)]
    assert missing(Lists(), today) == ago[7::-1]
    assert missing(Lists(days=ago[1:8]), today) == [today]
    assert missing(Lists(days=[ago[9], ago[8], ago[6], ago[5]]), today) == [
        ago[7],
        ago[4],
        ago[3],
        ago[2],
        ago[1],
        today,
    ]
