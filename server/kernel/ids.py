"""Random tokens, their hashes, and keys and signatures derived from the server's secret."""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Protocol
from uuid import UUID


class Ids(Protocol):
    def token(self, size: int = 24) -> str:
        """`size` random bytes as URL-safe text without padding."""
        ...


class RandomIds:
    def token(self, size: int = 24) -> str:
        return secrets.token_urlsafe(size)


class SeededIds:
    """Repeatable tokens for tests; never for a live server."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def token(self, size: int = 24) -> str:
        return urlsafe_b64encode(self._random.randbytes(size)).rstrip(b"=").decode()


def guid(token: str) -> str:
    """A random UUID (version 4) made of a token of 16 bytes."""
    return str(UUID(bytes=urlsafe_b64decode(token + "=="), version=4))


def digest(token: str) -> str:
    """SHA-256 as hex, the form in which the database stores a token. Tokens are random and need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def derive(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose, derived from the server's secret. Derived keys are never stored."""
    return hmac.digest(secret, b"threadline/" + purpose.encode(), "sha256")


def sign(key: bytes, text: str) -> str:
    """The HMAC of the text, shortened to 128 bits, as URL-safe text."""
    return urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")[:16]).rstrip(b"=").decode()


def signed_by(key: bytes, text: str, tag: str) -> bool:
    # `tag` comes from outside and may hold surrogates, which UTF-8 cannot encode.
    return hmac.compare_digest(sign(key, text).encode(), tag.encode("utf-8", "replace"))
