"""Pictures of an MMS, for the carrier to fetch: signed addresses that end, for exactly the files of that message."""

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
LASTS = timedelta(hours=12)  # a message may wait for ten

_FILES = Statement(
    select(attachments.c.token, attachments.c.type, attachments.c.size).where(
        attachments.c.token.in_(bindparam("tokens", expanding=True))
    )
)
_MESSAGE = Statement(select(outbound.c.media).where(outbound.c.token == bindparam("token")))


def check(conn: Conn, tokens: tuple[str, ...]) -> None:
    """Can these files be sent as an MMS (CAM-30)? Raises `Refused` `mms_wrong_type` or `mms_too_large`."""
    total = 0
    found = {row.token: row for row in conn.all(_FILES, tokens=list(tokens))}
    for token in tokens:
        row = found.get(token)
        if row is None or row.type not in rules.MMS_TYPES:
            raise Refused("mms_wrong_type", "A text message carries PNG, JPEG and GIF pictures only.", field="files")
        total += row.size
    if total > rules.MAX_MMS_BYTES:
        raise Refused("mms_too_large", "The pictures of one text message must be under 600 KB together.", field="files")


def addresses(tx: Tx, public_url: str, message: str, tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Where the carrier finds each picture of the message with this token."""
    types = {row.token: row.type for row in tx.all(_FILES, tokens=list(tokens))}
    ends = int((tx.now + LASTS).timestamp())
    key = tx.key(PURPOSE)
    return tuple(
        f"{public_url}/media/{token}.{rules.MMS_TYPES[types[token]]}"
        f"?m={message}&e={ends}&s={sign(key, f'{message}.{token}.{ends}')}"
        for token in tokens
        if types.get(token) in rules.MMS_TYPES
    )


def allowed(app: App, now: datetime, token: str, message: str, ends: str, tag: str) -> bool:
    """Did we make this address, and is it still good? Asked before the database is."""
    if not ends.isdecimal() or len(ends) > 12 or int(ends) < now.timestamp():
        return False
    return signed_by(app.key(PURPOSE), f"{message}.{token}.{ends}", tag)


def picture(conn: Conn, token: str, message: str) -> tuple[str, int] | None:
    """Type and size of a file of exactly this message."""
    tokens = conn.value(_MESSAGE, token=message)
    if not tokens or token not in tokens:
        return None
    row = conn.first(_FILES, tokens=[token])
    return None if row is None or row.type not in rules.MMS_TYPES else (row.type, row.size)
