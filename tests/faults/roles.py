"""The expected response for every route and every role (G16). A route missing here fails the test.

The table is written by hand from ROL-1..8: a table generated from the code would repeat the code's mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SIGNED_IN = frozenset({"owner", "admin", "manager", "analyst", "coordinator", "creator", "support"})
INBOX = frozenset({"owner", "admin", "manager", "support"})
CHANNELS = frozenset({"owner", "admin", "manager"})
ADMINS = frozenset({"owner", "admin"})
CONTACTS = frozenset({"owner", "admin", "manager", "support", "analyst", "coordinator"})
EXPORT = frozenset({"owner", "admin", "analyst"})
IMPORT = frozenset({"owner", "admin", "manager", "analyst"})
SUPPRESS = frozenset({"owner", "admin", "manager"})
ANYONE = SIGNED_IN | {"anonymous", "visitor", "disabled"}
VISITOR = frozenset({"visitor"})
SIGNED_OUT = ("anonymous", "visitor", "disabled")
CALLERS = (*sorted(SIGNED_IN), *SIGNED_OUT)


@dataclass(frozen=True)
class Expectation:
    """One route: which roles may call it, the expected responses, and a request that does not disturb the next one."""

    allowed: frozenset[str]
    answers: tuple[int, ...]  # any of these statuses: some depend on requests before
    body: Any = None
    fresh_session: bool = False  # the request ends the session that sends it
    forbidden: int = 403  # response for a signed-in role without the right
    signed_out: int = 401  # response without a session


# In bodies, `{n}` is replaced by a number that differs in each request.
NOBODY = "999999999"  # an id that does not exist
KEY = "matrix-{n:08d}"

# Requests that save settings leave out the version: a role that may save them gets 409, any other role gets 403.
NO_VERSION = (409,)

PREPARE = frozenset({"owner", "admin", "manager", "coordinator", "creator"})
SEND = PREPARE - {"creator"}
REPORTS = frozenset({"owner", "admin", "manager", "analyst", "coordinator"})
NO_CAMPAIGN = (404,)
EDIT_LISTS = frozenset({"owner", "admin", "manager", "coordinator"})
# No conditions, so everybody matches.
NO_FILTER = {"filter": {"groups": []}}

EXPECT: dict[str, Expectation] = {
    # accounts: open to everybody; the response depends on the token or password in the request
    "GET /api/session": Expectation(ANYONE, (200,)),
    "POST /api/setup": Expectation(
        ANYONE, (409,), {"name": "X", "email": "x@shop.example", "password": "kettle harbour mosaic"}
    ),
    "POST /api/login": Expectation(
        ANYONE, (401,), {"email": "nobody{n}@shop.example", "password": "wrong wrong wrong"}
    ),
    "POST /api/logout": Expectation(ANYONE, (200,), {}, fresh_session=True),
    "POST /api/links/request": Expectation(ANYONE, (200, 429), {"email": "nobody{n}@shop.example", "purpose": "reset"}),
    "POST /api/links/use": Expectation(ANYONE, (404, 409, 410, 422), {"token": "A" * 43}),
    "POST /api/links/finish": Expectation(
        ANYONE, (404, 409, 410, 422), {"token": "A" * 43, "password": "kettle harbour mosaic"}
    ),
    "POST /api/password": Expectation(
        SIGNED_IN, (401, 403, 409, 422), {"current": "wrong wrong wrong", "password": "kettle harbour mosaic 2"}
    ),
    "GET /api/sessions": Expectation(SIGNED_IN, (200,)),
    "DELETE /api/sessions": Expectation(SIGNED_IN, (200,)),
    "DELETE /api/sessions/{id}": Expectation(SIGNED_IN, (404,)),
    "PATCH /api/me": Expectation(SIGNED_IN, (200,), {"away": False}),
    "GET /api/users": Expectation(SIGNED_IN, (200,)),
    "PATCH /api/users/{id}": Expectation(ADMINS, (404,), {"name": "Nobody"}),
    "POST /api/users/{id}/reset-link": Expectation(ADMINS, (404,), {}),
    "GET /api/invites": Expectation(ADMINS, (200,)),
    "POST /api/invites": Expectation(ADMINS, (200,), {"email": "new{n}@shop.example", "role": "support"}),
    "DELETE /api/invites/{id}": Expectation(ADMINS, (404,)),
    # the inbox: ROL-3
    "GET /api/tickets": Expectation(INBOX, (200,)),
    "GET /api/tickets/{ticket}": Expectation(INBOX, (200,)),
    "GET /api/threads/{thread}/entries": Expectation(INBOX, (200,)),
    "GET /api/threads/{thread}/mails": Expectation(INBOX, (200,)),
    "GET /api/outbound/{outbound}/mail": Expectation(INBOX, (404,)),
    "GET /api/outbound/{outbound}/mail.html": Expectation(INBOX, (404,)),
    "POST /api/tickets/{ticket}/reply": Expectation(INBOX, (200,), {"key": KEY, "text": "matrix"}),
    "POST /api/tickets/{ticket}/notes": Expectation(INBOX, (200,), {"key": KEY, "text": "matrix"}),
    "POST /api/tickets/{ticket}/close": Expectation(INBOX, (200,), {"key": KEY}),
    "POST /api/tickets/{ticket}/close/undo": Expectation(INBOX, (200,), {"key": KEY}),
    "POST /api/tickets/{ticket}/reopen": Expectation(INBOX, (200, 409), {"key": KEY}),
    "POST /api/tickets/{ticket}/assign": Expectation(INBOX, (200,), {"key": KEY, "user": None}),
    # a time in the past, so that the matrix does not snooze the ticket that the other rows use
    "POST /api/tickets/{ticket}/snooze": Expectation(INBOX, (422,), {"key": KEY, "until": "2020-01-01T09:00"}),
    "POST /api/tickets/{ticket}/wake": Expectation(INBOX, (200,), {"key": KEY}),
    "GET /api/inbox/snooze-times": Expectation(INBOX, (200,)),
    # nobody, so that the matrix blocks no one whom the other rows use
    "POST /api/contacts/{person}/block": Expectation(INBOX, (404,), {}),
    "POST /api/contacts/{person}/unblock": Expectation(ADMINS, (404,), {}),
    "GET /api/blocked": Expectation(ADMINS, (200,)),
    "POST /api/tickets/bulk": Expectation(
        INBOX, (200,), {"key": KEY, "action": "read", "tickets": [{"id": 1, "seq": 1}]}
    ),
    "POST /api/tickets/{ticket}/read": Expectation(INBOX, (200,), {"seq": 1}),
    "POST /api/tickets/{ticket}/unread": Expectation(INBOX, (200,), {}),
    "GET /api/drafts": Expectation(INBOX, (200,)),
    "PUT /api/tickets/{ticket}/draft": Expectation(
        INBOX, (200,), {"text": "half a sentence", "mode": "reply", "rev": 0}
    ),
    "GET /api/find": Expectation(INBOX, (200,)),
    "GET /api/search": Expectation(INBOX, (200, 422)),
    "GET /api/notifications": Expectation(INBOX, (200,)),
    "POST /api/notifications/seen": Expectation(INBOX, (200,), {"until": "2026-01-01T00:00:00Z"}),
    "GET /api/notifications/wishes": Expectation(INBOX, (200,)),
    "PUT /api/notifications/wishes": Expectation(
        INBOX, (200,), {"tickets": "all", "mail": False, "reminder_minutes": 0}
    ),
    "POST /api/files": Expectation(INBOX, (200,), b"bytes"),
    # visitors
    "GET /files/{token}": Expectation(frozenset(), (), forbidden=404, signed_out=404),
    "POST /widget/older": Expectation(VISITOR, (200, 404), {"thread": "t", "before": 1}, forbidden=401),
    "POST /widget/files": Expectation(VISITOR, (200, 403), b"bytes", forbidden=401),
    "POST /widget/return": Expectation(ANYONE, (404, 429), {"link": "x" * 43}),
    "GET /widget/config": Expectation(ANYONE, (200,)),
    "POST /widget/poll": Expectation(ANYONE, (200,), {"hello": {"type": "hello", "version": 1}}),
    "POST /widget/send": Expectation(VISITOR, (200,), b'{"type":"ping"}', forbidden=401),
    # settings: ROL-4; routes that show secrets have their own rights
    "GET /api/settings/retention": Expectation(ADMINS, (200,)),
    "PUT /api/settings/retention": Expectation(ADMINS, NO_VERSION, {"events_days": 730, "reports_days": 400}),
    "GET /api/shop": Expectation(ADMINS, (200,)),
    "PUT /api/shop": Expectation(ADMINS, NO_VERSION, {"shop_domain": "matrix.myshopify.com"}),
    "POST /api/shop/test": Expectation(ADMINS, (200,), {}),
    "GET /api/settings/account": Expectation(CHANNELS, (200,)),
    "PUT /api/settings/account": Expectation(CHANNELS, NO_VERSION, {"time_zone": "Europe/Warsaw"}),
    "GET /api/settings/widget": Expectation(CHANNELS, (200,)),
    "PUT /api/settings/widget": Expectation(CHANNELS, NO_VERSION, {"visitor_files": True}),
    "GET /api/ticket-count": Expectation(INBOX, (200,)),
    "POST /api/bulk-changes": Expectation(
        INBOX,
        (200, 409),
        {"key": "matrix-bulk-{n}", "action": "read", "filter": {"channel": "sms"}, "as_of": "2001-01-01T00:00:00Z"},
    ),
    "GET /api/bulk-changes/{bulk}": Expectation(INBOX, (404,)),
    "POST /api/bulk-changes/{bulk}/undo": Expectation(INBOX, (404,), {}),
    "GET /api/quick-replies": Expectation(INBOX, (200,)),
    "POST /api/quick-replies": Expectation(INBOX, (200,), {"shortcut": "matrix-{n}", "text": "Hello"}),
    "PUT /api/quick-replies/{reply}": Expectation(INBOX, (404,), {"shortcut": "matrix", "text": "Hello"}),
    "DELETE /api/quick-replies/{reply}": Expectation(INBOX, (404,)),
    "GET /api/settings/hours": Expectation(CHANNELS, (200,)),
    "PUT /api/settings/hours": Expectation(CHANNELS, NO_VERSION, {"hours_on": False}),
    "GET /api/settings/widget/install": Expectation(CHANNELS, (200,)),
    "GET /api/settings/widget/identity": Expectation(ADMINS, (200,)),
    "POST /api/settings/widget/identity/rotate": Expectation(ADMINS, (200,), {}),
    # API keys: ROL-8; tests/edge/test_api_keys.py tests what a key may call
    "GET /api/keys": Expectation(ADMINS, (200,)),
    "POST /api/keys": Expectation(ADMINS, (200, 409), {"name": "Matrix {n}", "scopes": ["contacts_see"]}),
    "DELETE /api/keys/{key}": Expectation(ADMINS, (404,)),
    "GET /api/key": Expectation(frozenset(), (), forbidden=401),
    # consent: ROL-8; tests/edge/test_consent_http.py tests the roles that may only revoke
    "PUT /api/contacts/{contact}": Expectation(INBOX, (200,), {"name": "Matrix {n}"}),
    "POST /api/people": Expectation(CONTACTS, (200,), {}),
    "POST /api/people/count": Expectation(CONTACTS, (200,), {}),
    "GET /api/people/{contact}": Expectation(CONTACTS, (200,)),
    "PUT /api/people/{contact}": Expectation(INBOX, (200,), {"name": "Matrix {n}"}),
    "GET /api/people/{contact}/timeline": Expectation(CONTACTS, (200,)),
    "GET /api/contacts/{contact}": Expectation(CONTACTS, (200,)),
    "POST /api/contacts/{contact}/merge": Expectation(INBOX, (404,), {"contact": 999999999}),
    "POST /api/merges/{merge}/undo": Expectation(INBOX, (404,), {}),
    "GET /api/contacts/{contact}/events": Expectation(CONTACTS, (200,)),
    "GET /api/contacts/{contact}/orders": Expectation(CONTACTS, (200,)),
    # only with an API key
    "POST /api/events": Expectation(
        frozenset(), (), {"events": [{"metric": "Looked at a kettle", "email": "matrix{n}@shop.example"}]}
    ),
    "GET /api/contacts/{contact}/consents": Expectation(CONTACTS, (200,)),
    "GET /api/contacts/{contact}/duplicates": Expectation(CONTACTS, (200,)),
    "GET /api/consents": Expectation(CONTACTS, (200,)),
    "POST /api/consents": Expectation(CHANNELS, (200,), {"name": "Profiling {n}"}),
    "PUT /api/consents/{kind}": Expectation(CHANNELS, (404,), {"name": "Terms {n}"}),
    "DELETE /api/consents/{kind}": Expectation(CHANNELS, (404,)),
    "POST /api/contacts/{contact}/consents": Expectation(
        INBOX, (200,), {"purpose": "email_marketing", "status": "unsubscribed", "reason": "matrix {n}"}
    ),
    "GET /api/outbound/{outbound}/evidence": Expectation(EXPORT, (404,)),
    "GET /api/sms/keywords": Expectation(CHANNELS, (200,)),
    "PUT /api/sms/keywords": Expectation(CHANNELS, NO_VERSION, {"mode": "smart"}),
    "POST /api/sms/keywords/check": Expectation(CHANNELS, (200,), {"word": "join"}),
    # texts: ROL-4; replying to a text is a right of the inbox
    "GET /api/sms/settings": Expectation(CHANNELS, (200,)),
    "PUT /api/sms/settings": Expectation(CHANNELS, NO_VERSION, {"on": False, "account_sid": ""}),
    "POST /api/sms/test": Expectation(CHANNELS, (200,), {}),
    "GET /api/sms/litigators": Expectation(CHANNELS, (200,)),
    "PUT /api/sms/litigators": Expectation(CHANNELS, NO_VERSION, {"on": True}),
    "POST /api/sms/litigators": Expectation(CHANNELS, (200,), {"lines": ["+12025550{n:03d}"]}),
    "DELETE /api/sms/litigators": Expectation(CHANNELS, (200,)),
    "DELETE /api/sms/litigators/{digits}": Expectation(CHANNELS, (404,)),
    "GET /api/sms/credits": Expectation(CHANNELS, (200,)),
    "GET /api/sms/senders": Expectation(CHANNELS, (200,)),
    "POST /api/sms/senders": Expectation(
        CHANNELS, (422,), {"address": "matrix", "kind": "short_code", "country": "US"}
    ),
    "PUT /api/sms/senders/{sender}": Expectation(
        CHANNELS, (404,), {"address": "72345", "kind": "short_code", "country": "US"}
    ),
    "DELETE /api/sms/senders/{sender}": Expectation(CHANNELS, (404,)),
    # mail: ROL-8; the server is a secret, the sender's addresses belong to the channels
    "GET /api/mail/server": Expectation(CHANNELS, (200,)),
    "PUT /api/mail/server": Expectation(
        ADMINS,
        NO_VERSION,
        {"mail_on": False, "host": "", "port": 587, "security": "starttls", "user": ""},
    ),
    "GET /api/mail/sender": Expectation(CHANNELS, (200,)),
    "PUT /api/mail/sender": Expectation(
        CHANNELS, NO_VERSION, {"from_address": "", "from_name": "", "reply_to": "", "return_path": ""}
    ),
    "POST /api/mail/test": Expectation(CHANNELS, (200,), {}),
    "POST /api/mail/test-mail": Expectation(CHANNELS, (422,), {}),
    "GET /api/mail/domain": Expectation(CHANNELS, (200,)),
    "PUT /api/mail/domain": Expectation(ADMINS, NO_VERSION, {"signing": "relay", "relay_selector": ""}),
    "POST /api/mail/domain/keys": Expectation(ADMINS, (200, 409), {}),
    "POST /api/mail/domain/keys/{selector}/use": Expectation(ADMINS, (404,), {}),
    "DELETE /api/mail/domain/keys/{selector}": Expectation(ADMINS, (404,)),
    "GET /api/mail/records": Expectation(CHANNELS, (200,)),
    "POST /api/mail/bounces": Expectation(CHANNELS, (200,), b"From: a@b.example"),
    "GET /api/outbound": Expectation(INBOX, (200,)),
    "POST /api/outbound/{outbound}/retry": Expectation(INBOX, (404,), {}),
    "POST /api/outbound/{outbound}/decide": Expectation(INBOX, (404,), {"outcome": "sent"}),
    "POST /api/tickets/{ticket}/opt-out": Expectation(INBOX, (200, 409), {"key": KEY, "confirm": False}),
    "GET /api/inbox/settings": Expectation(INBOX, (200,)),
    # tests/edge/test_inbox_settings_http.py tests the chat's switch in this document.
    "PUT /api/inbox/settings": Expectation(INBOX, NO_VERSION, {"show_media": {"sms": True}}),
    "GET /api/links/settings": Expectation(CHANNELS, (200,)),
    "PUT /api/links/settings": Expectation(CHANNELS, NO_VERSION, {"domain": ""}),
    "GET /l/{code}": Expectation(ANYONE, (404,)),
    "GET /media/{name}": Expectation(ANYONE, (404,)),
    # contacts entered by hand, their groups and their erasure
    "POST /api/contacts": Expectation(INBOX, (200,), {"contacts": [{"email": "matrix@shop.example"}]}),
    "POST /api/contacts/quick": Expectation(INBOX, (200,), {"email": "quick{n}@shop.example"}),
    "PATCH /api/contacts/{contact}": Expectation(INBOX, (200,), {"name": "Matrix {n}"}),
    # the support role may withdraw consent but not grant it: tests/edge/test_entering_contacts.py
    "PUT /api/contacts/{contact}/consents": Expectation(
        INBOX,
        (200,),
        {"consents": [{"purpose": "email_marketing", "status": "unsubscribed"}], "reason": "matrix {n}"},
    ),
    "GET /api/contacts/{contact}/groups": Expectation(CONTACTS, (200,)),
    "GET /api/contacts/{contact}/erasure": Expectation(ADMINS, (200,)),
    # a wrong confirmation, so that the matrix erases no one whom the other rows use
    "POST /api/contacts/{contact}/erase": Expectation(ADMINS, (422,), {"confirm": "somebody else"}),
    "POST /confirm": Expectation(ANYONE, (404, 429), {"token": "A" * 43}),
    "GET /api/suppressions": Expectation(CONTACTS, (200,)),
    "POST /api/suppressions": Expectation(SUPPRESS, (200,), {"lines": ["matrix@shop.example"]}),
    "POST /api/suppressions/lift": Expectation(
        ADMINS, (404,), {"channel": "email", "address": "nobody@shop.example", "reason": "matrix"}
    ),
    # properties, lists, segments and filters
    "GET /api/properties": Expectation(SIGNED_IN, (200,)),
    "POST /api/properties": Expectation(CHANNELS, (200,), {"name": "Matrix {n}", "type": "text"}),
    "PUT /api/properties/{property}": Expectation(CHANNELS, (404,), {"name": "Matrix {n}"}),
    "DELETE /api/properties/{property}": Expectation(CHANNELS, (404,)),
    "GET /api/postal-codes": Expectation(SIGNED_IN, (200,)),
    "POST /api/postal-codes": Expectation(CHANNELS, (200,), {"lines": ["PL,00-001,52.23,21.01"]}),
    "DELETE /api/postal-codes/{country}": Expectation(CHANNELS, (200,)),
    "GET /api/lists": Expectation(SIGNED_IN, (200,)),
    "POST /api/lists": Expectation(EDIT_LISTS, (200,), {"name": "Matrix {n}"}),
    "GET /api/lists/{list}": Expectation(SIGNED_IN, (404,)),
    "PUT /api/lists/{list}": Expectation(EDIT_LISTS, (404,), {"name": "Matrix {n}"}),
    "DELETE /api/lists/{list}": Expectation(EDIT_LISTS, (404,)),
    "GET /api/lists/{list}/members": Expectation(CONTACTS, (404,)),
    "POST /api/lists/{list}/members": Expectation(EDIT_LISTS, (404,), {"contacts": [999999999]}),
    "POST /api/lists/{list}/members/remove": Expectation(EDIT_LISTS, (404,), {"contacts": [999999999]}),
    "GET /api/segments": Expectation(SIGNED_IN, (200,)),
    "POST /api/segments": Expectation(EDIT_LISTS, (200,), {"name": "Matrix segment {n}", **NO_FILTER}),
    "GET /api/segments/{segment}": Expectation(SIGNED_IN, (404,)),
    "PUT /api/segments/{segment}": Expectation(EDIT_LISTS, (404,), {"name": "Matrix segment {n}"}),
    "DELETE /api/segments/{segment}": Expectation(EDIT_LISTS, (404,)),
    "GET /api/segments/{segment}/members": Expectation(CONTACTS, (404,)),
    "GET /api/segments/{segment}/why/{contact}": Expectation(CONTACTS, (404,)),
    "GET /api/filters/options": Expectation(SIGNED_IN, (200,)),
    "POST /api/filters/count": Expectation(SIGNED_IN, (200,), NO_FILTER),
    "POST /api/filters/funnel": Expectation(SIGNED_IN, (200,), NO_FILTER),
    # roles that may not see contacts get invented people: tests/edge/test_audiences_http.py
    "POST /api/filters/sample": Expectation(SIGNED_IN, (200,), NO_FILTER),
    # imports
    "GET /api/imports": Expectation(IMPORT, (200,)),
    "GET /api/imports/options": Expectation(IMPORT, (200,)),
    "POST /api/imports": Expectation(IMPORT, (200,), {}),
    "GET /api/imports/{import}": Expectation(IMPORT, (404,)),
    "DELETE /api/imports/{import}": Expectation(IMPORT, (404,)),
    "POST /api/imports/{import}/file": Expectation(IMPORT, (404,), b"email"),
    "PUT /api/imports/{import}/reading": Expectation(IMPORT, (404,), {"reading": {}}),
    "PUT /api/imports/{import}/mapping": Expectation(IMPORT, (404,), {"mapping": {}}),
    "POST /api/imports/{import}/rehearse": Expectation(IMPORT, (404,), {}),
    "POST /api/imports/{import}/run": Expectation(IMPORT, (404,), {}),
    "POST /api/imports/{import}/cancel": Expectation(IMPORT, (404,), {}),
    "POST /api/imports/{import}/undo": Expectation(ADMINS, (404,), {}),
    "GET /api/imports/{import}/rows": Expectation(IMPORT, (422,)),  # without a verdict
    "GET /api/imports/{import}/problems.csv": Expectation(IMPORT, (404,)),
    "GET /api/imports/{import}/verdicts.csv": Expectation(IMPORT, (404,)),
    # operations
    "GET /api/audit": Expectation(ADMINS, (200,)),
    "GET /api/audit.csv": Expectation(ADMINS, (200,)),
    # campaigns
    "GET /api/campaigns": Expectation(PREPARE | REPORTS, (200,)),
    "POST /api/campaigns": Expectation(PREPARE, (200,), {"name": "Sale {n}"}),
    "GET /api/campaigns/settings": Expectation(CHANNELS, (200,)),
    "PUT /api/campaigns/settings": Expectation(CHANNELS, NO_VERSION, {}),
    "GET /api/campaigns/{campaign}": Expectation(PREPARE | REPORTS, NO_CAMPAIGN),
    "PUT /api/campaigns/{campaign}": Expectation(
        PREPARE, NO_CAMPAIGN, {"name": "Sale", "include": {"lists": []}, "content": {"text": "Sale"}}
    ),
    "POST /api/campaigns/{campaign}/clone": Expectation(PREPARE, NO_CAMPAIGN, {}),
    "POST /api/campaigns/{campaign}/review": Expectation(PREPARE, NO_CAMPAIGN, {}),
    "POST /api/campaigns/{campaign}/preview": Expectation(PREPARE, NO_CAMPAIGN, {}),
    "POST /api/campaigns/{campaign}/test": Expectation(PREPARE, NO_CAMPAIGN, {"phone": "+12025550143"}),
    "POST /api/campaigns/{campaign}/approve": Expectation(SEND, NO_CAMPAIGN, {}),
    "POST /api/campaigns/{campaign}/reschedule": Expectation(SEND, NO_CAMPAIGN, {"at": "2027-01-01T09:00:00Z"}),
    "POST /api/campaigns/{campaign}/pause": Expectation(SEND, NO_CAMPAIGN, {}),
    "POST /api/campaigns/{campaign}/resume": Expectation(SEND, NO_CAMPAIGN, {}),
    "POST /api/campaigns/{campaign}/cancel": Expectation(SEND, NO_CAMPAIGN, {}),
    "GET /api/campaigns/{campaign}/receipts": Expectation(REPORTS, NO_CAMPAIGN),
    "GET /api/campaigns/{campaign}/receipts.csv": Expectation(EXPORT, NO_CAMPAIGN),
    "GET /api/first-steps": Expectation(CHANNELS, (200,)),
    "GET /api/doctor": Expectation(CHANNELS, (200,)),
    "GET /api/jobs/dead": Expectation(ADMINS, (200,)),
    "GET /api/jobs/progress": Expectation(CHANNELS, (200,)),
    "POST /api/jobs/{id}/retry": Expectation(ADMINS, (404, 409), {}),
    "GET /api/openapi.json": Expectation(SIGNED_IN, (200,)),
}

# Sockets: which roles may connect, and the answer to each frame type.
SOCKET_ACCESS = {
    "/ws/agent": {name: (401 if name in SIGNED_OUT else 0) for name in CALLERS},
    "/ws/visitor": dict.fromkeys(CALLERS, 0),
}

# frame type -> (frame, first answer on an agent's socket, first answer on a visitor's); None: no answer of its own.
# A role without the inbox is refused the frames of `FOR_THE_INBOX`.
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

FOR_THE_INBOX = frozenset({"open", "typing", "seen"})

# Which roles receive which entries and frames: agents with the inbox receive all, a visitor the public ones of their
# own thread.
EVENTS = {
    "message": {"agent": True, "visitor": True, "other visitor": False},
    "note": {"agent": True, "visitor": False, "other visitor": False},
    "assigned": {"agent": True, "visitor": False, "other visitor": False},
    "status": {"agent": True, "visitor": True, "other visitor": False},
    "contact": {"agent": True, "visitor": True, "other visitor": False},
    "ticket": {"agent": True, "visitor": False, "other visitor": False},
    "counts": {"agent": True, "visitor": False, "other visitor": False},
}
