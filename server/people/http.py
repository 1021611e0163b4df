"""The table of contacts and the page of one contact over HTTP. Contract: PROTOCOL.md 3, 'Contacts'."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from server.accounts.rules import Can, authorise, may
from server.audiences import catalogue
from server.audiences.filter_sql import matching
from server.audiences.filters import check, parse_tree
from server.consent.rules import Status
from server.contact_data.by_hand import WantedStatus
from server.contacts import merging, properties
from server.contacts.identity import IdentityChange
from server.contacts.property_rules import Value
from server.contacts.rules import shown_phone
from server.errors import NotFound
from server.events.rules import shown_amount
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.sql import Conn
from server.people import editing, profile, responses, table, timeline
from server.people.editing import Edit
from server.people.responses import CountBody, EditBody, TableBody
from server.people.rules import MAX_PAGE, PAGE, Group, Sort, search_for
from server.people.table import Filters
from server.web.http import WHOLE_NUMBER, Call, Endpoint, path_id, whole_number
from server.web.paging import Key, Paging


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def shown_value(value: Value | None) -> str | bool | list[str] | None:
    """A property's value as JSON: a number as decimal text, so that none of its digits is lost."""
    match value:
        case datetime():
            return rfc3339(value)
        case Decimal():
            return format(value.normalize(), "f")
        case tuple():
            return list(value)
        case _:
            return value


# --- the table ------------------------------------------------------------------------------------


def _filters(conn: Conn, body: CountBody, now: datetime) -> Filters:
    """Raises `Refused` "bad_filter"."""
    found = None
    if body.filter is not None:
        tree = parse_tree(body.filter)
        known = catalogue.load(conn, [tree])
        check(tree, known)
        found = matching(tree, now, known)
    return Filters(search_for(body.search), body.hidden, matching=found)


async def list_people(app: App, call: Call) -> Any:
    """List contacts, sorted by an indexed column, page by page."""
    body: TableBody = call.body
    paging = Paging(app, f"people:{body.sort}:{int(body.descending)}", 2)
    after = paging.decode(body.after, "after") if body.after else None
    read = app.read if body.search == "" and body.filter is None else app.read_slowly
    people, more = await read(_page, body, after, app.clock.now())
    return {"people": people, "after": None if more is None else paging.encode(more), "as_of": rfc3339(app.clock.now())}


def _page(conn: Conn, body: TableBody, after: Key | None, now: datetime) -> tuple[list[dict[str, Any]], Key | None]:
    rows, more = table.page(conn, _filters(conn, body, now), Sort(body.sort), body.descending, after, body.limit)
    ids = [row.id for row in rows]
    values = properties.values_of(conn, ids)
    active, consents = table.last_active(conn, ids), table.statuses(conn, ids)
    people = [
        {
            "id": row.id,
            "name": row.name,
            "email": row.email,
            "phone": row.phone,
            "phone_shown": shown_phone(row.phone),
            "country": row.country,
            "language": row.language,
            "verified": row.verified,
            "blocked": row.blocked_at is not None,
            "created_at": rfc3339(row.created_at),
            "date_added": _time(row.date_added),
            "last_open": _time(row.last_open),
            "last_click": _time(row.last_click),
            "last_active": _time(active.get(row.id)),
            "consents": consents[row.id],
            "properties": {
                str(wanted): shown_value(values[row.id][wanted])
                for wanted in body.properties
                if wanted in values[row.id]
            },
        }
        for row in rows
    ]
    return people, more


async def count_people(app: App, call: Call) -> Any:
    """Count the contacts that the table would list."""
    return {"count": await app.read_slowly(_count, call.body, app.clock.now())}


def _count(conn: Conn, body: CountBody, now: datetime) -> int:
    return table.count(conn, _filters(conn, body, now))


# --- one contact ----------------------------------------------------------------------------------


async def show_profile(app: App, call: Call) -> Any:
    """Show who a contact is, with addresses, properties, times and tickets."""
    contact, inbox = path_id(call, "contact"), may(call.actor, Can.INBOX)
    return _profile_json(await app.read(_profile, contact, inbox), app.clock.now())


def _profile(conn: Conn, contact: int, inbox: bool) -> profile.Profile:
    return profile.profile(conn, contact, inbox=inbox)


_TICKET = tuple(responses.PersonTicket.model_fields)


def _wires(found: profile.Profile, now: datetime) -> list[dict[str, Any]]:
    """The tickets as the inbox shows them, which leaves out what a blocked person wrote (AMB-5)."""
    return [ticket.wire(now, None) for ticket in found.tickets]


