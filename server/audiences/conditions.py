"""The conditions of a filter as data, with their JSON form. Pure (CAM-6, AMB-24).

A condition that asks for a person's property or date is false for a person without one; with `negate` it is true.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from server.contacts.property_rules import MAX_NUMBER, SCALE, parse_date
from server.errors import Refused
from server.kernel.documents import input_error

MAX_DAYS = 3_650
MAX_WORDS = 100  # values of one condition
METRIC_CHARS = 60
DATA_KEY = r"[A-Za-z0-9_][A-Za-z0-9_ .:-]{0,59}"  # names in an event's data that a filter may ask for
CREATED, ADDED = -4, -5  # dates that Threadline computes: when the contact was created; `date_added`, else created


def _moment(raw: Any) -> datetime:
    try:
        return parse_date(raw)
    except Refused as refused:
        raise input_error("wrong_form", refused.message) from None


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Id = Annotated[int, Field(ge=1, le=2**53)]
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]
Number = Annotated[float, Field(gt=-float(MAX_NUMBER), lt=float(MAX_NUMBER))]
Word = Annotated[str, Field(min_length=1, max_length=500)]
SendChannel = Literal["sms", "email"]


class Condition(BaseModel):
    """`negate`: the condition holds for everybody else."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    negate: bool = False


class InList(Condition):
    kind: Literal["list"] = "list"
    list: Id


class InSegment(Condition):
    """Members by the other segment's filter as it is now, not by its last refresh."""

    kind: Literal["segment"] = "segment"
    segment: Id


class DataCondition(BaseModel):
    """What the data of an event must have. Texts compare exactly; a number never equals a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str = Field(pattern=rf"^{DATA_KEY}$")
    op: Literal["is", "contains", "at_least", "at_most"]
    value: Annotated[str, Field(max_length=500)] | float

    @model_validator(mode="after")
    def _fits(self) -> DataCondition:
        if self.op in ("at_least", "at_most") and isinstance(self.value, str):
            raise input_error("wrong_form", "Compare with a number.")
        if self.op == "contains" and not isinstance(self.value, str):
            raise input_error("wrong_form", "Enter a text.")
        return self


class DidEvent(Condition):
    """How often the person did something, within the last `days`, or from `since` until before `until`, or ever.

    `at_most` 0 times: has not done it. `min_value`, `max_value`: of money, in the currency's unit.
    """

    kind: Literal["event"] = "event"
    metric: str = Field(min_length=1, max_length=METRIC_CHARS)
    op: Literal["at_least", "at_most", "exactly"] = "at_least"
    times: int = Field(1, ge=0, le=10_000)
    days: Days | None = None
    since: Moment | None = None
    until: Moment | None = None
    data: tuple[DataCondition, ...] = Field((), max_length=5, strict=False)
    min_value: Number | None = None
    max_value: Number | None = None
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")

    @model_validator(mode="after")
    def _fits(self) -> DidEvent:
        if self.days is not None and (self.since is not None or self.until is not None):
            raise input_error("wrong_form", "Choose the last days, or two dates, not both.")
        if self.op == "at_least" and self.times == 0:
            raise input_error("too_low", "At least 0 times is always true. Choose 1 or more.")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise input_error("wrong_form", "The second date must be later than the first.")
        return self


class CanReceive(Condition):
    """Whether the consent gate lets such a message pass, quiet hours aside."""

    kind: Literal["channel"] = "channel"
    channel: SendChannel
    purpose: Literal["marketing", "transactional"] = "marketing"


class HasConsent(Condition):
    """`purpose`: a built-in one, or "consent:<id>" of a consent that the owner defined."""

    kind: Literal["consent"] = "consent"
    purpose: str = Field(pattern=r"^(email_marketing|sms_marketing|sms_transactional|consent:[1-9][0-9]{0,15})$")
    status: Literal["subscribed", "unsubscribed", "never_subscribed"] = "subscribed"


class IsSuppressed(Condition):
    """Whether nothing is sent to the person's number or e-mail address. `reasons` (): any."""

    kind: Literal["suppressed"] = "suppressed"
    channel: SendChannel
    reasons: tuple[Annotated[str, Field(pattern=r"^[a-z_]{1,30}$")], ...] = Field((), max_length=20, strict=False)


class TextIs(Condition):
    """Texts compare without case and accents. `values`: any of them."""

    kind: Literal["text"] = "text"
    property: Id
    op: Literal["is", "contains", "starts_with", "set"]
    values: tuple[Word, ...] = Field((), max_length=MAX_WORDS, strict=False)

    @model_validator(mode="after")
    def _fits(self) -> TextIs:
        _need_values(self.op == "set", self.values)
        return self


