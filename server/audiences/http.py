"""Properties and lists over HTTP; segments are in `segment_http.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Can
from server.audiences import filters, lists, postal_codes, responses, segments
from server.audiences.lists import ContactList
from server.audiences.rules import MAX_LISTS_AND_SEGMENTS
from server.audiences.segments import Segment
from server.audit.rules import ActedBy
from server.contacts import properties
from server.contacts.property_rules import MAX_PROPERTIES, Definition, PropertyType
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.sql import Conn, Row, Tx
from server.web.http import WHOLE_NUMBER, Call, Done, Endpoint, path_id, whole_number
from server.web.paging import Paging

MAX_CHANGED = 1_000  # contacts that one call adds or removes
PAGE, MAX_PAGE = 50, 200
LAST = 2**53  # above every id of a contact


class PropertyBody(BaseModel):
    """`key` null: made from the name."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str = Field(max_length=1000)
    key: str | None = Field(None, max_length=100)
    type: PropertyType = Field(strict=False)


class PropertyChange(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str = Field(max_length=1000)


class NewList(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str = Field(max_length=1000)
    double_opt_in: bool = True


class ListChange(BaseModel):
    """A missing field is not changed."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str | None = Field(None, max_length=1000)
    double_opt_in: bool | None = None


class ListMembersBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    contacts: list[int] = Field(min_length=1, max_length=MAX_CHANGED)


class PostalCodesBody(BaseModel):
    """Lines of a file: country, code, latitude, longitude."""

    model_config = ConfigDict(extra="ignore", strict=True)

    lines: list[str] = Field(min_length=1, max_length=postal_codes.MAX_LINES)


def named(users: Sequence[Segment]) -> list[responses.SegmentName]:
    return [responses.SegmentName(id=each.id, name=each.name) for each in users]


# --- properties -----------------------------------------------------------------------------------


def property_out(each: Definition, stored: Sequence[Segment]) -> responses.PropertyOut:
    users = [segment for segment in stored if filters.uses_property(segment.filter, each.id)]
    return responses.PropertyOut(
        id=each.id, key=each.key, name=each.name, type=each.type, fixed=each.fixed, used_by=named(users)
    )


def _properties(conn: Conn) -> responses.Properties:
    stored = segments.every(conn)
    found = [property_out(each, stored) for each in properties.definitions(conn)]
    return responses.Properties(properties=found, limit=MAX_PROPERTIES)


def _one_property(conn: Conn, each: Definition) -> responses.OneProperty:
    return responses.OneProperty(property=property_out(each, segments.every(conn)))


async def list_properties(app: App, call: Call) -> Any:
    """List the properties of contacts, the fixed ones first."""
    return await app.read(_properties)


async def add_property(app: App, call: Call) -> Any:
    """Define a property."""
    body: PropertyBody = call.body

    def add(tx: Tx) -> responses.OneProperty:
        each = properties.define(tx, body.key or "", body.name, body.type, call.changer.by, call.address)
        return _one_property(tx, each)

    return await app.write(add)


async def rename_property(app: App, call: Call) -> Any:
    """Rename a property. Its key and type never change."""
    property_id = path_id(call, "property")

    def rename(tx: Tx) -> responses.OneProperty:
        return _one_property(tx, properties.rename(tx, property_id, call.body.name, call.changer.by, call.address))

    return await app.write(rename)


async def remove_property(app: App, call: Call) -> Any:
    """Delete a property and its values. Refused while segments ask for it."""
    await app.write(_remove_property, path_id(call, "property"), call.changer.by, call.address)
    return {}


def _remove_property(tx: Tx, property_id: int, by: ActedBy, address: str) -> None:
    properties.lock(tx)
    each = properties.definition(tx, property_id)
    segments.refuse_if_used(each.name, segments.using_property(tx, property_id))
    properties.remove(tx, property_id, by, address)


# --- lists ----------------------------------------------------------------------------------------


def _list_out(each: ContactList, stored: Sequence[Segment]) -> responses.ListOut:
    users = [segment for segment in stored if filters.uses_list(segment.filter, each.id)]
    return responses.ListOut(
        id=each.id,
        name=each.name,
        double_opt_in=each.double_opt_in,
        members=each.members,
        created_at=rfc3339(each.created_at),
        used_by=named(users),
    )


def _lists(conn: Conn) -> responses.Lists:
    stored = segments.every(conn)
    return responses.Lists(
        lists=[_list_out(each, stored) for each in lists.every(conn)],
        used=lists.used(conn),
        limit=MAX_LISTS_AND_SEGMENTS,
    )


def _one_list(conn: Conn, list_id: int) -> responses.OneList:
    return responses.OneList(list=_list_out(lists.by_id(conn, list_id), segments.every(conn)))


async def list_lists(app: App, call: Call) -> Any:
    """List all lists, by name."""
    return await app.read(_lists)


async def show_list(app: App, call: Call) -> Any:
    """Get a list."""
    return await app.read(_one_list, path_id(call, "list"))


async def add_list(app: App, call: Call) -> Any:
    """Create a list."""
    body: NewList = call.body

    def add(tx: Tx) -> responses.OneList:
        new = lists.create(tx, body.name, call.changer.by, double_opt_in=body.double_opt_in, address=call.address)
        return _one_list(tx, new.id)

    return await app.write(add)


async def change_list(app: App, call: Call) -> Any:
    """Rename a list, or change whether joining needs a confirmation."""
    body: ListChange = call.body
    list_id = path_id(call, "list")

    def change(tx: Tx) -> responses.OneList:
        lists.change(
            tx, list_id, call.changer.by, name=body.name, double_opt_in=body.double_opt_in, address=call.address
        )
        return _one_list(tx, list_id)

    return await app.write(change)


async def remove_list(app: App, call: Call) -> Any:
    """Delete a list; its members stay contacts. Refused while segments ask for it."""
    await app.write(_remove_list, path_id(call, "list"), call.changer.by, call.address)
    return {}


def _remove_list(tx: Tx, list_id: int, by: ActedBy, address: str) -> None:
    tx.lock_names(lists.LOCK)
    each = lists.by_id(tx, list_id)
    segments.refuse_if_used(each.name, segments.using_list(tx, list_id))
    lists.remove(tx, list_id, by, address)


async def add_members(app: App, call: Call) -> Any:
    """Add contacts to a list."""
    joined = await app.write(lists.add_members, path_id(call, "list"), call.body.contacts, call.changer.by)
    return {"changed": len(joined)}


async def remove_members(app: App, call: Call) -> Any:
    """Remove contacts from a list."""
    left = await app.write(lists.remove_members, path_id(call, "list"), call.body.contacts, call.changer.by)
    return {"changed": len(left)}


async def list_members(app: App, call: Call) -> Any:
    """List the members of a list, the newest contacts first."""
    list_id = path_id(call, "list")
    await app.read(lists.by_id, list_id)
    limit, after = whole_number(call, "limit", PAGE, MAX_PAGE), call.query.get("after", "")
    return await members_page(app, f"list:{list_id}", lists.members_page, list_id, after, limit)


async def members_page(
    app: App, name: str, read: Callable[[Conn, int, int, int], list[Row]], group_id: int, after: str, limit: int
) -> dict[str, Any]:
    """A page of members. `name`: of the paging; `read`: as `lists.members_page`; `after`: a cursor, or ""."""
    paging = Paging(app, name, 1)
    before = paging.decode(after, "after")[0] if after else LAST
    found = await app.read(read, group_id, before, limit + 1)
    page = found[:limit]
    members = [
        {
            "id": row.id,
            "name": row.name,
            "email": row.email,
            "phone": row.phone,
            "country": row.country,
            "joined_at": rfc3339(row.joined_at),
        }
        for row in page
        if not row.repeated
    ]
    return {"members": members, "after": paging.encode((page[-1].key,)) if len(found) > limit else None}


# --- postal codes ---------------------------------------------------------------------------------


def _codes(conn: Conn) -> responses.PostalCodes:
    found = [responses.CountryCodes(country=country, codes=codes) for country, codes in postal_codes.countries(conn)]
    return responses.PostalCodes(countries=found)


async def list_postal_codes(app: App, call: Call) -> Any:
    """List the countries whose postal codes filters can measure distances from."""
    return await app.read(_codes)


async def add_postal_codes(app: App, call: Call) -> Any:
    """Add lines of a table of postal codes; a bad line does not affect the others."""
    stored, bad = await app.write(postal_codes.add, call.body.lines, call.changer.by, call.address)
    return {"stored": stored, "bad": [line._asdict() for line in bad]}


async def remove_postal_codes(app: App, call: Call) -> Any:
    """Delete the postal codes of a country. Refused while segments ask for a distance there."""
    await app.write(postal_codes.remove_country, call.path["country"], call.changer.by, call.address)
    return {}


MEMBERS_QUERY: dict[str, dict[str, Any]] = {
    "after": {"type": "string", "description": "The cursor of the page before."},
    "limit": WHOLE_NUMBER,
}

ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/properties", list_properties, Can.LISTS_SEE, response=responses.Properties),
    Endpoint("POST", "/api/properties", add_property, Can.PROPERTIES, PropertyBody, response=responses.OneProperty),
    Endpoint(
        "PUT",
        "/api/properties/{property}",
        rename_property,
        Can.PROPERTIES,
        PropertyChange,
        response=responses.OneProperty,
    ),
    Endpoint("DELETE", "/api/properties/{property}", remove_property, Can.PROPERTIES, response=Done),
    Endpoint("GET", "/api/postal-codes", list_postal_codes, Can.LISTS_SEE, response=responses.PostalCodes),
    Endpoint(
        "POST",
        "/api/postal-codes",
        add_postal_codes,
        Can.PROPERTIES,
        PostalCodesBody,
        max_body=1024 * 1024,
        response=responses.PostalCodesAdded,
    ),
    Endpoint("DELETE", "/api/postal-codes/{country}", remove_postal_codes, Can.PROPERTIES, response=Done),
    Endpoint("GET", "/api/lists", list_lists, Can.LISTS_SEE, response=responses.Lists),
    Endpoint("POST", "/api/lists", add_list, Can.LISTS_EDIT, NewList, response=responses.OneList),
    Endpoint("GET", "/api/lists/{list}", show_list, Can.LISTS_SEE, response=responses.OneList),
    Endpoint("PUT", "/api/lists/{list}", change_list, Can.LISTS_EDIT, ListChange, response=responses.OneList),
    Endpoint("DELETE", "/api/lists/{list}", remove_list, Can.LISTS_EDIT, response=Done),
    Endpoint(
        "GET",
        "/api/lists/{list}/members",
        list_members,
        Can.CONTACTS_SEE,
        response=responses.Members,
        query=MEMBERS_QUERY,
    ),
    Endpoint(
        "POST",
        "/api/lists/{list}/members",
        add_members,
        Can.LISTS_EDIT,
        ListMembersBody,
        response=responses.MembersChanged,
    ),
    Endpoint(
        "POST",
        "/api/lists/{list}/members/remove",
        remove_members,
        Can.LISTS_EDIT,
        ListMembersBody,
        response=responses.MembersChanged,
    ),
]
