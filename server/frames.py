"""Every frame of a socket or a long-poll, as pydantic models. Pure.

Visitors and agents share one set of frames. The TypeScript types of the widget and the console are generated from this
file (`threadline types`), and `PROTOCOL.md` documents each frame; a test compares all three. The models limit the
length of every string.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 64 * 1024
MAX_TEXT = 8_000  # characters of one message; a longer one is refused with `too_long`

Key = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Seq = Annotated[int, Field(ge=0, le=2**53 - 1)]
Id = Annotated[int, Field(ge=1, le=2**53 - 1)]
FileToken = Annotated[str, Field(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class Frame(BaseModel):
    """Unknown fields are ignored and never assigned (mass assignment, W23)."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


def left_out() -> Any:
    """The default of a field that is not sent while it is None."""
    return Field(None, exclude_if=lambda value: value is None)


# --- from clients ------------------------------------------------------------------------------


class Page(Frame):
    """The page that embeds the widget, as the widget reports it; shown to agents as plain text."""

    url: str = Field("", max_length=100_000)  # cut to 2,000 and cleaned by inbox.rules.clean_page
    title: str = Field("", max_length=100_000)
    referrer: str = Field("", max_length=100_000)
    locale: str = Field("", max_length=64)
    time_zone: str = Field("", max_length=64)


class Bookmark(Frame):
    """A visitor's position: the thread's public token and the last public seq that the client received."""

    thread: str = Field(max_length=64)
    after: Seq


class Hello(Frame):
    """The first frame on every socket, within 10 s. Agents need only `version`."""

    type: Literal["hello"]
    version: int = Field(ge=1, le=1_000_000)
    token: str | None = Field(None, max_length=200)
    identity: str | None = Field(None, max_length=4_000)
    bookmark: Bookmark | None = None
    page: Page | None = None


class Open(Frame):
    """An agent follows a thread from `after`, the last seq that the console has (0, or a seq too far behind, is
    answered by a `reset`).

    `looking`: the window is in the foreground. A background window is not announced to colleagues.
    """

    type: Literal["open"]
    thread: Id
    after: Seq
    looking: bool = True


class Leave(Frame):
    """An agent stops following a thread."""

    type: Literal["leave"]
    thread: Id


class Say(Frame):
    """A visitor's message. `id` is the client key: a repeat is safe, and the same key with another text is a
    conflict."""

    type: Literal["say"]
    id: Key
    text: str = Field(max_length=60_000)
    files: list[FileToken] = Field(default_factory=list, max_length=10)


class Typing(Frame):
    """Somebody is typing; agents name the thread. Broadcast at most once in 3 s and never stored."""

    type: Literal["typing"]
    thread: Id | None = None


class Seen(Frame):
    """Everything up to `seq` was read. A visitor sends the public seq; an agent names the thread."""

    type: Literal["seen"]
    seq: Seq
    thread: Id | None = None


class End(Frame):
    """A visitor ends the chat (INB-24)."""

    type: Literal["end"]
    id: Key


class Introduce(Frame):
    """A visitor's unverified name or e-mail address, which identifies no contact (IDN-1)."""

    type: Literal["introduce"]
    id: Key
    email: str | None = Field(None, max_length=2_000)
    name: str | None = Field(None, max_length=20_000)


class Moved(Frame):
    """A visitor moved to another page of the site."""

    type: Literal["page"]
    page: Page


class Ping(Frame):
    """Sent by every client every 20 s; a socket that is silent for 40 s is closed."""

    type: Literal["ping"]


VisitorIn = Annotated[Hello | Say | Typing | Seen | End | Introduce | Moved | Ping, Field(discriminator="type")]
AgentIn = Annotated[Hello | Open | Leave | Typing | Seen | Ping, Field(discriminator="type")]

VISITOR_IN: TypeAdapter[Any] = TypeAdapter(VisitorIn)
AGENT_IN: TypeAdapter[Any] = TypeAdapter(AgentIn)
VISITOR_TYPES = frozenset({"hello", "say", "typing", "seen", "end", "introduce", "page", "ping"})
AGENT_TYPES = frozenset({"hello", "open", "leave", "typing", "seen", "ping"})


# --- to clients --------------------------------------------------------------------------------


class File(Frame):
    """A file of an entry. Clients fetch it from `/files/{token}` with their usual credentials."""

    token: str
    name: str
    type: str  # from the file's content, never from its name
    size: int  # bytes; 0: the carrier's file is not fetched yet, or could not be
    width: int | None = None
    height: int | None = None


class Author(Frame):
    """The author of an entry. `name` is the name at the time of writing."""

    type: Literal["visitor", "contact", "agent", "system", "flow", "import", "api_key"]
    id: int | None = left_out()  # id of a user, API key, flow or import; not sent to visitors
    name: str = ""


EntryKind = Literal[
    "message", "note", "status", "assigned", "seen", "contact", "delivery", "consent", "media", "redacted", "mail"
]