def _profile_json(found: profile.Profile, now: datetime) -> dict[str, Any]:
    person = found.contact
    return {
        "id": person.id,
        "guid": person.guid,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "phone_shown": shown_phone(person.phone),
        "country": person.country,
        "language": person.language,
        "verified": found.verified,
        "blocked_at": _time(found.blocked_at),
        "addresses": [
            {**address._asdict(), "shown": shown_phone(address.value) if address.kind == "phone" else address.value}
            for address in found.addresses
        ],
        "created_at": rfc3339(found.created_at),
        "date_added": _time(found.date_added),
        "last_open": _time(found.last_open),
        "last_click": _time(found.last_click),
        "first_active": _time(found.first_active),
        "last_active": _time(found.last_active),
        "time_zone": found.time_zone,
        "suppressed": [
            {
                "channel": each.channel,
                "address": each.address,
                "reason": each.reason,
                "detail": each.detail,
                "at": rfc3339(each.at),
            }
            for each in found.suppressed
        ],
        "properties": [
            {
                "id": each.id,
                "key": each.key,
                "name": each.name,
                "type": each.type.value,
                "value": shown_value(value),
            }
            for each, value in found.properties
        ],
        "lists": [{**each._asdict(), "joined_at": rfc3339(each.joined_at)} for each in found.lists],
        "segments": [{**each._asdict(), "joined_at": rfc3339(each.joined_at)} for each in found.segments],
        "tickets": [{name: wire[name] for name in _TICKET} for wire in _wires(found, now)],
    }


async def edit(app: App, call: Call) -> Any:
    """Change a contact's details, properties and consents together; the support role may only withdraw consents."""
    body: EditBody = call.body
    wanted = [WantedStatus(each.purpose, Status(each.status)) for each in body.consents]
    if wanted:
        grants = any(each.status is Status.SUBSCRIBED for each in wanted)
        authorise(call.actor, Can.CONSENT_GRANT if grants else Can.CONSENT_WITHDRAW)
    identity = IdentityChange(body.name, body.email, body.phone, body.crm_id, body.language)
    change = Edit(identity, body.properties, wanted, body.reason)
    root = await app.write(editing.edit, call.agent, path_id(call, "contact"), change, call.address)
    found = await app.read(_profile, root, may(call.actor, Can.INBOX))
    return _profile_json(found, app.clock.now())


async def show_timeline(app: App, call: Call) -> Any:
    """Read everything that happened with a contact, newest first: of one kind or all, from the newest or from one event."""
    contact, inbox = path_id(call, "contact"), may(call.actor, Can.INBOX)
    group = Group(name) if (name := call.query.get("kind", "")) in set(Group) else None
    limit = whole_number(call, "limit", PAGE, MAX_PAGE)
    paging = Paging(app, f"timeline:{contact}:{group or ''}", 3)
    sent = call.query.get("after", "")
    after = paging.decode(sent, "after") if sent else None
    event = whole_number(call, "event", 0, 2**53) if "event" in call.query and not sent else 0
    items, more, found = await app.read(_timeline, contact, group, inbox, after, event, limit)
    return {
        "items": [_item(item) for item in items],
        "after": None if more is None else paging.encode(more),
        "from_event": found,
    }


def _timeline(
    conn: Conn, contact: int, group: Group | None, inbox: bool, after: Key | None, event: int, limit: int
) -> tuple[list[timeline.Item], Key | None, bool]:
    if not merging.members(conn, contact):
        raise NotFound()
    place = timeline.place_of(conn, contact, event) if event else None
    items, more = timeline.page(conn, contact, group, inbox=inbox, after=place or after, limit=limit)
    return items, more, place is not None


_STREAMS = {timeline.EVENTS: "event", timeline.NOTES: "note", timeline.MERGES: "merge", timeline.UNDOS: "undo"}


def _item(item: timeline.Item) -> dict[str, Any]:
    written = item.written
    return {
        "key": f"{_STREAMS[item.stream]}-{item.id}",
        "event": item.id if item.stream == timeline.EVENTS else None,
        "kind": item.kind,
        "at": rfc3339(item.at),
        "source": item.source,
        "data": item.data,
        "value": None if item.value is None else shown_amount(item.value),
        "currency": item.currency,
        "written": written
        and {
            "author": {"type": written.author_type, "name": written.author_name},
            "text": written.text,
            "files": written.files,
            "hidden": written.hidden,
        },
        "ticket": item.ticket,
    }


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/api/people", list_people, Can.CONTACTS_SEE, TableBody, response=responses.People),
    Endpoint("POST", "/api/people/count", count_people, Can.CONTACTS_SEE, CountBody, response=responses.PeopleCount),
    Endpoint("GET", "/api/people/{contact}", show_profile, Can.CONTACTS_SEE, response=responses.Profile),
    Endpoint("PUT", "/api/people/{contact}", edit, Can.CONTACTS_EDIT, EditBody, response=responses.Profile),
    Endpoint(
        "GET",
        "/api/people/{contact}/timeline",
        show_timeline,
        Can.CONTACTS_SEE,
        response=responses.PersonTimeline,
        query={
            "kind": {"type": "string", "enum": [group.value for group in Group]},
            "event": WHOLE_NUMBER,
            "after": {"type": "string", "description": "The cursor of the page before."},
            "limit": WHOLE_NUMBER,
        },
    ),
]
