"""Invalid requests (API and HTTP in `tests/bad_inputs.md`).

`caller` is the caller: ana (support, signed in), olga (owner) or nobody. {ticket} is replaced by an existing ticket.
`code` is the code of the error, or None if there is no error. `body` is sent as JSON, `raw` is sent unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    id: str
    method: str
    path: str
    status: int | tuple[int, ...]
    code: str | None = None
    body: Any = None
    raw: bytes | None = None
    caller: str = "ana"
    headers: dict[str, str | None] = field(default_factory=dict)

    @property
    def statuses(self) -> tuple[int, ...]:
        return (self.status,) if isinstance(self.status, int) else self.status


def get(id: str, path: str, status: int | tuple[int, ...], code: str | None = None, **more: Any) -> Case:
    return Case(id, "GET", path, status, code, **more)


def post(id: str, path: str, status: int | tuple[int, ...], code: str | None = None, **more: Any) -> Case:
    return Case(id, "POST", path, status, code, **more)


REPLY = "/api/tickets/{ticket}/reply"
BULK = "/api/tickets/bulk"
TOO_MANY_TICKETS = [{"id": n} for n in range(1, 502)]
GOOD = {"key": "key-good", "text": "x"}
NESTED: Any = 1
for _ in range(100):
    NESTED = [NESTED]

# --- A2: requests caused by another site --------------------------------------------------------------

ORIGINS = [
    post("A2-no-origin", REPLY, 403, "bad_origin", body=GOOD, headers={"origin": None}),
    post("A2-null-origin", REPLY, 403, "bad_origin", body=GOOD, headers={"origin": "null"}),
    post("A2-other-origin", REPLY, 403, "bad_origin", body=GOOD, headers={"origin": "https://evil.test"}),
    post("A2-look-alike", REPLY, 403, "bad_origin", body=GOOD, headers={"origin": "http://127.0.0.1.evil.test"}),
    post("A2-cross-site", REPLY, 403, "cross_site", body=GOOD, headers={"sec-fetch-site": "cross-site"}),
    post(
        "A2-form",
        REPLY,
        415,
        "unsupported_type",
        raw=b"key=key-good&text=x",
        headers={"content-type": "application/x-www-form-urlencoded"},
    ),
    post(
        "A2-plain-text",
        REPLY,
        415,
        "unsupported_type",
        raw=b'{"key":"key-good","text":"x"}',
        headers={"content-type": "text/plain"},
    ),
    post("A2-no-type", REPLY, 415, "unsupported_type", raw=b"{}", headers={"content-type": None}),
    get("A2-get-for-a-change", REPLY, 405, "method_not_allowed"),
    Case("A2-head-for-a-change", "HEAD", REPLY, 405),
    Case("A2-method-override", "GET", REPLY, 405, "method_not_allowed", headers={"x-http-method-override": "POST"}),
    Case("A2-trace", "TRACE", "/api/tickets", 405, "method_not_allowed"),
    Case("A2-unknown-method", "DANCE", "/api/tickets", (400, 405)),
    post("A2-not-signed-in", REPLY, 401, "auth_required", body=GOOD, caller="nobody"),
    get("A2-list-not-signed-in", "/api/tickets", 401, "auth_required", caller="nobody"),
    get(
        "A3-forged-session",
        "/api/tickets",
        401,
        "auth_required",
        caller="nobody",
        headers={"cookie": "threadline=" + "A" * 43},
    ),
    get(
        "A3-cookie-of-64-kb",
        "/api/tickets",
        (400, 401, 431),
        caller="nobody",
        headers={"cookie": "threadline=" + "A" * 60_000},
    ),
    get(
        "A3-visitor-token-at-the-api",
        "/api/tickets",
        401,
        "auth_required",
        caller="nobody",
        headers={"authorization": "Bearer " + "A" * 32 + "." + "B" * 22},
    ),
]

# --- A5, A6, A18: lists -----------------------------------------------------------------------------------

DEACTIVATIONS = [
    *(
        get(f"A5-{name}-{word}", f"/api/tickets?{name}={value}", 422, "invalid")
        for name in ("sort", "status", "view", "channel")
        for word, value in {
            "sql": "id%3BDROP%20TABLE%20tickets",
            "column": "password_hash",
            "10-kb": "x" * 10_000,
            "upper": "NEWEST",
            "nul": "open%00",
            "array": "%5B%22open%22%5D",
            "comma": "open,closed",
        }.items()
    ),
    get("A5-unknown-parameter", "/api/tickets?filter=1%3D1&fields=*&order=id", 200),
    get("A5-nested-100-levels", "/api/tickets?" + "filter" + "%5Ba%5D" * 100 + "=1", 200),
    get("A6-limit-0", "/api/tickets?limit=0", 422, "invalid"),
    get("A6-limit-minus", "/api/tickets?limit=-1", 422, "invalid"),
    get("A6-limit-huge", "/api/tickets?limit=1000000000", 200),
    get("A6-limit-all", "/api/tickets?limit=all", 422, "invalid"),
    get("A6-limit-1e3", "/api/tickets?limit=1e3", 422, "invalid"),
    get("A6-limit-fraction", "/api/tickets?limit=1.5", 422, "invalid"),
    get("A6-limit-plus", "/api/tickets?limit=%2B5", 422, "invalid"),
    get("A6-limit-arabic-digits", "/api/tickets?limit=%D9%A1%D9%A2", 422, "invalid"),
    get("A6-limit-underscore", "/api/tickets?limit=1_0", 422, "invalid"),
    get("A6-limit-5000-digits", "/api/tickets?limit=" + "9" * 5_000, (200, 422)),
    get("A6-cursor-word", "/api/tickets?after=abc", 400, "bad_cursor"),
    get("A6-cursor-10-kb", "/api/tickets?after=" + "A" * 10_000, 400, "bad_cursor"),
    get("A6-cursor-unicode", "/api/tickets?after=%C3%A9%C3%A9", 400, "bad_cursor"),
    get("A6-cursor-both", "/api/tickets?after=a&before=b", 400, "bad_cursor"),
    get("A6-cursor-up", "/api/tickets?before=abc", 400, "bad_cursor"),
    get("A6-cursor-search", "/api/search?q=x&after=7", 400, "bad_cursor"),
    get("A6-cursor-made-up", "/api/tickets?after=MS4xLkFBQUFBQUFBQUFBQUFBQUFBQUFBQUE", 400, "bad_cursor"),
    get("A6-before-0", "/api/threads/1/entries?before=0", 422, "invalid"),
    get("A6-before-huge", "/api/threads/1/entries?before=9007199254740992", 200),
    get("A6-before-too-huge", "/api/threads/1/entries?before=9007199254740993", 422, "invalid"),
    get("A6-around-0", "/api/threads/1/entries?around=0", 422, "invalid"),
    get("A6-around-huge", "/api/threads/1/entries?around=9007199254740992", 200),
    get("A6-after-huge", "/api/threads/1/entries?after=9007199254740992", 200),
    get("A6-before-and-after", "/api/threads/1/entries?before=3&after=1", 422, "invalid"),
    get("A18-twice", "/api/tickets?status=open&status=closed", 400, "bad_request"),
    get("A18-twice-encoded", "/api/tickets?status=open&st%61tus=closed", 400, "bad_request"),
    get("A18-51-parameters", "/api/tickets?" + "&".join(f"p{n}=1" for n in range(51)), 400, "bad_request"),
    get("A18-bad-percent", "/api/tickets?status=%ff%fe", 400, "bad_request"),
    get(
        "A18-cookie-twice",
        "/api/tickets",
        401,
        "auth_required",
        caller="nobody",
        headers={"cookie": "threadline=x; threadline=" + "A" * 43},
    ),
]

# --- A14: paths that must not bypass authentication ----------------------------------------------------------

PATHS = [
    get(f"A14-{name}", path, (400, 401, 403, 404, 405), caller="nobody")
    for name, path in {
        "double-slash": "//api/tickets",
        "double-slash-inside": "/api//tickets",
        "semicolon": "/..;/api/tickets",
        "dot-dot": "/healthz/../api/tickets",
        "dot-dot-encoded": "/healthz/%2e%2e/api/tickets",
        "dot-dot-twice-encoded": "/healthz/%252e%252e/api/tickets",
        "backslash": "/healthz%5C..%5Capi/tickets",
        "nul": "/api/tickets%00",
        "nul-before": "/healthz%00/../api/tickets",
        "trailing-dot": "/api/tickets.",
        "trailing-slash": "/api/tickets/",
        "matrix": "/api/tickets;x=1",
        "encoded-letters": "/%61pi/tickets",
        "encoded-slash": "/api%2ftickets",
        "upper": "/API/tickets",
        "fullwidth": "/%EF%BD%81pi/tickets",
        "overlong": "/api/%c0%afetc/passwd",
        "static-out": "/static/../secret.key",
        "static-out-encoded": "/static/%2e%2e/%2e%2e/secret.key",
        "static-absolute": "/static//etc/passwd",
        "files-out": "/files/..%2f..%2fthreadline.db",
        "files-absolute": "/files/%2fetc%2fpasswd",
        "10-kb": "/api/" + "x" * 10_000,
    }.items()
] + [
    get(f"H9-{name}", path, 404, caller="nobody")
    for name, path in {
        "git": "/.git/config",
        "env": "/.env",
        "backup": "/backup.sql",
        "database": "/threadline.db",
        "data": "/data/threadline.db",
        "key": "/secret.key",
        "metrics": "/metrics",
        "docs": "/docs",
        "debug": "/debug/pprof",
        "php": "/wp-login.php",
        "server-status": "/server-status",
        "source": "/server/app.py",
    }.items()
]  # fmt: skip

IDS = [
    *(
        get(f"A1-ticket-{name}", f"/api/tickets/{value}", 404, "not_found")
        for name, value in {
            "unknown": "4711", "zero": "0", "minus": "-1", "word": "abc", "huge": "9" * 30, "arabic": "%D9%A1",
            "plus": "%2B1", "space": "%201", "underscore": "1_0", "float": "1.0", "sql": "1%20OR%201%3D1",
        }.items()
    ),
    get("A1-thread-unknown", "/api/threads/4711/entries", 404, "not_found"),
    get("A1-file-unknown", "/files/" + "A" * 32, 404, "not_found"),
    get("A1-file-1-kb", "/files/" + "A" * 1_000, 404, "not_found"),
    post("A1-reply-unknown", "/api/tickets/4711/reply", 404, "not_found", body=GOOD),
    post("A1-close-unknown", "/api/tickets/4711/close", 404, "not_found", body={"key": "key-good"}),
]  # fmt: skip

# --- bodies -----------------------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}


def raw(id: str, data: bytes, status: int | tuple[int, ...], code: str | None = None, path: str = REPLY) -> Case:
    return post(id, path, status, code, raw=data, headers=JSON)


BODIES = [
    raw("A19-empty", b"", 400, "bad_json"),
    raw("A19-not-json", b"hello", 400, "bad_json"),
    raw("A19-array", b"[]", 400, "bad_json"),
    raw("A19-null", b"null", 400, "bad_json"),
    raw("A19-nan", b'{"key":"key-good","text":"x","n":NaN}', 400, "bad_json"),
    raw("A19-5000-digits", b'{"n":' + b"9" * 5_000 + b"}", 400, "bad_json"),
    raw("A18-key-twice", b'{"key":"key-good","key":"key-evil","text":"x"}', 400, "bad_json"),
    raw("A19-not-utf-8", b'{"key":"key-good","text":"\xff"}', 400, "bad_json"),
    raw("A19-utf-16", '{"key":"key-good","text":"x"}'.encode("utf-16"), 400, "bad_json"),
    raw("A19-half-a-character", b'{"key":"key-good","text":"\\ud800"}', 400, "bad_json"),
    raw("A19-depth", b'{"n":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400, "bad_json"),
    raw("A19-257-kb", b'{"text":"' + b"x" * 263_000 + b'"}', 413, "too_large"),
    post("A19-nested-100", REPLY, 400, "bad_json", body={**GOOD, "n": NESTED}),
    post("A19-text-number", REPLY, 422, "invalid", body={"key": "key-good", "text": 1}),
    post("A19-text-missing", REPLY, 422, "invalid", body={"key": "key-good"}),
    post("A19-text-empty", REPLY, 422, "empty_message", body={"key": "key-good", "text": " \u200b"}),
    post("A19-text-8001", REPLY, 413, "too_long", body={"key": "key-good", "text": "x" * 8_001}),
    post("A19-text-60001", REPLY, (413, 422), body={"key": "key-good", "text": "x" * 60_001}),
    post("A19-extra-fields", REPLY, 200, body={"key": "key-extra", "text": "x", "author": "Zoe", "at": 1, "public": False}),
    post("H7-key-missing", REPLY, 422, "invalid", body={"text": "x"}),
    post("H7-key-empty", REPLY, 422, "invalid", body={"key": "", "text": "x"}),
    post("H7-key-256", REPLY, 422, "invalid", body={"key": "k" * 256, "text": "x"}),
    post("H7-key-number", REPLY, 422, "invalid", body={"key": 12345678, "text": "x"}),
    post("H7-key-newline", REPLY, 422, "invalid", body={"key": "key-good\n", "text": "x"}),
    post("A19-files-word", REPLY, 422, "invalid", body={**GOOD, "files": "x"}),
    post("A19-files-path", REPLY, 422, "invalid", body={**GOOD, "files": ["../../../../etc/passwd"]}),
    post("A19-files-unknown", REPLY, 404, "not_found", body={**GOOD, "files": ["A" * 32]}),
    post("A19-assign-word", "/api/tickets/{ticket}/assign", 422, "invalid", body={"key": "key-asgn", "user": "ana"}),
    post("A19-assign-true", "/api/tickets/{ticket}/assign", 422, "invalid", body={"key": "key-asgn", "user": True}),
    post("A19-assign-unknown", "/api/tickets/{ticket}/assign", 422, "invalid", body={"key": "key-asgn", "user": 4711}),
    post("A19-assign-huge", "/api/tickets/{ticket}/assign", 422, "invalid", body={"key": "key-asgn", "user": 2**63}),
    post("A19-bulk-empty", BULK, 422, "invalid", body={"key": "key-bulk", "action": "close", "tickets": []}),
    post("A19-bulk-501", BULK, 422, "invalid", body={"key": "key-bulk", "action": "close", "tickets": TOO_MANY_TICKETS}),
    post("A19-bulk-word", BULK, 422, "invalid", body={"key": "key-bulk", "action": "delete", "tickets": [{"id": 1}]}),
    post("A19-bulk-unknown", BULK, 200, body={"key": "key-bulk", "action": "close", "tickets": [{"id": 4711}]}),
    post("A19-read-negative", "/api/tickets/{ticket}/read", 422, "invalid", body={"seq": -1}),
    post("A19-read-word", "/api/tickets/{ticket}/read", 422, "invalid", body={"seq": "1"}),
    post("A19-read-huge", "/api/tickets/{ticket}/read", 422, "invalid", body={"seq": 2**63}),
    post("A19-reopen-open", "/api/tickets/{ticket}/reopen", 200, body={"key": "key-open"}),
    Case("A19-draft-mode", "PUT", "/api/tickets/{ticket}/draft", 422, "invalid", body={"text": "x", "mode": "shout", "rev": 0}),
    Case("A19-draft-rev", "PUT", "/api/tickets/{ticket}/draft", 422, "invalid", body={"text": "x", "mode": "reply"}),
    post("A20-multipart", REPLY, 415, "unsupported_type", raw=b"--x\r\n\r\n", headers={"content-type": "multipart/form-data; boundary=x"}),
    post("A20-empty-file", "/api/files", 422, "empty_file", raw=b"", headers={"content-type": "application/octet-stream"}),
    post("A33-damaged-picture", "/api/files", 422, "bad_image", raw=b"\x89PNG\r\n\x1a\n" + b"x" * 100, headers={"x-file-name": "a.png"}),
    post("A33-svg-with-script", "/api/files", 200, raw=b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", headers={"x-file-name": "a.svg"}),
    post("A33-html-as-png", "/api/files", 200, raw=b"<html><script>alert(1)</script>", headers={"x-file-name": "a.png"}),
]  # fmt: skip

# --- settings (A5, A12, A32) ------------------------------------------------------------------------------

WIDGET_PATH = "/api/settings/widget"
WIDGET = {
    "brand": "Shop", "color": "#112233", "position": "left", "language": "en", "welcome_on": True, "welcome": "Hi",
    "ask_email": True, "privacy_url": "", "terms_url": "", "visitor_files": False, "signed_in_only": False, "sites": [],
}  # fmt: skip


def put(id: str, status: int, code: str | None = None, caller: str = "olga", **changes: Any) -> Case:
    return Case(id, "PUT", WIDGET_PATH, status, code, body={**WIDGET, **changes}, caller=caller)


SETTINGS = [
    put("A12-support-changes-settings", 403, "forbidden", caller="ana"),
    get("A12-support-reads-the-secret", "/api/settings/widget/identity", 403, "forbidden"),
    put("A32-good", 200),
    put("A32-unknown-field", 200, __proto__={"x": 1}, constructor="x"),
    put("A32-color-script", 422, "invalid", color="red;}</style><script>"),
    put("A32-color-newline", 422, "invalid", color="#112233\n"),
    put("A32-position", 422, "invalid", position="top"),
    put("A32-language", 422, "invalid", language="xx"),
    Case("A32-welcome-501", "PUT", "/api/inbox/settings", 422, "invalid", body={"welcome": "x" * 501}, caller="ana"),
    put("A32-brand-61", 422, "invalid", brand="x" * 61),
    put("A32-link-javascript", 422, "bad_address", privacy_url="javascript:alert(1)"),
    put("A32-link-data", 422, "bad_address", terms_url="data:text/html,x"),
    put("A32-link-relative", 422, "bad_address", terms_url="/terms"),
    put("A32-site-star", 422, "bad_site", sites=["*"]),
    put("A32-site-script", 422, "bad_site", sites=["javascript://x"]),
    put("A32-site-header", 422, "bad_site", sites=["https://x.test; script-src *"]),
    put("A32-site-newline", 422, "bad_site", sites=["https://x.test\r\nX-Evil: 1"]),
    put("A32-site-port", 422, "bad_site", sites=["https://x.test:99999"]),
    put("A32-sites-51", 422, "invalid", sites=[f"https://s{n}.test" for n in range(51)]),
    put("A32-sites-word", 422, "invalid", sites="https://x.test"),
]

# --- H3, H4, A15 ------------------------------------------------------------------------------------------

HEADERS = [
    get("H3-accept-language-bomb", "/api/tickets", 200, headers={"accept-language": ",".join(f"x{n};q=0.{n}" for n in range(900))}),
    get("H3-accept-bomb", "/api/tickets", 200, headers={"accept": ",".join(["*/*;q="] * 1_000)}),
    get("A14-other-host", "/api/tickets", 200, headers={"host": "evil.test"}),
    get("A14-other-host-not-signed-in", "/api/tickets", 401, caller="nobody", headers={"host": "evil.test"}),
    get("A15-forwarded", "/api/tickets", 200, headers={"x-forwarded-for": "8.8.8.8, evil", "x-forwarded-proto": "https", "x-forwarded-host": "evil.test", "forwarded": "for=1"}),
    get("A15-metrics-through-a-proxy", "/metrics", 404, headers={"x-forwarded-for": "127.0.0.1"}),
    get("H4-null", "/widget/config", 403, "forbidden", caller="nobody", headers={"origin": "null"}),
    get("H4-evil", "/widget/config", 403, "forbidden", caller="nobody", headers={"origin": "https://evil.test"}),
    get("H4-session-of-another-site", "/api/session", 200, headers={"origin": "https://evil.test"}),
    Case("H4-preflight", "OPTIONS", "/api/tickets", 405, headers={"origin": "https://evil.test", "access-control-request-method": "POST"}),
    get("H8-range", "/healthz", 200, headers={"range": "bytes=0-1"}),
    get("H2-expect", "/healthz", 200, headers={"expect": "200-ok"}),
]  # fmt: skip

ALL = [*ORIGINS, *DEACTIVATIONS, *PATHS, *IDS, *BODIES, *SETTINGS, *HEADERS]

# --- bytes on the plain port (A21, H1, H10): the response has one of these statuses, or the connection is closed

HOST = b"Host: localhost\r\n"


@dataclass(frozen=True)
class Bytes:
    id: str
    sent: bytes
    statuses: tuple[int, ...]  # 0: the server closes without a response


def _post(head: bytes, body: bytes = b"") -> bytes:
    return b"POST /api/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + head + b"\r\n" + body


BYTES = [
    Bytes("A21-two-lengths", _post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}x"), (400,)),
    Bytes("A21-length-and-chunked", _post(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), (400,)),
    Bytes("A21-negative-length", _post(b"Content-Length: -1\r\n"), (400,)),
    Bytes("A21-length-word", _post(b"Content-Length: abc\r\n"), (400,)),
    Bytes("A21-length-plus", _post(b"Content-Length: +2\r\n", b"{}"), (400,)),
    Bytes("A21-length-huge", _post(b"Content-Length: 99999999999999999999\r\n"), (400, 413)),
    Bytes("A21-length-over-the-limit", _post(b"Origin: http://localhost\r\nContent-Length: 999999999\r\n"), (403, 413)),
    Bytes("A21-chunked-twice", _post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), (400,)),
    Bytes("A21-chunked-obscured", _post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), (400,)),
    Bytes("A21-chunk-size-word", _post(b"Transfer-Encoding: chunked\r\n", b"xyz\r\n"), (400, 403)),
    Bytes("A21-chunk-size-negative", _post(b"Transfer-Encoding: chunked\r\n", b"-1\r\n"), (400, 403)),
    Bytes("A14-two-hosts", b"GET /api/tickets HTTP/1.1\r\n" + HOST + b"Host: evil.test\r\n\r\n", (400,)),
    Bytes("A14-no-host", b"GET /api/tickets HTTP/1.1\r\n\r\n", (400,)),
    Bytes("A14-absolute-form", b"GET http://evil.test/api/tickets HTTP/1.1\r\n" + HOST + b"\r\n", (400, 401)),
    Bytes("A14-asterisk", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", (400, 404, 405)),
    Bytes("A14-connect", b"CONNECT evil.test:443 HTTP/1.1\r\n" + HOST + b"\r\n", (0, 400, 404, 405)),
    Bytes("H1-nul-in-header", b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", (400,)),
    Bytes("H1-space-before-colon", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", (400,)),
    Bytes("H1-folded", b"GET /healthz HTTP/1.1\r\nX: a\r\n b\r\n\r\n", (200, 400)),
    Bytes("H1-bare-line-feed", b"GET /healthz HTTP/1.1\nHost: x\n\n", (200, 400)),
    Bytes("H1-bare-carriage-return", b"GET / HTTP/1.1\r\nX: a\rY: b\r\n\r\n", (400,)),
    Bytes("H1-64-kb-header", b"GET / HTTP/1.1\r\nX: " + b"a" * 65_536 + b"\r\n\r\n", (0, 400, 431)),
    Bytes("H1-1000-headers", b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(1_000)) + b"\r\n", (400, 431)),
    Bytes("H1-64-kb-path", b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (0, 400, 414, 431)),
    Bytes("H1-endless-header", b"GET / HTTP/1.1\r\nX: " + b"a" * 400_000, (0, 400, 431)),
    Bytes("H1-http-0.9", b"GET /\r\n", (0, 400)),
    Bytes("H1-http-9", b"GET / HTTP/9.9\r\n\r\n", (400, 505)),
    Bytes("H1-lower-case-method", b"get / HTTP/1.1\r\n\r\n", (400,)),
    Bytes("H1-noise", bytes(range(256)) * 4, (0, 400)),
    Bytes("H10-http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9, (0, 400, 505)),
    Bytes("H10-tls", bytes.fromhex("16030100a5010000a10303") + b"\0" * 100, (0, 400)),
    Bytes("H10-ssh", b"SSH-2.0-OpenSSH_9.6\r\n", (0, 400)),
    Bytes("H10-smtp", b"EHLO evil.test\r\nMAIL FROM:<a@b>\r\n", (0, 400)),
    Bytes("H10-redis", b"*1\r\n$4\r\nPING\r\n", (0, 400)),
]  # fmt: skip
