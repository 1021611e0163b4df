"""Models of the responses about properties, lists and segments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from server.audiences.filters import FilterTree
from server.contacts.property_rules import PropertyType
from server.kernel.json_schema import Named

PresetName = Annotated[Literal["sms_subscribers", "email_subscribers", "engaged", "inactive"], Named("PresetName")]


class SegmentName(BaseModel):
    id: int
    name: str


class PropertyOut(BaseModel):
    """`fixed`: every account has it; it cannot be renamed or deleted. `used_by`: segments that ask for it."""

    id: int
    key: str
    name: str
    type: PropertyType
    fixed: bool
    used_by: list[SegmentName]


class Properties(BaseModel):
    """`limit`: how many properties of its own an account may have."""

    properties: list[PropertyOut]
    limit: int


class OneProperty(BaseModel):
    property: PropertyOut


class ListOut(BaseModel):
    """`used_by`: segments that ask for it."""

    id: int
    name: str
    double_opt_in: bool
    members: int
    created_at: str
    used_by: list[SegmentName]


class Lists(BaseModel):
    """`limit`: how many lists and segments an account may have together; `used`: how many it has."""

    lists: list[ListOut]
    used: int
    limit: int


class OneList(BaseModel):
    list: ListOut


class MembersChanged(BaseModel):
    """`changed`: how many people joined or left."""

    changed: int


class MemberOut(BaseModel):
    """`joined_at`: since when the person is in the list or segment."""

    id: int
    name: str
    email: str | None
    phone: str | None
    country: str
    joined_at: str


class Members(BaseModel):
    """`after`: the cursor of the next page; null on the last one."""

    members: list[MemberOut]
    after: str | None


class SegmentOut(BaseModel):
    """`members`: as of `refreshed_at`. `filled` false: its members are found for the first time. `stale`: they are being
    found again. `changes_at`: when the clock changes a membership next. `beyond_days`: it asks for events older than these
    days, which are deleted; null: it does not. `used_by`: segments that ask for it."""

    id: int
    name: str
    filter: FilterTree
    members: int
    filled: bool
    stale: bool
    refreshed_at: str | None
    changes_at: str | None
    created_at: str
    version: str
    beyond_days: int | None
    used_by: list[SegmentName]


class Segments(BaseModel):
    segments: list[SegmentOut]
    used: int
    limit: int


class OneSegment(BaseModel):
    segment: SegmentOut


class CountOut(BaseModel):
    """`matching` of all `people`. `beyond_days`: as in a segment."""

    matching: int
    people: int
    beyond_days: int | None


class FunnelStep(BaseModel):
    """`left`: who matches this group and all groups before it. `alone`: who matches each of its conditions, of all."""

    left: int
    alone: list[int]


class Funnel(BaseModel):
    steps: list[FunnelStep]


class SamplePerson(BaseModel):
    """`id` null: an invented person, for roles that see no contacts."""

    id: int | None
    name: str
    email: str | None
    phone: str | None
    country: str


class Sample(BaseModel):
    """`invented`: whether the people are examples."""

    people: list[SamplePerson]
    invented: bool


class ConditionWhy(BaseModel):
    """`changes_at`: when the clock alone changes it; null: never."""

    holds: bool
    changes_at: str | None


class GroupWhy(BaseModel):
    holds: bool
    conditions: list[ConditionWhy]


class WhyOut(BaseModel):
    """Why a person is in a segment, or not. `contact`: of a merged contact, the one that remains. `member`: as stored, which
    follows `matches` within seconds."""

    contact: int
    member: bool
    matches: bool
    changes_at: str | None
    groups: list[GroupWhy]


class CountryCodes(BaseModel):
    """How many postal codes of a country the table has."""

    country: str
    codes: int


class PostalCodes(BaseModel):
    countries: list[CountryCodes]


class BadPostalLine(BaseModel):
    """`line`: its number, from 1."""

    line: int
    message: str


class PostalCodesAdded(BaseModel):
    stored: int
    bad: list[BadPostalLine]


class Preset(BaseModel):
    name: PresetName
    filter: FilterTree


class ConsentOption(BaseModel):
    """`name` null: a built-in purpose."""

    purpose: str
    name: str | None


class FilterOptions(BaseModel):
    """What a filter may ask for. `metrics`: names of events that exist. `regions`: groups of countries. `postal_codes`:
    whether the owner uploaded a table, without which no filter may ask for a distance."""

    properties: list[PropertyOut]
    lists: list[SegmentName]
    segments: list[SegmentName]
    metrics: list[str]
    consents: list[ConsentOption]
    regions: dict[str, list[str]]
    postal_codes: bool
    presets: list[Preset]


class GroupOut(BaseModel):
    """A list or segment that a contact is in, since `joined_at`."""

    id: int
    name: str
    joined_at: str


class GroupsOfContact(BaseModel):
    lists: list[GroupOut]
    segments: list[GroupOut]
