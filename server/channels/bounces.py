"""Reads messages in which a mail server reports what became of a mail (DSN, RFC 3464). Pure.

The input is hostile: it is read in one pass with limits, without a general MIME parser. Servers that send no standard
report are read by the words of their text.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from server.channels.mail import DEAD_CODES, UNKNOWN_USER, without_addresses

MAX_READ = 256 * 1024  # bytes; a report comes before the mail that it returns
MAX_HEADERS = 200
MAX_HEADER = 4_000  # characters
MAX_PARTS = 20
MAX_DEPTH = 3  # multipart inside multipart
MAX_NAMES = 30  # addresses and message ids


class Fate(StrEnum):
    """What a report means."""

    HARD = "hard"  # refused for good
    SOFT = "soft"  # this mail failed: a full mailbox, a policy, a server that did not answer for days
    DELAYED = "delayed"  # the server tries again
    DELIVERED = "delivered"
    OTHER = "other"  # not a report, or one that decides nothing


@dataclass(frozen=True, slots=True)
class Bounce:
    """A report. `addresses`: where it was sent to, perhaps a return path. `message_ids`: of the returned mail."""

    fate: Fate
    status: str = ""  # such as 5.1.1, or the code of SMTP
    dead: bool = False  # the address does not exist
    detail: str = ""  # the server's explanation, without addresses
    addresses: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


def read(raw: bytes) -> Bounce:
    """Never raises: unreadable input is `Fate.OTHER`."""
    headers, body = _split(raw[:MAX_READ])
    reports, texts, returned = _parts(headers, body)
    addresses = _addresses(headers, ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to"))
    addresses += _addresses(returned, ("return-path",))
    ids = _message_ids([value for name, value in returned if name == "message-id"])
    if reports:
        fate, status, dead, detail, fields = _standard(reports[0])
    elif _is_automatic_reply(headers) or not _looks_like_a_bounce(headers):
        fate, status, dead, detail, fields = Fate.OTHER, "", False, "", {}
    else:
        fate, status, dead, detail, fields = _by_words(texts)
    if not ids:
        ids = _message_ids(_ID_LINE.findall(texts))
    return Bounce(fate, status, dead, detail, tuple(addresses[:MAX_NAMES]), tuple(ids[:MAX_NAMES]), fields)


def classify(action: str, status: str, detail: str = "") -> tuple[Fate, bool]:
    """What `action` and `status` of RFC 3464 mean, and whether the address does not exist."""
    match action:
        case "delivered":
            return Fate.DELIVERED, False
        case "delayed":
            return Fate.DELAYED, False
        case "relayed" | "expanded":
            return Fate.OTHER, False
        case "failed":
            pass
        case _ if not status:
            return Fate.OTHER, False
        case _ if status.startswith("2"):
            return Fate.DELIVERED, False
        case _ if status.startswith("4"):
            return Fate.DELAYED, False
        case _:
            pass
    if not status.startswith("5"):
        return Fate.SOFT, False
    if status == "5.2.2" or status.startswith("5.7."):
        return Fate.SOFT, False
    unspecific = status in ("5.0.0", "5.5.0") or "." not in status
    return Fate.HARD, status in DEAD_CODES or (unspecific and UNKNOWN_USER.search(detail) is not None)


# --- the standard report ----------------------------------------------------------------------------

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_SMTP_CODE = re.compile(r"(?<![\d.:])([245][0-5]\d)(?=[ -](?:\d\.\d|[<A-Za-z#]))")
_KEPT = ("action", "status", "diagnostic-code", "remote-mta", "reporting-mta", "arrival-date", "last-attempt-date")


def _standard(report: bytes) -> tuple[Fate, str, bool, str, dict[str, str]]:
    """Reads a `message/delivery-status` part: fields of the message, an empty line, fields of each recipient. A failed
    recipient counts before others, because each of our mails has one recipient."""
    groups = [dict(reversed(list(_headers(group)))) for group in _EMPTY_LINES.split(report.strip())[:MAX_PARTS]]
    recipients = [group for group in groups if "action" in group or "status" in group]
    if not recipients:
        return Fate.OTHER, "", False, "", {}
    chosen = next((group for group in recipients if _word(group.get("action", "")) == "failed"), recipients[0])
    diagnostic = chosen.get("diagnostic-code", "")
    found = _ENHANCED.search(chosen.get("status", ""))
    status = found[0] if found else ""
    if status in ("", "5.0.0", "4.0.0") and (better := _ENHANCED.search(diagnostic)):
        status = better[0]
    detail = without_addresses(diagnostic.partition(";")[2] or diagnostic)
    fate, dead = classify(_word(chosen.get("action", "")), status, diagnostic)
    merged = {**groups[0], **chosen}
    return fate, status, dead, detail, {name: without_addresses(merged[name]) for name in _KEPT if name in merged}


def _word(text: str) -> str:
    """The first word: `failed` of "failed (bad destination)"."""
    return text.split("(")[0].strip().lower()


# --- reports without a standard ---------------------------------------------------------------------

_SENDERS = re.compile(r"mailer-daemon|postmaster|mail delivery|mail-daemon|<>", re.IGNORECASE)
_SUBJECTS = re.compile(
    r"undeliver|not deliver|delivery (?:status|fail|report|problem)|fail(?:ed|ure) (?:notice|delivery)|returned (?:mail|to)"
    r"|delayed|delivery has failed|couldn.t be delivered",
    re.IGNORECASE,
)
_DELAY_WORDS = re.compile(r"delayed|will (?:keep|continue)|not yet been delivered|warning message only", re.IGNORECASE)
_ID_LINE = re.compile(r"^message-id:[ \t]*(<[^<>\s]{1,400}>)", re.IGNORECASE | re.MULTILINE)


def _is_automatic_reply(headers: list[tuple[str, str]]) -> bool:
    return any(name == "auto-submitted" and value.lower().startswith("auto-replied") for name, value in headers)


def _looks_like_a_bounce(headers: list[tuple[str, str]]) -> bool:
    return any(
        (name in ("from", "return-path") and _SENDERS.search(value)) or (name == "subject" and _SUBJECTS.search(value))
        for name, value in headers
    )


def _by_words(text: str) -> tuple[Fate, str, bool, str, dict[str, str]]:
    enhanced, smtp = _ENHANCED.search(text), _SMTP_CODE.search(text)
    found = enhanced or smtp
    if found is None:
        dead = UNKNOWN_USER.search(text)
        if dead is None:
            return Fate.OTHER, "", False, "", {}
        return Fate.HARD, "", True, without_addresses(dead[0]), {}
    line_end = text.find("\n", found.end())
    detail = without_addresses(text[found.start() : line_end if line_end >= 0 else None][:500])
    action = "delayed" if found[0].startswith("4") and _DELAY_WORDS.search(text) else "failed"
    fate, dead_address = classify(action, found[0], text[found.start() : found.start() + 1_000])
    return fate, found[0], dead_address, detail, {}


# --- MIME, as far as it is needed -------------------------------------------------------------------

_EMPTY_LINES = re.compile(rb"\r?\n[ \t]*\r?\n\s*")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_BOUNDARY = re.compile(r'\bboundary=(?:"([^"\r\n]{1,200})"|([^\s";]{1,200}))', re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>,;:\"()]{1,64}@[^\s<>,;:\"()]{1,255}")


def _split(raw: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body."""
    raw = raw.lstrip(b"\r\n")
    end = _HEAD_END.search(raw)
    head, body = (raw, b"") if end is None else (raw[: end.start()], raw[end.end() :])
    return list(_headers(head)), body


