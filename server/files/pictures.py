"""Decodes a picture and encodes it again from its pixels, which removes metadata and any second file inside it.

Also a program: `decoding` runs it in a child process with limits, as `python pictures.py SOURCE TARGET`. Therefore it
imports nothing of this project. It exits with `DONE`, `REFUSED` or `NOT_WRITTEN` and prints a JSON object: `type`,
`width` and `height` of the picture, or the `message` of a refusal.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Pillow is imported in the child process only
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
MAX_PIXELS = 20_000_000  # decoded, of all frames together
MAX_JPEG_PIXELS = 200_000_000  # in the file; phone cameras reach this
MAX_FRAMES = 200
MAX_SCANS = 64  # of a progressive JPEG, each over the whole picture; programs write about ten
MAX_SEGMENTS = 20_000  # of a JPEG
MAX_GROWTH, GROWTH_BYTES = 8, 1 << 20  # the result is at most MAX_GROWTH times the size of the file, plus GROWTH_BYTES
DAMAGED = "This picture is damaged or too large to open."
TOO_LARGE = "This picture is too large: at most 20 megapixels (200 as JPEG), all frames together, and 200 frames."

# Limits of the child process, well above what any permitted picture needs.
MEMORY_BYTES = 1 << 30
CPU_S = 20
NICENESS = 10  # below the server's priority

DONE, REFUSED, NOT_WRITTEN = 0, 3, 4  # exit status

_QUALITY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 88, "optimize": True},
    "WEBP": {"quality": 88, "method": 2},
    "PNG": {},
    "GIF": {},
}
_KEPT_METADATA = ("transparency", "background", "loop")  # all other metadata is dropped
_PIXELS_OF_PROFILE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space -> mode


class BadPicture(Exception):
    """The message is for the sender."""


@dataclass(frozen=True, slots=True)
class Picture:
    type: str
    width: int
    height: int
    data: bytes


def kind_of(head: bytes) -> str | None:
    """The key of `TYPES` that matches the first bytes of a file; 12 bytes are enough."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    return None


