"""Stores the files of texts: a placeholder at once, the bytes by a job; shown if the owner allows it (AMB-6).

Files come only from the provider's hosts (`channels`). Their type is determined from the bytes, and pictures are
decoded and re-encoded (`files`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.channels.base import InboundText, SmsChannel
from server.errors import Busy, ChannelError, Refused, StorageFull
from server.files import rows, storage
from server.files.rows import Attachment
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.sql import Conn, Statement, Tx
from server.schema import attachments
from server.threads import entries
from server.threads.timeline import SYSTEM, append

log = structlog.get_logger()

JOB = "inbox.media"
MAX_FILES = 10  # per text
OWNER = "sms:"  # followed by the text's id
MAX_RUN_S = 40.0  # shorter than the job's lease, so that fetched files are stored before it ends
EXTENSIONS = {
    "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/heic": "heic",
    "video/mp4": "mp4", "video/3gpp": "3gp", "audio/amr": "amr", "text/vcard": "vcf", "text/x-vcard": "vcf",
    "application/pdf": "pdf", "text/plain": "txt",
}  # fmt: skip

_INSERT_PLACEHOLDER = Statement(
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
_STORE_FETCHED = Statement(
    update(attachments)
    # A placeholder has size 0. A file that was stored already is not replaced.
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


def insert_placeholders(tx: Tx, thread: int, text: InboundText) -> list[dict[str, Any]]:
    """Inserts a row without bytes for each file; returns the files as the entry lists them."""
    files = []
    for number, item in enumerate(text.media[:MAX_FILES], 1):
        token = tx.token(24)
        kind = item.type if item.type in EXTENSIONS else "application/octet-stream"
        name = _name(number, kind)
        tx.run(
            _INSERT_PLACEHOLDER, token=token, owner=OWNER + text.sid, thread=thread, name=name, type=kind, now=tx.now
        )
        files.append({"token": token, "name": name, "type": kind, "size": 0, "width": None, "height": None})
    return files


def _name(number: int, kind: str) -> str:
    extension = EXTENSIONS.get(kind)
    return f"{kind.partition('/')[0] if extension else 'file'}-{number}" + (f".{extension}" if extension else "")


def enqueue_fetch(tx: Tx, thread: int, seq: int, text: InboundText, expected: list[dict[str, Any]]) -> None:
    if not expected:
        return
    addresses = [
        {"token": file["token"], "url": item.url} for file, item in zip(expected, text.media, strict=False) if item.url
    ]
    payload = {"thread": thread, "seq": seq, "files": addresses}
    jobs.enqueue(tx, JOB, payload, run_at=tx.now, key=f"{JOB}:{text.sid}", priority=10)


LOST = "lost"  # in place of a hash: the provider no longer has the file, or it is invalid; not fetched again
_STILL_MISSING = Statement(
    select(attachments.c.token, attachments.c.owner).where(
        attachments.c.token.in_(bindparam("tokens", expanding=True)),
        attachments.c.size == 0,
        attachments.c.sha256 != LOST,
    )
)
_MARK_LOST = Statement(update(attachments).where(attachments.c.token == bindparam("file_token")).values(sha256=LOST))


def still_missing(conn: Conn, tokens: list[str]) -> dict[str, str]:
    """The files that are not fetched yet, with their owner."""
    return {row.token: row.owner for row in conn.all(_STILL_MISSING, tokens=tokens)} if tokens else {}


@dataclass(frozen=True, slots=True)
class _Stored:
    row: Attachment
    sha256: str


async def fetch(app: App, job: Job, channel: SmsChannel) -> None:
    """Fetches the missing files. A permanently refused file and an invalid picture stay placeholders. Any
    other failure is raised after the other files are stored, so that the job runs again."""
    max_bytes = app.settings.max_upload_mb * 1024 * 1024
    owner_of = await app.read(still_missing, [file["token"] for file in job.payload["files"]])
    stored: list[_Stored] = []
    unavailable: list[str] = []
    failure: Exception | None = None
    end = asyncio.get_running_loop().time() + MAX_RUN_S
    for file in job.payload["files"]:
        token = file["token"]
        if token not in owner_of:
            continue
        try:
            async with asyncio.timeout_at(end):
                data, _ = await channel.fetch_media(file["url"], max_bytes)
                row, sha256 = await storage.store_bytes(app, owner_of[token], "", data, token=token)
        except TimeoutError as late:
            failure = late
            break
        except (StorageFull, Busy) as error:
            failure = error
        except ChannelError as error:
            if error.permanent:
                unavailable.append(token)
            else:
                failure = error
        except Refused as refused:  # empty, or not a valid picture
            log.info("media_refused", code=refused.code)
            unavailable.append(token)
        except Exception as error:
            log.warning("media_failed", exc_info=True)
            failure = error
        else:
            stored.append(_Stored(row, sha256))
    if stored or unavailable:
        await app.write(record_fetched, job.payload["thread"], job.payload["seq"], stored, unavailable)
    if failure is not None:
        raise failure


def record_fetched(tx: Tx, thread: int, seq: int, stored: list[_Stored], failed_tokens: list[str]) -> None:
    """Updates the rows of fetched and lost files, and appends an entry with the message's files."""
    message = entries.at(tx, thread, seq)
    expected = [] if message is None else [file["token"] for file in message.data.get("files", [])]
    for file in stored:
        number = expected.index(file.row.token) + 1 if file.row.token in expected else 1
        tx.run(
            _STORE_FETCHED,
            file_token=file.row.token,
            new_name=_name(number, file.row.type),
            new_type=file.row.type,
            new_size=file.row.size,
            new_width=file.row.width,
            new_height=file.row.height,
            new_sha256=file.sha256,
        )
    for token in failed_tokens:
        tx.run(_MARK_LOST, file_token=token)
    stored_files = rows.files(tx, expected)
    data: dict[str, Any] = {"files": [stored_files[token].wire() for token in expected if token in stored_files]}
    if failed_tokens:
        data["lost"] = failed_tokens
    append(tx, thread, "media", SYSTEM, data=data, public=False, ref=seq)
