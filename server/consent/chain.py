"""The arithmetic of the ledger: what makes an edited, missing or added row show. Pure (DESIGN 5, G14).

Each contact's rows are a chain: a row's MAC covers the row before it. The key is derived from the server's secret
and not in the database, so whoever can write rows cannot make them fit. Personal fields enter as commitments with
a salt, one for each field: an erasure may blank them, and what is left is still proven.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PURPOSE = "consent-ledger"  # of the derived key
PERSONAL = ("address", "wording", "reason")
ERASED = "erased"  # status of the row that says that the personal fields before it were blanked
MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of `consent_ledger` without its MAC."""

    contact_id: int
    n: int
    purpose: str
    before: str
    status: str
    applied: bool
    method: str
    source: str
    wording: str
    language: str
    reason: str
    address: str
    salt: str
    commitment: str
    happened_at: datetime
    recorded_at: datetime


def _tag(key: bytes, *parts: Any) -> bytes:
    """HMAC-SHA256 over parts whose borders count: ("ab", "c") is not ("a", "bc")."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        mac.update(len(data).to_bytes(8, "big"))
        mac.update(data)
    return mac.digest()


def _text(tag: bytes) -> str:
    return urlsafe_b64encode(tag).rstrip(b"=").decode()


def commit(key: bytes, salt: str, address: str, wording: str, reason: str) -> str:
    """One commitment for each of `PERSONAL`, joined by dots."""
    values = zip(PERSONAL, (address, wording, reason), strict=True)
    return ".".join(_text(_tag(key, "field", salt, name, value)[:18]) for name, value in values)


def mac(key: bytes, previous: str, entry: Entry) -> str:
    """Of everything in the row but the personal fields, which `commitment` stands for. `previous`: "" for the first."""
    return _text(
        _tag(
            key,
            "row",
            previous,
            entry.contact_id,
            entry.n,
            entry.purpose,
            entry.before,
            entry.status,
            int(entry.applied),
            entry.method,
            entry.source,
            entry.language,
            entry.salt,
            entry.commitment,
            entry.happened_at.isoformat(timespec="microseconds"),
            entry.recorded_at.isoformat(timespec="microseconds"),
        )
    )


def seal(key: bytes, contact: int, length: int, last: str) -> str:
    """Of a head: how long the chain is and how it ends."""
    return _text(_tag(key, "head", contact, length, last))


def born(key: bytes, contact: int) -> int:
    """What one chain adds to the register's total."""
    return int.from_bytes(_tag(key, "born", contact), "big")


def register_seal(key: bytes, chains: int, total: str) -> str:
    return _text(_tag(key, "register", chains, total))
