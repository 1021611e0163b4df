"""Counts the SMS segments of a text (CAM-20..24, AMB-35). Pure.

`widget/shared/segments.ts` does the same; `tests/rules/segments_vectors.json` tests both.
Source: 3GPP TS 23.038 (alphabet, extension table) and TS 23.040 (concatenation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")  # two septets each
MAX_TEXT = 1_600  # characters of one message, SMS or MMS (CAM-21, CAM-31)

Encoding = Literal["gsm7", "ucs2"]
LIMITS: dict[Encoding, tuple[int, int]] = {
    "gsm7": (160, 153),
    "ucs2": (70, 67),
}  # units in a single segment, and in each of several segments


@dataclass(frozen=True, slots=True)
class Cost:
    """`units`: septets or UTF-16 units. `left`: free units in the last segment. `special`: characters that force UCS-2."""

    encoding: Encoding
    units: int
    segments: int
    left: int
    special: tuple[str, ...]


def segments(text: str) -> int:
    """How many SMS segments `text` needs; an empty text needs 1.

    One segment has 160 GSM-7 septets, several have 153 each. One character outside GSM-7 turns the whole text into
    UCS-2 with 70 or 67 units. A two-septet or two-unit character is never split.
    """
    return cost(text).segments


def cost(text: str) -> Cost:
    """The segments of a text, with the details that an editor shows."""
    special = tuple(dict.fromkeys(char for char in text if char not in BASIC and char not in EXTENSION))
    encoding: Encoding = "ucs2" if special else "gsm7"
    widths = [_width(char, encoding) for char in text]
    units = sum(widths)
    alone, each = LIMITS[encoding]
    if units <= alone:
        return Cost(encoding, units, 1, alone - units, special)
    count, used = 1, 0
    for width in widths:
        if used + width > each:
            count, used = count + 1, 0
        used += width
    return Cost(encoding, units, count, each - used, special)


def _width(char: str, encoding: Encoding) -> int:
    if encoding == "gsm7":
        return 2 if char in EXTENSION else 1
    return 2 if ord(char) > 0xFFFF else 1
