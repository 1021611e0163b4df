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

from server.errors import Refused, StorageFull
from server.inbox.queries import Attachment
from server.inbox.rules import clean_line
from server.kernel.context import App

IMAGE_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
INLINE_TYPES = frozenset(IMAGE_TYPES.values())
MAX_PIXELS = 40_000_000
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


async def keep(app: App, owner: str, name: str, data: bytes) -> tuple[Attachment, str]:
    """Inspects and stores `data`; returns the row to write and its SHA-256.

    Raises `Refused` `empty_file` or `bad_image`, `StorageFull`.
    """
    if not data:
        raise Refused("empty_file", "This file is empty.")
    loop = asyncio.get_running_loop()
    inspected = await loop.run_in_executor(_pool, _inspect, data)
    token = app.ids.token(24)
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
    """Spread over folders by the token's first characters, which are random."""
    return app.settings.files_dir() / token[:2] / token


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and on disk before anybody hears of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
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
            if width * height > MAX_PIXELS or getattr(image, "n_frames", 1) > MAX_FRAMES:
                raise Refused("bad_image", "This picture is too large: at most 40 megapixels and 200 frames.")
            return _Inspected(IMAGE_TYPES[kind], width, height, _rewrite(image, kind, data))
    except UnidentifiedImageError:
        return _Inspected(_sniff(data), None, None, data)
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise Refused("bad_image", "This picture is damaged or too large to open.") from None


def _rewrite(image: object, kind: str, data: bytes) -> bytes:
    from PIL import Image, ImageOps

    assert isinstance(image, Image.Image)
    if getattr(image, "n_frames", 1) > 1:
        image.load()  # decodes the first frame at least; animations keep their bytes, they carry no EXIF places
        return data
    upright = ImageOps.exif_transpose(image)
    out = BytesIO()
    if kind == "JPEG":
        upright.convert("RGB").save(out, "JPEG", quality=88, optimize=True)
    elif kind == "PNG":
        upright.save(out, "PNG", optimize=False)
    elif kind == "WEBP":
        upright.save(out, "WEBP", quality=88)
    else:
        upright.save(out, kind)
    return out.getvalue()


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
