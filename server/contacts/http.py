"""Contacts over HTTP. Contract: PROTOCOL.md 3, 'Contacts' and 'Consent'."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Agent, ApiKey, Can
from server.contacts import actions, merging, queries
from server.errors import NotFound
from server.inbox import merging as desk
from server.kernel.clock import rfc3339
from server.kernel.context import App, Conn, Tx
from server.web.http import Call, EmptyBody, Endpoint, path_id


class Contact(BaseModel):
    id: int
    guid: str
    name: str
    email: str | None
    phone: str | None
    country: str


class Contacts(BaseModel):
    contacts: list[Contact]


class OneContact(BaseModel):
    contact: Contact


class Address(BaseModel):
    kind: Literal["external", "shop", "crm", "email", "phone", "peer"]
    value: str
    verified: bool


class MergeOut(BaseModel):
    """`contact` was merged into `survivor`. `by`: the name of who merged them."""

    id: int
    contact: Contact
    survivor: int
    by: str
    at: str


class WholeContact(BaseModel):
    """The contact that remains of its merges, with what identifies it and the contacts merged with it."""

    contact: Contact
    addresses: list[Address]
    merges: list[MergeOut]


class MergeBody(BaseModel):
    """`contact`: the contact that is merged into the one in the path."""

    model_config = ConfigDict(extra="ignore", strict=True)

    contact: int = Field(ge=1, le=2**53)


class NameBody(BaseModel):
    """A missing field is not changed."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str | None = Field(None, max_length=1000)
    email: str | None = Field(None, max_length=1000)


async def change(app: App, call: Call) -> Any:
    """Change a contact's name, e-mail address, or both."""
    contact, body = path_id(call, "contact"), call.body
    person = await app.write(_change, call.changer, contact, body, call.address)
    return {"contact": person_out(person)}


def _change(tx: Tx, actor: Agent | ApiKey, contact: int, body: NameBody, address: str) -> queries.Brief:
    actions.set_name(tx, actor, contact, body.name, body.email, address)
    person = queries.brief(tx, merging.root(tx, contact))
    assert person is not None
    return person


def person_out(contact: queries.Brief) -> dict[str, Any]:
    return {
        "id": contact.id,
        "guid": contact.guid,
        "name": contact.name,
        "email": contact.email,
        "phone": contact.phone,
        "country": contact.country,
    }


async def duplicates(app: App, call: Call) -> Any:
    """List the other contacts with this contact's number."""
    people = await app.read(_duplicates, path_id(call, "contact"))
    if people is None:
        raise NotFound()
    return {"contacts": [person_out(person) for person in people]}


def _duplicates(conn: Conn, contact: int) -> list[queries.Brief] | None:
    return None if queries.brief(conn, contact) is None else queries.same_number(conn, contact)


async def whole(app: App, call: Call) -> Any:
    """Get a contact with everything that identifies it, and the merges that can be undone."""
    return await app.read(_whole, path_id(call, "contact"))


def _whole(conn: Conn, contact: int) -> dict[str, Any]:
    person = queries.brief(conn, merging.root(conn, contact))
    assert person is not None
    merges = []
    for merge in merging.merges_of(conn, contact):
        merged = queries.brief(conn, merge.contact)
        assert merged is not None
        merges.append(
            {
                "id": merge.id,
                "contact": person_out(merged),
                "survivor": merge.survivor,
                "by": merge.by,
                "at": rfc3339(merge.at),
            }
        )
    found = [address._asdict() for address in queries.addresses_of(conn, contact)]
    return {"contact": person_out(person), "addresses": found, "merges": merges}


async def merge(app: App, call: Call) -> Any:
    """Merge another contact into this one. Reversible."""
    return await app.write(_merge, call.changer, path_id(call, "contact"), call.body.contact, call.address)


def _merge(tx: Tx, actor: Agent | ApiKey, contact: int, other: int, address: str) -> dict[str, Any]:
    return _whole(tx, desk.merge(tx, actor, contact, other, address))


async def undo_merge(app: App, call: Call) -> Any:
    """Undo a merge. What arrived since then stays where it is."""
    return await app.write(_undo_merge, call.changer, path_id(call, "merge"), call.address)


def _undo_merge(tx: Tx, actor: Agent | ApiKey, merge_id: int, address: str) -> dict[str, Any]:
    return _whole(tx, desk.undo(tx, actor, merge_id, address))


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/contacts/{contact}", whole, Can.CONTACTS_SEE, response=WholeContact, keys=True),
    Endpoint(
        "POST", "/api/contacts/{contact}/merge", merge, Can.CONTACTS_EDIT, MergeBody, response=WholeContact, keys=True
    ),
    Endpoint(
        "POST", "/api/merges/{merge}/undo", undo_merge, Can.CONTACTS_EDIT, EmptyBody, response=WholeContact, keys=True
    ),
    Endpoint("PUT", "/api/contacts/{contact}", change, Can.CONTACTS_EDIT, NameBody, response=OneContact, keys=True),
    Endpoint("GET", "/api/contacts/{contact}/duplicates", duplicates, Can.CONTACTS_SEE, response=Contacts, keys=True),
]
