"""What the user decided about a file: how it is read (`Reading`) and what its columns mean (`Mapping`)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from server.imports.headers import FileState, Words

Kind = Literal["contacts", "suppressions"]
Identifier = Literal["email", "phone", "crm"]
ImportType = Literal["add_update", "add", "update"]
PropertyType = Literal["text", "number", "boolean", "date", "list", "tags"]
To = Literal[
    "skip", "email", "phone", "crm", "name", "first_name", "last_name", "country", "date_added", "last_open",
    "last_click", "property", "consent", "at", "in_at", "out_at", "reason",
]  # fmt: skip
MAX_COLUMNS = 1_000


class Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Reading(Strict):
    """How the file is read; None: as detected. `confirmed`: the user has seen the preview (IMP-23)."""

    encoding: str | None = Field(None, max_length=20)
    separator: str | None = Field(None, min_length=1, max_length=1)
    quote: str | None = Field(None, max_length=1)
    headers: bool | None = None
    sheet: str | None = Field(None, max_length=200)
    confirmed: bool = False


class Column(Strict):
    """The meaning of one column. `key`: of a property; `name`: of one that does not exist yet. `purpose`, `words`: of a consent.
    `day_first`: how its slash dates are read. `clear`: empty cells clear the stored value (AMB-16)."""

    to: To = "skip"
    key: str = Field("", max_length=80)
    name: str = Field("", max_length=80)
    type: PropertyType = "text"
    purpose: str = Field("", max_length=40)
    words: Words = "status"
    day_first: bool = False
    clear: bool = False


class Vouched(Strict):
    """The answer to the consent question for a file that says nothing (IMP-73, 74). `sentence`: what the user vouches for."""

    email: bool = False
    sms: Literal["none", "transactional", "both"] = "none"
    sentence: str = Field("", max_length=1000)


class TargetList(Strict):
    """The list that everybody joins: an existing one, or a new one by name."""

    id: int | None = Field(None, ge=1, le=2**53)
    name: str = Field("", max_length=80)


class Mapping(Strict):
    identifier: Identifier = "email"
    type: ImportType = "add_update"
    columns: list[Column] = Field(default_factory=list, max_length=MAX_COLUMNS)
    country: str = Field("", max_length=2)  # of numbers without a country code, ISO 3166; "": none
    replace_empty: bool = False  # "replace with empty values" (CIM-23)
    duplicates: Literal["first", "all"] = "first"  # CIM-32
    target: TargetList | None = None
    file_states: list[FileState] = Field(default_factory=list, max_length=200)  # of each file of a ZIP
    vouched: Vouched = Vouched()
    leave_out: list[Literal["role", "inactive"]] = Field(default_factory=list)  # IMP-10


class Plan(BaseModel):
    """Everything that normalising needs, for the child process."""

    kind: Kind
    mapping: Mapping
    headers: list[str]
    sender: str = ""
    now: int  # microseconds since 1970