def rewrite(data: bytes) -> Picture:
    """Returns the picture upright, in sRGB, with all frames and their durations, and nothing else. Raises `BadPicture`.

    A JPEG of more than `MAX_PIXELS` is scaled down to a half, a quarter or an eighth in width and height.
    Of a JPEG with several pictures (MPO, from many phones) only the first is kept.
    """
    kind = kind_of(data[:12])
    if kind is None or (kind == "JPEG" and _count_scans(data) > MAX_SCANS):
        raise BadPicture(DAMAGED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about irregular files
            with _open(kind, data) as image:
                picture = (
                    _rewrite_animation(kind, image)
                    if getattr(image, "is_animated", False)
                    else _rewrite_still(kind, image)
                )
    except BadPicture:
        raise
    except Exception:  # on damaged files decoders raise anything: IndexError, struct.error, RuntimeError
        raise BadPicture(DAMAGED) from None
    # The result is much larger than the file if, for example, many frames repeat the previous one.
    if len(picture.data) > MAX_GROWTH * len(data) + GROWTH_BYTES:
        raise BadPicture(DAMAGED)
    return picture


def _open(kind: str, data: bytes) -> ImageFile:
    """Opens the picture as `kind`. `Image.open` would recognise some JPEGs as another format."""
    from PIL import Image
    from PIL.GifImagePlugin import GifImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    openers: dict[str, type[ImageFile]] = {
        "GIF": GifImageFile,
        "JPEG": JpegImageFile,
        "PNG": PngImageFile,
        "WEBP": WebPImageFile,
    }
    return openers[kind](BytesIO(data))


def _rewrite_still(kind: str, image: ImageFile) -> Picture:
    from PIL import ImageOps

    if kind == "JPEG" and image.width * image.height <= MAX_JPEG_PIXELS:
        _reduce(image)
    _check_limits(1, image.width * image.height)
    ImageOps.exif_transpose(image, in_place=True)
    plain = _without_metadata(image)
    if kind == "JPEG" and plain.mode != "RGB":
        plain = plain.convert("RGB")
    buffer = BytesIO()
    plain.save(buffer, kind, **_QUALITY[kind])
    return Picture(TYPES[kind], *plain.size, buffer.getvalue())


def _reduce(image: ImageFile) -> None:
    """Makes the decoder scale a JPEG down that has too many pixels, so that it never decodes the full size."""
    if image.width * image.height > MAX_PIXELS:
        parts = [n for n in (2, 4, 8) if -(-image.width // n) * -(-image.height // n) <= MAX_PIXELS]
        image.draft(None, (image.width // parts[0], image.height // parts[0]))


def _rewrite_animation(kind: str, image: ImageFile) -> Picture:
    frames, durations, disposals = [], [], []
    for frame in _frames(image):
        durations.append(int(frame.info.get("duration", 0)))
        disposals.append(getattr(frame, "disposal_method", 0))
        frames.append(_without_metadata(frame.copy()))
    if image.info.get("default_image") and len(frames) > 1:  # PNG: the first frame is for viewers without animation
        del frames[0], durations[0], disposals[0]
    first_frame = frames[0]
    same_size = [
        frame if frame.size == first_frame.size else frame.crop((0, 0, *first_frame.size)) for frame in frames[1:]
    ]
    save_options: dict[str, Any] = {"duration": durations}
    if "loop" in first_frame.info:
        save_options["loop"] = first_frame.info["loop"]
    if kind == "GIF":
        save_options["disposal"] = disposals
    if kind == "PNG":  # each frame is complete and replaces the one before
        save_options |= {"disposal": 0, "blend": 0}
    buffer = BytesIO()
    first_frame.save(buffer, kind, save_all=True, append_images=same_size, **_QUALITY[kind], **save_options)
    return Picture(TYPES[kind], *first_frame.size, buffer.getvalue())


def _frames(image: ImageFile) -> Iterator[ImageFile]:
    """Yields the loaded frames and checks the limits at each: the frame count and sizes in the header may be false."""
    pixels = 0
    for number in count():
        try:
            image.seek(number)
        except EOFError:
            return
        pixels += image.width * image.height
        _check_limits(number + 1, pixels)
        image.load()
        yield image


_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])", re.DOTALL)  # the bytes after 0xff that do not occur inside a scan
_WITHOUT_LENGTH = (0x01, 0xD8)  # markers
_END, _SCAN = 0xD9, 0xDA  # the end of the picture; the start of a scan


def _count_scans(data: bytes) -> int:
    """Counts the scans of a JPEG over its picture. A scan of a few bytes costs as much to decode as any other."""
    position, scans = 0, 0
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(data, position)
        if marker is None or (kind := marker[1][0]) == _END:
            return scans
        scans += kind == _SCAN
        position = marker.end()
        if kind not in _WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2], "big")
    return MAX_SCANS + 1


def _check_limits(frames: int, pixels: int) -> None:
    if frames > MAX_FRAMES or pixels > MAX_PIXELS:
        raise BadPicture(TOO_LARGE)


def _without_metadata(image: Image) -> Image:
    """The image in sRGB, without metadata that Pillow would write."""
    profile = image.info.get("icc_profile")
    if profile:
        image = _in_srgb(image, profile)
    image.info = {name: image.info[name] for name in _KEPT_METADATA if name in image.info}
    return image


def _in_srgb(image: Image, profile: bytes) -> Image:
    """Converts the colours to sRGB, for viewers that ignore profiles. A damaged or unfitting profile is ignored."""
    from PIL import ImageCms

    try:
        source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        mode = _PIXELS_OF_PROFILE[source.profile.xcolor_space.strip()]
        if (mode == "CMYK") != (image.mode == "CMYK") or (mode == "L") != (image.mode in ("1", "L", "LA")):
            return image
        if mode == "CMYK":
            return ImageCms.profileToProfile(image, source, target, outputMode="RGB") or image
        transparent = image.has_transparency_data
        if mode == "RGB":
            converted = image.convert("RGBA" if transparent else "RGB")
            ImageCms.profileToProfile(converted, source, target, inPlace=True)
        else:
            source_grey = image.convert("LA" if transparent else "L")
            srgb_grey = ImageCms.profileToProfile(source_grey.convert("L"), source, target, outputMode="RGB")
            assert srgb_grey is not None
            converted = srgb_grey.convert("L")
            if transparent:
                converted.putalpha(source_grey.getchannel("A"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
        return image
    converted.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return converted


# --- the child process --------------------------------------------------------------------------


def main(source: str, target: str) -> int:
    _set_limits()
    try:
        picture = rewrite(Path(source).read_bytes())
    except BadPicture as refusal:
        print(json.dumps({"message": str(refusal)}))
        return REFUSED
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(picture.data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return NOT_WRITTEN
    print(json.dumps({"type": picture.type, "width": picture.width, "height": picture.height}))
    return DONE


def _set_limits() -> None:
    """Limits memory and processor time of this process, and lowers its priority."""
    import resource

    os.nice(NICENESS)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_AS: MEMORY_BYTES,
    }
    for resource_id, limit in limits.items():
        try:
            resource.setrlimit(resource_id, (limit, limit))
        except (ValueError, OSError):  # not every system supports every limit; macOS does not limit memory
            continue


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
