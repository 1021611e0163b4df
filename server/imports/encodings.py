"""Detects the encoding of a text file. Pure.

UTF-8 and UTF-16 are certain. The encodings of older programs are told apart by the characters that the bytes become.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

# The encodings that a user can choose, by the name of Python's codec.
CHOICES = (
    "utf-8", "utf-16-le", "utf-16-be", "cp949", "shift_jis", "gb18030", "cp1250", "cp1251", "cp1252"
)  # fmt: skip
SAMPLE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Detected:
    """`certain` False: the user should compare the preview."""

    encoding: str
    certain: bool


_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_HANGUL = re.compile("[가-힣]")
_KANA = re.compile("[ぁ-んァ-ヶー]")
_HAN = re.compile("[一-鿿]")
_HALF_WIDTH = re.compile("[｡-ﾟ]")
_CYRILLIC = re.compile("[А-яЁё]")
_CYRILLIC_WORD = re.compile("[А-ЯЁа-яё][а-яё]+")
_POLISH = re.compile("[ĄĆĘŁŚŹŻąćęłśźż]")  # without ń and ó: in cp1252 their bytes are the letters ñ and ó
_CENTRAL = re.compile("[ÁČĎÉĚÍŇŃÓŘŠŤÚŮÝŽáčďéěíňńóřšťúůýžĽĺľôäöüßÄÖÜőűŐŰăâîșțşţ]")
_WESTERN = re.compile("[ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿœŒ]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")


def detect(head: bytes) -> Detected:
    """`head`: the first `SAMPLE_BYTES` of the file."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return Detected(encoding, True)
    if (utf_16 := _without_bom(head)) is not None:
        return Detected(utf_16, True)
    if _decodes(head, "utf-8") is not None:
        return Detected("utf-8", True)
    scores = [(score, encoding) for encoding in CHOICES[3:] if (score := _score(head, encoding)) is not None]
    if not scores:
        return Detected("utf-8", False)
    # `max` keeps the first of equal scores: cp1252 is last, because every file decodes with it.
    return Detected(max(scores, key=lambda scored: scored[0])[1], False)


def _without_bom(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: in it, every second byte of separators, digits and Latin letters is zero."""
    even, odd = head[0:4000:2], head[1:4000:2]
    if len(odd) < 4:
        return None
    if odd.count(0) > 0.15 * len(odd) and even.count(0) < 0.06 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.15 * len(even) and odd.count(0) < 0.06 * len(odd):
        return "utf-16-be"
    return None


def _decodes(head: bytes, encoding: str) -> str | None:
    """The text, or None if the bytes are not valid. A character that the end of the sample cuts is ignored."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head, final=len(head) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return None


def _score(head: bytes, encoding: str) -> float | None:
    """How plausible the text is: the share of its non-ASCII characters that texts of the encoding's languages have."""
    text = _decodes(head, encoding)
    if text is None:
        return None
    foreign = len(_NOT_ASCII.findall(text))
    if not foreign:
        return 0.0

    def share(pattern: re.Pattern[str]) -> float:
        return len(pattern.findall(text)) / foreign

    if encoding == "cp949":
        # Chinese text read as cp949 has Chinese characters between the Korean ones.
        return share(_HANGUL) if share(_HANGUL) > 0.9 else 0.3 * share(_HANGUL)
    if encoding == "shift_jis":
        kana = share(_KANA)
        return min(1.0, kana + share(_HAN)) - share(_HALF_WIDTH) if kana > 0.05 else 0.5 * share(_HAN)
    if encoding == "gb18030":
        # Chinese text has two bytes of 128 and more for each character; é and the next letter have one.
        return 0.85 * share(_HAN) * min(1.0, sum(byte > 127 for byte in head) / (2 * foreign))
    if encoding == "cp1251":
        in_words = sum(len(word) for word in _CYRILLIC_WORD.findall(text)) / foreign
        return in_words if share(_CYRILLIC) > 0.8 else 0.0
    if encoding == "cp1250":
        return share(_POLISH) + 0.6 * share(_CENTRAL) if _POLISH.search(text) else 0.6 * share(_CENTRAL)
    return 0.75 * share(_WESTERN)
