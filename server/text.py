"""Pure functions that clean text from strangers and compare it: controls, invisible characters, look-alikes.

Look-alikes are compared by Unicode's skeleton (UTS #39), which replaces each character with its prototype. Different case
makes different look-alikes ("lIya" for "Ilya", "1LYA" for "ILYA"), so a name is compared in every case.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files

# An unclosed direction mark in a name would reverse the sentence around it, and a zero-width space makes another name that
# looks the same. Joiners (U+200C, U+200D) stay: Persian and emoji sequences need them.
INVISIBLE = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff")


# Characters removed from names and single lines: the invisible ones and single direction marks.
REMOVED_FROM_LINES = dict.fromkeys([*map(ord, INVISIBLE), 0x200E, 0x200F, 0x061C])
MAX_MARKS = 8  # combining marks kept on one character (W13)


def clean_text(text: str) -> str:
    """The text of a message without control characters and without more than `MAX_MARKS` combining marks per character."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    characters: list[str] = []
    marks = 0
    for char in text:
        code = ord(char)
        if (code < 32 and char not in "\n\t") or 0x7F <= code < 0xA0:
            continue
        if code >= 0x300 and unicodedata.combining(char):
            marks += 1
            if marks > MAX_MARKS:
                continue
        else:
            marks = 0
        characters.append(char)
    return "".join(characters)


def clean_line(text: str, limit: int) -> str:
    """One harmless line: no line breaks, control, zero-width or direction-changing characters, cut to `limit`."""
    text = clean_text(text[: limit * 4].translate(REMOVED_FROM_LINES))
    return " ".join(text.split())[:limit].strip()


def one_line(text: str) -> str:
    """NFC on one line, without control characters, zero-width spaces and marks that turn the writing direction."""
    characters = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text if c not in INVISIBLE
    )
    return unicodedata.normalize("NFC", " ".join(characters.split()))


# letters that Unicode does not split into a letter and a mark
_UNMARKED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})


def search_key(name: str) -> str:
    """A name as searches compare it: without case and accents, on one line."""
    letters = unicodedata.normalize("NFKD", name).casefold().translate(_UNMARKED)
    unaccented = "".join(char for char in letters if not "\u0300" <= char <= "\u036f")
    return " ".join(unicodedata.normalize("NFC", unaccented).split())


def is_blank(text: str) -> bool:
    """Whether nothing is visible: only spaces, zero-width characters or combining marks (W11)."""
    if text.isascii() and text.isprintable():
        return not text.strip()
    return all(_is_invisible(char) for char in text)


FILLERS = "\u115f\u1160\u3164\uffa0\u2800"  # blank characters in the categories of letters and signs


def _is_invisible(char: str) -> bool:
    category = unicodedata.category(char)
    if category == "Cn":  # unassigned in this Unicode version (a new emoji), except noncharacters
        code = ord(char)
        return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return category[0] in "ZM" or category in ("Cc", "Cf", "Cs") or char in FILLERS


# Look-alikes that Unicode's table does not list: lower-case letters, digits and signs in place of letters, and letters
# in squares and circles.
_SIMILAR = str.maketrans("вмнктαβηκνӏꞁ345789@$€!", "bmhktabhknlleastbgasei") | {
    start + place: chr(ord("A") + place) for start in (0x1F150, 0x1F170, 0x1F1E6) for place in range(26)
}
_IGNORED = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")


@cache
def _prototypes() -> dict[str, str]:
    """The prototype of each character, from Unicode's confusables.txt in `confusable-homoglyphs`.

    The package lists for each character those it can be confused with; a character with a prototype lists only that
    one. The package's own functions keep all of it in memory (18 MB) and cannot compute a skeleton.
    """
    raw = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_bytes())
    confusables = {
        _without_direction_mark(key): [_without_direction_mark(character["c"]) for character in lookalikes]
        for key, lookalikes in raw.items()
    }
    prototype_of: dict[str, str] = {}
    for char, lookalikes in confusables.items():
        if len(char) == 1 and len(lookalikes) == 1:
            (lookalike,) = lookalikes
            # two characters that list only each other have no prototype
            mutual = len(lookalike) == 1 and len(confusables.get(lookalike, ())) == 1
            prototype_of[char] = min(char, lookalike) if mutual else lookalike
    return prototype_of


def _without_direction_mark(text: str) -> str:
    """Removes the direction marks around right-to-left letters."""
    return text if text == "\u200e" else text.replace("\u200e", "")


def skeleton(text: str) -> str:
    """A form for comparison: equal for texts that look the same, compatibility forms included."""
    prototype_of = _prototypes()
    visible = (c for c in unicodedata.normalize("NFKD", _IGNORED.sub("", text)) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKD", "".join([prototype_of.get(char, char) for char in visible]))


@lru_cache(4_000)
def visual_key(text: str) -> str:
    """The letters and digits of the skeleton, without case, accents, spaces and signs.

    The skeleton is applied twice, because a small letter can have another prototype than its capital ("m" is like "rn").
    """
    folded = unicodedata.normalize("NFKD", skeleton(skeleton(text).casefold()).casefold())
    return "".join([c for c in folded if unicodedata.category(c)[0] in "LNM" and not "\u0300" <= c <= "\u036f"])


@lru_cache(4_000)
def visual_keys(name: str) -> frozenset[str]:
    """The visual keys of a name in every case, and with its words in reverse order."""
    words = name.split()
    orders = {name, " ".join(reversed(words))}
    cased = {change_case(text) for text in orders for change_case in (str, str.lower, str.upper, str.title)}
    return frozenset(visual_variants(cased)) - {""}


def visual_variants(texts: set[str]) -> set[str]:
    return {visual_key(form) for text in texts for form in (text, text.translate(_SIMILAR))}
