"""Every frame that crosses a socket or a long-poll, as pydantic models: pure, no I/O.

One vocabulary for visitors and agents (DESIGN 7). The TypeScript types of the widget and the
console are generated from this file (`threadline types`), and `PROTOCOL.md` documents each frame;
a test compares all three. Strings are bounded here so that nothing longer is ever looked at.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 64 * 1024
MAX_TEXT = 8_000  # characters of one message; longer is refused with `too_long`, the draft stays

Key = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Seq = Annotated[int, Field(ge=0, le=2**53 - 1)]
Id = Annotated[int, Field(ge=1, le=2**53 - 1)]
FileToken = Annotated[str, Field(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class Frame(BaseModel):
    """Unknown fields are ignored, never assigned (mass assignment, BAD_INPUTS W23)."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


# --- in ---------------------------------------------------------------------------------------


class Page(Frame):
    """What the widget tells about the page it stands on; shown to agents as inert text."""

    url: str = Field("", max_length=100_000)  # cut to 2,000 and cleaned by inbox.rules.clean_page
    title: str = Field("", max_length=100_000)
    referrer: str = Field("", max_length=100_000)
    locale: str = Field("", max_length=64)
    time_zone: str = Field("", max_length=64)


class Bookmark(Frame):
    """Where a visitor's client stands: the thread's public token and the last public seq it holds."""

    thread: str = Field(max_length=64)
    after: Seq


class Hello(Frame):
    """First frame on every socket, within 10 s. Agents need only `version`."""

    type: Literal["hello"]
    version: int = Field(ge=1, le=1_000_000)
    token: str | None = Field(None, max_length=200)
    identity: str | None = Field(None, max_length=4_000)
    bookmark: Bookmark | None = None
    page: Page | None = None


class Open(Frame):
    """Agent: follow a thread from `after` (the last seq held; 0 sends nothing but a `reset` if far behind).

    `looking`: before somebody's eyes; false for a window in the background, of which colleagues are told nothing.
    """

    type: Literal["open"]
    thread: Id
    after: Seq
    looking: bool = True


class Leave(Frame):
    """Agent: stop following a thread."""

    type: Literal["leave"]
    thread: Id


class Say(Frame):
    """Visitor: one message. `id` is the client's key: repeating it is safe, changing its body is a conflict."""

    type: Literal["say"]
    id: Key
    text: str = Field(max_length=60_000)
    files: list[FileToken] = Field(default_factory=list, max_length=10)


class Typing(Frame):
    """Someone is typing (agents name the thread). Coalesced to one in 3 s, never stored."""

    type: Literal["typing"]
    thread: Id | None = None


class Seen(Frame):
    """Read up to and with `seq` (visitor: public seq; agents name the thread)."""

    type: Literal["seen"]
    seq: Seq
    thread: Id | None = None


class End(Frame):
    """Visitor: end this chat (INB-24)."""

    type: Literal["end"]
    id: Key


class Introduce(Frame):
    """Visitor: an unverified name or e-mail; it identifies nobody (IDN-1)."""

    type: Literal["introduce"]
    id: Key
    email: str | None = Field(None, max_length=2_000)
    name: str | None = Field(None, max_length=20_000)


class Moved(Frame):
    """Visitor: the host page changed."""

    type: Literal["page"]
    page: Page


class Ping(Frame):
    """Every 20 s from every client; a socket that is silent for 40 s is closed."""

    type: Literal["ping"]


VisitorIn = Annotated[Hello | Say | Typing | Seen | End | Introduce | Moved | Ping, Field(discriminator="type")]
AgentIn = Annotated[Hello | Open | Leave | Typing | Seen | Ping, Field(discriminator="type")]

VISITOR_IN: TypeAdapter[Any] = TypeAdapter(VisitorIn)
AGENT_IN: TypeAdapter[Any] = TypeAdapter(AgentIn)
VISITOR_TYPES = frozenset({"hello", "say", "typing", "seen", "end", "introduce", "page", "ping"})
AGENT_TYPES = frozenset({"hello", "open", "leave", "typing", "seen", "ping"})


# --- out --------------------------------------------------------------------------------------


class File(Frame):
    """An attachment as it stands in an entry. Fetch it from `/files/{token}` with the same credentials."""

    token: str
    name: str
    type: str  # by content, never by name
    size: int  # bytes; 0: not fetched from the carrier yet, or it could not be
    width: int | None = None
    height: int | None = None


class Author(Frame):
    """Who wrote an entry. `name` is as it was when written."""

    type: Literal["visitor", "contact", "agent", "system"]
    id: int | None = None  # user id of an agent; never sent to visitors
    name: str = ""


EntryKind = Literal[
    "message", "note", "status", "assigned", "seen", "contact", "delivery", "consent", "media", "redacted"
]


