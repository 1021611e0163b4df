"""Normalizes phone numbers, classifies senders without one, and validates a contact's name and e-mail address. Pure
(IDN-1, IDN-2, I6, I7, S8).

`phonenumbers` is imported where it is used, because its tables slow down the start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from server.audit.rules import ActedBy
from server.consent.rules import ANONYMOUS
from server.contacts.lines import canonical
from server.errors import Conflict, Refused, all_of
from server.text import is_blank, one_line

PhoneKind = Literal["mobile", "fixed", "fixed_or_mobile", "toll_free", "voip", "other"]


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in E.164. `country`: ISO 3166, upper case."""

    e164: str
    country: str
    kind: PhoneKind


@dataclass(frozen=True, slots=True)
class BadPhone:
    """Why a number is refused: a stable `code` and a sentence for people."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A sender without a phone number. `kind`: short_code | name | channel | hidden | nobody."""

    address: str
    kind: str


REASONS = {
    "empty": "Enter a number.",
    "too_long": "This is too long for a phone number.",
    "two_numbers": "There are two numbers here. Enter one per person.",
    "precision_lost": "A spreadsheet has rounded this number, so its last digits are lost. Format the column as text and export it again.",
    "not_a_number": "This is not a phone number.",
    "no_country": "Enter the number with + and the country code.",
    "invalid": "This number does not exist. Check its digits.",
    "extension": "A number with an extension cannot receive texts.",
    "premium": "Premium-rate numbers cannot be texted.",
    "emergency": "This is an emergency or service number.",
    "hidden": "The sender has withheld their number.",
    "satellite": "Satellite numbers cannot be texted.",
}

MAX_CHARS = 60  # of a phone number in any format
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")
_DECIMAL = re.compile(r"\+?\d{9,}[.,]0+")  # a number cell turned into text
_TWO_NUMBERS = re.compile(
    r"\d{4}\D*[,;/|&]\D*\+?\d[\d ()./-]{5,}\d|\d{4}\s+(?:or|and|oder|und|lub|ou|или)\s+\+?\d", re.IGNORECASE
)
_EMERGENCY = frozenset(("110", "112", "113", "114", "115", "117", "118", "119", "911", "995", "999", "000"))
_SHORT_CODE = re.compile(r"\d{3,8}", re.ASCII)
_CHANNEL = re.compile(r"[a-z][a-z0-9]{1,15}:", re.IGNORECASE)


def _bad_phone(code: str) -> BadPhone:
    return BadPhone(code, REASONS[code])


def normal_phone(raw: str, region: str | None = None) -> Phone | BadPhone:
    """The canonical form of a number in any format; one per line. `region`: the country of numbers without +.

    Only for numbers of people: our own numbers keep the carrier's form.
    """
    text = raw.strip()
    if not text:
        return _bad_phone("empty")
    if len(text) > MAX_CHARS or "\x00" in text:
        return _bad_phone("too_long" if "\x00" not in text else "not_a_number")
    text = text.removeprefix("=").strip("\"'\u2018\u2019 \t")
    if text.startswith("whatsapp:"):
        text = text.removeprefix("whatsapp:")
    if _SCIENTIFIC.fullmatch(text):
        return _bad_phone("precision_lost")
    if _DECIMAL.fullmatch(text):
        return _bad_phone("not_a_number")
    if _TWO_NUMBERS.search(text):
        return _bad_phone("two_numbers")
    if "".join(filter(str.isdigit, text)) in _EMERGENCY:
        return _bad_phone("emergency")
    return _parse(text, region)


def _parse(text: str, region: str | None) -> Phone | BadPhone:
    import phonenumbers
    from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and "+" not in text:
            return _bad_phone("no_country")
        return _bad_phone("too_long" if error.error_type == NumberParseException.TOO_LONG else "not_a_number")
    if parsed.extension:
        return _bad_phone("extension")
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if e164 in ANONYMOUS:
        return _bad_phone("hidden")
    if (canonical_form := canonical(e164)) != e164 and phonenumbers.is_valid_number(phonenumbers.parse(canonical_form)):
        e164, parsed = canonical_form, phonenumbers.parse(canonical_form)
    if not phonenumbers.is_valid_number(parsed):
        return _bad_phone("invalid")
    kind = phonenumbers.number_type(parsed)
    if kind in (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST):
        return _bad_phone("premium")
    country = phonenumbers.region_code_for_number(parsed) or ""
    if not country.isalpha():  # "001": +870, +881, +882 …
        return _bad_phone("satellite")
    names: dict[int, PhoneKind] = {
        PhoneNumberType.MOBILE: "mobile",
        PhoneNumberType.FIXED_LINE: "fixed",
        PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
        PhoneNumberType.TOLL_FREE: "toll_free",
        PhoneNumberType.VOIP: "voip",
    }
    return Phone(e164, country, names.get(kind, "other"))


