"""Contacts over HTTP. Contract: PROTOCOL.md 3, 'Contacts' and 'Consent'."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Agent, Can
from server.contacts import actions, queries
from server.errors import NotFound
from server.kernel.context import App, Conn, Tx
from server.web.http import Call, Endpoint, path_id


class Person(BaseModel):
    id: int
    name: str
    email: str | None
    phone: str | None
    country: str


class People(BaseModel):
    contacts: list[Person]


class OnePerson(BaseModel):
    contact: Person


class Naming(BaseModel):
    """What is left out stays as it is, so that what a visitor typed does not become known by being looked at."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str | None = Field(None, max_length=1000)
    email: str | None = Field(None, max_length=1000)


async def change(app: App, call: Call) -> Any:
    """Write down who somebody is: name, e-mail, or both."""
    contact, body = path_id(call, "contact"), call.body
    found = await app.write(_change, call.agent, contact, body, call.address)
    return {"contact": _person(found)}


def _change(tx: Tx, agent: Agent, contact: int, body: Naming, address: str) -> queries.Brief:
    actions.name(tx, agent, contact, body.name, body.email, address)
    found = queries.brief(tx, contact)
    assert found is not None
    return found


def _person(one: queries.Brief) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "email": one.email, "phone": one.phone, "country": one.country}


async def duplicates(app: App, call: Call) -> Any:
    """List who else has this contact's number."""
    found = await app.read(_duplicates, path_id(call, "contact"))
    if found is None:
        raise NotFound()
    return {"contacts": [_person(one) for one in found]}


def _duplicates(conn: Conn, contact: int) -> list[queries.Brief] | None:
    return None if queries.brief(conn, contact) is None else queries.same_number(conn, contact)


ENDPOINTS: list[Endpoint] = [
    Endpoint("PUT", "/api/contacts/{contact}", change, Can.CONTACTS_EDIT, Naming, answer=OnePerson),
    Endpoint("GET", "/api/contacts/{contact}/duplicates", duplicates, Can.CONTACTS_SEE, answer=People),
]
