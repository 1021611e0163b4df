"""Pictures are decoded and encoded again; a damaged picture is refused and has no other effect (A33)."""

from __future__ import annotations

import random
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageSequence

from server.files import pictures
from server.files.pictures import DAMAGED, TOO_LARGE, BadPicture, rewrite

RED, GREEN, BLUE = (220, 30, 20), (20, 200, 40), (30, 40, 210)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A profile with the red and green primaries swapped: a pixel stored as red is shown green.
EXCHANGED = SRGB.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")


def single_colour(colour: Any = RED, size: tuple[int, int] = (24, 16), mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", size, colour)
    image.paste(BLUE, (0, 0, size[0] // 3, size[1] // 2))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **more: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def animation(kind: str, count: int = 3, **more: Any) -> bytes:
    frames = [single_colour((40 * n % 251, 90, 30)) for n in range(count)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=60, **more)


def decode(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image


def looks_alike(item: Any, other: Any, most: int = 24) -> bool:
    return max(abs(a - b) for a, b in zip(item[:3], other, strict=True)) <= most


# --- several pictures in one --------------------------------------------------------------------------


def mpo() -> bytes:
    return encoded(single_colour(RED), "MPO", save_all=True, append_images=[single_colour(GREEN), single_colour(BLUE)])


def test_a_jpeg_with_several_pictures_is_reduced_to_its_first() -> None:
    assert decode(mpo()).format == "MPO", "precondition: the file is one JPEG with several pictures"
    result = rewrite(mpo())
    assert (result.type, result.width, result.height) == ("image/jpeg", 24, 16)
    image = decode(result.data)
    assert image.format == "JPEG" and looks_alike(image.getpixel((20, 12)), RED)
    assert b"MPF" not in result.data


def test_viewers_without_animation_show_the_first_picture() -> None:
    data = animation("PNG", 3, default_image=True)
    with Image.open(BytesIO(data)) as image:
        assert image.info["default_image"]
    with Image.open(BytesIO(rewrite(data).data)) as image:
        pixels = [frame.convert("RGB").getpixel((20, 12)) for frame in ImageSequence.Iterator(image)]
    assert pixels == [(40, 90, 30), (80, 90, 30)]


# --- size ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_a_picture_of_more_than_twenty_megapixels_is_refused(kind: str) -> None:
    data = encoded(Image.new("L", (5000, 4001)), kind)
    with pytest.raises(BadPicture, match="20 megapixels") as refused:
        rewrite(data)
    assert str(refused.value) == TOO_LARGE


@pytest.mark.parametrize("more", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize(
    ("size", "becomes"),
    [((160, 125), (160, 125)), ((161, 125), (81, 63)), ((1003, 303), (251, 76)), ((1000, 1279), (125, 160))],
)
def test_a_large_jpeg_is_decoded_at_a_reduced_size(
    size: tuple[int, int], becomes: tuple[int, int], more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phones take photos of 24 and 48 megapixels by default."""
    monkeypatch.setattr(pictures, "MAX_PIXELS", 160 * 125)
    result = rewrite(encoded(single_colour(size=size), "JPEG", **more))
    image = decode(result.data)
    assert (result.width, result.height) == image.size == becomes
    assert looks_alike(image.getpixel((becomes[0] - 2, becomes[1] - 2)), RED) and looks_alike(
        image.getpixel((2, 2)), BLUE
    )


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_large_jpegs_of_other_colours_and_with_several_pictures_are_reduced_too(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    assert (rewrite(encoded(single_colour(mode=mode), "JPEG")).width, rewrite(mpo()).width) == (12, 12)
    turned = Image.Exif()
    turned[0x0112] = 6
    result = rewrite(encoded(single_colour(mode=mode), "JPEG", exif=turned))
    assert (result.width, result.height) == (8, 12), "the reduced picture must be upright"


def test_a_jpeg_of_more_pixels_than_any_phone_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_JPEG_PIXELS", 24 * 16 - 1)
    with pytest.raises(BadPicture) as refused:
        monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
        rewrite(encoded(single_colour(), "JPEG"))
    assert str(refused.value) == TOO_LARGE


def test_a_picture_of_twenty_megapixels_is_accepted() -> None:
    assert rewrite(encoded(Image.new("1", (5000, 4000)), "PNG")).width == 5000


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_pixels_are_counted_over_all_frames(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 24 * 16 * 5)
    assert rewrite(animation(kind, 5)).width == 24
    with pytest.raises(BadPicture, match="20 megapixels"):
        rewrite(animation(kind, 6))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_no_picture_has_more_than_two_hundred_frames(kind: str) -> None:
    assert rewrite(animation(kind, 200)).width == 24
    with pytest.raises(BadPicture, match="200 frames"):
        rewrite(animation(kind, 201))


def test_counting_frames_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL.GifImagePlugin import GifImageFile

    data = animation("GIF", 3)
    frame = data[data.rindex(b"\x21\xf9") : -1]
    positions, seek = [], GifImageFile.seek

    def counted(self: GifImageFile, number: int) -> None:
        positions.append(number)
        seek(self, number)

    monkeypatch.setattr(GifImageFile, "seek", counted)
    with pytest.raises(BadPicture, match="200 frames"):
        rewrite(data[:-1] + frame * 5_000 + b";")
    assert max(positions) <= 201


def test_a_later_frame_counts_with_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(animation("GIF", 2))
    second = data.rindex(b"\x2c")
    data[second + 5 : second + 9] = (3_000).to_bytes(2, "little") * 2
    monkeypatch.setattr(pictures, "MAX_PIXELS", 8_000_000)
    with pytest.raises(BadPicture) as refused:
        rewrite(bytes(data))
    assert str(refused.value) == TOO_LARGE


def test_a_jpeg_with_too_many_scans_is_refused() -> None:
    """Each of its scans has a few bytes and costs the decoder as much as the whole picture."""
    data = encoded(single_colour(mode="L"), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    scan_count = data.count(b"\xff\xda")
    assert rewrite(data[:-2] + last * (pictures.MAX_SCANS - scan_count) + data[-2:]).width == 24
    with pytest.raises(BadPicture):
        rewrite(data[:-2] + last * (pictures.MAX_SCANS - scan_count + 1) + data[-2:])


def test_bytes_that_resemble_scans_in_other_segments_are_not_counted() -> None:
    """Cameras put thumbnails before the picture and films after it."""
    looks_alike = b"\xff\xda\x00\x02" * (pictures.MAX_SCANS + 1)
    comment = b"\xff\xfe" + (len(looks_alike) + 2).to_bytes(2, "big") + looks_alike
    data = encoded(single_colour(), "JPEG")
    assert rewrite(data[:2] + comment + data[2:] + looks_alike).width == 24


def test_a_small_animation_does_not_become_a_large_file() -> None:
    """Each frame differs from the previous one in two corners of noise, so that it is encoded whole."""
    noise = Image.frombytes("RGB", (300, 300), random.Random(1).randbytes(270_000))
    small = dotted(noise, 60)
    assert len(small) < 300_000
    with pytest.raises(BadPicture):
        rewrite(small)


def dotted(noise: Image.Image, count: int) -> bytes:
    """An animation whose later frames are one pixel each, in alternate corners, which the next frame removes."""
    still_chunks = [(name, data) for name, data in chunks_of(encoded(noise, "PNG")) if name in (b"IHDR", b"IDAT")]
    results = [
        still_chunks[0],
        (b"acTL", count.to_bytes(4, "big") + b"\0\0\0\0"),
        (b"fcTL", control(0, noise.size, 0)),
        *still_chunks[1:],
    ]
    dot = zlib.compress(b"\0\1\2\3")
    for number in range(count - 1):
        corner = (noise.width - 1) * (number % 2)
        results.append((b"fcTL", control(1 + 2 * number, (1, 1), corner)))
        results.append((b"fdAT", (2 + 2 * number).to_bytes(4, "big") + dot))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in [*results, (b"IEND", b"")])


def control(number: int, size: tuple[int, int], corner: int) -> bytes:
    return struct.pack(">IIIIIHHBB", number, *size, corner, corner, 6, 100, 2 if number else 0, 0)


def chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def chunks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        position += size + 12


# --- colours --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB"), ("WEBP", "RGBA")],
)
def test_colours_with_a_profile_become_srgb_and_the_profile_is_removed(kind: str, mode: str) -> None:
    image = single_colour((255, 0, 0), mode=mode)
    if mode == "RGBA":
        image.putalpha(128)
    result = rewrite(encoded(image, kind, icc_profile=EXCHANGED))
    decoded = decode(result.data)
    assert "icc_profile" not in decoded.info and b"acsp" not in result.data
    pixel: Any = decoded.convert("RGBA").getpixel((20, 12))
    assert looks_alike(pixel, (0, 255, 0)), pixel
    assert pixel[3] == (128 if mode == "RGBA" else 255)


def test_colours_of_an_animation_become_srgb_as_well() -> None:
    frames = [single_colour((255, 0, 0)), single_colour((0, 255, 0))]
    for kind in ("PNG", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=60, icc_profile=EXCHANGED)
        result = rewrite(data)
        assert b"acsp" not in result.data
        with Image.open(BytesIO(result.data)) as image:
            shown: list[Any] = [frame.convert("RGB").getpixel((20, 12)) for frame in ImageSequence.Iterator(image)]
        assert looks_alike(shown[0], (0, 255, 0)) and looks_alike(shown[1], (255, 0, 0)), (kind, shown)


def test_colours_without_a_profile_are_unchanged() -> None:
    pixel: Any = decode(rewrite(encoded(single_colour((255, 0, 0)), "PNG")).data).getpixel((20, 12))
    assert pixel == (255, 0, 0)


def linear_grey() -> bytes:
    """A linear profile: its value 128 is half the light, which sRGB encodes as 188."""
    tags = [
        (b"desc", b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"Grey\0" + bytes(78)),
        (b"wtpt", b"XYZ " + bytes(4) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)),
        (b"kTRC", b"curv" + bytes(4) + (1).to_bytes(4, "big") + (256).to_bytes(2, "big")),
    ]
    table, body = len(tags).to_bytes(4, "big"), b""
    for name, data in tags:
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    head = size.to_bytes(4, "big") + b"lcms\x02\x40\0\0mntrGRAYXYZ " + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + body


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "L"), ("PNG", "LA"), ("JPEG", "L")])
def test_greys_with_a_profile_become_srgb_greys(kind: str, mode: str) -> None:
    image = Image.new(mode, (24, 16), (128, 90) if mode == "LA" else 128)
    decoded = decode(rewrite(encoded(image, kind, icc_profile=linear_grey())).data)
    pixel: Any = decoded.convert("RGBA").getpixel((5, 5))
    assert looks_alike(pixel, (188, 188, 188), 3) and pixel[3] == (90 if mode == "LA" else 255), pixel
    assert kind == "JPEG" or decoded.mode == mode


@pytest.mark.parametrize("profile", [b"nonsense", SRGB[:300], EXCHANGED])
@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "LA"), ("PNG", "1"), ("PNG", "I;16")]
)
def test_a_profile_that_is_damaged_or_of_another_kind_of_picture_is_dropped(
    kind: str, mode: str, profile: bytes
) -> None:
    image = Image.new(mode, (24, 16)) if mode == "I;16" else single_colour(mode=mode)
    result = rewrite(encoded(image, kind, icc_profile=profile))
    assert (result.width, result.height) == (24, 16) and profile not in result.data


# --- damaged pictures -----------------------------------------------------------------------------------

SEEDS = {
    "JPEG": encoded(single_colour(), "JPEG", icc_profile=EXCHANGED, exif=Image.Exif().tobytes()),
    "JPEG, progressive": encoded(single_colour(), "JPEG", progressive=True),
    "MPO": mpo(),
    "PNG": encoded(single_colour(), "PNG", icc_profile=EXCHANGED),
    "PNG, animated": animation("PNG"),
    "GIF": encoded(single_colour(), "GIF"),
    "GIF, animated": animation("GIF", comment=b"Hello", disposal=2),
    "WEBP": encoded(single_colour(mode="RGBA"), "WEBP", lossless=True, icc_profile=EXCHANGED),
    "WEBP, animated": animation("WEBP"),
}
MUTANTS = 1_000  # mutants of each picture


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Changes, deletes or repeats a few bytes; lengths and sizes tend to extreme values."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        position = chance.randrange(12, len(result)) if chance.random() < 0.9 else chance.randrange(len(result))
        change = chance.randrange(6)
        if change == 0:
            result[position] ^= 1 << chance.randrange(8)
        elif change == 1:
            result[position] = chance.choice((0, 1, 127, 128, 254, 255))
        elif change == 2:
            result[position : position + 2] = chance.choice((b"\0\0", b"\xff\xff", b"\x7f\xff", b"\xff\x7f"))
        elif change == 3:
            del result[position : position + chance.randrange(1, 40)]
        elif change == 4:
            result[position:position] = result[position : position + chance.randrange(1, 60)]
        else:
            del result[position:]
        if len(result) < 16:
            break
    return with_checksums(bytes(result)) if chance.random() < 0.5 else bytes(result)


def with_checksums(data: bytes) -> bytes:
    """Corrects the checksums of a PNG so that its decoder reads on; returns other formats unchanged."""
    if not data.startswith(b"\x89PNG"):
        return data
    result, position = bytearray(data), 8
    while position + 12 <= len(result):
        end = position + 8 + int.from_bytes(result[position : position + 4], "big")
        if end + 4 > len(result):
            break
        result[end : end + 4] = zlib.crc32(result[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(result)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_picture_is_either_shown_or_refused(seed: str) -> None:
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for number in range(MUTANTS):
        data = mutant(SEEDS[seed], chance)
        try:
            result = rewrite(data)
        except BadPicture as refused:
            assert str(refused) in (DAMAGED, TOO_LARGE)
            outcomes["refused"] += 1
        except Exception as error:  # any exception is a failure that names the mutant
            pytest.fail(f"mutant {number} of {seed}: {type(error).__name__}: {error}")
        else:
            assert result.type in pictures.TYPES.values() and result.data
            outcomes["shown"] += 1
    assert min(outcomes["shown"], outcomes["refused"]) > MUTANTS // 50, outcomes


def test_the_decoders_warnings_are_not_printed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rewrite(SEEDS["MPO"][:-40])