class EntryOut(Frame):
    """One row of a thread's timeline.

    `seq` is dense: per thread for agents, per thread and public for visitors. `ref` points to the
    earlier seq that this entry changes (`seen`: everything up to it; the others: that one).
    `data` by kind: message {origin: chat|welcome|out_of_hours|sms|auto|keyword|opt_in, files?: [File], of out_of_hours
    opens_at?: when the business hours begin again, and of SMS outbound?: id, segments?, mms?, keyword?: stop|start|help|confirm|subscribe, media_hidden?: how many files are not shown};
    status {to: open|closed|snoozed, by: visitor|agent|system|contact}, for agents also {to: closing|kept_open}: a
    delayed close began or was cancelled (screens need not show this), {until} of a snooze and {was: snoozed} of its end;
    assigned {user: id|null, user_name};
    contact {email?, name?, signed_in?}; seen {by: visitor|agent}; delivery {state: accepted|sent|delivered|undelivered|
    failed|unknown|skipped, outbound, code?, words?, can_retry?}; consent {purpose, status, method, paused?};
    media {files: [File]}: the message's files, fetched from the carrier meanwhile; mail {mail: kind, outbound, to,
    line}, in a mail thread: `text` is the subject, `line` the first line of the mail.
    """

    seq: int
    kind: EntryKind
    author: Author
    text: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    ref: int | None = left_out()
    key: str | None = left_out()  # the client key of the write
    at: str  # RFC 3339, UTC


class WidgetConfig(Frame):
    """What the widget needs to draw itself."""

    brand: str
    color: str  # #rrggbb
    position: Literal["right", "left"]
    # "visitor": as the system of the visitor; "light", "dark": always; "page": as the page that embeds the widget
    scheme: Literal["visitor", "light", "dark", "page"]
    language: str  # the default; the page's language takes precedence if the widget has it
    welcome: str  # while the team is online
    welcome_away: str  # while it is not
    ask_email: bool
    privacy_url: str
    terms_url: str
    visitor_files: bool  # AMB-6
    signed_in_only: bool  # AMB-7


class Ready(Frame):
    """The answer to `hello`. For visitors: the token to keep, and their current thread.

    `thread` null: nothing is stored yet. `ended`: that chat is closed, and the next `say` begins a new one.
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
    online: bool = False  # for visitors: the team is available, that is an agent is online within the business hours
    opens_at: str | None = left_out()  # for visitors, outside the business hours: when they begin again; "" unknown
    config: WidgetConfig | None = None
    user: int | None = left_out()  # for agents


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
    verified: bool = False  # identified by a signed identity


# Why no SMS may be sent (INB-8, 9).
Barred = Literal[
    "not_subscribed",
    "opted_out",
    "taken_off",
    "unreachable",
    "deactivated",
    "litigator",
    "no_sender",
    "merged",
    "blocked",
]


class TicketOut(Frame):
    """The current summary of a ticket: its whole state, not a difference. Clients keep the one with the highest `rev`."""

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
    woken_for: int | None = None  # the agent who is told that the snooze ended; null once somebody has read the ticket
    closing_at: str | None = None  # when a delayed close takes effect (INB-26)
    opened_at: str
    closed_at: str | None = None
    last_seq: int
    visitor_seen: int = 0  # seq up to which the visitor has read
    online: bool = False
    # SMS only
    barred: Barred | None = None
    stop_asked: bool = False  # the contact asked to stop in their own words, and an agent must decide (AMB-1)
    sender: str | None = None  # our number in this thread
    peer: str | None = None  # the contact's number as the carrier names it: a number, a short code, "whatsapp:+…"


class TicketFrame(Frame):
    type: Literal["ticket"] = "ticket"
    ticket: TicketOut


class Counts(Frame):
    """Badge numbers for the rail (INB-34)."""

    type: Literal["counts"] = "counts"
    unread: int
    open: int


class PresenceFrame(Frame):
    """For agents: the thread's visitor is online (`thread`), a colleague is online (`user`), or a colleague views a
    thread that this agent has open (both fields; repeated every 20 s, expires after 45 s). For visitors: the team is
    available; `opens_at` as in `ready`."""

    type: Literal["presence"] = "presence"
    thread: int | None = left_out()
    user: int | None = left_out()
    online: bool
    opens_at: str | None = left_out()


class Changed(Frame):
    """For agents: data that HTTP responses contain has changed. `me`: your own account, perhaps your role; `team`: colleagues
    and invitations; `tickets`: who can be answered, because our numbers changed; `notifications`: your own; `settings`:
    those with this `name`, or perhaps any of them without one; `mails`: a contact whose thread you follow got its first
    mail. Only roles that may read it receive it."""

    type: Literal["changed"] = "changed"
    what: Literal["me", "team", "tickets", "notifications", "mails", "settings"]
    name: (
        Literal[
            "inbox",
            "quick_replies",
            "widget",
            "hours",
            "identity",
            "sms",
            "senders",
            "keywords",
            "litigators",
            "links",
            "consents",
            "api_keys",
            "account",
            "mail",
            "dkim",
            "shop",
            "retention",
            "campaigns",
        ]
        | None
    ) = None


class TypingFrame(Frame):
    """Clients show typing dots for 5 s. Visitors do not get the agent's id."""

    type: Literal["typing"] = "typing"
    thread: int | str
    author: Author


class Refused(Frame):
    """A frame was not accepted; the connection stays open and the draft is kept. `id` is the frame's client key, if it
    has one."""

    type: Literal["refused"] = "refused"
    code: str
    message: str
    id: str | None = left_out()
    retry_after: float | None = left_out()


class Reset(Frame):
    """The client is too far behind, or its bookmark is unknown: it drops the thread's entries and loads them again.

    Visitors get the newest entries right after this frame; agents load the newest page over HTTP and send `open` again.
    """

    type: Literal["reset"] = "reset"
    thread: int | str | None = None


class Bye(Frame):
    """The server is about to close the socket. The client reconnects after `after` seconds plus jitter; if null, it
    does not reconnect."""

    type: Literal["bye"] = "bye"
    code: str
    after: float | None = None


class Pong(Frame):
    type: Literal["pong"] = "pong"


Out = Ready | EntryFrame | TicketFrame | Counts | PresenceFrame | Changed | TypingFrame | Refused | Reset | Bye | Pong
