"""Phone numbers in one form, who sends a text that is no phone, and what a contact may be called. Pure (IDN-1, IDN-2,
BAD_INPUTS I6, I7, S8; INTEGRATIONS 8).

`phonenumbers` is imported where it is used: its tables cost time and memory that a start need not pay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from server.accounts.rules import is_blank, one_line
from server.consent.rules import ANONYMOUS
from server.errors import Conflict, Refused

PhoneKind = Literal["mobile", "fixed", "fixed_or_mobile", "toll_free", "voip", "other"]


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in E.164. `country`: ISO 3166, upper case."""

    e164: str
    country: str
    kind: PhoneKind


@dataclass(frozen=True, slots=True)
class BadPhone:
    """Why it is not taken: stable `code`, and words."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Who texts and is no phone number. `kind`: short_code | name | channel | hidden | nobody."""

    address: str
    kind: str


WORDS = {
    "empty": "There is no number.",
    "too_long": "This is too long for a phone number.",
    "two_numbers": "Here stand two numbers; give each person one.",
    "precision_lost": "A spreadsheet has rounded this number; its last digits are lost. Format the column as text and export again.",
    "not_a_number": "This is not a phone number.",
    "no_country": "Write the number with + and the country code.",
    "invalid": "No phone has this number; look at the digits.",
    "extension": "A number with an extension cannot receive texts.",
    "premium": "Premium numbers are not texted.",
    "emergency": "This is an emergency or service number.",
    "hidden": "The sender hid their number.",
    "satellite": "Satellite and other numbers of no country are not texted.",
}

MOST = 60  # characters; longer is no number in any writing
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")
_DECIMAL = re.compile(r"\+?\d{9,}[.,]0+")  # a number cell turned into text
_TWO = re.compile(
    r"\d{4}\D*[,;/|&]\D*\+?\d[\d ()./-]{5,}\d|\d{4}\s+(?:or|and|oder|und|lub|ou|или)\s+\+?\d", re.IGNORECASE
)
_EMERGENCY = frozenset(("110", "112", "113", "114", "115", "117", "118", "119", "911", "995", "999", "000"))
_SHORT_CODE = re.compile(r"\d{3,8}", re.ASCII)
_CHANNEL = re.compile(r"[a-z][a-z0-9]{1,15}:", re.IGNORECASE)


def _bad(code: str) -> BadPhone:
    return BadPhone(code, WORDS[code])


def normal_phone(raw: str, region: str | None = None) -> Phone | BadPhone:
    """The canonical form of a number however it was written. `region`: the country of numbers without +."""
    text = raw.strip()
    if not text:
        return _bad("empty")
    if len(text) > MOST or "\x00" in text:
        return _bad("too_long" if "\x00" not in text else "not_a_number")
    text = text.removeprefix("=").strip("\"'\u2018\u2019 \t")
    if text.startswith("whatsapp:"):
        text = text.removeprefix("whatsapp:")
    if _SCIENTIFIC.fullmatch(text):
        return _bad("precision_lost")
    if _DECIMAL.fullmatch(text):
        return _bad("not_a_number")
    if _TWO.search(text):
        return _bad("two_numbers")
    if "".join(filter(str.isdigit, text)) in _EMERGENCY:
        return _bad("emergency")
    return _parse(text, region)


def _parse(text: str, region: str | None) -> Phone | BadPhone:
    import phonenumbers
    from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and "+" not in text:
            return _bad("no_country")
        return _bad("too_long" if error.error_type == NumberParseException.TOO_LONG else "not_a_number")
    if parsed.extension:
        return _bad("extension")
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if e164 in ANONYMOUS:
        return _bad("hidden")
    if not phonenumbers.is_valid_number(parsed):
        return _bad("invalid")
    kind = phonenumbers.number_type(parsed)
    if kind in (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST):
        return _bad("premium")
    country = phonenumbers.region_code_for_number(parsed) or ""
    if not country.isalpha():  # "001": +870, +881, +882 …
        return _bad("satellite")
    names: dict[int, PhoneKind] = {
        PhoneNumberType.MOBILE: "mobile",
        PhoneNumberType.FIXED_LINE: "fixed",
        PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
        PhoneNumberType.TOLL_FREE: "toll_free",
        PhoneNumberType.VOIP: "voip",
    }
    return Phone(e164, country, names.get(kind, "other"))


def sender(raw: str) -> Phone | Peer:
    """Who a text is from, as the carrier names them (S8). What is no number is kept as it came, and never a phone."""
    text = raw.strip()[:200]
    if not text:
        return Peer("", "nobody")
    if _CHANNEL.match(text):
        return Peer(text, "channel")
    if text in ANONYMOUS or text.lower() in ("anonymous", "restricted", "unknown", "unavailable", "private", "blocked"):
        return Peer(text, "hidden")
    if _SHORT_CODE.fullmatch(text):
        return Peer(text, "short_code")
    if text.startswith("+"):
        found = normal_phone(text)
        if isinstance(found, Phone):
            return found
    return Peer(text, "name")


# --- what an agent writes down ------------------------------------------------------------------

NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class Known:
    """A name ("": none) and an address (None: none) of a contact. `vouched`: they come from the shop, signed."""

    name: str
    email: str | None
    vouched: bool = False


@dataclass(frozen=True, slots=True)
class ContactChanged:
    """Announced when an agent wrote down who somebody is. None: that was not changed."""

    contact: int
    user: int
    user_name: str
    name: str | None = None
    email: str | None = None

    @property
    def fields(self) -> list[str]:
        return [field for field in ("name", "email") if getattr(self, field) is not None]


def renamed(known: Known, name: str | None, email: str | None) -> Known:
    """What stands of a contact after an agent wrote this down; None leaves it, "" takes it away.

    Raises `Refused` `invalid` for a name that cannot be seen or is too long and for what is no address, `Conflict`
    `vouched` where the shop tells who it is: its word would stand there again with their next message.
    """
    wanted = Known(
        known.name if name is None else _name(name),
        known.email if email is None else _email(email),
        known.vouched,
    )
    if known.vouched and wanted != known:
        raise Conflict("vouched", "The shop says who this is; change it there.")
    return wanted


def _name(text: str) -> str:
    name = one_line(text[:1000])
    if len(name) > NAME_CHARS:
        raise Refused("invalid", f"A name has at most {NAME_CHARS} characters.", field="name")
    if text.strip() and is_blank(name):
        raise Refused("invalid", "Nobody could read this name.", field="name")
    return "" if is_blank(name) else name


def _email(text: str) -> str | None:
    if not text.strip():
        return None
    email = clean_email(text.strip())
    if email is None:
        raise Refused("invalid", "This is not an e-mail address.", field="email")
    return email


def clean_email(raw: str) -> str | None:
    """A plausible address in lower case, or None. Says nothing about whose it is (IDN-1)."""
    from email_validator import EmailNotValidError, validate_email  # with its table of IDNA, a thing of few visitors

    if len(raw) > 254 or not raw.isprintable():
        return None
    try:
        return validate_email(raw.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None


@lru_cache(maxsize=4096)
def shown_phone(number: str | None) -> str | None:
    """As people read it: `+1 202-555-0150` for +12025550150. What is no number in E.164 (a short code, a name) as it is."""
    if number is None or not number.startswith("+"):
        return number
    import phonenumbers

    try:
        return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return number
