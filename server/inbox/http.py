"""The inbox over HTTP: parse, call, render. Contract: PROTOCOL.md 3, 'Inbox' and 'Settings'."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse, Response

from server.accounts.rules import Actor, Agent, Can, Owned, Visitor, authorise
from server.consent.rules import SMS_PURPOSES, Status
from server.contacts.rules import shown_phone
from server.errors import Forbidden, NotFound, Refused
from server.inbox import actions, answers, entries, files, queries, search, standing, widget
from server.inbox.actions import Outgoing
from server.inbox.badge import counted
from server.inbox.entries import Entry
from server.inbox.media import OWNER
from server.inbox.queries import ListQuery, Ticket
from server.inbox.rules import clean_url
from server.inbox.settings import INBOX
from server.inbox.timeline import Written
from server.kernel.clock import rfc3339
from server.kernel.columns import from_micros, to_micros
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.kernel.ids import sign, signed_by
from server.links.rules import prefix
from server.live import frames
from server.live.frames import FileToken, Key
from server.web import auth
from server.web.http import PUBLIC, VISITING, WHOLE, Call, Endpoint, json_response, path_id, read_body, whole

MAX_PAGE = 100


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Keyed(Body):
    key: Key


class ReplyBody(Keyed):
    text: str = Field(max_length=60_000)
    files: list[FileToken] = Field(default_factory=list, max_length=10)


class NoteBody(Keyed):
    text: str = Field(max_length=60_000)
    files: list[FileToken] = Field(default_factory=list, max_length=10)


class AssignBody(Keyed):
    user: int | None = Field(None, ge=1, le=2**53)


class ReadBody(Body):
    seq: int = Field(ge=0, le=2**53)


class DraftBody(Body):
    text: str = Field(max_length=60_000)
    mode: Literal["reply", "note"] = "reply"


class Nothing(Body):
    pass


# --- lists and threads --------------------------------------------------------------------------

CHOICES = {
    "status": ("open", "snoozed", "closed"),
    "view": ("all", "mine", "unassigned"),
    "sort": ("newest", "oldest", "waiting"),
    "channel": ("", "webchat", "sms"),
}


def _choice(call: Call, name: str) -> str:
    allowed = CHOICES[name]
    value = call.query.get(name, allowed[0])
    if value not in allowed:
        words = ", ".join(word for word in allowed if word)
        raise Refused("invalid", f"{name} must be one of: {words}.", field=name)
    return value


def _cursor(app: App, at: datetime, row_id: int) -> str:
    place = f"{to_micros(at)}.{row_id}"
    return urlsafe_b64encode(f"{place}.{sign(app.key('cursor'), place)}".encode()).decode().rstrip("=")


def _after(app: App, cursor: str) -> tuple[datetime, int]:
    try:
        text = urlsafe_b64decode(cursor[:200] + "=" * (-len(cursor) % 4)).decode()
        at, row_id, tag = text.split(".")
        if not signed_by(app.key("cursor"), f"{at}.{row_id}", tag):
            raise ValueError
        return from_micros(int(at)), int(row_id)
    except (ValueError, OverflowError):
        raise Refused(
            "invalid", "This page mark is not one of ours; start from the first page.", field="cursor"
        ) from None


async def list_tickets(app: App, call: Call) -> Any:
    """List tickets, one page at a time."""
    limit = whole(call, "limit", 50, MAX_PAGE)
    cursor = call.query.get("cursor", "")
    query = ListQuery(
        status=_choice(call, "status"),
        channel=_choice(call, "channel") or None,
        view=_choice(call, "view"),
        sort=_choice(call, "sort"),
        user=call.agent.id,
        limit=limit + 1,
        after=_after(app, cursor) if cursor else None,
    )
    rows, counts = await app.read(queries.list_tickets, query), await counted(app).get()
    more = len(rows) > limit
    rows = rows[:limit]
    mark = None
    if more:
        last = rows[-1]
        at = last.waiting_since if query.sort == "waiting" else last.last_message_at
        assert at is not None
        mark = _cursor(app, at, last.id)
    now = app.clock.now()
    return {
        "tickets": [row.wire(now) for row in rows],
        "cursor": mark,
        "counts": {"unread": counts.unread, "open": counts.open},
    }


async def get_ticket(app: App, call: Call) -> Any:
    """Show one ticket and what is known about the customer."""
    found = await app.read(_ticket_and_details, path_id(call, "ticket"))
    if found is None:
        raise NotFound()
    ticket, (panel, maybe, others), texts = found
    now = app.clock.now()
    wire = ticket.wire(now)
    return {
        "ticket": wire,
        "details": {
            "contact": wire["contact"],
            "created_at": rfc3339(panel.created_at),
            "page_url": clean_url(panel.page_url),
            "page_title": panel.page_title,
            "referrer": clean_url(panel.referrer),
            **_agent_of(panel.user_agent),
            "locale": panel.locale,
            "time_zone": panel.time_zone,
            "first_seen": rfc3339(panel.first_seen) if panel.first_seen else None,
            "last_seen": rfc3339(panel.last_seen) if panel.last_seen else None,
            "online": wire["online"],
            "maybe": [_brief(contact) for contact in maybe],
            "other_tickets": [other.wire(now) for other in others],
            "sms": None if texts is None else _texts(texts, app.settings.public_url),
        },
    }


def _ticket_and_details(conn: Any, ticket_id: int) -> Any:
    ticket = queries.ticket(conn, ticket_id)
    if ticket is None:
        return None
    texts = standing.panel(conn, ticket.thread) if ticket.channel == "sms" else None
    return ticket, queries.details(conn, ticket), texts


def _texts(panel: standing.Panel, public_url: str) -> dict[str, Any]:
    return {
        "peer": panel.thread.peer or "",
        "sender": panel.thread.sender,
        "sender_shown": shown_phone(panel.thread.sender),
        "country": panel.thread.country,
        **{purpose.value: panel.statuses.get(purpose, Status.NEVER_SUBSCRIBED) for purpose in SMS_PURPOSES},
        "paused": panel.paused,
        "suppressed": panel.suppressed,
        "others": [
            _brief(queries.ContactBrief(one.id, one.name, one.email, one.phone, verified=False)) for one in panel.others
        ],
        "price": panel.price.model_dump(),
        "keyword": panel.keyword,
        "link_start": None if panel.links is None else prefix(public_url, panel.links),
    }


def _brief(contact: queries.ContactBrief) -> dict[str, Any]:
    return {
        "id": contact.id,
        "name": contact.name,
        "email": contact.email,
        "phone": contact.phone,
        "phone_shown": shown_phone(contact.phone),
        "verified": contact.verified,
    }


def _agent_of(user_agent: str) -> dict[str, str]:
    """Browser, system and device in words, from what the browser claims to be."""
    if not user_agent:
        return {"browser": "", "os": "", "device": ""}
    from ua_parser import parse  # its table of browsers takes long to load

    parsed = parse(user_agent).with_defaults()

    def words(*parts: str | None) -> str:
        shown = " ".join(part for part in parts if part)
        return "" if shown == "Other" else shown

    return {
        "browser": words(parsed.user_agent.family, parsed.user_agent.major),
        "os": words(parsed.os.family, parsed.os.major),
        "device": words(parsed.device.family),
    }


async def thread_entries(app: App, call: Call) -> Any:
    """Show a page of a thread, the newest first page without `before`."""
    thread = path_id(call, "thread")
    limit = whole(call, "limit", entries.PAGE, MAX_PAGE)
    before = whole(call, "before", 0, 2**53) or None
    page = await app.read(_page, thread, before, limit)
    if page is None:
        raise NotFound()
    shown = (await INBOX.latest(app)).show_media.sms
    return {
        "entries": [entry.for_agents(media=shown) for entry in page.entries],
        "last_seq": page.last_seq,
        "more": page.more,
    }


def _page(conn: Any, thread: int, before: int | None, limit: int) -> entries.Page | None:
    if queries.ticket_of(conn, thread) is None:
        return None
    return entries.page(conn, thread, before, limit)


# --- writing ------------------------------------------------------------------------------------


def _written(app: App, written: Written) -> dict[str, Any]:
    assert isinstance(written.entry, Entry)
    return {"entry": written.entry.for_agents(), "ticket": written.ticket.wire(app.clock.now())}


def _ticket(app: App, ticket: Ticket) -> dict[str, Any]:
    return {"ticket": ticket.wire(app.clock.now())}


async def reply(app: App, call: Call) -> Any:
    """Answer the customer."""
    body: ReplyBody = call.body
    said = Outgoing(path_id(call, "ticket"), body.key, body.text, tuple(body.files))
    return _written(app, await actions.reply(app, call.agent, said))


async def note(app: App, call: Call) -> Any:
    """Write a note that only the team sees."""
    body: NoteBody = call.body
    said = Outgoing(path_id(call, "ticket"), body.key, body.text, tuple(body.files), "note")
    return _written(app, await actions.reply(app, call.agent, said))


async def close(app: App, call: Call) -> Any:
    """Close a ticket; a chat is held for five seconds in which it can be undone."""
    return _ticket(app, await app.write(actions.close, call.agent, path_id(call, "ticket"), call.body.key))


async def undo_close(app: App, call: Call) -> Any:
    """Take back a close that is still held."""
    return _ticket(app, await app.write(actions.undo_close, call.agent, path_id(call, "ticket"), call.body.key))


async def reopen(app: App, call: Call) -> Any:
    """Open a closed ticket again."""
    return _ticket(app, await app.write(actions.reopen, call.agent, path_id(call, "ticket"), call.body.key))


async def assign(app: App, call: Call) -> Any:
    """Give a ticket to a colleague, or to nobody."""
    body: AssignBody = call.body
    ticket = await app.write(actions.assign, call.agent, path_id(call, "ticket"), body.user, body.key)
    return _ticket(app, ticket)


async def read(app: App, call: Call) -> Any:
    """Mark a ticket read up to an entry."""
    return _ticket(app, await app.write(actions.read, call.agent, path_id(call, "ticket"), call.body.seq))


async def unread(app: App, call: Call) -> Any:
    """Mark a ticket unread."""
    return _ticket(app, await app.write(actions.mark_unread, path_id(call, "ticket")))


async def list_drafts(app: App, call: Call) -> Any:
    """List what you have typed and not sent."""
    found = await app.read(queries.drafts_of, call.agent.id)
    return {"drafts": [{"ticket": d.ticket, "text": d.body, "mode": d.mode, "at": rfc3339(d.at)} for d in found]}


async def keep_draft(app: App, call: Call) -> Any:
    """Keep a draft; an empty text deletes it."""
    body: DraftBody = call.body
    await app.write(actions.keep_draft, call.agent, path_id(call, "ticket"), body.mode, body.text)
    return {}


async def find(app: App, call: Call) -> Any:
    """Find contacts and tickets by name or address."""
    text = call.query.get("q", "").strip()[:80]
    if not text:
        return {"contacts": [], "tickets": []}
    people, tickets = await app.read_slowly(queries.find, text)
    now = app.clock.now()
    return {"contacts": [_brief(person) for person in people], "tickets": [ticket.wire(now) for ticket in tickets]}


SEARCH_PAGE = 30


async def find_said(app: App, call: Call) -> Any:
    """Search over everything that was said, newest first."""
    query = call.query.get("q", "")[:400]
    before = whole(call, "before", 0, 2**53) or None
    limit = whole(call, "limit", SEARCH_PAGE, MAX_PAGE)
    hits = await search.find(app, query, before, limit)
    now = app.clock.now()
    return {
        "hits": [
            {
                "ticket": hit.ticket.wire(now),
                "seq": hit.seq,
                "kind": hit.kind,
                "author": {"type": hit.author_type, "name": hit.author_name},
                "at": rfc3339(hit.at),
                "snippet": [{"text": piece.text, "hit": piece.hit} for piece in hit.snippet],
            }
            for hit in hits
        ],
        "before": hits[-1].id if len(hits) == limit else None,
    }


# --- files --------------------------------------------------------------------------------------


async def _upload(app: App, call: Call, owner: str) -> Any:
    data = await read_body(call.request, app.settings.max_upload_mb * 1024 * 1024)
    name = unquote(call.request.headers.get("x-file-name", "")[:3_000], errors="replace")
    row, sha256 = await files.keep(app, owner, name, data)
    await app.write(files.store_file, row, sha256)
    return row.wire()


async def upload(app: App, call: Call) -> Any:
    """Keep a file, to be sent with a message."""
    return await _upload(app, call, f"agent:{call.agent.id}")


async def visitor_upload(app: App, call: Call) -> Any:
    """Keep a visitor's file, to be sent with a message."""
    if not (await widget.cached(app).get()).visitor_files:
        raise Forbidden("Files cannot be sent in this chat.")
    return await _upload(app, call, f"web:{call.visitor.key}")


