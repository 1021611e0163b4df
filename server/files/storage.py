"""Stores the bytes of files, whole or not at all. Pictures are decoded and encoded again first."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import func, select

from server.errors import Refused, StorageFull
from server.files import decoding, pictures
from server.files.rows import Attachment
from server.kernel.context import App
from server.kernel.sql import Conn, Statement
from server.schema import attachments
from server.settings import Settings
from server.text import clean_line

INLINE_TYPES = frozenset(pictures.TYPES.values())
BUFFER_BYTES = 65_536  # bytes of an upload held in memory; the first of them determine its type


T = TypeVar("T")


_disk = ThreadPoolExecutor(4, "files")


MAX_NAME = 120  # characters of a display name
MAX_RAW_NAME = 4_000  # characters that are cleaned: a longer name first loses its middle
_ENDING = re.compile(r"\.[^.\s]{1,12}$")


def clean_name(raw: str) -> str:
    """A display name: no path, no control or direction characters, no trailing dots; never empty (P3).

    A name that is too long loses its middle and keeps its ending.
    """
    name = raw.replace("\\", "/").rsplit("/", 1)[-1]
    if len(name) > MAX_RAW_NAME:
        name = name[: MAX_RAW_NAME // 2] + name[-MAX_RAW_NAME // 2 :]
    name = clean_line(name, MAX_RAW_NAME)
    for invisible in "\u200b\u200c\u200d\u2060\ufeff":
        name = name.replace(invisible, "")
    name = name.replace('"', "'").strip(". ")
    if len(name) > MAX_NAME:
        ending = match[0] if (match := _ENDING.search(name)) else ""
        name = f"{name[: MAX_NAME - 1 - len(ending)]}…{ending}"
    return name or "file"


class Incoming:
    """A file that is being received: its bytes go to a `.part` file, and `move_into_place` renames it after the inspection."""

    def __init__(self, app: App, token: str) -> None:
        self.token, self.size, self.head = token, 0, b""
        self.path = path_of(app, token)
        attempt = app.ids.token(6)  # an expected file may be fetched twice at the same time
        self.received = self.path.with_name(f"{token}.{attempt}.part")
        self.rewritten = self.path.with_name(f"{token}.{attempt}.new.part")
        self._buffer = bytearray()
        self._handle: int | None = None
        self._discarded = False
        self._lock = threading.Lock()  # a cancelled request discards the file while a thread may still write to it

    async def write_chunk(self, chunk: bytes) -> None:
        """Appends bytes. Raises `StorageFull`."""
        self.size += len(chunk)
        self._buffer += chunk
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush()

    async def _flush(self, *, last: bool = False) -> None:
        if not self.head:
            self.head = bytes(self._buffer[:BUFFER_BYTES])
        data, self._buffer = self._buffer, bytearray()
        await _on_disk(self._write, data, last)

    def _write(self, data: bytearray, last: bool) -> None:
        with self._lock:
            if self._discarded:
                return
            if self._handle is None:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._handle = os.open(self.received, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            remaining = memoryview(data)
            while remaining:
                remaining = remaining[os.write(self._handle, remaining) :]
            if last:
                os.fsync(self._handle)

    async def inspect(self, owner: str, name: str) -> tuple[Attachment, str]:
        """Returns the row of the complete file and its SHA-256. Its bytes are synced, but not at their final path yet.

        Raises `Refused` "empty_file" or "bad_image", `StorageFull`, `Busy`.
        """
        if not self.size:
            raise Refused("empty_file", "This file is empty.")
        await self._flush(last=True)
        decoded = None
        if pictures.kind_of(self.head) is not None:
            decoded = await decoding.decode(self.received, self.rewritten)
            await _on_disk(self.rewritten.replace, self.received)
        media_type = decoded.type if decoded is not None else await _on_disk(sniff, self.head)
        size, sha256 = await _on_disk(_size_and_hash, self.received)
        row = Attachment(
            token=self.token,
            owner=owner,
            thread=None,
            public=False,
            name=clean_name(name),
            type=media_type,
            size=size,
            width=decoded.width if decoded is not None else None,
            blocked=False,
            height=decoded.height if decoded is not None else None,
            visitor_key=None,
        )
        return row, sha256

    async def move_into_place(self) -> None:
        """Moves the file to its final path."""
        await _on_disk(self.received.rename, self.path)

    def discard(self) -> None:
        """Removes the partial files; a file that was placed stays."""
        with self._lock:
            self._discarded = True
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
            self.received.unlink(missing_ok=True)
            self.rewritten.unlink(missing_ok=True)


@asynccontextmanager
async def incoming(app: App, token: str | None = None) -> AsyncIterator[Incoming]:
    """A file to receive; its bytes are removed unless it was placed. `token`: of a file whose row exists already."""
    file = Incoming(app, token or app.ids.token(24))
    try:
        yield file
    finally:
        await _on_disk(file.discard)


async def store_bytes(
    app: App, owner: str, name: str, data: bytes, *, token: str | None = None
) -> tuple[Attachment, str]:
    """Inspects and places `data`. Returns the row to store and its SHA-256. Raises as `Incoming.inspect`."""
    async with incoming(app, token) as file:
        await file.write_chunk(data)
        row_and_hash = await file.inspect(owner, name)
        await file.move_into_place()
        return row_and_hash


def path_of(app: App, token: str) -> Path:
    return app.settings.file_path(token)


async def _on_disk(work: Callable[..., T], *args: Any) -> T:
    """Runs `work` in a thread. Raises `StorageFull` for any `OSError`."""
    try:
        return await asyncio.get_running_loop().run_in_executor(_disk, work, *args)
    except OSError as error:
        raise StorageFull() from error


def _size_and_hash(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), sha256


def sniff(head: bytes) -> str:
    """The media type of a file that is not a picture, from its first bytes. It is only served as a download.

    Raises `Refused` "bad_image" for a file that puremagic takes for a picture and the decoders do not know.
    """
    import puremagic

    try:
        kind = str(puremagic.from_string(head, mime=True))
    except (puremagic.PureError, ValueError, LookupError):
        kind = ""
    if kind in INLINE_TYPES:  # a browser would show it inline although nothing decoded it
        raise Refused("bad_image", pictures.DAMAGED)
    if kind:
        return kind
    try:
        head[:4096].decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain"


_SUM_VISITORS_BYTES = Statement(
    select(func.coalesce(func.sum(attachments.c.size), 0).label("bytes")).where(attachments.c.owner.like("web:%"))
)


def visitors_bytes(conn: Conn) -> int:
    """Bytes of all files that visitors have uploaded."""
    return int(conn.value(_SUM_VISITORS_BYTES))


def visitors_share(settings: Settings, stored: int, free: int) -> int:
    """Bytes that visitors' files may take in total. `stored`: bytes they take now; `free`: free bytes of the disk."""
    return (stored + free) * settings.visitor_disk_percent // 100


def free_bytes(settings: Settings) -> int:
    """Free bytes of the disk that holds the files. Blocks."""
    folder = settings.files_dir()
    return shutil.disk_usage(folder if folder.exists() else settings.data_dir).free


async def remove_bytes(app: App, tokens: list[str]) -> None:
    """Removes the bytes of these files."""

    await _on_disk(_remove, *(path_of(app, token) for token in tokens))


async def remove_partial(app: App, before: datetime) -> int:
    """Removes partial files that killed processes left: those not written to since `before`. Returns their number."""

    def unlink() -> int:
        stale_paths = [
            path
            for path in app.settings.files_dir().glob("*/*.part")
            if (status := _stat(path)) is not None and status.st_mtime < before.timestamp()
        ]
        _remove(*stale_paths)
        return len(stale_paths)

    return await _on_disk(unlink)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # its upload has ended
        return None


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
