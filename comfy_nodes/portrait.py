"""An image of an embedding: how strong each vector is, and which words it is near to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..ti_core.files.lettering import default_font

_WIDTH, _ROW, _MARGIN, _BAR = 960, 30, 20, 300
_MOST_ROWS = 75
_INK, _GREY = (30, 30, 30), (150, 150, 150)
_COLOURS = {
    "weak": (170, 190, 215),
    "normal": (37, 99, 175),
    "strong": (217, 119, 6),
    "overtrained": (190, 40, 40),
}
_LONGEST = 6.0
"""Strength at which a bar is full."""


@dataclass(frozen=True)
class Row:
    """One vector."""

    label: str
    value: float
    """Its length ÷ that of an ordinary word; without a verdict, its length."""
    verdict: str
    words: str


def portrait(title: str, rows: Sequence[Row]) -> Image.Image:
    """Bars for strength, words beside them; a line at 1, an ordinary word."""
    shown = rows[:_MOST_ROWS]
    image = Image.new("RGB", (_WIDTH, 2 * _MARGIN + _ROW * (len(shown) + 2)), "white")
    draw, font = ImageDraw.Draw(image), default_font(17)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
    left = _MARGIN + 110
    for number, row in enumerate(shown):
        top = _MARGIN + _ROW * (number + 2) - 8
        length = max(2, round(min(row.value, _LONGEST) / _LONGEST * _BAR))
        draw.text((_MARGIN, top), row.label, fill=_INK, font=font)
        colour = _COLOURS.get(row.verdict, _GREY)
        draw.rectangle((left, top + 3, left + length, top + _ROW - 9), fill=colour)
        draw.text((left + _BAR + 14, top), f"{row.value:.2f}", fill=_INK, font=font)
        draw.text((left + _BAR + 74, top), row.words, fill=_INK, font=font)
    if any(row.verdict for row in shown):
        one = left + round(_BAR / _LONGEST)
        draw.line((one, _MARGIN + _ROW + 12, one, image.height - _MARGIN), fill=_GREY)
    return image
