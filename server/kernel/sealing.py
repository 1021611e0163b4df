"""Encrypts provider secrets for the database, with a key that is not in it (G18)."""

from __future__ import annotations

from base64 import urlsafe_b64encode

PURPOSE = "sealing"  # of the derived key


class Unsealable(ValueError):
    """The token was sealed with another key, or altered."""


def seal(key: bytes, text: str) -> str:
    """`text` as a Fernet token (AES-128-CBC with HMAC-SHA256). `key`: 32 bytes, `app.key(PURPOSE)`. Empty stays empty."""
    from cryptography.fernet import Fernet  # imported late because it is large

    return Fernet(urlsafe_b64encode(key)).encrypt(text.encode()).decode() if text else ""


def unseal(key: bytes, token: str) -> str:
    """The sealed text. Raises `Unsealable` if the key is another one."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(urlsafe_b64encode(key)).decrypt(token.encode()).decode() if token else ""
    except InvalidToken:
        raise Unsealable("sealed with another secret key") from None
