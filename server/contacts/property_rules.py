"""Types, keys and values of contacts' properties: what is accepted, and how it is stored and compared. Pure (IMP-25..31)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple

from server.errors import Conflict, Refused
from server.text import clean_text, is_blank, one_line, search_key


class PropertyType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    LIST = "list"


Value = str | Decimal | bool | datetime | tuple[str, ...]

NAME_CHARS = 80
TEXT_CHARS = 2_000  # of a text, and of an item of a list
KEY_CHARS = 500  # of a text that filters compare
MAX_ITEMS = 100  # of a list
MAX_PROPERTIES = 250
SCALE = 1_000_000  # a number is stored in millionths
MAX_NUMBER = Decimal(10) ** 12
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
UNIX_SECONDS = range(100_000_000, 7_258_118_400)  # 1973 to 2199; a smaller number is rather a year or an amount


@dataclass(frozen=True, slots=True)
class Definition:
    """A property of contacts. Fixed properties have negative ids and are columns of `contacts`."""

    id: int
    key: str
    name: str
    type: PropertyType

    @property
    def fixed(self) -> bool:
        return self.id < 0


# IMP-4, IMP-12: also of contacts that came from another sender.
FIXED = (
    Definition(-1, "date_added", "Date added", PropertyType.DATE),
    Definition(-2, "last_open", "Last open", PropertyType.DATE),
    Definition(-3, "last_click", "Last click", PropertyType.DATE),
)
KEEPS_LATER = frozenset((-2, -3))  # an older import must not hide a newer open or click (IMP-12)
COMPUTED = frozenset(("created", "created_at", "first_active", "last_active", "first_seen", "last_seen"))  # IMP-31
# Other fields of a contact; a property with such a key would be mistaken for it.
RESERVED = frozenset(
    "id guid name first_name last_name email phone country language consent consents list lists segment segments".split()
)
_KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")


def property_key(text: str) -> str:
    """The key of a new property from its name or a column's header: "Favourite colour" is `favourite_colour`.

    Raises `Refused` for a text without Latin letters, and for keys of computed, fixed and other fields.
    """
    key = re.sub(r"[^a-z0-9]+", "_", search_key(text[:200])).strip("_")[:60].rstrip("_")
    return checked_key(key)


def checked_key(key: str) -> str:
    """Raises `Refused` unless a new property may have this key."""
    if not _KEY.fullmatch(key):
        raise Refused(
            "invalid",
            "A key starts with a letter from a to z and has only letters, digits and underscores, at most 60.",
            field="key",
            fault="bad_key",
        )
    if key in COMPUTED:
        raise Refused(
            "computed", f"Threadline computes {key} itself. Choose another key.", field="key", fault="computed"
        )
    if key in RESERVED or any(key == fixed.key for fixed in FIXED):
        raise Conflict("key_taken", f"Every contact has the field {key} already. Choose another key.", field="key")
    return key


def property_name(text: str) -> str:
    """Raises `Refused` for a name that is blank or too long."""
    name = one_line(text[:1000])
    if is_blank(name) or len(name) > NAME_CHARS:
        advice = f"A name must have 1 to {NAME_CHARS} characters."
        raise Refused("invalid", advice, field="name", fault="bad_name", params={"max": NAME_CHARS})
    return name


# --- values ---------------------------------------------------------------------------------------

ADVICE = {
    PropertyType.TEXT: f"Send a text of at most {TEXT_CHARS:,} characters.",
    PropertyType.NUMBER: "Write a number with a decimal point and nothing else, like 1234.5, below a trillion.",
    PropertyType.BOOLEAN: "Write true or false.",
    PropertyType.DATE: "Write a date like 2026-11-21 or 2026-11-21T09:00:00Z, between 1900 and 2199.",
    PropertyType.LIST: f'Send a JSON array of texts, like ["red", "blue"], with at most {MAX_ITEMS} items.',
}


def _bad(type: PropertyType) -> Refused:
    return Refused(f"invalid_{type.value}_format", ADVICE[type], field="value")


def parse_value(type: PropertyType | str, raw: Any) -> Value | None:
    """The value of a property of this type from JSON or from a cell of a file. None: `raw` is null or blank.

    Raises `Refused` `invalid_<type>_format` with what to do (IMP-53).
    """
    kind = PropertyType(type)
    if raw is None or (isinstance(raw, str) and is_blank(raw)):
        return None
    match kind:
        case PropertyType.TEXT:
            return _text(raw)
        case PropertyType.NUMBER:
            return _number(raw)
        case PropertyType.BOOLEAN:
            return _boolean(raw)
        case PropertyType.DATE:
            return parse_date(raw)
        case PropertyType.LIST:
            return _list(raw)


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > TEXT_CHARS:
        raise _bad(PropertyType.TEXT)
    return clean_text(raw).strip()


_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?", re.ASCII)


def _number(raw: Any) -> Decimal:
    """A number, rounded to six decimals."""
    text = raw.strip() if isinstance(raw, str) else str(raw)
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal) or not _NUMBER.fullmatch(text):
        raise _bad(PropertyType.NUMBER)
    try:
        number = Decimal(text)
        if abs(number) >= MAX_NUMBER:
            raise _bad(PropertyType.NUMBER)
        return number.quantize(Decimal(1) / SCALE, ROUND_HALF_EVEN)
    except InvalidOperation:
        raise _bad(PropertyType.NUMBER) from None


_TRUE, _FALSE = frozenset(("true", "yes", "1", "t", "y")), frozenset(("false", "no", "0", "f", "n"))


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else str(raw) if isinstance(raw, int) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise _bad(PropertyType.BOOLEAN)


def _list(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            raise _bad(PropertyType.LIST) from None
    if not isinstance(raw, list | tuple) or len(raw) > MAX_ITEMS:
        raise _bad(PropertyType.LIST)
    items: dict[str, None] = {}
    for item in raw:
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise _bad(PropertyType.LIST)
        text = clean_text(str(item)).strip()
        if len(text) > TEXT_CHARS:
            raise _bad(PropertyType.LIST)
        if not is_blank(text):
            items[text] = None
    return tuple(items)


_TIME = r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?)?"
_ZONE = r"(?: ?(?P<zone>Z|[+-]\d{2}:?\d{2}))?"
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}}){_TIME}{_ZONE}", re.ASCII)
_SLASHES = re.compile(rf"(?P<first>\d{{1,2}})/(?P<other>\d{{1,2}})/(?P<year>\d{{4}}|\d{{2}}){_TIME}{_ZONE}", re.ASCII)


def parse_date(raw: Any, *, day_first: bool = False) -> datetime:
    """An instant in the forms of IMP-25, 26. Missing parts of the time are 0, and without a zone it is UTC (IMP-28).

    `day_first`: how dates with slashes are read. Raises `Refused` `invalid_date_format`.
    """
    try:
        moment = _moment(raw, day_first)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or not EARLIEST <= moment < LATEST:
        raise _bad(PropertyType.DATE)
    return moment


def _moment(raw: Any, day_first: bool) -> datetime | None:
    """Raises `ValueError` for a date that does not exist, such as 31 February."""
    if isinstance(raw, datetime):
        return raw.astimezone(UTC) if raw.tzinfo else raw.replace(tzinfo=UTC)
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day, tzinfo=UTC)
    text = raw.strip() if isinstance(raw, str) else str(raw) if type(raw) is int else ""
    if text.isascii() and text.isdigit():
        seconds = int(text[:20])
        return datetime.fromtimestamp(seconds, UTC) if seconds in UNIX_SECONDS else None
    if found := _YEAR_FIRST.fullmatch(text):
        return _instant(found, int(found["year"]), int(found["month"]), int(found["day"]))
    if found := _SLASHES.fullmatch(text):
        year = int(found["year"])
        if len(found["year"]) == 2:
            year += 2000 if year <= 68 else 1900
        month, day = int(found["first"]), int(found["other"])
        if day_first:
            month, day = day, month
        return _instant(found, year, month, day)
    return None


def _instant(found: re.Match[str], year: int, month: int, day: int) -> datetime:
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    micros = int((found["fraction"] or "").ljust(6, "0")[:6])
    zone = found["zone"] or "Z"
    at = datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    if zone == "Z":
        return at
    offset = datetime.strptime(zone.replace(":", ""), "%z").utcoffset()
    assert offset is not None
    return at - offset


# --- as rows --------------------------------------------------------------------------------------


class ValueRow(NamedTuple):
    """The columns of one row of `property_values`."""

    n: int
    text: str | None = None
    text_key: str | None = None
    number: int | None = None
    at: datetime | None = None


def text_key(text: str) -> str:
    """A text as filters compare it."""
    return search_key(text)[:KEY_CHARS]


def value_rows(value: Value | None) -> tuple[ValueRow, ...]:
    match value:
        case None:
            return ()
        case bool():
            return (ValueRow(0, number=int(value)),)
        case Decimal():
            return (ValueRow(0, number=int(value * SCALE)),)
        case datetime():
            return (ValueRow(0, at=value),)
        case str():
            return (ValueRow(0, value, text_key(value)),)
        case _:
            return tuple(ValueRow(n, item, text_key(item)) for n, item in enumerate(value))


def value_of(type: PropertyType, rows: Sequence[ValueRow]) -> Value | None:
    """The value that these rows store, in the order of `n`."""
    if not rows:
        return None
    first = rows[0]
    match type:
        case PropertyType.TEXT:
            return first.text
        case PropertyType.NUMBER:
            return None if first.number is None else Decimal(first.number) / SCALE
        case PropertyType.BOOLEAN:
            return None if first.number is None else bool(first.number)
        case PropertyType.DATE:
            return first.at
        case PropertyType.LIST:
            return tuple(row.text for row in rows if row.text is not None)


def shown_value(value: Value | None) -> Any:
    """The value as JSON."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case tuple():
            return list(value)
        case _:
            return value


def later(before: Value | None, after: Value | None) -> Value | None:
    """The later of two dates; a removal counts."""
    if isinstance(before, datetime) and isinstance(after, datetime):
        return max(before, after)
    return after


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A changed value of one property of one contact."""

    contact: int
    property: int
    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True)
class PropertiesChanged:
    """Announced when values of contacts changed. `cause`: as in `events.cause`."""

    changes: tuple[ValueChange, ...]
    cause: str = ""

    @property
    def contacts(self) -> list[int]:
        return sorted({change.contact for change in self.changes})


Values = Mapping[int, Value | None]
