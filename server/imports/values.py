"""Reads single cells: dates, numbers, e-mail addresses, phone numbers, consents. Pure; runs in the child process.

Each function returns the value, or a `BadCell` with a stable code. `problems.py` has the sentences.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from server.contacts.rules import BadPhone, Phone, clean_email, normal_phone

DateOrder = Literal["mdy", "dmy"]


@dataclass(frozen=True, slots=True)
class BadCell:
    code: str


_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
LOST = "\ufffd"  # in place of bytes that the encoding does not have


def clean(cell: str) -> str:
    """The cell without spaces around it, invisible characters, and the apostrophe with which Excel marks text."""
    text = cell.strip()
    if not text.isascii():
        text = _INVISIBLE.sub("", text).strip()
    return text[1:] if text.startswith("'") and len(text) > 1 else text


# --- dates (IMP-25..28, CIM-14) -------------------------------------------------------------------

_TIME = r"(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)?)?"
_ZONE = r"(?: ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})" + _TIME + _ZONE, re.ASCII)
_SLASHES = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})" + _TIME + _ZONE, re.ASCII)
_DOTS = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})" + _TIME, re.ASCII)
_DASHES = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})" + _TIME, re.ASCII)
_UNIX = re.compile(r"-?\d{9,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DateForm:
    """How a column writes dates. `dashes`: DD-MM-YYYY is accepted, because the recognised sender writes it (IMP-27).
    `offset`: minutes east of UTC of times without one."""

    order: DateOrder = "mdy"
    dashes: bool = False
    offset: int = 0


def date(text: str, form: DateForm = DateForm()) -> datetime | BadCell:
    """The moment in UTC. A date without time is midnight; missing seconds are 0."""
    if match := _ISO.fullmatch(text):
        year, month, day, *rest = match.groups()
    elif match := _SLASHES.fullmatch(text):
        first, second, year, *rest = match.groups()
        month, day = (first, second) if form.order == "mdy" else (second, first)
        if len(year) == 2:
            if rest[0] is None:  # a date without time needs all four digits of the year (IMP-26)
                return BadCell("bad_date")
            year = ("20" if int(year) <= 68 else "19") + year
    elif match := _DOTS.fullmatch(text):
        day, month, year, *rest = match.groups()
    elif form.dashes and (match := _DASHES.fullmatch(text)):
        day, month, year, *rest = match.groups()
    elif _UNIX.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    else:
        return BadCell("bad_date")
    hour, minute, second, fraction, zone = (*rest, None)[:5]
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "0").ljust(6, "0")), UTC,
        )  # fmt: skip
    except ValueError:
        return BadCell("bad_date")
    if hour is not None:
        offset = timedelta(minutes=form.offset) if zone is None else _offset(zone)
        try:
            return (moment - offset).astimezone(UTC)
        except OverflowError:
            return BadCell("bad_date")
    return moment


def _offset(zone: str) -> timedelta:
    if zone in ("Z", "UTC", "GMT"):
        return timedelta()
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


def needs_day_first(text: str) -> bool:
    """Whether a slash date cannot be MM/DD but can be DD/MM."""
    match = _SLASHES.fullmatch(text)
    return match is not None and int(match[1]) > 12 and 1 <= int(match[2]) <= 12


_ZONES = {
    "UTC": 0, "GMT": 0, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480,
    "PDT": -420, "CET": 60, "CEST": 120, "KST": 540, "JST": 540, "MSK": 180,
}  # fmt: skip
_ZONE_IN_HEADER = re.compile(r"\(\s*(?:(?:GMT|UTC)\s*([+-])(\d{1,2})(?::?(\d{2}))?|([A-Z]{3,4}))\s*\)")


def zone_in_header(header: str) -> int:
    """Minutes east of UTC that a header names, as in "Create Date (EST)"; 0 if it names none."""
    match = _ZONE_IN_HEADER.search(header)
    if match is None:
        return 0
    if match[4]:
        return _ZONES.get(match[4], 0)
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    return -minutes if match[1] == "-" else minutes


# --- numbers and truth ----------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[, \u00a0\u202f]\d{3})+)(?:\.\d+)?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[. \u00a0\u202f]\d{3})+),\d+", re.ASCII)


def number(text: str) -> Decimal | BadCell:
    """A number without a currency sign. Thousands are separated by comma or space (CIM-14); a comma before one, two or more than
    three digits is the decimal separator."""
    if _NUMBER.fullmatch(text):
        plain = re.sub("[, \u00a0\u202f]", "", text)
    elif _DECIMAL_COMMA.fullmatch(text):
        plain = re.sub("[. \u00a0\u202f]", "", text).replace(",", ".")
    else:
        return BadCell("bad_number")
    return Decimal(plain)


def decimal_text(value: Decimal) -> str:
    """A number as the shortest text, so that equal numbers have equal texts."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


_TRUE = frozenset(("1", "true", "yes", "y", "t", "tak", "да", "예", "네", "on"))
_FALSE = frozenset(("0", "false", "no", "n", "f", "nie", "нет", "아니요", "아니오", "off"))


def boolean(text: str) -> bool | BadCell:
    word = text.casefold()
    if word in _TRUE:
        return True
    return False if word in _FALSE else BadCell("bad_boolean")


