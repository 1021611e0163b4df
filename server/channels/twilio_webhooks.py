"""Verifies the signature of Twilio's webhooks and parses incoming texts. Pure, and without the SDK.

A test compares the results with the SDK's slower validator.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from urllib.parse import parse_qsl

from server.channels.base import InboundText, Media

SIGNATURE = "x-twilio-signature"
SIGNATURE_SETTINGS = "x-twilio-webhooks-signature-settings"
IDEMPOTENCY = "i-twilio-idempotency-token"


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that may sign a webhook. `tokens`: of the account, two while one is being replaced. `shared`: by name."""

    tokens: tuple[bytes, ...] = field(repr=False)
    shared: Mapping[str, bytes] = field(repr=False, default_factory=dict)


@lru_cache(2)  # cached, because every webhook needs the keys of the one account
def keys(tokens: tuple[str, ...], shared: tuple[tuple[str, str], ...] = ()) -> Keys:
    """`shared`: name and key. Skips empty keys, because anybody could sign with them."""
    return Keys(tuple([token.encode() for token in tokens if token]), {n: key.encode() for n, key in shared if key})


def verify(
    signing_keys: Keys,
    public_urls: tuple[str, ...],
    target: str,
    query: str,
    params: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    *,
    body: bytes = b"",
    is_form: bool = True,
) -> bool:
    """Whether one of our keys signed this request.

    `public_urls`: our public URL, in each spelling that the provider may know. `target`: path and query exactly as
    received. `params`: the decoded form. `body`: the raw bytes of a body that is no form; then the query must contain
    its `bodySHA256`.
    """
    signature = headers.get(SIGNATURE, "").encode("latin-1", "replace")
    if not signature:
        return False
    settings = headers.get(SIGNATURE_SETTINGS, "")
    if settings:
        algorithm, candidates = _algorithm_and_keys(signing_keys, settings)
    else:
        algorithm, candidates = "sha1", signing_keys.tokens
    if not is_form and not _body_hash_matches(query, body):
        return False
    suffix = target + "".join([name + value for name, value in sorted(set(params))])
    # The request does not say which spelling was signed, so all of ours are tried.
    for start in origins(public_urls):
        text = (start + suffix).encode("utf-8", "surrogatepass")
        for key in candidates:
            if hmac.compare_digest(b64encode(hmac.digest(key, text, algorithm)), signature):
                return True
    return False


class Signed(Protocol):
    """The parts of a request that the signature covers."""

    @property
    def target(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def is_form(self) -> bool: ...
    @property
    def signed(self) -> tuple[tuple[str, str], ...]: ...


def signed_by(
    tokens: tuple[str, ...], shared: tuple[tuple[str, str], ...], public_urls: tuple[str, ...], posted: Signed
) -> bool:
    """Whether one of an account's keys signed this request to our public address. Calls `verify`."""
    return verify(
        keys(tokens, shared),
        public_urls,
        posted.target,
        posted.query,
        posted.signed,
        posted.headers,
        body=posted.body,
        is_form=posted.is_form,
    )


def _algorithm_and_keys(signing_keys: Keys, settings: str) -> tuple[str, tuple[bytes, ...]]:
    """Algorithm and keys for the settings header; no keys for an unknown algorithm or name."""
    options: dict[str, str] = {}
    for option in settings.split(","):
        name, _, value = option.partition("=")
        options.setdefault(name.strip().lower(), value.strip())
    match options.get("algorithm", "").upper() or "HMAC_SHA1":
        case "HMAC_SHA1":
            return "sha1", signing_keys.tokens
        case "HMAC_SHA256":
            key = signing_keys.shared.get(options.get("key", ""))
            return "sha256", () if key is None else (key,)
        case _:
            return "sha1", ()


def _body_hash_matches(query: str, body: bytes) -> bool:
    sent_hashes = [value for name, value in parse_qsl(query) if name == "bodySHA256"]
    digest = hashlib.sha256(body).hexdigest().encode()
    return len(sent_hashes) == 1 and hmac.compare_digest(digest, sent_hashes[0].lower().encode("utf-8", "replace"))


_PORT_AT_END = re.compile(r"([^/]*//.*[^:/]):\d+")


@lru_cache(16)
def origins(public_urls: tuple[str, ...]) -> tuple[str, ...]:
    """Each spelling of the public URL with and without its port; first the one that is nearly always signed."""
    return tuple(dict.fromkeys([start for url in public_urls for start in _with_and_without_port(url)]))


def _with_and_without_port(url: str) -> tuple[str, str]:
    port = _PORT_AT_END.fullmatch(url)
    if port is not None:
        return url, port[1]
    return url, f"{url}:{443 if url.lower().startswith('https:') else 80}"


def sign(token: str, address: str, params: Iterable[tuple[str, str]]) -> str:
    """The signature that Twilio makes, for the simulator, the doctor's check and tests."""
    text = address + "".join([name + value for name, value in sorted(set(params))])
    return b64encode(hmac.digest(token.encode(), text.encode("utf-8", "surrogatepass"), "sha1")).decode()


# --- incoming texts ---------------------------------------------------------------------------------

_SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
MAX_MEDIA = 10
_MEDIA = [(f"MediaUrl{number}", f"MediaContentType{number}") for number in range(MAX_MEDIA)]
# Parameters that identify a webhook of another product, and that product's name.
OTHER_PRODUCTS = {
    "CallSid": "calls",
    "ConferenceSid": "conferences",
    "FaxSid": "faxes",
    "RecordingSid": "recordings",
    "ConversationSid": "conversations",
    "ServiceSid": "another service",
    "MessageStatus": "status reports",
}


@dataclass(frozen=True, slots=True)
class NoText:
    """A webhook that is not an incoming text. `product`: what it is, for people."""

    product: str


def parse_text(params: dict[str, str], headers: Mapping[str, str]) -> InboundText | NoText:
    """The incoming text of a webhook. Missing parameters are left empty, not refused."""
    sid = params.get("MessageSid") or params.get("SmsMessageSid") or params.get("SmsSid") or ""
    if not _SID.fullmatch(sid) or params.get("SmsStatus", "received") not in ("received", "receiving"):
        return NoText(
            next((product for name, product in OTHER_PRODUCTS.items() if name in params), "something unknown")
        )
    return InboundText(
        sid=sid,
        idempotency_token=headers.get(IDEMPOTENCY, "")[:200] or None,
        params=params,
        account=params.get("AccountSid", ""),
        sender=params.get("From", ""),
        to=params.get("To", ""),
        body=params.get("Body", ""),
        media=_media(params),
        country=_country(params.get("FromCountry", "")),
        opt_out=_opt_out(params.get("OptOutType", "")),
    )


def _media(params: Mapping[str, str]) -> tuple[Media, ...]:
    """The media URLs that are present, whatever `NumMedia` says (S9)."""
    return tuple(
        [Media(params[url][:2_000], params.get(kind, "")[:100].lower()) for url, kind in _MEDIA if params.get(url)]
    )


def _country(raw: str) -> str:
    return raw.upper() if len(raw) == 2 and raw.isascii() and raw.isalpha() else ""


def _opt_out(raw: str) -> str | None:
    return raw.upper() if raw.upper() in ("STOP", "START", "HELP") else None
