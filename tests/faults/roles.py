"""The written expectation for every route and every role (G16). A route that is not here fails the test.

Written by hand from SPEC ROL-1..8 on purpose: generated from the code it would repeat the code's mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ALL = frozenset({"owner", "admin", "manager", "analyst", "coordinator", "creator", "support"})
INBOX = frozenset({"owner", "admin", "manager", "support"})
CHANNELS = frozenset({"owner", "admin", "manager"})
ADMINS = frozenset({"owner", "admin"})
CONTACTS = frozenset({"owner", "admin", "manager", "support", "analyst", "coordinator"})
EXPORT = frozenset({"owner", "admin", "analyst"})
ANYONE = ALL | {"anonymous", "visitor", "disabled"}
VISITOR = frozenset({"visitor"})
STRANGERS = ("anonymous", "visitor", "disabled")
EVERYBODY = (*sorted(ALL), *STRANGERS)


@dataclass(frozen=True)
class Cell:
    """One route: who may, what they are answered, and a request that harms nobody's next cell."""

    who: frozenset[str]
    answers: tuple[int, ...]
    body: Any = None
    fresh_session: bool = False  # ends the session it is called with
    forbidden: int = 403  # for a signed-in role that may not
    stranger: int = 401  # for whoever is not signed in


NOBODY = "999999999"  # an id that does not exist
KEY = "matrix-{n:08d}"

