"""Small pictures for galleries.

gradio serves copies of the pictures it is given, and no file from a folder that it does not know;
small ones without their metadata are all that a gallery needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from ti_core.data.pictures import open_picture
from ti_core.errors import DataError

SIDE = 256
"""Pixels of the longer side."""
_GREY, _DARK = (229, 231, 235), (107, 114, 128)


def thumbnail(path: Path | None, text: str = "", side: int = SIDE) -> Image.Image:
    """The picture, or a grey card with a text where there is none or it cannot be read."""
    try:
        image = open_picture(path, side).image if path else None
    except DataError:
        image = None
    if image is None:
        return _card(text, side)
    image.thumbnail((side, side))
    return image


def _card(text: str, side: int) -> Image.Image:
    image = Image.new("RGB", (side, side), _GREY)
    letters = "".join(word[:1] for word in text.replace("-", " ").replace("_", " ").split()[:2])
    draw = ImageDraw.Draw(image)
    small = Image.new("RGB", (24, 14), _GREY)
    ImageDraw.Draw(small).text((12 - 3 * len(letters), 1), letters.upper(), fill=_DARK)
    scale = side // 40
    large = small.resize((small.width * scale, small.height * scale), Image.Resampling.BICUBIC)
    image.paste(large, ((side - large.width) // 2, (side - large.height) // 2))
    draw.rectangle((0, 0, side - 1, side - 1), outline=_DARK)
    return image


def gallery(pictures: Iterable[tuple[Path | None, str]]) -> list[tuple[Image.Image, str]]:
    """(file, label) each → the value of a gallery."""
    return [(thumbnail(path, label), label) for path, label in pictures]
