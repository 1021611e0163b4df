"""The HTTP routes of the inbox. Contract: PROTOCOL.md 3, 'Inbox' and 'Settings'."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse

from server import frames
from server.accounts.rules import Actor, Agent, Can, Owned, Visitor, authorise
from server.chat_mail.rules import FREE_MAIL
from server.errors import NotFound, Refused
from server.files import rows, storage, uploads
from server.frames import FileToken, Key
from server.inbox import actions, bulk, drafts, lists, palette, responses, search, settings
from server.inbox.actions import Outgoing
from server.inbox.badge import badge_cache
from server.inbox.details import brief_json, describe_browser, episode_json, sms_json, ticket_and_details
from server.inbox.lists import ListQuery
from server.kernel.clock import rfc3339
from server.kernel.columns import storable
from server.kernel.context import App
from server.sms import replies
from server.sms.eligibility import cached_numbers, ticket_answer, ticket_json
from server.sms.media import OWNER
from server.sms.settings import INBOX
from server.threads import entries, mails, tickets
from server.threads.entries import Entry
from server.threads.tickets import Written
from server.web import auth
from server.web.http import PUBLIC, WHOLE_NUMBER, Call, EmptyBody, Endpoint, path_id, whole_number
from server.web.paging import PAGING_QUERY, Paging
from server.webchat import visitors
from server.webchat.rules import clean_url
from server.webchat.settings import WIDGET

MAX_PAGE = 100


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Keyed(Body):
    key: Key


class ReplyBody(Keyed):
    text: str = Field(max_length=60_000)
    files: list[FileToken] = Field(default_factory=list, max_length=10)
    draft: int | None = Field(None, ge=0, le=2**53)  # revision of the sent draft; a newer draft stays
    reopen: bool = False  # whether a reply wakes a snoozed ticket; otherwise it stays snoozed


class NoteBody(ReplyBody):
    pass


class AssignBody(Keyed):
    user: int | None = Field(None, ge=1, le=2**53)


class ChosenTicket(Body):
    id: int = Field(ge=1, le=2**53)
    seq: int = Field(0, ge=0, le=2**53)  # for `read`: the newest entry that the agent saw


class BulkBody(Keyed):
    action: bulk.BulkAction
    tickets: list[ChosenTicket] = Field(min_length=1, max_length=bulk.MAX_TICKETS)
    user: int | None = Field(None, ge=1, le=2**53)  # for `assign`; null: nobody
    until: str | None = Field(None, max_length=40)  # for `snooze`


class ReadBody(Body):
    seq: int = Field(ge=0, le=2**53)
    rev: int | None = Field(None, ge=0, le=2**53)  # the ticket's revision that the agent saw


class DraftBody(Body):
    text: str = Field(max_length=60_000)
    mode: Literal["reply", "note"] = "reply"
    rev: int = Field(ge=0, le=2**53)  # the revision that the text is based on; 0: there is no draft yet


CHOICES = {
    "status": ("open", "snoozed", "closed"),
    "view": ("all", "mine", "unassigned"),
    "sort": ("newest", "oldest", "waiting"),
    "channel": ("", "webchat", "sms"),
}


def choice(call: Call, name: str) -> str:
    """The value of a query parameter of `CHOICES`, by default the first one."""
    allowed = CHOICES[name]
    value = call.query.get(name, allowed[0])
    if value not in allowed:
        choices = ", ".join(word for word in allowed if word)
        raise Refused("invalid", f"{name} must be one of: {choices}.", field=name)
    return value


async def list_tickets(app: App, call: Call) -> Any:
    """List tickets, one page at a time."""
    limit = whole_number(call, "limit", 50, MAX_PAGE)
    sort = choice(call, "sort")
    paging = Paging(app, f"tickets {sort}", 2)
    query = ListQuery(
        status=choice(call, "status"),
        channel=choice(call, "channel") or None,
        view=choice(call, "view"),
        sort=sort,
        user=call.agent.id,
        limit=limit + 1,
        place=paging.place(call),
    )
    rows, counts = await app.read(lists.list_tickets, query), await badge_cache(app).get()
    page = paging.page(rows, limit, query.place, lambda ticket: lists.key_of(ticket, sort))
    now, numbers = app.clock.now(), await cached_numbers(app).get()
    return {
        "tickets": [ticket_json(row, now, numbers) for row in page.rows],
        **page.cursors,
        "counts": {"unread": counts.unread, "open": counts.open},
    }


async def get_ticket(app: App, call: Call) -> Any:
    """Show a ticket and its customer's details."""
    found_ticket = await app.read(ticket_and_details, path_id(call, "ticket"))
    if found_ticket is None:
        raise NotFound()
    ticket, (panel, same_email, other_tickets), episodes, sms, follow_up = found_ticket
    now, numbers = app.clock.now(), await cached_numbers(app).get()
    wire = ticket_json(ticket, now, numbers)
    return {
        "ticket": wire,
        "details": {
            "contact": wire["contact"],
            "created_at": rfc3339(panel.created_at),
            "page_url": clean_url(panel.page_url),
            "page_title": panel.page_title,
            "merged": panel.merged,
            "referrer": clean_url(panel.referrer),
            **describe_browser(panel.user_agent),
            "locale": panel.locale,
            "time_zone": panel.time_zone,
            "first_seen": rfc3339(panel.first_seen) if panel.first_seen else None,
            "last_seen": rfc3339(panel.last_seen) if panel.last_seen else None,
            "online": wire["online"],
            "maybe": [brief_json(contact) for contact in same_email],
            "other_tickets": [ticket_json(other_ticket, now, numbers) for other_ticket in other_tickets],
            "episodes": [episode_json(episode) for episode in episodes],
            "sms": None if sms is None else sms_json(sms, app.settings.public_url),
            "follow_up": follow_up and follow_up | {"at": follow_up["at"] and rfc3339(follow_up["at"])},
        },
    }