class EntryOut(Frame):
    """One row of a thread's timeline (DESIGN 5).

    `seq` is dense: per thread for agents, per thread and public for visitors. `ref` points to the
    earlier seq that this entry changes (`seen`: everything up to it; the others: that one).
    `data` by kind: message {origin: chat|welcome|sms|auto|keyword|opt_in, files?: [File], and of SMS outbound?: id,
    segments?, mms?, keyword?: stop|start|help|confirm|subscribe, media_hidden?: how many files are not shown};
    status {to: open|closed|snoozed, by: visitor|agent|system|contact}, for agents also {to: closing|kept_open}: a held
    close began or was called off, which no screen need draw; assigned {user: id|null, user_name};
    contact {email?, name?, signed_in?}; seen {by: visitor|agent}; delivery {state: accepted|sent|delivered|undelivered|
    failed|unknown|skipped, outbound, code?, words?, can_retry?}; consent {purpose, status, method, paused?};
    media {files: [File]}: the message's files, fetched from the carrier meanwhile.
    """

    seq: int
    kind: EntryKind
    author: Author
    text: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    ref: int | None = None
    key: str | None = None  # the client key it was written with
    at: str  # RFC 3339, UTC


class WidgetConfig(Frame):
    """What the widget needs to draw itself."""

    brand: str
    color: str  # #rrggbb
    position: Literal["right", "left"]
    language: str  # default language; the page's language wins if we speak it
    welcome: str
    ask_email: bool
    privacy_url: str
    terms_url: str
    visitor_files: bool  # AMB-6
    signed_in_only: bool  # AMB-7


class Ready(Frame):
    """Answer to `hello`. For visitors: the token to keep, and the thread they stand in, if any.

    `thread` null = nothing is stored yet. `ended` = that chat is closed, the next `say` starts a new one.
    """

    type: Literal["ready"] = "ready"
    version: int = PROTOCOL_VERSION
    now: str
    token: str | None = None
    thread: str | None = None
    last_seq: int = 0
    team_seen: int = 0  # public seq up to which the team has read
    ended: bool = False
    known_email: bool = False
    online: bool = False  # somebody of the team is there
    config: WidgetConfig | None = None
    user: int | None = None  # agents


class EntryFrame(Frame):
    """One timeline entry. `thread` is the id (agents) or the public token (visitors)."""

    type: Literal["entry"] = "entry"
    thread: int | str
    entry: EntryOut


class ContactBrief(Frame):
    id: int
    name: str
    email: str | None = None
    phone: str | None = None  # E.164
    phone_shown: str | None = None  # as people read it
    verified: bool = False  # identified by a signed token


# Why no SMS may be sent (INB-8, 9).
Barred = Literal["not_subscribed", "opted_out", "taken_off", "unreachable", "deactivated", "litigator", "no_sender"]


class TicketOut(Frame):
    """A ticket's current summary: state, not delta. Keep the one with the highest `rev`."""

    id: int
    thread: int
    rev: int
    channel: Literal["webchat", "sms"]
    status: Literal["open", "snoozed", "closed"]
    unread: bool
    contact: ContactBrief
    assignee: int | None = None
    preview: str = ""
    preview_by: Literal["visitor", "contact", "agent", "system"] = "visitor"
    last_message_at: str
    waiting_since: str | None = None
    snoozed_until: str | None = None
    closing_at: str | None = None  # a held close (INB-26)
    opened_at: str
    closed_at: str | None = None
    last_seq: int
    visitor_seen: int = 0  # seq up to which the visitor has read
    online: bool = False
    # SMS only
    barred: Barred | None = None
    stop_asked: bool = False  # they asked to stop in their own words; an agent says with one tap (AMB-1)
    sender: str | None = None  # our number in this thread
    peer: str | None = None  # theirs, as the carrier names it: a number, a short code, "whatsapp:+…"


class TicketFrame(Frame):
    type: Literal["ticket"] = "ticket"
    ticket: TicketOut


class Counts(Frame):
    """Badge numbers for the rail (INB-34)."""

    type: Literal["counts"] = "counts"
    unread: int
    open: int


class PresenceFrame(Frame):
    """Agents: is the thread's visitor there (`thread`), is a colleague there (`user`), or does a colleague look at
    a thread that one has open (both; named again every 20 s, forgotten after 45). Visitors: is somebody of the team
    there."""

    type: Literal["presence"] = "presence"
    thread: int | None = None
    user: int | None = None
    online: bool


class TypingFrame(Frame):
    """Show typing dots for 5 s. To visitors without the agent's id."""

    type: Literal["typing"] = "typing"
    thread: int | str
    author: Author


class Refused(Frame):
    """A frame was not accepted; the connection and the draft stay. `id` is the frame's key where it had one."""

    type: Literal["refused"] = "refused"
    code: str
    message: str
    id: str | None = None
    retry_after: float | None = None


class Reset(Frame):
    """Too far behind or an unknown bookmark: drop what you hold of this thread and fetch it again.

    Visitors get the newest entries right after it; agents ask HTTP for the newest page and `open` again.
    """

    type: Literal["reset"] = "reset"
    thread: int | str | None = None


class Bye(Frame):
    """The server is about to close; reconnect after `after` seconds (plus jitter), or not at all if null."""

    type: Literal["bye"] = "bye"
    code: str
    after: float | None = None


class Pong(Frame):
    type: Literal["pong"] = "pong"


Out = Ready | EntryFrame | TicketFrame | Counts | PresenceFrame | TypingFrame | Refused | Reset | Bye | Pong
