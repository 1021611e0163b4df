"""Attachments: bytes in the files folder under a random name, type by content, never served as a page.

Images are decoded and written anew (metadata with places and devices goes, a disguised file fails);
everything else is a download. Nothing here runs on the event loop longer than a disk write.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, or_, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.errors import NotFound, Refused, StorageFull
from server.inbox import queries
from server.inbox.queries import Attachment
from server.inbox.rules import clean_line
from server.kernel.context import App
from server.kernel.sql import Statement, Tx
from server.schema import attachments

IMAGE_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
INLINE_TYPES = frozenset(IMAGE_TYPES.values())
MAX_PIXELS = 40_000_000  # all frames of an animation together: some seconds to write anew
MAX_FRAMES = 200

_pool = ThreadPoolExecutor(2, "files")


@dataclass(frozen=True, slots=True)
class _Inspected:
    type: str
    width: int | None
    height: int | None
    data: bytes


def clean_name(raw: str) -> str:
    """A display name: no path, no control or direction characters, no trailing dots; never empty (P3)."""
    name = clean_line(raw.replace("\\", "/").rsplit("/", 1)[-1], 200)
    for invisible in "\u200b\u200c\u200d\u2060\ufeff":
        name = name.replace(invisible, "")
    name = name.replace('"', "'").strip(". ")
    if len(name) > 120:
        stem, dot, extension = name.rpartition(".")
        name = f"{stem[:100]}{dot}{extension[:12]}" if dot else name[:120]
    return name or "file"


async def keep(app: App, owner: str, name: str, data: bytes, *, token: str | None = None) -> tuple[Attachment, str]:
    """Inspects and stores `data`; returns the row to write and its SHA-256. `token`: of a file that was expected.

    Raises `Refused` `empty_file` or `bad_image`, `StorageFull`.
    """
    if not data:
        raise Refused("empty_file", "This file is empty.")
    loop = asyncio.get_running_loop()
    inspected = await loop.run_in_executor(_pool, _inspect, data)
    token = token or app.ids.token(24)
    path = path_of(app, token)
    try:
        await loop.run_in_executor(_pool, _write, path, inspected.data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageFull() from error
    row = Attachment(
        token=token,
        owner=owner,
        thread=None,
        public=False,
        name=clean_name(name),
        type=inspected.type,
        size=len(inspected.data),
        width=inspected.width,
        height=inspected.height,
        visitor_key=None,
    )
    return row, hashlib.sha256(inspected.data).hexdigest()


def path_of(app: App, token: str) -> Path:
    return app.settings.file_path(token)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and on disk before anybody hears of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)  # of a process that died here, where the same file is fetched again
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _inspect(data: bytes) -> _Inspected:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(BytesIO(data), formats=list(IMAGE_TYPES)) as image:
            kind = image.format or ""
            width, height = image.size
            frames = getattr(image, "n_frames", 1)
            if width * height * frames > MAX_PIXELS or frames > MAX_FRAMES:
                raise Refused(
                    "bad_image",
                    "This picture is too large: at most 40 megapixels, all frames together, and 200 frames.",
                )
            return _rewrite(image, IMAGE_TYPES[kind], frames)
    except UnidentifiedImageError:
        kind = _sniff(data)
        if kind in INLINE_TYPES:  # begins like a picture and is none: shown inline it would be whatever it is
            raise Refused("bad_image", "This picture is damaged or too large to open.") from None
        return _Inspected(kind, None, None, data)
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise Refused("bad_image", "This picture is damaged or too large to open.") from None


def _rewrite(image: object, media_type: str, frames: int) -> _Inspected:
    """The picture again from its pixels: no comment, place, device or second file inside survives."""
    from PIL import Image, ImageOps, ImageSequence

    assert isinstance(image, Image.Image) and image.format is not None
    kind, out = image.format, BytesIO()
    more: dict[str, Any] = {"quality": 88} if kind in ("JPEG", "WEBP") else {}
    if frames > 1:
        film = []
        for frame in ImageSequence.Iterator(image):
            frame.load()  # some kinds know a frame's time only then
            film.append((int(frame.info.get("duration", 0)), getattr(frame, "disposal_method", 0)))
        image.seek(0)
        more["duration"] = [milliseconds for milliseconds, _ in film]
        if kind == "GIF":
            more["disposal"] = [how for _, how in film]
        if kind == "PNG":  # frames are read whole: each takes the place of the one before
            more |= {"disposal": 0, "blend": 0}
    upright = image if frames > 1 else ImageOps.exif_transpose(image)
    for remark in ("comment", "xmp"):  # the library would write these again
        upright.info.pop(remark, None)
    if kind == "JPEG":
        upright.convert("RGB").save(out, kind, optimize=True, **more)
    else:
        upright.save(out, kind, save_all=frames > 1, **more)
    return _Inspected(media_type, *upright.size, out.getvalue())


def _sniff(data: bytes) -> str:
    """What the bytes are; when in doubt, bytes. Served as a download whatever it says."""
    import puremagic

    try:
        kind = puremagic.from_string(data[:65_536], mime=True)
    except (puremagic.PureError, ValueError):
        kind = ""
    if kind:
        return str(kind)
    try:
        data[:4096].decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain"


# --- rows ---------------------------------------------------------------------------------------

_NEW_FILE = Statement(
    insert(attachments).values(
        {name: bindparam(name) for name in "token owner name type size width height sha256 created_at".split()}
    )
)


_CLAIM_FILE = Statement(
    update(attachments)
    .where(
        attachments.c.token == bindparam("file_token"),
        attachments.c.owner == bindparam("file_owner"),
        or_(attachments.c.thread_id.is_(None), attachments.c.thread_id == bindparam("thread")),
    )
    .values(
        thread_id=bindparam("thread"),
        public=or_(attachments.c.public, bindparam("is_public", type_=attachments.c.public.type)),
    )
)


def store_file(tx: Tx, file: Attachment, sha256: str) -> None:
    """The row of a file whose bytes are already on disk."""
    tx.run(
        _NEW_FILE,
        token=file.token,
        owner=file.owner,
        name=file.name,
        type=file.type,
        size=file.size,
        width=file.width,
        height=file.height,
        sha256=sha256,
        created_at=tx.now,
    )


def attach(tx: Tx, tokens: list[str], owner: str, thread: int, *, public: bool) -> list[dict[str, Any]]:
    """Gives the files to the thread; only their uploader can, and only to one thread."""
    if not tokens:
        return []
    found = queries.files(tx, tokens)
    for token in tokens:
        if token not in found or not tx.run(
            _CLAIM_FILE, file_token=token, file_owner=owner, thread=thread, is_public=public
        ):
            raise NotFound("An attached file is not there any more; attach it again.")
    return [found[token].wire() for token in tokens]
