"""Classifies a text: keyword, request to stop, or plain message. Pure (KEY-1..15, AMB-1).

Modes: `smart` (default): a text that is only a keyword is that keyword; a clear request among other words ("STOP I
never signed up", see `opt_out_intent`) is a `StopRequest`; a mention ("bus stop at 5?") is plain. `contains`: a stop
word anywhere is STOP. `exact`: only the keyword alone counts.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from server.consent import tapbacks, vocabulary
from server.consent.opt_out_intent import asks_to_stop
from server.links.rules import find_urls

Mode = Literal["smart", "contains", "exact"]


@dataclass(frozen=True, slots=True)
class Stop:
    """Revoke SMS consent now. `language`: of the word. `with_text`: the text has other words too, so a ticket opens
    (AMB-1)."""

    language: str
    with_text: bool = False


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A clear request in other words: pause marketing, open a ticket and let an agent decide."""


@dataclass(frozen=True, slots=True)
class Start:
    """Restore only the consents that a STOP revoked (AMB-32)."""

    language: str


@dataclass(frozen=True, slots=True)
class Help:
    language: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Yes to a pending double opt-in. The caller treats it as `Plain` if none is pending (KEY-2)."""

    language: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A keyword that this shop defined (KEY-10). `keyword` is in upper case."""

    keyword: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A message for the inbox. `tapback`: a phone's reaction ("Liked …") that quotes one of our texts."""

    tapback: bool = False


Meaning = Stop | StopRequest | Start | Help | Confirm | Subscribe | Plain


def without_accents(text: str) -> str:
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text.replace("ı", "i"))
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def _by_word(table: vocabulary.Table) -> dict[str, str]:
    """Folded word, with and without accents → language; "" if several languages have it."""
    languages: dict[str, str] = {}
    for language, words in table.items():
        for word in words.split("|"):
            for spelled in {word, without_accents(word)}:
                languages[spelled] = language if languages.get(spelled, language) == language else ""
    return languages


STOP = _by_word(vocabulary.STOP)
START = _by_word(vocabulary.START)
HELP = _by_word(vocabulary.HELP)
CONFIRM = _by_word(vocabulary.YES)

COMMON_WORDS = frozenset(
    "the and for you are not yes now one two buy get let new sale text info help stop start end quit cancel thanks ok okay hello hey "
    "thanks thank order".split()
)
CARRIER_FORBIDDEN_THEMES = (
    "sex",
    "hate",
    "alcohol",
    "beer",
    "wine",
    "vodka",
    "whiskey",
    "gun",
    "firearm",
    "tobacco",
    "vape",
    "weed",
    "cbd",
    "cannabis",
    "casino",
)

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_ASCII_EDGES = "".join(char for char in map(chr, range(128)) if not char.isalnum())


# Symbols that look like letters and that NFKC keeps: regional indicators, boxed letters, small capitals.
_DECORATED_LETTERS = {
    start + place: chr(ord("A") + place) for start in (0x1F1E6, 0x1F150, 0x1F170) for place in range(26)
} | {
    ord(has_emoji): plain
    for has_emoji, plain in zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)
}
# A signature that a phone appends.
_SIGNATURE = re.compile(
    r"\n[^\S\n]*(?:--\s*\n[^\n]{0,60}|(?:sent (?:from|via|using)|get outlook for|von meinem|envoyé de)\b[^\n]{0,80})\s*$",
    re.IGNORECASE,
)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def fold(text: str) -> str:
    """Lower case, single spaces, plain letters for full-width and decorated ones, no invisible characters, no signature."""
    if text.isascii():
        if text.isprintable():  # has no line break, so no signature
            return " ".join(text.lower().split())
        return " ".join(_CONTROL.sub("", _SIGNATURE.sub("", text)).lower().split())
    text = unicodedata.normalize("NFKC", _SIGNATURE.sub("", text.translate(_DECORATED_LETTERS)))
    visible = "".join(
        char for char in text if unicodedata.category(char) not in ("Cf", "Cc", "Mn", "Me") or char in "\n\t "
    )
    small = visible.casefold().replace("i\u0307", "i")  # from the Turkish "İ"
    return " ".join(unicodedata.normalize("NFC", small).split())


def bare(folded: str) -> str:
    """Strips punctuation and emoji around the text: "stop!! 🙏" becomes "stop"."""
    return folded.strip(_ASCII_EDGES) if folded.isascii() else _EDGES.sub("", folded)


def classify(
    text: str,
    mode: Mode,
    *,
    pending_opt_in: bool = False,
    keywords: frozenset[str] = frozenset(),
    country: str = "",
) -> Meaning:
    """The meaning of a text; the order of the checks is KEY-15. `keywords`: the shop's subscribe keywords in capitals.
    `country`: the sender's, because some words for yes mean something else in some countries."""
    folded = fold(text)
    reaction = tapbacks.words_around_quotation(text, folded)
    if reaction is not None and _stop_word_language(reaction) is None and not asks_to_stop(reaction):
        return Plain(tapback=True)
    word = bare(folded)
    keyword = _repeated_once(word)
    if (language := _lookup(STOP, keyword)) is not None:
        return Stop(language)
    if mode == "contains" and (language := _stop_word_language(_without_addresses(folded))) is not None:
        return Stop(language, with_text=True)
    if mode == "smart" and _asks_to_stop(text, folded):
        return StopRequest()
    if (language := _lookup(START, keyword)) is not None:
        return Start(language)
    if pending_opt_in and (language := _lookup(CONFIRM, keyword)) is not None:
        if country not in vocabulary.NOT_YES_IN_COUNTRIES.get(keyword, ()):
            return Confirm(language)
    if (language := _lookup(HELP, keyword)) is not None:
        return Help(language)
    if word.upper() in keywords:
        return Subscribe(word.upper())
    return Plain()


