"""Serves the pictures of an MMS to the carrier by signed URLs that expire."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from server.delivery import rules
from server.errors import Refused
from server.kernel.context import App
from server.kernel.ids import sign, signed_by
from server.kernel.sql import Conn, Statement, Tx
from server.schema import attachments, outbound

PURPOSE = "mms"  # of the derived key
VALID_FOR = timedelta(hours=12)  # the carrier may queue a message for ten

_FILES = Statement(
    select(attachments.c.token, attachments.c.type, attachments.c.size).where(
        attachments.c.token.in_(bindparam("tokens", expanding=True))
    )
)
_MEDIA_OF_MESSAGE = Statement(select(outbound.c.media).where(outbound.c.token == bindparam("token")))


def check_mms(conn: Conn, tokens: tuple[str, ...]) -> None:
    """Raises `Refused` `mms_wrong_type` or `mms_too_large` if these files cannot be sent as an MMS (CAM-30)."""
    total = 0
    rows = {row.token: row for row in conn.all(_FILES, tokens=list(tokens))}
    for token in tokens:
        row = rows.get(token)
        if row is None or row.type not in rules.MMS_TYPES:
            raise Refused("mms_wrong_type", "Only PNG, JPEG and GIF pictures can be sent.", field="files")
        total += row.size
    if total > rules.MAX_MMS_BYTES:
        raise Refused("mms_too_large", "The pictures of one message must be under 600 KB in total.", field="files")


def signed_urls(tx: Tx, public_url: str, message: str, tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The URLs of the pictures of the message with the token `message`."""
    types = {row.token: row.type for row in tx.all(_FILES, tokens=list(tokens))}
    ends = int((tx.now + VALID_FOR).timestamp())
    key = tx.key(PURPOSE)
    return tuple(
        f"{public_url}/media/{token}.{rules.MMS_TYPES[types[token]]}"
        f"?m={message}&e={ends}&s={sign(key, f'{message}.{token}.{ends}')}"
        for token in tokens
        if types.get(token) in rules.MMS_TYPES
    )


def is_signed(app: App, now: datetime, token: str, message: str, ends: str, tag: str) -> bool:
    """Whether we made this URL and it has not expired. Needs no database."""
    if not ends.isdecimal() or len(ends) > 12 or int(ends) < now.timestamp():
        return False
    return signed_by(app.key(PURPOSE), f"{message}.{token}.{ends}", tag)


def picture(conn: Conn, token: str, message: str) -> tuple[str, int] | None:
    """Type and size of a file of this message; None if it is not a picture of this message."""
    tokens = conn.value(_MEDIA_OF_MESSAGE, token=message)
    if not tokens or token not in tokens:
        return None
    row = conn.first(_FILES, tokens=[token])
    return None if row is None or row.type not in rules.MMS_TYPES else (row.type, row.size)
