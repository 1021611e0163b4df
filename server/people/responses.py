"""Bodies and responses of the table of contacts and of the page of one contact."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.people.rules import MAX_PAGE, PAGE, SEARCH_CHARS

SortName = Literal["created", "name", "email", "added", "opened", "clicked"]


class CountBody(BaseModel):
    """`search`: the beginning of a name or an e-mail address, or digits of a number. `hidden`: also contacts without any
    address. `filter`: a tree of conditions, as segments have it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    search: str = Field("", max_length=SEARCH_CHARS)
    hidden: bool = False
    filter: dict[str, Any] | None = None


class TableBody(CountBody):
    """`properties`: the ids of properties that the rows are to have."""

    sort: SortName = "created"
    descending: bool = True
    after: str = Field("", max_length=4000)
    limit: int = Field(PAGE, ge=1, le=MAX_PAGE)
    properties: list[int] = Field(default_factory=list, max_length=20)


class DecisionBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    purpose: str = Field(max_length=40)
    status: Literal["subscribed", "unsubscribed"]


class EditBody(BaseModel):
    """A missing field is not changed, an empty text removes it. `properties`: values by key, null removes one. `reason`:
    needed with consents, how the agent knows of them."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str | None = Field(None, max_length=1000)
    email: str | None = Field(None, max_length=1000)
    phone: str | None = Field(None, max_length=100)
    crm_id: str | None = Field(None, max_length=200)
    language: str | None = Field(None, max_length=3)
    properties: dict[str, Any] = Field(default_factory=dict, max_length=250)
    consents: list[DecisionBody] = Field(default_factory=list, max_length=200)
    reason: str = Field("", max_length=500)


class PersonRow(BaseModel):
    """`consents`: status by purpose; a missing purpose was never asked. `properties`: values by the property's id."""

    id: int
    name: str
    email: str | None
    phone: str | None
    phone_shown: str | None
    country: str
    language: str
    verified: bool
    blocked: bool
    created_at: str
    date_added: str | None
    last_open: str | None
    last_click: str | None
    last_active: str | None
    consents: dict[str, str]
    properties: dict[str, Any]


class People(BaseModel):
    """`after`: the cursor of the next page; null on the last one. `as_of`: when the page was read."""

    people: list[PersonRow]
    after: str | None
    as_of: str


class PeopleCount(BaseModel):
    count: int


class ProfileAddress(BaseModel):
    kind: Literal["external", "shop", "crm", "email", "phone", "peer"]
    value: str
    shown: str
    verified: bool


class PersonSuppression(BaseModel):
    channel: str
    address: str
    reason: str
    detail: str
    at: str


class PropertyValueOut(BaseModel):
    """`value`: a text, a number as decimal text, true or false, a time, or a list of texts. Null: the contact has none."""

    id: int
    key: str
    name: str
    type: Literal["text", "number", "boolean", "date", "list"]
    value: str | bool | list[str] | None


class MembershipOut(BaseModel):
    id: int
    name: str
    joined_at: str


class PersonTicket(BaseModel):
    id: int
    channel: str
    status: Literal["open", "snoozed", "closed"]
    unread: bool
    preview: str
    assignee: int | None
    last_message_at: str


class Profile(BaseModel):
    """The contact that remains of its merges. `tickets`: the newest 20, none for roles that may not open the inbox."""

    id: int
    guid: str
    name: str
    email: str | None
    phone: str | None
    phone_shown: str | None
    country: str
    language: str
    verified: bool
    blocked_at: str | None
    addresses: list[ProfileAddress]
    created_at: str
    date_added: str | None
    last_open: str | None
    last_click: str | None
    first_active: str | None
    last_active: str | None
    time_zone: str
    suppressed: list[PersonSuppression]
    properties: list[PropertyValueOut]
    lists: list[MembershipOut]
    segments: list[MembershipOut]
    tickets: list[PersonTicket]


class TimelineAuthor(BaseModel):
    type: str
    name: str


class WrittenOut(BaseModel):
    """`hidden`: the author is blocked, so the team sees nothing of it."""

    author: TimelineAuthor
    text: str
    files: int
    hidden: bool


class TimelineItem(BaseModel):
    """`kind`: an event's metric, "note", "merged" or "separated". `written` and `ticket` only for roles of the inbox."""

    key: str
    event: int | None
    kind: str
    at: str
    source: str
    data: dict[str, Any]
    value: str | None
    currency: str | None
    written: WrittenOut | None
    ticket: int | None


class PersonTimeline(BaseModel):
    """`from_event`: the page begins with the event that was asked for."""

    items: list[TimelineItem]
    after: str | None
    from_event: bool
