"""The font of drawn pictures."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageFont

from ti_core.files.lettering import default_font


def test_the_font_has_the_size_that_is_asked_for() -> None:
    heights = [font.getbbox("H")[3] - font.getbbox("H")[1] for font in map(default_font, (16, 48))]
    assert heights[1] == pytest.approx(3 * heights[0], abs=3)


@pytest.fixture(params=[TypeError("one argument"), ImportError("no FreeType")], ids=str)
def _old_pillow(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """It has one bitmap, of one size."""
    bitmap = ImageFont.load_default_imagefont()

    def old(*size: float) -> object:
        if size:
            raise request.param
        return bitmap

    monkeypatch.setattr(ImageFont, "load_default", old)


@pytest.mark.usefixtures("_old_pillow")
def test_an_older_pillow_gives_its_one_bitmap() -> None:
    assert isinstance(default_font(20), ImageFont.ImageFont)
    assert default_font(20).getbbox("H") == default_font(48).getbbox("H")


@pytest.mark.usefixtures("_old_pillow")
def test_the_bitmap_writes_any_text_as_well_as_it_can() -> None:
    font = default_font(20)
    assert font.getlength("猫 café …") == font.getlength("? café ...")
    image = Image.new("RGB", (120, 20), "white")
    ImageDraw.Draw(image).text((2, 2), "猫 …", fill="black", font=font)
    assert image.getcolors() != [(120 * 20, (255, 255, 255))]
