"""The letters of every image that is drawn here: Pillow's own, so that none has to be brought."""

from __future__ import annotations

from typing import Any

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Text = str | bytes | bytearray


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

    def __init__(self, font: Font) -> None:
        vars(self).update(vars(font))

    def getmask(self, text: str | bytes, mode: str = "", *_: object, **__: object) -> Any:
        """The letters, to be drawn."""
        return super().getmask(_latin(text), mode)

    def getbbox(self, text: Text, *_: object, **__: object) -> tuple[int, int, int, int]:
        """The box around them."""
        return super().getbbox(_latin(text))

    def getlength(self, text: Text, *_: object, **__: object) -> int:
        """How long they are."""
        return super().getlength(_latin(text))


def _latin(text: Text) -> str:
    letters = text if isinstance(text, str) else text.decode("latin-1")
    return letters.replace("…", "...").encode("latin-1", "replace").decode("latin-1")
