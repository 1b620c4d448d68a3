"""How a card looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from ti_core.files.card_drawing import captioned, plain_picture

WORDS = ("<cat>", "v1-5-pruned", "[e1441589a6]", "8v 500s")


def brightness(picture: Image.Image) -> Any:
    return np.asarray(picture.convert("L"), dtype=float)


def grey(width: int = 512, height: int = 512) -> Image.Image:
    return Image.new("RGB", (width, height), (128, 128, 128))


def test_the_picture_stays_as_it_is_in_the_middle_and_is_dark_above_and_below() -> None:
    card = brightness(captioned(grey(), "", "", "", ""))
    assert card.shape == (512, 512)
    assert card[256].mean() > 80
    assert card[0].mean() < 20
    assert card[-1].mean() < 25
    assert np.ptp(card, axis=1).max() == 0  # no text, no marks


def test_the_title_stands_above_and_the_footer_in_three_parts_below() -> None:
    plain = brightness(captioned(grey(), "", "", "", ""))
    written = brightness(captioned(grey(), *WORDS)) - plain > 50
    rows, columns = np.flatnonzero(written.any(axis=1)), np.flatnonzero(written.any(axis=0))
    assert (rows < 100).any()
    assert (rows > 460).any()
    assert not written[110:450].any()
    assert columns.min() >= 9
    assert columns.max() <= 503
    thirds = [written[450:, start : start + 170].any() for start in (0, 171, 342)]
    assert thirds == [True, True, True]


def test_a_long_title_is_made_smaller_until_it_fits() -> None:
    plain = brightness(captioned(grey(), "", "", "", ""))
    long = brightness(captioned(grey(), "<" + "long name " * 9 + ">", "", "", "")) - plain > 20
    columns = np.flatnonzero(long.any(axis=0))
    assert 300 < np.ptp(columns) < 400


@pytest.mark.parametrize(
    "words", [("", "", "", ""), ("\n", " ", "\0", "x" * 5000), ("猫", "é", "", "")]
)
def test_no_text_is_too_odd_to_be_drawn(words: tuple[str, str, str, str]) -> None:
    assert captioned(grey(), *words).size == (512, 512)


@pytest.mark.parametrize(
    ("size", "becomes"),
    [
        ((64, 64), (256, 256)),
        ((1, 1), (256, 256)),
        ((128, 512), (256, 1024)),
        ((300, 256), (300, 256)),
        ((4096, 2048), (2048, 1024)),
        ((5000, 20), (2048, 256)),
    ],
)
def test_a_picture_becomes_large_enough_to_be_read_and_small_enough_to_be_carried(
    size: tuple[int, int], becomes: tuple[int, int]
) -> None:
    assert captioned(grey(*size), *WORDS).size == becomes


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_pictures_of_any_kind_become_rgb_and_are_not_changed(mode: str) -> None:
    picture = grey().convert(mode)
    before = picture.tobytes()
    assert captioned(picture, *WORDS).mode == "RGB"
    assert picture.tobytes() == before


def test_equal_words_give_equal_pictures() -> None:
    assert captioned(grey(), *WORDS).tobytes() == captioned(grey(), *WORDS).tobytes()


def test_the_old_font_of_one_size_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with_new_font = brightness(captioned(grey(), *WORDS))
    bitmap = ImageFont.load_default_imagefont()

    def old(*size: float) -> object:
        if size:
            raise TypeError("load_default() takes 0 positional arguments")
        return bitmap

    monkeypatch.setattr(ImageFont, "load_default", old)
    plain = brightness(captioned(grey(), "", "", "", ""))
    written = brightness(captioned(grey(), *WORDS)) - plain > 50
    assert written[:100].sum() > 500
    assert written[450:].sum() > 300
    assert not np.array_equal(plain + written, with_new_font)


def test_the_plain_picture_is_calm_and_always_the_same() -> None:
    assert plain_picture().tobytes() == plain_picture().tobytes()
    assert plain_picture().size == (512, 512)
    assert np.abs(np.diff(brightness(plain_picture()), axis=0)).max() <= 3
