"""What a text message means for consent: keywords, near misses, and everything else. Pure (SPEC KEY-1..15, AMB-1).

Three modes. `smart` (default): a text that is nothing but a keyword acts as one; a clear request among
other words ("STOP I never signed up", see `wishes`) is a `StopRequest`, which pauses marketing and asks an
agent; a mere mention ("bus stop at 5?") is nothing. `contains`: any stop word anywhere stops. `exact`: only the
bare word.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from server.consent.wishes import asks_to_stop

Mode = Literal["smart", "contains", "exact"]


@dataclass(frozen=True, slots=True)
class Stop:
    """Take SMS consent away now. `language` of the word; `with_text`: more was said, so a ticket opens too (AMB-1)."""

    language: str
    with_text: bool = False


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A clear wish in their own words: pause marketing, open a ticket, let an agent confirm with one tap."""


@dataclass(frozen=True, slots=True)
class Start:
    """Bring back what a stop took, and nothing more (AMB-32)."""

    language: str


@dataclass(frozen=True, slots=True)
class Help:
    language: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Yes to a pending double opt-in; plain text when none is pending (KEY-2)."""

    language: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A custom keyword of this shop, in capitals (KEY-10)."""

    keyword: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A message for the inbox. `tapback`: a phone's "Liked …" of one of our texts, which quotes its words."""

    tapback: bool = False


Meaning = Stop | StopRequest | Start | Help | Confirm | Subscribe | Plain

# Word, folded, → language. English, French: KEY-1..4 and the gateway's; the others: local words (INTEGRATIONS 3).
STOP: dict[str, str] = {
    **dict.fromkeys(
        [
            *"stop stopall unsubscribe cancel end quit revoke optout opt-out remove".split(),
            "opt out",
            "stop all",
            "unsub",
        ],
        "en",
    ),
    **dict.fromkeys("arret arrêt desabonner désabonner annuler fin desinscrire désinscrire".split(), "fr"),
    **dict.fromkeys("stopp abmelden abbestellen".split(), "de"),
    **dict.fromkeys("alto parar baja cancelar detener".split(), "es"),
    **dict.fromkeys("sair".split(), "pt"),
    **dict.fromkeys("annulla cancella".split(), "it"),
    **dict.fromkeys("afmelden stoppen".split(), "nl"),
    **dict.fromkeys("rezygnuje rezygnuję wypisz".split(), "pl"),
    **dict.fromkeys("стоп отписаться отписка".split(), "ru"),
    **dict.fromkeys("수신거부 거부 중지".split(), "ko"),
    **dict.fromkeys("停止 配信停止".split(), "ja"),
    **dict.fromkeys("退订 td".split(), "zh"),
}
START: dict[str, str] = {
    **dict.fromkeys("start unstop".split(), "en"),
    "nonarret": "fr",
    "старт": "ru",
    "수신동의": "ko",
}
HELP: dict[str, str] = {
    **dict.fromkeys("help info".split(), "en"),
    "aide": "fr",
    "hilfe": "de",
    "ayuda": "es",
    "ajuda": "pt",
    "aiuto": "it",
    "pomoc": "pl",
    "помощь": "ru",
    "도움말": "ko",
    "ヘルプ": "ja",
}
CONFIRM: dict[str, str] = {**dict.fromkeys("yes y".split(), "en"), **dict.fromkeys("oui o".split(), "fr")}

COMMON_WORDS = frozenset(
    "the and for you are not yes now one two buy get let new sale text info help stop start end quit cancel thanks ok okay hello hey "
    "thanks thank order".split()
)
SHAFT = (
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
_TAPBACK = re.compile(
    r"^(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted .{1,12} to|removed an? .{1,20} from|[\u2764\U0001f44d]\ufe0f? to)"
    r"\s*[“\"«„]",
    re.IGNORECASE,
)


# Letters that are letters to people and not to Unicode: flags' letters, white on black, small capitals.
_DRAWN = {start + place: chr(ord("A") + place) for start in (0x1F1E6, 0x1F150, 0x1F170) for place in range(26)} | {
    ord(drawn): plain for drawn, plain in zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)
}
# What a phone puts under a text by itself.
_SIGNATURE = re.compile(
    r"\n\s*(?:--\s*\n[^\n]{0,60}|(?:sent (?:from|via|using)|get outlook for|von meinem|envoyé de)\b[^\n]{0,80})\s*$",
    re.IGNORECASE,
)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def fold(text: str) -> str:
    """One spelling for all: full-width and decorated letters plain, no invisible characters, lower case, single spaces."""
    if text.isascii():  # nothing to unfold
        if text.isprintable():  # nor a line to leave out
            return " ".join(text.lower().split())
        return " ".join(_CONTROL.sub("", _SIGNATURE.sub("", text)).lower().split())
    text = unicodedata.normalize("NFKC", _SIGNATURE.sub("", text.translate(_DRAWN)))
    kept = "".join(
        char for char in text if unicodedata.category(char) not in ("Cf", "Cc", "Mn", "Me") or char in "\n\t "
    )
    return " ".join(unicodedata.normalize("NFC", kept.casefold()).split())


