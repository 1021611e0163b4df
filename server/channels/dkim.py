"""DKIM: keys, their DNS records, and signatures (RFC 6376). Pure.

Keys are RSA with 2,048 bits, because large receivers do not verify Ed25519.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

BITS = 2_048
# Headers under the signature, if the mail has them. From is signed twice, so that nobody can add a second one.
SIGNED = (
    b"from", b"to", b"reply-to", b"subject", b"date", b"message-id", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"in-reply-to", b"references", b"auto-submitted", b"list-id", b"list-unsubscribe",
    b"list-unsubscribe-post",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key, in PEM, and the domain and selector of its public record."""

    domain: str
    selector: str
    private: str = field(repr=False)


def generate() -> tuple[str, str]:
    """A new key: the private part in PEM, the public part in base64."""
    from cryptography.hazmat.primitives import serialization  # imported late because it is large
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65_537, key_size=BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), base64.b64encode(public).decode()


def sign(content: bytes, key: DkimKey) -> bytes:
    """The mail with a DKIM-Signature before its other headers."""
    import dkim

    head = content.partition(b"\r\n\r\n")[0]
    present = {line.partition(b":")[0].strip().lower() for line in head.split(b"\r\n")}
    signature: bytes = dkim.sign(
        content,
        key.selector.encode(),
        key.domain.encode(),
        key.private.encode(),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[name for name in SIGNED if name in present] + [b"from"],
    )
    return signature + content
