"""What the routes of the inbox answer, as models: for the OpenAPI description and the tests that hold us to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from server.delivery.settings import Price
from server.live.frames import ContactBrief, EntryOut, TicketOut


class Badge(BaseModel):
    unread: int
    open: int


class TicketList(BaseModel):
    tickets: list[TicketOut]
    cursor: str | None
    counts: Badge


class SmsDetails(BaseModel):
    """Beside an SMS thread. `others`: contacts with the same number, possible duplicates (AMB-33)."""

    peer: str
    sender: str | None
    country: str
    sms_marketing: str
    sms_transactional: str
    paused: bool
    suppressed: str | None
    sender_shown: str | None
    others: list[ContactBrief]
    price: Price  # credits of a segment; of an MMS, null where none can be sent
    keyword: str | None  # a word that subscribes whoever texts it; null while there is none
    link_start: str | None  # what every short link begins with; null while links stay as they are typed


class Details(BaseModel):
    contact: ContactBrief
    created_at: str
    page_url: str
    page_title: str
    referrer: str
    browser: str
    os: str
    device: str
    locale: str
    time_zone: str
    first_seen: str | None
    last_seen: str | None
    online: bool
    maybe: list[ContactBrief]
    other_tickets: list[TicketOut]
    sms: SmsDetails | None


class TicketAndDetails(BaseModel):
    ticket: TicketOut
    details: Details


class Entries(BaseModel):
    entries: list[EntryOut]
    last_seq: int
    more: bool


class Older(BaseModel):
    entries: list[EntryOut]
    more: bool


class Written(BaseModel):
    entry: EntryOut
    ticket: TicketOut


class OneTicket(BaseModel):
    ticket: TicketOut


class Draft(BaseModel):
    ticket: int
    text: str
    mode: Literal["reply", "note"]
    at: str


class Drafts(BaseModel):
    drafts: list[Draft]


class Found(BaseModel):
    contacts: list[ContactBrief]
    tickets: list[TicketOut]


class SiteSeen(BaseModel):
    origin: str
    page: str
    first_seen: str
    last_seen: str


class Install(BaseModel):
    snippet: str
    base_url: str
    seen: list[SiteSeen]


class Frames(BaseModel):
    """As over a socket; see PROTOCOL.md 1."""

    frames: list[dict[str, Any]]


class Speaker(BaseModel):
    type: Literal["visitor", "contact", "agent", "system"]
    name: str


class Piece(BaseModel):
    text: str
    hit: bool


class Hit(BaseModel):
    ticket: TicketOut
    seq: int
    kind: str
    author: Speaker
    at: str
    snippet: list[Piece]


class Said(BaseModel):
    hits: list[Hit]
    before: int | None