def without_accents(text: str) -> str:
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")


def bare(folded: str) -> str:
    """Without punctuation and emoji around it: " Stop!! 🙏" is "stop"."""
    return folded.strip(_ASCII_EDGES) if folded.isascii() else _EDGES.sub("", folded)


def classify(text: str, mode: Mode, *, pending_opt_in: bool = False, keywords: frozenset[str] = frozenset()) -> Meaning:
    """What this text means. `keywords`: the shop's own subscribe keywords, in capitals. Order: KEY-15."""
    folded = fold(text)
    if _TAPBACK.match(folded):
        return Plain(tapback=True)
    word = bare(folded)
    said = _once(word)
    if (language := _lookup(STOP, said)) is not None:
        return Stop(language)
    if mode == "contains" and (language := _mentioned(folded)) is not None:
        return Stop(language, with_text=True)
    if mode == "smart" and (asks_to_stop(folded) or ("\n" in text and asks_to_stop(_by_line(text)))):
        return StopRequest()
    if (language := _lookup(START, said)) is not None:
        return Start(language)
    if pending_opt_in and (language := _lookup(CONFIRM, said)) is not None:
        return Confirm(language)
    if (language := _lookup(HELP, said)) is not None:
        return Help(language)
    if word.upper() in keywords:
        return Subscribe(word.upper())
    return Plain()


def _by_line(text: str) -> str:
    """Folded, with each line as a sentence of its own: people write STOP on a line by itself."""
    return ". ".join(fold(line) for line in _SIGNATURE.sub("", text).split("\n"))


_SPELLED = re.compile(r"[^\W_](?:[\W_]+[^\W_]){3,9}")  # s t o p, S.T.O.P.


def _once(word: str) -> str:
    """A bare keyword as it stands in the tables; "stop stop stop" is one word said often. Empty: it is none."""
    if not word or len(word) > 60:
        return ""
    parts = re.findall(r"[^\W_]+", word)
    single = parts[0] if len(set(parts)) == 1 else word
    if _SPELLED.fullmatch(word):
        single = "".join(parts)
    return bare(single)


def _lookup(words: dict[str, str], single: str) -> str | None:
    """The language of a keyword."""
    if not single:
        return None
    return words.get(single) or words.get(without_accents(single))


def _mentioned(folded: str) -> str | None:
    for word in re.findall(r"[^\W_]+(?:-[^\W_]+)?", folded):
        language = STOP.get(word) or STOP.get(without_accents(word))
        if language is not None:
            return language
    return None


@dataclass(frozen=True, slots=True)
class BadKeyword:
    """Why a subscribe keyword cannot be used, as a stable code and in words."""

    code: str
    reason: str


def subscribe_keyword(raw: str) -> str | BadKeyword:
    """A shop's own keyword in capitals: 3-20 of A-Z and 0-9, no common word, nothing carriers forbid (KEY-10)."""
    word = raw.strip().upper()
    if not re.fullmatch(r"[A-Z0-9]{3,20}", word):
        return BadKeyword("keyword_form", "Use 3 to 20 letters A–Z and digits, without spaces.")
    lowered = word.lower()
    if lowered in COMMON_WORDS or any(_lookup(words, lowered) for words in (STOP, START, HELP, CONFIRM)):
        return BadKeyword(
            "keyword_common",
            "This word is too common, or means something else already; people would subscribe by accident.",
        )
    if any(theme in lowered for theme in SHAFT):
        return BadKeyword("keyword_shaft", "Carriers refuse keywords about sex, hate, alcohol, firearms or tobacco.")
    return word
