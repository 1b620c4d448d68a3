"""Images in rows and columns with labels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw

from ..ti_core.files.lettering import default_font, shortened

_GAP = 8
_SIZE = 18
_HEAD = 34
_LABEL = 190
_INK = (30, 30, 30)


def labelled_grid(
    rows: Sequence[Sequence[Image.Image]], columns: Sequence[str], lines: Sequence[str]
) -> Image.Image:
    """Images of one size, `columns` above and `lines` at the left."""
    width, height = rows[0][0].size
    size = (
        _LABEL + len(columns) * (width + _GAP) + _GAP,
        _HEAD + len(rows) * (height + _GAP) + _GAP,
    )
    grid = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(grid), default_font(_SIZE)
    for number, text in enumerate(columns):
        place = (_LABEL + _GAP + number * (width + _GAP), _GAP)
        draw.text(place, shortened(text, width, font), fill=_INK, font=font)
    for row, (pictures, line) in enumerate(zip(rows, lines, strict=True)):
        top = _HEAD + _GAP + row * (height + _GAP)
        text = "\n".join(textwrap.wrap(line, 20)[: max(1, height // 24)])
        draw.multiline_text((_GAP, top), text, fill=_INK, font=font)
        for column, picture in enumerate(pictures):
            grid.paste(picture, (_LABEL + _GAP + column * (width + _GAP), top))
    return grid