async def _texted_files_shown(app: App, found: queries.Attachment) -> bool:
    """A file that came by text: only once it is here, and while the owner shows them (AMB-6)."""
    return found.size > 0 and (await INBOX.latest(app)).show_media.sms


FILE_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


async def download(app: App, call: Call) -> Any:
    """A file, to agents and to the visitor in whose conversation it stands publicly; others get "nothing here"."""
    actor: Actor = call.actor
    if not isinstance(actor, Agent):
        if "authorization" not in call.request.headers:
            raise NotFound()
        actor = await auth.visitor_from_header(app, call.request.headers)
    token = str(call.path["token"])
    known = FILE_TOKEN.fullmatch(token)  # anything else is not even asked for: a NUL fails in PostgreSQL
    found = (await app.read(queries.files, [token])).get(token) if known else None
    if found is None or (found.owner.startswith(OWNER) and not await _texted_files_shown(app, found)):
        raise NotFound()
    mine = isinstance(actor, Visitor) and found.owner == f"web:{actor.key}"
    authorise(
        actor,
        Can.INBOX,
        Owned(actor.key if mine and isinstance(actor, Visitor) else found.visitor_key, mine or found.public),
    )
    path = files.path_of(app, token)
    if not path.is_file():
        raise NotFound("This file is not there any more.")
    inline = found.type in files.INLINE_TYPES
    shown = quote(found.name, safe="")
    return FileResponse(
        path,
        media_type=found.type if inline else "application/octet-stream",
        headers={
            "content-disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{shown}",
            "cache-control": "private, max-age=86400, immutable",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "no-referrer",
        },
    )


