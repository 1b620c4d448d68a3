"""The letters of every picture that is drawn here: Pillow's own, so that none has to be brought."""

from __future__ import annotations

from typing import Any

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def default_font(size: float) -> Font:
    """Pillow's own font, so many pixels high; it takes any text.

    Before Pillow 10.1, which A1111 and Forge have, or without FreeType, it is a small bitmap of one
    size.
    """
    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError, OSError):
        return _Bitmap(ImageFont.load_default())


def shortened(text: str, width: float, font: Font) -> str:
    """As much of a line as fits into `width` pixels, "…" at the end where it is cut."""
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip("…") + "…" if len(text) > 2 else ""
    return text


class _Bitmap(ImageFont.ImageFont):
    """Latin letters are all that it has; by itself it raises an error at any other."""

    def __init__(self, font: Any) -> None:
        vars(self).update(vars(font))

    def getmask(self, text: Any, *args: Any, **options: Any) -> Any:
        """The letters, to be drawn."""
        return super().getmask(_latin(text), *args, **options)

    def getbbox(self, text: Any, *args: Any, **options: Any) -> Any:
        """The box around them."""
        return super().getbbox(_latin(text), *args, **options)

    def getlength(self, text: Any, *args: Any, **options: Any) -> Any:
        """How long they are."""
        return super().getlength(_latin(text), *args, **options)


def _latin(text: str) -> str:
    return text.replace("…", "...").encode("latin-1", "replace").decode("latin-1")
