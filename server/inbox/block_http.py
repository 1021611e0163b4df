"""Blocking over HTTP. Everybody with the inbox may block; the owner and admins may unblock."""

from __future__ import annotations

from typing import Any

from server.accounts.rules import Can
from server.contacts.rules import shown_phone
from server.inbox import blocking, responses
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.web.http import Call, Done, EmptyBody, Endpoint, path_id


async def block(app: App, call: Call) -> Any:
    """Block a person: close their tickets and hide what they write."""
    await app.write(blocking.block, call.agent, path_id(call, "person"), call.address)
    return {}


async def unblock(app: App, call: Call) -> Any:
    """Unblock a person."""
    await app.write(blocking.unblock, call.agent, path_id(call, "person"), call.address)
    return {}


async def list_blocked(app: App, call: Call) -> Any:
    """List blocked people, the last one first."""
    people = await app.read(blocking.blocked_people)
    return {
        "people": [
            {
                "contact": {
                    "id": person.id,
                    "name": person.name,
                    "email": person.email,
                    "phone": person.phone,
                    "phone_shown": shown_phone(person.phone),
                    "verified": person.verified,
                },
                "blocked_at": rfc3339(person.blocked_at),
            }
            for person in people
        ]
    }


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/api/contacts/{person}/block", block, Can.INBOX, EmptyBody, response=Done),
    Endpoint("POST", "/api/contacts/{person}/unblock", unblock, Can.UNBLOCK, EmptyBody, response=Done),
    Endpoint("GET", "/api/blocked", list_blocked, Can.UNBLOCK, response=responses.BlockedPeople),
]
