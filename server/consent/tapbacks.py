"""Detects texts that are reactions of a phone to one of our messages ("Liked “…”", "😂 to “…”"). Pure.

A phone sends a reaction as a text that quotes our message. Our messages contain STOP, so a quotation must not count as
an opt-out. A text is a reaction only if all words around the quotation are words that phones write there.
"""

from __future__ import annotations

import re
import unicodedata

from server.consent import tapback_words
from server.consent.opt_out_intent import FILLERS

# Opening quotation mark → the marks that close its quotation.
_CLOSING_MARKS = {
    "“": '”"“',
    "„": '“”"',
    "”": '”"',
    "«": "»",
    "»": "«»",
    "‹": "›",
    "‘": "’'",
    "‚": "‘’",
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    "〝": "〞〟",
    '"': '"”',
    "'": "'’",
    "\ufffd": "\ufffd",  # a quotation mark after an encoding error
}
_OPENING = re.compile("[“„”«»‹‚「『《〈〝\"\ufffd]|(?:(?<=\\s)|^)[‘']")
# Some languages also quote the name of the reaction: "Hat „Gefällt mir“ zu „…“ hinzugefügt".
_LABEL = re.compile(
    r"[“„”«»‘‚「『\"'] ?((?:" + "|".join(tapback_words.LABELS) + r")|[^\w\s“„”«»‘’‚「」『』\"']{1,8}) ?[”“«»’‘」』\"']"
)
# Google Messages puts hair spaces inside its quotation marks; people do not type them.
_HAIR_SPACED = re.compile('^([^\n]{0,60}?)[“„”«»「『"]\u200a.*\u200a[”“«»」』"]([^\n]{0,40})$', re.DOTALL)
# A reaction to a picture quotes nothing.
_PICTURE = re.compile(
    r"(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted .{1,12} to|removed an? .{1,20} from)"
    r" (?:an?|\d{1,3}) (?:image|photo|picture|video|movie|gif|sticker|audio message|voice message|message|attachment|contact|location|link|file)s?\.?"
)
_WORD = re.compile(r"[^\W\d_]+")
_MAX_AROUND = 60  # characters around the quotation
# Our messages have at least so many words. An emoji around a quotation of this length is a reaction in any language.
_MIN_QUOTED_WORDS = 4


def _plain(text: str) -> str:
    """Lower case without accents, which phones and carriers may drop."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    letters = "".join(char for char in decomposed if unicodedata.category(char) not in ("Mn", "Cf"))
    return unicodedata.normalize("NFC", letters)  # NFD decomposed Korean syllables too


_REACTION_WORDS = frozenset(_WORD.findall(_plain(" ".join(tapback_words.DONE.values()))))
_PHONE_WORDS = _REACTION_WORDS | frozenset(_WORD.findall(_plain(" ".join(tapback_words.BESIDE.values()))))
_UNSPACED = re.compile("|".join(re.escape(_plain(stem)) for stem in tapback_words.UNSPACED.split()))
_WITHOUT_SPACES = re.compile(r"[\u0900-\u097f\u0e00-\u0e7f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


def words_around_quotation(text: str, folded: str) -> str | None:
    """The words around the message that a reaction quotes; None if the text is not a reaction.

    `text`: raw. `folded`: the result of `keywords.fold`.
    """
    if _PICTURE.fullmatch(folded):
        return folded
    if not _OPENING.search(folded):
        return None
    if marked := _HAIR_SPACED.match(text.strip("\n")):
        return f"{marked[1]} {marked[2]}".strip().casefold()
    parts = _split_quotation(_LABEL.sub(r" \1 ", folded, count=1)) or _split_quotation(folded)
    if parts is None:
        return None
    around, quoted = parts
    return around if _written_by_phone(around, len(_WORD.findall(quoted))) else None


def _split_quotation(folded: str) -> tuple[str, str] | None:
    """The text around the only quotation, and the quotation itself, whose end may be missing."""
    opening = _OPENING.search(folded)
    if opening is None:
        return None
    mark, start = opening[0], opening.end()
    closers = _CLOSING_MARKS[mark]
    other_closers = closers.replace(mark, "")
    end = max(folded.rfind(closer, start) for closer in other_closers or mark)
    if end < 0 and mark in closers:
        end = folded.rfind(mark, start)
    before = folded[: opening.start()].strip()
    if end < 0:
        return (before, folded[start:]) if before else None
    if other_closers and _has_second_quotation(folded[start:end], mark, other_closers):
        return None
    return f"{before} {folded[end + 1 :]}".strip(), folded[start:end]


def _has_second_quotation(quoted: str, mark: str, closers: str) -> bool:
    """Whether the quotation ends inside `quoted` and another begins."""
    depth = 1
    for index, char in enumerate(quoted):
        depth += (char == mark) - (char in closers)
        if depth == 0:
            return mark in quoted[index:]
    return False


def _written_by_phone(around: str, quoted: int) -> bool:
    if not around or len(around) > _MAX_AROUND:
        return False
    plain = _plain(around)
    words = _WORD.findall(plain)
    has_emoji = (
        any(unicodedata.category(char) == "So" for char in around) or re.match(r"[!?]{1,2}(?: |$)", around) is not None
    )
    if _PHONE_WORDS.issuperset(words):
        return bool(words) and (has_emoji or not _REACTION_WORDS.isdisjoint(words))
    if _WITHOUT_SPACES.search(plain):
        return _UNSPACED.search(plain) is not None or (has_emoji and quoted >= _MIN_QUOTED_WORDS)
    return has_emoji and len(words) <= _MIN_QUOTED_WORDS <= quoted and FILLERS.isdisjoint(words)
