"""Small images for galleries.

gradio serves copies of the images it is given, and no file from a folder that it does not know;
small ones without their metadata are all that a gallery needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from ti_core.data.pictures import open_picture
from ti_core.errors import DataError
from ti_core.files.lettering import default_font

_SIDE = 256
"""Pixels of the longer side."""
_GREY, _DARK = (229, 231, 235), (107, 114, 128)


def thumbnail(path: Path | None, text: str = "", side: int = _SIDE) -> Image.Image:
    """The image, or a grey card with a text where there is none or it cannot be read."""
    try:
        image = open_picture(path, side).image if path else None
    except DataError:
        image = None
    if image is None:
        return _card(text, side)
    image.thumbnail((side, side))
    return image


def _card(text: str, side: int) -> Image.Image:
    words = re.findall(r"[A-Za-z0-9]+", text)
    letters = _letters("".join(word[0] for word in words[:2]).upper(), side // 3)
    image = Image.new("RGB", (side, side), _GREY)
    place = ((side - letters.width) // 2, (side - letters.height) // 2)
    image.paste(_DARK, place, letters)
    return image


def _letters(text: str, height: int) -> Image.Image:
    """Text as opacity, so many pixels high; an old Pillow's small letters are enlarged."""
    font = default_font(height)
    left, top, right, bottom = map(int, font.getbbox(text or " "))
    drawn = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(drawn).text((-left, -top), text, fill=255, font=font)
    scale = max(1, height // (2 * drawn.height))
    return drawn.resize((drawn.width * scale, drawn.height * scale), Image.Resampling.BICUBIC)


def thumbnails(pictures: Iterable[tuple[Path | None, str]]) -> list[tuple[Image.Image, str]]:
    """(file, label) each → the value of a gallery."""
    return [(thumbnail(path, label), label) for path, label in pictures]