def _headers(block: bytes) -> Iterator[tuple[str, str]]:
    """Names in lower case, with unfolded values; at most `MAX_HEADERS`, each cut to `MAX_HEADER`."""
    name, value, count = "", "", 0
    for line in block.decode("utf-8", "replace").split("\n")[: MAX_HEADERS * 20]:
        line = line.rstrip("\r")
        if line[:1] in (" ", "\t"):
            if len(value) < MAX_HEADER:
                value += f" {line.strip()}"
            continue
        if name:
            yield name, value[:MAX_HEADER]
            count += 1
            if count >= MAX_HEADERS:
                return
        name, colon, value = line.partition(":")
        name, value = (name.strip().lower(), value.strip()) if colon and len(name) <= 100 else ("", "")
    if name:
        yield name, value[:MAX_HEADER]


def _parts(
    headers: list[tuple[str, str]], body: bytes, depth: int = 0
) -> tuple[list[bytes], str, list[tuple[str, str]]]:
    """The contents of the reports, all text, and the headers of the returned mail."""
    kind = next((value for name, value in headers if name == "content-type"), "text/plain")
    media_type = kind.partition(";")[0].strip().lower()
    boundary = _BOUNDARY.search(kind)
    if media_type.startswith("multipart/") and boundary is not None and depth < MAX_DEPTH:
        line = re.escape((boundary[1] or boundary[2]).encode())
        pieces = re.split(rb"(?:^|\n)--" + line + rb"(?:--)?[ \t]*\r?(?:\n|$)", body, maxsplit=MAX_PARTS)[1:]
        reports, texts, returned = list[bytes](), "", list[tuple[str, str]]()
        for piece in pieces[:MAX_PARTS]:
            below = _parts(*_part(piece), depth + 1)
            reports, texts, returned = reports + below[0], texts + below[1], returned + below[2]
        return reports, texts, returned
    content = _decoded(headers, body)
    match media_type:
        case "message/delivery-status" | "message/global-delivery-status":
            return [content], "", []
        case "message/rfc822" | "text/rfc822-headers" | "message/global" | "message/global-headers":
            return [], "", _split(content)[0]
        case _ if media_type.startswith("text/"):
            return [], content.decode("utf-8", "replace") + "\n", []
        case _:
            return [], "", []


def _part(piece: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of a part; a part that begins with an empty line has no headers."""
    if piece.startswith((b"\n", b"\r\n")):
        return [], piece.lstrip(b"\r\n")
    return _split(piece)


def _decoded(headers: list[tuple[str, str]], body: bytes) -> bytes:
    encoding = next((value.lower() for name, value in headers if name == "content-transfer-encoding"), "")
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body)
        except binascii.Error:
            return b""
    return quopri.decodestring(body) if encoding == "quoted-printable" else body


def _addresses(headers: list[tuple[str, str]], names: tuple[str, ...]) -> list[str]:
    values = [value for wanted in names for name, value in headers if name == wanted]
    return [match for value in values for match in _ADDRESS.findall(value)]


def _message_ids(values: list[str]) -> list[str]:
    return [value.strip().removeprefix("<").removesuffix(">") for value in values[:MAX_NAMES]]