def sender(raw: str) -> Phone | Peer:
    """The sender of a text, from the carrier's name for it (S8). A sender without a phone number keeps that name."""
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
        phone = normal_phone(text)
        if isinstance(phone, Phone):
            return phone
    return Peer(text, "name")


# --- identifiers ----------------------------------------------------------------------------------


class AddressKind(StrEnum):
    """In `addresses.kind`, strongest first: if identifiers name different contacts, the strongest one decides."""

    EXTERNAL = "external"  # `sub` of a signed identity token
    SHOP = "shop"  # customer id of the shop
    CRM = "crm"
    EMAIL = "email"
    PHONE = "phone"
    PEER = "peer"  # the sender of texts without a phone number: a short code, "whatsapp:+…"


# An id of another system has one contact. The other kinds may be shared by several people.
UNIQUE_KINDS = frozenset((AddressKind.EXTERNAL, AddressKind.SHOP, AddressKind.CRM))
ALL_KINDS = frozenset(AddressKind)


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What a source knows of one person, in canonical form: `phone` as `normal_phone` returns it, `email` as
    `clean_email`. `name` and `country` identify nobody."""

    external: str | None = None
    shop: str | None = None
    crm: str | None = None
    email: str | None = None
    phone: str | None = None
    peer: str | None = None
    name: str = ""
    country: str = ""  # ISO 3166 of the phone, upper case

    @property
    def addresses(self) -> list[tuple[AddressKind, str]]:
        """Kind and value of each identifier, strongest first."""
        return [(kind, value) for kind in AddressKind if (value := getattr(self, kind)) is not None]


# --- name and e-mail address ----------------------------------------------------------------------

NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class NameAndEmail:
    """Name ("": none) and e-mail address (None: none) of a contact. `vouched`: the shop signed them."""

    name: str
    email: str | None
    vouched: bool = False


@dataclass(frozen=True, slots=True)
class ContactCreated:
    """Announced for a new contact. `addresses`: kind and value of each."""

    contact: int
    by: ActedBy
    addresses: tuple[tuple[AddressKind, str], ...]


@dataclass(frozen=True, slots=True)
class ContactChanged:
    """Announced when an existing contact's name or primary e-mail address changed, or it got new addresses. None: not
    changed."""

    contact: int
    by: ActedBy
    name: str | None = None
    email: str | None = None
    added: tuple[tuple[AddressKind, str], ...] = ()

    @property
    def fields(self) -> list[str]:
        return [field for field in ("name", "email") if getattr(self, field) is not None]


@dataclass(frozen=True, slots=True)
class ContactsRegrouped:
    """Announced when contacts were merged, or a merge was undone. `contacts`: those that remain or are separate now."""

    contacts: tuple[int, ...]


def changed_details(current: NameAndEmail, name: str | None, email: str | None) -> NameAndEmail:
    """Name and e-mail address after an agent's change. None: unchanged. "": removed.

    Raises `Refused` `invalid` for an invisible or too long name or an invalid address, and `Conflict` `vouched` if the
    shop signs them: the contact's next message would restore the shop's values.
    """
    new_name, new_email = all_of(
        lambda: current.name if name is None else _name(name),
        lambda: current.email if email is None else _email(email),
    )
    changed = NameAndEmail(new_name or "", new_email, current.vouched)
    if current.vouched and changed != current:
        raise Conflict("vouched", "The shop provides these details. Change them there.")
    return changed


def _name(text: str) -> str:
    name = one_line(text[:1000])
    if len(name) > NAME_CHARS:
        advice = f"A name can have at most {NAME_CHARS} characters."
        raise Refused("invalid", advice, field="name", fault="long", params={"max": NAME_CHARS})
    if text.strip() and is_blank(name):
        raise Refused("invalid", "Enter a readable name.", field="name", fault="unreadable")
    return "" if is_blank(name) else name


def _email(text: str) -> str | None:
    if not text.strip():
        return None
    email = clean_email(text.strip())
    if email is None:
        raise Refused("invalid", "Enter a valid e-mail address.", field="email", fault="bad_email")
    return email


def clean_email(raw: str) -> str | None:
    """A plausible e-mail address in lower case, or None. Does not prove whose it is (IDN-1)."""
    # imported late: its IDNA table is large, and few visitors give an address
    from email_validator import EmailNotValidError, validate_email

    if len(raw) > 254 or not raw.isprintable():
        return None
    try:
        return validate_email(raw.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None


@lru_cache(maxsize=4096)
def shown_phone(number: str | None) -> str | None:
    """A number formatted for people: `+1 202-555-0150` for +12025550150. Short codes and names stay unchanged."""
    if number is None or not number.startswith("+"):
        return number
    import phonenumbers

    try:
        return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return number
