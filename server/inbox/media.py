"""Pictures and other files that came with a text: expected at once, fetched by a job, shown if the owner wants (AMB-6).

Only the provider's own addresses are asked (`channels`). The type is what the bytes are, pictures are decoded and
written anew (`files`), and nothing is public.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.channels.base import InboundText, SmsChannel
from server.errors import ChannelError, Refused, StorageFull
from server.inbox import entries, files, queries
from server.inbox.queries import Attachment
from server.inbox.timeline import SYSTEM, append
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Conn, Statement, Tx
from server.schema import attachments

log = structlog.get_logger()

JOB = "inbox.media"
MOST = 10  # files of one text
OWNER = "sms:"  # and the text's id
EXTENSIONS = {
    "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/heic": "heic",
    "video/mp4": "mp4", "video/3gpp": "3gp", "audio/amr": "amr", "text/vcard": "vcf", "text/x-vcard": "vcf",
    "application/pdf": "pdf", "text/plain": "txt",
}  # fmt: skip

_EXPECT = Statement(
    insert(attachments).values(
        token=bindparam("token"),
        owner=bindparam("owner"),
        thread_id=bindparam("thread"),
        name=bindparam("name"),
        type=bindparam("type"),
        size=0,
        sha256="",
        created_at=bindparam("now"),
    )
)
_FETCHED = Statement(
    update(attachments)
    .where(attachments.c.token == bindparam("file_token"), attachments.c.size == 0)
    .values(
        name=bindparam("new_name"),
        type=bindparam("new_type"),
        size=bindparam("new_size"),
        width=bindparam("new_width"),
        height=bindparam("new_height"),
        sha256=bindparam("new_sha256"),
    )
)


def expect(tx: Tx, thread: int, text: InboundText) -> list[dict[str, Any]]:
    """A row for each file, without bytes yet; how they stand in the entry."""
    found = []
    for number, item in enumerate(text.media[:MOST], 1):
        token = tx.token(24)
        kind = item.type if item.type in EXTENSIONS else "application/octet-stream"
        name = _name(number, kind)
        tx.run(_EXPECT, token=token, owner=OWNER + text.sid, thread=thread, name=name, type=kind, now=tx.now)
        found.append({"token": token, "name": name, "type": kind, "size": 0, "width": None, "height": None})
    return found


def _name(number: int, kind: str) -> str:
    extension = EXTENSIONS.get(kind)
    return f"{kind.partition('/')[0] if extension else 'file'}-{number}" + (f".{extension}" if extension else "")


def fetch_later(tx: Tx, thread: int, seq: int, text: InboundText, expected: list[dict[str, Any]]) -> None:
    if not expected:
        return
    addresses = [
        {"token": file["token"], "url": item.url} for file, item in zip(expected, text.media, strict=False) if item.url
    ]
    payload = {"thread": thread, "seq": seq, "files": addresses}
    jobs.enqueue(tx, JOB, payload, run_at=tx.now, key=f"{JOB}:{text.sid}", priority=10)


LOST = "lost"  # in place of a hash: the provider has it no more, or it is not what it claims; never asked for again
_WANTED = Statement(
    select(attachments.c.token, attachments.c.owner).where(
        attachments.c.token.in_(bindparam("tokens", expanding=True)),
        attachments.c.size == 0,
        attachments.c.sha256 != LOST,
    )
)
_LOSE = Statement(update(attachments).where(attachments.c.token == bindparam("file_token")).values(sha256=LOST))


def wanted(conn: Conn, tokens: list[str]) -> dict[str, str]:
    """Which of these are still to be fetched, and their owner."""
    return {row.token: row.owner for row in conn.all(_WANTED, tokens=tokens)} if tokens else {}


@dataclass(frozen=True, slots=True)
class _Kept:
    row: Attachment
    sha256: str


async def fetch(app: App, job: Job, channel: SmsChannel) -> None:
    """Fetches what is still missing. What the provider refuses for good stays a placeholder; anything else is tried again."""
    most = app.settings.max_upload_mb * 1024 * 1024
    known = await app.read(wanted, [file["token"] for file in job.payload["files"]])
    kept: list[_Kept] = []
    lost: list[str] = []
    again: Exception | None = None
    for file in job.payload["files"]:
        token = file["token"]
        if token not in known:
            continue
        try:
            data, _ = await channel.fetch_media(file["url"], most)
            row, sha256 = await files.keep(app, known[token], "", data, token=token)
        except StorageFull as full:
            again = full
        except ChannelError as error:
            if error.permanent:
                lost.append(token)
            else:
                again = error
        except Refused as refused:  # empty, or a picture that is none
            log.info("media_refused", code=refused.code)
            lost.append(token)
        else:
            kept.append(_Kept(row, sha256))
    if kept or lost:
        await app.write(fetched, job.payload["thread"], job.payload["seq"], kept, lost)
    if again is not None:
        raise again


def fetched(tx: Tx, thread: int, seq: int, kept: list[_Kept], lost: list[str]) -> None:
    """The rows of what is on disk now, and an entry that shows the message's files anew."""
    message = entries.at(tx, thread, seq)
    expected = [] if message is None else [file["token"] for file in message.data.get("files", [])]
    for one in kept:
        number = expected.index(one.row.token) + 1 if one.row.token in expected else 1
        tx.run(
            _FETCHED,
            file_token=one.row.token,
            new_name=_name(number, one.row.type),
            new_type=one.row.type,
            new_size=one.row.size,
            new_width=one.row.width,
            new_height=one.row.height,
            new_sha256=one.sha256,
        )
    for token in lost:
        tx.run(_LOSE, file_token=token)
    now = queries.files(tx, expected)
    data: dict[str, Any] = {"files": [now[token].wire() for token in expected if token in now]}
    if lost:
        data["lost"] = lost
    append(tx, thread, "media", SYSTEM, data=data, public=False, ref=seq)