def json_list(text: str) -> list[str] | BadCell:
    """A JSON array of texts and numbers, as lists are written (IMP-29)."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return BadCell("bad_list")
    if not isinstance(value, list) or len(value) > 1000:
        return BadCell("bad_list")
    items = []
    for item in value:
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            return BadCell("bad_list")
        items.append(str(item))
    return items


def comma_list(text: str) -> list[str]:
    """Tags in a cell that is itself a line of CSV, as Mailchimp and Shopify write them: `"VIP","Blog"` or `VIP, Blog`."""
    import csv

    try:
        (row,) = csv.reader([text], skipinitialspace=True)
    except (csv.Error, ValueError):
        return [text]
    return list(dict.fromkeys(item.strip() for item in row if item.strip()))


# --- e-mail addresses (IMP-30, I10) ---------------------------------------------------------------

_LOCAL = re.compile(r"[a-z0-9_!#$%&'*+=?^`{|}~-]+(?:\.[a-z0-9_!#$%&'*+=?^`{|}~-]+)*", re.ASCII)
_FORBIDDEN = re.compile(r"[(),:;\[/\]\s]")
# Addresses of a function and not of a person (IMP-10).
ROLES = frozenset(
    "abuse admin administrator billing contact help hostmaster info jobs mail marketing no-reply noreply office "
    "postmaster privacy root sales security spam support webmaster kontakt biuro".split()
)


def email(text: str) -> str | BadCell:
    """The address in lower case."""
    if LOST in text:
        return BadCell("unreadable")
    if _FORBIDDEN.search(text):
        return BadCell("forbidden_in_email")
    if len(text) > 254:
        return BadCell("bad_email")
    local, at, domain = text.rpartition("@")
    lower = local.lower()
    if at and len(local) <= 64 and domain.isascii() and _LOCAL.fullmatch(lower):
        known = _domain(domain.lower())
        return BadCell("bad_email") if known is None else f"{lower}@{known}"
    address = clean_email(text)
    return BadCell("bad_email") if address is None else address


@lru_cache(maxsize=100_000)
def _domain(domain: str) -> str | None:
    """The domain as `clean_email` writes it; None if it refuses it. Checking takes long, and domains repeat."""
    address = clean_email(f"x@{domain}")
    return None if address is None else address[2:]


def is_role(address: str) -> bool:
    return address.partition("@")[0] in ROLES


# --- phone numbers (IMP-60..62, CIM-15, I6, I7) ---------------------------------------------------

_LETTERS_AROUND = re.compile(r"[^\d+]*(\+?)[^\d]*(\d(?:[^a-zA-Z]*\d)*)[^\d]*")
_FLOAT = re.compile(r"(\+?\d{7,15})[.,]0+", re.ASCII)
_LONE_DIGITS = re.compile(r"\d{11,15}", re.ASCII)
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")


def phone(text: str, region: str | None, *, without_plus: bool = False) -> Phone | BadCell:
    """The number in E.164. `region`: of the country column, or the default. `without_plus`: the recognised sender writes
    country code and number without a plus.

    What a spreadsheet did to a number is repaired only if one reading is possible: a trailing ".0", and a lost plus.
    """
    if LOST in text:
        return BadCell("unreadable")
    if not text.isascii():
        text = "".join(str(int(c)) if c.isdecimal() and not c.isascii() else c for c in text)
    text = text.removeprefix("tel:").partition(";")[0] if text.startswith("tel:") else text
    if _SCIENTIFIC.fullmatch(text):
        return BadCell("precision_lost")
    if match := _FLOAT.fullmatch(text):
        text = match[1]
    if without_plus and text.isascii() and text.isdecimal():
        text = f"+{text}"
    found = normal_phone(f"+{text[2:]}" if text.startswith("00") else text, region)
    if isinstance(found, Phone):
        return _only_reading(text, found, region)
    if found.code == "no_country" and region is None and _LONE_DIGITS.fullmatch(text):
        return _with_lost_plus(text)
    if found.code in ("not_a_number", "no_country", "invalid") and (match := _LETTERS_AROUND.fullmatch(text)):
        stripped = f"{match[1]}{re.sub('[^0-9]', '', match[2])}"
        if stripped != text and (match[1] or region is not None):
            again = normal_phone(stripped, region)
            if isinstance(again, Phone):
                return again
    return BadCell(found.code)


def _only_reading(text: str, found: Phone, region: str | None) -> Phone | BadCell:
    """Digits may be a national number, or an international one that lost its plus. If both exist, nobody can know."""
    if region is None or not _LONE_DIGITS.fullmatch(text) or text.startswith("0"):
        return found
    other = normal_phone(f"+{text}")
    if isinstance(other, BadPhone) or other.e164 == found.e164:
        return found
    return BadCell("lost_plus")


def _with_lost_plus(text: str) -> Phone | BadCell:
    found = normal_phone(f"+{text}")
    if isinstance(found, BadPhone):
        return BadCell("no_country")
    # Eleven digits that begin with 1 are a number in North America, or a mobile in China.
    if text.startswith("1") and isinstance(normal_phone(text, "CN"), Phone):
        return BadCell("lost_plus")
    return found