async def thread_entries(app: App, call: Call) -> Any:
    """Show a page of a thread: the newest, or the one before, after or around an entry."""
    thread = path_id(call, "thread")
    limit = whole_number(call, "limit", entries.PAGE, MAX_PAGE)
    places = {
        "before": whole_number(call, "before", 0, 2**53),
        "after": whole_number(call, "after", 0, 2**53),
        "around": whole_number(call, "around", 0, 2**53),
    }
    position = {name: seq for name, seq in places.items() if seq}
    if len(position) > 1:
        raise Refused("invalid", "Use only one of before, after and around.", field=list(position)[-1])
    page = await app.read(_page, thread, limit, position)
    if page is None:
        raise NotFound()
    show_texted_files = (await INBOX.latest(app)).show_media.sms
    return {
        "entries": [entry.for_agents(media=show_texted_files) for entry in page.entries],
        "first": page.first,
        "last": page.last,
        "last_seq": page.last_seq,
        "more": page.more,
        "more_after": page.more_after,
    }


async def mail_threads(app: App, call: Call) -> Any:
    """List the threads with the mail to a thread's contact."""
    found = await app.read(_mail_threads, path_id(call, "thread"))
    if found is None:
        raise NotFound()
    return {"threads": found}


def _mail_threads(conn: Any, thread: int) -> list[int] | None:
    ticket = tickets.by_thread(conn, thread)
    return None if ticket is None else mails.mail_threads(conn, ticket.contact)


def _page(conn: Any, thread: int, limit: int, position: dict[str, int]) -> entries.Page | None:
    if tickets.by_thread(conn, thread) is not None:
        return entries.page(conn, thread, limit, **position)
    if mails.last_seq(conn, thread) is None:
        return None
    if position.keys() - {"before"}:
        raise Refused("invalid", "A mail thread is read from its end: use `before`.", field=next(iter(position)))
    return entries.mail_page(conn, thread, limit, **position)


async def _written(app: App, written: Written) -> dict[str, Any]:
    assert isinstance(written.entry, Entry)
    return {"entry": written.entry.for_agents(), **await ticket_answer(app, written.ticket)}