EXPECT: dict[str, Cell] = {
    # accounts: anyone may knock, what happens depends on what they bring
    "GET /api/session": Cell(ANYONE, (200,)),
    "POST /api/setup": Cell(
        ANYONE, (409,), {"name": "X", "email": "x@shop.example", "password": "kettle harbour mosaic"}
    ),
    "POST /api/login": Cell(ANYONE, (401,), {"email": "nobody{n}@shop.example", "password": "wrong wrong wrong"}),
    "POST /api/logout": Cell(ANYONE, (200,), {}, fresh_session=True),
    "POST /api/links/use": Cell(ANYONE, (404, 409, 410, 422), {"token": "A" * 43}),
    "POST /api/links/finish": Cell(
        ANYONE, (404, 409, 410, 422), {"token": "A" * 43, "password": "kettle harbour mosaic"}
    ),
    "POST /api/password": Cell(
        ALL, (401, 403, 409, 422), {"current": "wrong wrong wrong", "password": "kettle harbour mosaic 2"}
    ),
    "GET /api/sessions": Cell(ALL, (200,)),
    "DELETE /api/sessions": Cell(ALL, (200,)),
    "DELETE /api/sessions/{id}": Cell(ALL, (404,)),
    "PATCH /api/me": Cell(ALL, (200,), {"away": False}),
    "GET /api/users": Cell(ALL, (200,)),
    "PATCH /api/users/{id}": Cell(ADMINS, (404,), {"name": "Nobody"}),
    "POST /api/users/{id}/reset-link": Cell(ADMINS, (404,), {}),
    "GET /api/invites": Cell(ADMINS, (200,)),
    "POST /api/invites": Cell(ADMINS, (200,), {"email": "new{n}@shop.example", "role": "support"}),
    "DELETE /api/invites/{id}": Cell(ADMINS, (404,)),
    # the inbox: ROL-3
    "GET /api/tickets": Cell(INBOX, (200,)),
    "GET /api/tickets/{ticket}": Cell(INBOX, (200,)),
    "GET /api/threads/{thread}/entries": Cell(INBOX, (200,)),
    "POST /api/tickets/{ticket}/reply": Cell(INBOX, (200,), {"key": KEY, "text": "matrix"}),
    "POST /api/tickets/{ticket}/notes": Cell(INBOX, (200,), {"key": KEY, "text": "matrix"}),
    "POST /api/tickets/{ticket}/close": Cell(INBOX, (200,), {"key": KEY}),
    "POST /api/tickets/{ticket}/close/undo": Cell(INBOX, (200,), {"key": KEY}),
    "POST /api/tickets/{ticket}/reopen": Cell(INBOX, (200, 409), {"key": KEY}),
    "POST /api/tickets/{ticket}/assign": Cell(INBOX, (200,), {"key": KEY, "user": None}),
    "POST /api/tickets/{ticket}/read": Cell(INBOX, (200,), {"seq": 1}),
    "POST /api/tickets/{ticket}/unread": Cell(INBOX, (200,), {}),
    "GET /api/drafts": Cell(INBOX, (200,)),
    "PUT /api/tickets/{ticket}/draft": Cell(INBOX, (200,), {"text": "half a sentence", "mode": "reply"}),
    "GET /api/find": Cell(INBOX, (200,)),
    "GET /api/search": Cell(INBOX, (200, 422)),
    "POST /api/files": Cell(INBOX, (200,), b"bytes"),
    # visitors
    "GET /files/{token}": Cell(frozenset(), (), forbidden=404, stranger=404),
    "POST /widget/older": Cell(VISITOR, (200, 404), {"thread": "t", "before": 1}, forbidden=401),
    "POST /widget/files": Cell(VISITOR, (200, 403), b"bytes", forbidden=401),
    "GET /widget/config": Cell(ANYONE, (200,)),
    "POST /widget/poll": Cell(ANYONE, (200,), {"hello": {"type": "hello", "version": 1}}),
    "POST /widget/send": Cell(VISITOR, (200,), b'{"type":"ping"}', forbidden=401),
    # settings: ROL-4, secrets apart
    "GET /api/settings/widget": Cell(CHANNELS, (200,)),
    "PUT /api/settings/widget": Cell(CHANNELS, (200,), {"visitor_files": True}),
    "GET /api/settings/widget/install": Cell(CHANNELS, (200,)),
    "GET /api/settings/widget/identity": Cell(ADMINS, (200,)),
    "POST /api/settings/widget/identity/rotate": Cell(ADMINS, (200,), {}),
    # consent: ROL-8; who may only take it away is told apart in tests/edge/test_consent_http.py
    "PUT /api/contacts/{contact}": Cell(INBOX, (200,), {"name": "Matrix {n}"}),
    "GET /api/contacts/{contact}/consents": Cell(CONTACTS, (200,)),
    "GET /api/contacts/{contact}/duplicates": Cell(CONTACTS, (200,)),
    "GET /api/consents": Cell(CONTACTS, (200,)),
    "POST /api/consents": Cell(CHANNELS, (200,), {"name": "Profiling {n}"}),
    "PUT /api/consents/{kind}": Cell(CHANNELS, (404,), {"name": "Terms {n}"}),
    "DELETE /api/consents/{kind}": Cell(CHANNELS, (404,)),
    "POST /api/contacts/{contact}/consents": Cell(
        INBOX, (200,), {"purpose": "email_marketing", "status": "unsubscribed", "reason": "matrix {n}"}
    ),
    "GET /api/outbound/{outbound}/evidence": Cell(EXPORT, (404,)),
    "GET /api/sms/keywords": Cell(CHANNELS, (200,)),
    "PUT /api/sms/keywords": Cell(CHANNELS, (200,), {"mode": "smart"}),
    "POST /api/sms/keywords/check": Cell(CHANNELS, (200,), {"word": "join"}),
    # texts: ROL-4; what an agent does with one is the inbox's
    "GET /api/sms/settings": Cell(CHANNELS, (200,)),
    "PUT /api/sms/settings": Cell(CHANNELS, (200,), {"on": False, "account_sid": ""}),
    "POST /api/sms/test": Cell(CHANNELS, (200,), {}),
    "GET /api/sms/litigators": Cell(CHANNELS, (200,)),
    "PUT /api/sms/litigators": Cell(CHANNELS, (200,), {"on": True}),
    "POST /api/sms/litigators": Cell(CHANNELS, (200,), {"lines": ["+12025550{n:03d}"]}),
    "DELETE /api/sms/litigators": Cell(CHANNELS, (200,)),
    "DELETE /api/sms/litigators/{digits}": Cell(CHANNELS, (404,)),
    "GET /api/sms/credits": Cell(CHANNELS, (200,)),
    "GET /api/sms/senders": Cell(CHANNELS, (200,)),
    "POST /api/sms/senders": Cell(CHANNELS, (422,), {"address": "matrix", "kind": "short_code", "country": "US"}),
    "PUT /api/sms/senders/{sender}": Cell(
        CHANNELS, (404,), {"address": "72345", "kind": "short_code", "country": "US"}
    ),
    "DELETE /api/sms/senders/{sender}": Cell(CHANNELS, (404,)),
    "GET /api/outbound": Cell(INBOX, (200,)),
    "POST /api/outbound/{outbound}/retry": Cell(INBOX, (404,), {}),
    "POST /api/outbound/{outbound}/decide": Cell(INBOX, (404,), {"outcome": "sent"}),
    "POST /api/tickets/{ticket}/opt-out": Cell(INBOX, (200, 409), {"key": KEY, "confirm": False}),
    "GET /api/inbox/settings": Cell(INBOX, (200,)),
    # The chat's switch in it is told apart in tests/edge/test_inbox_settings_http.py.
    "PUT /api/inbox/settings": Cell(INBOX, (200,), {"show_media": {"sms": True}}),
    "GET /api/links/settings": Cell(CHANNELS, (200,)),
    "PUT /api/links/settings": Cell(CHANNELS, (200,), {"domain": ""}),
    "GET /l/{code}": Cell(ANYONE, (404,)),
    "GET /media/{name}": Cell(ANYONE, (404,)),
    # operations
    "GET /api/audit": Cell(ADMINS, (200,)),
    "GET /api/doctor": Cell(CHANNELS, (200,)),
    "GET /api/jobs/dead": Cell(ADMINS, (200,)),
    "POST /api/jobs/{id}/retry": Cell(ADMINS, (404, 409), {}),
    "GET /api/openapi.json": Cell(ALL, (200,)),
}

