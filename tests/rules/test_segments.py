"""What a text costs (SPEC CAM-20..24, AMB-35)."""

from __future__ import annotations

import json
from pathlib import Path

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.delivery.segments import LIMITS, cost, plain, segments

VECTORS = [
    ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("a" * 459, 3), ("a" * 460, 4),
    ("é" * 160, 1), ("ç", 1), ("ç" * 70, 1), ("ç" * 71, 2), ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("я" * 135, 3),
    ("€" * 80, 1), ("€" * 81, 2), ("€" * 152, 2), ("€" * 153, 3), ("a" + "€" * 80, 2), ("a" * 152 + "€" * 5, 2), ("a" * 159 + "€", 2),
    ("😀" * 35, 1), ("😀" * 36, 2), ("😀" * 66, 2), ("😀" * 67, 3), ("a" * 69 + "😀", 2), ("a\n" * 80, 1), ("a\r\n" * 53 + "a", 1),
    ("“quote”", 1), ("Ω" * 160, 1), ("\u2126" * 70, 1), ("\u2126" * 71, 2), ("{" * 80, 1), ("{" * 81, 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), VECTORS)
def test_a_text_costs_what_the_standard_says(text: str, count: int) -> None:
    assert segments(text) == count


def test_lower_case_accents_are_plain_and_their_capitals_are_not() -> None:
    assert cost("àèéìòù").special == () and cost("àèéìòù").encoding == "gsm7"
    assert cost("ÀÈÌÒÙ").special == tuple("ÀÈÌÒÙ")


def test_what_forces_the_dear_encoding_is_named_once_and_has_a_plain_spelling() -> None:
    text = "“Hi” – see you… ç ½ 😀"
    assert cost(text).special == ("“", "”", "–", "…", "ç", "½", "😀")
    assert plain(text) == '"Hi" - see you... c ½ 😀'


FILE = json.loads((Path(__file__).parent / "segments_vectors.json").read_text("utf-8"))


def written(runs: list[tuple[str, int]]) -> str:
    return "".join(text * times for text, times in runs)


def test_the_vectors_that_both_languages_share_hold() -> None:
    """The console's `segments.test.ts` reads the same file; a vector that is wrong is mended by hand, in both."""
    assert len(FILE) >= 400
    for vector in FILE:
        text, found = written(vector["runs"]), cost(written(vector["runs"]))
        wanted = (vector["encoding"], vector["units"], vector["segments"], vector["left"], tuple(vector["special"]))
        assert (found.encoding, found.units, found.segments, found.left, found.special) == wanted, vector["runs"]
        assert plain(text) == written(vector["plain"]), vector["runs"]


CODEC = gsm0338.Codec()


def septets(text: str) -> int | None:
    """By another's table; it writes an escape before the extension table's characters, so a byte is a septet.

    One difference by definition: it passes the escape itself through. A handset would take the next character
    from the extension table, so to us U+001B is no character of the alphabet.
    """
    try:
        return None if "\x1b" in text else len(CODEC.encode(text, "strict")[0])
    except UnicodeError:
        return None


def test_another_codec_agrees_on_alphabet_and_septets() -> None:
    for text in [*map(chr, range(0x1_0000)), *(written(vector["runs"]) for vector in FILE)]:
        found = cost(text)
        assert septets(text) == (found.units if found.encoding == "gsm7" else None), ascii(text)


@given(st.text(max_size=400))
def test_units_left_is_what_still_fits(text: str) -> None:
    found = cost(text)
    alone, each = LIMITS[found.encoding]
    room = alone if found.segments == 1 else each
    assert 0 <= found.left <= room
    if found.left:
        assert segments(text + "a") == found.segments
    assert segments(text + "a" * (found.left + 1)) == max(2, found.segments + 1)
