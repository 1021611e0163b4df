"""Invalid carrier webhooks, and unusual but valid ones: all of section B-S that arrives over the network. (S17, the
loop of two automatic repliers, is in `tests/actions/test_sms_inbound.py`.)

Each `Case` is a valid text with changes. `params` replace parameters; None removes one. `status` is the status of the
response. If it is 200, `meaning` is the text's meaning, `body` the stored text (None: not checked), `files` the number
of stored files, and `phone` is False if the sender is no phone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

Sign = Literal["good", "other token", "shared", "shared with token", "missing", "as given"]


@dataclass(frozen=True)
class Case:
    id: str
    status: int = 200
    params: dict[str, str | None] = field(default_factory=dict)
    meaning: str = "plain"
    body: str | None = None
    files: int = 0
    phone: bool = True
    sign: Sign = "good"
    cut: int = 0  # number of characters removed from the signature
    address: str = "{url}{path}"  # the address that is signed
    query: str = ""  # the query that is sent
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None  # replaces the form; then the signature covers no parameter
    more: tuple[tuple[str, str], ...] = ()  # parameters that are repeated
    method: str = "POST"
    alert: str | None = None


SHARED = "X-Twilio-Webhooks-Signature-Settings"
JSON = b'{"Body": "hi", "n": 1.0}'
NAMED = f"?bodySHA256={hashlib.sha256(JSON).hexdigest()}"
AS_JSON = {"content-type": "application/json"}

SIGNATURES = [
    Case("S2-another-token", 403, sign="other token"),
    Case("S2-no-signature", 403, sign="missing"),
    Case("S2-empty", 403, sign="as given", headers={"X-Twilio-Signature": ""}),
    Case("S2-not-base64", 403, sign="as given", headers={"X-Twilio-Signature": "!!!!"}),
    Case("S2-not-ascii", 403, sign="as given", headers={"X-Twilio-Signature": "\u00e9" * 28}),
    Case("S2-10-kb", 403, sign="as given", headers={"X-Twilio-Signature": "A" * 10_000}),
    *(Case(f"S2-cut-by-{n}", 403, cut=n) for n in (1, 4, 27)),
    Case("S2-signed-for-https", 403, address="https{rest}{path}"),
    Case("S2-without-the-port", address="{portless}{path}"),
    Case("S2-another-port", 403, address="{portless}:8443{path}"),
    Case("S2-another-path", 403, address="{url}/webhooks/twilio/status"),
    Case("S2-query-as-signed", address="{url}{path}?b=2&a=1", query="?b=2&a=1"),
    Case("S2-query-reordered", 403, address="{url}{path}?a=1&b=2", query="?b=2&a=1"),
    Case("S2-query-added", 403, query="?x=1"),
    Case("S2-query-lost", 403, address="{url}{path}?x=1"),
    Case("S2-escape-written-otherwise", 403, address="{url}{path}?x=%2B", query="?x=%2b"),
    Case("S2-a-parameter-added", 403, sign="as given", more=(("Extra", ""),)),
    Case("S3-shared-key", sign="shared", headers={SHARED: "key=hooks,algorithm=HMAC_SHA256"}),
    Case("S3-shared-key-spaces-and-case", sign="shared", headers={SHARED: " KEY=hooks , Algorithm=hmac_sha256"}),
    Case("S3-unknown-key", 403, sign="shared", headers={SHARED: "key=others,algorithm=HMAC_SHA256"}),
    Case("S3-no-key", 403, sign="shared", headers={SHARED: "algorithm=HMAC_SHA256"}),
    Case("S3-not-announced", 403, sign="shared"),
    Case("S3-token-in-place-of-the-key", 403, sign="shared with token", headers={SHARED: "key=hooks,algorithm=HMAC_SHA256"}),
    *(
        Case(f"S3-algorithm-{name or 'empty-name'}", 403, headers={SHARED: f"key=hooks,algorithm={name}"})
        for name in ("MD5", "HMAC_SHA512", "none", "HMAC_SHA-256", "null")
    ),
    Case("S3-the-usual-one-by-name", headers={SHARED: "algorithm=HMAC_SHA1"}),
    Case("S5-json-altered", 403, raw=JSON + b" ", address="{url}{path}" + NAMED, query=NAMED, headers=AS_JSON),
    Case("S5-json-without-hash", 403, raw=JSON, headers=AS_JSON),
    Case("S5-hash-twice", 400, raw=JSON, address="{url}{path}" + NAMED + "&bodySHA256=" + "0" * 64,
         query=NAMED + "&bodySHA256=" + "0" * 64, headers=AS_JSON),
    # Signed and complete, but it names no account.
    Case("S5-json-of-nobody", 403, raw=JSON, address="{url}{path}" + NAMED, query=NAMED, headers=AS_JSON,
         alert="webhook_of_another_account"),
    Case("S6-another-account", 403, {"AccountSid": "AC" + "f" * 32}, alert="webhook_of_another_account"),
    Case("S6-no-account", 403, {"AccountSid": None}, alert="webhook_of_another_account"),
    Case("S6-account-in-lower-case", 403, {"AccountSid": "ac" + "0" * 31 + "1"}, alert="webhook_of_another_account"),
    Case("S6-not-our-number", 403, {"To": "+12025550177"}, alert="webhook_for_another_number"),
    Case("S6-no-number", 403, {"To": ""}, alert="webhook_for_another_number"),
]  # fmt: skip

SENDERS = [
    *(
        Case(f"S8-{name}", params={"From": sender}, phone=False)
        for name, sender in {
            "short-code": "72345",
            "letters": "SHOPNAME",
            "letters-and-blanks": "My Shop 24",
            "anonymous": "anonymous",
            "restricted": "RESTRICTED",
            "anonymous-as-digits": "+266696687",
            "empty": "",
            "html": "<b>x</b>",
            "200-digits": "+1" + "2" * 200,
            "no-such-country": "+9991234567",
            "too-short": "+1202",
            "full-width": "\uff0b\uff11\uff12\uff10\uff12",
        }.items()
    ),
    *(
        Case(f"S8-{channel}", params={"From": f"{channel}:{name}", "To": f"{channel}:+18885550199"}, phone=False)
        for channel, name in {"whatsapp": "+12025550143", "rcs": "agent_x", "messenger": "1234567890"}.items()
    ),
]

_URL = "https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM/Media/ME"
MEDIA = [
    Case("S9-no-words", params={"Body": "", "NumMedia": "1", "MediaUrl0": _URL, "MediaContentType0": "image/png"}, body="", files=1),
    Case("S9-no-body-at-all", params={"Body": None, "NumMedia": "1", "MediaUrl0": _URL}, body="", files=1),
    Case("S9-no-type", params={"NumMedia": "1", "MediaUrl0": _URL}, files=1),
    Case("S9-99-promised", params={"NumMedia": "99", "MediaUrl0": _URL, "MediaContentType0": "image/gif"}, files=1),
    Case("S9-2-promised-1-there", params={"NumMedia": "2", "MediaUrl1": _URL, "MediaContentType1": "image/gif"}, files=1),
    Case("S9-none-promised-1-there", params={"NumMedia": "0", "MediaUrl0": _URL}, files=1),
    Case("S9-promised-and-none-there", params={"NumMedia": "3"}),
    Case("S9-a-type-without-a-file", params={"NumMedia": "1", "MediaContentType0": "image/png"}),
    Case("S9-no-number", params={"NumMedia": "many", "MediaUrl0": _URL}, files=1),
    Case("S9-less-than-nothing", params={"NumMedia": "-1", "MediaUrl0": _URL}, files=1),
    Case("S9-eleven", params={f"MediaUrl{n}": _URL + str(n) for n in range(11)}, files=10),
    Case("S9-odd-types", params={"MediaUrl0": _URL, "MediaContentType0": "text/html<script>", "MediaUrl1": _URL, "MediaContentType1": "x" * 500}, files=2),
    Case("S9-another-servers-file", params={"NumMedia": "1", "MediaUrl0": "http://169.254.169.254/latest"}, files=1),
]  # fmt: skip

WORDS = [
    Case(f"S11-{name}", params={"Body": body}, body=body)
    for name, body in {
        "1600": "x" * 1_600,
        "1600-of-four-bytes": "\U0001f600" * 1_600,
        "extension-table": "\u20ac[]{}~^\\|" * 100,
        "ucs-2": "\u044f" * 671,
        "across-a-segment": "a" * 69 + "\U0001f600",
        "family": "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 40,
        "smart-quotes": "\u201csmart\u201d \u2014 quotes\u2026",
        "plus-and-escapes": "+%20&=%;#?",
        "lines": "one\ntwo",
        "blanks-around": "  in the middle  ",
        "right-to-left": "\u0645\u0631\u062d\u0628\u0627",
    }.items()
] + [
    Case(f"S23-{name}", params={"Body": body}, body=body)
    for name, body in {
        "template": "{{contact.name}} {% for x in y %} ${7*7} #{7*7}",
        "formula": "=cmd|' /C calc'!A0",
        "at-formula": "@SUM(1+1)",
        "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "link": "https://evil.example/?a=b&c=%20",
        "twiml": "<Response><Message>free money</Message></Response>",
        "sql": "'; DROP TABLE tickets; --",
        "reversed": "\u202egnp.exe",
    }.items()
]

MEANINGS = [
    *(
        Case(f"S12-{n}", params={"Body": body}, meaning="stop")
        for n, body in enumerate([
            "STOP", "stop", "Stop.", " STOP ", "STOP!", "\uff33\uff54\uff4f\uff50", "STOP\n", "stop stop", "STOPALL", "UNSUBSCRIBE",
            "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "opt out", "opt-out",
        ])
    ),
    *(
        Case(f"S14-{n}", params={"Body": body}, meaning="plain")
        for n, body in enumerate(["don't stop", "bus stop at 5?", "the end", "cancel my appointment", "quit smoking program?"])
    ),
    *(
        Case(f"S14-request-{n}", params={"Body": body}, meaning="stop_request")
        for n, body in enumerate(["please stop texting me", "unsubscribe me please", "no more texts"])
    ),
    *(Case(f"S15-{word}-without-a-stop", params={"Body": word}, meaning="start") for word in ("START", "UNSTOP")),
    # The sender is no phone and cannot consent: an ordinary message for the inbox.
    Case("S15-YES-without-a-question", params={"Body": "YES"}, meaning="plain"),
]  # fmt: skip

BYTES = [
    Case("S20-5000-fields", 413, {f"p{n}": "" for n in range(5_000)}),
    Case("S20-a-megabyte", 413, {"Body": "x" * 1_048_576}),
    Case("S20-nul", 400, {"Body": "a\0b"}),
    Case("S20-nul-in-a-name", 400, {"a\0b": ""}),
    *(
        Case(f"S20-{name}", 400, raw=raw)
        for name, raw in {
            "bad-escape": b"Body=%zz",
            "half-an-escape": b"Body=100%",
            "latin-1-escaped": b"Body=%E9",
            "latin-1": b"Body=\xe9",
            "overlong": b"Body=%C0%80",
            "half-a-pair": b"Body=%ED%A0%80",
            "raw-nul": b"Body=a\0b",
        }.items()
    ),
    Case("S20-the-largest-real-one", params={"Body": "\U0001f600" * 1_600, "NumMedia": "10", **{f"MediaUrl{n}": _URL + "x" * 300 + str(n) for n in range(10)}}, files=10),
    Case("S20-a-name-twice", 400, more=(("Extra", "b"), ("Extra", "a"), ("Extra", "b"))),
    Case("S20-a-name-twice-alike", 400, more=(("Extra", "b"), ("Extra", "b"))),
    Case("S20-two-bodies", 400, more=(("Body", "STOP"),)),
    Case("S20-two-senders", 400, more=(("From", "+12025550143"),)),
    Case("S20-an-empty-name-twice", 400, more=(("", "a"), ("", "b"))),
    Case("S20-names-in-two-cases", more=(("body", "STOP"),)),
    Case("S20-twice-in-the-query", 400, address="{url}{path}?m=1&m=2", query="?m=1&m=2"),
    Case("S20-twice-in-the-query-escaped", 400, address="{url}{path}?m=1&%6d=2", query="?m=1&%6d=2"),
    Case("S20-in-query-and-form", address="{url}{path}?Body=STOP", query="?Body=STOP"),
    Case("S20-by-get-twice", 400, method="GET", more=(("Body", "STOP"),)),
    Case("S20-unknown-parameters", params={"Brand New": "1", "": "x", "\u00fc": "\u00e4"}),
    Case("S20-by-get", method="GET"),
    Case("S20-put", 405, method="PUT"),
    Case("S20-multipart", 403, raw=b"--x\r\n\r\n--x--", headers={"content-type": "multipart/form-data; boundary=x"}),
    Case("S20-nothing", 403, raw=b"", alert="webhook_of_another_account"),
]  # fmt: skip

OTHERS = [
    *(
        Case(f"S21-{name}", 400, {"MessageSid": None, "SmsSid": None, "SmsMessageSid": None, "SmsStatus": None, **more},
             alert="webhook_of_another_product")
        for name, more in {
            "a-call": {"CallSid": "CA" + "1" * 32, "CallStatus": "ringing"},
            "a-conference": {"ConferenceSid": "CF" + "1" * 32},
            "a-fax": {"FaxSid": "FX" + "1" * 32},
            "a-recording": {"RecordingSid": "RE" + "1" * 32},
            "a-conversation": {"ConversationSid": "CH" + "1" * 32},
            "nothing-at-all": {},
        }.items()
    ),
    Case("S21-a-status-report", 400, {"SmsStatus": "delivered", "MessageStatus": "delivered"}, alert="webhook_of_another_product"),
    *(
        Case(f"S21-id-{name}", 400, {"MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid},
             alert="webhook_of_another_product")
        for name, sid in {"short": "SM123", "not-hex": "SM" + "g" * 32, "of-a-call": "CA" + "1" * 32, "long": "SM" + "1" * 33}.items()
    ),
]  # fmt: skip

ALL: list[Case] = [*SIGNATURES, *SENDERS, *MEDIA, *WORDS, *MEANINGS, *BYTES, *OTHERS]


@dataclass(frozen=True)
class Report:
    """A status report about one of our messages, with changes. `kept`: whether the report is stored in
    `carrier_reports`. `moves`: the new state of the message."""

    id: str
    status: int
    params: dict[str, Any]
    kept: bool = True
    moves: str | None = None


REPORTS = [
    Report("S18-another-account", 403, {"AccountSid": "AC" + "9" * 32}, kept=False),
    Report("S18-no-account", 403, {"AccountSid": None}, kept=False),
    Report("S18-no-id", 400, {"MessageSid": None}, kept=False),
    Report("S18-no-status", 400, {"MessageStatus": ""}, kept=False),
    Report("S18-long-id", 400, {"MessageSid": "SM" + "1" * 100}, kept=False),
    Report("S18-unknown-id", 200, {"MessageSid": "SM" + "e" * 32}),
    Report("S18-unknown-word", 200, {"MessageStatus": "levitating"}),
    Report("S18-a-word-of-80", 400, {"MessageStatus": "x" * 80}, kept=False),
    Report("S18-error-in-words", 200, {"MessageStatus": "sent", "ErrorCode": "broken"}),
    Report("S18-error-below-nothing", 200, {"MessageStatus": "sent", "ErrorCode": "-5"}),
    Report("S18-error-of-40-digits", 200, {"MessageStatus": "sent", "ErrorCode": "9" * 40}),
    Report("S18-error-in-other-digits", 200, {"MessageStatus": "sent", "ErrorCode": "\u0663\u0660"}),
    Report("S18-upper-case", 200, {"MessageStatus": "DELIVERED"}, moves="delivered"),
    Report("S18-back-again", 200, {"MessageStatus": "queued"}, moves="delivered"),
]