async def reply(app: App, call: Call) -> Any:
    """Answer the customer."""
    body: ReplyBody = call.body
    message = Outgoing(
        path_id(call, "ticket"), body.key, body.text, tuple(body.files), draft=body.draft, reopen=body.reopen
    )
    return await _written(app, await actions.reply(app, call.agent, message))


async def note(app: App, call: Call) -> Any:
    """Write a note that only the team sees."""
    body: NoteBody = call.body
    message = Outgoing(path_id(call, "ticket"), body.key, body.text, tuple(body.files), "note", body.draft)
    return await _written(app, await actions.reply(app, call.agent, message))


async def close(app: App, call: Call) -> Any:
    """Close a ticket; the close of a chat is delayed for five seconds and can be undone."""
    return await ticket_answer(app, await app.write(actions.close, call.agent, path_id(call, "ticket"), call.body.key))


async def undo_close(app: App, call: Call) -> Any:
    """Undo a delayed close."""
    return await ticket_answer(
        app, await app.write(actions.undo_close, call.agent, path_id(call, "ticket"), call.body.key)
    )


async def reopen(app: App, call: Call) -> Any:
    """Reopen a closed ticket."""
    return await ticket_answer(app, await app.write(actions.reopen, call.agent, path_id(call, "ticket"), call.body.key))


async def assign(app: App, call: Call) -> Any:
    """Assign a ticket to a colleague or to nobody."""
    body: AssignBody = call.body
    ticket = await app.write(actions.assign, call.agent, path_id(call, "ticket"), body.user, body.key)
    return await ticket_answer(app, ticket)


async def read(app: App, call: Call) -> Any:
    """Mark a ticket read up to an entry."""
    body: ReadBody = call.body
    return await ticket_answer(
        app, await app.write(actions.read, call.agent, path_id(call, "ticket"), body.seq, body.rev)
    )


async def unread(app: App, call: Call) -> Any:
    """Mark a ticket unread."""
    return await ticket_answer(app, await app.write(actions.mark_unread, path_id(call, "ticket")))


async def change_many(app: App, call: Call) -> Any:
    """Close, snooze, assign or mark up to 500 tickets at once, each with a result of its own."""
    body: BulkBody = call.body
    chosen = {item.id: bulk.Chosen(item.id, item.seq) for item in body.tickets}
    change = bulk.BulkChange(body.action, body.key, body.user, body.until or "")
    results = await bulk.change_many(app, call.agent, change, list(chosen.values()))
    return {"results": [{"ticket": ticket, "code": code} for ticket, code in results]}


async def list_drafts(app: App, call: Call) -> Any:
    """List your drafts."""
    own_drafts = await app.read(drafts.drafts_of, call.agent.id)
    return {"drafts": [_draft(draft) for draft in own_drafts]}


async def keep_draft(app: App, call: Call) -> Any:
    """Save a draft; an empty text deletes it. A draft that is based on an older revision is not saved."""
    body: DraftBody = call.body
    result = await app.write(drafts.save_draft, call.agent, path_id(call, "ticket"), body.mode, body.text, body.rev)
    return {"kept": result.stored, "draft": _draft(result.draft)}


def _draft(draft: drafts.Draft) -> dict[str, Any]:
    return {
        "ticket": draft.ticket,
        "text": draft.body,
        "mode": draft.mode,
        "rev": draft.rev,
        "at": rfc3339(draft.at),
    }


async def find(app: App, call: Call) -> Any:
    """Find contacts and tickets by name, address or ticket number; with `nameless=1` also tickets without name and address."""
    text = storable(call.query.get("q", "")).strip()[:80]
    if not text:
        return {"contacts": [], "tickets": []}
    people, tickets = await app.read_slowly(palette.find, text, call.query.get("nameless") == "1")
    now, numbers = app.clock.now(), await cached_numbers(app).get()
    return {
        "contacts": [brief_json(person) for person in people],
        "tickets": [ticket_json(ticket, now, numbers) for ticket in tickets],
    }


SEARCH_PAGE = 30


