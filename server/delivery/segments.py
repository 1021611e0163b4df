"""What a text costs: SMS segments, exactly (SPEC CAM-20..24, AMB-35). Pure.

`agents_ui/src/sms/segments.ts` says the same; `tests/rules/segments_vectors.json` proves both equal.
Source: 3GPP TS 23.038 (alphabet, extension table) and TS 23.040 (concatenation).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")  # two septets each
MAX_TEXT = 1_600  # characters of one message, SMS or MMS (CAM-21, CAM-31)

Encoding = Literal["gsm7", "ucs2"]
LIMITS: dict[Encoding, tuple[int, int]] = {"gsm7": (160, 153), "ucs2": (70, 67)}  # alone, and of several


@dataclass(frozen=True, slots=True)
class Cost:
    """`units`: septets or UTF-16 units. `left`: units that still fit the last segment. `special`: what forces UCS-2."""

    encoding: Encoding
    units: int
    segments: int
    left: int
    special: tuple[str, ...]


def segments(text: str) -> int:
    """How many SMS parts `text` costs.

    160 GSM-7 septets fit one part, 153 each once split; one character outside GSM-7 turns the whole
    text into UCS-2: 70, then 67. A two-septet or two-unit character is never split. Empty costs 1.
    """
    return cost(text).segments


def cost(text: str) -> Cost:
    """`segments`, with what an editor shows beside it."""
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


# What typing on a phone or pasting from a document leaves behind, and what says the same in GSM-7.
REPLACEMENTS: dict[str, str] = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "`": "'", "\u00b4": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
    "\u2026": "...", "\u00a0": " ", "\u2002": " ", "\u2003": " ", "\u2009": " ", "\u202f": " ", "\t": " ",
    "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\ufeff": "", "\ufe0f": "",
    "\u2022": "-", "\u00b7": ".", "\u00d7": "x", "\u2044": "/", "\u2039": "<", "\u203a": ">",
    "\u2126": "Ω", "\u212b": "Å", "\u00ba": "o", "\u00aa": "a", "\u2116": "No",
}  # fmt: skip


def replacement(char: str) -> str | None:
    """A GSM-7 spelling of `char`, or None where there is none (an emoji, another script)."""
    known = REPLACEMENTS.get(char)
    if known is not None:
        return known
    if char in BASIC or char in EXTENSION:
        return char
    composed = unicodedata.normalize("NFKC", char)
    if composed != char and all(part in BASIC or part in EXTENSION for part in composed):
        return composed
    base = unicodedata.normalize("NFD", char)[0]
    if base != char and base in BASIC and base.isascii():
        return base  # ç, ê, Á: the letter without its mark
    return None


def plain(text: str) -> str:
    """`text` with every character replaced that has a GSM-7 spelling; the others stay."""
    if all(char in BASIC for char in text):
        return text
    return "".join(char if (spelled := replacement(char)) is None else spelled for char in text)
