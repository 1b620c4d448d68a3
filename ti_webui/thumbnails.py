"""Small pictures for galleries.

gradio serves copies of the pictures it is given, and no file from a folder that it does not know;
small ones without their metadata are all that a gallery needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

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
    words = re.findall(r"[A-Za-z0-9]+", text)
    letters = "".join(word[0] for word in words[:2]).upper()
    middle = (side // 2, side // 2)
    ImageDraw.Draw(image).text(middle, letters, fill=_DARK, font=_font(side // 3), anchor="mm")
    return image


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font; before 10.1 it is a small bitmap."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        return ImageFont.load_default()


def gallery(pictures: Iterable[tuple[Path | None, str]]) -> list[tuple[Image.Image, str]]:
    """(file, label) each → the value of a gallery."""
    return [(thumbnail(path, label), label) for path, label in pictures]
