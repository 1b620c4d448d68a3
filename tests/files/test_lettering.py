"""The font of drawn pictures."""

from __future__ import annotations

import pytest
from PIL import ImageFont

from ti_core.files.lettering import default_font


def test_the_font_has_the_size_that_is_asked_for() -> None:
    heights = [font.getbbox("H")[3] - font.getbbox("H")[1] for font in map(default_font, (16, 48))]
    assert heights[1] == pytest.approx(3 * heights[0], abs=3)


@pytest.mark.parametrize("error", [TypeError("one argument"), ImportError("no FreeType")])
def test_an_older_pillow_gives_its_one_bitmap(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bitmap = ImageFont.load_default_imagefont()

    def old(*size: float) -> object:
        if size:
            raise error
        return bitmap

    monkeypatch.setattr(ImageFont, "load_default", old)
    assert default_font(20) is bitmap