async def search_messages(app: App, call: Call) -> Any:
    """Search all messages and notes, newest first."""
    query = storable(call.query.get("q", ""))[:400]
    paging = Paging(app, "search", 1)
    older_than = paging.decode(cursor, "after")[0] if (cursor := call.query.get("after")) else None
    limit = whole_number(call, "limit", SEARCH_PAGE, MAX_PAGE)
    hits = await search.find(app, query, older_than, limit)
    now, numbers = app.clock.now(), await cached_numbers(app).get()
    return {
        "hits": [
            {
                "ticket": ticket_json(hit.ticket, now, numbers),
                "seq": hit.seq,
                "kind": hit.kind,
                "author": {"type": hit.author_type, "name": hit.author_name},
                "at": rfc3339(hit.at),
                "snippet": [{"text": piece.text, "hit": piece.hit} for piece in hit.snippet],
            }
            for hit in hits
        ],
        "after": paging.encode((hits[-1].id,)) if len(hits) == limit else None,
    }


async def upload(app: App, call: Call) -> Any:
    """Upload a file to send with a message."""
    return (await uploads.from_agent(app, call.request, call.agent.id)).wire()


async def _may_show_texted_file(app: App, file: rows.Attachment) -> bool:
    """Whether this file of a text is stored and the settings show such files (AMB-6)."""
    return file.size > 0 and (await INBOX.latest(app)).show_media.sms


FILE_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


async def download(app: App, call: Call) -> Any:
    """Sends a file to agents, and to the visitor if the file is public in their conversation; 404 for everybody else."""
    actor: Actor = call.actor
    if not isinstance(actor, Agent):
        if "authorization" not in call.request.headers:
            raise NotFound()
        actor = await auth.visitor_from_header(app, call.request.headers)
    token = str(call.path["token"])
    valid_token = FILE_TOKEN.fullmatch(token)  # invalid tokens are not looked up: PostgreSQL fails on a NUL
    file = (await app.read(rows.files, [token])).get(token) if valid_token else None
    if file is None or (file.owner.startswith(OWNER) and not await _may_show_texted_file(app, file)):
        raise NotFound()
    if isinstance(actor, Agent) and file.blocked and not file.owner.startswith("agent:"):
        raise NotFound()  # what a blocked person sends is hidden (AMB-5)
    own_file = isinstance(actor, Visitor) and file.owner == f"web:{actor.key}"
    if isinstance(actor, Visitor) and file.thread is not None and file.public:
        own_file = own_file or await app.read(visitors.guest_of, actor.key) == file.thread
    authorise(
        actor,
        Can.INBOX,
        Owned(actor.key if own_file and isinstance(actor, Visitor) else file.visitor_key, own_file or file.public),
    )
    path = storage.path_of(app, token)
    if not path.is_file():
        raise NotFound("This file no longer exists.")
    inline = file.type in storage.INLINE_TYPES
    quoted_name = quote(file.name, safe="")
    return FileResponse(
        path,
        media_type=file.type if inline else "application/octet-stream",
        headers={
            "content-disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quoted_name}",
            "cache-control": "private, max-age=86400, immutable",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "no-referrer",
        },
    )


LIST_QUERY: dict[str, dict[str, Any]] = {
    **{name: {"type": "string", "enum": list(words)} for name, words in CHOICES.items()},
    "limit": WHOLE_NUMBER,
    **PAGING_QUERY,
}
PAGE_QUERY: dict[str, dict[str, Any]] = {"before": WHOLE_NUMBER, "limit": WHOLE_NUMBER}
ENTRIES_QUERY: dict[str, dict[str, Any]] = PAGE_QUERY | {"after": WHOLE_NUMBER, "around": WHOLE_NUMBER}
SEARCH_QUERY: dict[str, dict[str, Any]] = {"q": {"type": "string"}}
SEARCH_PAGING: dict[str, dict[str, Any]] = {"after": PAGING_QUERY["after"], "limit": WHOLE_NUMBER}
FIND_QUERY: dict[str, dict[str, Any]] = {**SEARCH_QUERY, "nameless": {"type": "string", "enum": ["0", "1"]}}


class OptOutBody(Keyed):
    confirm: bool  # True: opt the contact out; False: the message meant something else


