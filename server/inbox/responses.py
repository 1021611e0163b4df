"""Response models of the inbox's routes, for the OpenAPI description and its tests."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from server.delivery.settings import Price
from server.frames import ContactBrief, EntryOut, TicketOut
from server.inbox.quick_replies import VersionedReply
from server.inbox.settings import InboxForm


class VersionedInbox(InboxForm):
    version: str
    free_mail: list[str]  # domains whose support address gets a warning (FUP-2)


class QuickReplies(BaseModel):
    """`brand`: what the variable of this name is filled with. `webchat`: whether web chat offers quick replies, too."""

    quick_replies: list[VersionedReply]
    brand: str
    webchat: bool


class OneQuickReply(BaseModel):
    quick_reply: VersionedReply


class BulkResult(BaseModel):
    """`code`: `done`, `unchanged` if the ticket already was so, or why it could not be changed."""

    ticket: int
    code: str


class BulkResults(BaseModel):
    results: list[BulkResult]


class TicketCount(BaseModel):
    """`as_of`: when they were counted."""

    count: int
    as_of: str


class CodeCount(BaseModel):
    """How many tickets had this result; codes as in `BulkResult`."""

    code: str
    count: int


class BulkProgress(BaseModel):
    """An action on all tickets of a list, or its undo: `done` of `total` tickets, with their results."""

    id: int
    state: Literal["running", "done", "undoing", "undone"]
    action: str
    done: int
    total: int
    results: list[CodeCount]


class Badge(BaseModel):
    unread: int
    open: int


class TicketPage(BaseModel):
    tickets: list[TicketOut]
    before: str | None  # cursors of the pages above and below; null: there is none
    after: str | None
    counts: Badge


class SmsDetails(BaseModel):
    """The panel of an SMS thread. `others`: contacts with the same number, possible duplicates (AMB-33)."""

    peer: str
    sender: str | None
    country: str
    sms_marketing: str
    sms_transactional: str
    paused: bool
    suppressed: str | None
    sender_shown: str | None
    others: list[ContactBrief]
    price: Price  # credits per segment and per MMS; null for MMS if none can be sent
    keyword: str | None  # a keyword that subscribes; null if there is none
    link_start: str | None  # the beginning of every short link; null if links are not shortened


class Person(BaseModel):
    """The author of an action: an agent with id and name, or the customer or the system without them."""

    type: Literal["visitor", "contact", "agent", "system"]
    id: int | None
    name: str | None


class Colleague(BaseModel):
    id: int
    name: str


class Episode(BaseModel):
    """A period in which the ticket was open. `assignee`: the assignee when it closed."""

    opened_at: str
    opened_by: Person
    first_reply_at: str | None
    first_reply_by: Colleague | None
    closed_at: str | None  # null: still open
    closed_by: Person | None
    assignee: Colleague | None


class FollowUp(BaseModel):
    """The follow-up mail of a chat whose visitor left. `state`: `no_address`: there is no support address or mail server;
    `no_email`: the visitor's address is unknown; `ready`: a reply would be mailed `minutes` later; `waiting`: a reply is
    mailed at `at`; `sending`; `sent` at `at`; `failed`, `words` says why; `unknown`: perhaps sent at `at`. `to`: the
    masked address."""

    state: Literal["no_address", "no_email", "ready", "waiting", "sending", "sent", "failed", "unknown"]
    to: str
    minutes: int
    at: str | None
    words: str


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
    merged: bool  # with other contacts
    maybe: list[ContactBrief]
    other_tickets: list[TicketOut]
    episodes: list[Episode]  # newest first
    sms: SmsDetails | None
    follow_up: FollowUp | None  # web chat only


class TicketAndDetails(BaseModel):
    ticket: TicketOut
    details: Details


class MailThreads(BaseModel):
    """The mail threads of a contact: one for each of the contacts that were merged."""

    threads: list[int]


class EntryPage(BaseModel):
    """All entries from `first` to `last` except read marks, and later entries that refer to them."""

    entries: list[EntryOut]
    first: int
    last: int  # first - 1: the page is empty
    last_seq: int  # of the thread
    more: bool  # there are entries before `first`
    more_after: bool  # there are entries after `last`


class Written(BaseModel):
    entry: EntryOut
    ticket: TicketOut


class OneTicket(BaseModel):
    ticket: TicketOut


class BlockedPerson(BaseModel):
    contact: ContactBrief
    blocked_at: str


class BlockedPeople(BaseModel):
    people: list[BlockedPerson]


class SnoozeTimes(BaseModel):
    """`time_zone`: the account's, on whose clocks the times are."""

    time_zone: str
    later: str
    tomorrow: str
    week: str


class Draft(BaseModel):
    ticket: int
    text: str
    mode: Literal["reply", "note"]
    rev: int
    at: str


class Drafts(BaseModel):
    drafts: list[Draft]


class KeptDraft(BaseModel):
    """The draft after a write. `kept` false: the write was based on an older revision, and this is the newer draft."""

    kept: bool
    draft: Draft


class Found(BaseModel):
    contacts: list[ContactBrief]
    tickets: list[TicketOut]


class Speaker(BaseModel):
    type: Literal["visitor", "contact", "agent", "system", "flow", "import", "api_key"]
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


class SearchHits(BaseModel):
    hits: list[Hit]
    after: str | None
