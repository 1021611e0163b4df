"""Contacts over HTTP. Contract: PROTOCOL.md 3, 'Consent'."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from server.accounts.rules import Can
from server.contacts import queries
from server.errors import NotFound
from server.kernel.context import App, Conn
from server.web.http import Call, Endpoint, path_id


class Person(BaseModel):
    id: int
    name: str
    email: str | None
    phone: str | None
    country: str


class People(BaseModel):
    contacts: list[Person]


async def duplicates(app: App, call: Call) -> Any:
    """List who else has this contact's number."""
    found = await app.read(_duplicates, path_id(call, "contact"))
    if found is None:
        raise NotFound()
    return {
        "contacts": [
            {"id": one.id, "name": one.name, "email": one.email, "phone": one.phone, "country": one.country}
            for one in found
        ]
    }


def _duplicates(conn: Conn, contact: int) -> list[queries.Brief] | None:
    return None if queries.brief(conn, contact) is None else queries.same_number(conn, contact)


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/contacts/{contact}/duplicates", duplicates, Can.CONTACTS_SEE, answer=People),
]
