"""Draws the demo's pictures: a damaged parcel and its replacement."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SIZE = (960, 720)
TABLE, CARDBOARD, SHADE, TAPE, TEAR = "#d9d2c5", "#b98a5a", "#96693d", "#e4cfa4", "#4a3422"


def damaged_parcel() -> bytes:
    """A JPEG of a box with a torn corner."""
    return _draw_parcel(torn=True)


def new_parcel() -> bytes:
    """A JPEG of an undamaged box with a leaf on it."""
    return _draw_parcel(torn=False)


def _draw_parcel(*, torn: bool) -> bytes:
    from PIL import Image, ImageDraw, ImageFilter

    picture = Image.new("RGB", SIZE, TABLE)
    draw = ImageDraw.Draw(picture)
    for line in range(0, SIZE[1], 48):  # boards of a table
        draw.line((0, line, SIZE[0], line + 14), fill="#cbc2b1", width=3)
    draw.ellipse((150, 560, 850, 660), fill="#b5ab98")
    picture = picture.filter(ImageFilter.GaussianBlur(9))
    draw = ImageDraw.Draw(picture)
    draw.polygon(((220, 260), (480, 190), (780, 250), (520, 330)), fill="#cf9f6c")
    draw.polygon(((220, 260), (520, 330), (520, 610), (220, 520)), fill=CARDBOARD)
    draw.polygon(((520, 330), (780, 250), (780, 510), (520, 610)), fill=SHADE)
    draw.polygon(((345, 226), (385, 216), (660, 286), (620, 299)), fill=TAPE)
    draw.polygon(((620, 299), (660, 286), (660, 370), (620, 385)), fill="#c9b17f")
    if torn:
        _draw_tear(draw)
    else:
        draw.ellipse((310, 370, 430, 480), fill="#2f6b4f")
        draw.line((330, 470, 420, 385), fill="#dfe9df", width=6)
    jpeg = BytesIO()
    picture.save(jpeg, "JPEG", quality=85)
    return jpeg.getvalue()


def _draw_tear(draw: ImageDraw) -> None:
    edge = ((220, 430), (262, 412), (286, 450), (330, 438), (352, 486), (398, 492), (404, 538), (440, 586), (220, 520))
    draw.polygon(edge, fill=TEAR)
    draw.polygon(((232, 452), (258, 440), (280, 470), (318, 466), (338, 508), (300, 540), (232, 516)), fill="#f4f1ea")
    draw.line((286, 470, 300, 492, 292, 512), fill="#8c8578", width=4)  # the crack in the content
    draw.line((262, 412, 300, 380, 330, 396), fill=TEAR, width=5)
    draw.line(((520, 420), (556, 440), (570, 480), (610, 498)), fill="#6e4b2a", width=6)
