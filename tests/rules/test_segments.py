"""Length and price of a text in segments (CAM-20..24, AMB-35)."""

from __future__ import annotations

import json
from pathlib import Path

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.delivery.segments import LIMITS, cost, segments

VECTORS = [
    ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("a" * 459, 3), ("a" * 460, 4),
    ("é" * 160, 1), ("ç", 1), ("ç" * 70, 1), ("ç" * 71, 2), ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("я" * 135, 3),
    ("€" * 80, 1), ("€" * 81, 2), ("€" * 152, 2), ("€" * 153, 3), ("a" + "€" * 80, 2), ("a" * 152 + "€" * 5, 2), ("a" * 159 + "€", 2),
    ("😀" * 35, 1), ("😀" * 36, 2), ("😀" * 66, 2), ("😀" * 67, 3), ("a" * 69 + "😀", 2), ("a\n" * 80, 1), ("a\r\n" * 53 + "a", 1),
    ("“quote”", 1), ("Ω" * 160, 1), ("\u2126" * 70, 1), ("\u2126" * 71, 2), ("{" * 80, 1), ("{" * 81, 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), VECTORS)
def test_segments_are_counted_as_the_standard_says(text: str, count: int) -> None:
    assert segments(text) == count


def test_some_lower_case_accents_are_gsm_characters_and_their_capitals_are_not() -> None:
    assert cost("àèéìòù").special == () and cost("àèéìòù").encoding == "gsm7"
    assert cost("ÀÈÌÒÙ").special == tuple("ÀÈÌÒÙ")


def test_each_character_that_forces_ucs2_is_named_once() -> None:
    assert cost("“Hi” – see you… ç ½ 😀").special == ("“", "”", "–", "…", "ç", "½", "😀")


FILE = json.loads((Path(__file__).parent / "segments_vectors.json").read_text("utf-8"))


def written(runs: list[tuple[str, int]]) -> str:
    return "".join(text * times for text, times in runs)


def test_the_vectors_shared_with_the_console_are_correct() -> None:
    """The console's `segments.test.ts` uses the same file; if a vector is wrong, correct it by hand for both."""
    assert len(FILE) >= 400
    for vector in FILE:
        result = cost(written(vector["runs"]))
        expected = (vector["encoding"], vector["units"], vector["segments"], vector["left"], tuple(vector["special"]))
        assert (result.encoding, result.units, result.segments, result.left, result.special) == expected, vector["runs"]


CODEC = gsm0338.Codec()


def septets(text: str) -> int | None:
    """Encodes with the table of another library; it writes an escape before characters of the extension table, so one
    byte is one septet.

    One difference by definition: the library passes the escape character itself through. A handset would take the next
    character from the extension table, so our alphabet does not contain U+001B.
    """
    try:
        return None if "\x1b" in text else len(CODEC.encode(text, "strict")[0])
    except UnicodeError:
        return None


def test_another_codec_agrees_on_alphabet_and_septets() -> None:
    for text in [*map(chr, range(0x1_0000)), *(written(vector["runs"]) for vector in FILE)]:
        result = cost(text)
        assert septets(text) == (result.units if result.encoding == "gsm7" else None), ascii(text)


@given(st.text(max_size=400))
def test_units_left_in_the_last_segment_are_counted(text: str) -> None:
    result = cost(text)
    single, per_segment = LIMITS[result.encoding]
    room = single if result.segments == 1 else per_segment
    assert 0 <= result.left <= room
    if result.left:
        assert segments(text + "a") == result.segments
    assert segments(text + "a" * (result.left + 1)) == max(2, result.segments + 1)