async def decide_stop_request(app: App, call: Call) -> Any:
    """Decide whether a message in the customer's own words is an opt-out."""
    body: OptOutBody = call.body
    ticket = await app.write(
        replies.decide_stop_request, call.agent, path_id(call, "ticket"), body.confirm, body.key, call.address
    )
    return await ticket_answer(app, ticket)


class InboxBody(settings.InboxForm):
    """`version`: of the settings that the change is based on."""

    version: str | None = None


_FREE_MAIL = {"free_mail": sorted(FREE_MAIL)}


async def get_settings(app: App, call: Call) -> Any:
    """Show the inbox's settings."""
    return (await app.read(settings.load_versioned)).json() | _FREE_MAIL


async def put_settings(app: App, call: Call) -> Any:
    """Change the inbox's settings. `show_media.webchat` needs the permission to configure the widget."""
    sent = {name: getattr(call.body, name) for name in settings.InboxForm.model_fields}
    fields_set = call.body.model_fields_set - {"version"}
    new_settings = settings.InboxForm.model_construct(_fields_set=fields_set, **sent)
    saved = await app.write(settings.change, call.agent, new_settings, call.body.version, call.address)
    INBOX.cached(app).on_published("", None)
    WIDGET.cached(app).on_published("", None)
    return saved.json() | _FREE_MAIL


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/tickets", list_tickets, Can.INBOX, response=responses.TicketPage, query=LIST_QUERY),
    Endpoint("GET", "/api/tickets/{ticket}", get_ticket, Can.INBOX, response=responses.TicketAndDetails),
    Endpoint(
        "GET",
        "/api/threads/{thread}/entries",
        thread_entries,
        Can.INBOX,
        response=responses.EntryPage,
        query=ENTRIES_QUERY,
    ),
    Endpoint(
        "GET",
        "/api/threads/{thread}/mails",
        mail_threads,
        Can.INBOX,
        response=responses.MailThreads,
    ),
    Endpoint("POST", "/api/tickets/{ticket}/reply", reply, Can.INBOX, ReplyBody, response=responses.Written),
    Endpoint("POST", "/api/tickets/{ticket}/notes", note, Can.INBOX, NoteBody, response=responses.Written),
    Endpoint("POST", "/api/tickets/{ticket}/close", close, Can.INBOX, Keyed, response=responses.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/close/undo", undo_close, Can.INBOX, Keyed, response=responses.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/reopen", reopen, Can.INBOX, Keyed, response=responses.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/assign", assign, Can.INBOX, AssignBody, response=responses.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/read", read, Can.INBOX, ReadBody, response=responses.OneTicket),
    Endpoint("POST", "/api/tickets/{ticket}/unread", unread, Can.INBOX, EmptyBody, response=responses.OneTicket),
    Endpoint("POST", "/api/tickets/bulk", change_many, Can.INBOX, BulkBody, response=responses.BulkResults),
    Endpoint("GET", "/api/drafts", list_drafts, Can.INBOX, response=responses.Drafts),
    Endpoint("PUT", "/api/tickets/{ticket}/draft", keep_draft, Can.INBOX, DraftBody, response=responses.KeptDraft),
    Endpoint("GET", "/api/find", find, Can.INBOX, response=responses.Found, query=FIND_QUERY),
    Endpoint(
        "GET",
        "/api/search",
        search_messages,
        Can.INBOX,
        response=responses.SearchHits,
        query=SEARCH_QUERY | SEARCH_PAGING,
    ),
    Endpoint(
        "POST",
        "/api/files",
        upload,
        Can.INBOX,
        raw=True,
        no_deadline=True,
        headers=("X-File-Name",),
        response=frames.File,
    ),
    Endpoint("GET", "/files/{token}", download, PUBLIC, response_type="*/*"),
    Endpoint(
        "POST",
        "/api/tickets/{ticket}/opt-out",
        decide_stop_request,
        Can.INBOX,
        OptOutBody,
        response=responses.OneTicket,
    ),
    Endpoint("GET", "/api/inbox/settings", get_settings, Can.INBOX, response=responses.VersionedInbox),
    Endpoint("PUT", "/api/inbox/settings", put_settings, Can.INBOX, InboxBody, response=responses.VersionedInbox),
]
