"""Computes the MACs that reveal an edited, missing or added row of the ledger. Pure (G14).

Each contact's rows are a chain: a row's MAC covers the row before it. The key is derived from the server's secret
and is not in the database, so write access to the database is not enough to forge a row. A MAC covers salted
commitments to the personal fields and not the fields, so an erasure can blank them without breaking the chain.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PURPOSE = "consent-ledger"  # the purpose of the derived key
PERSONAL = ("address", "wording", "reason")
ERASED = "erased"  # status of the row that records that earlier personal fields were blanked
MODULUS = 1 << 256  # modulus of the sum of the chains' shares in the register


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
    """HMAC-SHA256 over length-prefixed parts, so that ("ab", "c") differs from ("a", "bc")."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        mac.update(len(data).to_bytes(8, "big"))
        mac.update(data)
    return mac.digest()


def _text(tag: bytes) -> str:
    return urlsafe_b64encode(tag).rstrip(b"=").decode()


def commitments(key: bytes, salt: str, address: str, wording: str, reason: str) -> str:
    """One commitment per field of `PERSONAL`, joined by dots."""
    values = zip(PERSONAL, (address, wording, reason), strict=True)
    return ".".join(_text(_tag(key, "field", salt, name, value)[:18]) for name, value in values)


def mac(key: bytes, previous: str, entry: Entry) -> str:
    """The MAC of a row; `commitment` represents its personal fields. `previous`: MAC of the row before it, "" if none."""
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
    """The MAC of a head: the chain's length and last MAC."""
    return _text(_tag(key, "head", contact, length, last))


def register_share(key: bytes, contact: int) -> int:
    """The number that one chain adds to the register's total."""
    return int.from_bytes(_tag(key, "born", contact), "big")


def register_seal(key: bytes, chains: int, total: str) -> str:
    """The MAC of the register: the number of chains and the hexadecimal sum of their shares."""
    return _text(_tag(key, "register", chains, total))
