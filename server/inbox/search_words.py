"""Pure rules of the search: the terms of a query, the words of a text, the snippet around a hit.

Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are written without spaces, or with endings joined to words. A
run of such characters is indexed as its pairs: 我的订单 as 我的, 的订, 订单 and the last character, 单. A text with such a run is
in the index of pairs, with its other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_TERMS = 8
MAX_TERM = 40  # characters
SNIPPET = 160  # characters around the first hit
LEAD = 24  # characters before the hit at most: a list shows one line

# Migration 0010 has a copy for PostgreSQL's function.
PAIRED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0edf\u1000-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9d"
    "\U00020000-\U000323af"
)
# All other letters and digits, without classes such as \w, which depend on the database's locale.
PLAIN = "0-9a-z\u00c0-\u0dff\u0f00-\u0fff\u10a0-\u177f\u1e00-\u1fff"

_PAIRED_RUN = re.compile(f"[{PAIRED}]+")
_PLAIN_WORD = re.compile(f"[{PLAIN}]+")
_TERM = re.compile(rf"[{PAIRED}]+|(?:(?![{PAIRED}])[^\W_])+")


@dataclass(frozen=True, slots=True)
class Term:
    """A word that a hit contains. `paired`: a run of characters that are indexed as pairs."""

    text: str
    paired: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a snippet; `hit`: it matches the query."""

    text: str
    hit: bool


def terms(query: str) -> list[Term]:
    """The terms of a query. A hit contains all of them; the last one may be the beginning of a word."""
    result = _TERM.findall(unicodedata.normalize("NFC", query[:400]).casefold())
    return [Term(word[:MAX_TERM], _PAIRED_RUN.match(word) is not None) for word in result[:MAX_TERMS]]


def pairs(run: str) -> list[str]:
    """All pairs of neighbours in a run, and its last character alone, so that every character begins a word."""
    return [run[place : place + 2] for place in range(len(run))]


def paired_words(body: str) -> list[str]:
    """The words of a text for the index of pairs, in order; empty if the text has no paired character."""
    if body.isascii() or _PAIRED_RUN.search(body) is None:
        return []
    text = unicodedata.normalize("NFC", body).lower()
    words: list[str] = []
    for result in re.finditer(f"{_PAIRED_RUN.pattern}|{_PLAIN_WORD.pattern}", text):
        run = result.group()
        words += pairs(run) if _PAIRED_RUN.match(run) else [run[:MAX_TERM]]
    return words


def fold(text: str) -> str:
    """Lower case without the accents of letters, as in the index, character for character."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


def _folded(char: str) -> str:
    parts = unicodedata.normalize("NFD", char)
    # Only accents are removed. A Hangul syllable or a Kana also has several parts in NFD, but none of them is an accent.
    letter = parts[0] if "\u0300" <= parts[1:2] <= "\u036f" else char
    return (letter.casefold() or char)[0]


def cut(body: str, marked: re.Pattern[str]) -> list[Piece]:
    """A snippet of `body` around the first hit of `marked`; line breaks become spaces."""
    flat = unicodedata.normalize("NFC", " ".join(body.split()))
    folded = fold(flat)
    first = marked.search(folded)
    start = max(0, (first.start() if first else 0) - LEAD)
    if first and start:
        space = flat.find(" ", start, first.start())  # the snippet begins with a whole word if a space is near
        start = space + 1 if space >= 0 else start
    end = min(len(flat), start + SNIPPET)
    pieces: list[Piece] = []
    if start:
        pieces.append(Piece("…", False))
    position = start
    for result in marked.finditer(folded, start, end):
        if result.start() > position:
            pieces.append(Piece(flat[position : result.start()], False))
        pieces.append(Piece(flat[result.start() : result.end()], True))
        position = result.end()
    if position < end:
        pieces.append(Piece(flat[position:end], False))
    if end < len(flat):
        pieces.append(Piece("…", False))
    return pieces


def pattern(words: Sequence[Term]) -> re.Pattern[str]:
    """Matches a run of paired characters anywhere, and other terms only at the beginning of a word. A paired character
    ends the word before it."""
    return re.compile(
        "|".join(
            re.escape(fold(word.text))
            if word.paired
            else rf"(?:(?<![^\W_])|(?<=[{PAIRED}])){re.escape(fold(word.text))}"
            for word in sorted(words, key=lambda word: len(word.text), reverse=True)
        )
    )
