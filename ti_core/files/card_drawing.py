"""How a card looks: title above, model and steps below, over an image darkened there (A1111)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageOps

from .lettering import default_font

_LETTERS = 96
"""Pixels; text is drawn once in this size and made smaller."""
_LARGEST = 72
_PADDING = 10
_LONGEST = 80
"""Characters; what is longer could not be read on any card."""
_SMALLEST_SIDE, _LARGEST_SIDE = 256, 2048
_WHITE, _OPACITY = (255, 255, 255), 0.9


def captioned(picture: Image.Image, title: str, left: str, middle: str, right: str) -> Image.Image:
    """An RGB copy of the image with a title and a footer of three parts.

    Its sides are 256 to 2048 pixels: other images are scaled, and cut where they are very narrow.
    """
    card = _darkened(_of_bearable_size(picture.convert("RGB")))
    _write_title(card, _letters(title))
    _write_footer(card, [_letters(text) for text in (left, middle, right)])
    return card


def plain_picture() -> Image.Image:
    """512×512, for an embedding of which there is no image: a calm blue, darker below."""
    ramp = Image.linear_gradient("L").resize((512, 512))
    return Image.merge("RGB", [ramp.point(_fading(level)) for level in (70, 105, 150)])


def _fading(level: int) -> list[int]:
    return [round(level * (1 - value / 400)) for value in range(256)]


def _of_bearable_size(picture: Image.Image) -> Image.Image:
    shorter, longer = sorted(picture.size)
    scale = max(_SMALLEST_SIDE / shorter, min(1.0, _LARGEST_SIDE / longer))
    width, height = (
        max(_SMALLEST_SIDE, min(_LARGEST_SIDE, round(side * scale))) for side in picture.size
    )
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def _darkened(picture: Image.Image) -> Image.Image:
    """Darker towards the upper and, a little more, the lower edge."""
    height = picture.height
    shadow = Image.new("L", (1, height))
    for y in range(height):
        above, below = math.cos((1 - y / height) * 1.65), math.cos(y / height * 1.5)
        shadow.putpixel((0, y), min(255, int((1 - min(above, below)) * 255)))
    return Image.composite(Image.new("RGB", picture.size), picture, shadow.resize(picture.size))


# --- text -------------------------------------------------------------------------------------


def _write_title(card: Image.Image, letters: Image.Image) -> None:
    room = card.width * 0.75 - 4 * _PADDING
    _paste(card, _scaled(letters, _scale([letters], room)), (_PADDING, _PADDING))


def _write_footer(card: Image.Image, parts: Sequence[Image.Image]) -> None:
    """Three parts of one size, at the left, in the middle and at the right."""
    scale = _scale(parts, card.width / 3 - 2 * _PADDING)
    for place, letters in enumerate(parts):
        text = _scaled(letters, scale)
        room = card.width - 2 * _PADDING - text.width
        x = _PADDING + room * place // 2
        _paste(card, text, (x, card.height - _PADDING - text.height))


def _scale(parts: Sequence[Image.Image], room: float) -> float:
    """What makes every part fit into the room, no letter becoming too large."""
    return min(_LARGEST / _LETTERS, *(room / max(1, letters.width) for letters in parts))


def _scaled(letters: Image.Image, scale: float) -> Image.Image:
    width, height = (max(1, round(side * scale)) for side in letters.size)
    return letters.resize((width, height), Image.Resampling.LANCZOS)


def _paste(card: Image.Image, letters: Image.Image, place: tuple[int, int]) -> None:
    card.paste(_WHITE, place, letters.point(lambda value: value * _OPACITY))


def _letters(text: str) -> Image.Image:
    """A line of text, brightness as opacity; as high as the font, as wide as the text."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
    font = default_font(_LETTERS)
    left, top, _, bottom = font.getbbox(line + "Ág")
    end = font.getbbox(line)[2] if line else 0
    letters = Image.new("L", (max(1, int(end - left)), int(bottom - top)))
    ImageDraw.Draw(letters).text((-left, -top), line, fill=255, font=font)
    return letters if letters.height >= _LETTERS // 2 else _enlarged(letters)


def _enlarged(letters: Image.Image) -> Image.Image:
    """The old bitmap font has one size only."""
    factor = _LETTERS / letters.height
    return letters.resize((max(1, round(letters.width * factor)), _LETTERS))