# --- settings -----------------------------------------------------------------------------------


class WidgetBody(widget.WidgetSettings):
    """The settings as an owner sends them; a bad site or address is refused with its sentence."""


async def get_widget(app: App, call: Call) -> Any:
    """Show the widget's settings."""
    return await app.read(widget.load)


async def put_widget(app: App, call: Call) -> Any:
    """Change the widget's settings."""
    wanted = widget.WidgetSettings.model_validate(call.body.model_dump())
    saved = await app.write(widget.change, call.agent, wanted, call.address)
    widget.cached(app).heard(TOPIC, None)
    return saved


async def install(app: App, call: Call) -> Any:
    """Show the snippet for your site, and where the widget was seen."""
    base = app.settings.public_url
    seen = await app.read(queries.sites)
    return {
        "snippet": f'<script async src="{base}/widget/loader.js"></script>',
        "base_url": base,
        "seen": [
            {"origin": s.origin, "page": s.page, "first_seen": rfc3339(s.first_seen), "last_seen": rfc3339(s.last_seen)}
            for s in seen
        ],
    }


SITE_SEEN_EVERY_S = 60.0


async def widget_config(app: App, call: Call) -> Any:
    """What the launcher draws itself from; only for configured sites, and that is how we see them."""
    settings = await widget.cached(app).get()
    origin = call.request.headers.get("origin", "")
    same = not origin or auth.own_origin(app, origin)
    if not same and origin not in settings.sites:
        raise Forbidden("This site is not among the allowed sites of the widget (Settings → Chat widget).")
    response: Response = json_response(settings.public())
    response.headers["cache-control"] = "public, max-age=60"
    response.headers["vary"] = "origin"
    if not same:
        response.headers["access-control-allow-origin"] = origin
        noted: dict[str, float] = app.parts.setdefault("sites_noted", {})
        now = app.clock.monotonic()
        if now - noted.get(origin, -SITE_SEEN_EVERY_S) >= SITE_SEEN_EVERY_S:
            noted[origin] = now
            await app.write(widget.saw_site, origin, clean_url(call.request.headers.get("referer", "")))
    return response