# A site's name without https://, followed by a path or ending in a common top-level domain.
_BARE_SITE = re.compile(
    r"\b[a-z][a-z0-9+.-]*://\S+"
    r"|(?<![@\w.-])(?:[\w-]+\.)+(?:[a-z]{2,24}/[^\s,;]*|(?:com|net|org|info|biz|shop|store|app|example|co\.uk)\b)"
)
_MAIL = re.compile(r"(?:mailto:)?[^\s@<>()\[\]\"“”«»,;:]+@[\w-]+(?:\.[\w-]+)+")


def _without_addresses(folded: str) -> str:
    """Removes URLs and e-mail addresses, because `https://shop.example/stop` and `stop@shop.example` do not mean STOP."""
    if "." not in folded:
        return folded
    parts, position = [], 0
    for url in find_urls(folded):
        parts += [folded[position : url.start], " "]
        position = url.end
    remaining = "".join([*parts, folded[position:]])
    return _BARE_SITE.sub(" ", _MAIL.sub(" ", remaining))


def _asks_to_stop(text: str, folded: str) -> bool:
    if asks_to_stop(_without_addresses(folded)):
        return True
    return "\n" in text and asks_to_stop(_without_addresses(_fold_lines(text)))


def _fold_lines(text: str) -> str:
    """Folds each line into its own sentence, because people write STOP on a separate line."""
    return ". ".join(fold(line) for line in _SIGNATURE.sub("", text).split("\n"))


_SPELLED_OUT = re.compile(r"[^\W_](?:[\W_]+[^\W_]){3,9}")  # s t o p, S.T.O.P.


def _repeated_once(word: str) -> str:
    """Reduces a repeated or spelled-out keyword: "stop stop stop" and "s t o p" become "stop". Empty if `word` is too long."""
    if not word or len(word) > 60:
        return ""
    parts = re.findall(r"[^\W_]+", word)
    keyword = parts[0] if len(set(parts)) == 1 else word
    if _SPELLED_OUT.fullmatch(word):
        keyword = "".join(parts)
    return bare(keyword)


def _lookup(words: dict[str, str], keyword: str) -> str | None:
    """The language of a keyword; None if it is not in the table."""
    if not keyword:
        return None
    return words.get(keyword, words.get(without_accents(keyword)))


_OPT_OUT = re.compile(r"\bopt[ -](?:(?:me|us|my number|this number) )?out\b")
# Stop words of languages without spaces between words are searched as substrings. A stop word next to other Katakana is
# part of a longer word: "ストップウォッチ" is a stopwatch.
_UNSPACED = {word: language for word, language in STOP.items() if language in ("ko", "ja", "zh") and not word.isascii()}
_KATAKANA = re.compile(r"[ァ-ヶー]")


def _stop_word_language(folded: str) -> str | None:
    """The language of a stop word anywhere in the text; None if there is none."""
    if _OPT_OUT.search(folded):
        return "en"
    for word in re.findall(r"[^\W_]+(?:-[^\W_]+)?", folded):
        if word in vocabulary.ONLY_ALONE:
            continue
        language = _lookup(STOP, word)
        if language is not None:
            return language
    if folded.isascii():
        return None
    return next((language for word, language in _UNSPACED.items() if _occurs_unspaced(word, folded)), None)


def _occurs_unspaced(word: str, folded: str) -> bool:
    index = folded.find(word)
    if index < 0 or not _KATAKANA.match(word):
        return index >= 0
    return not _KATAKANA.search(folded[max(0, index - 1) : index] + folded[index + len(word) : index + len(word) + 1])


@dataclass(frozen=True, slots=True)
class BadKeyword:
    """Why a word cannot be a subscribe keyword: a stable code and a sentence for people."""

    code: str
    reason: str


def subscribe_keyword(raw: str) -> str | BadKeyword:
    """The subscribe keyword in capitals: 3 to 20 of A-Z and 0-9, no common word, nothing that carriers forbid (KEY-10)."""
    word = raw.strip().upper()
    if not re.fullmatch(r"[A-Z0-9]{3,20}", word):
        return BadKeyword("keyword_form", "Use 3 to 20 letters A–Z and digits, without spaces.")
    lowered = word.lower()
    if lowered in COMMON_WORDS or any(_lookup(words, lowered) for words in (STOP, START, HELP, CONFIRM)):
        return BadKeyword(
            "keyword_common",
            "This word is too common or already means something else. People would subscribe by accident.",
        )
    if any(theme in lowered for theme in CARRIER_FORBIDDEN_THEMES):
        return BadKeyword("keyword_shaft", "Carriers refuse keywords about sex, hate, alcohol, firearms or tobacco.")
    return word