# Sockets: who gets in, and what each frame of the vocabulary is answered there.
SOCKET_DOORS = {
    "/ws/agent": {name: (0 if name in INBOX else 401 if name in STRANGERS else 403) for name in EVERYBODY},
    "/ws/visitor": dict.fromkeys(EVERYBODY, 0),
}

# frame type -> (frame, first answer on an agent's socket, first answer on a visitor's); None: no answer of its own
SAMPLES: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "hello": ({"version": 1}, "refused bad_frame", "refused bad_frame"),
    "open": ({"thread": 1, "after": 0}, "entry", "refused unknown_type"),
    "leave": ({"thread": 1}, None, "refused unknown_type"),
    "typing": ({"thread": 1}, None, None),
    "seen": ({"seq": 1}, "refused bad_frame", None),
    "ping": ({}, "pong", "pong"),
    "say": ({"id": KEY, "text": "matrix"}, "refused unknown_type", "entry"),
    "end": ({"id": KEY}, "refused unknown_type", None),
    "introduce": ({"id": KEY, "email": "m@shop.example"}, "refused unknown_type", None),
    "page": ({"page": {"url": "http://shop.example/"}}, "refused unknown_type", None),
}

# Which entries and frames reach whom: agents with the inbox see all, a visitor the public ones of their own thread.
EVENTS = {
    "message": {"agent": True, "visitor": True, "other visitor": False},
    "note": {"agent": True, "visitor": False, "other visitor": False},
    "assigned": {"agent": True, "visitor": False, "other visitor": False},
    "status": {"agent": True, "visitor": True, "other visitor": False},
    "contact": {"agent": True, "visitor": True, "other visitor": False},
    "ticket": {"agent": True, "visitor": False, "other visitor": False},
    "counts": {"agent": True, "visitor": False, "other visitor": False},
}