LIST_QUERY: dict[str, dict[str, Any]] = {
    **{name: {"type": "string", "enum": list(words)} for name, words in CHOICES.items()},
    "limit": WHOLE,
    "cursor": {"type": "string", "description": "From the page before."},
}
PAGE_QUERY: dict[str, dict[str, Any]] = {"before": WHOLE, "limit": WHOLE}
WORDS: dict[str, dict[str, Any]] = {"q": {"type": "string"}}

ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/tickets", list_tickets, Can.INBOX, answer=answers.TicketList, query=LIST_QUERY),
    Endpoint("GET", "/api/tickets/{ticket}", get_ticket, Can.INBOX, answer=answers.TicketAndDetails),
    Endpoint(
        "GET", "/api/threads/{thread}/entries", thread_entries, Can.INBOX, answer=answers.Entries, query=PAGE_QUERY
    ),
    Endpoint("POST", "/api/tickets/{ticket}/reply", reply, Can.INBOX, ReplyBody, answer=answers.Written),
    Endpoint("POST", "/api/tickets/{ticket}/notes", note, Can.INBOX, NoteBody, answer=answers.Written),
    Endpoint("POST", "/api/tickets/{ticket}/close", close, Can.INBOX, Keyed, answer=answers.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/close/undo", undo_close, Can.INBOX, Keyed, answer=answers.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/reopen", reopen, Can.INBOX, Keyed, answer=answers.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/assign", assign, Can.INBOX, AssignBody, answer=answers.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/read", read, Can.INBOX, ReadBody, answer=answers.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/unread", unread, Can.INBOX, Nothing, answer=answers.OneTicket),
    Endpoint("GET", "/api/drafts", list_drafts, Can.INBOX, answer=answers.Drafts),
    Endpoint("PUT", "/api/tickets/{ticket}/draft", keep_draft, Can.INBOX, DraftBody),
    Endpoint("GET", "/api/find", find, Can.INBOX, answer=answers.Found, query=WORDS),
    Endpoint("GET", "/api/search", find_said, Can.INBOX, answer=answers.Said, query=WORDS | PAGE_QUERY),
    Endpoint("POST", "/api/files", upload, Can.INBOX, raw=True, headers=("X-File-Name",), answer=frames.File),
    Endpoint("GET", "/files/{token}", download, PUBLIC, gives="*/*"),
    Endpoint("POST", "/widget/files", visitor_upload, VISITING, raw=True, headers=("X-File-Name",), answer=frames.File),
    Endpoint("GET", "/widget/config", widget_config, PUBLIC, cors=True, answer=frames.WidgetConfig),
    Endpoint("GET", "/api/settings/widget", get_widget, Can.CHANNELS, answer=widget.WidgetSettings),
    Endpoint("PUT", "/api/settings/widget", put_widget, Can.CHANNELS, WidgetBody, answer=widget.WidgetSettings),
    Endpoint("GET", "/api/settings/widget/install", install, Can.CHANNELS, answer=answers.Install),
]
