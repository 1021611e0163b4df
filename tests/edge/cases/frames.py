"""Invalid socket frames (`tests/bad_inputs.md`).

`code` is the code of the refusal; None means that the frame is accepted or silently ignored. `sent` is the content of
one frame: str is sent as text, bytes as binary. KEY is replaced by a fresh client key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

KEY = "k3y-0000"


@dataclass(frozen=True)
class Case:
    id: str
    sent: str | bytes
    code: str | None
    reason: str = ""


def say(text: Any, **more: Any) -> str:
    return json.dumps({"type": "say", "id": KEY, "text": text, **more})


def frame(**fields: Any) -> str:
    return json.dumps(fields)


ZALGO = "a" + "\u0301\u0302\u0303\u0304\u0305" * 1000

# --- on every socket --------------------------------------------------------------------------------

NOT_JSON = [
    ("W1-empty", ""),
    ("W1-word", "hello"),
    ("W1-open-brace", "{"),
    ("W1-cut-off", '{"type":"ping"'),
    ("W1-trailing", '{"type":"ping"} x'),
    ("W1-two-values", '{"type":"ping"}{"type":"ping"}'),
    ("W1-single-quotes", "{'type':'ping'}"),
    ("W1-comment", '{"type":"ping"/*x*/}'),
    ("W1-trailing-comma", '{"type":"ping",}'),
    ("W1-byte-order-mark", '\ufeff{"type":"ping"}'),
    ("W1-control-character", '{"type":"pi\nng"}'),
    ("W1-html", "<script>alert(1)</script>"),
    ("W1-only-spaces", " \n\t "),
    ("W1-nul", "\0"),
    ("W1-bad-escape", '{"type":"\\x70ing"}'),
    ("W4-nan", '{"type":"ping","n":NaN}'),
    ("W4-infinity", '{"type":"ping","n":Infinity}'),
    ("W4-minus-infinity", '{"type":"ping","n":-Infinity}'),
    ("W4-too-large-a-float", '{"type":"ping","n":1e999}'),
    ("W4-long-exponent", '{"type":"ping","n":1e' + "9" * 100 + "}"),
    ("W4-leading-zero", '{"type":"ping","n":01}'),
    ("W4-hex", '{"type":"ping","n":0x10}'),
    ("W5-5000-digits", '{"type":"ping","n":' + "9" * 5000 + "}"),
    ("W5-minus-5000-digits", '{"type":"ping","n":-' + "9" * 5000 + "}"),
    ("W5-20-digits", '{"type":"ping","n":99999999999999999999}'),
    ("W5-5000-digits-after-the-point", '{"type":"ping","n":0.' + "9" * 5000 + "}"),
    ("W6-depth-17", '{"type":"ping","n":' + "[" * 16 + "]" * 16 + "}"),
    ("W6-depth-10000", "[" * 10_000 + "]" * 10_000),
    ("W6-depth-of-objects", '{"a":' * 5_000 + "1" + "}" * 5_000),
    ("W6-unclosed-depth", "[" * 30_000),
    ("W7-same-key-twice", '{"type":"ping","type":"ping"}'),
    ("W7-role-then-owner", '{"type":"ping","role":"support","role":"owner"}'),
    ("W7-nested", '{"type":"ping","page":{"url":"a","url":"b"}}'),
    ("W7-spelled-differently", '{"type":"ping","t\\u0079pe":"ping"}'),
    ("W9-half-a-character", '{"type":"ping","n":"\\ud800"}'),
    ("W9-halves-swapped", '{"type":"ping","n":"\\udc00\\ud800"}'),
    ("W9-half-as-key", '{"type":"ping","\\ud83d":1}'),
]

NOT_A_FRAME = [
    ("W1-array", "[]"),
    ("W1-array-of-frames", '[{"type":"ping"}]'),
    ("W1-number", "42"),
    ("W1-string", '"ping"'),
    ("W1-null", "null"),
    ("W1-true", "true"),
    ("W2-binary-json", b'{"type":"ping"}'),
    ("W2-binary-nothing", b""),
    ("W2-binary-noise", bytes(range(256))),
    ("W2-binary-invalid-utf8", b"\xff\xfe"),
]

UNKNOWN_TYPES = [
    ("W22-no-type", "{}"),
    ("W22-null", frame(type=None)),
    ("W22-number", frame(type=1)),
    ("W22-array", frame(type=["ping"])),
    ("W22-object", frame(type={"ping": 1})),
    ("W22-empty", frame(type="")),
    ("W22-unknown", frame(type="dance")),
    ("W22-base", frame(type="base")),
    ("W22-init", frame(type="__init__")),
    ("W22-class", frame(type="__class__")),
    ("W22-constructor", frame(type="constructor")),
    ("W22-tostring", frame(type="toString")),
    ("W22-proto", frame(type="__proto__")),
    ("W22-10-kb", frame(type="p" * 10_000)),
    ("W22-upper-case", frame(type="PING")),
    ("W22-space", frame(type=" ping")),
    ("W22-nul", frame(type="ping\0")),
    ("W22-fullwidth", frame(type="ｐｉｎｇ")),
    ("W22-an-answers-type", frame(type="entry", thread=1, entry={})),
    ("W22-ready", frame(type="ready")),
    ("W22-refused", frame(type="refused", code="x")),
    ("W22-sql", frame(type="ping'; DROP TABLE users; --")),
]

EVERYWHERE = [
    *(Case(name, sent, "bad_json") for name, sent in NOT_JSON),
    *(Case(name, sent, "bad_frame") for name, sent in NOT_A_FRAME),
    *(Case(name, sent, "unknown_type") for name, sent in UNKNOWN_TYPES),
    Case("W23-extra-fields", frame(type="ping", role="owner", __proto__={"a": 1}), None),
    Case("W6-depth-16-is-fine", '{"type":"ping","n":' + "[" * 15 + "]" * 15 + "}", None),
]

# --- on a visitor's socket --------------------------------------------------------------------------

VISITOR = [
    # W10, W11, W13, W47: texts
    Case("W10-nul-inside", say("a\0b"), None, "stored as ab"),
    Case("W10-c1-control", say("a\u0085b\u009fc"), None),
    Case("W10-escape-sequence", say("\u001b[31mred\u001b[0m"), None),
    Case("W11-empty", say(""), "empty_message"),
    Case("W11-spaces", say("   "), "empty_message"),
    Case("W11-newlines", say("\n\r\n\t"), "empty_message"),
    Case("W11-no-break-spaces", say("\u00a0\u2003\u3000"), "empty_message"),
    Case("W11-zero-width", say("\u200b\u200c\u200d\u2060\ufeff"), "empty_message"),
    Case("W11-combining-marks-only", say("\u0301" * 50), "empty_message"),
    Case("W11-bidi-only", say("\u202e\u2066\u2069"), "empty_message"),
    Case("W11-nul-only", say("\0\0\0"), "empty_message"),
    Case("W11-variation-selectors-only", say("\ufe0f\ufe0e"), "empty_message"),
    Case("W13-zalgo", say(ZALGO), None, "cut per cluster"),
    Case("W43-bidi", say("abc \u202eevil\u202c \u2066x"), None),
    Case("W44-homograph", say("see https://\u0430pple.com and https://user:pw@host/"), None),
    Case("W46-fake-system-line", say("— Ana joined the chat —"), None),
    Case("W47-8000-characters", say("x" * 8_000), None),
    Case("W47-8001-characters", say("x" * 8_001), "too_long"),
    Case("W47-8001-emoji", say("\U0001f600" * 3_000 + "x" * 5_001), "too_long"),
    Case("W47-60001-characters", say("x" * 60_001), "too_long"),
    Case("W47-20000-newlines", say("a" + "\n" * 20_000 + "b"), "too_long"),
    Case("W47-7999-newlines", say("a" + "\n" * 7_990 + "b"), None),
    Case("W11-noncharacters-only", say("\ufffe\uffff\U0001ffff\ufdd0"), "empty_message"),
    Case("W11-fillers-only", say("\u3164\u115f\u1160\uffa0\u2800"), "empty_message"),
    Case("W12-noncharacters", say("a\ufffe\uffff\U0001ffffb"), None),
    Case("W12-an-emoji-newer-than-our-tables", say("\U0001fae8"), None),
    Case("W12-private-use", say("\ue000"), None),
    Case("W12-astral", say("𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍👩‍👧‍👦 🏳️‍🌈"), None),
    Case("W12-hangul-jamo", say("\u1112\u1161\u11ab\u1100\u1173\u11af"), None),
    Case("W12-turkish-german-greek", say("İıß ẞ Σίσυφος"), None),
    Case("W12-digits-of-ten-scripts", say("0٠۰०০๐໐༠᠐０"), None),
    Case("W12-rtl", say("שלום مرحبا"), None),
    Case("W12-html", say("<img src=x onerror=alert(1)><script>1</script>"), None),
    Case("W12-sql", say("'; DROP TABLE tickets; --"), None),
    Case("W12-template", say("{{7*7}} ${7*7} %s %(x)s"), None),
    # W26: keys
    Case("W26-no-key", frame(type="say", text="x"), "invalid"),
    Case("W26-empty-key", frame(type="say", id="", text="x"), "invalid"),
    Case("W26-short-key", frame(type="say", id="abc", text="x"), "invalid"),
    Case("W26-1-kb-key", frame(type="say", id="k" * 1024, text="x"), "invalid"),
    Case("W26-number-key", frame(type="say", id=12345678, text="x"), "invalid"),
    Case("W26-null-key", frame(type="say", id=None, text="x"), "invalid"),
    Case("W26-array-key", frame(type="say", id=["k3y-0000"], text="x"), "invalid"),
    Case("W26-spaces", frame(type="say", id="key with spaces", text="x"), "invalid"),
    Case("W26-newline", frame(type="say", id="k3y-0000\n", text="x"), "invalid"),
    Case("W26-unicode", frame(type="say", id="kéy-00000", text="x"), "invalid"),
    Case("W26-nul", frame(type="say", id="k3y-\u00000000", text="x"), "invalid"),
    # W23: fields that a visitor cannot set
    Case("W23-agent-id", say("x", agent_id=1, is_agent=True, role="owner"), None),
    Case("W23-seq-and-time", say("x", seq=1, public_seq=1, created_at="1970-01-01", at="1970-01-01"), None),
    Case("W23-conversation-id", say("x", conversation_id=1, thread=1, thread_id=1, ticket=1), None),
    Case("W23-author", say("x", author={"type": "agent", "name": "Ana", "id": 1}, kind="note"), None),
    Case("W23-public-false", say("x", public=False, data={"origin": "welcome"}), None),
    # types of fields
    Case("W24-text-number", say(1), "invalid"),
    Case("W24-text-null", say(None), "invalid"),
    Case("W24-text-array", say(["x"]), "invalid"),
    Case("W24-text-object", say({"a": 1}), "invalid"),
    Case("W24-no-text", frame(type="say", id=KEY), "invalid"),
    Case("W24-files-not-a-list", say("x", files="abc"), "invalid"),
    Case("W24-eleven-files", say("x", files=["f" * 20] * 11), "invalid"),
    Case("W24-file-path", say("x", files=["../../etc/passwd"]), "invalid"),
    Case("W24-file-number", say("x", files=[1]), "invalid"),
    Case("W25-random-file", say("x", files=["f" * 32]), "not_found"),
    # W28: bookmarks and `seen`
    Case("W28-seen-minus-one", frame(type="seen", seq=-1), "invalid"),
    Case("W28-seen-word", frame(type="seen", seq="abc"), "invalid"),
    Case("W28-seen-number-as-word", frame(type="seen", seq="1"), "invalid"),
    Case("W28-seen-fraction", frame(type="seen", seq=1.5), "invalid"),
    Case("W28-seen-whole-fraction", '{"type":"seen","seq":1.0}', "invalid"),
    Case("W28-seen-true", frame(type="seen", seq=True), "invalid"),
    Case("W28-seen-null", frame(type="seen", seq=None), "invalid"),
    Case("W28-seen-2-to-63", frame(type="seen", seq=2**63), "invalid"),
    Case("W28-seen-2-to-53", frame(type="seen", seq=2**53), "invalid"),
    Case("W28-seen-2-to-31", frame(type="seen", seq=2**31), None),
    Case("W28-seen-zero", frame(type="seen", seq=0), None),
    Case("W28-seen-of-another-thread", frame(type="seen", seq=1, thread=4711), None),
    # W31, W41, W22: frames that visitors may not send
    Case("W31-edit", frame(type="edit", seq=1, text="x"), "unknown_type"),
    Case("W31-delete", frame(type="delete", seq=1), "unknown_type"),
    Case("W41-button", frame(type="button", payload="refund"), "unknown_type"),
    Case("W31-open", frame(type="open", thread=1, after=0), "unknown_type"),
    Case("W31-leave", frame(type="leave", thread=1), "unknown_type"),
    Case("W31-note", frame(type="note", id=KEY, text="x"), "unknown_type"),
    Case("W31-assign", frame(type="assign", user=1), "unknown_type"),
    Case("W20-second-hello", frame(type="hello", version=1), "bad_frame"),
    # W29
    Case("W29-typing", frame(type="typing"), None),
    Case("W29-typing-elsewhere", frame(type="typing", thread=4711), None),
    Case("W29-typing-bad-thread", frame(type="typing", thread="x"), "invalid"),
    # W34: names and addresses
    Case("W34-support-team", frame(type="introduce", id=KEY, name="Support Team"), "reserved_name"),
    Case("W34-agents-name", frame(type="introduce", id=KEY, name="  ana "), "reserved_name"),
    Case("W34-agents-name-invisibly", frame(type="introduce", id=KEY, name="A\u200bna"), "reserved_name"),
    Case("W34-agents-name-by-look", frame(type="introduce", id=KEY, name="\u0410na"), "reserved_name"),
    Case("W34-support-by-look", frame(type="introduce", id=KEY, name="Supp0rt"), "reserved_name"),
    Case("W34-agents-name-rtl", frame(type="introduce", id=KEY, name="\u202eAna\u202c"), "reserved_name"),
    Case("W34-10000-characters", frame(type="introduce", id=KEY, name="N" * 10_000), None),
    Case("W34-20001-characters", frame(type="introduce", id=KEY, name="N" * 20_001), "invalid"),
    Case("W34-html", frame(type="introduce", id=KEY, name="<img src=x onerror=alert(1)>"), None),
    Case("W34-newline", frame(type="introduce", id=KEY, name="Zoe\nAdmin"), None),
    Case("W34-nothing", frame(type="introduce", id=KEY, name="\u200b"), "invalid"),
    Case("W34-number", frame(type="introduce", id=KEY, name=7), "invalid"),
    Case("W34-neither", frame(type="introduce", id=KEY), "invalid"),
    Case("W34-email-without-at", frame(type="introduce", id=KEY, email="zoe.example.com"), "invalid"),
    Case("W34-email-two", frame(type="introduce", id=KEY, email="a@b.co,c@d.co"), "invalid"),
    Case("W34-email-header", frame(type="introduce", id=KEY, email="a@b.co\r\nBcc: c@d.co"), "invalid"),
    Case("W34-email-long", frame(type="introduce", id=KEY, email="a" * 300 + "@example.com"), "invalid"),
    Case("W34-email-2001", frame(type="introduce", id=KEY, email="a" * 2_001), "invalid"),
    Case("W34-email-quoted", frame(type="introduce", id=KEY, email='"<script>"@example.com'), "invalid"),
    # W35: pages
    Case("W35-javascript", frame(type="page", page={"url": "javascript:alert(1)"}), None),
    Case("W35-file", frame(type="page", page={"url": "file:///etc/passwd"}), None),
    Case("W35-credentials", frame(type="page", page={"url": "https://u:secret@shop.example/"}), None),
    Case("W35-50-kb", frame(type="page", page={"url": "https://shop.example/" + "x" * 50_000}), None),
    Case("W35-bad-port", frame(type="page", page={"url": "https://shop.example:99999/"}), None),
    Case("W35-bad-brackets", frame(type="page", page={"url": "https://[::1/"}), None),
    Case("W35-no-page", frame(type="page"), "invalid"),
    Case("W35-page-word", frame(type="page", page="https://shop.example/"), "invalid"),
    Case("W35-locale-65", frame(type="page", page={"locale": "x" * 65}), "invalid"),
    # ending a chat
    Case("W26-end-without-key", frame(type="end"), "invalid"),
]

# --- on an agent's socket ---------------------------------------------------------------------------

AGENT = [
    Case("W28-open-nothing", frame(type="open"), "invalid"),
    Case("W28-open-zero", frame(type="open", thread=0, after=0), "invalid"),
    Case("W28-open-negative", frame(type="open", thread=-1, after=0), "invalid"),
    Case("W28-open-word", frame(type="open", thread="1", after=0), "invalid"),
    Case("W28-open-fraction", frame(type="open", thread=1.5, after=0), "invalid"),
    Case("W28-open-huge", frame(type="open", thread=2**60, after=0), "invalid"),
    Case("W28-open-after-negative", frame(type="open", thread=1, after=-1), "invalid"),
    Case("W28-open-after-word", frame(type="open", thread=1, after="0"), "invalid"),
    Case("W28-open-without-after", frame(type="open", thread=1), "invalid"),
    Case("W25-open-unknown", frame(type="open", thread=4711, after=0), "not_found"),
    Case("W25-open-largest", frame(type="open", thread=2**53 - 1, after=0), "not_found"),
    Case("W28-leave-word", frame(type="leave", thread="x"), "invalid"),
    Case("W28-leave-what-is-not-open", frame(type="leave", thread=4711), None),
    Case("W31-say-by-socket", frame(type="say", id=KEY, text="x"), "unknown_type"),
    Case("W31-end", frame(type="end", id=KEY), "unknown_type"),
    Case("W31-introduce", frame(type="introduce", id=KEY, name="x"), "unknown_type"),
    Case("W31-page", frame(type="page", page={}), "unknown_type"),
    Case("W28-seen-by-socket", frame(type="seen", seq=1, thread=1), "bad_frame"),
    Case("W20-second-hello", frame(type="hello", version=1), "bad_frame"),
    Case("W29-typing-nowhere", frame(type="typing"), None),
    Case("W29-typing-not-open", frame(type="typing", thread=4711), None),
]

# --- the first frame ----------------------------------------------------------------------------------

HELLOS = [
    Case("W20-no-version", frame(type="hello"), "invalid"),
    Case("W20-version-word", frame(type="hello", version="1"), "invalid"),
    Case("W20-version-zero", frame(type="hello", version=0), "invalid"),
    Case("W20-version-huge", frame(type="hello", version=10**9), "invalid"),
    Case("W28-bookmark-word", frame(type="hello", version=1, bookmark="x"), "invalid"),
    Case("W28-bookmark-minus-one", frame(type="hello", version=1, bookmark={"thread": "x", "after": -1}), "invalid"),
    Case("W28-bookmark-2-to-63", frame(type="hello", version=1, bookmark={"thread": "x", "after": 2**63}), "invalid"),
    Case("W28-bookmark-abc", frame(type="hello", version=1, bookmark={"thread": "x", "after": "abc"}), "invalid"),
    Case("W28-bookmark-number-thread", frame(type="hello", version=1, bookmark={"thread": 1, "after": 0}), "invalid"),
    Case(
        "W28-bookmark-1-kb-thread",
        frame(type="hello", version=1, bookmark={"thread": "x" * 1024, "after": 0}),
        "invalid",
    ),
    Case("W24-token-number", frame(type="hello", version=1, token=1), "invalid"),
    Case("W24-token-1-kb", frame(type="hello", version=1, token="x" * 1024), "invalid"),
    Case("W24-identity-5-kb", frame(type="hello", version=1, identity="x" * 5_000), "invalid"),
    Case("W35-page-array", frame(type="hello", version=1, page=[]), "invalid"),
    Case("W20-say-first", say("x"), "auth_required"),
    Case("W20-ping-first", frame(type="ping"), "auth_required"),
]
