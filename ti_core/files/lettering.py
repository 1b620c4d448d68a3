"""The letters of every picture that is drawn here: Pillow's own, so that none has to be brought."""

from __future__ import annotations

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def default_font(size: float) -> Font:
    """Pillow's own font, so many pixels high.

    Before Pillow 10.1, which A1111 and Forge have, or without FreeType, it is a small bitmap of one
    size.
    """
    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError, OSError):
        return ImageFont.load_default()