class NumberIs(Condition):
    kind: Literal["number"] = "number"
    property: Id
    op: Literal["equals", "more_than", "less_than", "at_least", "at_most", "set"]
    value: Number | None = None

    @model_validator(mode="after")
    def _fits(self) -> NumberIs:
        _need_values(self.op == "set", () if self.value is None else (self.value,))
        return self

    def millionths(self) -> int:
        return round((self.value or 0) * SCALE)


class BooleanIs(Condition):
    """`value` None: the property has a value."""

    kind: Literal["boolean"] = "boolean"
    property: Id
    value: bool | None = None


class DateIs(Condition):
    """A date property: one that the team defined, a fixed one (-1 to -3), `CREATED` or `ADDED`.

    `within_last`: later than `days` × 24 h ago and not in the future, so exactly `days` ago does not count (AMB-15).
    `before_last`: at least `days` × 24 h ago. `within_next`: in the future and at most `days` × 24 h ahead. `before`, `since`:
    earlier than `at`; at `at` or later. `set`: has a date.
    """

    kind: Literal["date"] = "date"
    property: int = Field(ge=ADDED, le=2**53)
    op: Literal["within_last", "before_last", "within_next", "before", "since", "set"]
    days: Days | None = None
    at: Moment | None = None

    @model_validator(mode="after")
    def _fits(self) -> DateIs:
        relative = self.op in ("within_last", "before_last", "within_next")
        if self.property == 0:
            raise input_error("no_choice", "Choose a date.")
        if relative != (self.days is not None) or (self.op in ("before", "since")) != (self.at is not None):
            raise input_error("wrong_form", "Give the days, or the date, that the comparison needs.")
        return self


class ListHas(Condition):
    """A list property that has any of `values`."""

    kind: Literal["items"] = "items"
    property: Id
    op: Literal["has", "set"]
    values: tuple[Word, ...] = Field((), max_length=MAX_WORDS, strict=False)

    @model_validator(mode="after")
    def _fits(self) -> ListHas:
        _need_values(self.op == "set", self.values)
        return self


class LivesIn(Condition):
    """The country of the phone number. `regions`: groups of countries (`places.REGIONS`)."""

    kind: Literal["place"] = "place"
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = Field((), max_length=250, strict=False)
    regions: tuple[Annotated[str, Field(max_length=20)], ...] = Field((), max_length=20, strict=False)

    @model_validator(mode="after")
    def _fits(self) -> LivesIn:
        _need_values(False, (*self.countries, *self.regions))
        return self


class LivesNear(Condition):
    """Within `km` of a postal code. `property`: the text property with the person's postal code in the same country."""

    kind: Literal["distance"] = "distance"
    property: Id
    country: str = Field(pattern=r"^[A-Z]{2}$")
    code: str = Field(min_length=1, max_length=20)
    km: int = Field(ge=1, le=1_000)


class InSample(Condition):
    """A random share of all people, always the same for the same `salt`. `percent`: with at most two decimals."""

    kind: Literal["sample"] = "sample"
    percent: float = Field(ge=0.01, le=99.99)
    salt: int = Field(0, ge=0, le=1_000_000)

    @property
    def hundredths(self) -> int:
        return round(self.percent * 100)


def _need_values(none_needed: bool, values: tuple[Any, ...]) -> None:
    if none_needed and values:
        raise input_error("wrong_form", "This comparison needs no value.")
    if not none_needed and not values:
        raise input_error("required", "Enter what to compare with.")


AnyCondition = Annotated[
    InList
    | InSegment
    | DidEvent
    | CanReceive
    | HasConsent
    | IsSuppressed
    | TextIs
    | NumberIs
    | BooleanIs
    | DateIs
    | ListHas
    | LivesIn
    | LivesNear
    | InSample,
    Field(discriminator="kind"),
]
KINDS = tuple(
    "list segment event channel consent suppressed text number boolean date items place distance sample".split()
)
PropertyCondition = TextIs | NumberIs | BooleanIs | DateIs | ListHas | LivesNear

# --- the random sample: the same arithmetic in SQL and in Python, without overflow of 64 bits ------

SAMPLE_FACTOR, SAMPLE_STEP, SAMPLE_MODULUS, SAMPLE_PARTS = 48_271, 69_621, 2_147_483_647, 10_000


def sample_offset(salt: int) -> int:
    return (salt + 1) * SAMPLE_STEP % SAMPLE_MODULUS


def in_sample(contact: int, condition: InSample) -> bool:
    mixed = (contact % SAMPLE_MODULUS * SAMPLE_FACTOR + sample_offset(condition.salt)) % SAMPLE_MODULUS
    return mixed * mixed % SAMPLE_MODULUS % SAMPLE_PARTS < condition.hundredths
